"""From one form to another: text to cache, text to adapter, adapter to text; by converters that the caller brings.

    conversions = Conversions(cube, {"prefill": Prefill(model)})        # a `FormConverter` each, by name
    conversions.ask("prefill", [rules, names], priority="urgent")
    conversions.run(limit=1)                                            # the most urgent first
    cube.header(conversions.result("prefill", [rules, names]))          # a record of the target form

What is asked for is kept in the namespace, in a row of `jobs`, so that whoever opens it next goes on. A conversion is
done by this process, without a lock; what comes of it is written in one transaction with its links `derived_from`, only
if every source still stands at the version that was read, else it is done again. Done twice, it is written once: what
already follows from the sources as they stand is found, not made. That the result is archived with its sources is
`memory.invalidating`'s doing.

Which memory should be in which form is the business of a scheduler, which reads `Cube.heats`. After the transformations
of MemOS (Li et al. 2025, arXiv 2507.03724), which lists three priorities.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from wayfare.errors import BadValue, NoSuchRecord, ReadOnly, VersionConflict
from wayfare.memory.copies.subjects import SUBJECT
from wayfare.memory.cubes.cube import Cube
from wayfare.memory.operations import Add
from wayfare.memory.payloads import Payload
from wayfare.memory.records import FORMS, Form, Link, Record, checked_name, checked_text
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.job_rows import JobRow, read_job, write_job

__all__ = ["Asked", "Conversions", "Converted", "FormConverter", "Priority"]

Priority = Literal["urgent", "normal", "background"]
PRIORITIES: tuple[str, ...] = get_args(Priority)
JOB = "conversions"
TRIES = 5
MOST = 10_000
"""Conversions that may wait."""


class FormConverter(Protocol):
    """source, target: forms. `convert` takes records with what they carry, in the order in which they were named, and
    answers with the text and the payload of the result; it changes nothing, and may be called again."""

    @property
    def source(self) -> Form: ...

    @property
    def target(self) -> Form: ...

    def convert(self, records: Sequence[tuple[Record, Payload | None]]) -> tuple[str, Payload | None]: ...


@dataclass(frozen=True)
class Asked:
    """A conversion that waits."""

    converter: str
    ids: tuple[str, ...]
    priority: Priority


@dataclass(frozen=True)
class Converted:
    """What became of one. id: of the result, None where there is none        made: False where it was there before

    reason: why it was dropped, "" where it was not
    """

    asked: Asked
    id: str | None
    made: bool
    reason: str = ""


class Conversions:
    """What waits to be converted in a cube. converters: by the name under which it is asked for, which stays with the
    results. Raises: BadValue for a converter that is none."""

    def __init__(self, cube: Cube, converters: Mapping[str, FormConverter]) -> None:
        for name, each in converters.items():
            checked_name("converters", name)
            forms = (getattr(each, "source", None), getattr(each, "target", None))
            if not all(form in FORMS for form in forms) or not callable(getattr(each, "convert", None)):
                raise BadValue(f"converters[{name!r}]", each, "a FormConverter: source, target and convert")
        self.cube, self._converters = cube, dict(converters)

    def ask(self, converter: str, ids: Sequence[str], priority: Priority = "normal") -> Asked:
        """Have records converted, together, by whoever runs next. Asked again, it waits once, at the higher priority.

        Raises: BadValue; NoSuchRecord; ReadOnly.
        """
        found = self._checked(converter, ids)
        if priority not in PRIORITIES:
            raise BadValue("priority", priority, f"one of {', '.join(PRIORITIES)}")
        for id in found:
            self._refused(converter, self.cube.own(id))
        asked = Asked(converter, found, priority)

        def put(waiting: list[Asked]) -> list[Asked]:
            for i, each in enumerate(waiting):
                if (each.converter, each.ids) == (converter, found):
                    if PRIORITIES.index(priority) >= PRIORITIES.index(each.priority):
                        return waiting
                    return [*waiting[:i], asked, *waiting[i + 1 :]]
            if len(waiting) == MOST:
                raise BadValue("conversions", len(waiting) + 1, f"at most {MOST} that wait; run some")
            return [*waiting, asked]

        self._rewrite(put)
        return asked

    def waiting(self) -> list[Asked]:
        """What is to be done, in the order in which it will be: by priority, then by when it was asked for."""
        engine = self.cube.memory.engine
        with engine.database.read() as tx:
            ns = engine.number(tx)
            found = [] if ns is None else _read(tx, ns)
        return sorted(found, key=lambda each: PRIORITIES.index(each.priority))

    def run(self, limit: int | None = None) -> list[Converted]:
        """Do what waits, the most urgent first; what cannot be done any more is dropped with its reason.

        limit: conversions, None: all
        Raises: BadValue; ReadOnly; StoreError; what a converter raises, and what it was asked for waits on.
        """
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise BadValue("limit", limit, "a whole number from 1, or None")
        done: list[Converted] = []
        left = [each for each in self.waiting() if each.converter in self._converters]
        for asked in left if limit is None else left[:limit]:
            done.append(self._convert(asked))
            self._rewrite(
                lambda waiting, asked=asked: [  # type: ignore[misc]
                    each for each in waiting if (each.converter, each.ids) != (asked.converter, asked.ids)
                ]
            )
        return done

    def result(self, converter: str, ids: Sequence[str]) -> str | None:
        """Id of what the converter made of these records as they stand; None where there is nothing. Raises: BadValue;
        NoSuchRecord."""
        found = self._checked(converter, ids)
        return self._made(converter, [self.cube.own(id) for id in found])

    def _checked(self, converter: str, ids: Sequence[str]) -> tuple[str, ...]:
        if converter not in self._converters:
            raise BadValue("converter", converter, f"one of {', '.join(sorted(self._converters)) or 'none'}")
        if isinstance(ids, str) or not ids:
            raise BadValue("ids", ids, "a list of at least one id")
        return tuple(dict.fromkeys(checked_name("ids", id) for id in ids))

    def _refused(self, converter: str, record: Record) -> None:
        form = self._converters[converter].source
        if record.form != form:
            raise BadValue("form", record.form, f"{form}, for memory {record.id} to be converted by {converter!r}")
        if record.status != "active":
            raise BadValue("status", record.status, f"active, for memory {record.id} to be converted")

    def _convert(self, asked: Asked) -> Converted:
        memory, converter = self.cube.memory, self._converters[asked.converter]
        for left in range(TRIES - 1, -1, -1):
            try:
                records = [self.cube.own(id) for id in asked.ids]
                for record in records:
                    self._refused(asked.converter, record)
                known = self._made(asked.converter, records)
                if known is not None:
                    return Converted(asked, known, False)
                whole = [
                    (each, None if each.payload is None else memory.payload(each.id, version=each.version))
                    for each in records
                ]
            except (BadValue, NoSuchRecord) as error:
                return Converted(asked, None, False, str(error))
            text, payload = converter.convert(whole)
            add = self._draft(asked, records, text, payload, converter.target)
            try:
                done = memory.apply([add], expect={each.id: each.version for each in records})[0]
            except (VersionConflict, NoSuchRecord):
                if not left:
                    raise
                continue  # a source has moved on meanwhile
            return Converted(asked, done.id, done.op == "ADD")
        raise AssertionError("unreachable")

    def _draft(self, asked: Asked, records: Sequence[Record], text: str, payload: Payload | None, target: Form) -> Add:
        checked_text("convert", text)
        if payload is not None and not isinstance(payload, Payload):
            raise BadValue("convert", type(payload).__name__, "a text and a Payload, or None")
        subjects = {tag for record in records for tag in record.tags if tag.startswith(SUBJECT)}
        links = tuple(Link("", each.id, "derived_from", evidence=(f"{each.id}@{each.version}",)) for each in records)
        return Add(
            text, kind=records[0].kind, form=target, payload=payload, tags=tuple(sorted(subjects)), links=links,
            meta={"converter": asked.converter}, reason=f"converted by {asked.converter}",
        )  # fmt: skip

    def _made(self, converter: str, records: Sequence[Record]) -> str | None:
        """What the converter made of exactly these, and is active: had any of them changed, it would not be."""
        memory, target = self.cube.memory, self._converters[converter].target
        wanted = {each.id for each in records}
        for link in memory.links(records[0].id, direction="in", types=["derived_from"]):
            made = memory.get(link.source)
            if made.status != "active" or made.form != target or made.meta.get("converter") != converter:
                continue
            rests = memory.links(made.id, direction="out", types=["derived_from"])
            if {each.target for each in rests} == wanted:
                return made.id
        return None

    def _rewrite(self, change: Callable[[list[Asked]], list[Asked]]) -> None:
        engine = self.cube.memory.engine
        if engine.database.read_only:
            raise ReadOnly(f"{engine.database.path} was opened to be read only")
        with engine.database.write() as tx:
            ns = engine.number(tx, create=True)
            assert ns is not None
            before = _read(tx, ns)
            after = change(before)
            if after != before:
                (sequence,) = tx.execute("SELECT sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()
                body = json.dumps([[each.converter, each.ids, each.priority] for each in after])
                write_job(tx, ns, JOB, JobRow(int(sequence), body), engine.clock())


def _read(tx: Transaction, ns: int) -> list[Asked]:
    row = read_job(tx, ns, JOB)
    return [] if row is None else [Asked(name, tuple(ids), priority) for name, ids, priority in json.loads(row.body)]
