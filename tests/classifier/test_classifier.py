"""What users of scikit-learn expect of a classifier: labels, containers, shapes, clones."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN


def test_defaults_are_version_1_and_v2_is_the_originals_version_2():
    assert FashionCNN.v1().get_params() == FashionCNN().get_params()
    v2 = FashionCNN.v2(epochs=3, dropout=0.25).get_params()
    expected = {"filters": (16, 48, 96), "strides": 2, "dropout": 0.25, "epochs": 3}
    assert v2 == FashionCNN().get_params() | expected


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["Bag", "Coat", "Shirt"]),
        np.array(["Bag", "Coat", "Shirt"], dtype=object),
        np.array([-7, 0, 1000]),
        np.array([-1.0, 0.0, 1.0]),
        np.array([3, 5, 250], dtype=np.uint8),
        np.array([0, 2**61, 2**62]),
        np.array(["", "an ankle boot", "bag"]),
        pd.array(["bag", "coat", "hat"], dtype="string"),
        pd.Categorical(["bag", "coat", "hat"]),
    ],
    ids=["str", "object", "gaps", "float", "uint8", "huge", "empty", "pandas", "categories"],
)
def test_labels_of_any_kind_come_back_as_they_were(images, small, labels):
    X, codes = images
    clf = FashionCNN(**small).fit(X, labels[codes])
    assert_array_equal(clf.classes_, labels)
    predicted = clf.predict(X)
    assert predicted.dtype == clf.classes_.dtype
    assert np.mean(predicted == labels[codes]) > 0.9


@pytest.mark.parametrize("labels", [[False, True], ["no", "yes"], [-1, 1]])
def test_binary_decision_is_one_score_that_favours_the_second_class(images, small, labels):
    X, codes = images
    kept = codes < 2
    X, y = X[kept], np.array(labels)[codes[kept]]
    clf = FashionCNN(**small).fit(X, y)
    scores, probabilities = clf.decision_function(X), clf.predict_proba(X)
    assert scores.shape == (len(X),)
    assert probabilities.shape == (len(X), 2)
    assert_array_equal(clf.predict(X), clf.classes_[(scores > 0).astype(int)])
    assert_allclose(1 / (1 + np.exp(-scores)), probabilities[:, 1], rtol=1e-4)
    assert clf.score(X, y) > 0.9


def test_probabilities_logarithms_and_logits_agree(fitted, images):
    X, _ = images
    probabilities, logits = fitted.predict_proba(X), fitted.decision_function(X)
    assert probabilities.dtype == logits.dtype == np.float32
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert_allclose(np.log(probabilities), fitted.predict_log_proba(X), rtol=1e-4, atol=1e-5)
    assert_array_equal(fitted.classes_[logits.argmax(axis=1)], fitted.predict(X))


def test_logarithms_stay_finite_where_probabilities_vanish(fitted):
    fitted.weights_[-1][:] = [1000, 0, -1000]
    logarithms = fitted.predict_log_proba(np.full((1, 64), 255))
    assert np.isfinite(logarithms).all()
    assert logarithms[0, 2] < -1000


def test_class_sorted_rows_are_learnt_all_the_same(images, small):
    X, y = images
    order = np.argsort(y, kind="stable")
    clf = FashionCNN(**small).fit(X[order], y[order])
    assert clf.score(X, y) > 0.9


@pytest.mark.parametrize("make_frame", [pd.DataFrame, pl.DataFrame])
def test_frames_give_feature_names_and_the_same_network(images, small, fitted, make_frame):
    X, y = images
    columns = [f"pixel{number}" for number in range(1, 65)]
    frame = make_frame(dict(zip(columns, X.reshape(-1, 64).T, strict=True)))
    clf = FashionCNN(**small).fit(frame, y)
    assert_array_equal(clf.feature_names_in_, columns)
    assert_array_equal(clf.predict_proba(frame), fitted.predict_proba(X))
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(frame[columns[::-1]])


def test_changed_parameters_do_not_disturb_a_fitted_network(fitted, images):
    X, _ = images
    before = fitted.predict_proba(X)
    fitted.set_params(strides=2, filters=(9,), dtype="float64", image_shape=(4, 16))
    assert_array_equal(fitted.predict_proba(X), before)
