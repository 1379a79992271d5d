"""What a fitted FashionCNN can do: predict, be saved and loaded, become a Keras model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from skfashion._classifier import images, model_file, validation
from skfashion._network.architecture import Architecture
from skfashion._network.forks import importing_tensorflow
from skfashion._network.numpy_model import log_softmax, softmax
from skfashion._network.prediction import predict_logits
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


class BaseCNN(ClassifierMixin, BaseEstimator):
    """All of FashionCNN but its parameters and its training. It needs no TensorFlow."""

    classes_: AnyArray
    n_features_in_: int
    feature_names_in_: AnyArray
    image_shape_: ImageShape
    pixel_max_: float
    weights_: list[FloatArray]
    history_: History
    n_iter_: int
    n_epochs_trained_: int
    # Private: the fields of the `Architecture`; the optimizer's state; the rate of dropout; the
    # seed; whether there were negative pixels; the magnitude that later images are compared with;
    # where the epochs are stored, if they are.
    _architecture: dict[str, Any]
    _optimizer_state: dict[str, Any]
    _dropout: float
    _seed: int
    _signed: bool
    _typical_max: float
    _checkpoints: dict[str, str] | None

    def predict(self, X: ArrayLike) -> AnyArray:
        """Most probable label of each image.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, in any layout, whichever was used in `fit`.

        Returns
        -------
        y : ndarray of shape (n,)
            Of `classes_`, in their dtype.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images are not like those of `fit`.
        TypeError
            If X is sparse.
        """
        logits = self._logits(X)
        return self.classes_[logits.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Probability of each class for each image.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, in any layout, whichever was used in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes), of `dtype`
            In the order of `classes_`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images are not like those of `fit`.
        TypeError
            If X is sparse.
        """
        return softmax(self._logits(X))

    def predict_log_proba(self, X: ArrayLike) -> FloatArray:
        """Logarithm of the probability of each class for each image.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, in any layout, whichever was used in `fit`.

        Returns
        -------
        log_probabilities : ndarray of shape (n, n_classes), of `dtype`
            In the order of `classes_`; finite where a probability is too small for its dtype.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images are not like those of `fit`.
        TypeError
            If X is sparse.
        """
        return log_softmax(self._logits(X))

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Logits, the outputs of the network before the softmax.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, in any layout, whichever was used in `fit`.

        Returns
        -------
        scores : ndarray of shape (n, n_classes) or (n,), of `dtype`
            With two classes the logit of ``classes_[1]`` less that of ``classes_[0]``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the images are not like those of `fit`.
        TypeError
            If X is sparse.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def staged_predict_proba(self, X: ArrayLike) -> Iterator[FloatArray]:
        """Probability of each class after every epoch, from one `fit` with `memory`.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, in any layout, whichever was used in `fit`.

        Yields
        ------
        probabilities : ndarray of shape (n, n_classes), of `dtype`
            After epoch 1, 2, ..., `n_iter_`; the last are those of `predict_proba`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the last training was not a `fit` with `memory`, an epoch is not there any more, or
            the images are not like those of `fit`.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        architecture = Architecture(**self._architecture)
        checkpoints = self._open_checkpoints(architecture)
        if checkpoints is None:
            raise ValueError(
                "staged_predict_proba needs the weights of every epoch, which only fit with memory "
                "stores."
            )
        X = validation.check_images(self, X)
        mark_used(checkpoints.folder)
        for epoch in range(1, self.n_iter_ + 1):
            state = checkpoints.load(epoch)
            if state is None:
                raise ValueError(
                    f"Epoch {epoch} is not stored in {checkpoints.folder}, where fit stores them: "
                    "fit again."
                )
            yield softmax(self._logits_of(X, state.weights))

    def save(self, path: StrPath | BinaryIO, *, include_optimizer: bool = False) -> None:
        """Write the fitted network into one file, which `load` reads without TensorFlow.

        A safetensors file: weights and history are its tensors; parameters, labels, versions and
        a SHA-256 of all are JSON in its metadata. Of `memory` the directory's name is kept, not
        what is in it. Of NumPy's numbers and arrays among the parameters the values are kept;
        callbacks and requests of metadata are not, and a ``RandomState`` becomes None. What `load`
        would refuse is not written.

        Parameters
        ----------
        path : str, path-like or binary file object
            Of the file; a leading ``~`` is the home directory. A file that is there is replaced as
            a whole or not at all; its other names (hard links) keep the old one. Where a symbolic
            link leads is written, and the link stays. A file object, such as ``io.BytesIO()``, is
            written into from where it stands, by one call of its ``write``, and stays open.
        include_optimizer : bool, default=False
            Whether to keep the optimizer's state, which makes the file three times as large. Only
            with it `partial_fit` and `warm_start` go on from what was loaded, bit for bit.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If a parameter or a label is no plain value, a weight is not finite, parameters, labels
            and feature names take more than 1 MiB, or there is no optimizer's state to include;
            then nothing has changed.
        OSError
            If it cannot be written; then nothing has changed, unless `path` is a file object.
        TypeError
            If `path` is neither a path nor a binary file object.
        """
        check_is_fitted(self)
        model_file.save(self, path, include_optimizer=include_optimizer)

    @classmethod
    def load(cls, path: StrPath | BinaryIO) -> Self:
        """Read a fitted network from a file that `save` wrote.

        Nothing in the file is run, and nothing is taken from it unseen: names, shapes, dtypes,
        sizes, SHA-256 and finiteness are checked. It needs neither TensorFlow nor Keras. The
        parameters are those of the file: look at `memory`, a directory that `fit` writes into,
        before you fit again what a stranger saved. The SHA-256 stands in the file: it finds damage,
        but not weights that somebody put there with theirs.

        Parameters
        ----------
        path : str, path-like or binary file object
            Of the file; a leading ``~`` is the home directory. A file object is read from where it
            stands to its end, and stays open; it need not be seekable.

        Returns
        -------
        FashionCNN
            Fitted, with equal weights, of the class that `load` was called on: that of the file or
            a subclass of it. Only a subclass and its heirs read what the subclass saved. Its
            probabilities are equal, bit for bit, where NumPy predicts before and after, and within
            1e-5 where TensorFlow does.
            `staged_predict_proba` is not to be had from it.

        Raises
        ------
        ValueError
            If it is no such file, is damaged, was changed without its SHA-256, is of a newer
            version, or holds an estimator of another class.
        OSError
            If it cannot be read.
        TypeError
            If `path` is neither a path nor a binary file object.
        """
        return model_file.load(cls, path)

    @unconverted
    def to_keras(self) -> keras.Sequential:
        """The trained network as a plain Keras model, independent of this estimator.

        Returns
        -------
        keras.Sequential
            From raw pixels of shape (n, rows, columns, 1) to probabilities, of Keras' own layers
            only: Input, Rescaling (and ZeroPadding2D where images are padded), the layers of the
            network, softmax. The way to ``.keras`` files, ONNX and TFLite.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If `pixel_max_` is so small or large that `dtype` does not hold raw pixels.
        RuntimeError
            If Keras runs on another backend than TensorFlow, or in a process forked from one where
            TensorFlow runs.
        """
        check_is_fitted(self)
        architecture = Architecture(**self._architecture)
        images.check_raw_pixels(self.pixel_max_, architecture.dtype)
        with importing_tensorflow():
            from skfashion._network.keras_layers import build_sequential

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
    def _logits(self, X: ArrayLike) -> FloatArray:
        check_is_fitted(self)
        X = validation.check_images(self, X)
        logits = self._logits_of(X, self.weights_)
        images.warn_if_scale_differs(X.min(axis=1), X.max(axis=1), self._typical_max)
        return logits

    def _logits_of(self, X: AnyArray, weights: list[FloatArray]) -> FloatArray:
        """Compute the logits of checked rows."""
        architecture = Architecture(**self._architecture)
        scaled = images.prepare(
            X, self.image_shape_, architecture.image_shape, self.pixel_max_, architecture.dtype
        )
        logits = predict_logits(scaled, weights, architecture, self.pixel_max_)
        if not np.isfinite(logits).all():
            raise ValueError(
                f"X holds values as large as {np.abs(X).max():g}, for which the outputs of the "
                f"network exceed dtype={architecture.dtype!r}."
            )
        return logits

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weights_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
