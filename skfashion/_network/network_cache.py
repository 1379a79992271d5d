"""Compiled networks that later fits use again."""

import threading

from skfashion._network.architecture import Architecture
from skfashion._network.keras_model import Network


class NetworkCache:
    """Cache of compiled networks for later fits.

    Compiling takes seconds, and memory that TensorFlow never frees. Setting the state of a compiled
    network takes neither. `acquire` removes the network from the cache, so threads never share one.

    Parameters
    ----------
    capacity : int, default=16
        Maximum number of networks. The least recently used one is dropped first.
    """

    def __init__(self, capacity: int = 16) -> None:
        self.capacity = capacity
        self._idle: list[Network] = []
        self._lock = threading.Lock()

    def acquire(self, architecture: Architecture) -> Network | None:
        """Take a network of an architecture out of the cache, None if there is none."""
        with self._lock:
            for position in reversed(range(len(self._idle))):
                if self._idle[position].architecture == architecture:
                    return self._idle.pop(position)
        return None

    def release(self, network: Network) -> None:
        """Put a network into the cache."""
        with self._lock:
            self._idle.append(network)
            del self._idle[: max(0, len(self._idle) - self.capacity)]

    def clear(self) -> None:
        """Drop all networks. What TensorFlow compiled for them stays until the process ends."""
        with self._lock:
            self._idle.clear()


network_cache = NetworkCache()
