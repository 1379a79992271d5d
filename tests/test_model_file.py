"""A model file holds a fitted network exactly; whatever else is given to `load` is refused."""

import gc
import json
import os
import pickle
import random
import re
import stat
import struct
import time
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from helpers import make_images, run_python, weights_equal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skfashion import FashionCNN
from skfashion._classifier import model_file
from skfashion._network.architecture import Architecture, TrainingState

KEY = "skfashion.FashionCNN"
LONGEST = 5  # seconds
SMALL = {"filters": (4, 6), "dense_units": 12, "epochs": 8, "batch_size": 20, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clf.skfashion"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A network, trained once, and the file that holds it with its optimizer."""
    path = tmp_path_factory.mktemp("good") / "clf.skfashion"
    clf = FashionCNN(**SMALL).fit(*make_images())
    clf.save(path, include_optimizer=True)
    return clf, path


def assert_same(loaded, clf, X):
    assert type(loaded) is type(clf)
    assert loaded.get_params() == clf.get_params()
    assert weights_equal(loaded, clf)
    assert loaded.classes_.dtype == clf.classes_.dtype
    assert_array_equal(loaded.classes_, clf.classes_)
    assert list(loaded.history_) == list(clf.history_)
    assert_array_equal(list(loaded.history_.values()), list(clf.history_.values()))
    for name in ("n_features_in_", "image_shape_", "pixel_max_", "n_iter_", "n_epochs_trained_"):
        ours, theirs = getattr(loaded, name), getattr(clf, name)
        assert (ours, type(ours)) == (theirs, type(theirs)), name
    assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


class TestWhatIsLoaded:
    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"dtype": "float64", "strides": 2, "dropout": 0.3},
            {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 1},
            {"filters": [np.int64(3), 5], "image_shape": [8, 8], "learning_rate": np.float32(0.01)},
            {"class_weight": {0: 2.0, 1: 1}},
            {"class_weight": "balanced", "memory": None, "tol": 0, "random_state": None},
        ],
        ids=lambda parameters: "-".join(parameters) or "defaults",
    )
    @pytest.mark.parametrize("include_optimizer", [False, True])
    def test_is_what_was_saved(self, images, small, path, parameters, include_optimizer):
        clf = FashionCNN(**{**small, **parameters, "epochs": 2}).fit(*images)
        clf.save(path, include_optimizer=include_optimizer)
        assert_same(FashionCNN.load(str(path)), clf, images[0])

    @pytest.mark.parametrize(
        "labels",
        [
            np.array(["shirt", "coat", "bag"]),
            np.array(["shirt", "coat", "bag"], dtype="<U20"),
            np.array(["", "\ud800", "long" * 9999], dtype=object),
            np.array(["a", "b", "b\0"], dtype=object),
            np.array([b"shirt", b"c\xff", b"bag"]),
            np.array([-1.0, 0, 7]),
            np.array([3, 1, 2], dtype=np.uint8),
            np.array([3, 1, 2], dtype=">i8"),
            np.array([2**63, 1, 2**63 + 1], dtype=np.uint64),
            np.array([-0.0, 1, 2], dtype=np.float16),
            np.array([True, False, True]),
            np.array(["2021-03-01", "2020-02-29", "1969-01-01"], dtype="M8[D]"),
        ],
        ids=lambda labels: labels.dtype.str,
    )
    def test_has_labels_of_the_same_dtype(self, good, path, images, labels):
        clf = deepcopy(good[0])
        clf.classes_ = np.unique(labels[images[1]])
        if len(clf.classes_) == 2:
            clf = FashionCNN(**{**SMALL, "epochs": 1}).fit(images[0], labels[images[1]])
        clf.save(path)
        assert_same(FashionCNN.load(path), clf, images[0])

    def test_has_the_names_of_features(self, images, small, path):
        X, y = images
        frame = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel[ä]")
        clf = FashionCNN(**small).fit(frame, y)
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert_same(loaded, clf, frame)
        assert_array_equal(loaded.feature_names_in_, clf.feature_names_in_)
        with pytest.raises(ValueError, match="feature names"):
            loaded.predict(frame.add_suffix("!"))

    @pytest.mark.parametrize("n_features", [60, 48])
    def test_may_have_features_that_fill_no_square(self, images, small, path, n_features):
        X = images[0].reshape(len(images[0]), -1)[:, :n_features]
        shape = (6, 8) if n_features == 48 else None
        clf = FashionCNN(**small, image_shape=shape).fit(X, images[1])
        clf.save(path)
        assert_same(FashionCNN.load(path), clf, X)

    def test_has_a_history_with_what_was_not_measured(self, good, path, images):
        clf = deepcopy(good[0])
        clf.history_ |= {"val_loss": [np.nan] * 7 + [1.0], "val_accuracy": [np.nan] * 8}
        clf.history_["loss"][0] = np.inf
        clf.save(path)
        assert_same(FashionCNN.load(path), clf, images[0])

    def test_may_be_of_very_many_layers_and_classes(self, good, path):
        clf = deepcopy(good[0])
        layers = {"filters": (1,) * 100, "kernel_size": 1, "n_classes": 9000, "dense_units": 1}
        clf._architecture = {**clf._architecture, **layers}
        state = TrainingState.initial(Architecture(**clf._architecture), seed=0)
        clf.weights_, clf.classes_ = state.weights, np.arange(9000)  # for to train it takes long
        clf.set_params(class_weight={n: 1 / (n + 3) for n in range(9000)})
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert weights_equal(loaded, clf)
        assert loaded.class_weight == clf.class_weight

    def test_goes_on_bit_for_bit_with_the_optimizer_alone(self, images, fitted, path):
        fitted.save(path, include_optimizer=True)
        loaded = FashionCNN.load(path)
        fitted.save(path)
        without = FashionCNN.load(path)
        assert weights_equal(loaded.partial_fit(*images), fitted.partial_fit(*images))
        with pytest.raises(ValueError, match="include_optimizer"):
            without.partial_fit(*images)
        with pytest.raises(ValueError, match="include_optimizer"):
            without.set_params(warm_start=True).fit(*images)
        with pytest.raises(ValueError, match="include_optimizer"):
            without.save(path, include_optimizer=True)

    def test_has_the_name_of_memory_but_no_stages(self, images, small, path, tmp_path):
        clf = FashionCNN(**small, memory=tmp_path / "memory").fit(*images)
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert loaded.memory == str(tmp_path / "memory")
        with pytest.raises(ValueError, match="memory"):
            next(loaded.staged_predict_proba(images[0]))

    def test_is_an_estimator_like_any(self, good, path, images):
        loaded = FashionCNN.load(good[1])
        assert clone(loaded).get_params() == loaded.get_params()
        assert_same(pickle.loads(pickle.dumps(loaded)), good[0], images[0])
        loaded.save(path, include_optimizer=True)
        assert path.read_bytes() == good[1].read_bytes()
        loaded.weights_[0] += 1  # its arrays are its own
        assert weights_equal(loaded.fit(*images), good[0])

    def test_is_equal_in_many_threads(self, good, images):
        with ThreadPoolExecutor(4) as threads:
            for loaded in threads.map(FashionCNN.load, [good[1]] * 20):
                assert_same(loaded, good[0], images[0])

    def test_needs_no_tensorflow(self, good, images, path):
        np.save(path.with_suffix(".npy"), images[0][:3])
        assert run_python(f"""
            import sys
            import numpy as np
            from skfashion import FashionCNN
            clf = FashionCNN.load({str(good[1])!r})
            print(clf.predict(np.load({str(path.with_suffix(".npy"))!r})).tolist())
            heavy = {{"tensorflow", "keras", "scikeras", "matplotlib", "torch"}}
            print(sorted(heavy & set(sys.modules)))
        """).split("\n")[:2] == [str(good[0].predict(images[0][:3]).tolist()), "[]"]


