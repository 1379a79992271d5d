"""Load Fashion-MNIST: bundled, found on this machine, downloaded or from a CSV; read own photos.

It must not know any classifier.
"""

from ._bunch import CLASS_NAMES
from ._csv import load_fashion_csv
from ._errors import DatasetError
from ._fetch import fetch_fashion_mnist
from ._mini import load_fashion_mini
from ._reader import ImageFileReader

__all__ = [
    "CLASS_NAMES",
    "DatasetError",
    "ImageFileReader",
    "fetch_fashion_mnist",
    "load_fashion_csv",
    "load_fashion_mini",
]
