"""The four files of Fashion-MNIST, and what else goes by their names."""

import numpy as np
from numpy.typing import NDArray

from ._idx import IdxFile, pair_of_files

_REMEDY = (
    "Delete it: fetch_fashion_mnist then goes on to another copy or a download. The current files "
    "are at https://github.com/zalandoresearch/fashion-mnist"
)

FILES = {
    "train": pair_of_files(
        "train",
        60_000,
        10_000,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        _REMEDY,
    ),
    "test": pair_of_files(
        "t10k",
        10_000,
        60_000,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        _REMEDY,
    ),
}

# Unpacked files of the handwritten digits, which have the same names, sizes and headers.
MNIST = {
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def explain(expected: IdxFile, digest: str, values: NDArray[np.uint8]) -> str:
    """Say what a well-formed file is that is not the expected one.

    Parameters
    ----------
    expected : IdxFile
        What was looked for.
    digest : str
        SHA-256 of what was found.
    values : ndarray of uint8, shape (n, 784) or (n,)
        The images or labels found.

    Returns
    -------
    finding : str
    """
    if digest in MNIST:
        return "holds the handwritten digits of MNIST, which go by the same file names"
    if values.ndim == 1:
        per_class = len(values) // 10
        counts = np.bincount(values, minlength=10)
        if len(counts) > 10:
            return f"is damaged: it holds the label {values.max()}, beyond 0..9"
        # MNIST is off by 10 % and more; a damaged byte or two are not.
        if np.abs(counts - per_class).max() > per_class // 20:
            return (
                f"has {counts.min():,} to {counts.max():,} labels per class where Fashion-MNIST "
                f"has exactly {per_class:,}: probably the digits of MNIST, which go by the same "
                "file names"
            )
    else:
        # Of each row its hash only: the rows themselves would be a second copy of the data.
        extra = len(values) - len({hash(row.tobytes()) for row in values})
        if extra:
            return (
                f"repeats {extra:,} of its images, the current release not one: probably the "
                "release of before 2017-08-31"
            )
    return (
        f"is well-formed but not Fashion-MNIST of 2017-08-31 or later (SHA-256 {digest}): digits "
        "(MNIST, Kuzushiji-MNIST) go by the same file names, an older release holds "
        "duplicates, or the copy is damaged"
    )
