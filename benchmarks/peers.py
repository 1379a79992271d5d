"""The three networks in the words of each library, at its best documented settings.

Every function here returns what is timed: a function without arguments. It runs in a process of
its own, imports its library there, and has nothing left to prepare but what is to be measured. What
that returns, if anything, is a dictionary of figures.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

VERSIONS = {
    "v1": {"filters": (8, 24, 48), "dense_units": 100},
    "v2": {"filters": (16, 48, 96), "strides": 2, "dropout": 0.5, "dense_units": 100},
    "v3": {"filters": (16, 32, 64, 96), "pool_size": (1, 2, 2, 1), "batch_norm": True},
}
LEARNING_RATES = {"v1": 1e-3, "v2": 1e-3, "v3": 3e-3}
BATCH_SIZE = 100
GEMM_SIDE = 2000
DROPOUTS = [0.0, 0.25, 0.5]

_folders = []


def new_folder():
    """It goes when the process ends."""
    _folders.append(TemporaryDirectory())
    return Path(_folders[-1].name)


def mini():
    from skfashion.datasets import load_fashion_mini

    return load_fashion_mini(return_X_y=True)


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


def operations(version):
    """Of a training step for one image: forwards, and backwards but for the pixels."""
    total, side, channels = 0, 28, 1
    for number, (n_filters, strides, pool_size) in enumerate(_convolutions(**VERSIONS[version])):
        side = (side - 3) // strides + 1
        total += (3 if number else 2) * side**2 * 9 * channels * n_filters
        side, channels = side // pool_size, n_filters
    units = side**2 * channels
    for n_units in (VERSIONS[version].get("dense_units"), 10):
        if n_units:
            total += 3 * units * n_units
            units = n_units
    return 2 * total


def _convolutions(filters, strides=1, pool_size=None, **_):
    """Filters, strides and pooling of each."""
    pools = pool_size or [1] * len(filters)
    return [(n, strides, pool) for n, pool in zip(filters, pools, strict=True)]


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


def memory_fit(memory, n, epochs):
    """A fit that stores all its epochs, or none."""
    X, y = full_images(n)

    def run():
        with TemporaryDirectory() as folder:
            stored = folder if memory else None
            fashion_cnn("v2", epochs=epochs, random_state=0, memory=stored).fit(X, y)

    return run


# Keras


def keras_network(
    filters,
    strides=1,
    pool_size=None,
    dropout=0.0,
    batch_norm=False,
    dense_units=None,
    learning_rate=1e-3,
    steps_per_execution=1,
    jit_compile=False,
):
    """Compiled; `jit_compile` makes these convolutions many times slower on a CPU."""
    import keras

    network = [keras.Input((28, 28, 1))]
    activation = None if batch_norm else "relu"
    for n_filters, stride, pool in _convolutions(filters, strides, pool_size):
        network.append(
            keras.layers.Conv2D(
                n_filters, 3, strides=stride, activation=activation, use_bias=not batch_norm
            )
        )
        if pool > 1:
            network.append(keras.layers.MaxPooling2D(pool))
        if batch_norm:
            network.append(keras.layers.BatchNormalization(scale=False, momentum=0.9))
            network.append(keras.layers.ReLU())
        if dropout:
            network.append(keras.layers.Dropout(dropout))
    network.append(keras.layers.Flatten())
    if dense_units:
        network.append(keras.layers.Dense(dense_units, activation="relu"))
    network.append(keras.layers.Dense(10, activation="softmax"))
    model = keras.Sequential(network)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
        jit_compile=jit_compile,
    )
    return model


def keras_fit(version, n, steps_per_execution):
    X, y = full_images(n)
    X = scaled(X)
    model = keras_network(
        **VERSIONS[version],
        learning_rate=LEARNING_RATES[version],
        steps_per_execution=steps_per_execution,
    )
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
    return unanswered(clf.predict_proba, scaled(full_images(n)[0]))


# skorch


def torch_network(
    filters, strides=1, pool_size=None, dropout=0.0, batch_norm=False, dense_units=None
):
    from torch import nn

    layers, channels, side = [], 1, 28
    for n_filters, stride, pool in _convolutions(filters, strides, pool_size):
        layers.append(nn.Conv2d(channels, n_filters, 3, stride=stride, bias=not batch_norm))
        if pool > 1:
            layers.append(nn.MaxPool2d(pool))
        if batch_norm:
            layers.append(nn.BatchNorm2d(n_filters))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        channels, side = n_filters, ((side - 3) // stride + 1) // pool
    layers.append(nn.Flatten())
    units = channels * side**2
    if dense_units:
        layers += [nn.Linear(units, dense_units), nn.ReLU()]
        units = dense_units
    return nn.Sequential(*layers, nn.Linear(units, 10))


def skorch_classifier(version, **parameters):
    import torch
    from skorch import NeuralNetClassifier

    return NeuralNetClassifier(
        torch_network,
        **{f"module__{name}": value for name, value in VERSIONS[version].items()},
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=LEARNING_RATES[version],
        batch_size=BATCH_SIZE,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **parameters,
    )


def skorch_fit(version, n):
    X, y = full_images(n)
    net = skorch_classifier(version, max_epochs=1).initialize()
    return unanswered(net.partial_fit, scaled(X).reshape(-1, 1, 28, 28), y.astype(np.int64))


# scikit-learn


def mlp_predict(n):
    import warnings

    from sklearn.neural_network import MLPClassifier

    X, y = full_images(1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, nor need it
        clf = MLPClassifier(100, max_iter=2).fit(X / np.float32(255), y)
    return unanswered(clf.predict_proba, full_images(n)[0] / np.float32(255))


# Searches, on the 6,000 images of the package


def n_epochs_trained(estimator, X, y):
    """A scorer that counts."""
    return estimator.n_epochs_trained_


def _grid_search(clf, grid, X, y, folds, **settings):
    import keras  # noqa: F401 - its start is not what is compared
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    # The same folds for both: the wrapper is no classifier to scikit-learn any more.
    cv = list(StratifiedKFold(3).split(X, y))[:folds]
    search = GridSearchCV(clf, grid, cv=cv, refit=False, **settings)
    return lambda: search.fit(X, y)


def grid_search(grid, *, version="v2", folds=3, n_jobs=1, memory=False, again=False, **parameters):
    """Counts the epochs; `again` for the second run, in a directory that is full."""
    # Before anything imports Keras: it gives TensorFlow the threads that the process was told.
    import skfashion._network.tensorflow  # noqa: F401

    X, y = mini()
    clf = fashion_cnn(version, random_state=0, **parameters)
    clf.set_params(memory=new_folder() if memory else None)
    scoring = {"trained": n_epochs_trained, "accuracy": "accuracy"}
    fit = _grid_search(clf, grid, X, y, folds, n_jobs=n_jobs, scoring=scoring)
    if again:
        fit()

    def run():
        results = fit().cv_results_
        trained = sum(results[f"split{fold}_test_trained"].sum() for fold in range(folds))
        return {"epochs trained": int(trained), "scores": results["mean_test_accuracy"].tolist()}

    return run


def keras_grid_search(grid, *, folds=3, **parameters):
    X, y = mini()
    clf = keras_classifier("v2", steps_per_execution=20, **parameters)
    return unanswered(_grid_search(clf, grid, scaled(X), y, folds, scoring="accuracy"))


def halving_search(memory):
    """Twelve candidates over epochs, refitted by nobody."""
    import keras  # noqa: F401
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    counted = []

    def accuracy(clf, X, y):
        """It ranks the candidates, and a search by halving has no other score."""
        counted.append(clf.n_epochs_trained_)
        return clf.score(X, y)

    X, y = mini()
    search = HalvingGridSearchCV(
        fashion_cnn("v2", random_state=0, memory=new_folder() if memory else None),
        {"dropout": [0.2, 0.3, 0.4, 0.5], "learning_rate": [5e-4, 1e-3, 2e-3]},
        resource="epochs",
        factor=3,
        min_resources=2,
        max_resources=18,
        cv=3,
        scoring=accuracy,
        return_train_score=False,
        refit=False,
        random_state=0,
    )

    def run():
        scores = search.fit(X, y).cv_results_["mean_test_score"].tolist()
        return {"epochs trained": sum(counted), "scores": scores}

    return run


def league():
    """What the demo compares; the figure is what all takes beyond fits and predictions."""
    from skfashion import compare, make_baselines
    from skfashion._cli.parser import EPOCHS

    X, y = mini()
    networks = {
        version: fashion_cnn(version, epochs=epochs, random_state=0)
        for version, epochs in EPOCHS.items()
    }

    def run():
        begin = time.perf_counter()
        comparison = compare(networks | make_baselines(random_state=0), X, y, cv=3)
        wall = time.perf_counter() - begin
        return {"beyond fits and predictions, %": 100 * (1 - measured_seconds(comparison) / wall)}

    return run


def measured_seconds(comparison):
    """Seconds of all fits and predictions. The scores have a row for each metric."""
    fits = comparison.scores.drop_duplicates(["estimator", "fold"])
    return (fits["fit_seconds"] + fits["predict_ms_per_1000"] * fits["n_test"] / 1e6).sum()


# Files


def _saved(version):
    path = new_folder() / "model.skfashion"
    clf = fashion_cnn(version, epochs=1).fit(*full_images(1000))
    clf.save(path)
    return clf, path


def skfashion_save(version):
    clf, path = _saved(version)

    def run():
        clf.save(path)
        return {"size of the file, MB": path.stat().st_size / 1e6}

    return run


def skfashion_load(version):
    clf, path = _saved(version)
    return unanswered(type(clf).load, path)


def keras_load(version):
    import keras

    path = new_folder() / "model.keras"
    keras_network(**VERSIONS[version]).save(path)
    return unanswered(keras.saving.load_model, path)


def fresh_process(code):
    return unanswered(subprocess.run, [sys.executable, "-c", code], check=True, capture_output=True)


def fresh_answer(version):
    return fresh_process(
        "import numpy as np; from skfashion import FashionCNN; "
        f"FashionCNN.load({str(_saved(version)[1])!r}).predict(np.zeros((1, 784), np.uint8))"
    )


# Memory, the checks and the machine


def memory_in_use():
    """Bytes of this process, without what malloc keeps of freed arrays: that varies by 40 MB."""
    import ctypes
    import gc

    import psutil

    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return psutil.Process().memory_info().rss


def peak_memory():
    """Of the whole process, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def two_hundred_fits():
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

    def run():
        for number in range(200):
            fit(number)
            if number == 9:
                memory, programs = memory_in_use(), len(context().list_function_names())
        return {
            "growth of memory, MB": (memory_in_use() - memory) / 1e6,
            "programs compiled": len(context().list_function_names()) - programs,
        }

    return run


def fit_all():
    X, y = full_images()

    def run():
        fashion_cnn("v2", epochs=1).fit(X, y)
        return {"peak of memory, GB": peak_memory() / 1e9}

    return run


def estimator_checks():
    """TensorFlow's start included. On one core, but for NumPy's threads: give it one."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from sklearn.utils.estimator_checks import check_estimator

    clf = fashion_cnn("v1", dtype="float64", random_state=0)
    return lambda: {"checks": len(check_estimator(clf))}


def gemm():
    """A float32 matrix product of 2 x GEMM_SIDE ** 3 operations."""
    a = np.random.default_rng(0).random((GEMM_SIDE, GEMM_SIDE), dtype=np.float32)
    return unanswered(lambda: a @ a)
