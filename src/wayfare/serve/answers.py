"""What each verb answers, as every door gives it; `shapes` has what is asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Answer",
    "Counted",
    "CreditOf",
    "Credited",
    "CreditsOf",
    "Done",
    "DoneMany",
    "Evaluated",
    "Floor",
    "Forgotten",
    "History",
    "Item",
    "LinkOf",
    "LinksOf",
    "Memory",
    "Nothing",
    "Page",
    "Policies",
    "PolicyOf",
    "PolicyUsed",
    "Problem",
    "ProvenanceOf",
    "Recalled",
    "Receipt",
    "ReceiptPage",
    "Shown",
    "Stats",
    "Step",
    "UtilityOf",
    "Voided",
]


class Answer(BaseModel):
    """What a verb answers."""

    model_config = ConfigDict(extra="forbid")


class Done(Answer):
    """What was done: an ADD may have become a NOOP. id, version: of the memory that now stands for it"""

    op: str
    id: str
    version: int | None
    reason: str
    seq: int


class DoneMany(Answer):
    """What became of each, in their order."""

    results: list[Done]


class Forgotten(Answer):
    """A memory that is hidden, or with `purged` gone for good."""

    id: str
    purged: bool
    version: Annotated[int | None, Field(description="null where it was purged")]
    scanned_bytes: Annotated[int | None, Field(description="that hold none of its text any more")]
    derived: Annotated[list[str], Field(description="memories made from a purged one, which are as they were")]


class ProvenanceOf(Answer):
    """Where a text came from."""

    uri: str
    span: list[int] | None
    actor: str
    parents: list[str]


class UtilityOf(Answer):
    """What credit has taught. mean: of the rewards in [0, 1], null before the first"""

    n: float
    total: float
    squares: float
    q: float | None
    mean: float | None
    recalled: int
    used: int
    last_credit: float | None


class PayloadOf(Answer):
    """What a memory carries beside its text; the bytes themselves do not come through this door. size: bytes"""

    digest: str
    size: int
    media_type: str


class Memory(Answer):
    """One memory as it stands, or stood."""

    id: str
    content: str
    kind: str
    form: str
    status: str
    version: int
    created_at: float
    updated_at: float
    event_from: float | None
    event_to: float | None
    valid_from: float | None
    valid_to: float | None
    tags: list[str]
    meta: dict[str, Any]
    provenance: list[ProvenanceOf]
    payload: PayloadOf | None
    utility: UtilityOf
    namespace: str


class Page(Answer):
    """Some memories. next: what `after` takes to go on, null at the end"""

    memories: list[Memory]
    next: str | None


class Step(Answer):
    """One version of a memory. memory: null where its text was purged"""

    version: int
    op: str
    time: float
    actor: str
    operation: str
    reason: str
    memory: Memory | None


class History(Answer):
    """Every version, oldest first."""

    versions: list[Step]


class LinkOf(Answer):
    """source -> target, typed."""

    source: str
    target: str
    type: str
    weight: float
    evidence: list[str]
    valid_from: float | None
    valid_to: float | None


class LinksOf(Answer):
    """The links of a memory."""

    links: list[LinkOf]


class Item(Answer):
    """One memory that was recalled. by: which searches found it, with what score        text: what the block shows"""

    memory: Memory
    relevance: float
    score: float
    propensity: float
    by: dict[str, float]
    text: str
    why: str


class Recalled(Answer):
    """What was recalled, best first. id: of the receipt, which a credit may name        text: the block for a prompt"""

    id: str
    task: str
    text: str
    items: list[Item]
    logged: bool
    reason: str
    side: str
    policy: str
    probability: float | None
    considered: int
    why: str


class Credited(Answer):
    """An acknowledged outcome. repeated: said before        counted: False where a higher rank has spoken"""

    task: str
    source: str
    reward: float
    shares: dict[str, float]
    basis: str
    counted: bool
    repeated: bool
    seq: int


class Voided(Answer):
    """Outcomes taken out, and memories whose utilities were replayed."""

    outcomes: int
    records: int


class PolicyOf(Answer):
    """A recall policy. body: its rule and numbers"""

    id: str
    rule: str
    body: dict[str, Any]


class PolicyUsed(PolicyOf):
    """One that the namespace used. role: what it is now"""

    created_at: float
    role: str


class Policies(Answer):
    """Every policy that the namespace ever used, oldest first."""

    policies: list[PolicyUsed]


class Nothing(Answer):
    """Done; there is nothing to say of it."""

    done: Literal[True]


class Counted(Answer):
    """How many were concerned."""

    count: int


class Stats(Answer):
    """How the namespace stands."""

    model_config = ConfigDict(extra="allow")
    namespace: str
    reward_range: list[float]


class Floor(Answer):
    """The safe mixture. rho: share of the tasks that learning has, 1 less the baseline's"""

    model_config = ConfigDict(extra="allow")
    alpha: float
    delta: float
    rho: float
    shares: dict[str, float]
    frozen: bool


class Evaluated(Answer):
    """What a policy would have earned per task, with an interval, and what that assumes (`text`)."""

    model_config = ConfigDict(extra="allow")
    policy: str
    value: float | None
    low: float | None
    high: float | None
    text: str


class Shown(Answer):
    """One memory of a receipt. memory: as it stands now, null where it is gone"""

    id: str
    version: int
    propensity: float
    relevance: float | None
    memory: Memory | None


class Receipt(Answer):
    """One recall. sides: chance of this set by side        shares: of the sides in the task's coin"""

    id: str
    seq: int
    task: str
    time: float
    query: str
    side: str
    policy: str | None
    probability: float | None
    sides: dict[str, float]
    shares: dict[str, float]
    considered: Annotated[int | None, Field(description="candidates before the draw; null once they are dropped")]
    shown: list[Shown]


class ReceiptPage(Answer):
    """Receipts, the last first, without candidates and memories."""

    receipts: list[Receipt]


class CreditOf(Answer):
    """What one outcome did to one memory. granted: its weight, of `base` before the actor's cap"""

    seq: int
    task: str
    source: str
    actor: str
    time: float
    reward: float
    base: float
    granted: float
    voided: bool


class CreditsOf(Answer):
    """Every outcome that reached a memory, oldest first."""

    credits: list[CreditOf]


class Problem(Answer):
    """Why a request was refused (RFC 9457). field, value, allowed: what was wrong with it"""

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str
    request_id: str
