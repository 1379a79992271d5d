"""Makes the table and the first picture of README: `python benchmarks/readme.py`.

It compares what `make demo` compares, on the same folds.
"""

from pathlib import Path

from matplotlib.figure import Figure

from skfashion import FashionCNN, compare, make_baselines
from skfashion._cli.parser import EPOCHS
from skfashion.datasets import load_fashion_mini
from skfashion.plotting import ComparisonDisplay

PICTURE = Path("docs/_static/comparison.png")


def main():
    X, y = load_fashion_mini(return_X_y=True)
    networks = {
        f"FashionCNN {version}": getattr(FashionCNN, version)(epochs=epochs, random_state=0)
        for version, epochs in EPOCHS.items()
    }
    comparison = compare(networks | make_baselines(random_state=0), X, y, cv=3, verbose=1)
    print(comparison)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    ComparisonDisplay.from_comparison(comparison, kind="fit_time", ax=figure.add_subplot())
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
