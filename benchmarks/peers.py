"""The networks of the original in the words of each library, at its best documented settings.

Every function here returns what is timed: a function without arguments. It runs in a process of
its own, imports its library there, and has nothing left to prepare but what is to be measured.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

VERSIONS = {
    "v1": {"filters": (8, 24, 48), "strides": 1, "dropout": 0.0},
    "v2": {"filters": (16, 48, 96), "strides": 2, "dropout": 0.5},
}
STRUCTURE = ("filters", "kernel_size", "strides", "dropout", "dense_units", "dtype")
BATCH_SIZE = 100
GEMM_SIDE = 2000


def full_images(n=None):
    """Training images as bytes, and their labels."""
    from skfashion.datasets import fetch_fashion_mnist

    X, y = fetch_fashion_mnist(subset="train", return_X_y=True)
    return X[:n], y[:n]


def scaled(X):
    """What the other libraries are given: floats in 0..1, with a channel."""
    return X.reshape(-1, 28, 28, 1).astype(np.float32) / 255


def unanswered(work, *arguments, **keywords):
    """The work without its answer: with a History the driver would start TensorFlow to read it."""

    def run():
        work(*arguments, **keywords)

    return run


# skfashion


def fashion_cnn(version, **parameters):
    from skfashion import FashionCNN

    return getattr(FashionCNN, version)(**parameters)


def skfashion_fit(version, n):
    X, y = full_images(n)
    return unanswered(lambda: fashion_cnn(version, epochs=1).fit(X, y))


def skfashion_predict(version, n):
    clf = fashion_cnn(version, epochs=1).fit(*full_images(1000))
    X, _ = full_images(n)
    return unanswered(clf.predict_proba, X)


# Keras


def keras_network(filters, strides, dropout, steps_per_execution=1):
    """Compiled; `jit_compile` makes these convolutions many times slower on a CPU."""
    import keras

    layers = [keras.Input((28, 28, 1))]
    for n_filters in filters:
        layers.append(keras.layers.Conv2D(n_filters, 3, strides=strides, activation="relu"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
    layers += [
        keras.layers.Flatten(),
        keras.layers.Dense(100, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
        jit_compile=False,
    )
    return model


def keras_fit(version, n, steps_per_execution):
    X, y = full_images(n)
    X = scaled(X)
    model = keras_network(**VERSIONS[version], steps_per_execution=steps_per_execution)
    return unanswered(model.fit, X, y, batch_size=BATCH_SIZE, verbose=0)


def keras_wrapper_network(X, y, **parameters):
    """The wrapper takes rows of pixels, and gives one-hot labels."""
    import keras

    layers = [keras.Input((784,)), keras.layers.Reshape((28, 28, 1))]
    model = keras.Sequential([*layers, *keras_network(**parameters).layers])
    model.compile(optimizer="adam", loss="categorical_crossentropy", jit_compile=False)
    return model


# SciKeras


def keras_classifier(version, **parameters):
    """An int `random_state` would turn determinism on, which slows it down: there is none."""
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        model=keras_network,
        **VERSIONS[version],
        batch_size=BATCH_SIZE,
        predict__batch_size=1000,
        verbose=0,
        **parameters,
    )


def keras_classifier_fit(version, n, steps_per_execution):
    X, y = full_images(n)
    X = scaled(X)
    clf = {"epochs": 1, "steps_per_execution": steps_per_execution}
    return unanswered(lambda: keras_classifier(version, **clf).fit(X, y))


def keras_classifier_predict(version, n):
    X, y = full_images(1000)
    clf = keras_classifier(version, epochs=1).fit(scaled(X), y)
    X = scaled(full_images(n)[0])
    return unanswered(clf.predict_proba, X)


# skorch


def torch_network(filters, strides, dropout):
    from torch import nn

    layers, channels, side = [], 1, 28
    for n_filters in filters:
        layers += [nn.Conv2d(channels, n_filters, 3, stride=strides), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        channels, side = n_filters, (side - 3) // strides + 1
    layers += [nn.Flatten(), nn.Linear(channels * side**2, 100), nn.ReLU(), nn.Linear(100, 10)]
    return nn.Sequential(*layers)


def skorch_classifier(version, **parameters):
    import torch
    from skorch import NeuralNetClassifier

    return NeuralNetClassifier(
        torch_network,
        **{f"module__{name}": value for name, value in VERSIONS[version].items()},
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=BATCH_SIZE,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **parameters,
    )


def skorch_fit(version, n):
    X, y = full_images(n)
    X = scaled(X).reshape(-1, 1, 28, 28)
    net = skorch_classifier(version, max_epochs=1).initialize()
    y = y.astype(np.int64)
    return unanswered(net.partial_fit, X, y)


# scikit-learn


def mlp_predict(n):
    import warnings

    from sklearn.neural_network import MLPClassifier

    X, y = full_images(1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, nor need it
        clf = MLPClassifier(100, max_iter=2).fit(X / np.float32(255), y)
    X = full_images(n)[0] / np.float32(255)
    return unanswered(clf.predict_proba, X)


# Memory and the checks


def memory_in_use():
    """Bytes of this process, without what malloc keeps of freed arrays: that varies by 40 MB."""
    import ctypes
    import gc

    import psutil

    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return psutil.Process().memory_info().rss


def two_hundred_fits():
    """Growth of memory in bytes, and programs compiled, from the 10th fit to the 200th."""
    from tensorflow.python.eager.context import context

    X, y = full_images(300)
    rng = np.random.default_rng(0)

    def fit(number):
        fashion_cnn(
            "v2",
            strides=1 + number % 2,
            dropout=rng.uniform(0.1, 0.9),
            learning_rate=10 ** rng.uniform(-4, -2),
            epochs=1,
            random_state=number,
        ).fit(X, y)

    def state():
        return memory_in_use(), len(context().list_function_names())

    def run():
        for number in range(10):
            fit(number)
        memory, programs = state()
        for number in range(10, 200):
            fit(number)
        return state()[0] - memory, state()[1] - programs

    return run


def fit_all():
    """Peak memory of the whole process, in bytes."""
    import resource

    X, y = full_images()

    def run():
        fashion_cnn("v2", epochs=1).fit(X, y)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    return run


def estimator_checks():
    """TensorFlow's start included. On one core, but for NumPy's threads: give it one."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from sklearn.utils.estimator_checks import check_estimator

    clf = fashion_cnn("v1", dtype="float64", random_state=0)
    return lambda: len(check_estimator(clf))


# The machine


def gemm():
    """A float32 matrix product of 2 x GEMM_SIDE ** 3 operations."""
    a = np.random.default_rng(0).random((GEMM_SIDE, GEMM_SIDE), dtype=np.float32)
    return lambda: (a @ a)[0, 0]
