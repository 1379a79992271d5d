"""The entry point of the command ``skfashion``.

It parses arguments, runs a subcommand and turns errors into exit codes.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from skfashion import __version__
from skfashion._cli import cache, compare, info, predict, reproduce, train
from skfashion._cli.options import message_in_unicode

_COMMANDS = {
    "compare": compare,
    "reproduce": reproduce,
    "train": train,
    "predict": predict,
    "cache": cache,
    "info": info,
}
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(message_in_unicode(message))


def build_parser() -> argparse.ArgumentParser:
    """Build the argument parser with all subcommands."""
    parser = _Parser(
        prog="skfashion",
        description="Convolutional networks for Fashion-MNIST beside classical classifiers.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


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
    arguments = build_parser().parse_args(argv)
    arguments.argv = sys.argv[1:] if argv is None else argv
    try:
        with _clean_exit():
            status = arguments.run(arguments)
            if status == 0:
                sys.stdout.flush()  # errors are handled below
            return status
    except BrokenPipeError:  # the reader of our output, such as `head`, has ended
        return 1
    except (OSError, ValueError, RuntimeError, ImportError) as error:  # DatasetError is an OSError
        print(f"skfashion: {message_in_unicode(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        _discard_failed_output()


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
