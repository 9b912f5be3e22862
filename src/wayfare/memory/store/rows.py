"""Rows and what they stand for: records and the log, each with a checksum over all that it says.

A row that does not answer to its checksum is never returned: reading it raises `Damaged`, naming the table and the row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from wayfare.errors import Damaged
from wayfare.memory.records import Link, PayloadInfo, Provenance, Record, Utility, checksum, content_hash
from wayfare.memory.store.database import Transaction

__all__ = [
    "LINK_COLUMNS",
    "LOG_COLUMNS",
    "RECORD_COLUMNS",
    "TOKEN_COLUMNS",
    "LogRow",
    "append_log",
    "carried_in",
    "link_from",
    "link_row",
    "log_from",
    "payload_info",
    "record_body",
    "record_from",
    "record_from_body",
    "record_row",
    "token_sum",
]

FIELDS = (
    "id", "content", "kind", "form", "status", "version", "created_at", "updated_at", "event_from", "event_to",
    "valid_from", "valid_to",
)  # fmt: skip
TIMES = FIELDS.index("created_at")
RECORD_COLUMNS = "record, " + ", ".join(FIELDS) + ", tags, meta, provenance, payload, checksum"
"""As `record_from` reads them."""
TOKEN_COLUMNS = "id, hash, name, namespace, also_read, scopes, created_at, expires_at, revoked_at"
"""As `token_sum` takes them."""
LINK_COLUMNS = "source, target, type, weight, evidence, valid_from, valid_to, checksum"
LOG_COLUMNS = "seq, time, actor, operation, op, id, version, reason, body, checksum"
_NO_META: Mapping[str, Any] = MappingProxyType({})


def _provenance(provenance: Sequence[Provenance]) -> str:
    if not provenance:
        return "[]"
    return json.dumps([[p.uri, p.span, p.actor, list(p.parents)] for p in provenance], separators=(",", ":"))


def _provenance_from(text: str) -> tuple[Provenance, ...]:
    if text == "[]":
        return ()
    return tuple(
        Provenance(uri, None if span is None else (span[0], span[1]), actor, tuple(parents))
        for uri, span, actor, parents in json.loads(text)
    )


def _real(time: float | None) -> float | None:
    """As the column gives it back: the checksum of 3 is not that of 3.0."""
    return time if time is None or type(time) is float else float(time)


def _texts(record: Record) -> tuple[str, str, str]:
    tags = json.dumps(list(record.tags), separators=(",", ":")) if record.tags else "[]"
    meta = json.dumps(dict(record.meta), separators=(",", ":"), sort_keys=True) if record.meta else "{}"
    return tags, meta, _provenance(record.provenance)


def _carried(payload: PayloadInfo | None) -> str | None:
    if payload is None:
        return None
    row = [payload.digest, payload.size, payload.media_type, dict(payload.header)]
    return json.dumps(row, separators=(",", ":"), sort_keys=True)


def payload_info(text: str | None) -> PayloadInfo | None:
    """What the column `payload` says."""
    if text is None:
        return None
    digest, size, media_type, header = json.loads(text)
    return PayloadInfo(digest, size, media_type, MappingProxyType(header))


def record_row(record: Record, ns: int) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Column names and values of a record to be stored, its number left out."""
    values = tuple(getattr(record, name) for name in FIELDS[:TIMES])
    values += tuple(_real(getattr(record, name)) for name in FIELDS[TIMES:])
    texts = _texts(record)
    carried = _carried(record.payload)
    names = ("ns", *FIELDS, "tags", "meta", "provenance", "payload", "content_hash", "checksum")
    hashed = content_hash(record.content, record.payload)
    return names, (ns, *values, *texts, carried, hashed, _sum(*values, *texts, carried))


def _sum(*row: Any) -> int:
    """Over the payload only where there is one, so that what was written before there were any answers to it too."""
    return checksum(*row) if row[-1] is not None else checksum(*row[:-1])


