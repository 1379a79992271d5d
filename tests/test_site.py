"""The built documentation, link by link and in a real browser: run by ``make docs``."""

import functools
import http.server
import threading
from urllib.parse import unquote, urlsplit

import pytest
from helpers import CHROMIUM, ROOT

pytestmark = pytest.mark.site

# The script in scikit-learn 1.9's pictures of estimators says so of every fitted transformer.
OF_SCIKIT_LEARN = "Expected copy-paste icon is missing from the DOM structure"

SITE = ROOT / "docs" / "_build" / "html"
PAGES = sorted(
    page
    for path in SITE.rglob("*.html")
    if not (page := path.relative_to(SITE).as_posix()).startswith("_static/")  # the theme's own
)


# What has to be pushed aside to be read, and images that show nothing.
TOO_WIDE = """
    ["html", ".bd-article-container"].filter(name => {
        const element = document.querySelector(name)
        return element && element.scrollWidth > element.clientWidth
    })
"""
HOLLOW_IMAGES = """
    async () => {
        const images = [...document.images]
        images.forEach(image => image.loading = "eager")
        await Promise.all(images.map(image => image.decode().catch(() => null)))
        return images.filter(image => !image.naturalWidth).map(image => image.src)
    }
"""


@functools.cache
def parsed(page):
    """Everything that a page links to or shows, and what in it can be linked to."""
    from bs4 import BeautifulSoup  # comes with the theme

    soup = BeautifulSoup((SITE / page).read_text(encoding="utf-8"), "html.parser")
    links = {tag[key] for key in ("href", "src") for tag in soup.find_all(attrs={key: True})}
    return links, {tag["id"] for tag in soup.find_all(id=True)}


def test_the_site_has_its_pages():
    expected = {"index.html", "install.html", "tutorial.html", "user_guide/fitting.html"}
    expected |= {"auto_examples/plot_first_fit.html", "generated/skfashion.FashionCNN.html"}
    assert expected <= set(PAGES), "make docs builds the site"


@pytest.mark.parametrize("page", PAGES)
def test_no_internal_link_is_dead(page):
    dead = []
    for link in parsed(page)[0]:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (SITE / page).parent / unquote(parts.path) if parts.path else SITE / page
        if target.is_dir():
            target /= "index.html"
        if not target.is_file():
            dead.append(link)
        elif parts.fragment and target.suffix == ".html":
            name = target.resolve().relative_to(SITE.resolve()).as_posix()
            if unquote(parts.fragment) not in parsed(name)[1]:
                dead.append(link)
    assert dead == []


@pytest.fixture(scope="module")
def address():
    """Serve the site on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 64  # a browser opens more connections at once than the default of 5

    handler = functools.partial(Quiet, directory=SITE)
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, as Debian packages it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_pages_show_whole_and_without_complaint(open_tab, address, width, scheme):
    tab = open_tab(width, color_scheme=scheme)
    failed, errors = [], []
    # What is still on its way when the next page is opened is aborted: that is no fault of a page.
    tab.on(
        "requestfailed",
        lambda request: request.failure == "net::ERR_ABORTED" or failed.append(request.url),
    )
    tab.on(
        "console",
        lambda said: (
            said.type in ("error", "warning")
            and said.text != OF_SCIKIT_LEARN
            and errors.append(said.text)
        ),
    )
    tab.on("pageerror", lambda error: errors.append(str(error)))
    faults = {}
    for page in PAGES:
        tab.goto(f"{address}/{page}")
        assert tab.evaluate("document.documentElement.dataset.theme") == scheme
        found = tab.evaluate(TOO_WIDE) + tab.evaluate(HOLLOW_IMAGES) + errors + failed
        if found:
            faults[page] = found
        errors.clear()
        failed.clear()
    assert faults == {}
    elsewhere = [url for url in tab.requests if not url.startswith((address, "data:", "blob:"))]
    assert elsewhere == []
