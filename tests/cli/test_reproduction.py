"""On the full data the seed's runs land where the seed's landed."""

import pytest

from skfashion._cli.reproduce import latest, train_epochs
from skfashion.datasets import DatasetError, fetch_fashion_mnist

pytestmark = pytest.mark.slow


def full(subset):
    try:
        return fetch_fashion_mnist(subset=subset, download_if_missing=False, return_X_y=True)
    except DatasetError:
        pytest.skip("no copy of Fashion-MNIST, such as the Debian package dataset-fashion-mnist")


def test_version_2_reaches_its_published_validation_accuracy():
    epochs = [latest(clf) for clf in train_epochs("v2", *full("train"), epochs=20)]
    assert 0.77 <= epochs[0].val_accuracy <= 0.80
    assert 0.86 <= epochs[-1].val_accuracy <= 0.88


def test_version_1_reaches_its_published_training_accuracy_and_more_on_test_images():
    *_, clf = train_epochs("v1", *full("train"), epochs=5)
    assert 0.940 <= latest(clf).accuracy <= 0.955
    assert clf.score(*full("test")) >= 0.893
