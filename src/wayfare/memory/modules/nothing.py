"""No memory: the model as it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from wayfare.memory.modules.protocol import Finished, Found

__all__ = ["Nothing"]


class Nothing:
    """Finds, shows and keeps nothing; takes what the others take. It has no card: it is no memory."""

    label = "no memory"
    calls = 0

    def __init__(self, address: str | os.PathLike[str] = "", **ignored: Any) -> None:
        pass

    def search(self, task: str) -> Sequence[Found]:
        """(1) Nothing."""
        return ()

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        """(2) ''"""
        return ""

    def update(self, finished: Finished) -> None:
        """(3) Nothing."""

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
