"""The league table: same folds for all, one row each, failures are results."""

import os
import pickle
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from helpers import run_python
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

from skfashion import FashionCNN, compare, make_baselines
from skfashion.comparison import _statistics
from skfashion.datasets import load_fashion_mini


class Broken(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise RuntimeError("out of cloth")


class Slow(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        time.sleep(60)


class Dying(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        os._exit(1)


class Lambda(GaussianNB):
    """Cannot be pickled once fitted."""

    def fit(self, X, y):
        self.hook_ = lambda: None
        return super().fit(X, y)


class Odd(GaussianNB):
    """Returns odd things: `how` takes the estimator and what naive Bayes would return."""

    def __init__(self, how, *, method="predict", history=None):
        super().__init__()
        self.how, self.method, self.history = how, method, history

    def fit(self, X, y):
        self.history_ = self.history
        return super().fit(X, y)

    def predict(self, X):
        return self._return("predict", super().predict(X))

    def predict_proba(self, X):
        return self._return("predict_proba", super().predict_proba(X))

    def _return(self, method, values):
        return self.how(values) if method == self.method else values


PAIR = {"NB": GaussianNB(), "dummy": DummyClassifier()}


# What an estimator may return, or have as its history, and the error that its row tells.
ODD = {
    "column": (Odd(lambda found: found[:, np.newaxis]), ""),  # as CatBoost
    "Series": (Odd(pd.Series), ""),
    "short": (
        Odd(lambda found: found[1:]),
        "ValueError: predict returned an array of shape (149,)",
    ),
    "None": (Odd(lambda found: None), "ValueError: predict returned an array of shape ()"),
    "proba": (
        Odd(lambda found: found[:, 1:], method="predict_proba"),
        "ValueError: predict_proba returned an array of shape (150, 9): expected (150, 10)",
    ),
    "no loss": (Odd(np.array, history={"accuracy": [0.5]}), ""),
    "unequal": (Odd(np.array, history={"loss": [1.0, 0.5], "accuracy": [0.5]}), ""),
    "number": (Odd(np.array, history={"loss": 0.5}), ""),
    "array": (Odd(np.array, history={"loss": [np.eye(2)]}), ""),
}


@pytest.fixture(scope="module")
def mini():
    X, y = load_fashion_mini(return_X_y=True)
    return X[:300], y[:300]


@pytest.fixture(scope="module")
def test_set():
    X, y = load_fashion_mini(subset="test", return_X_y=True)
    return {"X_test": X[:200], "y_test": y[:200]}


@pytest.fixture(scope="module")
def networks(mini):
    network = FashionCNN.v2(dropout=0, epochs=3, random_state=0)
    estimators = {"network": network, "scaled": make_pipeline(MinMaxScaler(), network), **PAIR}
    return compare(estimators, *mini, cv=StratifiedKFold(2))


class TestBaselines:
    def test_are_fresh_classifiers_with_the_seed_handed_on(self):
        first, second = make_baselines(random_state=3), make_baselines(random_state=3)
        assert len(first) == 9
        assert all(is_classifier(estimator) for estimator in first.values())
        assert all(first[name] is not second[name] for name in first)
        parameters = [item for clf in first.values() for item in clf.get_params().items()]
        seeds = {value for name, value in parameters if name.endswith("random_state")}
        assert seeds - {None} == {first["random forest"].random_state} == {3}

    def test_every_one_beats_the_dummy_on_clothes(self, mini):
        X, y = mini
        baselines = make_baselines(random_state=0)
        baselines["histogram gradient boosting"].set_params(max_iter=3)
        table = compare(baselines, X[:, ::4], y, cv=2).table  # a quarter of the pixels is enough
        assert set(table.index) == set(baselines)
        assert table.index[-1] == "dummy"
        assert (table["accuracy_mean"].drop("dummy") > 0.4).all()
        assert (table["error"] == "").all()


class TestTable:
    def test_scores_are_those_of_cross_validate_on_the_same_folds(self, mini):
        X, y = mini
        cv = StratifiedKFold(3, shuffle=True, random_state=0)
        found = compare(PAIR, X, y, cv=cv)
        expected = cross_validate(GaussianNB(), X, y, cv=cv)["test_score"]
        assert_allclose(found.scores.query("estimator == 'NB'")["score"], expected)
        row = found.table.loc["NB"]
        assert_allclose(row["accuracy_mean"], expected.mean())
        assert_allclose(row["accuracy_sd"], expected.std(ddof=1))
        scores = [expected, [0.1] * 3]  # a dummy is right in a tenth of each fold
        n_rows = 300 / _statistics.score_design_effect(np.array(scores), 100)
        interval = _statistics.proportion_interval(expected.mean(), n_rows)
        assert_allclose(row[["accuracy_low", "accuracy_high"]].astype(float), interval)

    def test_folds_may_be_masks(self, mini):
        X, y = mini
        part = np.arange(len(y)) // 75
        masks = [(part != k, part == k) for k in range(4)]
        indices = [tuple(map(np.flatnonzero, fold)) for fold in masks]
        columns = ["accuracy_low", "accuracy_high", "accuracy_p_value"]
        one, other = (compare(PAIR, X, y, cv=cv) for cv in (masks, indices))
        pd.testing.assert_frame_equal(one.table[columns], other.table[columns])
        assert set(one.scores["n_test"]) == {75}

    def test_has_the_columns_that_its_documentation_names(self, mini):
        found = compare(PAIR, *mini, cv=3)
        metric = ["mean", "sd", "low", "high", "difference", "p_value", "p_adjusted"]
        costs = ["fit_seconds", "predict_ms_per_1000", "size_mb"]
        figures = [*(f"accuracy_{part}" for part in metric), *costs]
        assert found.table.columns.tolist() == [*figures, "warnings", "error"]
        assert found.table.index.name == "estimator"
        assert set(found.table[figures].dtypes) == {np.dtype(float)}
        assert (found.table[costs] > 0).all(axis=None)

    def test_differences_are_tested_against_the_best(self, mini):
        found = compare({"tree": DecisionTreeClassifier(random_state=0), **PAIR}, *mini, cv=4)
        best = found.table.index[0]
        assert best != "dummy"
        right = found.out_of_fold_predictions.eq(mini[1], axis=0)
        for name, row in found.table.iterrows():
            assert_allclose(row["accuracy_difference"], right[name].mean() - right[best].mean())
            if name != best:
                only_one = (right[name] & ~right[best]).sum(), (right[best] & ~right[name]).sum()
                fewer = np.array(only_one) / _statistics.MIN_DESIGN_EFFECT
                assert_allclose(row["accuracy_p_value"], _statistics.mcnemar_test(*fewer))
                assert row["accuracy_p_value"] <= row["accuracy_p_adjusted"]
        assert np.isnan(found.table.loc[best, "accuracy_p_value"])
        assert found.table.loc[best, "accuracy_difference"] == 0

    def test_several_metrics_have_columns_and_rows_of_their_own_and_the_first_decides(self, mini):
        macro = make_scorer(f1_score, average="macro")
        scoring = {"loss": "neg_log_loss", "macro": macro}
        found = compare(PAIR, *mini, cv=3, scoring=scoring)
        assert found.metrics == ["loss", "macro"]
        assert found.table.index.tolist() == ["dummy", "NB"]  # naive Bayes is far too sure
        assert found.table.loc["NB", "macro_difference"] > 0
        expected = cross_validate(GaussianNB(), *mini, cv=3, scoring=scoring)
        for metric in scoring:
            scores = found.scores.query("estimator == 'NB' and metric == @metric")["score"]
            assert_allclose(scores, expected[f"test_{metric}"])
            assert_allclose(found.table.loc["NB", f"{metric}_mean"], scores.mean())
        assert len(found.scores) == 2 * 3 * 2

    @pytest.mark.parametrize(
        ("scoring", "name"),
        [
            ("f1_macro", "f1_macro"),
            (make_scorer(f1_score, average="macro"), "f1_score"),
            (lambda estimator, X, y: np.array(0.5), "<lambda>"),  # without a dimension
        ],
    )
    def test_a_metric_names_its_columns(self, mini, scoring, name):
        table = compare({"dummy": DummyClassifier()}, *mini, cv=2, scoring=scoring).table
        assert {f"{name}_mean", f"{name}_sd"} <= set(table.columns)
        assert (table["error"] == "").all()

    def test_size_is_that_of_the_pickle_and_unknown_where_there_is_none(self, mini):
        found = compare({"NB": GaussianNB(), "lambda": Lambda()}, *mini, cv=2)
        size = len(pickle.dumps(GaussianNB().fit(*mini), protocol=5)) / 1e6
        assert_allclose(found.table.loc["NB", "size_mb"], size, rtol=0.01)
        assert np.isnan(found.table.loc["lambda", "size_mb"])
        assert found.table.loc["lambda", "error"] == ""

    def test_readers_see_rounded_figures_with_intervals(self, mini):
        found = compare({"broken": Broken(), **PAIR}, *mini, cv=3)
        row = found.table.loc["NB"]
        text = f"{row['accuracy_mean']:.3f} [{row['accuracy_low']:.3f}, {row['accuracy_high']:.3f}]"
        assert text in str(found)
        assert text in found._repr_html_()
        assert found.readable().loc["broken"].tolist() == [""] * 5
        lines = str(found).splitlines()
        assert lines[-1] == "broken: RuntimeError: out of cloth"
        assert lines == [line.rstrip() for line in lines]

    def test_lists_frames_and_string_labels_will_do(self, mini):
        X, y = mini
        expected = compare(PAIR, X, y, cv=2).table["accuracy_mean"].tolist()
        frame = pd.DataFrame(X, index=np.arange(len(X)) + 7)
        names = pd.Series(np.array(list("abcdefghij"))[y], index=frame.index)
        for others in ((X.tolist(), y.tolist()), (frame, names)):
            found = compare(list(PAIR.items()), *others, cv=2)
            assert found.table["accuracy_mean"].tolist() == expected


class TestNetworks:
    def test_keep_their_epochs(self, networks, mini):
        X, y = mini
        histories = networks.histories
        assert [*histories.columns] == ["estimator", "fold", "epoch", "loss", "accuracy"]
        counts = histories.groupby(["estimator", "fold"]).size().to_dict()
        assert counts == {(name, fold): 3 for name in ("network", "scaled") for fold in (0, 1)}
        train, _ = next(StratifiedKFold(2).split(X, y))
        clf = FashionCNN.v2(dropout=0, epochs=3, random_state=0).fit(X[train], y[train])
        first = histories.query("estimator == 'network' and fold == 0")
        assert first["loss"].tolist() == clf.history_["loss"]

    def test_keep_the_probabilities_of_the_rows_left_out(self, networks, mini):
        X, y = mini
        assert list(networks.out_of_fold) == ["network", "scaled"]
        probabilities = networks.out_of_fold["network"]
        assert probabilities.shape == (300, 10)
        accuracy = [
            np.mean(probabilities[test].argmax(axis=1) == y[test])
            for _, test in StratifiedKFold(2).split(X, y)
        ]
        assert_allclose(accuracy, networks.scores.query("estimator == 'network'")["score"])

    def test_that_meet_no_row_of_a_class_give_it_no_probability(self, images, small):
        X, y = images
        rows = np.arange(len(y))
        cv = [(rows[y < 2], rows[y == 2]), (rows[::2], rows[1::2])]
        probabilities = compare({"network": FashionCNN(**small)}, X, y, cv=cv).out_of_fold[
            "network"
        ]
        assert probabilities.shape == (120, 3)
        assert (probabilities[(y == 2) & (rows % 2 == 0), 2] == 0).all()
        assert np.isnan(probabilities[(y < 2) & (rows % 2 == 0)]).all()

    def test_of_repeated_folds_give_the_mean(self, images, small):
        X, y = images
        cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
        found = compare({"network": FashionCNN(**small)}, X, y, cv=cv)
        assert_allclose(found.out_of_fold["network"].sum(axis=1), 1, rtol=1e-5)


class TestTestSet:
    def test_scores_what_was_trained_on_all_rows(self, mini, test_set):
        found = compare(PAIR, *mini, cv=2, **test_set, scoring=["f1_macro", "accuracy"])
        predictions = GaussianNB().fit(*mini).predict(test_set["X_test"])
        assert_array_equal(found.predictions["NB"], predictions)
        row = found.table.loc["NB"]
        accuracy = accuracy_score(test_set["y_test"], predictions)
        assert row["test_accuracy"] == accuracy
        macro = f1_score(test_set["y_test"], predictions, average="macro")
        assert_allclose(row["test_f1_macro"], macro)
        low, high = _statistics.proportion_interval(accuracy, 200)
        assert (row["test_accuracy_low"], row["test_accuracy_high"]) == (low, high)

    def test_is_compared_with_the_best_by_mcnemar(self, mini, test_set):
        found = compare(PAIR, *mini, cv=2, **test_set)
        right = {name: found.predictions[name] == test_set["y_test"] for name in PAIR}
        only_one = (right["NB"] & ~right["dummy"]).sum(), (right["dummy"] & ~right["NB"]).sum()
        expected = _statistics.mcnemar_test(*only_one)
        assert found.table.loc["dummy", "test_p_value"] == expected
        assert np.isnan(found.table.loc["NB", "test_p_value"])
        assert "test accuracy [95 %]" in str(found)
        assert found.table.columns[-1] == "error"

    def test_an_estimator_that_fails_on_it_has_no_test_figures(self, mini, test_set):
        X_test = test_set["X_test"].astype(float)
        X_test[0] = np.nan
        found = compare(PAIR, *mini, cv=2, **{**test_set, "X_test": X_test})
        assert found.table.loc["NB", "error"].startswith("on the test set: ValueError: ")
        assert np.isfinite(found.table.loc["NB", "accuracy_mean"])
        assert np.isnan(found.table.loc["NB", "test_accuracy"])
        assert np.isnan(found.table.loc["dummy", "test_p_value"])

    def test_accuracy_under_another_name_is_scored_too(self, mini, test_set):
        table = compare(PAIR, *mini, cv=2, scoring={"acc": "accuracy"}, **test_set).table
        assert_array_equal(table["test_acc"], table["test_accuracy"])


class TestFailure:
    def test_is_not_whatever_an_estimator_returns(self, mini):
        X, y = mini
        how = {
            "cv": 2,
            "scoring": ["accuracy", "neg_log_loss"],
            "X_test": X[:150],
            "y_test": y[:150],
        }
        odd = {name: estimator for name, (estimator, _) in ODD.items()}
        found = compare({**odd, **PAIR}, X, y, **how)
        expected = compare(PAIR, X, y, **how).table
        columns = [column for column in expected if column.endswith("_mean")]
        pd.testing.assert_frame_equal(
            found.table.loc[[*expected.index], columns], expected[columns]
        )
        assert found.histories.empty
        for name, (_, error) in ODD.items():
            row = found.table.loc[name]
            assert row["error"].startswith(error)
            if not error:
                assert row["error"] == ""
                assert row[columns].tolist() == expected.loc["NB", columns].tolist()

    def test_is_a_row_that_says_why_and_harms_no_other(self, mini):
        found = compare({"broken": Broken(), "NB": GaussianNB()}, *mini, cv=2)
        assert found.table.loc["broken", "error"] == "RuntimeError: out of cloth"
        assert np.isnan(found.table.loc["broken", "accuracy_mean"])
        assert found.table.loc["NB", "accuracy_mean"] > 0.4
        assert found.table.index.tolist() == ["NB", "broken"]
        assert np.isnan(found.table.loc["broken", "predict_ms_per_1000"])
        assert "\nbroken: RuntimeError: out of cloth" in str(found)
        assert "out of cloth" in found._repr_html_()

    def test_of_all_is_a_table_of_errors(self, mini, test_set):
        found = compare({"one": Broken(), "two": Broken()}, *mini, cv=2, **test_set)
        assert (found.table["error"] == "RuntimeError: out of cloth").all()
        assert len(found.failures) == 2
        assert "two: RuntimeError" in str(found)

    def test_in_one_fold_leaves_no_mean_over_the_others(self, mini):
        X, y = mini
        X = X.astype(float)
        X[0] = np.nan
        found = compare({"NB": GaussianNB(), "dummy": DummyClassifier()}, X, y, cv=2)
        assert "NaN" in found.table.loc["NB", "error"]
        assert np.isnan(found.table.loc["NB", "accuracy_mean"])
        assert found.table.loc["dummy", "error"] == ""

    def test_is_a_score_that_is_no_number(self, mini):
        def blank(estimator, X, y):
            return np.nan if isinstance(estimator, GaussianNB) else 0.5

        found = compare(PAIR, *mini, cv=2, scoring=blank)
        assert found.table.loc["NB", "error"] == "ValueError: the score blank is nan."
        assert found.table.loc["dummy", "blank_mean"] == 0.5


class TestTimeout:
    def test_slow_and_dying_estimators_have_rows_and_harm_no_other(self, mini):
        estimators = {"slow": Slow(), "dying": Dying(), **PAIR}
        begin = time.perf_counter()
        found = compare(estimators, *mini, cv=2, n_jobs=2, timeout=2)
        assert time.perf_counter() - begin < 60
        assert found.table.loc["slow", "error"].startswith("TimeoutError: fold 1 took more than 2")
        assert found.table.loc["dying", "error"].startswith("TerminatedWorkerError: ")
        expected = compare(PAIR, *mini, cv=2)
        means = [table.table.loc[list(PAIR), "accuracy_mean"] for table in (found, expected)]
        assert_array_equal(*means)

    def test_leaves_no_process_behind_when_interrupted(self, mini):
        import psutil

        def workers():
            children = psutil.Process().children(recursive=True)
            return {child for child in children if "LokyProcess" in " ".join(child.cmdline())}

        before, during = workers(), set()

        def interrupt():
            while not during:
                time.sleep(0.05)
                during.update(workers() - before)
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        begin = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            compare({"slow": Slow()}, *mini, cv=2, timeout=50)
        assert time.perf_counter() - begin < 30
        assert during
        assert workers() <= before


def test_a_line_for_each_fit_goes_to_standard_error_if_asked(mini, test_set, capsys):
    compare({"dummy": DummyClassifier()}, *mini, cv=2)
    assert capsys.readouterr() == ("", "")
    compare({"dummy": DummyClassifier(), "broken": Broken()}, *mini, cv=2, verbose=1, **test_set)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[1].startswith("[2/6] dummy, fold 2: accuracy 0.100, fit ")
    assert lines[2].startswith("[3/6] dummy, test set: accuracy 0.1")
    assert lines[3] == "[4/6] broken, fold 1: RuntimeError: out of cloth"


WRONG_TYPES = [
    ({"estimators": GaussianNB()}, "estimators is a GaussianNB: expected a dict"),
    ({"estimators": [GaussianNB()]}, "or a list of pairs"),
    ({"estimators": {3: GaussianNB()}}, "the name 3: expected strings"),
    ({"params": [1]}, "params=.1.: expected a dict"),
]
TWICE = [("NB", GaussianNB()), ("NB", GaussianNB())]
NO_TEST_ROWS = [(np.arange(9), np.arange(9, 20)), (np.arange(9), np.arange(0))]
RIDGE = {"ridge": RidgeClassifier()}
TWO_NAMES = np.array(["no", "yes"])[np.arange(300) % 2]
WRONG_VALUES = [
    ({"estimators": {}}, "estimators is empty"),
    ({"estimators": TWICE}, "duplicate names: 'NB'"),
    ({"estimators": {"line": LinearRegression()}}, r"estimators\['line'\] is not a classifier"),
    ({"estimators": {"class": GaussianNB}}, r"estimators\['class'\] is not a class"),
    ({"estimators": {"text": "NB"}}, r"estimators\['text'\] is not a classifier"),
    ({"cv": 1}, "n_splits"),
    ({"cv": NO_TEST_ROWS[:1]}, "makes 1 split: expected two"),
    ({"cv": NO_TEST_ROWS}, "split 1 has 9 rows to train on and 0 to score"),
    ({"scoring": "acuracy"}, "Did you mean 'accuracy'"),
    ({"scoring": ["accuracy", "zzz"]}, "'zzz', which is not a metric"),
    ({"scoring": []}, "expected a metric"),
    ({"scoring": None}, "expected a metric"),
    ({"scoring": {1: "accuracy"}}, "names a metric 1"),
    ({"scoring": {"accuracy": "neg_log_loss"}}, "expected another name"),
    ({"scoring": {"test_accuracy": "f1_macro"}}, "expected another name"),
    ({"scoring": accuracy_score}, "make_scorer.accuracy_score"),
    ({"scoring": lambda clf, X, y: {"a": 1.0}}, "returns a dict"),
    ({"scoring": lambda clf, X, y: "good"}, "returns 'good': expected a number"),
    ({"scoring": "f1"}, "'f1' cannot be computed for these labels: Target is multi"),
    ({"scoring": "f1", "y": TWO_NAMES}, "'f1' cannot be computed for these labels: pos_label=1"),
    (
        {"scoring": "neg_log_loss", "estimators": RIDGE},
        "'neg_log_loss' needs predict_proba, which 'ridge' does not have",
    ),
    ({"memory": 3}, "memory=3: expected the path"),
    ({"memory": "a\0b"}, r"memory='a\\x00b': expected the path"),
    ({"timeout": 0}, "timeout=0: expected a positive number"),
    ({"timeout": np.inf}, "timeout=inf: expected a positive number"),
    ({"y": np.linspace(0, 1, 300)}, "continuous"),
    ({"y": np.eye(300, 3, dtype=int)}, "y is multilabel-indicator"),
    ({"X_test": np.zeros((2, 10)), "y_test": [1, 2]}, "X_test has 10 features, but X has 784"),
    ({"X_test": np.zeros((3, 784))}, "X_test was given without y_test"),
    ({"y_test": np.zeros(3)}, "y_test was given without X_test"),
    ({"X_test": np.zeros((3, 784)), "y_test": [1, 2]}, "inconsistent numbers of samples"),
    ({"X_test": np.zeros((2, 784)), "y_test": [1, 77]}, "do not occur in y, such as 77"),
    ({"groups": [1, 2]}, "inconsistent numbers of samples"),
]


@pytest.mark.parametrize(
    ("error", "changes", "message"),
    [(TypeError, *case) for case in WRONG_TYPES] + [(ValueError, *case) for case in WRONG_VALUES],
)
def test_bad_input_is_refused_before_any_fit(mini, error, changes, message):
    class Untouched(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            pytest.fail("was fitted")

    X, y = mini
    arguments = {"estimators": {"untouched": Untouched()}, "X": X, "y": y, **changes}
    with pytest.raises(error, match=message):
        compare(**arguments)


def test_the_workers_of_joblib_are_left_in_peace():
    """With two lokys in a process joblib's tracker of shared files complains of each."""
    assert run_python("""
        import numpy as np
        import pandas as pd
        from joblib import Parallel, delayed
        from skfashion import compare
        frame = pd.DataFrame(np.ones((1000, 784)))
        print(sum(Parallel(n_jobs=2)(delayed(len)(frame) for _ in range(8))))
    """).split() == ["8000"]
