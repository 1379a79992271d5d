"""A model file holds a fitted network exactly, and nothing else gets out of one."""

import hashlib
import io
import json
import re
import stat
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import make_images, run_python, weights_equal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skfashion import FashionCNN


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


# Forged and damaged files: each takes the members of a good file and gives those that are written.


def edited(change):
    """Members with another manifest."""

    def forge(members):
        manifest = json.loads(members["manifest.json"])
        change(manifest)
        return {**members, "manifest.json": json.dumps(manifest).encode()}

    return forge


def put(*path, value):
    """Members with another value in the manifest."""

    def change(manifest):
        for key in path[:-1]:
            manifest = manifest[key]
        manifest[path[-1]] = value

    return edited(change)


def with_array(name, array, **listed):
    """Members with another array, whose entry in the manifest is as true as can be."""

    def forge(members):
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=True)
        content = buffer.getvalue()
        manifest = json.loads(members["manifest.json"])
        manifest["members"][name] = {
            "shape": array.shape,
            "dtype": array.dtype.str,
            "sha256": hashlib.sha256(content).hexdigest(),
            **listed,
        }
        text = json.dumps(manifest).encode()
        return {**members, f"{name}.npy": content, "manifest.json": text}

    return forge


def without(name):
    return lambda members: {key: value for key, value in members.items() if key != name}


def renamed(name, other):
    return lambda members: {
        (other if key == name else key): value for key, value in members.items()
    }


WEIGHTS = np.ones((3, 3, 1, 4), np.float32)
FORGED = {
    "a member too many": lambda members: {**members, "extra.npy": b""},
    "a member with ..": lambda members: {**members, "../evil.npy": b"x"},
    "an absolute member": lambda members: {**members, "/tmp/evil.npy": b"x"},
    "a folder": lambda members: {**members, "folder/": b""},
    "a missing member": without("weights/0.npy"),
    "no manifest": without("manifest.json"),
    "a renamed member": renamed("weights/0.npy", "weights/99.npy"),
    "an empty manifest": lambda members: {**members, "manifest.json": b""},
    "a manifest of no object": lambda members: {**members, "manifest.json": b"[]"},
    "a manifest without end": lambda members: {**members, "manifest.json": b"[" * 60_000},
    "a manifest of another encoding": lambda members: {**members, "manifest.json": b"\xff\xfe\x00"},
    "a large manifest": lambda members: {
        **members,
        "manifest.json": members["manifest.json"] + b" " * 2**16,
    },
    "a newer version": put("format_version", value=2),
    "a version that is no number": put("format_version", value="1"),
    "another class": put("format", value="sklearn.svm.SVC"),
    "an unknown key": put("comment", value="hello"),
    "a missing key": edited(lambda manifest: manifest.pop("architecture")),
    "an unknown parameter": put("parameters", "alpha", value=1),
    "a wrong parameter": put("parameters", "dropout", value=2.0),
    "a parameter of an unknown kind": put("parameters", "memory", value={"object": "os.system"}),
    "layers of another shape": put("architecture", "dense_units", value=13),
    "a giant layer": put("architecture", "dense_units", value=10**12),
    "another image shape": put("fitted", "image_shape_", value=[4, 16]),
    "a giant image": put("fitted", "image_shape_", value=[10**9, 10**9]),
    "a negative count": put("fitted", "n_iter_", value=-1),
    "a count that is text": put("fitted", "n_iter_", value="8"),
    "a pixel scale of NaN": put("fitted", "pixel_max_", value=float("nan")),
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


def pack(members, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, content)
    return buffer.getvalue()
