"""What was made from something that has changed since: found by its links `derived_from`, and dealt with.

A memory is stale when, after it was written, one of those that it was derived from was

    forgotten       hidden or purged
    superseded      by one that says otherwise
    revised         to another text

A source that was merged into another stands on in it, and one that was archived still says what it said: neither makes
anything stale. What follows from a stale memory is dealt with in the same run, sources first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wayfare.errors import BadValue
from wayfare.memory.operations import AddLink, Archive, Delete, Operation, Update
from wayfare.memory.records import Record, checked_text
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.job_rows import SILENT
from wayfare.memory.upkeep.lineage import Lineage
from wayfare.memory.upkeep.plans import Look, Plan, Planned, Step

if TYPE_CHECKING:
    from wayfare.memory.engine import Engine

__all__ = ["SweepStale"]

Then = Literal["leave", "archive", "delete", "rederive"]
CAUSES = ("forgotten", "superseded", "revised")
"""The gravest first."""


@dataclass(frozen=True)
class SweepStale:
    """What becomes of a memory whose source was forgotten, superseded or revised since.

    forgotten, superseded, revised: leave, archive, delete (then what follows from it is dealt with as forgotten, too),
    or rederive
    rederive: (the stale memory, its sources as they stand) -> its new text; None: it cannot be had, archive it. Called
    while nothing is locked; what it says is written only if nothing that it saw has changed meanwhile.
    Raises: BadValue.
    """

    forgotten: Then = "archive"
    superseded: Then = "archive"
    revised: Then = "archive"
    rederive: Callable[[Record, Sequence[Record]], str | None] | None = None

    name: ClassVar[str] = "stale"
    silent: ClassVar[frozenset[str]] = SILENT - {"LINK"}
    heeds_own: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for cause in CAUSES:
            then = getattr(self, cause)
            if then not in ("leave", "archive", "delete", "rederive"):
                raise BadValue(cause, then, "leave, archive, delete or rederive")
            if then == "rederive" and self.rederive is None:
                raise BadValue("rederive", None, f"a function, where what is {cause} is to be derived anew")
        if self.rederive is not None and not callable(self.rederive):
            raise BadValue("rederive", self.rederive, "a function of (memory, sources)")

    def settings(self) -> dict[str, Any]:
        """As `Job.settings`."""
        how = self.rederive
        named = None if how is None else f"{getattr(how, '__module__', '')}.{getattr(how, '__qualname__', type(how))}"
        return {**{cause: getattr(self, cause) for cause in CAUSES}, "rederive": named}

    def plan(self, look: Look) -> Plan:
        """Sources before what follows from them."""
        lineage = Lineage(look.tx, look.ns)
        waiting = lineage.derived() if look.changed is None else lineage.touched(look.changed)
        looked = len(waiting)
        ends: dict[str, tuple[Then, str]] = {}
        versions: dict[str, int] = {}
        coming: dict[str, str] = {}  # what this run does to a source: id -> cause for what follows from it
        while waiting:
            for id in waiting:
                record = lineage.record(id)
                if record is None or record.status != "active":
                    continue
                found = self._end(lineage.causes(id, coming))
                if found is not None:
                    ends[id], versions[id] = found, record.version
            fresh = {id: _CASCADE[then] for id, (then, _) in ends.items() if then in _CASCADE and id not in coming}
            coming |= fresh
            waiting = [id for id in lineage.children(fresh) if id not in ends]
            looked += len(waiting)
        order = lineage.sources_first(ends)
        return Plan([self._planned(look.engine, id, *ends[id], versions[id]) for id in order], looked)

    def _end(self, causes: Iterable[tuple[str, str]]) -> tuple[Then, str] | None:
        """What becomes of it and why: by the gravest cause that asks for anything. causes: (cause, id of the source)"""
        found = dict(reversed(list(causes)))
        for cause in CAUSES:
            then: Then = getattr(self, cause)
            if cause in found and then != "leave":
                return then, f"stale: it was derived from memory {found[cause]}, which was {cause} since"
        return None

    def _planned(self, engine: Engine, id: str, then: Then, why: str, version: int) -> Planned:
        if then == "rederive":
            return Planned(Step(then, (id,), why), make=lambda: self._again(engine, id, why))
        op = Archive(id, why) if then == "archive" else Delete(id, why)
        return Planned(Step(then, (id,), why), (op,), {id: version}, guard=lambda tx, ns: self._still(tx, ns, id))

    def _still(self, tx: Transaction, ns: int, id: str) -> str:
        """A source may have been set right meanwhile."""
        return "" if self._end(Lineage(tx, ns).causes(id)) is not None else "it follows from its sources again"

    def _again(self, engine: Engine, id: str, why: str) -> tuple[Sequence[Operation], Mapping[str, int]] | str:
        """Ask for the text without a lock; the operations that write it, and what they rest on."""
        assert self.rederive is not None
        with engine.database.read() as tx:
            ns = engine.number(tx)
            assert ns is not None
            lineage = Lineage(tx, ns)
            record = lineage.record(id)
            if record is None or record.status != "active":
                return "it is not active any more"
            if self._end(lineage.causes(id)) is None:
                return "it follows from its sources again"
            sources, links = lineage.sources(id)
        text = self.rederive(record, sources)
        expect = {id: record.version} | {source.id: source.version for source in sources}
        if text is None:
            return (Archive(id, f"{why}; it cannot be derived anew"),), expect
        text = engine.redacted("rederive", checked_text("rederive", text))
        ops: list[Operation] = [] if text == record.content else [Update(id, {"content": text}, why)]
        return [*ops, *(AddLink(link, why) for link in links)], expect


_CASCADE = {"delete": "forgotten", "rederive": "revised"}
"""What is done to a source -> what it then is for what follows from it."""
