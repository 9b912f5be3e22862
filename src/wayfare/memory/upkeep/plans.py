"""What a job says it will do, step by step, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from wayfare.memory.operations import Operation
from wayfare.memory.store.database import Transaction

if TYPE_CHECKING:
    from wayfare.memory.engine import Engine

__all__ = ["Job", "Look", "Plan", "Planned", "Step", "Upkept", "days", "marks", "name_of", "parts"]

DAY = 86_400.0


@dataclass(frozen=True)
class Step:
    """One thing that a job does, all or nothing.

    does: merge, archive, delete or rederive        ids: of the records that it changes
    into: what stands for them afterwards, of a merge        reason: as their history will say
    done: it was done        left: why it was not, or ""
    """

    does: str
    ids: tuple[str, ...]
    reason: str
    into: str | None = None
    done: bool = False
    left: str = ""

    def __str__(self) -> str:
        into = "" if self.into is None else f" into {self.into}"
        how = f" (left alone: {self.left})" if self.left else ""
        return f"{self.does} {', '.join(self.ids)}{into}: {self.reason}{how}"


@dataclass(frozen=True)
class Upkept:
    """What a job would do, or has done.

    job: its name        steps: in their order        more: steps that the limit left for the next run
    looked: records that were looked at; 0 where nothing had changed since the last run
    """

    job: str
    dry_run: bool
    steps: tuple[Step, ...]
    more: int
    looked: int

    @property
    def done(self) -> tuple[Step, ...]:
        """Those that were done."""
        return tuple(step for step in self.steps if step.done)

    @property
    def left(self) -> tuple[Step, ...]:
        """Those that were planned and not done: what they speak of had moved on meanwhile, or could not be changed."""
        return tuple(step for step in self.steps if step.left)

    def __str__(self) -> str:
        if not self.steps:
            return f"{self.job}: nothing to do"
        said = f"{len(self.steps)} to do" if self.dry_run else f"{len(self.done)} done, {len(self.left)} left alone"
        more = f", {self.more} more for the next run" if self.more else ""
        head = f"{self.job}: {said}{more}{'; nothing is changed yet' if self.dry_run else ''}"
        return "\n".join([head, *(f"  {step}" for step in self.steps)])


Guard = Callable[[Transaction, int], str]
"""Asked once more within the transaction: why a step is to be left alone, or ""."""
Make = Callable[[], "tuple[Sequence[Operation], Mapping[str, int]] | str"]
"""Called outside of any transaction: operations and the versions that they rest on, or why there are none."""


@dataclass(frozen=True)
class Planned:
    """A step and how it is done. expect: id -> version that it was planned on

    make: instead of `ops`, where making them takes long        guard: asked within the transaction
    """

    step: Step
    ops: tuple[Operation, ...] = ()
    expect: Mapping[str, int] = field(default_factory=dict)
    make: Make | None = None
    guard: Guard | None = None


@dataclass(frozen=True)
class Plan:
    """Steps in their order. looked: records read        due: when time alone will give more to do; None: never"""

    steps: Sequence[Planned] = ()
    looked: int = 0
    due: float | None = None


@dataclass(frozen=True)
class Look:
    """What a job plans on: one snapshot.

    now: s since the epoch        changed: ids that others have changed since the last finished run; None: all
    """

    engine: Engine
    tx: Transaction
    ns: int
    now: float
    changed: frozenset[str] | None


class Job(Protocol):
    """A kind of upkeep with its settings. Frozen: equal settings share a watermark.

    silent: operations of the log that give it nothing to do
    heeds_own: its own changes do, until a run has come to its end
    """

    name: ClassVar[str]
    silent: ClassVar[frozenset[str]]
    heeds_own: ClassVar[bool]

    def settings(self) -> dict[str, Any]:
        """As JSON holds them: what the watermark goes with."""

    def plan(self, look: Look) -> Plan:
        """What there is to do."""


def name_of(job: Job) -> str:
    """Under which it keeps its watermark: its name, and a digest of its settings."""
    text = json.dumps(job.settings(), sort_keys=True)
    return f"{job.name}:{blake2b(text.encode(), digest_size=8).hexdigest()}"


def days(seconds: float) -> str:
    """A span of time as one reads it."""
    for unit, size in (("day", DAY), ("hour", 3_600.0), ("minute", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:.4g} s"


def marks(values: Sequence[object]) -> str:
    """As many parameters."""
    return ", ".join("?" * len(values))


def parts(values: Sequence[Any], size: int = 500) -> list[Sequence[Any]]:
    """Pieces that one statement can take."""
    return [values[i : i + size] for i in range(0, len(values), size)]
