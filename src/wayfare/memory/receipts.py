"""Receipts: what was there to recall, with which weights, what was shown, and with which probability.

A receipt is written once and never changed but for two things: its body is dropped when it is old (`thin`), and a
purge blanks its copy of the query. Its body holds the candidates as the policies saw them, in single precision: they
are rounded *before* the draw (`as_logged`), so that a policy asked later about the logged candidates answers with the
very probabilities that it drew with. Weights are kept in double precision.

What a scorer said of the candidates is kept with them, and its id in the header.

    body = zlib( length of header, header (JSON), arrays in the order that the header names )
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import Damaged
from wayfare.explore.rules.slates import ConditionalPoisson, SlateMixture, Top
from wayfare.memory.policy import Candidates
from wayfare.memory.records import checksum
from wayfare.memory.scoring import Scored
from wayfare.memory.store.database import Transaction

__all__ = [
    "COLUMNS",
    "Parts",
    "Receipt",
    "as_logged",
    "blank_query",
    "read_receipts",
    "receipt_from",
    "renumbered",
    "thin",
    "write_receipt",
]

Parts = list[tuple[float, Top | ConditionalPoisson]]
"""A policy for one situation: components and their shares, which sum to one."""

ARRAYS = ("relevance", "features", "n", "total", "squares", "q", "recalled")
KEPT, KEPT_DAYS = 100_000, 90
COLUMNS = "seq, id, task, time, query, body, slate, probabilities, checksum"
"""As `receipt_from` reads them."""


@dataclass(frozen=True)
class Receipt:
    """One recall.

    seq: its place in the log of the namespace, 0 before it is written        time: s since the epoch
    candidates: what the deterministic cuts left, best relevance first; None once thinned
    records: [n] numbers of the candidates        slate: places among the candidates, in the order shown
    sides: the components of every side that had a share        shares: of the sides in the task's coin
    policies: the policy id of each side        side: that the coin chose
    probabilities: of the set shown, by side        inclusion: chance of each item shown, under the whole mixture
    """

    id: str
    task: str
    time: float
    query: str
    candidates: Candidates | None
    records: tuple[int, ...]
    slate: tuple[int, ...]
    shown: tuple[tuple[str, int], ...]
    sides: Mapping[str, Parts]
    shares: Mapping[str, float]
    policies: Mapping[str, str]
    side: str
    probabilities: Mapping[str, float]
    inclusion: tuple[float, ...]
    seq: int = 0

    @property
    def probability(self) -> float:
        """Of the set shown, under the whole mixture."""
        return sum(share * self.probabilities[side] for side, share in self.shares.items())

    def mixture(self) -> SlateMixture:
        """All sides as one distribution over sets of len(slate)."""
        parts = [
            (self.shares[side] * share, part)
            for side, of_side in self.sides.items()
            for share, part in of_side
            if self.shares[side] * share > 0
        ]
        return SlateMixture(parts, len(self.slate))


def as_logged(candidates: Candidates) -> Candidates:
    """The candidates in the precision in which a receipt keeps them."""
    rounded: dict[str, Any] = {
        name: np.asarray(getattr(candidates, name), np.float32).astype(np.float64) for name in ARRAYS
    }
    if candidates.scored is not None:
        told = candidates.scored
        rounded["scored"] = Scored(told.id, np.asarray(told.q, np.float32).astype(np.float64))
    return replace(candidates, **rounded)


def _pack(receipt: Receipt) -> bytes:
    assert receipt.candidates is not None
    arrays: list[NDArray[Any]] = [
        np.asarray(receipt.records, np.int64),
        np.asarray(receipt.candidates.versions, np.int32),
    ]
    arrays += [np.asarray(getattr(receipt.candidates, name), np.float32) for name in ARRAYS]
    parts = []
    for side, of_side in receipt.sides.items():
        for share, part in of_side:
            top = isinstance(part, Top)
            parts.append([side, share, "top" if top else "poisson"])
            arrays.append(np.asarray(part.scores if isinstance(part, Top) else part.weights, np.float64))
    scored = receipt.candidates.scored
    if scored is not None:
        arrays.append(np.asarray(scored.q, np.float32))
    header = {
        "shapes": [list(array.shape) for array in arrays],
        "types": [array.dtype.str for array in arrays],
        "parts": parts,
        "slate": receipt.slate,
        "shares": dict(receipt.shares),
        "policies": dict(receipt.policies),
        "side": receipt.side,
        **({} if scored is None else {"scorer": scored.id}),
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    return zlib.compress(b"".join([struct.pack("<I", len(head)), head, *(array.tobytes() for array in arrays)]), 1)


def _unpack(body: bytes) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    data = zlib.decompress(body)
    (size,) = struct.unpack_from("<I", data)
    header: dict[str, Any] = json.loads(data[4 : 4 + size])
    at, arrays = 4 + size, []
    for shape, kind in zip(header["shapes"], header["types"], strict=True):
        count = int(np.prod(shape))
        arrays.append(np.frombuffer(data, kind, count, at).reshape(shape))
        at += arrays[-1].nbytes
    return header, arrays


def renumbered(data: bytes, change: Callable[[int], int]) -> bytes:
    """An unpacked body in which the candidates have other numbers. Raises: ValueError for what is no body."""
    try:
        (size,) = struct.unpack_from("<I", data)
        header = json.loads(data[4 : 4 + size])
        ((count,), kind) = header["shapes"][0], np.dtype(header["types"][0])
        numbers = np.frombuffer(data, kind, count, 4 + size)
        changed = np.array([change(number) for number in numbers.tolist()], kind)
    except (struct.error, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"no body of a receipt: {error}") from None
    return data[: 4 + size] + changed.tobytes() + data[4 + size + changed.nbytes :]


def write_receipt(tx: Transaction, ns: int, seq: int, receipt: Receipt) -> None:
    """Store it under a sequence number of its own."""
    slate = json.dumps([[id, version] for id, version in receipt.shown], separators=(",", ":"))
    chances = json.dumps(
        {
            "shares": dict(receipt.shares),
            "sides": dict(receipt.probabilities),
            "inclusion": list(receipt.inclusion),
            "side": receipt.side,
        },
        separators=(",", ":"),
    )
    body = None if receipt.candidates is None else _pack(receipt)
    row = (seq, receipt.id, receipt.task, float(receipt.time), receipt.query, body, slate, chances)
    tx.execute(
        f"INSERT INTO receipts (ns, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (ns, *row, _sum(row)),
    )


def _sum(row: Sequence[Any]) -> int:
    """Of all but the body, which has a checksum of its own and is dropped when it is old."""
    seq, id, task, time, query, _, slate, chances = row[:8]
    return checksum(seq, id, task, time, query, slate, chances)


def blank_query(tx: Transaction, ns: int, seq: int) -> None:
    """Leave nothing of what was asked. A damaged receipt stays one: no new checksum makes it whole."""
    row = tx.execute(f"SELECT {COLUMNS} FROM receipts WHERE ns = ? AND seq = ?", (ns, seq)).fetchone()
    kept = _sum((*row[:4], "", *row[5:])) if _sum(row) == row[-1] else row[-1]
    tx.execute("UPDATE receipts SET query = '', checksum = ? WHERE ns = ? AND seq = ?", (kept, ns, seq))


def read_receipts(
    tx: Transaction, ns: int, *, tasks: Sequence[str] | None = None, after: int = 0, whole: bool = True
) -> Iterator[Receipt]:
    """Receipts of these tasks (all: None) after a sequence number, in order.

    whole: with candidates and weights, where they are still kept
    Raises: Damaged for one that does not answer to its checksum.
    """
    columns = COLUMNS if whole else COLUMNS.replace("body", "NULL")
    if tasks is None:
        rows = tx.execute(f"SELECT {columns} FROM receipts WHERE ns = ? AND seq > ? ORDER BY seq", (ns, after))
        yield from map(receipt_from, rows.fetchall())
        return
    for task in tasks:
        rows = tx.execute(
            f"SELECT {columns} FROM receipts WHERE ns = ? AND task = ? AND seq > ? ORDER BY seq", (ns, task, after)
        )
        yield from map(receipt_from, rows.fetchall())


def receipt_from(row: Sequence[Any]) -> Receipt:
    """row: as `COLUMNS` names it. Raises: Damaged."""
    seq, id, task, time, query, body, slate, chances, stored = row
    if _sum(row) != stored:
        raise Damaged(f"receipt {id} (log {seq}) does not answer to its checksum; `wayfare memory doctor`")
    said = json.loads(chances)
    shown = tuple((str(each), int(version)) for each, version in json.loads(slate))
    bare = Receipt(
        id, task, time, query, None, (), (), shown, {}, said["shares"], {}, said["side"], said["sides"],
        tuple(said["inclusion"]), seq,
    )  # fmt: skip
    if body is None:
        return bare
    try:
        header, arrays = _unpack(body)
    except (zlib.error, ValueError, KeyError, struct.error) as error:
        raise Damaged(f"receipt {id} (log {seq}) has an unreadable body: {error}; `wayfare memory doctor`") from None
    records, versions, *rest = arrays
    seen: dict[str, Any] = {name: np.asarray(array, np.float64) for name, array in zip(ARRAYS, rest, strict=False)}
    if "scorer" in header:
        seen["scored"] = Scored(header["scorer"], np.asarray(rest.pop(), np.float64))
    candidates = Candidates(tuple(map(str, records)), tuple(map(int, versions)), **seen)
    sides: dict[str, Parts] = {}
    for (side, share, kind), array in zip(header["parts"], rest[len(ARRAYS) :], strict=True):
        weights = np.asarray(array, np.float64)
        sides.setdefault(side, []).append((share, Top(weights) if kind == "top" else ConditionalPoisson(weights)))
    return replace(
        bare,
        candidates=candidates,
        records=tuple(map(int, records)),
        slate=tuple(header["slate"]),
        sides=sides,
        policies=header["policies"],
    )


def thin(tx: Transaction, ns: int, now: float, kept: int = KEPT, days: float = KEPT_DAYS) -> int:
    """Drop the bodies of receipts that are neither among the last `kept` nor younger than `days`; how many."""
    row = tx.execute(
        "SELECT seq FROM receipts WHERE ns = ? ORDER BY seq DESC LIMIT 1 OFFSET ?", (ns, max(0, kept - 1))
    ).fetchone()
    if row is None:
        return 0
    return tx.execute(
        "UPDATE receipts SET body = NULL WHERE ns = ? AND seq < ? AND time < ? AND body IS NOT NULL",
        (ns, row[0], now - days * 86_400.0),
    ).rowcount
