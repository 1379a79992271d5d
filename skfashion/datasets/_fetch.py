"""The loader of the full Fashion-MNIST, from a copy on this machine or a download."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from skfashion._utils.files import expand_user
from skfashion._utils.types import StrPath
from skfashion._utils.warnings import warn
from skfashion.datasets._base import (
    PARTS,
    Arrays,
    Bytes,
    Subset,
    check_parameters,
    make_bunch,
    read_subset,
)
from skfashion.datasets._download import download
from skfashion.datasets._errors import DatasetError, make_error
from skfashion.datasets._idx import FASHION_MNIST, read_idx

_SUBFOLDER = "fashion-mnist"
_SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # Debian and Ubuntu
_ALL_FILES = {file.name: file for part in FASHION_MNIST.values() for file in part}
_REMEDY = (
    "Install the Debian package dataset-fashion-mnist, or put the four files of "
    "https://github.com/zalandoresearch/fashion-mnist into a folder and pass it as data_home or "
    "name it in the environment variable SKFASHION_DATA. load_fashion_mini() needs none of them."
)


@check_parameters(
    subset=[StrOptions(set(PARTS))],
    data_home=[str, PathLike, None],
    download_if_missing=["boolean"],
    n_retries=[Interval(Integral, 0, None, closed="left")],
    delay=[Interval(Real, 0, None, closed="left")],
    progress=["boolean"],
)
def fetch_fashion_mnist(
    *,
    subset: Subset = "train",
    data_home: StrPath | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
    progress: bool = False,
) -> Any:
    """Load Fashion-MNIST from the first copy on this machine, or download it.

    =================   =========================
    Classes                                    10
    Samples total                          70,000
    Dimensionality                            784
    Features            integers, from 0 to 255
    =================   =========================

    A copy is a folder, or its subfolder ``fashion-mnist``, with all four files, each compressed
    (``train-images-idx3-ubyte.gz``) or not (``train-images-idx3-ubyte``). These places are searched
    in this order:

    1. `data_home`;
    2. the environment variable ``SKFASHION_DATA``;
    3. the Debian and Ubuntu package ``dataset-fashion-mnist``;
    4. Keras' cache: ``datasets/fashion-mnist`` in ``KERAS_HOME``, by default in ``~/.keras``;
    5. torchvision's: ``FashionMNIST/raw`` in ``.``, ``data`` and ``~/data``;
    6. scikit-learn's data home: ``SCIKIT_LEARN_DATA``, by default ``~/scikit_learn_data``.

    If none has a copy, all four files (31 MB) are downloaded into the subfolder ``fashion-mnist``
    of `data_home`, or of scikit-learn's data home if `data_home` is None. Complete files of an
    interrupted download are kept. The files of the subset are verified by SHA-256, whatever their
    source, so the arrays are the same on every machine.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 training images, the 10,000 test images, or all 70,000, training images first.

    data_home : str, path-like or None, default=None
        The folder to search first, and to download into. ``~`` is the home folder. If None, only
        the other places are searched.

    download_if_missing : bool, default=True
        If False, raise a `DatasetError` (an :class:`OSError`) instead of downloading if there is no
        copy on this machine.

    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame and `target` a Series.

    n_retries : int, default=3
        How often to retry if all mirrors failed, at least 0.

    delay : float, default=1.0
        Seconds before each retry, at least 0.

    progress : bool, default=False
        If True, show a progress bar for each download on standard error.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of uint8, shape (n_samples, 784)
            One image per row. If `as_frame` is True, a DataFrame.
        images : ndarray of uint8, shape (n_samples, 28, 28)
            The same images; a view of `data`, unless that is a DataFrame.
        target : ndarray of int64, shape (n_samples,)
            The classes, 0 to 9. If `as_frame` is True, a Series named ``label``.
        target_names : ndarray of str, shape (10,)
            The names of the classes: `CLASS_NAMES`.
        feature_names : list of str
            ``pixel1`` to ``pixel784``, row by row from the upper left corner.
        frame : DataFrame of shape (n_samples, 785)
            `data` and `target` side by side. None unless `as_frame` is True.
        DESCR : str
            The description of the data set, with source and licence.

    (data, target) : tuple if `return_X_y` is True
        The two described above.

    Raises
    ------
    DatasetError
        If the copy in `data_home` or ``SKFASHION_DATA`` is damaged or another data set, or if there
        is no copy and none can be downloaded. The message lists all places and what was found
        there.

    Warns
    -----
    UserWarning
        Once, if damaged copies were skipped in places other than these two.

    See Also
    --------
    load_fashion_mini : A tenth of the images, bundled with the package.
    load_fashion_csv : The images from a CSV file of Kaggle.

    References
    ----------
    Han Xiao, Kashif Rasul, Roland Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms. arXiv:1708.07747, 2017.

    Examples
    --------
    >>> from skfashion.datasets import fetch_fashion_mnist
    >>> X, y = fetch_fashion_mnist(return_X_y=True)  # doctest: +SKIP
    >>> X.shape, y.shape  # doctest: +SKIP
    ((60000, 784), (60000,))
    """
    arrays, findings, damaged = _search(subset, data_home)
    if arrays is None:
        try:
            if not download_if_missing:
                raise DatasetError("not tried, download_if_missing is False")
            paths = _download_missing(
                data_home, n_retries=n_retries, delay=delay, progress=progress
            )
        except DatasetError as error:
            listed = _format_list([*findings, f"download: {error}"])
            raise DatasetError(
                "There is no copy of Fashion-MNIST on this machine, and none was downloaded."
                f"{listed}\n{_REMEDY}"
            ) from error
        arrays = read_subset(subset, FASHION_MNIST, paths)
    if damaged:
        warn("Damaged copies of Fashion-MNIST were skipped:" + _format_list(damaged))
    return make_bunch(*arrays, return_X_y=return_X_y, as_frame=as_frame)


def _search(
    subset: Subset, data_home: StrPath | None
) -> tuple[tuple[Bytes, Bytes] | None, list[str], list[str]]:
    """Return the arrays of the first good copy or None, all findings, and the damaged copies."""
    findings: list[str] = []
    damaged: list[str] = []
    for place, folder, chosen in _list_places(data_home):
        paths, finding = _find_all_files(folder)
        if paths is None:
            findings.append(f"{place}: {folder}: {finding}")
            continue
        try:
            return read_subset(subset, FASHION_MNIST, paths), findings, damaged
        except DatasetError as error:
            finding = f"{place}: {error}"
            if chosen:
                raise DatasetError(finding) from error
            findings.append(finding)
            damaged.append(finding)
    return None, findings, damaged


def read_folder(folder: StrPath, *, subset: Subset = "train") -> Arrays:
    """Read X and y from the copy in a folder, without a search or download.

    Parameters
    ----------
    folder : str or path-like
        The folder with the four files, or with a subfolder ``fashion-mnist`` that has them.
    subset : {"train", "test", "all"}, default="train"

    Returns
    -------
    X : ndarray of uint8, shape (n_samples, 784)
    y : ndarray of int64, shape (n_samples,)

    Raises
    ------
    DatasetError
        If the folder has no copy or a damaged one.
    """
    paths, finding = _find_all_files(expand_user(folder))
    if paths is None:
        names = ", ".join(_ALL_FILES)
        raise make_error(folder, finding, f"Expected {names}, each with .gz or without.")
    arrays = read_subset(subset, FASHION_MNIST, paths)
    return make_bunch(*arrays, return_X_y=True, as_frame=False)


def _list_places(data_home: StrPath | None) -> Iterator[tuple[str, Path, bool]]:
    """Yield name and folder of each place to search, and whether the user chose it."""
    if data_home is not None:
        yield "data_home", expand_user(data_home), True
    if named := os.environ.get("SKFASHION_DATA"):
        yield "SKFASHION_DATA", expand_user(named), True
    yield "system package", _SYSTEM_FOLDER, False
    keras_home = os.environ.get("KERAS_HOME") or "~/.keras"
    yield "Keras", expand_user(keras_home) / "datasets" / "fashion-mnist", False
    for root in (".", "data", "~/data"):
        yield "torchvision", expand_user(root) / "FashionMNIST" / "raw", False
    yield "scikit-learn's data home", _get_sklearn_data_home(), False


def _get_sklearn_data_home() -> Path:
    # sklearn.datasets.get_data_home() would create the folder.
    return expand_user(os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data"))


def _find_all_files(place: Path) -> tuple[Mapping[str, Path] | None, str | None]:
    """Return the paths of the four files by name, or None and the finding."""
    try:
        found = _find_files(place)
        if len(found) < len(_ALL_FILES) and (place / _SUBFOLDER).is_dir():
            found = max(found, _find_files(place / _SUBFOLDER), key=len)
    except OSError as error:
        return None, error.strerror
    if not found:
        return None, "has none of the four files"
    missing = [name for name in _ALL_FILES if name not in found]
    return (None, f"lacks {', '.join(missing)}") if missing else (found, None)


def _find_files(folder: Path) -> dict[str, Path]:
    """Return the paths of those of the four files that a folder has."""
    entries = set(os.listdir(folder))  # noqa: PTH208
    return {
        name: folder / entry
        for name in _ALL_FILES
        for entry in (name, f"{name}.gz")  # if both exist, the compressed one
        if entry in entries
    }


def _download_missing(data_home: StrPath | None, **how: Any) -> dict[str, Path]:
    """Download missing files to the data home, and return the paths of all four."""
    home = _get_sklearn_data_home() if data_home is None else expand_user(data_home)
    folder = home / _SUBFOLDER
    paths = {}
    for name, path in (_find_files(folder) if folder.is_dir() else {}).items():
        file = _ALL_FILES[name]
        try:
            read_idx(path, file)
        except DatasetError:
            # Do not replace a file in a folder that the user chose.
            if data_home is not None:
                raise
        else:
            paths[name] = path
    missing = [name for name in _ALL_FILES if name not in paths]
    return paths | download(missing, folder, **how)


def _format_list(findings: Sequence[str]) -> str:
    return "".join(f"\n- {finding}" for finding in findings)
