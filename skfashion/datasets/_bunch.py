"""From verified files to what a loader returns, the same for every source."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ._idx import IdxFile, read_idx

Subset: TypeAlias = Literal["train", "test", "all"]
Bytes: TypeAlias = NDArray[np.uint8]
Arrays: TypeAlias = tuple[Bytes, NDArray[np.int64]]

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
PARTS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}


def feature_names(n_pixels: int = 784) -> list[str]:
    """Return the column names of images, those of Kaggle's CSV."""
    return [f"pixel{i}" for i in range(1, n_pixels + 1)]


def read_subset(
    subset: Subset, files: Mapping[str, tuple[IdxFile, IdxFile]], paths: Mapping[str, Path]
) -> tuple[Bytes, Bytes]:
    """Read and verify the files that a subset needs, and no others.

    Parameters
    ----------
    subset : {"train", "test", "all"}
    files : dict
        Part to its pair of `IdxFile`, images and labels.
    paths : dict
        Name of each `IdxFile` to where it lies.

    Returns
    -------
    data : ndarray of uint8, shape (n, 784)
    labels : ndarray of uint8, shape (n,)
    """
    parts = [files[part] for part in PARTS[subset]]
    # Labels first: they are small, and tell digits from clothes.
    labels = np.concatenate([read_idx(paths[file.name], file) for _, file in parts])
    images = np.concatenate([read_idx(paths[file.name], file) for file, _ in parts])
    return images.reshape(len(images), -1), labels


def make_bunch(data: Any, labels: Bytes, *, return_X_y: bool, as_frame: bool) -> Any:
    """Return a `Bunch`, or ``(data, target)``, as scikit-learn's loaders do."""
    names = feature_names()
    target: Any = labels.astype(np.int64)
    images = data.reshape(-1, 28, 28)
    frame = None
    if as_frame:
        import pandas as pd

        # A copy, so that a frame changed in place leaves `images` as they are.
        rows = data if return_X_y else data.copy()
        data = pd.DataFrame(rows, columns=names, copy=False)
        target = pd.Series(target, name="label")
    if return_X_y:
        return data, target
    if as_frame:
        frame = pd.concat([data, target], axis=1)
    descr = resources.files(__package__) / "descr" / "fashion_mnist.rst"
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=names,
        target_names=np.array(CLASS_NAMES),
        images=images,
        DESCR=descr.read_text(encoding="utf-8"),
    )
