"""Equal seeds give the weights that they gave before, whatever was added since."""

from hashlib import sha256

import numpy as np
import pytest

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

# Machines differ in the last bits of sums, which are far below the 6th decimal in float64.
RECORDED = {
    "v1": "40f00ca0569e24db7e2014f07240b12013388248fde5e4d19ac5f875cffcbeee",
    "v2": "2c502fe8ab525905616511eec914d84cd5aaee3f132f89b357abae0fabd107bc",
}


@pytest.mark.parametrize("version", RECORDED)
def test_weights_are_those_recorded_before_version_3(version):
    X, y = load_fashion_mini(return_X_y=True)
    clf = getattr(FashionCNN, version)(epochs=2, dtype="float64", random_state=0)
    clf.fit(X[:250], y[:250])
    rounded = [np.round(weights, 6) + 0.0 for weights in clf.weights_]  # + 0 makes -0 to 0
    assert (
        sha256(b"".join(weights.tobytes() for weights in rounded)).hexdigest() == RECORDED[version]
    )
