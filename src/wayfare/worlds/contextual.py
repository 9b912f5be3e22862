"""Contextual bandits: before each pull a context is shown, and what an arm pays depends on it. One inner episode is one
pull.

    ContextualBandit   what they have in common: the pull, its noise, the end of blocks
    LinearBandit       x ~ uniform on the unit sphere; theta, of length `scale`, is the task of a block
                           features="action"     each arm shows its own x_k [D]:   value_k = theta . x_k
                           features="context"    one x [D], each arm has its own theta_k:  value_k = theta_k . x
                       gaussian    reward ~ N(value, noise_sd^2)
                       bernoulli   reward ~ Bernoulli(1 / (1 + exp(-value)))

`wayfare.worlds.tables` has the one whose contexts and means come from a table.

The context that is shown at clock t is drawn from the address (seed, "context", copy, t).

Source: Li, Chu, Langford & Schapire 2010 (arXiv 1003.0146) for both kinds of features; Filippi et al. 2010 for the
logistic link.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.boundary import Boundary
from wayfare.worlds.world import Law, Shown, World, number, places, whole

__all__ = ["ContextualBandit", "Features", "LinearBandit", "expected_best"]

Features = Literal["action", "context"]
ANGLES = 20_001  # of the oracle's integral
CONTEXTS = 8192  # sampled by the oracle where there is no integral in one dimension
MOST = 1 << 24  # numbers that the oracle holds at once


def expected_best(means: Tensor, chance: Tensor) -> Tensor:
    """means: [..., K], chance: [K] that each arm may be pulled, independently, one of them 1 -> [...]: the mean of the
    best arm that may be pulled, in expectation."""
    ordered, order = means.sort(dim=-1, descending=True)
    there = chance[order]
    worse = torch.cat([torch.ones_like(there[..., :1]), (1.0 - there[..., :-1]).cumprod(dim=-1)], dim=-1)
    return (ordered * there * worse).sum(dim=-1)


class ContextualBandit(World):
    """N bandits of K arms with a context of C numbers; subclasses say which contexts there are and what arms pay there.

    arms: K        columns: C        low, high: bounds of the context, [C] or one for all
    episodes: pulls in a block; law, most_episodes, boundary: see `World`
    family, noise_sd: of the rewards

    `info["expected_reward"]` [N] is the mean of the arm that was pulled, in its context. The observation after a
    block's last pull shows zeros for a context.

    Raises: BadValue for the first argument out of range.
    """

    stationary = False
    """The means of arms change with the context."""
    _values: Tensor
    """[N, K] what the arms pay on average in the contexts shown."""

    def __init__(
        self,
        num_envs: int,
        arms: int,
        *,
        columns: int,
        episodes: int | Sequence[int] | Tensor,
        family: Literal["gaussian", "bernoulli"],
        noise_sd: float,
        low: ArrayLike,
        high: ArrayLike,
        lanes: int,
        law: Law,
        most_episodes: int | None,
        boundary: Shown,
        device: str | torch.device,
    ) -> None:
        whole("arms", arms, 1)
        if family not in ("gaussian", "bernoulli"):
            raise BadValue("family", family, "'gaussian' or 'bernoulli'")
        self.family, self.noise_sd = family, number("noise_sd", noise_sd, 0.0)
        super().__init__(
            num_envs,
            columns=columns,
            actions=arms,
            episodes=episodes,
            steps=1,
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
            low=low,
            high=high,
            lanes=lanes,
        )
        self._values = torch.zeros(num_envs, arms, device=self.device)
        lengths = set(self.episodes.tolist())
        self._together = lengths.pop() if law == "fixed" and len(lengths) == 1 else None  # all blocks end at once
        self._origin = 0  # clock of the last reset

    @property
    def means(self) -> Tensor:
        """[N, K] the truth: what each arm pays on average in the context that is shown."""
        return self._values.clone()

    def oracle_return(self) -> Tensor:
        """[N] mean of the best arm, averaged over contexts. See `oracle_among`."""
        return self.oracle_among(torch.ones(self.num_actions, device=self.device))

    def oracle_among(self, chance: Tensor) -> Tensor:
        """[N] the same where each arm may be pulled with chance [K] only, independently of the context."""
        raise NotImplementedError

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`."""
        first = super().reset(seed=seed, options=options)
        self._origin = self._clock
        return first

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Pull arm actions[i] of each copy i in its context.

        Raises: BadValue for an arm that is not there (on a GPU, torch's own error).
        """
        actions = self._checked(actions)
        try:
            mean = self._values.gather(1, actions.unsqueeze(1)).squeeze(1)
        except RuntimeError as error:
            raise BadValue("actions", actions.unique().tolist(), f"between 0 and {self.num_actions - 1}") from error
        reward = self._paid(mean)
        self._clock += 1
        info: dict[str, Any] = {"inner_episode": self._episode, "expected_reward": mean}
        self._episode = self._episode + 1
        terminated, rows = self._ends()
        boundary = terminated.to(torch.int8) * (Boundary.TASK_TERMINATED - Boundary.EPISODE_TERMINATED)
        boundary += Boundary.EPISODE_TERMINATED
        info["boundary"] = boundary
        going = boundary
        if rows is None or len(rows):
            blank = torch.zeros(self.num_envs, self._columns, device=self.device)
            info["final_obs"], info["_final_obs"] = self._shown(blank, boundary), terminated.clone()
            self._begin(rows)
            going = boundary.masked_fill(terminated, Boundary.RUNNING)
        obs = self._shown(self._next(), going)
        return obs, reward, terminated, torch.zeros_like(terminated), info

    def _next(self) -> Tensor:
        """Draw the contexts at the clock: set `_values`, return what is shown of them, float32 [N, C]."""
        raise NotImplementedError

    def _first(self) -> Tensor:
        return self._shown(self._next(), torch.zeros(self.num_envs, dtype=torch.int8, device=self.device))

    def _paid(self, mean: Tensor) -> Tensor:
        if self.family == "bernoulli":
            u = self._drawn("reward noise", _uniform, None)[0].float().clamp_(max=1.0 - 2.0**-24)
            return (u < mean).float()
        if self.noise_sd == 0.0:
            return mean.clone()
        return mean + self.noise_sd * self._drawn("reward noise", _normal, None)[0].float()

    def _shown(self, context: Tensor, code: Tensor) -> Tensor:
        return torch.cat([context, self._code_rows.index_select(0, code.int())], 1) if self.boundary_shown else context

    def _ends(self) -> tuple[Tensor, Tensor | None]:
        """[N] whether blocks end with the step just made, and in which copies; None: in all."""
        if self._together is None:
            over = self._episode == self._length
            return over, places(over)
        ending = (self._clock - self._origin) % self._together == 0
        over = torch.full((self.num_envs,), ending, device=self.device)
        return over, None if ending else self._copy[:0]


class LinearBandit(ContextualBandit):
    """N linear bandits; see the module. Without noise an arm's reward is linear in what is shown.

    arms: K        dimension: D        features: whose the context is
    scale: length of every theta, the largest |value|
    The observation holds the features, [K * D] arm after arm or [D], then the code where it is shown.

    Raises: BadValue for the first argument out of range.
    """

    def __init__(
        self,
        num_envs: int = 1,
        arms: int = 5,
        dimension: int = 5,
        episodes: int | Sequence[int] | Tensor = 200,
        *,
        features: Features = "action",
        family: Literal["gaussian", "bernoulli"] = "gaussian",
        scale: float = 1.0,
        noise_sd: float = 0.5,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
    ) -> None:
        whole("arms", arms, 1)
        whole("dimension", dimension, 1)
        if features not in ("action", "context"):
            raise BadValue("features", features, "'action' or 'context'")
        if number("scale", scale, 0.0) == 0.0:
            raise BadValue("scale", scale, "above 0")
        self.features, self.dimension, self.scale = features, dimension, float(scale)
        super().__init__(
            num_envs,
            arms,
            columns=dimension * (arms if features == "action" else 1),
            episodes=episodes,
            family=family,
            noise_sd=noise_sd,
            low=-1.001,  # rounding
            high=1.001,
            lanes=arms * dimension,
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
        )
        self.reward_bound = 1.0 if family == "bernoulli" else self.scale + 5.0 * self.noise_sd
        self._thetas = torch.zeros(num_envs, 1 if features == "action" else arms, dimension, device=self.device)

    @property
    def theta(self) -> Tensor:
        """The truth: [N, D], or [N, K, D] where each arm has its own."""
        return (self._thetas.squeeze(1) if self.features == "action" else self._thetas).clone()

    def oracle_among(self, chance: Tensor) -> Tensor:
        """[N] See `ContextualBandit`. Exact for features of actions; else the mean over 8192 sampled contexts, with a
        standard error below 1 % of the scale."""
        if self.features == "action":
            return torch.full((self.num_envs,), self._best_of_sphere(chance.double().cpu()), device=self.device)
        index = torch.arange(CONTEXTS // 2, device=self.device).unsqueeze(1)
        lane = torch.arange(self.dimension, device=self.device)
        x = _unit(Stream(0, "contexts of the oracle").normal(index, 0, lane)).float()
        x = torch.cat([x, -x])
        rows = max(1, MOST // (CONTEXTS * self.num_actions))
        parts = [expected_best(self._link(x @ of.mT), chance).mean(dim=1) for of in self._thetas.split(rows)]
        return torch.cat(parts)

    def _best_of_sphere(self, chance: Tensor) -> float:
        """E of the link of the largest value. One coordinate of a point on the sphere is sin(a), the density of a in
        proportion to cos(a)^(D - 2); the largest of those there is below v with probability prod_k 1 - p_k + p_k F(v).
        """
        if self.dimension == 1:
            value = torch.tensor([-1.0, 1.0], dtype=torch.float64)
            below = torch.tensor([0.5, 1.0], dtype=torch.float64)
        else:
            angle = torch.linspace(-math.pi / 2, math.pi / 2, ANGLES, dtype=torch.float64)
            density = angle.cos().clamp(min=0.0) ** (self.dimension - 2)
            below = torch.cat([density[:1] * 0.0, torch.cumulative_trapezoid(density)])
            value, below = angle.sin(), below / below[-1]
        largest = (1.0 - chance + chance * below.unsqueeze(1)).prod(dim=1)
        mass = torch.diff(largest, prepend=largest[:1] * 0.0)
        link = self._link(self.scale * value)
        middle = link if self.dimension == 1 else torch.cat([link[:1], (link[1:] + link[:-1]) / 2])
        return float((mass * middle).sum())

    def _link(self, value: Tensor) -> Tensor:
        return value.sigmoid() if self.family == "bernoulli" else value

    def _task(self, rows: Tensor | None) -> None:
        of = self._thetas.shape[1]
        drawn = self._drawn("task", _normal, rows, lanes=of * self.dimension)
        theta = self.scale * _unit(drawn.t().reshape(-1, of, self.dimension)).float()
        if rows is None:
            self._thetas = theta
        else:
            self._thetas[rows] = theta

    def _next(self) -> Tensor:
        of = self.num_actions if self.features == "action" else 1
        drawn = self._drawn("context", _normal, None, lanes=of * self.dimension)
        x = _unit(drawn.t().reshape(-1, of, self.dimension)).float()
        self._values = self._link((x * self._thetas).sum(dim=2))
        return x.flatten(1)


def _unit(x: Tensor) -> Tensor:
    """[..., D] as directions."""
    length: Tensor = x.norm(dim=-1, keepdim=True)
    return x / length


def _uniform(stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
    u: Tensor = stream.uniform(copy, clock, lane)
    return u


def _normal(stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
    z: Tensor = stream.normal(copy, clock, lane)
    return z
