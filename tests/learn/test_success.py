"""Success models: fits begin anew, rows are of their own seed, and what is there to be learned is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from wayfare.errors import BadValue
from wayfare.learn import SuccessModel


def _log(seeds: list[int], rows: int = 3000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Contexts [S, N, 2], actions of 2, successes, and the true chances [S, N, 2]: |x_0| decides for action 1."""
    made = []
    for seed in seeds:
        g = np.random.default_rng(seed)
        x = g.normal(size=(rows, 2))
        p = 1 / (1 + np.exp(-np.stack([x[:, 1], 3 * np.abs(x[:, 0]) - 2], axis=1)))
        a = g.integers(2, size=rows)
        made.append((x, a, g.random(rows) < p[np.arange(rows), a], p))
    x, a, y, p = (torch.tensor(np.stack(column)) for column in zip(*made, strict=True))
    return x.float(), a, y.float(), p


def test_a_network_learns_what_a_linear_model_cannot_represent() -> None:
    x, a, y, p = _log([0, 1])
    errors = {}
    for hidden in (0, 16):
        model = SuccessModel([0, 1], 2, 2, hidden=hidden)
        model.fit(x, a, y)
        errors[hidden] = (model.scores(x) - p).abs().mean(dim=(0, 1))
    assert (errors[16] < 0.05).all() and errors[0][0] < 0.05 and errors[0][1] > 0.15


def test_the_linear_model_is_logistic_regression() -> None:
    x, a, y, _ = _log([3])
    model = SuccessModel([3], 2, 2, hidden=0, updates=1500, batch=1024, weight_decay=0.0)
    model.fit(x, a, y)
    for action in range(2):
        rows = (a[0] == action).numpy()
        peer = LogisticRegression(C=1e6).fit(x[0, rows], y[0, rows])
        assert model.scores(x)[0, :, action].numpy() == pytest.approx(peer.predict_proba(x[0])[:, 1], abs=0.03)


def test_a_fit_forgets_the_one_before_and_knows_no_neighbour() -> None:
    x, a, y, _ = _log([5, 6], 200)
    once = SuccessModel([5, 6], 2, 2, updates=20, batch=64)
    once.fit(x, a, y, 1)
    twice = SuccessModel([5, 6], 2, 2, updates=20, batch=64)
    twice.fit(x, a, 1 - y, 0)
    twice.fit(x, a, y, 1)
    assert torch.equal(once.scores(x), twice.scores(x))
    alone = SuccessModel([6], 2, 2, updates=20, batch=64)
    alone.fit(x[1:], a[1:], y[1:], 1)
    assert alone.scores(x[1:])[0].numpy() == pytest.approx(once.scores(x)[1].numpy(), abs=1e-5)
    twice.fit(x, a, y, 2)
    assert not torch.equal(once.scores(x), twice.scores(x))  # another generation draws other rows


@pytest.mark.parametrize("field", ["dimension", "actions", "updates", "batch"])
def test_impossible_numbers_are_refused_by_name(field: str) -> None:
    with pytest.raises(BadValue) as refused:
        SuccessModel([0], **{"dimension": 2, "actions": 2, field: 0})
    assert refused.value.field == field
    with pytest.raises(BadValue, match="hidden"):
        SuccessModel([0], 2, 2, hidden=-1)


def test_a_log_that_does_not_fit_together_is_refused() -> None:
    x, a, y, _ = _log([0], 10)
    model = SuccessModel([0], 2, 2, updates=1)
    for wrong in ((x, a[:, :9], y), (x, a, y[:, :9]), (x[:, :0], a[:, :0], y[:, :0])):
        with pytest.raises(BadValue, match="log"):
            model.fit(*wrong)
