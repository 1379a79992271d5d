"""Training as the documentation tells it: validation, stopping, weights, going on."""

import re

import numpy as np
import pytest
from helpers import weights_equal
from numpy.testing import assert_allclose, assert_array_equal, assert_equal

from skfashion import FashionCNN
from skfashion._training.early_stopping import EarlyStopping


def test_history_has_an_entry_for_each_epoch(fitted):
    lengths = {name: len(values) for name, values in fitted.history_.items()}
    assert lengths == {"loss": 8, "accuracy": 8}
    assert fitted.n_iter_ == fitted.n_epochs_trained_ == 8
    assert all(type(value) is float for values in fitted.history_.values() for value in values)
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]


def test_validation_rows_given_are_measured_and_change_nothing_that_is_learnt(images, small):
    X, y = images
    small["dropout"] = 0.2  # in training alone
    plain = FashionCNN(**small).fit(X[:80], y[:80])
    for parameters in ({}, {"validation_fraction": 0.25}):  # which they take the place of
        clf = FashionCNN(**small, **parameters).fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
        assert weights_equal(clf, plain)
    logarithms = clf.predict_log_proba(X[80:])
    loss = -logarithms[np.arange(40), y[80:]].mean()
    assert_allclose(clf.history_["val_accuracy"][-1], clf.score(X[80:], y[80:]))
    assert_allclose(clf.history_["val_loss"][-1], loss, rtol=1e-5)


def test_validation_fraction_is_set_aside_stratified_and_seeded(images, small):
    X, y = images
    whole = FashionCNN(**small, validation_fraction=0.25).fit(X, y)
    again = FashionCNN(**small, validation_fraction=0.25).fit(X, y)
    assert weights_equal(whole, again)
    assert set(whole.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    # 30 rows validate, 10 of each class: accuracies are thirtieths.
    thirtieths = np.array(whole.history_["val_accuracy"]) * 30
    assert_allclose(thirtieths, thirtieths.round(), atol=1e-5)
    assert not weights_equal(whole, FashionCNN(**small).fit(X, y))


@pytest.mark.parametrize(
    ("scores", "tol", "patience", "expected"),
    [
        ([], 0, 2, (0, None)),
        ([0.5, 0.6, 0.7], 0, 2, (3, None)),
        ([0.5, 0.6, 0.55, 0.58], 0, 2, (2, 4)),
        ([0.5, 0.6, 0.6, 0.6], 1e-4, 2, (2, 4)),
        ([0.5, 0.6, 0.6, 0.6, 0.9], 1e-4, 2, (2, 4)),
        ([0.5, 0.505, 0.51], 0.01, 2, (3, 3)),
        ([0.5, 0.505, 0.509, 0.512], 0.01, 3, (4, 4)),
        ([0.9, 0.1, 0.95, 0.1, 0.1], 1e-4, 2, (3, 5)),
        ([np.nan, 0.3], 0, 2, (2, None)),
    ],
)
def test_stopping_follows_the_documented_rule_of_mlp_classifier(scores, tol, patience, expected):
    assert EarlyStopping(patience, tol).judge(scores) == expected


def test_early_stopping_restores_weights_and_optimizer_of_the_best_epoch(images, small):
    X, y = images
    y_val = np.random.default_rng(0).permutation(y[80:])  # validation gets no better
    clf = FashionCNN(**{**small, "epochs": 50}, n_iter_no_change=3, early_stopping=True)
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y_val)
    scores = clf.history_["val_accuracy"]
    assert clf.n_iter_ == np.argmax(scores) + 1
    assert len(scores) == clf.n_epochs_trained_ < 50
    assert EarlyStopping(3, 1e-4).judge(scores) == (clf.n_iter_, len(scores))
    plain = FashionCNN(**{**small, "epochs": clf.n_iter_}).fit(X[:80], y[:80])
    assert weights_equal(clf, plain)
    assert_equal(clf._optimizer_state, plain._optimizer_state)


def test_early_stopping_keeps_the_best_epoch_even_if_it_does_not_stop(images, small):
    X, y = images
    y_val = np.random.default_rng(1).permutation(y[80:])
    clf = FashionCNN(**small, early_stopping=True, n_iter_no_change=100)
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y_val)
    assert clf.n_iter_ == np.argmax(clf.history_["val_accuracy"]) + 1
    assert clf.n_epochs_trained_ == 8


def test_a_further_fit_goes_on_after_an_early_stop_and_is_judged_anew(images, small):
    X, y = images
    y_val = np.random.default_rng(0).permutation(y[80:])
    clf = FashionCNN(
        **{**small, "epochs": 50}, early_stopping=True, n_iter_no_change=3, warm_start=True
    )
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y_val)
    history = clf.history_
    n_epochs = len(history["loss"])
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y_val)
    for name, values in history.items():
        assert clf.history_[name][:n_epochs] == values
    new_scores = clf.history_["val_accuracy"][n_epochs:]
    assert len(new_scores) == clf.n_epochs_trained_
    assert clf.n_iter_ == n_epochs + np.argmax(new_scores) + 1


