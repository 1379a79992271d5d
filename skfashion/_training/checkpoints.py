"""Checkpoints: the state of a training after each epoch, stored in the directory `memory`."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from skfashion._network.training_state import TrainingState
from skfashion._utils import cache_directory
from skfashion._utils.array_files import read_arrays, write_arrays
from skfashion._utils.types import AnyArray, StrPath
from skfashion._utils.warnings import warn

_Kind: TypeAlias = Literal["figures", "weights", "optimizer"]

_FORMAT = 4


class Checkpoints:
    """The stored epochs of one training.

    For every epoch the loss, the accuracy and the weights are stored. The optimizer's state is
    stored only for the latest epoch, from which a longer training resumes. Files that cannot be
    read count as not stored. If a file cannot be written, no more files are stored. Both give one
    warning.

    The time per epoch does not grow with the number of stored epochs.

    Parameters
    ----------
    directory : path-like
        The user's `memory`. It is created when the first file is written.
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
        # Epochs whose optimizer's state is stored, as far as known. None: not looked up yet.
        self._resumable: set[int] | None = None

    # Reading

    def find_latest(
        self, after: int, last: int
    ) -> tuple[TrainingState, list[dict[str, float]]] | None:
        """Find the latest checkpoint that a training can resume from or end with.

        Parameters
        ----------
        after : int
            Only checkpoints of later epochs than this one are searched.
        last : int
            The last epoch of the training. It can end with weights alone. Resuming from an earlier
            epoch also needs the optimizer's state.

        Returns
        -------
        state : TrainingState
            The state, as returned by `load`.
        measured : list of dict of str to float
            Loss and accuracy of each epoch after `after`.

        Or None, if there is no such checkpoint.
        """
        measured = []
        # Stop at a missing epoch: `staged_predict_proba` and callbacks need every epoch.
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
        """Read the state after an epoch, or return None if it is not stored.

        If only the weights are stored, the optimizer's state is None.
        """
        read = self._read(epoch, "weights")
        if read is None:
            return None
        _, weights = read
        if (read := self._read(epoch, "optimizer")) is None:
            return TrainingState(weights)
        header, arrays = read
        groups: dict[str, Any] = {}
        for name, length in header["groups"].items():
            groups[name], arrays = arrays[:length], arrays[length:]
        return TrainingState(weights, iterations=header["iterations"], **groups)

    def _path(self, epoch: int, kind: _Kind) -> Path:
        return self.folder / f"{epoch:05d}.{kind}"

    def _read(self, epoch: int, kind: _Kind) -> tuple[dict[str, Any], list[AnyArray]] | None:
        """Read header and arrays of a file. Return None if it is missing or damaged."""
        path = self._path(epoch, kind)
        try:
            header, named = read_arrays(path)
            arrays = [named[str(number)] for number in range(len(named))]
            expected = (_FORMAT, self._key, epoch, kind)
            if tuple(header[name] for name in ("format", "key", "epoch", "kind")) != expected:
                raise ValueError("it belongs to another training")
            if [array.shape for array in arrays] != self._expected_shapes(kind, header):
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

    def _expected_shapes(self, kind: _Kind, header: Mapping[str, Any]) -> list[tuple[int, ...]]:
        if kind == "figures":
            return []
        if kind == "weights":
            return self._shapes
        means_and_variances = [
            shape[-1:] for shape in self._shapes if len(shape) == 4 for _ in "mv"
        ]
        by_group = {"statistics": means_and_variances}
        return [shape for name in header["groups"] for shape in by_group.get(name, self._shapes)]

    # Writing

    def save(self, epoch: int, state: TrainingState, measured: Mapping[str, float]) -> None:
        """Store loss and accuracy of an epoch, and the state after it."""
        groups = state.groups
        lengths = {name: len(arrays) for name, arrays in groups.items()}
        optimizer = [array for arrays in groups.values() for array in arrays]
        self._write(epoch, "figures", {"measured": measured}, [])
        self._write(epoch, "weights", {}, state.weights)
        header = {"iterations": state.iterations, "groups": lengths}
        self._write(epoch, "optimizer", header, optimizer)
        if self._writable:
            self._keep_optimizer(epoch)

    def _keep_optimizer(self, epoch: int) -> None:
        """Remove the known optimizer's states of earlier epochs."""
        if self._resumable is None:
            self._resumable = self._find_resumable()
        self._resumable.add(epoch)
        for earlier in [other for other in self._resumable if other < epoch]:
            with contextlib.suppress(OSError):
                self._path(earlier, "optimizer").unlink()
            self._resumable.remove(earlier)

    def _find_resumable(self) -> set[int]:
        with contextlib.suppress(OSError):
            stems = [file.stem for file in self.folder.glob("*.optimizer")]
            return {int(stem) for stem in stems if stem.isdecimal()}
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
