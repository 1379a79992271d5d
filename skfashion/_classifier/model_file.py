"""Model files: a fitted FashionCNN as one safetensors file, and back.

Weights, the optimizer's state and the history are tensors. Parameters, labels, fitted values and
versions are one JSON text in the file's metadata, with a SHA-256 of it and of all tensors. Reading
runs nothing: the estimator is built from the JSON, and the tensors must be those it implies.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import safetensors.numpy

from skfashion._network.architecture import Architecture
from skfashion._utils import environment
from skfashion._utils.files import write_atomically
from skfashion._utils.types import AnyArray, ImageShape, StrPath

# What is kept beside the parameters: these numbers, each with its type, least and largest value,
# and the other fitted attributes as `_serialize` and `_deserialize` name them.
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
_SKIPPED_PARAMETERS = {"callbacks"}  # the user's own objects

# One key: safetensors writes several in any order, but equal networks make equal files.
_METADATA_KEY = "skfashion.FashionCNN"
_FORMAT_VERSION = 1
# Python's parser takes up to 90 bytes for a list or an object, which have two characters, and eight
# times the length of other text.
_MAX_HEADER_BYTES = 2**20
_MAX_CONTAINERS = 50_000
_MAX_LABEL_BYTES = 2**24  # a few labels of "<U999999" would take more
_MAX_MESSAGE = 500
_PARSERS_ERRORS = (json.JSONDecodeError, UnicodeError)
_LABEL_DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248]|U\d{1,7}|[mM]8(\[\w{1,9}\])?|O)")
_Tensor: TypeAlias = tuple[str, tuple[int, ...]]  # dtype and shape


def save(clf: Any, path: StrPath, *, include_optimizer: bool) -> None:
    """Write a fitted network into a model file, unless `load` would refuse it."""
    if include_optimizer and clf._optimizer_state["iterations"] is None:
        raise ValueError(
            "include_optimizer=True, but this network has no optimizer's state: it was taken "
            "from the middle of a stored training, or from a file without."
        )
    with _wrap_errors(f"This {type(clf).__name__} cannot be saved"):
        content = _serialize(clf, include_optimizer=include_optimizer)
        _deserialize(type(clf), io.BytesIO(content))
    write_atomically(Path(_expand_user(path)), content)


def load(cls: type[Any], path: StrPath) -> Any:
    """Read a fitted network from a model file."""
    path = _expand_user(path)
    mode = os.stat(path).st_mode  # noqa: PTH116 (Path.stat would normalise the name)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        # Opening a pipe would wait for a writer for ever.
        raise ValueError(f"{path} cannot be loaded: it is no regular file.")
    with open(path, "rb") as file, _wrap_errors(f"{path} cannot be loaded"):  # noqa: PTH123
        return _deserialize(cls, file)


def _expand_user(path: StrPath) -> str:
    return os.path.expanduser(os.fspath(path))  # noqa: PTH111 (Path's raises for unknown users)


@contextmanager
def _wrap_errors(what: str) -> Iterator[None]:
    """Whatever a damaged or forged file makes us or libraries raise is a ValueError."""
    try:
        yield
    except (OSError, MemoryError):  # the disk's and the machine's fault
        raise
    except Exception as error:
        message = str(error)
        if not isinstance(error, ValueError) or isinstance(error, _PARSERS_ERRORS):
            message = f"it is damaged, or no model file of skfashion ({error!r})."
        if len(message) > _MAX_MESSAGE:
            message = f"{message[:_MAX_MESSAGE]}…"
        raise ValueError(f"{what}: {message}") from error


def _require(condition: bool | np.bool_, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def _serialize(clf: Any, *, include_optimizer: bool) -> bytes:
    groups = {"weights": clf.weights_}
    if include_optimizer:
        groups |= {name: clf._optimizer_state[name] for name in _MOMENTS}
    tensors = {
        f"{group}/{number}": np.ascontiguousarray(array)
        for group, arrays in groups.items()
        for number, array in enumerate(arrays)
    }
    for name, values in clf.history_.items():
        tensors[f"history/{name}"] = np.array(values, dtype=np.float64)
    names = getattr(clf, "feature_names_in_", None)
    document = {
        "format_version": _FORMAT_VERSION,
        "versions": environment.versions(),
        "class": type(clf).__name__,
        "parameters": {
            name: _encode(name, value)
            for name, value in clf.get_params(deep=False).items()
            if name not in _SKIPPED_PARAMETERS
        },
        "architecture": clf._architecture,
        "numbers": {name: kind(getattr(clf, name)) for name, (kind, _, _) in _NUMBERS.items()},
        "image_shape": [int(length) for length in clf.image_shape_],
        "classes": _encode_labels(clf.classes_),
        "feature_names": None if names is None else _encode_labels(names),
        "iterations": int(clf._optimizer_state["iterations"]) if include_optimizer else None,
    }
    document["sha256"] = _digest(document, tensors)
    return safetensors.numpy.save(tensors, {_METADATA_KEY: json.dumps(document, allow_nan=False)})


def _digest(document: Mapping[str, Any], tensors: Mapping[str, AnyArray]) -> str:
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.ravel().data)
    return digest.hexdigest()


def _deserialize(cls: type[Any], file: BinaryIO) -> Any:
    """The network in a model file. What it raises is for `_wrap_errors`."""
    size = file.seek(0, os.SEEK_END)
    header_size, header, document = _read_header(file, size)
    sha256 = document.pop("sha256")

    clf = _build_estimator(cls, document)
    for name, allowed in _NUMBERS.items():
        setattr(clf, name, _check_number(name, document["numbers"].get(name), *allowed))
    clf.image_shape_ = _check_image_shape(document["image_shape"], clf.n_features_in_)
    stored = document["architecture"]
    # A kernel and a bias for each layer: what is not there need not be laid out.
    _require(2 * len(stored["filters"]) <= len(header), "it has more convolutions than tensors.")
    architecture = _check_architecture(stored, clf.image_shape_)
    clf._architecture = asdict(architecture)
    clf.classes_ = labels = _decode_labels(document["classes"], architecture.n_classes)
    _require((labels[1:] > labels[:-1]).all(), "its labels are not sorted, or not different.")
    if document["feature_names"] is not None:
        clf.feature_names_in_ = names = _decode_labels(
            document["feature_names"], clf.n_features_in_
        )
        _require(names.dtype == object, "its feature names are no texts.")
    iterations = document["iterations"]
    if iterations is not None:
        _check_number("iterations", iterations, int, 1, _LARGEST_INT)

    # From all this follows what the tensors must be, and so how long the file is.
    groups = ("weights", *(_MOMENTS if iterations is not None else ()))
    shapes = architecture.parameter_shapes
    expected = _expect_history(header, at_least=max(clf.n_iter_, clf.n_epochs_trained_))
    for group in groups:
        for number, shape in enumerate(shapes):
            expected[f"{group}/{number}"] = (architecture.dtype, shape)
    n_bytes = sum(math.prod(shape) * np.dtype(dtype).itemsize for dtype, shape in expected.values())
    _require(
        size == header_size + n_bytes,
        f"it was cut off or changed: it has {size:,} bytes, expected {header_size + n_bytes:,}.",
    )
    file.seek(0)
    tensors = safetensors.numpy.load(file.read(size))
    _check_tensors(tensors, expected)
    _require(_digest(document, tensors) == sha256, "it was changed: its SHA-256 does not match.")

    arrays = {group: [tensors[f"{group}/{i}"] for i in range(len(shapes))] for group in groups}
    clf.weights_ = arrays["weights"]
    clf._optimizer_state = {name: arrays.get(name) for name in _MOMENTS}
    clf._optimizer_state["iterations"] = iterations
    history = {name: tensors.get(f"history/{name}") for name in _HISTORY}
    clf.history_ = {name: epochs.tolist() for name, epochs in history.items() if epochs is not None}
    clf._checkpoints = None
    return clf


def _read_header(file: BinaryIO, size: int) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """The number of bytes before the tensors, what is said of each, and our own document."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    _require(0 < length <= size - 8, "it is no model file of skfashion, or was cut off.")
    _require(
        length <= _MAX_HEADER_BYTES,
        f"parameters, labels and names take {length:,} bytes: expected at most "
        f"{_MAX_HEADER_BYTES:,}.",
    )
    text = file.read(length)
    _require(
        text.count(b"[") + text.count(b"{") <= _MAX_CONTAINERS,
        f"its header holds more than {_MAX_CONTAINERS:,} lists and objects.",
    )
    header = json.loads(text)
    metadata = header.pop("__metadata__", {})
    _require(_METADATA_KEY in metadata, "it is a safetensors file, but not one of skfashion.")
    document = json.loads(metadata[_METADATA_KEY])
    version = document["format_version"]
    _require(
        type(version) is int and 1 <= version <= _FORMAT_VERSION,
        f"it has format version {version!r}, written with {document.get('versions')!r}: this "
        f"skfashion reads up to {_FORMAT_VERSION}. A newer one may read it.",
    )
    return 8 + length, header, document


