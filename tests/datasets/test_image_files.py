"""ImageFileReader: pictures of every kind become rows, and what is no picture an error."""

import io
import os
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import run_python
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.ndimage import gaussian_filter
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


def drawn(ground, size, *parts):
    """A ground with parts in other colours."""
    pixels = np.full((*size, *np.shape(ground)), ground, np.uint8)
    for place, colour in parts:
        pixels[place] = colour
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
    pixels = drawn(253, (60, 60), (np.s_[20:40, 20:40], 100))
    expected = read(pixels)
    assert (expected > 0).all()
    pixels[5:19, 30] = 253 - 12  # 4.7 %
    assert_array_equal(read(pixels), expected)
    pixels[5:20, 30] = 253 - 13  # 5.1 %
    assert (read(pixels) == 0).any()
    assert_array_equal(read(pixels, tolerance=0.052), expected)


def test_the_object_stands_in_the_middle_with_its_proportions():
    pixels = drawn(255, (400, 300), (np.s_[300:400, :50], 0))  # twice as high as wide
    image = read(pixels)
    assert_array_equal(image[:, 7:21], np.full((28, 14), 255))
    assert image.sum() == 28 * 14 * 255
    wide = read(pixels, image_shape=(10, 40))
    assert_array_equal(wide[:, 18:23], np.full((10, 5), 255))
    assert wide.sum() == 50 * 255
    assert ImageFileReader(image_shape=[10, 40]).transform([pixels]).shape == (1, 400)


@pytest.mark.parametrize(
    ("ground", "ink"),
    [(231, 31), (140, 0), (24, 224), (100, 255), (120, 20), (120, 250), (200, 250)],
)
def test_the_background_becomes_zero_and_grey_is_measured_from_it(ground, ink):
    pixels = drawn(ground, (60, 40), (np.s_[10:50, 10:20], ink), ((20, 15), ground))
    image = read(pixels, sharpen=False)
    span = ground if ink < ground else 255 - ground
    assert set(np.unique(image)) == {0, round(abs(ground - ink) * 255 / span)}
    assert not image[:, :9].any()


@pytest.mark.parametrize(
    ("invert", "light", "dark"),
    [("auto", (0, 204), (0, 204)), (False, (250, 50), (0, 204)), (True, (0, 204), (250, 50))],
)
def test_inversion_can_be_forced_and_the_padding_goes_with_it(invert, light, dark):
    pixels = drawn(250, (60, 40), (np.s_[10:50, 10:20], 50))
    for item, expected in ((pixels, light), (255 - pixels, dark)):
        image = read(item, invert=invert, sharpen=False)
        assert (image[0, 0], image[14, 14]) == expected


def test_a_colour_as_background_is_trimmed_and_decides():
    square, red = (np.s_[5:55, 5:55], 255), (np.s_[20:40, 25:35], (200, 0, 0))
    pixels = drawn((0, 0, 128), (60, 60), square, red)  # on dark navy
    for background in ("white", "#ffffff", (255, 255, 255), [255] * 3, "hsl(0, 0%, 100%)"):
        assert not read(pixels[5:55, 5:55], background=background)[:, :6].any()
    assert read(pixels, background="navy").all()  # the white square, on its dark ground
    assert_array_equal(read(pixels, background="navy"), read(pixels))
    assert read(pixels, background="white").max() < 255


def test_without_background_nothing_is_trimmed():
    pixels = drawn(250, (56, 56), (np.s_[20:30, 20:30], 100))
    image = read(pixels, background=None, sharpen=False)
    assert_array_equal(image, 255 - pixels[1::2, 1::2])
    tall = read(pixels[:, :28], background=None, sharpen=False)
    assert not tall[:, [0, 6, 21, 27]].any()  # padded with black
    assert (tall[0, 7:21] == 5).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 3), (28, 27), (1, 20_000), (20_000, 1)])
def test_small_and_narrow_pictures_fill_the_image(shape):
    image = read(np.zeros(shape, np.uint8), background="white")
    assert image.shape == (28, 28)
    assert image.max() == 255
    assert max((image > 0).any(axis=0).sum(), (image > 0).any(axis=1).sum()) == 28


