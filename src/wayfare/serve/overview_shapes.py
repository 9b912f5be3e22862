"""What is asked of the verbs that look without leaving a trace, and what they answer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from wayfare.memory.records import MOST_TAGS
from wayfare.serve.shapes import LAST, LONGEST_QUERY, MOST_AT_ONCE, Answer, Memory, Name, One, Receipt, Seconds, Sought

__all__ = ["MOST_RECEIPTS"]

MOST_RECEIPTS = 200
"""Of one task, in one answer: the last ones."""
Before = Annotated[int | None, Field(ge=1, le=LAST, description="where the page before ended")]
Limit = Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]


class Search(Sought):
    """The most relevant memories; nothing is drawn, logged or counted."""

    q: Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY)]
    kind: Annotated[list[Name] | None, Field(max_length=MOST_TAGS)] = None
    tags: Annotated[list[Name] | None, Field(max_length=MOST_TAGS)] = None
    since: Seconds | None = None
    until: Seconds | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 20


class Tasks(Sought):
    """Tasks that recalled something, that of the last recall first."""

    before: Before = None
    limit: Limit = 50


class Recalls(Sought):
    """Where a memory was recalled, the last first."""

    before: Before = None
    limit: Limit = 50


class RecallsOf(Recalls, One):
    """Where a memory was recalled, the last first."""


class Points(Sought):
    """How a memory came by its utility."""

    points: Annotated[int, Field(ge=2, le=5_000)] = 500


class CourseOf(Points, One):
    """How a memory came by its utility."""


class Events(Sought):
    """How the shares of the sides moved, and what happened to learning."""

    before: Before = None
    limit: Limit = 50


class SearchHit(Answer):
    """One memory that was found. by: which searches found it, with what score"""

    memory: Memory
    relevance: float
    by: dict[str, float]


class SearchedFor(Answer):
    """What was found, best first."""

    found: list[SearchHit]


class TaskOf(Answer):
    """A task. last: seq of its last receipt        query, shown: of that one        reward: that counts"""

    id: str
    side: str
    epoch: int
    shares: dict[str, float]
    policies: dict[str, str]
    opened_at: float
    closed_at: float | None
    receipts: int
    last: int
    query: str
    shown: int
    reward: float | None


class TaskPage(Answer):
    """Tasks; `before` takes `last` of the last one to go on."""

    tasks: list[TaskOf]


class FellTo(Answer):
    """What of an outcome fell to a memory: its share, and what the actor's cap granted of it."""

    id: str
    base: float
    granted: float


class OutcomeOf(Answer):
    """What was said of a task. counted: utilities take it        replaced, voided: seq of what corrected it or took it
    out"""

    seq: int
    source: str
    rank: str
    actor: str
    time: float
    reward: float
    used: list[str] | None
    basis: str
    counted: bool
    replaced: int | None
    voided: int | None
    credits: list[FellTo]


class TaskWhole(Answer):
    """A task, its receipts (the last 200, oldest first, without candidates) and all that was said of it."""

    task: TaskOf
    receipts: list[Receipt]
    outcomes: list[OutcomeOf]


class CandidateOf(Answer):
    """A candidate. place: among the shown, null where it was not        memory: as it stands now, null where it is gone
    mean, width: of its posterior        chance: of being shown; chances: by side"""

    id: str
    version: int
    memory: Memory | None
    place: int | None
    relevance: float
    features: dict[str, float]
    n: float
    mean: float
    width: float
    recalled: int
    chance: float
    chances: dict[str, float]


class ConsideredFor(Answer):
    """The candidates of a recall, best relevance first. thinned: they have been dropped, or there never were any"""

    thinned: bool
    candidates: list[CandidateOf]


class RecallPage(Answer):
    """Receipts that showed a memory. next: what `before` takes to look further back, null at the end"""

    receipts: list[Receipt]
    next: int | None


class CoursePoint(Answer):
    """A utility after one credit. mean, q: of rewards in [0, 1]"""

    seq: int
    time: float
    task: str
    reward: float
    granted: float
    n: float
    mean: float
    q: float


class Course(Answer):
    """A utility over time, oldest first."""

    points: list[CoursePoint]


class FloorStep(Answer):
    """Tasks that began under one agreement."""

    since: float
    until: float
    epoch: int
    shares: dict[str, float]
    policies: dict[str, str]
    tasks: int
    credited: int


class Happened(Answer):
    """A change that concerns learning."""

    model_config = ConfigDict(extra="forbid")
    seq: int
    time: float
    op: str
    actor: str
    reason: str
    detail: dict[str, Any]


class FloorHistory(Answer):
    """Shares, oldest first, and events, the last first."""

    steps: list[FloorStep]
    events: list[Happened]


class Owner(Answer):
    """Whose token it is and what it allows. name: empty where none is needed"""

    id: str
    name: str
    namespace: str
    also_read: list[str]
    scopes: list[str]
    expires_at: float | None
