"""What tests are given: small images that still exercise every path, figures closed, a browser."""

import os
import signal
import sys

import pytest
from helpers import CHROMIUM, make_images

from skfashion import FashionCNN

os.environ["MPLBACKEND"] = "agg"  # draws without a screen
# Some tests press Ctrl-C, which is ignored in all that a shell starts in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
def small():
    """Parameters of a network that learns `images` in a blink."""
    return {"filters": (4, 6), "dense_units": 12, "epochs": 8, "batch_size": 20, "random_state": 0}


@pytest.fixture
def fitted(images, small):
    """A network fitted to `images`."""
    return FashionCNN(**small).fit(*images)


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
