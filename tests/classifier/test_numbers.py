"""NumPy's numbers of any width are numbers like others, and its error settings are the user's."""

import numpy as np
import pytest
from helpers import weights_equal
from numpy.testing import assert_array_equal

from skfashion import FashionCNN
from skfashion.inspection import occlusion_map


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16])
def test_integers_of_any_width_train_the_network_of_pythons(images, small, kind):
    X, y = images
    X = np.kron(X, np.ones((1, 3, 3), X.dtype))  # a side of 24: strides and kernels are at work
    counts = {
        "kernel_size": 3,
        "strides": 2,
        "dense_units": 12,
        "epochs": 2,
        "batch_size": 20,
        "n_iter_no_change": 5,
    }
    narrow = {name: kind(value) for name, value in counts.items()}
    plain = FashionCNN(filters=(4, 6), **counts, random_state=0).fit(X, y)
    narrow = FashionCNN(filters=np.array([4, 6], kind), **narrow, random_state=0)
    assert weights_equal(narrow.fit(X, y), plain)


def test_the_padding_of_small_images_does_not_overflow(images):
    X, y = images
    parameters = {"filters": (2, 2), "epochs": 1, "batch_size": 120, "random_state": 0}
    narrow = FashionCNN(**parameters, kernel_size=np.int8(2), strides=np.int8(126))
    plain = FashionCNN(**parameters, kernel_size=2, strides=126)
    assert weights_equal(narrow.fit(X, y), plain.fit(X, y))
    assert plain._architecture["image_shape"] == (128, 128)


@pytest.mark.parametrize("strides", [np.uint8(130), np.int8(100)])
def test_strides_beyond_the_images_are_refused_at_any_width(images, strides):
    with pytest.raises(ValueError, match=f"need images of at least {2 * int(strides) + 3} x "):
        FashionCNN(filters=(2, 2), strides=strides).fit(*images)


def test_epochs_do_not_overflow_in_a_warm_fit(images, small):
    clf = FashionCNN(**{**small, "epochs": np.uint8(200), "batch_size": 120}, warm_start=True)
    clf.fit(*images).fit(*images)
    assert (clf.n_iter_, clf.n_epochs_trained_) == (400, 200)


def test_floats_of_half_precision_are_taken_at_their_value(images, small):
    X, y = images
    X, y = np.tile(X, (5, 1, 1)), np.tile(y, 5)
    halves = {"learning_rate": 2**-9, "dropout": 0.25, "validation_fraction": 0.1, "tol": 0.01}
    halves = {name: np.float16(value) for name, value in halves.items()}
    floats = {name: float(value) for name, value in halves.items()}
    half = FashionCNN(**small, **halves, early_stopping=True).fit(X, y)
    plain = FashionCNN(**small, **floats, early_stopping=True).fit(X, y)
    assert weights_equal(half, plain)
    assert half.history_ == plain.history_


def test_occlusion_takes_integers_of_any_width(fitted, images):
    image = images[0][0]
    narrow = occlusion_map(fitted, image, patch_size=np.uint8(5), stride=np.uint8(2))
    assert_array_equal(narrow, occlusion_map(fitted, image, patch_size=5, stride=2))


@pytest.mark.parametrize(
    "filters", [np.array(8), np.array([]), np.array([[4, 6]]), np.array([1.5])]
)
def test_arrays_that_are_no_filters_are_named(images, filters):
    with pytest.raises(ValueError, match=r"filters=.*expected a non-empty sequence of positive integers"):
        FashionCNN(filters=filters).fit(*images)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_errors_of_numpy_are_not_raised_by_underflow(images, small, dtype):
    X, y = images
    plain = FashionCNN(**small, dtype=dtype).fit(X, y)
    plain.weights_[-2] = plain.weights_[-2] * 1000  # probabilities that are too small for a float
    floats = X / 255
    floats[:, 0, 0] = 1e-300
    with np.errstate(all="raise"):
        assert weights_equal(FashionCNN(**small, dtype=dtype).fit(X, y), plain) is False
        FashionCNN(**small, dtype=dtype).fit(floats, y)
        for method in ("predict_proba", "predict_log_proba", "decision_function", "predict"):
            getattr(plain, method)(X)
        assert plain.predict_proba(X).min() == 0
        plain.predict(X / 255 * 255)
        plain.score(X, y)
        occlusion_map(plain, X[0])


@pytest.mark.parametrize("factor", [2.6e-40, 1e-38, 1e38, 1e300])
def test_a_keras_model_of_pixels_beyond_its_dtype_is_refused(images, small, factor):
    X, y = images
    clf = FashionCNN(**{**small, "epochs": 1}).fit(X / 255 * factor, y)
    with pytest.raises(ValueError, match=r"pixel_max_=.* out of the range of dtype='float32'"):
        clf.to_keras()


@pytest.mark.parametrize("factor", [1e-30, 1e37])
def test_a_keras_model_of_pixels_within_its_dtype_predicts_the_same(images, small, factor):
    X, y = images
    X = (X / 255 * factor).astype(np.float32)
    clf = FashionCNN(**{**small, "epochs": 1}).fit(X, y)
    found = clf.to_keras().predict(X[..., np.newaxis], verbose=0)
    np.testing.assert_allclose(found, clf.predict_proba(X), atol=1e-6)
