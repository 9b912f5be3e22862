"""The journal of a live bandit: one JSON line an event, appended and flushed before the event is acknowledged.

    {"event": "bandit", "actions": [...], "seed": ..., "model": ...}
    {"event": "decision", "id": ..., "context": ..., "allowed": ..., "action": ..., "propensity": ...,
     "propensity_method": ..., "policy": ..., "parameters": ..., "time": ...}
    {"event": "reward", "id": ..., "reward": ..., "time": ...}

What was flushed survives the death of the process; with `sync` it survives that of the machine. A last line that a
crash cut short was never acknowledged: opening the journal takes it away. One process writes at a time (where the
system has advisory locks).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue
from wayfare.locks import lock

__all__ = ["Journal"]

FORMAT, VERSION = "wayfare.explore.live", 1


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, allow_nan=False, separators=(",", ":")).encode() + b"\n"


HEADER = _line({"format": FORMAT, "version": VERSION})


class Journal:
    """An append-only file of events.

    path: made with its header when it is not there
    sync: wait for the disk at each event

    Raises: BadValue for a file that is no journal, of another version, or that another process has open.
    """

    def __init__(self, path: str | os.PathLike[str], *, sync: bool = False) -> None:
        self.path, self.sync = Path(path), sync
        self._file = open(self.path, "a+b")  # noqa: SIM115 - lives as long as the journal
        try:
            self._lock()
            self._mend()
        except BaseException:
            self._file.close()
            raise

    def events(self) -> Iterator[dict[str, Any]]:
        """Everything acknowledged so far, in order. Raises: BadValue naming a line that cannot be read."""
        with open(self.path, "rb") as file:
            next(file)
            for number, line in enumerate(file, start=2):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    cut = line[:60].decode(errors="replace")
                    raise BadValue(f"{self.path}:{number}", cut, "a line of JSON") from error

    @property
    def begun(self) -> bool:
        """Whether there is an event."""
        return self._file.seek(0, os.SEEK_END) > len(HEADER)

    def append(self, event: dict[str, Any]) -> None:
        """Write one event; when this returns, it is kept. Raises: OSError, and nothing is written."""
        self._write(_line(event))

    def close(self) -> None:
        """Let another process write."""
        self._file.close()

    def _write(self, line: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(line)
            self._file.flush()
            if self.sync:
                os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(end)  # half a line is no event
            raise

    def _lock(self) -> None:
        if not lock(self._file):
            raise BadValue("path", str(self.path), "a journal that no other process has open")

    def _mend(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        first = self._file.readline()
        if HEADER.startswith(first) and first != HEADER:  # empty, or cut short while it was made
            self._file.truncate(0)
            self._write(HEADER)
            return
        try:
            header = json.loads(first)
        except ValueError:
            header = None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise BadValue("path", str(self.path), "a journal of a live bandit, or a new file")
        if header.get("version") != VERSION:
            raise BadValue("version", header.get("version"), f"{VERSION}: the journal is of another release of Wayfare")
        self._file.truncate(self._end_of_last_line(size))

    def _end_of_last_line(self, size: int) -> int:
        end = size
        while end > 0:
            begin = max(0, end - 65536)
            self._file.seek(begin)
            found = self._file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
        return 0
