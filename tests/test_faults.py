"""Test that files are whole or as before, and none is left over, whatever befalls the machine.

test_fetch.py holds the same for what `fetch_fashion_mnist` writes, test_memory.py for `memory`, and
test_result_cache.py for a comparison that is killed.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from threading import Thread

import pytest
from helpers import make_images, run_python, weights_equal

from skfashion import FashionCNN
from skfashion._cli.main import _clean_exit, main
from skfashion._utils.files import write_atomically
from skfashion.datasets import load_fashion_mini

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and disks of another kind")


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    """Write 120 bundled images in Kaggle's format."""
    frame = load_fashion_mini(as_frame=True).frame.head(120)
    path = tmp_path_factory.mktemp("csv") / "fashion-mnist_train.csv"
    path.parent.chmod(0o755)
    frame[["label", *frame.columns.drop("label")]].to_csv(path, index=False)
    return str(path)


@pytest.fixture
def two(fitted):
    """Return two networks of different weights."""
    other = FashionCNN(**fitted.get_params()).fit(*make_images(seed=1))
    return fitted, other


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fill(folder):
    """Leave no room."""
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def one_line(err):
    """Return the last line of standard error, which is all that the shell says of an error."""
    assert "Traceback" not in err
    line = err.splitlines()[-1]
    assert line.startswith("skfashion: ")
    return line


class TestAFullDisk:
    def test_keeps_the_model_that_was_saved_before(self, two, full):
        folder = full("models", size="1m")
        path = folder / "clf.skfashion"
        two[0].save(path)
        fill(folder)
        before = contents(folder)
        with pytest.raises(OSError, match=rf"No space left on device: '{path}'"):
            two[1].save(path)
        assert contents(folder) == before
        (folder / "ballast").unlink()
        two[1].save(path)
        assert weights_equal(FashionCNN.load(path), two[1])

    def test_keeps_the_model_that_was_trained_before(self, csv, full, capsys):
        folder = full("models", size="100k")
        path = folder / "clothes"
        path.write_text("the model of before")
        fill(folder)
        before = contents(folder)
        command = ["train", "--data", csv, "--network", "v2", "--epochs", "1", "--output"]
        assert main([*command, str(path)]) == 1
        assert one_line(capsys.readouterr().err).endswith(f"No space left on device: '{path}'")
        assert contents(folder) == before


@pytest.fixture(params=["read-only", "no permission"])
def closed(request, tmp_path):
    """Return a folder, a context in which nobody may write into it, and the system's reason."""
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "clf.skfashion").write_text("the model of before")
    (folder / "report.html").write_text("the page of before")
    if request.param == "read-only":
        return folder, request.getfixturevalue("read_only"), "Read-only file system"
    unprivileged = request.getfixturevalue("unprivileged")
    folder.chmod(0o555)
    return folder, lambda _: unprivileged(), "Permission denied"


class TestAFolderThatNobodyMayWriteInto:
    def test_keeps_the_model_that_was_saved_before(self, fitted, closed):
        folder, closing, reason = closed
        before = contents(folder)
        with closing(folder), pytest.raises(OSError, match=rf"{reason}: '{folder}/clf.skfashion'"):
            fitted.save(folder / "clf.skfashion")
        assert contents(folder) == before

    def test_stops_the_storing_of_epochs_not_the_fit(self, images, small, fitted, closed):
        folder, closing, reason = closed
        before = contents(folder)
        clf = FashionCNN(**small, memory=folder)
        with closing(folder), pytest.warns(UserWarning, match=reason) as told:
            clf.fit(*images)
        assert [warning.filename for warning in told] == [__file__]
        assert weights_equal(clf, fitted)
        assert contents(folder) == before

    @pytest.mark.parametrize(
        "command", ["compare --output {}", "compare --memory {}", "train --output {}/clf.skfashion"]
    )
    def test_is_told_before_any_training(self, csv, closed, command, capsys):
        folder, closing, reason = closed
        before = contents(folder)
        command = [word.format(folder) for word in [*command.split(), "--data", csv]]
        with closing(folder):
            assert main(command) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"{one_line(err)}\n"
        assert reason in err
        assert str(folder) in err
        assert contents(folder) == before


# A process imports once what a save needs, and forks children that are killed while they save.
KILLS = """
    import os, random, signal, time
    from pathlib import Path
    from skfashion import FashionCNN
    folder, path, kills = Path({folder!r}), Path({folder!r}, "clf.skfashion"), {kills}
    names = [folder.parent / name for name in ("one", "other")]
    models, contents = [FashionCNN.load(name) for name in names], [None]
    contents += [name.read_bytes() for name in names]
    chance = random.Random(kills)
    parent, (begun, ready) = os.getpid(), os.pipe()
    for _ in range(kills):
        before = set(os.listdir(folder))
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the traceback of a Ctrl-C
            os.write(ready, b".")  # Python forgets a signal that comes within the fork
            while os.getppid() == parent:
                for model in models:
                    model.save(path)
        os.read(begun, 1)
        time.sleep(chance.uniform(0, 0.05))
        how = chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        os.kill(child, how)
        pressed = time.monotonic()
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            time.sleep(0.01)
            if time.monotonic() - pressed > 2:  # a callback of some library swallows a Ctrl-C
                os.kill(child, how)
                pressed = time.monotonic()
        new = [name for name in set(os.listdir(folder)) - before if name.endswith(".part")]
        # A process that ends without a word can only leave what it was writing.
        assert len(new) <= (how != signal.SIGINT), (how, new)
        assert (path.read_bytes() if path.exists() else None) in contents
    print(sum(name.endswith(".part") for name in os.listdir(folder)))
"""


