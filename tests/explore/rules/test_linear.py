"""LinUCB, linear Thompson sampling and their evidence: normal equations, plain loops, propensities, regret."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.compare import Policy, compare
from wayfare.explore.learners import LinearEvidence, RidgeRegression
from wayfare.explore.rules import EpsilonGreedy, Greedy, LinearTable, LinearThompson, LinUCB, Scores, SquareCB, Uniform
from wayfare.explore.rules.evidence import with_one_more
from wayfare.worlds import LinearBandit

ROWS, ARMS, SIZE = 6, 4, 3
KINDS = ["own", "own features and theta", "shared"]


def table_of(kind: str, rows: int = ROWS, pulls: int = 12, seed: int = 0) -> LinearTable:
    """After some pulls of random arms with random rewards."""
    rng = np.random.default_rng(seed)
    shape = (rows, 1 if kind == "own" else ARMS, SIZE)
    table = LinearTable.empty(rng.normal(size=shape), 1 if kind == "shared" else ARMS, 0.8)
    for _ in range(pulls):
        table = table.updated(rng.integers(0, ARMS, rows), rng.normal(size=rows))
        table = LinearTable(table.inverse, table.sums, rng.normal(size=shape))
    return table


def in_torch(table: LinearTable) -> LinearTable:
    return LinearTable(*(torch.tensor(x) for x in (table.inverse, table.sums, table.features)))


def row(table: LinearTable, i: int) -> LinearTable:
    return LinearTable(table.inverse[i], table.sums[i], table.features[i])


@given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_one_more_row_is_the_direct_inverse(size: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inverse, whole = np.eye(size) / 0.3, 0.3 * np.eye(size)
    for x in rng.normal(size=(rows, size)):
        inverse, whole = with_one_more(inverse, x), whole + np.outer(x, x)
        assert np.array_equal(inverse, inverse.T)
    assert np.allclose(inverse, np.linalg.inv(whole), rtol=1e-8, atol=1e-10)
    assert np.array_equal(with_one_more(inverse, np.zeros(size)), inverse)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_the_least_squares_of_what_it_saw(kind: str) -> None:
    rng = np.random.default_rng(1)
    shape = (1, 1 if kind == "own" else ARMS, SIZE)
    table = LinearTable.empty(rng.normal(size=shape), 1 if kind == "shared" else ARMS, 0.5)
    xs: list[list[np.ndarray]] = [[] for _ in range(ARMS)]
    rs: list[list[float]] = [[] for _ in range(ARMS)]
    for t in range(30):
        shown, action, reward = rng.normal(size=shape), rng.integers(0, ARMS, 1), rng.normal(size=1)
        known = np.array([t % 3 > 0])
        table = LinearTable(table.inverse, table.sums, shown).updated(action, reward, known)
        if known[0]:
            theta = 0 if kind == "shared" else int(action[0])
            xs[theta].append(shown[0, 0 if kind == "own" else action[0]])
            rs[theta].append(reward[0])
    assert table.shape == (1, ARMS) and table.shared == (kind == "shared")
    for a in range(ARMS):
        theta = 0 if kind == "shared" else a
        design = np.array(xs[theta]).reshape(-1, SIZE)
        whole = design.T @ design + 0.5 * np.eye(SIZE)
        x = table.features[0, 0 if kind == "own" else a]
        assert table.mean()[0, a] == pytest.approx(x @ np.linalg.solve(whole, design.T @ np.array(rs[theta])))
        assert table.spread()[0, a] == pytest.approx(x @ np.linalg.solve(whole, x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "rule", [LinUCB(0.7), LinearThompson(0.5, 50), Greedy(), EpsilonGreedy(0.4), SquareCB(5.0), Uniform()], ids=str
)
def test_numpy_torch_and_single_rows_decide_alike(rule: Any, kind: str) -> None:
    table, mask = table_of(kind), np.random.default_rng(3).random((ROWS, ARMS)) < 0.6
    mask[:, 1] = True
    ours = rule.decide(table, mask, Stream(3, "policy").at(np.arange(ROWS), 7))
    theirs = rule.decide(in_torch(table), torch.tensor(mask), Stream(3, "policy").at(torch.arange(ROWS), 7))
    assert isinstance(theirs.action, torch.Tensor) and np.array_equal(ours.action, theirs.action.numpy())
    assert np.allclose(ours.scores, theirs.scores.numpy(), atol=1e-10)
    assert np.allclose(ours.propensity, theirs.propensity.numpy(), atol=1e-9)
    p = rule.propensities(table, mask)
    assert p.shape == (ROWS, ARMS) and np.allclose(p.sum(axis=-1), 1) and np.all(p >= 0) and np.all(p[~mask] == 0)
    for i in range(ROWS):
        alone = rule.decide(row(table, i), mask[i], Stream(3, "policy").at(i, 7))
        assert int(alone.action) == ours.action[i]
        assert float(alone.propensity) == pytest.approx(ours.propensity[i], abs=1e-12)


def test_linucb_by_hand_with_value_and_bonus_apart() -> None:
    """Arm 0 saw (1, 0) pay 2, three times, with a ridge of 1: theta = (6/4, 0), x' A^-1 x = 1/4 + 1 at x = (1, 1)."""
    table = LinearTable.empty(np.array([[1.0, 0.0]]), 2)
    for _ in range(3):
        table = table.updated(np.array(0), np.array(2.0))
    table = LinearTable(table.inverse, table.sums, np.array([[1.0, 1.0]]))
    rule = LinUCB(0.5)
    assert rule.value(table) == pytest.approx([1.5, 0.0])
    assert rule.bonus(table) == pytest.approx([0.5 * math.sqrt(1.25), 0.5 * math.sqrt(2.0)])
    assert rule.scores(table) == pytest.approx(rule.value(table) + rule.bonus(table))
    assert rule.propensities(table).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("features", ["context", "action"])
