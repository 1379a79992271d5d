"""Searches in the words of each library, on the 6,000 images of the package.

As in `peers`, every function returns what is timed, and has prepared all else.
"""

from tempfile import TemporaryDirectory

from peers import fashion_cnn, keras_classifier, scaled

DROPOUTS = [0.0, 0.25, 0.5]

_folders = []


def new_folder():
    """For `memory`: it goes when the process ends."""
    _folders.append(TemporaryDirectory())
    return _folders[-1].name


def mini():
    from skfashion.datasets import load_fashion_mini

    return load_fashion_mini(return_X_y=True)


def n_epochs_trained(estimator, X, y):
    """A scorer that counts."""
    return estimator.n_epochs_trained_


# Beside KerasClassifier


def skfashion_search(grid, folds=3, memory=False, **parameters):
    X, y = mini()
    if memory:
        parameters.update(memory=new_folder(), random_state=0)
    return _search(fashion_cnn("v2", **parameters), grid, X, y, folds)


def keras_classifier_search(grid, folds=3, **parameters):
    X, y = mini()
    clf = keras_classifier("v2", steps_per_execution=20, **parameters)
    return _search(clf, grid, scaled(X), y, folds)


def _search(clf, grid, X, y, folds):
    import keras  # noqa: F401 - its start is not what is compared
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    # The same folds for both: the wrapper is no classifier to scikit-learn any more.
    cv = list(StratifiedKFold(3).split(X, y))[:folds]
    search = GridSearchCV(clf, grid, cv=cv, scoring="accuracy", refit=False)
    return lambda: search.fit(X, y).cv_results_["mean_test_score"].tolist()


# Jobs


def candidates_search(n_jobs):
    """Eight version 2 by three folds. The workers' start counts."""
    from sklearn.model_selection import GridSearchCV

    X, y = mini()
    grid = {"dropout": [0.2, 0.3, 0.4, 0.5], "learning_rate": [5e-4, 1e-3]}
    clf = fashion_cnn("v2", epochs=10, random_state=0)
    search = GridSearchCV(clf, grid, cv=3, n_jobs=n_jobs, refit=False)
    return lambda: search.fit(X, y).cv_results_["mean_test_score"].tolist()


# Epochs


def epochs_search(memory, n_jobs=1, again=False):
    """Over epochs 1 to 10, counted: `again` for the second run, in a directory that is full."""
    import keras  # noqa: F401
    from sklearn.model_selection import GridSearchCV

    X, y = mini()
    clf = fashion_cnn("v2", random_state=0, memory=new_folder() if memory else None)
    search = GridSearchCV(
        clf,
        {"epochs": list(range(1, 11))},
        cv=3,
        scoring={"trained": n_epochs_trained, "accuracy": "accuracy"},
        n_jobs=n_jobs,
        refit=False,
    )
    if again:
        search.fit(X, y)
    return lambda: _count(search.fit(X, y))


def halving_search(memory):
    """Twelve candidates over epochs, refitted by nobody.

    `accuracy` ranks the candidates, and a search by halving scores nothing else: epochs are
    counted as they are trained.
    """
    import keras  # noqa: F401
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    from skfashion import FashionCNN

    counted = []

    class Counted(FashionCNN):
        def fit(self, X, y, **arguments):
            super().fit(X, y, **arguments)
            counted.append(self.n_epochs_trained_)
            return self

    X, y = mini()
    parameters = fashion_cnn("v2", random_state=0).get_params()
    parameters["memory"] = new_folder() if memory else None
    search = HalvingGridSearchCV(
        Counted(**parameters),
        {"dropout": [0.2, 0.3, 0.4, 0.5], "learning_rate": [5e-4, 1e-3, 2e-3]},
        resource="epochs",
        factor=3,
        min_resources=2,
        max_resources=18,
        cv=3,
        refit=False,
        random_state=0,
    )

    def run():
        scores = search.fit(X, y).cv_results_["mean_test_score"].tolist()
        return scores, sum(counted)

    return run


def _count(search):
    results = search.cv_results_
    trained = sum(results[f"split{fold}_test_trained"].sum() for fold in range(search.n_splits_))
    return results["mean_test_accuracy"].tolist(), int(trained)


def memory_fit(memory, n, epochs):
    """A fit that stores all its epochs, or none."""
    from peers import full_images

    X, y = full_images(n)

    def run():
        with TemporaryDirectory() as folder:
            stored = folder if memory else None
            fashion_cnn("v2", epochs=epochs, random_state=0, memory=stored).fit(X, y)

    return run


# Comparisons


def league():
    """What the demo compares; says how long all fits and scores took together."""
    from skfashion import FashionCNN, compare, make_baselines

    X, y = mini()
    networks = {
        "v1": FashionCNN.v1(epochs=5, random_state=0),
        "v2": FashionCNN.v2(random_state=0),
    }

    def work():
        comparison = compare(networks | make_baselines(random_state=0), X, y, cv=3)
        return comparison.scores[["fit_seconds", "predict_seconds"]].sum().sum()

    return work