def test_single_epochs_by_warm_start_never_stand_still_with_early_stopping(images, small):
    X, y = images
    clf = FashionCNN(**{**small, "epochs": 1}, early_stopping=True, warm_start=True)
    for n_fits in range(1, 6):
        clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:][::-1])
        assert clf.n_iter_ == n_fits
    assert len(set(clf.history_["loss"])) == 5


def test_validation_rows_may_be_weighted(images, small):
    X, y = images
    rows, given = (X[:80], y[:80]), {"X_val": X[80:], "y_val": y[80:]}
    clf = FashionCNN(**{**small, "epochs": 1})
    half = np.r_[np.ones(20), np.zeros(20)]
    clf.fit(*rows, **given, sample_weight_val=half)
    assert clf.history_["val_accuracy"] == pytest.approx([clf.score(X[80:100], y[80:100])])
    # Weights of the training rows are not those of the validation rows, which are all 1.
    clf.fit(*rows, **given, sample_weight=np.arange(1, 81))
    assert clf.history_["val_accuracy"] == pytest.approx([clf.score(X[80:], y[80:])])
    losses = clf.fit(*rows, **given).history_["val_loss"]
    again = clf.fit(*rows, **given, sample_weight_val=[2] * 40).history_["val_loss"]
    assert again == pytest.approx(losses)
    with pytest.raises(ValueError, match="sample_weight_val was given without X_val"):
        clf.fit(*rows, sample_weight_val=half)
    for wrong in (half[:-1], np.full(40, np.nan)):
        with pytest.raises(ValueError, match="sample_weight_val"):
            clf.fit(*rows, **given, sample_weight_val=wrong)


@pytest.mark.parametrize(("batch_size", "epochs"), [(1, 100), (4, 200), (24, 800)])
def test_a_weight_means_the_same_at_any_batch_size(small, batch_size, epochs):
    X, y = np.ones((24, 8, 8)), np.arange(24) % 2
    parameters = {**small, "epochs": epochs, "batch_size": batch_size, "learning_rate": 3e-3}
    clf = FashionCNN(**parameters).fit(X, y, sample_weight=np.where(y == 1, 9, 1))
    assert clf.predict_proba(X[:1])[0, 1] == pytest.approx(0.9, abs=0.06)


def test_ten_epochs_are_five_and_five_more_by_warm_start(images, small):
    X, y = images
    parameters = {**small, "dropout": 0.3}
    whole = FashionCNN(**{**parameters, "epochs": 10}).fit(X, y)
    parts = FashionCNN(**{**parameters, "epochs": 5}, warm_start=True).fit(X, y).fit(X, y)
    assert weights_equal(whole, parts)
    assert parts.history_ == whole.history_
    assert (parts.n_iter_, parts.n_epochs_trained_) == (10, 5)


def test_histories_stay_aligned_when_validation_comes_later(images, small):
    X, y = images
    clf = FashionCNN(**{**small, "epochs": 2}, warm_start=True).fit(X, y)
    clf.fit(X, y, X_val=X, y_val=y).fit(X, y)
    assert [len(values) for values in clf.history_.values()] == [6] * 4
    assert_array_equal(np.isnan(clf.history_["val_loss"]), [1, 1, 0, 0, 1, 1])


def test_without_warm_start_fit_starts_anew(images, small, fitted):
    X, y = images
    before = [weight.copy() for weight in fitted.weights_]
    fitted.fit(X, y)
    for old, new in zip(before, fitted.weights_, strict=True):
        assert_array_equal(old, new)
    assert fitted.n_iter_ == 8


def test_partial_fit_goes_on_after_fit_and_accepts_batches_without_some_classes(images, small):
    X, y = images
    clf = FashionCNN(**small).partial_fit(X[y < 1], y[y < 1], classes=[0, 1, 2])
    clf.partial_fit(X[y > 0], y[y > 0])
    assert clf.n_iter_ == 2
    assert clf.n_epochs_trained_ == 1
    assert_array_equal(clf.classes_, [0, 1, 2])
    clf.partial_fit(X[:1], y[:1])
    assert clf.predict_proba(X).shape == (120, 3)


def test_rows_of_zero_weight_do_not_count(images, small):
    X, y = images
    weights = (np.arange(len(y)) % 4 > 0).astype(float)
    with_zeros = FashionCNN(**small).fit(X, y, sample_weight=weights)
    assert weights_equal(with_zeros, FashionCNN(**small).fit(X[weights > 0], y[weights > 0]))


