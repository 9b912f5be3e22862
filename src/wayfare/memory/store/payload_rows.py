"""Where the bytes that records carry lie: in pieces of 1 MiB, by their digest, each with a checksum.

The same bytes are there once a namespace, whatever names them: the present version of a record (the column `payload`)
or an earlier one (in the body of `versions`). They are never changed, and go when nothing names them any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from wayfare.errors import Damaged
from wayfare.memory.records import PayloadInfo, checksum
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import payload_info, record_from_body

if TYPE_CHECKING:
    from wayfare.memory.payloads import Payload

__all__ = ["PIECE", "drop_unnamed", "keep", "named", "pieces", "put", "read", "stored"]

PIECE = 2**20
"""Bytes of a row."""
_INSERT = "INSERT INTO payloads (ns, digest, part, data, checksum) VALUES (?, ?, ?, ?, ?)"


def keep(tx: Transaction, ns: int, payload: Payload) -> None:
    """Store the bytes, unless they are there, and whole."""
    if _digest(tx, ns, payload.digest) == payload.digest:
        return
    tx.execute("DELETE FROM payloads WHERE ns = ? AND digest = ?", (ns, payload.digest))
    for part, start in enumerate(range(0, len(payload.data), PIECE)):
        tx.stop.check()
        put(tx, ns, payload.digest, part, payload.data[start : start + PIECE])


def put(tx: Transaction, ns: int, digest: str, part: int, data: bytes) -> None:
    """Write one piece."""
    tx.execute(_INSERT, (ns, digest, part, data, checksum(digest, part, data)))


def pieces(tx: Transaction, ns: int, digest: str) -> Iterator[tuple[int, bytes]]:
    """(part, data), one at a time. Raises: Damaged for one that does not answer to its checksum."""
    parts = tx.execute("SELECT part FROM payloads WHERE ns = ? AND digest = ? ORDER BY part", (ns, digest)).fetchall()
    for (part,) in parts:
        data, stored = tx.execute(
            "SELECT data, checksum FROM payloads WHERE ns = ? AND digest = ? AND part = ?", (ns, digest, part)
        ).fetchone()
        data = bytes(data)
        if checksum(digest, part, data) != stored:
            raise Damaged(f"payload {digest}: piece {part} does not answer to its checksum; `wayfare memory doctor`")
        yield part, data


def read(tx: Transaction, ns: int, digest: str, whose: str) -> bytes:
    """The bytes. whose: the record that names them. Raises: Damaged, naming it and the digest."""
    try:
        data = b"".join(data for _, data in pieces(tx, ns, digest))
    except Damaged as error:
        raise Damaged(f"{whose}: {error}") from None
    if sha256(data).hexdigest() != digest:
        raise Damaged(f"{whose}: its payload does not answer to the digest {digest}; `wayfare memory doctor`")
    return data


def stored(tx: Transaction, ns: int) -> list[str]:
    """Digests of all that is there."""
    rows = tx.execute("SELECT digest FROM payloads WHERE ns = ? GROUP BY digest ORDER BY digest", (ns,)).fetchall()
    return [digest for (digest,) in rows]


def named(tx: Transaction, ns: int, digest: str = "") -> Iterator[tuple[str, int, PayloadInfo]]:
    """(id, version, what it carries) of every version that carries anything, or bytes of this digest.

    Raises: Damaged for an earlier version that does not answer to its checksum.
    """
    like = f"%{digest}%"
    for id, version, text in tx.execute(
        "SELECT id, version, payload FROM records WHERE ns = ? AND payload LIKE ?", (ns, like)
    ).fetchall():
        info = payload_info(text)
        if info is not None and digest in ("", info.digest):
            yield id, version, info
    last = ("", 0)
    while True:
        rows = tx.execute(
            "SELECT id, version, body, checksum FROM versions WHERE ns = ? AND (id, version) > (?, ?)"
            " AND body LIKE ? ORDER BY id, version LIMIT 1000",
            (ns, *last, like),
        ).fetchall()
        for id, version, body, stored in rows:
            info = record_from_body(body, stored, "").payload if body else None
            if info is not None and digest in ("", info.digest):
                yield id, version, info
        if len(rows) < 1000:
            return
        last = rows[-1][:2]


def drop_unnamed(tx: Transaction, ns: int, digests: Iterable[str]) -> None:
    """Take away those that no version of any record names any more."""
    for digest in digests:
        if next(named(tx, ns, digest), None) is None:
            tx.execute("DELETE FROM payloads WHERE ns = ? AND digest = ?", (ns, digest))


def _digest(tx: Transaction, ns: int, digest: str) -> str:
    """Of what is stored under a digest; "" where it is not whole."""
    found = sha256()
    try:
        for _, data in pieces(tx, ns, digest):
            found.update(data)
    except Damaged:
        return ""
    return found.hexdigest()
