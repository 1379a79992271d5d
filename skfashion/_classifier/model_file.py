"""Save and load a fitted FashionCNN as one safetensors file.

The weights, the optimizer's state and the history are tensors. The metadata is one JSON document
with the parameters, the labels, the fitted numbers, the versions and a SHA-256 of everything.
Loading runs no code from the file. It builds the estimator from the JSON document and checks that
the file has exactly the tensors that the estimator needs.
"""

import hashlib
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import safetensors.numpy

from skfashion._classifier.json_values import (
    ModelFileError,
    labels_from_json,
    labels_to_json,
    parameter_from_json,
    parameter_to_json,
)
from skfashion._network.architecture import Architecture
from skfashion._utils import environment
from skfashion._utils.cache_directory import locate_memory
from skfashion._utils.files import expand_user, write_atomically
from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray, ImageShape, StrPath

# Fitted numbers: attribute, type, smallest and largest value.
_LARGEST_INT, _LARGEST_FLOAT = 2**63 - 1, sys.float_info.max
_NUMBERS: dict[str, tuple[type, Any, Any]] = {
    "n_features_in_": (int, 1, _LARGEST_INT),
    "n_iter_": (int, 1, _LARGEST_INT),
    "n_epochs_trained_": (int, 0, _LARGEST_INT),
    "pixel_max_": (float, math.ulp(0.0), _LARGEST_FLOAT),
    "_typical_max": (float, 0.0, _LARGEST_FLOAT),
    "_dropout": (float, 0.0, 1.0),
    "_seed": (int, 0, 2**31 - 1),
    "_signed": (bool, False, True),
}
_HISTORY = ("loss", "accuracy", "val_loss", "val_accuracy")
_MOMENTS = ("momentums", "velocities")
_GROUPS = (*_MOMENTS, "trained", "statistics")  # what training continues from, if there is any

# Only one key: safetensors writes several keys in random order, and equal networks must give equal
# files.
_METADATA_KEY = "skfashion.FashionCNN"
_FORMAT_VERSION = 2
_READABLE_VERSIONS = (1, 2)
_MAX_HEADER_BYTES = 2**20  # Python's JSON parser takes up to 45 times as much memory
_MAX_MESSAGE = 500
_Description: TypeAlias = tuple[str, list[int]]  # dtype and shape of a tensor


def save(clf: Any, file: StrPath | BinaryIO, *, include_optimizer: bool) -> None:
    """Write a fitted network to a model file. Raise an error if `load` could not read it."""
    if include_optimizer and clf._optimizer_state["iterations"] is None:
        raise ValueError(
            "include_optimizer=True, but this network has no optimizer's state: it was taken "
            "from the middle of a stored training, or from a file without."
        )
    with _wrap_errors(f"This {type(clf).__name__} cannot be saved"):
        content = _serialize(clf, include_optimizer=include_optimizer)
        _deserialize(type(clf), io.BytesIO(content))
    if isinstance(file, str | os.PathLike):
        write_atomically(expand_user(file), content)
        return
    if not hasattr(file, "write"):
        raise TypeError(
            f"path={shorten(file)}: expected a path, or a binary file object to write into."
        )
    _check_binary(file)
    file.write(content)


def load(cls: type[Any], file: StrPath | BinaryIO) -> Any:
    """Read a fitted network from a model file."""
    if not isinstance(file, str | os.PathLike):
        return _load_from_object(cls, file)
    path = expand_user(file)
    if path.exists() and not (path.is_file() or path.is_dir()):
        # Opening a pipe would wait for a writer forever.
        raise ValueError(f"{path} cannot be loaded: it is not a regular file.")
    with path.open("rb") as opened, _wrap_errors(f"{path} cannot be loaded"):
        return _deserialize(cls, opened)


def _load_from_object(cls: type[Any], file: BinaryIO) -> Any:
    """Read a network from the rest of a file object. It need not be seekable."""
    if not hasattr(file, "read"):
        is_content = isinstance(file, bytes | bytearray | memoryview)
        advice = " Put the bytes of a file into io.BytesIO." if is_content else ""
        raise TypeError(
            f"path={shorten(file)}: expected a path, or a binary file object to read from.{advice}"
        )
    _check_binary(file)
    content = file.read()
    with _wrap_errors(f"{getattr(file, 'name', None) or file!r} cannot be loaded"):
        _require(len(content) > 0, "nothing is left in it to read. Its seek(0) goes to its start.")
        return _deserialize(cls, io.BytesIO(content))


def _check_binary(file: Any) -> None:
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"path={file!r} is a file of text: open it in binary mode, 'rb' or 'wb'.")


@contextmanager
def _wrap_errors(what: str) -> Iterator[None]:
    """Convert any error that a damaged or forged file causes to a ValueError."""
    try:
        yield
    except (OSError, MemoryError):  # not caused by the file's content
        raise
    except Exception as error:
        message = str(error)
        # Other errors of parsers and of Python do not tell users what is wrong.
        if not isinstance(error, ModelFileError):
            message = f"it is damaged, or not a model file of skfashion ({error!r})."
        dots = "…" * (len(message) > _MAX_MESSAGE)
        raise ValueError(f"{what}: {message[:_MAX_MESSAGE]}{dots}") from error


