"""``skfashion train`` and ``skfashion predict``: from data to a file, from photos to labels."""

import json
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import run_python
from PIL import Image
from sklearn.preprocessing import scale

from skfashion import FashionCNN
from skfashion._cli.main import main
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

NAMES = np.array(CLASS_NAMES)


@pytest.fixture(scope="module")
def fashion():
    X, y = load_fashion_mini(return_X_y=True)
    return X[:120], y[:120]


@pytest.fixture(scope="module")
def clf(fashion):
    X, y = fashion
    return FashionCNN.v2(epochs=3, random_state=0).fit(X, NAMES[y])


@pytest.fixture
def model(clf, tmp_path):
    path = tmp_path / "clothes.skfashion"
    clf.save(path)
    return str(path)


@pytest.fixture
def photos(fashion, tmp_path):
    """Files of images, dark on white like photos, of the size of those trained on."""
    paths = []
    for number, row in enumerate(fashion[0][:3]):
        path = tmp_path / f"photo {number}.png"
        Image.fromarray(255 - row.reshape(28, 28)).save(path)
        paths.append(str(path))
    return paths


def run_shell(command, redirection):
    """Run a command of skfashion in a shell; its status counts, not that of what it is piped to."""
    words = shlex.join([sys.executable, "-m", "skfashion", *command])
    script = f"set -o pipefail; {words} {redirection}"
    return subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )


def expected(clf, rows):
    """Label, probability, runner-up and its probability of each image."""
    for probabilities in clf.predict_proba(rows):
        second, best = probabilities.argsort()[-2:]
        yield clf.classes_[best], probabilities[best], clf.classes_[second], probabilities[second]


