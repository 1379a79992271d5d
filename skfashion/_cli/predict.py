"""``skfashion predict``: nothing here loads TensorFlow."""

import argparse
import json
import sys
import warnings
from operator import itemgetter
from typing import Any, Literal

from skfashion import FashionCNN
from skfashion.datasets import DatasetError, ImageFileReader

HELP = "say what is on photos, by a model of `train` or of FashionCNN.save"
_INVERT: dict[str, bool | Literal["auto"]] = {"auto": "auto", "yes": True, "no": False}


class _StandardInput:
    """What is piped in, under the name by which errors call it."""

    name = "standard input"

    def read(self, size: int) -> bytes:
        if sys.stdin is None:
            raise OSError("it is closed")
        return sys.stdin.buffer.read(size)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("model", metavar="MODEL", help="a file that `train` wrote")
    command.add_argument(
        "images", metavar="IMAGE", nargs="+", help="a picture's file; - reads standard input"
    )
    command.add_argument("--json", action="store_true", help="print an object of JSON per image")
    command.add_argument(
        "--background",
        default="auto",
        metavar="COLOR",
        help="of the pictures, as white or #fdfdfd; default: auto, that of their corners",
    )
    command.add_argument(
        "--invert",
        choices=_INVERT,
        default="auto",
        help="whether light means no cloth; default: auto, where the object is darker than what is "
        "behind it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each image; 1 if any could not be read."""
    clf = FashionCNN.load(arguments.model)
    if clf._signed:
        raise ValueError(
            f"{arguments.model}: it was trained on pixels with negative values, which something "
            "had scaled: that is needed for photos as well. Use a Pipeline with both, in Python."
        )
    reader = ImageFileReader(
        image_shape=clf.image_shape_,
        background=arguments.background,
        invert=_INVERT[arguments.invert],
    ).fit(arguments.images)
    failed = False
    for name in arguments.images:
        answer: dict[str, Any] = {"image": name}
        try:
            answer |= _answer(clf, reader, name)
        except (DatasetError, ValueError) as error:
            failed = True
            answer["error"] = str(error)
        if arguments.json:
            print(json.dumps(answer), flush=True)
        elif "error" in answer:
            print(f"skfashion: {_plain(answer['error'])}", file=sys.stderr)
        else:
            best, second = (
                f"{part['label']} {part['probability']:.3f}"
                for part in (answer, answer["runner_up"])
            )
            print(_plain(f"{name}: {best}, or {second}"), flush=True)
    return 1 if failed else 0


def _answer(clf: FashionCNN, reader: ImageFileReader, name: str) -> dict[str, Any]:
    """Label, probability and runner-up of one image."""
    source: Any = _StandardInput() if name == "-" else name
    [row] = reader.transform([source])
    # The model may know another number for white, and no pixels that only fill a square.
    X = [row[: clf.n_features_in_] * clf.pixel_max_ / 255]
    with warnings.catch_warnings():
        # Of names of features, which pictures have not, and of a scale that is given above.
        warnings.simplefilter("ignore")
        [probabilities] = clf.predict_proba(X).tolist()
    answers = [
        {"label": label, "probability": probability}
        for label, probability in zip(_labels(clf), probabilities, strict=True)
    ]
    runner_up, best = sorted(answers, key=itemgetter("probability"))[-2:]
    return {**best, "runner_up": runner_up}


def _labels(clf: FashionCNN) -> list[Any]:
    """As JSON knows them: dates and spans of time in words."""
    labels = clf.classes_
    return list(map(str, labels)) if labels.dtype.kind in "mM" else labels.tolist()


def _plain(text: str) -> str:
    """As one line that can be written, and without what a terminal would obey."""
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)
