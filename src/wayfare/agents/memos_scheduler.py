"""Which form a memory is to be in: a model of costs, corrected by a bandit that sees what its choices really cost.

    scheduler = FormScheduler(costs, seed=0)
    form = scheduler.choose("house rules", tokens=512, held={"token"})     # at a query
    scheduler.paid("house rules", serving=3.1, making=20.0)                # milliseconds that it took
    scheduler.edited("house rules", tokens=512)                            # what was derived is void: a new choice

Between two edits a memory is asked n times; of its next edit nothing is known but how often it was asked before earlier
ones. With a Gamma prior on the odds of an edit against a query, after N queries and E edits, and m queries since the
last edit, the queries still to come before the next one are expected to be

    n_hat = (N + a) / (E + b)                                                                                (1)

(a memory that was never edited is expected to be asked about as often again as it was). The form f then costs, a query,

    c(f) = serve_f + [not held] make_f / max(1, n_hat)                                                       (2)

in milliseconds in which somebody waits; `make` counts work in the background at its price. What (2) says is wrong where
edits come in bursts, or a machine is slower than its table. A bandit sees the difference: its choices are made at the
queries number 1, 2, 4, 8, .. since an edit, and stand until the next of these or an edit; then

    r = -(what was paid, with the making spread over n_hat) / largest cost, in [-1, 0]                       (3)

is the reward of the choice; the largest is twice the dearest serving, and more counts as much. Predicted rewards are
those of (2) plus the mean of what earlier rewards of that form in that situation were above them, shrunk by `weight`
pseudo-counts; the choice is drawn by inverse gap weighting (`explore.rules.SquareCB`), by `explore.live.Bandit`.
Situations are the rounded logarithms of n_hat and of the tokens.

Source: the scheduler of MemOS (Li et al. 2025, arXiv 2507.03724) names access frequency, stability and cost; the rule
that weighs them is ours. Foster & Rakhlin 2020 for inverse gap weighting.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.live.bandit import Bandit, LiveDecision
from wayfare.explore.rules.evidence import ActionRule, Scores
from wayfare.explore.rules.inverse_gap import SquareCB
from wayfare.memory.records import Form

__all__ = ["FORMS", "CostModel", "FormCosts", "FormScheduler", "MemoryUse"]

Floats = NDArray[np.float64]
FORMS: tuple[Form, ...] = get_args(Form)
"""token, activation, parameter."""
LARGEST = 2.0
"""Over the dearest form's serving: what a query costs at most, for the bandit. Makings are dearer by far, and would
leave no room for the differences that it is to see."""
BINS = 10
"""Situations along each axis."""


@dataclass(frozen=True)
class FormCosts:
    """Of one length of memory, in milliseconds in which somebody waits, by form.

    serve: a query answered, loading and expected wrong answers included        make: once, until an edit
    """

    tokens: int
    serve: Mapping[str, float]
    make: Mapping[str, float]

    def __post_init__(self) -> None:
        """Raises: BadValue for a form without its cost, or one that is negative or not finite."""
        for name in ("serve", "make"):
            given = getattr(self, name)
            if set(given) != set(FORMS) or not all(0 <= cost < math.inf for cost in given.values()):
                raise BadValue(f"{name} of {self.tokens} tokens", dict(given), f"a cost for each of {', '.join(FORMS)}")


class CostModel:
    """Costs at any length: interpolated between those that are known, held beyond them.

    Raises: BadValue for no lengths, or one that is given twice.
    """

    def __init__(self, costs: Collection[FormCosts]) -> None:
        rows = sorted(costs, key=lambda row: row.tokens)
        if not rows or len({row.tokens for row in rows}) < len(rows):
            raise BadValue("costs", [row.tokens for row in rows], "at least one length, none twice")
        self._tokens = np.array([row.tokens for row in rows], np.float64)
        self._serve = np.array([[row.serve[form] for form in FORMS] for row in rows])
        self._make = np.array([[row.make[form] for form in FORMS] for row in rows])

    def serve(self, tokens: int) -> Floats:
        """[forms] of a query."""
        return self._at(self._serve, tokens)

    def make(self, tokens: int) -> Floats:
        """[forms] of making it."""
        return self._at(self._make, tokens)

    def each(self, tokens: int, queries: float, held: Collection[str]) -> Floats:
        """(2): [forms] of a query, the making of what is not held spread over so many."""
        missing = np.array([form not in held for form in FORMS])
        return self.serve(tokens) + np.where(missing, self.make(tokens), 0.0) / max(1.0, queries)

    def _at(self, table: Floats, tokens: int) -> Floats:
        return np.array([np.interp(tokens, self._tokens, column) for column in table.T])


@dataclass
class MemoryUse:
    """What is known of a memory: queries and edits in all, and queries since the last edit.

    form, open: of the choice that stands; expected: (1) when it was made; served, serving, making: queries since, and
    what they and what was made for them took. next: the query since the edit at which it is made anew
    """

    queries: int = 0
    edits: int = 0
    since: int = 0
    form: Form = "token"
    next: int = 1
    open: LiveDecision | None = None
    expected: float = 1.0
    served: int = 0
    serving: float = 0.0
    making: float = 0.0


class CostResiduals:
    """A `Model` of `explore.live`: predicted rewards plus what earlier rewards were above them, by situation and form.

    A context is [predicted rewards of the forms..., number of the situation].
    """

    def __init__(self, situations: int, weight: float) -> None:
        self.dimension, self.weight = len(FORMS) + 1, weight
        self._table = np.zeros((2, situations, len(FORMS)))  # counts, sums of residuals

    def evidence(self, context: Floats) -> Scores:
        """[forms]"""
        counts, sums = self._table[:, int(context[-1])]
        return Scores(context[:-1] + sums / (counts + self.weight))

    def learn(self, context: Floats, action: int, reward: float) -> None:
        """See `explore.live.models.Model`."""
        self._table[:, int(context[-1]), action] += (1.0, reward - context[action])

    def state(self) -> dict[str, Floats]:
        """table: [2, situations, forms]"""
        return {"table": self._table.copy()}

    def restore(self, state: dict[str, Floats]) -> None:
        """See `explore.live.models.Model`."""
        self._table = np.array(state["table"], np.float64).reshape(self._table.shape)


class FormScheduler:
    """costs: what is known beforehand        prior: (a, b) of (1), queries and edits that are believed to have been

    rule: any `ActionRule` on scores in [-1, 0]; None: SquareCB(gamma)        weight: pseudo-counts of (3)
    gamma: of inverse gap weighting; larger is greedier

    Raises: BadValue for a prior or weight that is not above 0.
    """

    def __init__(
        self,
        costs: CostModel,
        *,
        prior: tuple[float, float] = (1.0, 0.5),
        weight: float = 5.0,
        gamma: float = 10_000.0,
        rule: ActionRule | None = None,
        seed: int = 0,
    ) -> None:
        for name, value in (("prior", min(prior)), ("weight", weight)):
            if not 0 < value < math.inf:
                raise BadValue(name, value, "above 0 and finite")
        self.costs, self.prior = costs, prior
        self.uses: dict[str, MemoryUse] = {}
        self.bandit = Bandit(
            rule or SquareCB(gamma=gamma), CostResiduals(BINS * BINS, weight), actions=FORMS, reward_range=(-1.0, 0.0),
            seed=seed, propensities=False,
        )  # fmt: skip

    def expected(self, memory: str) -> float:
        """(1)."""
        use = self.uses.get(memory, MemoryUse())
        return (use.queries + self.prior[0]) / (use.edits + self.prior[1])

    def choose(self, memory: str, tokens: int, held: Collection[str]) -> Form:
        """The form for the query that has come. held: forms in which it is as it stands; "token" always is one

        Raises: BadValue for an unknown form, or tokens below 1.
        """
        if not set(held) <= set(FORMS):
            raise BadValue("held", sorted(held), f"of {', '.join(FORMS)}")
        if tokens < 1:
            raise BadValue("tokens", tokens, "at least 1")
        held = {*held, "token"}
        use = self.uses.setdefault(memory, MemoryUse())
        use.since += 1
        if use.since >= use.next or use.open is None:
            self._close(use, tokens)
            expected = self.expected(memory)
            each = self.costs.each(tokens, expected, held)
            largest = self._largest(tokens)
            context = [*(-np.minimum(each / largest, 1.0)).tolist(), float(_situation(expected, tokens))]
            use.open = self.bandit.decide(context)
            use.form = cast(Form, use.open.action)
            use.expected, use.served, use.serving, use.making = max(1.0, expected), 0, 0.0, 0.0
            use.next = 2 * use.since
        use.queries += 1
        use.served += 1
        return use.form

    def paid(self, memory: str, serving: float, making: float = 0.0) -> None:
        """What the last query of a memory took, and what was made for it, in milliseconds.

        Raises: BadValue for a memory that was never asked, or a cost that is negative or not finite.
        """
        if memory not in self.uses:
            raise BadValue("memory", memory, "one that was asked")
        for name, cost in (("serving", serving), ("making", making)):
            if not 0 <= cost < math.inf:
                raise BadValue(name, cost, "at least 0 and finite")
        self.uses[memory].serving += serving
        self.uses[memory].making += making

    def edited(self, memory: str, tokens: int) -> None:
        """Its text was changed: the choice that stood has ended, and the next query makes another."""
        use = self.uses.setdefault(memory, MemoryUse())
        self._close(use, tokens)
        use.edits += 1
        use.since, use.next = 0, 1

    def _close(self, use: MemoryUse, tokens: int) -> None:
        if use.open is not None and use.served:
            spread = use.serving / use.served + use.making / use.expected
            self.bandit.learn(use.open.id, -min(1.0, spread / self._largest(tokens)))
        use.open = None

    def _largest(self, tokens: int) -> float:
        return LARGEST * float(self.costs.serve(tokens).max())


def _situation(queries: float, tokens: int) -> int:
    across = min(BINS - 1, max(0, round(math.log2(max(1.0, queries)))))
    return across * BINS + min(BINS - 1, max(0, round(math.log2(tokens)) - 3))
