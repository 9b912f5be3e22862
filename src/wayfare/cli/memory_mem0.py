"""`wayfare memory import-mem0`: what mem0 has kept becomes memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro

from wayfare.cli.memory_answers import answer, open_memory
from wayfare.cli.memory_options import Options
from wayfare.errors import BadValue
from wayfare.memory.store.addresses import is_postgres

__all__ = ["VERBS"]


@dataclass(frozen=True)
class ImportMem0(Options):
    """Begin with what mem0 has kept: the JSON of its get_all(), and its history.db."""

    file: tyro.conf.Positional[Path] = Path()
    """The JSON."""
    history: Path | None = None
    """mem0's history.db (often ~/.mem0/history.db): earlier texts become versions, what was deleted is forgotten."""
    dry_run: bool = False
    """Say what would be done, and write nothing."""


def _import(options: ImportMem0) -> int:
    from wayfare.dropins.mem0 import imported, read_mem0

    if not options.file.expanduser().is_file():
        raise BadValue("file", str(options.file), "a file that is there: the JSON of mem0's get_all()")
    export = read_mem0(options.file, options.history)
    with TemporaryDirectory() as folder:
        if options.dry_run and not is_postgres(options.db) and not Path(options.db).is_file():
            options = replace(options, db=str(Path(folder) / "empty.db"))  # as into a file that is still to be made
        with open_memory(options, make=True) as opened:
            done = imported(opened, export, dry_run=options.dry_run)
    return answer(options, done, lambda: str(done))


VERBS: Mapping[str, tuple[type, Callable[[Any], int]]] = {"import-mem0": (ImportMem0, _import)}
"""Verb -> what it takes, and what it does."""
