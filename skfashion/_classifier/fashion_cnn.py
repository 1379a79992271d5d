"""FashionCNN: scikit-learn's contract round the networks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from skfashion._classifier import images as _images
from skfashion._classifier import rows as _rows
from skfashion._classifier.fitted import FittedCNN
from skfashion._network.architecture import Architecture, TrainingState
from skfashion._network.forks import check_not_forked
from skfashion._training.callbacks import CallbackSupportMixin, Reporter, Tasks, with_callbacks
from skfashion._training.path import EpochPath, Trained
from skfashion._utils import cache_directory as _memory
from skfashion._utils import environment as _machine
from skfashion._utils.types import AnyArray, FloatName, ImageShape, StrPath, keeps_types


class FashionCNN(CallbackSupportMixin, FittedCNN):
    """Convolutional network for small grey images, a scikit-learn classifier.

    For each entry of `filters` a ``Conv2D(f, kernel_size, strides, "valid", relu)``, followed by
    ``Dropout(dropout)`` where `dropout` is above 0; then Flatten, ``Dense(dense_units, relu)``
    and ``Dense(n_classes, softmax)``. Adam minimises the categorical cross-entropy. The defaults
    are version 1 of the original [1]_; see `v1` and `v2`.

    Parameters
    ----------
    filters : sequence of int, default=(8, 24, 48)
        Number of filters of each convolution, at least 1; at least one convolution.
    kernel_size : int, default=3
        Rows and columns of every filter, at least 1.
    strides : int, default=1
        Step of every convolution in pixels, at least 1. 2 leaves a quarter of the outputs.
    dropout : float, default=0.0
        Share of the outputs of every convolution that is set to zero in training, in [0, 1).
    dense_units : int, default=100
        Units of the hidden dense layer, at least 1.
    epochs : int, default=20
        Passes over the training rows, at least 1. With `early_stopping` there may be fewer.
    batch_size : int, default=100
        Rows for each step of Adam, at least 1. The last batch of an epoch holds the rest.
    learning_rate : float, default=1e-3
        Step size of Adam, above 0.
    validation_fraction : float, default=0.0
        Share of the training rows, in [0, 1), set aside for validation: stratified, drawn by
        `random_state`. Not used where `fit` is given `X_val` and `y_val`.
    early_stopping : bool, default=False
        Stop when the validation accuracy has not risen by `tol` for `n_iter_no_change` epochs,
        and keep the weights of the best epoch. Needs validation rows.
    n_iter_no_change : int, default=5
        Epochs without a rise that end an early-stopping training, at least 1.
    tol : float, default=1e-4
        What counts as a rise of the validation accuracy, at least 0.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class label, at least 0 and finite, multiplied into the sample weights of
        the training rows. A class that the dict leaves out has weight 1, as all have with None.
        "balanced": ``n / (n_classes * n_of_class)``.
    image_shape : tuple of two int or None, default=None
        Rows and columns of an image, at least 1. They must match the number of features exactly.
        None takes them from 3- and 4-dimensional X, and for rows of features the smallest square
        that holds them. What is too small for the network is padded with zeros.
    dtype : {"float32", "float64"}, default="float32"
        Of weights, arithmetic and probabilities.
    memory : str, path-like or None, default=None
        A directory where the weights after every epoch are stored, so that `fit` with equal data,
        parameters and seed trains no stored epoch again, whatever its `epochs`: it takes what is
        stored and goes on from there. Results are equal to those without, bit for bit. Needs an
        integer `random_state`. `partial_fit` and `warm_start` do not use it. None stores nothing.
    warm_start : bool, default=False
        Whether `fit` goes on from the state it finds, by `epochs` more epochs.
    verbose : int, default=0
        At least 0. 1 and more print a line for each epoch: loss, accuracy, those of the
        validation rows, time left. 0 is silent.
    random_state : int, RandomState instance or None, default=None
        Of the first weights, the order of the rows, dropout and the validation rows. Equal data,
        parameters and an int, in [0, 2**32), give equal weights, bit for bit, on one machine at
        equal versions of the libraries and an equal number of TensorFlow's threads. None draws
        anew for every `fit`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Pixels of an image, in whatever layout it came.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X was a DataFrame with string column names.
    image_shape_ : tuple of two int
        Rows and columns of an image, before any padding for the network.
    pixel_max_ : float
        What pixels are divided by: the largest value among the training rows of positive weight
        (1 if all are zero). 1 for data with negative values, which a scaler made.
    weights_ : list of ndarray
        In the order and shapes of ``keras.Model.get_weights()``.
    history_ : dict of str to list of float
        For each epoch `loss` and `accuracy`, means over the training rows during the epoch,
        weighted by their weights and with dropout at work; `val_loss` and `val_accuracy` after it
        where there are validation rows (weighted by `sample_weight`, not by `class_weight`).
    n_iter_ : int
        Epochs in `weights_`.
    n_epochs_trained_ : int
        Epochs that the last `fit` or `partial_fit` ran; fewer than `epochs` where `memory` had
        some.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : A network without convolutions.

    Notes
    -----
    Training runs on TensorFlow through SciKeras; prediction needs neither, and a fitted
    estimator holds arrays and plain values only.

    Pixels are divided by `pixel_max_`, so integers in 0..255 and floats in 0..1 train the same
    network. Prediction warns when the images are on another scale: when the largest magnitude in
    the typical (median) image is above 4 `pixel_max_`, or the largest of all, unless 0, below
    `pixel_max_` / 64. For data with negative values the typical image of the training takes the
    place of `pixel_max_`.

    Where this process has started TensorFlow, by `fit`, `partial_fit` or `to_keras`, work of more
    than 500 million multiply-adds (60 images of version 1, 1,000 of version 2) is predicted by it,
    else by NumPy. NumPy's outputs are the same bits alone and in any batch; TensorFlow's
    probabilities differ by less than 1e-5.

    In a worker of joblib, loky or Dask TensorFlow takes the threads that the worker was given
    (``OMP_NUM_THREADS``), unless it was started before. Sums of another number of threads are
    rounded in another order: then weights differ in their last bits, which training amplifies,
    and scores by up to .006 (seen in runs of the two versions). For the bits of a parallel run
    start the serial one with ``OMP_NUM_THREADS`` set to the threads of one worker.

    Memory does not grow with the number of fits of equal structure. oneDNN keeps some 0.5 MB for
    every new number of rows in a batch, of the 1,024 used last.

    With `memory` the weights of every epoch are kept, 4 bytes for each parameter in float32 (an
    epoch of version 1 takes 9.4 MB, one of version 2 0.36 MB), and twice as much for the
    optimizer's state after the newest epoch. A network taken from the middle of a stored training
    has no such state: `partial_fit` and `warm_start`, which would go on from it, raise a
    ValueError. Fits that run at the same time may train the same epochs, until one sees that the
    other is ahead. A damaged file is reported and removed, and its epochs are trained again. Only
    what this machine would train is found again: a training is known by its data, its seed, all
    parameters that shape it, the versions of the libraries, what the processor can, the settings
    of oneDNN, and the number of threads.

    Ctrl-C is passed on as a KeyboardInterrupt within about a second, and leaves the estimator
    fitted at its last full epoch (with `early_stopping` at the best of them), or as it was before
    if there is none; epochs taken from `memory` count. Any other failure leaves it as it was
    before, but for that of a callback after the last epoch.

    On scikit-learn 1.9 and later ``set_callbacks`` takes the callbacks of ``sklearn.callback``;
    each epoch of a `fit` is a task, named "epoch". They are given X, y and `sample_weight` as
    they were given to `fit`, and an estimator as after that epoch. Epochs taken from `memory` are
    told as well. A callback whose ``on_fit_task_end`` returns True ends the fit after that epoch.

    A loss is the mean over a batch weighted by the sample weights; rows of zero weight are dropped
    first. Weights of rows equal their repetition where a batch holds all rows and there is no
    dropout, to the precision of `dtype`.

    scikit-learn's estimator checks all pass with ``dtype="float64"`` and without dropout. With
    "float32" all do but the equivalence of weights and repetition, whose tolerance of 1e-7 that
    precision cannot meet; with dropout that one cannot hold either.

    References
    ----------
    .. [1] "Deep Learning - Convolutional Neural Network Classifier for Fashion MNIST Images",
       the README that this project grew out of.

    Examples
    --------
    >>> from skfashion import FashionCNN
    >>> from skfashion.datasets import load_fashion_mini
    >>> X, y = load_fashion_mini(return_X_y=True)
    >>> clf = FashionCNN.v2(epochs=3, random_state=0).fit(X[:1000], y[:1000])
    >>> clf.predict(X[1000:1001]).shape
    (1,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "filters": [tuple, list, np.ndarray],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "strides": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "dense_units": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "image_shape": ["array-like", None],
        "dtype": [StrOptions({"float32", "float64"})],
        "memory": [str, PathLike, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        filters: Sequence[int] | AnyArray = (8, 24, 48),
        kernel_size: int = 3,
        strides: int = 1,
        dropout: float = 0.0,
        dense_units: int = 100,
        epochs: int = 20,
        batch_size: int = 100,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.0,
        early_stopping: bool = False,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        image_shape: ImageShape | None = None,
        dtype: FloatName = "float32",
        memory: StrPath | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.dropout = dropout
        self.dense_units = dense_units
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.class_weight = class_weight
        self.image_shape = image_shape
        self.dtype = dtype
        self.memory = memory
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def v1(cls, **overrides: Any) -> Self:
        """The original's version 1, exactly the defaults: 2,336,558 parameters on 28x28 pixels.

        Parameters
        ----------
        **overrides
            Parameters that differ.

        Returns
        -------
        FashionCNN
            Not fitted yet.

        Raises
        ------
        TypeError
            If there is no such parameter.
        """
        return cls(**overrides)

    @classmethod
    def v2(cls, **overrides: Any) -> Self:
        """The original's version 2: strides, dropout, twice the filters; 88,198 parameters.

        Parameters
        ----------
        **overrides
            Parameters that differ.

        Returns
        -------
        FashionCNN
            Not fitted yet.

        Raises
        ------
        TypeError
            If there is no such parameter.
        """
        return cls(**{"filters": (16, 48, 96), "strides": 2, "dropout": 0.5, **overrides})

    @keeps_types(with_callbacks)
    @keeps_types(_fit_context(prefer_skip_nested_validation=True))
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, of any numeric dtype, or a DataFrame with a pixel in each column. At least two.
        y : array-like of shape (n,)
            Labels, of at least two classes.
        sample_weight : array-like of shape (n,) or None, default=None
            Weights of the rows, at least 0. None weighs all equally.
        X_val, y_val : array-like or None, default=None
            Validation rows, in any layout of `X`. Mind that a search cuts routed validation rows
            to its fold if they are as many as the rows of `X`. None takes what
            `validation_fraction` says.

        Returns
        -------
        self : FashionCNN
            Fitted.

        Raises
        ------
        ValueError
            If parameters or data cannot be trained on, or the training diverges.
        TypeError
            If X is sparse.
        RuntimeError
            If Keras runs on another backend than TensorFlow, or in a process forked from one where
            TensorFlow runs.
        """
        if self._stores():
            self._check_seed()
        # Outside of what a failure undoes: callbacks are torn down then, too.
        tasks = Tasks(self, X, y, sample_weight, _fitted_attributes)
        with self._all_or_nothing() as undo:
            going_on = self.warm_start and hasattr(self, "weights_")
            X, y, weights = self._check_rows(X, y, sample_weight, reset=not going_on, minimum=2)
            if not going_on:
                self._begin(np.unique(y))
            rows = _rows.Rows(X, _rows.encode(y, self.classes_, "y"), weights)
            rows = _rows.drop_weightless(rows)
            rows, validation = self._set_validation_aside(rows, X_val, y_val)
            rows = _rows.weigh_classes(rows, self.class_weight, self.classes_)
            _rows.require_two_classes(rows)
            self._train(rows, validation, self.epochs, undo, tasks=tasks, stores=self._stores())
        tasks.end()
        return self

    @keeps_types(_fit_context(prefer_skip_nested_validation=True))
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on the rows given.

        Ten calls with the same rows are one `fit` with ten epochs. Pixels are divided by the
        `pixel_max_` of the first call.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, as in `fit`.
        y : array-like of shape (n,)
            Labels.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that will ever come, at least two. Needed in the first call, unless `fit`
            came before.
        sample_weight : array-like of shape (n,) or None, default=None
            Weights of the rows, at least 0. None weighs all equally.

        Returns
        -------
        self : FashionCNN
            Fitted.

        Raises
        ------
        ValueError
            If parameters or data cannot be trained on, `classes` is missing or another than
            before, or with `early_stopping`, `validation_fraction` or ``class_weight="balanced"``,
            which need all rows at once.
        TypeError
            If X is sparse.
        RuntimeError
            As `fit`.
        """
        self._validate_params()  # which scikit-learn leaves out once the estimator is fitted
        for name, refused in (
            ("early_stopping", self.early_stopping),
            ("validation_fraction", self.validation_fraction > 0),
            ("class_weight", self.class_weight == "balanced"),
        ):
            if refused:
                raise ValueError(
                    f"partial_fit does not work with {name}={getattr(self, name)!r}, which needs "
                    "all rows at once. Use fit, or set it back to its default."
                )
        with self._all_or_nothing() as undo:
            first = not hasattr(self, "weights_")
            X, y, weights = self._check_rows(X, y, sample_weight, reset=first)
            if _check_partial_fit_first_call(self, classes):
                self._begin(self.classes_)
            rows = _rows.Rows(X, _rows.encode(y, self.classes_, "y"), weights)
            rows = _rows.drop_weightless(rows)
            rows = _rows.weigh_classes(rows, self.class_weight, self.classes_)
            self._train(rows, None, 1, undo)
        return self

    @contextmanager
    def _all_or_nothing(self) -> Iterator[ExitStack]:
        """Whatever fails, the estimator stays as it was before: what is yielded puts it back."""

        def restore(before: dict[str, Any]) -> None:
            self.__dict__.clear()
            self.__dict__.update(before)

        with ExitStack() as undo:
            undo.callback(restore, dict(vars(self)))
            yield undo
            undo.pop_all()

    def _check_rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        reset: bool,
        minimum: int = 1,
    ) -> tuple[AnyArray, AnyArray, AnyArray]:
        """Images as rows of features, labels and weights, checked."""
        _rows.check_labels(y)
        X, layout = _images.flatten(X)
        X, y = validate_data(self, X, y, dtype="numeric", reset=reset, ensure_min_samples=minimum)
        _images.check_numbers(X)
        check_classification_targets(y)
        if reset:
            self.image_shape_ = _images.choose_image_shape(self.image_shape, layout, X.shape[1])
        elif self.image_shape is not None or layout is not None:
            shape = _images.choose_image_shape(self.image_shape, layout, X.shape[1])
            _images.check_layout(self.image_shape_, shape)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return X, y, weights

    def _begin(self, classes: AnyArray) -> None:
        """Forget what was trained before."""
        if len(classes) < 2:
            raise ValueError(
                "FashionCNN needs at least 2 classes, but got "
                + (f"one class only: {classes.tolist()[0]!r}." if len(classes) else "no classes.")
            )
        self.classes_ = classes
        self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self.history_ = {"loss": [], "accuracy": []}
        self.n_iter_ = 0

    def _set_validation_aside(
        self, rows: _rows.Rows, X_val: ArrayLike | None, y_val: ArrayLike | None
    ) -> tuple[_rows.Rows, _rows.Rows | None]:
        """The rows to train on and those to validate by, None where there are none."""
        if X_val is not None or y_val is not None:
            return rows, _rows.given_validation(
                X_val, y_val, check_images=self._check_images, classes=self.classes_
            )
        if self.validation_fraction > 0:
            return _rows.split(rows, self.validation_fraction, self._seed)
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True needs validation rows: give X_val and y_val to fit, or set "
                "validation_fraction above 0."
            )
        return rows, None

    def _train(
        self,
        rows: _rows.Rows,
        validation: _rows.Rows | None,
        epochs: int,
        undo: ExitStack,
        *,
        tasks: Tasks | None = None,
        stores: bool = False,
    ) -> None:
        """Go on from the state at hand, or start.

        Parameters
        ----------
        rows : Rows
        validation : Rows or None
        epochs : int
        undo : ExitStack
            What a failure undoes. An interruption keeps the full epochs.
        tasks : Tasks or None
        stores : bool
            Whether `memory` is used.
        """
        architecture = Architecture.for_images(
            self.image_shape_,
            filters=self.filters,
            kernel_size=self.kernel_size,
            strides=self.strides,
            dropout=self.dropout,
            dense_units=self.dense_units,
            n_classes=len(self.classes_),
            dtype=self.dtype,
        )
        state = self._first_state(architecture, rows)
        # Equal bits either way, but a network takes both in one dtype.
        keep_bytes = validation is None or validation.X.dtype == rows.X.dtype
        given = {"X": rows} if validation is None else {"X": rows, "X_val": validation}
        images = {}
        for name, part in given.items():
            images[name] = self._to_network(part, architecture, keep_bytes, name)
            _images.warn_if_scale_differs(part.X, self._typical_max, name=name)

        self._architecture, self._dropout = asdict(architecture), float(self.dropout)
        shaping: dict[str, Any] = {
            "batch_size": int(min(self.batch_size, len(rows.codes))),
            "learning_rate": float(self.learning_rate),
            "dropout": self._dropout,
            "pixel_max": self.pixel_max_,
            "seed": self._seed,
        }
        self._stored_run = self._name_run(images, shaping) if stores else None
        path = EpochPath(
            state,
            {name: values[: self.n_iter_] for name, values in self.history_.items()},
            epochs=epochs,
            patience=self.n_iter_no_change if self.early_stopping else None,
            tol=self.tol,
            run=self._open_run(architecture) if stores else None,
            reporter=Reporter(self.verbose, tasks),
        )
        try:
            path.jump()
            if not path.ended:
                check_not_forked()
                from skfashion._training.loop import train

                train(architecture, path, images["X"], images.get("X_val"), **shaping)
        except KeyboardInterrupt:
            if path.moved:
                self.__dict__.update(_fitted_attributes(path.outcome()))
                undo.pop_all()
            raise
        self.__dict__.update(_fitted_attributes(path.outcome()))

    def _first_state(self, architecture: Architecture, rows: _rows.Rows) -> TrainingState:
        """What the training goes on from, or starts with: then its rows tell the pixel scale."""
        if self.n_iter_ == 0:
            self._signed = bool(rows.X.min() < 0)
            self.pixel_max_, self._typical_max = _images.measure_scale(rows.X)
            return TrainingState.initial(architecture, [self._seed, 0])
        architecture.check_continues(Architecture(**self._architecture))
        if self._optimizer_state["iterations"] is None:
            raise ValueError(
                "This network cannot be trained further, for it has no optimizer's state: it was "
                "taken from memory, from the middle of a longer training (fit anew with "
                "memory=None), or was saved without include_optimizer=True."
            )
        return TrainingState(self.weights_, **self._optimizer_state)

    def _stores(self) -> bool:
        """Whether `fit` uses `memory`."""
        return self.memory is not None and not self.warm_start

    def _check_seed(self) -> None:
        assert self.memory is not None
        if not isinstance(self.random_state, Integral):
            raise ValueError(
                f"memory={os.fspath(self.memory)!r} needs an integer random_state, by which a "
                f"training is known again, but random_state is {self.random_state!r}."
            )

    def _name_run(self, images: dict[str, _rows.Rows], shaping: dict[str, Any]) -> dict[str, str]:
        """Where the epochs of this training are stored: plain values, which pickle."""
        assert self.memory is not None
        settings = {"architecture": self._architecture, **shaping, **_machine.fingerprint()}
        key = _memory.key(settings, *(array for rows in images.values() for array in rows))
        return {"directory": str(Path(self.memory).expanduser().absolute()), "key": key}

    def _to_network(
        self, rows: _rows.Rows, architecture: Architecture, keep_bytes: bool, name: str
    ) -> _rows.Rows:
        """Rows of pixels as images, weights in the network's dtype."""
        images = _images.to_network(
            rows.X,
            self.image_shape_,
            architecture.image_shape,
            self.pixel_max_,
            architecture.dtype,
            keep_bytes=keep_bytes,
            name=name,
        )
        return _rows.Rows(images, rows.codes, rows.weights.astype(architecture.dtype))


def _fitted_attributes(trained: Trained) -> dict[str, Any]:
    return {
        "weights_": trained.state.weights,
        "_optimizer_state": {
            "momentums": trained.state.momentums,
            "velocities": trained.state.velocities,
            "iterations": trained.state.iterations,
        },
        "history_": trained.history,
        "n_iter_": trained.n_iter,
        "n_epochs_trained_": trained.n_epochs_trained,
    }
