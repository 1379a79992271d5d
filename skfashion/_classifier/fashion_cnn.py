"""FashionCNN: parameters, `fit` and `partial_fit`. The other methods are in `BaseCNN`."""

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
from skfashion._network.architecture import Architecture
from skfashion._network.forks import importing_tensorflow
from skfashion._network.training_settings import TrainingSettings
from skfashion._network.training_state import TrainingState
from skfashion._training.callbacks import (
    CallbackSupportMixin,
    Reporter,
    SklearnCallbacks,
    check_keras_callbacks,
    with_callbacks,
)
from skfashion._training.checkpoint_key import compute_checkpoint_key
from skfashion._training.data import FitResult, TrainingData
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


_VERSION_3 = {
    "filters": (16, 32, 64, 96),
    "pool_size": (1, 2, 2, 1),
    "batch_norm": True,
    "dense_units": None,
    "learning_rate": 3e-3,
    "averaging": 4.0,
    "flip": True,
    "epochs": 12,
}


class FashionCNN(CallbackSupportMixin, BaseCNN):
    """Convolutional network for small grey images, a scikit-learn classifier.

    The network has a ``Conv2D(f, kernel_size, strides, "valid", relu)`` for each entry of
    `filters`, each followed by ``MaxPooling2D(pool_size)`` if that is above 1, and by
    ``Dropout(dropout)`` if that is above 0, then Flatten, ``Dense(dense_units, relu)`` unless that
    is None, and ``Dense(n_classes, softmax)``. Adam minimizes the categorical cross-entropy.

    `v1`, `v2` and `v3` make three networks by name. Versions 1 and 2 are those of the original
    README [1]_, and version 1 has the defaults. Version 3 is the most accurate.

    The classifier is also a transformer: `transform` returns the outputs of the hidden dense layer,
    or without one those of the last convolution.

    The parameters come in five groups:

    - network: `filters`, `kernel_size`, `strides`, `pool_size`, `batch_norm`, `dropout`,
      `dense_units`, `image_shape`;
    - training: `epochs`, `batch_size`, `learning_rate`, `warmup_steps`, `averaging`,
      `class_weight`;
    - augmentation: `flip`, `shift`;
    - validation: `validation_fraction`, `early_stopping`, `n_iter_no_change`, `tol`;
    - running: `dtype`, `memory`, `warm_start`, `callbacks`, `verbose`, `random_state`.

    Parameters
    ----------
    filters : sequence of int, default=(8, 24, 48)
        Number of filters of each convolution, at least 1. There must be one convolution or more.
    kernel_size : int, default=3
        Number of rows and columns of every filter, at least 1.
    strides : int or sequence of int, default=1
        Step of the convolutions in pixels, at least 1: one for all, or one for each. With 2 a
        convolution has a quarter of the outputs.
    pool_size : int or sequence of int, default=1
        Size of max pooling after the convolutions, at least 1: one for all, or one for each. With 2
        the largest of each 2 x 2 outputs is kept. With 1 there is no pooling. Rows and columns that
        do not fill a square are cut.
    batch_norm : bool, default=False
        Whether training normalizes each channel after a convolution and its pooling, before the
        ReLU: by mean and variance of the batch, without Keras' factor gamma. Their moving averages
        are folded into `weights_`, so prediction and exported models do not have this step. Sample
        weights affect the loss alone, not mean and variance.
    dropout : float, default=0.0
        Share of the outputs of every convolution that are set to zero in training, in [0, 1). It
        follows the pooling.
    dense_units : int or None, default=100
        Units of the hidden dense layer, at least 1. If None, there is no hidden dense layer.
    image_shape : tuple of two int or None, default=None
        Rows and columns of an image, at least 1. They must match the number of features exactly.
        If None, use the shape of 3- and 4-dimensional X, and for rows of features the smallest
        square that holds them. `fit` warns if there are 64 or more features and their number is
        not a square. Images that are too small for the network are padded with zeros.
    epochs : int, default=20
        Number of passes over the training rows, at least 1. `early_stopping` may end earlier.
    batch_size : int, default=100
        Number of rows per step of Adam, at least 1. The last batch of an epoch may be smaller.
    learning_rate : float, default=1e-3
        Step size of Adam, above 0.
    warmup_steps : int, default=0
        Number of training steps over which the learning rate rises linearly to `learning_rate`, at
        least 0.
    averaging : float, default=0.0
        How fast the average of the weights forgets early ones, at least 0. With 0 there is no
        average, and `weights_` are those after the last step. Above 0 they are an average of the
        weights after each sixteenth of an epoch, later ones with greater weight [2]_:
        ``mean = (1 - c) * mean + c * weights`` after the k-th sixteenth, with
        ``c = (averaging + 1) / (averaging + k)``. In epochs of fewer steps, k counts the steps.
        If calls of `partial_fit` have different numbers of rows, k is the number of steps so far,
        divided by those between two updates of the current call.
        Training itself continues from the weights of the last step, so every epoch has the average
        of a training that ends there. Validation scores are those of the average. Version 3 uses 4.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class label, at least 0 and finite. The sample weights of the training rows
        are multiplied by it. Classes that are not in the dict have weight 1. With None all have
        weight 1. A dict may have classes that no row has, for example in a small fold, if it has
        all classes of the rows. Otherwise a label that no row has is an error, as in scikit-learn.
        With "balanced" the weights are ``n / (n_classes * n_of_class)``.
    flip : bool, default=False
        Whether training mirrors images left-right: a fixed half of them in odd epochs, the other
        half in even ones [3]_.
    shift : int, default=0
        Number of pixels by which training moves each image at most, up or down and left or right,
        at least 0 and less than rows and columns of the image. The shifts are drawn anew in each
        epoch. Pixels from outside are 0.
    validation_fraction : float, default=0.0
        Share of the training rows, in [0, 1), set aside for validation. They are stratified by
        class and drawn by `random_state`. Not used if `fit` is given `X_val` and `y_val`.
    early_stopping : bool, default=False
        Stop when the validation accuracy has not risen by `tol` for `n_iter_no_change` epochs,
        and restore weights and optimizer of the best epoch. With `averaging` it judges the average.
        Needs validation rows. Each `fit` considers only its own epochs, also with `warm_start`.
    n_iter_no_change : int, default=5
        Number of epochs without a rise after which `early_stopping` stops, at least 1.
    tol : float, default=1e-4
        Smallest rise of the validation accuracy that counts, at least 0.
    dtype : {"float32", "float64"}, default="float32"
        The dtype of weights, arithmetic and probabilities.
    memory : str, path-like, joblib.Memory or None, default=None
        A directory where the weights after every epoch are stored, in a folder named
        ``.skfashion-cache``. A later `fit` with equal data, parameters and seed, and any `epochs`,
        reads the stored epochs and resumes from there. Its results are bitwise equal to those
        without `memory`. Needs an integer `random_state`. `partial_fit` and `warm_start` do not use
        it. For a `joblib.Memory` its location is used. None and ``joblib.Memory(None)`` store
        nothing.
    warm_start : bool, default=False
        Whether `fit` continues the previous training for `epochs` more epochs.
    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks for the training, such as TensorBoard, CSVLogger or TerminateOnNaN. Their
        ``model`` is the network in training, a Keras model that takes scaled pixels. It has the
        weights before averaging, and layers of batch normalization. A later fit overwrites it, so a
        callback that keeps it should keep a copy. Callbacks may set its weights, its learning rate,
        the ``rate`` of its dropout layers and ``stop_training``. Other changes are an error. Batch
        hooks are called once per up to 16 training batches, and not for validation batches. An
        epoch that a callback stops before its last batch does not count. With `memory` callbacks
        may not change the training: EarlyStopping, LearningRateScheduler and ReduceLROnPlateau are
        an error, and so are others as soon as they change something. Stored epochs are not reported
        to them. BackupAndRestore and SwapEMAWeights cannot be used at all. If a TerminateOnNaN
        stops the training, the result is the last epoch with finite weights. ``clone`` copies
        callbacks like all parameters, so each fit of a search has its own.
    verbose : int, default=0
        If 1 or more, print a line for each epoch, with loss and accuracy, those of the validation
        rows, and the time left. 0 is silent. At least 0.
    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the order of the rows, dropout, flips and shifts, and the
        validation rows. With an int, in [0, 2**32), equal data and parameters give bitwise equal
        weights on one machine, with equal versions of the libraries and an equal number of
        TensorFlow's threads. None draws new numbers for every `fit`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of pixels of an image, in any layout.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names. Only defined if X was a DataFrame with string column names.
    image_shape_ : tuple of two int
        Rows and columns of an image, before any padding for the network.
    pixel_max_ : float
        The value that pixels are divided by: the largest value among the training rows of positive
        weight, or 1 if all are zero. It is 1 for data with negative values, which must come from a
        scaler.
    weights_ : list of ndarray
        The weights, in the order and shapes of ``keras.Model.get_weights()``. If they take more
        than 100 MB, they may be read-only views of TensorFlow's memory.
    history_ : dict of str to list of float
        `loss` and `accuracy` of each epoch: weighted means over the training rows during the epoch,
        with dropout, batch normalization and augmentation, and before averaging. With validation
        rows also `val_loss` and `val_accuracy` after each epoch, weighted by `sample_weight` or
        `sample_weight_val`, not by `class_weight`.
    n_iter_ : int
        The epoch of `history_` that `weights_` come from: the last one, or the best one with
        `early_stopping` or Keras' ``EarlyStopping(restore_best_weights=True)``.
    n_epochs_trained_ : int
        Number of epochs that the last `fit` or `partial_fit` trained. It is less than `epochs` if
        some were read from `memory`.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : A network without convolutions.

    Notes
    -----
    SciKeras' KerasClassifier builds, compiles and fits a Keras model on TensorFlow. Prediction
    needs neither. Apart from your `callbacks`, a fitted estimator has only arrays and plain values.

    Pixels are divided by `pixel_max_`, so integers in 0..255 and floats in 0..1 train the same
    network. Prediction warns if the images are on another scale: if the largest magnitude in the
    median image is above 4 `pixel_max_`, or if the largest magnitude of all is below
    `pixel_max_` / 64, but not 0. For data with negative values they are compared with the largest
    magnitude in the median training image instead of `pixel_max_`.

    TensorFlow predicts if this process has started it, by `fit`, `partial_fit` or `to_keras`, and
    if there are more than 500 million multiply-adds (60 images of version 1, 100 of version 3, or
    1,000 of version 2). Otherwise NumPy predicts, and the output for an image has the same bits
    alone and in any batch. TensorFlow's probabilities differ by less than 1e-5, and its features by
    less than 1e-5 of the largest one. A forked process can predict, unless another thread was
    multiplying large matrices when it was forked: NumPy's BLAS may hang then. Use the start method
    "spawn" or "forkserver", or set ``OPENBLAS_NUM_THREADS=1``.

    In a worker of joblib, loky or Dask, TensorFlow uses the number of threads that the worker was
    given (``OMP_NUM_THREADS``), unless it was started before. With another number of threads sums
    are rounded in another order. Then the last bits of the weights differ, training amplifies the
    differences, and scores differ by up to .006 (seen in runs of versions 1 and 2). To get the bits
    of a parallel run in a serial one, start it with ``OMP_NUM_THREADS`` set to the number of
    threads of a worker.

    Memory does not grow with the number of fits of equal structure. For each new structure,
    however small, TensorFlow keeps 2 to 3 MB until the process ends. For each new number of rows
    in a batch, oneDNN keeps about 0.5 MB, up to the 1,024 used last. Up to 16 compiled networks are
    kept for later fits. Their weights and optimizers take at most 512 MB. A fit makes one copy of
    its rows: bytes if X has bytes, otherwise in `dtype`.

    With `memory` the weights of every epoch are stored. In float32 they take 4 bytes per parameter:
    9.4 MB per epoch of version 1, 0.36 MB of version 2, 0.35 MB of version 3. The optimizer's state
    is stored only after the latest epoch. It takes twice as much, or three times with `averaging`
    or `batch_norm`, because the weights that training continues from are others. So a network from
    the middle of a stored training has no optimizer's state, and continuing it by `partial_fit` or
    `warm_start` raises a ValueError. Fits that run at the same time may train the same epochs,
    until one finds later epochs of the other. A damaged file gives a warning and is removed, and
    its epochs are trained again. Stored epochs are only used if this machine would train the same
    bits. The key of a training includes the data (bytes and floats that are equal after scaling
    count as equal), the seed, all parameters that affect the weights, the versions of Keras, NumPy,
    TensorFlow and skfashion, the processor's instructions, the graphics cards, the number of
    threads, and the settings of TensorFlow: by environment variables (its own and those of XLA,
    oneDNN and CUDA), by ``tf.config`` (determinism, rewriters and XLA of ``tf.config.optimizer``,
    TensorFloat-32, eager functions, hidden devices) and by ``tf.device``. ``skfashion cache DIR
    --max-size 10GB`` removes the least recently used trainings.

    After Ctrl-C the estimator is fitted with its last full epoch, or with `early_stopping` its best
    one, and a KeyboardInterrupt is raised. Epochs read from `memory` count. If there is no full
    epoch, the estimator is as before. The same holds if the weights take more than 100 MB, unless
    you use `memory`, `early_stopping` or Keras `callbacks`: a copy of the state would raise the
    peak of memory by a quarter. Ctrl-C waits for the current step: about a second for batches of up
    to 1,200 images of version 1, 2,000 of version 3 or 20,000 of version 2, and proportionally
    longer for larger ones. After any other failure the estimator is as before, except if a callback
    fails after the last epoch.

    With scikit-learn 1.9 and later ``set_callbacks`` takes callbacks of ``sklearn.callback``. Each
    epoch of a `fit` is a task, named "epoch". The callbacks get X, y and `sample_weight` as they
    were passed to `fit`, and an estimator as after that epoch. They are also called for epochs read
    from `memory`. If ``on_fit_task_end`` of a callback returns True, the fit ends after that epoch.

    The loss of a batch is the weighted sum over its rows, divided by their number and by the mean
    weight of all training rows, as in Keras. So a weight means the same for any `batch_size`. Rows
    of zero weight are dropped first. Weights below 1e-290 of the largest weight count as zero, and
    in float32 weights below about 1e-38 of the mean have no effect. To the precision of `dtype`, an
    integer weight equals repeating the row, if a batch holds all rows and there is no dropout, no
    batch normalization and no augmentation.

    scikit-learn's estimator checks all pass with ``dtype="float64"`` and without dropout, batch
    normalization and augmentation. With "float32" all pass except the equivalence of weights and
    repetition, because that precision cannot meet its tolerance of 1e-7. With dropout,
    `batch_norm`, `flip` or `shift` this equivalence does not hold either: each copy of a row has
    its own mask, flip and shift, and weights do not affect mean and variance of a batch.

    References
    ----------
    .. [1] "Deep Learning - Convolutional Neural Network Classifier for Fashion MNIST Images",
       the README that this project grew out of.
    .. [2] Shamir, Zhang: "Stochastic Gradient Descent for Non-smooth Optimization: Convergence
       Results and Optimal Averaging Schemes", ICML 2013: averaging with polynomial decay.
    .. [3] Jordan: "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498, 2024.

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
        "strides": [Interval(Integral, 1, None, closed="left"), tuple, list, np.ndarray],
        "pool_size": [Interval(Integral, 1, None, closed="left"), tuple, list, np.ndarray],
        "batch_norm": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "dense_units": [Interval(Integral, 1, None, closed="left"), None],
        "image_shape": ["array-like", None],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "warmup_steps": [Interval(Integral, 0, None, closed="left")],
        "averaging": [Interval(Real, 0, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "flip": ["boolean"],
        "shift": [Interval(Integral, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
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
        strides: int | Sequence[int] | AnyArray = 1,
        pool_size: int | Sequence[int] | AnyArray = 1,
        batch_norm: bool = False,
        dropout: float = 0.0,
        dense_units: int | None = 100,
        image_shape: ImageShape | None = None,
        epochs: int = 20,
        batch_size: int = 100,
        learning_rate: float = 1e-3,
        warmup_steps: int = 0,
        averaging: float = 0.0,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        flip: bool = False,
        shift: int = 0,
        validation_fraction: float = 0.0,
        early_stopping: bool = False,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
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
        self.pool_size = pool_size
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.dense_units = dense_units
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.averaging = averaging
        self.class_weight = class_weight
        self.flip = flip
        self.shift = shift
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.dtype = dtype
        self.memory = memory
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def v1(cls, **overrides: Any) -> Self:
        """Make version 1, the defaults: 2,336,558 parameters for 28x28 pixels and 10 classes.

        Parameters
        ----------
        **overrides
            Parameters of `FashionCNN` that replace those of version 1, such as ``epochs=5``.

        Returns
        -------
        FashionCNN
            Not fitted yet.

        Raises
        ------
        TypeError
            If a name is not a parameter.
        """
        return cls(**overrides)

    @classmethod
    def v2(cls, **overrides: Any) -> Self:
        """Make version 2: strides of 2, dropout of 0.5, twice the filters; 88,198 parameters.

        Parameters
        ----------
        **overrides
            Parameters of `FashionCNN` that replace those of version 2, such as ``epochs=5``.

        Returns
        -------
        FashionCNN
            Not fitted yet.

        Raises
        ------
        TypeError
            If a name is not a parameter.
        """
        return cls(**{"filters": (16, 48, 96), "strides": 2, "dropout": 0.5, **overrides})

    @classmethod
    def v3(cls, **overrides: Any) -> Self:
        """Make version 3: pooling, batch normalization, flips and averaging; 87,338 parameters.

        The original README does not have this network. Four convolutions of 16, 32, 64 and 96
        filters have max pooling after the second and the third. There is no hidden dense layer.
        Training takes 12 epochs, normalizes batches, mirrors images, has a learning rate of 0.003,
        and averages the weights 16 times in an epoch. The number of parameters is that of
        `weights_` for 28x28 pixels and 10 classes.

        Averaging stands in for a decaying learning rate, which would have to know the last epoch.
        So every epoch ends with a good network, and with `memory` a search over `epochs` trains one
        path.

        Weighted rows are not equivalent to repeated ones, because of the flips and because sample
        weights affect the loss alone, not mean and variance in batch normalization.

        Parameters
        ----------
        **overrides
            Parameters of `FashionCNN` that replace those of version 3, such as ``flip=False``.

        Returns
        -------
        FashionCNN
            Not fitted yet.

        Raises
        ------
        TypeError
            If a name is not a parameter.

        Examples
        --------
        >>> from skfashion import FashionCNN
        >>> FashionCNN.v3().averaging
        4.0
        """
        return cls(**{**_VERSION_3, **overrides})

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
            At least two images, of any numeric dtype, or a DataFrame with a pixel in each column.
        y : array-like of shape (n,)
            Labels, of at least two classes.
        sample_weight : array-like of shape (n,) or None, default=None
            Weights of the rows, at least 0. If None, all weights are equal.
        X_val, y_val : array-like or None, default=None
            Validation rows, in any layout of `X`. Note that a search cuts routed validation rows
            to its fold if they are as many as the rows of `X`. If None, `validation_fraction` of
            the rows are used.
        sample_weight_val : array-like of shape (n_val,) or None, default=None
            Weights of the validation rows, at least 0. If None, all weights are equal.

        Returns
        -------
        self : FashionCNN
            Fitted.

        Raises
        ------
        ValueError
            If parameters or data are invalid, if the training diverges, or if a callback makes a
            change that is not allowed or stops the training within the first epoch.
        TypeError
            If X is sparse, or if `callbacks` has objects that are not Keras callbacks.
        RuntimeError
            If Keras uses another backend than TensorFlow, or if the process was forked from one
            that had started TensorFlow.
        """
        directory = validation.check_memory(self)
        check_keras_callbacks(self.callbacks, with_memory=directory is not None)
        # Made outside of the context: after a failure scikit-learn still tears its callbacks down.
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
        """Train for one epoch on the given rows.

        Ten calls with the same rows equal one `fit` with ten epochs. Pixels are divided by the
        `pixel_max_` of the first call.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, as in `fit`.
        y : array-like of shape (n,)
            Labels.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that `y` may have in any call, at least two. Needed in the first call, unless
            `fit` was called before.
        sample_weight : array-like of shape (n,) or None, default=None
            Weights of the rows, at least 0. If None, all weights are equal.

        Returns
        -------
        self : FashionCNN
            Fitted.

        Raises
        ------
        ValueError
            If parameters or data are invalid, if `classes` is missing or differs from before, or
            with `early_stopping`, `validation_fraction` or ``class_weight="balanced"``, which need
            all rows at once.
        TypeError
            If X is sparse.
        RuntimeError
            As in `fit`.
        """
        self._validate_params()  # scikit-learn validates only in the first call
        validation.check_partial_fit_parameters(self)
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
            pool_size=self.pool_size,
            batch_norm=self.batch_norm,
            dropout=self.dropout,
            dense_units=self.dense_units,
            n_classes=len(self.classes_),
            dtype=self.dtype,
        )
        if self.n_iter_ > 0:
            architecture.check_continues(Architecture(**self._architecture))
            if self._optimizer_state["iterations"] is None:
                raise ValueError(
                    "This network cannot be trained further. It has no optimizer's state: it was "
                    "taken from memory, from the middle of a longer training (fit again with "
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
            warmup_steps=int(self.warmup_steps),
            averaging=float(self.averaging),
            dropout=float(self.dropout),
            flip=bool(self.flip),
            shift=int(self.shift),
            image_shape=self.image_shape_,
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
                    from skfashion._training.scikeras import train

                train(architecture, settings, data, progress, self.callbacks or ())
        except KeyboardInterrupt:
            if progress.has_result():
                self.__dict__.update(_fitted_attributes(progress.result()))
                failure.pop_all()
            raise
        self.__dict__.update(_fitted_attributes(progress.result()))

    def _initial_state(self, architecture: Architecture) -> TrainingState:
        """Return the state to train from."""
        if self.n_iter_ == 0:
            return TrainingState.initial(architecture, [self._seed, 0])
        return TrainingState(self.weights_, **self._optimizer_state)

    @contextmanager
    def _unchanged_on_failure(self) -> Iterator[ExitStack]:
        """Restore all attributes after a failure. `pop_all` of the yielded stack prevents that."""

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
        "_optimizer_state": {**result.state.groups, "iterations": result.state.iterations},
        "history_": result.history,
        "n_iter_": result.n_iter,
        "n_epochs_trained_": result.n_epochs_trained,
    }
