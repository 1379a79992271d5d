"""The architecture of a network: layer shapes, parameter counts and initial weights."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from math import inf, prod
from numbers import Integral
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray, FloatArray, FloatName, ImageShape

# "hidden" are the inputs of the output layer: the outputs of the hidden dense layer, or without one
# those of the last convolution.
LayerName: TypeAlias = Literal["hidden", "output"]

# Images that are too small for the network are zero-padded. Five convolutions with strides=2 and
# kernel_size=3 need 63 x 63 pixels. Beyond this limit the kernel_size or strides are probably a
# mistake.
_MAX_PADDED_PIXELS = 128 * 128

# With Adam's moments a float32 network of this size takes 12 GB.
_MAX_PARAMETERS = 10**9

# The pixels of a batch may take a third of the memory of its largest feature map. Otherwise the
# batches of a tiny network would take more memory than the data.
_PIXELS_PER_FEATURE = 3


def smallest_side(
    kernel_size: int, strides: Sequence[int], pool_size: Sequence[int], *, limit: float = inf
) -> int:
    """Return the number of rows (and columns) for which the last layer outputs one pixel.

    The size grows exponentially, so the computation stops once it exceeds `limit`. The result may
    then be too small.
    """
    side = 1
    for stride, pool in zip(reversed(strides), reversed(pool_size), strict=True):
        side = (side * pool - 1) * stride + kernel_size
        if side > limit:
            break
    return side


def _is_count(n: object) -> bool:
    return not isinstance(n, bool) and isinstance(n, Integral) and int(n) >= 1


def _as_counts(values: Any) -> tuple[int, ...] | None:
    """Convert to integers. Return None if these are not positive integers."""
    # A 0-dimensional array cannot be iterated over.
    counts = tuple(values) if getattr(values, "ndim", 1) else ()
    # Products of NumPy's small integers would overflow.
    return tuple(map(int, counts)) if all(map(_is_count, counts)) else None


def _shortest(value: Any) -> str:
    """Write equal numbers of all convolutions as one number, for messages."""
    is_one = isinstance(value, tuple) and len(set(value)) == 1
    return shorten(value[0] if is_one else value)


def _one_per_convolution(name: str, values: Any, n_convolutions: int) -> tuple[int, ...]:
    if _is_count(values):
        return (int(values),) * n_convolutions
    counts = None if isinstance(values, Integral) else _as_counts(values)
    if counts is None or len(counts) != n_convolutions:
        raise ValueError(
            f"{name}={shorten(values)}: expected a positive integer, or one for each of the "
            f"{n_convolutions} convolutions."
        )
    return counts


@dataclass(frozen=True)
class Architecture:
    """The structure of a network.

    Networks with equal architectures can share one compiled program.

    The layers are one ``Conv2D(f, kernel_size, strides, "valid", relu)`` for each entry of
    `filters`, each followed by ``MaxPooling2D(pool_size)`` where that is above 1, and by Dropout if
    `dropout` is true, then Flatten, ``Dense(dense_units, relu)`` unless that is None, and
    ``Dense(n_classes)``. The activation of the last layer (softmax or linear) is chosen in
    `build_layers`.

    Parameters
    ----------
    image_shape : tuple of two int
        Rows and columns of the images after padding. See `for_images`.
    filters : tuple of int
    kernel_size : int
    strides, pool_size : tuple of int
        One for each convolution.
    batch_norm : bool
        Whether training normalizes the outputs of each convolution. See `training_state.fold`.
    dense_units : int or None
    n_classes : int
    dropout : bool
        Whether there are Dropout layers. The rate is not included: it can change without
        recompiling.
    dtype : {"float32", "float64"}
    """

    image_shape: ImageShape
    filters: tuple[int, ...]
    kernel_size: int
    strides: tuple[int, ...]
    pool_size: tuple[int, ...]
    batch_norm: bool
    dropout: bool
    dense_units: int | None
    n_classes: int
    dtype: FloatName

    @classmethod
    def for_images(
        cls,
        image_shape: ImageShape,
        *,
        filters: Iterable[int],
        strides: int | Sequence[int] | AnyArray,
        kernel_size: int,
        dense_units: int | None,
        dropout: float,
        pool_size: int | Sequence[int] | AnyArray = 1,
        batch_norm: bool = False,
        n_classes: int,
        dtype: FloatName,
    ) -> Self:
        """Build the architecture for images of a given shape.

        Images that are too small will be zero-padded.

        Parameters
        ----------
        image_shape : tuple of two int
            Rows and columns before any padding.
        filters, strides, kernel_size, dense_units, dropout, pool_size, batch_norm, dtype
            Parameters of `FashionCNN`.
        n_classes : int

        Raises
        ------
        ValueError
            If `filters` is empty or holds anything but positive integers, if `strides` or
            `pool_size` do not fit the number of convolutions, if the padded images would exceed
            128 x 128 pixels, or if the network would have more than 10**9 parameters.
        """
        counts = _as_counts(filters)
        if not counts:
            raise ValueError(
                f"filters={shorten(filters)}: expected a non-empty sequence of positive integers, "
                "one for each convolution."
            )
        each_strides = _one_per_convolution("strides", strides, len(counts))
        each_pool_size = _one_per_convolution("pool_size", pool_size, len(counts))
        kernel_size = int(kernel_size)
        limit = max(_MAX_PADDED_PIXELS, *image_shape)
        side = smallest_side(kernel_size, each_strides, each_pool_size, limit=limit)
        rows, columns = (max(length, side) for length in image_shape)
        if (rows, columns) != tuple(image_shape) and rows * columns > _MAX_PADDED_PIXELS:
            raise ValueError(
                f"{len(counts)} convolutions with kernel_size={kernel_size}, "
                f"strides={_shortest(each_strides)} and pool_size={_shortest(each_pool_size)} need "
                f"images of at least {side} x {side} pixels, but these have {image_shape[0]} x "
                f"{image_shape[1]}. Use smaller strides, a smaller pool_size or kernel_size, or "
                "fewer filters."
            )
        architecture = cls(
            image_shape=(rows, columns),
            filters=counts,
            kernel_size=kernel_size,
            strides=each_strides,
            pool_size=each_pool_size,
            batch_norm=bool(batch_norm),
            dropout=bool(dropout > 0),
            dense_units=None if dense_units is None else int(dense_units),
            n_classes=n_classes,
            dtype=dtype,
        )
        if architecture.n_parameters > _MAX_PARAMETERS:
            raise ValueError(
                f"filters={shorten(filters)} and dense_units={dense_units!r} make a network of "
                f"{architecture.n_parameters:,} parameters, more than {_MAX_PARAMETERS:,}."
            )
        return architecture

    def check_continues(self, trained: "Architecture") -> None:
        """Raise an error if training cannot continue from the weights of `trained`.

        Raises
        ------
        ValueError
            If any field differs. Only `dropout` may differ.
        """
        changes = [
            f"{field.name} was {_shortest(before)} and is now {_shortest(now)}"
            for field in fields(self)
            # Skip image_shape: it follows from the other fields, and naming those is more helpful.
            if field.name not in ("dropout", "image_shape")
            and (now := getattr(self, field.name)) != (before := getattr(trained, field.name))
        ]
        if changes:
            raise ValueError(
                f"Cannot continue training a network with other parameters: {'; '.join(changes)}. "
                "Restore them, or fit again with warm_start=False."
            )

    @property
    def convolution_shapes(self) -> list[tuple[int, int, int]]:
        """Output shape (rows, columns, channels) of each convolution, before pooling."""
        return [convolution for convolution, _ in self._output_shapes]

    @property
    def flattened_size(self) -> int:
        """Number of outputs of the last convolution, after pooling."""
        return prod(self._output_shapes[-1][1])

    @property
    def _output_shapes(self) -> list[tuple[tuple[int, int, int], tuple[int, int, int]]]:
        """Output shapes of each convolution, before and after pooling."""
        shapes = []
        rows, columns = self.image_shape
        for channels, stride, pool in zip(self.filters, self.strides, self.pool_size, strict=True):
            rows, columns = ((n - self.kernel_size) // stride + 1 for n in (rows, columns))
            convolution = (rows, columns, channels)
            rows, columns = rows // pool, columns // pool
            shapes.append((convolution, (rows, columns, channels)))
        return shapes

    @property
    def parameter_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of kernel and bias of each layer, in the order of ``Model.get_weights()``."""
        shapes: list[tuple[int, ...]] = []
        channels = 1
        for n_filters in self.filters:
            shapes += [(self.kernel_size, self.kernel_size, channels, n_filters), (n_filters,)]
            channels = n_filters
        inputs = self.flattened_size
        for outputs in (self.dense_units, self.n_classes):
            if outputs is not None:
                shapes += [(inputs, outputs), (outputs,)]
                inputs = outputs
        return shapes

    def pair_by_layer(self, weights: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
        """Pair kernels and biases.

        Parameters
        ----------
        weights : list of array or tensor
            In the order of `parameter_shapes`.

        Returns
        -------
        convolutions : list of tuple
            Kernel and bias of each convolution.
        hidden : list of tuple
            Those of the hidden dense layer. Empty if there is none.
        output : tuple
            Those of the output layer.
        """
        *pairs, output = zip(weights[::2], weights[1::2], strict=True)
        n_convolutions = len(self.filters)
        return pairs[:n_convolutions], pairs[n_convolutions:], output

    @property
    def statistics_shapes(self) -> list[tuple[int]]:
        """Shapes of the mean and the variance of each convolution, for batch normalization."""
        return [(f,) for f in self.filters for _ in range(2)] if self.batch_norm else []

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(prod(shape) for shape in self.parameter_shapes)

    @property
    def n_multiply_adds(self) -> int:
        """Number of multiply-add operations in the forward pass of one image."""
        positions = [prod(shape[:2]) for shape in self.convolution_shapes]
        kernels = map(prod, self.parameter_shapes[::2])
        return sum(map(prod, zip_longest(positions, kernels, fillvalue=1)))

    def batch_size_within(self, n_bytes: float) -> int:
        """Return the largest batch size so that no feature map takes more than `n_bytes`."""
        largest = max(map(prod, self.convolution_shapes))
        largest = max(largest, _PIXELS_PER_FEATURE * prod(self.image_shape))
        return max(1, int(n_bytes // (largest * np.dtype(self.dtype).itemsize)))

    def initial_weights(self, seed: int | Sequence[int]) -> list[FloatArray]:
        """Draw initial weights by Keras' default rules: Glorot-uniform kernels and zero biases.

        Parameters
        ----------
        seed : int or sequence of int
            Seed of `numpy.random.default_rng`.

        Returns
        -------
        list of ndarray
            In the order of `parameter_shapes`.

        References
        ----------
        Glorot, Bengio: Understanding the difficulty of training deep feedforward neural
        networks, AISTATS 2010, equation 16.
        """
        rng = np.random.default_rng(seed)
        weights = []
        for shape in self.parameter_shapes:
            if len(shape) == 1:
                weights.append(np.zeros(shape, self.dtype))
                continue
            receptive_field = prod(shape[:-2])
            fans = receptive_field * (shape[-2] + shape[-1])
            limit = np.sqrt(6 / fans)
            weights.append(rng.uniform(-limit, limit, shape).astype(self.dtype))
        return weights
