"""FashionCNN as a part of scikit-learn's machinery, on small images."""

import numpy as np
import pytest
import sklearn
from helpers import make_images
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
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
from sklearn.inspection import permutation_importance
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
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


def assert_same_network(one, other):
    assert len(one.weights_) == len(other.weights_)
    for a, b in zip(one.weights_, other.weights_, strict=True):
        assert_array_equal(a, b)


def differ(one, other):
    return any((a != b).any() for a, b in zip(one.weights_, other.weights_, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "int64", ">i2", "divided"])
def test_rows_of_any_dtype_and_scale_train_the_network_of_byte_images(cnn, images, dtype):
    X, y = images
    rows = X.reshape(120, -1)
    rows = rows / 255 if dtype == "divided" else rows.astype(dtype)
    assert_same_network(clone(cnn).fit(rows, y), cnn.fit(X, y))


def test_pipeline_with_standard_scaler_is_the_fit_by_hand_on_scaled_data(cnn, rows, unseen):
    pipeline = make_pipeline(StandardScaler(), cnn).fit(*rows)
    scaler = StandardScaler().fit(rows[0])
    by_hand = clone(cnn).fit(scaler.transform(rows[0]), rows[1])
    assert_same_network(pipeline[-1], by_hand)
    assert pipeline[-1].pixel_max_ == 1
    assert_array_equal(
        pipeline.predict_proba(unseen[0]), by_hand.predict_proba(scaler.transform(unseen[0]))
    )
    assert pipeline.score(*unseen) > GOOD
    assert_array_equal(pipeline.classes_, [0, 1, 2])


def test_pipeline_with_min_max_scaler_is_the_fit_by_hand_on_scaled_data(cnn, rows, unseen):
    pipeline = make_pipeline(MinMaxScaler(), cnn).fit(*rows)
    by_hand = clone(cnn).fit(MinMaxScaler().fit_transform(rows[0]), rows[1])
    assert_same_network(pipeline[-1], by_hand)
    assert pipeline[-1].pixel_max_ == 1
    assert pipeline.score(*unseen) > GOOD


def test_pipeline_without_a_scaler_hands_images_through_as_they_are(cnn, images):
    X, y = images
    pipeline = Pipeline([("cnn", cnn)]).fit(X, y)
    assert pipeline["cnn"].image_shape_ == (8, 8)
    assert_same_network(pipeline["cnn"], clone(cnn).fit(X, y))


def test_grid_search_over_epochs_stratifies_and_finds_the_longer_training(cnn, rows, unseen):
    search = GridSearchCV(cnn, {"epochs": [1, 8]}, cv=3).fit(*rows)
    assert search.best_params_ == {"epochs": 8}
    assert search.best_score_ > GOOD
    assert search.best_estimator_.n_iter_ == 8
    assert search.score(*unseen) > GOOD


def test_grid_search_over_dropout_and_strides_in_a_pipeline_scores_as_fits_by_hand(cnn, rows):
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


def test_randomized_search_prefers_a_learning_rate_that_learns(cnn, rows):
    search = RandomizedSearchCV(
        cnn, {"learning_rate": loguniform(1e-7, 1e-1)}, n_iter=6, cv=2, random_state=0
    ).fit(*rows)
    assert search.best_params_["learning_rate"] > 1e-4
    assert search.best_score_ > GOOD
    assert min(search.cv_results_["mean_test_score"]) < 0.7


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
    assert search.best_score_ > GOOD
    assert search.best_estimator_.n_iter_ == 8
    assert_array_equal(trained, np.repeat(search.cv_results_["n_resources"], 2))
    assert sorted(set(trained)) == [2, 4, 8]


def test_cross_validate_stratifies_and_returns_the_networks_of_a_fit_by_hand(cnn, rows):
    X, y = rows
    result = cross_validate(
        cnn,
        X,
        y,
        cv=3,
        scoring=["accuracy", "neg_log_loss", "roc_auc_ovr"],
        return_estimator=True,
    )
    assert result["test_accuracy"].min() > GOOD
    assert result["test_roc_auc_ovr"].min() > GOOD
    for number, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        by_hand = clone(cnn).fit(X[train], y[train])
        assert_same_network(result["estimator"][number], by_hand)
        loss = log_loss(y[test], by_hand.predict_proba(X[test]))
        assert_allclose(-result["test_neg_log_loss"][number], loss)


def test_cross_validate_scores_unscaled_images_in_three_dimensions(cnn, images):
    assert cross_validate(cnn, *images, cv=2)["test_score"].min() > GOOD


def test_learning_curve_rises_with_the_number_of_rows(cnn, rows):
    sizes, _, scores = learning_curve(
        cnn, *rows, train_sizes=[6, 80], cv=3, shuffle=True, random_state=0
    )
    few, many = scores.mean(axis=1)
    assert_array_equal(sizes, [6, 80])
    assert many > GOOD
    assert few < many


