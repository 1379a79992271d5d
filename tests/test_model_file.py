"""A model file holds a fitted network exactly; whatever else is given to `load` is refused."""

import json
import os
import pickle
import random
import re
import stat
import struct
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import joblib
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


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of version 1."""
    path = tmp_path_factory.mktemp("large") / "v1.skfashion"
    X, y = make_images(20, side=28, n_classes=10)
    FashionCNN.v1(epochs=1, random_state=0).fit(X, y).save(path)
    return path


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
    def test_has_labels_of_the_same_dtype(self, small, path, images, labels):
        clf = FashionCNN(**{**small, "epochs": 1}).fit(images[0], labels[images[1]])
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
        def __init__(self, *, callbacks=None, random_state=None):
            super().__init__(random_state=random_state)
            self.callbacks = callbacks

    clf = Watched(callbacks=[print])
    clf.__dict__ |= {k: v for k, v in vars(good[0]).items() if k.endswith("_") or k[0] == "_"}
    clf.save(path)
    assert Watched.load(path).callbacks is None


class TestTheFile:
    def test_is_hardly_larger_than_its_weights(self, large):
        assert large.stat().st_size <= 9.4e6

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

    def test_is_written_where_a_link_leads_and_keeps_permissions(self, good, tmp_path):
        (tmp_path / "theirs").touch(0o600)
        for target in ("theirs", "new"):
            link = tmp_path / f"to {target}"
            link.symlink_to(target)
            good[0].save(link)
            assert link.is_symlink()
            assert weights_equal(FashionCNN.load(tmp_path / target), good[0])
        assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o600

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


# What can be made of a fitted network that no file could give back.


def with_attribute(name, value):
    return lambda clf: setattr(clf, name, value)


def with_parameter(name, value):
    return lambda clf: clf.set_params(**{name: value})


def infinite_moments(clf):
    clf._optimizer_state["momentums"][0].fill(np.inf)


UNSAVED = {
    "NaN": (lambda clf: clf.weights_[0].fill(np.nan), "weights/0 holds values that are not fin"),
    "infinity": (infinite_moments, "momentums/0 holds values that are not finite"),
    "missing weights": (lambda clf: clf.weights_.pop(), "bytes, expected"),
    "unknown history": (lambda clf: clf.history_.update(f1=[0.0] * 8), "its history is of .*f1"),
    "short history": (
        with_attribute("history_", {"loss": [0], "accuracy": [0]}),
        "history is 1: e",
    ),
    "disorder": (with_attribute("classes_", np.array([2, 1, 0])), "labels are not sorted"),
    "objects": (with_attribute("classes_", np.array([print, 1, 2])), "such as <built-in function"),
    "bytes": (with_attribute("classes_", np.array([b"a", b"b", b"c"])), "of dtype .S1, such as"),
    "long label": (with_attribute("classes_", np.array(["a", "b", "c" * 10**7])), "<U10000000"),
    "wrong parameter": (with_parameter("dropout", 5), "saved: The 'dropout' parameter of Fashion"),
    "infinite weight": (with_parameter("class_weight", {0: np.inf}), "class_weight=inf is no plai"),
    "path of bytes": (with_parameter("memory", b"memory"), "memory=b'memory' is no plain"),
    "giant": (
        with_parameter("class_weight", dict.fromkeys(range(10**5), 0.1)),
        "at most 1,048,576",
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

    def test_is_told_where_there_is_nothing_or_no_place(self, good, tmp_path):
        with pytest.raises(NotFittedError):
            FashionCNN().save(tmp_path / "clf")
        with pytest.raises(OSError, match="nowhere"):
            good[0].save(tmp_path / "nowhere" / "clf")
        for folder in (tmp_path, ".", ""):
            with pytest.raises(IsADirectoryError):
                good[0].save(folder)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(FileNotFoundError):
            FashionCNN.load(tmp_path / "clf")
        with pytest.raises(IsADirectoryError if os.name == "posix" else PermissionError):
            FashionCNN.load(tmp_path)


# Forged files: the SHA-256 is right, sizes as well, but for what each of them changes.


def unpack(content):
    """The document and the tensors of a file."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header["__metadata__"][KEY]), safetensors.numpy.load(content)


def pack(document, tensors):
    """A file of these, signed unless they bring a signature of their own."""
    if "sha256" not in document:
        document = {**document, "sha256": model_file._digest(document, tensors)}
    return safetensors.numpy.save(tensors, {KEY: json.dumps(document)})


def forged(content, change):
    document, tensors = unpack(content)
    del document["sha256"]
    change(document, tensors)
    return pack(document, tensors)


