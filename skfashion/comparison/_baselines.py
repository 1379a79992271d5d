"""Classical classifiers to stand beside."""

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
    """Classical classifiers, configured with sense for images of clothes.

    dummy
        The most frequent class: the accuracy that costs nothing.
    naive Bayes
        Raw pixels; [1]_ standardises them, which costs .015 on the full data.
    logistic regression, linear SVC
        ``C=0.1`` on pixels in 0..1; [1]_ has ``C=1`` on standardised ones. ``tol=1e-3`` takes a
        third of the default's time for the same accuracy on the bundled images.
    kNN
        Five neighbours by Manhattan distance, weighted: the best of [1]_, on raw pixels.
    RBF SVC
        ``C=10`` on standardised pixels: the best of all in [1]_.
    random forest
        100 trees, as [1]_, but for its entropy and its greatest depth of 100.
    histogram gradient boosting
        Half the default rounds at twice the default rate, 64 bins: a quarter of the time; [1]_ has
        100 trees of depth 10. An L2 term of 1, XGBoost's default: it costs .007 on the bundled
        images, but without it a few leaves run away on the full data (accuracy .814 instead of
        .889). No early stopping, which scikit-learn turns on above 10,000 rows alone.
    MLP
        One layer of 100, as [1]_, but on pixels in 0..1 and with early stopping, which takes a
        small part of the time on the full data and does better.

    The figures are measured: the page of results has them beside those of the paper.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Handed to every estimator that draws random numbers. An int is in [0, 2**32); None draws
        anew for every fit.

    Returns
    -------
    baselines : dict of str to estimator
        Fresh, unfitted estimators by name; those that need it scale the pixels in a Pipeline.

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
