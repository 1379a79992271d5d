"""Where TensorFlow was never installed a network still answers, by the ways that README shows."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from helpers import OLD_FILE, make_images
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.pipeline import make_pipeline

from skfashion import FashionCNN
from skfashion.datasets import ImageFileReader, load_fashion_mini

pytestmark = pytest.mark.deployment

NAMES = np.array(["bag", "coat", "shirt"])  # of its labels


@pytest.fixture
def photo(tmp_path):
    """The file of an image and its label."""
    X, y = make_images()
    Image.fromarray(X[0]).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png"), NAMES[y[0]]


def test_nothing_is_installed_that_only_training_needs():
    for name in ("tensorflow", "keras", "scikeras", "pandas", "pooch", "matplotlib"):
        assert find_spec(name) is None, name


def test_a_network_is_loaded_answers_and_is_saved_again(tmp_path):
    X, y = make_images()
    clf = FashionCNN.load(OLD_FILE)
    assert clf.score(X, NAMES[y]) > 0.9
    clf.save(tmp_path / "copy.skfashion", include_optimizer=True)
    copy = FashionCNN.load(tmp_path / "copy.skfashion")
    assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))
    assert_array_equal(copy.transform(X), clf.transform(X))


def test_photos_are_classified_in_a_pipeline(photo):
    path, label = photo
    clf = FashionCNN.load(OLD_FILE)
    model = make_pipeline(ImageFileReader(image_shape=clf.image_shape_, invert=False), clf)
    assert model.predict([path]).tolist() == [label]


def test_the_shell_answers(photo):
    path, label = photo
    command = [sys.executable, "-m", "skfashion", "predict", "--invert", "no", "--json"]
    done = subprocess.run(
        [*command, str(OLD_FILE), path], capture_output=True, text=True, check=True, timeout=60
    )
    answer = json.loads(done.stdout)
    assert (answer["image"], answer["label"]) == (path, label)
    clf = FashionCNN.load(OLD_FILE)
    assert_allclose(answer["probability"], clf.predict_proba(make_images()[0][:1]).max())


def test_the_bundled_images_are_there():
    X, _ = load_fashion_mini(return_X_y=True)
    assert X.shape == (6000, 784)


def test_training_says_what_is_missing():
    X, y = make_images()
    new, loaded = FashionCNN(epochs=1), FashionCNN.load(OLD_FILE)
    for refused in (
        lambda: new.fit(X, y),
        lambda: new.partial_fit(X, NAMES[y], classes=NAMES),
        lambda: loaded.partial_fit(X, NAMES[y]),
        loaded.to_keras,
    ):
        with pytest.raises(ImportError, match="tensorflow and keras must be installed"):
            refused()


def test_the_shell_says_so_before_it_looks_for_data(tmp_path):
    command = [sys.executable, "-m", "skfashion", "train", "--data", str(tmp_path / "nowhere.csv")]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "folder" / "model")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("skfashion: tensorflow and keras must be installed")
    assert list(tmp_path.iterdir()) == []