def put(*keys, value):
    """Another value in the document."""

    def change(document, _):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


def put_tensor(name, tensor):
    return lambda _, tensors: tensors.update({name: np.asarray(tensor)})


def with_header(header, rest=b""):
    """A file with another header, as text."""
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header)) + header + rest


def with_document(text):
    return with_header(json.dumps({"__metadata__": {KEY: text}}))


def labels(dtype, values):
    return put("classes", value={"dtype": dtype, "values": values})


WEIGHTS = np.ones((3, 3, 1, 4), np.float32)
NUMBERS = {"dtype": "<i8", "values": [*range(64)]}
FORGED = {
    "a newer version": (put("format_version", value=2), "format version 2.*A newer one may"),
    "a long version": (put("format_version", value="x" * 250_000), "format version 'xx.*…$"),
    "no parameters": (lambda document, _: document.pop("parameters"), "damaged.*'parameters'"),
    "an unknown parameter": (put("parameters", "alpha", value=1), "alpha of the FashionCNN"),
    "a long parameter": (put("parameters", "x" * 250_000, value=1), "xxx.*…$"),
    "a wrong parameter": (put("parameters", "dropout", value=2.0), "'dropout' parameter"),
    "code": (put("parameters", "memory", value={"object": "os.system"}), "unknown kind: object"),
    "an infinite parameter": (put("parameters", "tol", value=np.inf), "tol holds inf"),
    "no numbers": (put("numbers", value={}), "n_features_in_ is None"),
    "a negative count": (put("numbers", "n_iter_", value=-1), "n_iter_ is -1: expected int from 1"),
    "a count that is true": (put("numbers", "n_iter_", value=True), "n_iter_ is True"),
    "a scale of NaN": (put("numbers", "pixel_max_", value=np.nan), "pixel_max_ is nan"),
    "a seed that none can be": (put("numbers", "_seed", value=2**40), "_seed is 109951"),
    "epochs not told": (put("numbers", "n_epochs_trained_", value=9), "expected int from 9"),
    "no steps taken": (put("iterations", value=0), "iterations is 0"),
    "other images": (put("image_shape", value=[4, 16]), "do not fit together"),
    "giant images": (put("image_shape", value=[10**9, 10**9]), "have not 64 features"),
    "images of floats": (put("image_shape", value=[8.0, 8.0]), "image_shape is 8.0"),
    "other features": (put("numbers", "n_features_in_", value=48), "have not 48 features"),
    "no strides": (put("architecture", "strides", value=0), "strides is 0: expected int"),
    "endless strides": (put("architecture", "strides", value=10**4000), "strides is 10000.*…$"),
    "another dtype": (put("architecture", "dtype", value="float16"), "of dtype 'float16'"),
    "half dropout": (put("architecture", "dropout", value=0.5), "do not fit together"),
    "other layers": (put("architecture", "dense_units", value=13), "cut off or changed: it has"),
    "giant layers": (put("architecture", "dense_units", value=10**12), "more than 1,000,000,000"),
    "many layers": (put("architecture", "filters", value=[1] * 80_000), "more convolutions than"),
    "one class": (put("architecture", "n_classes", value=1), "n_classes is 1: expected int"),
    "labels in disorder": (labels("<i8", [2, 1, 0]), "not sorted"),
    "too many labels": (labels("<i8", [0, 1, 2, 3]), "holds 4 labels .* expected 3"),
    "nested labels": (labels("<i8", [[0], [1], [2]]), "as expected, 3 of"),
    "labels of structures": (labels("f4,(99999,99999)f4", [0, 1, 2]), "labels are of dtype"),
    "labels of giants": (labels("<U9999999", ["a", "b", "c"]), "16,777,216 bytes at most"),
    "dates that are none": (labels("<M8[D]", [0, 1, -(2**63)]), "not sorted"),
    "labels of anything": (labels("|O", ["a", "b", {"c": 1}]), "are not kept"),
    "few names": (put("feature_names", value={"dtype": "|O", "values": ["a"]}), "expected 64"),
    "number names": (put("feature_names", value=NUMBERS), "feature names are no texts"),
    "a wrong SHA-256": (put("sha256", value="0" * 64), "SHA-256 does not match"),
    "a missing tensor": (lambda _, tensors: tensors.pop("weights/7"), "it has .* bytes, expected"),
    "another name": (lambda _, tensors: tensors.update(a=tensors.pop("weights/7")), "a, weights/7"),
    "weights of NaN": (put_tensor("weights/0", WEIGHTS * np.nan), "weights/0 holds values"),
    "weights of integers": (put_tensor("weights/0", WEIGHTS.astype(np.int32)), "'int32'"),
    "turned weights": (put_tensor("weights/0", WEIGHTS.reshape(4, 3, 3, 1)), "weights/0 is"),
    "another history": (put_tensor("history/evil", np.zeros(8)), "history is of .*evil"),
    "a short history": (put_tensor("history/loss", np.zeros(3)), "length of the history is 3"),
    "a history of one number": (put_tensor("history/loss", np.zeros(())), "damaged|unpack"),
}
OTHER = '{"weights/0": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
RAW = {
    "nothing": (b"", "no model file of skfashion, or was cut off"),
    "a zip": (b"PK\3\4" + bytes(99), "no model file of skfashion, or was cut off"),
    "a pickle": (pickle.dumps(SMALL), "no model file of skfashion, or was cut off"),
    "no header": (bytes(8), "no model file of skfashion, or was cut off"),
    "an endless header": (b"\xff" * 99, "no model file of skfashion, or was cut off"),
    "a long header": (with_header(" " * 2**21), "take 2,097,152 bytes: expected at most"),
    "deep lists": (with_header("[" * 20_000), "damaged, or no model file.*RecursionError"),
    "many lists": (with_header("[" + "[[[[[[]]]]]]," * 20_000 + "0]"), "more than 50,000 lists"),
    "a list": (with_header("[]"), "damaged, or no model file"),
    "no Unicode": (with_header(b'{"\xff\xfe": 0}'), "damaged, or no model file"),
    "other tensors": (with_header(OTHER, bytes(4)), "not one of skfashion"),
    "a document of a list": (with_document("[]"), "damaged"),
    "a document of many lists": (with_document("[" + "[[]]," * 12_000 + "0]"), "damaged"),
    "a document without end": (with_document("[" * 20_000), "damaged"),
    "integers of many digits": (with_document("[" + ("9" * 4300 + ",") * 99 + "0]"), "damaged"),
    "an integer of more digits": (with_document('{"a": ' + "1" * 60_000 + "}"), "4300 digits"),
}


