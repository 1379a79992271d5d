"""Prediction goes by one rule through NumPy or TensorFlow, and nobody can tell which."""

import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network import numpy_model, prediction
from skfashion._network.architecture import Architecture


@pytest.fixture(scope="module", params=[FashionCNN.v1, FashionCNN.v2], ids=["v1", "v2"])
def trained(request):
    """A network, and a few images more than NumPy predicts at once."""
    from skfashion.datasets import load_fashion_mini

    X, y = load_fashion_mini(return_X_y=True)
    clf = request.param(epochs=1, random_state=0).fit(X[:200], y[:200])
    return clf, X[: few(clf) + 50]


def few(clf):
    """How many images NumPy predicts at once."""
    each = Architecture(**clf._architecture).n_multiply_adds
    return int(prediction._MULTIPLY_ADDS_WORTH_TENSORFLOW / each)


@pytest.fixture
def in_tensorflow(monkeypatch):
    """Numbers of images for which TensorFlow was asked. It computes all the same."""
    asked = []
    predict = prediction._predict_with_tensorflow

    def recorded(images, *arguments):
        asked.append(len(images))
        return predict(images, *arguments)

    monkeypatch.setattr(prediction, "_predict_with_tensorflow", recorded)
    return asked


def test_multiply_adds_are_those_of_the_two_versions(trained):
    clf, _ = trained
    n_multiply_adds = Architecture(**clf._architecture).n_multiply_adds
    assert n_multiply_adds == pytest.approx({1: 8.39e6, 2: 0.478e6}[clf.strides], rel=1e-3)


@pytest.mark.parametrize("convert", [np.asarray, np.float64])
def test_large_work_goes_through_tensorflow_and_agrees(trained, in_tensorflow, convert):
    clf, X = trained
    X = convert(X)
    by_numpy = [clf.predict_proba(X[: few(clf)]), clf.predict_proba(X[few(clf) :])]
    assert in_tensorflow == []
    assert_allclose(clf.predict_proba(X), np.concatenate(by_numpy), rtol=0, atol=1e-5)
    assert in_tensorflow == [len(X)]


def test_features_of_many_images_go_through_tensorflow_and_agree(trained, in_tensorflow):
    clf, X = trained
    by_numpy = np.concatenate([clf.transform(X[: few(clf)]), clf.transform(X[few(clf) :])])
    assert in_tensorflow == []
    assert_allclose(clf.transform(X), by_numpy, rtol=0, atol=1e-5 * by_numpy.max())
    assert in_tensorflow == [len(X)]


def test_the_network_that_predicts_may_have_trained_anything(trained, in_tensorflow):
    clf, X = trained
    before = clf.predict_proba(X)
    FashionCNN(**{**clf.get_params(), "random_state": 1}).fit(X[:100], np.arange(100) % 10)
    assert_array_equal(clf.predict_proba(X), before)
    assert in_tensorflow == [len(X)] * 2


def test_training_goes_on_the_same_after_a_prediction(trained):
    clf, X = trained
    y = np.arange(100) % 10

    def two_epochs(between):
        new = FashionCNN(**{**clf.get_params(), "random_state": 0})
        for _ in range(2):
            new.partial_fit(X[:100], y, classes=np.arange(10))
            between(new)
        return new.decision_function(X[:5])

    assert_array_equal(two_epochs(lambda new: new.predict(X)), two_epochs(lambda new: None))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_never_asks_tensorflow(trained):
    clf, X = trained
    with multiprocessing.get_context("fork").Pool(1) as children:
        probabilities = children.apply_async(clf.predict_proba, (X,)).get(timeout=60)
    images = X.reshape(-1, 28, 28, 1)
    architecture = Architecture(**clf._architecture)
    logits = numpy_model.compute_outputs(images, clf.weights_, architecture, clf.pixel_max_)
    assert_array_equal(probabilities, numpy_model.softmax(logits))


def test_while_another_thread_imports_tensorflow_numpy_predicts(trained, monkeypatch):
    clf, X = trained
    expected = np.concatenate([clf.predict_proba(X[i : i + 50]) for i in range(0, len(X), 50)])
    half_imported = ModuleType("skfashion._network.tensorflow")
    monkeypatch.setitem(sys.modules, "skfashion._network.tensorflow", half_imported)
    assert_array_equal(clf.predict_proba(X), expected)


def test_threads_that_predict_share_one_program(trained, in_tensorflow):
    from tensorflow.python.eager.context import context

    clf, X = trained
    expected = clf.predict_proba(X)
    programs = set(context().list_function_names())
    with ThreadPoolExecutor(8) as threads:
        for probabilities in threads.map(clf.predict_proba, [X] * 16):
            assert_array_equal(probabilities, expected)
    assert len(in_tensorflow) == 17
    assert set(context().list_function_names()) <= programs


def test_standardised_images_and_a_longer_training_agree_too():
    from sklearn.preprocessing import StandardScaler

    from skfashion.datasets import load_fashion_mini

    X, y = load_fashion_mini(return_X_y=True)
    X = StandardScaler().fit_transform(X)[:2000]
    clf = FashionCNN.v2(dropout=0.1, epochs=10, random_state=0).fit(X, y[:2000])
    alone = np.concatenate([clf.predict_proba(X[i : i + 500]) for i in range(0, 2000, 500)])
    assert_allclose(clf.predict_proba(X), alone, rtol=0, atol=1e-5)
