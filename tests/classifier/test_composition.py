"""FashionCNN as a part of scikit-learn's machinery, on small images."""

import numpy as np
import pytest
import sklearn
from helpers import make_images, weights_equal
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - HalvingGridSearchCV
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from skfashion import FashionCNN

GOOD = 0.9  # of images with three classes: chance is a third


@pytest.fixture
def rows(images):
    """The images as float rows of features, sorted by class; unshuffled folds lack classes."""
    X, y = images
    order = np.argsort(y, kind="stable")
    return X.reshape(len(X), -1)[order].astype(float), y[order]


@pytest.fixture
def unseen():
    """Rows of the same kind, drawn anew."""
    X, y = make_images(seed=1)
    return X.reshape(len(X), -1).astype(float), y


@pytest.fixture
def cnn(small):
    return FashionCNN(**small)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "int64", ">i2", "divided"])
def test_rows_of_any_dtype_and_scale_train_the_network_of_byte_images(cnn, images, dtype):
    X, y = images
    rows = X.reshape(120, -1)
    rows = rows / 255 if dtype == "divided" else rows.astype(dtype)
    assert weights_equal(clone(cnn).fit(rows, y), cnn.fit(X, y))


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()], ids=str)
def test_a_pipeline_with_a_scaler_is_the_fit_by_hand_on_scaled_data(cnn, rows, unseen, scaler):
    pipeline = Pipeline([("scale", scaler), ("cnn", cnn)]).fit(*rows)
    by_hand = clone(cnn).fit(clone(scaler).fit_transform(rows[0]), rows[1])
    assert weights_equal(pipeline["cnn"], by_hand)
    assert pipeline["cnn"].pixel_max_ == 1
    assert_array_equal(
        pipeline.predict_proba(unseen[0]), by_hand.predict_proba(scaler.transform(unseen[0]))
    )
    assert pipeline.score(*unseen) > GOOD


def test_a_grid_search_in_a_pipeline_scores_as_fits_by_hand(cnn, rows):
    X, y = rows
    grid = {"cnn__dropout": [0.0, 0.25], "cnn__strides": [1, 2]}
    search = GridSearchCV(Pipeline([("scale", MinMaxScaler()), ("cnn", cnn)]), grid, cv=2)
    results = search.fit(X, y).cv_results_
    assert search.best_score_ > GOOD
    folds = list(StratifiedKFold(2).split(X, y))
    for position, parameters in enumerate(results["params"]):
        by_hand = clone(search.estimator).set_params(**parameters)
        for number, (train, test) in enumerate(folds):
            expected = clone(by_hand).fit(X[train], y[train]).score(X[test], y[test])
            assert results[f"split{number}_test_score"][position] == expected


def test_halving_search_with_epochs_as_resource_trains_the_best_candidate_longest(cnn, rows):
    trained = []

    def accuracy(fitted, X, y):
        trained.append(fitted.n_epochs_trained_)
        return fitted.score(X, y)

    search = HalvingGridSearchCV(
        cnn,
        {"learning_rate": [1e-8, 1e-7, 1e-6, 1e-2]},
        resource="epochs",
        min_resources=2,
        max_resources=8,
        factor=2,
        cv=2,
        random_state=0,
        scoring=accuracy,
        return_train_score=False,
    ).fit(*rows)
    assert search.best_params_ == {"epochs": 8, "learning_rate": 0.01}
    assert search.best_estimator_.n_iter_ == 8
    assert_array_equal(trained, np.repeat(search.cv_results_["n_resources"], 2))


@pytest.mark.parametrize(
    "compose",
    [
        lambda clf: VotingClassifier([("cnn", clf), ("bayes", GaussianNB())], voting="soft"),
        lambda clf: StackingClassifier([("cnn", clf)], final_estimator=GaussianNB(), cv=2),
        lambda clf: BaggingClassifier(clf, n_estimators=2, max_features=0.9, random_state=0),
        lambda clf: AdaBoostClassifier(clf, n_estimators=2, random_state=0),
        lambda clf: CalibratedClassifierCV(clf, cv=2),
        OneVsRestClassifier,
    ],
    ids=["voting", "stacking", "bagging", "boosting", "calibration", "one against the rest"],
)
def test_meta_estimators_learn_from_it(cnn, rows, unseen, compose):
    X, names = rows[0], np.array(["bag", "coat", "shirt"])
    composed = compose(cnn.set_params(epochs=12)).fit(X, names[rows[1]])
    assert composed.score(unseen[0], names[unseen[1]]) > GOOD


