"""What `compare` keeps has a name of contents and code, equal where and only where these are."""

import functools
import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from helpers import make_images, run_python
from PIL import Image

from skfashion.comparison._identity import identity, identity_of_rows


def named(code, value):
    """The name of what is called `found` in a module, with a value put in. It has no source."""
    module = sys.modules["module_of_mine"] = ModuleType("module_of_mine")
    try:
        exec(code.format(value), vars(module))
        return identity(module.found)
    finally:
        del sys.modules["module_of_mine"]


CODE = {
    "literal": "def found(): return {}",
    "default": "def found(k={}): return k",
    "default by name": "def found(*, k={}): return k",
    "constant": "K = {}\ndef found(): return K",
    "constant in a comprehension": "K = {}\ndef found(): return [K for _ in 'abc']",
    "table": "K = dict(a=[{}])\ndef found(): return K['a']",
    "closure": "def at(k):\n    def found(): return k\n    found.__qualname__ = 'found'\n"
    "    return found\nfound = at({})",
    "wrapped": "from functools import wraps\ndef none(f):\n    @wraps(f)\n    def g(): return f()\n"
    "    return g\n@none\ndef found(): return {}",
    "cached": "from functools import cache\n@cache\ndef found(): return {}",
    "attribute": "class found: k = {}",
    "array": "import numpy\nclass found: k = numpy.full(3, {})",
    "partial": "from functools import partial\nclass found: k = partial(max, {})",
    "lambda": "class found: k = lambda self: {}",
    "set": "class found: k = {{frozenset([{}, 'a'])}}",
    "method": "class found:\n    def k(self): return {}",
    "static": "class found:\n    @staticmethod\n    def k(): return {}",
    "property": "class found:\n    @property\n    def k(self): return {}",
    "base": "class Base: k = {}\nclass found(Base): pass",
    "instance": "class Mine:\n    def k(self): return {}\nfound = Mine()",
    "made by a function": "def make(): return Mine()\nclass Mine:\n    k = {}\n"
    "    def __reduce__(self): return make, ()\nfound = Mine()",
}


@pytest.mark.parametrize("code", CODE.values(), ids=CODE.keys())
def test_code_has_another_name_if_a_value_in_it_differs(code):
    assert named(code, 0.25) == named(code, 0.25)
    assert named(code, 0.25) != named(code, 0.75)


def test_names_are_equal_in_all_processes():
    code = """
        import json, test_identity
        names = [test_identity.named(code, 1) for code in test_identity.CODE.values()]
        print(json.dumps(names))
    """
    names = {run_python(code, PYTHONHASHSEED=seed) for seed in ("1", "2")}
    assert len(names) == 1


def test_libraries_are_named_by_their_versions():
    [told] = identity(Image.Image)[1:]
    assert told == {"pillow": Image.__version__}
    assert identity(pd.Series)[1].keys() == {"pandas"}
    assert identity([np.mean, functools.partial(max, 1)])[1] == {}


@pytest.fixture
def photos(tmp_path):
    """Paths, and what fills the files anew."""
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]

    def take(seed):
        for path, image in zip(paths, make_images(seed=seed)[0], strict=False):
            Image.fromarray(image).save(path)

    take(0)
    return paths, take


@pytest.mark.parametrize(
    "rows",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        lambda paths: np.array(paths, dtype=object)[:, np.newaxis],
        lambda paths: pd.DataFrame({"pixel": 0, "photo": paths}),
        lambda paths: [*paths, np.zeros((8, 8)), Image.new("L", (8, 8))],
        pytest.param(
            lambda paths: np.array(paths, dtype=np.dtypes.StringDType()),
            marks=pytest.mark.skipif(np.__version__ < "2", reason="a dtype of NumPy 2"),
        ),
    ],
    ids=["list", "tuple", "array", "Series", "objects", "DataFrame", "mixed", "StringDType"],
)
def test_photos_have_another_name_if_one_was_replaced(photos, rows):
    paths, take = photos
    X = rows(paths)
    before = identity_of_rows(X, [1, 2, 3])
    assert identity_of_rows(X, [1, 2, 3]) == before
    take(seed=1)
    assert identity_of_rows(X, [1, 2, 3]) != before


def test_rows_have_one_name_in_memory_and_on_disk(tmp_path):
    X, y = make_images()
    np.save(tmp_path / "X.npy", X)
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert identity_of_rows(on_disk, y) == identity_of_rows(X, y)
