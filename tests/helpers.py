"""What several tests share."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
OLD_FILE = Path(__file__).with_name("data") / "format_1.skfashion"  # a model of format 1
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def make_images(n=120, side=8, n_classes=3, seed=0):
    """Bytes with a bright stripe whose place tells the class, and noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = rng.integers(0, 100, (n, side, side), dtype=np.uint8)
    X[np.arange(n), 1 + 2 * (y % (side // 2)), :] = 255
    return X, y


def weights_equal(a, b):
    """Whether two networks have the same weights, bit for bit."""
    return all(np.array_equal(x, y) for x, y in zip(a.weights_, b.weights_, strict=True))


def import_tensorflow():
    """As a user does, but for what it says."""
    stderr = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    import tensorflow as tf

    os.dup2(stderr, 2)
    return tf


def run_python(code, *, timeout=120, **environment):
    """What a fresh process prints, which must succeed and say nothing on standard error."""
    # The test modules can be imported there, from the folders that pytest has added to the path.
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def run_function(function, *arguments, **how):
    """What a function of a test module returns in a fresh process, of JSON's types."""
    module = function.__module__
    call = f"{module}.{function.__name__}(*json.loads({json.dumps(arguments)!r}))"
    return json.loads(run_python(f"import json, {module}; print(json.dumps({call}))", **how))