def _build_estimator(cls: type[Any], document: Mapping[str, Any]) -> Any:
    parameters = document["parameters"]
    unknown = set(parameters) - (set(cls._get_param_names()) - _SKIPPED_PARAMETERS)
    _require(
        not unknown,
        f"{_join(unknown)} of the {document['class']} in it are no parameters of {cls.__name__}.",
    )
    clf = cls(**{name: _decode(name, value) for name, value in parameters.items()})
    clf._validate_params()
    return clf


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:5])


def _check_number(name: str, value: Any, kind: type, least: Any, largest: Any) -> Any:
    # True is an integer as well, and NaN lies in no range.
    is_right = type(value) is kind and least <= value <= largest
    _require(is_right, f"{name} is {value!r}: expected {kind.__name__} from {least} to {largest}.")
    return value


def _check_image_shape(stored: Any, n_features: int) -> ImageShape:
    rows, columns = (_check_number("image_shape", n, int, 1, _LARGEST_INT) for n in stored)
    side = math.isqrt(n_features - 1) + 1  # of the smallest square that holds them
    _require(
        rows * columns == n_features or rows == columns == side,
        f"images of {rows} x {columns} have not {n_features} features.",
    )
    return rows, columns


def _check_architecture(stored: Mapping[str, Any], image_shape: ImageShape) -> Architecture:
    dtype = stored["dtype"]
    _require(dtype in ("float32", "float64"), f"its weights are of dtype {dtype!r}.")
    for name, least in (("kernel_size", 1), ("strides", 1), ("dense_units", 1), ("n_classes", 2)):
        _check_number(name, stored[name], int, least, _LARGEST_INT)
    layers = {name: value for name, value in stored.items() if name != "image_shape"}
    architecture = Architecture.for_images(image_shape, **layers)
    # As text, in which 8, 8.0 and true are three.
    ours, theirs = (json.dumps(part, sort_keys=True) for part in (asdict(architecture), stored))
    _require(ours == theirs, "its layers and image shape do not fit together.")
    return architecture


