"""The report is one page that needs nothing else, in a real browser, whatever its width."""

import html
import io
import re

import numpy as np
import pandas as pd
import pytest
from helpers import CHROMIUM
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import precision_recall_fscore_support
from sklearn.naive_bayes import GaussianNB

from skfashion import FashionCNN, compare
from skfashion._cli import report as _report
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

matplotlib = pytest.importorskip("matplotlib")
plt = pytest.importorskip("matplotlib.pyplot")


class Broken(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise RuntimeError("out of <b>cloth</b>")


def write(comparison, data, folder):
    folder.mkdir(parents=True, exist_ok=True)
    return _report.write(
        comparison,
        *data,
        folder,
        title="Networks & baselines",
        display_labels=CLASS_NAMES,
        facts={"command": "skfashion compare", "seed": "0", "machine": "a <machine>"},
    )


@pytest.fixture(scope="module")
def data():
    X, y = load_fashion_mini(return_X_y=True)
    return X[:300], y[:300]


@pytest.fixture(scope="module")
def comparison(data):
    estimators = {
        "network": FashionCNN.v2(dropout=0, epochs=3, random_state=0),
        "naive Bayes": GaussianNB(),
        "dummy": DummyClassifier(),
        "broken": Broken(),
    }
    X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)
    return compare(estimators, *data, cv=2, X_test=X_test[:100], y_test=y_test[:100])


@pytest.fixture(scope="module")
def path(comparison, data, tmp_path_factory):
    return write(comparison, data, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(path):
    return path.read_text(encoding="utf-8")


def read_tables(page):
    """The tables of the page as frames of texts, indexed by their first column."""
    frames = []
    for table in re.findall("<table>.*?</table>", page, flags=re.DOTALL):
        names = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)[1:]
        groups = re.findall(r'colspan="(\d+)">(.*?)</th>', table)
        if groups:
            of_columns = [group for width, group in groups for _ in range(int(width))]
            names = pd.MultiIndex.from_arrays([of_columns, names])
        rows = {}
        for name, cells in re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table, re.DOTALL):
            texts = re.findall("<td[^>]*>(.*?)</td>", cells)
            rows[name] = [html.unescape(re.sub("<[^>]*>", "", text)) for text in texts]
        frames.append(pd.DataFrame.from_dict(rows, orient="index", columns=names))
    return frames


@pytest.fixture
def visit(open_tab, path):
    def visit(width, **settings):
        tab = open_tab(width, **settings)
        tab.goto(path.as_uri())
        return tab

    return visit


def test_tables_are_read_again_as_they_were(comparison, path):
    texts = {"warnings": str, "error": str}
    table = pd.read_csv(path.parent / "table.csv", index_col="estimator", dtype=texts)
    table = table.fillna(dict.fromkeys(texts, ""))
    pd.testing.assert_frame_equal(table, comparison.table, check_dtype=False)
    scores = pd.read_csv(path.parent / "scores.csv")
    pd.testing.assert_frame_equal(
        scores.fillna({"error": ""}), comparison.scores, check_dtype=False
    )


def test_says_who_is_best_and_how_sure_that_is(comparison, page):
    row = comparison.table.loc["naive Bayes"]
    assert comparison.table.index[0] == "naive Bayes"
    assert f"Best: naive Bayes, accuracy {row['accuracy_mean']:.3f} (95 % interval" in page
    assert "The best network is network, " in page


def test_escapes_what_is_not_its_own(page):
    assert "RuntimeError: out of &lt;b&gt;cloth&lt;/b&gt;" in page
    assert "a &lt;machine&gt;" in page
    assert "Networks &amp; baselines" in page


def test_draws_scores_costs_classes_of_the_best_and_errors_and_epochs_of_the_best_network(page):
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, flags=re.DOTALL)
    assert len(captions) == 6
    assert captions[2].startswith("naive Bayes: confusion matrix")
    assert captions[3].startswith("naive Bayes: scores of the out-of-fold predictions for each")
    assert captions[4].startswith("network: the most confident errors")
    assert captions[5].startswith("Training accuracy of the networks")
    assert "Ankle boot" in page
    assert page.count("data:image/png;base64,") >= 16


