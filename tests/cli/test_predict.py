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

from skfashion import FashionCNN
from skfashion._cli.main import main
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

NAMES = np.array(CLASS_NAMES)


def broken_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    return writing


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

    def test_finds_the_images_of_folders_and_patterns(self, model, photos, tmp_path, capsys):
        deep = tmp_path / "photos" / "deep"
        deep.mkdir(parents=True)
        places = [deep / "b.PNG", deep.parent / "c.png", deep.parent / "a"]
        for photo, place in zip(photos, places, strict=True):
            Path(photo).rename(place)
        (deep / "notes.txt").write_text("no picture")
        names = [str(place) for place in places[:2]]
        for given in (str(deep.parent), str(deep.parent / "**" / "*.[pP][nN]*")):
            assert main(["predict", "--json", model, given]) == 0
            lines = capsys.readouterr().out.splitlines()
            assert sorted(json.loads(line)["image"] for line in lines) == sorted(names)
        (tmp_path / "empty").mkdir()
        for given in (str(tmp_path / "empty"), str(tmp_path / "*.gif"), "long" * 100):
            assert main(["predict", model, given, names[0]]) == 1
            out, err = capsys.readouterr()
            assert out.startswith(f"{names[0]}: ")
            assert given in err
            assert ("has no picture" in err) == given.endswith("empty")

    def test_reads_standard_input_and_says_what_it_lacks(self, model, photos, monkeypatch, capsys):
        with Path(photos[0]).open(encoding="latin-1") as photo:
            monkeypatch.setattr(sys, "stdin", photo)
            assert main(["predict", model, "-", photos[0]]) == 0
        piped, named = capsys.readouterr().out.splitlines()
        assert piped.removeprefix("-: ") == named.removeprefix(f"{photos[0]}: ")
        with Path(os.devnull).open() as empty:
            for stdin in (empty, None):
                monkeypatch.setattr(sys, "stdin", stdin)
                assert main(["predict", model, "-", photos[0]]) == 1
                out, err = capsys.readouterr()
                assert out == f"{named}\n"
                assert len(err.splitlines()) == 1
                assert "standard input" in err

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

    def test_refuses_a_model_whose_pixels_were_scaled_by_something_else(
        self, fashion, photos, tmp_path, capsys
    ):
        X, y = fashion
        path = str(tmp_path / "scaled.skfashion")
        FashionCNN.v2(epochs=1, random_state=0).fit(X / 127.5 - 1, y).save(path)
        assert main(["predict", path, photos[0]]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"skfashion: {path}: ")
        assert "negative" in err

    @pytest.mark.filterwarnings("ignore:X has 775 features")
    def test_warns_of_nothing_that_a_user_of_the_shell_cannot_mend(self, fashion, tmp_path, capsys):
        """Neither of columns without names, nor of pixels that pad a square, nor of a scale."""
        X, y = fashion
        frame = pd.DataFrame(X[:, :-9], columns=[f"column {number}" for number in range(775)])
        FashionCNN.v2(epochs=1, random_state=0).fit(frame, y).save(tmp_path / "frame")
        faint = Image.new("RGB", (60, 60), "white")
        faint.paste((240, 240, 240), (20, 20, 40, 40))  # all but white
        faint.save(tmp_path / "faint.png")
        with warnings.catch_warnings(action="error"):
            assert main(["predict", str(tmp_path / "frame"), str(tmp_path / "faint.png")]) == 0
        assert capsys.readouterr().err == ""

    def test_says_dates_in_words(self, fashion, photos, tmp_path, capsys):
        X, y = fashion
        clf = FashionCNN.v2(epochs=1, random_state=0).fit(X, y.astype("datetime64[ns]"))
        clf.save(tmp_path / "dates")
        for flags in ([], ["--json"]):
            assert main(["predict", *flags, str(tmp_path / "dates"), photos[0]]) == 0
        line, answer = capsys.readouterr().out.splitlines()
        label = json.loads(answer)["label"]
        assert label.startswith("1970-01-01T00:00:00.00000000")
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
        done = subprocess.run(
            [sys.executable, "-m", "skfashion", "predict", "odd", odd.name, missing, photos[0]],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
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
        ("redirection", "status", "told"), [(">&-", 0, 0), ("> /dev/full", 1, 1), ("| true", 1, 0)]
    )
    def test_without_an_output_there_is_no_traceback(
        self, model, photos, redirection, status, told
    ):
        # In a process of its own, since Python complains as it ends of what it cannot write.
        words = shlex.join([sys.executable, "-m", "skfashion", "predict", model, photos[0]])
        script = f"set -o pipefail; {words} {redirection}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert len(done.stderr.splitlines()) == told

    def test_takes_images_as_large_as_those_trained_on(self, images, small, tmp_path, capsys):
        X, y = images
        FashionCNN(**small).fit(X, y).save(tmp_path / "small.skfashion")
        Image.fromarray(X[0]).save(tmp_path / "image.png")
        command = ["predict", "--invert", "no", "--json", str(tmp_path / "small.skfashion")]
        assert main([*command, str(tmp_path / "image.png")]) == 0
        assert json.loads(capsys.readouterr().out)["label"] == y[0]

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
    def test_writes_a_model_whose_labels_are_names(self, clf, csv, fashion, tmp_path, capsys):
        path = tmp_path / "new" / "folder" / os.fsdecode(b"\xff")
        command = ["train", "--data", csv, "--network", "v2", "--epochs", "3"]
        assert main([*command, "--output", str(path)]) == 0
        out, _ = capsys.readouterr()
        assert out.splitlines()[-1] == rf"{tmp_path}/new/folder/\xff: 0.36 MB"
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

    def test_trains_version_3(self, csv, fashion, tmp_path, capsys):
        path = tmp_path / "model"
        command = ["train", "--data", csv, "--network", "v3", "--epochs", "1"]
        assert main([*command, "--output", str(path)]) == 0
        X, y = fashion
        expected = FashionCNN.v3(epochs=1, random_state=0).fit(X, NAMES[y])
        np.testing.assert_array_equal(
            FashionCNN.load(path).predict_proba(X), expected.predict_proba(X)
        )

    @pytest.mark.parametrize(
        ("output", "reason"),
        [(lambda: "/dev/full", "No space left on device"), (broken_pipe, "Broken pipe")],
    )
    def test_writes_the_model_whatever_becomes_of_its_output(
        self, clf, csv, fashion, tmp_path, monkeypatch, capsys, output, reason
    ):
        path = tmp_path / "model"
        with open(output(), "w") as stdout:  # noqa: PTH123
            monkeypatch.setattr(sys, "stdout", stdout)
            command = ["train", "--data", csv, "--network", "v2", "--epochs", "3"]
            assert main([*command, "--output", str(path)]) == 1
            monkeypatch.undo()
        [line] = capsys.readouterr().err.splitlines()
        assert f"{reason}). The model was written into {path}." in line
        X, _ = fashion
        np.testing.assert_array_equal(FashionCNN.load(path).predict(X), clf.predict(X))
