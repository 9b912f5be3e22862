"""Bandits without a context whose difficulty is set, and bandits whose arms change within a block.

    gap             one arm, drawn at random, is best by just this much; Bernoulli arms pay 0.5 +- gap / 2
    change_every    after so many pulls all arms are drawn anew           (abrupt change)
    change_chance   after each pull they are, with this probability
    drift           each pull moves every mean by N(0, drift^2): a Gaussian mean towards its prior as `keep` says, a
                    Bernoulli mean reflected at 0 and 1

    evolve_bandit("bernoulli", arms=5, difficulty="hard")     a cell of EVOLvE's grid, with its horizon

Arms that change after clock t are drawn from (seed, "task", copy, t), as those of a block that begins there; steps of a
drift from (seed, "drift", copy, t).

Source: the grid Nie et al. 2024 (arXiv 2410.06238); abrupt change Garivier & Moulines 2011; drift Besbes, Gur & Zeevi
2014.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.bandit import Family, RecurringBandit
from wayfare.worlds.ceilings import Ceiling
from wayfare.worlds.world import number, uniform, whole

__all__ = ["DIFFICULTIES", "Difficulty", "VariedBandit", "evolve_bandit"]

Difficulty = Literal["easy", "hard"]
DIFFICULTIES: dict[str, dict[str, float]] = {
    "easy": {"bernoulli": 0.5, "gaussian": 1.0, "horizon": 300},
    "hard": {"bernoulli": 0.2, "gaussian": 3.0, "horizon": 1000},
}
"""EVOLvE's: the gap of Bernoulli arms, the standard deviation of Gaussian means and noise alike, and pulls."""


