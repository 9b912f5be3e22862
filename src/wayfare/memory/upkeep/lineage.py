"""Which memories follow from which, and whether they still do: the links `derived_from` held against the log.

A derived memory rests on the version of its source that stood when its present text was written, when its link was made
if that came later, or that its link names itself, as evidence `ID@VERSION`: whichever is the latest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import heappop, heappush

from wayfare.memory.reading import CHANGES
from wayfare.memory.records import Link, Record
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import LINK_COLUMNS, RECORD_COLUMNS, link_from, record_from, record_from_body
from wayfare.memory.upkeep.merges import merges_of
from wayfare.memory.upkeep.plans import marks, parts

__all__ = ["Lineage"]

_OPS = ", ".join(f"'{op}'" for op in CHANGES)


class Lineage:
    """Of one namespace, in one transaction. Sources in other namespaces are not watched."""

    def __init__(self, tx: Transaction, ns: int) -> None:
        self._tx, self._ns = tx, ns
        self._records: dict[str, Record | None] = {}

    def record(self, id: str) -> Record | None:
        """As it stands, forgotten ones too; None where there is none."""
        if id not in self._records:
            row = self._tx.execute(
                f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND id = ?", (self._ns, id)
            ).fetchone()
            self._records[id] = None if row is None else record_from(row, "")
        return self._records[id]

    def taken_as(self, record: Record) -> None:
        """Ask of it as it stood at an earlier version, which is about to stand again."""
        self._records[record.id] = record

    # What to look at

    def derived(self) -> list[str]:
        """All active ones that were derived from anything."""
        rows = self._tx.execute(
            "SELECT DISTINCT l.source FROM links l JOIN records r ON r.ns = l.ns AND r.id = l.source"
            " WHERE l.ns = ? AND l.type = 'derived_from' AND r.status = 'active' ORDER BY l.source",
            (self._ns,),
        )
        return [id for (id,) in rows.fetchall()]

    def children(self, ids: Iterable[str]) -> list[str]:
        """Those that were derived from any of these."""
        found: set[str] = set()
        for part in parts(sorted(ids)):
            rows = self._tx.execute(
                f"SELECT source FROM links WHERE ns = ? AND target IN ({marks(part)}) AND type = 'derived_from'",
                (self._ns, *part),
            )
            found |= {id for (id,) in rows.fetchall()}
        return sorted(found)

    def touched(self, changed: Iterable[str]) -> list[str]:
        """Those that a change of these may have made stale."""
        ids = set(changed)
        stood_for = {each for id in ids for each in merges_of(self._tx, self._ns, id).took}
        return sorted({*self.children(ids | stood_for), *ids})

    def sources_first(self, ids: Iterable[str]) -> list[str]:
        """These, each after those among them that it was derived from; of a circle, the one that was named first."""
        names = list(ids)
        place = {id: i for i, id in enumerate(names)}
        waits = {id: {link.target for link, _ in self._links(id) if link.target in place} - {id} for id in names}
        follow: dict[str, list[str]] = {}
        for id, sources in waits.items():
            for source in sources:
                follow.setdefault(source, []).append(id)
        ready = [place[id] for id in names if not waits[id]]
        order: dict[str, None] = {}
        first = 0
        while len(order) < len(names):
            while not ready and names[first] in order:
                first += 1
            id = names[heappop(ready) if ready else first]
            if id in order:
                continue
            order[id] = None
            for each in follow.get(id, ()):
                waits[each].discard(id)
                if not waits[each]:
                    heappush(ready, place[each])
        return list(order)

    # Whether it still follows

    def causes(self, id: str, coming: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
        """(cause, source) for each source that makes it stale. coming: causes that are about to be, by source"""
        found = []
        for link, made in self._links(id):
            cause = (coming or {}).get(link.target) or self._cause(link, made)
            if cause is not None:
                found.append((cause, link.target))
        return found

    def targets(self, id: str) -> list[str]:
        """Ids of what it was derived from."""
        return [link.target for link, _ in self._links(id)]

    def sources(self, id: str) -> tuple[list[Record], list[Link]]:
        """What it is to be derived from anew, as it stands: what was merged or superseded gives way to what stands for
        it; and the links that say on which versions it rests then."""
        records: dict[str, Record] = {}
        links: dict[str, Link] = {}
        for link, _ in self._links(id):
            record = self.record(link.target)
            if record is None:
                continue
            links[record.id] = _resting(link, record)
            heir = self.heir(record)
            if heir is not None and heir.id != id:
                records[heir.id] = heir
                links.setdefault(heir.id, _resting(Link(id, heir.id, "derived_from"), heir))
        return [records[each] for each in sorted(records)], [links[each] for each in sorted(links)]

    def heir(self, record: Record) -> Record | None:
        """What stands for it by now; None where nothing does."""
        seen = {record.id}
        while record.status == "superseded":
            into = merges_of(self._tx, self._ns, record.id).into or self._superseded_by(record.id)
            following = None if into is None or into in seen else self.record(into)
            if following is None:
                return None
            record = following
            seen.add(record.id)
        return None if record.status == "tombstone" else record

    def _superseded_by(self, id: str) -> str | None:
        row = self._tx.execute(
            "SELECT source FROM links WHERE ns = ? AND target = ? AND type = 'supersedes' ORDER BY created_at DESC,"
            " source DESC LIMIT 1",
            (self._ns, id),
        ).fetchone()
        return None if row is None else str(row[0])

    def _links(self, id: str) -> list[tuple[Link, float]]:
        """To its sources, each with the time at which it was made."""
        rows = self._tx.execute(
            f"SELECT created_at, {LINK_COLUMNS} FROM links WHERE ns = ? AND source = ? AND type = 'derived_from'"
            " ORDER BY target",
            (self._ns, id),
        )
        return [(link_from(row), made) for made, *row in rows.fetchall()]

    def _cause(self, link: Link, made: float) -> str | None:
        source = link.target
        if self.record(source) is None:
            return None
        version = self._rests_on(link, made)
        seen = {link.source}
        while version and source not in seen:
            seen.add(source)
            present = self.record(source)
            if present is None:
                return None
            then = self._at(present, version)
            if present.status == "tombstone":
                return "forgotten" if then is None or then.status != "tombstone" else None
            if then is None or then.status == "tombstone":
                return None
            if (then.content, then.payload) != (present.content, present.payload):
                return "revised"
            if present.status != "superseded" or then.status == "superseded":
                return None
            merged = merges_of(self._tx, self._ns, source)
            if merged.into is None:
                return "superseded"
            source, version = merged.into, merged.version
        return None

    def _rests_on(self, link: Link, made: float) -> int:
        """The version of the source that it was derived from; 0 where that is not known."""
        named = [each.rpartition("@") for each in link.evidence]
        versions = [int(version) for id, _, version in named if id == link.target and version.isdecimal()]
        seq, time = self._written(link.source)
        row = self._tx.execute(
            f"SELECT MAX(version) FROM log WHERE ns = ? AND id = ? AND op IN ({_OPS})"
            " AND (seq < ? OR (? = 1 AND time <= ?))",
            (self._ns, link.target, seq, int(made > time), made),
        ).fetchone()
        return max([*versions, int(row[0] or 0)])

    def _written(self, id: str) -> tuple[int, float]:
        """Where in the log, and when, its present text and payload were written."""
        record = self.record(id)
        assert record is not None
        first = record.version
        rows = self._tx.execute(
            "SELECT version, body, checksum FROM versions WHERE ns = ? AND id = ? AND version < ? ORDER BY version"
            " DESC",
            (self._ns, id, record.version),
        ).fetchall()
        for version, body, stored in rows:
            earlier = record_from_body(body, stored, "") if body else None
            if earlier is None or (earlier.content, earlier.payload) != (record.content, record.payload):
                break
            first = version
        row = self._tx.execute(
            f"SELECT seq, time FROM log WHERE ns = ? AND id = ? AND version = ? AND op IN ({_OPS})"
            " ORDER BY seq LIMIT 1",
            (self._ns, id, first),
        ).fetchone()
        return (0, 0.0) if row is None else (int(row[0]), float(row[1]))

    def _at(self, present: Record, version: int) -> Record | None:
        """A version of a record; None where its text has been purged."""
        if version >= present.version:
            return present
        row = self._tx.execute(
            "SELECT body, checksum FROM versions WHERE ns = ? AND id = ? AND version = ?",
            (self._ns, present.id, version),
        ).fetchone()
        return None if row is None or not row[0] else record_from_body(row[0], row[1], "")


def _resting(link: Link, source: Record) -> Link:
    """The link, resting on the present version of its source."""
    kept = [each for each in link.evidence if each.rpartition("@")[0] != source.id]
    return replace(link, evidence=(*kept, f"{source.id}@{source.version}"))
