"""A model file holds a fitted network exactly, and nothing else gets out of one."""

import json
import os
import pickle
import re
import stat
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forging import edited, pack, put, put_text, renamed, with_array, with_text, without
from helpers import make_images, run_python, weights_equal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skfashion import FashionCNN
from skfashion._classifier import members as _members
from skfashion._network.architecture import Architecture, TrainingState


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clf.skfashion"


def assert_same(loaded, clf, X):
    assert type(loaded) is type(clf)
    assert loaded.get_params() == clf.get_params()
    assert weights_equal(loaded, clf)
    assert loaded.classes_.dtype == clf.classes_.dtype
    assert_array_equal(loaded.classes_, clf.classes_)
    assert loaded.history_ == clf.history_
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
            {"class_weight": "balanced", "memory": None, "tol": 0},
        ],
        ids=lambda parameters: "-".join(parameters) or "defaults",
    )
    def test_is_what_was_saved(self, images, small, path, parameters):
        clf = FashionCNN(**{**small, **parameters}).fit(*images)
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert_same(loaded, clf, images[0])

    @pytest.mark.parametrize(
        "labels",
        [
            np.array(["shirt", "coat", "bag"]),
            np.array(["shirt", "coat", "bag"], dtype="<U20"),
            np.array(["shirt", "coat", "bag"], dtype=object),
            np.array([-1.0, 0, 7]),
            np.array([3, 1, 2], dtype=np.uint8),
            np.array([3, 1, 2], dtype=">i8"),
            np.array([2**63, 1, 2**63 + 1], dtype=np.uint64),
            np.array([-0.0, 1, 2], dtype=np.float16),
            np.array([True, False, True]),
            np.array(["2021-03-01", "2020-02-29", "1969-01-01"], dtype="M8[D]"),
            np.array(["", "\ud800", "long" * 9999], dtype=object),
        ],
        ids=lambda labels: labels.dtype.str,
    )
    def test_has_labels_of_the_same_dtype(self, images, small, path, labels):
        X, y = images
        clf = FashionCNN(**small).fit(X, labels[y])
        clf.save(path)
        assert_same(FashionCNN.load(path), clf, X)

    def test_has_the_names_of_features(self, images, small, path):
        X, y = images
        frame = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel")
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

    def test_has_a_history_with_what_was_not_measured(self, images, small, path):
        clf = FashionCNN(**small, validation_fraction=0.2).fit(*images)
        clf.set_params(validation_fraction=0.0).partial_fit(*images)
        assert np.isnan(clf.history_["val_loss"][-1])
        clf.history_["loss"][0] = np.inf
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert list(loaded.history_) == list(clf.history_)
        for name, values in clf.history_.items():
            assert_array_equal(loaded.history_[name], values)

    def test_may_be_of_very_many_layers(self, fitted, path, images):
        layers = {**fitted._architecture, "filters": (1,) * 100, "kernel_size": 1}
        state = TrainingState.initial(Architecture(**layers), seed=0)  # for to train it takes long
        fitted.weights_, fitted._architecture = state.weights, layers
        fitted._optimizer_state |= {"momentums": state.momentums, "velocities": state.velocities}
        fitted.save(path, include_optimizer=True)
        assert_same(FashionCNN.load(path), fitted, images[0])

    def test_draws_on_where_the_generator_stood(self, images, small, path):
        clf = FashionCNN(**{**small, "random_state": np.random.RandomState(3)}).fit(*images)
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert weights_equal(loaded.fit(*images), clf.fit(*images))

    def test_goes_on_bit_for_bit_with_the_optimizer(self, images, fitted, path):
        fitted.save(path, include_optimizer=True)
        loaded = FashionCNN.load(path)
        assert weights_equal(loaded.partial_fit(*images), fitted.partial_fit(*images))

    def test_does_not_go_on_without_the_optimizer(self, images, fitted, path):
        fitted.save(path)
        loaded = FashionCNN.load(path)
        with pytest.raises(ValueError, match="include_optimizer"):
            loaded.partial_fit(*images)
        with pytest.raises(ValueError, match="include_optimizer"):
            loaded.save(path, include_optimizer=True)
        assert weights_equal(loaded, fitted)

    def test_tells_no_stages_of_a_memory_that_may_be_elsewhere(self, images, small, path, tmp_path):
        clf = FashionCNN(**small, memory=tmp_path / "memory").fit(*images)
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert loaded.memory == str(tmp_path / "memory")
        with pytest.raises(ValueError, match="memory"):
            next(loaded.staged_predict_proba(images[0]))

    def test_needs_no_tensorflow(self, images, fitted, path):
        fitted.save(path)
        expected = fitted.predict(images[0][:3]).tolist()
        np.save(path.with_suffix(".npy"), images[0][:3])
        assert run_python(f"""
            import sys
            import numpy as np
            from skfashion import FashionCNN
            clf = FashionCNN.load({str(path)!r})
            print(clf.predict(np.load({str(path.with_suffix(".npy"))!r})).tolist())
            heavy = {{"tensorflow", "keras", "scikeras", "matplotlib"}}
            print(sorted(heavy & set(sys.modules)))
        """).split("\n")[:2] == [str(expected), "[]"]


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


