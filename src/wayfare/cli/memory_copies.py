"""`wayfare memory export, snapshot, restore, ...`: copies of a memory, earlier states, and one person's part in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from wayfare.cli.memory_answers import answer, open_memory, said
from wayfare.cli.memory_options import Options
from wayfare.errors import BadValue

__all__ = ["VERBS", "bring_in", "is_bundle", "still_in"]

File = tyro.conf.Positional[Path]


@dataclass(frozen=True)
class Export(Options):
    """Write the whole memory as one new file, a bundle, which `import` takes in on a file or in PostgreSQL."""

    file: File = Path()
    """The new file."""
    subject: str | None = None
    """Instead, all that there is of this person, for reading."""
    tasks: tuple[str, ...] = ()
    """Ids of tasks that were theirs."""


@dataclass(frozen=True)
class Snapshot(Options):
    """Keep the memory as it stands now, in a folder of snapshots."""

    label: tyro.conf.Positional[str] = ""
    """Its name for rollback and diff."""
    folder: Path | None = None
    """Where; not given: beside the file. A memory in PostgreSQL must be told."""


@dataclass(frozen=True)
class Snapshots(Options):
    """List the copies that were made: snapshots, exports, backups, branches."""

    all: bool = False
    """Those that are gone, too."""
    delete: str | None = None
    """Delete the file of this one, by its id or label."""


@dataclass(frozen=True)
class Backup(Options):
    """Copy the whole file, all its namespaces, while it is in use."""

    file: File = Path()
    """The new file."""


@dataclass(frozen=True)
class Restore(Options):
    """Put a backup back as the new file --db, or a bundle into the empty namespace of --db."""

    file: File = Path()
    """The backup or the bundle."""
    digest: str | None = None
    """That it must have, as it was told when it was made."""
    test: bool = False
    """Only try it: in a temporary folder, which is taken away again."""


@dataclass(frozen=True)
class Diff(Options):
    """What changed between two points: records added, revised, forgotten, and links."""

    a: tyro.conf.Positional[str] = ""
    """A sequence number, seconds since the epoch with a point (1700000000.0), or the label or id of a snapshot."""
    b: tyro.conf.Positional[str] = ""
    """Likewise; not given: now."""


@dataclass(frozen=True)
class Rollback(Options):
    """Let the memory stand again as it once stood, as new versions: nothing is lost."""

    to: tyro.conf.Positional[str] = ""
    """A sequence number, seconds since the epoch with a point, or the label or id of a snapshot."""
    dry_run: bool = False
    """Say what would be done, and change nothing."""
    reason: str = ""
    """Why, for its history."""


@dataclass(frozen=True)
class Branch(Options):
    """Copy the memory into another namespace, which goes its own way."""

    to: tyro.conf.Positional[str] = ""
    """The other namespace."""


@dataclass(frozen=True)
class Erase(Options):
    """Purge everything of one person, and tell which copies still hold it."""

    subject: tyro.conf.Positional[str] = ""
    """The person, as memories were told with subject=."""
    derived: Literal["purge", "keep"] = "purge"
    """What was made from theirs: purge it too, or keep and list it."""
    tasks: tuple[str, ...] = ()
    """Ids of tasks that were theirs."""
    dry_run: bool = False
    """Say what would be erased, and change nothing."""


def is_bundle(path: Path) -> bool:
    """Whether it begins as an archive does."""
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def bring_in(options: Options, path: Path, digest: str | None = None) -> int:
    """Bring a bundle into the empty namespace that is meant."""
    from wayfare.memory.copies.copying import load_bundle

    done = load_bundle(path, options.db, namespace=options.namespace, digest=digest)
    rows = {name: count for name, count in done.rows.items() if count}
    told = ", ".join(f"{count} {name}" for name, count in rows.items()) or "nothing"
    value = {"namespace": done.namespace, "sequence": done.sequence, "rows": rows}
    return answer(options, value, lambda: f"{done.namespace}: {told}")


def still_in(copies: Any) -> str:
    """A line for each copy that still holds what was purged."""
    return "".join(f"\nstill in {each.what} {each.path} (copy {each.id})" for each in copies)


def _there(field: str, path: Path) -> Path:
    if not path.is_file():
        raise BadValue(field, str(path), "a file that is there")
    return path


def _export(options: Export) -> int:
    _named(options.file)
    with open_memory(options) as opened:
        done = opened.export(options.file, subject=options.subject, tasks=options.tasks)
    return answer(options, done, lambda: f"{done.path}: as of change {done.seq}, digest {done.digest}")


def _named(path: Path) -> None:
    if path == Path():
        raise BadValue("file", "", "given")


def _snapshot(options: Snapshot) -> int:
    with open_memory(options) as opened:
        done = opened.snapshot(options.label, folder=options.folder)
    return answer(options, done, lambda: f"{done.id} {done.path}: as of change {done.seq}, digest {done.digest}")


def _snapshots(options: Snapshots) -> int:
    if options.delete is not None:
        with open_memory(options) as opened:
            gone = opened.delete_snapshot(options.delete)
        return answer(options, gone, lambda: f"deleted {gone.path}")
    with open_memory(options, read_only=True) as opened:
        found = opened.snapshots(all=options.all)
    return answer(options, found, lambda: "\n".join(map(_line, found)) or "no copies")


def _line(copy: Any) -> str:
    state = "gone" if copy.gone_at is not None else "" if copy.digest else "not whole"
    return f"{copy.id}  {copy.what:8}  change {copy.seq:<8} {copy.label or '-':20} {copy.path}  {state}".rstrip()


def _backup(options: Backup) -> int:
    from wayfare.memory.copies.backups import backup

    _named(options.file)
    done = backup(options.db, options.file)
    return answer(
        options,
        done,
        lambda: f"{done.path}: {done.bytes:,} bytes, {len(done.namespaces)} namespaces, digest {done.digest}",
    )


def _restore(options: Restore) -> int:
    from wayfare.memory.copies.backups import restore, restore_test

    _there("file", options.file)
    if is_bundle(options.file):
        if options.test:
            return _tried(options)
        return bring_in(options, options.file, options.digest)
    if options.test:
        done = restore_test(options.file, digest=options.digest)
        return answer(options, done, lambda: f"it would do. {done}")
    done = restore(options.file, options.db, digest=options.digest)
    return answer(options, done, lambda: str(done))


def _tried(options: Restore) -> int:
    """A bundle, into a memory that is thrown away."""
    import tempfile

    from wayfare.memory.copies.copying import load_bundle
    from wayfare.memory.store.doctor import doctor

    with tempfile.TemporaryDirectory(prefix="wayfare-restore-") as folder:
        path = Path(folder) / "restored.db"
        done = load_bundle(options.file, path, namespace=options.namespace, digest=options.digest)
        looked = doctor(path)
    answer(options, {"rows": done.rows, "worst": looked.worst}, lambda: f"{options.file}: {looked.worst}\n{looked}")
    return 1 if looked.worst == "damage" else 0


def _point(field: str, text: str) -> int | float | str:
    said(field, text)
    if text.isdecimal():
        return int(text)
    return float(text) if re.fullmatch(r"\d+\.\d*", text) else text


def _diff(options: Diff) -> int:
    with open_memory(options, read_only=True) as opened:
        found = opened.diff(_point("a", options.a), _point("b", options.b) if options.b else None)
    return answer(options, found, lambda: str(found))


def _rollback(options: Rollback) -> int:
    with open_memory(options) as opened:
        done = opened.rollback(to=_point("to", options.to), dry_run=options.dry_run, reason=options.reason)
    return answer(options, done, lambda: str(done))


def _branch(options: Branch) -> int:
    with open_memory(options) as opened:
        done = opened.branch(said("to", options.to))
    value = {"namespace": done.namespace, "sequence": done.sequence}
    return answer(options, value, lambda: f"{done.namespace}: a full copy as of change {done.sequence}")


def _erase(options: Erase) -> int:
    with open_memory(options) as opened:
        done = opened.erase(
            subject=said("subject", options.subject), derived=options.derived, tasks=options.tasks,
            dry_run=options.dry_run,
        )  # fmt: skip
    return answer(options, done, lambda: str(done))


VERBS: Mapping[str, tuple[type, Callable[[Any], int]]] = {
    "export": (Export, _export), "snapshot": (Snapshot, _snapshot), "snapshots": (Snapshots, _snapshots),
    "diff": (Diff, _diff), "rollback": (Rollback, _rollback), "branch": (Branch, _branch), "backup": (Backup, _backup),
    "restore": (Restore, _restore), "erase": (Erase, _erase),
}  # fmt: skip
"""Verb -> what it takes, and what it does."""