def test_validation_curve_rises_with_epochs(cnn, rows):
    training, validation = validation_curve(
        cnn, *rows, param_name="epochs", param_range=[1, 8], cv=3
    )
    for scores in (training, validation):
        short, long = scores.mean(axis=1)
        assert short < long
        assert long > GOOD


def test_soft_voting_averages_our_probabilities_with_those_of_others(cnn, rows, unseen):
    X, names = rows[0], np.array(["bag", "coat", "shirt"])
    voting = VotingClassifier(
        [("cnn", cnn), ("bayes", GaussianNB())],
        voting="soft",
    ).fit(X, names[rows[1]])
    members = [member.predict_proba(unseen[0]) for member in voting.estimators_]
    assert_allclose(voting.predict_proba(unseen[0]), np.mean(members, axis=0), rtol=1e-6)
    assert_array_equal(voting.classes_, names)
    assert voting.score(unseen[0], names[unseen[1]]) > GOOD


def test_stacking_learns_from_our_probabilities(cnn, rows, unseen):
    stacking = StackingClassifier([("cnn", cnn)], final_estimator=GaussianNB(), cv=3).fit(*rows)
    assert stacking.stack_method_ == ["predict_proba"]
    by_hand = clone(cnn).fit(*rows)
    assert_array_equal(stacking.transform(unseen[0]), by_hand.predict_proba(unseen[0]))
    assert stacking.score(*unseen) > GOOD


def test_bagging_averages_networks_of_different_rows_features_and_seeds(cnn, rows, unseen):
    bagging = BaggingClassifier(
        cnn.set_params(epochs=12), n_estimators=3, max_features=0.9, random_state=0
    ).fit(*rows)
    members = [
        member.predict_proba(unseen[0][:, features])
        for member, features in zip(bagging.estimators_, bagging.estimators_features_, strict=True)
    ]
    assert_allclose(bagging.predict_proba(unseen[0]), np.mean(members, axis=0), rtol=1e-6)
    assert bagging.estimators_[0].n_features_in_ == 57
    assert len({member.random_state for member in bagging.estimators_}) == 3
    assert not np.allclose(members[0], members[1])
    assert bagging.score(*unseen) > GOOD


def test_ada_boost_reweights_the_rows_of_its_members(cnn, rows, unseen):
    X, y = rows
    boosting = AdaBoostClassifier(cnn.set_params(epochs=5), n_estimators=6, random_state=0)
    boosting.fit(X, y)
    first, second = boosting.estimators_[:2]
    assert_same_network(first, clone(first).fit(X, y))

    missed = first.predict(X) != y
    weights = np.where(missed, np.exp(boosting.estimator_weights_[0]), 1.0)
    by_hand = clone(second).fit(X, y, sample_weight=weights / weights.sum())
    assert_allclose(second.predict_proba(X), by_hand.predict_proba(X), atol=1e-4)
    assert not np.allclose(second.predict_proba(X), clone(second).fit(X, y).predict_proba(X))
    assert boosting.score(*unseen) > max(GOOD, first.score(*unseen))


def test_calibration_makes_the_probabilities_of_a_hesitant_network_better(cnn, rows, unseen):
    X, y = unseen
    hesitant = clone(cnn).set_params(epochs=4).fit(*rows)
    calibrated = CalibratedClassifierCV(clone(hesitant), cv=3).fit(*rows)
    assert calibrated.score(X, y) > GOOD
    assert log_loss(y, calibrated.predict_proba(X)) < 0.8 * log_loss(y, hesitant.predict_proba(X))


def test_one_vs_rest_asks_each_binary_network_for_its_decision(cnn, rows, unseen):
    rest = OneVsRestClassifier(cnn).fit(*rows)
    decisions = [member.decision_function(unseen[0]) for member in rest.estimators_]
    assert [decision.shape for decision in decisions] == 3 * [(120,)]
    assert_allclose(rest.decision_function(unseen[0]), np.transpose(decisions), rtol=1e-6)
    assert rest.score(*unseen) > GOOD


def test_tuned_threshold_finds_the_rare_class_that_one_half_misses(cnn, rows, unseen):
    X, y = rows[0], np.where(rows[1] == 2, "rare", "common")
    kept = (y == "common") | (np.cumsum(y == "rare") <= 12)
    X, y = X[kept], y[kept]
    X_test, y_test = unseen[0], np.where(unseen[1] == 2, "rare", "common")
    tuned = TunedThresholdClassifierCV(
        cnn.set_params(learning_rate=3e-3, epochs=4), scoring="balanced_accuracy", cv=3
    ).fit(X, y)
    untuned = clone(cnn).fit(X, y)
    rare = tuned.estimator_.predict_proba(X_test)[:, 1]
    assert_array_equal(
        tuned.predict(X_test), np.where(rare >= tuned.best_threshold_, "rare", "common")
    )
    tuned_score, untuned_score = (
        balanced_accuracy_score(y_test, classifier.predict(X_test))
        for classifier in (tuned, untuned)
    )
    assert tuned_score > GOOD > untuned_score