@pytest.mark.parametrize("kind", ["ucb", "thompson"])
def test_a_plain_loop_of_one_copy_chooses_the_same_actions(features: Any, kind: str) -> None:
    copies, horizon = 8, 25
    rule: Any = LinUCB(0.6) if kind == "ucb" else LinearThompson(0.6)
    learner = LinearEvidence(SIZE, features, 0.9)
    learner.begin(copies, ARMS, np.zeros(1))
    stream, world = Stream(2, "policy"), Stream(3, "world")
    wide = SIZE * (ARMS if features == "action" else 1)
    tried = set()
    state = [[[0.9 * np.eye(SIZE), np.zeros(SIZE)] for _ in range(ARMS if wide == SIZE else 1)] for _ in range(copies)]
    for t in range(horizon):
        context = world.at(np.arange(copies), t).normal(wide)
        action = rule.decide(learner.evidence(context), None, stream.at(np.arange(copies), t)).action
        reward = world.normal(np.arange(copies), t, 77 + action)
        learner.learn(context, action, reward, np.ones(copies, dtype=bool))
        for b in range(copies):
            draws, scores = stream.at(b, t), []
            for a in range(ARMS):
                x = context[b] if wide == SIZE else context[b, a * SIZE : (a + 1) * SIZE]
                whole, paid = state[b][a if wide == SIZE else 0]
                inverse = np.linalg.inv(whole)
                mean = x @ inverse @ paid
                if kind == "ucb":
                    scores.append(mean + 0.6 * math.sqrt(x @ inverse @ x))
                elif wide == SIZE:
                    scores.append(mean + 0.6 * math.sqrt(x @ inverse @ x) * draws.normal(ARMS)[a])
                else:
                    scores.append(mean + 0.6 * x @ np.linalg.cholesky(inverse) @ draws.normal(SIZE))
            ties = draws.uniform(ARMS)
            assert max(range(ARMS), key=lambda a: (scores[a], ties[a])) == action[b], f"copy {b}, step {t}"
            x = context[b] if wide == SIZE else context[b, action[b] * SIZE : (action[b] + 1) * SIZE]
            entry = state[b][action[b] if wide == SIZE else 0]
            entry[0], entry[1] = entry[0] + np.outer(x, x), entry[1] + reward[b] * x
            tried.add(int(action[b]))
    assert tried == set(range(ARMS))


