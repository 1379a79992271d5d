"""What fails in `compare` fails in the row of its estimator, and what is mistaken is refused."""

import numpy as np
import pytest
from helpers import make_images
from sklearn.naive_bayes import GaussianNB

from skfashion import compare

IMAGES, LABELS = make_images(n=60)
ROWS = IMAGES.reshape(60, -1)


class Odd(GaussianNB):
    """Predicts only `label`."""

    def __init__(self, label):
        super().__init__()
        self.label = label

    def predict(self, X):
        return np.array([self.label] * len(X))


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
@pytest.mark.parametrize(
    ("label", "y"),
    [("cat", LABELS), (None, LABELS), (np.nan, LABELS), (1.5, LABELS), (1, LABELS.astype(str))],
)
def test_labels_of_another_kind_are_an_error_of_the_row(label, y, scoring):
    found = compare({"odd": Odd(label), "NB": GaussianNB()}, ROWS, y, cv=2, scoring=scoring)
    assert found.failures["odd"].startswith("ValueError: predict returned labels unlike those of y")
    assert found.failures.index.tolist() == ["odd"]


@pytest.mark.parametrize(("label", "y"), [("unknown", LABELS.astype(str)), (-1, LABELS)])
def test_labels_that_y_lacks_are_kept_as_they_are(label, y):
    found = compare({"odd": Odd(label), "NB": GaussianNB()}, ROWS, y, cv=2)
    assert set(found.out_of_fold_predictions["odd"]) == {label}
    assert found.failures.empty
