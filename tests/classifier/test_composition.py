"""FashionCNN inside scikit-learn's meta-estimators: each asks for what no search needs."""

import numpy as np
import pytest
import sklearn
from helpers import make_images, weights_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skfashion import FashionCNN


@pytest.fixture
def rows(images):
    """The images as float rows of features, sorted by class; unshuffled folds lack classes."""
    X, y = images
    order = np.argsort(y, kind="stable")
    return X.reshape(len(X), -1)[order].astype(float), y[order]


@pytest.mark.parametrize(
    "compose",
    [
        lambda clf: BaggingClassifier(clf, n_estimators=2, max_features=0.9, random_state=0),
        lambda clf: AdaBoostClassifier(clf, n_estimators=2, random_state=0),
        lambda clf: CalibratedClassifierCV(clf, cv=2),
        OneVsRestClassifier,
    ],
    ids=["some features", "weights", "calibration", "two classes"],
)
def test_meta_estimators_learn_from_it(small, rows, compose):
    names = np.array(["bag", "coat", "shirt"])
    composed = compose(FashionCNN(**{**small, "epochs": 12})).fit(rows[0], names[rows[1]])
    X, y = make_images(seed=1)
    assert composed.score(X.reshape(len(X), -1), names[y]) > 0.9  # chance is a third


def test_a_pipeline_routes_weights_and_transformed_validation_rows(small, rows):
    X, y = rows
    cnn = FashionCNN(**{**small, "epochs": 2})
    validation = X[::2], y[::2], np.arange(1.0, 61)
    weights = np.where(y == 2, 5.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        cnn.set_fit_request(sample_weight=True, X_val=True, y_val=True, sample_weight_val=True)
        cnn.set_partial_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = Pipeline([("scale", scaler), ("cnn", cnn)], transform_input=["X_val"])
        routed = dict(zip(["X_val", "y_val", "sample_weight_val"], validation, strict=True))
        fitted = pipeline.fit(X, y, sample_weight=weights, **routed)["cnn"]
    scaler = StandardScaler().fit(X)
    routed["X_val"] = scaler.transform(validation[0])
    by_hand = clone(cnn).fit(scaler.transform(X), y, weights, **routed)
    assert weights_equal(fitted, by_hand)
    assert fitted.history_ == by_hand.history_