@pytest.mark.parametrize("kind", KINDS)
def test_estimated_propensities_match_sampled_frequencies(kind: str) -> None:
    n, rule = 20_000, LinearThompson(1.5, samples=4000)
    one, mask = row(table_of(kind, seed=4), 0), np.array([True, True, False, True])
    many = LinearTable(*(np.broadcast_to(x, (n, *x.shape)) for x in (one.inverse, one.sums, one.features)))
    share = np.bincount(rule.decide(many, mask, Stream(1, "policy").at(np.arange(n))).action, minlength=ARMS) / n
    p = rule.propensities(one, mask)
    assert share[2] == 0 == p[2] and np.all(p[mask] > 0)
    error = np.sqrt(rule.standard_error(p) ** 2 + p * (1 - p) / n)
    assert np.all(np.abs(share - p)[mask] < 4.5 * error[mask] + 1e-3)
    decision = rule.decide(one, mask, Stream(1, "policy").at(5))
    assert float(decision.propensity) == pytest.approx(p[int(decision.action)], abs=6 * float(error.max()))
    assert rule.propensity_method == "estimated"


@pytest.mark.parametrize("kind", ["own", "own features and theta"])
def test_with_a_theta_an_action_propensities_can_be_integrated(kind: str) -> None:
    table = table_of(kind)
    exact = LinearThompson(1.0, samples=None)
    p = exact.propensities(table)
    sampled = LinearThompson(1.0, samples=20_000)
    assert np.abs(p - sampled.propensities(table)).max() < 5 * 0.5 / math.sqrt(20_000)
    assert exact.propensity_method == "quadrature" and np.all(exact.standard_error(p) == 0)
    with pytest.raises(BadValue, match=r"^samples must be a number"):
        exact.propensities(table_of("shared"))


def test_equal_actions_share_and_no_scale_is_greedy() -> None:
    table = LinearTable.empty(np.ones((ARMS, SIZE)), 1)
    assert LinUCB().propensities(table) == pytest.approx([0.25] * 4)
    assert LinearThompson(1.0, 30).propensities(table) == pytest.approx([0.25] * 4)  # one theta, one value
    taken = LinearThompson(0.0).decide(
        LinearTable.empty(np.ones((400, ARMS, SIZE)), 1), None, Stream(0, "policy").at(np.arange(400))
    )
    assert np.bincount(taken.action, minlength=4).min() > 60
    seen = table_of("shared")
    assert LinearThompson(0.0, 5).propensities(seen) == pytest.approx((5 * Greedy().propensities(seen) + 0.25) / 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: LinUCB(-1.0), "^alpha must"),
        (lambda t: LinearThompson(float("inf")), "^scale must"),
        (lambda t: LinearThompson(1.0, 0), "^samples must"),
        (lambda t: LinUCB().propensities(Scores(np.zeros(2))), "LinearTable for LinUCB"),
        (lambda t: LinearThompson().propensities(Scores(np.zeros(2))), "LinearTable for LinearThompson"),
        (lambda t: t.updated(np.full(ROWS, ARMS), np.zeros(ROWS)), "^action must be from 0 to 3, got 4"),
        (lambda t: LinearTable.empty(t.features, 2, 0.0), "^ridge must be above 0"),
        (lambda t: LinUCB().propensities(t, np.zeros((ROWS, ARMS), dtype=bool)), r"^mask\[0\] must be true"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call: Any, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        call(table_of("own"))


@pytest.mark.parametrize("features", ["context", "action"])
def test_rules_that_know_how_much_they_know_regret_less(features: Any) -> None:
    """Regret of the second half is well below that of the first, and of epsilon-greedy's, on one linear instance."""
    horizon, runs = 1000, 20
    world = LinearBandit(runs, 5, 4, horizon, features=features, noise_sd=0.3)

    def seeing(rule: Any, learner: type = LinearEvidence) -> Policy:
        return Policy(rule, lambda: learner(4, features))

    found = compare(
        {
            "LinUCB": seeing(LinUCB(0.3)),
            "Thompson": seeing(LinearThompson(0.3)),
            "epsilon": seeing(EpsilonGreedy(0.1), RidgeRegression),
        },
        world,
        runs,
        horizon,
        seed=1,
    )
    half = int(np.searchsorted(found.times, horizon // 2))
    other = found.of("epsilon").mean(axis=1)
    for name in ("LinUCB", "Thompson"):
        regret = found.of(name).mean(axis=1)
        assert regret[-1] - regret[half] < 0.6 * regret[half], "sublinear"
        assert regret[-1] - regret[half] < 0.7 * (other[-1] - other[half]), "and exploration does not go on for ever"
        assert found.paired(name, "epsilon").mean() < 0
