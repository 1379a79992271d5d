"""Test that a model file holds a fitted network exactly, and that other files are refused."""

import io
import json
import os
import pickle
import random
import re
import stat
import struct
import time
import tracemalloc
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from helpers import OLD_FILE, make_images, weights_equal
from mutations import mutate
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skfashion import FashionCNN
from skfashion._classifier import model_file
from skfashion._network.architecture import Architecture
from skfashion._network.training_state import TrainingState

KEY = "skfashion.FashionCNN"
LONGEST = 5  # seconds of the processor
MOST = 64e6  # bytes: what reading the largest header may take


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clf.skfashion"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Train a network once, and save it with its optimizer."""
    path = tmp_path_factory.mktemp("good") / "clf.skfashion"
    clf = FashionCNN(filters=(4, 6), dense_units=12, epochs=8, batch_size=20, random_state=0)
    clf.fit(*make_images()).save(path, include_optimizer=True)
    return clf, path


def assert_same(loaded, clf, X):
    assert type(loaded) is type(clf)
    assert loaded.get_params() == clf.get_params()
    assert loaded.classes_.dtype == clf.classes_.dtype
    for name in vars(clf).keys() - clf.get_params().keys() - {"_optimizer_state", "_checkpoints"}:
        ours, theirs = getattr(loaded, name), getattr(clf, name)
        assert_equal(ours, theirs, name)
        assert type(ours) is type(theirs), name
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
    def test_is_what_was_saved(self, images, small, path, parameters):
        clf = FashionCNN(**{**small, **parameters, "epochs": 2}).fit(*images)
        for include_optimizer in (False, True):
            clf.save(path, include_optimizer=include_optimizer)
            assert_same(FashionCNN.load(str(path)), clf, images[0])

    @pytest.mark.parametrize(
        "labels",
        [
            np.array(["bag", "coat", "shirt"]),
            np.array(["bag", "coat", "shirt"], dtype="<U20"),
            np.array(["", "long" * 9999, "\ud800"], dtype=object),
            np.array(["a", "b", "b\0"], dtype=object),
            np.array([1, 2, 3], dtype=np.uint8),
            np.array([1, 2, 3], dtype=">i8"),
            np.array([1, 2**63, 2**63 + 1], dtype=np.uint64),
            np.array([-0.0, 1, 2], dtype=np.float16),
            np.array([-1.0, 0, 7]),
            np.array(["1969-01-01", "2020-02-29", "2021-03-01"], dtype="M8[D]"),
        ],
        ids=lambda labels: labels.dtype.str,
    )
    def test_has_labels_of_the_same_dtype(self, good, path, images, labels):
        clf = deepcopy(good[0])
        clf.classes_ = labels
        clf.save(path)
        assert_same(FashionCNN.load(path), clf, images[0])

    @pytest.mark.parametrize(("n", "image_shape"), [(60, None), (48, (6, 8))])
    def test_has_names_of_features_and_boolean_labels(self, images, small, path, n, image_shape):
        X = pd.DataFrame(images[0].reshape(-1, 64)[:, :n]).add_prefix("pixel[ä]")
        clf = FashionCNN(**small, image_shape=image_shape).fit(X, images[1] > 0)
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert_same(loaded, clf, X)
        assert_array_equal(loaded.feature_names_in_, clf.feature_names_in_, strict=True)

    def test_has_a_history_with_what_was_not_measured(self, good, path, images):
        clf = deepcopy(good[0])
        clf.history_ |= {"val_loss": [np.nan] * 7 + [1.0], "val_accuracy": [np.nan] * 8}
        clf.history_["loss"][0] = np.inf
        clf.save(path)
        assert_same(FashionCNN.load(path), clf, images[0])

    def test_may_be_of_very_many_layers_and_classes(self, good, path):
        clf = deepcopy(good[0])
        ones = (1,) * 100
        layers = {"filters": ones, "strides": ones, "pool_size": ones}
        layers |= {"kernel_size": 1, "n_classes": 9000, "dense_units": 1}
        clf._architecture = {**clf._architecture, **layers}
        state = TrainingState.initial(Architecture(**clf._architecture), seed=0)
        clf.weights_, clf.classes_ = state.weights, np.arange(9000)  # training takes too long
        clf.set_params(class_weight={n: 1 / (n + 3) for n in range(9000)})
        clf.save(path)
        loaded = FashionCNN.load(path)
        assert weights_equal(loaded, clf)
        assert loaded.class_weight == clf.class_weight

    def test_goes_on_bit_for_bit_with_the_optimizer_alone(self, images, fitted, path):
        fitted.save(path)
        without = FashionCNN.load(path)
        for go_on in (
            lambda: without.partial_fit(*images),
            lambda: without.set_params(warm_start=True).fit(*images),
            lambda: without.save(path, include_optimizer=True),
        ):
            with pytest.raises(ValueError, match="include_optimizer"):
                go_on()
        fitted.save(path, include_optimizer=True)
        loaded = FashionCNN.load(path)
        assert weights_equal(loaded.partial_fit(*images), fitted.partial_fit(*images))

    def test_has_the_place_of_memory_but_no_stages_callbacks_or_random_state(
        self, images, small, path, tmp_path
    ):
        clf = FashionCNN(**small, memory=tmp_path / "memory", callbacks=[]).fit(*images)
        for memory in (clf.memory, joblib.Memory(clf.memory)):
            clf.set_params(random_state=np.random.RandomState(0), memory=memory).save(path)
            loaded = FashionCNN.load(path)
            assert loaded.memory == str(tmp_path / "memory")
            assert loaded.random_state is loaded.callbacks is None
            with pytest.raises(ValueError, match="memory"):
                next(loaded.staged_predict_proba(images[0]))

    def test_is_an_estimator_like_any(self, good, path, images):
        loaded = FashionCNN.load(good[1])
        assert clone(loaded).get_params() == loaded.get_params()
        assert_same(pickle.loads(pickle.dumps(loaded)), good[0], images[0])
        loaded.save(path, include_optimizer=True)
        assert path.read_bytes() == good[1].read_bytes()
        loaded.weights_[0] += 1  # the arrays are its own
        assert weights_equal(loaded.fit(*images), good[0])


