"""Fashion-MNIST from the package, this machine, the net or a CSV, and photos in its likeness."""

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
