"""
============================
Saved, and safe to be loaded
============================

A network is trained once and answers for years, on other machines. What does it take there? Here
it is written into files of six kinds, read in a process that cannot have TensorFlow, and tampered
with.
"""

# %%
# Trained on names instead of numbers, it needs nobody to say what 9 means. ``save`` writes one
# file, in the format of safetensors.

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
# Whoever wants to know what is in the file asks the library of that format. What is no tensor is
# JSON in the metadata.

import json

from safetensors import safe_open

with safe_open(folder / "clothes.skfashion", framework="numpy") as file:
    document = json.loads(file.metadata()["skfashion.FashionCNN"])
    print({name: document[name] for name in ("format_version", "versions", "classes")})
    print(len(file.keys()), "tensors, one of shape", file.get_tensor("weights/0").shape)

# %%
# A new process, in which TensorFlow and Keras cannot be imported, answers all the same. (On a
# machine of its own it would not even have them: see :doc:`/user_guide/deploying`.)

import subprocess
import sys

np.save(folder / "images.npy", X_test[:4])
program = f"""
import sys
sys.modules.update(dict.fromkeys(["tensorflow", "keras", "scikeras"]))  # to import one fails
import numpy as np
from skfashion import FashionCNN
clf = FashionCNN.load({str(folder / "clothes.skfashion")!r})
print(*clf.predict(np.load({str(folder / "images.npy")!r})), sep=", ")
"""
done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
print("there:", done.stdout.strip())
print("here: ", ", ".join(clf.predict(X_test[:4])))

# %%
# A file that is not as it was written is refused. Here one weight of 88,198 is another, by one bit,
# for which safetensors alone has no eye. Whoever changes the SHA-256 in the metadata, too, gets it
# loaded: that still runs nothing, but answers as they want. So ask who trained a network before you
# believe it.

content = bytearray((folder / "clothes.skfashion").read_bytes())
content[-4] ^= 1
(folder / "changed.skfashion").write_bytes(content)
try:
    FashionCNN.load(folder / "changed.skfashion")
except ValueError as error:
    print(str(error).removeprefix(f"{folder}/"))

# %%
# How do other kinds of files compare? ``pickle`` and joblib run what is in a file. `skops
# <https://skops.readthedocs.io>`__ does not, asks which types to trust, and takes whole
# Pipelines. ``to_keras()`` opens the way to ONNX and to Keras' own files, which are not meant to
# run anything either, though Keras' safe mode has been got past several times. Each is read nine
# times; the median counts.

import pickle
import warnings
from time import perf_counter

import joblib
import keras
import onnxruntime
import pandas as pd
import skops.io

warnings.filterwarnings("ignore", "In the future `np.object`")  # Keras' own, of its export
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
table["runs code of the file"] = [kind in ("pickle", "joblib") for kind in rows]
table.round(2)

# %%
# Pickles and skops' file hold the optimizer's state as well, three times the weights, with which
# the training could go on; ``save(path, include_optimizer=True)`` keeps it, too. None of the
# times counts the imports: in a process that has not loaded them yet, Keras and TensorFlow take
# seconds.

import matplotlib.pyplot as plt

_, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
for ax, column in zip(axes, ["MB", "ms to load"], strict=True):
    ax.barh(table.index, table[column], color="#0072B2")
    ax.set(xlabel=column, xscale="log" if column == "ms to load" else "linear")
axes[0].invert_yaxis()
plt.show()
