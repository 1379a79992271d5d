"""Load one picture, from a file or from memory, as an RGB or RGBA image of Pillow.

Files may be malicious. Only formats whose decoders run no other program are read, the size in the
header is checked before pixels are decoded, and all errors of decoders become `ImageError`.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from skfashion._utils.files import expand_user
from skfashion._utils.types import AnyArray
from skfashion.datasets._base import Bytes
from skfashion.datasets._errors import make_error, open_regular_file

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")
_OPENED = tuple(name for name in FORMATS if name != "MPO")  # Pillow opens MPO as JPEG
_KINDS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
_REMEDY = f"Give a picture in one of the formats {_KINDS}."
_SAVE_AGAIN = "Save it again from a program that can show it, e.g. as PNG."
_CONVERT = "Convert it to PNG or JPEG."
_UNSUPPORTED = {  # patterns of the first bytes
    "HEIC": rb"....ftyp(hei|hev|mif1|msf1)",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "SVG": rb"(\xef\xbb\xbf)?\s*<(.*<)?svg\b",
}
_SHAPES = "(rows, columns), (rows, columns, 1), (rows, columns, 3) or (rows, columns, 4)"


class ImageError(Exception):
    """A picture cannot be used. The arguments are the finding and the remedy."""


@contextmanager
def add_name_to_errors(item: Any, index: int) -> Iterator[None]:
    """Turn an `ImageError` into an error that names the picture.

    Raises
    ------
    DatasetError
        If the picture is a path or a file object.
    ValueError
        If the picture is in memory.
    """
    try:
        yield
    except ImageError as error:
        name, (finding, remedy) = name_picture(item, index), error.args
        if isinstance(item, (Image.Image, np.ndarray)):
            raise ValueError(f"{name}: {finding}. {remedy}") from error.__cause__
        raise make_error(name, finding, remedy) from error.__cause__


def name_picture(item: Any, index: int) -> str:
    """Return the name of a picture for messages: its path, or its position in X."""
    if isinstance(item, (str, os.PathLike)):
        return _path(item)
    name = None if isinstance(item, Image.Image) else getattr(item, "name", None)
    return f"X[{index}] ({name})" if isinstance(name, str) else f"X[{index}]"


def load_image(item: Any, index: int, max_pixels: int) -> Image.Image:
    """Load one picture.

    Parameters
    ----------
    item : str, path-like, binary file object, PIL image or ndarray
        A file object is read from its current position, which is restored if it is seekable.
    index : int
        The position of the picture in X, for messages.
    max_pixels : int
        Larger pictures raise an error, files before pixels are decoded.

    Returns
    -------
    image : PIL.Image.Image
        RGB or RGBA, upright.

    Raises
    ------
    DatasetError
        If there is no such file.
    ImageError
        If it is not a readable picture, or too large.
    TypeError
        If `item` is of another type.
    """
    if isinstance(item, (str, os.PathLike)):
        with open_regular_file(_path(item), _REMEDY) as file:
            _check_bytes(os.fstat(file.fileno()).st_size, max_pixels)
            return _decode(file, max_pixels)
    if isinstance(item, Image.Image):
        _check_size(item.size, max_pixels)
        if isinstance(item, ImageFile.ImageFile) and item.tile and item.format not in FORMATS:
            # It is opened but not decoded. The decoder might run a program.
            raise ImageError(f"is in the format {item.format}, which is not supported", _REMEDY)
        with _wrap_errors():
            return _convert(item.copy())
    if isinstance(item, np.ndarray):
        return _from_array(item, index, max_pixels)
    if hasattr(item, "read"):
        return _decode(_buffer(item, index, max_pixels), max_pixels)
    advice = "; put the bytes of a file into io.BytesIO" if isinstance(item, bytes) else ""
    raise TypeError(
        f"X[{index}] is of type {type(item).__name__}: expected a path, a binary file object, "
        f"a PIL image or a NumPy array{advice}."
    )


def _path(item: str | os.PathLike[str]) -> str:
    name = os.fsdecode(item)
    return str(expand_user(name)) if name.startswith("~") else name  # Path would normalize it


def _check_bytes(size: int, max_pixels: int) -> None:
    # Some decoders read the whole file into memory.
    if size > _max_bytes(max_pixels):
        raise ImageError(
            f"is a file of more bytes ({size:,}) than a picture of {max_pixels:,} pixels needs",
            "Save it as a smaller picture, or give a larger max_pixels.",
        )


def _max_bytes(max_pixels: int) -> int:
    return 8 * max_pixels + (1 << 24)  # 8 bytes per pixel of 16-bit RGBA, and 16 MiB of metadata


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"has no pixels: it is {width} x {height}", _SAVE_AGAIN)
    if width * height > max_pixels:
        raise ImageError(
            f"has {width} x {height} = {width * height:,} pixels, more than "
            f"max_pixels={max_pixels:,}",
            "Make it smaller, or give a larger max_pixels.",
        )


def _buffer(file: Any, index: int, max_pixels: int) -> io.BytesIO:
    """Read the rest of a file object into memory, because Pillow needs a seekable one."""
    try:
        start = file.tell() if hasattr(file, "seekable") and file.seekable() else None
        content = file.read(_max_bytes(max_pixels) + 1)
        if start is not None:
            file.seek(start)
    except Exception as error:
        raise ImageError(f"cannot be read ({error})", "Give an open, binary file.") from error
    if not isinstance(content, (bytes, bytearray)):
        raise TypeError(
            f"X[{index}] gives {type(content).__name__}, not bytes: open files in the mode 'rb'."
        )
    _check_bytes(len(content), max_pixels)
    return io.BytesIO(content)


def _decode(file: IO[bytes], max_pixels: int) -> Image.Image:
    start = file.read(1000)
    with _wrap_errors():
        try:
            image = Image.open(file, formats=_OPENED)
        except UnidentifiedImageError:
            raise _explain_unidentified(start) from None
        _check_size(image.size, max_pixels)
        return _convert(image)


def _explain_unidentified(start: bytes) -> ImageError:
    """Return the error for a file that Pillow does not recognize, from its first bytes."""
    for name, pattern in _UNSUPPORTED.items():
        if re.match(pattern, start, re.DOTALL):
            return ImageError(f"is in the format {name}, which is not supported", _CONVERT)
    if not start:
        return ImageError("is empty", _REMEDY)
    return ImageError(f"is not a picture, or damaged: it begins with {start[:12]!r}", _REMEDY)


@contextmanager
def _wrap_errors() -> Iterator[None]:
    """Turn all exceptions of Pillow into an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"has more pixels than Pillow allows, independent of max_pixels ({error})",
            "Make it smaller, or, if you trust it, increase PIL.Image.MAX_IMAGE_PIXELS.",
        ) from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ImageError(f"is damaged: Pillow reports {reason!r}", _SAVE_AGAIN) from error


