"""The methods of a fitted FashionCNN: prediction, saving and loading, conversion to Keras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from skfashion._classifier import images, model_file, validation
from skfashion._network.architecture import Architecture, LayerName
from skfashion._network.forks import importing_tensorflow
from skfashion._network.numpy_model import log_softmax, softmax
from skfashion._network.prediction import predict_outputs
from skfashion._training.checkpoints import Checkpoints
from skfashion._utils.cache_directory import mark_used
from skfashion._utils.types import (
    AnyArray,
    FloatArray,
    History,
    ImageShape,
    StrPath,
    unconverted,
)

if TYPE_CHECKING:
    import keras


class BaseCNN(ClassNamePrefixFeaturesOutMixin, ClassifierMixin, TransformerMixin, BaseEstimator):
    """The part of FashionCNN that works on fitted attributes. Only `to_keras` needs TensorFlow."""

    classes_: AnyArray
    n_features_in_: int
    feature_names_in_: AnyArray
    image_shape_: ImageShape
    pixel_max_: float
    weights_: list[FloatArray]
    history_: History
    n_iter_: int
    n_epochs_trained_: int
    _architecture: dict[str, Any]  # fields of the `Architecture`
    _optimizer_state: dict[str, Any]
    _dropout: float
    _seed: int
    _signed: bool  # whether training images had negative pixels
    _typical_max: float  # see `images.measure_scale`
    _checkpoints: dict[str, str] | None  # directory and key, if epochs are stored

    def predict(self, X: ArrayLike) -> AnyArray:
        """Predict the most probable label of each image.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images. The layout may differ from that in `fit`.

        Returns
        -------
        y : ndarray of shape (n,)
            Labels, in the dtype of `classes_`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images do not have the shape or the features of those in `fit`, or have missing,
            infinite or non-numeric values.
        TypeError
            If X is sparse.
        """
        logits = self._predict_outputs(X)
        return self.classes_[logits.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Predict the probability of each class for each image.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images. The layout may differ from that in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes), of `dtype`
            In the order of `classes_`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images do not have the shape or the features of those in `fit`, or have missing,
            infinite or non-numeric values.
        TypeError
            If X is sparse.
        """
        return softmax(self._predict_outputs(X))

    def predict_log_proba(self, X: ArrayLike) -> FloatArray:
        """Predict the logarithm of the probability of each class for each image.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images. The layout may differ from that in `fit`.

        Returns
        -------
        log_probabilities : ndarray of shape (n, n_classes), of `dtype`
            In the order of `classes_`. They are finite even if a probability is too small for its
            dtype.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images do not have the shape or the features of those in `fit`, or have missing,
            infinite or non-numeric values.
        TypeError
            If X is sparse.
        """
        return log_softmax(self._predict_outputs(X))

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Compute the logits, the outputs of the network before the softmax.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images. The layout may differ from that in `fit`.

        Returns
        -------
        scores : ndarray of shape (n, n_classes) or (n,), of `dtype`
            With two classes, the logit of ``classes_[1]`` minus that of ``classes_[0]``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images do not have the shape or the features of those in `fit`, or have missing,
            infinite or non-numeric values.
        TypeError
            If X is sparse.
        """
        logits = self._predict_outputs(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    @unconverted
    def transform(self, X: ArrayLike) -> FloatArray:
        """Compute the inputs of the output layer, as features of the images.

        These are the outputs of the hidden dense layer, or without one those of the last
        convolution.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images. The layout may differ from that in `fit`.

        Returns
        -------
        features : ndarray of shape (n, n_outputs), of `dtype`
            The outputs after the ReLU, so none is negative. ``n_outputs`` is `dense_units`, or the
            number of outputs of the last convolution, 864 for version 3 and 28x28 pixels. A
            DataFrame if `set_output` asks for one.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images do not have the shape or the features of those in `fit`, or have missing,
            infinite or non-numeric values.
        TypeError
            If X is sparse.
        """
        return self._predict_outputs(X, "hidden")

    def staged_predict_proba(self, X: ArrayLike) -> Iterator[FloatArray]:
        """Predict the probability of each class after every epoch of a `fit` with `memory`.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images. The layout may differ from that in `fit`.

        Yields
        ------
        probabilities : ndarray of shape (n, n_classes), of `dtype`
            After epoch 1, 2, ..., `n_iter_`. The last ones are those of `predict_proba`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the last training was not a `fit` with `memory`, if an epoch is no longer stored, or
            if the images do not suit those in `fit`.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        architecture = Architecture(**self._architecture)
        checkpoints = self._open_checkpoints(architecture)
        if checkpoints is None:
            raise ValueError(
                "staged_predict_proba needs the weights of every epoch. Only fit with memory "
                "stores them."
            )
        X = validation.check_images(self, X)
        mark_used(checkpoints.folder)
        for epoch in range(1, self.n_iter_ + 1):
            state = checkpoints.load(epoch)
            if state is None:
                raise ValueError(
                    f"Epoch {epoch} is not stored in {checkpoints.folder}, the folder of this "
                    "training: fit again."
                )
            yield softmax(self._compute_outputs(X, state.weights))

    def save(self, path: StrPath | BinaryIO, *, include_optimizer: bool = False) -> None:
        """Save the fitted network to one file, which `load` reads without TensorFlow.

        It is a safetensors file. Weights and history are its tensors. Its metadata is a JSON
        document with the parameters, the labels, the versions and a SHA-256 of everything. For
        `memory` the name of the directory is saved, but not its content. NumPy numbers and arrays
        among the parameters are saved by value, and a ``RandomState`` as None. Callbacks, metadata
        requests and the container of `set_output` are not saved. A file that `load` could not read
        is not written.

        Parameters
        ----------
        path : str, path-like or binary file object
            The file. A leading ``~`` is the home directory. An existing file is replaced
            atomically; other hard links to it keep the old content. For a symbolic link the file
            that it points to is written. For a file object, such as ``io.BytesIO()``, ``write`` is
            called once, at its current position, and it stays open.
        include_optimizer : bool, default=False
            Whether to save the optimizer's state. It makes the file three times as large, or four
            times with `averaging` or `batch_norm`. Only with it can `partial_fit` and `warm_start`
            continue the training after loading, bit for bit.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If a parameter or a label is not a plain value, if a weight is not finite, if
            parameters, labels and feature names take more than 1 MiB, or if there is no optimizer's
            state to include. No file has changed then.
        OSError
            If the file cannot be written. It has not changed then, unless `path` is a file object.
        TypeError
            If `path` is neither a path nor a binary file object.
        """
        check_is_fitted(self)
        model_file.save(self, path, include_optimizer=include_optimizer)

    @classmethod
    def load(cls, path: StrPath | BinaryIO) -> Self:
        """Load a fitted network from a file that `save` wrote.

        Loading runs no code from the file, and needs neither TensorFlow nor Keras. Names, shapes,
        dtypes, sizes, SHA-256 and finiteness are checked. The SHA-256 is stored in the file itself:
        it detects damage, but not a file that was changed on purpose together with its SHA-256. The
        parameters come from the file. If you do not trust its author, look at `memory` before you
        fit again: `fit` writes to this directory.

        Parameters
        ----------
        path : str, path-like or binary file object
            The file. A leading ``~`` is the home directory. A file object is read from its current
            position to its end, and stays open. It need not be seekable.

        Returns
        -------
        FashionCNN
            Fitted, with equal weights, an instance of the class that `load` was called on. This
            must be the class that was saved or a subclass of it. The probabilities are bitwise
            equal if NumPy predicts before and after, and agree within 1e-5 if TensorFlow does.
            `staged_predict_proba` raises an error.

        Raises
        ------
        ValueError
            If the file is not a model file, is damaged, was changed without its SHA-256, has a
            newer version, or holds an estimator of another class.
        OSError
            If the file cannot be read.
        TypeError
            If `path` is neither a path nor a binary file object.
        """
        return model_file.load(cls, path)

    @unconverted
    def to_keras(self) -> keras.Sequential:
        """Convert the trained network to a plain Keras model, independent of this estimator.

        Returns
        -------
        keras.Sequential
            A model from raw pixels of shape (n, rows, columns, 1) to probabilities. It has only
            layers of Keras: Input, Rescaling, ZeroPadding2D if images are padded, and the layers of
            the network up to the softmax. Use it to export ``.keras`` files, ONNX and TFLite.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If `pixel_max_` is so small or large that `dtype` cannot hold raw pixels.
        RuntimeError
            If Keras uses another backend than TensorFlow, or if the process was forked from one
            that had started TensorFlow.
        """
        check_is_fitted(self)
        architecture = Architecture(**self._architecture)
        images.check_raw_pixels(self.pixel_max_, architecture.dtype)
        with importing_tensorflow():
            from skfashion._network.keras_sequential import build_sequential

        return build_sequential(
            architecture,
            self.weights_,
            image_shape=self.image_shape_,
            pixel_max=self.pixel_max_,
            dropout=self._dropout,
        )

    def _open_checkpoints(self, architecture: Architecture) -> Checkpoints | None:
        if self._checkpoints is None:
            return None
        return Checkpoints(**self._checkpoints, shapes=architecture.parameter_shapes)

    @unconverted
    def _predict_outputs(self, X: ArrayLike, layer: LayerName = "output") -> FloatArray:
        check_is_fitted(self)
        X = validation.check_images(self, X)
        outputs = self._compute_outputs(X, self.weights_, layer)
        images.warn_if_scale_differs(X.min(axis=1), X.max(axis=1), self._typical_max)
        return outputs

    def _compute_outputs(
        self, X: AnyArray, weights: list[FloatArray], layer: LayerName = "output"
    ) -> FloatArray:
        """Compute the outputs of a dense layer for checked rows, with the given weights."""
        architecture = Architecture(**self._architecture)
        scaled = images.prepare(
            X, self.image_shape_, architecture.image_shape, self.pixel_max_, architecture.dtype
        )
        outputs = predict_outputs(scaled, weights, architecture, self.pixel_max_, layer)
        if not np.isfinite(outputs).all():
            raise ValueError(
                f"X holds values as large as {np.abs(X).max():g}. For these the outputs of the "
                f"network exceed dtype={architecture.dtype!r}."
            )
        return outputs

    @property
    def _n_features_out(self) -> int:  # the number of names in `get_feature_names_out`
        return int(self.weights_[-2].shape[0])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weights_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = [self.dtype]
        return tags