@pytest.fixture
def default_signals():
    """Handle signals as a new process does: a shell's nohup lets some be ignored."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class TestKilledAtAnyMoment:
    @pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.slow)])
    def test_a_model_is_whole_and_what_is_left_goes_with_the_next(self, two, tmp_path, kills):
        folder = tmp_path / "models"
        folder.mkdir()
        for name, clf in zip(("one", "other"), two, strict=True):
            clf.save(tmp_path / name)
        left = int(run_python(KILLS.format(folder=str(folder), kills=kills)))
        assert kills == 20 or left  # or nothing was killed in the act
        for part in folder.glob("*.part"):
            os.utime(part, (0, 0))
        two[0].save(folder / "clf.skfashion")
        assert list(folder.iterdir()) == [folder / "clf.skfashion"]

    @pytest.mark.usefixtures("default_signals")
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_a_command_that_is_told_to_end_leaves_no_file(self, csv, tmp_path, number):
        output, memory = tmp_path / "report", tmp_path / "memory"

        def end():
            while not list(memory.rglob("*.fit")):
                time.sleep(0.01)
            os.kill(os.getpid(), number)

        thread = Thread(target=end, daemon=True)
        thread.start()
        with pytest.raises(SystemExit) as stop:
            main(["compare", "--data", csv, "--output", str(output), "--memory", str(memory)])
        thread.join()
        assert stop.value.code == 128 + number
        assert list(output.iterdir()) == []

    @pytest.mark.slow
    def test_a_command_that_is_told_to_end_leaves_neither_workers_nor_files(self, csv, tmp_path):
        psutil = pytest.importorskip("psutil")
        output, memory = tmp_path / "report", tmp_path / "memory"
        command = ["compare", "--data", csv, "--n-jobs", "2", "--output", output]
        process = subprocess.Popen(
            [sys.executable, "-m", "skfashion", *command, "--memory", memory],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stderr.readline()
        process.stderr.readline()  # the first fit
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, "Traceback" in err) == (143, "", False)
        assert list(output.iterdir()) == []
        assert list(memory.rglob("*.fit"))
        assert workers
        assert not psutil.wait_procs(workers, timeout=10)[1]

    @pytest.mark.usefixtures("default_signals")
    def test_a_second_signal_does_not_cut_the_tidying_short(self):
        """Send a signal twice, as a closed terminal may. Another program keeps its own handler."""
        told = []

        def theirs(*_):
            told.append("theirs")

        @_clean_exit()
        def end_twice():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(10)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGHUP)
                told.append("tidied")

        signal.signal(signal.SIGHUP, theirs)
        with pytest.raises(SystemExit):
            end_twice()
        assert told == ["theirs", "tidied"]
        assert signal.getsignal(signal.SIGHUP) is theirs


FUTURE = 4e9  # the year 2096


class TestAClockThatIsWrong:
    def test_keeps_nothing_forever_and_takes_nothing_of_others(self, fitted, tmp_path):
        path = tmp_path / "clf[1].skfashion"
        young, ahead, stale = (tmp_path / f".skfashion-{digit * 32}.part" for digit in "012")
        zeros = "0" * 32
        others = [
            tmp_path / name
            for name in (f"clf.skfashion-{zeros}.part", f".skfashion-{zeros}.part.zip", ".part")
        ]
        for part in (young, ahead, stale, *others):
            part.touch()
        for part in (stale, *others):
            os.utime(part, (0, 0))
        os.utime(ahead, (FUTURE, FUTURE))
        fitted.save(path)
        assert set(tmp_path.iterdir()) == {path, young, *others}

    def test_epochs_of_another_time_are_found(self, images, small, fitted, tmp_path):
        for time_of_files in (0, FUTURE):
            clf = FashionCNN(**small, memory=tmp_path).fit(*images)
            for file in tmp_path.glob(".skfashion-cache/*/*"):
                os.utime(file, (time_of_files, time_of_files))
            assert weights_equal(clf, fitted)
        assert clf.n_epochs_trained_ == 0

    def test_what_another_takes_for_old_is_written_again(self, tmp_path):
        """Stop another process while it writes, and make its file look old."""
        path = tmp_path / "file"
        code = (
            "from pathlib import Path; from skfashion._utils.files import write_atomically;"
            f"write_atomically(Path({str(path)!r}), bytes(2**27))"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
        while not (parts := list(tmp_path.glob("*.part"))):
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        try:
            assert not path.exists()
            os.utime(parts[0], (0, 0))
            write_atomically(path, b"ours")
            assert contents(tmp_path) == {"file": b"ours"}
        finally:
            process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=60)
        assert err == b""
        assert contents(tmp_path) == {"file": bytes(2**27)}


@pytest.mark.slow
def test_of_two_processes_that_save_at_once_one_leaves_its_file_whole(two, tmp_path):
    path = tmp_path / "shared" / "clf.skfashion"
    path.parent.mkdir()
    code = "import sys; from skfashion import FashionCNN; clf = FashionCNN.load(sys.argv[1])\n"
    code += f"for _ in range(200): clf.save({str(path)!r})"
    processes, contents = [], []
    for name, clf in zip(("one", "other"), two, strict=True):
        clf.save(tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
        processes.append(subprocess.Popen([sys.executable, "-c", code, tmp_path / name]))
    while any(process.poll() is None for process in processes):
        assert not path.exists() or path.read_bytes() in contents
    assert [process.returncode for process in processes] == [0, 0]
    assert list(path.parent.iterdir()) == [path]
