"""A learner's state on disk, so that training that was stopped goes on where it was written last.

What a file holds is either all of a state or none: it is written aside and then put in place. A file that cannot be
read is treated as none, and training begins anew: nothing was promised by it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

__all__ = ["Checkpoint", "Resumable"]


class Resumable(Protocol):
    """A learner that counts its updates and whose state is tensors, numbers and lists of them."""

    done: int

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        ...


class Checkpoint:
    """path: of the file        every: how many updates lie between two writings"""

    def __init__(self, path: Path, every: int = 10) -> None:
        self.path, self.every = path, every

    def restore(self, learner: Resumable) -> None:
        """Put the learner where the file says; without a file that can be read it stays as it is."""
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError):
            return
        learner.load_state_dict(state)

    def passed(self, learner: Resumable) -> None:
        """Call after each update: every so often the state is written."""
        if learner.done % self.every:
            return
        aside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        torch.save(learner.state_dict(), aside)
        aside.replace(self.path)