def record_from(row: Sequence[Any], namespace: str, utility: Utility | None = None) -> Record:
    """row: as `RECORD_COLUMNS` names it. Raises: Damaged."""
    number, *values, tags, meta, provenance, carried, stored = row
    if _sum(*values, tags, meta, provenance, carried) != stored:
        raise Damaged(
            f"record {values[0]!r} (number {number}) does not answer to its checksum; `wayfare memory doctor`"
        )
    fields: dict[str, Any] = dict(zip(FIELDS, values, strict=True))
    return Record(
        **fields,
        tags=tuple(json.loads(tags)) if tags != "[]" else (),
        meta=MappingProxyType(json.loads(meta)) if meta != "{}" else _NO_META,
        provenance=_provenance_from(provenance),
        payload=payload_info(carried),
        utility=utility or Utility(),
        namespace=namespace,
    )


def record_body(record: Record) -> str:
    """A record as JSON, for `versions`."""
    row = [*(getattr(record, name) for name in FIELDS), *_texts(record)]
    if record.payload is not None:
        row.append(_carried(record.payload))
    return json.dumps(row, separators=(",", ":"))


def record_from_body(body: str, stored: int, namespace: str) -> Record:
    """The record of `versions`. Raises: Damaged."""
    if checksum(body) != stored:
        raise Damaged("an earlier version does not answer to its checksum; `wayfare memory doctor`")
    row = json.loads(body)
    carried = row.pop() if len(row) > len(FIELDS) + 3 else None  # only what carries something says so
    *values, tags, meta, provenance = row
    fields: dict[str, Any] = dict(zip(FIELDS, values, strict=True))
    return Record(
        **fields,
        tags=tuple(json.loads(tags)),
        meta=MappingProxyType(json.loads(meta)),
        provenance=_provenance_from(provenance),
        payload=payload_info(carried),
        namespace=namespace,
    )


def carried_in(body: str) -> PayloadInfo | None:
    """What the record of `versions` carried."""
    row: list[Any] = json.loads(body) if body else []
    return payload_info(row[-1]) if len(row) > len(FIELDS) + 3 else None


def link_row(link: Link) -> tuple[Any, ...]:
    """The values of `LINK_COLUMNS`."""
    row = (
        link.source, link.target, link.type, float(link.weight), json.dumps(list(link.evidence)),
        _real(link.valid_from), _real(link.valid_to),
    )  # fmt: skip
    return (*row, checksum(*row))


def link_from(row: Sequence[Any]) -> Link:
    """row: as `LINK_COLUMNS` names it. Raises: Damaged."""
    source, target, type, weight, evidence, begin, end, stored = row
    if checksum(*row[:-1]) != stored:
        raise Damaged(f"link {source!r} -{type}-> {target!r} does not answer to its checksum; `wayfare memory doctor`")
    return Link(source, target, type, weight, tuple(json.loads(evidence)), begin, end)


@dataclass(frozen=True)
class LogRow:
    """One change. operation: shared by all that was applied together."""

    seq: int
    time: float
    actor: str
    operation: str
    op: str
    id: str | None
    version: int | None
    reason: str
    body: Mapping[str, Any]


def append_log(
    tx: Transaction,
    ns: int,
    *,
    time: float,
    actor: str,
    operation: str,
    op: str,
    id: str | None = None,
    version: int | None = None,
    reason: str = "",
    body: Mapping[str, Any] | None = None,
) -> int:
    """Write the next row of the log; its sequence number."""
    seq = tx.next_sequence(ns)
    text = json.dumps(dict(body), separators=(",", ":")) if body else "{}"
    row = (seq, float(time), actor, operation, op, id, version, reason, text)
    tx.execute(
        f"INSERT INTO log (ns, {LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (ns, *row, checksum(*row))
    )
    return seq


def log_from(row: Sequence[Any]) -> LogRow:
    """row: as `LOG_COLUMNS` names it. Raises: Damaged."""
    *values, body, stored = row
    if checksum(*values, body) != stored:
        raise Damaged(f"log row {values[0]} does not answer to its checksum; `wayfare memory doctor`")
    seq, time, actor, operation, op, id, version, reason = values
    return LogRow(seq, time, actor, operation, op, id, version, reason, json.loads(body))


def token_sum(row: Sequence[Any]) -> int:
    """The checksum of a token. row: as `TOKEN_COLUMNS` names it"""
    return checksum(*row)
