"""`numpy.seterr(all="raise")` stops no fit whose weights differ by any factor."""

import numpy as np
import pytest
from helpers import weights_equal

from skfashion import FashionCNN

ODD = np.arange(120) % 2 == 1
SAMPLE_WEIGHTS = {
    "none": None,
    "from least to largest": np.where(ODD, 1e-300, 1e300),
    "small": np.where(ODD, 1e-200, 1.0),
    "subnormal": np.where(ODD, 5e-324, 1.0),
}
CLASS_WEIGHTS = {
    "none": None,
    "small": {0: 1e-300, 1: 1e-200, 2: 1.0},
    "from least to largest": {0: 1e308, 1: 1e308, 2: 1e-308},
    "balanced": "balanced",
}


@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS.values(), ids=CLASS_WEIGHTS)
@pytest.mark.parametrize("sample_weight", SAMPLE_WEIGHTS.values(), ids=SAMPLE_WEIGHTS)
def test_weights_that_underflow_stop_no_fit(images, small, sample_weight, class_weight):
    params = {**small, "epochs": 1, "class_weight": class_weight}
    clf = FashionCNN(**params).fit(*images, sample_weight)
    validation = {"X_val": images[0], "y_val": images[1], "sample_weight_val": sample_weight}
    with np.errstate(all="raise"):
        strict = FashionCNN(**params).fit(*images, sample_weight, **validation)
    assert weights_equal(clf, strict)
