"""A comparison as files: two tables and one page that needs nothing else."""

from ._page import prepare, write

__all__ = ["prepare", "write"]
