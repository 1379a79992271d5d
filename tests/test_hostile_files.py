"""A model file made to do harm costs little memory and no time, and is told apart by its reason."""

import json
import os
import struct
import zipfile
from pathlib import Path

import forging
import numpy as np
import pytest
from forging import all_of, pack, put, put_text, unpack, with_array, with_text
from helpers import run_python

from skfashion import FashionCNN

SMALL = (Path(__file__).parent / "data" / "format_1.skfashion").read_bytes()
LONGEST = 5  # seconds


def with_header(name, header):
    """Members with another header before an array's values."""

    def forge(members):
        content = members[f"{name}.npy"]
        values = content[10 + struct.unpack("<H", content[8:10])[0] :]
        head = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode()
        return forging.with_content(name, head + values)(members)

    return forge


END = struct.Struct("<4s4H2LH")  # of a zip


def end(n, length, start):
    """Of a zip with a list of n members."""
    n = min(n, 2**16 - 1)
    return END.pack(b"PK\5\6", 0, 0, n, n, length, start, 0)


def with_size(content, size):
    """A zip whose list of members says another size of the last one."""
    start = content.rindex(b"PK\1\2")
    return content[: start + 20] + struct.pack("<2L", size, size) + content[start + 28 :]


def with_many_members(n):
    """A zip of so many empty members."""
    local, listed, place = [], [], 0
    for number in range(n):
        name = b"%d" % number
        local.append(b"PK\3\4" + bytes(22) + struct.pack("<2H", len(name), 0) + name)
        lengths = struct.pack("<H12xL", len(name), place)
        listed.append(b"PK\1\2" + bytes(24) + lengths + name)
        place += len(local[-1])
    listed = b"".join(listed)
    return b"".join(local) + listed + end(n, len(listed), place)


def with_members_over_one_another(n, size):
    """A zip of many members that are all the same bytes."""
    local = b"PK\3\4" + bytes(14) + struct.pack("<2L2H", size, size, 1, 0) + b"x" + bytes(size)
    entry = b"PK\1\2" + bytes(16) + struct.pack("<2LH", size, size, 5) + bytes(16)
    listed = b"".join(entry + b"%05d" % number for number in range(n))
    return local + listed + end(n, len(listed), len(local))


def as_if_large(content):
    """A zip with another end, as zips of more than 4 GB have it, which says the same."""
    *_, n, length, start, _ = END.unpack(content[-END.size :])
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, n, n, length, start)
    pointer = struct.pack("<4sLQL", b"PK\6\7", 0, len(content) - END.size, 1)
    return content[: -END.size] + large + pointer + content[-END.size :]


def as_if_large_and_long(content):
    """The same within the list of members, so that what follows the members is as it should be."""
    *_, n, _, start, _ = END.unpack(content[-END.size :])
    forged = as_if_large(content)
    return forged[: -END.size] + end(n, len(forged) - END.size - start, start)


def with_something_between(content):
    """A zip with bytes that belong to no member."""
    *_, n, length, start, _ = END.unpack(content[-END.size :])
    return content[:start] + bytes(999) + content[start : -END.size] + end(n, length, start + 999)


def compressed_bomb(members):
    return pack({**members, "bomb.npy": bytes(10**8)}, zipfile.ZIP_DEFLATED)


