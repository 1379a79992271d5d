"""Measures how time and memory grow with the work, and plots it: ``make scaling``.

Version 2 unless said otherwise, on the first rows of Fashion-MNIST, each measurement in a process
of its own, of one thread like a worker. What is fitted are straight lines through the logarithms: a
slope of 1 means twice the time for twice the work.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import peers
from contest import Contender, contest, heading, print_table, ratio, seconds

DROPOUTS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
PICTURE = Path(__file__).parent.parent / "docs" / "_static" / "scaling.png"


# Jobs. Each returns what is timed, which returns the peak memory of its process in bytes.


def fit(n=10_000, epochs=1, side=28, width=1.0, version="v2"):
    """A fit, after a first one that starts TensorFlow and compiles."""
    X, y = peers.full_images(n)
    if side != 28:
        places = np.arange(side) * 28 // side
        X = X.reshape(-1, 28, 28)[:, places][:, :, places]
    clf = peers.fashion_cnn(version, epochs=epochs, random_state=0)
    clf.set_params(filters=tuple(int(width * number) for number in clf.filters))
    clf.fit(X[:1000], y[:1000])
    return lambda: clf.fit(X, y) and peers.peak_memory()


def search(candidates, *, backend="loky", workers=1, n=3000, epochs=5, trims=False):
    """A grid search side by side, whose workers run and have started TensorFlow.

    Dask's have their memory trimmed as Dask would have it, or not.
    """
    from joblib import parallel_config
    from sklearn.model_selection import GridSearchCV

    X, y = peers.full_images(n)
    grid = {"dropout": DROPOUTS[:candidates]}
    settings = {"n_jobs": workers}
    if backend == "dask":
        import dask
        from distributed import Client

        if not trims:
            dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None})
        Client(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
        settings = {}

    def run():
        clf = peers.fashion_cnn("v2", epochs=epochs, random_state=0)
        with parallel_config(backend, **settings):
            GridSearchCV(clf, grid, cv=2, refit=False).fit(X, y)
        return peers.peak_memory()

    run()
    return run


# Measurements


def measure(job, *, rounds=3, **keywords):
    """Median seconds and greatest peak of memory in MB."""
    with Contender(job, threads=1, **keywords) as contender:
        results = [contender.run() for _ in range(rounds)]
    times, memory = zip(*results, strict=True)
    return median(times), max(memory) / 1e6


SERIES = {
    "rows": (fit, "n", [1000, 2000, 5000, 10_000, 20_000, 40_000, 60_000]),
    "epochs": (fit, "epochs", [1, 2, 4, 8]),
    "side of an image, pixels": (fit, "side", [14, 20, 28, 40, 56]),
    "filters, times those of v2": (fit, "width", [0.5, 1, 2, 4]),
    "candidates of a grid": (search, "candidates", [1, 2, 4, 8]),
}


def slope(sizes, times, least=0):
    """Of the line through the logarithms, over the sizes from `least` upwards."""
    points = [(n, taken) for n, taken in zip(sizes, times, strict=True) if n >= least]
    return np.polyfit(*np.log(np.transpose(points)), 1)[0]


def measure_series():
    found = {}
    for name, (job, parameter, sizes) in SERIES.items():
        rows = []
        for size in sizes:
            rows.append(measure(job, **{parameter: size}))
            print(f"  {name} {size:g}: {rows[-1][0]:.3g} s, {rows[-1][1]:.0f} MB", file=sys.stderr)
        found[name] = (sizes, *zip(*rows, strict=True))
    return found


def print_series(found):
    rows = []
    for name, (sizes, times, memory) in found.items():
        upper = f"{slope(sizes, times, 5000):.2f}" if max(sizes) > 5000 else ""
        ends = [f"{of[0]:.3g} to {of[-1]:.3g}" for of in (sizes, times, memory)]
        rows.append((name, *ends[:2], f"{slope(sizes, times):.2f}", upper, ends[2]))
    print_table(("what grows", "sizes", "seconds", "slope", "from 5,000 on", "peak, MB"), rows)


def print_workers():
    """Weak scaling, and Dask beside loky."""
    settings = {
        "4 candidates x 2 folds, 1 worker": {"candidates": 4},
        "8 candidates x 2 folds, 2 workers": {"workers": 2},
        "the same, 2 of Dask's": {"workers": 2, "backend": "dask"},
        "the same, as they come": {"workers": 2, "backend": "dask", "trims": True},
    }
    contenders = {
        name: Contender(search, threads=1, **{"candidates": 8, **how})
        for name, how in settings.items()
    }
    results = contest(contenders, rounds=5, warmups=0)
    two = list(settings)[1]
    print_table(
        ("work", "seconds", "of 2 workers'"),
        [(n, f"{t:.1f}", f"{ratio(results, n, two):.2f}") for n, t in seconds(results).items()],
    )


def print_costs():
    """Of what the guide reckons with: one epoch of four fifths of the training images."""
    for version, rounds in {"v2": 3, "v1": 1}.items():
        taken, memory = measure(fit, n=48_000, version=version, rounds=rounds)
        print(f"epoch of 48,000 rows, {version}, one thread: {taken:.1f} s, {memory:.0f} MB")


def plot(found):
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, len(found), figsize=(13, 2.8), layout="constrained")
    for ax, (name, (sizes, times, _)) in zip(axes, found.items(), strict=True):
        ax.loglog(sizes, times, "o-", color="#0072B2")
        ax.loglog(sizes, np.array(sizes) * times[-1] / sizes[-1], ":", color="0.5")
        ax.set_xlabel(name)
        ax.set_xticks(sizes, [f"{size:g}" for size in sizes], rotation=60)
        ax.minorticks_off()
    axes[0].set_ylabel("seconds")
    fig.savefig(PICTURE, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--plot", action="store_true", help=f"write {PICTURE.name}")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    found = measure_series()
    print(heading("distributed"))
    for tell in (lambda: print_series(found), print_costs, print_workers):
        print()
        tell()
    print(f"\n{(time.perf_counter() - begin) / 60:.0f} minutes")
    if arguments.plot:
        plot(found)


if __name__ == "__main__":
    main()
