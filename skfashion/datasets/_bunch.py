"""From verified files to what a loader returns, the same for every source."""

from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from ._idx import IdxFile, read_idx, say_damaged

Subset: TypeAlias = Literal["train", "test", "all"]
Files: TypeAlias = Mapping[str, tuple[IdxFile, IdxFile]]
Bytes: TypeAlias = NDArray[np.uint8]
Explain: TypeAlias = Callable[[IdxFile, str, Bytes], str]
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
    subset: Subset, files: Files, paths: Mapping[str, Path], explain: Explain = say_damaged
) -> tuple[Bytes, Bytes]:
    """Read and verify the files that a subset needs, and no others.

    Parameters
    ----------
    subset : {"train", "test", "all"}
    files : dict
        Part to its pair of `IdxFile`, images and labels.
    paths : dict
        Name of each `IdxFile` to where it lies.
    explain : callable, default=say_damaged
        See `read_idx`.

    Returns
    -------
    data : ndarray of uint8, shape (n, 784)
    labels : ndarray of uint8, shape (n,)
    """
    parts = [files[part] for part in PARTS[subset]]
    # Labels first: they are small, and tell digits from clothes.
    labels = np.empty(sum(label.shape[0] for _, label in parts), dtype=np.uint8)
    start = 0
    for _, label in parts:
        stop = start + label.shape[0]
        read_idx(paths[label.name], label, labels[start:stop], explain)
        start = stop
    data = np.empty((len(labels), 784), dtype=np.uint8)
    start = 0
    for image, _ in parts:
        stop = start + image.shape[0]
        read_idx(paths[image.name], image, data[start:stop], explain)
        start = stop
    return data, labels


def make_result(data: Any, labels: Bytes, *, return_X_y: bool, as_frame: bool) -> Any:
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
