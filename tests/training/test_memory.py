"""Test that `memory` trains no epoch twice and changes nothing else, whatever befalls its files."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import types
import warnings

import joblib
import numpy as np
import pytest
from helpers import make_images, run_function, run_python, weights_equal
from numpy.testing import assert_array_equal
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skfashion import FashionCNN
from skfashion._cli.main import main
from skfashion._network.training_state import TrainingState
from skfashion._training.checkpoints import Checkpoints
from skfashion._training.early_stopping import EarlyStopping
from skfashion._training.progress import Progress
from skfashion._utils import cache_directory

# For each parameter that shapes a training, another value than that of `cnn`.
SHAPING = {"random_state": 1, "dropout": 0.3, "learning_rate": 0.002, "batch_size": 30}
SHAPING |= {"strides": 2, "dense_units": 13, "dtype": "float64", "class_weight": {0: 2}}
SHAPING_VARIABLES = ["XLA_FLAGS", "TF_XLA_FLAGS", "TF_DETERMINISTIC_OPS", "ONEDNN_MAX_CPU_ISA"]
SHAPING_VARIABLES += ["TF_ENABLE_ONEDNN_OPTS"]


@pytest.fixture
def cnn(small, tmp_path):
    def make(**parameters):
        return FashionCNN(**{**small, "dropout": 0.2, "memory": tmp_path, **parameters})

    return make


def entries(folder, kind="*"):
    return sorted(folder.glob(f".skfashion-cache/*/*.{kind}"))


def equal(a, b):
    return weights_equal(a, b) and a.history_ == b.history_ and a.n_iter_ == b.n_iter_


def trained(pipeline, X, y):
    """Score a pipeline by the number of epochs that its network trained."""
    return pipeline[-1].n_epochs_trained_


def fit_again(parameters):
    clf = FashionCNN(**parameters).fit(*make_images())
    return clf.n_epochs_trained_, "tensorflow" in sys.modules, clf.history_


class TestEqualBitsWithoutTrainingTwice:
    @pytest.mark.parametrize(
        ("first", "then", "expected"), [(3, 8, 5), (8, 3, 0), (8, 8, 0), (5, 6, 1)]
    )
    def test_a_later_fit_trains_only_what_is_missing(self, images, cnn, first, then, expected):
        assert cnn(epochs=first).fit(*images).n_epochs_trained_ == first
        clf = cnn(epochs=then).fit(*images)
        assert clf.n_epochs_trained_ == expected
        assert equal(clf, cnn(epochs=then, memory=None).fit(*images))

    def test_training_goes_on_from_the_newest_epoch_alone(self, images, cnn):
        fresh = cnn(epochs=4, memory=None).fit(*images)
        cnn(epochs=4).fit(*images)
        again, middle = (cnn(epochs=epochs).fit(*images) for epochs in (4, 2))
        assert again.n_epochs_trained_ == middle.n_epochs_trained_ == 0
        assert equal(again.partial_fit(*images), fresh.partial_fit(*images))
        for going_on in (middle.partial_fit, middle.set_params(warm_start=True).fit):
            with pytest.raises(ValueError, match=r"no optimizer's state.*memory"):
                going_on(*images)
        assert middle.n_iter_ == 2

    def test_early_stopping_takes_the_same_epochs(self, images, cnn):
        X, y = images
        y_val = np.random.default_rng(0).permutation(y[80:])
        split = {"X_val": X[80:], "y_val": y_val}
        stopping = {"epochs": 30, "early_stopping": True, "n_iter_no_change": 3}
        plain = cnn(**stopping, memory=None).fit(X[:80], y[:80], **split)
        n_epochs = len(plain.history_["loss"])
        assert plain.n_iter_ < n_epochs < 30
        taken = [(plain.n_iter_, n_epochs - plain.n_iter_), (n_epochs - 1, 0), (30, 0)]
        for epochs, expected in taken:
            cnn(epochs=epochs).fit(X[:80], y[:80], **split)
            clf = cnn(**stopping).fit(X[:80], y[:80], **split)
            assert clf.n_epochs_trained_ == expected
            assert equal(clf, plain)

    def test_what_shapes_a_training_makes_another_one(self, images, cnn, monkeypatch):
        X, y = images
        cnn(epochs=1).fit(X, y)
        for name, value in SHAPING.items():
            assert cnn(epochs=1, **{name: value}).fit(X, y).n_epochs_trained_ == 1, name
        for data in (
            {"X": np.r_[X[:1] ^ 1, X[1:]]},
            {"y": y[::-1]},
            {"sample_weight": np.where(np.arange(120) == 3, 2.0, 1.0)},
            {"X_val": X[:30], "y_val": y[:30]},
        ):
            assert cnn(epochs=1).fit(**{"X": X, "y": y, **data}).n_epochs_trained_ == 1, [*data]
        for variable in SHAPING_VARIABLES:
            with monkeypatch.context() as environment:
                environment.setenv(variable, "another")
                assert cnn(epochs=1).fit(X, y).n_epochs_trained_ == 1, variable

    def test_what_does_not_shape_it_is_the_same_training(self, images, cnn, monkeypatch):
        X, y = images
        first = cnn(epochs=2).fit(X, y)
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
        unused = {"verbose": 1, "tol": 0.5, "n_iter_no_change": 9}
        others = [np.asfortranarray(X), X.reshape(120, -1).tolist(), X / 255, X * 2.0, np.int16(X)]
        for other in others:
            again = cnn(epochs=2, **unused).fit(other, y.astype(float))
            assert again.n_epochs_trained_ == 0
            assert equal(first, again)

    def test_in_another_process_without_tensorflow(self, images, cnn, tmp_path):
        clf = cnn(epochs=3).fit(*images)
        parameters = {**clf.get_params(), "memory": str(tmp_path)}
        assert run_function(fit_again, parameters) == [0, False, clf.history_]


class TestParameter:
    def test_a_joblib_memory_stands_for_its_location(self, images, cnn, tmp_path):
        cnn(epochs=1).fit(*images)
        memory = joblib.Memory(tmp_path, verbose=0)
        assert cnn(epochs=1, memory=memory).fit(*images).n_epochs_trained_ == 0

    def test_a_joblib_memory_that_stores_nothing_hinders_nothing(self, images, cnn):
        keras = pytest.importorskip("keras")
        schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3)
        memory = joblib.Memory(None)
        cnn(epochs=1, memory=memory, random_state=None, callbacks=[schedule]).fit(*images)

    @pytest.mark.parametrize(
        ("memory", "message"),
        [
            ("", "memory='': expected the path of a directory"),
            ("a\0b", r"memory='a\\x00b': expected the path of a directory"),
            (types.SimpleNamespace(cache=print), r"memory=namespace\(.* has no location"),
        ],
    )
    def test_what_is_no_directory_is_refused(self, images, cnn, memory, message):
        with pytest.raises(ValueError, match=message):
            cnn(memory=memory).fit(*images)

    def test_the_home_of_an_unknown_user_is_a_folders_name(
        self, images, cnn, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        clf = cnn(epochs=1, memory="~nobody_of_this_name/stored").fit(*images)
        assert clf._checkpoints["directory"] == str(tmp_path / "~nobody_of_this_name" / "stored")

    def test_its_one_folder_is_hidden_marked_as_a_cache_and_not_listed_by_git(
        self, images, cnn, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("HOME", str(tmp_path))
        cnn(epochs=1, memory="~/stored").fit(*images)
        [home] = (tmp_path / "stored").iterdir()
        assert home.name == ".skfashion-cache"
        assert (home / ".gitignore").read_text() == "*\n"
        signature = "Signature: 8a477f597d28d172789f06886806bc55\n"
        assert (home / "CACHEDIR.TAG").read_text().startswith(signature)
        assert main(["cache", str(tmp_path / "stored"), "--clear"]) == 0
        assert list((tmp_path / "stored").iterdir()) == []


class TestSizeLimit:
    def test_the_least_recently_used_trainings_go_first(self, images, cnn, tmp_path):
        for seed in range(3):
            cnn(epochs=2, random_state=seed).fit(*images)
        folders = sorted(tmp_path.glob(".skfashion-cache/*/"), key=lambda f: f.stat().st_mtime)
        for age, folder in enumerate(reversed(folders)):
            os.utime(folder, (0, 1e9 - age))
        assert cnn(epochs=1, random_state=0).fit(*images).n_epochs_trained_ == 0  # uses the oldest
        usage = cache_directory.measure_usage(tmp_path)
        assert cache_directory.limit_size(tmp_path, usage.bytes) == (0, 0, 0, 0)
        assert cache_directory.limit_size(tmp_path, usage.bytes / 2)[:2] == (2, 4)
        fits = (cnn(epochs=2, random_state=seed).fit(*images) for seed in range(3))
        assert [clf.n_epochs_trained_ for clf in fits] == [0, 2, 2]

    def test_a_staged_prediction_is_a_use(self, images, cnn, tmp_path):
        clfs = [cnn(epochs=2, random_state=seed).fit(*images) for seed in range(2)]
        for age, clf in enumerate(reversed(clfs)):
            os.utime(tmp_path / ".skfashion-cache" / clf._checkpoints["key"], (0, 1e9 - age))
        next(clfs[0].staged_predict_proba(images[0]))
        usage = cache_directory.measure_usage(tmp_path)
        assert cache_directory.limit_size(tmp_path, usage.bytes * 0.6)[:2] == (1, 2)
        assert len(list(clfs[0].staged_predict_proba(images[0]))) == 2

    def test_the_command_takes_sizes_with_units(self, images, cnn, tmp_path, capsys):
        cnn(epochs=2).fit(*images)
        n_bytes = cache_directory.measure_usage(tmp_path).bytes
        sizes = ["1.5 GB", "1e9", f"{n_bytes / 1020}KiB", f"{n_bytes / 1020}kB"]
        removed = [": 0 trainings, 0 epochs"] * 3 + [": 1 trainings, 2 epochs"]
        for size, told in zip(sizes, removed, strict=True):
            assert main(["cache", str(tmp_path), "--max-size", size]) == 0
            assert told in capsys.readouterr().out
        with pytest.raises(SystemExit):
            main(["cache", str(tmp_path), "--max-size", "much"])


class TestStockSearches:
    @pytest.mark.parametrize("n_threads", [1, 2])
    def test_grid_search_of_a_pipeline_trains_the_longest_alone(self, images, cnn, n_threads):
        X, y = images
        grid = {"fashioncnn__epochs": [1, 2, 3, 4], "fashioncnn__dropout": [0.1, 0.3]}
        how = {"cv": 2, "scoring": {"trained": trained, "accuracy": "accuracy"}, "refit": False}

        def search(clf):
            search = GridSearchCV(make_pipeline(MinMaxScaler(), clf), grid, **how)
            with joblib.parallel_config("threading", n_jobs=n_threads):
                return search.fit(X.reshape(120, -1), y).cv_results_

        found, plain = search(cnn()), search(cnn(memory=None))
        for split in ("split0", "split1"):
            assert_array_equal(found[f"{split}_test_accuracy"], plain[f"{split}_test_accuracy"])
        assert plain["mean_test_trained"].sum() == 20
        n_epochs = found["mean_test_trained"].sum()
        assert n_epochs == 8 if n_threads == 1 else 8 <= n_epochs <= 14

    def test_halving_goes_on_where_the_rung_before_ended(self, images, cnn):
        rates = {"learning_rate": [1e-4, 3e-4, 1e-3, 3e-3]}
        rungs = {"resource": "epochs", "factor": 2, "min_resources": 1, "max_resources": 4}
        how = {"cv": 2, "refit": False, "return_train_score": False, "random_state": 0}

        def search(clf):
            counted = []

            def accuracy(estimator, X, y):
                counted.append(estimator.n_epochs_trained_)
                return estimator.score(X, y)

            search = HalvingGridSearchCV(clf, rates, scoring=accuracy, **rungs, **how).fit(*images)
            return search.cv_results_["mean_test_score"], sum(counted)

        plain, found = search(cnn(memory=None)), search(cnn())
        assert_array_equal(found[0], plain[0])
        assert plain[1] == 2 * (4 * 1 + 2 * 2 + 1 * 4)
        assert found[1] == 2 * (4 * 1 + 2 * 1 + 1 * 2)


class TestStagedPredictions:
    def test_every_epoch_of_one_fit(self, images, cnn):
        X, y = images
        clf = cnn(epochs=3).fit(X, y)
        stages = list(clf.staged_predict_proba(X))
        plain = (cnn(epochs=epochs, memory=None).fit(X, y) for epochs in (1, 2, 3))
        assert_array_equal(stages, [clf.predict_proba(X) for clf in plain])
        copied = pickle.loads(pickle.dumps(clf))
        assert_array_equal(list(copied.staged_predict_proba(X)), stages)

    def test_what_is_missing_is_named(self, images, cnn, tmp_path):
        with pytest.raises(ValueError, match="fit with memory"):
            next(cnn(memory=None).fit(*images).staged_predict_proba(images[0]))
        clf = cnn(epochs=2).fit(*images)
        entries(tmp_path, "weights")[0].unlink()
        with pytest.raises(ValueError, match="Epoch 1 is not stored"):
            next(clf.staged_predict_proba(images[0]))


class TestNothingIsLost:
    def test_the_optimizers_state_is_kept_of_the_newest_epoch_alone(self, images, cnn, tmp_path):
        cnn(epochs=4).fit(*images)
        assert [path.name for path in entries(tmp_path, "weights")] == [
            f"{epoch:05d}.weights" for epoch in (1, 2, 3, 4)
        ]
        assert [path.name for path in entries(tmp_path, "optimizer")] == ["00004.optimizer"]
        assert entries(tmp_path, "part") == []

    @pytest.mark.parametrize("kind", ["figures", "weights", "optimizer"])
    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            (lambda content, other: b"", ""),
            (lambda content, other: content[:-1], ""),
            (lambda content, other: content[:99] + bytes([content[99] ^ 1]) + content[100:], ""),
            (lambda content, other: other, "it belongs to another training"),
        ],
        ids=["empty", "one byte short", "one bit", "of another training"],
    )
    def test_a_damaged_entry_is_reported_once_and_trained_again(
        self, images, cnn, tmp_path, kind, damage, told
    ):
        cnn(epochs=3).fit(*images)
        path = entries(tmp_path, kind)[-1]
        cnn(epochs=3, random_state=1).fit(*images)
        [other] = {*tmp_path.rglob(path.name)} - {path}
        path.write_bytes(damage(path.read_bytes(), other.read_bytes()))
        with pytest.warns(UserWarning, match=rf"{path.name} is damaged: {told}") as warned:
            clf = cnn(epochs=5).fit(*images)
        assert len(warned) == 1
        assert equal(clf, cnn(epochs=5, memory=None).fit(*images))
        with warnings.catch_warnings(action="error"):
            assert cnn(epochs=5).fit(*images).n_epochs_trained_ == 0

    def test_what_is_damaged_is_reported_by_one_fit_alone(self, images, cnn, tmp_path):
        cnn(epochs=3).fit(*images)
        entries(tmp_path, "optimizer")[0].write_bytes(b"no state")
        with pytest.warns(UserWarning, match="damaged.*It is removed"):
            assert cnn(epochs=3).fit(*images).n_epochs_trained_ == 0
        with warnings.catch_warnings(action="error"):
            assert cnn(epochs=3).fit(*images).n_epochs_trained_ == 0
            assert cnn(epochs=4).fit(*images).n_epochs_trained_ == 4
            assert cnn(epochs=5).fit(*images).n_epochs_trained_ == 1

    def test_a_gap_in_the_path_is_closed_by_the_next_fit(self, images, cnn, tmp_path):
        cnn(epochs=4).fit(*images)
        entries(tmp_path, "weights")[1].unlink()
        assert cnn(epochs=1).fit(*images).n_epochs_trained_ == 0
        clf = cnn(epochs=4).fit(*images)
        assert len(list(clf.staged_predict_proba(images[0]))) == 4
        assert equal(clf, cnn(epochs=4, memory=None).fit(*images))
        assert cnn(epochs=6).fit(*images).n_epochs_trained_ == 2
        assert len(entries(tmp_path, "optimizer")) == 1

    def test_cleared_between_two_epochs_the_storing_goes_on(self, tmp_path):
        run = Checkpoints(tmp_path, "0" * 40, [(2,)])
        state = TrainingState([np.zeros(2)], [np.zeros(2)], [np.zeros(2)], 1)
        run.save(1, state, {"loss": 1.0})
        assert cache_directory.clear(tmp_path)[:2] == (1, 1)
        assert list(tmp_path.iterdir()) == []
        run.save(2, state, {"loss": 0.5})
        assert {path.suffix for path in entries(tmp_path)} == {".figures", ".optimizer", ".weights"}
        assert {path.stem for path in entries(tmp_path)} == {"00002"}
        assert run.find_latest(0, 2) is None  # the first is missing

    def test_a_file_that_is_no_epoch_is_passed_over(self, images, cnn, tmp_path):
        cnn(epochs=2).fit(*images)
        entries(tmp_path)[0].with_name("notes.weights").touch()
        assert cnn(epochs=2).fit(*images).n_epochs_trained_ == 0

    def test_a_full_disk_stops_the_storing_not_the_fit(self, images, cnn, full):
        memory = full("memory", size="64k")
        with pytest.warns(UserWarning, match="No space left on device") as told:
            clf = cnn(epochs=20, memory=memory).fit(*images)
        assert len(told) == 1
        assert 0 < len(entries(memory, "weights")) < 20
        assert entries(memory, "part") == []
        with pytest.warns(UserWarning, match="No space left on device"):
            again = cnn(epochs=20, memory=memory).fit(*images)
        assert equal(again, clf)
        assert equal(clf, cnn(epochs=20, memory=None).fit(*images))

    def test_what_is_stored_on_a_shared_directory_others_may_read(self, images, cnn, tmp_path):
        before = os.umask(0o022)
        try:
            cnn(epochs=1).fit(*images)
        finally:
            os.umask(before)
        assert {path.stat().st_mode & 0o777 for path in entries(tmp_path)} == {0o644}

    @pytest.mark.parametrize(
        ("kills", "epochs"), [(1, 8), pytest.param(20, 80, marks=pytest.mark.slow)]
    )
    def test_killed_at_any_moment_the_next_run_ends_with_equal_scores(
        self, images, cnn, tmp_path, kills, epochs
    ):
        grid = {"epochs": [epochs // 2, epochs], "dropout": [0.1, 0.4]}
        code = f"""
            from helpers import make_images
            from sklearn.model_selection import GridSearchCV
            from skfashion import FashionCNN
            clf = FashionCNN(**{cnn(memory=str(tmp_path)).get_params()!r})
            GridSearchCV(clf, {grid!r}, cv=2, refit=False).fit(*make_images())
        """
        rng = np.random.default_rng(0)
        counts = [0]
        share = 2 * epochs // kills  # half of those of two networks and two folds

        def n_new():
            return len(entries(tmp_path, "weights")) - counts[-1]

        for number in range(kills):
            before = entries(tmp_path, "part")  # of those that were killed
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(code)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            while n_new() == 0 and process.poll() is None:
                time.sleep(0.01)
            # Soon, but before a fast machine has nothing left for the kills to come.
            moment = time.monotonic() + rng.uniform(0, 0.1)
            while time.monotonic() < moment and n_new() < share:
                time.sleep(0.001)
            how = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[number % 3]
            process.send_signal(how)
            process.wait(60)
            assert how != signal.SIGINT or entries(tmp_path, "part") == before
            counts.append(len(entries(tmp_path, "weights")))
        assert counts == sorted(set(counts))
        found, expected = (
            GridSearchCV(clf, grid, cv=2, refit=False).fit(*images).cv_results_["mean_test_score"]
            for clf in (cnn(), cnn(memory=None))
        )
        assert_array_equal(found, expected)
        assert len(list(tmp_path.glob(".skfashion-cache/*/"))) == 4  # what was stored was found

    @pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
    def test_without_an_integer_seed_it_is_refused(self, images, cnn, tmp_path, random_state):
        with pytest.raises(ValueError, match=r"memory=.* needs an integer random_state"):
            cnn(random_state=random_state).fit(*images)
        assert list(tmp_path.iterdir()) == []

    def test_partial_fit_and_warm_start_leave_it_alone(self, images, cnn, tmp_path):
        clf = cnn(epochs=2, warm_start=True, random_state=None).fit(*images)
        assert entries(tmp_path) == []
        clf = cnn(epochs=2).fit(*images)
        stored = entries(tmp_path)
        clf.partial_fit(*images)
        clf.set_params(warm_start=True).fit(*images)
        assert clf.n_iter_ == 5
        assert entries(tmp_path) == stored


def test_each_setting_of_tensorflow_that_shapes_bits_names_another_training(tmp_path):
    out = run_python(
        f"""
        from helpers import import_tensorflow, make_images
        from skfashion import FashionCNN

        def trained():
            clf = FashionCNN(filters=(4,), epochs=1, memory={str(tmp_path)!r}, random_state=0)
            return clf.fit(*make_images()).n_epochs_trained_

        print(trained(), trained())
        config = import_tensorflow().config
        rewrite = config.optimizer.set_experimental_options
        for act in (
            config.experimental.enable_op_determinism,
            lambda: rewrite({{"constant_folding": False}}),
            lambda: rewrite({{"auto_mixed_precision": True}}),
            lambda: rewrite({{"disable_meta_optimizer": True}}),
            lambda: config.optimizer.set_jit(True),
            lambda: config.experimental.enable_tensor_float_32_execution(False),
            lambda: config.run_functions_eagerly(True),
        ):
            act()
            print(trained(), trained())
        """,
        TF_CPP_MIN_LOG_LEVEL="3",
    )
    assert out.splitlines() == ["1 0"] * 8


def test_the_last_of_many_epochs_takes_no_more_time_and_disk_than_the_first(tmp_path):
    state = TrainingState([np.zeros(9)], [np.zeros(9)], [np.zeros(9)], 1)

    def begin():
        return Progress(
            state,
            {"loss": [], "val_accuracy": []},
            epochs=2_000,
            early_stopping=EarlyStopping(2_000, 0),
            checkpoints=Checkpoints(tmp_path, "0" * 40, [(9,)]),
        )

    progress, taken = begin(), []
    while not progress.ended:
        before = time.perf_counter()
        progress.record({"loss": 0.1, "val_accuracy": 0.9}, state)
        progress.resume()
        taken.append(time.perf_counter() - before)
    # In proportion to the number of the epoch it would be seven times.
    assert np.median(taken[-500:]) < 3 * np.median(taken[:500])
    for kind in ("figures", "weights"):
        sizes = [path.stat().st_size for path in entries(tmp_path, kind)]
        assert max(sizes) < min(sizes) + 50
    again = begin()
    assert again.resume()
    assert again.result().history == progress.result().history