class TestTheFile:
    @pytest.mark.parametrize(("version", "megabytes"), [("v1", 9.4), ("v2", 0.36)])
    def test_is_hardly_larger_than_its_weights(self, path, version, megabytes):
        X = np.random.default_rng(0).integers(0, 255, (20, 28, 28), dtype=np.uint8)
        clf = getattr(FashionCNN, version)(epochs=1, random_state=0).fit(X, np.arange(20) % 10)
        clf.save(path)
        assert path.stat().st_size <= megabytes * 1e6

    def test_is_equal_for_equal_networks(self, images, small, path):
        for _ in range(2):
            FashionCNN(**small).fit(*images).save(path)
            content = path.read_bytes()
        assert content == path.read_bytes()

    def test_can_be_looked_into_by_numpy(self, fitted, path):
        fitted.save(path)
        with np.load(path, allow_pickle=False) as arrays:
            assert_array_equal(arrays["weights/0"], fitted.weights_[0])
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("manifest.json"))
        assert manifest["format_version"] == 1
        assert manifest["versions"]["skfashion"]
        assert manifest["parameters"]["epochs"] == 8

    def test_is_not_written_before_fit(self, path):
        with pytest.raises(NotFittedError):
            FashionCNN().save(path)
        assert not path.exists()

    def test_stays_as_it_was_where_it_cannot_be_written(self, fitted, tmp_path):
        with pytest.raises(OSError, match="nowhere"):
            fitted.save(tmp_path / "nowhere" / "clf.skfashion")
        assert list(tmp_path.iterdir()) == []

    def test_may_be_read_by_whom_other_files_may(self, fitted, path):
        path.with_name("other").touch()
        fitted.save(path)
        assert path.stat().st_mode == path.with_name("other").stat().st_mode

    def test_is_written_where_a_link_leads(self, fitted, path, tmp_path):
        (tmp_path / "theirs").write_text("theirs")
        for target in ("theirs", "new"):
            link = tmp_path / f"to {target}"
            link.symlink_to(target)
            fitted.save(link)
            assert link.is_symlink()
            assert weights_equal(FashionCNN.load(tmp_path / target), fitted)

    def test_keeps_the_permissions_of_the_one_before(self, fitted, path):
        path.touch(0o600)
        fitted.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_goes_into_a_pipe(self, fitted, path, images):
        os.mkfifo(path)
        with ThreadPoolExecutor(1) as threads:
            saved = threads.submit(fitted.save, path)
            content = path.read_bytes()
            saved.result(60)
        assert path.is_fifo()
        path.with_name("file").write_bytes(content)
        assert weights_equal(FashionCNN.load(path.with_name("file")), fitted)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has such a device")
    def test_leaves_devices_what_they_are(self, fitted, path):
        null = Path(os.devnull).stat()
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, null.st_rdev)
        except PermissionError:
            pytest.skip("only root makes devices")
        fitted.save(path)
        assert stat.S_ISCHR(path.stat().st_mode)
        path.with_name("link").symlink_to("/dev/full")
        with pytest.raises(OSError, match="No space left on device"):
            fitted.save(path.with_name("link"))
        assert path.with_name("link").is_symlink()

    def test_may_have_the_longest_of_names(self, fitted, path):
        longest = path.with_name("ü" * 127)
        fitted.save(longest)
        assert longest.exists()


class BytesPath(os.PathLike):
    def __fspath__(self):
        return b"memory"


