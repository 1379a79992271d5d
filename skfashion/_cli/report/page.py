"""The files of a report: two tables and one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from skfashion._cli.report.figures import best_network, figures
from skfashion._cli.report.tables import make_class_columns, make_columns
from skfashion._utils.files import write_atomically
from skfashion._utils.types import AnyArray
from skfashion.comparison import Comparison
from skfashion.comparison._format import format_p
from skfashion.comparison._statistics import SIGNIFICANCE_LEVEL


def check_libraries() -> None:
    """Raise an ImportError if matplotlib or Jinja2 is missing, before any long work."""
    for library in ("jinja2", "matplotlib"):
        try:
            import_module(library)
        except ImportError as error:
            raise ImportError(
                f"A report needs {library}: python -m pip install 'skfashion[report]'"
            ) from error


def write(
    comparison: Comparison,
    X: AnyArray,
    y: AnyArray,
    directory: Path,
    *,
    title: str,
    display_labels: Sequence[str],
    facts: Mapping[str, str],
) -> Path:
    """Write ``table.csv``, ``scores.csv`` and ``report.html``.

    Parameters
    ----------
    comparison : Comparison
    X : ndarray of shape (n, features)
        The images that were cross-validated.
    y : ndarray of shape (n,)
    directory : Path
        An existing folder.
    title : str
    display_labels : list of str
        Names of the classes, in the order of the sorted labels.
    facts : dict of str to str
        How the comparison was made: command, seed and so on.

    Returns
    -------
    Path
        The path of the page.
    """
    table = comparison.table.to_csv(lineterminator="\n")
    scores = comparison.scores.to_csv(index=False, lineterminator="\n")
    page = directory / "report.html"
    write_atomically(directory / "table.csv", table.encode())
    write_atomically(directory / "scores.csv", scores.encode())
    write_atomically(page, _page(comparison, X, y, title, display_labels, facts).encode())
    return page


def _page(
    comparison: Comparison,
    X: AnyArray,
    y: AnyArray,
    title: str,
    display_labels: Sequence[str],
    facts: Mapping[str, str],
) -> str:
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return templates.get_template("report.html").render(
        title=title,
        summary=_summary(comparison),
        failures=comparison.failures,
        warnings=comparison.table["warnings"][comparison.table["warnings"] != ""],
        names=comparison.table.index,
        columns=make_columns(comparison),
        best=comparison.table.index[0],
        display_labels=display_labels,
        class_columns=make_class_columns(comparison, y),
        networks=comparison.networks,
        has_test=comparison.predictions is not None,
        figures=list(figures(comparison, X, y, display_labels)),
        facts=facts,
    )


def _summary(comparison: Comparison) -> str:
    """Summarize the result in a few sentences."""
    metric = comparison.metrics[0]
    table = comparison.table.dropna(subset=[f"{metric}_mean"])
    if table.empty:
        return "Every estimator failed."
    best = table.index[0]
    text = f"Best: {best}, {metric} {_score(table.loc[best], metric)}."
    similar = table.index[table[f"{metric}_p_adjusted"] >= SIGNIFICANCE_LEVEL]
    if len(similar):
        text += f" Not significantly different: {', '.join(similar)}."
    network = best_network(comparison)
    if network in (None, best):
        return text
    row: Any = table.loc[network]
    p = float(row[f"{metric}_p_adjusted"])
    verdict = "not statistically significant"
    if p < SIGNIFICANCE_LEVEL:
        verdict = "statistically significant"
    p_text = f" (adjusted p {'' if p < 0.001 else '= '}{format_p(p)})" if np.isfinite(p) else ""
    return (
        f"{text} The best network is {network}, {_score(row, metric)}. The difference of "
        f"{row[f'{metric}_difference']:+.3f} is {verdict}{p_text}."
    )


def _score(row: Any, metric: str) -> str:
    mean, low, high = (row[f"{metric}_{part}"] for part in ("mean", "low", "high"))
    return f"{mean:.3f}" + (f" (95 % interval {low:.3f} to {high:.3f})" if np.isfinite(low) else "")
