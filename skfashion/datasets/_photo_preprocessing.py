"""Preprocess a photo as the Fashion-MNIST paper does: crop, resize, sharpen, invert, pad."""

import math
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps
from scipy import ndimage

from skfashion._utils.types import AnyArray, ImageShape
from skfashion.datasets._base import Bytes
from skfashion.datasets._image_files import ImageError

Color: TypeAlias = tuple[int, ...]  # red, green and blue
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom
Mask: TypeAlias = NDArray[np.bool_]

_MAX_FRAME = 0.02  # width of a frame that is cropped, as a share of the shorter side
# Photos with a smaller share of transparent pixels, such as rounded corners, are no cut-outs. Even
# cut-outs that are trimmed to the object have more: 6,991 of the 7,000 bundled images would.
_MIN_TRANSPARENT = 0.02
_NEARLY_WHITE = 230  # cut-outs with a higher mean grey get a black background
_MAX_CLIPPED = 0.1  # objects that lose a larger share of their contrast are cut out
_GRID_CELLS = 28  # along the longer side; parts in neighbouring cells belong together
_MIN_CELL_SHARE = 0.03  # share of foreground in a cell that is not empty
_MIN_PART_SHARE = 0.1  # smaller parts, compared with the largest, are dust or small print
_STRIP_PIXELS = 1 << 18  # compared with the background at a time, to limit memory
# The blur is close to a Gaussian of standard deviation 1. Threshold 0 sharpens every pixel.
_SHARPEN = ImageFilter.UnsharpMask(radius=1, percent=100, threshold=0)


class Options(NamedTuple):
    """The validated parameters of `ImageFileReader`."""

    image_shape: ImageShape
    background: Color | Literal["auto"] | None
    invert: bool | Literal["auto"]
    tolerance: float
    sharpen: bool


def preprocess_photo(image: Image.Image, options: Options) -> tuple[Bytes, str | None]:
    """Convert a photo to a grey image of the given shape, with background 0.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB or RGBA.
    options : Options

    Returns
    -------
    pixels : ndarray of uint8, shape `options.image_shape`
    warning : str or None
        Why the object may not have been found.

    Raises
    ------
    ImageError
        If the picture shows nothing but background.
    """
    if image.mode == "RGBA":
        image = _fill_gaps(image, options)
    return _preprocess(image, options)


def _fill_gaps(image: Image.Image, options: Options) -> Image.Image:
    """Make a photo opaque if hardly any pixel is transparent. Cut-outs are returned unchanged."""
    alpha = image.getchannel("A")
    if alpha.getextrema() == (0, 0):
        raise ImageError("is wholly transparent", "Save it again without transparency.")
    limit = round(255 * (1 - options.tolerance))
    if sum(alpha.histogram()[:limit]) > _MIN_TRANSPARENT * image.width * image.height:
        return image
    if isinstance(options.background, tuple):
        return _flatten(image, options.background)
    # Transparent pixels may have any colour. Fill them with the one at the opaque edge.
    opaque = alpha.point([255 * (value >= limit) for value in range(256)])
    edge = _edge_colors(image.crop(opaque.getbbox()))
    red, green, blue, _ = np.rint(np.median(edge[edge[:, 3] >= limit], axis=0)).astype(int).tolist()
    return _flatten(image, (red, green, blue))


def _preprocess(image: Image.Image, options: Options) -> tuple[Bytes, str | None]:
    """Convert a photo in RGB or a cut-out in RGBA, as `preprocess_photo` does."""
    if image.size == options.image_shape[::-1]:
        return _convert_to_grey(image, options), None
    if options.background is not None and image.mode == "RGB":
        image = _crop_frame(image, options)
    background = _find_background(image, options)
    warning: str | None = None
    foreground: Any = None
    if options.background is not None:
        image, foreground, warning = _crop_to_object(image, background, options)
    if options.background != "auto":
        warning = None  # the user chose the background
    small = _resize(image, background, options.image_shape)
    level = _grey_level(background)
    darkness = level - np.asarray(small.convert("L"), dtype=int)
    if np.abs(darkness).max() <= 255 * options.tolerance:
        raise _blank_error(background, options, "in grey ")
    is_darker = bool(darkness.sum() > 0)
    if options.background == options.invert == "auto" and image.mode == "RGB":
        clipped = np.maximum(0, -darkness if is_darker else darkness).sum()
        if clipped > _MAX_CLIPPED * np.abs(darkness).sum():
            # The object has both lighter and darker parts than the background.
            return _preprocess(_cut_out(image, foreground), options)[0], warning
    invert = is_darker if options.invert == "auto" else bool(options.invert)
    grey = (small.filter(_SHARPEN) if options.sharpen else small).convert("L")
    if invert:
        grey, level = ImageOps.invert(grey), 255 - level
    if invert == is_darker:
        # Map the background to 0. White and black are 0 already.
        span = 255 - level
        grey = grey.point([round(max(0, value - level) * 255 / span) for value in range(256)])
        level = 0
    return _pad(grey, options.image_shape, level), warning


