"""FashionCNN: its parameters and its training. `BaseCNN` has what it can do when fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call

from skfashion._classifier import validation
from skfashion._classifier.base import BaseCNN
from skfashion._network.architecture import Architecture, TrainingState
from skfashion._network.forks import importing_tensorflow
from skfashion._training.callbacks import (
    CallbackSupportMixin,
    Reporter,
    SklearnCallbacks,
    check_keras_callbacks,
    with_callbacks,
)
from skfashion._training.checkpoint_key import compute_checkpoint_key
from skfashion._training.data import FitResult, TrainingData, TrainingSettings
from skfashion._training.early_stopping import EarlyStopping
from skfashion._training.progress import Progress
from skfashion._utils.types import (
    AnyArray,
    FloatName,
    ImageShape,
    StrPath,
    preserve_signature,
    unconverted,
)

if TYPE_CHECKING:
    import keras


class FashionCNN(CallbackSupportMixin, BaseCNN):
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
        and keep weights and optimizer of the best epoch. Needs validation rows. Each `fit` judges
        its own epochs alone, also with `warm_start`.
    n_iter_no_change : int, default=5
        Epochs without a rise that end an early-stopping training, at least 1.
    tol : float, default=1e-4
        What counts as a rise of the validation accuracy, at least 0.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class label, at least 0 and finite, multiplied into the sample weights of
        the training rows. A class that the dict leaves out has weight 1, as all have with None.
        A dict may name classes that the rows lack, as those of a small fold do, if it names all
        that they have; otherwise a label that no row has is an error, as in scikit-learn.
        "balanced": ``n / (n_classes * n_of_class)``.
    image_shape : tuple of two int or None, default=None
        Rows and columns of an image, at least 1. They must match the number of features exactly.
        None takes them from 3- and 4-dimensional X, and for rows of features the smallest square
        that holds them; `fit` warns where 64 or more features are no square. What is too small
        for the network is padded with zeros.
    dtype : {"float32", "float64"}, default="float32"
        Of weights, arithmetic and probabilities.
    memory : str, path-like, joblib.Memory or None, default=None
        A directory where the weights after every epoch are stored, in a folder named
        ``.skfashion-cache``. Then `fit` with equal data, parameters and seed trains no stored
        epoch again, whatever its `epochs`: it reads what is stored and resumes from there. Results
        are equal to those without, bit for bit. Needs an integer `random_state`. `partial_fit` and
        `warm_start` do not use it. Of a `joblib.Memory` the location is taken. None and
        ``joblib.Memory(None)`` store nothing.
    warm_start : bool, default=False
        Whether `fit` resumes from the state it finds, by `epochs` more epochs.
    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks for the training, such as TensorBoard, CSVLogger or TerminateOnNaN. Their
        ``model`` is the network in training, a Keras model that takes scaled pixels; a later fit
        overwrites it, so a callback that keeps it should keep a copy. Callbacks may set its
        weights, its learning rate, the ``rate`` of its dropout layers and ``stop_training``; other
        changes of it are an error. Hooks of batches are called once for up to 16 batches. An epoch
        that a callback stops before its last batch does not count. With `memory`, callbacks may
        change nothing: EarlyStopping, LearningRateScheduler and ReduceLROnPlateau are refused, and
        any other one as soon as it changes something; stored epochs are not reported to them.
        BackupAndRestore and SwapEMAWeights cannot be used at all. After a TerminateOnNaN the last
        epoch with finite weights counts. ``clone`` copies callbacks, as it copies all parameters:
        in a search each fit has its own.
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
        In the order and shapes of ``keras.Model.get_weights()``. They may be TensorFlow's memory,
        and read-only, where they take more than 100 MB.
    history_ : dict of str to list of float
        For each epoch `loss` and `accuracy`, means over the training rows during the epoch,
        weighted by their weights and with dropout at work; `val_loss` and `val_accuracy` after it
        where there are validation rows (weighted by `sample_weight` or
        `sample_weight_val`, not by `class_weight`).
    n_iter_ : int
        The epoch of `history_` after which the weights were `weights_`: the last one, or with
        `early_stopping`, or Keras' ``EarlyStopping(restore_best_weights=True)``, the best one.
    n_epochs_trained_ : int
        Epochs that the last `fit` or `partial_fit` ran; fewer than `epochs` where `memory` had
        some.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : A network without convolutions.

    Notes
    -----
    SciKeras' KerasClassifier builds, compiles and fits a Keras model on TensorFlow. Prediction
    needs neither, and a fitted estimator holds arrays and plain values only, beside your
    `callbacks`.

    Pixels are divided by `pixel_max_`, so integers in 0..255 and floats in 0..1 train the same
    network. Prediction warns when the images are on another scale: when the largest magnitude in
    the typical (median) image is above 4 `pixel_max_`, or the largest of all, unless 0, below
    `pixel_max_` / 64. For data with negative values the typical image of the training takes the
    place of `pixel_max_`.

    Where this process has started TensorFlow, by `fit`, `partial_fit` or `to_keras`, work of more
    than 500 million multiply-adds (60 images of version 1, 1,000 of version 2) is predicted by it,
    else by NumPy. NumPy's outputs are the same bits alone and in any batch; TensorFlow's
    probabilities differ by less than 1e-5. A process that is forked can predict, unless another
    thread multiplied large matrices at that moment, which NumPy's BLAS does not survive: start
    processes by "spawn" or "forkserver", or set ``OPENBLAS_NUM_THREADS=1``.

    In a worker of joblib, loky or Dask TensorFlow takes the threads that the worker was given
    (``OMP_NUM_THREADS``), unless it was started before. Sums of another number of threads are
    rounded in another order: then weights differ in their last bits, which training amplifies,
    and scores by up to .006 (seen in runs of the two versions). For the bits of a parallel run
    start the serial one with ``OMP_NUM_THREADS`` set to the threads of one worker.

    Memory does not grow with the number of fits of equal structure. Of each new structure
    TensorFlow keeps 2 to 3 MB until the process ends, however small it is; oneDNN keeps some 0.5 MB
    for every new number of rows in a batch, of the 1,024 used last. Up to 16 compiled networks wait
    for fits to come, with weights and optimizers of 512 MB at the most. A fit makes one copy of its
    rows, in bytes where X is of bytes and else in `dtype`.

    With `memory` the weights of every epoch are kept, 4 bytes for each parameter in float32 (an
    epoch of version 1 takes 9.4 MB, one of version 2 0.36 MB), and twice as much for the
    optimizer's state after the newest epoch. A network taken from the middle of a stored training
    has no such state: `partial_fit` and `warm_start`, which would go on from it, raise a
    ValueError. Fits that run at the same time may train the same epochs, until one sees that the
    other is ahead. A damaged file is reported and removed, and its epochs are trained again. Only
    what this machine would train is found again. The key of a training holds its data (bytes and
    floats that are equal after scaling are equal), its seed, all parameters that shape it, the
    versions of Keras, NumPy, TensorFlow and skfashion, the processor's instructions, the graphics
    cards, the number of threads, and what TensorFlow was told: by environment variables (its own
    and those of XLA, oneDNN and CUDA), or by ``tf.config`` (determinism, rewriters and XLA of
    ``tf.config.optimizer``, TensorFloat-32, eager functions, hidden devices) and ``tf.device``.
    ``skfashion cache DIR --max-size 10GB`` removes the least recently used trainings.

    Ctrl-C is passed on as a KeyboardInterrupt, and leaves the estimator fitted at its last full
    epoch (with `early_stopping` at the best of them), or as it was before if there is none; epochs
    taken from `memory` count. It waits for the step at hand: about a second for batches of up to
    1,200 images of version 1 or 20,000 of version 2, longer in proportion for larger ones. Any
    other failure leaves the estimator as it was before, but for that of a callback after the last
    epoch.

    On scikit-learn 1.9 and later ``set_callbacks`` takes the callbacks of ``sklearn.callback``;
    each epoch of a `fit` is a task, named "epoch". They are given X, y and `sample_weight` as
    they were given to `fit`, and an estimator as after that epoch. Epochs taken from `memory` are
    told as well. A callback whose ``on_fit_task_end`` returns True ends the fit after that epoch.

    The loss of a batch is the weighted sum over its rows, divided by their number and by the mean
    weight of all training rows, as in Keras: a weight means the same at any `batch_size`. Rows of
    zero weight are dropped first; less than 1e-290 of the largest weight counts as zero, and in
    float32 less than about 1e-38 of the mean adds nothing. Weights of rows equal their repetition
    where a batch holds all rows and there is no dropout, to the precision of `dtype`.

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
        "memory": [str, PathLike, HasMethods("cache"), None],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
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
        memory: StrPath | Any | None = None,
        warm_start: bool = False,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
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
        self.callbacks = callbacks
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

    @unconverted
    @preserve_signature(with_callbacks)
    @preserve_signature(_fit_context(prefer_skip_nested_validation=True))
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
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
        sample_weight_val : array-like of shape (n_val,) or None, default=None
            Weights of the validation rows, at least 0. None weighs all equally.

        Returns
        -------
        self : FashionCNN
            Fitted.

        Raises
        ------
        ValueError
            If parameters or data cannot be trained on, the training diverges, or a callback
            changes what it may not, or stops the training within the first epoch.
        TypeError
            If X is sparse, or `callbacks` holds something else than Keras callbacks.
        RuntimeError
            If Keras runs on another backend than TensorFlow, or in a process forked from one where
            TensorFlow runs.
        """
        directory = validation.check_memory(self)
        check_keras_callbacks(self.callbacks, with_memory=directory is not None)
        # Outside of what a failure undoes, for scikit-learn tears its callbacks down afterwards.
        reports = SklearnCallbacks(self, X, y, sample_weight, _fitted_attributes)
        with self._unchanged_on_failure() as failure:
            resumes = self.warm_start and hasattr(self, "weights_")
            rows = validation.check_rows(
                self,
                X,
                y,
                sample_weight,
                classes=self.classes_ if resumes else None,
                reset=not resumes,
                min_samples=2,
            )
            if not resumes:
                self._start_training()
            architecture = self._make_architecture()
            data = validation.prepare_data(
                self, architecture, rows, X_val, y_val, sample_weight_val, min_classes=2
            )
            self._train(
                architecture,
                data,
                epochs=int(self.epochs),
                failure=failure,
                reports=reports,
                directory=directory,
            )
        reports.end()
        return self

    @unconverted
    @preserve_signature(_fit_context(prefer_skip_nested_validation=True))
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
        check_keras_callbacks(self.callbacks, with_memory=False)
        with self._unchanged_on_failure() as failure:
            first = _check_partial_fit_first_call(self, classes)
            rows = validation.check_rows(
                self, X, y, sample_weight, classes=self.classes_, reset=first
            )
            if first:
                self._start_training()
            architecture = self._make_architecture()
            data = validation.prepare_data(self, architecture, rows)
            self._train(architecture, data, epochs=1, failure=failure)
        return self

    def _start_training(self) -> None:
        """Start from epoch 0, with a new seed."""
        self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self.history_ = {"loss": [], "accuracy": []}
        self.n_iter_ = 0

    def _make_architecture(self) -> Architecture:
        """Make the architecture that the parameters describe, for the images at hand.

        Raises
        ------
        ValueError
            If there is no such network, or an earlier training cannot continue with it.
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
        if self.n_iter_ > 0:
            architecture.check_continues(Architecture(**self._architecture))
            if self._optimizer_state["iterations"] is None:
                raise ValueError(
                    "This network cannot be trained further, for it has no optimizer's state: it "
                    "was taken from memory, from the middle of a longer training (fit anew with "
                    "memory=None), or was saved without include_optimizer=True."
                )
        return architecture

    def _train(
        self,
        architecture: Architecture,
        data: TrainingData,
        *,
        epochs: int,
        failure: ExitStack,
        reports: SklearnCallbacks | None = None,
        directory: Path | None = None,
    ) -> None:
        """Train for some epochs from the current state, and set the fitted attributes.

        An interruption keeps the complete epochs: `failure` undoes nothing then.
        """
        settings = TrainingSettings(
            batch_size=int(min(self.batch_size, len(data.labels))),
            learning_rate=float(self.learning_rate),
            dropout=float(self.dropout),
            pixel_max=self.pixel_max_,
            seed=self._seed,
        )
        self._architecture, self._dropout = asdict(architecture), settings.dropout
        self._checkpoints = None
        if directory is not None:
            key = compute_checkpoint_key(architecture, settings, data)
            self._checkpoints = {"directory": str(directory), "key": key}
        progress = Progress(
            self._initial_state(architecture),
            self.history_,
            epochs=epochs,
            early_stopping=EarlyStopping(int(self.n_iter_no_change), float(self.tol))
            if self.early_stopping
            else None,
            checkpoints=self._open_checkpoints(architecture),
            reporter=Reporter(self.verbose, reports),
        )
        try:
            progress.resume()
            if not progress.ended:
                with importing_tensorflow():
                    from skfashion._training.loop import train

                train(architecture, settings, data, progress, self.callbacks or ())
        except KeyboardInterrupt:
            if progress.started:
                self.__dict__.update(_fitted_attributes(progress.result()))
                failure.pop_all()
            raise
        self.__dict__.update(_fitted_attributes(progress.result()))

    def _initial_state(self, architecture: Architecture) -> TrainingState:
        """Make the state to train from."""
        if self.n_iter_ == 0:
            return TrainingState.initial(architecture, [self._seed, 0])
        return TrainingState(self.weights_, **self._optimizer_state)

    @contextmanager
    def _unchanged_on_failure(self) -> Iterator[ExitStack]:
        """Leave the estimator as it was if anything fails: what is yielded puts it back."""

        def restore(before: dict[str, Any]) -> None:
            self.__dict__.clear()
            self.__dict__.update(before)

        with ExitStack() as failure:
            failure.callback(restore, dict(vars(self)))
            yield failure
            failure.pop_all()


def _fitted_attributes(result: FitResult) -> dict[str, Any]:
    return {
        "weights_": result.state.weights,
        "_optimizer_state": {
            "momentums": result.state.momentums,
            "velocities": result.state.velocities,
            "iterations": result.state.iterations,
        },
        "history_": result.history,
        "n_iter_": result.n_iter,
        "n_epochs_trained_": result.n_epochs_trained,
    }
