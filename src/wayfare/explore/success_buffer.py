"""Recent successes, kept for a burst of self-imitation and re-judged by what has become usual since.

Each step brings rows with an advantage above 0, and the mean reward of every group. When the successes are many,

    A~ = R - P50,  P50 = median of the recent group means                                                  (1)

replaces their advantage: what was outstanding then and is usual now has A~ <= 0 and is left out. A burst takes a random
power of two of the rest and empties the buffer, so that replay is of fresh successes, not an archive. Rows older than
`tolerance` steps are dropped.

The stored log-probabilities of a row must be those of the policy that produced it. Store the raw reward too and give
that one here: a shaped reward's median falls as its bonus fades, and old rows then look too good.

Source: (1) Qin et al. 2025 (arXiv 2509.22601), who keep A~ >= 0; a row of A~ = 0 teaches nothing and only dilutes.
Firing every so many steps is ours: with rare successes the buffer would never fill.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.normalisers import RunningMedian

__all__ = ["Burst", "SuccessBuffer"]

Row = dict[str, Tensor]


class Burst(NamedTuple):
    """N successes, oldest first; N is 0 or a power of two.

    rows: N dicts of tensors, as they were added        advantage, reward: [N]        age: [N] int64, steps
    """

    rows: list[Row]
    advantage: Tensor
    reward: Tensor
    age: Tensor


class _Success(NamedTuple):
    row: Row
    reward: float
    advantage: float
    born: int
    serial: int  # of all that were ever added


class SuccessBuffer:
    """See the module.

    size: rows of a burst at most; a burst is due when more than `ratio` x size rows beat the median
    baseline: group means that the median is of; it must be short enough to move within a run
    tolerance: a row's greatest age in steps
    every: a burst is also due this many steps after the last, of what there is; None: never
    decay: A~ = decay x the stored advantage in place of (1), above 0 and at most 1; None: (1)
    seed: of the choice of rows, which depends on when they were added, not on how they lie

    Raises: BadValue for a number out of range.
    """

    def __init__(
        self,
        size: int = 64,
        *,
        baseline: int = 160,
        tolerance: int = 5,
        ratio: float = 1.5,
        every: int | None = None,
        decay: float | None = None,
        seed: int = 0,
    ) -> None:
        for field, value in (("size", size), ("tolerance", tolerance), ("every", 1 if every is None else every)):
            if value < 1:
                raise BadValue(field, value, "at least 1")
        if not 0 <= ratio < float("inf"):
            raise BadValue("ratio", ratio, "finite and at least 0")
        if decay is not None and not 0 < decay <= 1:
            raise BadValue("decay", decay, "above 0 and at most 1, or None")
        self.size, self.tolerance, self.ratio, self.every, self.decay = size, tolerance, ratio, every, decay
        self.baseline = RunningMedian(baseline)
        self._stream = Stream(seed, "success buffer")
        self._held: list[_Success] = []
        self._added = self._fired = 0

    def __len__(self) -> int:
        return len(self._held)

    def observe(self, group_means: Tensor) -> None:
        """The mean reward of every group of a step, [M], also where none succeeded. Raises: BadValue unless finite."""
        self.baseline.update(group_means)

    def add(self, rows: Mapping[str, Tensor], reward: Tensor, advantage: Tensor, step: int) -> int:
        """Keep the rows with an advantage above 0; -> how many.

        rows: tensors [B, ...], copied        reward, advantage: [B]        step: that produced them

        Raises: BadValue for lengths that differ or rewards that are not finite.
        """
        reward, advantage = reward.detach().double().cpu(), advantage.detach().double().cpu()
        for field, value in (("advantage", advantage), *rows.items()):
            if value.shape[:1] != reward.shape:
                raise BadValue(field, list(value.shape), f"[{len(reward)}, ...], as reward")
        if not bool((reward.isfinite() & advantage.isfinite()).all()):
            raise BadValue("reward, advantage", "nan or inf", "finite")
        kept = (advantage > 0).nonzero().squeeze(1).tolist()
        for place in kept:
            row = {name: value[place].detach().clone() for name, value in rows.items()}
            self._held.append(_Success(row, float(reward[place]), float(advantage[place]), step, self._added))
            self._added += 1
        return len(kept)

    def expire(self, step: int) -> int:
        """Drop the rows older than `tolerance`; -> how many."""
        before = len(self._held)
        self._held = [one for one in self._held if step - one.born <= self.tolerance]
        return before - len(self._held)

    def ready(self, step: int) -> bool:
        """Whether a burst is due: many rows beat the median, or `every` steps have passed and one does."""
        usual = self._usual()
        beating = sum(one.reward > usual for one in self._held)
        waited = self.every is not None and step - self._fired >= self.every
        return beating > self.ratio * self.size or (waited and beating > 0)

    def burst(self, step: int) -> Burst:
        """Rows of A~ > 0, a random power of two of them, `size` at most; the buffer is then empty."""
        judged = [(again, one) for one in self._held if (again := self._again(one)) > 0]
        count = min(len(judged), self.size)
        count = 1 << (count.bit_length() - 1) if count else 0
        serial = torch.tensor([one.serial for _, one in judged], dtype=torch.int64)
        order = self._stream.uniform(serial, step).argsort(stable=True)[:count]
        taken = [judged[place] for place in sorted(order.tolist())]
        self._held, self._fired = [], step
        return Burst(
            [one.row for _, one in taken],
            torch.tensor([again for again, _ in taken], dtype=torch.float32),
            torch.tensor([one.reward for _, one in taken], dtype=torch.float32),
            torch.tensor([step - one.born for _, one in taken], dtype=torch.int64),
        )

    def _usual(self) -> float:
        """P50; 0 before any group mean is known."""
        return self.baseline.median() or 0.0

    def _again(self, one: _Success) -> float:
        return one.reward - self._usual() if self.decay is None else self.decay * one.advantage

    def state_dict(self) -> dict[str, Any]:
        """Rows as tensors, the rest numbers."""
        return {
            "rows": [dict(one.row) for one in self._held],
            "reward": [one.reward for one in self._held],
            "advantage": [one.advantage for one in self._held],
            "born": [one.born for one in self._held],
            "serial": [one.serial for one in self._held],
            "added": self._added,
            "fired": self._fired,
            "baseline": self.baseline.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        parts = (state[name] for name in ("rows", "reward", "advantage", "born", "serial"))
        self._held = [_Success(dict(row), *numbers) for row, *numbers in zip(*parts, strict=True)]
        self._added, self._fired = state["added"], state["fired"]
        self.baseline.load_state_dict(state["baseline"])
