"""The entry point of the command ``skfashion``.

It parses arguments, runs a subcommand and turns errors into exit codes.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from skfashion._cli.parser import build_parser
from skfashion._cli.text import clean_message

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``skfashion``.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments. None uses those of the process.

    Returns
    -------
    int
        Exit code: 0 after success, 130 after Ctrl-C, 1 after an error or if an estimator or an
        image failed.

    Raises
    ------
    SystemExit
        With exit code 2 after invalid arguments, 143 after SIGTERM, and 129 after SIGHUP.
    """
    if sys.stdout is None:  # it is closed; the next opened file would become standard output
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    try:
        with _clean_exit():
            status = _run(sys.argv[1:] if argv is None else argv)
            if status == 0:
                sys.stdout.flush()  # errors are handled below
            return status
    except BrokenPipeError:  # the reader of our output, such as `head`, has ended
        return 1
    except (OSError, ValueError, RuntimeError, ImportError) as error:  # DatasetError is an OSError
        print(f"skfashion: {clean_message(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        _discard_failed_output()


def _run(argv: Sequence[str]) -> int:
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks what may come next
        import argcomplete

        argcomplete.autocomplete(parser)
    arguments = parser.parse_args(argv)
    if "run" not in arguments:
        parser.print_help()
        return 0
    arguments.argv = argv
    status: int = arguments.run(arguments)
    return status


@contextmanager
def _clean_exit() -> Iterator[None]:
    """Clean up temporary files and workers also after SIGTERM and SIGHUP.

    These signals come from `kill`, `timeout` and a closed terminal. Only the command handles them,
    and only if no other handler is set: a library should not handle signals.
    """
    unhandled = [
        number
        for number in _SIGNALS
        if signal.getsignal(number) is signal.SIG_DFL  # `nohup` ignores SIGHUP
        and threading.current_thread() is threading.main_thread()
    ]
    for number in unhandled:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in unhandled:
            signal.signal(number, signal.SIG_DFL)


def _discard_failed_output() -> None:
    """Discard output that cannot be written. Python would try again at exit, and print an error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit(number: int, _: object) -> None:
    for other in _SIGNALS:
        if signal.getsignal(other) is _exit:  # a closed terminal sends two signals
            signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)  # the convention of shells
