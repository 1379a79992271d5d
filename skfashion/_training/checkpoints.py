"""The checkpoints of a training: its state after each epoch, in a directory of `memory`."""

import contextlib
import hashlib
import io
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from skfashion._network.architecture import Architecture, TrainingState
from skfashion._training.data import TrainingData, TrainingSettings
from skfashion._utils import cache_directory, environment
from skfashion._utils.files import read_sealed, write_sealed
from skfashion._utils.types import AnyArray, FloatName, History, StrPath
from skfashion._utils.warnings import warn

_Kind: TypeAlias = Literal["weights", "optimizer"]

_FORMAT = 1
_ROWS_HASHED_AT_ONCE = 1000  # as floats they take 3 MB


def locate_checkpoints(
    directory: Path, architecture: Architecture, settings: TrainingSettings, data: TrainingData
) -> dict[str, str]:
    """Find the place of a training's checkpoints, by all that shapes its weights.

    Parameters
    ----------
    directory : Path
        That of `memory`, absolute.
    architecture : Architecture
    settings : TrainingSettings
    data : TrainingData

    Returns
    -------
    dict
        Arguments of `Checkpoints`, as plain values.
    """
    shaping = asdict(settings)
    pixel_max = shaping.pop("pixel_max")  # the images are divided by it
    digest = hashlib.sha256()
    for rows in filter(None, (data, data.validation)):
        _hash_rows(digest, rows, pixel_max, architecture.dtype)
    key = cache_directory.make_key(
        {
            "architecture": asdict(architecture),
            "settings": shaping,
            "data": digest.hexdigest(),
            "environment": environment.fingerprint(),
        }
    )
    return {"directory": str(directory), "key": key}


def _hash_rows(digest: Any, rows: TrainingData, pixel_max: float, dtype: FloatName) -> None:
    """Hash what the network computes with: bytes and floats of the same values are equal."""
    for array in rows.arrays:
        digest.update(f"|{array.shape}|".encode())
        for first in range(0, len(array), _ROWS_HASHED_AT_ONCE):
            part = array[first : first + _ROWS_HASHED_AT_ONCE]
            if part.dtype == np.uint8:
                part = part.astype(dtype) / np.dtype(dtype).type(pixel_max)
            digest.update(np.ascontiguousarray(part).data)


class Checkpoints:
    """The stored epochs of one training.

    The weights after every epoch are kept, and the optimizer's state after the newest alone: only
    there does a longer training go on. What cannot be read counts as not stored. What cannot be
    written ends the storing. Either gives one warning.

    Parameters
    ----------
    directory : path-like
        The user's `memory`. It is made at the first writing.
    key : str
        Of this training, see `locate_checkpoints`.
    shapes : list of tuple of int
        Of the weights.
    """

    def __init__(self, directory: StrPath, key: str, shapes: Iterable[Iterable[int]]) -> None:
        self.folder = cache_directory.training_folder(directory, key)
        self._key, self._shapes = key, [tuple(shape) for shape in shapes]
        self._writable = True
        self._warned: set[str] = set()

    # Reading

    def find_latest(self, after: int, last: int) -> tuple[TrainingState, History] | None:
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
        tuple of TrainingState and dict, or None
            As `load` returns them.
        """
        stored, resumable = self._epochs("weights"), self._epochs("optimizer")
        # Only as far as no epoch is missing: `staged_predict_proba` and callbacks need each.
        complete = next(epoch for epoch in itertools.count() if epoch + 1 not in stored)
        for epoch in range(min(complete, last), after, -1):
            if epoch == last or epoch in resumable:
                found = self.load(epoch)
                if found is not None and (epoch == last or found[0].iterations is not None):
                    with contextlib.suppress(OSError):
                        os.utime(self.folder)  # `skfashion cache` drops the least recently used
                    return found
        return None

    def load(self, epoch: int) -> tuple[TrainingState, History] | None:
        """Read what is stored of an epoch.

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
        """Read header and arrays of a file; None if there is none or it is damaged."""
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
            self._warn(f"{path} cannot be read ({error.strerror}). Its epochs are trained again.")
            return None
        except (ValueError, KeyError) as error:
            self._warn(f"{path} is damaged: {error}. It is removed, its epochs are trained again.")
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
        for other in older if self._writable else []:
            with contextlib.suppress(OSError):
                self._path(other, "optimizer").unlink()

    def _write(
        self, epoch: int, kind: _Kind, header: Mapping[str, Any], arrays: Sequence[AnyArray]
    ) -> None:
        if not self._writable:
            return
        path = self._path(epoch, kind)
        try:
            cache_directory.make_entry_folder(self.folder)
            write_sealed(path, _pack({**header, "kind": kind}, arrays))
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


def _pack(header: Mapping[str, Any], arrays: Sequence[AnyArray]) -> memoryview:
    buffer = io.BytesIO()
    encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(buffer, encoded, *arrays)
    return buffer.getbuffer()


def _unpack(content: memoryview) -> tuple[dict[str, Any], list[AnyArray]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        header, *arrays = (file[f"arr_{number}"] for number in range(len(file.files)))
    return json.loads(header.tobytes()), arrays
