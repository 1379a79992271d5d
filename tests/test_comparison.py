"""The league table: same folds for all, one row each, failures are results."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.naive_bayes import GaussianNB

from skfashion import FashionCNN, compare, make_baselines
from skfashion.datasets import load_fashion_mini


class Broken(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise RuntimeError("out of cloth")


@pytest.fixture(scope="module")
def mini():
    X, y = load_fashion_mini(return_X_y=True)
    return X[:300], y[:300]


def test_baselines_are_fresh_classifiers_with_the_seed_handed_on():
    first, second = make_baselines(random_state=3), make_baselines(random_state=3)
    assert len(first) >= 8
    assert all(is_classifier(estimator) for estimator in first.values())
    assert all(first[name] is not second[name] for name in first)
    seeds = {
        value
        for estimator in first.values()
        for name, value in estimator.get_params().items()
        if name == "mlpclassifier__random_state" or name == "linearsvc__random_state"
    }
    assert seeds == {3}
    assert first["random forest"].random_state == 3


def test_every_baseline_beats_the_dummy_on_clothes(mini):
    baselines = make_baselines(random_state=0)
    baselines["histogram gradient boosting"].set_params(max_iter=3)
    table = compare(baselines, *mini, cv=2).table
    assert set(table.index) == set(baselines)
    assert table.index[-1] == "dummy"
    assert (table["accuracy_mean"].drop("dummy") > 0.4).all()
    assert (table["error"] == "").all()


def test_scores_are_those_of_cross_validate_on_the_same_folds(mini):
    X, y = mini
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    found = compare({"NB": GaussianNB(), "dummy": DummyClassifier()}, X, y, cv=cv)
    expected = cross_validate(GaussianNB(), X, y, cv=cv)["test_score"]
    scores = found.scores.query("estimator == 'NB'")["score"]
    assert_allclose(scores, expected)
    assert_allclose(found.table.loc["NB", "accuracy_mean"], expected.mean())
    assert_allclose(found.table.loc["NB", "accuracy_sd"], expected.std(ddof=1))
    assert list(found.table.columns) == [
        "accuracy_mean",
        "accuracy_sd",
        "fit_seconds",
        "predict_ms_per_1000",
        "error",
    ]
    assert (found.table[["fit_seconds", "predict_ms_per_1000"]] > 0).all(axis=None)


def test_networks_stand_beside_baselines(mini):
    network = FashionCNN.v2(dropout=0, epochs=8, random_state=0)
    table = compare({"network": network, "dummy": DummyClassifier()}, *mini, cv=2).table
    assert table.loc["network", "accuracy_mean"] > 0.3
    assert table.index[0] == "network"


def test_a_failing_estimator_has_a_row_that_says_why_and_harms_no_other(mini):
    found = compare({"broken": Broken(), "NB": GaussianNB()}, *mini, cv=2)
    assert found.table.loc["broken", "error"] == "RuntimeError: out of cloth"
    assert np.isnan(found.table.loc["broken", "accuracy_mean"])
    assert found.table.loc["NB", "accuracy_mean"] > 0.4
    assert found.table.index.tolist() == ["NB", "broken"]
    assert np.isnan(found.table.loc["broken", "predict_ms_per_1000"])
    assert "\nbroken: RuntimeError: out of cloth" in str(found)
    assert "out of cloth" in found._repr_html_()


def test_two_processes_find_the_scores_of_one(mini):
    estimators = {"NB": GaussianNB(), "dummy": DummyClassifier()}
    one, two = (compare(estimators, *mini, cv=3, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert one.scores["score"].tolist() == two.scores["score"].tolist()


def test_a_line_for_each_fit_goes_to_standard_error_if_asked(mini, capsys):
    compare({"dummy": DummyClassifier()}, *mini, cv=2)
    assert capsys.readouterr() == ("", "")
    compare({"dummy": DummyClassifier()}, *mini, cv=2, verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[1].startswith("[2/2] dummy, fold 2: accuracy 0.100, fit ")


def test_another_metric_names_its_columns(mini):
    table = compare({"dummy": DummyClassifier()}, *mini, cv=2, scoring="f1_macro").table
    assert {"f1_macro_mean", "f1_macro_sd"} <= set(table.columns)


def test_nothing_to_compare_and_regressors_are_refused_before_any_fit(mini):
    with pytest.raises(ValueError, match="estimators is empty"):
        compare({}, *mini)
    with pytest.raises(TypeError, match="estimators is a list: expected a dict"):
        compare([GaussianNB()], *mini)
    for scoring in (["accuracy", "f1_macro"], "acuracy"):
        with pytest.raises(ValueError, match="scoring"):
            compare({"NB": GaussianNB()}, *mini, scoring=scoring)
    with pytest.raises(ValueError, match=r"estimators\['line'\] is no classifier"):
        compare({"line": LinearRegression()}, *mini)
