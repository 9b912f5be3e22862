"""Looking ahead against a slow recursion over all branches, and the optimistic rows against linear programs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from wayfare.errors import BadValue
from wayfare.learn.lookahead import extended, likely_path, lookahead


def _tables(n: int, states: int, actions: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    p = torch.rand(n, states, actions, states, dtype=torch.float64) ** 2
    return p / p.sum(-1, keepdim=True), torch.rand(n, states, actions, dtype=torch.float64)


def test_depth_is_a_tree_searched_to_the_bottom() -> None:
    p, r = _tables(2, 3, 2)
    leaf = torch.rand(2, 3, dtype=torch.float64)

    def value(n: int, s: int, depth: int) -> float:
        if depth == 0:
            return float(leaf[n, s])
        return max(branch(n, s, a, depth) for a in range(2))

    def branch(n: int, s: int, a: int, depth: int) -> float:
        return float(r[n, s, a]) + 0.9 * sum(float(p[n, s, a, t]) * value(n, t, depth - 1) for t in range(3))

    found = lookahead(p, r, 4, 0.9, leaf)
    for n in range(2):
        for s in range(3):
            assert found[n, s].tolist() == pytest.approx([branch(n, s, a, 4) for a in range(2)])
    assert torch.allclose(lookahead(p, r, 1, 0.9), r)


def test_optimistic_rows_solve_the_linear_program() -> None:
    p, r = _tables(1, 4, 2)
    radius = torch.tensor([[[0.0, 0.3], [0.7, 2.0], [1.5, 0.1], [0.4, 0.9]]], dtype=torch.float64)
    value = extended(p, r, radius, 1, 0.9).amax(-1)[0].numpy()
    found = extended(p, r, radius, 2, 0.9)[0]
    for s in range(4):
        for a in range(2):
            row = p[0, s, a].numpy()
            # q and d >= |q - p|: maximise q . value with sum d <= radius
            eye = np.eye(4)
            upper = np.block([[eye, -eye], [-eye, -eye], [np.zeros((1, 4)), np.ones((1, 4))]])
            bounds = np.concatenate([row, -row, [float(radius[0, s, a])]])
            total = np.concatenate([np.ones(4), np.zeros(4)])[None]
            best = linprog(np.concatenate([-value, np.zeros(4)]), upper, bounds, total, [1.0], bounds=(0, None))
            assert found[s, a].item() == pytest.approx(float(r[0, s, a]) - 0.9 * best.fun, abs=1e-7)


def test_the_likely_path_follows_the_likeliest_successors() -> None:
    p = torch.zeros(1, 3, 2, 3, dtype=torch.float64)
    p[0, 0, 1, 1] = p[0, 1, 0, 2] = p[0, 2, 1, 0] = 1.0
    q = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    assert likely_path(p, q, torch.tensor([0]), 4).tolist() == [[1, 0, 1, 1]]


def test_a_plan_without_a_step_is_refused() -> None:
    p, r = _tables(1, 2, 2)
    for call in (lambda: lookahead(p, r, 0, 0.9), lambda: extended(p, r, r, 0, 0.9)):
        with pytest.raises(BadValue, match="depth"):
            call()
