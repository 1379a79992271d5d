"""A fit takes nothing from the scopes of Keras that it runs in, and leaves nothing behind there."""

import pytest
from helpers import weights_equal
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network.network_cache import network_cache as cache
from skfashion._network.tensorflow import keras, tf


def double(x):
    return 2 * x


SCOPES = {
    "stateless": keras.StatelessScope,
    "rematerialization": lambda: keras.RematScope("full"),
    "rematerialized activations": lambda: keras.RematScope("activations"),
    "name": lambda: keras.name_scope("mine"),
    "device": lambda: keras.device("cpu:0"),
    "custom objects": lambda: keras.utils.custom_object_scope({"relu": double, "Zeros": double}),
}


@pytest.mark.parametrize("make_scope", SCOPES.values(), ids=SCOPES)
class TestInsideAnyScopeOfKeras:
    @pytest.mark.parametrize("cached", [False, True])
    def test_a_fit_is_that_outside_and_spoils_none_to_come(
        self, images, small, fitted, make_scope, cached
    ):
        if not cached:
            cache.clear()
        clf = FashionCNN(**small)
        with make_scope():
            clf.fit(*images)
        assert weights_equal(clf, fitted)
        assert clf.history_ == fitted.history_
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)

    def test_a_keras_model_made_there_is_that_made_outside(self, images, fitted, make_scope):
        with make_scope():
            model = fitted.to_keras()
        paths = [variable.path for variable in model.variables]
        assert paths == [variable.path for variable in fitted.to_keras().variables]
        probabilities = model.predict(images[0][..., None], verbose=0)
        assert_allclose(probabilities, fitted.predict_proba(images[0]), atol=1e-6)


def test_a_stateless_scope_is_as_it_was_after_a_fit(images, small):
    variable = keras.Variable(1.0)
    with keras.StatelessScope([(variable, 2.0)]) as scope:
        FashionCNN(**small).fit(*images)
        variable.assign_add(3.0)
    assert variable.numpy() == 1
    assert scope.get_current_value(variable) == 5


def test_a_fit_inside_the_call_of_a_layer_is_that_outside(images, small, fitted):
    found = []

    class Layer(keras.layers.Layer):
        def call(self, inputs, training=False):
            found.append(FashionCNN(**small).fit(*images))
            return inputs

    outputs = Layer(dtype="float16")(tf.ones((1, 1)), training=True)
    assert_array_equal(outputs, [[1]])
    assert weights_equal(found[0], fitted)
