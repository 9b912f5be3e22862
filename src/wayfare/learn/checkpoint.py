"""A learner's state on disk, so that training that was stopped goes on where it was written last.

    Checkpoints     a folder of states by number: the newest that is whole is taken, older ones go
    Resumable       a learner, whose number is how many updates it has done

What a file holds is either all of a state or none: it is written aside, brought to the disk, and then put in place. It
ends with the SHA-256 of what stands before: one that was torn or damaged is passed over for the one before, and where
there is none, nothing was promised.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from wayfare.errors import BadValue

__all__ = ["Checkpoints", "Resumable"]

DIGEST = 32


class Resumable(Protocol):
    """A learner that counts its updates and whose state is tensors, numbers and lists of them."""

    done: int

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        ...


class Checkpoints:
    """folder: made when the first is written        keep: how many, at least 1 (2 outlive a damaged one)
    every: updates of a learner from one writing to the next, at least 1

    Raises: BadValue for a number below 1.
    """

    def __init__(self, folder: Path, keep: int = 2, *, every: int = 10) -> None:
        for name, value in (("keep", keep), ("every", every)):
            if value < 1:
                raise BadValue(name, value, "at least 1")
        self.folder, self.keep, self.every = folder, keep, every
        self._done = 0

    def restore(self, learner: Resumable) -> None:
        """Put the learner where the newest whole file says; where there is none it stays as it is."""
        found = self.newest()
        if found is not None:
            learner.load_state_dict(found[1])
            self._done = learner.done

    def passed(self, learner: Resumable) -> None:
        """Call after updates: every so often the learner's state is written. Raises: as `write`."""
        if learner.done - self._done >= self.every:
            self.write(learner.done, learner.state_dict())
            self._done = learner.done

    def write(self, number: int, state: Mapping[str, Any], *, protect: int | None = None) -> Path:
        """Store a state under a number. protect: another number whose file stays, however old.

        Files of higher numbers go: they are damaged, or of a run that was taken back to before them.

        Raises: BadValue that says where in the state something stands that could not be read back.
        """
        _check(dict(state), "state")
        self.folder.mkdir(parents=True, exist_ok=True)
        held = io.BytesIO()
        torch.save(dict(state), held)
        content = held.getvalue()
        path = self._path(number)
        aside = path.with_name(f"{path.name}.{os.getpid()}.part")
        with aside.open("wb") as file:
            file.write(content)
            file.write(hashlib.sha256(content).digest())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _to_disk(self.folder)
        known = self.numbers()
        newer = known.index(number) + 1
        for old in (*known[: max(0, newer - self.keep)], *known[newer:]):
            if old != protect:
                self._path(old).unlink(missing_ok=True)
        for part in self.folder.glob("*.part"):
            part.unlink(missing_ok=True)
        return path

    def clear(self) -> None:
        """Remove all files: a new run begins."""
        for number in self.numbers():
            self._path(number).unlink(missing_ok=True)

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """(number, state) of the newest file that is whole; None where there is none."""
        for number in reversed(self.numbers()):
            state = self.read(number)
            if state is not None:
                return number, state
        return None

    def read(self, number: int) -> dict[str, Any] | None:
        """The state of a number; None where its file is missing, torn or damaged."""
        try:
            content = self._path(number).read_bytes()
        except OSError:
            return None
        body = content[:-DIGEST]
        if len(content) <= DIGEST or hashlib.sha256(body).digest() != content[-DIGEST:]:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        return state

    def numbers(self) -> list[int]:
        """Of all files there are, whole or not, ascending."""
        names = [path.stem.removeprefix("step-") for path in self.folder.glob("step-*.pt")]
        return sorted(int(name) for name in names if name.isdigit())

    def _path(self, number: int) -> Path:
        return self.folder / f"step-{number:08d}.pt"


def _check(value: Any, where: str) -> None:
    """NumPy's numbers are numbers too, and yet would not be read back: types must be these exactly."""
    if isinstance(value, torch.Tensor) or type(value) in (int, float, bool, str, bytes, type(None)):
        return
    if type(value) in (dict, OrderedDict):
        for name, each in value.items():
            _check(name, f"key of {where}")
            _check(each, f"{where}[{name!r}]")
    elif type(value) in (list, tuple):
        for number, each in enumerate(value):
            _check(each, f"{where}[{number}]")
    else:
        raise BadValue(where, type(value).__name__, "a tensor, number or text, or lists and dicts of them")


def _to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
