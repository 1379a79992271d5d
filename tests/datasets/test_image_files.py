"""ImageFileReader: pictures of every kind become rows, and what is no picture an error."""

import io
import logging
import math
import os
import pickle
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import run_python
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks, get_tags

from skfashion.datasets import DatasetError, ImageFileReader, load_fashion_mini


def read(item, **parameters):
    """The one image that a picture becomes."""
    [row] = ImageFileReader(**parameters).transform([item])
    return row.reshape(parameters.get("image_shape", (28, 28)))


def picture(height=90, width=70, seed=0):
    """Colours on a light, slightly noisy ground."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(244, 250, (height, width, 3), dtype=np.uint8)
    pixels[10:60, 20:45] = rng.integers(0, 200, (50, 25, 3))
    return pixels


def encoded(image, kind="PNG", **options):
    """The bytes of a file."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name, content):
    length, check = (struct.pack(">I", n) for n in (len(content), zlib.crc32(name + content)))
    return length + name + content + check


def png(width, height, content=b"", *, depth=8, colour=0, before=b""):
    """A PNG that says of its size what it likes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(content))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + before + pixels + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def rows():
    return load_fashion_mini(subset="all", return_X_y=True)[0]


# The steps of the paper


def slow_image(pixels, sharpen, side=28, tolerance=0.05):
    """The steps for an RGB picture on a light ground, in real numbers."""
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    paper = np.rint(np.median(corners, axis=0))
    distance = np.sqrt(((pixels - paper) ** 2).mean(axis=2))
    rows, columns = np.nonzero(distance > tolerance * 255)
    top, left = rows.min(), columns.min()
    height, width = rows.max() - top + 1, columns.max() - left + 1
    new_height = max(1, round(height * side / max(height, width)))
    new_width = max(1, round(width * side / max(height, width)))
    small = np.zeros((new_height, new_width, 3))
    for i, j in np.ndindex(new_height, new_width):
        y, x = top + int((i + 0.5) * height / new_height), left + int((j + 0.5) * width / new_width)
        small[i, j] = pixels[y, x]
    if sharpen:
        blurred = np.stack([gaussian_filter(small[..., c], 1, mode="nearest") for c in range(3)])
        small = np.clip(2 * small - np.moveaxis(blurred, 0, 2), 0, 255)
    luma = (0.299, 0.587, 0.114)
    negative = np.clip((paper @ luma - small @ luma) * 255 / (paper @ luma), 0, 255)
    y, x = (side - new_height + 1) // 2, (side - new_width + 1) // 2
    image = np.zeros((side, side))
    image[y : y + new_height, x : x + new_width] = negative
    return image


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shape", [(90, 70), (63, 300), (61, 46)])
def test_a_picture_goes_the_way_of_the_paper(shape, seed):
    pixels = picture(*shape, seed)
    for sharpen, tolerance in ((False, 2), (True, 16)):  # Pillow rounds, and blurs by boxes
        image = read(pixels, sharpen=sharpen)
        assert_allclose(image, slow_image(pixels, sharpen), rtol=0, atol=tolerance)


def test_trims_what_differs_from_the_corners_by_five_percent_and_no_more():
    pixels = np.full((60, 60), 253, np.uint8)
    pixels[20:40, 20:40] = 100
    expected = read(pixels)
    assert (expected > 0).all()
    pixels[5, 5] = 253 - 12  # 4.7 %
    assert_array_equal(read(pixels), expected)
    pixels[5, 5] = 253 - 13  # 5.1 %
    assert (read(pixels) == 0).any()
    assert_array_equal(read(pixels, tolerance=0.052), expected)


def test_the_object_stands_in_the_middle_with_its_proportions():
    pixels = np.full((400, 300), 255, np.uint8)
    pixels[300:400, 0:50] = 0  # twice as high as wide, in a corner
    image = read(pixels)
    assert_array_equal(image[:, 7:21], np.full((28, 14), 255))
    assert image.sum() == 28 * 14 * 255
    wide = read(pixels, image_shape=(10, 40))
    assert_array_equal(wide[:, 18:23], np.full((10, 5), 255))
    assert wide.sum() == 50 * 255
    assert ImageFileReader(image_shape=[10, 40]).transform([pixels]).shape == (1, 400)


def test_the_background_becomes_exactly_zero_on_light_and_on_dark():
    for ground, ink in ((231, 31), (140, 0), (24, 224), (100, 255)):
        pixels = np.full((60, 40), ground, np.uint8)
        pixels[10:50, 10:20] = ink
        pixels[20, 15] = ground
        image = read(pixels, sharpen=False)
        whole = ground if ground > 127 else 255 - ground
        expected = abs(ground - ink) * 255 / whole
        assert set(np.unique(image)) <= {0, round(expected)}
        assert image.any()
        assert not image[:, :9].any()


def test_inversion_can_be_forced_and_the_padding_goes_with_it():
    pixels = np.full((60, 40), 250, np.uint8)
    pixels[10:50, 10:20] = 50
    for invert, ground, ink in ((False, 250, 50), (True, 0, 204), ("auto", 0, 204)):
        image = read(pixels, invert=invert, sharpen=False)
        assert image[0, 0] == ground
        assert image[14, 14] == ink
    for invert, ground, ink in ((True, 250, 50), (False, 0, 204), ("auto", 0, 204)):
        image = read(255 - pixels, invert=invert, sharpen=False)
        assert image[0, 0] == ground
        assert image[14, 14] == ink


def test_a_colour_as_background_is_trimmed_and_decides():
    pixels = np.full((60, 60, 3), (0, 0, 128), np.uint8)  # dark navy
    pixels[5:55, 5:55] = 255
    pixels[20:40, 25:35] = (200, 0, 0)
    for background in ("white", "#ffffff", (255, 255, 255), [255] * 3, "hsl(0, 0%, 100%)"):
        assert not read(pixels[5:55, 5:55], background=background)[:, :6].any()
    assert read(pixels, background="navy").all()  # the white square, on its dark ground
    assert_array_equal(read(pixels, background="navy"), read(pixels))
    assert read(pixels, background="white").max() < 255


def test_without_background_nothing_is_trimmed():
    pixels = np.full((56, 56), 250, np.uint8)
    pixels[20:30, 20:30] = 100
    image = read(pixels, background=None, sharpen=False)
    assert_array_equal(image, 255 - pixels[1::2, 1::2])
    tall = read(pixels[:, :28], background=None, sharpen=False)
    assert not tall[:, [0, 6, 21, 27]].any()  # padded with black
    assert (tall[0, 7:21] == 5).all()
    assert not read(np.full((9, 9), 255, np.uint8), background=None).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 3), (28, 27), (1, 20_000), (20_000, 1)])
def test_small_and_narrow_pictures_fill_the_image(shape):
    image = read(np.zeros(shape, np.uint8), background="white")
    assert image.shape == (28, 28)
    assert image.max() == 255
    assert max((image > 0).any(axis=0).sum(), (image > 0).any(axis=1).sum()) == 28


@pytest.mark.parametrize("background", ["auto", "white", "#000", (9, 9, 9)])
def test_a_picture_of_nothing_but_background_says_so(background, tmp_path):
    grey = 9 if background == (9, 9, 9) else 0 if background == "#000" else 255
    blank = np.full((40, 30), grey, np.uint8)
    path = tmp_path / "blank.png"
    path.write_bytes(encoded(blank))
    for item, kind, name in ((blank, ValueError, r"X\[0\]"), (path, DatasetError, "blank.png")):
        with pytest.raises(kind, match=f"{name}: shows nothing but its background.*tolerance="):
            read(item, background=background)


# Images of the data set


def test_images_pass_unchanged(rows):
    images = rows.reshape(-1, 28, 28)
    assert_array_equal(ImageFileReader(invert=False).transform(images), rows)
    assert_array_equal(ImageFileReader().transform(images), rows)  # the automatic choice
    assert_array_equal(ImageFileReader().transform(images[:500, ..., None]), rows[:500])
    assert_array_equal(ImageFileReader().transform(255 - images[:500]), rows[:500])
    assert_array_equal(ImageFileReader(sharpen=False).transform(images[:9] / 255), rows[:9])


def test_images_come_back_from_png_unchanged(rows, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(300)]
    for path, row in zip(paths, rows, strict=False):
        path.write_bytes(encoded(row.reshape(28, 28)))
    assert_array_equal(ImageFileReader().transform(paths), rows[:300])
    assert_array_equal(ImageFileReader(invert=False).transform([*map(str, paths)]), rows[:300])


# What pictures may be


def test_every_kind_of_picture_gives_the_same(tmp_path):
    pixels = picture()
    expected = read(pixels)
    path = tmp_path / "a photo.png"
    path.write_bytes(encoded(pixels))
    frozen = pixels.copy()
    frozen.flags.writeable = False
    with path.open("rb") as file:
        kinds = [path, str(path), file, io.BytesIO(encoded(pixels)), Image.open(path), frozen]
        kinds += [Image.fromarray(pixels), pixels[::-1, ::-1].copy()[::-1, ::-1]]
        kinds += [np.asfortranarray(pixels)]
        for item in kinds:
            assert_array_equal(read(item), expected)
        mixed = ImageFileReader().transform(tuple(kinds))
    assert_array_equal(mixed, np.repeat(expected.reshape(1, -1), len(kinds), axis=0))
    assert mixed.dtype == np.uint8
    assert mixed.flags.c_contiguous
    stack = np.stack([pixels, pixels[:, ::-1]])
    assert_array_equal(ImageFileReader().transform(stack)[0].reshape(28, 28), expected)


def test_paths_come_in_any_column(tmp_path):
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.png"))
        Path(paths[-1]).write_bytes(encoded(picture(seed=number)))
    expected = ImageFileReader().transform(paths)
    series = pd.Series(paths, index=[5, 6, 7])
    for X in (
        series,
        series.to_frame(),
        series.astype("category"),
        pl.Series(paths),
        pl.DataFrame({"file": paths}),
        np.array(paths),
        np.array(paths, dtype=object),
        np.array(paths)[:, None],
        np.array([*map(Path, paths)]),
        (path for path in paths),
        dict.fromkeys(paths).keys(),
    ):
        assert_array_equal(ImageFileReader().transform(X), expected)
    assert_array_equal(
        make_column_transformer((ImageFileReader(), "file")).fit_transform(series.to_frame("file")),
        expected,
    )
    assert_array_equal(ImageFileReader().fit_transform(map(Path, paths)), expected)
    frame = ImageFileReader().set_output(transform="pandas").transform(series.to_frame())
    assert frame.index.tolist() == [5, 6, 7]
    assert_array_equal(frame, expected)


def test_the_home_folder_is_known(bare_machine):
    (bare_machine / "shoe.png").write_bytes(encoded(picture()))
    assert_array_equal(read("~/shoe.png"), read(picture()))


def test_file_objects_are_read_from_where_they_stand_and_set_back(tmp_path):
    file = io.BytesIO(b"before" + encoded(picture()))
    file.seek(6)
    assert_array_equal(read(file), read(file))
    assert file.tell() == 6
    assert not file.closed

    class Stream:  # as of a network
        def __init__(self):
            self.file = io.BytesIO(encoded(picture()))
            self.read = self.file.read

    assert_array_equal(read(Stream()), read(picture()))


def test_the_pictures_of_the_caller_stay_as_they_are(tmp_path):
    image = Image.fromarray(picture()).convert("P")
    image.info["transparency"] = 3
    before = image.tobytes(), image.mode, image.size, dict(image.info), image.getpalette()
    read(image)
    assert (image.tobytes(), image.mode, image.size, dict(image.info), image.getpalette()) == before
    pixels = picture()
    read(pixels)
    assert_array_equal(pixels, picture())


GREY = np.array([[200, 200, 200], [200, 17, 90], [200, 90, 200]], np.uint8)
PLAIN = {"image_shape": (3, 3), "invert": False}


@pytest.mark.parametrize(
    "values",
    [
        GREY.astype(np.int64),
        GREY.astype(np.uint16),
        GREY.astype(np.uint16) * 257,
        GREY.astype(">u2") * 257,
        GREY / 255,
        (GREY / 255).astype(np.float32),
        GREY[..., None],
        GREY[..., None].repeat(3, axis=2),
        np.dstack([GREY] * 3 + [np.full((3, 3), 255)]),
        Image.fromarray(GREY),
        Image.fromarray(GREY).convert("P"),
        Image.fromarray(GREY).convert("LA"),
        Image.fromarray(GREY).convert("LA").convert("La"),
        Image.fromarray(GREY).convert("RGBA").convert("RGBa"),
        Image.fromarray(GREY).convert("RGBX"),
        Image.fromarray(GREY).convert("RGB").convert("CMYK"),
        Image.fromarray(GREY).convert("YCbCr"),
        Image.fromarray(GREY).convert("RGB").convert("HSV"),
        Image.fromarray(GREY.astype(np.uint16) * 257),
        Image.fromarray(GREY.astype(np.int32)),
        Image.fromarray(GREY.astype(np.int32) * 257),
        Image.fromarray((GREY / 255).astype(np.float32)),
    ],
    ids=lambda values: getattr(values, "mode", None) or f"{values.dtype}-{values.shape}",
)
def test_pixels_of_every_type_are_understood(values):
    assert_array_equal(read(values, **PLAIN), GREY)


def test_black_and_white_are_understood():
    for values in (GREY > 100, Image.fromarray(GREY > 100)):
        assert_array_equal(read(values, **PLAIN), np.where(GREY > 100, 255, 0))


def test_colours_are_weighed_as_the_eye_does():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    expected = [[76, 150, 29]]
    parameters = {"image_shape": (1, 3), "invert": False}
    assert_array_equal(read(colours, **parameters), expected)
    lab = Image.new("LAB", (1, 1), (138, 208, 195))  # CIELAB 54, 80, 67: pure red
    assert abs(int(read(lab, image_shape=(1, 1), invert=False)[0, 0]) - 76) <= 8


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("BMP", {}),
        ("GIF", {}),
        ("JPEG", {"quality": 100}),
        ("PNG", {}),
        ("PPM", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 100}),
        ("MPO", {"quality": 100}),
    ],
)
def test_files_of_every_format_are_read(kind, options):
    try:
        content = encoded(GREY.repeat(20, axis=0).repeat(20, axis=1), kind, **options)
    except (OSError, KeyError) as error:
        pytest.skip(f"Pillow was built without it: {error}")
    image = read(io.BytesIO(content), image_shape=(60, 60), invert=False)
    assert np.abs(image[10::20, 10::20].astype(int) - GREY).max() <= 3


def test_deep_and_inverted_files_are_read(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    files = [
        encoded(Image.fromarray(deep)),
        encoded(Image.fromarray(deep), "TIFF"),
        b"P5 3 3 65535\n" + deep.astype(">u2").tobytes(),
    ]
    for content in files:
        assert_array_equal(read(io.BytesIO(content), **PLAIN), GREY)
    solid = Image.new("RGB", (16, 16), (200, 30, 60)).convert("CMYK")
    file = io.BytesIO(encoded(solid, "JPEG", quality=100))
    image = read(file, image_shape=(16, 16), invert=False)
    expected = 0.299 * 200 + 0.587 * 30 + 0.114 * 60
    assert np.abs(image - expected).max() < 4


def transparent_pictures():
    """The same square of 60 on nothing, in every way that a file can say it."""
    alpha = np.zeros((40, 30), np.uint8)
    alpha[10:30, 10:20] = 255
    grey = np.where(alpha, 60, 222).astype(np.uint8)  # 222 must not be seen
    rgba = Image.fromarray(np.dstack([grey, grey, grey, alpha]))
    yield "RGBA", encoded(rgba)
    yield "LA", encoded(Image.fromarray(np.dstack([grey, alpha])))
    yield "GIF", encoded(rgba, "GIF")
    yield "WEBP", encoded(rgba, "WEBP", lossless=True)
    yield "L with tRNS", encoded(Image.fromarray(grey), transparency=222)
    yield "RGB with tRNS", encoded(Image.fromarray(grey).convert("RGB"), transparency=(222,) * 3)
    palette = Image.fromarray((alpha > 0).astype(np.uint8)).convert("P")
    palette.putpalette([222] * 3 + [60] * 3)
    yield "P with tRNS", encoded(palette, transparency=0)
    yield "P with alphas", encoded(palette, transparency=b"\0\xff")
    wide = (grey.astype(">u2") * 257).tobytes()
    lines = b"".join(b"\0" + wide[i : i + 60] for i in range(0, len(wide), 60))
    trns = chunk(b"tRNS", struct.pack(">H", 222 * 257))
    yield "16 bits with tRNS", png(30, 40, lines, depth=16, before=trns)
    yield "pixels", np.dstack([grey, grey, grey, alpha])
    yield "RGBa", rgba.convert("RGBa")


@pytest.mark.parametrize("item", [pytest.param(i, id=n) for n, i in transparent_pictures()])
def test_transparency_is_laid_on_white_or_on_the_colour_given(item):
    if isinstance(item, bytes):
        item = io.BytesIO(item)
    expected = np.zeros((28, 28), np.uint8)
    expected[:, 7:21] = 255 - 60
    assert_array_equal(read(item), expected)
    expected[expected > 0] = 60
    assert_array_equal(read(item, background="black"), expected)


def test_transparency_shows_the_background_and_is_trimmed_by_what_is_opaque():
    half = np.zeros((28, 28, 4), np.uint8)
    half[..., 3] = 128
    assert np.isin(read(half), (127, 128)).all()
    assert np.isin(read(half, background="#808080", invert=False), (63, 64)).all()
    pixels = np.zeros((50, 50, 4), np.uint8)
    pixels[10:40, 20:30] = 255
    pixels[12:20, 22:28, :3] = 0
    image = read(pixels)
    assert image.any(axis=1).sum() < 28  # white is not seen, but counts
    assert read(pixels, background="black").any(axis=1).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_pictures_are_turned_as_exif_says(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    content = encoded(picture(), kind, exif=exif, **options)
    with Image.open(io.BytesIO(content)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert_array_equal(read(io.BytesIO(content)), read(upright))
    assert (upright.shape[0] < upright.shape[1]) == (orientation > 4)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_of_several_frames_the_first_is_taken(kind):
    first, second = (Image.fromarray(picture(seed=seed)).convert("L") for seed in (0, 1))
    options = {"WEBP": {"lossless": True}}.get(kind, {})
    both = encoded(first, kind, save_all=True, append_images=[second], **options)
    with Image.open(io.BytesIO(both)) as image:
        assert image.n_frames == 2
    assert_array_equal(read(io.BytesIO(both)), read(np.asarray(first)))


# Hostile files

TIFF = encoded(picture(), "TIFF", compression="tiff_lzw")
PNG, JPEG, GIF, WEBP = (encoded(picture(), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP"))
ENTRIES = struct.unpack_from("<I", TIFF, 4)[0]


def with_tag(tag, value):
    """The TIFF with another value of one tag."""
    content = bytearray(TIFF)
    (count,) = struct.unpack_from("<H", content, ENTRIES)
    for place in range(ENTRIES + 2, ENTRIES + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, place)[0] == tag:
            struct.pack_into("<HII", content, place + 2, 4, 1, value)
            return bytes(content)
    raise LookupError(tag)


def damaged_pixels():
    content = bytearray(PNG)
    place = content.index(b"IDAT") + 40
    content[place : place + 30] = bytes(30)
    return bytes(content)


HOSTILE = {
    "empty": b"",
    "text": b"This is not a picture.\n",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    "pdf": b"%PDF-1.7\n",
    "png header": PNG[:33],
    "png half": PNG[: len(PNG) // 2],
    "png bomb": png(60_000, 60_000, bytes(100)),
    "png above max_pixels": png(10_000, 10_000, bytes(100)),
    "png of no width": png(0, 10, bytes(10)),
    "png wrong size": png(100, 100, bytes(100)),
    "png wrong depth": png(10, 10, bytes(110), depth=3),
    "png wrong crc": PNG[:29] + b"\0\0\0\0" + PNG[33:],
    "png damaged pixels": damaged_pixels(),
    "png huge chunk": PNG[:33] + struct.pack(">I", 0x7FFFFFFF) + b"iTXt" + PNG[41:],
    "jpeg header": JPEG[:200],
    "jpeg half": JPEG[: len(JPEG) // 2],
    "jpeg of no size": b"\xff\xd8\xff\xc0\0\x11\x08\0\0\0\0\x03\1\x11\0\2\x11\1\3\x11\1\xff\xd9",
    "gif half": GIF[: len(GIF) // 2],
    "gif bomb": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;",
    "gif frame outside": b"GIF89a\2\0\2\0\0\0\0,\xf0\xff\xf0\xff\xff\xff\xff\xff\0\x08\x01\0\0;",
    "webp half": WEBP[: len(WEBP) // 2],
    "tiff half": TIFF[: len(TIFF) // 2],
    "tiff no directory": TIFF[:4] + b"\xff\xff\xff\x7f" + TIFF[8:],
    "tiff directory loop": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "tiff wide": with_tag(256, 0x7FFFFFFF),
    "tiff many samples": with_tag(277, 60_000),
    "tiff strips elsewhere": with_tag(273, 0x7FFFFFF0),
    "tiff unknown compression": with_tag(259, 60_001),
    "bmp huge": b"BM" + bytes(12) + struct.pack("<IiiHH", 40, *[2**31 - 1] * 2, 1, 24) + bytes(28),
    "ppm endless header": b"P6 " + b"9" * 100_000,
    "ppm cut": b"P6 10 10 255\n" + bytes(20),
    "ppm text": b"P3 10 10 255\n1 2 x",
    "pgm deep": b"P5 10 10 70000\n" + bytes(200),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_an_error_that_names_it(name, tmp_path, capfd):
    path = tmp_path / "photo.png"
    path.write_bytes(HOSTILE[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DatasetError, match=r"photo\.png: \w.*\. [A-Z].*\.$"):
            read(path)
        with pytest.raises(DatasetError, match=r"^X\[1\]: \w"):
            ImageFileReader().transform([picture(), io.BytesIO(HOSTILE[name])])
    if not name.startswith("tiff"):  # libtiff writes where nobody can stop it
        assert capfd.readouterr() == ("", "")


def unharmed():
    """Files that look frightening and are pictures nonetheless."""
    yield "icc garbage", encoded(picture(), icc_profile=b"garbage" * 100)
    yield "exif garbage", encoded(picture(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    yield "text", PNG[:33] + chunk(b"tEXt", b"a\0" + b"b" * 100_000) + PNG[33:]
    yield "unknown chunk", PNG[:33] + chunk(b"quUx", bytes(1000)) + PNG[33:]
    yield "without an end", PNG[: PNG.index(b"IEND") - 4]
    yield "with more behind", PNG + b"<?php ?>" * 100


@pytest.mark.parametrize("content", [pytest.param(c, id=n) for n, c in unharmed()])
def test_what_is_odd_but_harmless_is_read(content, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(read(io.BytesIO(content)), read(picture()))
    assert capfd.readouterr() == ("", "")


def test_bombs_cost_no_memory(tmp_path):
    zeros = zlib.compress(bytes(1 << 28), 9)
    text = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}
    bombs = {
        "header.png": png(60_000, 60_000, bytes(100)),
        "pixels.png": png(9_000, 9_000, bytes(81_009_000)),
        "frame.gif": HOSTILE["gif bomb"],
        "wide.tiff": HOSTILE["tiff wide"],
        "many.tiff": HOSTILE["tiff many samples"],
        "huge.bmp": HOSTILE["bmp huge"],
        "canvas.webp": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0" + b"\xfe\x3f\0" * 2,
    }
    for name, head in text.items():
        bombs[f"{name.decode()}.png"] = PNG[:33] + chunk(name, head + zeros) + PNG[33:]
    good = tmp_path / "good.png"
    good.write_bytes(PNG)
    folder = tmp_path / "bombs"
    folder.mkdir()
    for name, content in bombs.items():
        (folder / name).write_bytes(content)
    with (folder / "sparse.webp").open("wb") as file:
        file.write(b"RIFF\xff\xff\xff\x7fWEBPVP8 ")
        file.truncate(1 << 33)
    told = run_python(f"""
        from pathlib import Path
        from skfashion.datasets import DatasetError, ImageFileReader
        ImageFileReader().transform([{str(good)!r}])
        def peak():
            status = Path("/proc/self/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0])
        before = peak()
        for path in sorted(Path({str(folder)!r}).iterdir()):
            try:
                ImageFileReader().transform([path])
                print(path.name, "is read")
            except DatasetError as error:
                assert path.name in str(error)
            assert peak() - before < 60_000, (path, peak() - before)
    """)
    assert told in ("", "iCCP.png is read\n")


FUZZED = {"PNG": PNG, "JPEG": JPEG, "GIF": GIF, "WEBP": WEBP, "TIFF": TIFF}


@pytest.mark.parametrize("kind", FUZZED)
def test_flipped_bytes_give_rows_or_the_one_error(kind):
    rng = np.random.default_rng(list(kind.encode()))
    reader, said = ImageFileReader(), []
    for _ in range(150):
        content = bytearray(FUZZED[kind])
        most = len(content) if rng.random() < 0.5 else 120
        for place in rng.integers(0, most, rng.integers(1, 5)):
            content[place] = rng.integers(256)
        if rng.random() < 0.1:
            del content[rng.integers(1, len(content)) :]
        try:
            rows = reader.transform([io.BytesIO(content)])
        except DatasetError as error:
            said.append(str(error))
        else:
            assert rows.shape == (1, 784)
    assert said
    assert all(message.startswith("X[0]: ") for message in said)


# What cannot be opened


def test_what_is_no_file_is_told_apart(tmp_path, unprivileged):
    (tmp_path / "closed.png").write_bytes(PNG)
    (tmp_path / "closed.png").chmod(0)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    expected = {
        tmp_path: "is a directory, not a file",
        tmp_path / "pipe.png": "is not a regular file",
        "/dev/zero": "is not a regular file",
        tmp_path / "dangling.png": "does not exist",
        tmp_path / "loop.png": "cannot be opened",
        "https://example.org/shoe.png": "does not exist",
        "a\0b.png": "cannot be opened",
        "": "does not exist",
    }
    for path, finding in expected.items():
        with pytest.raises(DatasetError, match=finding):
            read(path)
    with unprivileged(), pytest.raises(DatasetError, match=r"closed\.png: may not be read"):
        read(tmp_path / "closed.png")


def test_file_objects_that_give_nothing_say_so(tmp_path):
    closed = io.BytesIO(PNG)
    closed.close()
    with pytest.raises(DatasetError, match=r"X\[0\]: cannot be read \(I/O operation on closed"):
        read(closed)
    with (tmp_path / "shoe.png").open("wb") as file:
        with pytest.raises(DatasetError, match=r"X\[0\] \(.*shoe\.png\): cannot be read"):
            read(file)
        file.write(PNG[:-30])
    with (tmp_path / "shoe.png").open("rb") as file:
        with pytest.raises(DatasetError, match=r"X\[0\] \(.*shoe\.png\): is damaged"):
            read(file)
        file.seek(0, io.SEEK_END)
        with pytest.raises(DatasetError, match="is empty"):
            read(file)
    (tmp_path / "note.txt").write_text("shoe", encoding="utf-8")
    text = (tmp_path / "note.txt").open(encoding="utf-8")
    with text, pytest.raises(TypeError, match="mode 'rb'"):
        read(text)
    with pytest.raises(DatasetError, match="is a file of more bytes"):
        read(io.BytesIO(bytes(1 << 25)), max_pixels=100)


def test_no_file_is_left_open(tmp_path):
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    paths = []
    for name in ("png half", "tiff half", "gif half", "webp half", "jpeg half", "text"):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(HOSTILE[name])
    (tmp_path / "good").write_bytes(PNG)
    (tmp_path / "good.tiff").write_bytes(TIFF)
    before = len([*folder.iterdir()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in paths:
            with pytest.raises(DatasetError):
                read(path)
        ImageFileReader().transform([tmp_path / "good", tmp_path / "good.tiff"])
    assert len([*folder.iterdir()]) == before


def test_a_picture_of_too_many_pixels_is_refused_wherever_it_comes_from(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(encoded(picture()))
    message = r"is of 70 x 90 = 6,300 pixels, more than max_pixels=6,299\. Make it smaller"
    with pytest.raises(DatasetError, match=f"large.png: {message}"):
        read(path, max_pixels=6_299)
    for item in (picture(), Image.fromarray(picture()), Image.open(path)):
        with pytest.raises(ValueError, match=rf"X\[0\]: {message}"):
            read(item, max_pixels=6_299)
    assert read(path, max_pixels=6_300).any()


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((9, 9), np.nan), "holds real numbers from nan to nan. Give them from 0 to 1"),
        (np.full((9, 9), np.inf), "holds real numbers from inf to inf"),
        (np.full((9, 9), 200.0), "holds real numbers from 200 to 200"),
        (np.full((9, 9), -0.1), "holds real numbers from -0.1"),
        (np.full((9, 9), -1), "holds integers from -1 to -1. Give them from 0 to 255"),
        (np.full((9, 9), 256), "holds integers from 256 to 256"),
        (np.full((9, 9), 70_000, np.uint32), "holds integers from 70000"),
        (np.zeros((9, 9, 2)), r"is an array of shape \(9, 9, 2\). Give pictures of shape"),
        (np.zeros(784), r"is an array of shape \(784,\)"),
        (np.zeros((0, 5)), "has no pixels: it is 5 x 0"),
        (Image.new("L", (0, 5)), "has no pixels: it is 0 x 5"),
        (Image.new("I", (5, 5), -3), "holds integers from -3"),
        (Image.new("F", (5, 5), 255), "holds real numbers from 255"),
    ],
)
def test_a_bad_picture_in_memory_is_named_by_its_place(pixels, message):
    with pytest.raises(ValueError, match=rf"^X\[2\]: {message}"):
        ImageFileReader().transform([picture(), picture(), pixels])


def test_a_picture_that_waits_for_a_program_to_run_is_refused(tmp_path):
    path = tmp_path / "run.eps"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    image = Image.open(path)
    with image, pytest.raises(ValueError, match=r"X\[0\]: is in the format EPS"):
        read(image)


@pytest.mark.parametrize(
    "item", [None, 3, math.nan, b"shoe.png", [1, 2], pd.NA, np.ones((9, 9), "c8")]
)
def test_what_is_no_picture_is_a_type_error(item):
    with pytest.raises(
        TypeError, match=r"X\[1\] is (of type \w+|an array of dtype c\w+): expected "
    ):
        ImageFileReader().transform([picture(), item])


@pytest.mark.parametrize(
    "X",
    [
        "shoe.png",
        Path("shoe.png"),
        b"shoe.png",
        io.BytesIO(),
        Image.new("L", (9, 9)),
        np.zeros((9, 9)),
        picture(),
    ],
    ids=lambda X: type(X).__name__,
)
def test_one_picture_instead_of_several_is_told_to_be_written_as_a_list(X):
    with pytest.raises(ValueError, match=r"Write \[X\]"):
        ImageFileReader().transform(X)


@pytest.mark.parametrize(
    ("X", "kind", "message"),
    [
        ([], ValueError, r"Found array with 0 sample\(s\)"),
        (np.zeros((0, 28, 28)), ValueError, r"Found array with 0 sample\(s\)"),
        (pd.Series([], dtype=str), ValueError, r"Found array with 0 sample\(s\)"),
        (np.zeros(784), ValueError, r"X has shape \(784,\)"),
        (np.zeros((2, 2, 2, 3, 3)), ValueError, "X has shape"),
        (np.zeros((2, 9, 9, 5)), ValueError, r"X\[0\]: is an array of shape \(9, 9, 5\)"),
        (np.array([["a", "b"]]), ValueError, "or one column of paths"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), ValueError, "or one column of paths"),
        (None, TypeError, "X is of type NoneType"),
        ({"a.png": 1}, TypeError, "X is of type dict"),
        (5, TypeError, "X is of type int"),
    ],
)
def test_what_is_no_list_of_pictures_is_refused(X, kind, message):
    with pytest.raises(kind, match=message):
        ImageFileReader().transform(X)


# A scikit-learn transformer


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image_shape": (28,)}, r"image_shape=\(28,\): expected two positive integers"),
        ({"image_shape": (28, 0)}, "expected two positive integers"),
        ({"image_shape": (28.0, 28)}, "expected two positive integers"),
        ({"image_shape": 28}, "image_shape"),
        ({"background": "octarine"}, "background='octarine': expected 'auto', None, a colour"),
        ({"background": "#ffffff80"}, "without opacity"),
        ({"background": (0, 0, 256)}, "integers from 0 to 255"),
        ({"background": (0, 0)}, "integers from 0 to 255"),
        ({"background": 255}, "background"),
        ({"invert": "yes"}, "invert"),
        ({"invert": 1.5}, "invert"),
        ({"tolerance": 1.0}, "The 'tolerance' parameter of ImageFileReader"),
        ({"tolerance": "5 %"}, "The 'tolerance' parameter of ImageFileReader"),
        ({"tolerance": -0.1}, "tolerance"),
        ({"sharpen": "a bit"}, "sharpen"),
        ({"max_pixels": 0}, "max_pixels"),
    ],
)
def test_parameters_are_checked_in_fit_and_in_transform(parameters, message):
    reader = ImageFileReader(**parameters)
    for method in (reader.fit, reader.transform, reader.fit_transform):
        with pytest.raises(ValueError, match=message):
            method([picture()])


# The others fit or transform tables of numbers.
CHECKS = (
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_dont_overwrite_parameters",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_param_validation",
    "check_parameters_default_constructible",
    "check_readonly_memmap_input",
    "check_set_params",
    "check_valid_tag_types",
)


@pytest.mark.parametrize("name", CHECKS)
def test_the_checks_of_scikit_learn_that_need_no_numbers_pass(name):
    getattr(estimator_checks, name)("ImageFileReader", ImageFileReader())


def test_scikit_learn_is_told_that_it_takes_no_tables():
    with pytest.warns(SkipTestWarning):
        estimator_checks.check_estimator(ImageFileReader())
    tags = get_tags(ImageFileReader())
    assert tags.input_tags.string
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert not tags.requires_fit


def test_it_is_cloned_and_pickled_and_needs_no_fit():
    reader = ImageFileReader(image_shape=(8, 9), background=(1, 2, 3), tolerance=0.1)
    for other in (clone(reader), pickle.loads(pickle.dumps(reader)), reader.fit(None)):
        assert other.get_params() == reader.get_params()
        assert vars(other) == vars(reader)
        assert_array_equal(other.transform([picture()]), reader.transform([picture()]))
    assert reader.fit_transform([picture()], [1]).shape == (1, 72)


def test_columns_have_the_names_of_the_data_set():
    names = load_fashion_mini().feature_names
    assert ImageFileReader().get_feature_names_out().tolist() == names
    assert ImageFileReader(image_shape=(2, 3)).get_feature_names_out()[-1] == "pixel6"
    reader = ImageFileReader().set_output(transform="pandas")
    frame = reader.transform([picture()])
    assert frame.columns.tolist() == names
    assert frame.dtypes.unique().tolist() == [np.uint8]
    pipeline = make_pipeline(ImageFileReader(), LogisticRegression())
    assert pipeline[:-1].get_feature_names_out().tolist() == names


def test_searches_and_cross_validation_take_paths(rows, tmp_path):
    y = load_fashion_mini(subset="all", return_X_y=True)[1]
    chosen = np.flatnonzero(np.isin(y, [1, 9]))[:40]
    paths = []
    for number in chosen:
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(encoded(rows[number].reshape(28, 28)))
    pipeline = make_pipeline(ImageFileReader(), LogisticRegression(max_iter=20, tol=0.1))
    for X in (paths, np.array([*map(str, paths)]), pd.Series([*map(str, paths)])):
        scores = cross_validate(pipeline, X, y[chosen], cv=2)["test_score"]
        assert scores.min() > 0.8
    search = GridSearchCV(pipeline, {"imagefilereader__sharpen": [True, False]}, cv=2)
    assert search.fit(paths, y[chosen]).score(paths, y[chosen]) > 0.9


def test_threads_leave_the_filters_of_warnings_and_logs_as_they_were():
    before, handlers = list(warnings.filters), list(logging.getLogger("PIL").handlers)
    jpeg = encoded(picture(), "JPEG")

    def read_some():
        ImageFileReader().transform([io.BytesIO(jpeg) for _ in range(20)])

    threads = [threading.Thread(target=read_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
    assert logging.getLogger("PIL").handlers == handlers


def test_photos_of_images_are_taken_for_what_the_images_are():
    X, y = load_fashion_mini(return_X_y=True)
    clf = KNeighborsClassifier().fit(X[:1000] / 255, y[:1000])
    photos = []
    for row in X[2000:2300]:
        photo = np.full((250, 220), 255, np.uint8)
        photo[40:208, 26:194] = 255 - row.reshape(28, 28).repeat(6, axis=0).repeat(6, axis=1)
        photos.append(photo)
    exact = ImageFileReader(sharpen=False, tolerance=0).transform(photos)
    assert (exact == X[2000:2300]).all(axis=1).mean() > 0.97  # the margins, too
    expected = clf.predict(X[2000:2300] / 255)
    for sharpen, least in ((False, 0.97), (True, 0.9)):  # the images are sharp already
        rows = ImageFileReader(sharpen=sharpen).transform(photos)
        assert (clf.predict(rows / 255) == expected).mean() > least
