"""Test the promises that hold everywhere, each by its number in the design.

`test_soak.py` tests the sixth, constant memory.
"""

import copy
import hashlib
import json
import os
import pickle
import subprocess
import sys

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from helpers import run_python
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

PARAMETERS = {"filters": (4, 6), "dense_units": 12, "epochs": 4, "batch_size": 20}
PARAMETERS |= {"dropout": 0.3, "random_state": 0}


def digest(clf):
    return hashlib.sha256(b"".join(weight.tobytes() for weight in clf.weights_)).hexdigest()


def train(X, y, **parameters):
    """Train a network and return the digest of its weights."""
    return digest(FashionCNN(**{**PARAMETERS, **parameters}).fit(X, y))


def by_skops(pipeline, path):
    skops.io.dump(pipeline, path)
    untrusted = skops.io.get_untrusted_types(file=path)
    assert untrusted == ["skfashion._classifier.fashion_cnn.FashionCNN"]
    return skops.io.load(path, trusted=untrusted)


COPIES = {
    "pickle": lambda pipeline, path: pickle.loads(pickle.dumps(pipeline)),
    "joblib mmap": lambda pipeline, path: joblib.load(
        joblib.dump(pipeline, path)[0], mmap_mode="r"
    ),
    "cloudpickle": lambda pipeline, path: pickle.loads(cloudpickle.dumps(pipeline)),
    "deepcopy": lambda pipeline, path: copy.deepcopy(pipeline),
    "skops": by_skops,
}