def refused(path):
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(ValueError, match=re.escape(f"{path} cannot be loaded: ")) as error:
        FashionCNN.load(path)
    assert sorted(path.parent.rglob("*")) == before
    assert len(str(error.value)) < 1000
    return str(error.value).removeprefix(f"{path} cannot be loaded: ")


class TestForgedFiles:
    def test_unchanged_would_be_taken(self, good, path, images):
        path.write_bytes(forged(good[1].read_bytes(), lambda *_: None))
        assert_same(FashionCNN.load(path), good[0], images[0])

    @pytest.mark.parametrize(("change", "reason"), FORGED.values(), ids=FORGED)
    def test_are_refused_for_what_is_wrong_with_them(self, good, path, change, reason):
        path.write_bytes(forged(good[1].read_bytes(), change))
        assert re.search(reason, refused(path))

    @pytest.mark.parametrize(("content", "reason"), RAW.values(), ids=RAW)
    def test_are_refused_if_they_are_something_else(self, path, content, reason):
        path.write_bytes(content)
        assert re.search(reason, refused(path))

    def test_cost_less_than_three_times_a_good_file_and_no_time(self, good, large, tmp_path):
        """In a fresh process, as Python counts its memory."""
        content, small = large.read_bytes(), good[1].read_bytes()
        files = {name: forged(small, change) for name, (change, _) in FORGED.items()}
        files |= {name: content for name, (content, _) in RAW.items()}
        nan = put_tensor("weights/9", np.full(10, np.nan, np.float32))  # shows at the end
        files |= {"large NaN": forged(content, nan), "half a file": content[: len(content) // 2]}
        files["large hash"] = forged(content, put("sha256", value="0" * 64))
        files["large, and good"] = content
        for name, forgery in files.items():
            (tmp_path / name).write_bytes(forgery)
        costs = run_python(f"""
            import json, time, tracemalloc
            from contextlib import suppress
            from pathlib import Path
            from skfashion import FashionCNN
            FashionCNN.load({str(large)!r})
            tracemalloc.start()
            costs = {{}}
            for path in Path({str(tmp_path)!r}).iterdir():
                tracemalloc.reset_peak()
                start = time.monotonic()
                with suppress(ValueError):
                    FashionCNN.load(path)
                seconds = time.monotonic() - start
                costs[path.name] = seconds, tracemalloc.get_traced_memory()[1]
            print(json.dumps(costs))
        """)
        costs = json.loads(costs)
        assert costs.keys() == files.keys()
        for name, (seconds, n_bytes) in costs.items():
            assert seconds < LONGEST, name
            assert n_bytes < 3 * len(content), name


# Mutations. Those of values and tensors are signed.

NASTY = [
    *(None, True, False, 0, -1, 1, 2, 2**31, 2**63, 10**4000, 0.0, -0.5, 0.5, 1e308, np.nan),
    *("", "a", "/etc", "\0", "\ud800", "x" * 5000, "float16", "<f4", "|O", "<U0", "<M8[D]"),
    *([], {}, [[]], [0], [8, 8], [1] * 3000, {"tuple": []}, {"tuple": 3}, {"dict": [[[]], [1]]}),
    json.loads("[" * 300 + "]" * 300),
]


def mutate_bytes(rng, content, end=None):
    place, n = rng.randrange(len(content[:end])), rng.choice([1, 2, 4, 100])
    head, tail = content[:place], content[place:]
    return {
        "flip": head + bytes([tail[0] ^ 1 << rng.randrange(8)]) + tail[1:],
        "cut": head,
        "drop": head + tail[n:],
        "insert": head + rng.randbytes(n) + tail,
        "repeat": head + content[rng.randrange(len(content)) :][:n] + tail,
        "overwrite": head + rng.choice([bytes(n), b"\xff" * n, b"9" * n]) + tail[n:],
    }[rng.choice(["flip", "flip", "cut", "drop", "insert", "repeat", "overwrite"])]


def mutate_header(rng, content):
    return mutate_bytes(rng, content, end=8 + int.from_bytes(content[:8], "little"))


def containers(value):
    """All lists and objects in a JSON value that hold anything."""
    if isinstance(value, (dict, list)) and value:
        yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from containers(part)


def mutate_values(rng, content):
    def change(document, _):
        container = rng.choice(list(containers(document)))
        key = rng.choice([*(container if isinstance(container, dict) else range(len(container)))])
        if rng.random() < 0.2:
            del container[key]
        else:
            container[key] = rng.choice(NASTY)

    return forged(content, change)


def mutate_tensors(rng, content):
    def change(_, tensors):
        name = rng.choice(list(tensors))
        changed = tensors.pop(name)
        flat = changed.reshape(-1).copy()
        flat[rng.randrange(len(flat))] = rng.choice([np.nan, -np.inf, 1e38, -1, 0])
        changes = [flat.reshape(changed.shape), flat, flat[1:], flat.astype(rng.choice("fdiB?"))]
        tensors[rng.choice([name] * 9 + ["evil"])] = rng.choice(changes)

    with np.errstate(invalid="ignore"), warnings.catch_warnings(action="ignore"):
        return forged(content, change)


def error_of(function, *arguments):
    """What it raises a ValueError with, if it does. It must not warn either."""
    try:
        with warnings.catch_warnings(action="error"):
            warnings.filterwarnings("ignore", "The images in X reach")  # on another scale: right
            function(*arguments)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("mutate", [mutate_bytes, mutate_header, mutate_values, mutate_tensors])
def test_five_hundred_mutated_files_are_refused_or_read_and_right(good, path, images, mutate):
    content, refusals = good[1].read_bytes(), 0
    for seed in range(500):
        path.write_bytes(mutate(random.Random(f"{mutate.__name__} {seed}"), content))
        start = time.monotonic()
        refusal = error_of(FashionCNN.load, path)
        assert time.monotonic() - start < LONGEST, seed
        if refusal is not None:
            assert refusal.startswith(f"{path} cannot be loaded: "), seed
            assert len(refusal) < 1000, seed
            refusals += 1
            continue
        clf = FashionCNN.load(path)
        clf.save(path)
        # It predicts, or says that it is for other images, or that its numbers are too large.
        error = error_of(clf.predict_proba, images[0][:6])
        assert error is None or re.search("dtype='float|X has 64 feat|X holds im", error), seed
        assert list(path.parent.iterdir()) == [path], seed
    assert refusals > 120, "hardly anything was wrong with them"


def test_of_a_random_state_and_callbacks_nothing_is_kept_and_of_a_memory_its_place(
    images, small, tmp_path
):
    clf = FashionCNN(**{**small, "random_state": np.random.RandomState(0)}, callbacks=[])
    clf.fit(*images).set_params(memory=joblib.Memory(tmp_path / "memory"))
    clf.save(tmp_path / "clf.skfashion")
    loaded = FashionCNN.load(tmp_path / "clf.skfashion")
    assert loaded.random_state is loaded.callbacks is None
    assert loaded.memory == str(tmp_path / "memory")
    assert_array_equal(loaded.predict(images[0]), clf.predict(images[0]))
