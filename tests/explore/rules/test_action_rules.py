"""What every action rule promises, whichever it is."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules import (
    IMED,
    KLUCB,
    MOSS,
    UCB1,
    ArmTable,
    BernoulliArms,
    BetaThompson,
    Decreasing,
    EpsilonGreedy,
    Family,
    FastCB,
    FiniteHorizonIndex,
    GaussianArms,
    GaussianThompson,
    Gittins,
    Greedy,
    LinearDecay,
    MyopicBayes,
    Scores,
    Softmax,
    SquareCB,
    Uniform,
    choice,
)

KNOWN = GaussianArms(mean=(0.5, 0.0, 0.2, 0.5), sd=(0.0, 1.0, 2.0, 0.0))
ON_SCORES = [Greedy(), EpsilonGreedy(0.3), Softmax(0.7), Uniform(), SquareCB(3.0), FastCB(5.0, least_loss=0.1)]
ON_TABLES = [
    Greedy(untried=float("inf")),
    EpsilonGreedy(0.2, prior=GaussianArms()),
    Softmax(0.5, prior=BernoulliArms()),
    UCB1(),
    UCB1(0.2),
    GaussianThompson(),
    GaussianThompson(KNOWN),
    BetaThompson(BernoulliArms(0.6, 1.4)),
    MyopicBayes(),
    MyopicBayes(BernoulliArms()),
    FiniteHorizonIndex(20),
    FiniteHorizonIndex(20, KNOWN),
    FiniteHorizonIndex(20, BernoulliArms()),
    Gittins(0.9),
    Gittins(0.8, BernoulliArms()),
    SquareCB(4.0, least=0.05),
    Uniform(),
    KLUCB(),
    KLUCB(Family("gaussian", 0.5), c=3.0),
    IMED(),
    IMED(Family("gaussian")),
    MOSS(),
    MOSS(50, scale=2.0),
    EpsilonGreedy(Decreasing(0.2, 0.5)),
    EpsilonGreedy(LinearDecay(0.9, 0.1, 10), untried=1.0),
]
ALL = [*[(r, False) for r in ON_SCORES], *[(r, True) for r in ON_TABLES]]
NAMED = pytest.mark.parametrize(
    ("rule", "table"), ALL, ids=lambda x: type(x).__name__ if not isinstance(x, bool) else ""
)


def evidence_of(table: bool, rows: tuple[int, ...], seed: int = 0, arms: int = 4) -> Any:
    """Coarse numbers, so that ties occur; at most 4 pulls an arm; rewards 0 or 1."""
    rng = np.random.default_rng(seed)
    if not table:
        return Scores(rng.integers(-2, 3, (*rows, arms)) / 2)
    counts = rng.integers(0, 5, (*rows, arms)).astype(float)
    sums = np.round(counts * rng.random(counts.shape))
    return ArmTable(counts, sums, sums)


def mask_of(rows: tuple[int, ...], seed: int = 1, arms: int = 4) -> np.ndarray:
    mask = np.random.default_rng(seed).random((*rows, arms)) < 0.6
    mask[..., 2] |= ~mask.any(axis=-1)
    return mask


def to_torch(evidence: Any) -> Any:
    if isinstance(evidence, Scores):
        return Scores(torch.tensor(evidence.scores))
    return ArmTable(*(torch.tensor(x) for x in (evidence.counts, evidence.sums, evidence.squares)))


@NAMED
def test_propensities_sum_to_one_and_are_zero_off_the_mask(rule: Any, table: bool) -> None:
    mask = mask_of((5, 30))
    p = rule.propensities(evidence_of(table, (5, 30)), mask)
    assert p.shape == (5, 30, 4) and p.dtype == np.float64
    assert np.all(p[~mask] == 0) and np.all(p >= 0)
    assert np.allclose(p.sum(axis=-1), 1, atol=1e-12)


@NAMED
def test_propensities_match_sampled_frequencies(rule: Any, table: bool) -> None:
    n, rows = 4000, 6
    one, mask = evidence_of(table, (rows,), seed=5), mask_of((rows,))
    copies = np.arange(n)[:, None] + np.zeros(rows, dtype=np.int64)
    many = type(one)(*(np.broadcast_to(x, (n, rows, 4)) for x in vars(one).values()))
    decision = rule.decide(many, mask, Stream(1, "policy").at(copies, np.arange(rows)))
    p = rule.propensities(one, mask)
    for r in range(rows):
        share = np.bincount(decision.action[:, r], minlength=4) / n
        assert np.all(share[~mask[r]] == 0)
        assert np.all(np.abs(share - p[r]) < 4.5 * np.sqrt(p[r] * (1 - p[r]) / n) + 1e-9)


@NAMED
def test_numpy_and_torch_decide_alike(rule: Any, table: bool) -> None:
    evidence, mask, copies = evidence_of(table, (40,), seed=2), mask_of((40,)), np.arange(40)
    ours = rule.decide(evidence, mask, Stream(3, "policy").at(copies, 7))
    theirs = rule.decide(to_torch(evidence), torch.tensor(mask), Stream(3, "policy").at(torch.tensor(copies), 7))
    assert isinstance(theirs.action, torch.Tensor)
    assert np.array_equal(ours.action, theirs.action.numpy())
    assert np.allclose(ours.scores, theirs.scores.numpy(), rtol=1e-12, atol=1e-12)
    assert np.allclose(ours.propensity, theirs.propensity.numpy(), rtol=1e-9, atol=1e-12)


@NAMED
def test_a_row_decides_alone_as_in_the_batch(rule: Any, table: bool) -> None:
    evidence, mask = evidence_of(table, (12,), seed=4), mask_of((12,))
    whole = rule.decide(evidence, mask, Stream(3, "policy").at(np.arange(12), 2))
    for i in (0, 5, 11):
        single = type(evidence)(*(x[i] for x in vars(evidence).values()))
        alone = rule.decide(single, mask[i], Stream(3, "policy").at(i, 2))
        assert alone.action.shape == () and int(alone.action) == whole.action[i]
        assert float(alone.propensity) == pytest.approx(whole.propensity[i], abs=1e-12)


@NAMED
def test_short_rows_are_decided_as_long_ones(rule: Any, table: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop over the numbers of one short row has the same result as the arrays that longer rows go through."""
    evidence, mask = evidence_of(table, (60,), seed=6), mask_of((60,))

    def taken() -> tuple[list[int], list[float], np.ndarray]:
        alone = [type(evidence)(*(x[i] for x in vars(evidence).values())) for i in range(60)]
        decided = [rule.decide(one, mask[i], Stream(3, "policy").at(i, 5)) for i, one in enumerate(alone)]
        every = np.array([rule.propensities(one, mask[i]) for i, one in enumerate(alone)])
        return [int(d.action) for d in decided], [float(d.propensity) for d in decided], every

    short = taken()
    monkeypatch.setattr(choice, "FEW", 0)
    long = taken()
    assert short[0] == long[0]
    assert np.allclose(short[1], long[1], rtol=1e-12) and np.allclose(short[2], long[2], rtol=1e-12)