# What can be made of a fitted network that no file could give back.
UNSAVED = {
    "weights that are not finite": (
        lambda clf: clf.weights_[0].fill(np.nan),
        "weights/0 holds values that are not finite",
    ),
    "moments that are not finite": (
        lambda clf: clf._optimizer_state["momentums"][0].fill(np.inf),
        "momentums/0 holds values that are not finite",
    ),
    "weights of another shape": (lambda clf: clf.weights_.pop(), "weights/7"),
    "a history of something else": (
        lambda clf: clf.history_.update(f1=[0.0] * 8),
        "its history is of .*history/f1",
    ),
    "a history that is too short": (
        lambda clf: clf.history_.update(loss=[0.0], accuracy=[0.0]),
        "its history has",
    ),
    "labels in disorder": (
        lambda clf: setattr(clf, "classes_", clf.classes_[::-1]),
        "labels are not sorted",
    ),
    "a label that ends in NUL": (
        lambda clf: setattr(clf, "classes_", np.array(["a", "b", "c\0"], object)),
        r"label 'c\\x00' cannot be saved: it would become 'c'",
    ),
    "a label of a million letters": (
        lambda clf: setattr(clf, "classes_", np.array(["a", "b", "c" * 10**6], object)),
        "<U1000000",
    ),
    "a feature name that ends in NUL": (
        lambda clf: setattr(clf, "feature_names_in_", np.array(["a\0"] * 64, object)),
        r"feature name 'a\\x00' cannot be saved",
    ),
    "a wrong parameter": (
        lambda clf: clf.set_params(dropout=5),
        "refuse it: The 'dropout' parameter of FashionCNN must be",
    ),
    "an infinite parameter": (lambda clf: clf.set_params(tol=np.inf), "tol=inf cannot be saved"),
    "a parameter of more digits than floats have": (
        lambda clf: clf.set_params(learning_rate=Fraction(1, 3)),
        "learning_rate=.* cannot be saved",
    ),
    "a parameter of no length": (
        lambda clf: clf.set_params(filters=np.array(5)),
        r"filters=array\(5\) cannot be saved",
    ),
    "a path of bytes": (
        lambda clf: clf.set_params(memory=BytesPath()),
        "memory=.* cannot be saved",
    ),
    "a generator of another kind": (
        lambda clf: clf.set_params(random_state=np.random.RandomState(np.random.PCG64(0))),
        "random_state=.* cannot be saved",
    ),
    "a giant parameter": (
        lambda clf: clf.set_params(class_weight=dict.fromkeys(range(10_000), 1.0)),
        "parameters and names take .* bytes .*: expected 262,144 at the most",
    ),
}


class TestWhatCannotBeSaved:
    @pytest.mark.parametrize(("change", "message"), UNSAVED.values(), ids=UNSAVED)
    def test_is_told_at_once_and_the_old_file_stays(self, good, path, change, message):
        clf = deepcopy(good[0])
        change(clf)
        path.write_text("old")
        with warnings.catch_warnings(action="error"), pytest.raises(ValueError, match=message):
            clf.save(path, include_optimizer=True)
        assert path.read_text() == "old"
        assert list(path.parent.iterdir()) == [path]

    def test_is_told_where_it_is_too_large(self, good, path, monkeypatch):
        monkeypatch.setattr(_members, "_MAX_BYTES", 2**18 + 10_000)
        with pytest.raises(ValueError, match="too large: expected 272,144 at the most"):
            good[0].save(path)
        assert not path.exists()

    @pytest.mark.skipif(os.name != "posix", reason="limits of another kind")
    def test_is_told_where_the_disk_is_full_and_the_old_file_stays(self, good, path):
        path.write_bytes(good[1].read_bytes())
        run_python(f"""
            import resource
            from skfashion import FashionCNN
            clf = FashionCNN.load({str(path)!r})
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))
            try:
                clf.save({str(path)!r})
            except OSError:
                pass
            else:
                raise AssertionError("saved")
        """)
        assert path.read_bytes() == good[1].read_bytes()
        assert list(path.parent.iterdir()) == [path]

    def test_is_told_of_a_folder(self, good, tmp_path):
        for folder in (tmp_path, ".", ""):
            with pytest.raises(IsADirectoryError):
                good[0].save(folder)
        assert list(tmp_path.iterdir()) == []


class TestWhileOthersSave:
    def test_a_file_is_one_or_the_other(self, good, path):
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


class TestWhatWasLoaded:
    def test_is_an_estimator_like_any(self, good, path, images):
        X, y = images
        loaded = FashionCNN.load(good[1])
        assert clone(loaded).get_params() == loaded.get_params()
        assert_same(pickle.loads(pickle.dumps(loaded)), good[0], X)
        loaded.save(path)
        assert path.read_bytes() == good[1].read_bytes()
        assert weights_equal(loaded.fit(X, y), good[0])

    def test_is_of_the_class_that_loads_it(self, good):
        class Other(FashionCNN):
            pass

        assert type(Other.load(good[1])) is Other

    def test_is_equal_in_many_threads(self, good, images):
        with ThreadPoolExecutor(4) as threads:
            for loaded in threads.map(FashionCNN.load, [str(good[1])] * 20):
                assert_same(loaded, good[0], images[0])


