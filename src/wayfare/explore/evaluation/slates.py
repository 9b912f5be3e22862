"""A log of slates, and what each logged task weighs for another policy: three answers to one question.

A *task* is the unit: one or more recalls, each a set S_t of k places out of n, and one reward r in [0, 1] at the end.
The side c of the logging policy is drawn once a task, with share a_c; so with P_c the mixture of side c

    slate       w = P'(task) / P(task),   P(task) = sum_c a_c prod_t P_c(S_t)                                  (1)
    additive    w = q'^T Gamma^+ 1_S,     Gamma = sum_c a_c Gamma_c,  one recall a task                        (2)
    item        w = sum_t sum_{i in S_t} u_i pi'_i / pi_i,   u_i the share of the reward that fell to i         (3)

with P', q' = pi' of the target. (1) assumes nothing. (2) is exact where the reward is a sum over the items shown; it
must be the Gamma of the whole mixture, for that is what drew the slates. (3) is exact where r u_i depends on item i and
the situation alone. A part of the reward that fell to no item, 1 - sum u, counts as it is. Situations, the candidates
of each recall, are taken as they were logged.

Sources: (1) Horvitz & Thompson 1952; (2) Swaminathan et al. 2017, "Off-policy evaluation for slate recommendation",
equation 5; (3) Li et al. 2018, "Offline evaluation of ranking policies with click models", the item-position form
without positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.evaluation.diagnostics import CERTAIN
from wayfare.explore.rules.slates import SHARES_SUM, SlateMixture, Top

__all__ = ["SlateLog", "SlateRecall", "SlateTask"]

Floats = NDArray[np.float64]
Sets = frozenset[frozenset[int]] | None
"""Slates that can be drawn; None: all of them."""

SMALLEST = 1e-10
"""Eigenvalues of Gamma, scaled to a diagonal of ones, below which a direction counts as never drawn."""
CREDIT_SUM = 1e-6


@dataclass(frozen=True)
class SlateRecall:
    """One drawn slate.

    sides: the mixture of each side of the logging policy        target: of each side of the target, over the same items
    slate: places drawn        credit: [k] share u_i of the task's reward that fell to each, in the order of `slate`;
    empty: to none
    features: [n, F] of the candidates, for the reward model of the doubly robust estimate; None: none
    """

    sides: Mapping[str, SlateMixture]
    target: Mapping[str, SlateMixture]
    slate: Sequence[int]
    credit: Sequence[float] = ()
    features: Floats | None = None


@dataclass(frozen=True)
class SlateTask:
    """One task. reward: in [0, 1], NaN while nobody has said        side: that the coin chose

    shares, target_shares: of the sides in the coin of the logging policy and of the target
    """

    id: str
    reward: float
    side: str
    recalls: Sequence[SlateRecall]
    shares: Mapping[str, float] = field(default_factory=lambda: {"logging": 1.0})
    target_shares: Mapping[str, float] = field(default_factory=lambda: {"target": 1.0})


class SlateLog:
    """Tasks, checked, and their weights (1)-(3), made when first asked for.

    Raises: BadValue for a reward out of range, shares that do not sum to one, mixtures of different sizes, a slate that
    the logging policy cannot have drawn, and credit of other items than those shown.
    """

    def __init__(self, tasks: Sequence[SlateTask]) -> None:
        if not tasks:
            raise BadValue("tasks", [], "one task at least")
        widths: set[int] = set()
        for task in tasks:
            _checked(task, widths)
        if len(widths) > 1:
            raise BadValue("features", sorted(widths), "of one width in all recalls")
        self.tasks = tuple(tasks)
        self.ids = tuple(task.id for task in tasks)
        if len(set(self.ids)) != len(self.ids):
            raise BadValue("tasks", f"{len(self.ids) - len(set(self.ids))} repeated ids", "each once")
        self.width = widths.pop() if widths else 0
        self.rewards: Floats = np.array([task.reward for task in tasks], np.float64)
        self.credited: NDArray[np.bool_] = ~np.isnan(self.rewards)
        self.single: NDArray[np.bool_] = np.array([len(task.recalls) == 1 for task in tasks])

    def __len__(self) -> int:
        return len(self.tasks)

    @cached_property
    def slate_weights(self) -> Floats:
        """(1), [N]. Raises: BadValue for a slate of probability 0."""
        found = np.empty(len(self))
        for row, task in enumerate(self.tasks):
            logged = _chance(task.shares, [recall.sides for recall in task.recalls], task.recalls)
            if not logged > 0:
                raise BadValue(f"task {task.id!r}", "a slate of probability 0", "one that the logging policy can draw")
            found[row] = _chance(task.target_shares, [recall.target for recall in task.recalls], task.recalls) / logged
        return found

    @cached_property
    def slate_missing(self) -> Floats:
        """[N], the target's chance of tasks that the logging policy never produces, in each task's situation."""
        return np.array([_unsupported(task) for task in self.tasks])

    @cached_property
    def forced(self) -> NDArray[np.bool_]:
        """[N], whether the logging policy could do nothing but what it did."""
        return np.array([all(_single(task, recall) for recall in task.recalls) for task in self.tasks])

    @cached_property
    def _additive(self) -> tuple[Floats, Floats]:
        found = np.full((2, len(self)), math.nan)
        for row in np.flatnonzero(self.single):
            found[:, row] = _pseudo_inverse(self.tasks[row])
        return found[0], found[1]

    @property
    def additive_weights(self) -> Floats:
        """(2), [N], NaN where a task has several recalls."""
        return self._additive[0]

    @property
    def additive_missing(self) -> Floats:
        """[N], the part of q' outside the span of what can be drawn, of k; NaN where a task has several recalls."""
        return self._additive[1]

    @cached_property
    def _item(self) -> tuple[Floats, Floats, Floats]:
        found = np.array([_items(task) for task in self.tasks])
        return found[:, 0], found[:, 1], found[:, 2]

    @property
    def item_weights(self) -> Floats:
        """(3), [N]; where nobody has credited a task, with equal shares for all that it showed."""
        return self._item[0]

    @property
    def item_missing(self) -> Floats:
        """[N], the target's mass on items that are never shown, of k."""
        return self._item[1]

    @property
    def item_largest(self) -> Floats:
        """[N], the largest pi'_i / pi_i of an item with a share."""
        return self._item[2]

    @cached_property
    def model_rows(self) -> tuple[Floats, Floats]:
        """([N, 2 F], [N, 2 F]): mean features of the shown beside those of all candidates, as drawn and as expected
        under the target. Means over the recalls of a task."""
        drawn, expected = np.zeros((2, len(self), 2 * self.width))
        for row, task in enumerate(self.tasks):
            for recall in task.recalls:
                if recall.features is None or not len(recall.slate):
                    continue
                k, about = len(recall.slate), recall.features.mean(axis=0)
                shown = recall.features[list(recall.slate)].mean(axis=0)
                drawn[row] += np.concatenate([shown, about]) / len(task.recalls)
                hoped = _inclusion(task.target_shares, recall.target) @ recall.features / k
                expected[row] += np.concatenate([hoped, about]) / len(task.recalls)
        return drawn, expected

    def credited_by_side(self) -> dict[str, tuple[int, int]]:
        """Of each side: tasks with an outcome, and all its tasks."""
        found: dict[str, tuple[int, int]] = {}
        for task, known in zip(self.tasks, self.credited.tolist(), strict=True):
            with_outcome, of_all = found.get(task.side, (0, 0))
            found[task.side] = (with_outcome + known, of_all + 1)
        return dict(sorted(found.items()))


