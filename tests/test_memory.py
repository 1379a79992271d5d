"""With memory no epoch is trained twice and nothing else changes, whatever happens to files."""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from helpers import make_images, run_python, weights_equal
from numpy.testing import assert_array_equal
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_validate,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skfashion import FashionCNN
from skfashion._cli.main import main
from skfashion._network.architecture import TrainingState
from skfashion._training.checkpoints import Checkpoints
from skfashion._training.progress import EarlyStopping, Progress
from skfashion._utils import cache_directory


@pytest.fixture
def cnn(small, tmp_path):
    def make(**parameters):
        return FashionCNN(**{**small, "dropout": 0.2, "memory": tmp_path, **parameters})

    return make


def entries(folder, kind="*"):
    return sorted(folder.glob(f".skfashion-cache/*/*.{kind}"))


def equal(a, b):
    return weights_equal(a, b) and a.history_ == b.history_ and a.n_iter_ == b.n_iter_


def trained(estimator, X, y):
    return (
        estimator[-1].n_epochs_trained_
        if hasattr(estimator, "steps")
        else (estimator.n_epochs_trained_)
    )


class TestEqualBitsWithoutTrainingTwice:
    @pytest.mark.parametrize(
        ("first", "then", "expected"), [(3, 8, 5), (8, 3, 0), (8, 8, 0), (5, 6, 1)]
    )
    def test_a_later_fit_trains_only_what_is_missing(self, images, cnn, first, then, expected):
        assert cnn(epochs=first).fit(*images).n_epochs_trained_ == first
        clf = cnn(epochs=then).fit(*images)
        assert clf.n_epochs_trained_ == expected
        assert equal(clf, cnn(epochs=then, memory=None).fit(*images))

    def test_training_goes_on_from_the_newest_epoch_as_it_would_have(self, images, cnn):
        cnn(epochs=4).fit(*images)
        again = cnn(epochs=4).fit(*images)
        fresh = cnn(epochs=4, memory=None).fit(*images)
        assert again.n_epochs_trained_ == 0
        assert equal(again.partial_fit(*images), fresh.partial_fit(*images))

    def test_an_epoch_from_the_middle_cannot_go_on_and_says_so(self, images, cnn):
        cnn(epochs=4).fit(*images)
        clf = cnn(epochs=2).fit(*images)
        with pytest.raises(ValueError, match=r"no optimizer's state.*memory"):
            clf.partial_fit(*images)
        with pytest.raises(ValueError, match=r"no optimizer's state.*memory"):
            clf.set_params(warm_start=True).fit(*images)
        assert clf.n_iter_ == 2

    def test_early_stopping_takes_the_same_epochs(self, images, cnn):
        X, y = images
        y_val = np.random.default_rng(0).permutation(y[80:])
        split = {"X_val": X[80:], "y_val": y_val}
        stopping = {"epochs": 30, "early_stopping": True, "n_iter_no_change": 3}
        plain = cnn(**stopping, memory=None).fit(X[:80], y[:80], **split)
        n_epochs = len(plain.history_["loss"])
        assert plain.n_iter_ < n_epochs < 30
        for epochs, expected in (
            (plain.n_iter_, n_epochs - plain.n_iter_),
            (n_epochs - 1, 0),
            (30, 0),
        ):
            cnn(epochs=epochs).fit(X[:80], y[:80], **split)
            clf = cnn(**stopping).fit(X[:80], y[:80], **split)
            assert clf.n_epochs_trained_ == expected
            assert equal(clf, plain)

    @pytest.mark.parametrize(
        "change",
        [
            {"random_state": 1},
            {"dropout": 0.3},
            {"learning_rate": 0.002},
            {"batch_size": 30},
            {"strides": 2},
            {"dense_units": 13},
            {"dtype": "float64"},
            {"class_weight": {0: 2}},
        ],
        ids=str,
    )
    def test_what_shapes_a_training_makes_another_run(self, images, cnn, change):
        cnn(epochs=2).fit(*images)
        clf = cnn(epochs=2, **change).fit(*images)
        assert clf.n_epochs_trained_ == 2
        assert equal(clf, cnn(epochs=2, memory=None, **change).fit(*images))

    def test_other_data_make_another_run(self, images, cnn):
        X, y = images
        cnn(epochs=1).fit(X, y)
        other = X.copy()
        other[0, 0, 0] ^= 1
        assert cnn(epochs=1).fit(other, y).n_epochs_trained_ == 1
        assert cnn(epochs=1).fit(X, y[::-1]).n_epochs_trained_ == 1
        weights = np.where(np.arange(len(y)) == 3, 2.0, 1.0)
        assert cnn(epochs=1).fit(X, y, sample_weight=weights).n_epochs_trained_ == 1
        validated = cnn(epochs=1).fit(X, y, X_val=X[:30], y_val=y[:30])
        assert validated.n_epochs_trained_ == 1
        assert "val_loss" in validated.history_

    def test_what_does_not_shape_it_is_the_same_run(self, images, cnn, capsys):
        X, y = images
        cnn(epochs=2).fit(X, y)
        for clf in (
            cnn(epochs=2, verbose=1).fit(X, y),
            cnn(epochs=2, tol=0.5, n_iter_no_change=9).fit(np.asfortranarray(X), y),
            cnn(epochs=2).fit(X.reshape(len(X), -1), y.astype(float)),
        ):
            assert clf.n_epochs_trained_ == 0

    def test_in_another_process(self, images, cnn, tmp_path):
        clf = cnn(epochs=3).fit(*images)
        out = run_python(f"""
            import sys
            from helpers import make_images
            from skfashion import FashionCNN
            clf = FashionCNN(**{ {**clf.get_params(), "memory": str(tmp_path)}!r})
            clf.fit(*make_images())
            print(clf.n_epochs_trained_, "tensorflow" in sys.modules, clf.history_["loss"])
        """)
        assert out == f"0 False {clf.history_['loss']}\n"

    @pytest.mark.parametrize("convert", [lambda X: X / 255, lambda X: X * 2.0, np.int16])
    def test_equal_scaled_pixels_are_the_same_run_whatever_their_type(self, images, cnn, convert):
        X, y = images
        first = cnn(epochs=2).fit(X, y)
        again = cnn(epochs=2).fit(convert(X), y)
        assert again.n_epochs_trained_ == 0
        assert equal(first, again)

    @pytest.mark.parametrize(
        "variable",
        [
            "XLA_FLAGS",
            "TF_DETERMINISTIC_OPS",
            "TF_SET_ONEDNN_FPMATH_MODE",
            "TF_XLA_FLAGS",
            "ONEDNN_MAX_CPU_ISA",
        ],
    )
    def test_settings_that_shape_bits_make_another_run(self, images, cnn, monkeypatch, variable):
        cnn(epochs=1).fit(*images)
        monkeypatch.setenv(variable, "another")
        assert cnn(epochs=1).fit(*images).n_epochs_trained_ == 1


