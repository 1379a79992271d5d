"""ComparisonDisplay draws the table, ImageGridDisplay the images."""

import numpy as np
import pandas as pd
import pytest
from helpers import make_images
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skfashion import FashionCNN, compare
from skfashion.datasets import ImageFileReader
from skfashion.plotting import ComparisonDisplay, HistoryDisplay, ImageGridDisplay
from skfashion.plotting._comparison import pareto_front
from skfashion.plotting._style import NETWORK_COLOR, shades

plt = pytest.importorskip("matplotlib.pyplot")
Text = pytest.importorskip("matplotlib.text").Text


class Broken(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise RuntimeError("out of cloth")


@pytest.fixture(scope="module")
def comparison():
    X, y = make_images()
    estimators = {
        "network": FashionCNN(filters=(4, 6), dense_units=12, epochs=4, random_state=0),
        "tree": DecisionTreeClassifier(max_depth=2, random_state=0),
        "NB": GaussianNB(),
        "dummy": DummyClassifier(),
        "broken": Broken(),
    }
    return compare(estimators, X.reshape(len(X), -1), y, cv=3, scoring=["accuracy", "f1_macro"])


class TestComparisonDisplay:
    def test_draws_means_and_intervals_best_first(self, comparison):
        display = ComparisonDisplay.from_comparison(comparison)
        table = comparison.table.drop("broken")
        assert display.names == table.index.tolist()
        columns = ["accuracy_mean", "accuracy_low", "accuracy_high"]
        assert_array_equal(display.scores, table[columns])
        assert_array_equal(display.networks, table.index == "network")
        names = [text.get_text() for text in display.ax_.get_yticklabels()]
        assert names == display.names
        intervals = [line for line in display.ax_.lines if len(line.get_xdata()) == 2]
        drawn = [line.get_xdata() for line in intervals]
        assert_array_equal(drawn, display.scores[: len(drawn), 1:])
        assert display.ax_.yaxis_inverted()
        assert "accuracy" in display.ax_.get_xlabel()

    def test_writes_what_lies_far_below_at_the_edge(self, comparison):
        display = ComparisonDisplay.from_comparison(comparison)
        [text] = [text for text in display.ax_.texts if text.get_text() != "*"]
        lowest = display.scores[-1, 0]
        assert text.get_text() == f"◂ {lowest:.3f}"
        assert display.ax_.get_xlim()[0] > lowest

    def test_draws_the_scores_of_the_folds_behind_the_interval(self, comparison):
        display = ComparisonDisplay.from_comparison(comparison)
        scores = comparison.scores[comparison.scores.metric == "accuracy"]
        lowest, highest = display.ax_.get_xlim()
        for row, points in enumerate(display.ax_.collections):
            of_estimator = scores.score[scores.estimator == display.names[row]]
            assert_array_equal(points.get_offsets()[:, 0], of_estimator)
            assert_array_equal(points.get_offsets()[:, 1], row)
            assert lowest < of_estimator.min() <= of_estimator.max() < highest
            assert points.get_zorder() < display.ax_.lines[0].get_zorder()

    def test_marks_what_differs_significantly_from_the_best(self, comparison):
        display = ComparisonDisplay.from_comparison(comparison)
        stars = [text for text in display.ax_.texts if text.get_text() == "*"]
        rows = [round(text.get_position()[1]) for text in stars]
        p_values = comparison.table.accuracy_p_adjusted[display.names]
        assert rows == np.flatnonzero(p_values < 0.05).tolist() != []
        assert "* differs significantly" in display.ax_.get_xlabel()
        display = ComparisonDisplay(
            names=["a"],
            scores=np.full((1, 3), 0.5),
            fit_seconds=np.ones(1),
            networks=np.ones(1, dtype=bool),
            metric="accuracy",
        ).plot()
        assert not display.ax_.texts
        assert "*" not in display.ax_.get_xlabel()

    @pytest.mark.parametrize("kind", ["scores", "fit_time"])
    def test_names_the_families_if_there_are_both(self, comparison, kind):
        display = ComparisonDisplay.from_comparison(comparison, kind=kind)
        legend = display.ax_.get_legend()
        assert [text.get_text() for text in legend.get_texts()] == ["network", "baseline"]
        display.figure_.draw_without_rendering()
        assert not legend.get_window_extent().overlaps(display.ax_.bbox.shrunk(0.99, 0.99))
        display.networks = np.zeros(len(display.names), dtype=bool)
        assert display.plot(kind=kind).ax_.get_legend() is None

    def test_draws_scores_against_fit_time_with_every_name(self, comparison):
        display = ComparisonDisplay.from_comparison(comparison, kind="fit_time", metric="f1_macro")
        texts = [text.get_text() for text in display.ax_.texts]
        assert sorted(text.strip("▾ ").split(" ")[0] for text in texts) == sorted(display.names)
        assert display.ax_.get_xscale() == "log"
        assert "f1 macro" in display.ax_.get_ylabel()

    @pytest.mark.parametrize("kind", ["scores", "fit_time"])
    def test_draws_into_a_part_of_a_figure(self, comparison, kind):
        figure = plt.figure()
        part, _ = figure.subfigures(1, 2)
        display = ComparisonDisplay.from_comparison(comparison, kind=kind, ax=part.subplots())
        assert display.figure_ is figure

    @pytest.mark.parametrize(("n", "seed"), [(11, 0), (11, 1), (11, 2), (25, 0)])
    def test_labels_cover_nothing_and_mean_one_point(self, n, seed):
        rng = np.random.default_rng(seed)
        scores = 0.8 + 0.05 * np.sort(rng.random(n))[::-1]
        display = ComparisonDisplay(
            names=[f"estimator {number}" for number in range(n)],
            scores=np.column_stack([scores, scores - 0.01, scores + 0.01]),
            fit_seconds=10 ** (3 * rng.random(n)),
            networks=np.arange(n) < 2,
            metric="accuracy",
        ).plot(kind="fit_time")
        display.figure_.draw_without_rendering()
        ax = display.ax_
        front, *markers = ax.lines
        points = np.array([ax.transData.transform(line.get_xydata())[0] for line in markers])
        boxes = [Text.get_window_extent(text) for text in ax.texts]  # without the leader line
        front = ax.transData.transform_path(front.get_path())
        for number, (text, box) in enumerate(zip(ax.texts, boxes, strict=True)):
            assert not box.count_overlaps(boxes[:number])
            assert not front.intersects_bbox(box)
            assert not box.count_contains(points)
            assert ax.bbox.x0 <= box.x0 < box.x1 <= ax.bbox.x1
            assert ax.bbox.y0 <= box.y0 < box.y1 <= ax.bbox.y1
            if text.arrow_patch is None:
                gaps = np.maximum(np.maximum(box.p0 - points, points - box.p1), 0)
                assert np.hypot(*gaps.T).argmin() == number

    @pytest.mark.parametrize("slowest", [1.2, 2.5, 20, 1e4])
    def test_times_are_plain_numbers_at_two_places_or_more(self, slowest):
        display = ComparisonDisplay(
            names=["a", "b"],
            scores=np.full((2, 3), 0.5),
            fit_seconds=np.array([1, slowest]),
            networks=np.array([True, False]),
            metric="accuracy",
        ).plot(kind="fit_time")
        display.figure_.draw_without_rendering()
        left, right = display.ax_.get_xlim()
        ticks = [t for t in display.ax_.get_xticks() if left <= t <= right]
        assert 2 <= len(ticks) <= 9
        shown = [text.get_text() for text in display.ax_.get_xticklabels(which="both")]
        assert {f"{tick:g}" for tick in ticks} <= set(shown)
        assert "$" not in "".join(shown)

    def test_takes_names_as_they_are_and_fits_that_took_no_time(self):
        display = ComparisonDisplay(
            names=["a$x^$", "<b>"],
            scores=np.array([[0.9, 0.8, 1.0], [0.9, 0.8, 1.0]]),
            fit_seconds=np.array([0.0, 1.0]),
            networks=np.array([True, False]),
            metric="accuracy",
        )
        for kind in ("scores", "fit_time"):
            display.plot(kind=kind).figure_.canvas.draw()
        assert sorted(text.get_text() for text in display.ax_.texts) == ["<b>", "a$x^$"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"metric": "loss"}, "metric='loss': expected 'accuracy' or 'f1_macro'"),
            ({"kind": "time"}, "kind='time': expected 'scores' or 'fit_time'"),
        ],
    )
    def test_refuses_what_it_does_not_know(self, comparison, arguments, message):
        with pytest.raises(ValueError, match=message):
            ComparisonDisplay.from_comparison(comparison, **arguments)

    def test_of_failures_alone_has_nothing_to_draw(self, images):
        X, y = images
        found = compare({"broken": Broken()}, X.reshape(len(X), -1), y, cv=2)
        with pytest.raises(ValueError, match="Every estimator of the comparison failed"):
            ComparisonDisplay.from_comparison(found)
        with pytest.raises(ValueError, match="no network"):
            HistoryDisplay.from_comparison(found)