def test_a_file_of_format_1_is_read_forever():
    """Read what version 0.1.0 wrote, of the same images under the names bag, coat and shirt."""
    loaded = FashionCNN.load(OLD_FILE)
    X, y = make_images()
    expected = [
        [0.5654741525650024, 0.14200621843338013, 0.29251962900161743],
        [0.056235093623399734, 0.9149755239486694, 0.028789419680833817],
        [0.148376002907753, 0.031171469017863274, 0.8204525709152222],
    ]
    assert_allclose(loaded.predict_proba(X[:3]), expected, rtol=1e-5)
    names = np.array(["bag", "coat", "shirt"])
    assert loaded.partial_fit(X, names[y]).score(X, names[y]) > 0.9


def test_a_subclass_loads_its_own_file_and_ours_and_is_named_where_it_must_be(good, path, images):
    class Other(FashionCNN):
        def __init__(self, *, alpha=1, epochs=2, random_state=0):
            super().__init__(epochs=epochs, random_state=random_state)
            self.alpha = alpha

    class Heir(FashionCNN):
        pass

    assert type(Heir.load(good[1])) is Heir
    Other(alpha=3).fit(*images).save(path)
    assert Other.load(path).alpha == 3
    assert refused(path) == "it holds a Other: load it by Other.load, not by FashionCNN.load."
    Heir.load(good[1]).save(path)  # it may predict in another way
    assert refused(path) == "it holds a Heir: load it by Heir.load, not by FashionCNN.load."


class TestFileObjects:
    def test_are_written_and_read_where_they_stand(self, good, path, images):
        for include_optimizer in (False, True):
            good[0].save(path, include_optimizer=include_optimizer)
            buffer = io.BytesIO()
            buffer.write(b"before")
            good[0].save(buffer, include_optimizer=include_optimizer)
            assert buffer.getvalue() == b"before" + path.read_bytes()
            buffer.seek(6)
            assert_same(FashionCNN.load(buffer), good[0], images[0])
            assert not buffer.closed

    def test_need_no_seek_and_may_be_in_an_archive(self, good, path, images):
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open("clf", "w") as file:
                good[0].save(file)
            with archive.open("clf") as file:
                assert_same(FashionCNN.load(file), good[0], images[0])

    def test_are_refused_in_words(self, good, path):
        buffer = io.BytesIO()
        good[0].save(buffer)
        with pytest.raises(ValueError, match=r"cannot be loaded: nothing is left .* seek\(0\)"):
            FashionCNN.load(buffer)
        with pytest.raises(ValueError, match=r"BytesIO.* cannot be loaded: it is not a model file"):
            FashionCNN.load(io.BytesIO(b"something"))
        with path.open("w+") as text:
            for use in (good[0].save, FashionCNN.load):
                with pytest.raises(TypeError, match="open it in binary mode"):
                    use(text)
                with pytest.raises(TypeError, match="path=3: expected a path, or a binary file"):
                    use(3)