class TestParameter:
    def test_a_joblib_memory_stands_for_its_location(self, images, cnn, tmp_path):
        cnn(epochs=1).fit(*images)
        memory = joblib.Memory(tmp_path, verbose=0)
        assert cnn(epochs=1, memory=memory).fit(*images).n_epochs_trained_ == 0
        nowhere = cnn(epochs=1, memory=joblib.Memory(None)).fit(*images)
        assert nowhere.n_epochs_trained_ == 1
        with pytest.raises(ValueError, match="which only fit with memory stores"):
            next(nowhere.staged_predict_proba(images[0]))

    def test_an_empty_path_is_refused(self, images, cnn):
        with pytest.raises(ValueError, match="memory='': expected the path of a directory"):
            cnn(memory="").fit(*images)

    def test_everything_lies_in_one_hidden_folder(self, images, cnn, tmp_path):
        cnn(epochs=1).fit(*images)
        assert [path.name for path in tmp_path.iterdir()] == [".skfashion-cache"]


class TestSizeLimit:
    def test_the_least_recently_used_trainings_go_first(self, images, cnn, tmp_path):
        for seed in range(3):
            cnn(epochs=2, random_state=seed).fit(*images)
        folders = sorted((tmp_path / ".skfashion-cache").iterdir(), key=lambda f: f.stat().st_mtime)
        for age, folder in enumerate(reversed(folders)):
            os.utime(folder, (0, 1e9 - age))
        assert cnn(epochs=1, random_state=0).fit(*images).n_epochs_trained_ == 0  # uses the oldest
        usage = cache_directory.measure_usage(tmp_path)
        assert cache_directory.limit_size(tmp_path, usage.bytes) == (0, 0, 0, 0)
        assert cache_directory.limit_size(tmp_path, usage.bytes / 2)[:2] == (2, 4)
        trained = [
            cnn(epochs=2, random_state=seed).fit(*images).n_epochs_trained_ for seed in range(3)
        ]
        assert trained == [0, 2, 2]

    def test_the_command_takes_sizes_with_units(self, images, cnn, tmp_path, capsys):
        cnn(epochs=2).fit(*images)
        assert main(["cache", str(tmp_path), "--max-size", "1.5 GB"]) == 0
        assert ": 0 trainings, 0 epochs" in capsys.readouterr().out
        assert main(["cache", str(tmp_path), "--max-size", "10"]) == 0
        assert ": 1 trainings, 2 epochs" in capsys.readouterr().out
        with pytest.raises(SystemExit):
            main(["cache", str(tmp_path), "--max-size", "much"])


