"""The report of a comparison: two tables and one self-contained HTML page.

The report must not depend on how the estimators were trained.
"""

from skfashion._cli.report.page import check_libraries, write

__all__ = ["check_libraries", "write"]
