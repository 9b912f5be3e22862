"""What is known of a memory beside what it says, in three groups: its header.

    descriptive     what it is and where it comes from
    governance      whose it is, how long it holds, what may be done with it
    behavioural     how it has been used, and how it came to be what it is

The groups are those of the MemCube of MemOS (Li et al. 2025, arXiv 2507.03724). Nothing of it is stored a second time:
it is read from the record, its utility, its history and its links, so that it cannot disagree with them. Watermarks and
lists of readers are not part of it: who may read is settled by the namespace (`Memory`, and tokens of a server).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from wayfare.memory.copies.subjects import SUBJECT
from wayfare.memory.cubes.lifecycle import State
from wayfare.memory.records import Form, Link, PayloadInfo, Provenance, Record, Version

__all__ = ["Behaviour", "Description", "Governance", "Header", "Heat", "fingerprint", "header_of", "heat_of"]


@dataclass(frozen=True)
class Description:
    """created_at, updated_at: s since the epoch        derived_from: ids of its sources"""

    id: str
    kind: str
    form: Form
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    provenance: tuple[Provenance, ...]
    derived_from: tuple[str, ...]
    payload: PayloadInfo | None


@dataclass(frozen=True)
class Governance:
    """subjects: whom it is about or comes from        valid_from, valid_to: its lifetime, open where None"""

    namespace: str
    state: State
    subjects: tuple[str, ...]
    valid_from: float | None
    valid_to: float | None


@dataclass(frozen=True)
class Behaviour:
    """recalled, used, reward, last_credit: as in `Utility`, reward its mean

    fingerprint: of text and payload as they stand        chain: of every version, oldest first; "" where purged
    """

    recalled: int
    used: int
    reward: float | None
    last_credit: float | None
    version: int
    fingerprint: str
    chain: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """All three."""

    descriptive: Description
    governance: Governance
    behavioural: Behaviour


@dataclass(frozen=True)
class Heat:
    """What a scheduler reads of a memory: how hot it is, and how stable.

    uses: times recalled        used: times said to have been acted upon        size: bytes of text and payload
    edits: times that text or payload were changed        last_change: when, last; s since the epoch
    stability: s since then        age: s since it was first written
    """

    id: str
    form: Form
    uses: int
    used: int
    reward: float | None
    size: int
    edits: int
    last_change: float
    stability: float
    age: float


def fingerprint(record: Record | None) -> str:
    """SHA-256 of text and payload, hexadecimal: equal where both are byte for byte; "" for a text that was purged."""
    if record is None:
        return ""
    carried = "" if record.payload is None else record.payload.digest
    return sha256(carried.encode() + b"\0" + record.content.encode()).hexdigest()


def header_of(record: Record, state: State, history: Sequence[Version], links: Sequence[Link]) -> Header:
    """links: those that begin at the record"""
    subjects = tuple(tag.removeprefix(SUBJECT) for tag in record.tags if tag.startswith(SUBJECT))
    sources = tuple(sorted(link.target for link in links if link.type == "derived_from"))
    utility = record.utility
    return Header(
        Description(
            record.id, record.kind, record.form, record.tags, record.created_at, record.updated_at, record.provenance,
            sources, record.payload,
        ),
        Governance(record.namespace, state, subjects, record.valid_from, record.valid_to),
        Behaviour(
            utility.recalled, utility.used, utility.mean, utility.last_credit, record.version, fingerprint(record),
            tuple(fingerprint(step.record) for step in history),
        ),
    )  # fmt: skip


def heat_of(record: Record, history: Sequence[Version], now: float) -> Heat:
    """now: s since the epoch"""
    changes = [history[0].time]
    for before, after in pairwise(history):
        if fingerprint(before.record) != fingerprint(after.record):
            changes.append(after.time)
    size = len(record.content.encode()) + (0 if record.payload is None else record.payload.size)
    return Heat(
        record.id, record.form, record.utility.recalled, record.utility.used, record.utility.mean, size,
        len(changes) - 1, changes[-1], now - changes[-1], now - record.created_at,
    )  # fmt: skip
