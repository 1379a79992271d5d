"""Report the steps of a long computation to a listener, such as the command's progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

Unit: TypeAlias = Literal["fits", "epochs"]
Listener: TypeAlias = Callable[[Unit, int, int], None]

# Other threads and processes have no listener: their steps may be those of several fits at once.
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listen(listener: Listener | None) -> Iterator[None]:
    """Call a function at each step of this thread, with the unit, the finished and all steps."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_step(unit: Unit, finished: int, total: int) -> None:
    """Tell the listener, if there is one, how many fits or epochs are finished."""
    if (listener := _listener.get()) is not None:
        listener(unit, finished, total)
