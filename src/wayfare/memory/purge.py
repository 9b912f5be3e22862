"""Forgetting for good: no byte of a text is left in the file, and that is looked for.

One transaction empties every row that holds the text: the record, its versions, tags, entries, words and vectors,
reasons in the log, stored answers, queries in receipts. Then the store is searched for every run of 8 and of 16 bytes
of it: a file whole, its log brought in and cut; of PostgreSQL, every row of the namespace (`store.erasing`). Runs that
other memories hold too say nothing and are passed over. Pages that were rearranged may keep old bytes in their gaps; if
any are found the file is rebuilt (VACUUM) and searched again.

What is left is a tombstone with a salted hash, when it was, and numbers: what credit had taught, links, propensities.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import NoSuchRecord, StoreError
from wayfare.memory.index import entries
from wayfare.memory.index.tokens import tokens
from wayfare.memory.receipts import blank_query
from wayfare.memory.records import Record, checksum, content_hash
from wayfare.memory.scanning import Runs
from wayfare.memory.store.database import Database, Transaction
from wayfare.memory.store.erasing import Erasing
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


@dataclass(frozen=True)
class _Own:
    """What belongs to the record itself. ordinals: of its entries        words: of its texts, as indexed"""

    ns: int
    id: str
    number: int
    ordinals: NDArray[np.int64]
    words: frozenset[str]

    def alone(self, posting: bytes) -> bool:
        """Whether a word stands in no entry but its own."""
        return bool(np.isin(np.frombuffer(posting, entries.POSTING)["ordinal"], self.ordinals).all())


def purge(database: Database, ns: int, id: str, *, time: float, actor: str, operation: str) -> Purged:
    """Take a record out of the file. Again for one that is gone already: only the log is cut.

    Raises: NoSuchRecord; Unavailable while another process reads an older state, which keeps the text alive: once it
    has ended, purge again; StoreError where bytes of the text are still found.
    """
    with database.write() as tx:
        runs, hashed, own = _empty(tx, ns, id, time, actor, operation, database.erasing)
        rows = tx.execute("SELECT source FROM links WHERE ns = ? AND target = ? AND type = 'derived_from'", (ns, id))
        derived = tuple(sorted(source for (source,) in rows))
    erasing = database.erasing
    erasing.settle()
    scanned, found = erasing.scan(runs)
    if found:
        if erasing.rebuild():
            erasing.settle()
            scanned, found = erasing.scan(runs)
        with database.read() as tx:  # it may have been said anew meanwhile
            runs = runs.without(_held(tx, own, erasing))
        found = [place for place in found if runs.has(place.run)]
    if found:
        where = ", ".join(f"{place.file} at byte {place.offset}" for place in found[:5])
        raise StoreError(f"memory {id} is emptied, but {len(found)} runs of its text are still in {where}")
    return Purged(id, hashed, scanned, len(runs), derived)


def _empty(
    tx: Transaction, ns: int, id: str, time: float, actor: str, operation: str, erasing: Erasing
) -> tuple[Runs, str, _Own]:
    """Empty every row; the runs to look for, and the salted hash."""
    row = tx.execute(f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND id = ?", (ns, id)).fetchone()
    if row is None:
        raise NoSuchRecord(id)
    number, record = int(row[0]), record_from(row, "")
    if not record.content:
        (known,) = tx.execute("SELECT content_hash FROM records WHERE record = ?", (number,)).fetchone()
        return Runs(()), known.hex(), _Own(ns, id, number, np.zeros(0, np.int64), frozenset())
    (salt,) = tx.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
    hashed = blake2b(bytes.fromhex(salt) + content_hash(record.content), digest_size=16).digest()
    texts = _own_texts(tx, ns, number, record)
    words = frozenset(word for text in texts for word in tokens(text))
    rows = tx.execute("SELECT ordinal FROM entries WHERE record = ? AND ns = ?", (number, ns)).fetchall()
    own = _Own(ns, id, number, np.array([ordinal for (ordinal,) in rows], np.int64), words)
    # As the file may hold them: as they are, as JSON writes them, and word by word.
    runs = Runs(each.encode() for each in (*texts, *(json.dumps(text)[1:-1] for text in texts), *words))
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
    runs = runs.without(_held(tx, own, erasing))
    _blank_log(tx, ns, id, runs)
    _blank_answers(tx, ns, id, runs)
    for ns_, seq, query in tx.execute("SELECT ns, seq, query FROM receipts WHERE query != ''").fetchall():
        if runs.within(query.encode()):
            blank_query(tx, ns_, seq)
    append_log(
        tx, ns, time=time, actor=actor, operation=operation, op="PURGE", id=id, version=blank.version,
        body={"record": number},
    )  # fmt: skip
    return runs, hashed.hex(), own


def _own_texts(tx: Transaction, ns: int, number: int, record: Record) -> set[str]:
    """All that the record says or said, and under which it was found."""
    rows = tx.execute("SELECT body FROM versions WHERE ns = ? AND id = ?", (ns, record.id)).fetchall()
    texts = {record.content, *(json.loads(body)[1] for (body,) in rows if body)}
    rows = tx.execute("SELECT text FROM entries WHERE record = ? AND ns = ?", (number, ns)).fetchall()
    return texts | {text for (text,) in rows if text}


def _held(tx: Transaction, own: _Own, erasing: Erasing) -> Iterator[bytes]:
    """What other memories of every namespace say, and the words of the index and of the tables themselves.

    Rows of the record itself are no excuse, but for its kind and id, which stay.
    """
    columns = (
        f"SELECT content || tags || meta || provenance FROM records WHERE record != {own.number}",
        "SELECT kind || ' ' || id FROM records",
        f"SELECT text FROM entries WHERE record != {own.number} AND coalesce(text, '') != ''",
        f"SELECT tag FROM tags WHERE record != {own.number}",
        "SELECT source || ' ' || target || ' ' || type || ' ' || evidence FROM links",
        "SELECT actor || ' ' || op || ' ' || operation || ' ' || body FROM log",
        "SELECT path || ' ' || settings FROM namespaces",
        "SELECT model FROM spaces",
        "SELECT id || ' ' || standing FROM tasks",
        "SELECT task || ' ' || id || ' ' || slate || ' ' || probabilities FROM receipts",
        "SELECT task || ' ' || source || ' ' || actor FROM outcomes",
        "SELECT body FROM policies",
        "SELECT body FROM standing",
        "SELECT key FROM answers",
    )
    for text in erasing.own_words(tx):
        yield text.encode()
    for select in columns:
        for (text,) in tx.execute(select):
            yield text.encode()
    for (text,) in tx.execute("SELECT body FROM versions WHERE ns != ? OR id != ?", (own.ns, own.id)):
        yield text.encode()
    for ns, term, data in tx.execute("SELECT ns, term, data FROM postings"):
        if ns != own.ns or term not in own.words or not own.alone(data):
            yield term.encode()


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
    rows = tx.execute("SELECT ns, key, request, answer, time, checksum FROM answers").fetchall()
    for of, key, request, answer, time, stored in rows:
        results = json.loads(answer)
        if not isinstance(results, list):
            continue  # an answer without a text (`answers.Kept`)
        changed = False
        for result in results:
            if result[3] and ((of == ns and result[1] == id) or runs.within(result[3].encode())):
                result[3], changed = "", True
        if changed:
            text, whole = json.dumps(results), checksum(key, request, answer, time) == stored
            tx.execute(
                "UPDATE answers SET answer = ?, checksum = ? WHERE ns = ? AND key = ?",
                (text, checksum(key, request, text, time) if whole else stored, of, key),
            )
