"""The store of training runs: the state after each epoch."""

import contextlib
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from skfashion._network.architecture import TrainingState
from skfashion._utils import cache_directory as _memory
from skfashion._utils.files import read_sealed, write_sealed
from skfashion._utils.types import AnyArray, History, StrPath
from skfashion._utils.warnings import warn

_Kind: TypeAlias = Literal["weights", "optimizer"]

_FORMAT = 1


class Run:
    """The stored epochs of one training run.

    The weights after every epoch are kept, and the optimizer's state after the newest alone: only
    there does a longer training go on. Whatever cannot be read counts as not stored, and whatever
    cannot be written ends the storing; either is told once, as a warning.

    Parameters
    ----------
    directory : path-like
        The user's `memory`. It is made at the first writing.
    key : str
        See `key`.
    shapes : list of tuple of int
        Of the weights.
    """

    def __init__(self, directory: StrPath, key: str, shapes: Iterable[Iterable[int]]) -> None:
        self.folder = _memory.training(directory, key)
        self._key, self._shapes = key, [tuple(shape) for shape in shapes]
        self._stores = True
        self._told: set[str] = set()

    # Reading

    def longest(self, behind: int, end: int) -> tuple[TrainingState, History] | None:
        """The longest stored prefix that a training can go on from, or end with.

        Parameters
        ----------
        behind : int
            Epochs that it must be longer than.
        end : int
            Epochs of the whole training. Only the weights are needed there; where it is to go on,
            the optimizer's state as well.

        Returns
        -------
        tuple of TrainingState and dict, or None
            As `load` returns them.
        """
        stored, resumable = self._epochs("weights"), self._epochs("optimizer")
        # Only as far as no epoch is missing: then the whole path is there, to be told and staged.
        complete = next(epoch for epoch in itertools.count() if epoch + 1 not in stored)
        for epoch in range(min(complete, end), behind, -1):
            if epoch == end or epoch in resumable:
                found = self.load(epoch)
                if found is not None and (epoch == end or found[0].iterations is not None):
                    return found
        return None

    def load(self, epoch: int) -> tuple[TrainingState, History] | None:
        """What is stored of an epoch.

        Returns
        -------
        state : TrainingState
            After it. All but the weights are None where only these are stored.
        history : dict of str to list of float
            Of all epochs up to it.

        Instead of both, None if the epoch is not stored.
        """
        read = self._read(epoch, "weights")
        if read is None:
            return None
        header, weights = read
        state = TrainingState(weights, None, None, None)
        if (read := self._read(epoch, "optimizer")) is not None:
            half = len(self._shapes)
            state = TrainingState(weights, read[1][:half], read[1][half:], read[0]["iterations"])
        return state, header["history"]

    def _epochs(self, kind: _Kind) -> set[int]:
        with contextlib.suppress(OSError):
            names = [path.name.partition(".") for path in self.folder.iterdir()]
            return {
                int(number) for number, _, ending in names if ending == kind and number.isdecimal()
            }
        return set()

    def _path(self, epoch: int, kind: _Kind) -> Path:
        return self.folder / f"{epoch:05d}.{kind}"

    def _read(self, epoch: int, kind: _Kind) -> tuple[dict[str, Any], list[AnyArray]] | None:
        """Header and arrays of a file, None if there is none or it is damaged."""
        path = self._path(epoch, kind)
        shapes = self._shapes if kind == "weights" else self._shapes * 2
        try:
            header, arrays = _unpack(read_sealed(path))
            expected = (_FORMAT, self._key, epoch, kind)
            if tuple(header[name] for name in ("format", "key", "epoch", "kind")) != expected:
                raise ValueError("it belongs to another training")
            if [array.shape for array in arrays] != shapes:
                raise ValueError("it holds another network")
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell(f"{path} cannot be read ({error.strerror}). Its epochs are trained again.")
            return None
        except (ValueError, KeyError) as error:
            self._tell(f"{path} is damaged: {error}. It is removed, its epochs are trained again.")
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return header, arrays

    # Writing

    def save(self, state: TrainingState, history: History) -> None:
        """Store the state after the newest epoch of a history."""
        assert state.momentums is not None  # it was trained
        assert state.velocities is not None
        epoch = len(history["loss"])
        header = {"format": _FORMAT, "key": self._key, "epoch": epoch}
        optimizer = [*state.momentums, *state.velocities]
        self._write(epoch, "weights", {**header, "history": history}, state.weights)
        self._write(epoch, "optimizer", {**header, "iterations": state.iterations}, optimizer)
        *older, _ = sorted(self._epochs("optimizer") or [epoch])  # another process may be ahead
        for other in older if self._stores else []:
            with contextlib.suppress(OSError):
                self._path(other, "optimizer").unlink()

    def _write(
        self, epoch: int, kind: _Kind, header: Mapping[str, Any], arrays: Sequence[AnyArray]
    ) -> None:
        if not self._stores:
            return
        path = self._path(epoch, kind)
        try:
            write_sealed(path, _pack({**header, "kind": kind}, arrays))
        except OSError as error:
            self._stores = False
            self._tell(
                f"memory: {path} cannot be written ({error.strerror}). Training goes on, but its "
                "epochs are no longer stored."
            )

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            warn(message)


def _pack(header: Mapping[str, Any], arrays: Sequence[AnyArray]) -> memoryview:
    buffer = io.BytesIO()
    encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(buffer, encoded, *arrays)
    return buffer.getbuffer()


def _unpack(content: memoryview) -> tuple[dict[str, Any], list[AnyArray]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        header, *arrays = (file[f"arr_{number}"] for number in range(len(file.files)))
    return json.loads(header.tobytes()), arrays
