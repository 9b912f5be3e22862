"""Forgetting for good: no byte of a text is left in the file, and that is looked for.

One transaction empties every row that holds the text: the record, its versions, tags, entries, words and vectors,
reasons in the log, stored answers, queries in receipts. What it carried goes too, unless another memory carries the
same bytes; and what a model was prepared with from the text, the activations and parameters that were `derived_from`
it, is purged with it, for it holds the text. Then the store is searched for every run of 8 and of 16 bytes of the
texts, and for a sample of the bytes (`scanning.windows`): a file whole, its log brought in and cut; of PostgreSQL,
every row of the namespace (`store.erasing`). Runs that other memories hold too say nothing and are passed over. Pages
that were rearranged may keep old bytes in their gaps; if any are found the file is rebuilt (VACUUM) and searched again.

What is left is a tombstone with a salted hash, when it was, and numbers: what credit had taught, links, propensities.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import NoSuchRecord, StoreError
from wayfare.memory.copies.listed import Copy, holding
from wayfare.memory.index import entries
from wayfare.memory.index.tokens import tokens
from wayfare.memory.invalidating import forms_of
from wayfare.memory.receipts import blank_query
from wayfare.memory.records import Record, checksum, content_hash
from wayfare.memory.scanning import Runs, windows
from wayfare.memory.store import payload_rows
from wayfare.memory.store.database import Database, Transaction
from wayfare.memory.store.erasing import Erasing
from wayfare.memory.store.rows import (
    LOG_COLUMNS,
    RECORD_COLUMNS,
    append_log,
    record_from,
    record_from_body,
    record_row,
)

__all__ = ["Purged", "purge", "purge_all"]


@dataclass(frozen=True)
class Purged:
    """A record that is gone for good.

    hash: salted, of its last text, hexadecimal        scanned_bytes: of file, -wal and -shm
    windows: runs of the text that were looked for        derived: ids of records made from it, which are as they were
    forms: ids of activations and parameters that were made from it, and were purged with it
    copies: snapshots, exports, backups and branches that were made while it was there, and still hold it
    """

    id: str
    hash: str
    scanned_bytes: int
    windows: int
    derived: tuple[str, ...]
    copies: tuple[Copy, ...] = ()
    forms: tuple[str, ...] = ()


@dataclass
class _Own:
    """What belongs to the records themselves. ordinals: of their entries        words: of their texts, as indexed

    digests: of what they carry, or carried
    """

    ns: int
    ids: set[str]
    numbers: list[int]
    ordinals: NDArray[np.int64]
    words: set[str]
    texts: set[str]
    digests: set[str]

    def alone(self, posting: bytes) -> bool:
        """Whether a word stands in no entry but their own."""
        return bool(np.isin(np.frombuffer(posting, entries.POSTING)["ordinal"], self.ordinals).all())


def purge(database: Database, ns: int, id: str, *, time: float, actor: str, operation: str) -> Purged:
    """Take a record out of the file. Again for one that is gone already: only the log is cut.

    Raises: NoSuchRecord; Unavailable while another process reads an older state, which keeps the text alive: once it
    has ended, purge again; StoreError where bytes of the text are still found.
    """
    return purge_all(database, ns, [id], time=time, actor=actor, operation=operation)[0]


def purge_all(
    database: Database, ns: int, ids: Sequence[str], *, time: float, actor: str, operation: str
) -> list[Purged]:
    """`purge` of several records: one transaction, and one search for what all of them said, or some hundred bytes of
    memory for each byte of their texts. Raises: as `purge`.
    """
    with database.write() as tx:
        erasing = database.erasing
        own = _Own(ns, set(), [], np.zeros(0, np.int64), set(), set(), set())
        asked = list(dict.fromkeys(ids))
        forms = {id: tuple(forms_of(tx, ns, [id])) for id in asked}
        every = dict.fromkeys([*asked, *(form for made in forms.values() for form in made)])
        hashes = {id: _empty(tx, own, id, time) for id in every}
        gone = _drop_payloads(tx, own)
        # As the file may hold them: as they are, as JSON writes them, and word by word.
        texts = sorted(own.texts)
        runs = Runs((each.encode() for each in (*texts, *(json.dumps(text)[1:-1] for text in texts), *own.words)), gone)
        if own.numbers:
            runs = runs.without(_held(tx, own, erasing, bool(gone)))
            _blank_log(tx, own, runs)
            _blank_answers(tx, own, runs)
            for ns_, seq, query in tx.execute("SELECT ns, seq, query FROM receipts WHERE query != ''").fetchall():
                if runs.within(query.encode()):
                    blank_query(tx, ns_, seq)
        for number in own.numbers:
            id, version = tx.execute("SELECT id, version FROM records WHERE record = ?", (number,)).fetchone()
            append_log(
                tx, ns, time=time, actor=actor, operation=operation, op="PURGE", id=id, version=version,
                body={"record": number},
            )  # fmt: skip
        derived = {id: tuple(each for each in _derived(tx, ns, id) if each not in every) for id in asked}
        copies = {id: holding(tx, ns, [id, *forms[id]]) for id in asked}
    erasing.settle()
    scanned, found = erasing.scan(runs)
    if found:
        if erasing.rebuild():
            erasing.settle()
            scanned, found = erasing.scan(runs)
        with database.read() as tx:  # it may have been said anew meanwhile
            runs = runs.without(_held(tx, own, erasing, bool(gone)))
        found = [place for place in found if runs.has(place.run)]
    if found:
        where = ", ".join(f"{place.file} at byte {place.offset}" for place in found[:5])
        what = f"memory {ids[0]} is" if len(hashes) == 1 else f"{len(hashes)} memories are"
        raise StoreError(f"{what} emptied, but {len(found)} runs of the text are still in {where}")
    return [Purged(id, hashes[id], scanned, len(runs), derived[id], copies[id], forms[id]) for id in asked]


def _derived(tx: Transaction, ns: int, id: str) -> tuple[str, ...]:
    rows = tx.execute("SELECT source FROM links WHERE ns = ? AND target = ? AND type = 'derived_from'", (ns, id))
    return tuple(sorted(source for (source,) in rows))


def _empty(tx: Transaction, own: _Own, id: str, time: float) -> str:
    """Empty the rows of a record, and add to what is known of those that are purged; the salted hash."""
    ns = own.ns
    row = tx.execute(f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND id = ?", (ns, id)).fetchone()
    if row is None:
        raise NoSuchRecord(id)
    number, record = int(row[0]), record_from(row, "")
    if not record.content:
        (known,) = tx.execute("SELECT content_hash FROM records WHERE record = ?", (number,)).fetchone()
        return str(known.hex())
    (salt,) = tx.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()
    hashed = blake2b(bytes.fromhex(salt) + content_hash(record.content), digest_size=16).digest()
    states = _states(tx, ns, record)
    texts = _own_texts(tx, ns, number, states)
    rows = tx.execute("SELECT ordinal FROM entries WHERE record = ? AND ns = ?", (number, ns)).fetchall()
    own.ids.add(id)
    own.numbers.append(number)
    own.ordinals = np.concatenate([own.ordinals, np.array([ordinal for (ordinal,) in rows], np.int64)])
    own.texts |= texts
    own.digests |= {each.payload.digest for each in states if each.payload is not None}
    own.words |= {word for text in texts for word in tokens(text)}
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
    return hashed.hex()


def _drop_payloads(tx: Transaction, own: _Own) -> set[bytes]:
    """Take away what nobody else carries; a sample of those bytes."""
    before = {digest: payload_rows.pieces(tx, own.ns, digest) for digest in sorted(own.digests)}
    found: set[bytes] = set()
    for digest, pieces in before.items():
        if next(payload_rows.named(tx, own.ns, digest), None) is None:
            for _, data in pieces:
                found |= windows(data)
            payload_rows.drop_unnamed(tx, own.ns, [digest])
    return found


def _states(tx: Transaction, ns: int, record: Record) -> list[Record]:
    """A record as it stands, and as it stood."""
    rows = tx.execute("SELECT body, checksum FROM versions WHERE ns = ? AND id = ?", (ns, record.id)).fetchall()
    return [record, *(record_from_body(body, stored, "") for body, stored in rows if body)]


def _own_texts(tx: Transaction, ns: int, number: int, states: Sequence[Record]) -> set[str]:
    """All that the record says or said, and under which it was found or filed."""
    texts = {text for state in states for text in (state.content, *state.tags, *_strings(dict(state.meta)))}
    for info in (state.payload for state in states if state.payload is not None):
        texts |= {info.digest, *_strings(dict(info.header))}
    texts |= {each.uri for state in states for each in state.provenance}
    rows = tx.execute("SELECT text FROM entries WHERE record = ? AND ns = ?", (number, ns)).fetchall()
    return texts | {text for (text,) in rows if text}


def _strings(value: object) -> Iterator[str]:
    """Every text in what JSON holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name)
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _held(tx: Transaction, own: _Own, erasing: Erasing, payloads: bool) -> Iterator[bytes]:
    """What other memories of every namespace say, and the words of the index and of the tables themselves.

    Rows of the records themselves are no excuse, but for their kinds and ids, which stay.
    payloads: whether what others carry is of interest
    """
    others = f"record NOT IN ({', '.join(map(str, own.numbers)) or 'NULL'})"
    columns = (
        f"SELECT content || tags || meta || provenance || coalesce(payload, '') FROM records WHERE {others}",
        "SELECT kind || ' ' || id FROM records",
        f"SELECT text FROM entries WHERE {others} AND coalesce(text, '') != ''",
        f"SELECT tag FROM tags WHERE {others}",
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
        "SELECT id || ' ' || what || ' ' || label || ' ' || path || ' ' || digest FROM copies",
        "SELECT name || ' ' || body FROM jobs",
    )
    for text in erasing.own_words(tx):
        yield text.encode()
    for select in columns:
        for (text,) in tx.execute(select):
            yield text.encode()
    for ns, id, text in tx.execute("SELECT ns, id, body FROM versions"):
        if ns != own.ns or id not in own.ids:
            yield text.encode()
    for ns, digest in tx.execute("SELECT ns, digest FROM payloads GROUP BY ns, digest").fetchall():
        yield digest.encode()
        if payloads:
            yield from (data for _, data in payload_rows.pieces(tx, ns, digest))
    for ns, term, data in tx.execute("SELECT ns, term, data FROM postings"):
        if ns != own.ns or term not in own.words or not own.alone(data):
            yield term.encode()


