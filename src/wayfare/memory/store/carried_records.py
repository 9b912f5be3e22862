"""Records, their versions, links and log, carried from a damaged file into a new one: what answers to its checksum."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from wayfare.errors import WayfareError
from wayfare.memory.embedding import embedder_from
from wayfare.memory.embedding.served import PROBE
from wayfare.memory.opening import settled
from wayfare.memory.quotas import SETTING, limits_of
from wayfare.memory.reading import CHANGES
from wayfare.memory.records import Record, checksum, content_hash
from wayfare.memory.standing import POLICY_COLUMNS, policy_from
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.payload_rows import PIECE, named
from wayfare.memory.store.remains import Remains, Row
from wayfare.memory.store.rows import (
    LINK_COLUMNS,
    LOG_COLUMNS,
    RECORD_COLUMNS,
    link_from,
    log_from,
    record_body,
    record_from,
    record_from_body,
    record_row,
)

__all__ = ["CarriedRecords"]

WRONG = (WayfareError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
"""What a row of a damaged file makes its reader stumble over."""


class CarriedRecords:
    """rows: carried, by table        rejected: could be read, and are not whole"""

    def __init__(self, remains: Remains, tx: Transaction) -> None:
        self.old, self.tx = remains, tx
        self.rows: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.records: dict[int, tuple[int, Record]] = {}
        self.numbers: dict[tuple[int, str], int] = {}
        self.payloads: dict[tuple[int, str], int] = {}
        self.times: dict[tuple[int, int], float] = {}
        self.changes: dict[tuple[int, str, int], int] = {}
        self.log: dict[tuple[int, int], tuple[str, str | None, int | None, str]] = {}

    def put(self, table: str, row: Row, insert: str = "INSERT OR IGNORE") -> bool:
        names = ", ".join(row)
        done = self.tx.execute(
            f"{insert} INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
        )
        self.rows[table] += done.rowcount
        self.rejected[table] += 1 - done.rowcount
        return bool(done.rowcount)

    def each(self, table: str, rows: Iterable[Row], whole: Callable[[Row], Row | None]) -> None:
        """Put those rows that are whole, as `whole` makes them; whatever a row makes it stumble over rejects it."""
        for row in rows:
            try:
                made = whole(row)
                if made is not None:
                    self.put(table, made)
                    continue
            except WRONG:
                pass
            self.rejected[table] += 1

    # What stands by itself

    def _meta(self) -> None:
        for row in self.old.ask("meta", "key = ?", ("salt",)):
            if len(str(row["value"])) == 32 and not set(str(row["value"])) - set("0123456789abcdef"):
                self.tx.execute("UPDATE meta SET value = ? WHERE key = 'salt'", (row["value"],))

    def _namespaces(self) -> None:
        def whole(row: Row) -> Row | None:
            text = str(row["path"]).encode("utf-8", "replace").decode()
            settings = json.loads(row["settings"])
            try:
                settled(text, settings)
            except WayfareError:
                settings = {}
                self.rejected["settings"] += 1
            try:
                limits_of(text, settings)
            except WRONG:
                del settings[SETTING]
                self.rejected["quota"] += 1
            return {"ns": row["ns"], "path": text, "settings": json.dumps(settings), "space": row["space"]}

        self.each("namespaces", self.old.rows("namespaces"), whole)
        self.each("spaces", self.old.rows("spaces"), _space)
        self.tx.execute(
            "UPDATE namespaces SET space = (SELECT max(s.space) FROM spaces s WHERE s.ns = namespaces.ns"
            " AND s.state = 'serving')"
        )

    def _namespace(self, ns: int) -> None:
        """One that rows speak of and that is lost gets a name."""
        if self.tx.execute("SELECT 1 FROM namespaces WHERE ns = ?", (ns,)).fetchone() is None:
            self.put("namespaces", {"ns": ns, "path": f"salvaged/{ns}"})

    def _take_records(self) -> None:
        def whole(row: Row) -> Row | None:
            record = record_from([row[name.strip()] for name in RECORD_COLUMNS.split(",")], "")
            record, row = self._with_payload(record, row)
            if record.content and row["content_hash"] != content_hash(record.content, record.payload):
                row = {**row, "content_hash": content_hash(record.content, record.payload)}
            self._namespace(row["ns"])
            self.records[row["record"]] = (row["ns"], record)
            self.numbers[row["ns"], record.id] = row["record"]
            return row

        self.each("records", self.old.rows("records"), whole)
        stored = {number for (number,) in self.tx.execute("SELECT record FROM records")}
        for number in [number for number in self.records if number not in stored]:  # said twice
            ns, record = self.records.pop(number)
            del self.numbers[ns, record.id]
        for number, (ns, record) in self.records.items():
            for tag in record.tags:
                self.put("tags", {"ns": ns, "tag": tag, "record": number})

    def _take_payloads(self) -> None:
        """Those that are whole: one whose bytes are lost is taken from the records that name it."""
        sizes: dict[tuple[int, str], int] = {}
        hashes: dict[tuple[int, str], Any] = {}

        def whole(row: Row) -> Row | None:
            at, data = (row["ns"], row["digest"]), bytes(row["data"])
            if (
                row["part"] != sizes.get(at, 0) // PIECE
                or checksum(row["digest"], row["part"], data) != row["checksum"]
            ):
                return None
            sizes[at] = sizes.get(at, 0) + len(data)
            hashes.setdefault(at, sha256()).update(data)
            return row

        self.each("payloads", self.old.rows("payloads"), whole)
        for (ns, digest), found in hashes.items():
            if found.hexdigest() == digest:
                self.payloads[ns, digest] = sizes[ns, digest]
        for ns, digest in self.tx.execute("SELECT DISTINCT ns, digest FROM payloads").fetchall():
            if (ns, digest) not in self.payloads:
                self._drop_payload(ns, digest)

    def _drop_payload(self, ns: int, digest: str) -> None:
        gone = self.tx.execute("DELETE FROM payloads WHERE ns = ? AND digest = ?", (ns, digest)).rowcount
        self.rows["payloads"] -= gone
        self.rejected["payloads"] += gone

    def _with_payload(self, record: Record, row: Row) -> tuple[Record, Row]:
        if record.payload is None or (row["ns"], record.payload.digest) in self.payloads:
            return record, row
        bare = record.with_(payload=None)
        names, values = record_row(bare, row["ns"])
        return bare, {**row, **dict(zip(names, values, strict=True))}

    def _unnamed_payloads(self) -> None:
        """What names them may be lost."""
        for ns in sorted({ns for ns, _ in self.payloads}):
            known = {info.digest for _, _, info in named(self.tx, ns)}
            for digest in [each for of, each in self.payloads if of == ns and each not in known]:
                self._drop_payload(ns, digest)

    def _take_log(self) -> None:
        def whole(row: Row) -> Row | None:
            line = log_from([row[name.strip()] for name in LOG_COLUMNS.split(",")])
            self._namespace(row["ns"])
            self.log[row["ns"], line.seq] = (line.op, line.id, line.version, row["body"])
            self.times[row["ns"], line.seq] = line.time
            if line.op in CHANGES and line.id is not None and line.version is not None:
                self.changes[row["ns"], line.id, line.version] = line.seq
            return row

        self.each("log", self.old.rows("log"), whole)

    # What belongs to records

    def _versions(self) -> None:
        def whole(row: Row) -> Row | None:
            at = (row["ns"], row["id"])
            if at not in self.numbers or row["version"] >= self.records[self.numbers[at]][1].version:
                return None
            seq = self.changes.get((*at, row["version"] + 1))
            if seq is not None:
                row = {**row, "superseded_at": self.times[row["ns"], seq]}
            if row["body"]:
                record = record_from_body(row["body"], row["checksum"], "")
                if record.payload is not None and (row["ns"], record.payload.digest) not in self.payloads:
                    body = record_body(record.with_(payload=None))
                    row = {**row, "body": body, "checksum": checksum(body)}
                return row if (record.id, record.version) == (row["id"], row["version"]) else None
            return row if row["checksum"] == checksum("") else None

        self.each("versions", self.old.rows("versions"), whole)
        for (ns, id), number in self.numbers.items():
            record = self.records[number][1]
            for version in range(1, record.version - (not record.content)):  # a purge keeps no version
                at = (ns, id, version)
                key = "ns = ? AND id = ? AND version = ?"
                if self.tx.execute(f"SELECT 1 FROM versions WHERE {key}", at).fetchone() is not None:
                    continue
                self.each("versions", self.old.ask("versions", key, at), whole)
                if self.tx.execute(f"SELECT 1 FROM versions WHERE {key}", at).fetchone() is None:
                    self.rejected["versions"] += 1
                    seq = self.changes.get((ns, id, version + 1))
                    time = record.updated_at if seq is None else self.times[ns, seq]
                    self.tx.execute("INSERT INTO versions VALUES (?, ?, ?, '', ?, ?)", (*at, time, checksum("")))

    def _links(self) -> None:
        ids = {id for _, id in self.numbers}
        times: dict[int, set[float]] = {}
        for (ns, _), time in self.times.items():
            times.setdefault(ns, set()).add(time)

        def whole(row: Row) -> Row | None:
            good = (row["ns"], row["source"]) in self.numbers and row["target"] in ids
            if "checksum" in row:
                link_from([row[name.strip()] for name in LINK_COLUMNS.split(",")])
            known = row["created_at"] in times.get(row["ns"], ())
            return {**row, "created_at": row["created_at"] if known else 0.0} if good else None

        self.each("links", self.old.rows("links"), whole)
        if "links" in self.old.unread:
            for ns, id in self.numbers:
                self.each("links", self.old.ask("links", "ns = ? AND source = ?", (ns, id)), whole)

    # What was recalled, and what came of it

    def _policies(self) -> None:
        def whole(row: Row) -> Row | None:
            policy_from([row[name.strip()] for name in POLICY_COLUMNS.split(",")])
            return row

        self.each("policies", self.old.rows("policies"), whole)


def _space(row: Row) -> Row | None:
    """With the probe of a lexical model as it must be."""
    known = isinstance(row["model"], str) and row["state"] in ("serving", "filling", "retired")
    if not known or not isinstance(row["dimension"], int) or row["dimension"] < 1:
        return None
    again = embedder_from(row["model"]) if row["model"].startswith("lexical") and row["state"] != "retired" else None
    if again is not None and again.dimension != row["dimension"]:
        return None
    return row if again is None or row["probe"] is None else {**row, "probe": again.embed_query(PROBE).tobytes()}
