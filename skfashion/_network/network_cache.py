"""Cache of compiled networks, which later fits reuse."""

import threading

from skfashion._network.architecture import Architecture
from skfashion._network.keras_model import Network
from skfashion._network.tensorflow import chosen_device


class NetworkCache:
    """Cache of compiled networks for later fits.

    Compiling takes seconds, and memory that TensorFlow never frees. Setting the state of a compiled
    network takes neither. `acquire` removes the network from the cache, so threads never share it.

    Parameters
    ----------
    capacity : int, default=16
        Maximum number of networks. The least recently used one is dropped first.
    max_bytes : float, default=512e6
        Maximum size of their weights and optimizers together. Sixteen networks of version 1 on
        28 x 28 pixels take 449 MB. A network above this limit is not kept.
    """

    def __init__(self, capacity: int = 16, max_bytes: float = 512e6) -> None:
        self.capacity, self.max_bytes = capacity, max_bytes
        self._idle: list[Network] = []
        self._lock = threading.Lock()

    def acquire(self, architecture: Architecture) -> Network | None:
        """Take a network out of the cache that has this architecture and is on the chosen device.

        Return None if there is none.
        """
        wanted = architecture, chosen_device()
        with self._lock:
            for position in reversed(range(len(self._idle))):
                network = self._idle[position]
                if (network.architecture, network.device) == wanted:
                    return self._idle.pop(position)
        return None

    def release(self, network: Network) -> int:
        """Put a network into the cache.

        Returns
        -------
        int
            Size of the networks that were not kept, in bytes. Python frees them at the next garbage
            collection.
        """
        with self._lock:
            if network.n_bytes > self.max_bytes:
                return network.n_bytes
            self._idle.append(network)
            dropped = 0
            while len(self._idle) > self.capacity or self._n_bytes() > self.max_bytes:
                dropped += self._idle.pop(0).n_bytes
            return dropped

    def _n_bytes(self) -> int:
        return sum(network.n_bytes for network in self._idle)

    def clear(self) -> None:
        """Drop all networks. TensorFlow keeps the compiled programs until the process ends."""
        with self._lock:
            self._idle.clear()


network_cache = NetworkCache()
