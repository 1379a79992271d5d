"""Bad input gets a clear error in the user's own terms, and nothing is lost."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import run_python
from numpy.testing import assert_equal
from scipy.sparse import csr_array, csr_matrix
from sklearn.exceptions import NotFittedError

from skfashion import FashionCNN

COUNT = "an int in the range [1, inf)"
SWITCH = "an instance of 'bool'"

REFUSED_VALUES = [
    *[
        (name, value, COUNT)
        for name in (
            "kernel_size",
            "strides",
            "dense_units",
            "epochs",
            "batch_size",
            "n_iter_no_change",
        )
        for value in (0, -1, 1.5, "5", None)
    ],
    *[("learning_rate", bad, "a float in the range (0.0, inf)") for bad in (0, -1, "a", None)],
    *[("learning_rate", bad, "a float in the range (0.0, inf)") for bad in (np.nan, np.inf)],
    *[("dropout", bad, "a float in the range [0.0, 1.0)") for bad in (1, -0.1, np.nan, "half")],
    *[("validation_fraction", bad, "a float in the range [0.0, 1.0)") for bad in (1, -0.1, np.nan)],
    *[("tol", bad, "a float in the range [0.0, inf)") for bad in (-1, np.nan, np.inf, None)],
    *[("memory", bad, "an instance of 'str', an instance of 'os.PathLike'") for bad in (1, True)],
    *[(name, bad, SWITCH) for name in ("early_stopping", "warm_start") for bad in ("yes", 1, None)],
    *[("callbacks", bad, "an instance of 'list'") for bad in ("TensorBoard", 1)],
    *[("verbose", bad, "an int in the range [0, inf)") for bad in (-1, 1.5, "yes", None)],
    *[("dtype", bad, "a str among") for bad in ("float16", "float", np.float32, None)],
    *[("filters", bad, "instance of") for bad in (8, 1.5, "abc", None)],
    *[("image_shape", bad, "array-like or None") for bad in (64, 8.0, "8x8")],
    *[("class_weight", bad, "a str among {'balanced'} or None") for bad in ("Balanced", [1, 2, 3])],
    *[
        ("random_state", bad, "an int in the range [0, 4294967295]")
        for bad in ("a", -1, 1.5, 2**32, np.random.default_rng(0))
    ],
]

REFUSED_CONTENTS = [
    *[
        ("filters", bad, "expected a positive integer for each convolution, and at least one")
        for bad in ((), (0,), (-1,), (1.5,), ("4",), (4, np.nan), (None,), ((4, 6),))
    ],
    *[
        ("image_shape", bad, "expected two positive integers")
        for bad in ((8.0, 8.0), (8, 8, 1), (8,), (-8, -8), (0, 64), (8, None), ("8", "8"))
    ],
    ("image_shape", (8, 9), "means 72 pixels, but X has 64 features"),
    *[
        ("class_weight", bad, "expected a finite number of 0 or more for each class")
        for bad in ({0: -1}, {0: np.nan}, {0: np.inf}, {0: None}, {0: "a"}, {0: [1, 2]})
    ],
]

TOO_LARGE_FOR_THE_IMAGES = [("strides", 1000), ("kernel_size", 1000), ("kernel_size", 100)]


@pytest.fixture
def rows(images):
    """The images as float rows of features."""
    return images[0].reshape(120, -1).astype(float), images[1]


@pytest.fixture
def cnn(small):
    return FashionCNN(**small)


def with_value(X, value):
    X = np.array(X, dtype=np.result_type(X, type(value)))
    X[3, 5] = value
    return X


def hand_over(clf, method, X, y, given):
    """Give images to `method`; `X` and `y` are what is needed beside them."""
    if method == "fit":
        clf.fit(given, y[: given.shape[0]])
    elif method == "predict":
        clf.fit(X, y).predict(given)
    else:
        clf.fit(X, y, X_val=given, y_val=y[: given.shape[0]])


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

    @pytest.mark.parametrize(("name", "value"), TOO_LARGE_FOR_THE_IMAGES, ids=str)
    def test_what_is_far_too_large_for_the_images_is_refused(self, cnn, images, name, value):
        X, y = images
        with pytest.raises(ValueError, match=f"{name}={value}.*8 x 8"):
            cnn.set_params(epochs=1, **{name: value}).fit(X[:6], y[:6])

    def test_every_parameter_has_a_refused_value_and_nothing_is_checked_before_fit(self):
        assert {case[0] for case in REFUSED_VALUES} == set(FashionCNN().get_params())
        for name, value, _ in REFUSED_VALUES:
            for made in (FashionCNN(**{name: value}), FashionCNN().set_params(**{name: value})):
                assert made.get_params()[name] is value
                repr(made)

    @pytest.mark.parametrize(
        ("name", "value"), [("batch_size", 0), ("learning_rate", np.nan), ("filters", 8)]
    )
    def test_a_later_partial_fit_checks_parameters_too(self, fitted, images, name, value):
        fitted.set_params(**{name: value})
        with pytest.raises(ValueError, match=f"The '{name}' parameter of FashionCNN must be"):
            fitted.partial_fit(*images)

    @pytest.mark.parametrize("batch_size", [121, 10**12])
    def test_a_batch_larger_than_the_data_is_one_batch_of_all_rows(self, cnn, images, batch_size):
        whole = copy.deepcopy(cnn).set_params(batch_size=120).fit(*images)
        larger = cnn.set_params(batch_size=batch_size).fit(*images)
        assert_equal(larger.weights_, whole.weights_)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            (
                {"filters": (1,) * 10_000, "strides": 10**18},
                r"need images of at least .* these have 8 x 8",
            ),
            ({"image_shape": (4, 16)}, r"X holds images of shape \(8, 8\).*\(4, 16\)"),
            (
                {"class_weight": {7: 1.0}},
                r"class_weight names 7.* not among the classes \[0, 1, 2\]",
            ),
            ({"class_weight": {"0": 1.0}}, "class_weight names '0'"),
            ({"class_weight": dict.fromkeys(range(3), 0)}, "class_weight"),
            ({"class_weight": {0: 0, 1: 0}}, "class_weight.*at least 2 classes"),
            (
                {"early_stopping": True},
                r"early_stopping=True .*X_val and y_val.* validation_fraction",
            ),
            *(
                (
                    {"validation_fraction": fraction},
                    f"validation_fraction={fraction} of 120 rows .*each class",
                )
                for fraction in (0.001, 0.99, 0.9999)
            ),
        ],
        ids=str,
    )
    def test_what_does_not_go_with_the_data_is_named(self, cnn, images, parameters, message):
        with pytest.raises(ValueError, match=message):
            cnn.set_params(**parameters).fit(*images)

    @pytest.mark.parametrize("learning_rate", [1e20, 1e300])
    @pytest.mark.filterwarnings("error")
    def test_diverging_training_names_the_learning_rate(self, cnn, images, learning_rate):
        message = rf"diverged.* learning_rate \(it is {re.escape(f'{learning_rate:g}')}\)"
        with pytest.raises(ValueError, match=message):
            cnn.set_params(learning_rate=learning_rate).fit(*images)
        assert not hasattr(cnn, "weights_")


class TestImages:
    @pytest.mark.parametrize("method", ["fit", "predict", "X_val"])
    @pytest.mark.parametrize(
        ("spoil", "error", "message"),
        [
            (lambda X: with_value(X, np.nan), ValueError, "X contains NaN"),
            (lambda X: with_value(X, np.inf), ValueError, "X contains infinity"),
            (lambda X: with_value(X, 1j), ValueError, "Complex data not supported"),
            (csr_matrix, TypeError, "Sparse data was passed for X"),
            (csr_array, TypeError, "Sparse data was passed for X"),
            (lambda X: np.full(X.shape, "shoe", object), ValueError, "convert string.*'shoe'"),
            (lambda X: X.astype(str), ValueError, "numeric"),
            (lambda X: X[:0], ValueError, r"0 sample\(s\) \(shape=\(0, 64\)\)"),
            (lambda X: X[:0].reshape(0, 8, 8), ValueError, r"0 sample\(s\)"),
            (lambda X: X[0], ValueError, "Expected 2D array, got 1D array"),
            (
                lambda X: np.stack(3 * [X.reshape(-1, 8, 8)], axis=3),
                ValueError,
                r"X(_val)? has shape \(120, 8, 8, 3\).*\(n, rows, columns, 1\).*not 3",
            ),
        ],
        ids=[
            "nan",
            "inf",
            "complex",
            "sparse_matrix",
            "sparse_array",
            "object_strings",
            "strings",
            "no_rows",
            "no_images",
            "one_dimension",
            "three_channels",
        ],
    )
    def test_what_is_no_grey_image_is_refused_with_the_reason(
        self, cnn, rows, method, spoil, error, message
    ):
        X, y = rows
        if method == "X_val":
            message = rf"(?s)X_val.*{message}"
        with pytest.raises(error, match=message):
            hand_over(cnn, method, X, y, spoil(X))

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((120, 8, 8, 1, 1), r"\(n, rows, columns, 1\)"),
            ((120, 0), r"0 feature\(s\)"),
            ((120, 0, 8), r"0 feature\(s\)"),
            ((1, 64), r"1 sample\(s\).*minimum of 2|\[1, 120\]"),
        ],
    )
    def test_what_has_no_images_to_learn_from_is_refused(self, cnn, images, shape, message):
        with pytest.raises(ValueError, match=message):
            cnn.fit(np.ones(shape), images[1][: shape[0]])

    def test_dates_are_no_pixels(self, cnn, images):
        X = np.zeros((120, 64), "datetime64[s]")
        with pytest.raises((TypeError, ValueError), match=r"^(?!ufunc)"):
            cnn.fit(X, images[1])

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
    def test_pixels_of_any_finite_scale_train_the_network_of_byte_images(self, cnn, rows, factor):
        X, y = rows
        scaled = copy.deepcopy(cnn).fit(X * factor, y)
        np.testing.assert_allclose(
            scaled.predict_proba(X * factor), cnn.fit(X, y).predict_proba(X), atol=1e-3
        )


class TestLabels:
    @pytest.mark.parametrize(
        ("label", "shown"), [(0, "0"), (True, "True"), ("bag", "'bag'"), (2.0, "2.0")]
    )
    def test_one_class_is_named_as_the_user_wrote_it(self, cnn, images, label, shown):
        message = rf"at least 2 classes.* one class only: {re.escape(shown)}\."
        with pytest.raises(ValueError, match=message):
            cnn.fit(images[0], np.array(120 * [label]))

    @pytest.mark.parametrize("n", [119, 121, 0])
    def test_labels_of_another_length_are_refused_with_both_lengths(self, cnn, images, n):
        with pytest.raises(ValueError, match=rf"\[120, {n}\]"):
            cnn.fit(images[0], np.arange(n) % 3)

    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (None, "requires y"),
            (np.linspace(0, 1, 120), "Unknown label type: continuous"),
            (np.where(np.arange(120) % 2, np.nan, 1.0), "y contains NaN"),
            (np.array(40 * [None, "bag", "hat"], dtype=object), r"y .* missing labels \(None\)"),
            (np.array(40 * [1, "bag", 2.5], dtype=object), "types float and int and str: expected"),
            (np.array(40 * ["bag", "hat", None], dtype=object), r"y .* missing labels \(None\)"),
            (pd.Series(40 * ["bag", "hat", pd.NA], dtype="string"), r"labels \(<NA>\)"),
            (np.array(40 * [b"bag", b"hat", b"shoe"]), "of the type bytes: expected strings"),
            (np.array(40 * ["2020", "2021", "NaT"], dtype="datetime64[D]"), r"missing.*\(NaT\)"),
            (120 * [["bag", 1]], r"1d array.*\(120, 2\)"),
            (np.eye(3)[np.arange(120) % 3], r"1d array.*\(120, 3\)"),
        ],
        ids=[
            *("none", "continuous", "nan", "with_none", "mixed", "ends_in_none", "missing"),
            *("bytes", "no_time", "pairs", "one_hot"),
        ],
    )
    def test_what_is_no_label_is_refused(self, cnn, images, y, message):
        with pytest.raises(ValueError, match=message):
            cnn.fit(images[0], y)

    def test_pandas_labels_of_any_dtype_train_the_same_network(self, cnn, images):
        X, y = images
        names = pd.Series(np.array(["bag", "coat", "hat"])[y])
        plain = copy.deepcopy(cnn).fit(X, y)
        for given in (
            names,
            names.astype("string"),
            names.astype("category"),
            pd.Categorical(names),
        ):
            labelled = cnn.fit(X, given)
            assert_equal(labelled.weights_, plain.weights_)
            assert set(labelled.predict(X)) <= {"bag", "coat", "hat"}


class TestValidationRows:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda X, y: {"X_val": X}, "X_val was given without y_val"),
            (lambda X, y: {"y_val": y}, "y_val was given without X_val"),
            (
                lambda X, y: {"X_val": X.reshape(120, -1)[:, :63], "y_val": y},
                "X_val.*63 features.*64 features",
            ),
            (
                lambda X, y: {"X_val": X.reshape(-1, 4, 16), "y_val": y},
                r"X_val.*\(4, 16\).*\(8, 8\)",
            ),
            (lambda X, y: {"X_val": X, "y_val": y[:-1]}, "X_val and y_val .*120 and 119 rows"),
        ],
        ids=["X_val alone", "y_val alone", "features", "shape", "lengths"],
    )
    def test_what_does_not_go_with_the_training_rows_is_named(self, cnn, images, change, message):
        with pytest.raises(ValueError, match=message):
            cnn.fit(*images, **change(*images))

    @pytest.mark.parametrize("unseen", [7, "shoe", np.nan])
    def test_unseen_labels_are_named(self, cnn, images, unseen):
        X, y = images
        y_val = np.array([unseen, *y[1:]], dtype=object).tolist()
        y_val = np.array(y_val) if isinstance(unseen, (int, float)) else np.full(120, unseen)
        with pytest.raises(ValueError, match=rf"y_val .*\[0, 1, 2\]: {unseen!r}"):
            cnn.fit(X, y, X_val=X, y_val=y_val)

    @pytest.mark.parametrize("other", [np.float32, np.int64, list])
    def test_validation_rows_may_be_of_another_dtype_than_the_training_rows(
        self, cnn, images, other
    ):
        X, y = images
        X_val = X.tolist() if other is list else X.astype(other)
        same = copy.deepcopy(cnn).fit(X, y, X_val=X, y_val=y)
        for training, validation in ((X, X_val), (np.asarray(X_val), X)):
            fitted = cnn.fit(training, y, X_val=validation, y_val=y)
            np.testing.assert_allclose(
                fitted.history_["val_loss"], same.history_["val_loss"], rtol=1e-5
            )

    def test_a_class_of_one_row_cannot_be_split(self, cnn, images):
        with pytest.raises(ValueError, match=r"validation_fraction=0\.2 .*each class"):
            cnn.set_params(validation_fraction=0.2).fit(images[0], np.arange(120) == 7)


class TestSampleWeight:
    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            (np.r_[-1.0, np.ones(119)], "Negative values .*sample_weight"),
            (np.r_[np.nan, np.ones(119)], "sample_weight contains NaN"),
            (np.r_[np.inf, np.ones(119)], "sample_weight contains infinity"),
            (np.zeros(120), r"[Ss]ample.?[Ww]eight"),
            (np.ones(119), r"sample_weight.shape == \(119,\), expected \(120,\)"),
            (np.ones((120, 2)), "Sample weights must be 1D"),
            (
                (np.arange(120) % 3 == 0).astype(float),
                "sample_weight and class_weight are of one class only",
            ),
        ],
        ids=["negative", "nan", "inf", "all_zero", "short", "two_dimensions", "one_class"],
    )
    def test_unusable_weights_are_refused_with_the_reason(self, cnn, images, weights, message):
        with pytest.raises(ValueError, match=message):
            cnn.fit(*images, sample_weight=weights)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("weight", [5e-324, 1e-300, 1e300, 1.7e308])
    def test_equal_weights_of_any_finite_size_are_no_weights(self, cnn, images, weight):
        weighted = copy.deepcopy(cnn).fit(*images, sample_weight=np.full(120, weight))
        assert_equal(weighted.weights_, cnn.fit(*images).weights_)

    @pytest.mark.filterwarnings("error")
    def test_weights_too_unequal_for_dtype_do_not_blame_the_learning_rate(self, cnn, images):
        weights = np.where(np.arange(120) < 3, 1e30, 1e-30)
        try:
            cnn.fit(*images, sample_weight=weights)
        except ValueError as error:
            assert "sample_weight" in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert np.isfinite(cnn.history_["loss"]).all()

    @pytest.mark.filterwarnings("error")
    def test_class_and_sample_weights_may_multiply_beyond_the_largest_float(self, cnn, images):
        X, y = images
        cnn.set_params(class_weight={0: 10})
        huge = copy.deepcopy(cnn).fit(X, y, sample_weight=np.full(120, 1e308))
        np.testing.assert_allclose(huge.predict_proba(X), cnn.fit(X, y).predict_proba(X), atol=1e-4)


class TestPartialFit:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("early_stopping", True), ("validation_fraction", 0.2), ("class_weight", "balanced")],
    )
    def test_what_needs_all_rows_is_refused_by_name(self, cnn, images, name, value):
        message = f"partial_fit .*{name}={value!r}.* Use fit"
        with pytest.raises(ValueError, match=message):
            cnn.set_params(**{name: value}).partial_fit(*images, classes=[0, 1, 2])

    def test_the_first_call_needs_classes(self, cnn, images):
        with pytest.raises(ValueError, match="classes must be passed on the first call"):
            cnn.partial_fit(*images)

    @pytest.mark.parametrize(
        ("classes", "message"),
        [
            ([], "classes"),
            ([0], "at least 2 classes"),
            (3, "got 3"),
            ([0, 1], r"y holds labels .*\[0, 1\]: 2"),
            (["0", "1", "2"], r"y holds labels .*\['0', '1', '2'\]: 0, 1, 2"),
        ],
        ids=str,
    )
    def test_classes_that_cannot_be_all_labels_are_refused(self, cnn, images, classes, message):
        with pytest.raises(ValueError, match=message):
            cnn.partial_fit(*images, classes=classes)
        assert fitted_state(cnn) == {}

    def test_other_classes_and_labels_than_before_are_refused(self, cnn, images):
        X, y = images
        cnn.partial_fit(X, y, classes=[0, 1, 2])
        with pytest.raises(ValueError, match=r"classes=\[0, 1, 2, 3\].* not the same"):
            cnn.partial_fit(X, y, classes=[0, 1, 2, 3])
        with pytest.raises(ValueError, match=r"y holds labels .*\[0, 1, 2\]: 3"):
            cnn.partial_fit(X, y + 1)


@pytest.mark.parametrize("going_on", ["warm_start", "partial_fit"])
class TestGoingOn:
    def go_on(self, clf, going_on, X, y):
        return clf.partial_fit(X, y) if going_on == "partial_fit" else clf.fit(X, y)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("filters", (5, 6)),
            ("kernel_size", 2),
            ("strides", 2),
            ("dense_units", 13),
            ("dtype", "float64"),
        ],
    )
    def test_a_changed_network_is_refused_in_terms_of_the_parameter(
        self, fitted, images, going_on, name, value
    ):
        before = fitted.get_params()[name]
        fitted.set_params(warm_start=True, **{name: value})
        with pytest.raises(ValueError, match=name) as refusal:
            self.go_on(fitted, going_on, *images)
        assert repr(value) in str(refusal.value)
        assert repr(before) in str(refusal.value)
        assert "Architecture" not in str(refusal.value)

    @pytest.mark.parametrize("image_shape", [(4, 16), (-8, -8)])
    def test_a_changed_image_shape_is_refused(self, fitted, rows, going_on, image_shape):
        fitted.set_params(warm_start=True, image_shape=image_shape)
        with pytest.raises(ValueError, match=r"image_shape|images of shape"):
            self.go_on(fitted, going_on, *rows)

    def test_other_images_and_labels_are_refused(self, fitted, images, going_on):
        X, y = images
        fitted.set_params(warm_start=True)
        with pytest.raises(ValueError, match=r"\(4, 16\).*\(8, 8\)"):
            self.go_on(fitted, going_on, X.reshape(-1, 4, 16), y)
        with pytest.raises(ValueError, match=r"\[0, 1, 2\]: 3"):
            self.go_on(fitted, going_on, X, y + 1)


class TestPrediction:
    METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")

    @pytest.mark.parametrize("method", [*METHODS, "score", "to_keras"])
    def test_every_method_says_that_it_needs_fit(self, cnn, images, method):
        arguments = {"score": images, "to_keras": ()}.get(method, images[:1])
        with pytest.raises(NotFittedError, match=r"FashionCNN .*not fitted"):
            getattr(cnn, method)(*arguments)

    @pytest.mark.parametrize("method", METHODS)
    def test_images_unlike_those_of_fit_are_refused(self, fitted, images, method):
        predict = getattr(fitted, method)
        with pytest.raises(ValueError, match=r"63 features.*64 features"):
            predict(images[0].reshape(120, -1)[:, :63])
        with pytest.raises(ValueError, match=r"\(4, 16\).*\(8, 8\)"):
            predict(images[0].reshape(-1, 4, 16))

    def test_other_column_names_are_refused(self, cnn, rows):
        frame = pd.DataFrame(rows[0]).add_prefix("pixel")
        cnn.fit(frame, rows[1])
        with pytest.raises(ValueError, match="feature names should match"):
            cnn.predict(frame.add_suffix("x"))
        with pytest.raises(ValueError, match="same order"):
            cnn.predict(frame.iloc[:, ::-1])

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(("trained", "given"), [(1, 1 / 255), (1 / 255, 1), (1, 255)])
    def test_another_pixel_scale_than_that_of_fit_warns(self, cnn, rows, method, trained, given):
        cnn.set_params(epochs=1).fit(rows[0] * trained, rows[1])
        with pytest.warns(
            UserWarning, match=r"images in X reach .* those that FashionCNN was fitted on"
        ) as told:
            getattr(cnn, method)(rows[0] * given)
        assert [Path(warning.filename).name for warning in told] == ["test_bad_input.py"]

    @pytest.mark.filterwarnings("error")
    def test_honest_data_do_not_warn(self, fitted, cnn, rows):
        X, y = rows
        for fine in (X, X.astype(np.uint8), X * 0, X / 2, X * 2, X[:1]):
            fitted.predict(fine)
        standardised = (X - X.mean()) / X.std()
        cnn.fit(standardised, y)
        for fine in (standardised, standardised[:1], standardised * 0):
            cnn.predict(fine)


def _interrupted(clf, X, y):
    from skfashion._network.keras_model import Network

    def interrupted(self, *arguments):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "_train_epoch", interrupted)
        clf.fit(X, y)


FAILURES = {
    "bad_parameter": lambda clf, X, y: clf.set_params(epochs=0).fit(X, y),
    "class_weight": lambda clf, X, y: clf.set_params(class_weight={0: -1}).fit(X, y),
    "nan": lambda clf, X, y: clf.fit(np.where(X == 255, np.nan, X), y),
    "other_features_and_bad_labels": lambda clf, X, y: clf.fit(X[:, :4], np.zeros(120)),
    "one_class_of_weight": lambda clf, X, y: clf.fit(X[:, :4], y + 5, sample_weight=y == 0),
    "X_val_features": lambda clf, X, y: clf.fit(X[:, :4], y + 5, X_val=X, y_val=y),
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
    "partial_parameter": lambda clf, X, y: clf.set_params(batch_size=0).partial_fit(X, y),
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


class TestKerasBackend:
    REFUSED_FIT = """
