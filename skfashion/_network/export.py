"""A trained network as a plain Keras model: the way to Keras' own files, ONNX and TFLite."""

from collections.abc import Sequence

import numpy as np

from skfashion._network.architecture import Architecture
from skfashion._network.tensorflow import keras
from skfashion._utils.types import FloatArray, ImageShape


def build_sequential(
    architecture: Architecture,
    weights: Sequence[FloatArray],
    *,
    image_shape: ImageShape,
    pixel_max: float,
    dropout: float,
) -> keras.Sequential:
    """A plain Keras model of a trained network: raw pixels in, class probabilities out.

    Parameters
    ----------
    architecture : Architecture
    weights : list of ndarray
    image_shape : tuple of two int
        Before zero-padding.
    pixel_max : float
    dropout : float

    Returns
    -------
    keras.Sequential
        Of Keras' own layers only, called once so that its exports work.
    """
    # Whatever Keras would otherwise take from its global settings is passed: the user's settings
    # are not ours. Names spare its counters of names, seeds its draws from the module `random`.
    dtype = architecture.dtype
    spatial = {"data_format": "channels_last", "dtype": dtype}
    with_parameters = {"kernel_initializer": keras.initializers.Zeros(), "dtype": dtype}
    layers = [
        keras.Input((*image_shape, 1), dtype=dtype, name="pixels"),
        keras.layers.Rescaling(1 / pixel_max, dtype=dtype, name="rescaling"),
    ]
    if image_shape != architecture.image_shape:
        bottom, right = np.subtract(architecture.image_shape, image_shape).tolist()
        padding = ((0, bottom), (0, right))
        layers.append(keras.layers.ZeroPadding2D(padding, name="zero_padding", **spatial))
    for number, filters in enumerate(architecture.filters, start=1):
        layers.append(
            keras.layers.Conv2D(
                filters,
                architecture.kernel_size,
                strides=architecture.strides,
                padding="valid",
                activation="relu",
                name=f"convolution_{number}",
                **with_parameters | spatial,
            )
        )
        if architecture.dropout:
            layers.append(
                keras.layers.Dropout(dropout, seed=number, dtype=dtype, name=f"dropout_{number}")
            )
    layers.append(keras.layers.Flatten(name="flatten", **spatial))
    for units, activation, name in (
        (architecture.dense_units, "relu", "hidden"),
        (architecture.n_classes, "softmax", "output"),
    ):
        layers.append(
            keras.layers.Dense(units, activation=activation, name=name, **with_parameters)
        )
    model = keras.Sequential(layers, name="fashion_cnn")
    model.set_weights(weights)
    model(np.zeros((1, *image_shape, 1), dtype))
    return model
