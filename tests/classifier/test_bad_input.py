"""Test that bad input gets a clear error in the user's own terms, and nothing is lost."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import run_python, weights_equal
from numpy.testing import assert_equal
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError

from skfashion import FashionCNN

INTEGERS = "kernel_size epochs batch_size n_iter_no_change"
REFUSED_VALUES = [
    (name, value, expected)
    for names, values, expected in [
        (INTEGERS, (0, -1, 1.5, "5", None), "an int in the range [1, inf)"),
        ("strides pool_size dense_units", (0, -1, 1.5, "5"), "an int in the range [1, inf)"),
        ("strides pool_size", (None,), "an int in the range [1, inf)"),
        ("warmup_steps shift", (-1, 1.5, "5", None), "an int in the range [0, inf)"),
        ("averaging", (-1, np.nan, np.inf, None), "a float in the range [0.0, inf)"),
        ("batch_norm flip", ("yes", 1, None), "an instance of 'bool'"),
        ("learning_rate", (0, -1, "a", None, np.nan, np.inf), "a float in the range (0.0, inf)"),
        ("dropout validation_fraction", (1, -0.1, np.nan, "half"), "a float in the range [0.0, 1"),
        ("tol", (-1, np.nan, np.inf, None), "a float in the range [0.0, inf)"),
        ("memory", (1, True), "an instance of 'str', an instance of 'os.PathLike'"),
        ("early_stopping warm_start", ("yes", 1, None), "an instance of 'bool'"),
        ("callbacks", ("TensorBoard", 1), "an instance of 'list'"),
        ("verbose", (-1, 1.5, "yes", None), "an int in the range [0, inf)"),
        ("dtype", ("float16", "float", np.float32, None), "a str among"),
        ("filters", (8, 1.5, "abc", None), "instance of"),
        ("image_shape", (64, 8.0, "8x8"), "array-like or None"),
        ("class_weight", ("Balanced", [1, 2, 3]), "a str among {'balanced'} or None"),
        ("random_state", ("a", -1, 1.5, 2**32), "an int in the range [0, 4294967295]"),
        ("random_state", (np.random.default_rng(0),), "an int in the range [0, 4294967295]"),
    ]
    for name in names.split()
    for value in values
]
REFUSED_CONTENTS = [
    (name, value, expected)
    for name, values, expected in [
        (
            "filters",
            ((), (0,), (-1,), (1.5,), ("4",), (4, np.nan), (None,), ((4, 6),)),
            "expected a non-empty sequence of positive integers, one for each convolution",
        ),
        (
            "image_shape",
            ((8.0, 8.0), (8, 8, 1), (8,), (-8, -8), (0, 64), (8, None), ("8", "8")),
            "expected two positive integers",
        ),
        ("image_shape", ((8, 9),), "means 72 pixels, but X has 64 features"),
        (
            "class_weight",
            ({0: -1}, {0: np.nan}, {0: np.inf}, {0: None}, {0: "a"}, {0: [1, 2]}),
            "expected a finite number of 0 or more for each class",
        ),
    ]
    for value in values
]


@pytest.fixture
def rows(images):
    """Return the images as float rows of features."""
    return images[0].reshape(120, -1).astype(float), images[1]


@pytest.fixture
def cnn(small):
    return FashionCNN(**small)


def with_value(X, value):
    X = np.array(X, dtype=np.result_type(X, type(value)))
    X[3, 5] = value
    return X


def hand_over(clf, method, X, y, given):
    """Give images to `method`; `X` and `y` are what it needs beside them."""
    if method == "fit":
        clf.fit(given, y[: np.shape(given)[0]])
    elif method == "predict":
        clf.fit(X, y).predict(given)
    else:
        clf.fit(X, y, X_val=given, y_val=y[: np.shape(given)[0]])


def fitted_state(clf):
    parameters = clf.get_params()
    return {name: value for name, value in vars(clf).items() if name not in parameters}


class TestParameters:
    @pytest.mark.parametrize(("name", "value", "expected"), REFUSED_VALUES, ids=str)
    def test_a_value_out_of_range_is_named_with_what_was_expected(
        self, cnn, images, name, value, expected
    ):
        message = f"The '{name}' parameter of FashionCNN must be .*{re.escape(expected)}.* Got "
        with pytest.raises(ValueError, match=message + re.escape(f"{value!r} instead")):
            cnn.set_params(**{name: value}).fit(*images)

    @pytest.mark.parametrize(("name", "value", "expected"), REFUSED_CONTENTS, ids=str)
    def test_bad_contents_are_named_with_what_was_expected(self, cnn, rows, name, value, expected):
        with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}") + f".*{expected}"):
            cnn.set_params(**{name: value}).fit(*rows)

    def test_every_parameter_has_a_refused_value(self):
        assert {case[0] for case in REFUSED_VALUES} == set(FashionCNN().get_params())

    def test_a_later_partial_fit_checks_parameters_too(self, fitted, images):
        with pytest.raises(ValueError, match="The 'batch_size' parameter of FashionCNN must be"):
            fitted.set_params(batch_size=0).partial_fit(*images)

    @pytest.mark.parametrize("learning_rate", [1e20, 1e300])
    @pytest.mark.filterwarnings("error")
    def test_diverging_training_names_the_learning_rate(self, cnn, images, learning_rate):
        message = rf"diverged.* learning_rate \(it is {re.escape(f'{learning_rate:g}')}\)"
        with pytest.raises(ValueError, match=message):
            cnn.set_params(learning_rate=learning_rate).fit(*images)


NO_IMAGES = {
    "nan": (lambda X: with_value(X, np.nan), ValueError, "X contains NaN"),
    "inf": (lambda X: with_value(X, np.inf), ValueError, "X contains infinity"),
    "complex": (lambda X: with_value(X, 1j), ValueError, "Complex data not supported"),
    "dates": (lambda X: X.astype("M8[s]"), ValueError, "dtype datetime64.*expected real numbers"),
    "sparse": (csr_array, TypeError, "Sparse data was passed for X"),
    "objects": (lambda X: np.full(X.shape, "hat", object), ValueError, "convert string.*'hat'"),
    "no rows": (lambda X: X[:0], ValueError, r"0 sample\(s\) \(shape=\(0, 64\)\)"),
    "one dimension": (lambda X: X[0], ValueError, "Expected 2D array, got 1D array"),
    "three channels": (
        lambda X: np.stack(3 * [X.reshape(-1, 8, 8)], axis=3),
        ValueError,
        r"X(_val)? has shape \(120, 8, 8, 3\).*\(n, rows, columns, 1\).*not 3",
    ),
}


class TestImages:
    @pytest.mark.parametrize("method", ["fit", "predict", "X_val"])
    @pytest.mark.parametrize(("spoil", "error", "message"), NO_IMAGES.values(), ids=NO_IMAGES)
    def test_what_is_no_grey_image_is_refused_with_the_reason(
        self, cnn, rows, method, spoil, error, message
    ):
        if method == "X_val":
            message = rf"(?s)X_val.*{message}"
        with pytest.raises(error, match=message):
            hand_over(cnn, method, *rows, spoil(rows[0]))

    @pytest.mark.parametrize("method", ["fit", "predict", "X_val"])
    @pytest.mark.parametrize(
        "collect",
        [list, np.array, pd.Series, pd.DataFrame, lambda names: [*map(Path, names)]],
        ids=["list", "array", "Series", "DataFrame", "paths"],
    )
    def test_names_of_files_are_refused_with_the_reader_as_the_remedy(
        self, cnn, images, method, collect
    ):
        names = collect([f"photo {number}.png" for number in range(120)])
        message = r"photo 0\.png'.* skfashion\.datasets\.ImageFileReader"
        with pytest.raises(ValueError, match=message):
            hand_over(cnn, method, *images, names)

    def test_strings_of_numbers_in_a_column_are_numbers_as_in_scikit_learn(self, small):
        X = np.array([["1.5"], ["2"]] * 60, object)
        clf = FashionCNN(**{**small, "filters": (2,), "kernel_size": 1}).fit(X, [0, 1] * 60)
        assert clf.pixel_max_ == 2

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("method", ["fit", "predict", "X_val"])
    def test_values_beyond_the_precision_of_dtype_are_refused_without_numpy_warnings(
        self, cnn, rows, method
    ):
        X, y = (rows[0] - 128) / 60, rows[1]
        with pytest.raises(ValueError, match=r"X.*float32"):
            hand_over(cnn, method, X, y, X * 1e300)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("factor", [1e-310, 1e-30, 1e30, 7e305])
    def test_pixels_of_any_finite_scale_train_the_network_of_byte_images(
        self, fitted, rows, factor
    ):
        X, y = rows
        scaled = FashionCNN(**fitted.get_params()).fit(X * factor, y)
        np.testing.assert_allclose(
            scaled.predict_proba(X * factor), fitted.predict_proba(X), atol=1e-3
        )


REFUSED_FITS = [
    # parameters that do not go with the data
    ({"strides": 1000}, "strides=1000.*8 x 8"),
    ({"kernel_size": 100}, "kernel_size=100.*8 x 8"),
    ({"pool_size": 100}, "pool_size=100.*8 x 8"),
    ({"shift": 8}, "shift=8 .* 8 x 8 pixels"),
    ({"filters": (1,) * 10_000, "strides": 10**18}, "need images of at least .* these have 8 x 8"),
    ({"image_shape": (4, 16)}, r"X holds images of shape \(8, 8\).*\(4, 16\)"),
    ({"class_weight": {7: 1.0}}, r"class_weight names 7.* not among the classes \[0, 1, 2\]"),
    ({"class_weight": {0: 1, 1: 1, 2: 1, 3: -1}}, "class 3 has -1"),
    ({"class_weight": dict.fromkeys(range(3), 0)}, "class_weight are all 0"),
    ({"class_weight": {0: 0, 1: 0}}, "class_weight.*at least 2 classes"),
    ({"early_stopping": True}, r"early_stopping=True .*X_val and y_val.* validation_fraction"),
    ({"validation_fraction": 0.001}, "validation_fraction=0.001 of 120 rows .*each class"),
    ({"validation_fraction": 0.9999}, "validation_fraction=0.9999 of 120 rows .*each class"),
    # images that are none
    ({"X": np.ones((120, 8, 8, 1, 1))}, r"\(n, rows, columns, 1\)"),
    ({"X": np.ones((120, 0))}, r"0 feature\(s\)"),
    ({"X": np.ones((120, 0, 8))}, r"0 feature\(s\)"),
    ({"X": np.ones((1, 64)), "y": [0]}, r"1 sample\(s\).*minimum of 2|\[1, 120\]"),
    # labels
    ({"y": None}, "requires y"),
    ({"y": np.linspace(0, 1, 120)}, "Unknown label type: continuous"),
    ({"y": np.where(np.arange(120) % 2, np.nan, 1.0)}, "y contains NaN"),
    ({"y": np.array(40 * [1, "bag", 2.5], object)}, "types float and int and str. Expected"),
    ({"y": np.array(40 * ["bag", None, "hat"], object)}, r"y .* missing labels \(None\)"),
    ({"y": pd.Series(40 * ["bag", "hat", pd.NA], dtype="string")}, r"labels \(<NA>\)"),
    ({"y": np.array(40 * [b"bag", b"hat", b"shoe"])}, "of the type bytes. Expected only"),
    ({"y": np.array(40 * ["2020", "2021", "NaT"], "M8[D]")}, r"missing.*\(NaT\)"),
    ({"y": 120 * [["bag", 1]]}, r"1d array.*\(120, 2\)"),
    ({"y": np.full(120, 2.0)}, r"at least 2 classes.* one class only: 2\.0\."),
    ({"y": np.full(120, "hat")}, r"at least 2 classes.* one class only: 'hat'\."),
    ({"y": np.arange(119) % 3}, r"\[120, 119\]"),
    # weights
    ({"sample_weight": np.r_[-1.0, np.ones(119)]}, "Negative values .*sample_weight"),
    ({"sample_weight": np.r_[np.nan, np.ones(119)]}, "sample_weight contains NaN"),
    ({"sample_weight": np.r_[np.inf, np.ones(119)]}, "sample_weight contains infinity"),
    ({"sample_weight": np.zeros(120)}, r"[Ss]ample.?[Ww]eight"),
    ({"sample_weight": np.ones(119)}, r"sample_weight.shape == \(119,\), expected \(120,\)"),
    ({"sample_weight": np.ones((120, 2))}, "Sample weights must be 1D"),
    ({"sample_weight": np.tile([1.0, 0, 0], 40)}, "sample_weight and class_weight are of one cl"),
    # validation rows
    (lambda X, y: {"X_val": X}, "X_val was given without y_val"),
    (lambda X, y: {"y_val": y}, "y_val was given without X_val"),
    (lambda X, y: {"X_val": X[:, :7].reshape(120, -1), "y_val": y}, "X_val.*56 fea.*64 features"),
    (lambda X, y: {"X_val": X.reshape(-1, 4, 16), "y_val": y}, r"X_val.*\(4, 16\).*\(8, 8\)"),
    (lambda X, y: {"X_val": X, "y_val": y[:-1]}, "X_val and y_val .*120 and 119 rows"),
    (lambda X, y: {"X_val": X, "y_val": y + 5}, r"y_val .*\[0, 1, 2\]: 5, 6, 7"),
    (lambda X, y: {"X_val": X, "y_val": y.astype(str)}, r"y_val .*: '0', '1', '2'"),
    (lambda X, y: {"X_val": X, "y_val": y * np.nan}, r"y_val .*\[0, 1, 2\]: nan"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED_FITS)
def test_what_cannot_be_fitted_is_refused_with_the_reason(cnn, images, given, message):
    X, y = images
    given = given(X, y) if callable(given) else given
    parameters = {name: value for name, value in given.items() if name in cnn.get_params()}
    arguments = {name: value for name, value in given.items() if name not in parameters}
    with pytest.raises(ValueError, match=message):
        cnn.set_params(**parameters).fit(**{"X": X, "y": y, **arguments})
    assert fitted_state(cnn) == {}


@pytest.mark.parametrize("other", [np.float32, np.int64, list])
def test_validation_rows_may_be_of_another_dtype_than_the_training_rows(cnn, images, other):
    X, y = images
    X_val = X.tolist() if other is list else X.astype(other)
    same = cnn.fit(X, y, X_val=X, y_val=y).history_["val_loss"]
    for training, validation in ((X, X_val), (np.asarray(X_val), X)):
        losses = cnn.fit(training, y, X_val=validation, y_val=y).history_["val_loss"]
        np.testing.assert_allclose(losses, same, rtol=1e-5)


@pytest.mark.filterwarnings("error")
class TestWeightsOfAnySize:
    @pytest.mark.parametrize("weight", [5e-324, 1e-300, 1e300, 1.7e308])
    def test_are_no_weights_where_they_are_equal(self, cnn, images, fitted, weight):
        weighted = cnn.fit(*images, sample_weight=np.full(120, weight))
        assert weights_equal(weighted, fitted)

    def test_that_are_too_unequal_for_dtype_do_not_blame_the_learning_rate(self, cnn, images):
        weights = np.where(np.arange(120) < 3, 1e30, 1e-30)
        try:
            cnn.fit(*images, sample_weight=weights)
        except ValueError as error:
            assert "sample_weight" in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert np.isfinite(cnn.history_["loss"]).all()

    def test_multiply_with_class_weights_beyond_the_largest_float(self, cnn, images):
        X, y = images
        cnn.set_params(class_weight={0: 10})
        huge = copy.deepcopy(cnn).fit(X, y, sample_weight=np.full(120, 1e308))
        np.testing.assert_allclose(huge.predict_proba(X), cnn.fit(X, y).predict_proba(X), atol=1e-4)


NO_FIRST_CALL = [
    ({"early_stopping": True}, [0, 1, 2], "partial_fit .*early_stopping=True.* Use fit"),
    ({"validation_fraction": 0.2}, [0, 1, 2], "partial_fit .*validation_fraction=0.2.* Use fit"),
    ({"class_weight": "balanced"}, [0, 1, 2], "partial_fit .*class_weight='balanced'.* Use fit"),
    ({}, None, "classes must be passed on the first call"),
    ({}, [], "no classes"),
    ({}, [0], "at least 2 classes"),
    ({}, 3, "got 3"),
    ({}, [0, 1], r"y holds labels .*\[0, 1\]: 2"),
    ({}, ["0", "1", "2"], r"y holds labels .*\['0', '1', '2'\]: 0, 1, 2"),
]


class TestPartialFit:
    @pytest.mark.parametrize(("parameters", "classes", "message"), NO_FIRST_CALL, ids=str)
    def test_what_needs_all_rows_and_classes_that_cannot_be_all_labels_are_refused(
        self, cnn, images, parameters, classes, message
    ):
        with pytest.raises(ValueError, match=message):
            cnn.set_params(**parameters).partial_fit(*images, classes=classes)
        assert fitted_state(cnn) == {}

    def test_other_classes_than_before_are_refused(self, fitted, images):
        with pytest.raises(ValueError, match=r"classes=\[0, 1, 2, 3\].* not the same"):
            fitted.partial_fit(*images, classes=[0, 1, 2, 3])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filters": (5, 6)}, "filters was (4, 6) and is now (5, 6)"),
        ({"kernel_size": 2}, "kernel_size was 3 and is now 2"),
        ({"strides": 2}, "strides was 1 and is now 2"),
        ({"pool_size": (1, 2)}, "pool_size was 1 and is now (1, 2)"),
        ({"batch_norm": True}, "batch_norm was False and is now True"),
        ({"dense_units": 13}, "dense_units was 12 and is now 13"),
        ({"dtype": "float64"}, "dtype was 'float32' and is now 'float64'"),
        ({"image_shape": (4, 16)}, "expects (8, 8)"),
        ({"image_shape": (-8, -8)}, "image_shape=(-8, -8)"),
    ],
    ids=str,
)
def test_a_changed_network_is_refused_in_terms_of_the_parameter(
    fitted, rows, method, changes, message
):
    fitted.set_params(warm_start=True, **changes)
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(fitted, method)(*rows)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_other_images_and_labels_are_refused_in_going_on(fitted, images, method):
    X, y = images
    go_on = getattr(fitted.set_params(warm_start=True), method)
    with pytest.raises(ValueError, match=r"\(4, 16\).*\(8, 8\)"):
        go_on(X.reshape(-1, 4, 16), y)
    with pytest.raises(ValueError, match=r"\[0, 1, 2\]: 3"):
        go_on(X, y + 1)


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform"]
)
class TestPrediction:
    def test_it_needs_fit_and_images_like_those_of_fit(self, cnn, fitted, images, method):
        with pytest.raises(NotFittedError, match=r"FashionCNN .*not fitted"):
            getattr(cnn, method)(images[0])
        predict = getattr(fitted, method)
        with pytest.raises(ValueError, match=r"63 features.*64 features"):
            predict(images[0].reshape(120, -1)[:, :63])
        with pytest.raises(ValueError, match=r"\(4, 16\).*\(8, 8\)"):
            predict(images[0].reshape(-1, 4, 16))

    def test_another_pixel_scale_than_that_of_fit_warns_on_the_users_line(
        self, fitted, rows, method
    ):
        message = r"images in X reach .* those that FashionCNN was fitted on"
        with pytest.warns(UserWarning, match=message) as told:
            getattr(fitted, method)(rows[0] / 255)
        assert [Path(warning.filename).name for warning in told] == ["test_bad_input.py"]


def _interrupted(clf, X, y):
    from skfashion._network.keras_model import Network

    def interrupted(self, *arguments):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "_train_epoch", interrupted)
        clf.fit(X, y)


FAILURES = {
    "nan": lambda clf, X, y: clf.fit(np.where(X == 255, np.nan, X), y),
    "other_features_and_bad_labels": lambda clf, X, y: clf.fit(X[:, :4], np.zeros(120)),
    "one_class_of_weight": lambda clf, X, y: clf.fit(X[:, :4], y + 5, sample_weight=y == 0),
    "unseen_y_val": lambda clf, X, y: clf.fit(X, y, X_val=X, y_val=y + 5),
    "early_stopping": lambda clf, X, y: clf.set_params(early_stopping=True).fit(X[:, :4], y),
    "diverging": lambda clf, X, y: clf.set_params(learning_rate=1e20).fit(X[:, :4] // 2, y + 5),
    "interrupted": _interrupted,
    "warm_diverging": lambda clf, X, y: clf.set_params(learning_rate=1e20, warm_start=True).fit(
        X, y
    ),
    "warm_filters": lambda clf, X, y: clf.set_params(filters=(5,), warm_start=True).fit(X, y),
    "partial_unseen": lambda clf, X, y: clf.partial_fit(X, y + 5),
    "partial_nan": lambda clf, X, y: clf.partial_fit(np.where(X == 255, np.nan, X), y),
    "partial_filters": lambda clf, X, y: clf.set_params(filters=(5,)).partial_fit(X, y),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_training_changes_nothing_and_does_not_warn(fitted, images, small, name):
    X, y = images
    state = copy.deepcopy(fitted_state(fitted))
    with pytest.raises((ValueError, TypeError, KeyboardInterrupt)):
        FAILURES[name](fitted, X, y)
    assert_equal(fitted_state(fitted), state)
    again = FashionCNN(**small)
    if not name.startswith(("warm", "partial")):
        with pytest.raises((ValueError, TypeError, KeyboardInterrupt)):
            FAILURES[name](again, X, y)
        assert fitted_state(again) == {}
    assert_equal(FashionCNN(**small).fit(X, y).weights_, fitted.weights_)


def test_another_backend_of_keras_is_refused_by_name_and_predictions_go_on(
    fitted, images, tmp_path
):
    stored = tmp_path / "fitted.pickle"
    stored.write_bytes(pickle.dumps((fitted, *images, fitted.predict_proba(images[0]))))
    out = run_python(f"""
        import os, pickle, sys
        from types import ModuleType, SimpleNamespace
        from skfashion import FashionCNN
        fitted, X, y, expected = pickle.load(open({str(stored)!r}, "rb"))

        def refuse():
            for _ in range(2):
                try:
                    FashionCNN(epochs=1).fit(X, y)
                except RuntimeError as error:
                    print(error)
            assert (fitted.predict_proba(X) == expected).all()
            assert "scikeras" not in sys.modules

        os.environ["KERAS_BACKEND"] = "jax"
        refuse()
        del os.environ["KERAS_BACKEND"]
        keras = ModuleType("keras")
        keras.config = SimpleNamespace(backend=lambda: "torch")
        sys.modules.update(keras=keras, tensorflow=ModuleType("tensorflow"))
        refuse()
    """)
    first, again, imported, again_imported = out.splitlines()
    assert re.search("KERAS_BACKEND is 'jax'.*'tensorflow'", first)
    assert re.search("Keras runs on 'torch'.*KERAS_BACKEND=tensorflow", imported)
    assert (again, again_imported) == (first, imported)
