"""Idempotency keys: the same request under the same key is answered as the first time, and changes nothing.

The answer is written in the transaction of the change itself, so that it is there if and only if the change is.

    with database.write() as tx:
        return once(tx, ns, asked, clock(), RESULTS, lambda: change(tx))
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from wayfare.errors import Damaged, OutcomeConflict
from wayfare.memory.operations import OpResult, request_of
from wayfare.memory.records import checked_name, checksum
from wayfare.memory.store.database import Transaction

__all__ = ["NOTHING", "RESULTS", "Asked", "Kept", "answered", "asked_under", "keep_answer", "of_fields", "once"]

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A request under an idempotency key. request: its hash, 16 bytes."""

    key: str
    request: bytes


@dataclass(frozen=True)
class Kept(Generic[T]):
    """How answers of one kind are written down as JSON, and read again.

    A list is one of `RESULTS`, whose reasons a purge empties where they quote what is purged; no other kind may hold a
    text of a memory.
    """

    write: Callable[[T], Any]
    read: Callable[[Any], T]


def of_fields(kind: Callable[..., T]) -> Kept[T]:
    """Of a dataclass without a text in it."""
    return Kept(lambda answer: asdict(answer), lambda fields: kind(**fields))  # type: ignore[call-overload]


RESULTS: Kept[list[OpResult]] = Kept(
    lambda results: [astuple(result) for result in results], lambda rows: [OpResult(*row) for row in rows]
)
NOTHING: Kept[None] = Kept(lambda _: None, lambda _: None)


def asked_under(key: str | None, *request: object) -> Asked | None:
    """A verb and all that it was told, under a key; None without a key. Raises: BadValue."""
    if key is None:
        return None
    checked_name("idempotency_key", key)
    text = json.dumps(request_of(request), sort_keys=True, default=repr)
    return Asked(key, blake2b(text.encode(), digest_size=16).digest())


def answered(tx: Transaction, ns: int, asked: Asked, kept: Kept[T]) -> tuple[T] | None:
    """What was answered under a key; None where it is new. Raises: OutcomeConflict for another request; Damaged."""
    row = tx.execute(
        "SELECT request, answer, time, checksum FROM answers WHERE ns = ? AND key = ?", (ns, asked.key)
    ).fetchone()
    if row is None:
        return None
    if checksum(asked.key, *row[:3]) != row[3]:
        raise Damaged(
            f"the answer to idempotency key {asked.key!r} does not answer to its checksum; `wayfare memory doctor`"
        )
    if row[0] != asked.request:
        raise OutcomeConflict(f"idempotency key {asked.key!r} was used for another request before")
    return (kept.read(json.loads(row[1])),)


def keep_answer(tx: Transaction, ns: int, asked: Asked, kept: Kept[T], answer: T, time: float) -> None:
    """Write down the answer, in the transaction that made it true."""
    text = json.dumps(kept.write(answer))
    tx.execute(
        "INSERT INTO answers (ns, key, request, answer, time, checksum) VALUES (?, ?, ?, ?, ?, ?)",
        (ns, asked.key, asked.request, text, float(time), checksum(asked.key, asked.request, text, float(time))),
    )


def once(tx: Transaction, ns: int, asked: Asked | None, time: float, kept: Kept[T], change: Callable[[], T]) -> T:
    """The answer of `change`, or what was answered before. Raises: as `answered`; what `change` raises."""
    known = None if asked is None else answered(tx, ns, asked, kept)
    if known is not None:
        return known[0]
    answer = change()
    if asked is not None:
        keep_answer(tx, ns, asked, kept, answer, time)
    return answer
