"""Fashion-MNIST from the package itself, from a copy on this machine, from the net, from a CSV."""

from ._bunch import CLASS_NAMES
from ._csv import load_fashion_csv
from ._errors import DatasetError
from ._fetch import fetch_fashion_mnist
from ._mini import load_fashion_mini

__all__ = [
    "CLASS_NAMES",
    "DatasetError",
    "fetch_fashion_mnist",
    "load_fashion_csv",
    "load_fashion_mini",
]
