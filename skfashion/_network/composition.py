"""What a network is made of, to notice changes by callbacks that compiled steps would ignore."""

from typing import Any

from skfashion._network.tensorflow import keras

# Entries of the configs of layers and optimizer that callbacks may change.
_CHANGEABLE = {"learning_rate", "rate"}


class Composition:
    """The parts of a network and their configs.

    Parameters
    ----------
    network : keras.Sequential
        A compiled network.
    """

    def __init__(self, network: keras.Sequential) -> None:
        self._parts = _list_parts(network)
        self._configs = _list_configs(network)

    def matches(self, network: keras.Sequential) -> bool:
        """Return whether a network still has the same parts with the same configs."""
        # Compare parts first: a part of another type may have no config.
        same_parts = [*map(id, _list_parts(network))] == [*map(id, self._parts)]
        return same_parts and _list_configs(network) == self._configs


def _list_parts(network: keras.Sequential) -> list[Any]:
    activations = [getattr(layer, "activation", None) for layer in network.layers]
    variables = [*network.trainable_variables, *network.optimizer.variables]
    return [network.loss, network.optimizer, *network.layers, *activations, *variables]


def _list_configs(network: keras.Sequential) -> list[Any]:
    """Return the configs of the optimizer and of each layer, without the changeable entries."""
    configs = [part.get_config() for part in (network.optimizer, *network.layers)]
    return [{n: value for n, value in part.items() if n not in _CHANGEABLE} for part in configs]
