"""HistoryDisplay draws what was measured, epoch by epoch."""

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer

from skfashion import FashionCNN
from skfashion.plotting import HistoryDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def cnn(small, tmp_path):
    return FashionCNN(**{**small, "epochs": 3}, memory=tmp_path)


def labels(display):
    return [line.get_label() for line in display.lines_]


def legend(display):
    """The names in the legend of the last panel, its box and that of the Axes."""
    display.figure_.draw_without_rendering()
    *_, ax = display.axes_
    found = ax.get_legend()
    names = [text.get_text() for text in found.get_texts()]
    return names, found.get_window_extent(), ax.bbox.shrunk(0.99, 0.99)


class TestFromEstimator:
    def test_loss_and_accuracy_of_training_and_validation(self, images, cnn):
        X, y = images
        clf = cnn.fit(X, y, X_val=X[:30], y_val=y[:30])
        display = HistoryDisplay.from_estimator(clf)
        assert [ax.get_ylabel() for ax in display.axes_] == ["loss", "accuracy"]
        names = ["loss", "val_loss", "accuracy", "val_accuracy"]
        for line, name in zip(display.lines_, names, strict=True):
            assert_array_equal(line.get_xdata(), [1, 2, 3])
            assert_array_equal(line.get_ydata(), clf.history_[name])
        assert labels(display) == ["training", "validation"] * 2
        assert display.figure_ is display.axes_[0].figure
        names, box, frame = legend(display)  # one for both panels
        assert names == ["training", "validation"]
        assert not box.overlaps(frame)
        assert display.axes_[0].get_legend() is None

    def test_the_epoch_that_early_stopping_kept_is_marked(self, images, cnn):
        X, y = images
        cnn.set_params(epochs=30, early_stopping=True, n_iter_no_change=2)
        clf = cnn.fit(X[:80], y[:80], X_val=X[80:], y_val=y[:40])
        assert clf.n_iter_ < len(clf.history_["loss"])
        display = HistoryDisplay.from_estimator(clf, metrics=["accuracy"])
        (ax,) = display.axes_
        assert clf.n_iter_ in [
            line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2
        ]
        assert legend(display)[0] == ["training", "validation", "best epoch"]

    def test_of_a_pipeline_and_of_a_search(self, images, cnn):
        X, y = images
        X = X.reshape(len(X), -1)
        pipeline = make_pipeline(Normalizer(), cnn)
        search = GridSearchCV(pipeline, {"fashioncnn__epochs": [1, 2]}, cv=2).fit(X, y)
        network = search.best_estimator_[-1]
        for fitted in (search, search.best_estimator_, network):
            line = HistoryDisplay.from_estimator(fitted, metrics="loss").lines_[0]
            assert_array_equal(line.get_ydata(), network.history_["loss"])

    def test_what_it_cannot_draw_it_says(self, images, cnn):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            HistoryDisplay.from_estimator(cnn)
        for search in (
            GridSearchCV(cnn, {"epochs": [1]}),
            GridSearchCV(cnn, {"epochs": [1]}, cv=2, refit=False).fit(*images),
        ):
            with pytest.raises(NotFittedError, match="GridSearchCV has no best_estimator_"):
                HistoryDisplay.from_estimator(search)
        with pytest.raises(TypeError, match=r"a fitted FashionCNN, but got DummyClassifier"):
            HistoryDisplay.from_estimator(DummyClassifier().fit(*images))
        with pytest.raises(ValueError, match=r"metrics=\['auc'\]: expected 'loss', 'accuracy'"):
            HistoryDisplay.from_estimator(cnn.fit(*images), metrics=["auc"])
        with pytest.raises(ValueError, match=r"metrics=\[\]"):
            HistoryDisplay.from_estimator(cnn, metrics=[])
        with pytest.raises(ValueError, match="ax holds 1 Axes, but there are 2 panels"):
            HistoryDisplay.from_estimator(cnn, ax=plt.subplots()[1])

    def test_again_on_axes_and_in_a_style_of_ones_own(self, images, cnn):
        display = HistoryDisplay.from_estimator(cnn.fit(*images))
        assert labels(display) == ["training"] * 2
        assert display.axes_[0].get_legend() is None
        _, axes = plt.subplots(2, 1)
        assert display.plot(axes, line_kw={"color": "black", "label": "mine"}) is display
        assert list(display.axes_) == list(axes)
        assert {line.get_color() for line in display.lines_} == {"black"}
        assert labels(display) == ["mine", "mine"]
        display.plot(line_kw={"c": "red", "ls": ":"}, band_kw={"lw": 1})
        assert {line.get_color() for line in display.lines_} == {"red"}


