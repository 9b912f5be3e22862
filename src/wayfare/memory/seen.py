"""What the verbs of `surveying` answer with: tasks, outcomes, candidates and histories, as they are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayfare.memory.receipts import Receipt
from wayfare.memory.records import Record

__all__ = [
    "Considered",
    "CoursePoint",
    "FloorHistory",
    "FloorStep",
    "Happened",
    "OutcomeSeen",
    "Recalls",
    "Searched",
    "TaskSeen",
]


@dataclass(frozen=True)
class Searched:
    """A memory that a search found. by: which searches found it, with what score"""

    record: Record
    relevance: float
    by: Mapping[str, float]


@dataclass(frozen=True)
class TaskSeen:
    """A task: what its coin settled, and how it went.

    epoch: of the policies        shares, policies: by side, as they were when it began        receipts: how many
    last: seq of its last receipt        query: of that one        shown: memories in it
    reward: that counts, in the declared range; None without one
    """

    id: str
    side: str
    epoch: int
    shares: Mapping[str, float]
    policies: Mapping[str, str]
    opened_at: float
    closed_at: float | None
    receipts: int
    last: int
    query: str
    shown: int
    reward: float | None


@dataclass(frozen=True)
class OutcomeSeen:
    """What was said of a task.

    reward: in the declared range        used: None where that was not said        basis: of the shares, used or shown
    counted: utilities take it        replaced, voided: seq of what corrected it, or took it out
    credits: id -> (share, what the actor's cap granted of it); 0 granted where it does not count
    """

    seq: int
    source: str
    rank: str
    actor: str
    time: float
    reward: float
    used: tuple[str, ...] | None
    basis: str
    counted: bool
    replaced: int | None
    voided: int | None
    credits: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Considered:
    """A candidate of a recall, with the numbers that it was judged by.

    record: as it stands now, None where it is gone        version: as it was then
    place: among the shown, from 1; None: not shown        relevance: in [0, 1]
    features: the numbers phi of `policy.FEATURES`, without the classes of kinds
    n: credited weight        mean, width: of its posterior        recalled: times shown before
    chance: of being shown, under the whole mixture        chances: the same by side
    """

    id: str
    version: int
    record: Record | None
    place: int | None
    relevance: float
    features: Mapping[str, float]
    n: float
    mean: float
    width: float
    recalled: float
    chance: float
    chances: Mapping[str, float]


@dataclass(frozen=True)
class Recalls:
    """Receipts that showed a memory, the last first. next: what `before` takes to look further back; None at the end"""

    receipts: tuple[Receipt, ...]
    next: int | None


@dataclass(frozen=True)
class CoursePoint:
    """A utility after one credit. reward: in the declared range; mean and q of rewards in [0, 1]."""

    seq: int
    time: float
    task: str
    reward: float
    granted: float
    n: float
    mean: float
    q: float


@dataclass(frozen=True)
class FloorStep:
    """Tasks that began under one agreement.

    since, until: when the first and the last of them began        tasks, credited: how many
    """

    since: float
    until: float
    epoch: int
    shares: Mapping[str, float]
    policies: Mapping[str, str]
    tasks: int
    credited: int


@dataclass(frozen=True)
class Happened:
    """A change that concerns learning. detail: what the log holds of it"""

    seq: int
    time: float
    op: str
    actor: str
    reason: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class FloorHistory:
    """How the shares moved, oldest first, and what happened, the last first."""

    steps: tuple[FloorStep, ...]
    events: tuple[Happened, ...]
