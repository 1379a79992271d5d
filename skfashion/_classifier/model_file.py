"""A fitted FashionCNN as plain values and arrays, and back: what a model file holds of it."""

from __future__ import annotations

import io
import json
import math
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, get_args

import numpy as np

from skfashion._classifier.archive import (
    Archive,
    Expected,
    ModelFileError,
    pack,
    refusing,
    some,
    take,
)
from skfashion._classifier.images import choose_image_shape
from skfashion._classifier.plain import decode, encode
from skfashion._network.architecture import Architecture
from skfashion._utils import environment as _machine
from skfashion._utils.files import write_atomically
from skfashion._utils.types import AnyArray, FloatName, ImageShape, StrPath

if TYPE_CHECKING:
    from skfashion._classifier.fashion_cnn import FashionCNN

_KEYS = {"versions", "parameters", "architecture", "fitted"}
_HISTORY = {f"history/{name}" for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
_MOMENTS = ("momentums", "velocities")


class _Range(NamedTuple):
    """What a fitted number can be."""

    kind: type
    least: float
    most: float

    def check(self, name: str, value: Any) -> Any:
        is_exact: bool = type(value) is self.kind  # True is an integer as well
        if is_exact and self.least <= value <= self.most:  # which NaN is not
            return value
        wanted = f"{_NOUNS[self.kind]} from {self.least:g} to {self.most:g}"
        raise ModelFileError(f"{name} is {value!r}: expected {wanted}.")


_NOUNS = {int: "an integer", float: "a float"}


_LARGEST = sys.float_info.max
_COUNT = _Range(int, 1, 2**63 - 1)
_NUMBERS = {
    "n_features_in_": _COUNT,
    "n_iter_": _COUNT,
    "n_epochs_trained_": _COUNT._replace(least=0),
    "pixel_max_": _Range(float, math.ulp(0.0), _LARGEST),
    "_typical_max": _Range(float, 0, _LARGEST),
    "_dropout": _Range(float, 0, 1),
}
_SEED = _Range(int, 0, 2**31 - 1)


def save(clf: FashionCNN, path: StrPath, *, include_optimizer: bool) -> None:
    """Write a fitted network into a model file, if `load` would take it."""
    if include_optimizer and clf._optimizer_state["iterations"] is None:
        raise ValueError(
            "include_optimizer=True, but this network has no optimizer's state: it was taken "
            "from the middle of a stored training, or from a file without."
        )
    content = pack(
        {
            "versions": _machine.versions(),
            "parameters": {
                name: encode(name, value) for name, value in clf.get_params(deep=False).items()
            },
            "architecture": clf._architecture,
            "fitted": _fitted_values(clf, include_optimizer=include_optimizer),
        },
        _arrays(clf, include_optimizer=include_optimizer),
    )
    # Whatever may have been done to it since: no file is written that could not be read.
    with refusing("This FashionCNN cannot be saved, for load would refuse it"):
        _restore(type(clf), io.BytesIO(content))
    write_atomically(Path(path), content)


def load(cls: type[Any], path: StrPath) -> Any:
    """Read a fitted network from a model file."""
    mode = os.stat(path).st_mode  # noqa: PTH116 (Path.stat would normalise the name)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        # Opening a pipe would wait for a writer for ever.
        raise ModelFileError(f"{path}: it is not a regular file.")
    with open(path, "rb") as file, refusing(str(path)):  # noqa: PTH123
        return _restore(cls, file)


# The parts of a network, as they are written.


def _fitted_values(clf: FashionCNN, *, include_optimizer: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: allowed.kind(getattr(clf, name)) for name, allowed in _NUMBERS.items()
    }
    values["image_shape_"] = [int(length) for length in clf.image_shape_]
    values["seed"] = int(clf._seed)
    values["signed"] = clf._signed
    values["labels_are_objects"] = clf.classes_.dtype == object
    values["iterations"] = int(clf._optimizer_state["iterations"]) if include_optimizer else None
    return values


def _arrays(clf: FashionCNN, *, include_optimizer: bool) -> dict[str, AnyArray]:
    arrays = _numbered("weights", clf.weights_)
    for group in _MOMENTS if include_optimizer else ():
        arrays |= _numbered(group, clf._optimizer_state[group])
    for name, values in clf.history_.items():
        arrays[f"history/{name}"] = np.array(values, dtype=np.float64)
    # Objects are strings: scikit-learn takes no others.
    objects = clf.classes_.dtype == object
    arrays["classes"] = _as_text("label", clf.classes_) if objects else clf.classes_
    if hasattr(clf, "feature_names_in_"):
        arrays["feature_names"] = _as_text("feature name", clf.feature_names_in_)
    return arrays


def _numbered(group: str, arrays: Iterable[AnyArray]) -> dict[str, AnyArray]:
    return {f"{group}/{number}": array for number, array in enumerate(arrays)}


def _as_text(what: str, objects: AnyArray) -> AnyArray:
    text = objects.astype(str)
    for given, kept in zip(objects, text.tolist(), strict=True):
        if given != kept:  # of a NUL at its end NumPy keeps nothing, of an Enum its name
            raise ValueError(f"The {what} {given!r} cannot be saved: it would become {kept!r}.")
    return text


# And as they are read: the numbers first, from which follows what the arrays must be.


def _restore(cls: type[Any], file: BinaryIO) -> Any:
    """The network in a model file. What it raises is for `refusing`."""
    archive = Archive(file)
    manifest = archive.manifest
    if strange := set(manifest) ^ _KEYS:
        raise ModelFileError(f"the manifest lacks or adds {some(strange)}.")
    clf = _with_parameters(cls, take(manifest, "parameters", dict))

    fitted = take(manifest, "fitted", dict)
    for name, allowed in _NUMBERS.items():
        setattr(clf, name, allowed.check(name, fitted.pop(name, None)))
    clf._seed = _SEED.check("seed", fitted.pop("seed", None))
    clf.image_shape_ = _image_shape(take(fitted, "image_shape_", list), clf.n_features_in_)
    iterations = fitted.pop("iterations", None)
    if iterations is not None:
        _COUNT.check("iterations", iterations)
    # The first files did not say; standardised pixels have another typical maximum.
    fitted.setdefault("signed", clf._typical_max != clf.pixel_max_)
    clf._signed = take(fitted, "signed", bool)
    objects = take(fitted, "labels_are_objects", bool)
    if fitted:
        raise ModelFileError(f"of what was fitted, {some(fitted)} is unknown.")

    architecture = _architecture(
        take(manifest, "architecture", dict), clf.image_shape_, n_arrays=len(archive.listed)
    )
    if architecture.dropout != (clf._dropout > 0):
        raise ModelFileError(
            f"its rate of dropout is {clf._dropout}, but its layers have dropout="
            f"{architecture.dropout}."
        )
    clf._architecture = asdict(architecture)
    expected = _expected_arrays(clf, architecture, archive.listed, moments=iterations is not None)
    _set_arrays(clf, archive.read(expected), iterations=iterations, objects=objects)
    return clf


def _with_parameters(cls: type[Any], parameters: dict[str, Any]) -> Any:
    clf = cls(**{name: decode(value) for name, value in parameters.items()})
    try:
        clf._validate_params()
    except ValueError as error:
        raise ModelFileError(str(error)) from error
    return clf


def _image_shape(stored: list[Any], n_features: int) -> ImageShape:
    rows, columns = (_COUNT.check("image_shape_", length) for length in stored)
    if rows * columns != n_features and (rows, columns) != choose_image_shape(
        None, None, n_features
    ):
        raise ModelFileError(f"images of {rows} x {columns} have not {n_features} features.")
    return rows, columns


def _architecture(stored: dict[str, Any], image_shape: ImageShape, n_arrays: int) -> Architecture:
    layers = {name: value for name, value in stored.items() if name != "image_shape"}
    filters = take(dict(layers), "filters", list)
    # A kernel and a bias for each layer: what is not there need not be laid out.
    if 2 * len(filters) > n_arrays:
        raise ModelFileError(f"it holds {n_arrays} arrays for {len(filters)} convolutions.")
    for name in ("kernel_size", "strides", "dense_units"):
        _COUNT.check(name, layers.get(name))
    _COUNT._replace(least=2).check("n_classes", layers.get("n_classes"))
    if layers.get("dtype") not in get_args(FloatName):
        raise ModelFileError(f"its weights are of dtype {layers.get('dtype')!r}.")
    architecture = Architecture.for_images(image_shape, **layers)
    # As text, in which 8, 8.0 and true are three.
    ours, theirs = (json.dumps(part, sort_keys=True) for part in (asdict(architecture), stored))
    if ours != theirs:
        raise ModelFileError("its layers and image shape do not fit together.")
    return architecture


def _expected_arrays(
    clf: FashionCNN, architecture: Architecture, listed: Mapping[str, Expected], *, moments: bool
) -> dict[str, Expected]:
    expected = {
        f"{group}/{number}": Expected(shape, np.dtype(architecture.dtype))
        for group in ("weights", *(_MOMENTS if moments else ()))
        for number, shape in enumerate(architecture.parameter_shapes)
    }
    history = [name for name in listed if name.startswith("history/")]
    if not {"history/loss", "history/accuracy"} <= set(history) <= _HISTORY:
        raise ModelFileError(f"its history is of {some(history)}.")
    epochs = listed["history/loss"].shape[:1]
    if epochs < (max(clf.n_iter_, clf.n_epochs_trained_),):
        raise ModelFileError(
            f"its history has {epochs} epochs, but the network {clf.n_iter_}, and "
            f"{clf.n_epochs_trained_} were trained."
        )
    # What was not measured is NaN, and a loss may be infinite.
    expected |= {name: Expected(epochs, np.dtype(np.float64), finite=False) for name in history}
    # Of labels and names any length will do.
    for name, length in (
        ("classes", architecture.n_classes),
        ("feature_names", clf.n_features_in_),
    ):
        if name in listed:
            expected[name] = Expected((length,), listed[name].dtype)
    return expected


def _set_arrays(
    clf: FashionCNN, arrays: dict[str, AnyArray], *, iterations: int | None, objects: bool
) -> None:
    labels = arrays["classes"]
    if not (labels[1:] > labels[:-1]).all():
        raise ModelFileError("its labels are not sorted, or not different.")
    clf.classes_ = _as_objects("labels", labels) if objects else labels
    if "feature_names" in arrays:
        clf.feature_names_in_ = _as_objects("feature names", arrays["feature_names"])
    clf.weights_ = _group("weights", arrays)
    clf._optimizer_state = {
        **{name: None if iterations is None else _group(name, arrays) for name in _MOMENTS},
        "iterations": iterations,
    }
    clf.history_ = {
        name.removeprefix("history/"): arrays[name].tolist() for name in arrays if name in _HISTORY
    }
    clf._checkpoints = None


def _as_objects(what: str, text: AnyArray) -> AnyArray:
    if text.dtype.kind != "U":
        raise ModelFileError(f"its {what} are {text.dtype.str!r}: expected strings.")
    return text.astype(object)


def _group(group: str, arrays: Mapping[str, AnyArray]) -> list[AnyArray]:
    count = sum(name.startswith(f"{group}/") for name in arrays)
    return [arrays[f"{group}/{number}"] for number in range(count)]
