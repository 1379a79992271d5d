"""Docstrings of the public names: valid, and telling what the code says."""

import ast
import inspect
import re
from importlib import import_module

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate
from sklearn.utils._param_validation import Interval, StrOptions

IGNORED = {
    "ES01",  # an extended summary: where one sentence says it all, a second would fill
    "SA01",  # See Also: where there is something to see
    "RT02",  # a name for what is returned: scikit-learn gives one, "self" or "y" say
}
IGNORED_IN_METHODS = {
    "EX01",  # an example: that of the class shows its methods
}
MODULES = (
    "skfashion",
    "skfashion.comparison",
    "skfashion.datasets",
    "skfashion.inspection",
    "skfashion.plotting",
)


def public_names():
    """Of functions and classes, and of the methods and properties that are not inherited."""
    found = {}
    for module in MODULES:
        for name in import_module(module).__all__:
            value = getattr(import_module(module), name)
            if callable(value) and value not in found.values():
                found[f"{module}.{name}"] = value
                if inspect.isclass(value):
                    found |= {f"{module}.{name}.{own}": getattr(value, own) for own in _own(value)}
    return found


def _own(cls):
    return [
        name
        for base in cls.__mro__
        if base.__module__.startswith("skfashion.")
        for name, value in vars(base).items()
        if not name.startswith("_")
        and (isinstance(value, (classmethod, property)) or inspect.isfunction(value))
    ]


NAMES = public_names()
WITH_PARAMETERS = {name: value for name, value in NAMES.items() if not isinstance(value, property)}
VALIDATED = {
    name: constraints
    for name, value in NAMES.items()
    if (constraints := getattr(value, "_skl_parameter_constraints", None))
    or (constraints := getattr(value, "_parameter_constraints", None))
}


def documented_parameters(value):
    """Name of each parameter to its type and its description, in words."""
    return {
        name.strip("* "): (parameter.type, " ".join(parameter.desc))
        for parameter in NumpyDocString(inspect.getdoc(value))["Parameters"]
        for name in parameter.name.split(",")
    }


def words(constraint):
    """What the docstring must say of a constraint: in the type, and in the description."""
    if isinstance(constraint, StrOptions):
        return [f'"{option}"' for option in constraint.options], []
    if isinstance(constraint, Interval):
        kind = "int" if constraint.type.__name__ == "Integral" else "float"
        if constraint.right is not None:
            closing = "]" if constraint.closed in ("right", "both") else ")"
            opening = "[" if constraint.closed in ("left", "both") else "("
            return [kind], [f"in {opening}{constraint.left}, {constraint.right}{closing}"]
        least = "at least" if constraint.closed == "left" else "above"
        return [kind], [f"{least} {constraint.left}"]
    kinds = {None: "None", "boolean": "bool", "verbose": "int", "random_state": "RandomState"}
    known = constraint is None or isinstance(constraint, str)
    return [kinds[constraint]] if known and constraint in kinds else [], []


def test_the_groups_of_parameters_are_those_of_the_signature():
    from skfashion import FashionCNN

    text = inspect.getdoc(FashionCNN)
    listed = text.partition("in five groups:")[2].partition("Parameters\n---")[0]
    names = [*inspect.signature(FashionCNN).parameters]
    assert re.findall(r"`(\w+)`", listed) == names == [*documented_parameters(FashionCNN)]


def test_the_public_names_are_all_found():
    for name in (
        "skfashion.FashionCNN.staged_predict_proba",
        "skfashion.FashionCNN.v2",
        "skfashion.FashionCNN.v3",
        "skfashion.comparison.Comparison.failures",
        "skfashion.datasets.DatasetError",
        "skfashion.inspection.OcclusionDisplay.from_estimator",
        "skfashion.plotting.HistoryDisplay.from_search",
    ):
        assert name in NAMES
    assert "skfashion.FashionCNN.score" not in NAMES  # scikit-learn's
    assert {"skfashion.FashionCNN", "skfashion.datasets.fetch_fashion_mnist"} <= VALIDATED.keys()


@pytest.mark.parametrize("name", NAMES)
def test_every_public_docstring_is_valid_numpydoc(name):
    is_method = name.rpartition(".")[0] in NAMES
    ignored = IGNORED | IGNORED_IN_METHODS if is_method else IGNORED
    assert [error for error in validate(name)["errors"] if error[0] not in ignored] == []


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_the_default_of_every_parameter_is_documented(name):
    value = WITH_PARAMETERS[name]
    documented = documented_parameters(value)
    if not documented:
        return
    for parameter in inspect.signature(value).parameters.values():
        if parameter.name == "self" or parameter.kind == parameter.VAR_KEYWORD:
            continue
        told = re.search(r"default=(.+)", documented[parameter.name][0])
        if parameter.default is parameter.empty:
            assert told is None, parameter
        else:
            assert told is not None, parameter
            assert ast.literal_eval(told[1]) == parameter.default


@pytest.mark.parametrize("name", VALIDATED)
def test_the_constraints_of_every_parameter_are_documented(name):
    constraints = VALIDATED[name]
    documented = documented_parameters(NAMES[name])
    assert documented.keys() == constraints.keys()
    for parameter, alternatives in constraints.items():
        kind, description = documented[parameter]
        for alternative in alternatives:
            in_type, in_description = words(alternative)
            for word in in_type:
                assert word in kind, parameter
            for word in in_description:
                assert word.lower() in description.lower(), parameter
