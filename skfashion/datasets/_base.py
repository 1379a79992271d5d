"""Helpers of all loaders: parameter checks, the files of a subset, and the returned `Bunch`."""

from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from skfashion._utils.types import preserve_signature
from skfashion.datasets._idx import IdxFile, read_idx

Subset: TypeAlias = Literal["train", "test", "all"]
Bytes: TypeAlias = NDArray[np.uint8]
Arrays: TypeAlias = tuple[Bytes, NDArray[np.int64]]
Loader = TypeVar("Loader", bound=Callable[..., Any])

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


def check_parameters(**constraints: list[Any]) -> Callable[[Loader], Loader]:
    """Return a decorator for loaders that validates parameters as scikit-learn does."""
    constraints |= {"return_X_y": ["boolean"], "as_frame": ["boolean"]}
    return preserve_signature(validate_params(constraints, prefer_skip_nested_validation=True))


def feature_names(n_pixels: int = 784) -> list[str]:
    """Return the names of pixel columns, as in Kaggle's CSV files."""
    return [f"pixel{i}" for i in range(1, n_pixels + 1)]


def read_subset(
    subset: Subset, files: Mapping[str, tuple[IdxFile, IdxFile]], paths: Mapping[str, Path]
) -> tuple[Bytes, Bytes]:
    """Read and verify the files of a subset, and no others.

    Parameters
    ----------
    subset : {"train", "test", "all"}
    files : dict
        The files of images and of labels for each part.
    paths : dict
        Paths by file name.

    Returns
    -------
    data : ndarray of uint8, shape (n, 784)
    labels : ndarray of uint8, shape (n,)
    """
    parts = [files[part] for part in PARTS[subset]]
    # Labels first: they are small, so errors are found sooner.
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

        # Copy, so that changing the frame in place does not change `images`.
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
