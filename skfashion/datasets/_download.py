"""Download the four files from several mirrors with pooch, and verify them before writing."""

import io
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

from skfashion._utils.files import make_folder, write_atomically
from skfashion.datasets._errors import DatasetError, make_error

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
# The SHA-256 of the compressed files, the same on every mirror.
PACKED = {
    "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
_SIZES = {  # in bytes, compressed
    "train-images-idx3-ubyte": 26_421_880,
    "train-labels-idx1-ubyte": 29_515,
    "t10k-images-idx3-ubyte": 4_422_102,
    "t10k-labels-idx1-ubyte": 5_148,
}
_TIMEOUT = (5, 30)  # seconds to connect, and between two chunks
_DEADLINE = 1200  # seconds for one file, including all mirrors and retries
_CHUNK_BYTES = 1 << 16


def download(
    names: Sequence[str], folder: Path, *, n_retries: int, delay: float, progress: bool
) -> dict[str, Path]:
    """Download files by name into a folder, which is created if needed.

    Files are written atomically after verification. So several processes can download at the same
    time, and an interruption leaves no damaged files.

    Parameters
    ----------
    names : sequence of str
        Keys of `PACKED`.
    folder : Path
    n_retries : int
        How often to retry all mirrors.
    delay : float
        Seconds before each retry.
    progress : bool
        Show a progress bar for each file on standard error.

    Returns
    -------
    paths : dict
        Paths by name.

    Raises
    ------
    DatasetError
        If the folder cannot be written to, or every mirror failed.
    """
    with _as_dataset_error(folder):
        make_folder(folder)
    mirrors = list(MIRRORS)
    for name in names:
        with _open_progress_bar(name) if progress else nullcontext() as bar:
            mirror, content = _try_mirrors(name, mirrors, n_retries, delay, bar)
        with _as_dataset_error(folder):
            write_atomically(folder / f"{name}.gz", content)
        # Use this mirror first for the next file, to wait for the timeouts of others only once.
        mirrors = [mirror, *(other for other in mirrors if other != mirror)]
    return {name: folder / f"{name}.gz" for name in names}


def _try_mirrors(
    name: str, mirrors: list[str], n_retries: int, delay: float, bar: Any
) -> tuple[str, bytes]:
    """Return the first mirror that gives a file, and the content of the file."""
    failures: dict[str, Exception] = {}
    end = time.monotonic() + _DEADLINE
    for mirror in _attempts(mirrors, n_retries, delay, end):
        url = f"{mirror}{name}.gz"
        try:
            return mirror, _download_content(url, name, bar, end)
        except (OSError, ValueError) as error:
            # A traceback would be a reference cycle, which would keep the socket open.
            failures[url] = error.with_traceback(None)
    tried = f"after {1 + n_retries} attempts"
    if time.monotonic() >= end:
        tried = f"within {_DEADLINE} seconds"
    listed = "".join(f"\n  - {url}: {_explain(error)}" for url, error in failures.items())
    message = f"{name}.gz could not be fetched {tried}:{listed}"
    raise DatasetError(message) from failures.popitem()[1]


def _attempts(mirrors: list[str], n_retries: int, delay: float, end: float) -> Iterator[str]:
    """Yield the mirrors to try, with a delay before each retry, until time is up."""
    for attempt in range(1 + n_retries):
        if attempt:
            time.sleep(max(0.0, min(delay, end - time.monotonic())))
        for mirror in mirrors:
            if time.monotonic() >= end:
                return
            yield mirror


def _explain(error: Exception) -> str:
    """Explain in a short phrase why a mirror failed. The messages of requests nest those below."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError):
        return f"the server answered {str(error).partition(' for url')[0]}"
    if isinstance(error, exceptions.ChunkedEncodingError):
        return "the connection was lost before the end of the file"
    cause: BaseException = error
    inner = error.__cause__
    while inner is not None:
        cause, inner = inner, inner.__cause__ or inner.__context__
    reason = getattr(cause, "strerror", None) or str(cause)
    if isinstance(cause, socket.gaierror):
        reason = "name resolution failed"
    elif isinstance(cause, TimeoutError):
        return reason
    for kind, finding in (
        (exceptions.ProxyError, "no connection to the proxy"),
        (exceptions.SSLError, "no secure connection"),
        (exceptions.ConnectionError, "no connection"),
        (exceptions.ContentDecodingError, "the content cannot be decoded"),
    ):
        if isinstance(error, kind):
            return f"{finding}: {reason}"
    return reason


def _download_content(url: str, name: str, bar: Any, end: float) -> bytes:
    """Download a file and return its verified content.

    Raises ValueError or OSError if the mirror fails. `pooch.retrieve` is not suitable: only the
    owner can read its files, it limits neither size nor time, and it is silenced only by a change
    of its global logger.
    """
    import pooch

    errors: list[Exception] = []

    def run() -> None:
        try:
            pooch.HTTPDownloader(chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT)(url, sink, None)
        except Exception as error:
            # Raised in the other thread, it has the error as context that the caller handles.
            error.__cause__ = error.__cause__ or error.__context__
            errors.append(error)

    with _Sink(_SIZES[name], bar) as sink:
        # In a thread, because a server that sends a byte now and then never causes a timeout. The
        # thread ends when it writes its next chunk to the closed sink.
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            raise TimeoutError(f"not complete after {_DEADLINE} seconds")
        if errors:
            raise errors.pop()  # pop: a reference cycle would keep the socket open
        content = sink.getvalue()
    found = sha256(content).hexdigest()
    if found != PACKED[name]:
        raise ValueError(f"wrong content, SHA-256 {found}, not {PACKED[name]}")
    return content


class _Sink(io.BytesIO):
    """A file in memory with a size limit. It moves the progress bar, if there is one."""

    def __init__(self, size: int, bar: Any) -> None:
        super().__init__()
        self._size = size
        self._bar = bar
        if bar is not None and bar.n:  # another mirror failed after some bytes
            bar.reset()

    def write(self, chunk: Any) -> int:
        if self.tell() + len(chunk) > self._size:
            raise ValueError(f"larger than the file, which has {self._size:,} bytes")
        n_written = super().write(chunk)
        if self._bar is not None:
            self._bar.update(n_written)
        return n_written


@contextmanager
def _open_progress_bar(name: str) -> Iterator[Any]:
    """Yield a progress bar for all attempts at a file. It vanishes if they fail."""
    from tqdm.auto import tqdm

    with tqdm(total=_SIZES[name], desc=f"{name}.gz", unit="B", unit_scale=True, leave=False) as bar:
        yield bar
        bar.leave = True


@contextmanager
def _as_dataset_error(folder: Path) -> Iterator[None]:
    """Convert errors about the folder."""
    try:
        yield
    except OSError as error:
        raise make_error(
            folder,
            f"cannot be written to ({error.strerror or error})",
            "Make room or give permission there, or pass another folder as data_home.",
        ) from error
