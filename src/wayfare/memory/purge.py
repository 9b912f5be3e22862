"""Forgetting for good: no byte of a text is left in the file, and that is looked for.

One transaction empties every row that holds the text: the record, its versions, tags, entries, words and vectors,
reasons in the log, stored answers, queries in receipts. Then the log is brought into the file and cut, and file, -wal
and -shm are searched for every run of 8 and of 16 bytes of it. Runs that other memories hold too say nothing and are
passed over. Pages that were rearranged may keep old bytes in their gaps; if any are found the file is rebuilt (VACUUM)
and searched again.

What is left is a tombstone with a salted hash, when it was, and numbers: what credit had taught, links, propensities.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from wayfare.errors import NoSuchRecord, StoreError, Unavailable
from wayfare.memory.index import entries
from wayfare.memory.index.tokens import tokens
from wayfare.memory.records import Record, checksum, content_hash
from wayfare.memory.scanning import Runs, scan
from wayfare.memory.store.database import Database, Transaction
from wayfare.memory.store.rows import LOG_COLUMNS, RECORD_COLUMNS, append_log, record_from, record_row

__all__ = ["Purged", "purge"]


@dataclass(frozen=True)
class Purged:
    """A record that is gone for good.

    hash: salted, of its last text, hexadecimal        scanned_bytes: of file, -wal and -shm
    windows: runs of the text that were looked for        derived: ids of records made from it, which are as they were
    """

    id: str
    hash: str
    scanned_bytes: int
    windows: int
    derived: tuple[str, ...]


def purge(database: Database, ns: int, id: str, *, time: float, actor: str, operation: str) -> Purged:
    """Take a record out of the file. Again for one that is gone already: only the log is cut.

    Raises: NoSuchRecord; Unavailable while another process reads an older state, which keeps the text alive: once it
    has ended, purge again; StoreError where bytes of the text are still found.
    """
    with database.write() as tx:
        runs, hashed = _empty(tx, ns, id, time, actor, operation)
        rows = tx.execute("SELECT source FROM links WHERE ns = ? AND target = ? AND type = 'derived_from'", (ns, id))
        derived = tuple(sorted(source for (source,) in rows))
    _cut_log(database)
    scanned, found = scan(database.path, runs)
    if found:
        _rebuild(database)
        _cut_log(database)
        scanned, found = scan(database.path, runs)
        with database.read() as tx:  # it may have been said anew meanwhile
            runs = runs.without(_held(tx))
        found = [place for place in found if runs.has(place.run)]
    if found:
        where = ", ".join(f"{place.file} at byte {place.offset}" for place in found[:5])
        raise StoreError(f"memory {id} is emptied, but {len(found)} runs of its text are still in {where}")
    return Purged(id, hashed, scanned, len(runs), derived)


def _empty(tx: Transaction, ns: int, id: str, time: float, actor: str, operation: str) -> tuple[Runs, str]:
    """Empty every row; the runs to look for, and the salted hash."""
    row = tx.execute(f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND id = ?", (ns, id)).fetchone()
    if row is None:
        raise NoSuchRecord(id)
    number, record = int(row[0]), record_from(row, "")
    if not record.content:
        (known,) = tx.execute("SELECT content_hash FROM records WHERE record = ?", (number,)).fetchone()
        return Runs(()), known.hex()
    (salt,) = tx.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
    hashed = blake2b(bytes.fromhex(salt) + content_hash(record.content), digest_size=16).digest()
    runs = Runs(_own_texts(tx, ns, number, record))
    blank = Record(
        id, "", record.kind, record.form, "tombstone", record.version + 1, record.created_at, time, record.event_from,
        record.event_to, record.valid_from, record.valid_to,
    )  # fmt: skip
    names, values = record_row(blank, ns)
    given = {**dict(zip(names, values, strict=True)), "content_hash": hashed}
    tx.execute(
        f"UPDATE records SET {', '.join(f'{name} = ?' for name in given)} WHERE record = ?", (*given.values(), number)
    )
    tx.execute("UPDATE versions SET body = '', checksum = ? WHERE ns = ? AND id = ?", (checksum(""), ns, id))
    tx.execute("DELETE FROM tags WHERE record = ?", (number,))
    entries.scrub(tx, ns, number)
    runs = runs.without(_held(tx))
    _blank_log(tx, ns, id, runs)
    _blank_answers(tx, ns, id, runs)
    for ns_, seq, query in tx.execute("SELECT ns, seq, query FROM receipts WHERE query != ''").fetchall():
        if runs.within(query.encode()):
            tx.execute("UPDATE receipts SET query = '' WHERE ns = ? AND seq = ?", (ns_, seq))
    append_log(
        tx, ns, time=time, actor=actor, operation=operation, op="PURGE", id=id, version=blank.version,
        body={"record": number},
    )  # fmt: skip
    return runs, hashed.hex()


def _own_texts(tx: Transaction, ns: int, number: int, record: Record) -> Iterator[bytes]:
    """All that the record says or said, as the file may hold it: as it is, as JSON writes it, and word by word."""
    rows = tx.execute("SELECT body FROM versions WHERE ns = ? AND id = ?", (ns, record.id)).fetchall()
    texts = {record.content, *(json.loads(body)[1] for (body,) in rows if body)}
    rows = tx.execute("SELECT text FROM entries WHERE record = ? AND ns = ?", (number, ns)).fetchall()
    texts |= {text for (text,) in rows if text}
    for text in texts:
        yield text.encode()
        yield json.dumps(text)[1:-1].encode()
        for word in set(tokens(text)):
            yield word.encode()


def _held(tx: Transaction) -> Iterator[bytes]:
    """What living memories of every namespace say, and the words of the index and of the tables themselves."""
    columns = (
        "SELECT content FROM records WHERE content != ''",
        "SELECT tags || meta || provenance || kind || id FROM records",
        "SELECT body FROM versions WHERE body != ''",
        "SELECT text FROM entries WHERE text IS NOT NULL AND text != ''",
        "SELECT term FROM postings",
        "SELECT tag FROM tags",
        "SELECT source || target || type || evidence FROM links",
        "SELECT coalesce(sql, '') FROM sqlite_master",
        "SELECT actor || op || operation FROM log",
        "SELECT path || settings FROM namespaces",
    )
    for select in columns:
        for (text,) in tx.execute(select):
            yield text.encode()


def _blank_log(tx: Transaction, ns: int, id: str, runs: Runs) -> None:
    """Empty the reasons of the record, and any other that quotes it."""
    rows = tx.execute(f"SELECT ns, {LOG_COLUMNS} FROM log WHERE reason != ''").fetchall()
    for of, *row in rows:
        if (of == ns and row[5] == id) or runs.within(row[7].encode()):
            row[7] = ""
            tx.execute(
                "UPDATE log SET reason = '', checksum = ? WHERE ns = ? AND seq = ?", (checksum(*row[:-1]), of, row[0])
            )


def _blank_answers(tx: Transaction, ns: int, id: str, runs: Runs) -> None:
    for of, key, answer in tx.execute("SELECT ns, key, answer FROM answers").fetchall():
        results = json.loads(answer)
        changed = False
        for result in results:
            if result[3] and ((of == ns and result[1] == id) or runs.within(result[3].encode())):
                result[3], changed = "", True
        if changed:
            tx.execute("UPDATE answers SET answer = ? WHERE ns = ? AND key = ?", (json.dumps(results), of, key))


def _cut_log(database: Database) -> None:
    if not database.checkpoint():
        raise Unavailable(
            f"{database.path}: emptied, but another connection reads an older state, so that the text is still in the"
            " -wal file; end that and purge again"
        )


def _rebuild(database: Database) -> None:
    try:
        connection = sqlite3.connect(database.path, isolation_level=None, timeout=database.timeout)
        try:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("VACUUM")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Unavailable(
            f"{database.path}: emptied, but the file could not be rebuilt: {error}; purge again"
        ) from error
