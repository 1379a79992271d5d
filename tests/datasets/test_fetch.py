"""The first copy on the machine is taken, or one is downloaded, and nothing wrong gets through."""

import http.server
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import skfashion
from skfashion.datasets import DatasetError, _download, _fetch, fetch_fashion_mnist

ROOT = str(Path(skfashion.__file__).parents[1])
NAMES = [f"{name}.gz" for name in _download.PACKED]


def fetch_test_part(**options):
    return fetch_fashion_mnist(subset="test", download_if_missing=False, **options)


def assert_real(fashion, real_test_part):
    pixels, labels = real_test_part
    assert fashion.data.tobytes() == pixels
    assert fashion.target.tolist() == list(labels)


# Copies on this machine


@pytest.fixture
def places(tmp_path, bare_machine, monkeypatch):
    """Return all places in their order, as they would be found; none exists yet."""
    monkeypatch.setenv("SKFASHION_DATA", str(tmp_path / "named"))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return {
        "data_home": tmp_path / "data_home",
        "SKFASHION_DATA": tmp_path / "named",
        "system package": _fetch._SYSTEM_FOLDER,
        "Keras": tmp_path / "keras" / "datasets" / "fashion-mnist",
        "torchvision here": Path("FashionMNIST/raw"),
        "torchvision in data": Path("data/FashionMNIST/raw"),
        "torchvision at home": bare_machine / "data" / "FashionMNIST" / "raw",
        "scikit-learn's data home": tmp_path / "sklearn",
    }


@pytest.mark.parametrize("first", range(8))
def test_first_copy_in_the_order_is_taken(places, first, make_copy, real_test_part):
    """Those after it are damaged, which nobody notices, since nobody looks."""
    for i, folder in enumerate(places.values()):
        if i >= first:
            make_copy(folder, damaged=i > first)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fashion = fetch_test_part(data_home=places["data_home"])
    assert_real(fashion, real_test_part)


@pytest.mark.parametrize("pointer", ["data_home", "SKFASHION_DATA"])
def test_damaged_copy_where_the_caller_pointed_is_an_error(places, pointer, make_copy):
    make_copy(places[pointer], damaged=True)
    make_copy(places["Keras"])
    with pytest.raises(DatasetError, match=r"is damaged.*Put the file of") as caught:
        fetch_test_part(data_home=places["data_home"])
    assert str(caught.value).startswith(f"{pointer}: {places[pointer]}")


def test_damaged_copies_elsewhere_are_skipped_with_one_warning(places, make_copy, real_test_part):
    damaged = [places["system package"], places["Keras"]]
    for folder in damaged:
        make_copy(folder, damaged=True)
    make_copy(places["torchvision in data"])
    with pytest.warns(UserWarning, match="Damaged copies") as caught:
        fashion = fetch_test_part()
    assert_real(fashion, real_test_part)
    [warning] = caught
    assert all(str(folder) in str(warning.message) for folder in damaged)
    assert warning.filename == __file__


def test_with_no_copy_left_one_error_lists_every_finding(places, make_copy, tmp_path):
    make_copy(places["Keras"], damaged=True)
    places["system package"].write_text("no folder")
    places["torchvision at home"].mkdir(parents=True)
    shutil.copytree(places["Keras"], places["data_home"])
    (places["data_home"] / NAMES[2]).unlink()
    (places["data_home"] / NAMES[3]).unlink()
    with pytest.raises(DatasetError) as caught:
        fetch_test_part(data_home=places["data_home"])
    lines = str(caught.value).splitlines()
    for name, folder, finding in [
        ("data_home", places["data_home"], "lacks t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"),
        ("SKFASHION_DATA", places["SKFASHION_DATA"], "No such file or directory"),
        ("system package", places["system package"], "Not a directory"),
        ("Keras", places["Keras"] / NAMES[3], "is damaged"),
        ("torchvision", places["torchvision here"], "No such file or directory"),
        ("torchvision", places["torchvision in data"], "No such file or directory"),
        ("torchvision", places["torchvision at home"], "has none of the four files"),
        ("scikit-learn's data home", places["scikit-learn's data home"], "No such file"),
    ]:
        assert any(line.startswith(f"- {name}: {folder}: ") and finding in line for line in lines)
    assert "- download: not tried, download_if_missing is False" in lines
    assert "Install the Debian package dataset-fashion-mnist" in lines[-1]


def test_looking_makes_nothing(bare_machine):
    with pytest.raises(OSError, match="no copy of Fashion-MNIST"):
        fetch_test_part(data_home="~/somewhere")
    assert list(bare_machine.iterdir()) == []
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("name", ["~/copy", "copy", "../work/copy"])
def test_data_home_is_a_string_or_path_relative_or_with_a_tilde(name, make_copy, real_test_part):
    make_copy(Path(name).expanduser())
    for data_home in (name, Path(name)):
        assert_real(fetch_test_part(data_home=data_home), real_test_part)


