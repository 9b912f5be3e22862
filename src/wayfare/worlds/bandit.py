"""The recurring bandit: the same arms for a block of pulls, then others. One inner episode is one pull.

    gaussian    mean_k ~ N(prior_mean, prior_sd^2),  reward ~ N(mean_k, noise_sd^2)
    bernoulli   mean_k ~ Beta(alpha, beta),          reward ~ Bernoulli(mean_k)

With `safe`, arm 0 always pays that and its mean is not drawn.

Source: the bandit of Rentschler & Roberts 2025 (arXiv 2508.01287), priors ours; the safe arm ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.boundary import Boundary
from wayfare.worlds.ceilings import Ceiling, bandit_ceiling
from wayfare.worlds.world import Law, Shown, World, number, places, whole

__all__ = ["RecurringBandit"]

Family = Literal["gaussian", "bernoulli"]


class RecurringBandit(World):
    """N bandits of K arms.

    arms: K, the safe one included
    episodes: pulls in a block, n, or one n for each copy; law, most_episodes, boundary, copy: see `World`
    family: of the rewards
    prior_mean, prior_sd, noise_sd: of Gaussian arms
    alpha, beta: of Bernoulli arms
    safe: what arm 0 pays, surely; None: there is no safe arm

    `info["expected_reward"]` [N] is the mean of the arm that was pulled.

    Raises: BadValue for the first argument out of range.
    """

    def __init__(
        self,
        num_envs: int = 1,
        arms: int = 3,
        episodes: int | Sequence[int] | Tensor = 30,
        family: Family = "gaussian",
        *,
        prior_mean: float = 0.0,
        prior_sd: float = 1.0,
        noise_sd: float = 1.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        safe: float | None = None,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
        render_mode: str | None = None,
        copy: bool = True,
    ) -> None:
        whole("arms", arms, 1)
        if family not in ("gaussian", "bernoulli"):
            raise BadValue("family", family, "'gaussian' or 'bernoulli'")
        number("prior_mean", prior_mean)
        number("prior_sd", prior_sd, 0.0)
        number("noise_sd", noise_sd, 0.0)
        for field, value in (("alpha", alpha), ("beta", beta)):
            if number(field, value, 0.0) == 0.0:
                raise BadValue(field, value, "above 0")
        if safe is not None and family == "bernoulli":
            number("safe", safe, 0.0, 1.0)
        elif safe is not None:
            number("safe", safe)
        super().__init__(
            num_envs,
            columns=0,
            actions=arms,
            episodes=episodes,
            steps=1,
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
            render_mode=render_mode,
            copy=copy,
            lanes=arms,
        )
        self.family, self.safe = family, safe
        self.prior_mean, self.prior_sd, self.noise_sd = float(prior_mean), float(prior_sd), float(noise_sd)
        self.alpha, self.beta = float(alpha), float(beta)
        self.reward_bound = 1.0 if family == "bernoulli" else abs(prior_mean) + 5.0 * math.hypot(prior_sd, noise_sd)
        self.reward_bound = max(self.reward_bound, abs(safe or 0.0)) or 1.0
        self._arms = torch.zeros(arms, num_envs, device=self.device)  # [K, N] means
        self._lengths = sorted(set(self.episodes.tolist()))
        self._ending: dict[tuple[int, ...], Tensor | None] = {}  # copies whose blocks end together
        self._origin = 0  # clock of the last reset
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []  # of the frames: action, reward, ended

    @property
    def means(self) -> Tensor:
        """[N, K] the truth: what each arm of the current blocks pays on average."""
        return self._arms.t().clone()

    def oracle_return(self) -> Tensor:
        """[N] mean of the best arm of the current block."""
        return self._arms.amax(dim=0)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`."""
        first = super().reset(seed=seed, options=options)
        self._origin = self._clock
        self._seen.clear()
        return first

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Pull arm actions[i] of each copy i.

        Raises: BadValue for an arm that is not there (on a GPU, torch's own error).
        """
        actions = self._checked(actions)
        try:
            mean = self._arms.gather(0, actions.unsqueeze(0)).squeeze(0)
        except RuntimeError as error:
            raise BadValue("actions", actions.unique().tolist(), f"between 0 and {self.num_actions - 1}") from error
        noise = self._drawn("reward noise", self._draw_noise, None)[0]
        if self.family == "gaussian":
            if self.safe is not None:
                noise = noise * (actions != 0)
            reward = mean + noise
        else:
            reward = (noise < mean).float()
            if self.safe is not None:
                reward = torch.where(actions == 0, mean, reward)
        self._clock += 1
        info: dict[str, Any] = {"inner_episode": self._episode, "expected_reward": mean}
        self._episode = self._episode + 1

        ending, rows = self._ends()
        code = Boundary.TASK_TERMINATED if ending and rows is None else Boundary.EPISODE_TERMINATED
        boundary = torch.full((self.num_envs,), code, dtype=torch.int8, device=self.device)
        terminated = torch.full((self.num_envs,), ending and rows is None, device=self.device)
        if rows is not None:
            boundary[rows] = Boundary.TASK_TERMINATED
            terminated[rows] = True
        info["boundary"] = boundary
        if self.render_mode is not None:
            self._seen.append((actions.clone(), reward.clone(), terminated.clone()))
            self._shown_arms = self._arms.clone() if ending else self._arms
        going = boundary.masked_fill(terminated, Boundary.RUNNING) if ending and self.boundary_shown else boundary
        obs = self._sight(self._code_rows, going.int()) if self.boundary_shown else self._codes(boundary)
        if ending:
            info["final_obs"] = self._codes(boundary)
            info["_final_obs"] = terminated.clone()
            self._begin(rows)
        return obs, reward, terminated, torch.zeros_like(terminated), info

    def bayes_return(self, horizon: int | None = None) -> Ceiling:
        """The best that one can do without being told the task: `wayfare.worlds.ceilings.bandit_ceiling`."""
        return bandit_ceiling(self, horizon)

    def frame(self, copy: int = 0) -> NDArray[np.uint8]:
        """[H, W, 3] the pulls of the block so far as bars over the true means. Needs render_mode='rgb_array'."""
        from wayfare.worlds.drawing import bandit_frame

        if self.render_mode is None:
            raise BadValue("render_mode", None, "'rgb_array' to draw frames")
        pulls = [(int(a[copy]), float(r[copy])) for a, r, _ in self._block(copy)]
        means = (self._shown_arms if self._seen else self._arms)[:, copy].tolist()
        return bandit_frame(means, pulls, int(self._length[copy]), self.reward_bound)

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """A frame of each copy."""
        return None if self.render_mode is None else tuple(self.frame(copy) for copy in range(self.num_envs))

    def _block(self, copy: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Pulls of the block that the last pull belonged to."""
        first = len(self._seen) - 1
        while first > 0 and not bool(self._seen[first - 1][2][copy]):
            first -= 1
        return self._seen[max(first, 0) :]

    def _task(self, rows: Tensor | None) -> None:
        means = self._drawn("task", self._draw_means, rows, lanes=len(self._arms)).clone()
        if self.safe is not None:
            means[0] = self.safe
        if rows is None:
            self._arms = means
        else:
            self._arms[:, rows] = means

    def _draw_means(self, stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
        means: Tensor
        if self.family == "gaussian":
            means = self.prior_mean + self.prior_sd * stream.normal(copy, clock, lane)
        elif self.alpha == self.beta == 1.0:
            means = stream.uniform(copy, clock, lane)
        else:
            shape = torch.ones(1, 1, dtype=torch.float64, device=self.device)
            means = stream.beta(shape * self.alpha, shape * self.beta, copy, clock, lane)
        return means.float()

    def _draw_noise(self, stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
        """Scaled normals; for Bernoulli arms uniforms below 1, so that a sure arm stays sure in float32."""
        noise: Tensor
        if self.family == "gaussian":
            noise = stream.normal(copy, clock, lane)
            return noise.mul_(self.noise_sd).float()
        noise = stream.uniform(copy, clock, lane)
        return noise.float().clamp_(max=1.0 - 2.0**-24)

    def _first(self) -> Tensor:
        return self._codes(torch.zeros(self.num_envs, dtype=torch.int8, device=self.device))

    def _codes(self, boundary: Tensor) -> Tensor:
        """[N, 5] the codes one-hot, in a tensor of its own; [N, 1] zeros where they are hidden."""
        if not self.boundary_shown:
            return torch.zeros(self.num_envs, 1, device=self.device)
        return self._code_rows.index_select(0, boundary.int())

    def _ends(self) -> tuple[bool, Tensor | None]:
        """Whether blocks end with the step just made, and in which copies; None: in all.

        Under the fixed law that follows from the clock, so that no device is asked and nothing is counted.
        """
        if self.law == "geometric":
            rows = places(self._episode == self._length)
            return len(rows) > 0, rows
        gone = self._clock - self._origin
        if len(self._lengths) == 1:
            return gone % self._lengths[0] == 0, None
        over = tuple(n for n in self._lengths if gone % n == 0)
        if over not in self._ending:
            rows = torch.isin(self.episodes, torch.tensor(over, device=self.device)).nonzero().squeeze(1)
            self._ending[over] = None if len(rows) == self.num_envs else rows
        return bool(over), self._ending[over]
