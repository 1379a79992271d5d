"""Messages abbreviate what users give, however long it is."""

import io

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from skfashion import FashionCNN, compare
from skfashion._utils.messages import shorten
from skfashion.datasets import ImageFileReader
from skfashion.inspection import occlusion_map
from skfashion.plotting import HistoryDisplay

LONG = list(range(9000))
NAMES = ["x" * 9000] * 3


def fit(images, **params):
    return FashionCNN(random_state=0, **params).fit(*images)


def compare_labels(X, y, y_test):
    return compare({"nb": GaussianNB()}, X, y, X_test=X[: len(y_test)], y_test=y_test)


FAULTS = {
    "load": lambda images, fitted: FashionCNN.load(bytes(9000)),
    "save": lambda images, fitted: fitted.save(LONG),
    "filters": lambda images, fitted: fit(images, filters=[0, *LONG]),
    "too many filters": lambda images, fitted: fit(images, filters=[10**6] * 50, kernel_size=1),
    "other filters": lambda images, fitted: fitted.set_params(
        warm_start=True, filters=[1] * 9000, kernel_size=1
    ).fit(*images),
    "shift": lambda images, fitted: fit(images, shift=10**4000),
    "image_shape": lambda images, fitted: fit(images, image_shape=LONG),
    "class_weight": lambda images, fitted: fit(
        images, class_weight=dict.fromkeys(LONG, 1) | {0: np.nan}
    ),
    "classes": lambda images, fitted: fit(images, class_weight=dict.fromkeys(NAMES, 1)),
    "memory": lambda images, fitted: fit(images, memory="\0" * 9000),
    "callbacks": lambda images, fitted: fit(images, callbacks=[LONG]),
    "labels": lambda images, fitted: fitted.partial_fit(images[0], np.arange(1000, 1120)),
    "long labels": lambda images, fitted: fitted.partial_fit(images[0], NAMES * 40),
    "y_test": lambda images, fitted: compare_labels(
        np.ones((9000, 1)), np.array(LONG), np.array([-1])
    ),
    "estimators": lambda images, fitted: compare({"long": LONG}, *images),
    "scoring": lambda images, fitted: compare(
        {"nb": GaussianNB()}, images[0][:, 0], images[1], scoring={"a": str(LONG)}
    ),
    "params": lambda images, fitted: compare(
        {"nb": GaussianNB()}, images[0][:, 0], images[1], params=LONG
    ),
    "timeout": lambda images, fitted: compare(
        {"nb": GaussianNB()}, images[0][:, 0], images[1], timeout=LONG
    ),
    "label": lambda images, fitted: occlusion_map(fitted, images[0][0], label=str(LONG)),
    "history": lambda images, fitted: HistoryDisplay.from_estimator(LONG),
    "background": lambda images, fitted: ImageFileReader(background=LONG).transform([]),
    "shape of photos": lambda images, fitted: ImageFileReader(image_shape=LONG).transform([]),
}


@pytest.mark.parametrize("act", FAULTS.values(), ids=FAULTS)
def test_no_message_prints_all_of_a_long_value(images, fitted, act):
    with pytest.raises((ValueError, TypeError)) as error:
        act(images, fitted)
    assert len(str(error.value)) < 1000


def test_bytes_of_a_model_are_told_to_be_put_into_a_file_object(fitted):
    file = io.BytesIO()
    fitted.save(file)
    for content in (file.getvalue(), bytearray(file.getvalue()), memoryview(file.getvalue())):
        with pytest.raises(TypeError, match=r"into io\.BytesIO"):
            FashionCNN.load(content)


@pytest.mark.parametrize(
    "value", [None, 1, "cat", b"cat", (8, 24, 48), [0] * 20, {0: 1.0, "a": [np.float64(2)]}, {1}]
)
def test_short_values_are_shown_whole(value):
    assert shorten(value) == repr(value)


def test_long_bytes_are_shown_with_their_number():
    assert shorten(bytes(9000)).endswith("... (9,000 bytes)")
