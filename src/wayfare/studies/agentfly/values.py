"""Values that are learned while tasks are played, for S seeds side by side: the net, or a kernel.

A row of the replay is a task, a case that was shown for it, and the outcome, which every shown case gets, as published;
with `weigh`, rows weigh the clipped inverse of the case's chance of being shown.

    NetValues       the net of `learn.case_values`, by classification of outcomes (one decision a task: nothing ahead)
    KernelValues    episodic control, `learn.episodic_control`; with `learned` its theta by squared error, for which the
                    delayed target of one decision a task is the reward itself
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.learn.case_learner import CaseBatch, CaseLearner
from wayfare.learn.case_values import CaseValueNet
from wayfare.learn.episodic_control import EpisodicControl

__all__ = ["KernelValues", "NetValues", "Replay"]

Floats = NDArray[np.float64]
BATCH, EVERY, STEPS, BEGIN = 64, 2, 2, 32
"""Rows of an update; tasks between two turns of learning, updates of a turn; tasks before the first."""
HIDDEN, DROPOUT = 64, 0.2
CLIP = 20.0


class Replay:
    """Rows of one seed, all kept: places of queries and cases in tables that grow with what is met."""

    def __init__(self, width: int) -> None:
        self.queries: list[NDArray[np.float32]] = []
        self.cases: list[NDArray[np.float32]] = []
        self.rewards: list[float] = []
        self.weights: list[float] = []
        self.width = width

    def add(self, query: NDArray[np.float32], case: NDArray[np.float32], reward: float, chance: float) -> None:
        """One row. chance: of the case to be shown"""
        self.queries.append(query)
        self.cases.append(case)
        self.rewards.append(reward)
        self.weights.append(min(1.0 / chance, CLIP))


class NetValues:
    """One net a seed. width: of features        rate: learning rate        weigh: by inverse propensity"""

    def __init__(self, seeds: Sequence[int], width: int, *, rate: float, weigh: bool = False) -> None:
        self.net = CaseValueNet(width=width, hidden=HIDDEN, dropout=DROPOUT, seeds=seeds).eval()
        self.learner = CaseLearner(self.net, learning_rate=rate)
        self.replays = [Replay(width) for _ in seeds]
        self.weigh = weigh
        self._drawn = [Stream(seed, "replay") for seed in seeds]

    @torch.no_grad()
    def q(self, queries: Sequence[NDArray[np.float32]], cases: Sequence[NDArray[np.float32]]) -> list[Floats]:
        """Of each seed [n]. queries: [S] of [h]        cases: [S] of [n, h]; n may differ"""
        most = max(len(each) for each in cases)
        if not most:
            return [np.zeros(0) for _ in cases]
        width = self.net.width
        padded = np.zeros((len(cases), most, width), np.float32)
        for row, each in zip(padded, cases, strict=True):
            row[: len(each)] = each
        query = torch.from_numpy(np.stack(queries)).unsqueeze(1).expand(-1, most, -1)
        found = self.net.q(query, torch.from_numpy(padded)).double().numpy()
        return [row[: len(each)] for row, each in zip(found, cases, strict=True)]

    def learn(self, task: int) -> None:
        """After a task, counted from 0."""
        if task < BEGIN or task % EVERY or not all(replay.rewards for replay in self.replays):
            return
        for step in range(STEPS):
            rows = [
                np.asarray(stream.integers(len(replay.rewards), task, step, np.arange(BATCH)))
                for stream, replay in zip(self._drawn, self.replays, strict=True)
            ]
            self.learner.update(
                CaseBatch(
                    self._picked("queries", rows), self._picked("cases", rows), self._picked("rewards", rows),
                    self._picked("weights", rows) if self.weigh else None,
                )
            )  # fmt: skip

    def _picked(self, name: str, rows: Sequence[NDArray[np.int64]]) -> Tensor:
        found = np.array(
            [[getattr(replay, name)[i] for i in places] for replay, places in zip(self.replays, rows, strict=True)],
            np.float32,
        )
        return torch.from_numpy(found)


class KernelValues:
    """Episodic control over a fixed bank. bandwidth: in the space of the states        learned: theta, by its error"""

    def __init__(
        self, seeds: Sequence[int], width: int, cases: int, *, bandwidth: float, learned: bool, rate: float
    ) -> None:
        self.control = EpisodicControl(
            width, cases, features=width if learned else None, bandwidth=bandwidth, seeds=seeds
        )
        self.optimiser = torch.optim.AdamW(self.control.parameters(), lr=rate) if learned else None
        self._drawn = [Stream(seed, "replay") for seed in seeds]
        self._cases = cases

    @torch.no_grad()
    def q(self, states: NDArray[np.float32]) -> Floats:
        """[S, N]. states: [S, D]"""
        every = torch.arange(self._cases).expand(len(states), -1)
        state = torch.from_numpy(states).unsqueeze(1).expand(-1, self._cases, -1)
        found: Floats = self.control(state, every).double().numpy()
        return found

    def write(self, states: NDArray[np.float32], cases: NDArray[np.int64], rewards: Floats) -> None:
        """The outcome of the case that was shown, [S] each."""
        self.control.write(
            torch.from_numpy(states), torch.from_numpy(cases), torch.from_numpy(rewards.astype(np.float32))
        )

    def learn(self, task: int) -> None:
        """After a task: pairs are asked what the others would have said of them."""
        if self.optimiser is None or task < BEGIN or task % EVERY:
            return
        rows = torch.arange(len(self._drawn)).unsqueeze(1)
        written = self.control.written.clamp(max=self.control.states.shape[2])
        lanes = np.arange(BATCH)
        chance = torch.tensor(np.stack([stream.uniform(task, lanes, 0) for stream in self._drawn]))
        share = torch.tensor(np.stack([stream.uniform(task, lanes, 1) for stream in self._drawn]))
        cases = torch.searchsorted(written.double().cumsum(1) / written.sum(1, keepdim=True), chance, right=True)
        cases = cases.clamp(max=self._cases - 1)
        places = (share * written[rows, cases]).long()
        told = self.control(self.control.states[rows, cases, places], cases, places)
        loss = (told - self.control.returns[rows, cases, places]).square().mean(dim=1).sum()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
