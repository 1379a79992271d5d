"""Loaders of Fashion-MNIST, and `ImageFileReader`, which converts photos to similar images.

The loaders read bundled files, local copies, downloads or CSV files. Nothing here may depend on a
classifier.
"""

from skfashion.datasets._base import CLASS_NAMES
from skfashion.datasets._csv import load_fashion_csv
from skfashion.datasets._errors import DatasetError
from skfashion.datasets._fetch import fetch_fashion_mnist
from skfashion.datasets._image_file_reader import ImageFileReader
from skfashion.datasets._mini import load_fashion_mini

__all__ = [
    "CLASS_NAMES",
    "DatasetError",
    "ImageFileReader",
    "fetch_fashion_mnist",
    "load_fashion_csv",
    "load_fashion_mini",
]
