"""The networks and all baselines on the full Fashion-MNIST: `make results`.

Every estimator is trained on the 60,000 training images and predicts the 10,000 test images once,
the networks with three seeds. What was predicted and how long it took is kept in a folder, a file
for each training, so that an interrupted run goes on where it stopped; the tables in docs/results
are made of these files.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfashion import FashionCNN, make_baselines
from skfashion._utils.environment import describe
from skfashion.comparison._format import format_cost, format_p
from skfashion.comparison._statistics import mcnemar_test, proportion_interval
from skfashion.datasets import CLASS_NAMES, fetch_fashion_mnist

SEEDS = (0, 1, 2)
SEED = SEEDS[0]  # of the league table

V3 = f"FashionCNN v3, {FashionCNN.v3().epochs} epochs"
NETWORKS = {
    "FashionCNN v1, 5 epochs": partial(FashionCNN.v1, epochs=5),
    "FashionCNN v2, 20 epochs": FashionCNN.v2,
    V3: FashionCNN.v3,
}
# Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747, table 3: of each kind the best.
PAPER = {
    "naive Bayes": 0.511,
    "logistic regression": 0.842,
    "linear SVC": 0.836,
    "kNN": 0.854,
    "RBF SVC": 0.897,
    "random forest": 0.873,
    "histogram gradient boosting": 0.880,
    "MLP": 0.871,
}


def contenders():
    """The rows of the league table."""
    return {
        **{name: make(random_state=SEED) for name, make in NETWORKS.items()},
        "FashionCNN v1, 20 epochs": FashionCNN.v1(random_state=SEED),
        **make_baselines(random_state=SEED),
    }


def of_seed(name, seed):
    """The name under which a training is kept."""
    return name if seed == SEED else f"{name}, seed {seed}"


def as_in_the_paper():
    """The paper's own configurations, where a baseline of ours has another one.

    Its runner hands standardised pixels to all; the settings are those of its table 3.
    """
    seed = {"random_state": SEED}
    estimators = {
        "naive Bayes": GaussianNB(priors=[0.1] * 10),
        "random forest": RandomForestClassifier(100, criterion="entropy", max_depth=100, **seed),
        "MLP": MLPClassifier((100,), **seed),
        "kNN": KNeighborsClassifier(5, p=1, weights="distance"),
        "logistic regression": LogisticRegression(),
    }
    return {
        f"{name}, as in the paper": make_pipeline(StandardScaler(), estimator)
        for name, estimator in estimators.items()
    }


def measure(estimator, X, y, X_test):
    begin = time.perf_counter()
    estimator.fit(X, y)
    fitted = time.perf_counter()
    predictions = estimator.predict(X_test)
    end = time.perf_counter()
    return {
        "predictions": predictions,
        "fit_seconds": fitted - begin,
        "predict_seconds": end - fitted,
    }


def accuracy_by_epoch(network, X, y):
    return [
        np.mean(network.classes_[probabilities.argmax(axis=1)] == y)
        for probabilities in network.staged_predict_proba(X)
    ]


def run(estimator, X, y, X_test, y_test):
    if not isinstance(estimator, FashionCNN):
        return measure(estimator, X, y, X_test)
    with tempfile.TemporaryDirectory() as memory:
        estimator.set_params(memory=memory)
        return measure(estimator, X, y, X_test) | {
            "training_accuracy": accuracy_by_epoch(estimator, X, y),
            "test_accuracy": accuracy_by_epoch(estimator, X_test, y_test),
            "parameters": sum(weights.size for weights in estimator.weights_),
        }


def league(found, y_test):
    """The table, best first."""
    right = {name: kept["predictions"] == y_test for name, kept in found.items()}
    names = sorted(found, key=lambda name: -right[name].mean())
    rows = []
    for name in names:
        low, high = proportion_interval(right[name].mean(), len(y_test))
        accuracy = right[name].mean()
        paper = PAPER.get(name.removesuffix(", as in the paper"))
        p = mcnemar_test(
            np.count_nonzero(right[names[0]] & ~right[name]),
            np.count_nonzero(right[name] & ~right[names[0]]),
        )
        rows.append(
            {
                "estimator": name,
                "test accuracy [95 %]": f"{accuracy:.4f} [{low:.4f}, {high:.4f}]",
                "p, beside the first": "" if name == names[0] else format_p(p),
                "paper": f"{paper:.3f}" if paper else "",
                "difference": f"{accuracy - paper:+.3f}" if paper else "",
                "fit, s": format_cost(found[name]["fit_seconds"]),
                "predict 10,000, s": format_cost(found[name]["predict_seconds"]),
            }
        )
    return pd.DataFrame(rows)


def networks(found, y_test):
    """The networks, best first."""
    rows = []
    for name in NETWORKS:
        trainings = [found[of_seed(name, seed)] for seed in SEEDS]
        accuracy = [np.mean(kept["predictions"] == y_test) for kept in trainings]
        low, high = proportion_interval(np.mean(accuracy), len(y_test))
        rows.append(
            {
                "network": name,
                "parameters": f"{found[name]['parameters']:,}",
                "fit, s": format_cost(np.mean([kept["fit_seconds"] for kept in trainings])),
                "test accuracy [95 %]": f"{np.mean(accuracy):.4f} [{low:.4f}, {high:.4f}]",
                "each seed": ", ".join(f"{value:.4f}" for value in accuracy),
            }
        )
    return pd.DataFrame(rows).sort_values("test accuracy [95 %]", ascending=False)


def generalisation(found):
    """Accuracy of the networks on the images they were trained on and on the others, by epoch."""
    columns = {}
    for name in ("FashionCNN v1, 20 epochs", "FashionCNN v2, 20 epochs"):
        short = name.removeprefix("FashionCNN ").removesuffix(", 20 epochs")
        training, test = found[name]["training_accuracy"], found[name]["test_accuracy"]
        columns |= {f"{short}: training": training, f"{short}: test": test}
        columns |= {f"{short}: gap": training - test}
    table = pd.DataFrame(columns)
    table.insert(0, "epoch", range(1, len(table) + 1))
    return table


def draw_generalisation(table, path):
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    ax = figure.add_subplot()
    for version, color in (("v1", "#D55E00"), ("v2", "#0072B2")):
        for part, line in (("training", "-"), ("test", "--")):
            values = table[f"{version}: {part}"]
            ax.plot(table["epoch"], values, line, color=color, label=f"{version}, {part} images")
    ax.set(xlabel="epoch", ylabel="accuracy, without dropout")
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    with mpl.rc_context({"svg.hashsalt": path.name}):
        figure.savefig(path, metadata={"Date": None})


def errors_by_class(found, y_test):
    """Of the test images of each class the share that a network takes for another."""
    names = [V3, "FashionCNN v1, 5 epochs", "FashionCNN v1, 20 epochs", "FashionCNN v2, 20 epochs"]
    wrong = {name: found[name]["predictions"] != y_test for name in names}
    table = pd.DataFrame(wrong).groupby(np.array(CLASS_NAMES)[y_test], sort=False).mean()
    return table.loc[list(CLASS_NAMES)].rename_axis("class").reset_index()


def keep(folder, name, work, *given):
    """Do the work, or read what it gave in an earlier run."""
    path = folder / f"{name}.npz"
    if not path.exists():
        np.savez(path, **work(*given))
    with np.load(path) as kept:
        return dict(kept)


def write(tables, folder):
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        table.to_csv(path, index=False, float_format="%.4f", lineterminator="\n")
        print(f"\n{path}\n{table.to_string(index=False)}")
    print("\n" + "\n".join(f"{name}: {value}" for name, value in describe().items()))


def read_arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--kept", type=Path, default=Path("build/results"))
    parser.add_argument("--tables", type=Path, default=Path("docs/results"))
    arguments = parser.parse_args()
    for folder in (arguments.kept, arguments.tables):
        folder.mkdir(parents=True, exist_ok=True)
    return arguments


def main():
    arguments = read_arguments(__doc__)
    X, y = fetch_fashion_mnist(return_X_y=True)
    X_test, y_test = fetch_fashion_mnist(subset="test", return_X_y=True)
    in_the_league = contenders() | as_in_the_paper()
    estimators = in_the_league | {
        of_seed(name, seed): make(random_state=seed)
        for seed in SEEDS[1:]
        for name, make in NETWORKS.items()
    }
    found = {}
    for name, estimator in estimators.items():
        found[name] = keep(arguments.kept, name, run, estimator, X, y, X_test, y_test)
        accuracy = np.mean(found[name]["predictions"] == y_test)
        print(f"{name}: {accuracy:.4f}, fit in {found[name]['fit_seconds']:.1f} s", flush=True)
    tables = {
        "full_data": league({name: found[name] for name in in_the_league}, y_test),
        "networks": networks(found, y_test),
        "generalisation": generalisation(found),
        "errors_by_class": errors_by_class(found, y_test),
    }
    write(tables, arguments.tables)
    draw_generalisation(tables["generalisation"], arguments.tables / "generalisation.svg")


if __name__ == "__main__":
    main()
