"""Displays take labels in the one column of a DataFrame, as scikit-learn's classifiers do."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from skfashion import FashionCNN
from skfashion.inspection import OcclusionDisplay
from skfashion.plotting import ImageGridDisplay

NAMES = np.array(["bag", "coat", "hat"])

COLUMNS = {
    "pandas": lambda y: pd.DataFrame({"label": y}),
    "pandas strings": lambda y: pd.DataFrame({"label": NAMES[y]}),
    "categories": lambda y: pd.DataFrame({"label": pd.Categorical(NAMES[y])}),
    "polars": lambda y: pl.DataFrame({"label": y}),
    "polars strings": lambda y: pl.DataFrame({"label": NAMES[y]}),
    "column": lambda y: y[:, np.newaxis],
    "series": lambda y: pl.Series(y),
}


@pytest.fixture
def small(small):
    return {**small, "epochs": 1}


@pytest.fixture(params=COLUMNS)
def case(request, images, small):
    """A network of numbers or of names, images, labels, and the labels in a column."""
    X, y = images
    labels = NAMES[y] if request.param in ("pandas strings", "categories", "polars strings") else y
    clf = FashionCNN(**small).fit(X, labels)
    return clf, X[:30], labels[:30], COLUMNS[request.param](y[:30])


def test_a_grid_takes_labels_in_a_column(case):
    clf, X, y, column = case
    plain = ImageGridDisplay.from_estimator(clf, X, y)
    display = ImageGridDisplay.from_estimator(clf, X, column)
    assert display.true == plain.true
    assert_array_equal(display.images, plain.images)
    predicted = clf.predict(X)
    display = ImageGridDisplay.from_predictions(
        X, column, predicted[:, np.newaxis], confidence=np.ones((30, 1))
    )
    assert display.predicted == ImageGridDisplay.from_predictions(X, y, predicted).predicted


def test_occlusion_takes_labels_in_a_column(case):
    clf, X, y, column = case
    display = OcclusionDisplay.from_estimator(
        clf, X, column, label=column, n_images=2, patch_size=8, stride=8
    )
    assert display.true == [row[0] for row in display.explained] == [str(name) for name in y[:2]]


@pytest.mark.parametrize(
    "make_frame", [pd.DataFrame, lambda X: pl.DataFrame(X.tolist(), orient="row")]
)
def test_occlusion_takes_images_in_a_frame(images, small, make_frame):
    X, y = images[0].reshape(120, -1), images[1]
    frame = make_frame(X)
    clf = FashionCNN(**small).fit(frame, y)
    display = OcclusionDisplay.from_estimator(clf, frame[:2], patch_size=8, stride=8)
    assert_array_equal(display.images, X[:2].reshape(2, 8, 8))


def test_labels_of_another_shape_are_named(fitted, images):
    X, y = images
    with pytest.raises(ValueError, match=r"y has shape \(120, 2\): expected a value for each"):
        OcclusionDisplay.from_estimator(fitted, X, np.c_[y, y])
