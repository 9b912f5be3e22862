"""What is asked of each verb, as every door takes it; and what it answers (`answers`).

Requests are strict: no field that is not known, no number that is not finite, no text where a number belongs. What a
request may say is what the library's verb takes, but for what a stranger must not choose: the namespace and the actor
are the token's, and an outcome is dated when it arrives, since the cap on an actor counts by days.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wayfare.memory.operations import MOST_KEYS
from wayfare.memory.records import LARGEST_TEXT, LONGEST_NAME, MOST_TAGS
from wayfare.serve.answers import *  # noqa: F403
from wayfare.serve.answers import __all__ as ANSWERS

__all__ = ["Asked", "Sought", *ANSWERS]

MOST_AT_ONCE = 1_000
"""Memories, turns or ids in one request."""
LONGEST_QUERY = 100_000
LAST = 2**53
"""Numbers that JSON carries exactly."""

Text = Annotated[str, Field(min_length=1, max_length=LARGEST_TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Reason = Annotated[str, Field(max_length=10_000)]
Seconds = Annotated[float, Field(description="seconds since the epoch")]
VersionNumber = Annotated[int, Field(ge=1, le=LAST)]
Names = Annotated[list[Name], Field(max_length=MOST_AT_ONCE)]
Tags = Annotated[list[Name], Field(max_length=MOST_TAGS)]
Interval = Annotated[list[Seconds | None], Field(min_length=2, max_length=2, description="[from, to], null is open")]


class Asked(BaseModel):
    """A request in a body."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Sought(BaseModel):
    """A request in the words of an address, where numbers are texts."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


# Requests that write


class OtherText(Asked):
    """Another text under which a memory is found. role: intent, question, entity, ..."""

    role: Name
    text: Text


class NewMemory(Asked):
    """A text to be kept."""

    text: Text
    kind: Name = "fact"
    tags: Tags = []
    keys: Annotated[list[OtherText], Field(max_length=MOST_KEYS)] = []
    meta: dict[str, Any] | None = None
    source: Annotated[Text | None, Field(description="a uri, or any text that says where it comes from")] = None
    event: Annotated[Seconds | Interval | None, Field(description="when it happened: one time, or [from, to]")] = None
    valid: Annotated[Interval | None, Field(description="while it holds")] = None
    reason: Reason = ""
    subject: Annotated[Name | None, Field(description="the person whose data it is")] = None


class Remember(NewMemory):
    """Keep a text. What only restates what `recall` or `task` had recalled is not stored, but noted."""

    recall: Annotated[Name | None, Field(description="id of the receipt that it was made from, instead of source")] = (
        None
    )
    task: Annotated[Name | None, Field(description="id of the task in which it was learned")] = None


class RememberMany(Asked):
    """Keep many texts, all or none."""

    memories: Annotated[list[NewMemory], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Turn(Asked):
    """What somebody said."""

    speaker: Name
    text: Text
    time: Seconds | None = None
    session: Annotated[str, Field(max_length=LONGEST_NAME)] = ""


class RememberDialogue(Asked):
    """Keep a conversation, a memory a turn."""

    turns: Annotated[list[Turn], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Revise(Asked):
    """Write a new version: what is given changes, what is not stays."""

    id: Name
    text: Text | None = None
    kind: Name | None = None
    tags: Tags | None = None
    meta: dict[str, Any] | None = None
    keys: Annotated[list[OtherText] | None, Field(max_length=MOST_KEYS)] = None
    event_from: Seconds | None = None
    event_to: Seconds | None = None
    valid_from: Seconds | None = None
    valid_to: Seconds | None = None
    expect: Annotated[VersionNumber | None, Field(description="the version that is meant to be changed")] = None
    reason: Reason = ""


class Forget(Asked):
    """Hide a memory at once; with purge, leave no byte of its text."""

    id: Name
    purge: bool = False
    expect: VersionNumber | None = None
    reason: Reason = ""


class Archive(Asked):
    """Keep a memory, but recall it no more."""

    id: Name
    expect: VersionNumber | None = None
    reason: Reason = ""


class Tie(Asked):
    """Link two memories; the same link again takes the new weight, evidence and times."""

    source: Name
    target: Name
    type: Name
    weight: float = 1.0
    evidence: Annotated[list[Text], Field(max_length=MOST_TAGS)] = []
    valid_from: Seconds | None = None
    valid_to: Seconds | None = None


class Untie(Asked):
    """Take a link away."""

    source: Name
    target: Name
    type: Name


# Requests that recall and credit


class Recall(Asked):
    """At most k memories for a query, chosen by the policy of the task."""

    query: Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY)]
    k: Annotated[int, Field(ge=1, le=50)] = 5
    budget_tokens: Annotated[int | None, Field(ge=1, le=LAST)] = None
    kinds: Names | None = None
    tags: Names | None = None
    since: Seconds | None = None
    until: Seconds | None = None
    as_of: Seconds | None = None
    policy: Name | None = None
    task: Name | None = None
    timeout: Annotated[float | None, Field(gt=0, le=600, description="seconds")] = None


class Showed(Asked):
    """Note that these memories were shown for a query by other means than recall."""

    query: Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY)]
    ids: Annotated[Names, Field(min_length=1)]
    task: Name | None = None


class Outcome(Asked):
    """How a task went."""

    reward: Annotated[float, Field(description="in the declared range, 0 to 1 unless said otherwise")]
    used: Annotated[Names | None, Field(description="ids that were acted upon; null: not known, []: none")] = None
    source: Name = "harness"
    rank: Literal["human", "harness", "agent", "implicit"] | None = None
    correct: Annotated[bool, Field(description="replace what the same source has said of this task")] = False


class Credit(Outcome):
    """How a task went. task: its id, or the id of a receipt"""

    task: Name


class Void(Asked):
    """Take out the outcomes that match all that is given, one at least."""

    source: Name | None = None
    actor: Name | None = None
    since: Seconds | None = None
    until: Seconds | None = None
    reason: Reason = ""


class Why(Asked):
    """Why it is done, for the log."""

    reason: Reason = ""


class Rollback(Asked):
    """Make an earlier policy the incumbent again."""

    policy: Name
    reason: Reason = ""


class ResetUtility(Asked):
    """Forget what credit has taught, about one memory or with null about all."""

    id: Name | None
    reason: Reason = ""


# Requests that look


class One(Sought):
    """One memory, by its id."""

    id: Name


class AsOf(Sought):
    """as_of: as it stood then"""

    as_of: Seconds | None = None


class Get(AsOf, One):
    """Look at one memory as it stands, or stood."""


class Everything(Sought):
    """Of the whole namespace."""


class List(Sought):
    """A page of memories, oldest first, or with `newest` the other way round."""

    kind: Annotated[list[Name] | None, Field(max_length=MOST_TAGS)] = None
    tags: Annotated[list[Name] | None, Field(max_length=MOST_TAGS)] = None
    status: Literal["active", "superseded", "archived", "all"] = "active"
    since: Seconds | None = None
    until: Seconds | None = None
    after: Annotated[Name | None, Field(description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = 100
    newest: bool = False


class LinkFilters(Sought):
    """Which links."""

    direction: Literal["both", "in", "out"] = "both"
    types: Annotated[list[Name] | None, Field(max_length=MOST_TAGS)] = None
    at: Annotated[Seconds | None, Field(description="only what holds then")] = None


class Links(LinkFilters, One):
    """The links of a memory."""


class Evaluate(Sought):
    """What another policy would have earned on the logged tasks."""

    policy: Name = "similarity"
    explore: Annotated[float | None, Field(gt=0, le=50)] = None
    interval: Literal["normal", "bootstrap"] = "normal"
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95


class Receipts(Sought):
    """Receipts, the last first."""

    task: Name | None = None
    before: Annotated[int | None, Field(ge=1, le=LAST, description="seq of the last of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = 50
