"""
============================
Save and load a model safely
============================

In this example you save a trained network and load it in a process without TensorFlow. You see how
a changed file is refused. You also compare six kinds of files by size, loading time and safety.
"""

# %%
# Train a network on class names instead of numbers, so that its predictions need no explanation.
# ``save`` writes one file in the format of safetensors.

from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from skfashion import FashionCNN
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X_test, _ = load_fashion_mini(subset="test", return_X_y=True)
names = np.array(CLASS_NAMES)
clf = FashionCNN.v2(epochs=8, random_state=0).fit(X[:3000], names[y[:3000]])

folder = Path(mkdtemp())
clf.save(folder / "clothes.skfashion")

# %%
# Look into the file with the safetensors library. You find everything that is no tensor as JSON in
# the metadata.

import json

from safetensors import safe_open

with safe_open(folder / "clothes.skfashion", framework="numpy") as file:
    document = json.loads(file.metadata()["skfashion.FashionCNN"])
    print({name: document[name] for name in ("format_version", "versions", "classes")})
    print(len(file.keys()), "tensors, one of shape", file.get_tensor("weights/0").shape)

# %%
# Predict in a new process that cannot import TensorFlow or Keras. To install skfashion without
# them, see :doc:`/user_guide/deploying`.

import subprocess
import sys

np.save(folder / "images.npy", X_test[:4])
program = f"""
import sys
sys.modules.update(dict.fromkeys(["tensorflow", "keras", "scikeras"]))  # their import fails
import numpy as np
from skfashion import FashionCNN
clf = FashionCNN.load({str(folder / "clothes.skfashion")!r})
print(*clf.predict(np.load({str(folder / "images.npy")!r})), sep=", ")
"""
done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
print("new process: ", done.stdout.strip())
print("this process:", ", ".join(clf.predict(X_test[:4])))

# %%
# ``load`` refuses a file that was changed after it was saved. Here one bit of one of the 88,198
# weights is different, which safetensors itself does not notice. The SHA-256 checksum protects you
# from damage, but not from forgery. Anyone who also changes the checksum in the metadata gets a
# file that loads. Loading still runs no code, but the predictions may be wrong on purpose. So find
# out who trained a network before you trust it.

content = bytearray((folder / "clothes.skfashion").read_bytes())
content[-4] ^= 1
(folder / "changed.skfashion").write_bytes(content)
try:
    FashionCNN.load(folder / "changed.skfashion")
except ValueError as error:
    print(str(error).removeprefix(f"{folder}/"))

# %%
# Compare the file with other kinds:
#
# - ``pickle`` and joblib run code from the file.
# - `skops <https://skops.readthedocs.io>`__ runs no code, asks you which types to trust, and saves
#   whole Pipelines.
# - With ``to_keras()`` you get ONNX and Keras' own files. They are not meant to run code either,
#   but Keras' safe mode has been bypassed several times.
#
# Each file is read nine times, and you see the median.

import pickle
import warnings
from time import perf_counter

import joblib
import keras
import onnxruntime
import pandas as pd
import skops.io

warnings.filterwarnings("ignore", "In the future `np.object`")  # from Keras' export
keras_model = clf.to_keras()
(folder / "clothes.pickle").write_bytes(pickle.dumps(clf))
joblib.dump(clf, folder / "clothes.joblib")
skops.io.dump(clf, folder / "clothes.skops")
keras_model.save(folder / "clothes.keras")
keras_model.export(folder / "clothes.onnx", format="onnx", verbose=False)

trusted = ["skfashion._classifier.fashion_cnn.FashionCNN"]
readers = {
    "skfashion": FashionCNN.load,
    "skops": lambda path: skops.io.load(path, trusted=trusted),
    "pickle": lambda path: pickle.loads(path.read_bytes()),
    "joblib": joblib.load,
    "onnx": lambda path: onnxruntime.InferenceSession(path),
    "keras": keras.saving.load_model,
}
rows = {}
for kind, read in readers.items():
    path = folder / f"clothes.{kind}"
    seconds = []
    for _ in range(9):
        begin = perf_counter()
        read(path)
        seconds.append(perf_counter() - begin)
    rows[kind] = {"MB": path.stat().st_size / 1e6, "ms to load": 1e3 * np.median(seconds)}
table = pd.DataFrame.from_dict(rows, orient="index")
table["runs code from the file"] = [kind in ("pickle", "joblib") for kind in rows]
table.round(2)

# %%
# Pickles and the file of skops also hold the optimizer's state, so that you can resume the
# training. That makes them three times as large. With ``save(path, include_optimizer=True)`` you
# keep it, too. The times do not include imports. In a process that has not imported Keras and
# TensorFlow yet, they take seconds.

import matplotlib.pyplot as plt

_, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
for ax, column in zip(axes, ["MB", "ms to load"], strict=True):
    ax.barh(table.index, table[column], color="#0072B2")
    ax.set(xlabel=column, xscale="log" if column == "ms to load" else "linear")
axes[0].invert_yaxis()
plt.show()
