"""A comparison as files: two tables and one page that needs nothing else."""

from .page import prepare, write

__all__ = ["prepare", "write"]
