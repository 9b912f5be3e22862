"""A ledger of calls that were paid for: JSON lines, one a finished call, on the disk before anybody sees its answer.

    {"key": "9f86...", "answer": {...}}

A line that was cut off by a kill is dropped when the file is opened again; everything before it counts as paid. One
process at a time writes a ledger.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from wayfare.errors import BadValue
from wayfare.locks import lock

__all__ = ["Ledger", "key_of"]


def key_of(**what: Any) -> str:
    """A hash of everything that makes a call what it is."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


class Ledger:
    """Raises: BadValue when another process holds the file, or a line that is not the last cannot be read."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab+")
        self._lock = Lock()
        try:
            self._hold()
            self._answers = self._read()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The answer that was paid for, or None."""
        return self._answers.get(key)

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Returns when the answer is on the disk."""
        line = json.dumps({"key": key, "answer": answer}) + "\n"
        with self._lock:
            self._file.write(line.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
            self._answers[key] = answer

    def close(self) -> None:
        """Lets another process have the file."""
        self._file.close()

    def _hold(self) -> None:
        if not lock(self._file):
            raise BadValue("ledger", str(self.path), "a file that no other model is writing")

    def _read(self) -> dict[str, Mapping[str, Any]]:
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        whole = sum(len(line) + 1 for line in lines[:-1])
        answers: dict[str, Mapping[str, Any]] = {}
        for number, line in enumerate(lines[:-1], 1):
            try:
                told = json.loads(line)
                answers[told["key"]] = told["answer"]
            except (ValueError, KeyError, TypeError):
                raise BadValue("ledger", f"{self.path}, line {number}", "JSON lines of key and answer") from None
        if lines[-1]:
            self._file.truncate(whole)
        return answers
