"""Labels in messages, and class weights of classes that a fold lacks."""

import re

import numpy as np
import pytest
from helpers import weights_equal
from sklearn.utils.class_weight import compute_class_weight

from skfashion import FashionCNN
from skfashion._utils.label_checks import abbreviate

NAMES = np.array(["bag", "coat", "hat"])


def test_class_weights_may_name_classes_that_the_rows_lack(images, small):
    X, y = images
    kept = y < 2
    weights = {0: 2, 1: 1, 2: 5, 3: 7}
    clf = FashionCNN(**small, class_weight=weights).fit(X[kept], y[kept])
    by_row = FashionCNN(**small).fit(X[kept], y[kept], sample_weight=np.array([2, 1])[y[kept]])
    assert weights_equal(clf, by_row)


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


def test_messages_show_all_of_a_few_labels():
    assert abbreviate([]) == "[]"
    assert abbreviate(range(20)) == str([*range(20)])
    assert re.fullmatch(r"\[0, .*, 9, \.\.\., 20\] \(21 in all\)", abbreviate(range(21)))