def _convert_to_grey(image: Image.Image, options: Options) -> Bytes:
    """Convert a picture that has the right shape already; invert it if its background is light."""
    background = _find_background(image, options)
    invert = _grey_level(background) > 127 if options.invert == "auto" else options.invert
    grey = _flatten(image, background).convert("L")
    pixels = np.asarray(ImageOps.invert(grey) if invert else grey)
    if not pixels.any():
        raise _blank_error(background, options)
    return pixels


def _crop_frame(image: Image.Image, options: Options) -> Image.Image:
    """Crop a thin frame of one colour, if the image has one."""
    width = math.ceil(_MAX_FRAME * min(image.size))
    if min(image.size) <= 4 * width:
        return image
    inside = image.crop((width, width, image.width - width, image.height - width))
    outer, inner = _edge_colors(image), _edge_colors(inside)
    sample = inside.resize((64, 64), Image.Resampling.NEAREST)
    frame = np.median(outer, axis=0)
    background = np.median(inner, axis=0)
    if isinstance(options.background, tuple):
        background = np.array(options.background)
    has_frame = (
        _differs(frame, background, options.tolerance)
        and _differs(outer, frame, options.tolerance).mean() < 0.05
        and _differs(inner, background, options.tolerance).mean() < 0.25
        and _differs(np.asarray(sample), background, options.tolerance).any()
    )
    return inside if has_frame else image


def _edge_colors(image: Image.Image) -> AnyArray:
    """Return the colours of the outermost pixels."""
    right, bottom = image.width, image.height
    rows = (0, 0, right, 1), (0, bottom - 1, right, bottom)
    columns = (0, 0, 1, bottom), (right - 1, 0, right, bottom)
    return np.vstack(
        [np.asarray(image.crop(box)).reshape(-1, len(image.mode)) for box in rows + columns]
    )


def _differs(colors: AnyArray, color: Any, tolerance: float) -> Any:
    """Return whether the root mean square difference is above the tolerance."""
    difference = colors - np.asarray(color, dtype=np.int32)
    return np.einsum("...k,...k", difference, difference) > 3 * (255 * tolerance) ** 2


def _find_background(image: Image.Image, options: Options) -> Color:
    """Return the given background, or estimate it from the corners or edges."""
    if isinstance(options.background, tuple):
        return options.background
    if image.mode == "RGBA":
        # White clothes would not be visible on white.
        small = image.resize((64, 64), Image.Resampling.NEAREST)
        grey, alpha = np.asarray(small.convert("RGB").convert("L")), np.asarray(small)[..., 3]
        nearly_white = alpha.any() and np.average(grey, weights=alpha) > _NEARLY_WHITE
        return (0, 0, 0) if nearly_white else (255, 255, 255)
    right, bottom = image.width - 1, image.height - 1
    places = ((0, 0), (right, 0), (0, bottom), (right, bottom))
    corners: AnyArray = np.array([image.getpixel(place) for place in places])
    color = np.rint(np.median(corners, axis=0))
    if _differs(corners, color, options.tolerance).sum() > 1:
        color = np.rint(np.median(_edge_colors(image), axis=0))
    red, green, blue = map(int, color)
    if options.background is None:  # it matters only whether the background is light or dark
        return (255, 255, 255) if _grey_level((red, green, blue)) > 127 else (0, 0, 0)
    return red, green, blue


def _grey_level(color: Color) -> int:
    return round(float(np.dot(color, (0.299, 0.587, 0.114))))  # Pillow's weights