def test_a_file_of_format_1_is_read_for_ever():
    """Written by version 0.1.0, of the same images under the names bag, coat and shirt."""
    loaded = FashionCNN.load(Path(__file__).parent / "data" / "format_1.skfashion")
    X, y = make_images()
    expected = [
        [0.5654741525650024, 0.14200621843338013, 0.29251962900161743],
        [0.056235093623399734, 0.9149755239486694, 0.028789419680833817],
        [0.148376002907753, 0.031171469017863274, 0.8204525709152222],
    ]
    assert_allclose(loaded.predict_proba(X[:3]), expected, rtol=1e-5)
    names = np.array(["bag", "coat", "shirt"])
    assert loaded.partial_fit(X, names[y]).score(X, names[y]) > 0.9


def test_a_subclass_loads_its_own_and_ours_and_is_named_where_it_must(good, path, images):
    class Other(FashionCNN):
        def __init__(self, *, alpha=1, epochs=2, random_state=0):
            super().__init__(epochs=epochs, random_state=random_state)
            self.alpha = alpha

    class Heir(FashionCNN):
        pass

    assert type(Heir.load(good[1])) is Heir
    Other(alpha=3).fit(*images).save(path)
    assert Other.load(path).alpha == 3
    assert "alpha of the Other in it are no parameters of FashionCNN" in refused(path)


