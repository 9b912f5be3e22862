"""A run on disk: what was asked, what is done so far, and enough about code and machine to go on or to refuse.

    runs/SLUG/TIME/
        config.json      the config
        run.json         versions, machine, commit, seconds by part; `finished` is written last of all
        code.json        a digest of each source file
        cells/NAME.npz   what each finished cell found
        metrics.jsonl    what cells reported on their way
        tables/ figures/ findings.json report.html

Files are written aside, synced and renamed: after `kill -9` each is whole or absent. One process holds a run at a time.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import numpy as np

from wayfare.errors import BadValue, ResumeRefused
from wayfare.locks import lock
from wayfare.studies.contract import Arrays, Config, config_to_json

__all__ = ["RunDirectory", "json_text", "write_aside"]

SAME_VERSIONS = ("wayfare", "numpy", "torch")
"""Packages whose versions must not change within a run: they make the numbers."""


def write_aside(path: Path, content: bytes | str) -> None:
    """Write `path` so that it is either the old file or the new one, whatever happens."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _put(aside, path)


class RunDirectory:
    """One run on disk. `config` and `info` are the objects of config.json and run.json."""

    def __init__(self, path: Path) -> None:
        """Raises: ResumeRefused where `path` holds no run."""
        self.path = path
        try:
            self.config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
            self.info: dict[str, Any] = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResumeRefused(f"RUN_DIR must be a directory that holds a run, got {str(path)!r}") from error
        self._lock: IO[bytes] | None = None
        self._metrics: IO[str] | None = None
        self._began = time.monotonic()
        self._before = float(self.info.get("seconds", 0.0))

    @classmethod
    def begin(
        cls, root: Path, slug: str, config: Config, info: Mapping[str, Any], code: Mapping[str, str]
    ) -> RunDirectory:
        """A new run below root/slug, named by the time, held by this process; it appears whole or not at all.

        Raises: BadValue where `root` cannot hold directories.
        """
        now = datetime.now().astimezone()
        folder = root / slug
        new = folder / f".new-{os.getpid()}-{time.monotonic_ns()}"
        try:
            new.mkdir(parents=True)
        except OSError as error:
            raise BadValue("out", str(root), f"a directory that can be written ({error.strerror})") from error
        about = {"slug": slug, "date": now.isoformat(timespec="seconds"), **info, "seconds": 0.0, "cells": {}}
        write_aside(new / "config.json", json_text(config_to_json(config)))
        write_aside(new / "code.json", json_text(dict(code)))
        write_aside(new / "run.json", json_text(about))
        (new / "cells").mkdir()
        name = now.strftime("%Y-%m-%d_%H-%M-%S")
        for attempt in range(1, 1000):
            path = folder / (name if attempt == 1 else f"{name}_{attempt}")
            if path.exists():
                continue
            try:
                os.rename(new, path)
            except OSError:
                continue
            run = cls(path)
            run.hold()
            return run
        raise BadValue("out", str(root), "a directory where a run can be begun")

    @classmethod
    def latest_unfinished(cls, root: Path, slug: str) -> RunDirectory:
        """The unfinished run of `slug` that was begun last.

        Raises: ResumeRefused where there is none.
        """
        for path in sorted((root / slug).glob("[0-9]*"), reverse=True):
            if (path / "run.json").is_file():
                run = cls(path)
                if not run.finished:
                    return run
        raise ResumeRefused(f"--resume found no unfinished run of {slug} in {root / slug}")

    @property
    def finished(self) -> bool:
        """Whether findings and report are written."""
        return bool(self.info.get("finished"))

    def hold(self) -> None:
        """Keep other processes out until this one ends.

        Raises: ResumeRefused while another process holds the run.
        """
        if self._lock is not None:
            return
        file = (self.path / "lock").open("ab")
        if not lock(file):
            file.close()
            raise ResumeRefused(f"run {self.path} is being carried out by another process")
        self._lock = file

    def release(self) -> None:
        """Close what is open and let other processes in."""
        if self._metrics is not None:
            self._metrics.close()
            self._metrics = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def refuse_another_study(self, slug: str) -> None:
        """Raises: ResumeRefused where the run is of another study, or finished."""
        if self.info.get("slug") != slug:
            raise ResumeRefused(f"slug must be {self.info.get('slug')!r} to go on with {self.path}, got {slug!r}")
        if self.finished:
            raise ResumeRefused(f"RUN_DIR must be an unfinished run, {self.path} is finished")

    def refuse_other(self, slug: str, config: Config, versions: Mapping[str, str], code: Mapping[str, str]) -> None:
        """Going on must give the numbers that one go would have given.

        Raises: ResumeRefused naming the first thing that differs: study, version, source file or config field.
        """
        self.refuse_another_study(slug)
        where = f"the unfinished run {self.path}"
        begun = self.info.get("versions", {})
        for name in SAME_VERSIONS:
            if begun.get(name) != versions.get(name):
                asked = f"must be {begun.get(name)} to go on with {where}"
                raise ResumeRefused(f"version of {name} {asked}, got {versions.get(name)}")
        stored: dict[str, str] = json.loads((self.path / "code.json").read_text(encoding="utf-8"))
        changed = sorted(name for name in {*stored, *code} if stored.get(name) != code.get(name))
        if changed:
            others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise ResumeRefused(f"code must be as it was when {where} began, but {changed[0]}{others} changed since")
        now = json.loads(json_text(config_to_json(config)))
        for name in [*self.config, *(name for name in now if name not in self.config)]:
            if self.config.get(name) != now.get(name):
                raise ResumeRefused(f"{name} must be {self.config.get(name)!r} as in {where}, got {now.get(name)!r}")

    def load(self, name: str) -> Arrays | None:
        """What the cell found, or None while it is not finished."""
        path = self._cell(name)
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def store(self, name: str, arrays: Arrays, seconds: float) -> None:
        """Keep what the cell found; from here on the cell is finished.

        Raises: BadValue for an array that is no array of numbers or text.
        """
        path = self._cell(name)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        with aside.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for key, array in arrays.items():
                    if array.dtype.hasobject:
                        raise BadValue(f"array {key!r} of cell '{name}'", array.dtype, "of numbers or text")
                    with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        self._flush_metrics()
        _put(aside, path)
        shutil.rmtree(self.scratch(name), ignore_errors=True)
        self.info["cells"][name] = round(seconds, 3)
        self.save()

    def scratch(self, name: str) -> Path:
        """Where the cell may keep checkpoints of its own until it is finished."""
        return self.path / "cells" / f"{quote(name, safe=' =+,')}.partial"

    def note(self, cell: str, done: float, total: float, seconds: float, metrics: Mapping[str, float]) -> None:
        """Add a line to metrics.jsonl."""
        if self._metrics is None:
            self._metrics = (self.path / "metrics.jsonl").open("a", encoding="utf-8", buffering=1)
        line = {"cell": cell, "done": done, "total": total, "seconds": round(seconds, 3), **metrics}
        self._metrics.write(_line(line))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl that are whole."""
        path = self.path / "metrics.jsonl"
        lines = []
        for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                lines.append(json.loads(text))
            except ValueError:  # the line that a kill tore
                continue
        return lines

    def keep_metrics_of_finished_cells(self) -> None:
        """Rewrite metrics.jsonl cell by cell, without the lines of cells that are not finished."""
        if self._metrics is not None:
            self._metrics.close()
            self._metrics = None
        by_cell: dict[str, list[dict[str, Any]]] = {}
        for line in self.metrics():
            by_cell.setdefault(str(line.get("cell")), []).append(line)
        kept = [line for cell, lines in by_cell.items() if self._cell(cell).is_file() for line in lines]
        write_aside(self.path / "metrics.jsonl", "".join(map(_line, kept)))

    def finished_cells(self) -> int:
        """How many cells are stored."""
        return len(list((self.path / "cells").glob("*.npz")))

    def save(self) -> None:
        """Write run.json, with the seconds of all sessions so far."""
        self.info["seconds"] = round(self._before + time.monotonic() - self._began, 3)
        write_aside(self.path / "run.json", json_text(self.info))

    def finish(self) -> None:
        """Mark the run as finished: call it when everything else is written."""
        self.info["finished"] = datetime.now().astimezone().isoformat(timespec="seconds")
        self.save()

    def _cell(self, name: str) -> Path:
        return self.path / "cells" / f"{quote(name, safe=' =+,')}.npz"

    def _flush_metrics(self) -> None:
        if self._metrics is not None:
            self._metrics.flush()
            os.fsync(self._metrics.fileno())


def _put(aside: Path, path: Path) -> None:
    os.replace(aside, path)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def json_text(content: Any) -> str:
    """JSON as people read and compare it."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _line(line: Mapping[str, Any]) -> str:
    plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
    return json.dumps(plain, ensure_ascii=False) + "\n"
