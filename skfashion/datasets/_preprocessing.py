"""Make images like those of Fashion-MNIST from pictures, in the steps of its paper."""

import math
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps
from scipy import ndimage

from skfashion._utils.types import AnyArray, ImageShape

from ._bunch import Bytes
from ._image_files import ImageError

Color: TypeAlias = tuple[int, ...]  # red, green and blue

Box: TypeAlias = tuple[int, int, int, int]

_FRAME = 0.02  # frames up to this share of the shorter side are cut off
_NEARLY_WHITE = 230  # cut-outs whose mean grey is above are laid on black
_MIXED = 0.1  # objects of a larger share on the other side of the ground are cut out
_CELLS = 28  # along the longer side: parts in neighbouring cells are one
_GRAIN = 0.03  # cells of which a smaller share differs from the background are empty
_SPECK = 0.1  # parts of less than this share of the largest are not the object
_STRIP_PIXELS = 1 << 18  # compared with the background at a time
# The blur is close to a Gaussian of standard deviation 1. Threshold 0 sharpens every pixel.
_SHARPEN = ImageFilter.UnsharpMask(radius=1, percent=100, threshold=0)


class Options(NamedTuple):
    """The parameters of `ImageFileReader`, checked."""

    image_shape: ImageShape
    background: Color | Literal["auto"] | None
    invert: bool | Literal["auto"]
    tolerance: float
    sharpen: bool