def _blank_log(tx: Transaction, own: _Own, runs: Runs) -> None:
    """Empty the reasons of the records, and any other that quotes them."""
    rows = tx.execute(f"SELECT ns, {LOG_COLUMNS} FROM log WHERE reason != ''").fetchall()
    for of, *row in rows:
        if (of == own.ns and row[5] in own.ids) or runs.within(row[7].encode()):
            row[7] = ""
            tx.execute(
                "UPDATE log SET reason = '', checksum = ? WHERE ns = ? AND seq = ?", (checksum(*row[:-1]), of, row[0])
            )


def _blank_answers(tx: Transaction, own: _Own, runs: Runs) -> None:
    rows = tx.execute("SELECT ns, key, request, answer, time, checksum FROM answers").fetchall()
    for of, key, request, answer, time, stored in rows:
        results = json.loads(answer)
        if not isinstance(results, list):
            continue  # an answer without a text (`answers.Kept`)
        changed = False
        for result in results:
            if result[3] and ((of == own.ns and result[1] in own.ids) or runs.within(result[3].encode())):
                result[3], changed = "", True
        if changed:
            text, whole = json.dumps(results), checksum(key, request, answer, time) == stored
            tx.execute(
                "UPDATE answers SET answer = ?, checksum = ? WHERE ns = ? AND key = ?",
                (text, checksum(key, request, text, time) if whole else stored, of, key),
            )
