"""``skfashion predict``: nothing here loads TensorFlow."""

import argparse
import io
import json
import sys
from operator import itemgetter
from typing import Any, Literal

from skfashion import FashionCNN
from skfashion.datasets import DatasetError, ImageFileReader

HELP = "say what is on photos, by a model of `train` or of FashionCNN.save"
_INVERT: dict[str, bool | Literal["auto"]] = {"auto": "auto", "yes": True, "no": False}


class _StandardInput(io.BytesIO):
    """What was piped in, under the name by which errors call it."""

    name = "standard input"


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
        help="whether light means no cloth; default: auto, where the background is light",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each image; 1 if any could not be read."""
    clf = FashionCNN.load(arguments.model)
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
            print(f"skfashion: {answer['error']}", file=sys.stderr)
        else:
            best, second = (
                f"{part['label']} {part['probability']:.3f}"
                for part in (answer, answer["runner_up"])
            )
            print(f"{name}: {best}, or {second}", flush=True)
    return 1 if failed else 0


def _answer(clf: FashionCNN, reader: ImageFileReader, name: str) -> dict[str, Any]:
    """Label, probability and runner-up of one image."""
    source = _StandardInput(sys.stdin.buffer.read()) if name == "-" else name
    X = reader.transform([source])
    in_unit_range = clf.pixel_max_ <= 1  # it was trained on pixels from 0 to 1
    [probabilities] = clf.predict_proba(X / 255 if in_unit_range else X).tolist()
    answers = [
        {"label": label, "probability": probability}
        for label, probability in zip(clf.classes_.tolist(), probabilities, strict=True)
    ]
    runner_up, best = sorted(answers, key=itemgetter("probability"))[-2:]
    return {**best, "runner_up": runner_up}
