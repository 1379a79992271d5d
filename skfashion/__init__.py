"""Convolutional networks for Fashion-MNIST as ordinary scikit-learn classifiers.

Every public name is loaded at its first use (PEP 562), so ``import skfashion`` costs next to
nothing and nobody pays for a part that is not used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from skfashion._network import forks as _forks

if TYPE_CHECKING:
    from skfashion import datasets, inspection, plotting
    from skfashion._classifier import FashionCNN
    from skfashion.comparison import compare, make_baselines

__version__ = "0.1.0"

_forks.register_fork_handlers()

_HOMES = {
    "FashionCNN": "skfashion._classifier",
    "compare": "skfashion.comparison",
    "make_baselines": "skfashion.comparison",
}
_MODULES = ("datasets", "inspection", "plotting")

__all__ = [
    "FashionCNN",
    "__version__",
    "compare",
    "datasets",
    "inspection",
    "make_baselines",
    "plotting",
]


if not TYPE_CHECKING:  # to a type checker every name would be an attribute

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            value = getattr(import_module(_HOMES[name]), name)
        elif name in _MODULES:
            value = import_module(f"skfashion.{name}")
        else:
            raise AttributeError(f"module 'skfashion' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
