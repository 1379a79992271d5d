"""Trains a network, once through SciKeras: epochs, their seeds and what is measured of them.

The only module that knows SciKeras.
"""

# Before SciKeras, which imports TensorFlow loudly.
from skfashion._network.tensorflow import tf  # isort: split

from collections.abc import Iterable

import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.preprocessing import FunctionTransformer

from skfashion._classifier.rows import Rows
from skfashion._network.architecture import Architecture
from skfashion._network.keras_model import Network, pool
from skfashion._training.path import EpochPath
from skfashion._utils.types import AnyArray, FloatArray, History


class _Classifier(KerasClassifier):
    """SciKeras' classifier for labels that are codes already: there is nothing to encode."""

    @property
    def target_encoder(self) -> FunctionTransformer:
        return FunctionTransformer()

    def _type_of_target(self, y: AnyArray) -> str:
        return "multiclass"


def train(
    architecture: Architecture,
    path: EpochPath,
    rows: Rows,
    validation: Rows | None = None,
    *,
    seed: int,
    batch_size: int,
    learning_rate: float,
    dropout: float,
    pixel_max: float,
) -> None:
    """Train a borrowed network until the end of its path.

    Each epoch is seeded by its number: it depends on the state before it, the seed and its
    number alone, so ten epochs are five epochs and then five more.

    Parameters
    ----------
    architecture : Architecture
    path : EpochPath
        Tells where the training stands; it is moved on.
    rows : Rows
        With images as their X.
    validation : Rows or None
    seed : int
    batch_size : int
    learning_rate, dropout, pixel_max : float

    Raises
    ------
    ValueError
        If the loss or the weights are no longer finite.
    """

    def run(network: Network, images: AnyArray, codes: AnyArray) -> History:
        training_tensors = _to_tensors((images, codes, rows.weights))
        validation_tensors = validation and _to_tensors(validation)

        def prepare() -> None:
            network.prepare(
                path.state, learning_rate=learning_rate, dropout=dropout, pixel_max=pixel_max
            )

        prepare()
        while not path.ended:
            path.begin()
            epoch = path.epoch + 1
            rng = np.random.default_rng([seed, epoch])
            order = rng.permutation(len(codes)).astype(np.int32)
            dropout_seed = rng.integers(2**63)
            measured = network.train_epoch(training_tensors, order, batch_size, dropout_seed)
            state = network.state()
            if not (np.isfinite(measured["loss"]) and _is_finite(state.weights)):
                raise ValueError(
                    f"Training diverged in epoch {epoch}: the loss or the weights are no longer "
                    f"finite. Use a smaller learning_rate (it is {learning_rate:g}) or scale X."
                )
            if validation_tensors is not None:
                scores = network.score_rows(validation_tensors)
                measured |= {f"val_{name}": value for name, value in scores.items()}
            path.step(measured, state)
            if path.jump() and not path.ended:  # where it ends, the weights alone may be stored
                prepare()
        return path.history

    with pool.lend(architecture, rows.X.dtype.name) as network:
        _Classifier(model=lambda: network, verbose=0).fit(rows.X, rows.codes, run=run)


def _to_tensors(rows: Iterable[AnyArray]) -> tuple[tf.Tensor, ...]:
    return tuple(tf.constant(part) for part in rows)


def _is_finite(weights: Iterable[FloatArray]) -> bool:
    return all(np.isfinite(weight).all() for weight in weights)
