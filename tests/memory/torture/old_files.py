"""Files as earlier versions wrote them: made with the present code, then taken back table by table.

What version 1 had and had not is written down in `wayfare.memory.store.migrations`: no checksum but those of records,
versions, the log, receipts (without the query) and outcomes; vectors without one; `frozen` in the body of the standing.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from wayfare.memory import Memory
from wayfare.memory.records import checksum
from wayfare.memory.store.blocks import per_block
from wayfare.memory.store.rows import RECORD_COLUMNS
from wayfare.memory.store.schema import DOORS, PAYLOADS, TABLES

__all__ = ["said", "version", "version_1"]

CHECKED = ("links", "answers", "entries", "policies", "standing", "tasks")


def version_1(path: Path, seed: int, records: int = 2_000) -> None:
    """A file of version 1 with some of everything in it."""
    draw = random.Random(seed)
    with Memory(path, synchronous="NORMAL") as memory:
        texts = [f"{' '.join(f'w{draw.randrange(300)}' for _ in range(8))} {i}" for i in range(records)]
        ids = [each.id for each in memory.remember_many([{"text": text, "tags": ["a"]} for text in texts])]
        memory.remember("once", idempotency_key="a key")
        for i in range(30):
            memory.recall(texts[i], k=3, task=f"task-{i}")
            memory.credit(f"task-{i}", draw.random())
        for id in ids[:20]:
            memory.revise(id, f"revised {id}")
        memory.link(ids[0], ids[1], "related", evidence=["a book"])
        memory.forget(ids[2])
        memory.freeze()
    _back(path)


def _back(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    for table in re.findall(r"CREATE TABLE (\w+)", DOORS + PAYLOADS):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE records DROP COLUMN payload")
    for ns, frozen, body in connection.execute("SELECT ns, frozen, body FROM standing").fetchall():
        text = json.dumps({**json.loads(body), "frozen": frozen})
        connection.execute("UPDATE standing SET body = ? WHERE ns = ?", (text, ns))
    for statement in TABLES.split(";\n"):
        table = statement.split()[2] if "CREATE TABLE" in statement else ""
        if table in CHECKED:
            old = re.sub(r"    (checksum|frozen) [^\n]*\n", "", statement)
            old = re.sub(r",( *--[^\n]*\n\))", r"\1", old)  # the last column ends without a comma
            indices = connection.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (table,)
            ).fetchall()
            connection.execute(f"ALTER TABLE {table} RENAME TO present")
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'present' AND sql IS NOT NULL"
            ).fetchall():
                connection.execute(f"DROP INDEX {name}")
            connection.execute(old)
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))
            connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM present")
            connection.execute("DROP TABLE present")
            for (sql,) in indices:
                connection.execute(sql)
    for space, dimension in connection.execute("SELECT space, dimension FROM spaces").fetchall():
        size = per_block(dimension)
        for block, data in connection.execute("SELECT block, data FROM blocks WHERE space = ?", (space,)).fetchall():
            rows = np.frombuffer(data, "<f4").reshape(size, dimension + 1)[:, :dimension]
            connection.execute("UPDATE blocks SET data = ? WHERE block = ?", (rows.tobytes(), block))
    for ns, *row in connection.execute("SELECT ns, seq, id, task, time, slate, probabilities FROM receipts").fetchall():
        connection.execute("UPDATE receipts SET checksum = ? WHERE ns = ? AND seq = ?", (checksum(*row), ns, row[0]))
    for ns, settings in connection.execute("SELECT ns, settings FROM namespaces").fetchall():
        kept = {name: value for name, value in json.loads(settings).items() if name != "checksum"}
        connection.execute("UPDATE namespaces SET settings = ? WHERE ns = ?", (json.dumps(kept), ns))
    connection.execute("UPDATE meta SET value = '1' WHERE key = 'version'")
    connection.execute("COMMIT")
    connection.close()


def version(path: Path) -> str:
    """Of the tables."""
    connection = sqlite3.connect(path)
    try:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        assert integrity == "ok", integrity
        return str(connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()[0])
    finally:
        connection.close()


def said(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that a user can have put into a file, whatever its version."""
    connection = sqlite3.connect(path)
    try:
        return {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()
            for table, columns, order in (
                ("records", RECORD_COLUMNS.replace("payload, ", "ns, content_hash, "), "record"),
                ("versions", "*", "ns, id, version"), ("log", "*", "ns, seq"),
                ("tags", "*", "ns, tag, record"),
                ("links", "ns, source, target, type, weight, evidence, valid_from, valid_to", "ns, source"),
                ("outcomes", "*", "ns, seq"), ("utilities", "*", "record"), ("credits", "*", "ns, record, seq"),
                ("receipts", "ns, seq, id, task, query, slate, probabilities, body", "ns, seq"),
                ("answers", "ns, key, request, answer", "ns, key"),
                ("entries", "ns, ordinal, record, role, text, length, alive", "ns, ordinal"),
            )
        }  # fmt: skip
    finally:
        connection.close()