def _convert(image: Image.Image) -> Image.Image:
    """Decode, rotate as EXIF says, and convert to RGB or RGBA."""
    image.load()
    with suppress(Exception):  # ignore a damaged EXIF block
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _convert_deep(image)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return cast(Image.Image, ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"))
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _convert_deep(image: Image.Image) -> Image.Image:
    """Convert grey values of more than 8 bits, which Pillow's conversion would clip at 255."""
    values: AnyArray = np.asarray(image)
    if image.mode == "I" and values.min() >= 0 and values.max() <= 0xFFFF:
        values = values.astype(np.uint16)  # Pillow opens 16-bit PGM files in mode I
    converted = Image.fromarray(_to_bytes(values)).convert("RGB")
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        converted.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype("uint8")))
    return converted


def _from_array(array: AnyArray, index: int, max_pixels: int) -> Image.Image:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"X[{index}] is an array of dtype {array.dtype}: expected real numbers.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"is an array of shape {array.shape}", f"Give pictures of shape {_SHAPES}."
        )
    height, width = array.shape[:2]
    _check_size((width, height), max_pixels)
    values = _to_bytes(array)
    image = Image.fromarray(values[..., 0] if array.shape[2:] == (1,) else values)
    return image.convert("RGBA" if image.mode == "RGBA" else "RGB")


def _to_bytes(values: AnyArray) -> Bytes:
    """Scale pixel values of any numeric type to 0 to 255."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "b":
        return values * np.uint8(255)
    smallest, largest = float(values.min()), float(values.max())
    if values.dtype.kind == "f":
        if not 0 <= smallest <= largest <= 1:  # true for NaN, too
            raise ImageError(
                f"holds real numbers from {smallest:g} to {largest:g}",
                "Give them from 0 to 1, or integers from 0 to 255.",
            )
        return np.rint(values * 255.0).astype(np.uint8)
    is_deep = values.dtype.kind == "u" and values.dtype.itemsize == 2
    if smallest < 0 or largest > (0xFFFF if is_deep else 0xFF):
        raise ImageError(
            f"holds integers from {smallest:g} to {largest:g}",
            "Give them from 0 to 255, or as uint16 from 0 to 65535.",
        )
    # Values up to 255 are bytes in a wider type. On the scale of 65535 all would be black.
    if largest <= 0xFF:
        return values.astype(np.uint8)
    # Round with integers: floats would take four times the memory.
    return ((np.minimum(values, 0xFFFF - 128) + np.uint16(128)) // 257).astype(np.uint8)
