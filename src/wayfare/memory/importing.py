"""Tasks of the past, from a file: so that a new memory starts with what its user already knows.

    query,text,reward,time,tags
    user cannot log in,Password resets need the cache flushed first,1,2026-03-01T12:00:00,auth;cache

or the same names in JSON lines. Each text is remembered once and found under the queries that it was used for; each
task credits its text. What was used then was not drawn by a policy with known chances: such credits carry the rank
`implicit`. They teach utilities and fits; evaluation and the floor never see them.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wayfare.errors import BadValue, OutcomeConflict, ReadOnly
from wayfare.memory.ids import new_id
from wayfare.memory.outcomes import Outcome, post
from wayfare.memory.receipts import Receipt
from wayfare.memory.records import LARGEST_TEXT, checked_tags, checked_text, checked_time, normalised
from wayfare.memory.standing import is_frozen
from wayfare.memory.store.database import Transaction

if TYPE_CHECKING:
    from wayfare.memory.memory import Memory

__all__ = ["Imported", "PastTask", "imported", "parsed_time", "read_tasks"]

FIELDS = ("query", "text", "reward", "time", "tags")
NEEDED = FIELDS[:3]
JSON_ENDS = (".jsonl", ".ndjson", ".json")
SOURCE = "import"
DELIMITERS = ",;\t"
MOST_KEYS = 20
"""Queries under which one text is found; later ones still credit it."""


@dataclass(frozen=True)
class PastTask:
    """One task that somebody did. text: what was known or done; reward: how it went, in the memory's declared range

    time: when, s since the epoch, or None        where: file and line, for messages
    """

    query: str
    text: str
    reward: float
    time: float | None = None
    tags: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Imported:
    """texts: remembered now        known: texts that were there already        tasks: credited now

    repeated: tasks that an earlier import had credited
    """

    texts: int
    known: int
    tasks: int
    repeated: int

    def __str__(self) -> str:
        return (
            f"{self.tasks:,} tasks credited ({self.repeated:,} were imported before), {self.texts:,} texts remembered "
            f"({self.known:,} were known)"
        )


def read_tasks(path: str | os.PathLike[str]) -> list[PastTask]:
    """All tasks of a file: .jsonl, .ndjson and .json hold an object a line; any other is CSV with a header line.

    CSV: comma, semicolon or tab; tags are parted by `;` (by `|` where `;` parts columns). reward: a number, or true or
    false. time: seconds since the epoch or ISO 8601 (UTC where no zone is said). UTF-8, with or without a mark.

    Raises: BadValue naming file, line and field for what is wrong, before anything is returned; OSError.
    """
    file = Path(path)
    data = file.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadValue(f"{file.name} line {line}", data[error.start : error.start + 4], "UTF-8") from None
    if not text.strip():
        raise BadValue(file.name, "an empty file", f"CSV with the columns {', '.join(NEEDED)}, or JSON lines")
    lines = _json_lines if file.suffix.lower() in JSON_ENDS else _csv_lines
    tasks = [_task(file.name, number, fields) for number, fields in lines(file.name, text)]
    if not tasks:
        raise BadValue(file.name, "no task", "a file with one task at least")
    return tasks


def _json_lines(name: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadValue(f"{name} line {number}", str(error), "one JSON object a line") from None
        if not isinstance(fields, dict):
            raise BadValue(f"{name} line {number}", type(fields).__name__, "one JSON object a line")
        yield number, fields


def _csv_lines(name: str, text: str) -> list[tuple[int, Mapping[str, Any]]]:
    header = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    found: list[tuple[int, Mapping[str, Any]]] = []
    before = csv.field_size_limit(4 * LARGEST_TEXT)  # of the whole process: put back below
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns: list[str] | None = None
        start = 1
        try:
            for row in reader:
                number, start = start, reader.line_num + 1
                if not any(cell.strip() for cell in row):
                    continue
                if columns is None:
                    columns = _columns(name, number, row)
                    continue
                if len(row) != len(columns):
                    raise BadValue(f"{name} line {number}", f"{len(row)} fields", f"{len(columns)} fields")
                cells: dict[str, Any] = {column: cell for column, cell in zip(columns, row, strict=True) if cell}
                if "tags" in cells:
                    parted = cells["tags"].split("|" if delimiter == ";" else ";")
                    cells["tags"] = [tag.strip() for tag in parted if tag.strip()]
                found.append((number, cells))
        except csv.Error as error:
            raise BadValue(f"{name} line {start}", str(error), "CSV, with quotes in pairs") from None
    finally:
        csv.field_size_limit(before)
    return found


def _columns(name: str, number: int, row: Sequence[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in row]
    lacking = [field for field in NEEDED if field not in columns]
    if lacking:
        raise BadValue(f"{name} line {number}", columns, f"a header with the columns {', '.join(NEEDED)}")
    if len(set(columns)) != len(columns):
        raise BadValue(f"{name} line {number}", columns, "a header with each column once")
    _known(f"{name} line {number}", columns)
    return columns


def _known(where: str, names: Sequence[str]) -> None:
    unknown = [each for each in names if each not in FIELDS]
    if unknown:
        raise BadValue(where, unknown, f"made of {', '.join(FIELDS)}; leave the rest out")


def _task(name: str, number: int, fields: Mapping[str, Any]) -> PastTask:
    where = f"{name} line {number}"
    _known(where, list(fields))
    for field in NEEDED:
        if fields.get(field) is None:
            raise BadValue(f"{where}: {field}", None, "given")
    query = checked_text(f"{where}: query", fields["query"])
    text = checked_text(f"{where}: text", fields["text"])
    tags = fields.get("tags")
    try:
        named = checked_tags([] if tags is None else tags)
    except BadValue as error:
        raise BadValue(f"{where}: {error.field}", error.value, error.allowed) from None
    reward, time = _reward(f"{where}: reward", fields["reward"]), parsed_time(f"{where}: time", fields.get("time"))
    return PastTask(query, text, reward, time, named, where)


def _reward(field: str, value: Any) -> float:
    allowed = "a finite number, or true or false"
    if isinstance(value, str):
        said = {"true": 1.0, "false": 0.0}.get(value.strip().lower())
        return said if said is not None else _finite(field, value, allowed)
    if not isinstance(value, (bool, int, float)):
        raise BadValue(field, value, allowed)
    return _finite(field, value, allowed)


def _finite(field: str, value: Any, allowed: str) -> float:
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        raise BadValue(field, value, allowed) from None
    if not math.isfinite(number):
        raise BadValue(field, value, allowed)
    return number


def parsed_time(field: str, value: Any) -> float | None:
    """s since the epoch; None for None. value: a number, or ISO 8601, UTC where no zone is said. Raises: BadValue."""
    allowed = "seconds since the epoch, or ISO 8601 such as 2026-03-01T12:00:00Z"
    if not isinstance(value, str):
        return None if value is None else checked_time(field, _finite(field, value, allowed))
    try:
        return _finite(field, value, allowed)
    except BadValue:
        pass
    try:
        said = datetime.fromisoformat(value.strip())
    except ValueError:
        raise BadValue(field, value, allowed) from None
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()


def imported(memory: Memory, tasks: Sequence[PastTask], *, kind: str = "experience") -> Imported:
    """Remember the texts, each once and found under its queries too, and credit every task to its text.

    The outcomes have source `import` and rank `implicit`. Importing the same tasks again changes nothing; a task whose
    reward has changed since is refused.

    Raises: BadValue for a reward out of the declared range, naming the line; OutcomeConflict; StoreError. Everything is
    looked at before anything is written, and the credits are written all or none.
    """
    if not tasks:
        raise BadValue("tasks", [], "one task at least")
    ground = memory._ground
    if ground.database.read_only or ground.ns is None:
        raise ReadOnly(f"{ground.database.path} was opened to be read only")
    now = ground.clock()
    units = []
    for number, task in enumerate(tasks):
        try:
            units.append(ground.unit_reward(task.reward))
        except BadValue as error:
            raise BadValue(f"{task.where or f'tasks[{number}]'}: reward", error.value, error.allowed) from None
    names = _names(tasks)
    with ground.database.read() as tx:
        _unchanged(tx, ground.ns, names, tasks, units)
    drafts: dict[str, dict[str, Any]] = {}
    for task in tasks:
        draft = drafts.setdefault(
            normalised(task.text),
            {"text": task.text, "kind": kind, "tags": set(), "keys": {}, "event": task.time, "reason": "imported"},
        )
        draft["tags"] |= set(task.tags)
        if len(draft["keys"]) < MOST_KEYS:
            draft["keys"][normalised(task.query)] = ("intent", task.query)
        if task.time is not None:
            draft["event"] = task.time if draft["event"] is None else min(draft["event"], task.time)
    results = memory.remember_many(
        [{**draft, "tags": sorted(draft["tags"]), "keys": list(draft["keys"].values())} for draft in drafts.values()]
    )
    where = {text: (result.id, result.version or 1) for text, result in zip(drafts, results, strict=True)}
    operation, repeated = new_id(), 0
    with ground.database.write() as tx:
        frozen = is_frozen(tx, ground.ns)
        for name, task, unit in zip(names, tasks, units, strict=True):
            shown = where[normalised(task.text)]
            when = now if task.time is None else task.time
            sides = {SOURCE: 1.0}
            receipt = Receipt(
                name, name, when, task.query, None, (), (0,), (shown,), {}, sides, {}, SOURCE, sides, (1.0,)
            )
            outcome = Outcome(name, unit, task.reward, (shown[0],), SOURCE, "implicit", memory.actor, when)
            done = post(
                tx, ground.ns, outcome, memory.credit_rule, operation=operation, frozen=frozen, receipts=[receipt]
            )
            repeated += done.repeated
    added = sum(result.op == "ADD" for result in results)
    return Imported(added, len(results) - added, len(tasks) - repeated, repeated)


def _names(tasks: Sequence[PastTask]) -> list[str]:
    """Ids by which the same task is known again: equal ones are counted."""
    seen: Counter[str] = Counter()
    found = []
    for task in tasks:
        said = json.dumps([task.query, task.text, task.time])
        seen[said] += 1
        digest = blake2b(f"{seen[said]} {said}".encode(), digest_size=10).hexdigest()
        found.append(f"import-{digest}")
    return found


def _unchanged(
    tx: Transaction, ns: int, names: Sequence[str], tasks: Sequence[PastTask], units: Sequence[float]
) -> None:
    for name, task, unit in zip(names, tasks, units, strict=True):
        row = tx.execute(
            "SELECT reward FROM outcomes WHERE ns = ? AND task = ? AND source = ? AND voided IS NULL "
            "AND replaced IS NULL",
            (ns, name, SOURCE),
        ).fetchone()
        if row is not None and row[0] != unit:
            raise OutcomeConflict(
                f"{task.where or 'a task'} was imported before with reward {row[0]:g} (of 1), not {unit:g}: "
                f"void(source={SOURCE!r}) takes all imported credits out"
            )