@contextmanager
def _keep_message() -> Iterator[None]:
    """Mark a ValueError whose message is written for users, so that `_wrap_errors` keeps it."""
    try:
        yield
    except ValueError as error:
        raise ModelFileError(str(error)) from error


def _require(condition: bool | np.bool_, problem: str) -> None:
    if not condition:
        raise ModelFileError(problem)


def _serialize(clf: Any, *, include_optimizer: bool) -> bytes:
    groups = {"weights": clf.weights_}
    if include_optimizer:
        state = clf._optimizer_state
        groups |= {name: state[name] for name in _GROUPS if name in state}
    tensors = {name: np.ascontiguousarray(array) for name, array in _name_tensors(groups)}
    for name, values in clf.history_.items():
        tensors[f"history/{name}"] = np.array(values, dtype=np.float64)
    parameters = clf.get_params(deep=False)
    parameters.pop("callbacks", None)  # these are objects of the user
    if "memory" in parameters:  # a subclass may not have it
        with _keep_message():
            parameters["memory"] = locate_memory(parameters["memory"])
    names = getattr(clf, "feature_names_in_", None)
    document = {
        "format_version": _FORMAT_VERSION,
        "versions": environment.versions(),
        "class": type(clf).__name__,
        "parameters": {name: parameter_to_json(name, value) for name, value in parameters.items()},
        "architecture": clf._architecture,
        "numbers": {name: kind(getattr(clf, name)) for name, (kind, _, _) in _NUMBERS.items()},
        "image_shape": [int(length) for length in clf.image_shape_],
        "classes": labels_to_json(clf.classes_),
        "feature_names": None if names is None else labels_to_json(names),
        "iterations": int(clf._optimizer_state["iterations"]) if include_optimizer else None,
    }
    document["sha256"] = _digest(document, tensors)
    return safetensors.numpy.save(tensors, {_METADATA_KEY: json.dumps(document, allow_nan=False)})


def _name_tensors(groups: Mapping[str, Iterable[Any]]) -> Iterator[tuple[str, Any]]:
    for group, arrays in groups.items():
        for number, array in enumerate(arrays):
            yield f"{group}/{number}", array


def _digest(document: Mapping[str, Any], tensors: Mapping[str, AnyArray]) -> str:
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.ravel().data)
    return digest.hexdigest()


def _deserialize(cls: type[Any], file: BinaryIO) -> Any:
    """Read a network from a model file. The caller wraps errors."""
    header_size, header, document = _read_header(file)
    sha256 = document.pop("sha256")

    clf = _build_estimator(cls, document)
    for name, limits in _NUMBERS.items():
        setattr(clf, name, _check_number(name, document["numbers"].get(name), *limits))
    clf.image_shape_ = _check_image_shape(document["image_shape"], clf.n_features_in_)
    stored = document["architecture"]
    # Each layer has a kernel and a bias. This limits the layers whose shapes are computed.
    _require(2 * len(stored["filters"]) <= len(header), "it has more convolutions than tensors.")
    architecture = _build_architecture(stored, clf.image_shape_)
    clf._architecture = asdict(architecture)
    clf.classes_ = labels = labels_from_json(document["classes"], architecture.n_classes)
    _require((labels[1:] > labels[:-1]).all(), "its labels are not sorted, or not all different.")
    if document["feature_names"] is not None:
        clf.feature_names_in_ = labels_from_json(document["feature_names"], clf.n_features_in_)
        _require(clf.feature_names_in_.dtype == object, "its feature names are not strings.")
    if (iterations := document["iterations"]) is not None:
        _check_number("iterations", iterations, int, 1, _LARGEST_INT)

    # This determines which tensors the file must have, and its size.
    dtype = architecture.dtype.replace("float", "F")  # safetensors' name
    layers = [(dtype, list(shape)) for shape in architecture.parameter_shapes]
    groups = {"weights": layers}
    if iterations is not None:
        groups |= dict.fromkeys(_MOMENTS, layers)
        if architecture.batch_norm or "trained/0" in header:
            groups["trained"] = layers
        groups["statistics"] = [(dtype, [*shape]) for shape in architecture.statistics_shapes]
    shape = header["history/loss"]["shape"]
    _require(len(shape) == 1, f"history/loss is of shape {shape}: expected one number an epoch.")
    [epochs] = shape
    least = max(clf.n_iter_, clf.n_epochs_trained_)
    _check_number("the length of the history", epochs, int, least, _LARGEST_INT)
    series = [name for name in _HISTORY if f"history/{name}" in header]
    expected = dict(_name_tensors(groups))
    expected |= {f"history/{name}": ("F64", [epochs]) for name in series}
    tensors = _read_tensors(file, header_size, header, expected)
    _require(_digest(document, tensors) == sha256, "it was changed: its SHA-256 does not match.")

    arrays = {
        group: [tensors[f"{group}/{i}"] for i in range(len(described))]
        for group, described in groups.items()
        if described
    }
    clf.weights_ = arrays.pop("weights")
    clf._optimizer_state = {**arrays, "iterations": iterations}
    clf.history_ = {name: tensors[f"history/{name}"].tolist() for name in series}
    clf._checkpoints = None
    return clf