class TestTheFile:
    def test_is_hardly_larger_than_its_arrays(self, good):
        n_bytes = 3 * sum(weights.nbytes for weights in good[0].weights_)
        assert good[1].stat().st_size < n_bytes + 5000

    def test_is_read_by_safetensors_alone(self, good):
        weights = safetensors.numpy.load_file(good[1])["weights/0"]
        assert_array_equal(weights, good[0].weights_[0], strict=True)
        document, _ = unpack(good[1].read_bytes())
        assert document["format_version"] == 2
        assert document["versions"]["skfashion"]
        assert document["parameters"]["epochs"] == 8

    def test_may_be_under_the_home_of_the_user(self, good, tmp_path, monkeypatch):
        for variable in ("HOME", "USERPROFILE"):
            monkeypatch.setenv(variable, str(tmp_path))
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
        with pytest.raises(ValueError, match="not a regular file"):
            FashionCNN.load(path)
        with ThreadPoolExecutor(1) as threads:
            saved = threads.submit(good[0].save, path, include_optimizer=True)
            content = path.read_bytes()
            saved.result(60)
        assert path.is_fifo()
        assert content == good[1].read_bytes()


# Changes to a fitted network that no file could give back.
UNSAVED = [
    (lambda clf: clf.weights_[0].fill(np.nan), "weights/0 holds values that are not finite"),
    (lambda clf: clf._optimizer_state["momentums"][0].fill(np.inf), "momentums/0 holds values"),
    (lambda clf: clf.weights_.pop(), r"weights/7 is missing: expected \('F32', \[3\]\)"),
    (lambda clf: clf.history_.update(f1=[0.0] * 8), "history/f1 is .*: expected no such tensor"),
    (lambda clf: clf.history_.update(loss=[0], accuracy=[0]), "length of the history is 1"),
    (lambda clf: setattr(clf, "classes_", np.array([2, 1, 0])), "labels are not sorted"),
    (lambda clf: setattr(clf, "classes_", np.array([print, 1, 2])), "such as <built-in function"),
    (lambda clf: setattr(clf, "classes_", np.array([b"a", b"b", b"c"])), "of dtype .S1, such as"),
    (lambda clf: setattr(clf, "classes_", np.array(["a", "b", "c" * 10**7])), "<U10000000"),
    (lambda clf: clf.set_params(dropout=5), "cannot be saved: The 'dropout' parameter of Fashion"),
    (lambda clf: clf.set_params(class_weight={0: np.inf}), "class_weight=inf is not a plain, fini"),
    (lambda clf: clf.set_params(memory=b"memory"), "memory=b'memory': expected the path of"),
    (lambda clf: clf.set_params(class_weight=dict.fromkeys(range(10**5), 0.1)), "most 1,048,576"),
]


class TestWhatCannotBeSaved:
    @pytest.mark.parametrize(("change", "message"), UNSAVED, ids=[case[1] for case in UNSAVED])
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


# Forged files: SHA-256 and sizes are right, but for what each of them changes.


