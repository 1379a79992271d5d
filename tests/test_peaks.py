"""A fit takes little more memory than its rows, and than Keras takes for the same network."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import run_function
from numpy.testing import assert_array_equal

from skfashion import FashionCNN
from skfashion._classifier import images as image_arrays
from skfashion._utils.arrays import allocate_aligned, is_aligned

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux shows")

# Of one small convolution, so that a step takes nothing beside the rows.
TINY = {"filters": (2,), "kernel_size": 7, "strides": 7, "dense_units": 4, "epochs": 1}


def memory(name):
    """Bytes that this process holds ("VmRSS"), or has held at the most ("VmHWM").

    Not by `getrusage`, which counts what its parent held.
    """
    return 1024 * int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def peak_of_a_fit(dtype, way):
    """Above what the rows take, in a process without a greater peak before; X as float32 is 1."""
    rng = np.random.default_rng(0)

    def make(n):
        if dtype == "uint8":
            return rng.integers(0, 256, (n, 784), dtype=np.uint8)
        return rng.random((n, 784), dtype=np.float32).astype(dtype, copy=False)

    clf = FashionCNN(**TINY, random_state=0).fit(make(300), np.arange(300) % 10)
    X, y = make(60_000), np.arange(60_000) % 10
    clf.set_params(validation_fraction=0.2 if way == "validation_fraction" else 0.0)
    arguments = {}
    if way == "X_val":
        arguments = {"X_val": X[:10_000], "y_val": y[:10_000]}
    elif way == "sample_weight":
        arguments = {"sample_weight": y > 0}
    before = memory("VmRSS")
    clf.fit(X, y, **arguments)
    return (memory("VmHWM") - before) / (X.size * (1 if dtype == "uint8" else 4))


@pytest.mark.parametrize(
    ("dtype", "way", "most"),
    [
        pytest.param("float32", None, 1.25, marks=pytest.mark.slow),
        ("float32", "validation_fraction", 1.35),
        pytest.param("float64", None, 1.25, marks=pytest.mark.slow),
        pytest.param("float32", "X_val", 1.5, marks=pytest.mark.slow),
        pytest.param("float32", "sample_weight", 1.25, marks=pytest.mark.slow),
        pytest.param("uint8", None, 1.3, marks=pytest.mark.slow),
        pytest.param("uint8", "validation_fraction", 1.3, marks=pytest.mark.slow),
    ],
)
def test_a_fit_makes_one_copy_of_its_rows(dtype, way, most):
    assert run_function(peak_of_a_fit, dtype, way) < most


def fit_of_large_images(with_keras, epochs, parameters):
    """Peak of version 1 on 128 x 128 pixels: 71 million parameters."""
    X = np.random.default_rng(0).integers(0, 256, (200, 128, 128, 1), dtype=np.uint8)
    y = np.arange(200) % 10
    clf = FashionCNN(epochs=epochs, random_state=0, **parameters)
    if not with_keras:
        clf.fit(X, y)
        return memory("VmHWM")
    from skfashion._network.tensorflow import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Rescaling(1 / 255),
            *(layers.Conv2D(filters, 3, activation="relu") for filters in clf.filters),
            layers.Flatten(),
            layers.Dense(100, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, y, batch_size=100, epochs=epochs, verbose=0)
    return memory("VmHWM")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("epochs", "parameters", "most"),
    [
        (1, {}, 1.1),
        (3, {}, 1.1),
        # The best epoch is kept, a quarter of Keras' peak.
        (3, {"early_stopping": True, "validation_fraction": 0.1}, 1.4),
    ],
    ids=["one epoch", "three", "early stopping"],
)
def test_a_fit_of_large_images_takes_little_more_than_keras(epochs, parameters, most):
    ours, keras = (
        run_function(fit_of_large_images, with_keras, epochs, parameters, timeout=900)
        for with_keras in (False, True)
    )
    assert ours < most * keras


@pytest.mark.parametrize("n_features", [64, 60, 1])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64, bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_some_rows_are_prepared_as_all_are(n_features, dtype, order, monkeypatch):
    monkeypatch.setattr(image_arrays, "_BYTES_AT_ONCE", 1000)  # several parts
    X = np.random.default_rng(0).integers(0, 200, (60, n_features)).astype(dtype, order=order)
    side = int(np.ceil(np.sqrt(n_features)))
    arguments = ((side, side), (side + 2, side), 199.0, "float32")
    positions = np.random.default_rng(1).permutation(60)[:50]
    some = image_arrays.prepare(X, *arguments, positions=positions)
    assert is_aligned(some)
    assert_array_equal(some, image_arrays.prepare(X, *arguments)[positions])
    expected = np.zeros((50, (side + 2) * side))
    expected[:, :n_features] = X[positions]
    if dtype is not np.uint8:
        expected /= 199
    assert_array_equal(some.reshape(50, -1), expected.astype(some.dtype))


def test_the_network_computes_on_the_prepared_rows_themselves():
    from skfashion._network.programs import share_array

    array = allocate_aligned((5, 3), np.float32)
    tensor = share_array(array)
    array[2, 1] = 7
    assert tensor.numpy()[2, 1] == 7
    other = np.zeros(100, np.float32)[1:]
    start = next(n for n in range(16) if not is_aligned(other[n:]))
    tensor = share_array(other[start:])
    other[start] = 7
    assert tensor.numpy()[0] == 0