def test_callbacks_are_left_out(good, path):
    class Watched(FashionCNN):
        _parameter_constraints = {**FashionCNN._parameter_constraints, "callbacks": [list, None]}

        def __init__(self, *, callbacks=None, random_state=None):
            super().__init__(random_state=random_state)
            self.callbacks = callbacks

    clf = Watched(callbacks=[print])
    clf.__dict__ |= {k: v for k, v in vars(good[0]).items() if k.endswith("_") or k[0] == "_"}
    clf.save(path)
    assert Watched.load(path).callbacks is None


class TestTheFile:
    @pytest.mark.parametrize(("version", "megabytes"), [("v1", 9.4), ("v2", 0.36)])
    def test_is_hardly_larger_than_its_weights(self, path, version, megabytes):
        X = np.random.default_rng(0).integers(0, 255, (20, 28, 28), dtype=np.uint8)
        clf = getattr(FashionCNN, version)(epochs=1, random_state=0).fit(X, np.arange(20) % 10)
        clf.save(path)
        assert path.stat().st_size <= megabytes * 1e6

    def test_is_read_by_safetensors_alone(self, good):
        assert_array_equal(
            safetensors.numpy.load_file(good[1])["weights/0"], good[0].weights_[0], strict=True
        )
        with safetensors.safe_open(good[1], framework="numpy") as file:
            document = json.loads(file.metadata()[KEY])
        assert document["format_version"] == 1
        assert document["versions"]["skfashion"]
        assert document["parameters"]["epochs"] == 8

    def test_may_be_under_the_home_of_the_user(self, good, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        good[0].save("~/clf")
        assert (tmp_path / "clf").exists()
        assert weights_equal(FashionCNN.load(Path("~/clf")), good[0])

    def test_is_written_where_a_link_leads(self, good, tmp_path):
        (tmp_path / "theirs").write_text("theirs")
        for target in ("theirs", "new"):
            link = tmp_path / f"to {target}"
            link.symlink_to(target)
            good[0].save(link)
            assert link.is_symlink()
            assert weights_equal(FashionCNN.load(tmp_path / target), good[0])

    def test_keeps_the_permissions_of_the_one_before(self, good, path):
        path.touch(0o600)
        good[0].save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_goes_into_a_pipe_and_is_not_waited_for_in_one(self, good, path):
        os.mkfifo(path)
        with pytest.raises(ValueError, match="no regular file"):
            FashionCNN.load(path)
        with ThreadPoolExecutor(1) as threads:
            saved = threads.submit(good[0].save, path, include_optimizer=True)
            content = path.read_bytes()
            saved.result(60)
        assert path.is_fifo()
        assert content == good[1].read_bytes()

    def test_is_one_or_the_other_while_others_save(self, good, path):
        """Also where both are threads of one process."""
        one, other = deepcopy(good[0]), deepcopy(good[0])
        other.weights_[-1] = other.weights_[-1] + 1
        one.save(path)
        with ThreadPoolExecutor(3) as threads:
            saves = [threads.submit(clf.save, path) for clf in [one, other] * 30]
            while not all(save.done() for save in saves):
                loaded = FashionCNN.load(path)
                assert weights_equal(loaded, one) or weights_equal(loaded, other)
            assert [save.result() for save in saves] == [None] * 60
        assert list(path.parent.iterdir()) == [path]