class TestPredict:
    def test_prints_label_probability_and_runner_up_of_each_image(
        self, clf, model, photos, fashion, capsys
    ):
        found = list(zip(photos, expected(clf, fashion[0][:3]), strict=True))
        assert main(["predict", model, *photos]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert out.splitlines() == [
            f"{path}: {label} {p:.3f}, or {second} {q:.3f}" for path, (label, p, second, q) in found
        ]
        assert main(["predict", "--json", model, *photos]) == 0
        assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
            {
                "image": path,
                "label": label,
                "probability": pytest.approx(p),
                "runner_up": {"label": second, "probability": pytest.approx(q)},
            }
            for path, (label, p, second, q) in found
        ]

    def test_a_doubtful_picture_is_answered_with_a_warning_in_one_line(
        self, model, photos, tmp_path, capsys
    ):
        noise = tmp_path / "noise.png"
        values = np.random.default_rng(0).integers(0, 256, (90, 60, 3), dtype=np.uint8)
        Image.fromarray(values).save(noise)
        with warnings.catch_warnings(action="error"):  # none gets past the command
            assert main(["predict", model, str(noise), photos[0]]) == 0
            out, err = capsys.readouterr()
            assert main(["predict", "--json", model, str(noise), photos[0]]) == 0
        assert len(out.splitlines()) == 2
        [line] = err.splitlines()
        assert line.startswith(f"skfashion: {noise}")
        doubtful, clear = map(json.loads, capsys.readouterr().out.splitlines())
        assert f"skfashion: {doubtful['warning']}" == line
        assert "warning" not in clear

    @pytest.mark.parametrize("flags", [[], ["--json"]])
    def test_answers_the_others_where_one_file_fails(self, model, photos, tmp_path, capsys, flags):
        text = tmp_path / "text.png"
        text.write_text("no picture")
        files = [photos[0], str(text), "nowhere.png", photos[1]]
        assert main(["predict", *flags, model, *files]) == 1
        out, err = capsys.readouterr()
        told = out if flags else err
        for name in (str(text), "nowhere.png"):
            assert name in told
        answered = [line for line in out.splitlines() if "error" not in line]
        assert len(answered) == 2
        assert len(out.splitlines()) == (4 if flags else 2)
        assert len(err.splitlines()) == (0 if flags else 2)

    def test_reads_standard_input(self, model, photos):
        with Path(photos[0]).open("rb") as photo:
            done = subprocess.run(
                [sys.executable, "-m", "skfashion", "predict", model, "-", photos[0]],
                stdin=photo,
                capture_output=True,
                text=True,
                check=True,
            )
        piped, named = done.stdout.splitlines()
        assert piped.removeprefix("-: ") == named.removeprefix(f"{photos[0]}: ")

    @pytest.mark.parametrize("pixel_max", [1, 65535, 0.5])
    def test_brings_pictures_to_the_scale_trained_on(
        self, clf, fashion, photos, tmp_path, capsys, pixel_max
    ):
        X, y = fashion
        scaled = FashionCNN.v2(epochs=3, random_state=0).fit(X / 255 * pixel_max, NAMES[y])
        scaled.save(tmp_path / "scaled.skfashion")
        assert main(["predict", "--json", str(tmp_path / "scaled.skfashion"), photos[0]]) == 0
        answer = json.loads(capsys.readouterr().out)
        [(label, p, *_)] = expected(clf, X[:1])
        assert (answer["label"], answer["probability"]) == (label, pytest.approx(p, abs=1e-4))

    @pytest.mark.parametrize("scaling", [scale, lambda X: X / 127.5 - 1], ids=["scale", "-1 to 1"])
    def test_refuses_a_model_whose_pixels_were_scaled_by_something_else(
        self, fashion, photos, tmp_path, capsys, scaling
    ):
        X, y = fashion
        path = str(tmp_path / "scaled.skfashion")
        FashionCNN.v2(epochs=1, random_state=0).fit(scaling(X.astype(float)), y).save(path)
        assert main(["predict", path, photos[0]]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"skfashion: {path}: ")
        assert "negative" in err

    def test_takes_a_model_whose_images_were_padded_to_a_square(
        self, fashion, photos, tmp_path, capsys
    ):
        X, y = fashion
        FashionCNN.v2(epochs=1, random_state=0).fit(X[:, :-9], y).save(tmp_path / "padded")
        assert main(["predict", str(tmp_path / "padded"), photos[0]]) == 0
        assert capsys.readouterr().err == ""

    def test_warns_of_nothing_that_a_user_of_the_shell_cannot_mend(self, fashion, tmp_path):
        X, y = fashion
        frame = pd.DataFrame(X, columns=[f"column {number}" for number in range(784)])
        FashionCNN.v2(epochs=1, random_state=0).fit(frame, y).save(tmp_path / "frame")
        faint = Image.new("RGB", (60, 60), "white")
        faint.paste((240, 240, 240), (20, 20, 40, 40))  # all but white
        faint.save(tmp_path / "faint.png")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert main(["predict", str(tmp_path / "frame"), str(tmp_path / "faint.png")]) == 0

    @pytest.mark.parametrize(
        ("kind", "told"),
        [("datetime64[ns]", "1970-01-01T00:00:00.00000000"), ("timedelta64[D]", "")],
    )
    def test_says_dates_in_words(self, fashion, photos, tmp_path, capsys, kind, told):
        X, y = fashion
        clf = FashionCNN.v2(epochs=1, random_state=0).fit(X, y.astype(kind))
        clf.save(tmp_path / "dates")
        for flags in ([], ["--json"]):
            assert main(["predict", *flags, str(tmp_path / "dates"), photos[0]]) == 0
        line, answer = capsys.readouterr().out.splitlines()
        label = json.loads(answer)["label"]
        assert label in {str(own) for own in clf.classes_}
        assert label.startswith(told)
        assert f": {label} 0." in line

    def test_keeps_to_a_line_and_to_plain_characters_whatever_names_and_labels_are(
        self, fashion, photos, tmp_path
    ):
        X, y = fashion
        labels = np.array(["two\nlines", "\x1b[31mred", "\ud800", *"日本語àñôü"])
        FashionCNN.v2(epochs=1, random_state=0).fit(X, labels[y]).save(tmp_path / "odd")
        odd = tmp_path / os.fsdecode(b"\xff\n\x1b[31m.png")
        odd.write_bytes(Path(photos[0]).read_bytes())
        missing = f"{tmp_path}/nothing\n\x1b[31m.png"
        for encoding in ("utf-8", "ascii"):
            done = subprocess.run(
                [sys.executable, "-m", "skfashion", "predict", "odd", odd.name, missing, photos[0]],
                cwd=tmp_path,
                env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
                capture_output=True,
                check=False,
            )
            assert done.returncode == 1
            first, second = done.stdout.splitlines()
            assert first.startswith(rb"\xff\n\x1b[31m.png: ")
            assert second.startswith(photos[0].encode())
            assert len(done.stderr.splitlines()) == 1
            assert b"\x1b" not in done.stdout + done.stderr

    def test_names_in_json_are_unicode_whatever_their_bytes_are(
        self, model, photos, tmp_path, capsys
    ):
        odd = tmp_path / os.fsdecode(b"\xff.png")
        odd.write_bytes(Path(photos[0]).read_bytes())
        missing = os.fsdecode(b"\xfe.png")
        assert main(["predict", "--json", model, str(odd), missing]) == 1
        found, lacking = map(json.loads, capsys.readouterr().out.splitlines())
        assert found["image"] == rf"{tmp_path}/\xff.png"
        assert lacking["image"] == r"\xfe.png"
        assert lacking["error"].startswith(r"\xfe.png: does not exist")

    @pytest.mark.parametrize(
        ("redirection", "status", "told"), [(">&-", 0, 0), ("> /dev/full", 1, 1)]
    )
    def test_without_an_output_there_is_no_traceback(
        self, model, photos, redirection, status, told
    ):
        done = run_shell(["predict", model, photos[0]], redirection)
        assert done.returncode == status, done.stderr
        assert len(done.stderr.splitlines()) == told

    @pytest.mark.parametrize("piped", [b"", None])
    def test_says_what_standard_input_lacks(self, model, photos, piped):
        script = "import sys; from skfashion._cli.main import main; {}sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                script.format("" if piped is not None else "sys.stdin = None; "),
                *("predict", model, "-", photos[0]),
            ],
            input=piped,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 1
        assert len(done.stdout.splitlines()) == 1
        assert len(done.stderr.splitlines()) == 1
        assert b"standard input" in done.stderr

    def test_takes_images_as_large_as_those_trained_on(self, images, small, tmp_path, capsys):
        X, y = images
        FashionCNN(**small).fit(X, y).save(tmp_path / "small.skfashion")
        Image.fromarray(X[0]).save(tmp_path / "image.png")
        command = ["predict", "--invert", "no", "--json", str(tmp_path / "small.skfashion")]
        assert main([*command, str(tmp_path / "image.png")]) == 0
        assert json.loads(capsys.readouterr().out)["label"] == y[0]

    @pytest.mark.parametrize("flags", [["--background", "no colour"], ["--background", "#12"]])
    def test_refuses_a_background_that_is_no_colour(self, model, photos, capsys, flags):
        assert main(["predict", *flags, model, photos[0]]) == 1
        assert "background" in capsys.readouterr().err

    def test_says_in_one_line_what_is_wrong_with_a_model(self, photos, tmp_path, capsys):
        for path in (tmp_path / "nowhere.skfashion", photos[0]):
            assert main(["predict", str(path), photos[0]]) == 1
            out, err = capsys.readouterr()
            assert out == ""
            assert err.startswith("skfashion: ")
            assert str(path) in err
            assert len(err.splitlines()) == 1

    def test_never_loads_tensorflow_nor_what_else_it_does_not_need(self, model, photos):
        out = run_python(f"""
            import sys
            from skfashion._cli.main import main
            assert main(["predict", {model!r}, {photos[0]!r}]) == 0
            heavy = {{"tensorflow", "keras", "scikeras", "matplotlib", "pooch", "jinja2"}}
            print(sorted(heavy & set(sys.modules)))
        """)
        assert out.splitlines()[1] == "[]"


