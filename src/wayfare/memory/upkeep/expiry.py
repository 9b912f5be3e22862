"""What has been kept long enough: archived, or forgotten."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from wayfare.errors import BadValue
from wayfare.memory.decay import checked_kinds, checked_seconds
from wayfare.memory.operations import Archive, Delete
from wayfare.memory.records import checked_name
from wayfare.memory.store.job_rows import SILENT
from wayfare.memory.upkeep.plans import Look, Plan, Planned, Step, days, marks

__all__ = ["Expire"]

_NONE: Mapping[str, float] = MappingProxyType({})
STATUSES = ("active", "superseded", "archived")


@dataclass(frozen=True)
class Expire:
    """What is older than it may be: since it was last written. Of several limits the one that ends first holds.

    kinds, tags: name -> how long it is kept, s        meta: field of a memory's `meta` in which it says its own, s
    ended: s after the end of its validity (`valid_to`); None: what holds no longer is kept all the same
    pinned: kinds that never expire        statuses: of the memories that are looked at
    then: archive (kept, recalled no more) or delete (hidden at once; its history stays until it is purged)
    Raises: BadValue.
    """

    kinds: Mapping[str, float] = field(default_factory=lambda: _NONE)
    tags: Mapping[str, float] = field(default_factory=lambda: _NONE)
    meta: str | None = None
    ended: float | None = None
    pinned: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("active",)
    then: Literal["archive", "delete"] = "archive"

    name: ClassVar[str] = "expire"
    silent: ClassVar[frozenset[str]] = SILENT
    heeds_own: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("kinds", "tags"):
            given = getattr(self, name)
            if not isinstance(given, Mapping):
                raise BadValue(name, given, "a mapping from names to seconds")
            checked = {checked_name(name, each): checked_seconds(name, limit) for each, limit in given.items()}
            object.__setattr__(self, name, MappingProxyType(checked))
        if self.meta is not None:
            checked_name("meta", self.meta)
        if self.ended is not None and (
            isinstance(self.ended, bool) or not isinstance(self.ended, int | float) or not 0 <= self.ended < math.inf
        ):
            raise BadValue("ended", self.ended, "a finite number of seconds, 0 or more, or None")
        if not (self.kinds or self.tags or self.meta is not None or self.ended is not None):
            raise BadValue("expire", "nothing", "told what expires: kinds, tags, meta or ended")
        object.__setattr__(self, "pinned", checked_kinds("pinned", self.pinned))
        wanted = (self.statuses,) if isinstance(self.statuses, str) else tuple(self.statuses)
        if not wanted or any(each not in STATUSES for each in wanted):
            raise BadValue("statuses", self.statuses, f"some of {', '.join(STATUSES)}")
        object.__setattr__(self, "statuses", tuple(sorted(set(wanted))))
        if self.then not in ("archive", "delete"):
            raise BadValue("then", self.then, "archive or delete")
        if self.then == "archive" and self.statuses != ("active",):
            raise BadValue("statuses", self.statuses, "active alone, where what expires is archived")

    def settings(self) -> dict[str, Any]:
        """As `Job.settings`."""
        return {
            "kinds": dict(self.kinds), "tags": dict(self.tags), "meta": self.meta, "ended": self.ended,
            "pinned": self.pinned, "statuses": self.statuses, "then": self.then,
        }  # fmt: skip

    def plan(self, look: Look) -> Plan:
        """Those whose time is over, the oldest first; and when the next one's will be."""
        steps: list[tuple[float, str, Planned]] = []
        due: float | None = None
        looked = 0
        for id, version, kind, written, ended, tags, meta in look.tx.execute(*self._chosen(look.ns)):
            looked += 1
            at, why = self._ends(kind, written, ended, json.loads(tags), json.loads(meta))
            if at > look.now:
                due = at if at < math.inf and (due is None or at < due) else due
                continue
            op = Archive(id, why) if self.then == "archive" else Delete(id, why)
            steps.append((at, id, Planned(Step(self.then, (id,), why), (op,), {id: version})))
        steps.sort(key=lambda each: each[:2])
        return Plan([each for *_, each in steps], looked, due)

    def _chosen(self, ns: int) -> tuple[str, tuple[Any, ...]]:
        """The records that any of the limits may concern."""
        any_of: list[str] = []
        given: list[Any] = []
        if self.kinds:
            any_of.append(f"kind IN ({marks(list(self.kinds))})")
            given += list(self.kinds)
        if self.tags:
            any_of.append(f"record IN (SELECT record FROM tags WHERE ns = ? AND tag IN ({marks(list(self.tags))}))")
            given += [ns, *self.tags]
        if self.meta is not None:
            any_of.append("meta != '{}'")
        if self.ended is not None:
            any_of.append("valid_to IS NOT NULL")
        where = f"ns = ? AND status IN ({marks(self.statuses)}) AND ({' OR '.join(any_of)})"
        if self.pinned:
            where += f" AND kind NOT IN ({marks(self.pinned)})"
        sql = f"SELECT id, version, kind, updated_at, valid_to, tags, meta FROM records WHERE {where} ORDER BY id"
        return sql, (ns, *self.statuses, *given, *self.pinned)

    def _ends(
        self, kind: str, written: float, ended: float | None, tags: Sequence[str], meta: Mapping[str, Any]
    ) -> tuple[float, str]:
        """When its time is over, s since the epoch, and by which limit."""
        limits: list[tuple[float, str]] = []
        if kind in self.kinds:
            limits.append((written + self.kinds[kind], f"kind {kind} is kept {days(self.kinds[kind])}"))
        for tag in tags:
            if tag in self.tags:
                limits.append((written + self.tags[tag], f"what is tagged {tag} is kept {days(self.tags[tag])}"))
        own = None if self.meta is None else meta.get(self.meta)
        if isinstance(own, int | float) and not isinstance(own, bool) and own >= 0:
            limits.append((written + own, f"by its own {self.meta} it is kept {days(own)}"))
        if self.ended is not None and ended is not None:
            after = f", {days(self.ended)} ago or more" if self.ended else ""
            limits.append((ended + self.ended, f"it holds no longer{after}"))
        at, why = min(limits, default=(math.inf, ""))
        return at, f"expired: {why}"
