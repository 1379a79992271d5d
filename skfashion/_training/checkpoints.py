"""The checkpoints of a training: its state after each epoch, in a directory of `memory`."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from skfashion._network.architecture import TrainingState
from skfashion._utils import cache_directory
from skfashion._utils.array_files import read_arrays, write_arrays
from skfashion._utils.types import AnyArray, StrPath
from skfashion._utils.warnings import warn

_Kind: TypeAlias = Literal["figures", "weights", "optimizer"]

_FORMAT = 2


class Checkpoints:
    """The stored epochs of one training.

    What was measured in every epoch and the weights after it are kept, and the optimizer's state
    after the newest alone: only there does a longer training go on. What cannot be read counts as
    not stored. What cannot be written ends the storing. Either gives one warning.

    Nothing that is done once an epoch takes longer the more epochs are stored.

    Parameters
    ----------
    directory : path-like
        The user's `memory`. It is made at the first writing.
    key : str
        Key of this training, see `compute_checkpoint_key`.
    shapes : list of tuple of int
        Shapes of the weights.
    """

    def __init__(self, directory: StrPath, key: str, shapes: Iterable[Iterable[int]]) -> None:
        self.folder = cache_directory.training_folder(directory, key)
        self._key, self._shapes = key, [tuple(shape) for shape in shapes]
        self._writable, self._swept = True, False
        self._warned: set[str] = set()
        # Epochs of which this training has stored or found the optimizer's state; None before it
        # looked for what others have left.
        self._resumable: set[int] | None = None

    # Reading

    def find_latest(
        self, after: int, last: int
    ) -> tuple[TrainingState, list[dict[str, float]]] | None:
        """Find the latest checkpoint that a training can resume from, or end with.

        Parameters
        ----------
        after : int
            It must be of a later epoch than this.
        last : int
            The last epoch of the training. Its checkpoint needs the weights alone. To resume from
            an earlier one takes the optimizer's state as well.

        Returns
        -------
        state : TrainingState
            As `load` returns it.
        measured : list of dict of str to float
            What was measured in each epoch from `after` on.

        Instead of both, None if there is none.
        """
        measured = []
        # Only as far as no epoch is missing: `staged_predict_proba` and callbacks need each.
        for epoch in range(after + 1, last + 1):
            figures = self._path(epoch, "weights").exists() and self._read(epoch, "figures")
            if not figures:
                break
            measured.append(figures[0]["measured"])
        for epoch in range(after + len(measured), after, -1):
            if epoch == last or self._path(epoch, "optimizer").exists():
                state = self.load(epoch)
                if state is not None and (epoch == last or state.iterations is not None):
                    cache_directory.mark_used(self.folder)
                    if state.iterations is not None:
                        self._keep_optimizer(epoch)
                    return state, measured[: epoch - after]
        return None

    def load(self, epoch: int) -> TrainingState | None:
        """Read the state after an epoch, None if it is not stored.

        All but the weights are None where only these are stored.
        """
        read = self._read(epoch, "weights")
        if read is None:
            return None
        _, weights = read
        if (read := self._read(epoch, "optimizer")) is None:
            return TrainingState(weights, None, None, None)
        header, moments = read
        half = len(self._shapes)
        return TrainingState(weights, moments[:half], moments[half:], header["iterations"])

    def _path(self, epoch: int, kind: _Kind) -> Path:
        return self.folder / f"{epoch:05d}.{kind}"

    def _read(self, epoch: int, kind: _Kind) -> tuple[dict[str, Any], list[AnyArray]] | None:
        """Read header and arrays of a file; None if there is none or it is damaged."""
        path = self._path(epoch, kind)
        shapes = self._shapes * {"figures": 0, "weights": 1, "optimizer": 2}[kind]
        try:
            header, named = read_arrays(path)
            arrays = [named[str(number)] for number in range(len(named))]
            expected = (_FORMAT, self._key, epoch, kind)
            if tuple(header[name] for name in ("format", "key", "epoch", "kind")) != expected:
                raise ValueError("it belongs to another training")
            if [array.shape for array in arrays] != shapes:
                raise ValueError("it holds another network")
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(f"{path} cannot be read ({error.strerror}). Its epochs are trained again.")
            return None
        except (ValueError, KeyError) as error:
            self._warn(f"{path} is damaged: {error}. It is removed, its epochs are trained again.")
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return header, arrays

    # Writing

    def save(self, epoch: int, state: TrainingState, measured: Mapping[str, float]) -> None:
        """Store what an epoch measured and the state after it."""
        assert state.momentums is not None  # it was trained
        assert state.velocities is not None
        optimizer = [*state.momentums, *state.velocities]
        self._write(epoch, "figures", {"measured": measured}, [])
        self._write(epoch, "weights", {}, state.weights)
        self._write(epoch, "optimizer", {"iterations": state.iterations}, optimizer)
        if self._writable:
            self._keep_optimizer(epoch)

    def _keep_optimizer(self, epoch: int) -> None:
        """Remove the states of the optimizer before an epoch, as far as they are known."""
        if self._resumable is None:
            self._resumable = self._find_resumable()
        self._resumable.add(epoch)
        for earlier in [other for other in self._resumable if other < epoch]:
            with contextlib.suppress(OSError):
                self._path(earlier, "optimizer").unlink()
            self._resumable.remove(earlier)

    def _find_resumable(self) -> set[int]:
        with contextlib.suppress(OSError):
            names = [path.name.partition(".") for path in self.folder.iterdir()]
            return {
                int(number)
                for number, _, kind in names
                if kind == "optimizer" and number.isdecimal()
            }
        return set()

    def _write(
        self, epoch: int, kind: _Kind, header: Mapping[str, Any], arrays: Sequence[AnyArray]
    ) -> None:
        if not self._writable:
            return
        path = self._path(epoch, kind)
        try:
            cache_directory.make_entry_folder(self.folder)
            own = {"format": _FORMAT, "key": self._key, "epoch": epoch, "kind": kind}
            named = {str(number): array for number, array in enumerate(arrays)}
            write_arrays(path, {**header, **own}, named, sweep=not self._swept)
            self._swept = True
        except OSError as error:
            self._writable = False
            self._warn(
                f"memory: {path} cannot be written ({error.strerror}). Training goes on, but its "
                "epochs are no longer stored."
            )

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            warn(message)
