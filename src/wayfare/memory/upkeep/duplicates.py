"""Texts that are almost the same become one memory: merged, never rewritten, and each merge can be undone.

Two memories are the same when their texts are at least `threshold` similar (the cosine of their vectors; without
vectors, shared words over all words), their kind, form, times, keys, subjects and conversation are equal, and neither
says a number or a "not" that the other does not. A group is merged only if *every* two of its members are near, those
included that were merged into one of them before: of a chain of small changes the ends are never one. Pairs are taken
from the most similar on (complete linkage), so that what is found depends neither on the order of the memories nor on
where a run was stopped.

What was undone by hand is not merged again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Literal

from wayfare.errors import BadValue
from wayfare.memory.copies.subjects import SUBJECT
from wayfare.memory.decay import checked_kinds
from wayfare.memory.echo import TELLING
from wayfare.memory.operations import Merge
from wayfare.memory.records import MOST_TAGS
from wayfare.memory.sessions import SESSION
from wayfare.memory.store.job_rows import SILENT
from wayfare.memory.upkeep.capacity import lower_bounds
from wayfare.memory.upkeep.likeness import Likeness, Seen
from wayfare.memory.upkeep.merges import Merges, merges_of
from wayfare.memory.upkeep.plans import Look, Plan, Planned, Step, marks, parts

__all__ = ["MergeDuplicates", "groups"]

_NUMBER = re.compile(r"\d")


@dataclass(frozen=True)
class MergeDuplicates:
    """One of each group stays: it takes the provenance and tags of the others, which are superseded by it.

    threshold: of every two in a group        kinds: only these; None: all
    keep: `best`, what credit thinks most of, among equals the one with more distinct words; or `newest`
    What credit has taught stays with the memory that it was taught about. Raises: BadValue.
    """

    threshold: float = 0.92
    keep: Literal["best", "newest"] = "best"
    kinds: tuple[str, ...] | None = None

    name: ClassVar[str] = "duplicates"
    silent: ClassVar[frozenset[str]] = SILENT
    heeds_own: ClassVar[bool] = False

    def __post_init__(self) -> None:
        wrong = isinstance(self.threshold, bool) or not isinstance(self.threshold, int | float)
        if wrong or not 0 < self.threshold <= 1:
            raise BadValue("threshold", self.threshold, "above 0 and at most 1")
        if self.keep not in ("newest", "best"):
            raise BadValue("keep", self.keep, "newest or best")
        if self.kinds is not None:
            object.__setattr__(self, "kinds", checked_kinds("kinds", self.kinds))

    def settings(self) -> dict[str, Any]:
        """As `Job.settings`."""
        return {"threshold": self.threshold, "keep": self.keep, "kinds": self.kinds}

    def plan(self, look: Look) -> Plan:
        """A merge for each group, the most similar groups first."""
        found, looked = groups(look, self.threshold, self.kinds)
        steps = []
        for least, members in found:
            if len({tag for each in members for tag in each.tags}) > MOST_TAGS:
                continue
            kept = max(members, key=self._worth(look, members))
            others = tuple(sorted(each.id for each in members if each.id != kept.id))
            why = f"near duplicates, at least {least:.3f} similar"
            step = Step("merge", others, why, kept.id)
            steps.append(Planned(step, (Merge(others, kept.id, why),), {each.id: each.version for each in members}))
        return Plan(steps, looked)

    def _worth(self, look: Look, members: Sequence[Seen]) -> Any:
        if self.keep == "newest":
            return lambda each: (each.updated_at, each.id)
        rows: dict[int, tuple[float, ...]] = {}
        for part in parts([each.number for each in members]):
            read = look.tx.execute(
                f"SELECT record, n, total, squares FROM utilities WHERE record IN ({marks(part)})", part
            )
            rows |= {row[0]: row[1:] for row in read.fetchall()}
        bounds = lower_bounds([(0, 0, 0, 0, *rows.get(each.number, (0.0, 0.0, 0.0))) for each in members])
        worth = {each.id: float(bound) for each, bound in zip(members, bounds, strict=True)}
        return lambda each: (worth[each.id], len(each.words), each.updated_at, each.id)


def groups(look: Look, threshold: float, kinds: Iterable[str] | None) -> tuple[list[tuple[float, list[Seen]]], int]:
    """Groups of near duplicates, each with its least similarity, the most similar first; and how many were looked at.

    Where `look.changed` says what has changed, only groups that one of these belongs to are looked for.
    """
    likeness = Likeness(look)
    fresh = likeness.fresh(look.changed, kinds)
    pairs: dict[tuple[str, str], float] = {}
    for one in fresh:
        for other in likeness.near(one, threshold):
            a, b = (one, other) if one.id < other.id else (other, one)
            if (a.id, b.id) not in pairs and _comparable(a, b):
                similarity = likeness.similarity(a, b)
                if similarity is not None and similarity >= threshold:
                    pairs[a.id, b.id] = similarity
    grouped = _Groups(look, likeness, threshold)
    for (x, y), _ in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0])):
        grouped.join(x, y)
    found = [(least, [likeness.seen(id) for id in sorted(members)]) for least, members in grouped.several()]
    found.sort(key=lambda group: (-group[0], group[1][0].id))
    return found, len(fresh)


def _comparable(a: Seen, b: Seen) -> bool:
    """Whether they can be the same memory at all, however alike they sound."""
    same = (a.kind, a.form, a.times, a.keys) == (b.kind, b.form, b.times, b.keys)
    return same and _belonging(a) == _belonging(b) and not _says_otherwise(a, b)


def _belonging(one: Seen) -> set[str]:
    """To whom, and to which conversation."""
    return {tag for tag in one.tags if tag.startswith((SUBJECT, SESSION))}


def _says_otherwise(a: Seen, b: Seen) -> bool:
    """Whether one has a number or a "not" that the other has not."""
    return any(word in TELLING or _NUMBER.search(word) for word in a.words ^ b.words)


class _Groups:
    """Groups that grow by pairs, each pair of whose members is similar enough."""

    def __init__(self, look: Look, likeness: Likeness, threshold: float) -> None:
        self._look, self._likeness, self._threshold = look, likeness, threshold
        self._of: dict[str, list[str]] = {}
        self._least: dict[str, float] = {}
        self._merges: dict[str, Merges] = {}

    def join(self, a: str, b: str) -> None:
        """Make one of the groups of a and b, if all of the one is near to all of the other."""
        one, other = self._of.setdefault(a, [a]), self._of.setdefault(b, [b])
        if one is other or any(self._undone(x) & self._undone(y) for x, y in product(one, other)):
            return
        least = min(self._least.get(one[0], 1.0), self._least.get(other[0], 1.0))
        for x, y in product(self._whole(one), self._whole(other)):
            similarity = self._near(x, y)
            if similarity is None:
                return
            least = min(least, similarity)
        one += other
        for id in other:
            self._of[id] = one
        self._least[one[0]] = least

    def several(self) -> list[tuple[float, list[str]]]:
        """The groups of more than one, with their least similarity."""
        distinct = {id(group): group for group in self._of.values() if len(group) > 1}
        return [(self._least[group[0]], group) for group in distinct.values()]

    def _near(self, x: str, y: str) -> float | None:
        """How alike they are; None where they are not the same. One that was merged before has no keys any more."""
        one, other = self._likeness.seen(x), self._likeness.seen(y)
        both = one.status == other.status == "active"
        if _says_otherwise(one, other) or (both and not _comparable(one, other)):
            return None
        similarity = self._likeness.similarity(one, other)
        return None if similarity is None or similarity < self._threshold else similarity

    def _whole(self, group: Sequence[str]) -> list[str]:
        """Its members, and what was merged into them before and can still be read."""
        taken = [each for id in group for each in self._known(id).took]
        return [*group, *(each for each in taken if self._likeness.readable(each))]

    def _undone(self, id: str) -> frozenset[str]:
        return self._known(id).undone

    def _known(self, id: str) -> Merges:
        if id not in self._merges:
            self._merges[id] = merges_of(self._look.tx, self._look.ns, id)
        return self._merges[id]