def _read_header(file: BinaryIO) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Read the size of the header, the descriptions of the tensors, and our JSON document."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    _require(0 < length <= size - 8, "it is not a model file of skfashion, or was cut off.")
    _require(
        length <= _MAX_HEADER_BYTES,
        f"parameters, labels and names take {length:,} of at most {_MAX_HEADER_BYTES:,} bytes.",
    )
    header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    _require(_METADATA_KEY in metadata, "it is a safetensors file, but not one of skfashion.")
    document = json.loads(metadata[_METADATA_KEY])
    version = document["format_version"]
    _require(
        version in _READABLE_VERSIONS,
        f"it has format version {version!r}, written with {document.get('versions')!r}: this "
        f"skfashion reads up to version {_FORMAT_VERSION}. A newer one may read it.",
    )
    return 8 + length, header, document


def _read_tensors(
    file: BinaryIO, header_size: int, header: dict[str, Any], expected: dict[str, _Description]
) -> dict[str, AnyArray]:
    """Read the tensors. Raise an error if they are not exactly the expected ones."""
    found = {name: (entry["dtype"], entry["shape"]) for name, entry in header.items()}
    for name in sorted(found.keys() | expected.keys()):
        ours, theirs = expected.get(name, "no such tensor"), found.get(name, "missing")
        _require(ours == theirs, f"{name} is {theirs}: expected {ours}.")
    sizes = [math.prod(shape) * int(dtype[1:]) // 8 for dtype, shape in expected.values()]
    wanted, size = header_size + sum(sizes), file.seek(0, os.SEEK_END)
    _require(size == wanted, f"it was cut off or changed: {size:,} bytes, expected {wanted:,}.")
    file.seek(0)
    tensors = safetensors.numpy.load(file.read(size))
    for name, tensor in tensors.items():
        # In the history NaN means that nothing was measured, and a loss may be infinite.
        is_right = name.startswith("history/") or np.isfinite(tensor).all()
        _require(is_right, f"{name} holds values that are not finite.")
    return tensors


def _build_estimator(cls: type[Any], document: Mapping[str, Any]) -> Any:
    parameters, name, stored = document["parameters"], cls.__name__, document["class"]
    # A base class might silently misinterpret what a subclass saved.
    _require(
        stored in {base.__name__ for base in cls.__mro__},
        f"it holds a {stored}: load it by {stored}.load, not by {name}.load.",
    )
    unknown = ", ".join(sorted(parameters.keys() - cls._get_param_names()))
    _require(not unknown, f"it holds a {stored}, but {name} has no parameter {unknown}.")
    clf = cls(**{name: parameter_from_json(value) for name, value in parameters.items()})
    with _keep_message():
        clf._validate_params()
    return clf


def _check_number(name: str, value: Any, kind: type, least: Any, largest: Any) -> Any:
    # This rejects True, which is an int, and NaN, which is in no range.
    is_right = type(value) is kind and least <= value <= largest
    _require(is_right, f"{name} is {value!r}: expected {kind.__name__} from {least} to {largest}.")
    return value


def _check_image_shape(stored: Any, n_features: int) -> ImageShape:
    _require(len(stored) == 2, f"image_shape is {stored}: expected rows and columns.")
    rows, columns = (_check_number("image_shape", n, int, 1, _LARGEST_INT) for n in stored)
    side = math.isqrt(n_features - 1) + 1  # of the smallest square that holds the features
    is_right = rows * columns == n_features or rows == columns == side
    _require(is_right, f"images of {rows} x {columns} do not have {n_features} features.")
    return rows, columns


def _build_architecture(stored: Mapping[str, Any], image_shape: ImageShape) -> Architecture:
    stored = {"pool_size": 1, "batch_norm": False, **stored}  # format 1 had neither
    dense_units = stored["dense_units"]
    counts = [("kernel_size", stored["kernel_size"])]
    counts += [] if dense_units is None else [("dense_units", dense_units)]
    for name in ("strides", "pool_size"):
        values = stored[name]
        counts += [(name, n) for n in (values if isinstance(values, list) else [values])]
    for name, value in counts:
        _check_number(name, value, int, 1, _LARGEST_INT)
    _check_number("n_classes", stored["n_classes"], int, 2, _LARGEST_INT)
    for name in ("batch_norm", "dropout"):
        _require(isinstance(stored[name], bool), f"{name} is {stored[name]!r}: expected a bool.")
    dtype = stored["dtype"]
    _require(dtype in ("float32", "float64"), f"its weights are of dtype {dtype!r}.")
    # The shape after padding follows from the other fields.
    layers = {name: value for name, value in stored.items() if name != "image_shape"}
    with _keep_message():
        return Architecture.for_images(image_shape, **layers)
