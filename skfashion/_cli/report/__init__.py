"""Writes a comparison as two tables and one self-contained HTML page.

It must not know how anything was trained.
"""

from .page import check_libraries, write

__all__ = ["check_libraries", "write"]
