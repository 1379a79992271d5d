"""Data for the commands: images, a file of them, a network and photos."""

import numpy as np
import pytest
from PIL import Image

from skfashion import FashionCNN
from skfashion.datasets import CLASS_NAMES, load_fashion_mini


@pytest.fixture(scope="session")
def fashion():
    """120 images with their labels."""
    X, y = load_fashion_mini(return_X_y=True)
    return X[:120], y[:120]


@pytest.fixture
def csv(fashion, tmp_path):
    """Write them in Kaggle's format."""
    X, y = fashion
    header = ",".join(["label", *(f"pixel{number}" for number in range(1, 785))])
    path = tmp_path / "fashion-mnist_train.csv"
    np.savetxt(path, np.column_stack([y, X]), "%d", ",", header=header, comments="")
    return str(path)


@pytest.fixture(scope="module")
def clf(fashion):
    """Train a network on the names of the classes."""
    X, y = fashion
    return FashionCNN.v2(epochs=3, random_state=0).fit(X, np.array(CLASS_NAMES)[y])


@pytest.fixture
def model(clf, tmp_path):
    path = tmp_path / "clothes.skfashion"
    clf.save(path)
    return str(path)


@pytest.fixture
def photos(fashion, tmp_path):
    """Files of images, dark on white like photos, of the size of those trained on."""
    paths = []
    for number, row in enumerate(fashion[0][:3]):
        path = tmp_path / f"photo {number}.png"
        Image.fromarray(255 - row.reshape(28, 28)).save(path)
        paths.append(str(path))
    return paths
