from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.explore.rules import UCB1, ArmTable, BetaThompson, GaussianThompson
from wayfare.explore.rules.choice import pick, share_ties

COPIES, ARMS, STEPS = 70, 5, 60


def rows_first(table: ArmTable) -> ArmTable:
    return ArmTable(*(np.array(x, order="C") for x in (table.counts, table.sums, table.squares)))


def torched(table: ArmTable) -> ArmTable:
    return ArmTable(*(torch.as_tensor(np.array(x)) for x in (table.counts, table.sums, table.squares)))


@pytest.mark.parametrize("rule", [UCB1(), UCB1(0.0), BetaThompson(), GaussianThompson()])
def test_a_game_is_the_same_however_its_table_lies_in_memory_and_in_torch(rule: Any) -> None:
    copies, table = np.arange(COPIES), ArmTable.empty((COPIES, ARMS), like=np.zeros(1))
    assert table.counts.T.flags.c_contiguous
    stream, coins, ties = Stream(3, "policy"), Stream(3, "coins"), 0
    for t in range(STEPS):
        decision = rule.decide(table, None, stream.at(copies, t))
        other = rule.decide(rows_first(table), None, stream.at(copies, t))
        assert (decision.scores == other.scores).all() and (decision.action == other.action).all()
        third = rule.decide(torched(table), None, stream.at(torch.arange(COPIES), t))
        assert (decision.action == third.action.numpy()).all()
        best = decision.scores == decision.scores.max(axis=1, keepdims=True)
        ties += (best.sum(axis=1) > 1).sum()
        if t % 20 == 0:
            for b in range(COPIES):
                row = ArmTable(table.counts[b], table.sums[b], table.squares[b])
                assert rule.decide(row, None, stream.at(b, t)).action == decision.action[b]
        reward = (coins.uniform(copies, t) < np.linspace(0.3, 0.7, ARMS)[decision.action]).astype(float)
        known = coins.uniform(copies, t, 1) < (0.9 if t % 2 else 1.1)
        new = table.updated(decision.action, reward, known)
        assert (new.sums == rows_first(table).updated(decision.action, reward, known).sums).all()
        assert (
            new.counts == torched(table).updated(*map(torch.as_tensor, (decision.action, reward, known))).counts.numpy()
        ).all()
        table = new
    assert table.counts.T.flags.c_contiguous
    assert isinstance(rule, UCB1) == bool(ties)


@pytest.mark.parametrize("shape", [(40, 4), (8, 5, 4), (1, 4)])
@pytest.mark.parametrize("masked", [False, True])
def test_of_several_best_the_largest_draw_is_taken_as_a_loop_would(shape: tuple[int, ...], masked: bool) -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 3, shape).astype(float)
    scores[scores == 0] = -np.inf
    mask = None
    if masked:
        mask = rng.random(shape) < 0.6
        mask[..., 1] |= ~mask.any(axis=-1)
    copies = np.arange(scores[..., 0].size).reshape(shape[:-1])
    uniform = Stream(5, "policy").at(copies, 2).uniform(4)
    may = np.ones(shape, dtype=bool) if mask is None else mask
    actions, shares = pick(scores, mask, Stream(5, "policy").at(copies, 2)), share_ties(scores, may)
    for place in np.ndindex(shape[:-1]):
        allowed = [i for i in range(4) if may[place][i]]
        top = max(scores[place][i] for i in allowed)
        tied = [i for i in allowed if scores[place][i] == top]
        assert actions[place] == max(tied, key=lambda i: uniform[place][i])
        assert shares[place].tolist() == [(i in tied) / len(tied) for i in range(4)]
    told = torch.as_tensor(mask) if masked else None
    draws = Stream(5, "policy").at(torch.as_tensor(copies), 2)
    assert (pick(torch.as_tensor(scores), told, draws).numpy() == actions).all()