@NAMED
def test_the_decision_carries_the_propensity_of_its_action(rule: Any, table: bool) -> None:
    evidence, mask = evidence_of(table, (20,), seed=9), mask_of((20,))
    decision = rule.decide(evidence, mask, Stream(0, "policy").at(np.arange(20)))
    assert np.all(mask[np.arange(20), decision.action])
    expected = rule.propensities(evidence, mask)[np.arange(20), decision.action]
    assert np.allclose(decision.propensity, expected, atol=1e-12) and np.all(decision.propensity > 0)
    assert rule.propensity_method in ("closed form", "quadrature")


@NAMED
def test_a_row_that_allows_nothing_is_named(rule: Any, table: bool) -> None:
    mask = np.ones((3, 4), dtype=bool)
    mask[1] = False
    with pytest.raises(BadValue, match=r"^mask\[1\] must be true for at least one action"):
        rule.propensities(evidence_of(table, (3,)), mask)
    with pytest.raises(BadValue, match=r"^mask\[1\]"):
        rule.decide(evidence_of(table, (3,)), mask, Stream(0, "policy").at(np.arange(3)))


@pytest.mark.parametrize(("rule", "table"), [x for x in ALL if getattr(x[0], "prior", None) is not KNOWN])
def test_a_constant_row_is_shared_equally(rule: Any, table: bool) -> None:
    flat = np.full((1, 4), 2.0)
    p = rule.propensities(ArmTable(flat, flat / 2, flat / 2) if table else Scores(flat), None)
    assert np.allclose(p, 0.25, atol=1e-7)


