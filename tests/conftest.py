"""Small images that still exercise every path of the networks."""

import numpy as np
import pytest

from skfashion import FashionCNN


def make_images(n=120, side=8, n_classes=3, seed=0):
    """Bytes with a bright stripe whose place tells the class, and noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = rng.integers(0, 100, (n, side, side), dtype=np.uint8)
    X[np.arange(n), 1 + 2 * (y % (side // 2)), :] = 255
    return X, y


@pytest.fixture
def images():
    """X of shape (120, 8, 8), uint8, and y in 0..2."""
    return make_images()


@pytest.fixture
def small():
    """Parameters of a network that learns `images` in a blink."""
    return {"filters": (4, 6), "dense_units": 12, "epochs": 8, "batch_size": 20, "random_state": 0}


@pytest.fixture
def fitted(images, small):
    """A network fitted to `images`."""
    return FashionCNN(**small).fit(*images)
