"""Images in a wrong shape are refused with the likely mistake and the remedy."""

import io
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skfashion import FashionCNN

MISTAKES = [
    ("one image", lambda X: X[0], "X[np.newaxis]", "one image of 4 x 16 pixels"),
    ("one with a channel", lambda X: X[0][..., None], "X[np.newaxis]", "one image"),
    ("one row", lambda X: X[0].ravel(), "X.reshape(1, -1)", "1D array"),
    ("transposed rows", lambda X: X.reshape(120, -1).T, "X.T", "transposed"),
    ("transposed frame", lambda X: pd.DataFrame(X.reshape(120, -1)).T, "X.T", "transposed"),
    ("images last", lambda X: np.moveaxis(X, 0, -1), "np.moveaxis(X, -1, 0)", "last axis"),
    ("swapped", lambda X: X.swapaxes(1, 2), "X.swapaxes(1, 2)", "swapped"),
    ("rows and a channel", lambda X: X.reshape(120, -1, 1), "X.reshape(len(X), -1)", "rows of"),
    ("channels first", lambda X: X[:, None], "X[:, 0]", "channel seems to come first"),
]


@pytest.mark.parametrize(
    ("spoil", "remedy", "mistake"),
    [case[1:] for case in MISTAKES],
    ids=[case[0] for case in MISTAKES],
)
def test_a_prediction_names_the_likely_mistake_and_a_remedy_that_works(
    images, small, spoil, remedy, mistake
):
    X, y = images[0].reshape(-1, 4, 16), images[1]
    clf = FashionCNN(**{**small, "epochs": 1, "filters": (4,), "kernel_size": 2}).fit(X, y)
    given = spoil(X)
    with pytest.raises(ValueError, match=re.escape(remedy)) as told:
        clf.predict(given)
    assert mistake in str(told.value)
    assert len(str(told.value)) < 400
    mended = eval(remedy, {"X": given, "np": np, "len": len})
    assert_array_equal(clf.predict_proba(mended), clf.predict_proba(X)[: len(mended)])


def test_validation_images_are_told_by_their_own_name(images, small):
    X, y = images
    with pytest.raises(ValueError, match=r"X_val does not suit X\. .*give X_val\.T\."):
        FashionCNN(**small).fit(X, y, X_val=X.reshape(120, -1).T, y_val=y[:64])


def test_colours_that_come_first_are_counted(fitted):
    with pytest.raises(ValueError, match="one channel, not 3, and that last"):
        fitted.predict(np.zeros((5, 3, 8, 8)))


def test_other_numbers_of_features_are_told_in_scikit_learns_words(fitted):
    message = "^X has 63 features, but FashionCNN is expecting 64 features as input.$"
    with pytest.raises(ValueError, match=message):
        fitted.predict(np.zeros((5, 63)))


def test_a_frame_that_was_read_again_with_its_index_warns(images, small):
    X, y = images
    text = pd.DataFrame(X.reshape(120, -1)).to_csv()
    frame = pd.read_csv(io.StringIO(text))
    message = r"X has 65 features.* 9 x 9 .* 16 are black.* 8 x 8 .*to_csv.* image_shape="
    with pytest.warns(UserWarning, match=message) as told:
        FashionCNN(**{**small, "epochs": 1}).fit(frame, y)
    assert [warning.filename for warning in told] == [__file__]
    with pytest.warns(UserWarning, match="X has 65 features"):
        FashionCNN(**small).partial_fit(frame, y, classes=[0, 1, 2])


def test_rows_that_are_no_square_warn_unless_their_shape_is_given(images, small):
    X, y = images
    small = {**small, "epochs": 1}
    with pytest.warns(UserWarning, match=r"72 features.* 9 x 9 .*image_shape=") as told:
        FashionCNN(**small).fit(np.zeros((120, 72)), y)
    assert "to_csv" not in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FashionCNN(**small, image_shape=(8, 9)).fit(np.zeros((120, 72)), y)
        FashionCNN(**small).fit(np.zeros((120, 8, 9)), y).predict(np.zeros((2, 72)))
        FashionCNN(**small).fit(np.zeros((120, 63)), y)  # hardly images
        FashionCNN(**small).fit(X.reshape(120, -1), y)


@pytest.mark.parametrize("label", [False, True])
@pytest.mark.parametrize("names", [False, True])
def test_a_frame_with_its_index_is_told_by_every_method_of_a_fitted_network(
    images, small, label, names
):
    X, y = images
    frame = pd.DataFrame(X.reshape(120, -1)).add_prefix("pixel")
    written = frame.assign(label=y) if label else frame
    again = pd.read_csv(io.StringIO(written.to_csv()))
    train, again = (frame, again) if names else (frame.to_numpy(), again.to_numpy())
    clf = FashionCNN(**{**small, "epochs": 1}).fit(train, y)
    message = r"(?s)feature.*Is a column not a pixel, such as the label, or the row numbers"
    with pytest.raises(ValueError, match=message):
        clf.predict(again)
    with pytest.raises(ValueError, match=message):
        clf.partial_fit(again, y)
    with pytest.raises(ValueError, match=message):
        clf.fit(train, y, X_val=again, y_val=y)
    with pytest.raises(ValueError, match=message):
        clf.set_params(warm_start=True).fit(again, y)


def test_training_that_goes_on_tells_the_likely_mistake(fitted, images):
    with pytest.raises(ValueError, match=r"give np\.moveaxis\(X, -1, 0\)"):
        fitted.partial_fit(np.moveaxis(images[0][:7], 0, -1), images[1][:8])
