"""Small images that still exercise every path of the networks."""

import pytest
from helpers import make_images

from skfashion import FashionCNN


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