def test_a_copy_may_be_in_the_sub_folder_and_unpacked(make_copy, real_test_part, monkeypatch):
    folder = make_copy(Path("home/fashion-mnist"))
    (folder / NAMES[2]).unlink()
    (folder / "t10k-images-idx3-ubyte").write_bytes(
        _fetch.FASHION_MNIST["test"][0].header + real_test_part[0]
    )
    monkeypatch.setenv("SKFASHION_DATA", "home")
    assert_real(fetch_test_part(), real_test_part)


def test_folder_without_permission_is_a_finding(make_copy, tmp_path, unprivileged):
    folder = make_copy(tmp_path / "closed")
    folder.chmod(0)
    with unprivileged(), pytest.raises(DatasetError, match=r"data_home: .*Permission denied"):
        fetch_test_part(data_home=folder)


def test_all_parts_are_the_real_ones(package, real_test_part):
    fashion = fetch_fashion_mnist(data_home=package, subset="all")
    assert (fashion.data.shape, fashion.images.shape) == ((70_000, 784), (70_000, 28, 28))
    assert fashion.data.flags.writeable
    assert (np.bincount(fashion.target) == 7_000).all()
    for part, rows in {"train": slice(60_000), "test": slice(60_000, None)}.items():
        X, y = fetch_fashion_mnist(data_home=package, subset=part, return_X_y=True)
        np.testing.assert_array_equal(X, fashion.data[rows])
        np.testing.assert_array_equal(y, fashion.target[rows])
    assert X.tobytes() == real_test_part[0]


# Downloads, from mirrors on this machine