def test_tables_hold_scores_costs_and_the_scores_of_each_class(comparison, data, page):
    estimators, classes = read_tables(page)
    assert estimators.index.tolist() == comparison.table.index.tolist()
    row, shown = comparison.table.loc["dummy"], estimators.loc["dummy"]
    assert shown["accuracy", "score"] == f"{row.accuracy_mean:.3f}"
    assert shown["accuracy", "from best"] == f"{row.accuracy_difference:+.3f}"
    assert row.accuracy_p_adjusted < 0.05
    assert shown["accuracy", "adjusted p"].endswith("*")
    assert shown["test accuracy", "score"] == f"{row.test_accuracy:.3f}"
    assert shown["costs", "fit, s"] == "<0.01"
    assert not estimators.loc["broken"].any()
    fits = estimators["costs", "fit, s"][:3]
    assert {len(text.partition(".")[2]) for text in fits} == {2}  # equal decimals
    y_pred = comparison.out_of_fold_predictions["naive Bayes"]
    expected = precision_recall_fscore_support(data[1], y_pred)
    assert classes.index.tolist() == list(CLASS_NAMES)
    for name, values in zip(["precision", "recall", "F1"], expected, strict=False):
        assert classes[name].tolist() == [f"{value:.3f}" for value in values]
    assert classes["images"].tolist() == [str(n) for n in expected[3]]


def test_a_class_that_was_never_predicted_has_no_precision(data, tmp_path):
    found = compare({"dummy": DummyClassifier()}, *data, cv=2)
    _, classes = read_tables(write(found, data, tmp_path).read_text(encoding="utf-8"))
    never = classes[classes.precision == ""]
    assert len(never) == 9
    assert set(never.recall) == set(never.F1) == {"0.000"}


def test_links_to_the_files_beside_it(path, page):
    links = re.findall(r'<a href="([^"]*)"', page)
    assert links == ["table.csv", "scores.csv"]
    assert all((path.parent / link).is_file() for link in links)


def test_draws_validation_curves_where_there_are_any(data, tmp_path):
    network = FashionCNN.v2(epochs=2, validation_fraction=0.2, random_state=0)
    found = compare({"network": network}, *data, cv=2)
    page = write(found, data, tmp_path).read_text(encoding="utf-8")
    assert "Training and validation accuracy of the networks" in page
    assert ">network, validation</text>" in page


def test_names_no_element_twice(page):
    names = re.findall(r'\sid="([^"]*)"', page)
    assert len(names) == len(set(names)) > 10
    referred = set(re.findall(r'href="#([^"]*)"', page)) | set(re.findall(r"url\(#([^)]*)\)", page))
    assert referred
    assert referred <= set(names)


def test_is_the_same_for_the_same_comparison_and_leaves_matplotlib_as_it_was(
    comparison, data, page, tmp_path
):
    before = dict(matplotlib.rcParams)
    assert write(comparison, data, tmp_path).read_text(encoding="utf-8") == page
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("estimators", "n_figures", "told"),
    [
        ({"NB": GaussianNB(), "dummy": DummyClassifier()}, 4, "Best: NB"),
        ({"broken": Broken()}, 0, "Every estimator failed."),
    ],
    ids=["baselines", "failures"],
)
def test_without_networks_shows_scores_alone(data, tmp_path, estimators, n_figures, told):
    page = write(compare(estimators, *data, cv=2), data, tmp_path).read_text(encoding="utf-8")
    assert page.count("<figure") == n_figures
    assert told in page


def test_of_a_network_without_errors_shows_none(images, small, tmp_path):
    X, y = images
    found = compare({"network": FashionCNN(**{**small, "epochs": 30})}, X, y, cv=2)
    assert found.table.loc["network", "accuracy_mean"] == 1
    page = _report.write(
        found, X, y, tmp_path, title="", display_labels=["a", "b", "c"], facts={}
    ).read_text(encoding="utf-8")
    assert page.count("<figure") == 5