class TestTrain:
    @pytest.fixture
    def csv(self, fashion, tmp_path):
        """Kaggle's format."""
        X, y = fashion
        header = ",".join(["label", *(f"pixel{number}" for number in range(1, 785))])
        path = tmp_path / "fashion-mnist_train.csv"
        np.savetxt(path, np.column_stack([y, X]), "%d", ",", header=header, comments="")
        return str(path)

    def test_writes_a_model_whose_labels_are_names(self, clf, csv, fashion, tmp_path, capsys):
        path = tmp_path / "new" / "folder" / "model"
        command = ["train", "--data", csv, "--network", "v2", "--epochs", "3"]
        assert main([*command, "--output", str(path)]) == 0
        out, _ = capsys.readouterr()
        assert out.splitlines()[-1] == f"{path}: 0.36 MB"
        assert len(out.splitlines()) == 4
        loaded = FashionCNN.load(path)
        X, y = fashion
        np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
        assert set(loaded.classes_) == set(NAMES[y])

    def test_goes_on_from_stored_epochs_and_tells_the_test_accuracy(self, tmp_path, capsys):
        memory, path = tmp_path / "epochs", tmp_path / "model"
        command = ["train", "--data", "mini", "--network", "v2", "--memory", str(memory)]
        for epochs in ("1", "2"):
            assert main([*command, "--epochs", epochs, "--output", str(path)]) == 0
        out, _ = capsys.readouterr()
        clf = FashionCNN.load(path)
        assert (clf.n_iter_, clf.n_epochs_trained_, clf.memory) == (2, 1, None)
        X, y = load_fashion_mini(subset="test", return_X_y=True)
        assert f"test accuracy on 1000 images: {clf.score(X, NAMES[y]):.4f}\n" in out

    @pytest.mark.parametrize(
        ("redirection", "status"), [("| true", 1), ("> /dev/full", 1), (">&-", 0)]
    )
    def test_writes_the_model_whatever_becomes_of_its_output(
        self, clf, csv, fashion, tmp_path, redirection, status
    ):
        path = tmp_path / "model"
        command = ["train", "--data", csv, "--network", "v2", "--epochs", "3"]
        done = run_shell([*command, "--output", str(path)], redirection)
        assert done.returncode == status, done.stderr
        X, _ = fashion
        np.testing.assert_array_equal(FashionCNN.load(path).predict(X), clf.predict(X))
        assert len(done.stderr.splitlines()) == status
        if status:
            assert f"The model was written into {path}." in done.stderr

    def test_tells_before_data_are_read_that_memory_is_a_file(self, csv, tmp_path, capsys):
        command = ["train", "--data", "missing.csv", "--output", str(tmp_path / "model")]
        assert main([*command, "--memory", csv]) == 1
        told = f"skfashion: --memory {csv}: this is a file. Give the path of a folder.\n"
        assert capsys.readouterr() == ("", told)

    def test_takes_names_that_are_not_utf_8(self, csv, tmp_path, capsys):
        path = tmp_path / os.fsdecode(b"\xff")
        command = ["train", "--data", csv, "--network", "v2", "--epochs", "1"]
        assert main([*command, "--output", str(path)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == rf"{tmp_path}/\xff: 0.36 MB"
        assert path.exists()

    def test_tells_before_training_where_nothing_can_be_written(self, csv, tmp_path, capsys):
        for path in (tmp_path, Path(csv) / "model"):
            assert main(["train", "--data", csv, "--output", str(path)]) == 1
            out, err = capsys.readouterr()
            assert out == ""
            assert err.startswith("skfashion: ")
            assert str(path.parent) in err

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_tells_before_training_that_it_may_not_write(self, csv, tmp_path, capsys):
        tmp_path.chmod(0o500)
        assert main(["train", "--data", csv, "--output", str(tmp_path / "model")]) == 1
        tmp_path.chmod(0o700)
        assert "cannot write to the folder" in capsys.readouterr().err
