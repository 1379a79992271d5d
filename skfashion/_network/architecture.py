"""The architecture of a network and its training state.

An architecture knows layer shapes, parameter counts and initial weights.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from math import inf, prod
from numbers import Integral
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from skfashion._utils.messages import shorten
from skfashion._utils.types import FloatArray, FloatName, ImageShape

LayerName: TypeAlias = Literal["hidden", "output"]  # the dense layers, as in the Keras model

# States with larger weights are copied only if necessary. Those of version 1 take 9 MB.
_LARGE_BYTES = 100e6

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
    n_convolutions: int, kernel_size: int, strides: int, *, limit: float = inf
) -> int:
    """Return the number of rows (and columns) for which the last convolution outputs one pixel.

    The size grows exponentially, so the computation stops once it exceeds `limit`. The result may
    then be too small.
    """
    side = 1
    for _ in range(n_convolutions):
        side = (side - 1) * strides + kernel_size
        if side > limit:
            break
    return side


def _is_count(n: object) -> bool:
    return not isinstance(n, bool) and isinstance(n, Integral) and int(n) >= 1


@dataclass(frozen=True)
class Architecture:
    """The structure of a network.

    Networks with equal architectures can share one compiled program.

    The layers are one ``Conv2D(f, kernel_size, strides, "valid", relu)`` for each entry of
    `filters`, each followed by Dropout if `dropout` is true, then Flatten,
    ``Dense(dense_units, relu)`` and ``Dense(n_classes)``. The activation of the last layer (softmax
    or linear) is chosen in `build_layers`.

    Parameters
    ----------
    image_shape : tuple of two int
        Rows and columns of the images after padding. See `for_images`.
    filters : tuple of int
    kernel_size, strides, dense_units, n_classes : int
    dropout : bool
        Whether there are Dropout layers. The rate is not included: it can change without
        recompiling.
    dtype : {"float32", "float64"}
    """

    image_shape: ImageShape
    filters: tuple[int, ...]
    kernel_size: int
    strides: int
    dropout: bool
    dense_units: int
    n_classes: int
    dtype: FloatName

    @classmethod
    def for_images(
        cls,
        image_shape: ImageShape,
        *,
        filters: Iterable[int],
        strides: int,
        kernel_size: int,
        dense_units: int,
        dropout: float,
        **fields: Any,
    ) -> Self:
        """Build the architecture for images of a given shape.

        Images that are too small will be zero-padded.

        Parameters
        ----------
        image_shape : tuple of two int
            Rows and columns before any padding.
        filters, strides, kernel_size, dense_units, dropout
            Parameters of `FashionCNN`.
        **fields
            `n_classes` and `dtype`.

        Raises
        ------
        ValueError
            If `filters` is empty or holds anything but positive integers, if the padded images
            would exceed 128 x 128 pixels, or if the network would have more than 10**9
            parameters.
        """
        # A 0-dimensional array cannot be iterated over.
        counts = tuple(filters) if getattr(filters, "ndim", 1) else ()
        if not counts or not all(map(_is_count, counts)):
            raise ValueError(
                f"filters={shorten(filters)}: expected a non-empty sequence of positive integers, "
                "one for each convolution."
            )
        # Products of NumPy's small integers would overflow.
        kernel_size, strides, dense_units = int(kernel_size), int(strides), int(dense_units)
        limit = max(_MAX_PADDED_PIXELS, *image_shape)
        side = smallest_side(len(counts), kernel_size, strides, limit=limit)
        rows, columns = (max(length, side) for length in image_shape)
        if (rows, columns) != tuple(image_shape) and rows * columns > _MAX_PADDED_PIXELS:
            raise ValueError(
                f"{len(counts)} convolutions with kernel_size={kernel_size} and "
                f"strides={strides} need images of at least {side} x {side} pixels, but these "
                f"have {image_shape[0]} x {image_shape[1]}. Use smaller strides, a smaller "
                "kernel_size or fewer filters."
            )
        architecture = cls(
            image_shape=(rows, columns),
            filters=tuple(map(int, counts)),
            kernel_size=kernel_size,
            strides=strides,
            dropout=bool(dropout > 0),
            dense_units=dense_units,
            **fields,
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
            f"{field.name} was {shorten(before)} and is now {shorten(now)}"
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
    def feature_maps(self) -> list[tuple[int, int, int]]:
        """Output shape (rows, columns, channels) of each convolution."""
        shapes = []
        rows, columns = self.image_shape
        for channels in self.filters:
            rows, columns = (
                (length - self.kernel_size) // self.strides + 1 for length in (rows, columns)
            )
            shapes.append((rows, columns, channels))
        return shapes

    @property
    def parameter_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of kernel and bias of each layer, in the order of ``Model.get_weights()``."""
        shapes: list[tuple[int, ...]] = []
        channels = 1
        for n_filters in self.filters:
            shapes += [(self.kernel_size, self.kernel_size, channels, n_filters), (n_filters,)]
            channels = n_filters
        inputs = prod(self.feature_maps[-1])
        for outputs in (self.dense_units, self.n_classes):
            shapes += [(inputs, outputs), (outputs,)]
            inputs = outputs
        return shapes

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(prod(shape) for shape in self.parameter_shapes)

    @property
    def n_multiply_adds(self) -> int:
        """Number of multiply-add operations in the forward pass of one image."""
        positions = [prod(shape[:2]) for shape in self.feature_maps] + [1, 1]
        kernels = map(prod, self.parameter_shapes[::2])
        return sum(map(prod, zip(positions, kernels, strict=True)))

    def batch_size_within(self, n_bytes: float) -> int:
        """Return the largest batch size so that no feature map takes more than `n_bytes`."""
        largest = max(map(prod, self.feature_maps))
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


@dataclass
class TrainingState:
    """The state that training changes: weights, Adam's moments and step count.

    Parameters
    ----------
    weights, momentums, velocities : list of ndarray
        In the order of `Architecture.parameter_shapes`. The latter two are Adam's first and
        second moments. They are None if only the weights are known; training cannot continue then.
    iterations : int
        Number of training steps. None if only the weights are known.
    is_view : bool, default=False
        Whether the arrays are the memory of a network. See `Network.get_state`.
    """

    weights: list[FloatArray]
    momentums: list[FloatArray] | None
    velocities: list[FloatArray] | None
    iterations: int | None
    is_view: bool = False

    @classmethod
    def initial(cls, architecture: Architecture, seed: int | Sequence[int]) -> Self:
        """Return the state before the first epoch."""
        weights = architecture.initial_weights(seed)
        # One zero in memory, broadcast to the shape of the weights.
        zeros = [np.broadcast_to(np.zeros((), w.dtype), w.shape) for w in weights]
        return cls(weights, zeros, zeros, iterations=0)

    @classmethod
    def from_arrays(
        cls, arrays: list[FloatArray], iterations: int | None, *, is_view: bool = False
    ) -> Self:
        """Make a state from the list that `arrays` returns."""
        n = len(arrays) // 3
        return cls(arrays[:n], arrays[n : 2 * n], arrays[2 * n :], iterations, is_view)

    @property
    def arrays(self) -> list[FloatArray]:
        """All weights, then all momentums, then all velocities, which must be known."""
        assert self.momentums is not None
        assert self.velocities is not None
        return [*self.weights, *self.momentums, *self.velocities]

    @property
    def is_large(self) -> bool:
        """Whether a copy would raise the peak of memory noticeably."""
        return sum(weight.nbytes for weight in self.weights) > _LARGE_BYTES

    def copy(self) -> Self:
        """Copy all arrays."""
        return self.from_arrays([array.copy() for array in self.arrays], self.iterations)
