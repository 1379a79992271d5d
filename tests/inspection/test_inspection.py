"""Test that occlusion_map says which pixels carry a decision, and OcclusionDisplay draws it."""

import warnings
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import make_images
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skfashion import FashionCNN
from skfashion.datasets import ImageFileReader
from skfashion.inspection import OcclusionDisplay, _occlusion, occlusion_map


@pytest.fixture(scope="module")
def data():
    """Return 60 images of 8 x 8 bytes in rows, in three classes."""
    X, y = make_images(60)
    return X.reshape(60, -1), y


@pytest.fixture(scope="module")
def network(data):
    clf = FashionCNN(filters=(4, 6), dense_units=12, epochs=20, batch_size=20, random_state=0)
    return clf.set_params(learning_rate=5e-3).fit(*data)


@pytest.fixture(scope="module")
def wide(data):
    clf = FashionCNN(filters=(2,), dense_units=4, epochs=1, image_shape=(4, 16))
    return clf.fit(*data)


@pytest.fixture(scope="module")
def forest(data):
    return RandomForestClassifier(20, random_state=0).fit(*data)


@pytest.fixture(scope="module")
def linear(data):
    return LogisticRegression(C=1e-6).fit(*data)


def by_the_book(estimator, image, label, patch_size, stride, fill):
    """Compute the definition: for every pixel the mean fall over all patches that cover it."""
    sums, counts = np.zeros((2, *image.shape))
    index = list(estimator.classes_).index(label)
    before = estimator.predict_proba(image.reshape(1, -1))[0, index]
    # Patches begin far beyond the border. One that meets no pixel changes nothing.
    tops, lefts = (range(-10 * stride, length, stride) for length in image.shape)
    for top, left in product(tops, lefts):
        patch = np.s_[
            max(0, top) : max(0, top + patch_size), max(0, left) : max(0, left + patch_size)
        ]
        covered = image.copy()
        covered[patch] = fill
        sums[patch] += before - estimator.predict_proba(covered.reshape(1, -1))[0, index]
        counts[patch] += 1
    return sums / counts


