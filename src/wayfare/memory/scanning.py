"""Looking for runs of bytes in files: whether anything is left of a text.

A run of 8 bytes is a number, so that a file is searched at the speed of comparing numbers; a run of 16 begins as one of
8 does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONG", "SHORT", "Place", "Runs", "scan", "windows"]

SHORT, LONG = 8, 16
PART = 4 * 2**20
MOST_FOUND = 1_000
Numbers = NDArray[np.uint64]


@dataclass(frozen=True)
class Place:
    """Where a run was found."""

    file: str
    offset: int
    run: bytes


def windows(data: bytes) -> set[bytes]:
    """Of bytes that are no text: one of 16 bytes in each 256, at most 65,536 of them and at least one in each 4 KiB, a
    page of a file. Those of fewer than 8 different bytes say nothing: zeros are everywhere."""
    step = min(max(256, len(data) // 2**16), 4_096 - LONG)
    found = (data[start : start + LONG] for start in range(0, len(data) - LONG + 1, step))
    return {window for window in found if len(set(window)) >= LONG // 2}


class Runs:
    """All runs of 8 and of 16 bytes of some texts; texts under 8 bytes have none.

    windows: of 16 bytes each, that are looked for as they are
    """

    def __init__(self, texts: Iterable[bytes], windows: Iterable[bytes] = ()) -> None:
        self._short: set[bytes] = set()
        self._long: set[bytes] = {window for window in windows if len(window) == LONG}
        for text in texts:
            self._short.update(text[i : i + SHORT] for i in range(len(text) - SHORT + 1))
            self._long.update(text[i : i + LONG] for i in range(len(text) - LONG + 1))
        self._ready()

    def _ready(self) -> None:
        begins = self._short | {run[:SHORT] for run in self._long}
        self._begins: Numbers = np.sort(np.frombuffer(b"".join(begins), "<u8"))

    def __len__(self) -> int:
        return len(self._short) + len(self._long)

    def has(self, run: bytes) -> bool:
        """Whether it is one of them."""
        return run in self._short or run in self._long

    def find(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Where in `data` any of them begins, and which."""
        if len(data) < SHORT or not len(self._begins):
            return
        for offset in sorted(self._beginnings(data)):
            for size, runs in ((SHORT, self._short), (LONG, self._long)):
                run = data[offset : offset + size]
                if run in runs:
                    yield offset, run

    def _beginnings(self, data: bytes) -> Iterator[int]:
        for shift in range(min(SHORT, len(data) - SHORT + 1)):
            count = (len(data) - shift) // SHORT
            numbers = np.frombuffer(data, "<u8", count, shift)
            near = np.searchsorted(self._begins, numbers)
            near[near == len(self._begins)] = 0
            yield from (np.flatnonzero(self._begins[near] == numbers) * SHORT + shift).tolist()

    def within(self, data: bytes) -> bool:
        """Whether any of them is in `data`."""
        return next(self.find(data), None) is not None

    def without(self, texts: Iterable[bytes]) -> Runs:
        """Those that none of the texts holds."""
        left = Runs(())
        held: set[bytes] = set()
        if len(self):
            for data in _together(texts):
                held.update(run for _, run in self.find(data))
        left._short, left._long = self._short - held, self._long - held
        left._ready()
        return left


def _together(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Many short texts as few long ones; no run of text goes across the byte between them."""
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text) + 1
        if size > PART:
            yield b"\0".join(waiting)
            waiting, size = [], 0
    yield b"\0".join(waiting)


_open: dict[tuple[int, int], int] = {}
"""Files that were scanned, by device and inode. They stay open: closing any of its descriptors would drop the locks
that SQLite holds on a file for the whole process (POSIX advisory locks)."""


def scan(path: str, runs: Runs) -> tuple[int, list[Place]]:
    """Search a store's file, its -wal and its -shm: bytes read, and where runs were found (the first 1,000)."""
    total = 0
    found: list[Place] = []
    for name in (path, path + "-wal", path + "-shm"):
        for offset, data in _parts(name):
            total += len(data)
            if len(found) < MOST_FOUND:
                found += [Place(name, offset + at, run) for at, run in runs.find(data)]
    return total, found


def _parts(path: str) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of a file, each part with the first bytes of the next."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return
    descriptor = _open.get((status.st_dev, status.st_ino))
    if descriptor is None:
        descriptor = _open[status.st_dev, status.st_ino] = os.open(path, os.O_RDONLY)
    offset = 0
    while data := os.pread(descriptor, PART + LONG - 1, offset):
        yield offset, data
        offset += PART
