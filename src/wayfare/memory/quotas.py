"""What a namespace may hold, and how much may be written to it in a day.

    records         memories that can be recalled
    bytes           of the texts of all memories that are not forgotten, archived ones too, in UTF-8, and of what each
                    of these carries (`payloads`), as it stands
    writes_a_day    texts kept, revised or superseded, and links made, between two midnights UTC

The limits are in the namespace's settings. Each writing transaction asks for them in the statement by which it draws
its numbers; where there are any it is counted before it is committed, and refused whole. Reading, recalling, crediting,
archiving, forgetting and merging are never refused, not even where a limit was lowered below what is there.

What is there is not counted anew each time: a row of `jobs` says how much it was at some change of the log, and where
nothing but counted transactions has touched a memory since, what this one adds is added. Anything else counts anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wayfare.errors import BadValue, Damaged, QuotaExceeded
from wayfare.memory.records import PayloadInfo, checksum
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.job_rows import SILENT, JobRow, read_job, write_job
from wayfare.memory.store.rows import payload_info

__all__ = [
    "LIMITS",
    "SETTING",
    "Quota",
    "bytes_of",
    "checked_limits",
    "limited",
    "limits_of",
    "read_quota",
    "settle",
    "with_limits",
]

LIMITS = ("records", "bytes", "writes_a_day")
SETTING = "quota"
"""Its name in the namespace's settings, and of its row of `jobs`."""
COUNTED = ("ADD", "UPDATE", "SUPERSEDE", "LINK")
"""Operations that are a write of the day."""
DAY = 86_400.0


@dataclass(frozen=True)
class Quota:
    """records, bytes, writes_a_day: (used, allowed); allowed is None where there is no limit."""

    records: tuple[int, int | None]
    bytes: tuple[int, int | None]
    writes_a_day: tuple[int, int | None]


@dataclass
class Used:
    """What is there. day: since the epoch, that `writes_a_day` counts for"""

    records: int = 0
    bytes: int = 0
    day: int = 0
    writes_a_day: int = 0


def checked_limits(given: Mapping[str, object]) -> dict[str, int | None]:
    """Limits by name; None takes one away. Raises: BadValue."""
    if not given or given.keys() - set(LIMITS):
        raise BadValue("quota", sorted(given), f"some of {', '.join(LIMITS)}")
    for name, limit in given.items():
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise BadValue(name, limit, "a whole number, 0 or more, or None for no limit")
    return dict(given)  # type: ignore[arg-type]


def bytes_of(text: str, payload: PayloadInfo | None) -> int:
    """What a memory that is not forgotten counts for."""
    return len(text.encode()) + (0 if payload is None else payload.size)


def limited(settings: str) -> bool:
    """Whether settings, as stored, may name a quota: quick to say of most."""
    return f'"{SETTING}"' in settings


def limits_of(path: str, settings: Mapping[str, Any]) -> dict[str, int]:
    """Of a namespace, from its settings. Raises: Damaged."""
    kept = settings.get(SETTING)
    if kept is None:
        return {}
    limits = {name: kept[name] for name in LIMITS if name in kept}
    if kept["checksum"] != _sum(path, limits):
        raise Damaged(f"the quota of namespace {path!r} does not answer to its checksum; set it again")
    return limits


def with_limits(path: str, settings: Mapping[str, Any], given: Mapping[str, int | None]) -> dict[str, Any]:
    """The settings with these limits set, or taken away where None. A quota that is damaged is begun anew."""
    try:
        before: dict[str, int | None] = dict(limits_of(path, settings))
    except Damaged:
        before = {}
    limits = {name: limit for name, limit in {**before, **given}.items() if limit is not None}
    kept = {name: value for name, value in settings.items() if name != SETTING}
    return {**kept, SETTING: {**limits, "checksum": _sum(path, limits)}} if limits else kept


def read_quota(tx: Transaction, ns: int, time: float) -> Quota:
    """How much of what is allowed is used."""
    path, text, sequence = tx.execute("SELECT path, settings, sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()
    limits = limits_of(path, json.loads(text))
    used = _counted(tx, ns, sequence, time)
    return Quota(*((getattr(used, name), limits.get(name)) for name in LIMITS))


def settle(
    tx: Transaction,
    ns: int,
    settings: str,
    *,
    first: int,
    ops: Sequence[str],
    records: int,
    bytes: int,
    time: float,
) -> None:
    """Count a writing transaction, once its changes are made. settings: of the namespace, as stored

    first: of its rows of the log, which are there        ops: of all of them, in order        time: s since the epoch
    records, bytes: what it adds, below 0 what it takes away
    Raises: QuotaExceeded, and all of it must be taken back; Damaged.
    """
    (path,) = tx.execute("SELECT path FROM namespaces WHERE ns = ?", (ns,)).fetchone()
    limits = limits_of(path, json.loads(settings))
    if not limits:
        return
    last = first + len(ops) - 1
    known = _known(tx, ns, first - 1, time)
    more = {"records": records, "bytes": bytes, "writes_a_day": sum(op in COUNTED for op in ops)}
    if known is None:
        used = _counted(tx, ns, last, time)
    else:
        used = Used(known.records + records, known.bytes + bytes, known.day, known.writes_a_day + more["writes_a_day"])
    for name, limit in limits.items():
        if more[name] > 0 and getattr(used, name) > limit:
            raise QuotaExceeded(name, getattr(used, name) - more[name], limit, more[name])
    write_job(tx, ns, SETTING, JobRow(last, json.dumps(asdict(used))), time)


def _known(tx: Transaction, ns: int, sequence: int, time: float) -> Used | None:
    """What was there at a change of the log; None where it must be counted."""
    row = read_job(tx, ns, SETTING)
    if row is None or row.through > sequence:
        return None
    used = Used(**json.loads(row.body))
    quiet = sorted(SILENT | {"REEMBED"})
    moved = tx.execute(
        "SELECT 1 FROM log WHERE ns = ? AND seq > ? AND seq <= ?"
        f" AND op NOT IN ({', '.join('?' * len(quiet))}) LIMIT 1",
        (ns, row.through, sequence, *quiet),
    ).fetchone()
    day = int(time // DAY)
    if used.day != day:
        used.day, used.writes_a_day = day, 0
    return None if moved is not None else used


def _counted(tx: Transaction, ns: int, sequence: int, time: float) -> Used:
    """Counted anew, if it has to be."""
    known = _known(tx, ns, sequence, time)
    if known is not None:
        return known
    used = Used(day=int(time // DAY))
    (used.records,) = tx.execute("SELECT COUNT(*) FROM records WHERE ns = ? AND status = 'active'", (ns,)).fetchone()
    for text, payload in tx.execute(
        "SELECT content, payload FROM records WHERE ns = ? AND status != 'tombstone'", (ns,)
    ):
        used.bytes += bytes_of(text, payload_info(payload))
    rows = tx.execute(
        f"SELECT COUNT(*) FROM log WHERE ns = ? AND time >= ? AND time < ? AND op IN ({', '.join('?' * len(COUNTED))})",
        (ns, used.day * DAY, (used.day + 1) * DAY, *COUNTED),
    ).fetchone()
    used.writes_a_day = int(rows[0])
    return used


def _sum(path: str, limits: Mapping[str, int]) -> int:
    return checksum(SETTING, path, *(limits.get(name) for name in LIMITS))
