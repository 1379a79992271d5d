"""The ways out of the package: Keras' own files, ONNX, and copies of whole Pipelines."""

import pickle

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini


@pytest.fixture(scope="module")
def fashion():
    X, y = load_fashion_mini(return_X_y=True)
    return X[:100], y[:100]


@pytest.mark.parametrize("version", [FashionCNN.v1, FashionCNN.v2])
def test_the_keras_model_predicts_the_same_from_raw_pixels_and_is_independent(fashion, version):
    X, y = fashion
    clf = version(epochs=1, random_state=0).fit(X, y)
    model = clf.to_keras()
    probabilities = clf.predict_proba(X)
    pixels = X.reshape(-1, 28, 28, 1)
    assert_allclose(model.predict(pixels, verbose=0), probabilities, atol=1e-5)
    shapes = [array.shape for array in model.get_weights()]
    assert shapes == [array.shape for array in clf.weights_]
    model.set_weights([np.zeros(shape) for shape in shapes])
    assert_array_equal(clf.predict_proba(X), probabilities)
    assert clf.to_keras() is not model


def test_the_keras_model_survives_its_own_file_format_without_our_classes(fashion, tmp_path):
    import keras

    X, y = fashion
    clf = FashionCNN.v2(epochs=1, random_state=0).fit(X, y)
    clf.to_keras().save(tmp_path / "v2.keras")
    loaded = keras.saving.load_model(tmp_path / "v2.keras", safe_mode=True)
    assert_allclose(
        loaded.predict(X.reshape(-1, 28, 28, 1), verbose=0), clf.predict_proba(X), atol=1e-5
    )


def test_the_keras_model_has_the_dropout_that_was_trained(images, small):
    clf = FashionCNN(**small, dropout=0.25).fit(*images).set_params(dropout=0.75)
    assert [layer.rate for layer in clf.to_keras().layers if "dropout" in layer.name] == [0.25] * 2


def test_small_images_are_padded_in_the_keras_model_too(images):
    X, y = images
    clf = FashionCNN.v2(epochs=1, random_state=0).fit(X, y)
    model = clf.to_keras()
    assert model.input_shape == (None, 8, 8, 1)
    assert_allclose(model.predict(X[..., np.newaxis], verbose=0), clf.predict_proba(X), atol=1e-5)


class TestOnnx:
    @pytest.mark.parametrize("version", [FashionCNN.v1, FashionCNN.v2])
    def test_gives_equal_labels_and_probabilities(self, fashion, tmp_path, version):
        X, y = fashion
        clf = version(epochs=1, random_state=0).fit(X, y)
        assert_same_in_onnxruntime(clf, X.reshape(-1, 28, 28, 1), tmp_path / "clf.onnx")

    def test_pads_small_images_too(self, images, tmp_path):
        X, y = images
        clf = FashionCNN.v2(epochs=1, random_state=0).fit(X, y)
        assert_same_in_onnxruntime(clf, X[..., np.newaxis], tmp_path / "clf.onnx")


def assert_same_in_onnxruntime(clf, X, path):
    import onnxruntime

    clf.to_keras().export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    [pixels] = session.get_inputs()
    [probabilities] = session.run(None, {pixels.name: X.astype(np.float32)})
    assert_allclose(probabilities, clf.predict_proba(X), atol=1e-5)
    assert_array_equal(clf.classes_[probabilities.argmax(axis=1)], clf.predict(X))
    # One image is as good as many.
    [alone] = session.run(None, {pixels.name: X[:1].astype(np.float32)})
    assert_allclose(alone, probabilities[:1], atol=1e-5)


def skops_round_trip(pipeline, path):
    skops.io.dump(pipeline, path)
    untrusted = skops.io.get_untrusted_types(file=path)
    assert untrusted == ["skfashion._classifier.fashion_cnn.FashionCNN"]
    return skops.io.load(path, trusted=untrusted)


@pytest.mark.parametrize(
    "round_trip",
    [
        skops_round_trip,
        lambda pipeline, path: pickle.loads(pickle.dumps(pipeline)),
        lambda pipeline, path: joblib.load(joblib.dump(pipeline, path)[0], mmap_mode="r"),
        lambda pipeline, path: pickle.loads(cloudpickle.dumps(pipeline)),
    ],
    ids=["skops", "pickle", "joblib mmap", "cloudpickle"],
)
def test_a_pipeline_survives(images, small, tmp_path, round_trip):
    X, y = images
    X = X.reshape(len(X), -1)
    pipeline = make_pipeline(StandardScaler(), FashionCNN(**small)).fit(X, y)
    twin = round_trip(pipeline, tmp_path / "pipeline")
    assert_array_equal(twin.predict_proba(X), pipeline.predict_proba(X))
    assert twin[-1].get_params() == pipeline[-1].get_params()
    assert twin[-1].partial_fit(twin[:-1].transform(X), y).score(twin[:-1].transform(X), y) > 0.5
