from __future__ import annotations

import math
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wayfare.bits import COPY, GAMMA, LANE, NAME, SEED, STEP, TURN
from wayfare.draws import Stream
from wayfare.errors import BadValue

WORD = (1 << 64) - 1
integers = st.integers(-(2**62), 2**62)


def mix(z: int) -> int:
    """SplitMix64's finaliser on unsigned Python integers."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def by_hand(seed: int, name: str, copy: int, step: int, lane: int) -> float:
    key = mix((seed * 0x9E3779B97F4A7C15 + crc32(name.encode()) * 0xD1B54A32D192ED03) & WORD)
    z = key + copy * 0xA0761D6478BD642F + step * 0xE7037ED1A0B428DB + lane * 0x8EBC6AF09C88C6E3
    return ((mix(z & WORD) >> 12) + 0.5) / 2**52


@given(integers, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_uniform_is_the_hash_of_its_address(seed: int, copy: int, step: int, lane: int) -> None:
    assert float(Stream(seed, "task").uniform(copy, step, lane)) == by_hand(seed, "task", copy, step, lane)


def test_numpy_and_torch_agree_to_the_bit() -> None:
    seed, copy, step, lane = np.arange(-3, 4)[:, None, None], np.arange(50)[:, None], 12345, np.arange(4)
    array = Stream(seed, "x")
    tensor = Stream(torch.tensor(seed), "x")
    tensors = (torch.tensor(copy), step, torch.tensor(lane))
    assert np.array_equal(array.uniform(copy, step, lane), tensor.uniform(*tensors).numpy())
    assert np.array_equal(array.integers(7, copy, step, lane), tensor.integers(7, *tensors).numpy())
    assert np.allclose(array.normal(copy, step, lane), tensor.normal(*tensors).numpy(), rtol=1e-12, atol=1e-12)
    p = np.random.default_rng(0).dirichlet(np.ones(5), size=(7, 50, 4))
    assert np.array_equal(array.categorical(p, copy, step, lane), tensor.categorical(torch.tensor(p), *tensors).numpy())
    a = np.full((7, 50, 4), 0.7)
    theirs = tensor.beta(torch.tensor(a), torch.tensor(2 * a), *tensors).numpy()
    assert np.allclose(array.beta(a, 2 * a, copy, step, lane), theirs, rtol=1e-9)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_a_draw_depends_on_its_address_and_not_on_the_batch(kind: str) -> None:
    whole = getattr(Stream(np.arange(3)[:, None, None], "x"), kind)(np.arange(8)[:, None], 5, np.arange(4))
    for s, c, lane in [(0, 0, 0), (2, 7, 3), (1, 3, 2)]:
        assert getattr(Stream(s, "x"), kind)(c, 5, lane) == whole[s, c, lane]
    a = np.full((3, 8, 4), 1.3)
    betas = Stream(np.arange(3)[:, None, None], "x").beta(a, a, np.arange(8)[:, None], 5, np.arange(4))
    assert Stream(2, "x").beta(np.float64(1.3), np.float64(1.3), 7, 5, 3) == pytest.approx(betas[2, 7, 3], rel=1e-12)


def test_seeds_in_an_array_draw_as_each_alone() -> None:
    seeds, copy = np.array([4, -9, 4]), np.array([0, 1, 1])
    for face in (lambda d: d.uniform(), lambda d: d.uniform(3), lambda d: d.normal(3)):
        together = face(Stream(seeds, "x").at(copy, 2))
        for i in range(3):
            assert np.array_equal(together[i], face(Stream(int(seeds[i]), "x").at(int(copy[i]), 2)))
        tensors = face(Stream(torch.tensor(seeds), "x").at(torch.tensor(copy), 2))
        assert np.allclose(together, tensors.numpy(), rtol=1e-12)


LONG = np.arange(200_000)
AXES = {
    "copies": (LONG, 0, 0),
    "steps": (3, LONG, 0),
    "lanes": (0, 0, LONG),
    "grid": (LONG[:447, None], LONG[:447], 1),
    "diagonal": (LONG, LONG, LONG),
}


@pytest.mark.parametrize("axis", AXES)
def test_uniforms_and_normals_follow_their_law_along_every_axis(axis: str) -> None:
    u = Stream(0, "x").uniform(*AXES[axis]).ravel()
    z = Stream(0, "x").normal(*AXES[axis]).ravel()
    assert u.min() > 0 and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert stats.kstest(z, "norm").pvalue > 1e-3
    for x in (u, z, z * z):
        lagged = [np.corrcoef(x[:-lag], x[lag:])[0, 1] for lag in (1, 2, 3, 64)]
        assert np.abs(lagged).max() < 4.5 / math.sqrt(len(x))


def test_draws_of_neighbouring_seeds_are_independent() -> None:
    u = Stream(LONG, "x").uniform(0)
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4.5 / math.sqrt(len(u))


def test_streams_lanes_steps_and_kinds_of_one_address_are_independent() -> None:
    s, other = Stream(1, "task"), Stream(1, "policy")
    two = np.full(len(LONG), 2.0)
    columns = [
        s.uniform(LONG), s.uniform(LONG, 1), s.uniform(LONG, 0, 1), s.normal(LONG), s.beta(two, two, LONG),
        s.at(LONG).uniform(2)[:, 1], other.uniform(LONG), other.normal(LONG),
    ]  # fmt: skip
    for power in (1, 2):
        table = np.abs(np.corrcoef(np.stack([(c - c.mean()) ** power for c in columns])) - np.eye(len(columns)))
        assert table.max() < 4.5 / math.sqrt(len(LONG))


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.3, 0.5), (2.0, 7.0), (150.0, 40.0), (0.02, 3.0)])
def test_betas_follow_their_law(a: float, b: float) -> None:
    x = Stream(5, "x").beta(np.full(30_000, a), np.full(30_000, b), LONG[:30_000])
    assert stats.kstest(x, stats.beta(a, b).cdf).pvalue > 1e-3


def test_betas_of_tiny_shapes_stay_numbers() -> None:
    tiny = np.full(1000, 1e-4)
    x = Stream(5, "x").beta(tiny, tiny, LONG[:1000])
    assert np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1
    assert 0.4 < x.mean() < 0.6


def test_categories_come_as_often_as_told_and_never_off_the_mask() -> None:
    p = np.array([0.0, 0.2, 0.0, 0.7, 0.1, 0.0])
    drawn = Stream(0, "x").categorical(np.tile(p, (100_000, 1)), LONG[:100_000])
    counts = np.bincount(drawn, minlength=6)
    assert counts[p == 0].sum() == 0
    assert stats.chisquare(counts[p > 0], p[p > 0] * 100_000).pvalue > 1e-3


def test_integers_are_uniform_below_their_bound() -> None:
    counts = np.bincount(Stream(0, "x").integers(10, LONG), minlength=10)
    assert len(counts) == 10 and stats.chisquare(counts).pvalue > 1e-3
    assert np.all(Stream(0, "x").integers(np.array([1, 2, 1000]), np.arange(3)) < [1, 2, 1000])


def test_bad_addresses_are_refused_by_name() -> None:
    with pytest.raises(BadValue, match="seed"):
        Stream(0.5, "x")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="copy"):
        Stream(0, "x").uniform(np.ones(3))
    with pytest.raises(BadValue, match="step"):
        Stream(0, "x").uniform(0, True)
    with pytest.raises(BadValue, match="a must be above 0"):
        Stream(0, "x").beta(np.zeros(2), np.ones(2), np.arange(2))
    for high in (0, 1 << 31):
        with pytest.raises(BadValue, match="high"):
            Stream(0, "x").integers(high, 0)


@pytest.mark.parametrize("torched", [False, True])
@pytest.mark.parametrize("shape", [0.3, 1.0, 1.3, 40.0])
def test_a_gamma_is_the_first_accepted_round_of_the_textbook(shape: float, torched: bool) -> None:
    """Marsaglia & Tsang, one address after the other: round k hashes turns 8 k and 8 k + 4 of the address."""
    copies, step, lane = 3000, 5, 2
    kind = torch.as_tensor if torched else np.asarray
    drawn = Stream(7, "g").log_gamma(kind(np.full(copies, shape)), kind(np.arange(copies)), step, lane)
    key, d, later = mix((7 * SEED + crc32(b"g") * NAME) & WORD), max(shape, shape + (shape < 1)) - 1 / 3, 0
    for copy in range(copies):
        begin = key + copy * COPY + step * STEP + lane * LANE + GAMMA * TURN
        for turn in range(8, 800, 8):
            bits = mix((begin + turn * TURN) & WORD)
            coin = ((mix((begin + (turn + 4) * TURN) & WORD) >> 32) + 0.5) * 2.0**-32
            u, angle = ((bits >> 32) + 0.5) * 2.0**-32, ((bits & 0xFFFFFFFF) + 0.5) * 2.0**-32 * 2 * math.pi
            x = math.sqrt(-2 * math.log(u)) * math.cos(angle)
            v = (1 + x / math.sqrt(9 * d)) ** 3
            if v > 0 and math.log(coin) < 0.5 * x * x + d - d * v + d * math.log(v):
                break
        later += turn > 16
        raised = math.log(((mix(begin & WORD) >> 12) + 0.5) * 2.0**-52) / shape if shape < 1 else 0.0
        assert float(drawn[copy]) == pytest.approx(math.log(d * v) + raised, abs=1e-9)
    assert shape > 10 or later