@pytest.mark.parametrize("alpha", [255, 128])
def test_white_clothes_on_a_transparent_ground_are_seen(alpha):
    pixels = drawn((255, 255, 255, 0), (60, 60), (np.s_[10:50, 20:40, 3], alpha))
    for background in ("auto", None):
        assert (read(pixels, background=background) == alpha).any()
    assert (read(pixels)[:, 7:21] == alpha).all()


SIDES = (60, 60)
SPECK = drawn(255, (2000, 2000), ((50, 50), 0))
WHITE_IN_GREY = drawn((255, 255, 255), SIDES, (np.s_[20:40, 20:40], (255, 255, 220)))


@pytest.mark.parametrize(
    ("pixels", "background"),
    [
        (drawn(255, SIDES), "auto"),
        (drawn(255, SIDES), None),
        (drawn(0, SIDES), "#000"),
        (drawn(9, SIDES), (9, 9, 9)),
        (drawn(0, (28, 28)), "auto"),
        *[(SPECK, "auto"), (SPECK, None)],  # is skipped with its row
        (WHITE_IN_GREY, "auto"),
    ],
)
def test_a_row_without_content_is_an_error(pixels, background):
    for item, error in ((pixels, ValueError), (io.BytesIO(encoded(pixels)), DatasetError)):
        message = r"^X\[0\]: shows nothing but its background.*tolerance="
        with pytest.raises(error, match=message):
            read(item, background=background)


def garment():
    """A thing with a hole, lighter and darker parts, on white."""
    cloth = np.s_[40:160, 50:110], np.linspace(20, 160, 60).astype(np.uint8)
    return drawn(255, (200, 160), cloth, (np.s_[60:80, 70:90], 255))


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_thin_frame_changes_nothing(width):
    expected = read(garment())
    for color, background in ((0, "auto"), (120, "auto"), (0, "white")):
        framed = np.pad(garment(), width, constant_values=color)
        assert_array_equal(read(framed, background=background), expected)


def test_specks_lines_and_small_print_outside_the_object_change_nothing():
    expected = read(garment())
    for place in (np.s_[8, 8], np.s_[190:196, 100:140:2], np.s_[:, :2], np.s_[5::60, 5::60]):
        pixels = garment()
        pixels[place] = np.where(pixels[place] == 255, 0, pixels[place])
        assert_array_equal(read(pixels), expected)


def test_parts_of_one_object_stay_together():
    pixels = garment()
    pixels[98:102] = 255
    pixels[170:180, 60:100] = 50  # a sixth of the rest, and further away
    assert read(pixels)[-1].any()
    assert not read(pixels)[:, 0].any()


def test_what_is_lighter_and_darker_than_its_ground_is_cut_out_and_laid_on_white():
    halves = (np.s_[40:160, 50:80], 20), (np.s_[40:160, 80:110], 200)
    ground = drawn(100, (200, 160), *halves)
    opacity = drawn(0, (200, 160), (np.s_[40:160, 50:110], 255))
    cut_out = np.dstack([ground, ground, ground, opacity])
    assert_array_equal(read(ground), read(cut_out))


def test_a_doubtful_crop_warns_and_names_the_picture_and_the_remedy(tmp_path, recwarn):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(np.pad(garment(), 9)))
    speck = drawn(255, (100, 100), ((50, 50), 0))
    spots = drawn(255, (1000, 1000), (np.s_[400:480, 400:480], 0))
    for top, left in np.ndindex(5, 5):
        spots[200 * top + 50 :, 200 * left + 50 :][:20, :20] = 0
    for item, name, why in (
        (path, r".*photo\.png", "fills the picture"),
        (speck, r"X\[0\]", "very small"),
        (spots, r"X\[0\]", "many small parts"),
    ):
        message = f"{name}: the object may not have been found: .*{why}.*background"
        with pytest.warns(UserWarning, match=message) as caught:
            read(item)
        assert caught[0].filename == __file__
        assert len(caught) == 1
    read(garment())
    read(speck, background="white")  # was chosen
    assert not recwarn


# Images of the data set


