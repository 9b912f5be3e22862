"""Memory: what an agent keeps of what it has met, and learns to recall. Imports no torch.

    memory = Memory("agent.db")
    with memory.task("ticket-4711") as task:
        recall = memory.recall("user cannot log in after password reset", k=5)
        ...                                     # the agent works, with recall.text in its prompt
        task.credit(1.0)

The public face
    memory          `Memory`: remember, recall, credit, revise, forget, ...
    crediting       its verbs about outcomes            governing   about learning: freeze, refit, rollback, void, stats
    keeping         about upkeep, the audit and quotas
    asynchronous    `AsyncMemory`, the same verbs awaited
    explaining, surveying   looking back and over it, without a trace: receipts, tasks, courses
    recalled        what a recall returns        tasks    what is credited together        dialogue  conversations

Recalling: candidates -> a policy -> a receipt
    candidates      which memories could be recalled        policy, utility   by what they are chosen
    sessions, dates what a conversation, and a date that is named, have to say of them
    recalling       from the query to the receipt           receipts          what was drawn, with which probability
    standing        the safe mixture of policies            past              a look at an earlier time
    decay           how relevance may fall with age

Learning: outcome -> shares -> utilities
    outcomes, credit, signals        evaluate, evaluation   another policy on these logs        importing   past tasks

Keeping
    records, operations     what there is, and what can be done to it
    engine, applying, merging, reading      all or none; what was, and when        answers   idempotency keys
    planners, neighbours, refining          what to keep, what it resembles, and when a planner is slow
    echo            what only restates what was recalled        purge, scanning    until no byte is left
    upkeep/         merging, expiry, eviction, stale derivatives, the audit         quotas    what a namespace may hold
    copies/         bundles, snapshots, earlier states, one person's part        redaction   what must not be kept
    opening, ids, drafting   store/  a file, or PostgreSQL    index/  words and vectors    embedding/  texts as vectors

    transitions     `Transitions`: real steps in a plain list, with surprises, counts and snapshots

Kinds of memory
    cards           what a memory class says that it is     probes/   whether that is true
    modules/        memories for streams of tasks           cubes/    a namespace as a managed resource in three forms
    payloads        bytes of a memory                       invalidating   what falls with the text it came from
    scoring         what a learned scorer says of candidates
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wayfare.memory.credit import CreditRule
from wayfare.memory.dialogue import Turn
from wayfare.memory.evaluation import Evaluation
from wayfare.memory.memory import Memory
from wayfare.memory.operations import OpResult
from wayfare.memory.outcomes import Credited, Voided
from wayfare.memory.policy import Policy
from wayfare.memory.recalled import Recall, RecalledItem
from wayfare.memory.records import Key, Link, Provenance, Record, Utility, Version
from wayfare.memory.tasks import Task
from wayfare.memory.transitions import Snapshot, Transition, Transitions

if TYPE_CHECKING:
    from wayfare.memory.asynchronous import AsyncMemory, AsyncTask

__all__ = [
    "AsyncMemory",
    "AsyncTask",
    "CreditRule",
    "Credited",
    "Evaluation",
    "Key",
    "Link",
    "Memory",
    "OpResult",
    "Policy",
    "Provenance",
    "Recall",
    "RecalledItem",
    "Record",
    "Snapshot",
    "Task",
    "Transition",
    "Transitions",
    "Turn",
    "Utility",
    "Version",
    "Voided",
]


def __getattr__(name: str) -> Any:
    """Import asyncio when it is first asked for: who does not await needs none of it."""
    if name not in ("AsyncMemory", "AsyncTask"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("wayfare.memory.asynchronous"), name)