import pickle, sys
import numpy as np
from skfashion import FashionCNN
from skfashion._classifier import fashion_cnn as _cnn
{prepare}
cnn = FashionCNN(filters=(2,), epochs=1)
X, y = np.eye(8).reshape(2, 4, 8), np.array([0, 1])
for _ in range(2):
    try:
        cnn.fit(X, y)
    except RuntimeError as error:
        print(error)
print("weights_" in vars(cnn), "scikeras" in sys.modules)
"""

    def test_another_backend_is_refused_by_name_and_predictions_go_on(
        self, fitted, images, tmp_path
    ):
        stored = tmp_path / "fitted.pickle"
        stored.write_bytes(pickle.dumps((fitted, images[0], fitted.predict_proba(images[0]))))
        prepare = f"""
fitted, X, expected = pickle.load(open({str(stored)!r}, "rb"))
assert (fitted.predict_proba(X) == expected).all()
"""
        first, second, state = run_python(
            self.REFUSED_FIT.format(prepare=prepare), KERAS_BACKEND="jax"
        ).splitlines()
        assert re.search("KERAS_BACKEND is 'jax'.*'tensorflow'", first)
        assert second == first
        assert state == "False False"

    def test_keras_imported_on_another_backend_is_refused_by_name(self):
        prepare = """
from types import ModuleType, SimpleNamespace
keras = ModuleType("keras")
keras.config = SimpleNamespace(backend=lambda: "torch")
sys.modules.update(keras=keras, tensorflow=ModuleType("tensorflow"))
"""
        first, second, state = run_python(self.REFUSED_FIT.format(prepare=prepare)).splitlines()
        assert re.search("Keras runs on 'torch'.*KERAS_BACKEND=tensorflow", first)
        assert second == first
        assert state == "False False"
