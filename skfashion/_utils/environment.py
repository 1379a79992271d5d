"""The machine and its settings: what decides how sums are rounded, and what readers are told."""

import contextlib
import os
import platform
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import numpy as np

_LIBRARIES = ("keras", "numpy", "scikit-learn", "tensorflow")


def threads_given() -> int | None:
    """The threads that a joblib or Dask worker was given, None where nobody says.

    Both tell it by OpenMP's variable, which may be a list: a number for each level of nesting.
    OpenMP passes over what is no positive number, and so do we.
    """
    return _positive_integer(os.environ.get("OMP_NUM_THREADS", "").split(",")[0])


def threads() -> int:
    """The threads that TensorFlow computes one operation with, here, or will once it starts."""
    own = _positive_integer(os.environ.get("TF_NUM_INTRAOP_THREADS", ""))
    # While another thread imports TensorFlow, it is there without its parts.
    config = getattr(sys.modules.get("tensorflow"), "config", None)
    if config is None:
        return own or threads_given() or _cores()
    return config.threading.get_intra_op_parallelism_threads() or own or _cores()


def fingerprint() -> dict[str, Any]:
    """All that makes equal trainings differ in their last bits, JSON-able.

    Returns
    -------
    dict
        Threads, what the processor can, oneDNN's settings, and versions.
    """
    settings = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_", "DNNL_")  # such as ONEDNN_MAX_CPU_ISA
    return {
        "threads": threads(),
        "onednn": {name: os.environ[name] for name in os.environ if name.startswith(settings)},
        **_machine(),
    }


def describe() -> dict[str, str]:
    """The machine and the libraries that this one requires, for readers.

    Returns
    -------
    dict of str to str
    """
    lines = requires("skfashion") or []
    required = (re.split(r"[^\w.-]", line)[0] for line in lines if ";" not in line)
    names = ["skfashion", *sorted(required)]
    return {
        "machine": f"{processor()}, {_cores()} cores, {platform.system()} {platform.release()}",
        "versions": ", ".join(
            [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)]
        ),
    }


def processor() -> str:
    """The processor's name, as its maker writes it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has it
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Of the libraries that have a say in what is trained, as far as they are installed."""
    found = {}
    for name in (*_LIBRARIES, "skfashion"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@cache
def _machine() -> dict[str, Any]:
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "processor": [simd.get("baseline", []), simd.get("found", [])],
        "versions": versions(),
    }


def _positive_integer(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1
