"""Programs that XLA compiles for a graphics card, forced on the processor: tiny networks."""

import itertools
import pickle

import numpy as np
import pytest
from helpers import make_images, weights_equal
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network import keras_model, onednn, prediction, xla, xla_operations
from skfashion._network import tensorflow as _tensorflow
from skfashion._network.architecture import Architecture
from skfashion._network.keras_layers import _draw_words
from skfashion._network.keras_model import Network
from skfashion._network.network_cache import network_cache as cache
from skfashion._network.programs import Program, Programs
from skfashion._network.tensorflow import keras, tf
from skfashion._network.xla import XlaPrograms, round_up

TINY = {"filters": (2,), "dense_units": 3, "epochs": 2, "batch_size": 20, "random_state": 0}


@pytest.fixture
def force(monkeypatch):
    """Return a function that says whether XLA compiles from now on."""

    def force(jit_compile=True):
        cache.clear()
        monkeypatch.setattr(keras_model, "compiles_with_xla", lambda: jit_compile)
        monkeypatch.setattr(_tensorflow, "compiles_with_xla", lambda: jit_compile)

    yield force
    cache.clear()


@pytest.fixture(autouse=True)
def no_nodes_of_onednn(monkeypatch):
    """XLA cannot compile them. With a graphics card there are none."""
    monkeypatch.setattr(onednn, "chooses_onednn", lambda: True)


def fit(parameters, X, y, **arguments):
    return FashionCNN(**{**TINY, **parameters}).fit(X, y, **arguments)


def network():
    """Return the network of the last fit."""
    return cache._idle[-1]


@pytest.mark.usefixtures("full_precision")
@pytest.mark.parametrize(
    ("parameters", "convert"),
    [
        ({"batch_size": 20}, np.uint8),
        ({"batch_size": 7}, np.float32),  # the last batch has 1 of 7 rows
        ({"batch_size": 500, "dropout": 0.3}, np.uint8),
        ({"batch_size": 50, "dropout": 0.5, "strides": 2, "dtype": "float64"}, np.float32),
        # The last batch has 13 rows, whose mean and variance must not count padding.
        ({"batch_size": 50, "batch_norm": True, "averaging": 4.0, "pool_size": 2}, np.uint8),
        ({"batch_size": 50, "flip": True, "shift": 1, "warmup_steps": 4}, np.uint8),
        ({"batch_size": 50, "flip": True, "pool_size": 8}, np.float32),  # padded to 10 x 10
        # The dense layer adds up 576 products, in two parts.
        ({"batch_size": 50, "filters": (16,), "dropout": 0.25}, np.uint8),
    ],
)
def test_training_is_that_of_the_ordinary_programs(force, parameters, convert):
    X, y = make_images(120)
    X = X.astype(convert) / 3 if convert is np.float32 else X
    rng = np.random.default_rng(0)
    weights = {"sample_weight": rng.random(113), "sample_weight_val": rng.random(7)}
    rows = {"X": X[:113], "y": y[:113], "X_val": X[113:], "y_val": y[113:], **weights}
    fits = []
    for jit_compile in (False, True):
        force(jit_compile)
        fits.append(fit(parameters, **rows))
        assert type(network()._programs) is (XlaPrograms if jit_compile else Programs)
    for theirs, ours in zip(*(clf.weights_ for clf in fits), strict=True):
        assert theirs.dtype == ours.dtype
        assert_allclose(ours, theirs, atol=1e-5)
    for name, values in fits[0].history_.items():
        assert_allclose(fits[1].history_[name], values, rtol=1e-5)