class TestOcclusionMap:
    @pytest.mark.parametrize(
        ("shape", "patch_size", "stride", "fill"),
        [
            ((8, 8), 5, 1, 0),
            ((8, 8), 5, 3, 77),
            ((8, 8), 8, 8, 0),
            ((4, 16), 5, 2, 0),
            ((16, 4), 3, 3, 0),
            ((1, 64), 5, 2, 0),
        ],
    )
    def test_is_the_mean_fall_over_all_patches_on_a_pixel(
        self, linear, data, shape, patch_size, stride, fill
    ):
        image, label = data[0][1].reshape(shape), data[1][1]
        settings = {"patch_size": patch_size, "stride": stride, "fill": fill}
        falls = occlusion_map(linear, image, **settings, image_shape=shape)
        assert falls.dtype == np.float64
        assert_allclose(falls, by_the_book(linear, image, label, **settings), atol=1e-12)

    def test_of_a_network_is_the_same_mean_in_batches_of_any_size(self, network, data, monkeypatch):
        image, label = data[0][1].reshape(8, 8), data[1][1]
        expected = by_the_book(network, image, label, 3, 1, 0)
        assert_allclose(occlusion_map(network, image, patch_size=3), expected, atol=1e-6)
        monkeypatch.setattr(_occlusion, "_MAX_BATCH_PIXELS", 64 * 7)
        assert_allclose(occlusion_map(network, image, patch_size=3), expected, atol=1e-6)

    def test_follows_the_most_probable_class_unless_told(self, forest, data):
        image = data[0][5]
        default = occlusion_map(forest, image)
        likely = forest.predict([image])[0]
        assert_array_equal(occlusion_map(forest, image, label=likely), default)
        others = sum(occlusion_map(forest, image, label=c) for c in range(3) if c != likely)
        assert_allclose(others, -default, atol=1e-12)

    def test_takes_any_layout_and_estimators_of_estimators(self, data):
        X, y = data
        search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2]}, cv=2)
        pipeline = make_pipeline(MinMaxScaler(), search).fit(X, y)
        expected = occlusion_map(pipeline, X[4])
        assert expected.shape == (8, 8)
        for shape in ((8, 8), (8, 8, 1), (1, 64), (1, 8, 8), (1, 8, 8, 1)):
            assert_array_equal(occlusion_map(pipeline, X[4].reshape(shape)), expected)
        assert_array_equal(occlusion_map(pipeline, X[4].tolist()), expected)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
    def test_hands_on_the_dtype_and_reads_only(self, linear, data, monkeypatch, dtype):
        image, seen = data[0][0].astype(dtype), []
        image.flags.writeable = False
        predict_proba = linear.predict_proba
        monkeypatch.setattr(linear, "predict_proba", lambda X: seen.append(X) or predict_proba(X))
        occlusion_map(linear, image)
        assert {X.dtype for X in seen} == {np.dtype(dtype)}

    @pytest.mark.parametrize("library", [pd, pl])
    def test_hands_on_the_names_of_a_dataframe(self, data, library):
        X, y = data
        names = [f"pixel{number}" for number in range(64)]
        frame = library.DataFrame(X, **{"columns" if library is pd else "schema": names})
        forest = RandomForestClassifier(5, random_state=0).fit(frame, y)
        expected = occlusion_map(RandomForestClassifier(5, random_state=0).fit(X, y), X[0])
        with warnings.catch_warnings(action="error"):
            assert_array_equal(occlusion_map(forest, frame[:1]), expected)
            if library is pd:
                assert_array_equal(occlusion_map(forest, frame.iloc[0]), expected)

    def test_takes_rows_and_columns_from_the_network(self, wide, data):
        image = data[0][0]
        assert occlusion_map(wide, image).shape == (4, 16)
        with pytest.raises(ValueError, match=r"image is \(16, 4\), .* fitted on \(4, 16\)"):
            occlusion_map(wide, image.reshape(16, 4))

    def test_of_pixels_that_no_square_holds_is_zero_beyond_them(self, data):
        X, y = data[0][:, :60], data[1]
        falls = occlusion_map(LogisticRegression(C=1e-6).fit(X, y), X[0], fill=9)
        assert falls.shape == (8, 8)
        assert not falls.flat[60:].any()
        assert falls.any()

    def test_does_not_warn_of_what_it_covered(self, network, monkeypatch):
        # One bright pixel: without it the rest is too dark for the scale of the training.
        image = np.ones((8, 8))
        image[3, 3] = 255
        with pytest.warns(UserWarning, match="on one scale"):
            network.predict(np.ones((1, 64)))
        monkeypatch.setattr(_occlusion, "_MAX_BATCH_PIXELS", 1)
        with warnings.catch_warnings(action="error"):
            occlusion_map(network, image)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"patch_size": 0}, "'patch_size' parameter of occlusion_map must be an int"),
            ({"patch_size": 9}, "patch_size=9: expected at most 8"),
            ({"patch_size": 2, "stride": 3}, "stride=3: expected at most patch_size=2"),
            ({"fill": 256}, r"fill=256: .*uint8"),
            ({"fill": np.nan}, r"fill=nan: .*uint8"),
            ({"label": 7}, r"label=7 is not a class of the estimator: expected one of \[0, 1, 2\]"),
            ({"label": [0, 1]}, "is not a class"),
            ({"image_shape": (5, 5)}, "25 pixels, but image has 64"),
            ({"image_shape": (0, 64)}, "two positive integers"),
            ({"image": np.zeros((3, 64))}, r"image has shape \(3, 64\): expected one grey image"),
            ({"image": np.zeros((8, 8, 3))}, r"image has shape \(8, 8, 3\)"),
            ({"image": pd.DataFrame(np.zeros((2, 64)))}, r"image has shape \(2, 64\)"),
            ({"image": np.zeros(60)}, "60 pixels, but RandomForestClassifier .* of 64"),
            ({"image": np.full(64, np.nan)}, "image contains NaN"),
            ({"image": np.zeros((4, 16)), "image_shape": (8, 8)}, "do not agree"),
        ],
    )
    def test_refuses_what_does_not_fit(self, forest, data, arguments, message):
        with pytest.raises(ValueError, match=message):
            occlusion_map(forest, **{"image": data[0][0], **arguments})

    def test_refuses_estimators_without_probabilities_or_fit_or_of_several_outputs(self, data):
        X, y = data
        with pytest.raises(TypeError, match=r"'estimator' .* implementing 'predict_proba'"):
            occlusion_map(LinearSVC().fit(X, y), X[0])
        with pytest.raises(NotFittedError):
            occlusion_map(make_pipeline(GaussianNB()), X[0])
        forest = RandomForestClassifier(2).fit(X, np.column_stack([y, y]))
        with pytest.raises(ValueError, match="2 outputs"):
            occlusion_map(forest, X[0])

    @pytest.mark.parametrize("explain", [occlusion_map, OcclusionDisplay.from_estimator])
    def test_says_what_of_a_pipeline_of_photos_can_be_explained(self, data, explain):
        pictures, y = list(data[0].reshape(-1, 8, 8)), data[1]
        pipeline = make_pipeline(ImageFileReader(image_shape=(8, 8)), GaussianNB())
        search = GridSearchCV(pipeline, {"imagefilereader__sharpen": [False]}, cv=2)
        for estimator in (pipeline, search):
            with pytest.raises(ValueError, match=r"begins with an ImageFileReader.*pipeline\[1:\]"):
                explain(estimator.fit(pictures, y), pictures[:1])
        explain(pipeline[1:], pipeline[:1].transform(pictures[:1]))