def test_self_training_labels_the_rows_without_a_label(cnn, images, unseen):
    X, truth = images[0].reshape(120, -1), images[1]
    y = np.where(np.arange(120) < 30, truth, -1)
    training = SelfTrainingClassifier(cnn.set_params(epochs=15), threshold=0.6).fit(X, y)
    assert_array_equal(training.classes_, [0, 1, 2])
    labelled = training.labeled_iter_ > 0
    assert labelled.sum() > 60
    assert np.mean(training.transduction_[labelled] == truth[labelled]) > GOOD
    assert training.score(*unseen) > GOOD


def test_permutation_importance_finds_the_pixels_that_tell_the_classes(fitted, unseen):
    importances = permutation_importance(
        fitted, *unseen, scoring="neg_log_loss", n_repeats=2, random_state=0
    ).importances_mean.reshape(8, 8)
    assert importances[[1, 3, 5]].mean() > 5 * abs(importances[[0, 2, 4, 6, 7]].mean())


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
class TestMetadataRouting:
    def test_an_unset_request_is_refused_by_name(self, cnn, rows):
        with pytest.raises(UnsetMetadataPassedError, match=r"sample_weight.*FashionCNN\.fit"):
            cross_validate(cnn, *rows, params={"sample_weight": np.ones(120)}, error_score="raise")

    def test_cross_validate_routes_sample_weight_cut_to_the_fold(self, cnn, rows):
        X, y = rows
        weights = np.random.default_rng(0).uniform(0, 1, 120)
        result = cross_validate(
            cnn.set_fit_request(sample_weight=True).set_score_request(sample_weight=False),
            X,
            y,
            cv=2,
            params={"sample_weight": weights},
            return_estimator=True,
        )
        for member, (train, _) in zip(
            result["estimator"], StratifiedKFold(2).split(X, y), strict=True
        ):
            weighted, plain = (
                clone(cnn).fit(X[train], y[train], sample_weight=given)
                for given in (weights[train], None)
            )
            assert_same_network(member, weighted)
            assert differ(member, plain)

    def test_grid_search_routes_sample_weight_to_the_score(self, cnn, rows):
        X, y = rows
        weights = np.where(y == 2, 5.0, 1.0)
        search = GridSearchCV(
            cnn.set_params(epochs=2)
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True),
            {"dropout": [0.0]},
            cv=2,
        ).fit(X, y, sample_weight=weights)
        train, test = next(StratifiedKFold(2).split(X, y))
        by_hand = clone(cnn).fit(X[train], y[train], sample_weight=weights[train])
        score = by_hand.score(X[test], y[test], sample_weight=weights[test])
        assert search.cv_results_["split0_test_score"][0] == score
        assert by_hand.score(X[test], y[test]) != score
        assert_same_network(search.best_estimator_, clone(cnn).fit(X, y, sample_weight=weights))

    def test_pipeline_transforms_the_validation_rows_and_hands_them_on(self, cnn, rows, unseen):
        X_val, y_val = unseen[0][:50], unseen[1][:50]
        cnn.set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("cnn", cnn)], transform_input=["X_val"]
        ).fit(*rows, X_val=X_val, y_val=y_val)
        scaler = StandardScaler().fit(rows[0])
        scaled = scaler.transform(rows[0])
        by_hand = clone(cnn).fit(scaled, rows[1], X_val=scaler.transform(X_val), y_val=y_val)
        with pytest.warns(UserWarning, match="images in X_val reach 255"):
            unscaled = clone(cnn).fit(scaled, rows[1], X_val=X_val, y_val=y_val)
        assert pipeline["cnn"].history_ == by_hand.history_
        assert pipeline["cnn"].history_["val_loss"] != unscaled.history_["val_loss"]
        assert pipeline["cnn"].history_["val_accuracy"][-1] > GOOD

    def test_grid_search_routes_validation_rows_into_early_stopping(self, cnn, rows, unseen):
        X_val, y_val = unseen[0][:50], unseen[1][:50]
        cnn.set_params(early_stopping=True, n_iter_no_change=2, epochs=30)
        cnn.set_fit_request(X_val=True, y_val=True)
        search = GridSearchCV(cnn, {"learning_rate": [1e-8, 1e-2]}, cv=2)
        search.fit(*rows, X_val=X_val, y_val=y_val)
        best = search.best_estimator_
        by_hand = clone(cnn).set_params(learning_rate=1e-2)
        by_hand.fit(*rows, X_val=X_val, y_val=y_val)
        assert search.best_params_ == {"learning_rate": 1e-2}
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
            assert_same_network(member, by_hand)
