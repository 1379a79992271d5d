"""
========================
Classify your own photos
========================

In this example you classify photos with a network that was trained on Fashion-MNIST. The network
only knows grey images of 28 x 28 pixels, cut out, on black.
:class:`~skfashion.datasets.ImageFileReader` makes such images from files, by the steps that made
the data set. It is a transformer, so you can put it in front of a classifier in a pipeline.
"""

# %%
# Draw the photos. They are coloured shapes with folds and a soft shadow, on a light background that
# is slightly uneven. From the files on, you do the same with real photos.

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SHAPES = {
    "T-shirt": [
        (
            "#1d4e89",
            "34,14 42,17 50,18 58,17 66,14 78,19 94,38 82,48 74,40 "
            "74,88 26,88 26,40 18,48 6,38 22,19",
        ),
    ],
    "trousers": [("#3b3b45", "34,6 66,6 70,40 72,94 56,94 51,38 49,38 44,94 28,94 30,40")],
    "boot": [
        ("#6b3e26", "64,14 34,12 34,50 22,58 6,66 3,80 66,80 67,50"),
        ("#2a1a12", "67,79 3,79 3,86 38,86 44,83 48,86 67,88"),
    ],
    "sneaker": [
        ("#b23a48", "92,42 86,40 76,48 64,48 48,34 42,36 26,54 8,58 3,68 3,72 94,72 95,55"),
        ("#70757d", "95,71 3,71 5,79 92,79"),
    ],
    "bag": [
        ("#4a3b2a", "30,46 30,28 38,20 62,20 70,28 70,46 65,46 65,31 59,25 41,25 35,31 35,46"),
        ("#8a5a2b", "14,42 86,42 92,88 8,88"),
        ("#4a3b2a", "14,42 86,42 87,52 13,52"),
    ],
}
SIZE = 600


def even_ground(rng):
    """Return an off-white background, a little darker towards one corner."""
    light = np.linspace(1, 0.975, SIZE)
    ground = np.array([244, 243, 239]) * (light[:, None] * light)[..., None]
    return Image.fromarray((ground + rng.normal(0, 0.7, ground.shape)).astype(np.uint8))


def draw(name, ground, rng):
    """Return the photo and the outline of the garment."""
    outline = Image.new("L", (SIZE, SIZE))
    clothes = Image.new("RGB", (SIZE, SIZE))
    for colour, points in SHAPES[name]:
        corners = [tuple(float(n) * SIZE / 100 for n in p.split(",")) for p in points.split()]
        part = Image.new("L", (SIZE, SIZE))
        ImageDraw.Draw(part).polygon(corners, fill=255)
        # Blur and cut again to round the corners.
        part = part.filter(ImageFilter.GaussianBlur(7)).point(
            lambda v: max(0, min(255, 16 * (v - 120)))
        )
        clothes.paste(colour, mask=part)
        outline.paste(255, mask=part)
    folds = Image.fromarray(rng.normal(128, 60, (9, 9)).clip(0, 255).astype(np.uint8))
    folds = np.asarray(folds.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) / 255
    clothes = Image.fromarray(
        (np.asarray(clothes) * (0.75 + 0.5 * folds[..., None])).clip(0, 255).astype(np.uint8)
    )
    shadow = Image.new("L", (SIZE, SIZE))
    shadow.paste(36, (8, 12), outline)
    photo = ground.copy()
    photo.paste("#3a3a3a", mask=shadow.filter(ImageFilter.GaussianBlur(9)))
    photo.paste(clothes, mask=outline)
    return photo, outline


# %%
# Save five files. Three are photos, one of them sideways, as a phone saves it. Two are cut-outs
# with a transparent background, as web shops have them.

rng = np.random.default_rng(0)
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
paths = []
for name in SHAPES:
    photo, outline = draw(name, even_ground(rng), rng)
    if name in ("bag", "sneaker"):
        photo.putalpha(outline)
        paths.append(folder / f"{name}.png")
        photo.save(paths[-1])
    else:
        paths.append(folder / f"{name}.jpg")
        exif = Image.Exif()
        if name == "boot":
            photo = photo.transpose(Image.Transpose.ROTATE_90)
            exif[0x0112] = 6  # viewers turn it to the right
        photo.save(paths[-1], exif=exif, quality=90)

# %%
# Train the network on images of the data set. It never sees a photo. The reader needs no fit, so
# you can put both into a pipeline as they are.

from sklearn.pipeline import make_pipeline

from skfashion import FashionCNN
from skfashion.datasets import CLASS_NAMES, ImageFileReader, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
clf = FashionCNN.v2(epochs=10, random_state=0).fit(X[:4000], y[:4000])

classify = make_pipeline(ImageFileReader(), clf)
probabilities = classify.predict_proba(paths)
for path, row in zip(paths, probabilities, strict=True):
    best = row.argsort()[::-1][:2]
    print(f"{path.name:12}", *(f"{CLASS_NAMES[label]} {row[label]:.2f}  " for label in best))

# %%
# Plot the files above the images that the network gets. The boot is upright, the colours and the
# background are gone, and every image fills its square.

import matplotlib.pyplot as plt

from skfashion.plotting import ImageGridDisplay


def show(paths, classify):
    """Draw files above the images that a pipeline makes from them."""
    fig = plt.figure(figsize=(1.3 * len(paths), 3), layout="constrained")
    above, below = fig.subfigures(2, 1, height_ratios=[1, 1.25])
    for path, ax in zip(paths, above.subplots(1, len(paths)), strict=True):
        ax.imshow(Image.open(path))
        ax.set_axis_off()
    ImageGridDisplay.from_estimator(
        classify, paths, display_labels=CLASS_NAMES, n_columns=len(paths), ax=below.subplots()
    )
    plt.show()


show(paths, classify)

# %%
# You cannot rely on the prediction for every photo:
#
# - On a pattern nothing is trimmed, and you get a warning. No image of the data set has a pattern
#   as background.
# - Shoes of the data set point to the left. A boot that points to the right is taken for another
#   class.
# - White clothes on white nearly vanish. The paper left such clothes out.
# - Every photo gets one of ten classes, often with high confidence, whatever it shows.

stripes = np.indices((SIZE, SIZE)).sum(axis=0) // 30 % 2 * 90 + 120
carpet = Image.fromarray(stripes.astype(np.uint8)).convert("RGB")
on_carpet, sneaker = draw("sneaker", carpet, rng)
boot, _ = draw("boot", even_ground(rng), rng)
mirrored = boot.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
white, shirt = draw("T-shirt", even_ground(rng), rng)
white.paste("#f4f4f1", mask=shirt)

failing = []
for name, photo in {"carpet": on_carpet, "mirrored": mirrored, "white": white}.items():
    failing.append(folder / f"{name}.jpg")
    photo.save(failing[-1])
show(failing, classify)

# %%
# To improve the predictions, cut the object out, as most phones can, or mirror the photo.
# Photograph white clothes on another colour. If you cut them out, they are put on black
# automatically. You can also pass images instead of files.

on_carpet.putalpha(sneaker)
white.putalpha(shirt)
for row in classify.predict_proba([on_carpet, boot, white]):
    print(f"{CLASS_NAMES[row.argmax()]:12} {row.max():.2f}")

temporary.cleanup()
