"""Which promise holds for which classifier: the README's table, every cell of it tried out.

Version 2 in the words of each library, on 300 of the bundled images; scikit-learn's own network has
a hidden layer of 100. In a few minutes: ``make features``.
"""

import pickle
import random
import subprocess
import sys
import tempfile
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import peers
from contest import absent, heading
from sklearn.base import clone, is_classifier
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import check_estimator

from skfashion.datasets import load_fashion_mini


def skfashion(epochs):
    return peers.fashion_cnn("v2", epochs=epochs, random_state=0)


def scikeras(epochs):
    return peers.keras_classifier("v2", epochs=epochs, random_state=0)


def keras_wrapper(epochs):
    import keras
    from keras.wrappers import SKLearnClassifier

    keras.utils.disable_interactive_logging()  # its predictions draw progress bars
    return SKLearnClassifier(
        peers.keras_wrapper_network,
        model_kwargs=peers.VERSIONS["v2"],
        fit_kwargs={"epochs": epochs, "batch_size": peers.BATCH_SIZE, "verbose": 0},
    )


def skorch(epochs):
    return peers.skorch_classifier("v2", max_epochs=epochs)


def mlp(epochs):
    return MLPClassifier((100,), max_iter=epochs, random_state=0)


# In the layout that each wants.
CONTENDERS = {
    "skfashion": (skfashion, (-1, 784)),
    "SciKeras": (scikeras, (-1, 28, 28, 1)),
    "Keras' wrapper": (keras_wrapper, (-1, 784)),
    "skorch": (skorch, (-1, 1, 28, 28)),
    "MLPClassifier": (mlp, (-1, 784)),
}


# Questions: each takes a function that makes a classifier for a number of epochs, X and y.


def is_a_classifier(make, X, y):
    return is_classifier(make(1))


def keeps_its_settings_when_cloned(make, X, y):
    clf = make(1)
    ours, theirs = clf.get_params(deep=False), clone(clf).get_params(deep=False)
    # Sets have many a repr, objects no other equality than identity.
    return all(
        ours[name] == theirs[name] or repr(ours[name]) == repr(theirs[name]) for name in ours
    )


def dropout_and_epochs_are_parameters(make, X, y):
    names = {name.rpartition("__")[2] for name in make(1).get_params()}
    return bool(names & {"epochs", "max_epochs", "max_iter"}) and "dropout" in names


def tells_probabilities(make, X, y):
    clf = make(1).fit(X, y)
    return hasattr(clf, "predict_proba") and clf.predict_proba(X[:1]).shape == (1, 10)


def equal_seed_equal_predictions(make, X, y):
    """By its own parameter, whatever was drawn before."""
    found = []
    for _ in range(2):
        clf = make(2).fit(X, y)
        found.append(getattr(clf, "predict_proba", clf.predict)(X[:50]))
    return np.array_equal(*found)


def leaves_global_randomness_alone(make, X, y):
    import keras
    import tensorflow as tf

    torch = None if absent("torch") else import_module("torch")

    def seed():
        keras.utils.set_random_seed(1)  # Python's and NumPy's too
        if torch:
            torch.manual_seed(1)

    def draw():
        python = random.random(), np.random.random()  # noqa: NPY002 - the global one is meant
        return *python, torch and float(torch.rand(1)), float(tf.random.uniform([1])[0])

    seed()
    expected = draw()
    seed()
    make(1).fit(X, y)
    return draw() == expected


def longer_training_goes_on(make, X, y):
    """What a search over epochs asks for: four epochs, after two were trained."""
    with tempfile.TemporaryDirectory() as folder:
        for epochs in (2, 4):
            clf = make(epochs)
            if "memory" in clf.get_params():
                clf.set_params(memory=folder)
            clf.fit(X, y)
    return getattr(clf, "n_epochs_trained_", 4) == 2


def predicts_without_its_framework(make, X, y):
    """Unpickled in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clf.pickle"
        try:
            path.write_bytes(pickle.dumps((make(1).fit(X, y), X[:5])))
        except Exception:
            return False
        code = (
            "import pickle, sys; clf, X = pickle.load(open(sys.argv[1], 'rb')); clf.predict(X); "
            "sys.exit(bool({'tensorflow', 'torch'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code, path], cwd=Path(__file__).parent)
    return done.returncode == 0


def memory_kept_by_a_fit(make, X, y):
    """Mean growth over twenty fits, after five; negative growth is none."""
    for number in range(25):
        make(1).fit(X, y)
        if number == 4:
            before = peers.memory_in_use()
    return f"{max(0, peers.memory_in_use() - before) / 20e6:.1f} MB"


def estimator_checks_failed(make, X, y):
    """scikit-learn's, of a network of dense layers where that of images takes no tables."""
    clf = CHECKED[make]()
    if clf is None:
        return "not run"
    results = check_estimator(clf, on_fail=None, on_skip=None)
    status = [result["status"] for result in results]
    return f"{status.count('failed')} of {len(status) - status.count('skipped')}"


def dense_network(n_features, n_classes, loss):
    import keras

    model = keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(20, activation="relu"),
            keras.layers.Dense(n_classes, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss=loss)
    return model


def dense_for_scikeras(meta):
    return dense_network(
        meta["n_features_in_"], meta["n_classes_"], "sparse_categorical_crossentropy"
    )


def dense_for_wrapper(X, y):
    return dense_network(X.shape[1], y.shape[1], "categorical_crossentropy")


def scikeras_checked():
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(dense_for_scikeras, epochs=50, verbose=0, random_state=0)


def wrapper_checked():
    from keras.wrappers import SKLearnClassifier

    return SKLearnClassifier(dense_for_wrapper, fit_kwargs={"epochs": 50, "verbose": 0})


CHECKED = {
    skfashion: lambda: peers.fashion_cnn("v1", dtype="float64", random_state=0),
    scikeras: scikeras_checked,
    keras_wrapper: wrapper_checked,
    mlp: MLPClassifier,
    skorch: lambda: None,  # its networks take float32 and a number of features
}

QUESTIONS = {
    "scikit-learn takes it for a classifier": is_a_classifier,
    "`clone` keeps all settings": keeps_its_settings_when_cloned,
    "dropout and epochs are parameters": dropout_and_epochs_are_parameters,
    "probabilities, of one image too": tells_probabilities,
    "its own seed decides every bit": equal_seed_equal_predictions,
    "global random states stay as they were": leaves_global_randomness_alone,
    "a search over epochs trains none twice": longer_training_goes_on,
    "unpickled, predicts without its framework": predicts_without_its_framework,
    "memory kept by every fit": memory_kept_by_a_fit,
    "scikit-learn's estimator checks that fail": estimator_checks_failed,
}


def main():
    print(heading("torch", "skorch"))
    contenders = dict(CONTENDERS)
    if absent("skorch", "torch"):
        del contenders["skorch"]
    X, y = load_fashion_mini(return_X_y=True)
    X, y = peers.scaled(X[:300]), y[:300].astype(np.int64)
    print("| |", " | ".join(contenders), "|")
    print("|---" * (1 + len(contenders)) + "|")
    for question, answer in QUESTIONS.items():
        found = [answer(make, X.reshape(shape), y) for make, shape in contenders.values()]
        cells = [{True: "yes", False: "no"}.get(cell, cell) for cell in found]
        print("|", question, "|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