def _checked(task: SlateTask, widths: set[int]) -> None:
    where = f"task {task.id!r}"
    if not (math.isnan(task.reward) or 0 <= task.reward <= 1):
        raise BadValue(f"{where}: reward", task.reward, "between 0 and 1, or NaN while it is not known")
    for field_, shares in (("shares", task.shares), ("target_shares", task.target_shares)):
        if not shares or min(shares.values()) < 0 or not abs(math.fsum(shares.values()) - 1) <= SHARES_SUM:
            raise BadValue(f"{where}: {field_}", dict(shares), "0 or above, with sum one")
    if not task.recalls:
        raise BadValue(f"{where}: recalls", [], "one at least")
    fallen = 0.0
    for recall in task.recalls:
        for name, mixtures, shares in (
            ("sides", recall.sides, task.shares),
            ("target", recall.target, task.target_shares),
        ):
            lacking = [side for side, share in shares.items() if share > 0 and side not in mixtures]
            if lacking:
                raise BadValue(f"{where}: {name}", lacking, "a mixture for each side that has a share")
        sizes = {(each.n, each.k) for each in (*recall.sides.values(), *recall.target.values())}
        if len(sizes) != 1:
            raise BadValue(f"{where}: mixtures (n, k)", sorted(sizes), "over the same items, of one slate size")
        ((n, k),) = sizes
        if len(recall.slate) != k or len(set(recall.slate)) != k or not all(0 <= i < n for i in recall.slate):
            raise BadValue(f"{where}: slate", list(recall.slate), f"{k} different places below {n}")
        if recall.credit and (len(recall.credit) != k or not all(u >= 0 and math.isfinite(u) for u in recall.credit)):
            raise BadValue(f"{where}: credit", list(recall.credit), f"{k} shares, 0 or above")
        if recall.features is None:
            widths.add(0)
        elif recall.features.ndim != 2 or len(recall.features) != n or not np.isfinite(recall.features).all():
            raise BadValue(f"{where}: features", list(recall.features.shape), f"[{n}, F], finite")
        else:
            widths.add(recall.features.shape[1])
        fallen += math.fsum(recall.credit)
    if fallen and abs(fallen - 1) > CREDIT_SUM:
        raise BadValue(f"{where}: credit", fallen, "in sum 1 over all that the task showed, or 0")


