"""Whether the rows of a bundle can be a memory: each by itself, and all of them together.

What is remembered of a million records is a number or two of each, not their texts.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from array import array
from collections.abc import Callable, Mapping
from dataclasses import fields
from hashlib import blake2b, sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import WayfareError
from wayfare.explore.rules.floor import Floor
from wayfare.memory.copies.parts import PARTS, Part, Row
from wayfare.memory.credit import RANKS
from wayfare.memory.operations import checked_provenance
from wayfare.memory.payloads import checked_info
from wayfare.memory.policy import Policy
from wayfare.memory.quotas import SETTING as QUOTA
from wayfare.memory.quotas import checked_limits
from wayfare.memory.receipts import receipt_from
from wayfare.memory.records import (
    FORMS,
    PayloadInfo,
    Provenance,
    Record,
    checked_meta,
    checked_name,
    checked_tags,
    checked_text,
    checksum,
)
from wayfare.memory.standing import policy_from
from wayfare.memory.store.payload_rows import PIECE
from wayfare.memory.store.rows import link_from, log_from, record_from_body

__all__ = ["Checked", "checked_head", "record_told"]

STATUSES = ("active", "superseded", "archived", "tombstone")
STATES = ("serving", "filling", "retired")
WRONG = (WayfareError, ValueError, TypeError, KeyError, IndexError, AttributeError, zlib.error, OverflowError)
"""What a row that cannot be makes its reader stumble over."""
_PARTS: Mapping[str, Part] = {part.name: part for part in PARTS}


def checked_head(head: Mapping[str, Any]) -> None:
    """Raises: ValueError for a manifest of a memory that cannot be."""
    for name in ("sequence", "entries"):
        value = head.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} must be a whole number, got {value!r}")
    checked_name("copy", head.get("copy"))
    created = head.get("created_at")
    if not isinstance(created, float) or not math.isfinite(created):
        raise ValueError(f"created_at must be a finite number, got {created!r}")
    serving = head.get("serving")
    if serving is not None and (isinstance(serving, bool) or not isinstance(serving, int)):
        raise ValueError(f"serving must be the place of a space or null, got {serving!r}")
    if not isinstance(head.get("settings"), dict):
        raise ValueError(f"settings must be an object, got {head.get('settings')!r}")
    if QUOTA in head["settings"]:
        checked_limits(head["settings"][QUOTA])
    given = head.get("reward_range")
    if given != head["settings"].get("reward_range"):
        raise ValueError("reward_range must be that of the settings")
    if given is not None:
        low, high = given
        if not (isinstance(low, float) and isinstance(high, float) and math.isfinite(high - low) and low < high):
            raise ValueError(f"reward_range must be two numbers, low before high, got {given!r}")


def record_told(row: Row) -> Record:
    """The record of a row. Raises: BadValue or ValueError for one that cannot be."""
    blank = row["status"] == "tombstone"
    for name, allowed in (("status", STATUSES), ("form", FORMS)):
        if row[name] not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {row[name]!r}")
    if row["version"] < 1:
        raise ValueError(f"version must be 1 or more, got {row['version']}")
    if (row["hash"] is None) == (not row["content"]):
        raise ValueError("hash must be given where the content was purged, and only there")
    carried = None if row["payload"] is None else checked_info(row["payload"])
    if blank and not row["content"] and carried is not None:
        raise ValueError("payload must be null where the content was purged")
    provenance = tuple(
        Provenance(uri, None if span is None else (span[0], span[1]), actor, tuple(parents))
        for uri, span, actor, parents in row["provenance"]
    )
    given = {name: row[name] for name in (field.name for field in fields(Record)) if name in row}
    return Record(
        **{
            **given,
            "id": checked_name("id", row["id"]),
            "kind": checked_name("kind", row["kind"]),
            "content": checked_text("content", row["content"], empty=blank),
            "tags": checked_tags(row["tags"]),
            "meta": checked_meta(row["meta"]),
            "provenance": checked_provenance(provenance),
            "payload": carried,
        }
    )


class Checked:
    """The state of one reading. head: of the manifest; each method takes a row, and `end` the whole of a part."""

    def __init__(self, head: Mapping[str, Any]) -> None:
        self._sequence, self._entries, self._serving = head["sequence"], head["entries"], head["serving"]
        self._hashes, self._versions, self._earlier = array("Q"), array("q"), array("q")
        self._blank = bytearray()
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._spaces: list[tuple[int, str]] = []
        self._carried: dict[str, int] = {}
        self._begun: tuple[str, int, Any] | None = None
        self._seen = dict.fromkeys(_PARTS, 0)

    def take(self, part: Part, row: Row) -> None:
        """One row. Raises: ValueError for one that cannot be, or does not go with those before."""
        for column in part.columns:
            if column.kind == "record" and not 0 <= row[column.name] < len(self._hashes):
                raise ValueError(f"{column.name} must be the place of a record, below {len(self._hashes)}")
        if not 0 <= row.get("seq", 0) <= self._sequence:
            raise ValueError(f"seq must be at most {self._sequence}, got {row['seq']}")
        check = _CHECKS.get(part.name)
        if check is not None:
            try:
                check(self, row)
            except WRONG as error:
                raise ValueError(str(error) or repr(error)) from None
        self._seen[part.name] += 1

    def end(self, part: Part) -> None:
        """Raises: ValueError where rows are missing."""
        if part.name == "records":
            hashes = np.frombuffer(self._hashes, np.uint64) if self._hashes else self._sorted
            self._order = np.argsort(hashes, kind="stable")
            self._sorted = hashes[self._order]
            if (self._sorted[1:] == self._sorted[:-1]).any():
                raise ValueError("no id may be there twice")
            self._earlier = array("q", bytes(8 * len(self._hashes)))
        elif part.name == "spaces":
            serving = [place for place, (_, state) in enumerate(self._spaces) if state == "serving"]
            if serving != ([] if self._serving is None else [self._serving]):
                raise ValueError(f"space {self._serving} of the manifest must be the one that serves, not {serving}")
        elif part.name == "versions":
            for version, earlier, blank in zip(self._versions, self._earlier, self._blank, strict=True):
                if earlier != version - 1 and not (blank and earlier == version - 2):  # a purge keeps no version
                    raise ValueError(f"a record at version {version} must have all before it, got {earlier}")
        elif part.name == "payloads":
            self._end_payload()
            if self._carried:
                raise ValueError(f"digest {sorted(self._carried)[0]} must be there: a record names it")
        elif part.name in ("log", "entries"):
            wanted = self._sequence if part.name == "log" else self._entries
            if self._seen[part.name] != wanted:
                raise ValueError(f"{wanted} rows are needed, got {self._seen[part.name]}")

    # Of one row each

    def _known(self, id: str) -> int | None:
        hashed = np.uint64(_hash(id))
        at = int(np.searchsorted(self._sorted, hashed))
        return int(self._order[at]) if at < len(self._sorted) and self._sorted[at] == hashed else None

    def _records_row(self, row: Row) -> None:
        record = record_told(row)
        self._hashes.append(_hash(record.id))
        self._versions.append(record.version)
        if record.payload is not None:
            self._carries(record.payload)
        self._blank.append(not record.content)

    def _spaces_row(self, row: Row) -> None:
        probe = None if row["probe"] is None else base64.b64decode(row["probe"])
        if row["dimension"] < 1 or row["state"] not in STATES:
            raise ValueError("dimension must be 1 or more, state serving, filling or retired")
        if probe is not None and len(probe) != 4 * row["dimension"]:
            raise ValueError(f"probe must be {row['dimension']} numbers")
        self._spaces.append((row["dimension"], row["state"]))

    def _versions_row(self, row: Row) -> None:
        place = self._known(row["id"])
        if place is None or not 1 <= row["version"] < self._versions[place]:
            raise ValueError("id and version must be of an earlier version of a record")
        self._earlier[place] += 1
        if row["body"]:
            record = record_from_body(row["body"], checksum(row["body"]), "")
            if (record.id, record.version) != (row["id"], row["version"]):
                raise ValueError("body must be that version of that record")
            if record.payload is not None:
                self._carries(checked_info({**vars(record.payload), "header": dict(record.payload.header)}))

    def _carries(self, payload: PayloadInfo) -> None:
        if self._carried.setdefault(payload.digest, payload.size) != payload.size:
            raise ValueError(f"payload.size must be {self._carried[payload.digest]}, as of that digest before")

    def _payloads_row(self, row: Row) -> None:
        digest, part = row["digest"], row["part"]
        if self._begun is None or self._begun[0] != digest:
            self._end_payload()
            if digest not in self._carried:
                raise ValueError(f"digest must be one that a record names, once, got {digest!r}")
            self._begun = (digest, 0, sha256())
        _, size, found = self._begun
        data = base64.b64decode(row["data"])
        if part * PIECE != size or not 0 < len(data) <= PIECE:
            raise ValueError(f"part must be {size // PIECE}, of at most {PIECE} bytes, and all before it full")
        found.update(data)
        self._begun = (digest, size + len(data), found)

    def _end_payload(self) -> None:
        """Whether the one that was read is what its digest says."""
        if self._begun is not None:
            digest, size, found = self._begun
            if size != self._carried[digest] or found.hexdigest() != digest:
                raise ValueError(f"digest must be that of its {self._carried[digest]} bytes, got {digest} for {size}")
            del self._carried[digest]
            self._begun = None

    def _links_row(self, row: Row) -> None:
        if self._known(row["source"]) is None:
            raise ValueError(f"source must be a record, got {row['source']!r}")
        summed = [row[name] for name in _PARTS["links"].summed]
        link_from((*summed, checksum(*summed)))

    def _log_row(self, row: Row) -> None:
        if row["seq"] != self._seen["log"] + 1:
            raise ValueError(f"seq must be {self._seen['log'] + 1}, got {row['seq']}")
        values = [row[name] for name in _PARTS["log"].names]
        body = log_from((*values, checksum(*values))).body
        many = body.get("records")
        for place in [body.get("record", 0), *(many if isinstance(many, list) else [])]:
            if not isinstance(place, int) or place >= max(1, len(self._hashes)):
                raise ValueError(f"body must name records by their places, got {place!r}")

    def _answers_row(self, row: Row) -> None:
        json.loads(row["answer"])

    def _entries_row(self, row: Row) -> None:
        if row["ordinal"] != self._seen["entries"]:
            raise ValueError(f"ordinal must be {self._seen['entries']}, got {row['ordinal']}")
        if row["alive"] not in (0, 1) or row["length"] < 0:
            raise ValueError("alive must be 0 or 1, length not negative")

    def _vectors_row(self, row: Row) -> None:
        if not 0 <= row["space"] < len(self._spaces) or not 0 <= row["ordinal"] < self._entries:
            raise ValueError("space and ordinal must be those of an entry")
        dimension, state = self._spaces[row["space"]]
        data = base64.b64decode(row["vector"])
        if len(data) != 4 * dimension or not np.isfinite(np.frombuffer(data, "<f4")).all() or state == "retired":
            raise ValueError(f"vector must be {dimension} finite numbers of a space that is in use")

    def _policies_row(self, row: Row) -> None:
        values = [row[name] for name in _PARTS["policies"].names]
        policy_from((*values, checksum(*values)))

    def _standing_row(self, row: Row) -> None:
        if self._seen["standing"] or row["through"] > self._sequence:
            raise ValueError("it must be one row, of what the log holds")
        body = json.loads(row["body"])
        Policy.from_json(body["incumbent"])
        Floor.from_json(body["floor"])

    def _tasks_row(self, row: Row) -> None:
        said = json.loads(row["standing"])
        if not isinstance(said["shares"], dict) or not isinstance(said["policies"], dict):
            raise ValueError("standing must hold shares and policies")

    def _receipts_row(self, row: Row) -> None:
        values = {name: row[name] for name in _PARTS["receipts"].names}
        if row["body"] is not None:
            values["body"] = zlib.compress(base64.b64decode(row["body"]), 1)
        receipt = receipt_from((*values.values(), _PARTS["receipts"].sum(values)))
        if any(place >= len(self._hashes) for place in receipt.records):
            raise ValueError("body must name records by their places")

    def _outcomes_row(self, row: Row) -> None:
        if row["rank"] not in RANKS or row["basis"] not in ("used", "shown") or not 0 <= row["reward"] <= 1:
            raise ValueError("rank, basis and reward must be those of an outcome")
        if row["used"] is not None:
            json.loads(row["used"])

    def _jobs_row(self, row: Row) -> None:
        json.loads(row["body"])


def _hash(id: str) -> int:
    return int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "little")


_CHECKS: Mapping[str, Callable[[Checked, Row], None]] = {
    name: getattr(Checked, f"_{name}_row") for name in _PARTS if hasattr(Checked, f"_{name}_row")
}
