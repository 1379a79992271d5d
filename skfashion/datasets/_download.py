"""Downloading the four files by pooch: several mirrors, each file verified before it is written."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from skfashion._utils.files import make_folder, write_atomically

from ._errors import DatasetError, make_error

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
_DEADLINE = 1200  # seconds for a whole file
_CHUNK_BYTES = 1 << 16


def download(
    names: Sequence[str], folder: Path, *, n_retries: int, delay: float, progress: bool
) -> dict[str, Path]:
    """Download files by name into a folder, which is made if missing.

    A file appears under its name only when complete and verified, so that any number of
    processes may do this at once and whatever an interruption leaves is good.

    Parameters
    ----------
    names : sequence of str
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
    with _as_dataset_error(folder):
        make_folder(folder)
    mirrors = list(MIRRORS)
    for name in names:
        failures: dict[str, str] = {}
        for mirror in _attempts(mirrors, n_retries, delay):
            url = f"{mirror}{name}.gz"
            try:
                content = _download_content(url, name, progress)
            except (OSError, ValueError) as error:
                failures[url] = f"{type(error).__name__}: {error}"
                continue
            with _as_dataset_error(folder):
                write_atomically(folder / f"{name}.gz", content)
            # A mirror that does not answer costs its time-out once, not for every file.
            mirrors = [mirror, *(other for other in mirrors if other != mirror)]
            break
        else:
            listed = "".join(f"\n  - {url}: {failure}" for url, failure in failures.items())
            raise DatasetError(f"no mirror gave {name}.gz after {1 + n_retries} attempts:{listed}")
    return {name: folder / f"{name}.gz" for name in names}


def _attempts(mirrors: list[str], n_retries: int, delay: float) -> Iterator[str]:
    for attempt in range(1 + n_retries):
        if attempt:
            time.sleep(delay)
        yield from mirrors


def _download_content(url: str, name: str, progress: bool) -> bytes:
    """Return the verified content; `ValueError` or `OSError` is the mirror's fault.

    By pooch's downloader but not by `pooch.retrieve`: its files are readable by their owner alone,
    it has no bound on what a server may send or on the time it takes, and is silenced only by
    changing a logger that others use too.
    """
    import pooch

    size, digest = PACKED[name]
    sink = _Sink(size)
    bar: Any = False
    if progress:
        from tqdm.auto import tqdm

        bar = tqdm(total=size, desc=f"{name}.gz", unit="B", unit_scale=True)
    errors: list[Exception] = []

    def run() -> None:
        try:
            pooch.HTTPDownloader(bar, chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT)(url, sink, None)
        except Exception as error:
            errors.append(error)

    # In a thread, because a server that sends a byte now and then meets every time-out of a socket.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        thread.join(_DEADLINE)
    finally:
        sink.closed = True
        if bar:
            bar.close()
    if thread.is_alive():
        raise TimeoutError(f"not complete after {_DEADLINE} seconds")
    if errors:
        raise errors.pop()  # leaves no cycle that would keep the socket open
    content = bytes(sink.content)
    found = sha256(content).hexdigest()
    if found != digest:
        raise ValueError(f"wrong content, SHA-256 {found}, not {digest}")
    return content


class _Sink:
    """A file in memory, the largest takes 26 MB, that refuses more than it should hold."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.content = bytearray()
        self.closed = False

    def write(self, chunk: bytes) -> None:
        if self.closed:
            raise ValueError("the deadline has passed")
        self.content += chunk
        if len(self.content) > self.size:
            raise ValueError("larger than the file it should be")

    def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def _as_dataset_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise make_error(
            folder,
            f"cannot be written to ({error.strerror or error})",
            "Make room or give permission there, or pass another folder as data_home.",
        ) from error