class TestStockSearches:
    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_grid_search_over_epochs_trains_the_longest_alone(self, images, cnn, n_jobs):
        grid = {"epochs": [1, 2, 3, 4], "dropout": [0.1, 0.3]}
        scoring = {"trained": trained, "accuracy": "accuracy"}
        results = {}
        for memory in ("memory", None):
            clf = cnn() if memory else cnn(memory=None)
            search = GridSearchCV(clf, grid, cv=2, n_jobs=n_jobs, scoring=scoring, refit=False)
            results[memory] = search.fit(*images).cv_results_
        for split in ("split0", "split1"):
            assert_array_equal(
                results["memory"][f"{split}_test_accuracy"], results[None][f"{split}_test_accuracy"]
            )
        sums = {name: found["mean_test_trained"].sum() for name, found in results.items()}
        assert sums[None] == 20
        assert sums["memory"] == 8 if n_jobs == 1 else 8 <= sums["memory"] <= 14

    def test_halving_goes_on_where_the_rung_before_ended(self, images, cnn):
        counted = []

        class Counted(FashionCNN):
            def fit(self, X, y):
                super().fit(X, y)
                counted.append(self.n_epochs_trained_)
                return self

        def search(clf):
            counted.clear()
            return HalvingGridSearchCV(
                Counted(**clf.get_params()),
                {"learning_rate": [1e-4, 3e-4, 1e-3, 3e-3]},
                resource="epochs",
                factor=2,
                min_resources=1,
                max_resources=4,
                cv=2,
                refit=False,
                random_state=0,
            ).fit(*images)

        without = search(cnn(memory=None))
        assert sum(counted) == 2 * (4 * 1 + 2 * 2 + 1 * 4)
        with_memory = search(cnn())
        assert sum(counted) == 2 * (4 * 1 + 2 * 1 + 1 * 2)
        assert_array_equal(
            with_memory.cv_results_["mean_test_score"],
            without.cv_results_["mean_test_score"],
        )

    def test_in_a_pipeline_and_in_validation_curves(self, images, cnn):
        X, y = images
        X = X.reshape(len(X), -1)
        pipeline = make_pipeline(MinMaxScaler(), cnn())
        scores = cross_validate(
            pipeline.set_params(fashioncnn__epochs=3), X, y, cv=2, scoring=trained
        )
        assert_array_equal(scores["test_score"], [3, 3])
        _, counted = validation_curve(
            pipeline,
            X,
            y,
            param_name="fashioncnn__epochs",
            param_range=[2, 3, 4],
            cv=2,
            scoring=trained,
        )
        assert_array_equal(counted, [[0, 0], [0, 0], [1, 1]])