def _expect_history(header: Mapping[str, Any], *, at_least: int) -> dict[str, _Tensor]:
    """What the tensors of the history must be: all of one length, which they tell."""
    names = {name.removeprefix("history/") for name in header if name.startswith("history/")}
    _require({"loss", "accuracy"} <= names <= set(_HISTORY), f"its history is of {_join(names)}.")
    [epochs] = header["history/loss"]["shape"]
    _check_number("the length of the history", epochs, int, at_least, _LARGEST_INT)
    return {f"history/{name}": ("float64", (epochs,)) for name in names}


def _check_tensors(tensors: Mapping[str, AnyArray], expected: Mapping[str, _Tensor]) -> None:
    different = set(tensors) ^ set(expected)
    _require(not different, f"missing or unknown tensors: {_join(different)}.")
    for name, wanted in expected.items():
        tensor = tensors[name]
        found = (tensor.dtype.name, tensor.shape)
        _require(found == wanted, f"{name} is {found}: expected {wanted}.")
        # What was not measured in an epoch is NaN, and a loss may be infinite.
        if not name.startswith("history/"):
            _require(np.isfinite(tensor).all(), f"{name} holds values that are not finite.")


# Labels, names and parameters as JSON.


def _encode_labels(labels: AnyArray) -> dict[str, Any]:
    dtype = labels.dtype
    values = labels.astype(np.int64).tolist() if dtype.kind in "mM" else labels.tolist()
    is_plain = dtype.kind != "O" or all(isinstance(label, str) for label in values)
    _require(
        is_plain and _LABEL_DTYPE.fullmatch(dtype.str) is not None,
        f"labels of dtype {dtype}, such as {values[0]!r}, are not kept.",
    )
    return {"dtype": dtype.str, "values": values}


def _decode_labels(stored: Mapping[str, Any], n: int) -> AnyArray:
    name, values = stored["dtype"], stored["values"]
    _require(_LABEL_DTYPE.fullmatch(name) is not None, f"its labels are of dtype {name!r}.")
    dtype = np.dtype(name)
    _require(
        len(values) == n and n * dtype.itemsize <= _MAX_LABEL_BYTES,
        f"it holds {len(values):,} labels or names of dtype {name!r}: expected {n:,} that take "
        f"{_MAX_LABEL_BYTES:,} bytes at most.",
    )
    labels = np.array(values, np.int64 if dtype.kind in "mM" else dtype).astype(dtype)
    is_right = labels.shape == (n,) and _encode_labels(labels) == stored
    _require(is_right, f"its labels or names are not as expected, {n} of dtype {name!r}.")
    return labels


def _encode(name: str, value: Any) -> Any:
    """A parameter as JSON. What JSON has no word for stands in an object of one key."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, np.random.RandomState):
        return None  # fits after loading draw anew, as they would after any other fit
    value = getattr(value, "location", value)  # of a joblib.Memory
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, tuple):
        return {"tuple": [_encode(name, item) for item in value]}
    if isinstance(value, list):
        return [_encode(name, item) for item in value]
    if isinstance(value, dict):
        return {"dict": [_encode(name, list(part)) for part in (value, value.values())]}
    raise ValueError(f"{name}={value!r} is no plain, finite value. Use set_params to replace it.")


def _decode(name: str, value: Any) -> Any:
    """A parameter from JSON."""
    if isinstance(value, list):
        return [_decode(name, item) for item in value]
    if isinstance(value, float):
        _require(math.isfinite(value), f"{name} holds {value}: expected finite numbers.")
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("tuple", [*items])]:
            return tuple(_decode(name, items))
        case [("dict", [[*keys], [*values]])]:
            return dict(zip(_decode(name, keys), _decode(name, values), strict=True))
    raise ValueError(f"{name} is of an unknown kind: {_join(value)}.")