def test_images_pass_unchanged():
    rows = load_fashion_mini(subset="all", return_X_y=True)[0]
    images = rows.reshape(-1, 28, 28)
    assert_array_equal(ImageFileReader().transform(images), rows)
    assert_array_equal(ImageFileReader(invert=False).transform(images[:500, ..., None]), rows[:500])
    assert_array_equal(ImageFileReader().transform(255 - images[:500]), rows[:500])
    assert_array_equal(ImageFileReader(sharpen=False).transform(images[:9] / 255), rows[:9])
    files = [io.BytesIO(encoded(image)) for image in images[:300]]
    assert_array_equal(ImageFileReader().transform(files), rows[:300])


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
        kinds += [Image.fromarray(pixels), np.asfortranarray(pixels)]
        mixed = ImageFileReader().transform(tuple(kinds))
    assert_array_equal(mixed, np.repeat(expected.reshape(1, -1), len(kinds), axis=0))
    assert mixed.dtype == np.uint8
    assert_array_equal(ImageFileReader().transform(np.stack([pixels] * 2)), mixed[:2])


def test_paths_come_in_any_column(bare_machine):
    for number in range(3):
        (bare_machine / f"{number}.png").write_bytes(encoded(picture(seed=number)))
    paths = [f"~/{number}.png" for number in range(3)]
    expected = np.stack([read(picture(seed=number)).ravel() for number in range(3)])
    series = pd.Series(paths)
    for X in (
        series,
        series.to_frame(),
        series.astype("category"),
        pl.DataFrame({"file": paths}),
        np.array(paths),
        np.array(paths, dtype=object)[:, None],
        (path for path in paths),
        map(Path, paths),
    ):
        assert_array_equal(ImageFileReader().transform(X), expected)


def test_file_objects_are_read_from_where_they_stand_and_set_back(tmp_path):
    file = io.BytesIO(b"before" + encoded(picture()))
    file.seek(6)
    assert_array_equal(read(file), read(file))
    assert file.tell() == 6

    stream = SimpleNamespace(read=io.BytesIO(encoded(picture())).read)  # as of a network
    assert_array_equal(read(stream), read(picture()))


def test_the_pictures_of_the_caller_stay_as_they_are():
    image = Image.fromarray(picture()).convert("P")
    image.info["transparency"] = 3
    pixels, copy = picture(), image.copy()
    ImageFileReader().transform([image, pixels])
    assert image == copy
    assert_array_equal(pixels, picture())


GREY = np.array([[200, 200, 200], [200, 17, 90], [200, 90, 200]], np.uint8)
DEEP = GREY.astype(np.uint16) * 257
IMAGE = Image.fromarray(GREY)
LIGHT = GREY > 100


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (GREY.astype(np.int64), GREY),
        (GREY.astype(np.uint16), GREY),
        (DEEP.astype(">u2"), GREY),
        ((GREY / 255).astype(np.float32), GREY),
        (GREY[..., None], GREY),
        (GREY[..., None].repeat(3, axis=2), GREY),
        (np.dstack([GREY] * 3 + [np.full((3, 3), 255)]), GREY),
        (LIGHT, LIGHT * 255),
        (np.where(LIGHT, 65_535, 0).astype(np.uint16), LIGHT * 255),
        (Image.fromarray(LIGHT), LIGHT * 255),
        (IMAGE.convert("P"), GREY),
        (IMAGE.convert("LA").convert("La"), GREY),
        (IMAGE.convert("RGBA").convert("RGBa"), GREY),
        (IMAGE.convert("RGB").convert("CMYK"), GREY),
        (Image.fromarray(DEEP), GREY),
        (Image.fromarray(GREY.astype(np.int32)), GREY),
        (Image.fromarray(DEEP.astype(np.int32)), GREY),
        (Image.fromarray((GREY / 255).astype(np.float32)), GREY),
        (io.BytesIO(encoded(Image.fromarray(DEEP))), GREY),
        (io.BytesIO(b"P5 3 3 65535\n" + DEEP.astype(">u2").tobytes()), GREY),
    ],
    ids=lambda values: getattr(values, "mode", type(values).__name__),
)
def test_pixels_of_every_type_are_understood(values, expected):
    assert_array_equal(read(values, image_shape=(3, 3), invert=False), expected)


def test_colours_are_weighed_as_the_eye_does():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    expected = [[76, 150, 29]]
    parameters = {"image_shape": (1, 3), "invert": False}
    assert_array_equal(read(colours, **parameters), expected)
    lab = Image.new("LAB", (1, 1), (138, 208, 195))  # CIELAB 54, 80, 67: pure red
    assert abs(int(read(lab, image_shape=(1, 1), invert=False)[0, 0]) - 76) <= 8


