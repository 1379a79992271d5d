"""Images of any layout, size and scale are the same images."""

import warnings

import numpy as np
import pytest
from helpers import weights_equal
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skfashion import FashionCNN


@pytest.mark.parametrize("shape", [(-1, 64), (-1, 8, 8), (-1, 8, 8, 1)])
def test_every_layout_trains_the_same_network_and_predicts_the_same(images, small, fitted, shape):
    X, y = images
    clf = FashionCNN(**small).fit(X.reshape(shape), y)
    assert weights_equal(clf, fitted)
    assert clf.n_features_in_ == 64
    assert clf.image_shape_ == (8, 8)
    assert_array_equal(clf.predict_proba(X.reshape(-1, 64)), fitted.predict_proba(X))
    assert_array_equal(clf.predict_proba(X.reshape(-1, 8, 8, 1)), fitted.predict_proba(X))


@pytest.mark.parametrize(
    "convert",
    [
        np.int64,
        np.float32,
        np.float64,
        lambda X: X / 255,
        lambda X: X.astype(">i4"),
        np.asfortranarray,
        np.ndarray.tolist,
    ],
    ids=["int64", "float32", "float64", "0..1", "big endian", "Fortran", "list"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integers_to_255_and_floats_to_1_train_equal_bits(images, small, convert, dtype):
    X, y = images
    bytes_ = FashionCNN(**small, dtype=dtype).fit(X, y)
    other = FashionCNN(**small, dtype=dtype).fit(convert(X), y)
    assert bytes_.pixel_max_ == 255.0
    assert weights_equal(bytes_, other)
    assert_array_equal(bytes_.predict_proba(X), other.predict_proba(convert(X)))
    assert bytes_.weights_[0].dtype == bytes_.predict_proba(X).dtype == dtype


def test_single_precision_floats_to_1_train_equal_bits_in_single_precision(images, small, fitted):
    X, y = images
    assert weights_equal(FashionCNN(**small).fit((X / 255).astype(np.float32), y), fitted)


def test_pixel_scale_is_the_largest_training_value_of_positive_weight(images, small):
    X, y = images
    X = np.minimum(X, 200)
    X[0, 0, 0] = 250
    weights = np.ones(len(y))
    weights[0] = 0
    assert FashionCNN(**small).fit(X, y, sample_weight=weights).pixel_max_ == 200.0
    assert FashionCNN(**small).fit(X, y).pixel_max_ == 250.0
    clf = FashionCNN(**small).partial_fit(X[1:], y[1:], classes=[0, 1, 2])
    assert clf.partial_fit(X, y).pixel_max_ == 200.0


def test_black_images_and_scaled_data_are_not_divided(images, small):
    X, y = images
    assert FashionCNN(**small).fit(np.zeros_like(X), y).pixel_max_ == 1.0
    standardised = (X - X.mean()) / X.std()
    clf = FashionCNN(**small).fit(standardised, y)
    assert clf.pixel_max_ == 1.0
    assert clf.score(standardised, y) > 0.9


def test_a_scale_far_from_the_trainings_warns(images, small, fitted):
    X, y = images
    with pytest.warns(UserWarning, match=r"images in X reach 1, .* fitted on 255\."):
        fitted.predict(X / 255)
    unit = FashionCNN(**small).fit(X / 255, y)
    with pytest.warns(UserWarning, match=r"images in X reach 255, .* fitted on 1\."):
        unit.predict_proba(X)
    standardised = FashionCNN(**small).fit((X - 128.0) / 60, y)
    with pytest.warns(UserWarning, match=r"images in X reach 255, .* fitted on 2\.1"):
        standardised.predict(X)
    scaled = FashionCNN(**small).fit(X / 25.0 - 5, y)
    with warnings.catch_warnings(action="error"):
        fitted.predict(X)
        fitted.predict(np.zeros_like(X))
        fitted.predict(X // 2)
        scaled.predict(X / 25.0 + 1)


def test_going_on_and_validating_on_another_scale_warn(images, small, fitted):
    X, y = images
    with pytest.warns(UserWarning, match="images in X reach 1,"):
        fitted.partial_fit(X / 255, y)
    with pytest.warns(UserWarning, match="images in X_val reach 1,"):
        fitted.fit(X, y, X_val=X / 255, y_val=y)


@pytest.mark.parametrize("largest", [178.5, 200.7, 101.9])  # the last two fit no float32
def test_bytes_and_floats_are_equal_bits_whatever_the_scale_of_the_training(images, small, largest):
    X, y = images
    clf = FashionCNN(**small).fit(X * (largest / 255), y)
    assert_array_equal(clf.predict_proba(X), clf.predict_proba(X.astype(float)))


def test_a_scaler_that_blows_up_single_pixels_does_not_warn(images, small):
    X, y = images
    X = X.reshape(len(X), -1).astype(float)
    X[:, 0] = 0
    X[:60, 0] = np.linspace(0, 1, 60)  # all but black in the training half
    X[100, 0] = 255
    pipeline = make_pipeline(MinMaxScaler(), FashionCNN(**small)).fit(X[:60], y[:60])
    assert pipeline[:-1].transform(X).max() == 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.predict(X[60:])


@pytest.mark.parametrize(("n_features", "strides"), [(1, 1), (2, 2), (10, 1), (17, 2), (50, 1)])
def test_any_number_of_features_is_padded_to_an_image(n_features, strides):
    X = np.random.default_rng(0).random((30, n_features))
    y = (X[:, 0] > 0.5).astype(int)
    clf = FashionCNN(filters=(8, 8, 8), strides=strides, epochs=60, random_state=0)
    clf.set_params(learning_rate=1e-2).fit(X, y)
    side = int(np.ceil(np.sqrt(n_features)))
    assert clf.image_shape_ == (side, side)
    assert clf.n_features_in_ == n_features
    assert clf.score(X, y) > 0.8


def test_an_image_need_not_be_square(images, small):
    X, y = images
    wide = X[:, :4].reshape(-1, 2, 16)
    by_layout = FashionCNN(**small).fit(wide, y)
    by_parameter = FashionCNN(**small, image_shape=(2, 16)).fit(wide.reshape(-1, 32), y)
    assert by_layout.image_shape_ == by_parameter.image_shape_ == (2, 16)
    assert weights_equal(by_layout, by_parameter)