def test_weights_equal_repetition_in_a_full_batch(images, small):
    X, y = images
    times = np.random.default_rng(0).integers(0, 4, len(y))
    parameters = {**small, "batch_size": 1000, "dtype": "float64"}
    weighted = FashionCNN(**parameters).fit(X, y, sample_weight=times)
    repeated = FashionCNN(**parameters).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)
    for name in ("loss", "accuracy"):
        assert_allclose(weighted.history_[name], repeated.history_[name], rtol=1e-9)


def test_class_weights_are_sample_weights_of_their_rows(images, small, fitted):
    X, y = images
    labels = np.array(["a", "b", "c"])[y]

    def fit(sample_weight, class_weight=None):
        return FashionCNN(**small, class_weight=class_weight).fit(X, labels, sample_weight)

    assert weights_equal(fit(np.full(120, 3.0)), fitted)  # equal ones are none
    by_row = fit(np.array([3, 1, 0.5])[y])
    assert weights_equal(fit(None, {"a": 3, "c": 0.5}), by_row)
    assert weights_equal(fit(1.0 + y, {"a": 3}), fit(np.array([3, 2, 3.0])[y]))


def test_balanced_class_weights_make_every_class_weigh_the_same(images, small):
    X, y = images
    kept = np.r_[np.flatnonzero(y == 0)[:10], np.flatnonzero(y == 1), np.flatnonzero(y == 2)[:20]]
    X, y = X[kept], y[kept]
    balanced = FashionCNN(**small, class_weight="balanced").fit(X, y)
    by_hand = FashionCNN(**small).fit(X, y, sample_weight=70 / (3 * np.array([10, 40, 20]))[y])
    for a, b in zip(balanced.weights_, by_hand.weights_, strict=True):
        assert_allclose(a, b, atol=1e-6)


def test_a_class_of_weight_zero_is_known_but_not_learnt(images, small):
    X, y = images
    clf = FashionCNN(**small, class_weight={2: 0}).fit(X, y)
    assert_array_equal(clf.classes_, [0, 1, 2])
    assert 2 not in clf.predict(X)


def test_verbose_prints_a_line_for_each_epoch(images, small, capfd):
    X, y = images
    FashionCNN(**{**small, "epochs": 2}, verbose=1).fit(X, y, X_val=X, y_val=y)
    out, err = capfd.readouterr()
    first, second = out.splitlines()
    assert re.search(r" - \d+ (s|min) left$", first)
    assert second.startswith("epoch 2/2 - loss: ")
    assert "val_accuracy: " in second
    assert err == ""


def test_verbose_tells_what_came_from_memory(images, small, capsys, tmp_path):
    clf = FashionCNN(**{**small, "epochs": 2}, memory=tmp_path).fit(*images)
    clf.set_params(epochs=3, verbose=1).fit(*images)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1/3 - loss: ")
    assert first.endswith(" - from memory")
    assert second.endswith(" - from memory")
    assert third == f"epoch 3/3 - loss: {clf.history_['loss'][2]:.4f} - accuracy: " + (
        f"{clf.history_['accuracy'][2]:.4f}"
    )


def test_learning_rate_batch_size_and_dropout_shape_the_training(images, small, fitted):
    for change in ({"learning_rate": 1e-2}, {"batch_size": 30}, {"dropout": 0.2}):
        assert not weights_equal(FashionCNN(**{**small, **change}).fit(*images), fitted)


def test_a_batch_may_be_larger_than_the_rows(images, small):
    X, y = images
    large = FashionCNN(**{**small, "batch_size": 10**6}).fit(X, y)
    assert weights_equal(large, FashionCNN(**{**small, "batch_size": 120}).fit(X, y))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tiny", [1e-50, 1e-320])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1e-100}])
def test_very_unequal_weights_give_finite_figures(
    images, small, dtype, class_weight, tiny, tmp_path
):
    weights = np.where(np.arange(120) % 4 == 0, 1, tiny)
    stopping = {"validation_fraction": 0.3, "early_stopping": True}
    clf = FashionCNN(**{**small, "epochs": 2}, dtype=dtype, class_weight=class_weight, **stopping)
    with np.errstate(all="raise"):
        clf.fit(*images, sample_weight=weights)
    assert clf.n_iter_ >= 1
    assert all(np.isfinite(values).all() for values in clf.history_.values())
    clf.save(tmp_path / "model")


@pytest.mark.parametrize(("heavy", "light"), [(1, 1e-50), (1e200, 1e-200), (5e-324, 0)])
def test_weights_that_vanish_beside_others_change_nothing_in_validation(
    images, small, heavy, light
):
    X, y = images

    def figures(n, weights):
        clf = FashionCNN(**{**small, "epochs": 1})
        given = {"X_val": X[80 : 80 + n], "y_val": y[80 : 80 + n], "sample_weight_val": weights}
        history = clf.fit(X[:80], y[:80], **given).history_
        return history["val_loss"] + history["val_accuracy"]

    weights = np.r_[np.full(20, heavy), np.full(20, light)]
    assert figures(40, weights) == pytest.approx(figures(20, None))