def preprocess(image: Image.Image, options: Options) -> tuple[Bytes, str | None]:
    """Make a grey image of the given shape from a picture.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB or RGBA.
    options : Options

    Returns
    -------
    pixels : ndarray of uint8, shape `options.image_shape`
    doubt : str or None
        Why the object may not have been found.

    Raises
    ------
    ImageError
        If the picture shows nothing but background.
    """
    transparent = image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
    height, width = options.image_shape
    if image.size == (width, height):
        background = _find_background(image, transparent, options)
        is_light = _grey_level(background) > 127
        invert = is_light if options.invert == "auto" else options.invert
        grey = _flatten(image, background).convert("L")
        pixels = np.asarray(ImageOps.invert(grey) if invert else grey)
        if not pixels.any():
            raise _blank(background, options)
        return pixels, None
    doubt: str | None = None
    if options.background is not None and not transparent:
        image = _cut_frame(image, options)
    background = _find_background(image, transparent, options)
    if options.background is not None:
        by_opacity = transparent and options.background == "auto"
        mask = _find_foreground(image, background, options.tolerance, by_opacity)
        box, doubt = _find_object(mask)
        if box is None:
            raise _blank(background, options)
        image, inside = image.crop(box), mask[box[1] : box[3], box[0] : box[2]]
    # The paper subsamples. ImageOps.pad would make nothing of very narrow pictures.
    scale = min(width / image.width, height / image.height)
    size = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    small = _flatten(image.resize(size, Image.Resampling.NEAREST), background)
    level = _grey_level(background)
    darkness = level - np.asarray(small.convert("L"), dtype=int)
    if np.abs(darkness).max() <= 255 * options.tolerance:
        raise _blank(background, options, "in grey ")
    is_darker = bool(darkness.sum() > 0)
    if options.background == "auto" and not transparent and options.invert == "auto":
        lost = np.maximum(0, -darkness if is_darker else darkness).sum()
        inside = ndimage.binary_fill_holes(inside)
        if lost > _MIXED * np.abs(darkness).sum():
            # Measured from its ground, the lesser part would be lost.
            image = ImageOps.expand(image.convert("RGB"), 1)
            image.putalpha(Image.fromarray(np.pad(inside, 1)).convert("L"))
            return preprocess(image, options)[0], doubt
    invert = is_darker if options.invert == "auto" else bool(options.invert)
    grey = (small.filter(_SHARPEN) if options.sharpen else small).convert("L")
    if invert:
        grey, level = ImageOps.invert(grey), 255 - level
    if invert == is_darker:
        # The background becomes 0. White and black are 0 already.
        span = 255 - level
        grey = grey.point([round(max(0, value - level) * 255 / span) for value in range(256)])
        level = 0
    padded = Image.new("L", (width, height), level)
    # An odd margin is larger at the top and at the left, as in the data: 3,479 of the 7,000 bundled
    # images have margins that differ by one, and 3,466 of them in this way.
    padded.paste(grey, ((width - size[0] + 1) // 2, (height - size[1] + 1) // 2))
    return np.asarray(padded), doubt if options.background == "auto" else None


def _cut_frame(image: Image.Image, options: Options) -> Image.Image:
    """Return what is inside a thin frame of one colour, or the image if it has none."""
    depth = math.ceil(_FRAME * min(image.size))
    if min(image.size) <= 4 * depth:
        return image
    inside = image.crop((depth, depth, image.width - depth, image.height - depth))
    outer, inner = _edge(image), _edge(inside)
    sample = inside.convert("RGB").resize((64, 64), Image.Resampling.NEAREST)
    frame = np.median(outer, axis=0)
    ground = np.median(inner, axis=0)
    if isinstance(options.background, tuple):
        ground = np.array(options.background)
    framed = (
        _differs(frame, ground, options.tolerance)
        and _differs(outer, frame, options.tolerance).mean() < 0.05
        and _differs(inner, ground, options.tolerance).mean() < 0.25
        and _differs(np.asarray(sample), ground, options.tolerance).any()
    )
    return inside if framed else image


def _edge(image: Image.Image) -> AnyArray:
    """Return the colours of the outermost pixels."""
    right, bottom = image.width, image.height
    lines = (0, 0, right, 1), (0, bottom - 1, right, bottom)
    columns = (0, 0, 1, bottom), (right - 1, 0, right, bottom)
    return np.vstack(
        [np.asarray(image.crop(b).convert("RGB")).reshape(-1, 3) for b in lines + columns]
    )


def _differs(colors: AnyArray, color: Any, tolerance: float) -> Any:
    difference = colors - np.asarray(color, dtype=np.int32)
    return np.einsum("...k,...k", difference, difference) > 3 * (255 * tolerance) ** 2


def _find_background(image: Image.Image, transparent: bool, options: Options) -> Color:
    if isinstance(options.background, tuple):
        return options.background
    if transparent:
        # White clothes would vanish on white.
        small = image.resize((64, 64), Image.Resampling.NEAREST)
        grey, alpha = np.asarray(small.convert("RGB").convert("L")), np.asarray(small)[..., 3]
        nearly_white = alpha.any() and np.average(grey, weights=alpha) > _NEARLY_WHITE
        return (0, 0, 0) if nearly_white else (255, 255, 255)
    right, bottom = image.width - 1, image.height - 1
    places = ((0, 0), (right, 0), (0, bottom), (right, bottom))
    corners: AnyArray = np.array([image.getpixel(place) for place in places], dtype=float)[:, :3]
    color = np.rint(np.median(corners, axis=0))
    if _differs(corners, color, options.tolerance).sum() > 1:
        color = np.rint(np.median(_edge(image), axis=0))
    red, green, blue = map(int, color)
    if options.background is None:  # it matters only whether the background is light or dark
        return (255, 255, 255) if _grey_level((red, green, blue)) > 127 else (0, 0, 0)
    return red, green, blue


def _grey_level(color: Color) -> int:
    return round(float(np.dot(color, (0.299, 0.587, 0.114))))  # as Pillow's


def _flatten(image: Image.Image, background: Color) -> Image.Image:
    """Lay an image on the background colour, which shows where the image is transparent."""
    if image.mode == "RGB":
        return image
    flat = Image.new("RGB", image.size, background)
    flat.paste(image, mask=image)
    return flat


def _find_foreground(
    image: Image.Image, background: Color, tolerance: float, by_opacity: bool
) -> NDArray[np.bool_]:
    """Return where an image differs from the background."""
    if by_opacity:
        return np.asarray(image.getchannel("A")) > 255 * tolerance
    mask = np.empty((image.height, image.width), dtype=bool)
    step = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, step):
        strip = image.crop((0, top, image.width, min(top + step, image.height)))
        strip = _flatten(strip, background)
        mask[top : top + step] = _differs(np.asarray(strip), background, tolerance)
    return mask


def _find_object(mask: NDArray[np.bool_]) -> tuple[Box | None, str | None]:
    """Return the smallest box of the largest connected parts, and why it is doubtful."""
    image = Image.fromarray(mask)
    side = max(1, max(mask.shape) // _CELLS)
    shares = np.asarray(image.convert("L").reduce(side), dtype=float)
    # Where there are only grains, the largest may be the object.
    filled = shares > min(255 * _GRAIN, shares.max() / 2)
    parts, _ = ndimage.label(filled, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), weights=(shares * filled).ravel())
    is_large = sizes >= _SPECK * sizes.max()
    kept = Image.fromarray(is_large[parts] & (parts > 0))
    kept = kept.resize((kept.width * side, kept.height * side)).crop((0, 0, *image.size))
    box = ImageChops.logical_and(image, kept).getbbox()
    if box is None:
        return None, None
    left, top, right, bottom = box
    found = mask[top:bottom, left:right]
    edge = np.concatenate((found[0], found[-1], found[:, 0], found[:, -1]))
    if found.size > 0.7 * mask.size and edge.mean() > 0.5:
        return box, "what differs from the background fills the picture"
    if sizes[~is_large].sum() > sizes[is_large].sum():
        return box, "it is in many small parts"
    if max(found.shape) < 0.05 * max(mask.shape):
        return box, "it is very small"
    return box, None


def _blank(background: Color, options: Options, where: str = "") -> ImageError:
    shown = "#" + "".join(f"{value:02x}" for value in background)
    return ImageError(
        f"shows nothing but its background: nothing differs {where}from {shown} by "
        f"more than tolerance={options.tolerance:g}",
        "Give the colour behind as background, or a smaller tolerance.",
    )