class Mirrors(http.server.ThreadingHTTPServer):
    """Mirrors by the first part of the path, each good or bad in its own way."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.requests = []
        self.meeting = threading.Barrier(2)
        self.stalled = threading.Event()

    def __call__(self, *names):
        return tuple(f"http://127.0.0.1:{self.server_port}/{name}/" for name in names)

    def handle_error(self, *_):
        pass  # clients that hang up are what is tested


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, kind, name = self.path.split("/")
        self.server.requests.append((kind, name))
        content = self.server.files[name]
        if kind == "missing" or (kind == "flaky" and self.server.requests.count((kind, name)) == 1):
            self.send_error(404 if kind == "missing" else 500)
            return
        if kind == "meeting" and name == NAMES[0]:
            self.server.meeting.wait(60)
        self.send_response(200)
        if kind != "endless":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if kind == "dripping":
            for byte in content:  # until the client is gone
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        elif kind == "endless":
            while True:  # until the client has had enough
                self.wfile.write(bytes(1 << 16))
        elif kind == "wrong":
            self.wfile.write(content[:-1] + b"?")
        elif kind in ("dying", "stalling"):
            self.wfile.write(content[: len(content) // 2])
        else:
            self.wfile.write(content)
        if kind == "stalling":
            self.server.stalled.set()
            self.rfile.read(1)  # until the client is gone

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(upstream):
    with Mirrors(upstream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def mirrors(server, monkeypatch):
    """Return a function that names the mirrors to use; its server keeps what was asked for."""
    server.requests.clear()

    def use(*kinds):
        monkeypatch.setattr(_download, "MIRRORS", server(*kinds))
        return server.requests

    return use


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_download_passes_over_mirrors_at_fault_without_a_word(
    mirrors, tmp_path, upstream, real_test_part, capfd, caplog
):
    import pooch

    logger = pooch.get_logger()
    before = (logger.level, logger.disabled, list(logger.handlers))
    caplog.set_level(logging.INFO)
    requests = mirrors("wrong", "missing", "good")
    home = tmp_path / "new" / "home"
    assert_real(fetch_fashion_mnist(subset="test", data_home=home), real_test_part)
    assert contents(home / "fashion-mnist") == upstream
    # The good one is asked first from then on.
    assert [kind for kind, _ in requests] == ["wrong", "missing", *["good"] * 4]
    # From now on it is a copy on this machine, readable as the user's other files are.
    assert_real(fetch_test_part(data_home=home), real_test_part)
    (tmp_path / "other").touch()
    files = [tmp_path / "other", *(home / "fashion-mnist").iterdir()]
    assert len({path.stat().st_mode for path in files}) == 1
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert (logger.level, logger.disabled, list(logger.handlers)) == before


@pytest.mark.parametrize("variable", ["HOME", "SCIKIT_LEARN_DATA"])
def test_download_goes_to_the_data_home_of_scikit_learn(
    variable, mirrors, bare_machine, monkeypatch, real_test_part
):
    mirrors("good")
    home = bare_machine / "scikit_learn_data"
    if variable == "SCIKIT_LEARN_DATA":
        home = bare_machine / "elsewhere"
        monkeypatch.setenv(variable, "~/elsewhere")
    assert_real(fetch_fashion_mnist(subset="test"), real_test_part)
    assert sorted(contents(home / "fashion-mnist")) == sorted(NAMES)
    assert_real(fetch_test_part(), real_test_part)


def test_progress_is_shown_on_request_with_one_bar_for_each_file(mirrors, tmp_path, capfd):
    mirrors("missing", "dying", "wrong", "good")
    fetch_fashion_mnist(subset="test", data_home=tmp_path / "home", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    *bars, end = err.split("\n")
    for name, bar in zip(NAMES, bars, strict=True):
        assert bar.rpartition("\r")[2].startswith(f"{name}: 100%")
    assert end == ""


@pytest.mark.parametrize("kinds", [("missing", "dying"), ("nowhere",)])
def test_a_failed_download_leaves_no_progress_bar(kinds, mirrors, tmp_path, monkeypatch, capfd):
    mirrors(*kinds)
    if kinds == ("nowhere",):
        monkeypatch.setattr(_download, "MIRRORS", ("http://127.0.0.1:9/",))  # nobody listens
    with pytest.raises(DatasetError):
        fetch_fashion_mnist(data_home=tmp_path / "home", n_retries=1, delay=0, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    *_, last, end = err.split("\r")
    assert (last.strip(), end) == ("", "")  # the bar is overwritten
    assert "\n" not in err
    if kinds == ("nowhere",):
        assert err.count(NAMES[0]) == 1  # in all attempts


def test_failed_mirrors_are_tried_again(mirrors, tmp_path, real_test_part):
    requests = mirrors("missing", "flaky")
    fashion = fetch_fashion_mnist(
        subset="test", data_home=tmp_path / "home", n_retries=1, delay=0.01
    )
    assert_real(fashion, real_test_part)
    assert [kind for kind, name in requests if name == NAMES[0]] == ["missing", "flaky"] * 2


def test_every_fault_of_a_mirror_is_told(mirrors, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "_TIMEOUT", (0.5, 1))
    monkeypatch.setattr(_download, "_DEADLINE", 20)  # or an endless mirror would fill the memory
    faults = {
        "nowhere": "no connection: Connection refused",
        "dying": "the connection was lost before the end of the file",
        "wrong": "wrong content, SHA-256 ",
        "endless": "larger than the file, which has 26,421,880 bytes",
        "missing": "the server answered 404 Client Error: Not Found",
        "stalling": "timed out",
        "flaky": "the server answered 500 Server Error: Internal Server Error",
    }
    mirrors(*faults)
    _download.MIRRORS = ("http://127.0.0.1:9/", *_download.MIRRORS[1:])  # where nobody listens
    with pytest.raises(DatasetError) as caught:
        fetch_fashion_mnist(subset="test", data_home=tmp_path / "home", n_retries=0)
    lines = [line for line in str(caught.value).splitlines() if line.startswith("  - ")]
    for line, mirror, finding in zip(lines, _download.MIRRORS, faults.values(), strict=True):
        assert line.startswith(f"  - {mirror}{NAMES[0]}: {finding}")
    fetched = f"{NAMES[0]} could not be fetched after 1 attempts"
    for shown in (fetched, "- data_home: ", "- Keras: ", "dataset-fashion-mnist"):
        assert shown in str(caught.value)
    assert contents(tmp_path / "home" / "fashion-mnist") == {}


@pytest.mark.parametrize(
    ("mirror", "proxy", "reason"),
    [
        ("http://127.0.0.1:9/", "", ": Connection refused"),
        ("https://nowhere.invalid/", "", ": name resolution failed"),
        ("http://nowhere.invalid/", "http://127.0.0.1:9", " to the proxy: Connection refused"),
    ],
)
def test_a_mirror_out_of_reach_is_told_in_a_phrase(mirror, proxy, reason, tmp_path, monkeypatch):
    import requests

    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, proxy)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setattr(_download, "MIRRORS", (mirror,))
    with pytest.raises(DatasetError) as caught:
        fetch_fashion_mnist(data_home=tmp_path / "home", n_retries=0)
    [line] = [line for line in str(caught.value).splitlines() if line.startswith("  - ")]
    assert line == f"  - {mirror}{NAMES[0]}: no connection{reason}"
    assert isinstance(caught.value.__cause__.__cause__, requests.ConnectionError)


def test_the_deadline_of_a_file_counts_over_all_mirrors_and_retries(mirrors, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "_DEADLINE", 1)
    requests = mirrors("dripping", "dripping", "good")
    start = time.monotonic()
    told = r"within 1 seconds:\n.*: not complete after 1 seconds"
    with pytest.raises(DatasetError, match=told):
        fetch_fashion_mnist(subset="test", data_home=tmp_path / "home", n_retries=9, delay=60)
    assert time.monotonic() - start < 10
    assert [kind for kind, _ in requests] == ["dripping"]


def test_interrupted_download_goes_on_where_it_stood(mirrors, tmp_path, upstream, real_test_part):
    folder = tmp_path / "home" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name in NAMES[:2]:
        (folder / name).write_bytes(upstream[name])
    requests = mirrors("good")
    assert_real(fetch_fashion_mnist(subset="test", data_home=tmp_path / "home"), real_test_part)
    assert requests == [("good", name) for name in NAMES[2:]]


FETCH = """
import sys
from skfashion.datasets import _download, _fetch, fetch_fashion_mnist
_download.MIRRORS = (sys.argv[1],)
_fetch._SYSTEM_FOLDER = _fetch.Path("none")
fetch_fashion_mnist(subset="test", data_home="home")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
def test_killed_download_leaves_nothing(mirrors, server, tmp_path, real_test_part):
    server.stalled.clear()
    path = os.pathsep.join(filter(None, [ROOT, *sys.path]))
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, *server("stalling")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert server.stalled.wait(60)
    process.kill()
    process.wait()
    assert contents(tmp_path / "home" / "fashion-mnist") == {}
    mirrors("good")
    fashion = fetch_fashion_mnist(subset="test", data_home=tmp_path / "home")
    assert_real(fashion, real_test_part)


