"""`wayfare memory upkeep | audit | quota | unmerge`: the verbs of whoever looks after a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tyro

from wayfare.cli.memory_answers import answer, open_memory, said
from wayfare.cli.memory_options import Options
from wayfare.errors import BadValue
from wayfare.flags import nearest
from wayfare.memory.decay import Decay

if TYPE_CHECKING:
    from wayfare.memory.quotas import Quota
    from wayfare.memory.upkeep import Audit, Job

__all__ = ["VERBS"]

WIDTH = 110
NAMED = 3
"""Ids that a line of the table names; --json names all."""
UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
NONE = "none"


@dataclass(frozen=True)
class Upkeep(Options):
    """Say what a job of upkeep would do: duplicates, expire, evict or stale; with --apply, do it."""

    job: tyro.conf.Positional[str] = ""
    """duplicates: texts almost the same become one. expire: what has been kept long enough. evict: the least worth
    keeping, down to a limit. stale: what follows from something that has changed since."""
    apply: bool = False
    """Do it. Without, nothing is changed."""
    steps: int | None = None
    """At most so many in this run; the next one goes on."""
    actor: str = ""
    """Who does it, for the history."""
    threshold: float | None = None
    """duplicates: how similar every two of a group are (.92)."""
    keep: str | None = None
    """duplicates: best, what credit thinks most of; or newest."""
    kinds: tuple[str, ...] | None = None
    """duplicates: only these kinds."""
    ttl: tuple[str, ...] | None = None
    """expire: how long each kind is kept, as episode=30d (s, m, h, d)."""
    tag_ttl: tuple[str, ...] | None = None
    """expire: how long what has a tag is kept, as draft=2d."""
    meta: str | None = None
    """expire: the field of a memory's meta in which it says how long, in seconds."""
    ended: str | None = None
    """expire: so long after its validity has ended, as 7d; 0 for at once."""
    limit: int | None = None
    """evict: memories that may stay."""
    kind: str | None = None
    """evict: the limit is of this kind alone."""
    half_life: str | None = None
    """evict: by which a memory's worth falls (30d)."""
    half_lives: tuple[str, ...] | None = None
    """evict: of some kinds, as episode=7d."""
    pinned: tuple[str, ...] | None = None
    """expire, evict: kinds that stay, whatever else is said."""
    then: str | None = None
    """expire, evict: archive (kept, recalled no more), or delete."""
    forgotten: str | None = None
    """stale: where a source was forgotten: archive, delete or leave."""
    superseded: str | None = None
    """stale: where a source was superseded."""
    revised: str | None = None
    """stale: where a source says something else by now."""


OF_JOB: Mapping[str, tuple[str, ...]] = {
    "duplicates": ("threshold", "keep", "kinds"),
    "expire": ("ttl", "tag_ttl", "meta", "ended", "pinned", "then"),
    "evict": ("limit", "kind", "half_life", "half_lives", "pinned", "then"),
    "stale": ("forgotten", "superseded", "revised"),
}
"""Job -> the flags that are its own."""


@dataclass(frozen=True)
class Look(Options):
    """What is wrong with a memory: duplicates, echoes, what is never recalled, orphans, ..., with ids."""

    threshold: float = 0.92
    """How similar near duplicates are."""


@dataclass(frozen=True)
class Limits(Options):
    """Show what a namespace may hold and how much it does; set the limits that are given."""

    records: str | None = None
    """Memories that can be recalled, or none for no limit."""
    bytes: str | None = None
    """Of text, or none."""
    writes_a_day: str | None = None
    """Or none."""
    reason: str = ""
    """Why, for the log."""


@dataclass(frozen=True)
class Unmerge(Options):
    """Take the last merge into a memory back: what was merged stands again, and upkeep leaves it so."""

    id: tyro.conf.Positional[str] = ""
    """Of the memory that was merged into."""
    reason: str = ""
    """Why, for its history."""


def _upkeep(options: Upkeep) -> int:
    job = _job(options)
    with open_memory(options, read_only=not options.apply, actor=options.actor) as opened:
        done = opened.upkeep(job, dry_run=not options.apply, limit=options.steps)
    hint = "" if options.apply or not done.steps else "\n(say --apply to do it)"
    return answer(options, done, lambda: f"{done}{hint}")