class TestOcclusionDisplay:
    @pytest.fixture(autouse=True)
    def _needs_matplotlib(self):
        self.plt = pytest.importorskip("matplotlib.pyplot")

    @pytest.fixture
    def display(self, network, forest, data):
        X, y = data
        return OcclusionDisplay.from_estimator(
            {"network": network, "forest": forest}, X[:4], y[:4], display_labels=["a$^$", "b", "c"]
        )

    def test_stores_maps_classes_and_probabilities(self, display, network, forest, data):
        X = data[0]
        assert display.names == ["network", "forest"]
        assert display.true == ["a$^$", "b", "c", "a$^$"]
        assert_array_equal(display.images, X[:4].reshape(4, 8, 8))
        for column, estimator in enumerate((network, forest)):
            shares = estimator.predict_proba(X[:4])
            assert_allclose(display.probabilities[:, column], shares.max(axis=1), atol=1e-6)
            for row in range(4):
                label = estimator.classes_[shares[row].argmax()]
                assert display.explained[row][column] == ["a$^$", "b", "c"][label]
                assert_array_equal(display.maps[row, column], occlusion_map(estimator, X[row]))

    def test_draws_a_grid_on_one_symmetric_scale(self, display):
        # The image alone, and twice under a map.
        assert len(display.ax_.images) == 4 * 5
        extents = {tuple(image.get_extent()) for image in display.ax_.images}
        assert len(extents) == 4 * 3
        left, right = display.ax_.get_xlim()
        bottom, top = display.ax_.get_ylim()
        for x0, x1, y0, y1 in extents:  # upright: the first row on top
            assert left <= x0 < x1 <= right + 1e-9
            assert top <= y1 < y0 <= bottom + 1e-9
        norm = display.colorbar_.norm
        assert norm.vmax == -norm.vmin == abs(display.maps).max()
        assert "drop in probability" in display.colorbar_.ax.get_xlabel()
        texts = {text.get_text() for text in display.ax_.texts}
        assert {"network", "forest", "a$^$", f"a$^$ {display.probabilities[0, 0]:.2f}"} <= texts
        display.figure_.canvas.draw()

    def test_maps_have_the_colours_of_the_bar_on_white(self, display):
        over = display.ax_.images[5].get_array()  # the second column begins with a pale image
        rgb, alpha = over[..., :3], over[..., 3:]
        expected = display.colorbar_.cmap(display.colorbar_.norm(display.maps[0, 0]))[..., :3]
        assert_allclose(rgb * alpha + (1 - alpha), expected, atol=1e-9)
        assert alpha.min() < 0.1  # white lets the image through

    @pytest.mark.parametrize(("n_images", "n_estimators"), [(1, 1), (1, 3), (5, 1), (5, 3)])
    def test_labels_hide_no_other_and_stay_inside(self, forest, data, n_images, n_estimators):
        names = ["forest", "histogram gradient boosting", "c"][:n_estimators]
        estimators = dict.fromkeys(names, forest)
        display = OcclusionDisplay.from_estimator(estimators, *data, n_images=n_images, stride=5)
        assert len(display.maps) == n_images
        display.figure_.draw_without_rendering()
        boxes = [text.get_window_extent() for text in display.ax_.texts]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        boxes += [display.colorbar_.ax.get_tightbbox()]
        width, height = display.figure_.bbox.size
        assert all(0 <= box.x0 <= box.x1 <= width for box in boxes)
        assert all(0 <= box.y0 <= box.y1 <= height for box in boxes)

    def test_takes_one_estimator_and_any_layout(self, network, data):
        X = data[0][:2]
        expected = OcclusionDisplay.from_estimator(network, X)
        assert expected.names == ["FashionCNN"]
        assert expected.true is None
        for other in (X.reshape(2, 8, 8), X.reshape(2, 8, 8, 1), pd.DataFrame(X)):
            display = OcclusionDisplay.from_estimator(network, other)
            assert_array_equal(display.maps, expected.maps)
            assert_array_equal(display.images, expected.images)

    def test_baselines_are_shaped_like_the_network(self, forest, wide, data):
        display = OcclusionDisplay.from_estimator({"a": forest, "b": wide}, data[0][:1])
        assert display.maps.shape == (1, 2, 4, 16)
        assert display.images.shape == (1, 4, 16)

    def test_explains_the_labels_that_it_is_told(self, forest, data):
        X, y = data
        told = (y[:3] + 1) % 3
        display = OcclusionDisplay.from_estimator(forest, X[:3], y[:3], label=told)
        assert display.explained == [["1"], ["2"], ["0"]]
        assert_array_equal(display.maps[1, 0], occlusion_map(forest, X[1], label=2))
        assert_allclose(display.probabilities[:, 0], forest.predict_proba(X[:3])[range(3), told])
        for_all = OcclusionDisplay.from_estimator(forest, X[:3], label=1)
        assert for_all.explained == [["1"]] * 3

    def test_draws_into_given_axes_and_again(self, display):
        part, _ = self.plt.figure().subfigures(1, 2)
        ax = part.subplots()
        assert display.plot(ax, cmap="PuOr_r", text_kw={"fontsize": 5}).ax_ is ax
        assert display.figure_ is part.figure
        assert {text.get_fontsize() for text in ax.texts} == {5}

    def test_draws_maps_in_which_nothing_falls(self, forest):
        display = OcclusionDisplay.from_estimator(forest, np.zeros((1, 64)))
        display.figure_.canvas.draw()
        assert_array_equal(display.maps, 0)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_images": 0}, "n_images=0: expected at least 1"),
            ({"display_labels": ["hat"]}, "display_labels has 1 names for 3 classes"),
            ({"y": [0]}, "inconsistent numbers of samples"),
            ({"label": [0]}, "inconsistent numbers of samples"),
            ({"patch_size": 0}, "'patch_size'"),
            ({"estimator": {}}, "at least one classifier"),
            ({"X": np.zeros((0, 64))}, "X has no images"),
            ({"X": np.zeros(64)}, r"X has shape \(64,\): expected several images"),
        ],
    )
    def test_refuses_what_does_not_fit(self, forest, data, arguments, message):
        with pytest.raises(ValueError, match=message):
            OcclusionDisplay.from_estimator(**{"estimator": forest, "X": data[0][:3], **arguments})
