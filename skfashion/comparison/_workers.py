"""Runs jobs in sequence, in parallel, or in processes that can be ended when time is up."""

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

from joblib import cpu_count, effective_n_jobs, parallel_config

# joblib's own copy: another loky in the process breaks joblib's count of the files it shares.
from joblib.externals.loky import ProcessPoolExecutor
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from skfashion.comparison._networks import start_tensorflow
from skfashion.comparison._runs import Data, Job, Run, failed_run, format_place, run

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_all(
    jobs: Sequence[Job],
    data: Data,
    fit: Callable[[Job, Data], Run],
    *,
    n_jobs: int | None = None,
    timeout: float | None = None,
) -> Iterator[Run]:
    """Run jobs by joblib, or with a timeout in processes of our own.

    Parameters
    ----------
    jobs : list of Job
    data : Data
    fit : callable
        Does a job: `fit_and_score`, or what stands for it.
    n_jobs : int or None, default=None
        Jobs at a time, as in joblib; with a timeout they run on this machine, whatever the backend.
    timeout : float or None, default=None
        Seconds for each job. When they are over, the process that runs it is ended, and the
        estimator's other jobs that have not begun do not begin.

    Yields
    ------
    Run
        In the order of the jobs, but with a timeout as they end.

    Raises
    ------
    RuntimeError
        If there is a timeout and this process cannot start others.
    """
    if timeout is None:
        calls = (delayed(run)(job, data, fit) for job in jobs)
        backend, _ = get_active_backend()
        # Those of "multiprocessing" come all at the end.
        return_as = "generator" if backend.supports_return_generator else "list"
        yield from Parallel(n_jobs=n_jobs, return_as=return_as)(calls)
        return
    if multiprocessing.current_process().daemon:
        raise RuntimeError(
            f"timeout={timeout!r}: compare ends fits by ending their processes, but it runs in a "
            "daemonic process, which cannot start any. Use timeout=None, or call compare elsewhere."
        )
    n_workers = _n_workers(n_jobs)
    workers: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in (all_workers := [_Worker(n_workers) for _ in range(n_workers)]):
        workers.put(worker)
    too_slow: dict[str, TimeoutError] = {}

    def run_within(job: Job) -> Run:
        if job.name in too_slow:
            return failed_run(job, too_slow[job.name])
        worker = workers.get()
        try:
            return worker.run(job, data, fit, timeout)
        except TimeoutError:
            error = TimeoutError(f"{format_place(job.fold)} took more than {timeout:g} seconds.")
            too_slow[job.name] = error
            return failed_run(job, error)
        except Exception as error:  # the process died: of a lack of memory, say
            return failed_run(job, error)
        finally:
            workers.put(worker)

    with ThreadPoolExecutor(n_workers) as threads:
        pending = {threads.submit(run_within, job) for job in jobs}
        try:
            while pending:
                # Not for ever: a wait without end hears of no Ctrl-C on Windows, nor anywhere if
                # another thread gets the signal.
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for worker in all_workers:
                worker.close()


def _n_workers(n_jobs: int | None) -> int:
    """Processes to start here: as many as joblib would, were it not to ask a cluster."""
    if n_jobs is None:
        _, n_jobs = get_active_backend()
    with parallel_config("loky"):
        return int(effective_n_jobs(n_jobs))


class _Worker:
    """A process, started at the first job and again after one that had to be ended.

    loky's processes do not import the user's script again, and take estimators that were defined
    in it or in a notebook.
    """

    def __init__(self, n_workers: int) -> None:
        share = str(max(1, cpu_count() // n_workers))
        # As joblib: what the user has set stays.
        self._environment = {name: os.environ.get(name, share) for name in _THREAD_VARIABLES}
        self._executor: Any = None

    def run(self, job: Job, data: Data, fit: Callable[[Job, Data], Run], timeout: float) -> Run:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(max_workers=1, env=self._environment)
            self._executor.submit(_warm_up, bool(data.networks)).result()  # does not count
        try:
            return self._executor.submit(run, job, data, fit).result(timeout)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(kill_workers=True)
            self._executor = None


def _warm_up(with_networks: bool) -> None:
    """Import in a new process all that a run needs: unpickling this function does."""
    if with_networks:
        start_tensorflow()