class TestFromSearch:
    def test_a_line_per_setting_and_a_band_over_folds(self, images, cnn):
        grid = {"epochs": [3, 1, 2], "dropout": [0.0, 0.3], "learning_rate": [0.001, 0.01]}
        search = GridSearchCV(cnn, grid, cv=2, refit=False, return_train_score=True).fit(*images)
        display = HistoryDisplay.from_search(search)
        assert labels(display) == [
            f"dropout={dropout}, learning_rate={rate}"
            for dropout in (0.0, 0.3)
            for rate in (0.001, 0.01)
        ]
        results = pd.DataFrame(search.cv_results_).sort_values("param_epochs")
        last = results[(results.param_dropout == 0.3) & (results.param_learning_rate == 0.01)]
        assert_array_equal(display.lines_[3].get_xdata(), [1, 2, 3])
        assert_allclose(display.lines_[3].get_ydata(), last.mean_test_score)
        assert len(display.axes_[0].collections) == 4
        assert display.axes_[0].get_ylabel() == "accuracy"
        train = HistoryDisplay.from_search(search, score_type="train")
        assert_allclose(train.lines_[3].get_ydata(), last.mean_train_score)

    def test_through_a_pipeline_and_of_several_scores_by_their_names(self, images, cnn):
        X, y = images
        search = GridSearchCV(
            make_pipeline(Normalizer(), cnn),
            {"fashioncnn__epochs": [1, 2, 3], "fashioncnn__dropout": [0.2]},
            cv=2,
            scoring=["accuracy", "neg_log_loss"],
            refit="neg_log_loss",
        ).fit(X.reshape(len(X), -1), y)
        assert labels(HistoryDisplay.from_search(search)) == ["dropout=0.2"]
        for metric, shown in ((None, "neg log loss"), ("accuracy", "accuracy")):
            [ax] = HistoryDisplay.from_search(search, metric=metric).axes_
            assert ax.get_ylabel() == shown
        with pytest.raises(ValueError, match=r"no test scores 'auc'.*one of accuracy, neg_log"):
            HistoryDisplay.from_search(search, metric="auc")

    def test_settings_of_equal_words_stay_apart(self, images, cnn):
        X, y = images
        pipeline = make_pipeline(MinMaxScaler(), Normalizer(), cnn)
        epochs = {"fashioncnn__epochs": np.array([1, 2])}
        grid = [
            {"minmaxscaler__copy": [True], **epochs},
            {"normalizer__copy": [True], **epochs},
            {"fashioncnn__dropout": [0.3]},
            epochs,
        ]
        search = GridSearchCV(pipeline, grid, cv=2, refit=False).fit(X.reshape(len(X), -1), y)
        display = HistoryDisplay.from_search(search)
        assert labels(display) == [
            "minmaxscaler__copy=True",
            "normalizer__copy=True",
            "fashioncnn__dropout=0.3",
            "as given",
        ]
        assert_array_equal(display.lines_[2].get_xdata(), [3])  # the estimator's own epochs

    def test_of_many_settings_names_the_best(self, images, cnn):
        grid = {"epochs": [1, 2], "dropout": np.linspace(0, 0.5, 9)}
        search = GridSearchCV(cnn, grid, cv=2).fit(*images)
        display = HistoryDisplay.from_search(search)
        assert len(display.lines_) == 9
        names, box, frame = legend(display)
        assert names[-1] == "2 others"
        assert len(names) == 8
        best = pd.DataFrame(search.cv_results_).groupby("param_dropout").rank_test_score.min()
        assert names[0] == f"dropout={best.idxmin()}"
        assert not box.overlaps(frame)
        colors = [line.get_color() for line in display.lines_]
        assert colors.count("0.6") == 2
        worst = display.lines_[colors.index("0.6")]
        assert max(worst.get_ydata()) <= display.lines_[best.argmin()].get_ydata().max()

    def test_a_score_that_is_not_accuracy_is_a_score(self, images, cnn):
        class Scored(FashionCNN):
            def score(self, X, y, sample_weight=None):
                return 0.5

        search = GridSearchCV(Scored(**cnn.get_params()), {"epochs": [1, 2]}, cv=2)
        [ax] = HistoryDisplay.from_search(search.fit(*images)).axes_
        assert ax.get_ylabel() == "score"

    def test_one_score_by_its_name(self, images, cnn):
        search = GridSearchCV(cnn, {"epochs": [1, 2]}, cv=2, scoring="accuracy", refit="accuracy")
        search.fit(*images)
        for metric in (None, "score", "accuracy"):
            [ax] = HistoryDisplay.from_search(search, metric=metric).axes_
            assert ax.get_ylabel() == "accuracy"

    def test_of_successive_halving_over_rows_and_over_epochs(self, images, cnn):
        halving = {"factor": 3, "cv": 2, "random_state": 0}
        rows = HalvingGridSearchCV(
            cnn, {"epochs": [1, 2]}, min_resources=30, max_resources=90, **halving
        )
        display = HistoryDisplay.from_search(rows.fit(*images))
        assert labels(display)[0] == "n_samples=30"
        epochs = HalvingGridSearchCV(
            cnn,
            {"learning_rate": [1e-4, 1e-3, 3e-3]},
            resource="epochs",
            min_resources=1,
            max_resources=3,
            **halving,
        )
        display = HistoryDisplay.from_search(epochs.fit(*images))
        assert sorted(len(line.get_xdata()) for line in display.lines_) == [1, 1, 2]

    def test_what_it_cannot_draw_it_says(self, images, cnn):
        search = GridSearchCV(cnn, {"dropout": [0.1]}, cv=2, refit=False)
        with pytest.raises(NotFittedError, match="GridSearchCV is not fitted"):
            HistoryDisplay.from_search(search)
        with pytest.raises(ValueError, match=r"over the parameter epochs.* one is over dropout"):
            HistoryDisplay.from_search(search.fit(*images))
        search.set_params(param_grid={"epochs": [1, 2]}).fit(*images)
        with pytest.raises(ValueError, match="return_train_score=True"):
            HistoryDisplay.from_search(search, score_type="train")
        with pytest.raises(ValueError, match="score_type='both': expected"):
            HistoryDisplay.from_search(search, score_type="both")


