"""Downloading the four files: several mirrors, each file checked before it appears in its place."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from skfashion._utils.files import make_folder, write_atomically

from ._errors import DatasetError, problem

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
# Bytes and SHA-256 of the compressed files, the same on every mirror.
PACKED = {
    "train-images-idx3-ubyte": (
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "train-labels-idx1-ubyte": (
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "t10k-images-idx3-ubyte": (
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "t10k-labels-idx1-ubyte": (
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}
_TIMEOUT = (5, 30)  # seconds to connect, and between two chunks
_CHUNK = 1 << 16


def download(
    names: Iterable[str], folder: Path, *, n_retries: int, delay: float, progress: bool
) -> dict[str, Path]:
    """Download files by name into a folder, which is made if missing.

    A file appears under its name only when complete and verified, so that any number of
    processes may do this at once and whatever an interruption leaves is good.

    Parameters
    ----------
    names : iterable of str
        Keys of `PACKED`.
    folder : Path
    n_retries : int
        How often to go through all mirrors again.
    delay : float
        Seconds before doing so.
    progress : bool
        Show a bar for each file on standard error.

    Returns
    -------
    paths : dict
        Each name to its path.

    Raises
    ------
    DatasetError
        If the folder cannot be written to, or every mirror failed.
    """
    with _writing(folder):
        make_folder(folder)
    mirrors = list(MIRRORS)
    paths = {}
    for name in names:
        failures: dict[str, str] = {}
        for attempt in range(1 + n_retries):
            if attempt:
                time.sleep(delay)
            mirror = _first_that_works(mirrors, name, folder, failures, progress)
            if mirror:
                break
        else:
            listed = "".join(f"\n  - {url}: {failure}" for url, failure in failures.items())
            raise DatasetError(f"no mirror gave {name}.gz after {1 + n_retries} attempts:{listed}")
        # A mirror that does not answer costs its time-out once, not for every file.
        mirrors.remove(mirror)
        mirrors.insert(0, mirror)
        paths[name] = folder / f"{name}.gz"
    return paths


def _first_that_works(
    mirrors: Iterable[str], name: str, folder: Path, failures: dict[str, str], progress: bool
) -> str | None:
    for mirror in mirrors:
        url = f"{mirror}{name}.gz"
        try:
            _download_one(url, name, folder, progress)
        except DatasetError:
            raise
        except (OSError, ValueError) as error:
            failures[url] = f"{type(error).__name__}: {error}"
        else:
            return mirror
    return None


def _download_one(url: str, name: str, folder: Path, progress: bool) -> None:
    """Download, verify, put into place; `ValueError` or `OSError` is the mirror's fault.

    Not by `pooch.retrieve`: its files are readable by their owner alone, it has no bound on what a
    server may send, and is silenced only by changing a logger that others use too.
    """
    import pooch

    size, digest = PACKED[name]
    sink = _Sink(size)
    bar: Any = _progress_bar(name, size) if progress else False
    try:
        pooch.HTTPDownloader(bar, chunk_size=_CHUNK, timeout=_TIMEOUT)(url, sink, None)
    finally:
        if bar:
            bar.close()
    found = sha256(sink.content).hexdigest()
    if found != digest:
        raise ValueError(f"wrong content, SHA-256 {found}, not {digest}")
    with _writing(folder):
        write_atomically(folder / f"{name}.gz", sink.content)


class _Sink:
    """A file in memory, the largest takes 26 MB, that refuses more than it should hold."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.content = bytearray()

    def write(self, chunk: bytes) -> None:
        self.content += chunk
        if len(self.content) > self.size:
            raise ValueError("larger than the file it should be")

    def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Tell a disk that fails from a mirror that fails: both raise `OSError`."""
    try:
        yield
    except OSError as error:
        raise problem(
            Path(folder),
            f"cannot be written to ({error.strerror or error})",
            "Make room or give permission there, or pass another folder as data_home.",
        ) from error


def _progress_bar(name: str, size: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=size, desc=f"{name}.gz", unit="B", unit_scale=True)
