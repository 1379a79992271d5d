"""Times contenders in turn, each in a process of its own, while all others wait."""

import functools
import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from importlib.metadata import version
from statistics import median

from skfashion._utils.environment import describe


class Contender:
    """A job in a process of its own, which runs it when told, for as long as the context lasts.

    Parameters
    ----------
    job : callable
        Prepares the work and returns what is timed, a function without arguments.
    *arguments, **keywords
        Of `job`.
    threads : int or None, default=None
        What the process is told to take, by ``OMP_NUM_THREADS``, before it imports anything.
    """

    def __init__(self, job, *arguments, threads=None, **keywords):
        self.job = functools.partial(job, *arguments, **keywords)
        self.threads = threads

    def __enter__(self):
        """Prepare the work, in a new process that shares nothing with this one."""
        context = multiprocessing.get_context("spawn")
        self._told, told = context.Pipe()
        self._process = context.Process(target=_serve, args=(told, self.job))
        with _threads_told(self.threads):
            self._process.start()
        told.close()  # this end is the other process': when it dies, there is nothing to wait for
        try:
            self._answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def run(self, repeats=1):
        """Median seconds of the work, and what it returned."""
        self._told.send(repeats)
        return self._answer()

    def __exit__(self, *_):
        """End the process, if it runs."""
        with suppress(BrokenPipeError):  # it ended by itself, having failed
            self._told.send(None)
        self._process.join()

    def _answer(self):
        try:
            answer = self._told.recv()
        except EOFError:
            raise RuntimeError(f"{self.job} died") from None
        if isinstance(answer, str):
            raise RuntimeError(f"{self.job} failed:\n{answer}")
        return answer


def _serve(told, job):
    try:
        with _silence():
            _start_tensorflow_without_onednn()
            work = job()
            told.send(True)
            while repeats := told.recv():
                seconds = []
                for _ in range(repeats):
                    begin = time.perf_counter()
                    outcome = work()
                    seconds.append(time.perf_counter() - begin)
                told.send((median(seconds), outcome))
    except BaseException:  # whatever it is, the driver tells it
        told.send(traceback.format_exc())
    finally:
        _dismiss_workers()


def _start_tensorflow_without_onednn():
    """Start TensorFlow as on a processor for which it does not choose oneDNN.

    It reads the variable when it starts. Afterwards it would mean that the user wants no oneDNN.
    """
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        import tensorflow as tf  # noqa: F401

        del os.environ["TF_ENABLE_ONEDNN_OPTS"]


def _dismiss_workers():
    """Of a search: left alone they idle for five minutes, and the process waits for them."""
    if "joblib" in sys.modules:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


@contextmanager
def _threads_told(threads):
    before = dict(os.environ)
    os.environ.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _silence():
    """What libraries say while they start is not of the table. Python's tracebacks are kept."""
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        os.dup2(said.fileno(), 1)
        yield


def contest(contenders, *, rounds, warmups=1, repeats=1, afresh=False):
    """Run all contenders in turn, round after round.

    Parameters
    ----------
    contenders : dict of str to Contender
    rounds : int
        Times each is counted.
    warmups : int, default=1
        Rounds that come first and do not count.
    repeats : int, default=1
        Runs of a round, of which the median counts: for what takes little time, or varies.
    afresh : bool, default=False
        Whether every round has a new process for each, so that nothing is compiled beforehand.

    Returns
    -------
    dict of str to list of (float, object)
        Seconds of each counted round, and what the work returned.
    """
    results = {name: [] for name in contenders}
    with ExitStack() as running:
        if not afresh:
            for contender in contenders.values():
                running.enter_context(contender)
        for number in range(warmups + rounds):
            for name, contender in contenders.items():
                with contender if afresh else nullcontext():
                    result = contender.run(repeats)
                if number >= warmups:
                    results[name].append(result)
                    print(f"  {name}: {result[0]:.4g} s", file=sys.stderr)
    return results


def seconds(results):
    """Median seconds of each contender of a contest."""
    return {name: median(taken for taken, _ in rounds) for name, rounds in results.items()}


def ratio(results, ours, theirs):
    """Median over the rounds of our seconds by theirs."""
    return median(a / b for (a, _), (b, _) in zip(results[ours], results[theirs], strict=True))


def heading(*libraries):
    """The machine and the versions, of peers too."""
    peers = [f"{name} {version(name)}" for name in libraries if not absent(name)]
    return "\n".join([*describe().values(), *filter(None, [", ".join(peers), absent(*libraries)])])


def absent(*libraries):
    """What is said in place of a figure where a library of the group `bench` is missing."""
    missing = [name for name in libraries if not importlib.util.find_spec(name)]
    if missing:
        return f"{' and '.join(missing)} not installed: pip install --group bench"
    return ""


def print_table(heads, rows):
    """In columns, each as wide as its longest cell."""
    table = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * width for width in widths])
    for row in table:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip(), flush=True)