@pytest.mark.parametrize(
    "kind", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", "AVIF", "MPO"]
)
def test_files_of_every_format_are_read(kind):
    try:
        content = encoded(GREY.repeat(20, axis=0).repeat(20, axis=1), kind, quality=100)
    except (OSError, KeyError) as error:
        pytest.skip(f"Pillow was built without it: {error}")
    image = read(io.BytesIO(content), image_shape=(60, 60), invert=False)
    assert np.abs(image[10::20, 10::20].astype(int) - GREY).max() <= 3


def transparent_pictures():
    """The same square of 60 on nothing, in every way that a file can say it."""
    alpha = drawn(0, (40, 30), (np.s_[10:30, 10:20], 255))
    grey = np.where(alpha, 60, 222).astype(np.uint8)  # 222 must not be seen
    rgba = Image.fromarray(np.dstack([grey, grey, grey, alpha]))
    yield "RGBA", encoded(rgba)
    yield "GIF", encoded(rgba, "GIF")
    yield "L with tRNS", encoded(Image.fromarray(grey), transparency=222)
    palette = Image.fromarray((alpha > 0).astype(np.uint8)).convert("P")
    palette.putpalette([222] * 3 + [60] * 3)
    yield "P with alphas", encoded(palette, transparency=b"\0\xff")
    wide = (grey.astype(">u2") * 257).tobytes()
    lines = b"".join(b"\0" + wide[i : i + 60] for i in range(0, len(wide), 60))
    trns = chunk(b"tRNS", struct.pack(">H", 222 * 257))
    yield "16 bits with tRNS", png(30, 40, lines, depth=16, before=trns)
    yield "pixels", np.dstack([grey, grey, grey, alpha])


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
    half = drawn((0, 0, 0, 128), (28, 28))
    assert np.isin(read(half), (127, 128)).all()
    assert np.isin(read(half, background="#808080", invert=False), (63, 64)).all()
    square, hole = (np.s_[10:40, 20:30], 255), (np.s_[12:20, 22:28, :3], 0)
    pixels = drawn((0, 0, 0, 0), (50, 50), square, hole)
    image = read(pixels)
    assert image.any(axis=1).sum() < 28  # white is not seen, but counts
    assert read(pixels, background="black").any(axis=1).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_pictures_are_turned_as_exif_says_and_of_several_frames_the_first_is_taken(kind):
    exif = Image.Exif()
    for orientation, upright in ((4, picture()[::-1]), (6, np.rot90(picture(), -1))):
        exif[0x0112] = orientation
        assert_array_equal(read(io.BytesIO(encoded(picture(), kind, exif=exif))), read(upright))
    both = encoded(picture(), kind, save_all=True, append_images=[Image.fromarray(picture(seed=1))])
    assert_array_equal(read(io.BytesIO(both)), read(picture()))


def test_exif_data_that_cannot_be_read_turn_nothing():
    content = encoded(picture(), exif=b"Exif\0\0garbage!")
    assert_array_equal(read(io.BytesIO(content)), read(picture()))


# Hostile files

