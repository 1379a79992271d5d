"""The command shows a bar that moves and tables that fit on a terminal, elsewhere plain lines."""

import os
import re
import signal
import subprocess
import sys

import pytest

from skfashion._cli import terminal
from skfashion._utils.steps import listen, report_step

pty = pytest.importorskip("pty", reason="Windows has none")


def run_in_terminal(arguments, width, *, interrupt_at=None):
    """Return the status, and all lines that a terminal showed at any time, without colours."""
    here, there = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(width)}
    command = [sys.executable, "-m", "skfashion", *arguments]
    with subprocess.Popen(
        command, stdin=there, stdout=there, stderr=there, env=environment
    ) as process:
        os.close(there)
        shown = b""
        while True:
            try:
                part = os.read(here, 65536)
            except OSError:  # Linux raises it where the terminal was closed
                break
            if not part:
                break
            shown += part
            if interrupt_at is not None and interrupt_at in shown:
                process.send_signal(signal.SIGINT)
                interrupt_at = None
    os.close(here)
    return process.returncode, re.split(
        r"[\r\n]+", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode())
    )


def test_on_a_terminal_shows_a_bar_of_fits_and_epochs_and_a_table_that_fits(csv):
    arguments = ["compare", "--data", csv, "--networks", "v2", "--epochs", "2", "--folds", "2"]
    status, lines = run_in_terminal([*arguments, "--baselines", "dummy", "kNN"], width=80)
    assert status == 0
    bars = [line for line in lines if " elapsed, " in line]
    assert any(bar.startswith("0/6 fits ") for bar in bars)
    assert any(bar.startswith("6/6 fits ") for bar in bars)
    assert all(bar.rstrip().endswith(" left") for bar in bars)
    assert "[1/6] FashionCNN v2, fold 1: accuracy" in "\n".join(lines)
    assert max(map(len, lines)) <= 80
    assert re.search(r"^dummy +0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] ", "\n".join(lines), re.MULTILINE)


@pytest.mark.slow
def test_on_a_terminal_training_shows_its_epochs_below_a_line_for_each(csv, tmp_path):
    output = str(tmp_path / "model")
    arguments = ["train", "--data", csv, "--network", "v2", "--epochs", "2", "--output", output]
    status, lines = run_in_terminal(arguments, width=120)
    assert status == 0
    assert any(line.startswith("2/2 epochs ") for line in lines)
    assert len([line for line in lines if line.startswith(("epoch 1/2 - ", "epoch 2/2 - "))]) == 2


@pytest.mark.slow
def test_on_a_terminal_a_reproduction_shows_how_far_all_epochs_are(csv):
    status, lines = run_in_terminal(["reproduce", "v2", "--epochs", "3", "--data", csv], width=80)
    assert status == 0
    assert any(line.startswith("3/3 epochs ") for line in lines)
    assert not any(line.startswith(("1/1 epochs ", "2/2 epochs ")) for line in lines)


def test_ctrl_c_shows_the_rows_that_are_finished():
    arguments = ["compare", "--networks", "none", "--baselines", "dummy", "kNN"]
    status, lines = run_in_terminal(arguments, width=80, interrupt_at=b"[3/6] dummy")
    assert status == 130
    assert any(re.match(r"dummy +0\.100 \[", line) for line in lines)
    assert "kNN: interrupted before all fits were finished" in lines
    assert "skfashion: interrupted. Use --memory DIR if you want to resume next time." in lines
    assert not any("Traceback" in line for line in lines)


def test_ctrl_c_in_a_training_says_how_to_resume_it(csv, tmp_path):
    arguments = ["train", "--data", csv, "--network", "v2", "--epochs", "5000"]
    arguments += ["--memory", str(tmp_path / "epochs"), "--output", str(tmp_path / "model")]
    status, lines = run_in_terminal(arguments, width=80, interrupt_at=b"epoch 1/5000")
    assert status == 130
    assert "skfashion: interrupted. To resume, run the same command again." in lines
    assert not any("Traceback" in line for line in lines)
    assert not (tmp_path / "model").exists()


def test_elsewhere_a_long_fit_prints_its_epochs_at_times(monkeypatch, capsys):
    seconds = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: seconds[0])
    with terminal.show_progress():
        report_step("epochs", 1, 3)  # of no comparison: the training prints its own lines
        report_step("fits", 0, 2)
        for seconds[0], epoch in [(10, 1), (35, 2), (40, 3), (50, 4), (90, 5)]:
            report_step("epochs", epoch, 9)
        report_step("fits", 1, 2)
    report_step("epochs", 6, 9)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["0/2 fits, 2/9 epochs", "0/2 fits, 5/9 epochs"]


def test_a_listener_hears_each_epoch_until_it_stops_to_listen(images, small):
    from skfashion import FashionCNN

    heard = []
    with listen(lambda *step: heard.append(step)):
        FashionCNN(**{**small, "epochs": 2}).fit(*images)
    FashionCNN(**{**small, "epochs": 1}).fit(*images)
    assert heard == [("epochs", 1, 2), ("epochs", 2, 2)]
