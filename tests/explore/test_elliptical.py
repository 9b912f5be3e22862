"""Elliptical memories: against the inverse computed whole, order, keys and state."""

from __future__ import annotations

import io

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore import elliptical
from wayfare.explore.elliptical import EllipticalMemory, KeyedEllipticalMemory

X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def exact(seen, x, ridge):
    return (x @ torch.linalg.inv(ridge * torch.eye(6, dtype=torch.float64) + seen.T @ seen) * x).sum(dim=1)


@pytest.mark.parametrize("sizes", [[1] * 30, [30], [3, 7, 20]])
def test_the_bonus_is_that_of_the_whole_inverse_however_rows_came(sizes):
    memory = EllipticalMemory(6, 0.01)
    for rows in X[:30].split(sizes):
        memory.add(rows)
    torch.testing.assert_close(memory.bonus(X[30:]), exact(X[:30], X[30:], 0.01), rtol=1e-9, atol=0)
    assert memory.seen == 30


def test_an_empty_memory_measures_squared_length():
    torch.testing.assert_close(EllipticalMemory(6, 0.5).bonus(X), X.square().sum(dim=1) / 0.5)


def test_what_was_seen_is_less_novel_and_nothing_gains(fresh=X[:5]):
    memory = EllipticalMemory(6, 1.0)
    before = memory.bonus(X)
    memory.add(fresh)
    assert (memory.bonus(X) <= before + 1e-12).all()
    assert (memory.bonus(fresh) < 1).all()


def test_thousands_of_rank_one_updates_do_not_drift(monkeypatch):
    monkeypatch.setattr(elliptical, "REFRESH", 50)
    memory, big = EllipticalMemory(6, 1e-8), X.repeat(5, 1) * 1000  # without it the last line is off by a part in 300
    for row in big:
        memory.add(row[None])
    torch.testing.assert_close(memory.bonus(X), exact(big, X, 1e-8), rtol=1e-9, atol=0)


def test_state_travels_as_plain_tensors_and_gives_the_same_bits():
    memory, again = EllipticalMemory(6), EllipticalMemory(6)
    memory.add(X[:4])
    kept = io.BytesIO()
    torch.save(memory.state_dict(), kept)
    kept.seek(0)
    again.load_state_dict(torch.load(kept, weights_only=True))
    for one in (memory, again):
        one.add(X[4:9])
    assert torch.equal(memory.bonus(X), again.bonus(X))
    with pytest.raises(BadValue, match="dimension 5"):
        EllipticalMemory(5).load_state_dict(memory.state_dict())


def test_features_without_numbers_are_refused_before_anything_changes():
    memory = EllipticalMemory(6)
    for wrong in (torch.full((2, 6), float("nan")), X[:, :5], X[0]):
        with pytest.raises(BadValue, match="features"):
            memory.add(wrong)
    assert memory.seen == 0
    with pytest.raises(BadValue, match="ridge"):
        EllipticalMemory(6, 0.0)


def test_each_key_has_an_ellipsoid_about_its_own_running_mean():
    memory = KeyedEllipticalMemory(6, 0.1)
    shifted = X + 100.0
    keys = ["a" if row % 3 else "b" for row in range(40)]
    for rows in torch.arange(40).split([1, 4, 15, 20]):
        memory.add([keys[row] for row in rows], shifted[rows])
    got = memory.bonus(["a", "b", "c"], shifted[:3])
    for name, value, x in zip("ab", got[:2], shifted, strict=False):
        seen = shifted[[row for row in range(40) if keys[row] == name]]
        want = exact(seen - seen.mean(dim=0), (x - seen.mean(dim=0))[None], 0.1)
        torch.testing.assert_close(value, want[0], rtol=1e-7, atol=0)
    assert got[2] == 0
    again = KeyedEllipticalMemory(6, 0.1)
    again.load_state_dict(memory.state_dict())
    assert torch.equal(again.bonus(keys, X), memory.bonus(keys, X))
    assert len(again) == 2
    with pytest.raises(BadValue, match="keys"):
        memory.add(["a"], X[:2])