def test_the_pareto_front_holds_what_no_other_beats():
    costs = np.array([1.0, 2, 3, 4, 2, 1])
    scores = np.array([0.5, 0.7, 0.6, 0.9, 0.7, 0.4])
    assert pareto_front(costs, scores).tolist() == [0, 1, 3]


def test_histories_of_a_comparison_are_drawn_as_means_with_bands(comparison):
    display = HistoryDisplay.from_comparison(comparison)
    assert [line.get_label() for line in display.lines_] == ["network", "network"]
    epochs = comparison.histories.groupby("epoch")[["loss", "accuracy"]].mean()
    for line, name in zip(display.lines_, ["loss", "accuracy"], strict=True):
        assert_allclose(line.get_ydata(), epochs[name])
    assert all(len(ax.collections) == 1 for ax in display.axes_)
    assert {line.get_color().upper() for line in display.lines_} == {NETWORK_COLOR}


def test_shades_of_a_family_differ_and_stand_out_on_white_and_on_black():
    luminances = []
    for color in shades(NETWORK_COLOR, 4):
        channels = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        luminances.append(linear @ [0.2126, 0.7152, 0.0722])  # WCAG 2.2
    assert luminances == sorted(set(luminances))
    assert 1.05 / (luminances[-1] + 0.05) > 2.5
    assert (luminances[0] + 0.05) / 0.05 > 2.5