def unpack(content):
    """Read the document and the tensors of a file."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header["__metadata__"][KEY]), safetensors.numpy.load(content)


def pack(document, tensors):
    """Make a file of these, signed unless they bring a signature of their own."""
    if "sha256" not in document:
        document = {**document, "sha256": model_file._digest(document, tensors)}
    return safetensors.numpy.save(tensors, {KEY: json.dumps(document)})


def forge(content, place, value):
    """Change one value of the document or one tensor, or remove it where `value` is `...`."""
    document, tensors = unpack(content)
    del document["sha256"]
    *folders, name = place.split(".")
    container = tensors if "/" in place else document
    for folder in folders:
        container = container[folder]
    container[name] = value
    if value is ...:
        del container[name]
    return pack(document, tensors)


def labels(dtype, *values):
    return {"dtype": dtype, "values": values}


WEIGHTS = np.ones((3, 3, 1, 4), np.float32)
FORGED = [
    ("format_version", 3, "format version 3.*A newer one may"),
    ("format_version", "x" * 250_000, "format version 'xx.*…$"),
    ("parameters", ..., "damaged.*'parameters'"),
    ("parameters.alpha", 1, "holds a FashionCNN, but FashionCNN has no parameter alpha"),
    ("parameters.dropout", 2.0, "'dropout' parameter"),
    ("parameters.memory", {"object": "os.system"}, "'memory' parameter .* {'object': 'os.system'}"),
    ("numbers", {}, "n_features_in_ is None"),
    ("numbers.n_iter_", -1, "n_iter_ is -1: expected int from 1"),
    ("numbers.n_iter_", True, "n_iter_ is True"),
    ("numbers.pixel_max_", np.nan, "pixel_max_ is nan"),
    ("numbers._seed", 2**40, "_seed is 109951"),
    ("numbers.n_epochs_trained_", 9, "length of the history is 8: expected int from 9"),
    ("iterations", 0, "iterations is 0"),
    ("image_shape", [8.0, 8.0], "image_shape is 8.0"),
    ("image_shape", [4, 4, 4], r"^image_shape is \[4, 4, 4\]: expected rows and columns"),
    ("image_shape", [4, 16], "/4 is .*: expected"),
    ("image_shape", [10**9, 10**9], "do not have 64 features"),
    ("architecture.strides", 0, "strides is 0: expected int"),
    ("architecture.dtype", "float16", "of dtype 'float16'"),
    ("architecture.dense_units", 13, "/4 is .*: expected"),
    ("architecture.dense_units", 10**12, "more than 1,000,000,000"),
    ("architecture.filters", [1] * 80_000, "more convolutions than"),
    ("architecture.filters", [4.0, 6.0], "sequence of positive integers"),
    ("architecture.n_classes", 1, "n_classes is 1: expected int"),
    ("classes", labels("<i8", 2, 1, 0), "not sorted"),
    ("classes", labels("<U1000000", *"abcdefghijklmnopqrstuvw"), "holds 23 labels .* expected 3"),
    ("classes", labels("<i8", [0], [1], [2]), "labels or names of dtype '<i8': expected 3 of"),
    ("classes", labels("f4,(99999,99999)f4", 0, 1, 2), "names of dtype 'f4,.*of a plain"),
    ("classes", labels("<U9999999", "a", "b", "c"), "16,777,216 bytes"),
    ("classes", labels("<M8[D]", 0, 1, -(2**63)), "not sorted"),
    ("classes", labels("|O", "a", "b", {"c": 1}), "cannot hold labels of dtype object"),
    ("feature_names", labels("<i8", *range(64)), "feature names are not strings"),
    ("sha256", "0" * 64, "SHA-256 does not match"),
    ("weights/7", ..., "weights/7 is missing: expected"),
    ("a/b", WEIGHTS, "a/b is .*: expected no such tensor"),
    ("weights/0", WEIGHTS * np.nan, "weights/0 holds values"),
    ("weights/0", WEIGHTS.astype(np.int32), "'I32'.*: expected .'F32'"),
    ("weights/0", WEIGHTS.reshape(4, 3, 3, 1), "weights/0 is"),
    ("history/loss", np.zeros((8, 1)), r"^history/loss is of shape \[8, 1\]: expected one number"),
    ("parameters.class_weight", {"dict": [[0], [1, 2]]}, r"damaged.*ValueError\(.zip"),
    ("classes", labels("<i8", "a", "b", "c"), "damaged.*ValueError"),
    ("history/loss", np.zeros(3), "length of the history is 3"),
]


def with_header(header, rest=b""):
    """Make a file with another header."""
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header)) + header + rest


def with_document(text):
    return with_header(json.dumps({"__metadata__": {KEY: text}}))


OTHER = '{"weights/0": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
RAW = {
    "nothing": (b"", "not a model file of skfashion, or was cut off"),
    "a zip": (b"PK\3\4" + bytes(99), "not a model file of skfashion, or was cut off"),
    "no header": (bytes(8), "not a model file of skfashion, or was cut off"),
    "a long header": (with_header(" " * 2**21), "take 2,097,152 of at most"),
    "deep lists": (with_header("[" * 20_000), "damaged, or not a model file.*RecursionError"),
    "many lists": (with_header("[" + "[[[[[[]]]]]]," * 80_000 + "0]"), "damaged"),
    "no Unicode": (with_header(b'{"\xff\xfe": 0}'), "damaged, or not a model file"),
    "other tensors": (with_header(OTHER, bytes(4)), "not one of skfashion"),
    "a document of a list": (with_document("[]"), "damaged"),
    "a document without end": (with_document("[" * 20_000), "damaged"),
    "an integer of many digits": (with_document('{"a": ' + "1" * 60_000 + "}"), "4300 digits"),
}


def refused(path):
    """Say why `load` refuses a file, which it does soon, cheaply and without a trace."""
    before = sorted(path.parent.rglob("*"))
    start = time.process_time()
    with pytest.raises(ValueError, match=re.escape(f"{path} cannot be loaded: ")) as error:
        FashionCNN.load(path)
    assert time.process_time() - start < LONGEST
    tracemalloc.start()
    with suppress(ValueError):
        FashionCNN.load(path)
    assert tracemalloc.get_traced_memory()[1] < MOST
    tracemalloc.stop()
    assert sorted(path.parent.rglob("*")) == before
    assert len(str(error.value)) < 1000
    return str(error.value).removeprefix(f"{path} cannot be loaded: ")


class TestForgedFiles:
    def test_unchanged_would_be_taken(self, good, path, images):
        path.write_bytes(forge(good[1].read_bytes(), "class", "FashionCNN"))
        assert_same(FashionCNN.load(path), good[0], images[0])

    @pytest.mark.parametrize(("place", "value", "reason"), FORGED, ids=[case[0] for case in FORGED])
    def test_are_refused_for_what_is_wrong_with_them(self, good, path, place, value, reason):
        path.write_bytes(forge(good[1].read_bytes(), place, value))
        assert re.search(reason, refused(path))

    @pytest.mark.parametrize(("content", "reason"), RAW.values(), ids=RAW)
    def test_are_refused_if_they_are_something_else(self, path, content, reason):
        path.write_bytes(content)
        assert re.search(reason, refused(path))

    @pytest.mark.parametrize("n_bytes", [-9, 10**9])
    def test_are_refused_unread_if_they_are_shorter_or_longer(self, good, path, n_bytes):
        path.write_bytes(good[1].read_bytes())
        os.truncate(path, path.stat().st_size + n_bytes)
        assert re.match("it was cut off or changed: .* bytes, expected ", refused(path))


# Mutations. Those of values are signed.

NASTY = [
    *(None, True, False, 0, -1, 1, 2, 2**31, 2**63, 10**4000, 0.0, -0.5, 0.5, 1e308, np.nan),
    *("", "a", "/etc", "\0", "\ud800", "x" * 5000, "float16", "<f4", "|O", "<U0", "<M8[D]"),
    *([], {}, [[]], [0], [8, 8], [1] * 3000, {"tuple": []}, {"tuple": 3}, {"dict": [[[]], [1]]}),
    json.loads("[" * 300 + "]" * 300),
]


def mutate_bytes(rng, content):
    """Change bytes, half of the time in the header."""
    n = rng.choice([8 + int.from_bytes(content[:8], "little"), len(content)])
    return mutate(rng, content[:n]) + content[n:]


def containers(value):
    """List all lists and objects in a JSON value that hold anything."""
    if isinstance(value, (dict, list)) and value:
        yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from containers(part)


def mutate_values(rng, content):
    """Change or remove a value of the document."""
    document, tensors = unpack(content)
    del document["sha256"]
    container = rng.choice(list(containers(document)))
    key = rng.choice([*(container if isinstance(container, dict) else range(len(container)))])
    container[key] = rng.choice(NASTY)
    if rng.random() < 0.2:
        del container[key]
    return pack(document, tensors)


def error_of(function, *arguments):
    """Return the message of the ValueError that it raises, if it does. It must not warn either."""
    with warnings.catch_warnings(action="error"):
        warnings.filterwarnings("ignore", "The images in X reach")  # on another scale: right
        try:
            function(*arguments)
        except ValueError as error:
            return str(error)
    return None


@pytest.mark.parametrize("change", [mutate_bytes, mutate_values])
def test_five_hundred_mutated_files_are_refused_or_read_and_right(good, path, images, change):
    content, refusals = good[1].read_bytes(), 0
    for seed in range(500):
        path.write_bytes(change(random.Random(f"{change.__name__} {seed}"), content))
        start = time.process_time()
        refusal = error_of(FashionCNN.load, path)
        assert time.process_time() - start < LONGEST, seed
        if refusal is not None:
            assert refusal.startswith(f"{path} cannot be loaded: "), seed
            assert len(refusal) < 1000, seed
            refusals += 1
            continue
        # It predicts, or says that it is for other images, or that its numbers are too large.
        error = error_of(FashionCNN.load(path).predict_proba, images[0][:6])
        assert error is None or re.search("dtype='float|X has 64 feat|X holds im", error), seed
        assert list(path.parent.iterdir()) == [path], seed
    assert refusals > 120, "hardly anything was wrong with them"
