"""What the probes see of a memory: a few verbs, most of them optional; and how each call is looked at.

Whoever has another interface than those of `adapters` writes a `Subject` and checks that:

    check_card(MySubject)                   # made anew for each probe, with what it takes of address, k, seed, ...
    check_card(lambda: MySubject(...))      # or by a function without arguments

A verb that is missing, or None, is one that the memory has not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["OPTIONAL", "Hit", "How", "Looked", "OutOfTime", "Subject", "WrongAnswer"]

Hit = tuple[str, str]
"""(id, text); id is "" where there is none."""

OPTIONAL = (
    "read", "edit", "delete", "link", "finish", "credit", "consolidate", "trim", "size", "history", "recall_as_of",
    "likelihood", "reset_context", "restart", "close",
)  # fmt: skip


class Subject(Protocol):
    """A memory on trial. `write` and `recall` must be there, the others are `OPTIONAL`."""

    def write(self, text: str, *, key: str | None = None, at: float | None = None, links: Sequence[str] = ()) -> Any:
        """Keep a text. key: what it belongs to        at: when, s since the epoch        links: ids that it is tied to

        Returns the id, None where there is none.
        """

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        """What is found, best first: (id, text) each. Of a memory without texts, what it answers."""

    def read(self, id: str) -> str:
        """The text of an item; raises where it is gone."""

    def edit(self, id: str, text: str) -> None:
        """Change one item."""

    def delete(self, id: str) -> None:
        """Take one item out."""

    def link(self, source: str, target: str) -> None:
        """Tie two items."""

    def finish(self, key: str, text: str, reward: float) -> Any:
        """Keep that a task `key` ended with `text`, and what came of it. Returns as `write`."""

    def credit(self, ids: Sequence[str], reward: float) -> None:
        """What came of the last recall, of which these were used; reward in [0, 1]."""

    def consolidate(self) -> None:
        """Bring what is kept together, where that is a verb of its own."""

    def trim(self, most: int) -> None:
        """Keep so many at most, where that is a verb of its own."""

    def size(self) -> int:
        """How many items can be found."""

    def history(self, id: str) -> Sequence[str]:
        """What an item said, oldest first, the present version last."""

    def recall_as_of(self, query: str, k: int, at: float) -> Sequence[Hit]:
        """What would have been found then."""

    def likelihood(self, key: str, text: str) -> float:
        """How likely the memory is to answer `text` to `key`: for memories without texts."""

    def reset_context(self) -> None:
        """A new conversation or episode."""

    def restart(self) -> Subject:
        """Close, and open again from what was stored, as another process would."""

    def close(self) -> None:
        """End."""


@dataclass(frozen=True)
class How:
    """How a memory is made for a probe.

    k: shown at most        budget: items that it may hold, None for as many as it likes        seed: of its draws
    clock: s since the epoch        embedder: for a memory that takes one
    plain: of a `Memory`, that it ranks by similarity alone, without exploring
    """

    k: int = 5
    budget: int | None = None
    seed: int = 0
    clock: Callable[[], float] | None = None
    embedder: Any = None
    plain: bool = False


class OutOfTime(Exception):
    """The time of the battery is over."""


class WrongAnswer(Exception):
    """A verb returned what it must not."""


class Looked:
    """A subject whose calls are counted against a deadline, and whose answers are checked."""

    def __init__(self, subject: Any, deadline: float) -> None:
        self.subject, self.deadline = subject, deadline

    def can(self, *verbs: str) -> bool:
        """Whether it has all of these."""
        return all(callable(getattr(self.subject, verb, None)) for verb in verbs)

    def write(self, text: str, *, key: str, links: Sequence[str] = ()) -> str:
        """The id, "" for none."""
        return self._id("write", self._do("write", text, key=key, **({"links": links} if links else {})))

    def finish(self, key: str, text: str, reward: float) -> str:
        """As `write`; a memory that is not told outcomes only writes."""
        if not self.can("finish"):
            return self.write(text, key=key)
        return self._id("finish", self._do("finish", key, text, reward))

    def recall(self, query: str, k: int = 5, at: float | None = None) -> list[Hit]:
        """Hits in their order."""
        found = self._do("recall", query, k) if at is None else self._do("recall_as_of", query, k, at)
        try:
            hits = [(str(id or ""), text) for id, text in found]
        except (TypeError, ValueError):
            raise WrongAnswer(f"recall returns {type(found).__name__}, not a list of (id, text)") from None
        if not all(isinstance(text, str) for _, text in hits):
            raise WrongAnswer("recall returns something that is no text")
        return hits

    def found(self, query: str, k: int = 5) -> str:
        """All texts of a recall as one."""
        return "\n".join(text for _, text in self.recall(query, k))

    def do(self, verb: str, *arguments: Any) -> Any:
        """Any other verb."""
        return self._do(verb, *arguments)

    def gone(self, id: str) -> bool:
        """Whether an item cannot be read any more."""
        try:
            self._do("read", id)
        except OutOfTime:
            raise
        except Exception:
            return True
        return False

    def restarted(self) -> Looked:
        """The same memory, opened again."""
        return Looked(self._do("restart"), self.deadline)

    def close(self) -> None:
        """End; what it raises then is nobody's concern."""
        try:
            if self.can("close"):
                self.subject.close()
        except Exception:
            return

    def _do(self, verb: str, *arguments: Any, **named: Any) -> Any:
        if time.monotonic() > self.deadline:
            raise OutOfTime
        return getattr(self.subject, verb)(*arguments, **named)

    def _id(self, verb: str, id: Any) -> str:
        if id is not None and not isinstance(id, str):
            raise WrongAnswer(f"{verb} returns {type(id).__name__}, not an id or None")
        return id or ""