class TestStagedPredictions:
    def test_every_epoch_of_one_fit(self, images, cnn):
        X, y = images
        clf = cnn(epochs=3).fit(X, y)
        stages = list(clf.staged_predict_proba(X))
        assert len(stages) == 3
        for epochs, stage in enumerate(stages, start=1):
            expected = cnn(epochs=epochs, memory=None).fit(X, y).predict_proba(X)
            assert_array_equal(stage, expected)
        copied = pickle.loads(pickle.dumps(clf))
        assert_array_equal(list(copied.staged_predict_proba(X)), stages)

    def test_without_memory_it_says_what_it_needs(self, images, cnn):
        clf = cnn(memory=None).fit(*images)
        with pytest.raises(ValueError, match="fit with memory"):
            next(clf.staged_predict_proba(images[0]))

    def test_an_epoch_that_has_gone_is_named(self, images, cnn, tmp_path):
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
        "damage",
        [
            lambda content: b"",
            lambda content: content[:100],
            lambda content: content[:-1],
            lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
            lambda content: b"not ours at all" * 100,
        ],
        ids=["empty", "cut", "one byte short", "one bit", "foreign"],
    )
    def test_a_damaged_entry_is_reported_once_and_trained_again(
        self, images, cnn, tmp_path, kind, damage
    ):
        cnn(epochs=3).fit(*images)
        path = entries(tmp_path, kind)[-1]
        path.write_bytes(damage(path.read_bytes()))
        with pytest.warns(UserWarning, match=rf"{path.name} is damaged") as told:
            clf = cnn(epochs=5).fit(*images)
        assert len(told) == 1
        assert equal(clf, cnn(epochs=5, memory=None).fit(*images))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert cnn(epochs=5).fit(*images).n_epochs_trained_ == 0

    def test_what_is_damaged_is_reported_by_one_fit_alone(self, images, cnn, tmp_path):
        cnn(epochs=3).fit(*images)
        entries(tmp_path, "optimizer")[0].write_bytes(b"no state")
        with pytest.warns(UserWarning, match="damaged.*It is removed"):
            assert cnn(epochs=3).fit(*images).n_epochs_trained_ == 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
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

    def test_a_home_directory_is_found(self, images, cnn, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        cnn(epochs=1, memory="~/stored").fit(*images)
        assert len(entries(tmp_path / "stored", "weights")) == 1

    def test_an_entry_of_another_training_is_found_out(self, images, cnn, tmp_path):
        cnn(epochs=2).fit(*images)
        (ours,) = entries(tmp_path, "optimizer")
        cnn(epochs=2, random_state=1).fit(*images)
        other = next(path for path in entries(tmp_path, "weights") if path.parent != ours.parent)
        ours.with_name("00002.weights").write_bytes(other.with_name("00002.weights").read_bytes())
        with pytest.warns(UserWarning, match="belongs to another training"):
            clf = cnn(epochs=2).fit(*images)
        assert equal(clf, cnn(epochs=2, memory=None).fit(*images))

    def test_a_file_that_is_no_epoch_is_passed_over(self, images, cnn, tmp_path):
        cnn(epochs=2).fit(*images)
        entries(tmp_path)[0].with_name("notes.weights").touch()
        assert cnn(epochs=2).fit(*images).n_epochs_trained_ == 0

    def test_a_directory_that_cannot_be_made_stops_the_storing_not_the_fit(
        self, images, cnn, tmp_path
    ):
        (tmp_path / "file").write_text("in the way")
        with pytest.warns(UserWarning, match="cannot be written") as told:
            clf = cnn(epochs=3, memory=tmp_path / "file").fit(*images)
        assert len(told) == 1
        assert equal(clf, cnn(epochs=3, memory=None).fit(*images))

    def test_a_full_disk_stops_the_storing_not_the_fit(self, images, cnn, full):
        memory = full("memory", size="64k")
        with pytest.warns(UserWarning, match="No space left on device") as told:
            clf = cnn(epochs=20, memory=memory).fit(*images)
        assert len(told) == 1
        assert 0 < len(entries(memory, "weights")) < 20
        assert entries(memory, "part") == []
        plain = cnn(epochs=20, memory=None).fit(*images)
        assert equal(clf, plain)
        with pytest.warns(UserWarning, match="No space left on device"):
            again = cnn(epochs=20, memory=memory).fit(*images)
        assert equal(again, plain)

    def test_what_is_stored_on_a_shared_directory_others_may_read(self, images, cnn, tmp_path):
        before = os.umask(0o022)
        try:
            cnn(epochs=1).fit(*images)
        finally:
            os.umask(before)
        assert {path.stat().st_mode & 0o777 for path in entries(tmp_path)} == {0o644}

    def test_the_warning_names_the_users_line(self, images, cnn, tmp_path):
        (tmp_path / "file").touch()
        with pytest.warns(UserWarning, match="cannot be written") as told:
            cnn(epochs=1, memory=tmp_path / "file").fit(*images)
        assert told[0].filename == __file__

    def test_what_a_killed_process_left_half_written_goes(self, images, cnn, tmp_path):
        cnn(epochs=1).fit(*images)
        left, young = (
            entries(tmp_path)[0].with_name(f".skfashion-{digit * 32}.part") for digit in "01"
        )
        left.touch()
        young.touch()
        os.utime(left, (0, 0))
        cnn(epochs=2).fit(*images)
        assert entries(tmp_path, "part") == [young]

    @pytest.mark.parametrize(
        ("kills", "epochs"), [(1, 8), pytest.param(20, 80, marks=pytest.mark.slow)]
    )
    def test_killed_at_any_moment_the_next_run_ends_with_equal_scores(
        self, images, cnn, tmp_path, kills, epochs
    ):
        grid = {"epochs": [epochs // 2, epochs], "dropout": [0.1, 0.4]}
        code = f"""
            import sys
            from helpers import make_images
            from sklearn.model_selection import GridSearchCV
            from skfashion import FashionCNN
            parameters = {cnn(memory=None).get_params()!r}
            clf = FashionCNN(**{{**parameters, "memory": {str(tmp_path)!r}}})
            search = GridSearchCV(clf, {grid!r}, cv=2, refit=False)
            print("ready", flush=True)
            search.fit(*make_images())
            print(search.cv_results_["mean_test_score"].tolist())
        """
        here = str(Path(__file__).parent)
        rng = np.random.default_rng(0)
        counts = [0]
        share = 2 * epochs // kills  # half of those of two networks and two folds

        def trained():
            return len(entries(tmp_path, "weights")) - counts[-1]

        for _ in range(kills):
            before = entries(tmp_path, "part")  # of those that were killed
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(code)],
                env={**os.environ, "PYTHONPATH": here},
                stdout=subprocess.PIPE,
            )
            process.stdout.readline()
            while trained() == 0 and process.poll() is None:
                time.sleep(0.01)
            # Soon, but before a fast machine has nothing left for the kills to come.
            moment = time.monotonic() + rng.uniform(0, 0.1)
            while time.monotonic() < moment and trained() < share:
                time.sleep(0.001)
            how = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[len(counts) % 3 - 1]
            process.send_signal(how)
            process.wait(60)
            assert how != signal.SIGINT or entries(tmp_path, "part") == before
            counts.append(len(entries(tmp_path, "weights")))
        assert counts == sorted(set(counts))
        scores = json.loads(run_python(code).splitlines()[1])
        search = GridSearchCV(cnn(memory=None), grid, cv=2, refit=False)
        assert scores == search.fit(*make_images()).cv_results_["mean_test_score"].tolist()

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


class TestSettingsOfTensorFlow:
    """What shapes bits names another training; it is found again before TensorFlow starts."""

    FIT = """
        import sys
        from helpers import import_tensorflow, make_images
        from skfashion import FashionCNN

        def trained():
            clf = FashionCNN(filters=(4,), epochs=1, memory={memory!r}, random_state=0)
            return clf.fit(*make_images()).n_epochs_trained_
    """

    @pytest.fixture
    def run(self, tmp_path):
        def run(code, **environment):
            fit = textwrap.dedent(self.FIT).format(memory=str(tmp_path))
            environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
            return run_python(fit + textwrap.dedent(code), **environment).splitlines()

        return run

    def test_each_that_is_changed_by_tensorflows_functions(self, run):
        out = run("""
            print(trained(), trained())
            config = import_tensorflow().config
            rewrite = config.optimizer.set_experimental_options
            for act in (
                config.experimental.enable_op_determinism,
                lambda: rewrite({"constant_folding": False}),
                lambda: rewrite({"auto_mixed_precision": True}),
                lambda: rewrite({"disable_meta_optimizer": True}),
                lambda: config.optimizer.set_jit(True),
                lambda: config.experimental.enable_tensor_float_32_execution(False),
                lambda: config.run_functions_eagerly(True),
            ):
                act()
                print(trained(), trained())
        """)
        assert out == ["1 0"] * 8

    def test_one_that_a_variable_tells_is_found_before_tensorflow_starts_and_after(self, run):
        setting = {"TF_DETERMINISTIC_OPS": "1"}
        assert run("print(trained(), trained())", **setting) == ["1 0"]
        again = """
            print(trained(), "tensorflow" in sys.modules)
            tf = import_tensorflow()
            print(trained())
            tf.constant(1) + 1
            print(trained())
        """
        assert run(again, **setting) == ["0 False", "0", "0"]

    def test_what_tensorflow_says_or_is_started_with_makes_no_other(self, images, cnn, monkeypatch):
        cnn(epochs=1).fit(*images)
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
        assert cnn(epochs=1).fit(*images).n_epochs_trained_ == 0


class TestGrowth:
    """A training of twice the epochs takes twice the time, and twice the disk."""

    @staticmethod
    def progress(tmp_path, epochs):
        state = TrainingState([np.zeros(9)], [np.zeros(9)], [np.zeros(9)], 1)
        return state, Progress(
            state,
            {"loss": [], "val_accuracy": []},
            epochs=epochs,
            early_stopping=EarlyStopping(epochs, 0),
            checkpoints=Checkpoints(tmp_path, "0" * 40, [(9,)]),
        )

    def test_the_last_of_many_epochs_takes_no_longer_than_the_first(self, tmp_path):
        state, progress = self.progress(tmp_path, epochs=2_000)
        taken = []
        while not progress.ended:
            before = time.perf_counter()
            progress.record({"loss": 0.1, "val_accuracy": 0.9}, state)
            progress.resume()
            taken.append(time.perf_counter() - before)
        assert np.median(taken[-500:]) < 1.5 * np.median(taken[:500])
        again = self.progress(tmp_path, epochs=2_000)[1]
        assert again.resume()
        assert again.result().history == progress.result().history

    def test_every_epoch_takes_the_same_disk(self, images, cnn, tmp_path):
        cnn(epochs=30).fit(*images)
        for kind in ("figures", "weights"):
            sizes = [path.stat().st_size for path in entries(tmp_path, kind)]
            assert max(sizes) < min(sizes) + 50
