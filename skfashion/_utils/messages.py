"""Values of users in messages."""

import reprlib
from typing import Any


class _Shortener(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxtuple = self.maxlist = self.maxset = self.maxfrozenset = self.maxdict = 20
        self.maxarray = self.maxdeque = 20
        self.maxstring = self.maxother = self.maxlong = 200

    def repr_bytes(self, value: Any, level: int) -> str:
        # Not all of it: the repr of a large file would take several times its memory.
        shown = repr(value[: self.maxother])
        return shown if len(value) <= self.maxother else f"{shown}... ({len(value):,} bytes)"

    repr_bytearray = repr_bytes


_shortener = _Shortener()


def shorten(value: Any) -> str:
    """Return `repr(value)` for a message. Long strings and collections are abbreviated."""
    return _shortener.repr(value)