NOTHING = {"shape": [], "dtype": "<f4", "sha256": ""}
LONG_HISTORY = all_of(
    with_array("history/loss", np.zeros(250_000)),
    with_array("history/accuracy", np.zeros(250_000)),
    with_array("classes", np.arange(10)[::-1].copy()),
)
# From the members of a small file: text that costs much to read, and zips that are not as they say.
CHEAP = {
    "a giant shape": (
        put("members", "weights/0", "shape", value=[2**40, 2**40]),
        r"weights/0 is <f4 of shape \(1099511627776, 1099511627776\): expected",
    ),
    "giant labels": (put("members", "classes", "dtype", value="<U999999"), "expected those of"),
    "a header of a giant": (
        with_header("weights/0", f"{{'descr':'<f4','fortran_order':False,'shape':({2**40},)}}\n"),
        "its header is not that of",
    ),
    "a long header": (with_header("weights/0", " " * 60_000), "expected those of"),
    "a header that is code": (with_header("weights/0", "__import__('os').abort()\n"), "damaged"),
    "a header without end": (with_header("weights/0", "(" * 900), "damaged"),
    "deep lists": (with_text("[" * 200_000), "damaged: maximum recursion"),
    "many deep lists": (with_text("[" + "[[[[[[]]]]]]," * 20_000 + "0]"), "holds no object"),
    "many objects": (with_text("[" + '{"a":{}},' * 28_000 + "0]"), "holds no object"),
    "an integer of many digits": (with_text('{"a": ' + "1" * 60_000 + "}"), "4300 digits"),
    "many integers of many digits": (
        with_text("[" + ("9" * 4300 + ",") * 60 + "0]"),
        "holds no object",
    ),
    "an endless exponent": (put_text("fitted", "pixel_max_", value="1e99999999999"), "finite"),
    "an endless fraction": (
        put_text("fitted", "pixel_max_", value="-1." + "1" * 200_000),
        "pixel_max_ is -1.1",
    ),
    "a long text": (put("format", value="x" * 250_000), "it holds 'xxxx.*…$"),
    "a long name": (put("parameters", "x" * 250_000, value=1), "unexpected keyword"),
    "a long version": (
        all_of(put("format_version", value=2), put("versions", value=["x"] * 20_000)),
        "it has format version 2, .*…$",
    ),
    "many filters": (
        put("architecture", "filters", value=[1] * 80_000),
        "arrays for 80000 convolutions",
    ),
    "many filters and endless strides": (
        all_of(
            put("architecture", "filters", value=[1] * 80_000),
            put_text("architecture", "strides", value="9" * 4000),
        ),
        "arrays for 80000 convolutions",
    ),
    "endless strides": (
        put_text("architecture", "strides", value="9" * 4000),
        "strides is 9*…",
    ),
    "endless images": (
        all_of(
            put_text("fitted", "image_shape_", value="[1, " + "9" * 4000 + "]"),
            put_text("fitted", "n_features_in_", value="9" * 4000),
        ),
        "n_features_in_ is 9*…",
    ),
    "many members in the manifest": (
        put("members", value=dict.fromkeys(map(str, range(4000)), NOTHING)),
        "disagree on",
    ),
    "many features": (
        all_of(
            put("fitted", "image_shape_", value=[2**31, 2**31]),
            put("fitted", "n_features_in_", value=2**62),
        ),
        "more than 1,000,000,000",
    ),
}
ZIPS = {
    "100,000 members": (with_many_members(100_000), "list of members has"),
    "5,000 members": (with_many_members(5_000), "no manifest.json"),
    "members over one another": (
        with_members_over_one_another(4_000, 10**6),
        "not where the one before it ends",
    ),
    "a comment": (SMALL[:-2] + b"\5\0hello", "does not end as a zip does"),
    "a comment that is a zip": (SMALL[:-2] + struct.pack("<H", len(SMALL)) + SMALL, "before"),
    "something before": (b"#!/bin/sh\n" + SMALL, "before, between or after"),
    "something after": (SMALL + b"x", "does not end as a zip does"),
    "something between": (with_something_between(SMALL), "do not end where the list"),
    "the end of a large zip": (as_if_large(SMALL), "before, between or after"),
    "the end of a large zip in the list": (as_if_large_and_long(SMALL), "before, between or after"),
    "a size that is none": (with_size(SMALL, 2**32 - 2), "do not end where the list"),
    "a size that is less": (with_size(SMALL, 100), "do not end where the list"),
    "something compressed": (compressed_bomb(unpack(SMALL)), "compressed"),
}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A good file of version 1, 9.4 MB."""
    path = tmp_path_factory.mktemp("large") / "v1.skfashion"
    X = np.random.default_rng(0).integers(0, 255, (20, 28, 28), dtype=np.uint8)
    FashionCNN(epochs=1, random_state=0).fit(X, np.arange(20) % 10).save(path)
    return path


def costly(content):
    """Forgeries that show at the end of reading, when most has been taken."""
    members = unpack(content)
    weights = np.full((1000, 1), np.nan, np.float32)
    last = {name: value for name, value in members.items() if name != "weights/9.npy"}
    forged = {
        "labels in disorder": with_array("classes", np.arange(10)[::-1].copy()),
        "a long history": LONG_HISTORY,
        "a last array that is missing": lambda members: last,
        "a hash that is wrong": put("members", "weights/9", "sha256", value="0" * 64),
        "weights that are not finite": with_array("weights/9", np.full(10, np.nan, np.float32)),
        "weights of another shape": with_array("weights/6", weights),
    }
    files = {name: pack(forge(members)) for name, forge in forged.items()}
    files["a file of half the size"] = content[: len(content) // 2]
    return files


class TestFilesMadeToDoHarm:
    @pytest.mark.parametrize(("forge", "reason"), CHEAP.values(), ids=CHEAP)
    def test_are_refused_for_what_is_wrong_with_them(self, tmp_path, forge, reason):
        path = tmp_path / "clf.skfashion"
        path.write_bytes(pack(forge(unpack(SMALL))))
        with pytest.raises(ValueError, match=reason) as error:
            FashionCNN.load(path)
        assert len(str(error.value)) < 1000

    @pytest.mark.parametrize(("content", "reason"), ZIPS.values(), ids=ZIPS)
    def test_are_refused_as_zips(self, tmp_path, content, reason):
        path = tmp_path / "clf.skfashion"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=reason):
            FashionCNN.load(path)

    def test_cost_less_than_three_times_a_good_file_and_no_time(self, tmp_path, large):
        """In a fresh process, as Python counts its memory and, where it says so, as Linux does."""
        good = large.read_bytes()
        files = {name: pack(forge(unpack(SMALL))) for name, (forge, _) in CHEAP.items()}
        files |= {name: content for name, (content, _) in ZIPS.items()} | costly(good)
        for name, content in files.items():
            (tmp_path / name.replace(" ", "_")).write_bytes(content)
        costs = json.loads(
            run_python(f"""
                import json, time, tracemalloc
                from pathlib import Path
                from skfashion import FashionCNN

                def said(name):  # by Linux, in bytes
                    status = Path("/proc/self/status")
                    text = status.read_text() if status.exists() else ""
                    return 1024 * int((text.split(name + ":")[1:] or ["0"])[0].split()[0])

                def refuse(path):
                    try:
                        FashionCNN.load(path)
                    except ValueError:
                        return
                    raise AssertionError(path)

                FashionCNN.load({str(large)!r})
                paths, costs = sorted(Path({str(tmp_path)!r}).iterdir()), {{}}
                before = said("VmRSS")
                for path in paths:
                    start = time.monotonic()
                    refuse(path)
                    costs[path.name] = [time.monotonic() - start]
                growth = said("VmHWM") - before
                tracemalloc.start()
                for path in paths:
                    tracemalloc.reset_peak()
                    refuse(path)
                    costs[path.name].append(tracemalloc.get_traced_memory()[1])
                print(json.dumps([growth, costs]))
            """)
        )
        growth, by_name = costs
        assert len(by_name) == len(files) > 40
        assert growth < 3 * len(good)
        for name, (seconds, n_bytes) in by_name.items():
            assert seconds < LONGEST, name
            assert n_bytes < 3 * len(good), name

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="nobody counts open files")
    def test_are_closed(self, tmp_path):
        path = tmp_path / "clf.skfashion"
        before = len(list(Path("/proc/self/fd").iterdir()))
        for content, _ in ZIPS.values():
            path.write_bytes(content)
            with pytest.raises(ValueError):
                FashionCNN.load(path)
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_do_not_wait_for_ever_as_a_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="pipe: it is not a regular file"):
            FashionCNN.load(tmp_path / "pipe")

    def test_are_told_from_folders_and_files_that_are_not_there(self, tmp_path):
        with pytest.raises(IsADirectoryError if os.name == "posix" else PermissionError):
            FashionCNN.load(tmp_path)
        with pytest.raises(FileNotFoundError):
            FashionCNN.load(tmp_path / "none")
