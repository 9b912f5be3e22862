"""What the nets are taught: a teacher's decisions, or to read tables and nothing about bandits.

Decisions   S1: a teacher's decisions in one of the layers, names drawn afresh for each trajectory and pass
reading     S2: rows of a name and one or two numbers, and the name of the largest first number, sum or product
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.explore.rules.evidence import ArmTable
from wayfare.studies.evolve.dialect import (
    CHOOSE,
    READER,
    Layer,
    decimals,
    guide_rows,
    names_of,
    pulls,
    raw_start,
    rows,
)
from wayfare.studies.evolve.stage import TEACHER, Setting, Trial, play_rule, tables_before

__all__ = ["FIRST", "SUM", "Decisions", "reading"]

FIRST, SUM, PRODUCT = (READER.ids[word] for word in ("first", "sum", "product"))


@dataclass
class Decisions:
    """`count` decisions of the teacher in trajectories of `horizon` pulls, in batches of `size`.

    For RH a batch is size / horizon whole trajectories, each pull labelled; for SH and AG it is `size` prompts.
    """

    layer: Layer
    gap: float
    arms: int
    horizon: int
    count: int
    size: int
    seed: int
    trial: Trial = field(init=False)

    def __post_init__(self) -> None:
        self.runs = max(1, self.count // self.horizon)
        self.trial = play_rule(TEACHER, Setting(self.gap, self.arms, self.horizon, self.runs), self.seed)
        self.counts, self.sums = tables_before(self.trial)
        table = ArmTable(self.counts, self.sums, self.sums)
        self.value, self.bonus = TEACHER.value(table), TEACHER.bonus(table)  # before the pull is learned
        self.actions, self.rewards = torch.from_numpy(self.trial.actions), torch.from_numpy(self.trial.rewards)

    @property
    def items(self) -> int:
        """Rows that can be drawn: trajectories for RH, decisions else."""
        return self.runs if self.layer == "RH" else self.runs * self.horizon

    @property
    def rows(self) -> int:
        """Rows of a batch."""
        return min(self.items, max(1, self.size // self.horizon) if self.layer == "RH" else self.size)

    @property
    def batches(self) -> int:
        """Batches of a pass."""
        return max(1, self.items // self.rows)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """(ids, labelled) of update `number`, from 0; a function of the number alone."""
        turn, place = divmod(number, self.batches)
        order = np.argsort(Stream(self.seed, "order").uniform(np.arange(self.items), turn), kind="stable")
        chosen = torch.from_numpy(order[place * self.rows : (place + 1) * self.rows].copy())
        if self.layer == "RH":
            return self._raw(chosen, turn)
        t, run = chosen // self.runs, chosen % self.runs
        names = names_of(self.seed, run.numpy() + self.runs * turn, self.arms, "lesson names")
        given = (x[t, run] for x in (self.counts, self.sums, self.value, self.bonus))
        prompt = guide_rows(self.layer, names, *given)
        said = names.gather(1, self.actions[t, run].unsqueeze(1))
        return answered(prompt, said.squeeze(1))

    def _raw(self, run: Tensor, turn: int) -> tuple[Tensor, Tensor]:
        names = names_of(self.seed, run.numpy() + self.runs * turn, self.arms, "lesson names")
        said = names.gather(1, self.actions[:, run].t())  # [R, T]
        told = decimals(self.rewards[:, run].t())
        ask = torch.full_like(said, CHOOSE)
        start = raw_start(names)
        ids = torch.cat([start, torch.stack([said, told, ask], dim=2).flatten(1)[:, :-2]], dim=1)
        labelled = torch.zeros_like(ids, dtype=torch.bool)
        labelled[:, start.shape[1] :: 3] = True
        return ids, labelled


def answered(prompt: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
    """prompt [N, L], said [N] -> ids [N, L + 1] and the mask that labels the last."""
    ids = torch.cat([prompt, said.unsqueeze(1)], dim=1)
    labelled = torch.zeros_like(ids, dtype=torch.bool)
    labelled[:, -1] = True
    return ids, labelled


def reading(seed: int, number: int, size: int, most: int = 10) -> tuple[Tensor, Tensor]:
    """Batch `number` of generic tables: 2 to `most` rows of other names, in no order.

    first, sum     numbers to two decimals, one or two a row; `inf` now and then
    product        a count and a number

    Half of the tables hold numbers within 0.3 of each other: large differences teach little.
    """
    copies = np.arange(size) + size * number
    draws = Stream(seed, "tables")
    several = 2 + int(draws.integers(most - 1, number, 0, 900))
    kind = int(draws.integers(4, number, 1, 900))
    names = names_of(seed, copies, several, "table names")
    lanes = np.arange(several)
    a, b = (torch.from_numpy(draws.uniform(copies[:, None], step, lanes)) for step in (2, 3))
    near = torch.from_numpy(draws.uniform(copies, 4) < 0.5).unsqueeze(1)
    base = torch.from_numpy(draws.uniform(copies, 5)).unsqueeze(1)
    first = torch.where(near, base + 0.3 * (a - 0.5), a * 1.2 - 0.1)
    inf = torch.from_numpy(draws.uniform(copies[:, None], 6, lanes) < 0.03)
    if kind == 3:
        times = (b * 120).long()
        key = times * first
        prompt, query = rows(names, pulls(times), decimals(first)), PRODUCT
    elif kind == 2 or kind == 1:
        second = b * b * 2.0
        second = torch.where(inf, torch.inf, second)
        key = first + second
        prompt, query = rows(names, decimals(first), decimals(second)), SUM
    else:
        key = first
        if draws.uniform(number, 7, 900) < 0.5:
            prompt = rows(names, decimals(first))
        else:
            prompt = rows(names, decimals(first), pulls((b * 120).long()))
        query = FIRST
    prompt[:, -1] = query
    key = key.nan_to_num(posinf=1e6) + 1e-6 * a  # infinite ones tie by lot
    return answered(prompt, names.gather(1, key.argmax(dim=1, keepdim=True)).squeeze(1))