# Forged and damaged files: each takes the members of a good file and gives those that are written.

WEIGHTS = np.ones((3, 3, 1, 4), np.float32)
FORGED = {
    "a member too many": lambda members: {**members, "extra.npy": b""},
    "a member with ..": lambda members: {**members, "../evil.npy": b"x"},
    "an absolute member": lambda members: {**members, "/tmp/evil.npy": b"x"},
    "a folder": lambda members: {**members, "folder/": b""},
    "a missing member": without("weights/0.npy"),
    "no manifest": without("manifest.json"),
    "a renamed member": renamed("weights/0.npy", "weights/99.npy"),
    "an empty manifest": with_text(""),
    "a manifest of no object": with_text("[]"),
    "a manifest without end": with_text("[" * 60_000),
    "a manifest of another encoding": with_text(b"\xff\xfe\x00"),
    "a large manifest": lambda members: {
        **members,
        "manifest.json": members["manifest.json"] + b" " * 2**18,
    },
    "a manifest that says something twice": lambda members: {
        **members,
        "manifest.json": b'{"versions": {}, ' + members["manifest.json"].lstrip()[1:],
    },
    "members that are a list": put("members", value=[]),
    "a member that is a list": put("members", "weights/0", value=["shape", "dtype", "sha256"]),
    "parameters that are a list": put("parameters", value=[]),
    "layers that are a list": put("architecture", value=[]),
    "fitted values that are a list": put("fitted", value=[]),
    "a newer version": put("format_version", value=2),
    "a version that is no number": put("format_version", value="1"),
    "another class": put("format", value="sklearn.svm.SVC"),
    "an unknown key": put("comment", value="hello"),
    "a missing key": edited(lambda manifest: manifest.pop("architecture")),
    "an unknown parameter": put("parameters", "alpha", value=1),
    "a wrong parameter": put("parameters", "dropout", value=2.0),
    "a parameter of an unknown kind": put("parameters", "memory", value={"object": "os.system"}),
    "a parameter of two kinds": put("parameters", "filters", value={"tuple": [4], "dict": []}),
    "a parameter of a kind that is a number": put("parameters", "filters", value={"tuple": 4}),
    "an infinite parameter": put_text("parameters", "tol", value="1e999"),
    "a generator that stands beyond its numbers": put(
        "parameters", "random_state", value={"MT19937": [[0] * 624, 2**30, 0, 0.0]}
    ),
    "a generator of too few numbers": put(
        "parameters", "random_state", value={"MT19937": [[0] * 623, 1, 0, 0.0]}
    ),
    "no steps": put("architecture", "strides", value=0),
    "half a step": put("architecture", "strides", value=1.0),
    "negative kernels": put("architecture", "kernel_size", value=-3),
    "layers of an unknown dtype": put("architecture", "dtype", value="float16"),
    "layers of one class": put("architecture", "n_classes", value=1),
    "dropout in the layers alone": put("architecture", "dropout", value=True),
    "layers of another shape": put("architecture", "dense_units", value=13),
    "a giant layer": put("architecture", "dense_units", value=10**12),
    "another image shape": put("fitted", "image_shape_", value=[4, 16]),
    "a giant image": put("fitted", "image_shape_", value=[10**9, 10**9]),
    "an image of floats": put("fitted", "image_shape_", value=[8.0, 8.0]),
    "an image of other features": put("fitted", "n_features_in_", value=48),
    "a negative count": put("fitted", "n_iter_", value=-1),
    "a count that is text": put("fitted", "n_iter_", value="8"),
    "a pixel scale of NaN": put("fitted", "pixel_max_", value=float("nan")),
    "an infinite pixel scale": put_text("fitted", "pixel_max_", value="1e999"),
    "a pixel scale of zero": put("fitted", "pixel_max_", value=0.0),
    "dropout of everything": put("fitted", "_dropout", value=1.5),
    "a seed that none can be": put("fitted", "seed", value=2**40),
    "no epochs at all": put("fitted", "n_iter_", value=0),
    "more epochs trained than told": put("fitted", "n_epochs_trained_", value=9),
    "a pixel scale of none": put("fitted", "pixel_max_", value=None),
    "an unknown fitted value": put("fitted", "evil", value=1),
    "a wrong hash": put("members", "weights/0", "sha256", value="0" * 64),
    "no hash": edited(lambda manifest: manifest["members"]["weights/0"].pop("sha256")),
    "a wrong shape": put("members", "weights/0", "shape", value=[3, 3, 4, 1]),
    "a giant shape": put("members", "classes", "dtype", value="<U999999"),
    "a negative shape": put("members", "weights/0", "shape", value=[-3, 3, 1, 4]),
    "a dtype of objects": put("members", "weights/0", "dtype", value="|O"),
    "a dtype of structures": put("members", "weights/0", "dtype", value="f4,(99999,99999)f4"),
    "weights that are not finite": with_array("weights/0", WEIGHTS * np.nan),
    "weights of another dtype": with_array("weights/0", WEIGHTS.astype(np.float64)),
    "weights of another shape": with_array("weights/0", WEIGHTS[..., :3]),
    "weights in another order": with_array("weights/0", np.asfortranarray(WEIGHTS)),
    "pickled weights": with_array("weights/0", np.array([print], dtype=object), dtype="<f4"),
    "one label twice": with_array("classes", np.array([0, 0, 1])),
    "labels that are not sorted": with_array("classes", np.array([2, 1, 0])),
    "labels beyond Unicode": with_array("classes", np.array([1, 2, 2**31], "<u4").view("<U1")),
    "labels of bytes": with_array("classes", np.array([b"a", b"b", b"c"])),
    "dates that are none": with_array("classes", np.array(["2020", "2021", "NaT"], "M8[Y]")),
    "numbers that were objects": put("fitted", "labels_are_objects", value=True),
    "feature names that are numbers": with_array("feature_names", np.arange(64)),
    "too few feature names": with_array("feature_names", np.array(["a", "b"])),
    "too many labels": with_array("classes", np.arange(4)),
    "a history of something else": with_array("history/evil", np.zeros(8)),
    "a history that is too short": with_array("history/loss", np.zeros(3)),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A network, trained once, and the file that holds it."""
    path = tmp_path_factory.mktemp("good") / "clf.skfashion"
    clf = FashionCNN(filters=(4, 6), dense_units=12, epochs=8, batch_size=20, random_state=0)
    clf.fit(*make_images()).save(path)
    return clf, path


@pytest.fixture(scope="module")
def members(good):
    with zipfile.ZipFile(good[1]) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refused(path):
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(ValueError, match=re.escape(path.name)) as error:
        FashionCNN.load(path)
    assert sorted(path.parent.rglob("*")) == before
    return str(error.value)


class TestForgedFiles:
    def test_members_alone_would_be_taken(self, good, members, path, images):
        path.write_bytes(pack(members))
        assert_same(FashionCNN.load(path), good[0], images[0])

    @pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
    def test_are_refused(self, members, path, forge):
        path.write_bytes(pack(forge(members)))
        refused(path)

    def test_say_what_is_wrong_with_them(self, members, path):
        for name, message in {
            "a newer version": "format version 2.*newer",
            "another class": "'sklearn.svm.SVC': expected 'skfashion.FashionCNN'",
            "a wrong hash": "weights/0 was changed",
            "weights that are not finite": "weights/0 holds values that are not finite",
            "a missing member": "disagree on weights/0.npy",
            "a wrong parameter": "dropout",
        }.items():
            path.write_bytes(pack(FORGED[name](members)))
            assert re.search(message, refused(path)), name

    @pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_are_refused_if_compressed(self, members, path, method):
        path.write_bytes(pack(members, method))
        assert "compressed" in refused(path)

    def test_are_refused_as_a_link(self, members, path):
        link = zipfile.ZipInfo("manifest.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        rest = {name: value for name, value in members.items() if name != "manifest.json"}
        path.write_bytes(pack({link: members["manifest.json"], **rest}))
        assert "no plain file" in refused(path)

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_are_refused_with_a_member_twice(self, members, path):
        twice = zipfile.ZipInfo("weights/0.npy")
        path.write_bytes(pack({**members, twice: members["weights/0.npy"]}))
        assert "twice" in refused(path)

    def test_are_refused_wherever_they_end(self, good, path):
        whole = good[1].read_bytes()
        for end in [*range(0, len(whole), len(whole) // 60), len(whole) - 1]:
            path.write_bytes(whole[:end])
            refused(path)

    def test_are_refused_or_the_same_whichever_byte_is_another(self, good, path, images):
        whole = good[1].read_bytes()
        rng = np.random.default_rng(0)
        refusals = 0
        for place in rng.integers(len(whole), size=400):
            content = bytearray(whole)
            content[place] ^= 1 << rng.integers(8)
            path.write_bytes(content)
            try:
                loaded = FashionCNN.load(path)
            except ValueError:
                refusals += 1
            else:
                assert_same(loaded, good[0], images[0])
        assert refusals > 300

    def test_no_file_at_all_is_told_as_such(self, path):
        with pytest.raises(FileNotFoundError):
            FashionCNN.load(path)
