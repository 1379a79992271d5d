"""The loader of the bundled tenth of Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sklearn.utils._param_validation import StrOptions

from skfashion.datasets._base import PARTS, Subset, check_parameters, make_bunch, read_subset
from skfashion.datasets._idx import make_files

_FOLDER = Path(__file__).parent / "data"
# The SHA-256 as printed by `data/make_mini.py`.
FILES = make_files(
    6_000,
    1_000,
    "It is part of the package: install skfashion again.",
    "1bc8ac241e683df6f945f224650f47a0f30bceea4ce6895adc1342b8a728a59d",
    "4bf9a5ffc2ce677f8ad3c9033ab09ab5e347f008ad2da82613fdeb9017fb7bb4",
    "0274cb0cb795e591e6a3c374b05109fb0d0b845907ca5aeca36db7265b8e3833",
    "3d315013bb56b9734bcec4cc784b9ddaa848fd24ae498e25c91d5b380bcedbbb",
)


@check_parameters(subset=[StrOptions(set(PARTS))])
def load_fashion_mini(
    *, subset: Subset = "train", return_X_y: bool = False, as_frame: bool = False
) -> Any:
    """Load the tenth of Fashion-MNIST that is bundled with the package.

    =================   =======================
    Classes                                  10
    Samples total                         7,000
    Dimensionality                          784
    Features            integers, from 0 to 255
    =================   =======================

    The script ``data/make_mini.py`` drew 600 training and 100 test images of each class at random.
    In both subsets, rows 0 to 9, 10 to 19 and so on each contain every class once, in random order,
    so the first 100 rows are a balanced sample, too.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 6,000 training images, the 1,000 test images, or all 7,000, training images first.

    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame and `target` a Series.

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
        If the files in the package are damaged.

    See Also
    --------
    fetch_fashion_mnist : All 70,000 images.

    References
    ----------
    Han Xiao, Kashif Rasul, Roland Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms. arXiv:1708.07747, 2017.

    Examples
    --------
    >>> from skfashion.datasets import load_fashion_mini
    >>> fashion = load_fashion_mini()
    >>> fashion.data.shape
    (6000, 784)
    >>> sorted(fashion.target[:10].tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    paths = {file.name: _FOLDER / f"{file.name}.gz" for part in FILES.values() for file in part}
    data, labels = read_subset(subset, FILES, paths)
    return make_bunch(data, labels, return_X_y=return_X_y, as_frame=as_frame)