def _flatten(image: Image.Image, background: Color) -> Image.Image:
    """Composite an image with transparency onto the background colour."""
    if image.mode == "RGB":
        return image
    flat = Image.new("RGB", image.size, background)
    flat.paste(image, mask=image)
    return flat


def _crop_to_object(
    image: Image.Image, background: Color, options: Options
) -> tuple[Image.Image, Mask, str | None]:
    """Trim the background around the object.

    Returns the cropped image, its mask of the foreground, and a warning if any.
    """
    foreground = _find_foreground(image, background, options)
    box, warning = _find_object_box(foreground)
    if box is None:
        raise _blank_error(background, options)
    return image.crop(box), foreground[box[1] : box[3], box[0] : box[2]], warning


def _find_foreground(image: Image.Image, background: Color, options: Options) -> Mask:
    """Return where an image differs from the background, or with "auto" where it is opaque."""
    if image.mode == "RGBA" and options.background == "auto":
        return np.asarray(image.getchannel("A")) > 255 * options.tolerance
    mask = np.empty((image.height, image.width), dtype=bool)
    step = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, step):
        strip = image.crop((0, top, image.width, min(top + step, image.height)))
        colors = np.asarray(_flatten(strip, background))
        mask[top : top + step] = _differs(colors, background, options.tolerance)
    return mask


def _find_object_box(foreground: Mask) -> tuple[Box | None, str | None]:
    """Return the bounding box of the largest connected parts, and a warning if any."""
    image = Image.fromarray(foreground)
    side = max(1, max(foreground.shape) // _GRID_CELLS)
    shares = np.asarray(image.convert("L").reduce(side), dtype=float)
    # If all cells are nearly empty, the fullest ones may be the object.
    filled = shares > min(255 * _MIN_CELL_SHARE, shares.max() / 2)
    parts, _ = ndimage.label(filled, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), weights=(shares * filled).ravel())
    is_large = sizes >= _MIN_PART_SHARE * sizes.max()
    kept = Image.fromarray(is_large[parts] & (parts > 0))
    kept = kept.resize((kept.width * side, kept.height * side)).crop((0, 0, *image.size))
    box = ImageChops.logical_and(image, kept).getbbox()
    if box is None:
        return None, None
    left, top, right, bottom = box
    found = foreground[top:bottom, left:right]
    edge = np.concatenate((found[0], found[-1], found[:, 0], found[:, -1]))
    if found.size > 0.7 * foreground.size and edge.mean() > 0.5:
        return box, "what differs from the background fills the picture"
    if sizes[~is_large].sum() > sizes[is_large].sum():
        return box, "it is in many small parts"
    if max(found.shape) < 0.05 * max(foreground.shape):
        return box, "it is very small"
    return box, None


def _cut_out(image: Image.Image, foreground: Mask) -> Image.Image:
    """Make the background transparent, with a margin of one pixel; holes belong to the object."""
    filled = ndimage.binary_fill_holes(foreground)
    image = ImageOps.expand(image, 1)
    image.putalpha(Image.fromarray(np.pad(filled, 1)).convert("L"))
    return image


def _resize(image: Image.Image, background: Color, shape: ImageShape) -> Image.Image:
    """Resize to fit the shape with equal proportions, by subsampling as in the paper."""
    height, width = shape
    scale = min(width / image.width, height / image.height)
    # At least one pixel: ImageOps.contain would make none of very narrow pictures.
    size = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    return _flatten(image.resize(size, Image.Resampling.NEAREST), background)


def _pad(grey: Image.Image, shape: ImageShape, level: int) -> Bytes:
    """Centre an image on a background of the given shape and grey level."""
    height, width = shape
    padded = Image.new("L", (width, height), level)
    # Odd margins are larger at the top and left, as in the data: 3,479 of the 7,000 bundled images
    # have margins that differ by one, and in 3,466 of these the top or left one is larger.
    padded.paste(grey, ((width - grey.width + 1) // 2, (height - grey.height + 1) // 2))
    return np.asarray(padded)


def _blank_error(background: Color, options: Options, where: str = "") -> ImageError:
    color = "#" + "".join(f"{value:02x}" for value in background)
    return ImageError(
        f"shows nothing but its background: nothing differs {where}from {color} by "
        f"more than tolerance={options.tolerance:g}",
        "Give the colour behind as background, or a smaller tolerance.",
    )
