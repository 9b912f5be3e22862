"""What each verb of `wayfare memory` takes: one dataclass a verb, from which its flags and its help are made."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

__all__ = [
    "Credit",
    "Demo",
    "Doctor",
    "Evaluate",
    "Forget",
    "History",
    "Import",
    "Migrate",
    "Options",
    "Recall",
    "Remember",
    "Revise",
    "Show",
    "Stats",
    "Void",
]

DB = "WAYFARE_MEMORY"
"""Environment variable with the address."""
Texts = Annotated[str | None, tyro.conf.Positional]


def _db() -> str:
    return os.environ.get(DB) or "agent.db"


@dataclass(frozen=True)
class Options:
    """Where the memory is, and how to answer."""

    db: str = field(default_factory=_db)
    """The file, or postgresql://... The environment variable WAYFARE_MEMORY says another default."""
    namespace: str = "default"
    """Whose memory: default, or names joined by slashes."""
    json: bool = False
    """Answer in JSON."""


@dataclass(frozen=True)
class Remember(Options):
    """Keep a text, or each line of standard input with -."""

    text: tyro.conf.Positional[str] = ""
    """The text, or - for one a line of standard input."""
    kind: str = "fact"
    """What it is: fact, strategy, episode, ..."""
    tags: tuple[str, ...] = ()
    """What it is filed under."""
    source: str | None = None
    """Where it comes from."""
    intent: str | None = None
    """Another text that it is found under: what somebody wants when it helps."""
    reason: str = ""
    """Why, for its history."""
    embedder: str | None = None
    """Of a new namespace: lexical, none, sentence-transformers:NAME or openai:MODEL@URL."""


@dataclass(frozen=True)
class Import(Options):
    """Begin with what there is: a bundle, or past tasks from a CSV or JSON-lines file with query, text and reward."""

    file: tyro.conf.Positional[Path] = Path()
    """The file."""


@dataclass(frozen=True)
class Recall(Options):
    """Show what is recalled for a query, and write the receipt that a credit names."""

    query: tyro.conf.Positional[str] = ""
    """What is to be done, or asked."""
    k: int = 5
    """Memories at most."""
    task: str | None = None
    """Id of the task that it is recalled for."""
    budget_tokens: int | None = None
    """Of the whole text."""
    kinds: tuple[str, ...] | None = None
    """Any of these kinds."""
    tags: tuple[str, ...] | None = None
    """Any of these tags."""
    policy: str = "safe"
    """safe, or a rule (similarity, memrl, thompson, ...), or the id of a policy."""
    why: bool = False
    """Say why each is here instead of its text."""


@dataclass(frozen=True)
class Credit(Options):
    """Say how a task went."""

    task: tyro.conf.Positional[str] = ""
    """Id of the task, or of a receipt."""
    reward: tyro.conf.Positional[float] = float("nan")
    """In the declared range, 0 to 1 unless said otherwise."""
    used: tuple[str, ...] | None = None
    """Ids of the memories that were acted upon; not given: not known."""
    source: str = "harness"
    """Who says so: human, harness, agent, or a name."""
    actor: str = ""
    """On whose account; none: the owner's."""
    correct: bool = False
    """Replace what the same source has said of this task."""


@dataclass(frozen=True)
class Revise(Options):
    """Write a new version of a memory."""

    id: tyro.conf.Positional[str] = ""
    """Of the memory."""
    text: tyro.conf.Positional[str] = ""
    """Its new text."""
    expect: int | None = None
    """The version that is meant to be changed; another is refused."""
    reason: str = ""
    """Why, for its history."""


@dataclass(frozen=True)
class Forget(Options):
    """Hide a memory at once; with --purge, until no byte of its text is left in the file."""

    id: tyro.conf.Positional[str] = ""
    """Of the memory."""
    purge: bool = False
    """Remove the text from the file, its history included."""
    reason: str = ""
    """Why, for its history."""


@dataclass(frozen=True)
class Show(Options):
    """Show a memory by its id, or list them."""

    id: Texts = None
    """Of the memory; none given: list."""
    kind: str | None = None
    """List this kind only."""
    limit: int = 20
    """How many to list."""
    after: str | None = None
    """Go on after this one."""


@dataclass(frozen=True)
class History(Options):
    """Every version of a memory: who changed it, when, how and why."""

    id: tyro.conf.Positional[str] = ""
    """Of the memory."""


@dataclass(frozen=True)
class Stats(Options):
    """How the memory stands: what it holds, what was recalled and credited, how much is learned and proved."""


@dataclass(frozen=True)
class Evaluate(Options):
    """What would another recall policy have earned on the tasks that are logged?"""

    policy: tyro.conf.Positional[str] = "similarity"
    """A rule (similarity, memrl, epsilon, inverse gap, boltzmann, ucb, thompson), or the id of a policy."""
    explore: float | None = None
    """Of the rule: expected number of shown memories that are not among its k best."""


@dataclass(frozen=True)
class Void(Options):
    """Take outcomes out again, as if they had never been said. All that is given must match."""

    source: str | None = None
    """Who said them."""
    actor: str | None = None
    """On whose account."""
    since: float | None = None
    """Not before this time, s since the epoch."""
    until: float | None = None
    """Before this time."""
    reason: str = ""
    """Why, for the log."""


@dataclass(frozen=True)
class Migrate(Options):
    """Bring an older file forward, as any other verb does too; with --embedder move a namespace to another model."""

    embedder: str | None = None
    """lexical, none, sentence-transformers:NAME or openai:MODEL@URL. The old one serves until all texts are embedded;
    stopped or killed, the same command goes on."""
    batch: int = 256
    """Texts embedded and committed at once."""


@dataclass(frozen=True)
class Doctor(Options):
    """Look for damage: every page, checksum and cross-reference."""

    salvage: Path | None = None
    """Copy every row that answers to its checksum into this new file."""


@dataclass(frozen=True)
class Demo:
    """In a minute: a memory that learns past a misleading similarity, through the public API alone."""

    seed: int = 0
    """Of the tasks and the texts."""
    tasks: int = 400
    """How many."""
    policy: str = "safe"
    """safe, similarity (what is lost without learning), or another rule."""
    db: Path | None = None
    """Keep the memory in this new file."""
    svg: Path | None = None
    """Write the plot there."""
