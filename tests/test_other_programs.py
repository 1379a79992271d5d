"""A fit takes nothing from the program that it runs in, and leaves nothing behind there."""

import warnings
from functools import partial

import pytest
import sklearn
from helpers import run_python, weights_equal
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network import prediction
from skfashion._network.network_cache import network_cache as cache
from skfashion._network.tensorflow import tf

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # a TensorFlow that the user started says what it likes


def in_a_graph(act):
    with tf.Graph().as_default():
        return act()


def in_a_session(act):
    with tf.compat.v1.Session(graph=tf.Graph()):
        return act()


def in_a_function(act, **settings):
    found = []
    tf.function(lambda: found.append(act()), **settings)()
    return found[0]


def in_a_tape(act):
    with tf.GradientTape(persistent=True):
        return act()


def in_a_strategys_scope(act):
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        return act()


def in_a_mirrored_strategys_scope(act):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        return act()


CONTEXTS = {
    "graph": in_a_graph,
    "session": in_a_session,
    "function": in_a_function,
    "function as it stands": partial(in_a_function, autograph=False),
    "compiled function": partial(in_a_function, jit_compile=True),
    "tape": in_a_tape,
    "strategy": in_a_strategys_scope,
    "mirrored strategy": in_a_mirrored_strategys_scope,
}


@pytest.mark.parametrize("inside", CONTEXTS.values(), ids=CONTEXTS)
class TestInsideAnyContextOfTensorFlow:
    @pytest.mark.parametrize("cached", [False, True])
    def test_a_fit_is_that_outside_and_spoils_none_to_come(
        self, images, small, fitted, inside, cached
    ):
        if not cached:
            cache.clear()
        clf = FashionCNN(**small)
        assert inside(lambda: clf.fit(*images)) is clf
        assert weights_equal(clf, fitted)
        assert clf.history_ == fitted.history_
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)
        assert weights_equal(inside(lambda: clf.partial_fit(*images)), fitted.partial_fit(*images))

    def test_a_large_prediction_is_that_outside(self, images, fitted, monkeypatch, inside):
        monkeypatch.setattr(prediction, "_MULTIPLY_ADDS_WORTH_TENSORFLOW", 0)
        outside = fitted.predict_proba(images[0])
        prediction._compile_prediction.cache_clear()
        for _ in range(2):
            assert_array_equal(inside(lambda: fitted.predict_proba(images[0])), outside)
        assert_array_equal(fitted.predict_proba(images[0]), outside)

    def test_a_keras_model_made_there_can_be_used_outside(self, images, fitted, inside):
        model = inside(fitted.to_keras)
        probabilities = model.predict(images[0][..., None], verbose=0)
        assert_allclose(probabilities, fitted.predict_proba(images[0]), atol=1e-6)


@pytest.mark.parametrize("switch", ["disable_eager_execution", "disable_v2_behavior"])
def test_where_eager_execution_is_switched_off_a_fit_is_the_same(images, fitted, tmp_path, switch):
    fitted.save(tmp_path / "clf")
    run_python(
        f"""
        from helpers import import_tensorflow, make_images, weights_equal
        tf = import_tensorflow()
        tf.get_logger().setLevel("ERROR")
        tf.compat.v1.{switch}()
        from skfashion import FashionCNN
        from skfashion._network import prediction
        clf = FashionCNN.load({str(tmp_path / "clf")!r})
        again = FashionCNN(**clf.get_params()).fit(*make_images())
        assert weights_equal(again, clf)
        by_numpy = clf.predict_proba(make_images()[0])
        prediction._MULTIPLY_ADDS_WORTH_TENSORFLOW = 0
        assert abs(again.predict_proba(make_images()[0]) - by_numpy).max() < 1e-5
        assert again.to_keras().count_params() == sum(weight.size for weight in clf.weights_)
        assert not tf.executing_eagerly()
    """,
        **QUIET,
    )


def test_keras_objects_of_the_user_are_copied_and_pickled_as_without_us():
    out = run_python("""
        import copy, pickle, sys
        from helpers import make_images
        import skfashion._network.tensorflow
        import keras
        kinds = (keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)
        before = [dict(vars(kind)) for kind in kinds]

        from skfashion import FashionCNN
        FashionCNN(epochs=1, random_state=0).fit(*make_images())
        assert [dict(vars(kind)) for kind in kinds] == before
        assert not [name for name in sys.modules if name.startswith("scikeras")]

        mine = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: 2 * x)])
        assert copy.deepcopy(mine).layers
        for kind in (keras.losses.MeanSquaredError, keras.metrics.Mean, keras.optimizers.Adam):
            assert b"scikeras" not in pickle.dumps(kind())
    """)
    assert out == ""


@pytest.mark.parametrize("first", [True, False])
def test_who_uses_scikeras_finds_it_as_without_us(first):
    use = "from scikeras.wrappers import KerasClassifier"
    out = run_python(
        f"""
        from helpers import import_tensorflow, make_images
        import_tensorflow()
        import copy, pickle, sys
        {use if first else ""}
        from skfashion import FashionCNN
        clf = FashionCNN(epochs=1, random_state=0).fit(*make_images())
        {"" if first else use}
        import keras
        assert keras.Model.__deepcopy__.__module__ == "scikeras._saving_utils"
        layers = [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(3)]
        model = keras.Sequential(layers)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        theirs = KerasClassifier(model, verbose=0).fit(*make_images())
        theirs = pickle.loads(pickle.dumps(theirs))
        print(theirs.predict(make_images()[0]).shape)
        weights = clf.weights_
        clf.fit(*make_images())
        assert all((a == b).all() for a, b in zip(clf.weights_, weights))
    """,
        **QUIET,
    )
    assert out == "(120,)\n"


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_a_fit_is_silent_whatever_transformers_shall_give(images, small, fitted, output):
    with sklearn.config_context(transform_output=output), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)