def _chance(
    shares: Mapping[str, float], mixtures: Sequence[Mapping[str, SlateMixture]], recalls: Sequence[SlateRecall]
) -> float:
    """P(task) of (1)."""
    whole = 0.0
    for side, share in shares.items():
        if share > 0:
            whole += share * math.prod(
                of_sides[side].probability(recall.slate) for of_sides, recall in zip(mixtures, recalls, strict=True)
            )
    return whole


def _inclusion(shares: Mapping[str, float], mixtures: Mapping[str, SlateMixture]) -> Floats:
    found: Floats = np.sum([share * mixtures[side].inclusion() for side, share in shares.items() if share > 0], axis=0)
    return found


def _possible(mixture: SlateMixture) -> Sets:
    """What a mixture can draw."""
    parts = [part for share, part in mixture.parts if share > 0]
    if mixture.k in (0, mixture.n) or not all(isinstance(part, Top) for part in parts):
        return None
    return frozenset(frozenset(part.best(mixture.k)) for part in parts if isinstance(part, Top))


def _single(task: SlateTask, recall: SlateRecall) -> bool:
    """Whether all sides can draw the same one slate and no other."""
    sides = [recall.sides[side] for side, share in task.shares.items() if share > 0]
    if sides[0].k in (0, sides[0].n):
        return True
    possible = [_possible(side) for side in sides]
    return all(slates == possible[0] and slates is not None and len(slates) == 1 for slates in possible)


def _both(one: Sets, other: Sets) -> Sets:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _unsupported(task: SlateTask) -> float:
    """Inclusion and exclusion over the sides: each can draw a product of sets of slates, one factor a recall."""
    sides = [side for side, share in task.shares.items() if share > 0]
    possible = [[_possible(recall.sides[side]) for recall in task.recalls] for side in sides]
    if any(all(each is None for each in of_side) for of_side in possible):
        return 0.0
    covered = 0.0
    for many in range(1, len(sides) + 1):
        for chosen in combinations(possible, many):
            common = chosen[0]
            for of_side in chosen[1:]:
                common = [_both(one, other) for one, other in zip(common, of_side, strict=True)]
            mass = 0.0
            for side, share in task.target_shares.items():
                if share > 0:
                    mass += share * math.prod(
                        1.0 if slates is None else sum(recall.target[side].probability(slate) for slate in slates)
                        for recall, slates in zip(task.recalls, common, strict=True)
                    )
            covered += mass if many % 2 else -mass
    return min(1.0, max(0.0, 1.0 - covered))


def _pseudo_inverse(task: SlateTask) -> tuple[float, float]:
    """(2) and the part of q' that it cannot see.

    Gamma = D R D with a diagonal R of ones: any generalised inverse gives the same (2) where q' and 1_S lie in its
    range, and R is the better conditioned one where inclusion chances span many magnitudes.
    """
    recall = task.recalls[0]
    n, k = next((each.n, each.k) for each in recall.sides.values())
    if k in (0, n):
        return 1.0, 0.0
    gamma: Floats = np.sum(
        [share * recall.sides[side].pairs() for side, share in task.shares.items() if share > 0], axis=0
    )
    wanted = _inclusion(task.target_shares, recall.target)
    seen = np.diag(gamma) > CERTAIN
    root = np.sqrt(np.diag(gamma)[seen])
    values, vectors = np.linalg.eigh(gamma[np.ix_(seen, seen)] / np.outer(root, root))
    vectors = vectors[:, values > SMALLEST]
    inside = vectors.T @ (wanted[seen] / root)
    drawn = np.zeros(n)
    drawn[list(recall.slate)] = 1.0
    weight = float((inside / values[values > SMALLEST]) @ (vectors.T @ (drawn[seen] / root)))
    outside = np.abs(root * (wanted[seen] / root - vectors @ inside)).sum() + wanted[~seen].sum()
    missing = float(outside) / k
    return weight, missing if missing > CERTAIN * n else 0.0


def _items(task: SlateTask) -> tuple[float, float, float]:
    """(3), the target's mass on items never shown, and the largest ratio of an item with a share."""
    shown = sum(len(recall.slate) for recall in task.recalls)
    weight, missing, largest, fallen = 0.0, 0.0, 0.0, 0.0
    for recall in task.recalls:
        k = len(recall.slate)
        if not k:
            continue
        chances = _inclusion(task.shares, recall.sides)
        wanted = _inclusion(task.target_shares, recall.target)
        missing += float(wanted[chances <= CERTAIN].sum()) / k / len(task.recalls)
        shares = recall.credit or (0.0,) * k
        if math.isnan(task.reward):
            shares = (1.0 / shown,) * k
        for i, share in zip(recall.slate, shares, strict=True):
            if share > 0:
                if not chances[i] > 0:
                    raise BadValue(f"task {task.id!r}", "an item with chance 0", "items that can be shown")
                ratio = float(wanted[i] / chances[i])
                weight, largest, fallen = weight + share * ratio, max(largest, ratio), fallen + share
    return weight + (1.0 - fallen), missing, largest if fallen else 1.0
