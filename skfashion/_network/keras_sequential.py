"""A plain Keras model of a trained network, which needs no skfashion."""

from collections.abc import Sequence

import numpy as np

from skfashion._network.architecture import Architecture
from skfashion._network.keras_layers import build_layers
from skfashion._network.tensorflow import computing_eagerly, keep_name_counters, keras
from skfashion._utils.types import FloatArray, ImageShape


@computing_eagerly()
@keep_name_counters()
def build_sequential(
    architecture: Architecture,
    weights: Sequence[FloatArray],
    *,
    image_shape: ImageShape,
    pixel_max: float,
    dropout: float,
) -> keras.Sequential:
    """Make a plain Keras model of a trained network, from raw pixels to probabilities.

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
        It has only layers of Keras, and has been called once, which exporting needs.
    """
    dtype = architecture.dtype
    layers = [
        keras.Input((*image_shape, 1), dtype=dtype, name="pixels"),
        keras.layers.Rescaling(1 / pixel_max, dtype=dtype, name="rescaling"),
    ]
    if image_shape != architecture.image_shape:
        bottom, right = np.subtract(architecture.image_shape, image_shape).tolist()
        layers.append(
            keras.layers.ZeroPadding2D(
                ((0, bottom), (0, right)),
                data_format="channels_last",
                dtype=dtype,
                name="zero_padding",
            )
        )
    layers += build_layers(architecture, dropout, plain=True)
    model = keras.Sequential(layers, name="fashion_cnn")
    model.set_weights(weights)
    model(np.zeros((1, *image_shape, 1), dtype))
    return model
