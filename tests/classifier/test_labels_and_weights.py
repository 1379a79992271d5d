"""Labels in messages, and class weights of classes that a fold lacks."""

import re

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import learning_curve
from sklearn.utils.class_weight import compute_class_weight

from skfashion import FashionCNN

NAMES = np.array(["bag", "coat", "hat"])


def test_class_weights_may_name_classes_that_the_rows_lack(images, small, fitted):
    X, y = images
    kept = y < 2
    weights = {0: 2, 1: 1, 2: 5, 3: 7}
    clf = FashionCNN(**small, class_weight=weights).fit(X[kept], y[kept])
    by_row = FashionCNN(**small).fit(X[kept], y[kept], sample_weight=np.array([2, 1])[y[kept]])
    for ours, theirs in zip(clf.weights_, by_row.weights_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_learning_curve_goes_through_folds_that_lack_a_class(images, small):
    X, y = images
    X = X.reshape(len(X), -1)
    weights = {0: 1, 1: 1, 2: 2}
    for clf in (
        FashionCNN(**{**small, "epochs": 1}, class_weight=weights),
        RandomForestClassifier(5, class_weight=weights),
    ):
        order = np.argsort(y, kind="stable")  # the first rows are of two classes
        scores = learning_curve(
            clf, X[order], y[order], cv=2, train_sizes=[30], error_score="raise"
        )[2]
        assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"bag": 2},
        {"bag": 2, "coat": 1, "hat": 1, "shoe": 3},
        {"shoe": 2},
        {"bag": 2, "shoe": 1},
        {"bag": 2, "coat": 2, "Hat": 1},
    ],
    ids=str,
)
def test_class_weights_are_taken_and_refused_where_scikit_learn_does(images, small, weights):
    X, y = images
    clf = FashionCNN(**{**small, "epochs": 1}, class_weight=weights)
    try:
        compute_class_weight(weights, classes=NAMES, y=NAMES[y])
    except ValueError:
        with pytest.raises(ValueError, match=r"class_weight names '(shoe|Hat)'.* misspelt"):
            clf.fit(X, NAMES[y])
    else:
        clf.fit(X, NAMES[y])


def test_weights_of_absent_classes_are_checked_too(images, small):
    X, y = images
    clf = FashionCNN(**small, class_weight={0: 1, 1: 1, 2: 1, 3: -1})
    with pytest.raises(ValueError, match="class 3 has -1"):
        clf.fit(X, y)


def test_a_class_of_one_row_is_named_by_its_label(images, small):
    X, y = images
    labels = NAMES[y]
    labels[labels == "hat"] = "bag"
    labels[5] = "hat"
    clf = FashionCNN(**small, early_stopping=True, validation_fraction=0.2)
    message = r"validation_fraction=0\.2 of 120 rows .*only one row has the label 'hat'\)"
    with pytest.raises(ValueError, match=message):
        clf.fit(X, labels)


def test_messages_abbreviate_thousands_of_labels(images, small):
    X, y = images
    clf = FashionCNN(**{**small, "epochs": 1}).partial_fit(X, y, classes=np.arange(3000))
    for call in (
        lambda: clf.partial_fit(X, y + 5000),
        lambda: clf.set_params(class_weight={5000: 1}).partial_fit(X, y),
    ):
        with pytest.raises(ValueError, match="5000") as told:
            call()
        assert "[0, 1, 2, " in str(told.value)
        assert "2999] (3,000 in all)" in str(told.value)
        assert len(str(told.value)) < 500


@pytest.mark.parametrize(("n", "shown"), [(0, "[]"), (20, str([*range(20)]))])
def test_messages_show_all_of_a_few_labels(n, shown):
    from skfashion._utils.label_checks import abbreviate

    assert abbreviate(range(n)) == shown
    assert re.fullmatch(r"\[0, .*, 9, \.\.\., 20\] \(21 in all\)", abbreviate(range(21)))
