"""Run tasks in sequence, in parallel, or in processes that can be stopped after a timeout."""

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ThreadPoolExecutor, wait
from pickle import PicklingError
from typing import Any

from joblib import cpu_count, effective_n_jobs, parallel_config

# joblib's own copy: a second loky in the process breaks joblib's tracking of shared files.
from joblib.externals.loky import ProcessPoolExecutor
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from skfashion.comparison._fit_and_score import (
    Data,
    Result,
    Task,
    format_fold,
    make_failure,
    run,
)
from skfashion.comparison._networks import start_tensorflow

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_tasks(
    tasks: Sequence[Task],
    data: Data,
    fit: Callable[[Task, Data], Result],
    *,
    n_jobs: int | None = None,
    timeout: float | None = None,
) -> Iterator[Result]:
    """Run tasks with joblib, or with a timeout in separate processes.

    If a task ends a process of joblib's, the remaining tasks run in separate processes, too.

    Parameters
    ----------
    tasks : list of Task
    data : Data
    fit : callable
        `fit_and_score` or a `ResultCache`.
    n_jobs : int or None, default=None
        Number of parallel tasks, as in joblib. With a timeout they run on this machine, whatever
        the backend.
    timeout : float or None, default=None
        Limit in seconds for each task. The process of a task that takes longer is stopped, and the
        remaining tasks of its estimator are skipped.

    Yields
    ------
    Result
        In the order of the tasks, or in separate processes in the order in which they end.

    Raises
    ------
    RuntimeError
        If there is a timeout and this process cannot start others.
    """
    if timeout is None:
        calls = (delayed(run)(task, data, fit) for task in tasks)
        backend, _ = get_active_backend()
        # The backend "multiprocessing" returns all results at the end.
        return_as = "generator" if backend.supports_return_generator else "list"
        n_finished = 0
        try:
            for result in Parallel(n_jobs=n_jobs, return_as=return_as)(calls):
                n_finished += 1
                yield result
            return
        except (BrokenExecutor, PicklingError):
            # A task ended its process, or has no pickle. joblib ends all tasks then. In processes
            # of their own the others finish.
            tasks = tasks[n_finished:]
    if multiprocessing.current_process().daemon:
        raise RuntimeError(
            f"timeout={timeout!r}: compare needs processes that it can stop, but a daemonic "
            "process cannot start any. Use timeout=None, or call compare in another process."
        )
    n_workers = _n_workers(n_jobs)
    workers: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in (all_workers := [_Worker(n_workers) for _ in range(n_workers)]):
        workers.put(worker)
    timeouts: dict[str, TimeoutError] = {}  # by estimator

    def run_in_worker(task: Task) -> Result:
        if task.name in timeouts:
            return make_failure(task, timeouts[task.name])
        worker = workers.get()
        try:
            return worker.run(task, data, fit, timeout)
        except TimeoutError:
            error = TimeoutError(f"{format_fold(task.fold)} took more than {timeout:g} seconds.")
            timeouts[task.name] = error
            return make_failure(task, error)
        except Exception as error:  # the process died, for example of a lack of memory
            return make_failure(task, error)
        finally:
            workers.put(worker)

    with ThreadPoolExecutor(n_workers) as threads:
        pending = {threads.submit(run_in_worker, task) for task in tasks}
        try:
            while pending:
                # Wait in intervals: without a timeout, Ctrl-C has no effect on Windows, and on
                # other systems if another thread gets the signal.
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for worker in all_workers:
                worker.close()


def _n_workers(n_jobs: int | None) -> int:
    """Return the number of processes that joblib would start on this machine."""
    if n_jobs is None:
        _, n_jobs = get_active_backend()
    with parallel_config("loky"):
        return int(effective_n_jobs(n_jobs))


class _Worker:
    """A process that starts with its first task, and again after it was stopped.

    loky's processes do not import the user's script again, and accept estimators defined in a
    script or notebook.
    """

    def __init__(self, n_workers: int) -> None:
        n_threads = str(max(1, cpu_count() // n_workers))
        # Keep settings of the user, as joblib does.
        self._environment = {name: os.environ.get(name, n_threads) for name in _THREAD_VARIABLES}
        self._executor: Any = None

    def run(
        self, task: Task, data: Data, fit: Callable[[Task, Data], Result], timeout: float | None
    ) -> Result:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(max_workers=1, env=self._environment)
            # The start does not count as time of the task.
            self._executor.submit(_warm_up, bool(data.networks)).result()
        try:
            return self._executor.submit(run, task, data, fit).result(timeout)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(kill_workers=True)
            self._executor = None


def _warm_up(with_networks: bool) -> None:
    """Import everything that a task needs, which unpickling this function does."""
    if with_networks:
        start_tensorflow()
