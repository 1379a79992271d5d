"""A fit takes nothing from the program that it runs in, and leaves nothing behind there."""

import warnings

import pytest
import sklearn
from helpers import run_python, weights_equal

from skfashion import FashionCNN

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # a TensorFlow that the user started says what it likes


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