def test_cv_results_give_a_curve_per_fold_and_folds_differ_in_grey(images, cnn):
    cnn.set_params(validation_fraction=0.2)
    results = cross_validate(cnn, *images, cv=5, return_estimator=True)
    display = HistoryDisplay.from_cv_results(results, metrics=["accuracy"])
    assert labels(display)[:2] == ["fold 0", "fold 0, validation"]
    for line, clf in zip(display.lines_[::2], results["estimator"], strict=True):
        assert_array_equal(line.get_ydata(), clf.history_["accuracy"])
    colors = [line.get_color() for line in display.lines_]
    assert colors[0] == colors[1] != colors[2]
    lines = HistoryDisplay.from_cv_results(results, metrics="loss").lines_[::2]
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 5
    names, box, frame = legend(display)
    assert names == [f"fold {fold}" for fold in range(5)] + ["training", "validation"]
    assert not box.overlaps(frame)
    results["estimator"] *= 2
    names, *_ = legend(HistoryDisplay.from_cv_results(results))
    assert names == [*(f"fold {fold}" for fold in range(5)), "5 others", "training", "validation"]
    del results["estimator"]
    with pytest.raises(ValueError, match="return_estimator=True"):
        HistoryDisplay.from_cv_results(results)


def test_without_matplotlib_the_extra_is_named(images, cnn, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"skfashion\[plot\]"):
        HistoryDisplay.from_estimator(cnn.fit(*images))