def test_a_layer_that_a_callback_calls_is_keras_own(force):
    """The matrix product of our programs needs to know the number of columns."""

    class Call(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            hidden = self.model.get_layer("hidden")
            call = tf.function(hidden.call, input_signature=[tf.TensorSpec([None, None])])
            shapes.append(call(tf.ones([2, hidden.kernel.shape[0]])).shape)

    shapes = []
    force()
    fit({"filters": (16,), "epochs": 1, "callbacks": [Call()]}, *make_images())
    assert shapes == [(2, 3)]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_an_argument_of_the_network_decides_too(images, jit_compile):
    architecture = Architecture((8, 8), (2,), 3, (1,), (2,), True, False, None, 3, "float32")
    cache.clear()
    ours = Network(architecture, jit_compile=jit_compile)
    cache.release(ours)
    fit({"pool_size": 2, "batch_norm": True, "dense_units": None}, *images)
    assert network() is ours
    assert isinstance(ours._programs, XlaPrograms) == jit_compile
    (program,) = ours._programs._compiled.values()
    functions = program._traced.graph.as_graph_def().library.function
    kinds = {node.op for function in functions for node in function.node_def}
    assert ("MaxPool" in kinds) != jit_compile
    cache.clear()


def test_equal_seeds_give_equal_bits_in_one_fit_or_two(force, images):
    force()
    X, y = images
    tuned = {"dropout": 0.5, "batch_size": 50}
    whole, again = (fit({**tuned, "epochs": 5}, X, y) for _ in range(2))
    assert weights_equal(whole, again)
    cache.clear()  # compiled once more
    parts = FashionCNN(**{**TINY, **tuned, "epochs": 2, "warm_start": True}).fit(X, y)
    parts.set_params(epochs=3).fit(X, y)
    assert weights_equal(whole, parts)
    assert whole.history_ == parts.history_


def test_stored_epochs_are_those_that_were_trained(force, images, tmp_path):
    """Views of the variables are stored: the next epoch must not change them."""
    force()
    X, y = images
    stored = fit({"epochs": 4, "memory": tmp_path}, X, y)
    resumed = fit({"epochs": 2, "memory": tmp_path}, X, y)
    assert (stored.n_epochs_trained_, resumed.n_epochs_trained_) == (4, 0)
    assert weights_equal(resumed, fit({"epochs": 2}, X, y))
    stopped = fit(
        {"epochs": 9, "learning_rate": 0.5, "early_stopping": True}, X, y, X_val=X, y_val=y
    )
    best = int(np.argmax(stopped.history_["val_accuracy"])) + 1
    assert stopped.n_iter_ == best
    assert weights_equal(stopped, fit({"epochs": best, "learning_rate": 0.5}, X, y))


def test_ctrl_c_between_calls_leaves_full_epochs(force, images, monkeypatch):
    force()
    monkeypatch.setattr(XlaPrograms, "max_steps", 2)
    train, calls = XlaPrograms.train, itertools.count()

    def interrupted(self, rows, order, batch_size, first, last):
        if first < last and next(calls) == 7:  # 3 calls an epoch
            raise KeyboardInterrupt
        return train(self, rows, order, batch_size, first, last)

    clf = FashionCNN(**{**TINY, "epochs": 9})
    with monkeypatch.context() as patch:
        patch.setattr(XlaPrograms, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(*images)
    assert clf.n_iter_ == 2
    assert weights_equal(clf, fit({"epochs": 2}, *images))


def test_callbacks_of_batches_are_called_as_on_a_processor(force):
    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(batch)

    X, y = make_images(400)
    seen = []
    for jit_compile in (False, True):
        force(jit_compile)
        batches = []
        fit({"batch_size": 10, "epochs": 1, "callbacks": [Count()]}, X, y)
        seen.append(batches)
    assert seen[0] == seen[1] == [15, 31, 39]


def test_a_device_that_the_user_chose_is_used(images, monkeypatch):
    """Programs of XLA cannot use variables on another device."""
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["a card"])
    cache.clear()
    kinds, fits = [], []
    for device in (None, "/CPU:0", None, "/CPU:0"):
        with tf.device(device):
            fits.append(fit({}, *images))
        kinds.append(type(network()._programs))
    assert kinds == [XlaPrograms, Programs] * 2
    assert len(cache._idle) == 2
    for one, other in (fits[::2], fits[1::2]):
        assert weights_equal(one, other)
    cache.clear()


@pytest.mark.parametrize("version", [FashionCNN.v1, FashionCNN.v2])
def test_a_call_takes_part_of_a_second_on_a_card(version):
    clf = version()
    architecture = Architecture.for_images(
        (28, 28),
        n_classes=10,
        dtype="float32",
        **{
            name: getattr(clf, name)
            for name in ("filters", "strides", "kernel_size", "dense_units", "dropout")
        },
    )
    programs = Network(architecture, jit_compile=True)._programs
    calls = list(programs.split_training([10**5], 100))
    longest = max(last - first for first, last in calls)
    assert longest * 3e-4 < 0.5  # an H200 takes less for a step of version 2
    assert 3 * architecture.n_multiply_adds * 100 * longest / 1e12 < 0.5
    assert longest > 16


def test_folds_of_nearly_equal_size_share_a_program(force):
    force()
    X, y = make_images(4000)
    for n in (4000, 3990):
        fit({"epochs": 1, "batch_size": 1000}, X[:n], y[:n], X_val=X[:100], y_val=y[:100])
    assert len(cache._idle) == 1
    kinds = [kind for kind, *_ in network()._programs._compiled]
    assert sorted(kinds) == ["score", "train"]


def test_sizes_are_rounded_up_by_a_quarter_at_most():
    for n in range(1, 3000):
        assert n <= round_up(n) <= max(1.25 * n, n)
        assert round_up(round_up(n)) == round_up(n)
    assert len({round_up(n) for n in range(1000, 100_001)}) < 30


def test_no_variable_of_a_program_is_int32(force, images):
    """TensorFlow keeps those on the host, which XLA's programs cannot read."""
    force()
    fit({"dropout": 0.5}, *images)
    for program in network()._programs._compiled.values():
        variables = program._traced.graph.variables
        assert len(variables) > 4
        assert tf.int32 not in {variable.dtype for variable in variables}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("method", ["predict_proba", "transform"])
@pytest.mark.parametrize("dense_units", [3, None])
def test_predictions_are_numpys(force, monkeypatch, dtype, method, dense_units):
    X, y = make_images(130)
    fitted = fit({"filters": (16,), "dense_units": dense_units}, X, y)  # 576 terms, in two parts
    X = X.astype(dtype)
    by_numpy = getattr(fitted, method)(X)
    force()
    monkeypatch.setattr(prediction, "_MULTIPLY_ADDS_WORTH_TENSORFLOW", 0)
    monkeypatch.setattr(Architecture, "batch_size_within", lambda *_: 64)
    prediction._compile_prediction.cache_clear()
    by_xla = getattr(fitted, method)(X)
    prediction._compile_prediction.cache_clear()
    assert by_xla.shape == by_numpy.shape
    assert_allclose(by_xla, by_numpy, atol=1e-5)


def test_training_and_predictions_use_the_operations_for_cards(force, monkeypatch):
    def record(name):
        operation = getattr(xla_operations, name)

        def call(x, *arguments):
            used.append((name, x.shape.as_list()[1:]))
            return operation(x, *arguments)

        monkeypatch.setattr(xla_operations, name, call)

    used = []
    record("multiply")
    record("_convolve")
    force()
    X, y = make_images()
    clf = fit({"filters": (16,)}, X, y)
    assert [use for use in used if use[0] == "multiply"] == [("multiply", [576]), ("multiply", [3])]
    assert ("_convolve", [8, 8, 1]) in used
    used.clear()
    monkeypatch.setattr(prediction, "_MULTIPLY_ADDS_WORTH_TENSORFLOW", 0)
    prediction._compile_prediction.cache_clear()
    clf.predict(X)
    prediction._compile_prediction.cache_clear()
    assert used == [("multiply", [576]), ("multiply", [3])]


@pytest.mark.parametrize("seed", [7, 2**33 + 5, 2**62 + 1])
def test_masks_have_the_bits_of_tensorflows_generator(seed):
    seeds = tf.constant([seed, 3], tf.int64)
    theirs = tf.random.stateless_uniform([1001], seeds, None, None, tf.int32, "philox")
    draw = tf.function(lambda seeds: _draw_words(1001, seeds), jit_compile=True)
    for ours in (_draw_words(1001, seeds), draw(seeds)):
        assert_array_equal(ours, theirs)


def read_flags():
    from tensorflow.python.framework import config

    return config.is_op_determinism_enabled(), config.tensor_float_32_execution_enabled()


def test_flags_are_set_only_while_xla_compiles(force, images, monkeypatch):
    def record(self, *arguments):
        seen.append((self._is_compiled, *read_flags()))
        return call(self, *arguments)

    seen, call = [], Program.__call__
    monkeypatch.setattr(Program, "__call__", record)
    force()
    fit({}, *images, X_val=images[0], y_val=images[1])
    compiled_training, compiled_scores = (False, True, True), (False, True, False)
    assert seen[:2] == [compiled_training, compiled_scores]
    assert set(seen[2:]) == {(True, False, True)}
    assert read_flags() == (False, True)


@pytest.mark.parametrize("flags", [(a, b) for a in (False, True) for b in (False, True)])
def test_flags_are_then_the_users_again(flags):
    from tensorflow.python.framework import config

    def interrupted():
        with xla._set_flags(tensor_float_32=False):
            assert read_flags() == (True, False)
            raise KeyboardInterrupt

    try:
        config.enable_op_determinism() if flags[0] else config.disable_op_determinism()
        config.enable_tensor_float_32_execution(flags[1])
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert read_flags() == flags
    finally:
        config.disable_op_determinism()
        config.enable_tensor_float_32_execution(True)


@pytest.mark.parametrize("tensor_float_32", [False, True])
def test_xla_is_asked_for_full_precision_of_predictions(tensor_float_32, monkeypatch):
    monkeypatch.setattr(xla, "DETERMINISTIC", False)  # which is refused here
    x = tf.ones([4, 4])
    multiply = tf.function(lambda x: x @ x, jit_compile=True)
    with xla._set_flags(tensor_float_32=tensor_float_32):
        program = multiply.experimental_get_compiler_ir(x)(stage="hlo")
    assert ("operand_precision={highest,highest}" in program) is not tensor_float_32


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nLimit: 8"),
        tf.errors.InternalError(None, None, "Dst tensor is not initialized."),
        tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
    ],
)
@pytest.mark.parametrize("n_cards", [0, 1])
def test_too_little_memory_is_an_error_with_a_remedy(images, fitted, monkeypatch, error, n_cards):
    def fail(*arguments, **keywords):
        raise error

    X, y = images
    cards = [tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")] * n_cards
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: cards)
    monkeypatch.setattr(Programs, "load_rows", fail)
    monkeypatch.setattr(prediction, "_compile_prediction", fail)
    monkeypatch.setattr(prediction, "_MULTIPLY_ADDS_WORTH_TENSORFLOW", 0)
    before = fitted.weights_
    for work in (lambda: fitted.fit(X, y), lambda: fitted.predict(X)):
        with pytest.raises(MemoryError, match="batch_size") as caught:
            work()
        message = str(caught.value)
        assert error.message.partition("\n")[0] in message
        assert "Limit" not in message
        assert ("set_memory_growth" in message) is ("n_jobs=1" in message) is (n_cards == 1)
        assert pickle.loads(pickle.dumps(caught.value)).args == (message,)
    assert fitted.weights_ is before


def test_other_errors_of_tensorflow_stay_as_they_are():
    error = tf.errors.InternalError(None, None, "something else")
    with pytest.raises(tf.errors.InternalError), _tensorflow.explaining_memory_errors():
        raise error
