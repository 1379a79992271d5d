"""Ctrl-C is passed on, and the estimator is left fitted at its last full epoch."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from helpers import weights_equal

from skfashion import FashionCNN
from skfashion._network import training_state
from skfashion._network.architecture import Architecture
from skfashion._network.keras_model import Network
from skfashion._network.programs import Programs


@contextmanager
def ctrl_c_after(epochs, folder):
    """Press it once so many epochs are stored, while training goes on."""

    def press():
        while len(list(folder.glob(".skfashion-cache/*/*.weights"))) < epochs:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    # A daemon: where nothing is stored it would keep the tests from ending.
    thread = threading.Thread(target=press, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    thread.join()


@pytest.fixture
def long(small, tmp_path):
    return FashionCNN(**{**small, "epochs": 10**5}, memory=tmp_path)


def same(clf, other):
    return weights_equal(clf, other) and clf.history_ == other.history_


def test_a_first_fit_is_left_at_its_last_full_epoch(images, small, long, tmp_path):
    with ctrl_c_after(3, tmp_path):
        long.fit(*images)
    assert 3 <= long.n_iter_ < 10**5
    assert long.n_epochs_trained_ == long.n_iter_ == len(long.history_["loss"])
    fresh = FashionCNN(**{**small, "epochs": long.n_iter_}).fit(*images)
    assert same(long, fresh)
    assert same(long.partial_fit(*images), fresh.partial_fit(*images))


@pytest.mark.parametrize("stored", [False, True])
def test_a_large_network_keeps_only_stored_epochs(images, small, tmp_path, monkeypatch, stored):
    """A copy of the last full epoch would raise the peak of memory by a quarter."""
    train_epoch = Network._train_epoch

    def interrupted_in_the_third(network, *arguments):
        if network.epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(network, *arguments)

    monkeypatch.setattr(training_state, "_LARGE_BYTES", 0)
    monkeypatch.setattr(Network, "_train_epoch", interrupted_in_the_third)
    clf = FashionCNN(**{**small, "epochs": 5}, memory=tmp_path if stored else None)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*images)
    if stored:
        assert same(clf, FashionCNN(**{**small, "epochs": 2}).fit(*images))
    else:
        assert not hasattr(clf, "n_iter_")


def test_a_second_fit_replaces_the_first(images, small, long, tmp_path):
    X, y = images
    long.set_params(epochs=1, memory=None).fit(X[:, :6], np.where(y == 0, "a", "b"))
    with ctrl_c_after(2, tmp_path):
        long.set_params(epochs=10**5, memory=tmp_path).fit(X, y)
    assert long.n_features_in_ == 64
    assert long.n_iter_ >= 2
    assert same(long, FashionCNN(**{**small, "epochs": long.n_iter_}).fit(X, y))


def test_early_stopping_is_left_at_the_best_of_its_epochs(images, long, tmp_path):
    X, y = images
    long.set_params(early_stopping=True, n_iter_no_change=10**5)
    with ctrl_c_after(4, tmp_path):
        long.fit(X, y, X_val=X[:30], y_val=y[:30])
    scores = long.history_["val_accuracy"]
    assert len(scores) >= 4
    assert long.n_iter_ == 1 + np.argmax(scores)
    assert long.score(X[:30], y[:30]) == pytest.approx(max(scores))


@pytest.mark.parametrize("batch_size", [1, 100, 10**4])
@pytest.mark.parametrize("side", [8, 28, 112])
def test_a_call_that_cannot_be_interrupted_is_short(side, batch_size):
    architecture = Architecture(
        (side, side), (8, 24, 48), 3, (1, 1, 1), (1, 1, 1), False, False, 10, 10, "float32"
    )
    steps = -(-48_000 // batch_size)
    programs = Network(architecture, jit_compile=False)._programs
    calls = list(programs.split_training([steps], batch_size))
    assert [step for first, last in calls for step in range(first, last)] == list(range(steps))
    longest = max(last - first for first, last in calls)
    work = 3 * architecture.n_multiply_adds * batch_size
    assert longest == 1 or longest * work <= Programs.max_multiply_adds
    assert (
        longest == min(steps, Programs.max_steps)
        or (longest + 1) * work > Programs.max_multiply_adds
    )