def _job(options: Upkeep) -> Job:
    """With the settings that were given. Raises: BadValue, also for a flag of another job."""
    from wayfare.memory.upkeep import Evict, Expire, MergeDuplicates, SweepStale

    name = options.job
    if name not in OF_JOB:
        raise BadValue("job", name, f"one of {', '.join(OF_JOB)}{nearest(name, list(OF_JOB))}")
    every = dict.fromkeys(flag for flags in OF_JOB.values() for flag in flags)
    given: dict[str, Any] = {flag: value for flag in every if (value := getattr(options, flag)) is not None}
    for flag in given:
        if flag not in OF_JOB[name]:
            told = ", ".join(f"--{each.replace('_', '-')}" for each in OF_JOB[name])
            raise BadValue(flag, given[flag], f"left out: {name} takes {told}")
    if name == "duplicates":
        return MergeDuplicates(**given)
    if name == "stale":
        return SweepStale(**given)
    if name == "expire":
        ttl, tags, ended = (given.pop(each, None) for each in ("ttl", "tag_ttl", "ended"))
        if ended is not None:
            given["ended"] = _seconds("ended", ended)
        return Expire(kinds=_spans("ttl", ttl), tags=_spans("tag_ttl", tags), **given)
    if options.limit is None:
        raise BadValue("limit", "nothing", "given: --limit, the memories that may stay")
    half, halves, pinned = (given.pop(each, None) for each in ("half_life", "half_lives", "pinned"))
    life = Evict.decay.half_life if half is None else _seconds("half_life", half)
    return Evict(**given, decay=Decay(life, _spans("half_lives", halves), pinned or ()))


def _spans(field: str, given: Sequence[str] | None) -> dict[str, float]:
    """NAME=30d, ... as seconds by name."""
    found = {}
    for each in given or ():
        name, equals, span = each.rpartition("=")
        if not equals or not name:
            raise BadValue(field, each, "a name and how long, as episode=30d")
        found[name] = _seconds(field, span)
    return found


def _seconds(field: str, text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    try:
        return float(number) * UNITS[unit]
    except ValueError:
        raise BadValue(field, text, "a span of time, as 90s, 15m, 12h or 30d") from None


def _audit(options: Look) -> int:
    with open_memory(options, read_only=True) as opened:
        found = opened.audit(threshold=options.threshold)
    value = {**{name: getattr(found, name) for name in found.__dataclass_fields__}, "counts": _counts(found)}
    return answer(options, value, lambda: _table(found))


def _counts(found: Audit) -> dict[str, int]:
    faults = ("duplicates", "near", "echoes", "never", "orphans", "provenance", "stale")
    return {"active": found.active, **{name: len(getattr(found, name)) for name in faults}}


_SAID = {
    "duplicates": "the same text under several memories",
    "near": "groups of near duplicates (wayfare memory upkeep duplicates)",
    "echoes": "restate a memory that had been recalled",
    "never": "never recalled",
    "orphans": "links to or from what is not there",
    "provenance": "name a source that is not there",
    "stale": "follow from what has changed since (upkeep stale)",
}


def _table(found: Audit) -> str:
    """As a terminal shows it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    counts = _counts(found)
    others = ", ".join(f"{count} {status}" for status, count in found.statuses.items() if status != "active")
    table = Table(box=box.SIMPLE_HEAD, title=f"{found.active} memories{f' ({others})' if others else ''}", min_width=60)
    table.add_column("found", no_wrap=True)
    table.add_column("count", justify="right")
    table.add_column("share", justify="right")
    table.add_column("such as", overflow="fold")
    for name, what in _SAID.items():
        faults = getattr(found, name)
        share = f"{counts[name] / found.active:.0%}" if found.active and name in ("never", "echoes", "stale") else ""
        shown = "\n".join(_named(each) for each in faults[:NAMED])
        more = f"\n... {len(faults) - NAMED} more (--json)" if len(faults) > NAMED else ""
        table.add_row(what, str(counts[name]), share, shown + more, style="" if faults else "dim")
    console = Console(width=WIDTH)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip()


def _named(fault: object) -> str:
    return fault if isinstance(fault, str) else " ".join(map(str, fault))  # type: ignore[call-overload]


def _quota(options: Limits) -> int:
    given = {name: getattr(options, name) for name in ("records", "bytes", "writes_a_day")}
    limits = {name: _limit(name, text) for name, text in given.items() if text is not None}
    with open_memory(options, read_only=not limits) as opened:
        found = opened.set_quota(reason=options.reason, **limits) if limits else opened.quota()
    value = {
        name: dict(zip(("used", "allowed"), getattr(found, name), strict=True)) for name in found.__dataclass_fields__
    }
    return answer(options, value, lambda: "\n".join(_lines(found)))


def _limit(name: str, text: str) -> int | None:
    if text.lower() == NONE:
        return None
    if not text.isascii() or not text.isdigit():
        raise BadValue(name, text, "a whole number, 0 or more, or none")
    return int(text)


def _lines(found: Quota) -> list[str]:
    rows = []
    for name in found.__dataclass_fields__:
        used, allowed = getattr(found, name)
        limit = "no limit" if allowed is None else f"of {allowed:,}"
        rows.append(f"{name.replace('_', ' '):13} {used:,} {limit}")
    return rows


def _unmerge(options: Unmerge) -> int:
    with open_memory(options) as opened:
        done = opened.undo_merge(said("id", options.id), reason=options.reason)
    return answer(options, done, lambda: "\n".join(f"{each.op} {each.id} version {each.version}" for each in done))


VERBS: Mapping[str, tuple[type, Callable[[Any], int]]] = {
    "upkeep": (Upkeep, _upkeep), "audit": (Look, _audit), "quota": (Limits, _quota), "unmerge": (Unmerge, _unmerge),
}  # fmt: skip
"""Verb -> what it takes, and what it does."""
