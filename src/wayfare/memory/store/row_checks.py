"""What the doctor asks of the rows: do they answer to their checksums, and do they agree with one another?

Each check reads one table whole, and names what it finds by ids that a user can look up.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wayfare.errors import WayfareError
from wayfare.memory.credit import replay
from wayfare.memory.opening import settled
from wayfare.memory.quotas import limits_of
from wayfare.memory.reading import CHANGES
from wayfare.memory.receipts import COLUMNS as RECEIPT_COLUMNS
from wayfare.memory.receipts import receipt_from
from wayfare.memory.records import checksum, content_hash
from wayfare.memory.standing import POLICY_COLUMNS, policy_from, read_standing, task_sum
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.job_rows import JOB_COLUMNS, job_sum
from wayfare.memory.store.looking import Findings
from wayfare.memory.store.payload_checks import payloads
from wayfare.memory.store.rows import (
    LINK_COLUMNS,
    LOG_COLUMNS,
    RECORD_COLUMNS,
    TOKEN_COLUMNS,
    link_from,
    log_from,
    record_from,
    record_from_body,
    token_sum,
)

__all__ = ["CHECKS", "count", "present", "tables", "version_of"]

Check = Callable[[Transaction, Findings], None]
NEEDED = (
    "meta", "namespaces", "records", "versions", "tags", "links", "log", "answers", "spaces", "entries", "segments",
    "postings", "blocks", "utilities", "policies", "standing", "tasks", "receipts", "outcomes", "credits", "accounts",
    "jobs", "copies", "tokens", "payloads",
)  # fmt: skip
SINCE = {"jobs": 4, "copies": 4, "tokens": 4, "payloads": 5}
STATES = ("serving", "filling", "retired")
REPLAY = "nothing a text depends on; memory.reset_utility(id), or --salvage, which replays"
ALPHABET = frozenset("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def tables(tx: Transaction, found: Findings) -> None:
    """Whether all tables are there, and the file says which version they have."""
    there, version = set(present(tx)), version_of(tx)
    for name in NEEDED:
        if name not in there and not (version is not None and version < SINCE.get(name, 0)):
            found.add("damage", name, "the table is missing")
    if version is None:
        found.add("damage", "meta", "it does not say the version of the tables")
    row = tx.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
    if row is None or len(str(row[0])) != 32 or set(str(row[0])) - set("0123456789abcdef"):
        found.add("warning", "meta", "the salt of purged texts is not what it was", "nothing else depends on it")


def present(tx: Transaction) -> list[str]:
    """Those of the tables that are there."""
    rows = tx.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    names = {name for (name,) in rows}
    return [name for name in NEEDED if name in names]


def version_of(tx: Transaction) -> int | None:
    """Of the tables; None where the file does not say."""
    try:
        row = tx.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        return int(row[0]) if row is not None and str(row[0]).isdigit() else None
    except WayfareError:
        return None


def count(tx: Transaction, table: str) -> int:
    """Rows of a table."""
    return int(tx.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


def _rows(tx: Transaction, sql: str) -> Iterator[Sequence[Any]]:
    yield from tx.execute(sql)


def _namespaces(tx: Transaction, found: Findings) -> None:
    for ns, path, sequence, entries, space, settings in _rows(
        tx, "SELECT ns, path, sequence, entries, space, settings FROM namespaces"
    ):
        try:
            settled(path, json.loads(settings))
            limits_of(path, json.loads(settings))
        except WayfareError as error:
            found.add("damage", "namespaces", str(error))
        last, many = tx.execute("SELECT coalesce(max(seq), 0), COUNT(*) FROM log WHERE ns = ?", (ns,)).fetchone()
        if not last == many == sequence:
            found.add("damage", "log", f"{path!r} counts {sequence} changes, the log has {many}, the last is {last}")
        first, last, many = tx.execute(
            "SELECT coalesce(min(ordinal), 0), coalesce(max(ordinal), -1), COUNT(*) FROM entries WHERE ns = ?", (ns,)
        ).fetchone()
        if (first, last, many) != (0, entries - 1, entries):
            found.add("damage", "entries", f"{path!r} counts {entries} entries, there are {many}, the last is {last}")
        if space is not None:
            row = tx.execute("SELECT ns, state FROM spaces WHERE space = ?", (space,)).fetchone()
            if row is None or row[0] != ns or row[1] != "serving":
                found.add("damage", "namespaces", f"{path!r} is served by space {space}, which is {row}")


def _spaces(tx: Transaction, found: Findings) -> None:
    for space, ns, model, dimension, state in _rows(tx, "SELECT space, ns, model, dimension, state FROM spaces"):
        if not isinstance(dimension, int) or dimension < 1 or state not in STATES:
            found.add("damage", "spaces", f"space {space} ({model}) has {dimension} dimensions and is {state}")
        if not _there(tx, "namespaces", "ns", ns):
            found.add("damage", "spaces", f"space {space} belongs to namespace {ns}, which is not there")


def _there(tx: Transaction, table: str, column: str, value: object) -> bool:
    return tx.execute(f"SELECT 1 FROM {table} WHERE {column} = ?", (value,)).fetchone() is not None


def _records(tx: Transaction, found: Findings) -> None:
    namespaces = {ns for (ns,) in tx.execute("SELECT ns FROM namespaces")}
    odd = 0
    for ns, hashed, *row in _rows(tx, f"SELECT ns, content_hash, {RECORD_COLUMNS} FROM records ORDER BY record"):
        name = f"record {row[1]!r} (number {row[0]})"
        try:
            record = record_from(row, "")
        except WayfareError as error:
            found.add("damage", "records", str(error))
            continue
        if ns not in namespaces:
            found.add("damage", "records", f"{name} belongs to namespace {ns}, which is not there")
        if record.content and hashed != content_hash(record.content, record.payload):
            found.add("damage", "records", f"{name} has another hash than its text")
        if len(record.id) != 26 or set(record.id) - ALPHABET:
            odd += 1
        many = tx.execute(
            "SELECT COUNT(*) FROM versions WHERE ns = ? AND id = ? AND version BETWEEN 1 AND ?",
            (ns, record.id, record.version - 1),
        ).fetchone()[0]
        if many != record.version - 1 and (record.content or many != record.version - 2):  # a purge keeps no version
            found.add("damage", "versions", f"{name} is at version {record.version}, of the earlier ones {many} stand")
    if odd:
        found.add("note", "records", f"{odd} ids are no ULIDs", "nothing to do where the caller chose them")


def _versions(tx: Transaction, found: Findings) -> None:
    sql = (
        "SELECT v.ns, v.id, v.version, v.body, v.superseded_at, v.checksum, r.version, l.time FROM versions v"
        " LEFT JOIN records r ON r.ns = v.ns AND r.id = v.id"
        f" LEFT JOIN log l ON l.ns = v.ns AND l.id = v.id AND l.version = v.version + 1 AND l.op IN {CHANGES}"
    )
    for _ns, id, version, body, at, stored, present_version, time in _rows(tx, sql):
        name = f"version {version} of record {id!r}"
        if present_version is None:
            found.add("damage", "versions", f"{name}: there is no such record")
        elif version >= present_version:
            found.add("damage", "versions", f"{name}: the record is at {present_version} only")
        if time is not None and at != time:
            found.add("damage", "versions", f"{name} was superseded at {at:.3f}, by the log at {time:.3f}")
        if not body:  # purged
            if stored != checksum(""):
                found.add("damage", "versions", f"{name} is empty, and not by a purge")
            continue
        try:
            record = record_from_body(body, stored, "")
        except WayfareError as error:
            found.add("damage", "versions", f"{name}: {error}")
            continue
        if (record.id, record.version) != (id, version):
            found.add("damage", "versions", f"{name} holds version {record.version} of {record.id!r}")


def _tags(tx: Transaction, found: Findings) -> None:
    said = Counter(
        (ns, tag, number)
        for ns, number, tags in tx.execute("SELECT ns, record, tags FROM records WHERE tags != '[]'")
        for tag in json.loads(tags)
    )
    filed = Counter(tuple(row) for row in tx.execute("SELECT ns, tag, record FROM tags"))
    for _ns, tag, number in said - filed:
        found.add("damage", "tags", f"record number {number} is not filed under its tag {tag!r}")
    for _ns, tag, number in filed - said:
        found.add("damage", "tags", f"record number {number} is filed under {tag!r}, which it does not have")


def _links(tx: Transaction, found: Findings) -> None:
    sql = (
        "SELECT s.id, (SELECT COUNT(*) FROM records t WHERE t.id = l.target),"
        " (SELECT COUNT(*) FROM log c WHERE c.ns = l.ns AND c.time = l.created_at),"
        f" {', '.join(f'l.{name.strip()}' for name in LINK_COLUMNS.split(','))} FROM links l"
        " LEFT JOIN records s ON s.ns = l.ns AND s.id = l.source"
    )
    for there, targets, changes, *row in _rows(tx, sql):
        try:
            link_from(row)
        except WayfareError as error:
            found.add("damage", "links", str(error))
        name = f"{row[0]!r} -{row[2]}-> {row[1]!r}"
        if there is None or not targets:
            found.add("damage", "links", f"{name}: no such record")
        if not changes:
            found.add("damage", "links", f"{name}: the log knows nothing of that time", "only their order is affected")


def _log(tx: Transaction, found: Findings) -> None:
    before = (0, 0)
    for ns, *row in _rows(tx, f"SELECT ns, {LOG_COLUMNS} FROM log ORDER BY ns, seq"):
        if (ns, row[0]) <= before:
            found.add("damage", "log", f"row {row[0]} of namespace {ns} is out of its order")
        before = (ns, row[0])
        try:
            log_from(row)
        except WayfareError as error:
            found.add("damage", "log", str(error))
    for ns, path in tx.execute("SELECT ns, path FROM namespaces").fetchall():
        missing = tx.execute(
            "SELECT COUNT(*) FROM log l WHERE l.ns = ? AND l.seq > 1 AND NOT EXISTS"
            " (SELECT 1 FROM log b WHERE b.ns = l.ns AND b.seq = l.seq - 1)", (ns,)
        ).fetchone()[0]  # fmt: skip
        if missing:
            found.add("damage", "log", f"{path!r}: {missing} gaps")


def _answers(tx: Transaction, found: Findings) -> None:
    for *row, stored in _rows(tx, "SELECT key, request, answer, time, checksum FROM answers"):
        if checksum(*row) != stored:
            found.add("damage", "answers", f"the answer to idempotency key {row[0]!r} does not answer to its checksum")


def _policies(tx: Transaction, found: Findings) -> None:
    for row in _rows(tx, f"SELECT {POLICY_COLUMNS} FROM policies"):
        try:
            policy_from(row)
        except WayfareError as error:
            found.add("damage", "policies", str(error))


def _standing(tx: Transaction, found: Findings) -> None:
    for ns, through in tx.execute("SELECT ns, through FROM standing").fetchall():
        standing = read_standing(tx, ns)
        last = tx.execute("SELECT sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()
        if standing is None or last is None or through > last[0]:
            found.add("damage", "standing", f"the floor of namespace {ns} has seen change {through} of {last}")


def _tasks(tx: Transaction, found: Findings) -> None:
    sql = (
        "SELECT t.id, t.side, t.epoch, t.standing, t.opened_at, t.checksum, t.closed_at, t.receipts,"
        " (SELECT COUNT(*) FROM receipts r WHERE r.ns = t.ns AND r.task = t.id),"
        " (SELECT o.time FROM outcomes o WHERE o.ns = t.ns AND o.task = t.id ORDER BY o.seq LIMIT 1) FROM tasks t"
    )
    for *row, stored, closed, receipts, many, first in _rows(tx, sql):
        id = row[0]
        if task_sum(*row) != stored:
            found.add("damage", "tasks", f"task {id!r} does not answer to its checksum")
        if receipts != many:
            found.add("damage", "tasks", f"task {id!r} counts {receipts} receipts, there are {many}")
        if closed is not None and closed != first:
            found.add("damage", "tasks", f"task {id!r} was closed at {closed}, its first outcome came at {first}")


def _receipts(tx: Transaction, found: Findings) -> None:
    sql = (
        f"SELECT r.ns, l.op, l.operation, t.id, {', '.join(f'r.{name.strip()}' for name in RECEIPT_COLUMNS.split(','))}"
        " FROM receipts r LEFT JOIN log l ON l.ns = r.ns AND l.seq = r.seq"
        " LEFT JOIN tasks t ON t.ns = r.ns AND t.id = r.task"
    )
    for _ns, op, operation, task, *row in _rows(tx, sql):
        if op != "RECALL" or operation != row[1]:
            found.add("damage", "receipts", f"receipt {row[1]} has no row of its own in the log")
        if task is None:
            found.add("damage", "receipts", f"receipt {row[1]} belongs to task {row[2]!r}, which is not there")
        try:
            receipt_from(row)
        except WayfareError as error:
            found.add("damage", "receipts", str(error))


def _outcomes(tx: Transaction, found: Findings) -> None:
    sql = (
        "SELECT o.ns, o.seq, o.task, o.source, o.actor, o.time, o.reward, o.used, o.rank, o.basis, o.checksum,"
        " l.op, l.body, o.replaced, o.voided, v.op, n.task, n.source FROM outcomes o"
        " LEFT JOIN log l ON l.ns = o.ns AND l.seq = o.seq LEFT JOIN log v ON v.ns = o.ns AND v.seq = o.voided"
        " LEFT JOIN outcomes n ON n.ns = o.ns AND n.seq = o.replaced"
    )
    for ns, *row, stored, op, body, replaced, voided, by, task, source in _rows(tx, sql):
        name = f"outcome {row[0]} of task {row[1]!r}"
        if checksum(*row) != stored:
            found.add("damage", "outcomes", f"{name} does not answer to its checksum")
            continue
        said = json.loads(body) if op == "CREDIT" else {}
        if said.get("task") != row[1]:
            found.add("damage", "outcomes", f"{name} has no row of its own in the log")
            continue
        if (voided is not None and by != "VOID") or (replaced is not None and (task, source) != (row[1], row[2])):
            found.add("damage", "outcomes", f"{name} is replaced by {replaced} and voided by {voided}: neither is so")
        own = tx.execute("SELECT record, base FROM credits WHERE ns = ? AND seq = ?", (ns, row[0])).fetchall()
        if {record for record, _ in own} - set(said["records"]) or sum(base for _, base in own) > 1 + 1e-9:
            found.add("damage", "credits", f"{name} does not credit what the log says")


def _voided(tx: Transaction, found: Findings) -> None:
    """Outcomes that a VOID took out: no more and no fewer than it says, unless some were lost before a salvage."""
    sql = (
        "SELECT ns, seq, body FROM log v WHERE op = 'VOID' AND NOT EXISTS"
        " (SELECT 1 FROM log s WHERE s.ns = v.ns AND s.seq > v.seq AND s.op = 'SALVAGE')"
    )
    for ns, seq, body in _rows(tx, sql):
        (many,) = tx.execute("SELECT COUNT(*) FROM outcomes WHERE ns = ? AND voided = ?", (ns, seq)).fetchone()
        if json.loads(body)["outcomes"] != many:
            found.add(
                "damage", "outcomes", f"change {seq} took out {json.loads(body)['outcomes']} outcomes, not {many}"
            )


def _copies(tx: Transaction, found: Findings) -> None:
    columns = "id, what, label, path, digest, seq, created_at, gone_at, checksum"
    for *row, stored in _rows(tx, f"SELECT {columns} FROM copies"):
        if checksum(*row) != stored:
            found.add("damage", "copies", f"the {row[1]} {row[0]} ({row[3]!r}) does not answer to its checksum")


def _tokens(tx: Transaction, found: Findings) -> None:
    for *row, stored in _rows(tx, f"SELECT {TOKEN_COLUMNS}, checksum FROM tokens"):
        if token_sum(row) != stored:
            found.add("damage", "tokens", f"token {row[0]} ({row[2]!r}) does not answer to its checksum", "revoke it")


def _jobs(tx: Transaction, found: Findings) -> None:
    for last, *row, stored in _rows(
        tx, f"SELECT n.sequence, {JOB_COLUMNS} FROM jobs LEFT JOIN namespaces n ON n.ns = jobs.ns"
    ):
        if job_sum(*row) != stored or last is None or row[1] > last:
            found.add(
                "warning", "jobs", f"how far {row[0]!r} has come is not what it was",
                "nothing to do: it looks at everything again",
            )  # fmt: skip


def _utilities(tx: Transaction, found: Findings) -> None:
    """Replayed by the code that learns, on copies of its tables in temporary ones, which hide the real ones."""
    for table in ("utilities", "credits", "accounts"):
        (sql,) = tx.execute("SELECT sql FROM main.sqlite_master WHERE name = ? AND type = 'table'", (table,)).fetchone()
        tx.execute(sql.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
        tx.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")
    tx.execute("CREATE INDEX temp.credits_of_outcome ON credits (ns, seq)")
    frozen = dict(tx.execute("SELECT ns, frozen FROM standing").fetchall())
    for (ns,) in tx.execute("SELECT ns FROM namespaces").fetchall():
        rows = tx.execute(
            "SELECT record FROM main.utilities WHERE ns = ? UNION SELECT record FROM main.credits WHERE ns = ?"
            " UNION SELECT record FROM main.accounts WHERE ns = ?", (ns, ns, ns)
        ).fetchall()  # fmt: skip
        replay(tx, ns, [record for (record,) in rows], through=frozen.get(ns))
    for table in ("utilities", "credits", "accounts"):
        differ = (
            f"SELECT record FROM (SELECT * FROM main.{table} EXCEPT SELECT * FROM temp.{table}) UNION"
            f" SELECT record FROM (SELECT * FROM temp.{table} EXCEPT SELECT * FROM main.{table})"
        )
        for (record,) in tx.execute(differ).fetchall():
            found.add("damage", table, f"record number {record}: a replay of its credits gives something else", REPLAY)
    _recalled(tx, found)


def _recalled(tx: Transaction, found: Findings) -> None:
    counts: Counter[int] = Counter()
    for (body,) in tx.execute("SELECT body FROM main.log WHERE op = 'RECALL'"):
        counts.update(int(number) for number in json.loads(body)["records"])
    stored = dict(tx.execute("SELECT record, recalled FROM main.utilities").fetchall())
    there = {record for (record,) in tx.execute("SELECT record FROM records")}
    for record in sorted({*counts, *stored} & there):
        if counts[record] != stored.get(record, 0):
            found.add(
                "damage", "utilities",
                f"record number {record} was recalled {counts[record]} times, not {stored.get(record, 0)}", REPLAY,
            )  # fmt: skip
    for (record,) in tx.execute(
        "SELECT u.record FROM main.utilities u LEFT JOIN records r ON r.record = u.record AND r.ns = u.ns"
        " WHERE r.record IS NULL"
    ).fetchall():
        found.add("damage", "utilities", f"there is no record number {record}", REPLAY)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("namespaces", _namespaces), ("spaces", _spaces), ("records", _records), ("versions", _versions),
    ("payloads", payloads), ("tags", _tags),
    ("links", _links), ("log", _log), ("answers", _answers), ("policies", _policies), ("standing", _standing),
    ("tasks", _tasks), ("receipts", _receipts), ("outcomes", _outcomes), ("outcomes", _voided),
    ("copies", _copies), ("jobs", _jobs), ("tokens", _tokens), ("utilities", _utilities),
)  # fmt: skip
"""Table -> what is asked of it, in this order."""