def leaves(value):
    """List what dictionaries, lists and tuples hold, keys too."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    else:
        yield value


class TestPromise2FittedStateIsArraysAndPlainValues:
    def test_no_keras_object_survives_fit(self, images):
        clf = FashionCNN(**PARAMETERS, validation_fraction=0.2, early_stopping=True).fit(*images)
        for leaf in leaves(vars(clf)):
            if isinstance(leaf, np.ndarray):
                assert leaf.dtype != object
            else:
                assert leaf is None or type(leaf) in (int, float, str, bool)
        assert b"keras" not in pickle.dumps(clf)

    @pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
    def test_copies_of_a_pipeline_predict_the_same_and_go_on_the_same(
        self, images, tmp_path, copied
    ):
        X, y = images[0].reshape(120, -1), images[1]
        pipeline = make_pipeline(StandardScaler(), FashionCNN(**PARAMETERS)).fit(X, y)
        twin = copied(pipeline, tmp_path / "pipeline")
        assert twin[-1] is not pipeline[-1]
        assert twin[-1].get_params() == pipeline[-1].get_params()
        assert_array_equal(twin.predict_proba(X), pipeline.predict_proba(X))
        scaled = pipeline[:-1].transform(X)
        for clf in (twin[-1], pipeline[-1]):
            clf.partial_fit(scaled, y)
        assert digest(twin[-1]) == digest(pipeline[-1])

    def test_prediction_needs_no_tensorflow_however_large(self, images, tmp_path):
        clf = FashionCNN(**PARAMETERS).fit(*images)
        joblib.dump(clf, tmp_path / "clf.joblib")
        clf.save(tmp_path / "clf", include_optimizer=True)
        out = run_python(f"""
            import sys
            for name in ("tensorflow", "keras", "scikeras", "matplotlib"):
                sys.modules[name] = None  # importing it is an ImportError
            import joblib
            from helpers import make_images
            from skfashion import FashionCNN
            from skfashion._network import prediction
            prediction._MULTIPLY_ADDS_WORTH_TENSORFLOW = 0
            X, y = make_images()
            dumped = joblib.load({str(tmp_path / "clf.joblib")!r})
            for clf in (dumped, FashionCNN.load({str(tmp_path / "clf")!r})):
                print(clf.predict_proba(X).tolist())
                print(clf.transform(X).tolist())
                for refused in (clf.to_keras, lambda: clf.partial_fit(X, y)):
                    try:
                        refused()
                    except ImportError as error:
                        print("tensorflow and keras must be installed" in str(error))
        """)
        found = [json.loads(line.lower()) for line in out.splitlines()]
        X, _ = images
        assert found == [clf.predict_proba(X).tolist(), clf.transform(X).tolist(), True, True] * 2


class TestPromise3EqualInputsGiveEqualBits:
    def test_whatever_was_fitted_before(self, images):
        X, y = images
        first = train(X, y)
        train(X / 255, y, random_state=1, dropout=0.7)
        train(X[::-1], y, learning_rate=0.1, epochs=1)
        assert train(X, y) == first

    def test_whatever_the_cache_holds(self, images, monkeypatch):
        from skfashion._network.network_cache import network_cache as cache

        monkeypatch.setattr(cache, "capacity", 3)  # each network takes a second to compile
        first = train(*images)
        cache.clear()
        assert train(*images) == first
        for units in range(cache.capacity):
            train(*images, dense_units=20 + units, epochs=1)
        assert train(*images) == first

    @pytest.mark.parametrize("version", [FashionCNN.v1, FashionCNN.v2, FashionCNN.v3])
    def test_in_threads_at_once(self, version):
        X, y = load_fashion_mini(return_X_y=True)

        def train(seed):
            return digest(version(epochs=1, random_state=seed).fit(X[:300], y[:300]))

        alone = [train(seed) for seed in (0, 1)]
        assert alone[0] != alone[1]
        with joblib.parallel_config(backend="threading", n_jobs=2):
            assert joblib.Parallel()(joblib.delayed(train)(seed) for seed in (0, 1)) == alone

    def test_a_random_state_instance_and_none_draw_anew(self, images):
        state = np.random.RandomState(0)
        first, second = (train(*images, random_state=state) for _ in range(2))
        assert first != second
        assert train(*images, random_state=np.random.RandomState(0)) == first
        assert train(*images, random_state=None) != train(*images, random_state=None)


def test_promise_4_ten_epochs_are_ten_calls_of_partial_fit(images):
    whole = FashionCNN(**{**PARAMETERS, "epochs": 10}).fit(*images)
    steps = FashionCNN(**PARAMETERS)
    for _ in range(10):
        steps.partial_fit(*images, classes=[0, 1, 2])
    assert digest(steps) == digest(whole)
    assert steps.history_ == whole.history_
    assert steps.n_iter_ == whole.n_iter_ == 10


class TestPromise5GlobalStateStaysAsItWas:
    def test_in_a_fresh_process_where_promises_4_and_7_hold_too(self, images, tmp_path):
        """A pickled network goes on the same; not even the C side of TensorFlow prints anything."""
        fitted = FashionCNN(**PARAMETERS).fit(*images)
        joblib.dump(fitted, tmp_path / "clf.joblib")
        out = run_python(f"""
            import logging, os, random
            import joblib
            import numpy as np
            import sklearn.model_selection  # draws from random itself, by way of joblib
            from helpers import make_images
            from skfashion import FashionCNN
            from test_promises import digest

            def snapshot():
                return (
                    dict(os.environ), random.getstate(), str(np.random.get_state()),
                    logging.root.level, list(logging.root.handlers), logging.root.disabled,
                )

            X, y = make_images()
            random.seed(1)
            np.random.seed(1)
            before = snapshot()
            print(digest(joblib.load({str(tmp_path / "clf.joblib")!r}).partial_fit(X, y)))
            FashionCNN(epochs=2, dropout=0.5, validation_fraction=0.2, random_state=0).fit(X, y)
            for dropout in (0.0, 0.5):
                clf = FashionCNN(epochs=1, dropout=dropout, random_state=0)
                clf.fit(X, y).predict(X)
                clf.fit(X / 255, y, X_val=X[:30] / 255, y_val=y[:30])
                clf.partial_fit(X[:7] / 255, y[:7]).predict_proba(X / 255)
                clf.to_keras()
            assert snapshot() == before

            import keras, tensorflow as tf
            assert keras.layers.Dense(1).name == "dense"
            assert keras.Sequential().name == "sequential"
            assert keras.optimizers.Adam().name == "adam"
            tf.random.set_seed(3)
            keras.utils.set_random_seed(3)
            expected = tf.random.uniform([3]).numpy(), keras.random.uniform([3]).numpy()
            tf.random.set_seed(3)
            keras.utils.set_random_seed(3)
            before = snapshot()
            keras.config.set_floatx("float64")
            FashionCNN(epochs=1, dropout=0.5, random_state=0).fit(X, y)
            assert keras.config.floatx() == "float64"
            keras.config.set_floatx("float32")
            for filters in range(1, 7):  # TensorFlow complains of five structures
                FashionCNN(filters=(filters,), dense_units=4, epochs=1, random_state=0).fit(X, y)
            assert snapshot() == before
            from tensorflow.python.framework import config
            assert not config.is_op_determinism_enabled()
            found = tf.random.uniform([3]).numpy(), keras.random.uniform([3]).numpy()
            assert np.array_equal(expected, found)
        """)
        assert out == f"{digest(fitted.partial_fit(*images))}\n"

    def test_random_state_none_draws_once_from_numpys_generator(self, images):
        # The global generator is what this is about.
        np.random.seed(5)  # noqa: NPY002
        train(*images, random_state=None)
        after = np.random.get_state()  # noqa: NPY002
        np.random.seed(5)  # noqa: NPY002
        np.random.randint(np.iinfo(np.int32).max)  # noqa: NPY002
        assert str(after) == str(np.random.get_state())  # noqa: NPY002


class TestTheStartOfTensorFlow:
    def test_a_ctrl_c_during_tensorflows_import_is_passed_on_and_spoils_nothing(self):
        out = run_python("""
            import os, signal, sys, threading, time
            from helpers import make_images
            from skfashion import FashionCNN
            clf = FashionCNN(epochs=1, random_state=0)

            def press():
                while "tensorflow.python" not in sys.modules:
                    time.sleep(0.001)
                time.sleep(0.1)  # most of the import is still to come
                os.kill(os.getpid(), signal.SIGINT)

            threading.Thread(target=press, daemon=True).start()
            try:
                clf.fit(*make_images())
            except KeyboardInterrupt:
                print("passed on")
            print(clf.fit(*make_images()).n_iter_)
        """)
        assert out.split("\n") == ["passed on", "1", ""]

    def test_a_failing_import_shows_its_reason(self, tmp_path):
        (tmp_path / "tensorflow.py").write_text(
            "import os\nos.write(2, b'from the C side')\nraise ImportError('broken wheel')\n"
        )
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-c", "import skfashion._network.tensorflow"],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert "from the C side" in done.stderr
        assert "ImportError: broken wheel" in done.stderr


class TestImportIsLight:
    def test_importing_the_package_loads_none_of_the_heavy_ones(self):
        out = run_python("""
            import sys
            import skfashion, skfashion.datasets
            from skfashion import FashionCNN
            FashionCNN()
            heavy = ("tensorflow", "keras", "scikeras", "matplotlib", "pooch")
            print([name for name in heavy if name in sys.modules])
        """)
        assert out.strip() == "[]"

    def test_every_public_name_is_there(self):
        import skfashion

        assert all(getattr(skfashion, name) for name in skfashion.__all__)
        assert set(skfashion.__all__) <= set(dir(skfashion))
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            _ = skfashion.nonsense