FILES = {kind: encoded(picture(), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF")}
BOMBS = {
    "header.png": png(60_000, 60_000, bytes(100)),
    "pixels.png": png(9_000, 9_000, bytes(81_009_000)),
    "frame.gif": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;",
    "huge.bmp": b"BM" + bytes(12) + struct.pack("<IiiHH", 40, *[2**31 - 1] * 2, 1, 24) + bytes(28),
}
HOSTILE = {
    **BOMBS,
    "empty": b"",
    "text": b"This is not a picture.\n",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",  # a program
    "of no format that is listed": encoded(picture(), "PCX"),
    "no width": png(0, 10, bytes(10)),
    "damaged pixels": FILES["PNG"][:77] + bytes(30) + FILES["PNG"][107:],
    "half": FILES["JPEG"][: len(FILES["JPEG"]) // 2],
    "directory loop": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_an_error_that_names_it(name, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(DatasetError, match=r"photo\.png: \w.*\. [A-Z].*\.$"):
        read(path)
    with pytest.raises(DatasetError, match=r"^X\[1\]: \w"):
        ImageFileReader().transform([picture(), io.BytesIO(HOSTILE[name])])


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a shoe --><svg>', "SVG"),
    ],
)
def test_pictures_of_formats_that_are_not_read_are_told_to_be_converted(start, kind):
    with pytest.raises(
        DatasetError, match=f"is in the format {kind}, which is not supported.*to PNG"
    ):
        read(io.BytesIO(start + bytes(100)))


def test_bombs_cost_no_memory(tmp_path):
    for name, content in BOMBS.items():
        (tmp_path / name).write_bytes(content)
    with (tmp_path / "sparse.webp").open("wb") as file:
        file.write(b"RIFF\xff\xff\xff\x7fWEBPVP8 ")
        file.truncate(1 << 33)
    code = f"""
        import io, logging
        from pathlib import Path
        from skfashion.datasets import DatasetError, ImageFileReader
        logging.disable()
        ImageFileReader().transform([io.BytesIO({FILES["PNG"]!r})])
        def peak():
            status = Path("/proc/self/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0])
        before = peak()
        for path in sorted(Path({str(tmp_path)!r}).iterdir()):
            try:
                ImageFileReader().transform([path])
                print(path.name, "is read")
            except DatasetError as error:
                assert path.name in str(error)
            assert peak() - before < 60_000, (path, peak() - before)
    """
    assert run_python(code, PYTHONWARNINGS="ignore") == ""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", FILES)
def test_flipped_bytes_give_rows_or_the_one_error(kind):
    rng = np.random.default_rng(list(kind.encode()))
    messages = []
    for _ in range(100):
        content = bytearray(FILES[kind])
        most = len(content) if rng.random() < 0.5 else 120
        for place in rng.integers(0, most, rng.integers(1, 5)):
            content[place] = rng.integers(256)
        try:
            assert read(io.BytesIO(content)).shape == (28, 28)
        except DatasetError as error:
            messages.append(str(error))
    assert messages
    assert all(message.startswith("X[0]: ") for message in messages)


# What cannot be opened


def test_what_is_no_file_is_told_apart(tmp_path, unprivileged):
    (tmp_path / "closed.png").touch(0)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    expected = {
        tmp_path: "is a directory, not a file",
        tmp_path / "pipe.png": "is not a regular file",
        tmp_path / "loop.png": "cannot be opened",
        "https://example.org/shoe.png": "does not exist",
        "a\0b.png": "cannot be opened",
    }
    for path, finding in expected.items():
        with pytest.raises(DatasetError, match=finding):
            read(path)
    with unprivileged(), pytest.raises(DatasetError, match=r"closed\.png: may not be read"):
        read(tmp_path / "closed.png")


def test_file_objects_that_give_nothing_say_so(tmp_path):
    message = r"X\[0\] \(.*shoe\.png\): cannot be read"
    with (tmp_path / "shoe.png").open("wb") as file, pytest.raises(DatasetError, match=message):
        read(file)
    with pytest.raises(DatasetError, match="is empty"):
        read(io.BytesIO())
    with pytest.raises(TypeError, match="mode 'rb'"):
        read(io.StringIO("shoe"))
    with pytest.raises(DatasetError, match="is a file of more bytes"):
        read(io.BytesIO(bytes(1 << 25)), max_pixels=100)


def test_a_picture_of_too_many_pixels_is_refused_wherever_it_comes_from(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(FILES["PNG"])
    message = r"has 70 x 90 = 6,300 pixels, more than max_pixels=6,299\. Make it smaller"
    with pytest.raises(DatasetError, match=f"large.png: {message}"):
        read(path, max_pixels=6_299)
    for item in (picture(), Image.fromarray(picture()), Image.open(path)):
        with pytest.raises(ValueError, match=rf"X\[0\]: {message}"):
            read(item, max_pixels=6_299)
    assert read(path, max_pixels=6_300).any()
    with pytest.raises(DatasetError, match="more pixels than Pillow allows, independent of"):
        read(io.BytesIO(BOMBS["header.png"]), max_pixels=10**12)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (np.full((9, 9), np.nan), "holds real numbers from nan to nan. Give them from 0 to 1"),
        (np.full((9, 9), 200.0), "holds real numbers from 200 to 200"),
        (np.full((9, 9), -0.1), "holds real numbers from -0.1"),
        (np.full((9, 9), -1), "holds integers from -1 to -1. Give them from 0 to 255"),
        (np.full((9, 9), 256), "holds integers from 256 to 256"),
        (np.full((9, 9), 70_000, np.uint32), "holds integers from 70000"),
        (np.zeros((9, 9, 2)), r"is an array of shape \(9, 9, 2\). Give pictures of shape"),
        (np.zeros((0, 5)), "has no pixels: it is 5 x 0"),
        (Image.new("F", (5, 5), 255), "holds real numbers from 255"),
    ],
)
def test_a_bad_picture_in_memory_is_named_by_its_place(item, message):
    with pytest.raises(ValueError, match=rf"^X\[2\]: {message}"):
        ImageFileReader().transform([picture(), picture(), item])


def test_a_picture_that_waits_for_a_program_to_run_is_refused(tmp_path):
    path = tmp_path / "run.eps"
    path.write_bytes(HOSTILE["eps"].replace(b"(x) run", b"%%EndComments"))
    with Image.open(path) as image, pytest.raises(ValueError, match="is in the format EPS"):
        read(image)


@pytest.mark.parametrize("item", [None, 3, b"shoe.png", [1, 2], np.ones((9, 9), "c8")])
def test_what_is_no_picture_is_a_type_error(item):
    message = r"X\[1\] is (of type \w+|an array of dtype c\w+): expected "
    with pytest.raises(TypeError, match=message):
        ImageFileReader().transform([picture(), item])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        *[
            (one, ValueError, r"Write \[X\]")
            for one in ("shoe.png", Path("shoe.png"), io.BytesIO())
        ],
        *[(one, ValueError, r"Write \[X\]") for one in (Image.new("L", (9, 9)), GREY, picture())],
        ([], ValueError, r"Found array with 0 sample\(s\)"),
        (np.zeros((0, 28, 28)), ValueError, r"Found array with 0 sample\(s\)"),
        (np.zeros(784), ValueError, r"X has shape \(784,\)"),
        (np.zeros((2, 2, 2, 3, 3)), ValueError, "X has shape"),
        (np.zeros((2, 9, 9, 5)), ValueError, r"X\[0\]: is an array of shape \(9, 9, 5\)"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), ValueError, "or one column of paths"),
        (None, TypeError, "X is of type NoneType"),
        ({"a.png": 1}, TypeError, "X is of type dict"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_list_of_pictures_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        ImageFileReader().transform(X)


# A scikit-learn transformer


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image_shape": (28,)}, r"image_shape=\(28,\): expected two positive integers"),
        ({"image_shape": (28, 0)}, "expected two positive integers"),
        ({"image_shape": (28.0, 28)}, "expected two positive integers"),
        ({"background": "octarine"}, "background='octarine': expected 'auto', None, a colour"),
        ({"background": "#ffffff80"}, "without opacity"),
        ({"background": (0, 0, 256)}, "integers from 0 to 255"),
        ({"invert": "yes"}, "invert"),
        ({"tolerance": 1.0}, "The 'tolerance' parameter of ImageFileReader"),
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
CHECKS = """
    do_not_raise_errors_in_init_or_set_params dont_overwrite_parameters estimator_cloneable
    estimator_repr estimator_tags_renamed estimators_fit_returns_self estimators_overwrite_params
    get_params_invariance mixin_order no_attributes_set_in_init param_validation
    parameters_default_constructible readonly_memmap_input set_params valid_tag_types
"""


@pytest.mark.parametrize("name", CHECKS.split())
def test_the_checks_of_scikit_learn_that_need_no_numbers_pass(name):
    getattr(estimator_checks, f"check_{name}")("ImageFileReader", ImageFileReader())


def test_scikit_learn_is_told_that_it_takes_no_tables_and_needs_no_fit():
    tags = get_tags(ImageFileReader())
    assert tags.input_tags.string
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert not tags.requires_fit


def test_columns_have_the_names_of_the_data_set():
    frame = ImageFileReader().set_output(transform="pandas").transform([picture()])
    assert frame.columns.tolist() == load_fashion_mini().feature_names
    assert frame.dtypes.unique().tolist() == [np.uint8]
    assert ImageFileReader(image_shape=(2, 3)).get_feature_names_out()[-1] == "pixel6"


def test_photos_of_images_become_the_images():
    X = load_fashion_mini(return_X_y=True)[0][2000:2300]
    photos = np.full((300, 250, 220), 255, np.uint8)
    photos[:, 40:208, 26:194] = 255 - X.reshape(-1, 28, 28).repeat(6, axis=1).repeat(6, axis=2)
    rows = ImageFileReader(sharpen=False, tolerance=0).transform(photos)
    assert (rows == X).all(axis=1).mean() > 0.97  # the margins, too
