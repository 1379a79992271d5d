"""The layers of a network as numbers: their shapes, their parameters, their first weights."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from math import inf, prod
from numbers import Integral
from typing import Any, Self

import numpy as np

from skfashion._utils.types import FloatArray, FloatName, ImageShape

# Of weights: eleven times those of version 1.
_LARGE_BYTES = 100e6

# An image is zero-padded to what the network needs. Five convolutions of strides 2 need 63 x 63
# pixels; past this many, strides and kernels cannot be meant for images that small.
_MAX_PADDED_PIXELS = 128 * 128

# With Adam's moments a float32 network of this size takes 12 GB.
_MAX_PARAMETERS = 10**9

# Bytes of the largest feature map when predicting: 10,000 rows of version 1 take 1.5 s in such
# batches, and 2.1 s in batches of 1,000.
_FEATURE_BYTES = 16e6

# Scaled pixels may take a third of that: more, of a tiny network, would soon be more than all rows.
_PIXELS_PER_FEATURE = 3


def smallest_side(n_convolutions: int, kernel_size: int, strides: int, *, most: float = inf) -> int:
    """Rows (and columns) an image must have so that the last convolution yields one pixel.

    Past `most` there is no need to know how many more they are: they grow exponentially.
    """
    side = 1
    for _ in range(n_convolutions):
        side = (side - 1) * strides + kernel_size
        if side > most:
            break
    return side


def _is_positive_integer(n: object) -> bool:
    return not isinstance(n, bool) and isinstance(n, Integral) and int(n) >= 1


@dataclass(frozen=True)
class Architecture:
    """A network's structure: what two networks must share to be the same compiled program.

    For each entry of `filters` a ``Conv2D(f, kernel_size, strides, "valid", relu)``, each
    followed by dropout where `dropout` is true, then Flatten, ``Dense(dense_units, relu)``
    and ``Dense(n_classes)``, whose outputs are logits.

    Parameters
    ----------
    image_shape : tuple of two int
        Rows and columns of the images that enter the first convolution. See `for_images`.
    filters : tuple of int
    kernel_size, strides, dense_units, n_classes : int
    dropout : bool
        Whether there is dropout. Its rate is no structure and not kept here.
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
        **rest: Any,
    ) -> Self:
        """The architecture of some parameters on some images, zero-padded where they are small.

        Parameters
        ----------
        image_shape : tuple of two int
            Rows and columns before any padding.
        filters, strides, kernel_size, dense_units, dropout
            Parameters of `FashionCNN`.
        **rest
            The other fields, as they are.

        Raises
        ------
        ValueError
            If `filters` are no positive integers, or the network or the images that it needs
            would be beyond all measure.
        """
        filters = tuple(filters)
        if not filters or not all(_is_positive_integer(n) for n in filters):
            raise ValueError(
                f"filters={filters!r}: expected a positive integer for each convolution, and at "
                "least one."
            )
        most = max(_MAX_PADDED_PIXELS, *image_shape)
        side = smallest_side(len(filters), kernel_size, strides, most=most)
        rows, columns = (max(length, side) for length in image_shape)
        if (rows, columns) != tuple(image_shape) and rows * columns > _MAX_PADDED_PIXELS:
            raise ValueError(
                f"{len(filters)} convolutions with kernel_size={kernel_size} and "
                f"strides={strides} need images of at least {side} x {side} pixels, but these "
                f"have {image_shape[0]} x {image_shape[1]}. Use smaller strides, a smaller "
                "kernel_size or fewer filters."
            )
        architecture = cls(
            image_shape=(rows, columns),
            filters=tuple(map(int, filters)),
            kernel_size=int(kernel_size),
            strides=int(strides),
            dropout=bool(dropout > 0),
            dense_units=int(dense_units),
            **rest,
        )
        if architecture.n_parameters > _MAX_PARAMETERS:
            raise ValueError(
                f"filters={filters!r} and dense_units={dense_units!r} make a network of "
                f"{architecture.n_parameters:,} parameters, more than {_MAX_PARAMETERS:,}."
            )
        return architecture

    def check_continues(self, trained: "Architecture") -> None:
        """Refuse to go on from the weights of another network. Dropout may come and go.

        Raises
        ------
        ValueError
            If anything else differs.
        """
        changes = [
            f"{field.name} was {before!r} and is now {now!r}"
            for field in fields(self)
            # The padded shape follows from other parameters, which are more to the point.
            if field.name not in ("dropout", "image_shape")
            and (now := getattr(self, field.name)) != (before := getattr(trained, field.name))
        ]
        if changes:
            raise ValueError(
                f"The trained network cannot go on as another one: {'; '.join(changes)}. Set it "
                "back, or fit anew with warm_start=False."
            )

    @property
    def feature_maps(self) -> list[tuple[int, int, int]]:
        """Shape (rows, columns, channels) after each convolution."""
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
    def multiply_adds(self) -> int:
        """Multiplications, each with an addition, of one image's way through the network."""
        positions = [prod(shape[:2]) for shape in self.feature_maps] + [1, 1]
        kernels = map(prod, self.parameter_shapes[::2])
        return sum(map(prod, zip(positions, kernels, strict=True)))

    @property
    def rows_at_a_time(self) -> int:
        """Images that are best predicted together: their largest feature map fits the cache."""
        largest = max(map(prod, self.feature_maps))
        largest = max(largest, _PIXELS_PER_FEATURE * prod(self.image_shape))
        return max(1, int(_FEATURE_BYTES // (largest * np.dtype(self.dtype).itemsize)))

    def initial_weights(self, seed: int | Sequence[int]) -> list[FloatArray]:
        """Weights to start from: Keras' defaults, Glorot's uniform kernels and zero biases.

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
    """All that training changes: the weights and the optimizer's memory of earlier steps.

    Parameters
    ----------
    weights, momentums, velocities : list of ndarray
        In the order of `Architecture.parameter_shapes`; the latter two are Adam's first and
        second moments. None if only the weights are known, and then nothing can go on from them.
    iterations : int
        Steps taken. None as well.
    lent : bool, default=False
        Whether the arrays are a network's own, which a further epoch would have to copy.
    """

    weights: list[FloatArray]
    momentums: list[FloatArray] | None
    velocities: list[FloatArray] | None
    iterations: int | None
    lent: bool = False

    @classmethod
    def initial(cls, architecture: Architecture, seed: int | Sequence[int]) -> Self:
        """The state before the first epoch."""
        weights = architecture.initial_weights(seed)
        # A single zero in the shape of many.
        zeros = [np.broadcast_to(np.zeros((), w.dtype), w.shape) for w in weights]
        return cls(weights, zeros, zeros, iterations=0)

    @property
    def is_large(self) -> bool:
        """Whether there should not be more copies than must be."""
        return sum(weight.nbytes for weight in self.weights) > _LARGE_BYTES

    def copy(self, into: "TrainingState | None" = None) -> "TrainingState":
        """Copy all arrays, into those of another state if there is one."""

        def copy(
            arrays: list[FloatArray] | None, others: list[FloatArray] | None
        ) -> list[FloatArray] | None:
            if arrays is None:
                return None
            others = others or [np.empty(array.shape, array.dtype) for array in arrays]
            for other, array in zip(others, arrays, strict=True):
                np.copyto(other, array)
            return others

        into = into or TrainingState([], None, None, None)
        weights = copy(self.weights, into.weights)
        assert weights is not None
        return TrainingState(
            weights,
            copy(self.momentums, into.momentums),
            copy(self.velocities, into.velocities),
            self.iterations,
        )
