"""Photos with a few transparent pixels are read like opaque ones, cut-outs by what is opaque."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from skfashion.datasets import ImageFileReader, load_fashion_mini

SIZE = 200


@pytest.fixture(scope="module")
def photos():
    """Dark clothes on a light ground."""
    images = load_fashion_mini(return_X_y=True)[0][:20].reshape(-1, 28, 28)
    photos = []
    for image in images:
        photo = Image.new("RGB", (SIZE, SIZE), (240, 236, 230))
        mask = Image.fromarray(image).resize((112, 112))
        photo.paste((20, 30, 60), (44, 44), mask)
        photos.append(photo)
    return photos


def one_pixel(place):
    alpha = Image.new("L", (SIZE, SIZE), 255)
    alpha.putpixel(place, 0)
    return alpha


def rounded_corners():
    alpha = Image.new("L", (SIZE, SIZE), 0)
    ImageDraw.Draw(alpha).rounded_rectangle((0, 0, SIZE - 1, SIZE - 1), SIZE // 10, fill=255)
    return alpha


def thin_border():
    alpha = Image.new("L", (SIZE, SIZE), 0)
    alpha.paste(255, (0, 0, SIZE - 1, SIZE - 1))
    return alpha


ALPHAS = {
    "corner": one_pixel((0, 0)),
    "inside": one_pixel((30, 150)),
    "rounded corners": rounded_corners(),
    "two borders": thin_border(),
    "nearly opaque": Image.new("L", (SIZE, SIZE), 254),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("alpha", ALPHAS.values(), ids=ALPHAS)
@pytest.mark.parametrize("background", ["auto", None, "#f0ece6"])
def test_a_few_transparent_pixels_do_not_make_a_cut_out(photos, alpha, background):
    reader = ImageFileReader(background=background)
    changed = []
    for photo in photos:
        seen = Image.new("RGBA", photo.size, (0, 0, 0, 0))  # black where it is transparent
        seen.paste(photo, mask=alpha.point(lambda value: 255 * (value > 0)))
        seen.putalpha(alpha)
        changed.append(seen)
    differences = reader.transform(changed).astype(int) - reader.transform(photos)
    assert np.abs(differences).max() <= 3


def test_a_transparent_pixel_of_an_image_of_the_right_shape_has_the_colour_of_its_edge():
    pixels = np.full((28, 28, 4), 250, np.uint8)
    pixels[8:20, 8:20, :3] = 30
    pixels[..., 3] = 255
    opaque = ImageFileReader().transform([pixels])
    pixels[0, 0] = 0
    assert np.array_equal(ImageFileReader().transform([pixels]), opaque)


@pytest.mark.filterwarnings("error")
def test_a_cut_out_that_fills_most_of_its_picture_stays_one():
    pixels = np.full((60, 60, 4), 255, np.uint8)
    pixels[..., :3] = np.random.default_rng(0).integers(60, 90, (60, 60, 1))
    pixels[:20, :8, 3] = pixels[:20, -8:, 3] = 0  # 9 % are transparent
    [row] = ImageFileReader(background="white").transform([pixels])
    assert (row.reshape(28, 28)[:8, :3] == 0).all()
    assert (row.reshape(28, 28)[12:, :] > 0).all()


@pytest.mark.parametrize("background", ["auto", None, "white"])
@pytest.mark.parametrize("side", [28, 100])
def test_a_wholly_transparent_picture_is_called_that(background, side):
    with pytest.raises(ValueError, match="is wholly transparent"):
        ImageFileReader(background=background).transform([np.zeros((side, side, 4), np.uint8)])
