"""Make the bundled tenth of Fashion-MNIST: ``python make_mini.py [folder]``.

The unpacked files are always the same, byte for byte; the compressed ones depend on the version of
zlib. Prints their SHA-256 for the table in ``_mini.py``.
"""

import gzip
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skfashion.datasets import fetch_fashion_mnist
from skfashion.datasets._base import Subset
from skfashion.datasets._mini import FILES

PER_CLASS: dict[Subset, int] = {"train": 600, "test": 100}
SEED = 20170831


def choose(
    target: NDArray[np.int64], per_class: int, random_state: np.random.RandomState
) -> NDArray[np.int64]:
    """Return the indices of `per_class` rows of each class, in blocks of one row per class."""
    columns = [
        random_state.permutation(np.flatnonzero(target == label))[:per_class] for label in range(10)
    ]
    return np.concatenate([random_state.permutation(block) for block in zip(*columns, strict=True)])


def main(folder: Path) -> None:
    """Write the four files."""
    # NumPy keeps only the stream of RandomState the same in all versions.
    random_state = np.random.RandomState(SEED)
    for part, per_class in PER_CLASS.items():
        full = fetch_fashion_mnist(subset=part)
        rows = choose(full.target, per_class, random_state)
        arrays = (full.images[rows], full.target[rows].astype(np.uint8))
        for file, array in zip(FILES[part], arrays, strict=True):
            content = file.header + array.tobytes()
            packed = gzip.compress(content, compresslevel=9, mtime=0)
            (folder / f"{file.name}.gz").write_bytes(packed)
            print(file.name, len(packed), sha256(content).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
