"""How tasks went: the verbs by which a memory hears of outcomes.

Whoever runs the agent credits, not the agent: by entering a task, by decorating a function, or later by a task's id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from wayfare.errors import BadValue
from wayfare.memory import tasks
from wayfare.memory.answers import Asked, asked_under, of_fields
from wayfare.memory.credit import RANKS, CreditRule, Rank
from wayfare.memory.governing import Governing
from wayfare.memory.ids import new_id
from wayfare.memory.outcomes import Credited, Outcome, post
from wayfare.memory.recalled import Recall
from wayfare.memory.records import checked_name, checked_time
from wayfare.memory.signals import WEIGHT, reused
from wayfare.memory.standing import is_frozen
from wayfare.memory.store.database import Transaction
from wayfare.memory.tasks import AnyTask, Task

__all__ = ["Crediting"]

F = TypeVar("F", bound=Callable[..., Any])
CREDITED = of_fields(Credited)


class Crediting(Governing):
    """The verbs that concern outcomes."""

    credit_rule: CreditRule

    def task(self, id: str | None = None, *, on_error: float | None = None) -> Task:
        """A task to enter: what is recalled within it is credited together.

        id: the caller's, so that an outcome can be posted later; None makes one up
        on_error: the reward when an exception leaves the task; None leaves it uncredited
        """
        if on_error is not None:
            self._ground.unit_reward(on_error)
        return Task(self, new_id() if id is None else checked_name("task", id), on_error)

    def learns(
        self,
        reward: Callable[[Any], float | None],
        *,
        id: Callable[..., str] | None = None,
        on_error: float | None = None,
    ) -> Callable[[F], F]:
        """A decorator: each call of the function is a task, credited with reward(result); None leaves it uncredited.

        id: makes the task's id from the arguments of the call
        """
        return tasks.learns(self, reward, id, on_error)  # type: ignore[return-value]

    def credit(
        self,
        task: str | Recall | AnyTask,
        reward: float,
        *,
        used: Iterable[str] | None = None,
        source: str = "harness",
        rank: Rank | None = None,
        actor: str | None = None,
        at: float | None = None,
        correct: bool = False,
        idempotency_key: str | None = None,
    ) -> Credited:
        """How a task went: one outcome, for all that was recalled in it. The next recall knows it.

        task: its id, the id of a receipt, or the object        reward: in the declared range
        used: ids of the recalled memories that were acted upon; None when that is not known, [] when none was
        source: who says so; the same source may not say two things of one task unless `correct`
        rank: human, harness, agent, or implicit (enters what is learned, never evaluation or the floor); None: the
        source, if it is one of these, else harness
        actor: on whose account; None is the memory's own, "" the owner's        at: when, s since the epoch
        idempotency_key: the same key with the same outcome again returns the first answer, whatever came in between

        Raises: BadValue; OutcomeConflict; StoreError.
        """
        ground = self._ground
        unit = ground.unit_reward(reward)
        checked_name("source", source)
        if used is not None and (isinstance(used, str | bytes) or not isinstance(used, Iterable)):
            raise BadValue("used", used, "a list of ids, or None")
        named: Rank = rank or (source if source in RANKS else "harness")  # type: ignore[assignment]
        when = ground.clock() if at is None else checked_time("at", at)
        assert when is not None
        said = None if used is None else tuple(used)
        asked = asked_under(
            idempotency_key, "credit", _named(task), float(reward), said, source, named, actor, at, correct
        )
        return self._credit(task, unit, float(reward), said, source, named, actor, when, correct, asked=asked)

    def observe(self, task: AnyTask, output: str) -> Credited | None:
        """`Task.observe` says what it does."""
        used = reused((item for recall in task.recalls for item in recall), output)
        if not used:
            return None
        best = self._ground.reward_range[1]
        when = self._ground.clock()
        return self._credit(task, 1.0, best, used, "output", "implicit", None, when, correct=True, weight=WEIGHT)

    def _credit(
        self,
        task: str | Recall | AnyTask,
        unit: float,
        raw: float,
        used: Iterable[str] | None,
        source: str,
        rank: Rank,
        actor: str | None,
        when: float,
        correct: bool,
        weight: float = 1.0,
        asked: Asked | None = None,
    ) -> Credited:
        own = [task] if isinstance(task, Recall) else task.recalls if isinstance(task, AnyTask) else []
        outcome = Outcome(
            _named(task), unit, raw, None if used is None else tuple(used), source, rank,
            self.actor if actor is None else checked_name("actor", actor) if actor else "", when, weight,
        )  # fmt: skip

        def change(tx: Transaction, ns: int) -> Credited:
            self._recaller.store_late(
                tx, [each.receipt for each in own if not each.logged and each.receipt is not None]
            )
            return post(
                tx, ns, outcome.of_task(tx, ns), self.credit_rule, operation=new_id(), correct=correct,
                known=isinstance(task, AnyTask), frozen=is_frozen(tx, ns),
            )  # fmt: skip

        return self._once(asked, CREDITED, change)

    def showed(
        self, query: str, ids: Sequence[str], *, task: str | None = None, idempotency_key: str | None = None
    ) -> Recall:
        """Write down that these memories were shown for a query by other means than `recall`, so that they can be
        credited. It enters what is learned; evaluation and the floor leave it out, since nothing was drawn.

        Raises: BadValue; NoSuchRecord.
        """
        ns, entered = self._ns(), tasks.current(self)
        if isinstance(ids, str) or not ids:
            raise BadValue("ids", ids, "a list of ids, one at least")
        name = task if task is not None else entered.id if entered is not None else None
        query = self.engine.redacted("query", query)
        chosen = list(dict.fromkeys(ids))
        asked = asked_under(idempotency_key, "showed", query, chosen, name)
        found = self._recaller.showed(query, self.engine.get_many(chosen), name, ns, asked)
        if entered is not None and entered.id == name:
            entered.recalls.append(found)
        return found


def _named(task: object) -> str:
    """The id of a task. Raises: BadValue."""
    if not isinstance(task, str | Recall | AnyTask):
        raise BadValue("task", task, "the id of a task or of a receipt, or the object")
    return checked_name("task", task if isinstance(task, str) else task.task if isinstance(task, Recall) else task.id)
