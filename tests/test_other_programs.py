"""A fit takes nothing from the program that it runs in, and leaves nothing behind there."""

import warnings
from functools import partial
from textwrap import dedent

import pytest
import sklearn
from helpers import run_python, weights_equal
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network import prediction
from skfashion._network.network_cache import network_cache as cache
from skfashion._network.tensorflow import tf

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # a TensorFlow that the user started says what it likes


def in_a_function(act, **settings):
    found = []
    tf.function(lambda: found.append(act()), **settings)()
    return found[0]


def in_a(make_context):
    def do(act):
        with make_context():
            return act()

    return do


CONTEXTS = {
    "graph": in_a(lambda: tf.Graph().as_default()),
    "session": in_a(lambda: tf.compat.v1.Session(graph=tf.Graph())),
    "function": in_a_function,
    "function as it stands": partial(in_a_function, autograph=False),
    "compiled function": partial(in_a_function, jit_compile=True),
    "tape": in_a(lambda: tf.GradientTape(persistent=True)),
    "strategy": in_a(lambda: tf.distribute.OneDeviceStrategy("CPU:0").scope()),
    "mirrored strategy": in_a(lambda: tf.distribute.MirroredStrategy(["CPU:0"]).scope()),
}


@pytest.mark.parametrize("inside", CONTEXTS.values(), ids=CONTEXTS)
class TestInsideAnyContextOfTensorFlow:
    @pytest.mark.parametrize("cached", [False, True])
    def test_a_fit_is_that_outside_and_spoils_none_to_come(
        self, images, small, fitted, inside, cached
    ):
        cache.clear()
        if cached:
            FashionCNN(**small).fit(*images)
        clf = FashionCNN(**small)
        assert inside(lambda: clf.fit(*images)) is clf
        assert weights_equal(clf, fitted)
        assert clf.history_ == fitted.history_
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)
        assert weights_equal(inside(lambda: clf.partial_fit(*images)), fitted.partial_fit(*images))

    def test_a_large_prediction_is_that_outside(self, images, fitted, monkeypatch, inside):
        monkeypatch.setattr(prediction, "_MULTIPLY_ADDS_WORTH_TENSORFLOW", 0)
        for predict in (fitted.predict_proba, fitted.transform):
            outside = predict(images[0])
            prediction._compile_prediction.cache_clear()
            for _ in range(2):
                assert_array_equal(inside(partial(predict, images[0])), outside)
            assert_array_equal(predict(images[0]), outside)

    def test_a_keras_model_made_there_can_be_used_outside(self, images, fitted, inside):
        model = inside(fitted.to_keras)
        probabilities = model.predict(images[0][..., None], verbose=0)
        assert_allclose(probabilities, fitted.predict_proba(images[0]), atol=1e-6)


def test_where_eager_execution_is_switched_off_a_fit_is_the_same(images, fitted, tmp_path):
    fitted.save(tmp_path / "clf")
    third = FashionCNN.v3(epochs=1, shift=1, dropout=0.5, random_state=0).fit(*images)
    third.save(tmp_path / "third")
    run_python(
        f"""
        from helpers import import_tensorflow, make_images, weights_equal
        tf = import_tensorflow()
        tf.get_logger().setLevel("ERROR")
        tf.compat.v1.disable_v2_behavior()
        from skfashion import FashionCNN
        from skfashion._network import prediction
        clf = FashionCNN.load({str(tmp_path / "clf")!r})
        X, y = make_images()
        again = FashionCNN(**clf.get_params()).fit(X, y)
        assert weights_equal(again, clf)
        by_numpy = clf.predict_proba(X)
        prediction._MULTIPLY_ADDS_WORTH_TENSORFLOW = 0
        assert abs(again.predict_proba(X) - by_numpy).max() < 1e-5
        assert again.to_keras().count_params() == sum(weight.size for weight in clf.weights_)
        third = FashionCNN.load({str(tmp_path / "third")!r})
        again = FashionCNN(**third.get_params()).fit(X, y)
        assert weights_equal(again, third)
        assert third.to_keras().count_params() == sum(weight.size for weight in third.weights_)
        assert not tf.executing_eagerly()
    """,
        **QUIET,
    )


IMPORTS_SCIKERAS_FIRST = "from scikeras.wrappers import KerasClassifier"
WATCHES_KERAS = """
kinds = (keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)
before = [dict(vars(kind)) for kind in kinds]
clf.fit(X, y)
assert [dict(vars(kind)) for kind in kinds] == before
assert not [name for name in sys.modules if name.startswith("scikeras")]
mine = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: 2 * x)])
assert copy.deepcopy(mine).layers
for kind in (keras.losses.MeanSquaredError, keras.metrics.Mean, keras.optimizers.Adam):
    assert b"scikeras" not in pickle.dumps(kind())
"""


@pytest.mark.parametrize(
    "before", [WATCHES_KERAS, IMPORTS_SCIKERAS_FIRST], ids=["not yet", "imported first"]
)
def test_keras_and_scikeras_of_the_user_are_as_without_us(before):
    """Objects are copied and pickled the same, until the user imports SciKeras."""
    begin = """
        import copy, pickle, sys
        from helpers import import_tensorflow, make_images, weights_equal
        import_tensorflow()
        import keras
        from skfashion import FashionCNN
        X, y = make_images()
        clf = FashionCNN(epochs=1, random_state=0)
    """
    end = """
        clf.fit(X, y)
        from scikeras.wrappers import KerasClassifier
        assert keras.Model.__deepcopy__.__module__ == "scikeras._saving_utils"
        layers = [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(3)]
        model = keras.Sequential(layers)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        theirs = KerasClassifier(model, verbose=0).fit(X, y)
        assert pickle.loads(pickle.dumps(theirs)).predict(X).shape == (120,)
        assert weights_equal(FashionCNN(epochs=1, random_state=0).fit(X, y), clf)
    """
    assert run_python(dedent(begin) + before + dedent(end), **QUIET) == ""


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_a_fit_is_silent_whatever_transformers_shall_give(images, small, fitted, output):
    with sklearn.config_context(transform_output=output), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)