def test_a_threshold_is_tuned_and_rows_without_a_label_are_labelled(cnn, rows, unseen):
    X, y = rows
    tuned = TunedThresholdClassifierCV(cnn, scoring="balanced_accuracy", cv=2).fit(X, y == 2)
    assert tuned.score(unseen[0], unseen[1] == 2) > GOOD
    partly = np.where(np.arange(120) % 4, -1, y)
    training = SelfTrainingClassifier(clone(cnn).set_params(epochs=15), threshold=0.6)
    assert training.fit(X, partly).score(*unseen) > GOOD


@pytest.fixture
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("_routing")
class TestMetadataRouting:
    def test_an_unset_request_is_refused_by_name(self, cnn, rows):
        with pytest.raises(UnsetMetadataPassedError, match=r"sample_weight.*FashionCNN\.fit"):
            cross_validate(cnn, *rows, params={"sample_weight": np.ones(120)}, error_score="raise")

    def test_grid_search_routes_sample_weight_to_fit_and_score(self, cnn, rows):
        X, y = rows
        weights = np.where(y == 2, 5.0, 1.0)
        cnn.set_params(epochs=2).set_fit_request(sample_weight=True)
        search = GridSearchCV(cnn.set_score_request(sample_weight=True), {"dropout": [0.0]}, cv=2)
        search.fit(X, y, sample_weight=weights)
        train, test = next(StratifiedKFold(2).split(X, y))
        by_hand = clone(cnn).fit(X[train], y[train], sample_weight=weights[train])
        score = by_hand.score(X[test], y[test], sample_weight=weights[test])
        assert search.cv_results_["split0_test_score"][0] == score
        assert by_hand.score(X[test], y[test]) != score
        assert weights_equal(search.best_estimator_, clone(cnn).fit(X, y, sample_weight=weights))

    def test_pipeline_transforms_the_validation_rows_and_hands_them_on(self, cnn, rows, unseen):
        X_val, y_val = unseen[0][:50], unseen[1][:50]
        cnn.set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("cnn", cnn)], transform_input=["X_val"]
        ).fit(*rows, X_val=X_val, y_val=y_val)
        scaler = StandardScaler().fit(rows[0])
        scaled = scaler.transform(rows[0])
        by_hand = clone(cnn).fit(scaled, rows[1], X_val=scaler.transform(X_val), y_val=y_val)
        assert pipeline["cnn"].history_ == by_hand.history_
        with pytest.warns(UserWarning, match="images in X_val reach 255"):
            clone(cnn).fit(scaled, rows[1], X_val=X_val, y_val=y_val)

    def test_grid_search_routes_validation_rows_into_early_stopping(self, cnn, rows, unseen):
        X_val, y_val = unseen[0][:50], unseen[1][:50]
        cnn.set_params(early_stopping=True, n_iter_no_change=2, epochs=30)
        cnn.set_fit_request(X_val=True, y_val=True)
        search = GridSearchCV(cnn, {"learning_rate": [1e-8, 1e-2]}, cv=2)
        best = search.fit(*rows, X_val=X_val, y_val=y_val).best_estimator_
        by_hand = clone(cnn).set_params(learning_rate=1e-2)
        by_hand.fit(*rows, X_val=X_val, y_val=y_val)
        assert best.history_ == by_hand.history_
        assert best.n_epochs_trained_ < 30
        assert best.n_iter_ == 1 + np.argmax(best.history_["val_accuracy"])

    def test_partial_fit_takes_a_routed_sample_weight(self, cnn, rows):
        X, y = rows
        weights = np.where(y == 0, 3.0, 1.0)
        routed = OneVsRestClassifier(cnn.set_partial_fit_request(sample_weight=True))
        routed.partial_fit(X, y, classes=[0, 1, 2], sample_weight=weights)
        for label, member in enumerate(routed.estimators_):
            by_hand = clone(cnn).partial_fit(
                X, (y == label).astype(int), classes=[0, 1], sample_weight=weights
            )
            assert weights_equal(member, by_hand)
