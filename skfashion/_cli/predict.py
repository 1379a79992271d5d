"""The command ``skfashion predict``, which does not load TensorFlow."""

import argparse
import glob
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Literal

from PIL import Image

from skfashion import FashionCNN
from skfashion._cli.text import clean_message, escape, name_in_unicode
from skfashion._utils.files import expand_user
from skfashion.datasets import DatasetError, ImageFileReader
from skfashion.datasets._image_files import FORMATS

_INVERT: dict[str, bool | Literal["auto"]] = {"auto": "auto", "yes": True, "no": False}


class _StandardInput:
    """Standard input as a file object, with a name for error messages."""

    name = "standard input"

    def read(self, size: int) -> bytes:
        if sys.stdin is None:
            raise OSError("it is closed")
        return sys.stdin.buffer.read(size)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each image. Return 1 if any image could not be read."""
    clf = FashionCNN.load(arguments.model)
    if clf._signed:
        raise ValueError(
            f"{arguments.model}: the model was trained on scaled pixels, some of them negative. "
            "This command cannot scale photos in the same way. Use a Pipeline of the scaler and "
            "the model in Python."
        )
    reader = ImageFileReader(
        image_shape=clf.image_shape_,
        background=arguments.background,
        invert=_INVERT[arguments.invert],
    ).fit(arguments.images)
    failed = False
    for name in _find_images(arguments.images):
        answer: dict[str, Any] = {"image": name_in_unicode(name)}
        try:
            answer |= _predict(clf, reader, name)
        except (DatasetError, ValueError) as error:
            failed = True
            answer["error"] = clean_message(error)
        if arguments.json:
            print(json.dumps(answer), flush=True)
            continue
        for key in ("warning", "error"):
            if key in answer:
                print(f"skfashion: {escape(answer[key])}", file=sys.stderr)
        if "error" not in answer:
            best, second = (
                f"{part['label']} {part['probability']:.3f}"
                for part in (answer, answer["runner_up"])
            )
            print(escape(f"{name}: {best}, or {second}"), flush=True)
    return 1 if failed else 0


def _find_images(names: Sequence[str]) -> Iterator[str]:
    """Replace folders and patterns by the images in them. What has none stays, for the error."""
    for name in names:
        path = expand_user(name)
        found: list[str] = []
        # `Path.is_dir` and `Path.exists` raise errors, such as for a name that is too long.
        if os.path.isdir(path):  # noqa: PTH112
            suffixes = {
                suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS
            }
            files = (file for file in path.rglob("*") if file.suffix.lower() in suffixes)
            found = sorted(map(str, files))
        elif not os.path.exists(path):  # noqa: PTH110
            # The shells of Windows leave patterns to the command.
            found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
        yield from found or [name]


def _predict(clf: FashionCNN, reader: ImageFileReader, name: str) -> dict[str, Any]:
    """Return label, probability and runner-up of an image, and the warning of the reader if any."""
    if os.path.isdir(expand_user(name)):  # noqa: PTH112 - of others there are the images
        raise ValueError(f"{name}: the folder has no picture of the formats {', '.join(FORMATS)}.")
    source: Any = _StandardInput() if name == "-" else name
    with warnings.catch_warnings(record=True, action="always") as recorded:
        [row] = reader.transform([source])
    messages = [clean_message(warning.message) for warning in recorded]
    # The model may have another pixel_max, and fewer features than its padded images have pixels.
    X = [row[: clf.n_features_in_] * clf.pixel_max_ / 255]
    with warnings.catch_warnings():
        # Ignore warnings about feature names, which images do not have, and about the scale.
        warnings.simplefilter("ignore")
        [probabilities] = clf.predict_proba(X).tolist()
    answers = [
        {"label": label, "probability": probability}
        for label, probability in zip(_json_labels(clf), probabilities, strict=True)
    ]
    runner_up, best = sorted(answers, key=itemgetter("probability"))[-2:]
    answer = {**best, "runner_up": runner_up}
    return {**answer, "warning": " ".join(messages)} if messages else answer


def _json_labels(clf: FashionCNN) -> list[Any]:
    """Return the labels as JSON types: datetimes and timedeltas become strings."""
    labels = clf.classes_
    return list(map(str, labels)) if labels.dtype.kind in "mM" else labels.tolist()
