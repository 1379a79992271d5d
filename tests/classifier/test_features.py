"""FashionCNN is a transformer too: the outputs of its hidden layer are features of the images."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from helpers import make_images, weights_equal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from skfashion import FashionCNN

NAMES = [f"fashioncnn{number}" for number in range(12)]


@pytest.fixture
def rows(images):
    X, y = images
    return X.reshape(len(X), -1), y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_output_layer_turns_the_features_into_logits(images, small, dtype):
    X, y = images
    clf = FashionCNN(**small, dtype=dtype).fit(X, y)
    features = clf.transform(X)
    assert type(features) is np.ndarray
    assert (features.shape, features.dtype) == ((120, 12), dtype)
    assert features.min() == 0  # after the ReLU
    *_, kernel, bias = clf.weights_
    assert_allclose(features @ kernel + bias, clf.decision_function(X), rtol=1e-5, atol=1e-5)


def test_an_image_has_the_same_features_alone_in_any_batch_and_in_any_layout(fitted, rows):
    X, _ = rows
    features = fitted.transform(X)
    assert_array_equal(np.concatenate([fitted.transform(row[np.newaxis]) for row in X]), features)
    assert_array_equal(fitted.transform(X[::-1]), features[::-1])
    assert_array_equal(fitted.transform(X.reshape(-1, 8, 8)), features)


def test_names_are_those_of_the_fitted_network(fitted):
    assert fitted.set_params(dense_units=99).get_feature_names_out().tolist() == NAMES


@pytest.mark.parametrize(("output", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_features_come_in_the_container_that_is_set(fitted, rows, small, output, frame):
    features = fitted.transform(rows[0])
    clf = clone(FashionCNN(**small).set_output(transform=output))
    for found in (clf.fit_transform(*rows), clf.transform(rows[0])):
        assert isinstance(found, frame)
        assert list(found.columns) == NAMES
        assert_array_equal(found.to_numpy(), features)
    assert isinstance(clf.predict_proba(rows[0]), np.ndarray)


def test_it_stays_a_classifier(fitted):
    tags = get_tags(fitted)
    assert is_classifier(fitted)
    assert tags.estimator_type == "classifier"
    assert tags.transformer_tags.preserves_dtype == ["float32"]
    assert "FashionCNN" in fitted._repr_html_()


def test_another_classifier_learns_from_the_features_in_a_pipeline(rows, small):
    cnn = FashionCNN(**small)
    pipeline = clone(make_pipeline(cnn, KNeighborsClassifier(3))).fit(*rows)
    assert is_classifier(pipeline)
    assert weights_equal(pipeline[0], clone(cnn).fit(*rows))
    X, y = make_images(seed=1)
    X = X.reshape(len(X), -1)
    assert_array_equal(pipeline.predict(X), pipeline[1].predict(pipeline[0].transform(X)))
    assert pipeline.score(X, y) > 0.9  # chance is a third
    assert pipeline[:-1].get_feature_names_out().tolist() == NAMES


def test_a_pipeline_routes_weights_to_the_network(rows, small):
    weights = np.where(rows[1] == 2, 5.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        cnn = FashionCNN(**small).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(cnn, KNeighborsClassifier()).fit(*rows, sample_weight=weights)
    assert weights_equal(pipeline[0], FashionCNN(**small).fit(*rows, weights))


def test_a_search_varies_the_network_in_front_of_another_classifier(rows, small):
    pipeline = make_pipeline(FashionCNN(**small), KNeighborsClassifier())
    grid = {"fashioncnn__dense_units": [6, 12], "kneighborsclassifier__n_neighbors": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(*rows)
    assert is_classifier(search)
    best = search.best_estimator_
    assert best[0].transform(rows[0]).shape == (120, best[0].dense_units)
    assert search.best_score_ > 0.9
    direct = GridSearchCV(FashionCNN(**small), {"epochs": [1, 8]}, cv=2).fit(*rows)
    assert_array_equal(direct.transform(rows[0]), direct.best_estimator_.transform(rows[0]))


def test_a_loaded_network_has_the_same_features(fitted, images, tmp_path):
    fitted.save(tmp_path / "clf")
    loaded = FashionCNN.load(tmp_path / "clf")
    assert_array_equal(loaded.transform(images[0]), fitted.transform(images[0]))
    assert loaded.get_feature_names_out().tolist() == NAMES
