"""What `compare` passes to estimators, measures of them, and keeps of them."""

import json
import os
import signal
import threading
import time
import warnings
from multiprocessing import get_context
from typing import ClassVar

import numpy as np
import pytest
from helpers import run_python
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skfashion import FashionCNN, compare
from skfashion.datasets import ImageFileReader, load_fashion_mini

WEIGHTS = np.random.default_rng(0).uniform(0.1, 9, 120)


@pytest.fixture(scope="module")
def mini():
    X, y = load_fashion_mini(return_X_y=True)
    return X[:120], y[:120]


class Worried(GaussianNB):
    def fit(self, X, y):
        warnings.warn("the cloth is thin", stacklevel=1)
        return super().fit(X, y)


class Waiting(ClassifierMixin, BaseEstimator):
    """Interrupts the process in its first fit."""

    def fit(self, X, y):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        time.sleep(30)


class Counting(GaussianNB):
    """Notes how many rows each call of `predict` is given."""

    calls: ClassVar[list[int]] = []

    def predict(self, X):
        self.calls.append(len(X))
        return super().predict(X)


class TestMetadata:
    def test_groups_go_to_the_splitter(self, mini):
        groups = np.arange(120) % 4
        cv = GroupKFold(4)
        found = compare({"NB": GaussianNB()}, *mini, groups=groups, cv=cv)
        expected = cross_validate(GaussianNB(), *mini, groups=groups, cv=cv)["test_score"]
        assert_allclose(found.scores["score"], expected)

    def test_params_go_to_fit_and_are_split_with_the_rows(self, mini):
        params = {"sample_weight": WEIGHTS}
        found = compare({"NB": GaussianNB()}, *mini, cv=3, params=params)
        expected = cross_validate(GaussianNB(), *mini, cv=3, params=params)["test_score"]
        assert_allclose(found.scores["score"], expected)
        plain = compare({"NB": GaussianNB()}, *mini, cv=3)
        assert not np.allclose(found.scores["score"], plain.scores["score"])

    def test_are_routed_to_who_requested_them(self, mini):
        params = {"sample_weight": WEIGHTS, "groups": np.arange(120) % 4}
        with config_context(enable_metadata_routing=True):
            estimators = {
                "weighted": GaussianNB().set_fit_request(sample_weight=True),
                "plain": GaussianNB().set_fit_request(sample_weight=False),
            }
            scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
            how = {"cv": GroupKFold(4), "scoring": {"weighted": scorer}, "params": params}
            found = compare(estimators, *mini, **how).scores["score"]
            expected = [
                cross_validate(estimator, *mini, **how)["test_weighted"]
                for estimator in estimators.values()
            ]
            assert_allclose(found, np.concatenate(expected))
            with pytest.raises(ValueError, match="sample_weight"):  # not requested, nor refused
                compare({"NB": GaussianNB()}, *mini, **how)

    def test_folds_of_a_generator_are_not_lost_when_they_are_routed(self, mini):
        folds = [(np.arange(60, 120), np.arange(60)), (np.arange(60), np.arange(60, 120))]
        with config_context(enable_metadata_routing=True):
            found = compare({"NB": GaussianNB()}, *mini, cv=(fold for fold in folds))
        assert len(found.scores) == 2

    def test_an_estimator_that_does_not_take_them_fails_in_its_row(self, mini):
        estimators = {"dummy": DummyClassifier(), "pipe": make_pipeline(GaussianNB())}
        found = compare(estimators, *mini, cv=2, params={"sample_weight": np.ones(120)})
        assert found.failures.index.tolist() == ["pipe"]


