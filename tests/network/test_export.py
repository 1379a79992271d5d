"""The ways out of the package: Keras' own files, and ONNX."""

import numpy as np
import pytest
from helpers import make_images
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network.tensorflow import keras
from skfashion.datasets import load_fashion_mini


@pytest.fixture(scope="module", params=["v1", "v2", "v2 on small images", "v3"])
def trained(request):
    """A network and its images; small ones are padded."""
    X, y = load_fashion_mini(return_X_y=True)
    X, y = X[:100].reshape(-1, 28, 28), y[:100]
    if "small" in request.param:
        X, y = make_images()
    version = getattr(FashionCNN, request.param[:2])
    return version(epochs=1, random_state=0).fit(X, y), X[..., np.newaxis]


def test_the_keras_model_predicts_the_same_from_raw_pixels_and_is_independent(trained, tmp_path):
    clf, X = trained
    model = clf.to_keras()
    assert model.input_shape[1:] == X.shape[1:]
    probabilities = clf.predict_proba(X)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for exported in (model, loaded):
        assert_allclose(exported.predict(X, verbose=0), probabilities, atol=1e-5)
    shapes = [array.shape for array in model.get_weights()]
    assert shapes == [array.shape for array in clf.weights_]
    model.set_weights([np.zeros(shape) for shape in shapes])
    assert_array_equal(clf.predict_proba(X), probabilities)
    assert clf.to_keras() is not model


def test_the_features_are_the_inputs_of_the_output_layer_of_the_keras_model(trained):
    clf, X = trained
    model = clf.to_keras()
    hidden = keras.Model(model.inputs, model.layers[-1].input)
    features = clf.transform(X)
    assert features.max() > 0.01
    assert_allclose(features, hidden.predict(X, verbose=0), rtol=0, atol=1e-5 * features.max())


def test_the_keras_model_has_the_dropout_that_was_trained(images, small):
    clf = FashionCNN(**small, dropout=0.25).fit(*images).set_params(dropout=0.75)
    assert [layer.rate for layer in clf.to_keras().layers if "dropout" in layer.name] == [0.25] * 2


def test_onnx_gives_equal_labels_and_probabilities(trained, tmp_path):
    import onnxruntime

    clf, X = trained
    clf.to_keras().export(tmp_path / "clf.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "clf.onnx")
    [pixels] = session.get_inputs()
    [probabilities] = session.run(None, {pixels.name: X.astype(np.float32)})
    assert_allclose(probabilities, clf.predict_proba(X), atol=1e-5)
    assert_array_equal(clf.classes_[probabilities.argmax(axis=1)], clf.predict(X))
    # One image is as good as many.
    [alone] = session.run(None, {pixels.name: X[:1].astype(np.float32)})
    assert_allclose(alone, probabilities[:1], atol=1e-5)
