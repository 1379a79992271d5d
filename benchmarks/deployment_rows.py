"""Rows of the table about what happens after training: files, their loading, a first answer."""

import subprocess
import sys
import tempfile
from pathlib import Path

import peers
from contest import Contender, contest
from table import Line, ratios

IMPORTS = "import numpy, sklearn.base"
ANSWER = """
import numpy as np
from skfashion import FashionCNN
print(FashionCNN.load({path!r}).predict(np.zeros((1, 784), np.uint8)))
"""


def saved(version, folder):
    path = Path(folder) / f"{version}.skfashion"
    peers.fashion_cnn(version, epochs=1).fit(*peers.full_images(1000)).save(path)
    return path


def skfashion_load(version, folder):
    from skfashion import FashionCNN

    return peers.unanswered(FashionCNN.load, saved(version, folder))


def keras_load(version, folder):
    import keras

    path = Path(folder) / f"{version}.keras"
    peers.keras_network(**peers.VERSIONS[version]).save(path)
    return peers.unanswered(keras.saving.load_model, path)


def fresh_process(code):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def fresh_answer(version, folder):
    return fresh_process(ANSWER.format(path=str(saved(version, folder))))


# Rows


def load():
    with tempfile.TemporaryDirectory() as folder:
        for version, bar in (("v1", 1 / 2), ("v2", 1 / 10)):
            contenders = {
                "skfashion": Contender(skfashion_load, version, folder),
                "Keras": Contender(keras_load, version, folder),
            }
            results = contest(contenders, rounds=15, repeats=5)
            yield from ratios(f"load a model, {version}", results, {"Keras": bar})


def fresh():
    with tempfile.TemporaryDirectory() as folder:
        contenders = {
            **{
                f"skfashion {version}": Contender(fresh_answer, version, folder)
                for version in ("v1", "v2")
            },
            "imports": Contender(fresh_process, IMPORTS),
        }
        results = contest(contenders, rounds=15)
        for version in ("v1", "v2"):
            yield from ratios(
                f"new process: load and predict 1 image, {version}",
                results,
                {"imports": 1.5},
                ours=f"skfashion {version}",
            )


def size():
    with tempfile.TemporaryDirectory() as folder:
        for version, bar in (("v1", 9.4), ("v2", 0.36)):
            megabytes = saved(version, folder).stat().st_size / 1e6
            yield Line(f"file of a model, {version}", f"{megabytes:.3f} MB", "", "", f"<= {bar} MB")


ROWS = {"load": load, "fresh-process": fresh, "file-size": size}
