"""A fitted FashionCNN as plain values and arrays, and back: what a model file holds of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from skfashion import _machine
from skfashion._architecture import Architecture
from skfashion._archive import Archive, Expected, ModelFileError, write
from skfashion._typing import AnyArray, StrPath

if TYPE_CHECKING:
    from skfashion._fitted import FittedCNN

_FORMAT = "skfashion.FashionCNN"
_VERSION = 1
_COUNTS = ("n_features_in_", "n_iter_", "n_epochs_trained_")
_NUMBERS = ("pixel_max_", "_typical_max", "_dropout")
_HISTORY = {f"history/{name}" for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
_KEYS = {"format", "format_version", "versions", "parameters", "architecture", "fitted"}


def save(clf: FittedCNN, path: StrPath, *, include_optimizer: bool) -> None:
    """Write a fitted network into a model file."""
    arrays = dict(_named("weights", clf.weights_))
    optimizer = clf._optimizer_state
    if include_optimizer:
        if optimizer["iterations"] is None:
            raise ValueError(
                "include_optimizer=True, but this network has no optimizer's state: it was taken "
                "from the middle of a stored training, or from a file without."
            )
        arrays |= dict(_named("momentums", optimizer["momentums"]))
        arrays |= dict(_named("velocities", optimizer["velocities"]))
    for name, values in clf.history_.items():
        arrays[f"history/{name}"] = np.array(values, dtype=np.float64)
    objects = clf.classes_.dtype == object  # then they are strings: scikit-learn takes no others
    arrays["classes"] = clf.classes_.astype(str) if objects else clf.classes_
    if hasattr(clf, "feature_names_in_"):
        arrays["feature_names"] = clf.feature_names_in_.astype(str)
    fitted: dict[str, Any] = {name: int(getattr(clf, name)) for name in _COUNTS}
    fitted |= {name: float(getattr(clf, name)) for name in _NUMBERS}
    fitted["image_shape_"] = [int(length) for length in clf.image_shape_]
    fitted["seed"] = int(clf._seed)
    fitted["labels_are_objects"] = objects
    fitted["iterations"] = int(optimizer["iterations"]) if include_optimizer else None
    manifest = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "versions": _machine.versions(),
        "parameters": {
            name: _encode(name, value) for name, value in clf.get_params(deep=False).items()
        },
        "architecture": clf._architecture,
        "fitted": fitted,
    }
    write(path, manifest, arrays)


def load(cls: type[Any], path: StrPath) -> Any:
    """Read a fitted network from a model file."""
    with Archive(path) as archive, archive.refusing():
        clf, expected = _rebuild(cls, archive.manifest, archive.listed)
        objects = archive.manifest["fitted"]["labels_are_objects"]
        _fill(clf, archive.read(expected), objects=objects)
    return clf


def _rebuild(
    cls: type[Any], manifest: dict[str, Any], listed: Mapping[str, Expected]
) -> tuple[Any, dict[str, Expected]]:
    """The estimator with all but its arrays, and what these have to be."""
    if manifest.get("format") != _FORMAT:
        raise ModelFileError(f"it holds {manifest.get('format')!r}: expected {_FORMAT!r}.")
    version = manifest.get("format_version")
    if type(version) is not int or not 1 <= version <= _VERSION:
        raise ModelFileError(
            f"it has format version {version!r}, written with {manifest.get('versions')!r}: this "
            f"skfashion reads up to {_VERSION}. A newer one may read it."
        )
    if set(manifest) != _KEYS:
        raise ModelFileError(f"the manifest lacks or adds {sorted(set(manifest) ^ _KEYS)}.")
    parameters = {name: _decode(value) for name, value in manifest["parameters"].items()}
    clf = cls(**parameters)
    clf._validate_params()

    fitted = dict(manifest["fitted"])
    for name in _COUNTS:
        setattr(clf, name, _count(fitted, name, 1 if name == "n_features_in_" else 0))
    for name in _NUMBERS:
        value = fitted.pop(name)
        if type(value) is not float or not value >= 0:
            raise ModelFileError(f"{name} is {value!r}: expected a float of 0 or more.")
        setattr(clf, name, value)
    rows, columns = fitted.pop("image_shape_")
    clf.image_shape_ = (rows, columns)
    clf._seed = _count(fitted, "seed", 0)
    iterations = fitted.pop("iterations")
    objects = fitted.pop("labels_are_objects")
    if fitted or type(objects) is not bool:
        raise ModelFileError(f"what was fitted holds {sorted(fitted)} too much.")

    stored = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in manifest["architecture"].items()
    }
    layers: dict[str, Any] = {
        name: value for name, value in stored.items() if name != "image_shape"
    }
    architecture = Architecture.for_images(clf.image_shape_, **layers)
    if stored != asdict(architecture) or rows * columns != clf.n_features_in_:
        raise ModelFileError("its layers, image shape and number of features do not fit together.")
    clf._architecture = stored

    dtype = np.dtype(architecture.dtype)
    groups = ["weights"]
    if iterations is not None:
        if type(iterations) is not int or iterations < 0:
            raise ModelFileError(f"iterations is {iterations!r}.")
        groups += ["momentums", "velocities"]
    expected = {
        f"{group}/{number}": Expected(shape, dtype)
        for group in groups
        for number, shape in enumerate(architecture.parameter_shapes)
    }
    history = [name for name in listed if name.startswith("history/")]
    if not {"history/loss", "history/accuracy"} <= set(history) <= _HISTORY:
        raise ModelFileError(f"its history is of {history}.")
    n_epochs = listed["history/loss"].shape[:1]
    if n_epochs < (clf.n_iter_,):
        raise ModelFileError(f"its history has {n_epochs} epochs, but the network {clf.n_iter_}.")
    expected |= {name: Expected(n_epochs, np.dtype(np.float64)) for name in history}
    # Of labels and names any length will do.
    expected["classes"] = Expected((architecture.n_classes,), listed["classes"].dtype)
    if "feature_names" in listed:
        names = listed["feature_names"].dtype
        if names.kind != "U":
            raise ModelFileError(f"its feature names are of dtype {names.str!r}.")
        expected["feature_names"] = Expected((clf.n_features_in_,), names)
    clf._optimizer_state = {"momentums": None, "velocities": None, "iterations": iterations}
    clf._stored_run = None
    return clf, expected


def _fill(clf: Any, arrays: dict[str, AnyArray], *, objects: bool) -> None:
    classes = arrays["classes"]
    if not np.array_equal(np.unique(classes), classes):
        raise ModelFileError("its labels are not sorted, or not different.")
    if objects and classes.dtype.kind != "U":
        raise ModelFileError(f"its labels are {classes.dtype.str!r}: expected strings.")
    clf.classes_ = classes.astype(object) if objects else classes
    if "feature_names" in arrays:
        clf.feature_names_in_ = arrays["feature_names"].astype(object)
    clf.weights_ = _numbered("weights", arrays)
    if clf._optimizer_state["iterations"] is not None:
        for group in ("momentums", "velocities"):
            clf._optimizer_state[group] = _numbered(group, arrays)
    clf.history_ = {
        name.removeprefix("history/"): values.tolist()
        for name, values in arrays.items()
        if name.startswith("history/")
    }


def _named(group: str, arrays: list[AnyArray]) -> Iterator[tuple[str, AnyArray]]:
    return ((f"{group}/{number}", array) for number, array in enumerate(arrays))


def _numbered(group: str, arrays: Mapping[str, AnyArray]) -> list[AnyArray]:
    count = sum(name.startswith(f"{group}/") for name in arrays)
    return [arrays[f"{group}/{number}"] for number in range(count)]


def _count(fitted: dict[str, Any], name: str, least: int) -> int:
    value = fitted.pop(name)
    if type(value) is not int or value < least:
        raise ModelFileError(f"{name} is {value!r}: expected an integer, {least} or more.")
    return value


# Parameters. What JSON has no word for stands in an object of one key.


def _encode(name: str, value: Any) -> Any:
    """A parameter as JSON."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, tuple):
        return {"tuple": [_encode(name, item) for item in value]}
    if isinstance(value, (list, np.ndarray)):
        return [_encode(name, item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[_encode(name, part) for part in pair] for pair in value.items()]}
    if isinstance(value, np.random.RandomState):
        state: Any = value.get_state()
        kind, keys, *rest = state
        if kind == "MT19937":
            return {"MT19937": [keys.tolist(), *rest]}
    raise ValueError(f"{name}={value!r} cannot be saved: a model file holds plain values alone.")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "tuple":
        return tuple(_decode(item) for item in content)
    if kind == "dict":
        return {_decode(key): _decode(item) for key, item in content}
    if kind == "MT19937":
        generator = np.random.RandomState()
        keys, *rest = content
        generator.set_state(("MT19937", np.array(keys, dtype=np.uint32), *rest))
        return generator
    raise ModelFileError(f"a parameter is a {kind!r}, which is not known.")
