"""Classical classifiers to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC


def make_baselines(random_state: int | np.random.RandomState | None = None) -> dict[str, Any]:
    """Make classical classifiers with settings that suit images of clothes.

    dummy
        Predicts the most frequent class: the accuracy without any learning.
    naive Bayes
        On raw pixels. [1]_ standardizes them, which lowers the accuracy on the full data by .015.
    logistic regression, linear SVC
        ``C=0.1`` on pixels in 0..1; [1]_ uses ``C=1`` on standardized ones. ``tol=1e-3`` takes a
        third of the default's time for the same accuracy on the bundled images.
    kNN
        Five neighbours by Manhattan distance, weighted by distance, on raw pixels: the best kNN of
        [1]_.
    RBF SVC
        ``C=10`` on standardized pixels: the best classifier of [1]_.
    random forest
        100 trees, as in [1]_, which uses entropy and a maximum depth of 100.
    histogram gradient boosting
        Half the default iterations at twice the default learning rate, and 64 bins, which take a
        quarter of the time; [1]_ uses 100 trees of depth 10. The L2 regularization is 1, XGBoost's
        default: it lowers the accuracy on the bundled images by .007, but without it some leaves
        get extreme values on the full data (accuracy .814 instead of .889). There is no early
        stopping, which scikit-learn uses by default above 10,000 rows only.
    MLP
        One layer of 100 units, as in [1]_, but on pixels in 0..1 and with early stopping, which
        takes a small part of the time on the full data and is more accurate.

    The figures were measured; the results page of the documentation shows them beside those of the
    paper.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Passed to every estimator that draws random numbers. An int is in [0, 2**32). With None the
        results of every fit differ.

    Returns
    -------
    baselines : dict of str to estimator
        New, unfitted estimators by name. Those that need scaled pixels are Pipelines.

    References
    ----------
    .. [1] Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv 1708.07747, 2017.

    Examples
    --------
    >>> from skfashion import make_baselines
    >>> list(make_baselines())[:3]
    ['dummy', 'naive Bayes', 'logistic regression']
    """
    seed = {"random_state": random_state}
    return {
        "dummy": DummyClassifier(strategy="prior"),
        "naive Bayes": GaussianNB(),
        "logistic regression": make_pipeline(
            MinMaxScaler(), LogisticRegression(C=0.1, tol=1e-3, max_iter=1000)
        ),
        "linear SVC": make_pipeline(MinMaxScaler(), LinearSVC(C=0.1, **seed)),
        "kNN": KNeighborsClassifier(n_neighbors=5, p=1, weights="distance"),
        "RBF SVC": make_pipeline(StandardScaler(), SVC(C=10)),
        "random forest": RandomForestClassifier(n_estimators=100, **seed),
        "histogram gradient boosting": HistGradientBoostingClassifier(
            max_iter=50,
            learning_rate=0.2,
            l2_regularization=1.0,
            max_bins=64,
            early_stopping=False,
            **seed,
        ),
        "MLP": make_pipeline(MinMaxScaler(), MLPClassifier((100,), early_stopping=True, **seed)),
    }