def test_damaged_files_of_an_earlier_download_are_replaced(
    mirrors, bare_machine, make_copy, upstream, real_test_part
):
    folder = make_copy(bare_machine / "scikit_learn_data" / "fashion-mnist", damaged=True)
    mirrors("good")
    with pytest.warns(UserWarning, match=r"Damaged copies.*\n.*scikit-learn's data home.*damaged"):
        fashion = fetch_fashion_mnist(subset="test")
    assert_real(fashion, real_test_part)
    assert contents(folder) == upstream


def test_damaged_file_that_the_caller_pointed_at_is_not_replaced(mirrors, tmp_path):
    folder = tmp_path / "home" / "fashion-mnist"
    folder.mkdir(parents=True)
    (folder / NAMES[1]).write_bytes(b"precious")
    requests = mirrors("good")
    with pytest.raises(DatasetError, match=r"not an IDX file .* it begins with b'prec"):
        fetch_fashion_mnist(data_home=tmp_path / "home")
    assert contents(folder) == {NAMES[1]: b"precious"}
    assert requests == []


def test_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "home").write_text("precious")
    with pytest.raises(DatasetError, match=r"cannot be written to .*another folder as data_home"):
        fetch_fashion_mnist(data_home=tmp_path / "home")
    assert (tmp_path / "home").read_text() == "precious"


def test_no_permission_to_write(mirrors, tmp_path, unprivileged):
    requests = mirrors("good")
    (tmp_path / "home").mkdir(mode=0o555)
    with unprivileged(), pytest.raises(DatasetError, match=r"cannot be written to \(Permission"):
        fetch_fashion_mnist(data_home=tmp_path / "home")
    assert requests == []


def test_full_disk_leaves_nothing_half_written(mirrors, tmp_path):
    resource = pytest.importorskip("resource")
    requests = mirrors("good", "flaky")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))  # the kernel refuses to write more
    try:
        with pytest.raises(DatasetError, match=r"cannot be written to .*Make room"):
            fetch_fashion_mnist(data_home=tmp_path / "home")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path / "home" / "fashion-mnist") == {}
    assert len(requests) == 1  # another mirror would not help


def test_two_downloads_at_once(mirrors, tmp_path, upstream, real_test_part):
    """The mirror waits with the first file until both have asked for it."""
    mirrors("meeting")
    with ThreadPoolExecutor() as pool:
        fetch = partial(
            pool.submit, fetch_fashion_mnist, subset="test", data_home=tmp_path / "home"
        )
        both = [fetch(), fetch()]
    for one in both:
        assert_real(one.result(), real_test_part)
    assert contents(tmp_path / "home" / "fashion-mnist") == upstream


def test_the_reason_is_not_an_error_that_the_caller_handles(mirrors, tmp_path):
    mirrors("wrong")
    _download.MIRRORS = ("http://127.0.0.1:9/", *_download.MIRRORS)
    try:
        raise KeyError("the caller's")
    except KeyError:
        with pytest.raises(DatasetError) as caught:
            fetch_fashion_mnist(data_home=tmp_path / "home", n_retries=0)
    lines = [line for line in str(caught.value).splitlines() if line.startswith("  - ")]
    for line, reason in zip(lines, ("Connection refused", "wrong content"), strict=True):
        assert reason in line
    assert "the caller's" not in str(caught.value)
