"""The same bandit tried many times: replicas that share arms and noise, so that what differs is what was done.

    M instances of K arms:  gaussian    means ~ N(0, 1), reward = mean + z
                            bernoulli   means ~ U(0, 1), reward = 1 where u < mean
    The n-th pull of arm a of instance m pays from the draw (seed, "reward noise", m, n, a), whoever pulls.

Two replicas that pull the same arms, in whatever order, see the same rewards. A group of replicas then differs by its
choices alone, which is what a baseline at the same turn asks for; and players are compared on the same luck.

Source: Chen et al. 2025 (arXiv 2509.24923) for the two families; sizes and the table of noise are ours.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.world import whole

__all__ = ["BanditReplicas"]


class BanditReplicas:
    """M instances with G replicas each, B = M G rows: replica g of instance m is row m G + g.

    family: gaussian | bernoulli        seed: of arms and noise        first: number of the first instance

    Raises: BadValue for the first argument out of range.
    """

    def __init__(
        self,
        instances: int,
        replicas: int = 1,
        arms: int = 5,
        family: Literal["gaussian", "bernoulli"] = "gaussian",
        *,
        seed: int = 0,
        first: int = 0,
    ) -> None:
        for field, value, least in (("instances", instances, 1), ("replicas", replicas, 1), ("arms", arms, 1)):
            whole(field, value, least)
        whole("first", first, 0)
        if family not in ("gaussian", "bernoulli"):
            raise BadValue("family", family, "gaussian or bernoulli")
        self.arms, self.family = arms, family
        self.instance = torch.arange(first, first + instances).repeat_interleave(replicas)
        task, lanes = Stream(seed, "task"), torch.arange(arms)
        drawn = (task.normal if family == "gaussian" else task.uniform)(self.instance.unsqueeze(1), 0, lanes)
        self.means: Tensor = drawn
        self._noise = Stream(seed, "reward noise")
        self._pulls = torch.zeros(len(self.instance), arms, dtype=torch.int64)

    @property
    def group_id(self) -> Tensor:
        """[B] int64 from 0: rows of one instance."""
        return self.instance - self.instance[0]

    def pull(self, actions: Tensor) -> Tensor:
        """actions: [B] int64 -> [B] float64 rewards. Raises: BadValue for an arm that is not there."""
        if actions.shape != self.instance.shape or not bool(((actions >= 0) & (actions < self.arms)).all()):
            raise BadValue("actions", actions.unique().tolist(), f"[{len(self.instance)}] from 0 to {self.arms - 1}")
        column = actions.unsqueeze(1)
        count = self._pulls.gather(1, column).squeeze(1)
        self._pulls.scatter_add_(1, column, torch.ones_like(column))
        mean = self.means.gather(1, column).squeeze(1)
        if self.family == "bernoulli":
            u: Tensor = self._noise.uniform(self.instance, count, actions)
            return (u < mean).double()
        noise: Tensor = self._noise.normal(self.instance, count, actions)
        return mean + noise