class TestImageGrid:
    @pytest.fixture
    def wrong(self, images):
        """Predictions of which rows 3, 5 and 8 are wrong, the surest the fifth."""
        X, y = images
        y_pred = y.copy()
        y_pred[[3, 5, 8]] = (y[[3, 5, 8]] + 1) % 3
        confidence = np.full(len(y), 0.5)
        confidence[[3, 5, 8]] = 0.6, 0.9, 0.7
        return X, y, y_pred, confidence

    def test_shows_errors_the_most_confident_first_or_in_order(self, wrong):
        X, y, y_pred, confidence = wrong
        display = ImageGridDisplay.from_predictions(X, y, y_pred, confidence=confidence)
        assert_array_equal(display.images, X[[5, 8, 3]])
        assert_array_equal(display.confidence, [0.9, 0.7, 0.6])
        texts = [text.get_text() for text in display.ax_.texts]
        assert texts[:2] == [str(y[5]), f"→ {y_pred[5]} 0.90"]
        assert len(display.ax_.images) == 3
        assert_array_equal(display.ax_.images[0].get_array(), X[5])
        in_order = ImageGridDisplay.from_predictions(X, y, y_pred, n_images=2)
        assert_array_equal(in_order.images, X[[3, 5]])

    @pytest.mark.parametrize("n_images", [1, 3, 20])
    def test_images_stand_apart_and_inside(self, wrong, n_images):
        display = ImageGridDisplay.from_predictions(*wrong[:3], select="all", n_images=n_images)
        extents = [image.get_extent() for image in display.ax_.images]
        assert len({(left, top) for left, _, _, top in extents}) == n_images
        left, right = display.ax_.get_xlim()
        assert all(left <= extent[0] < extent[1] <= right for extent in extents)
        assert all(extent[2] > extent[3] for extent in extents)  # upright: the first row on top

    def test_takes_any_layout_and_labels(self, wrong):
        X, y, y_pred, _ = wrong
        names = np.array(["hat", "shoe", "tie"])
        for other in (X[..., None], X.reshape(len(X), -1), pd.DataFrame(X.reshape(len(X), -1))):
            display = ImageGridDisplay.from_predictions(other, names[y], names[y_pred])
            assert_array_equal(display.images, X[[3, 5, 8]])
            assert display.true == names[y[[3, 5, 8]]].tolist()

    def test_labels_that_nobody_named_name_themselves(self, wrong):
        X, y, _, _ = wrong
        display = ImageGridDisplay.from_predictions(
            X, y, np.full(len(y), 77), labels=[0, 1, 2], display_labels=["a$^$", "b", "c"]
        )
        assert set(display.predicted) == {"77"}
        display.figure_.canvas.draw()

    def test_of_an_estimator_shows_what_predict_returns(self, images):
        """And not the class of the highest probability, from which a threshold may differ."""
        X, y = images
        rows, y = X.reshape(len(X), -1), (y == 0).astype(int)
        clf = FixedThresholdClassifier(GaussianNB(), threshold=1.1).fit(rows, y)
        display = ImageGridDisplay.from_estimator(clf, rows, y, select="all")
        assert display.predicted == ["0"] * 20
        assert_allclose(display.confidence, clf.predict_proba(rows)[:20, 0])

    def test_of_an_estimator_shows_its_own_errors(self, images, small):
        X, y = images
        clf = FashionCNN(**{**small, "epochs": 1}).fit(X, y)
        display = ImageGridDisplay.from_estimator(clf, X, y)
        probabilities = clf.predict_proba(X)
        wrong = probabilities.argmax(axis=1) != y
        assert len(display.images) == min(20, wrong.sum()) > 0
        assert display.confidence[0] == probabilities[wrong].max()

    def test_without_truth_shows_the_first_images_and_what_they_are_taken_for(self, images, fitted):
        X, _ = images
        display = ImageGridDisplay.from_estimator(
            fitted, X, n_images=3, display_labels=["hat", "shoe", "tie"]
        )
        assert_array_equal(display.images, X[:3])
        assert display.true is None
        names = np.array(["hat", "shoe", "tie"])[fitted.predict(X[:3])]
        confidence = fitted.predict_proba(X[:3]).max(axis=1)
        texts = [text.get_text() for text in display.ax_.texts]
        assert texts == [f"{a} {b:.2f}" for a, b in zip(names, confidence, strict=True)]
        plain = ImageGridDisplay.from_predictions(X, None, fitted.predict(X), select="all")
        assert_array_equal(plain.images, X[:20])

    def test_of_a_pipeline_of_pictures_shows_what_the_classifier_sees(self, images, fitted):
        X, y = images
        photos = [np.pad(255 - image, 8, constant_values=255).repeat(3, axis=0) for image in X[:12]]
        reader = ImageFileReader(image_shape=(8, 8))
        pipeline = make_pipeline(reader, fitted)
        expected = reader.transform(photos)
        display = ImageGridDisplay.from_estimator(pipeline, photos)
        assert_array_equal(display.images, expected.reshape(-1, 8, 8))
        assert_allclose(display.confidence, pipeline.predict_proba(photos).max(axis=1))
        pipeline = make_pipeline(reader, GaussianNB())
        framed = clone(pipeline).set_output(transform="pandas")
        for estimator in (GridSearchCV(pipeline, {}, cv=2), framed):
            estimator.fit(photos, y[:12])
            display = ImageGridDisplay.from_estimator(estimator, photos, y[:12], select="all")
            assert_array_equal(display.images, expected.reshape(-1, 8, 8))
            assert display.predicted == [str(label) for label in estimator.predict(photos)]

    @pytest.mark.parametrize("estimator", [FashionCNN(), make_pipeline(GaussianNB())])
    def test_of_an_estimator_that_is_not_fitted_says_so(self, images, estimator):
        with pytest.raises(NotFittedError):
            ImageGridDisplay.from_estimator(estimator, *images)

    def test_of_an_estimator_without_probabilities_shows_none(self, images):
        X, y = images
        flat = X.reshape(len(X), -1)
        clf = LinearSVC(max_iter=1, random_state=0, dual=True)
        with pytest.warns(match="converge"):
            clf.fit(flat[:6], y[:6])
        display = ImageGridDisplay.from_estimator(clf, flat, y, select="all", n_images=4)
        assert display.confidence is None
        assert display.images.shape == (4, 8, 8)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"select": "worst"}, "select='worst': expected 'errors' or 'all'"),
            ({"n_images": 0}, "n_images=0: expected at least 1"),
            ({"n_columns": 0}, "n_columns=0: expected at least 1"),
            ({"display_labels": ["hat"]}, "display_labels has 1 names for 3 classes"),
            ({"confidence": [0.5]}, "inconsistent numbers of samples"),
            ({"image_shape": (5, 5)}, "image_shape"),
            ({"y_true": np.c_[[0, 0]]}, "inconsistent numbers of samples"),
            ({"y_true": np.zeros((120, 2))}, r"y_true has shape \(120, 2\): expected a value for"),
            ({"y_true": None, "select": "errors"}, "select='errors' needs true labels"),
            ({"y_pred": np.arange(120) % 3}, "All 120 predictions are correct"),
        ],
    )
    def test_refuses_what_does_not_fit(self, wrong, arguments, message):
        given = dict(zip(["X", "y_true", "y_pred"], wrong, strict=False))
        with pytest.raises(ValueError, match=message):
            ImageGridDisplay.from_predictions(**{**given, **arguments})