def test_of_estimators_that_fail_on_the_test_set_alone_shows_the_folds(data, tmp_path):
    X, y = data
    X_test = X[:20].astype(float)
    X_test[0] = np.nan
    found = compare({"a$^$": GaussianNB()}, X, y, cv=2, X_test=X_test, y_test=y[:20])
    page = write(found, data, tmp_path).read_text(encoding="utf-8")
    assert "<strong>a$^$</strong> failed: on the test set: ValueError" in page
    assert page.count("<figure") == 4


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, as Debian packages it")
class TestInTheBrowser:
    @pytest.mark.parametrize("width", [1280, 400])
    def test_asks_for_nothing_and_fits_the_screen(self, visit, path, width):
        tab = visit(width)
        outside = [url for url in tab.requests if not url.startswith("data:")]
        assert outside == [path.as_uri()]
        assert tab.complaints == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        figures = tab.locator("figure svg")
        assert figures.count() == 5
        for number in range(5):
            box = figures.nth(number).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["height"] > 100
        assert tab.locator("tbody").first.locator("tr").count() == 4

    def test_a_phone_shows_names_and_scores_at_once(self, visit):
        tab = visit(400)
        for row in tab.locator("tbody").first.locator("tr").all():
            name, score = row.locator("th").bounding_box(), row.locator("td").first.bounding_box()
            assert name["x"] >= 0
            assert name["x"] + name["width"] <= score["x"] + 1
            assert score["x"] + score["width"] < 250

    def test_a_click_on_a_header_sorts_and_another_one_reverses(self, visit, comparison):
        tab = visit(1280)
        table = tab.locator("table").first

        def names():
            return table.locator("tbody th").all_inner_texts()

        header = table.get_by_role("columnheader", name="fit, s")
        cheapest_first = comparison.table["fit_seconds"].sort_values().index.tolist()
        assert cheapest_first[-1] == "broken"  # without a time
        header.locator("button").click()
        assert names() == cheapest_first
        assert header.get_attribute("aria-sort") == "ascending"
        header.locator("button").click()
        assert names() == [*cheapest_first[-2::-1], "broken"]
        table.get_by_role("columnheader", name="score").first.locator("button").click()
        assert names() == comparison.table.index.tolist()
        table.get_by_role("columnheader", name="estimator").locator("button").click()
        assert names() == ["broken", "dummy", "naive Bayes", "network"]
        assert table.locator("[aria-sort]").count() == 1

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_photos_stand_on_the_page_and_not_on_tiles(self, visit, scheme):
        tab = visit(1280, color_scheme=scheme)
        pixels = plt.imread(io.BytesIO(tab.locator("figure.photos svg").screenshot()))
        grey = pixels[..., :3].mean(axis=2)
        paper = np.median(grey[:5])  # the edge of the figure
        assert np.median(grey) == pytest.approx(paper, abs=0.02)

    def test_names_of_estimators_stay_in_sight_when_the_table_is_moved(self, visit):
        tab = visit(400)
        tab.evaluate("document.querySelector('.wide').scrollLeft = 300")
        assert tab.locator("tbody th").first.bounding_box()["x"] < 40

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_of_page_and_pictures_stands_out(self, visit, scheme):
        tab = visit(800, color_scheme=scheme)
        paper = luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert (paper > 0.5) == (scheme == "light")
        for selector, property_ in (("td", "color"), ("figcaption", "color"), ("svg text", "fill")):
            value = tab.evaluate(
                "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]",
                [selector, property_],
            )
            ink = luminance(value)
            contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
            assert contrast > 4.5, selector  # WCAG 2.2, criterion 1.4.3

    def test_is_light_in_print_and_hides_no_column(self, visit):
        tab = visit(800, color_scheme="dark")
        tab.emulate_media(media="print")
        paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert luminance(paper) == pytest.approx(1)
        assert (
            tab.evaluate("getComputedStyle(document.querySelector('.wide')).overflowX") == "visible"
        )


def luminance(color):
    """Of a CSS colour, as WCAG 2.2 defines it."""
    channels = np.array(re.findall(r"\d+", color)[:3], dtype=float) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]