class VariedBandit(RecurringBandit):
    """N bandits of K arms; see the module, and `RecurringBandit` for all other arguments.

    gap: above 0; Gaussian arms then pay prior_mean + gap / 2 or prior_mean - gap / 2; None: arms are drawn from their
        prior
    change_every: at least 1, or None        change_chance: in [0, 1)
    drift: at least 0        keep: in [0, 1], 1 for Bernoulli arms: mean' = prior_mean + keep (mean - prior_mean) + step

    A safe arm neither changes nor drifts, and cannot be had together with a gap.

    Raises: BadValue for the first argument out of range.
    """

    def __init__(
        self,
        num_envs: int = 1,
        arms: int = 5,
        episodes: Any = 200,
        family: Family = "bernoulli",
        *,
        gap: float | None = None,
        change_every: int | None = None,
        change_chance: float = 0.0,
        drift: float = 0.0,
        keep: float = 1.0,
        **arguments: Any,
    ) -> None:
        if gap is not None:
            if number("gap", gap, 0.0) == 0.0 or (family == "bernoulli" and gap > 1.0):
                raise BadValue("gap", gap, "above 0, and at most 1 for Bernoulli arms")
            if arguments.get("safe") is not None:
                raise BadValue("safe", arguments["safe"], "None where a gap is given")
        if change_every is not None:
            whole("change_every", change_every, 1)
        if number("change_chance", change_chance, 0.0, 1.0) == 1.0:
            raise BadValue("change_chance", change_chance, "below 1: change_every=1 draws new arms for each pull")
        number("drift", drift, 0.0)
        number("keep", keep, 0.0, 1.0)
        if keep != 1.0 and family == "bernoulli":
            raise BadValue("keep", keep, "1 for Bernoulli arms, which their bounds keep in place")
        self.gap, self.change_every, self.change_chance = gap, change_every, float(change_chance)
        self.drift, self.keep = float(drift), float(keep)
        super().__init__(num_envs, arms, episodes, family, **arguments)
        self._best_so_far = torch.zeros(num_envs, device=self.device)  # sum of the best means before this pull
        if family == "gaussian":
            pulls = self.most_episodes or int(self.episodes.max()) * (10 if self.law == "geometric" else 1)
            start = abs(self.prior_mean) + (0.5 * gap if gap is not None else 0.0)
            spread = 0.0 if gap is not None else self.prior_sd
            walked = self.drift**2 * (pulls if keep == 1.0 else min(pulls, 1.0 / (1.0 - keep**2)))
            bound = start + 5.0 * math.sqrt(spread**2 + walked + self.noise_sd**2)
            self.reward_bound = max(bound, abs(self.safe or 0.0)) or 1.0

    @property
    def stationary(self) -> bool:
        """Whether the arms of a block stay what they are."""
        return self.change_every is None and self.change_chance == 0.0 and self.drift == 0.0 and self.keep == 1.0

    def oracle_return(self) -> Tensor:
        """[N] mean over the current block of the best arm *at each pull*: of a player who knows every change.

        Changes do not depend on what is pulled, so those to come are drawn ahead, to the block's end.
        """
        if self.stationary:
            return super().oracle_return()
        kept = self._arms, self._clock, self._episode, self._kept
        total = self._best_so_far.clone()
        self._arms, self._kept = self._arms.clone(), {}
        for _ in range(int((self._length - self._episode).max())):
            going = self._episode < self._length
            total += self._arms.amax(dim=0) * going
            self._clock += 1
            self._episode = self._episode + 1
            self._change(going & (self._episode < self._length))
        self._arms, self._clock, self._episode, self._kept = kept
        return total / self._length

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """See `RecurringBandit.step`; then the arms of blocks that go on may change."""
        if self.stationary:
            return super().step(actions)
        best = self._arms.amax(dim=0)
        obs, reward, terminated, truncated, info = super().step(actions)
        self._best_so_far = (self._best_so_far + best).masked_fill(terminated, 0.0)
        self._change(~terminated)
        return obs, reward, terminated, truncated, info

    def reset(self, **arguments: Any) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`."""
        first = super().reset(**arguments)
        self._best_so_far = torch.zeros_like(self._best_so_far)
        return first

    def bayes_return(self, horizon: int | None = None) -> Ceiling:
        """See `RecurringBandit`. Raises: BadValue for arms with a gap, or arms that change: not known."""
        if self.gap is not None or not self.stationary:
            raise BadValue("world", type(self).__name__, "one whose arms are independent and stay")
        return super().bayes_return(horizon)

    def _change(self, going: Tensor) -> None:
        """What happens to the arms of blocks that go on, going [N], once the clock has moved."""
        if self.drift > 0.0 or self.keep != 1.0:
            walk = self._drawn("drift", _normal, None, lanes=len(self._arms)).float() * self.drift
            moved = self.prior_mean + self.keep * (self._arms - self.prior_mean) + walk
            if self.family == "bernoulli":
                moved = (self._arms + walk).remainder(2.0)
                moved = torch.where(moved > 1.0, 2.0 - moved, moved)
            if self.safe is not None:
                moved[0] = self.safe
            self._arms = torch.where(going, moved, self._arms)
        if self.change_every is None and self.change_chance == 0.0:
            return
        changes = torch.zeros_like(going)
        if self.change_every is not None:
            changes |= self._episode % self.change_every == 0
        if self.change_chance > 0.0:
            changes |= self._drawn("change", uniform, None)[0] < self.change_chance
        if not changes.is_cuda and not bool(changes.any()):
            return
        anew = self._drawn("task", self._draw_means, None, lanes=len(self._arms)).clone()
        if self.safe is not None:
            anew[0] = self.safe
        self._arms = torch.where(going & changes, anew, self._arms)

    def _draw_means(self, stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
        if self.gap is None:
            return super()._draw_means(stream, copy, clock, lane)
        middle = self.prior_mean if self.family == "gaussian" else 0.5
        best = stream.integers(self.num_actions, copy, clock, 0) == lane
        return torch.where(best, middle + 0.5 * self.gap, middle - 0.5 * self.gap).float()


def evolve_bandit(
    family: Family = "bernoulli",
    arms: int = 5,
    difficulty: Difficulty = "easy",
    num_envs: int = 1,
    episodes: Any = None,
    **arguments: Any,
) -> VariedBandit:
    """A cell of EVOLvE's grid of bandits (there K is 5 or 20).

        bernoulli   best arm 0.5 + g/2, the others 0.5 - g/2;       g = 0.5 easy, 0.2 hard
        gaussian    means ~ N(0, s^2), noise of deviation s;        s = 1 easy, 3 hard

    episodes: pulls; None: 300 easy, 1000 hard        arguments: of `VariedBandit`
    Raises: BadValue for another family or difficulty, and as `VariedBandit` does.
    """
    if difficulty not in DIFFICULTIES:
        raise BadValue("difficulty", difficulty, "'easy' or 'hard'")
    if family not in ("gaussian", "bernoulli"):
        raise BadValue("family", family, "'gaussian' or 'bernoulli'")
    setting = DIFFICULTIES[difficulty]
    size = setting[family]
    made: dict[str, Any] = {"gap": size} if family == "bernoulli" else {"prior_sd": size, "noise_sd": size}
    pulls = int(setting["horizon"]) if episodes is None else episodes
    return VariedBandit(num_envs, arms, pulls, family, **{**made, **arguments})


def _normal(stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
    z: Tensor = stream.normal(copy, clock, lane)
    return z