class TestCosts:
    def test_the_time_of_predictions_is_measured_on_a_thousand_rows(self, mini):
        Counting.calls.clear()
        compare({"NB": Counting()}, *mini, cv=2)
        assert Counting.calls == [60, 1000, 60, 1000]

    def test_the_size_of_a_network_is_that_of_its_file(self, mini, tmp_path):
        network = FashionCNN.v2(epochs=1, random_state=0)
        network.fit(*mini).save(tmp_path / "model")
        size = (tmp_path / "model").stat().st_size / 1e6
        found = compare({"alone": network, "piped": make_pipeline(network)}, *mini, cv=2)
        assert_allclose(found.table["size_mb"], size, rtol=0.02)

    def test_the_start_of_tensorflow_is_in_no_fit_and_left_out_where_all_are_in_memory(
        self, tmp_path
    ):
        """It takes several times as long as to compile a network, which is in the first fit."""
        code = f"""
            import json, sys, time
            from skfashion import FashionCNN, compare
            from skfashion.datasets import load_fashion_mini
            X, y = load_fashion_mini(return_X_y=True)
            network = FashionCNN.v2(epochs=1, random_state=0)
            begin = time.perf_counter()
            found = compare({{"network": network}}, X[:60], y[:60], cv=2, memory={str(tmp_path)!r})
            share = found.scores["fit_seconds"].max() / (time.perf_counter() - begin)
            print(json.dumps([found.scores["score"].tolist(), share, "tensorflow" in sys.modules]))
        """
        scores, share, started = json.loads(run_python(code))
        assert started
        assert share < 0.7
        again, _, started = json.loads(run_python(code))
        assert again == scores
        assert not started


class TestNetworks:
    def test_count_in_searches_and_pipelines_and_where_they_failed(self, mini):
        network = FashionCNN.v2(epochs=2, random_state=0)
        estimators = {
            "search": GridSearchCV(network, {"dropout": [0, 0.5]}, cv=2),
            "pipe": make_pipeline(MinMaxScaler(), network),
            "failed": FashionCNN(epochs=0),
            "NB": GaussianNB(),
        }
        found = compare(estimators, *mini, cv=2)
        assert found.networks == ["search", "pipe", "failed"]
        assert set(found.histories["estimator"]) == set(found.out_of_fold) == {"search", "pipe"}

    def test_and_others_keep_the_label_predicted_for_each_row(self, mini):
        X, y = mini
        names = np.array(list("abcdefghij"))[y]
        found = compare({"NB": GaussianNB(), "dummy": DummyClassifier()}, X, names, cv=3)
        right = found.out_of_fold_predictions.eq(names, axis=0)
        assert right.index.tolist() == list(range(120))
        assert_allclose(right.mean()[found.table.index], found.table["accuracy_mean"])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_warnings_stand_in_the_row_of_their_estimator(mini, n_jobs, tmp_path, capfd):
    estimators = {"warning": Worried(), "NB": GaussianNB()}
    told = {"warning": "UserWarning: the cloth is thin", "NB": ""}
    for _ in range(2):  # also where fits are read from memory
        found = compare(estimators, *mini, cv=2, n_jobs=n_jobs, memory=tmp_path)
        assert found.table["warnings"].to_dict() == told
        assert "warning: UserWarning: the cloth is thin" in str(found)
    assert "thin" not in capfd.readouterr().err


def test_an_interrupted_comparison_returns_what_is_finished(mini):
    estimators = {"NB": GaussianNB(), "waiting": Waiting(), "dummy": DummyClassifier()}
    with pytest.warns(UserWarning, match="interrupted after 2 of 6 fits"):
        found = compare(estimators, *mini, cv=2)
    assert found.interrupted
    assert found.failures.index.tolist() == ["waiting", "dummy"]
    assert found.table.loc["NB", "accuracy_mean"] > 0.3


def test_pictures_of_several_sizes_may_have_a_test_set(mini):
    X, y = mini
    pictures = [
        Image.fromarray(255 - x.reshape(28, 28)).resize((40 + i % 7, 40)) for i, x in enumerate(X)
    ]
    estimators = {"NB": make_pipeline(ImageFileReader(), GaussianNB())}
    test_set = {"X_test": pictures[100:], "y_test": y[100:]}
    found = compare(estimators, pictures[:100], y[:100], cv=2, **test_set)
    assert_array_equal(found.table["error"], "")
    assert found.table.loc["NB", "test_accuracy"] > 0.3


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_timeout_in_a_daemonic_process_is_one_error(mini):
    with get_context("fork").Pool(1) as pool, pytest.raises(RuntimeError, match="timeout=9"):
        pool.apply(compare, ({"NB": GaussianNB()}, *mini), {"cv": 2, "timeout": 9})
