"""Idempotency keys: the same request under the same key is answered as the first time, and changes nothing.

The answer is written in the transaction of the change itself, so that it is there if and only if the change is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from hashlib import blake2b

from wayfare.errors import Damaged, OutcomeConflict
from wayfare.memory.operations import OpResult, request_of
from wayfare.memory.records import checksum
from wayfare.memory.store.database import Transaction

__all__ = ["answered", "hashed", "keep_answer"]


def hashed(request: object) -> bytes:
    """Of a request, 16 bytes: the same for the same request."""
    text = json.dumps(request_of(request), sort_keys=True)
    return blake2b(text.encode(), digest_size=16).digest()


def answered(tx: Transaction, ns: int, key: str, request: bytes) -> list[OpResult] | None:
    """What was answered under a key; None where it is new. Raises: OutcomeConflict for another request; Damaged."""
    row = tx.execute(
        "SELECT request, answer, time, checksum FROM answers WHERE ns = ? AND key = ?", (ns, key)
    ).fetchone()
    if row is None:
        return None
    if checksum(key, *row[:3]) != row[3]:
        raise Damaged(f"the answer to idempotency key {key!r} does not answer to its checksum; `wayfare memory doctor`")
    if row[0] != request:
        raise OutcomeConflict(f"idempotency key {key!r} was used for another request before")
    return [OpResult(*each) for each in json.loads(row[1])]


def keep_answer(tx: Transaction, ns: int, key: str, request: bytes, results: Sequence[OpResult], time: float) -> None:
    """Write down the answer, in the transaction that made it true."""
    answer = json.dumps([astuple(result) for result in results])
    tx.execute(
        "INSERT INTO answers (ns, key, request, answer, time, checksum) VALUES (?, ?, ?, ?, ?, ?)",
        (ns, key, request, answer, float(time), checksum(key, request, answer, float(time))),
    )
