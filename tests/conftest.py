"""What tests are given: small images that still exercise every path, figures closed, a browser."""

import copy
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from helpers import CHROMIUM, make_images
from threadpoolctl import threadpool_limits

from skfashion import FashionCNN

os.environ["MPLBACKEND"] = "agg"  # draws without a screen
# Some tests press Ctrl-C, which is ignored in all that a shell starts in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """What is slow may take its time, but not for ever."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session", autouse=True)
def _one_openmp_thread():
    """Fits of gradient boosting in two workers would wait for each other's spinning threads."""
    import sklearn.ensemble  # noqa: F401 - loads OpenMP, which is limited only where it is loaded

    with threadpool_limits(1, user_api="openmp"):
        yield


@pytest.fixture(autouse=True)
def _close_figures():
    """Nothing that a test or an example draws is left."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture
def images():
    """X of shape (120, 8, 8), uint8, and y in 0..2."""
    return make_images()


@pytest.fixture
def full_precision():
    """Without TensorFloat-32, which TensorFlow's own operations use on a graphics card."""
    from skfashion._network.tensorflow import tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


SMALL = {"filters": (4, 6), "dense_units": 12, "epochs": 8, "batch_size": 20, "random_state": 0}


@pytest.fixture
def small():
    """Parameters of a network that learns `images` in a blink."""
    return SMALL.copy()


@pytest.fixture(scope="session")
def _fitted():
    return FashionCNN(**SMALL).fit(*make_images())


@pytest.fixture
def fitted(_fitted):
    """A network fitted to `images`, for each test its own."""
    return copy.deepcopy(_fitted)


@contextmanager
def _mounted(folder, *arguments):
    """A file system of its own, as only root can make."""
    mount = ["mount", *arguments, str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a disk that is soon full or read-only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def full(tmp_path):
    """Make a folder of a disk that is soon full."""
    with ExitStack() as stack:

        def make(name, size):
            folder = tmp_path / name
            folder.mkdir()
            options = ("-t", "tmpfs", "-o", f"size={size}", "none")
            return stack.enter_context(_mounted(folder, *options))

        yield make


@pytest.fixture
def read_only():
    """Make a folder one of a disk that nobody may write to."""
    return lambda folder: _mounted(folder, "--bind", "-o", "ro", str(folder))


@pytest.fixture
def unprivileged(tmp_path):
    """Return a context in which permissions count, also where root runs the tests."""
    if os.name != "posix":
        pytest.skip("permissions of another kind")

    @contextmanager
    def drop():
        if os.geteuid() != 0:
            yield
            return
        # Another user has to get there: pytest's own folders are closed to others.
        for folder in [tmp_path, *tmp_path.parents]:
            if folder == Path(tempfile.gettempdir()):
                break
            folder.chmod(0o755)
        # What is imported late, by pooch, that user may not find: Python may be root's alone.
        import_module("ftplib")
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return drop


@pytest.fixture(scope="module")
def browser():
    """A real browser without a window."""
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser):
    """Open an empty tab that notes what it asks for and complains of."""
    tabs = []

    def open_tab(width, **settings):
        tab = browser.new_page(viewport={"width": width, "height": 900}, **settings)
        tabs.append(tab)
        tab.requests, tab.complaints = [], []
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.on("console", lambda message: tab.complaints.append(message.text))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        return tab

    yield open_tab
    for tab in tabs:
        tab.close()
