"""Machine and library settings.

This module makes a fingerprint of what affects rounding, and a description for reports.
"""

import contextlib
import os
import platform
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import numpy as np

# scikit-learn is left out: it only prepares the data, and the data are hashed separately.
_RELEVANT_LIBRARIES = ("keras", "numpy", "tensorflow", "skfashion")

# Prefixes of environment variables that choose kernels, precisions and devices. Of TensorFlow's
# variables only those for its log and its threads are left out. `threads` counts the threads.
_RELEVANT_VARIABLES = (
    "CUBLAS_",
    "CUDA_VISIBLE_DEVICES",
    "CUDNN_",
    "DNNL_",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_",
    "TF_",
    "XLA_",
)
_OTHER_VARIABLES = ("TF_CPP_", "TF_NUM_")

# Values of TF_DETERMINISTIC_OPS that TensorFlow accepts. It ends the process at any other value.
_TRUTH_VALUES = {"0": False, "false": False, "1": True, "true": True}


def omp_num_threads() -> int | None:
    """Return OMP_NUM_THREADS, or None if unset or not a positive integer.

    joblib and Dask set it in their workers. It may be a list with one number per nesting level; the
    first counts.
    """
    return _positive_integer(os.environ.get("OMP_NUM_THREADS", "").split(",")[0])


def threads() -> int:
    """Return the number of threads that TensorFlow uses, or will use, within one operation."""
    own = _positive_integer(os.environ.get("TF_NUM_INTRAOP_THREADS", ""))
    # While another thread imports TensorFlow, the module exists without its attributes.
    config = getattr(sys.modules.get("tensorflow"), "config", None)
    if config is None:
        return own or omp_num_threads() or _cores()
    return config.threading.get_intra_op_parallelism_threads() or own or _cores()


def fingerprint() -> dict[str, Any]:
    """Collect what can change the last bits of a training, in a JSON-serializable form.

    Returns
    -------
    dict
        Threads, processor, graphics cards, settings of TensorFlow and oneDNN, and versions.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_RELEVANT_VARIABLES) and not name.startswith(_OTHER_VARIABLES)
    }
    return {"threads": threads(), "variables": variables, **_set_in_tensorflow(), **_machine()}


def _set_in_tensorflow() -> dict[str, Any]:
    """Collect the settings made through TensorFlow's API that differ from the defaults.

    Defaults are left out, so the result does not depend on whether TensorFlow was imported.
    """
    # While another thread imports TensorFlow, the module exists without its attributes.
    tensorflow: Any = sys.modules.get("tensorflow")
    config = getattr(tensorflow, "config", None)
    if config is None:
        return {}
    hidden = {*config.list_physical_devices()} - {*config.get_visible_devices()}
    options = config.optimizer.get_experimental_options()
    from_variable = _TRUTH_VALUES.get(os.environ.get("TF_DETERMINISTIC_OPS", "0").lower())
    private = sys.modules["tensorflow.python.framework.config"]
    settings = {
        "hidden_devices": sorted(device.name for device in hidden),
        "device": tensorflow.__internal__.eager_context.get_device_name(),
        "jit": config.optimizer.get_jit(),
        "rewriters": {
            name: value
            for name, value in options.items()
            if value or not name.startswith("disable_")
        },
        "runs_eagerly": config.functions_run_eagerly(),
        "without_tf32": not config.experimental.tensor_float_32_execution_enabled(),
        "other_determinism": from_variable is not None
        and private.is_op_determinism_enabled() != from_variable,
    }
    return {name: value for name, value in settings.items() if value}


def describe() -> dict[str, str]:
    """Describe the machine and the versions of skfashion and its dependencies.

    Returns
    -------
    dict of str to str
    """
    installed = versions(("skfashion", "skfashion-predict"))  # the second lacks what trains
    lines = (line for name in installed for line in requires(name) or [])
    required = {re.split(r"[^\w.-]", line)[0] for line in lines if ";" not in line}
    found = {"Python": platform.python_version(), **installed, **versions(sorted(required))}
    return {
        "machine": f"{processor()}, {_cores()} cores, {platform.system()} {platform.release()}",
        "versions": ", ".join(f"{name} {version}" for name, version in found.items()),
    }


def processor() -> str:
    """Return the processor's name, as given by its vendor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has this file
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def versions(names: Iterable[str] = ("scikit-learn", *_RELEVANT_LIBRARIES)) -> dict[str, str]:
    """Return the versions of those libraries that are installed."""
    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@cache
def _machine() -> dict[str, Any]:
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "processor": [simd.get("baseline", []), simd.get("found", [])],
        "graphics_cards": _graphics_cards(),
        "versions": versions(_RELEVANT_LIBRARIES),
    }


def _graphics_cards() -> list[str]:
    """Return the names of the graphics cards, read from the driver without starting TensorFlow."""
    folder = Path("/proc/driver/nvidia/gpus")  # only Linux has this folder
    return [
        line.split(":", 1)[1].strip()
        for file in sorted(folder.glob("*/information"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("Model:")
    ]


def _positive_integer(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has this function
        return os.cpu_count() or 1