@pytest.mark.parametrize("rule", [r for r in ON_SCORES if not isinstance(r, Uniform)], ids=lambda r: type(r).__name__)
def test_nan_scores_are_refused_with_their_row(rule: Any) -> None:
    scores = np.zeros((2, 3))
    scores[1, 2] = np.nan
    with pytest.raises(BadValue, match=r"^scores\[1\] must be free of NaN"):
        rule.decide(Scores(scores), None, Stream(0, "policy").at(np.arange(2)))
    with pytest.raises(BadValue, match=r"^scores\[1\]"):
        rule.propensities(Scores(torch.tensor(scores)), None)


@pytest.mark.parametrize("rule", [r for r in ON_TABLES if not isinstance(r, Uniform)], ids=lambda r: type(r).__name__)
def test_nan_rewards_are_refused(rule: Any) -> None:
    sums = np.zeros((2, 4))
    sums[1, 1] = np.nan
    with pytest.raises(BadValue):
        rule.decide(ArmTable(np.ones((2, 4)), sums, sums), None, Stream(0, "policy").at(np.arange(2)))


@pytest.mark.parametrize("rule", [UCB1(), GaussianThompson(), BetaThompson(), MyopicBayes(), Gittins(0.5)])
def test_rules_over_arms_say_so_when_given_scores(rule: Any) -> None:
    with pytest.raises(BadValue, match="ArmTable"):
        rule.propensities(Scores(np.zeros((1, 2))), None)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=6), st.data())
@settings(max_examples=50, deadline=None)
def test_only_the_allowed_best_are_taken(scores: list[int], data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)).filter(any))
    best = max(s for s, m in zip(scores, mask, strict=True) if m)
    ties = [m and s == best for s, m in zip(scores, mask, strict=True)]
    p = Greedy().propensities(Scores(np.array(scores)), np.array(mask))
    assert np.allclose(p, np.array(ties) / sum(ties))


def test_impossible_settings_are_refused_by_name() -> None:
    for make, field in [
        (lambda: EpsilonGreedy(1.2), "epsilon"),
        (lambda: EpsilonGreedy(float("nan")), "epsilon"),
        (lambda: Softmax(0.0), "temperature"),
        (lambda: UCB1(-0.1), "alpha"),
        (lambda: FiniteHorizonIndex(0), "horizon"),
        (lambda: Gittins(1.0), "discount"),
        (lambda: GaussianArms(sd=-1.0), "sd"),
        (lambda: GaussianArms(noise_sd=float("nan")), "noise_sd"),
        (lambda: GaussianArms(mean=float("inf")), "mean"),
        (lambda: BernoulliArms(a=0.0), "a"),
        (lambda: SquareCB(-1.0), "gamma"),
        (lambda: SquareCB(float("nan")), "gamma"),
        (lambda: SquareCB(np.array([1.0, -2.0])), "gamma"),
        (lambda: SquareCB(1.0, least=1.5), "least"),
        (lambda: FastCB(1.0, least_loss=0.0), "least_loss"),
    ]:
        with pytest.raises(BadValue, match=f"^{field} "):
            make()


def test_the_rules_need_neither_torch_nor_scipy() -> None:
    code = "import sys, wayfare.explore.rules; print([m for m in ('torch', 'scipy', 'gymnasium') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
