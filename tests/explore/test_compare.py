"""Rules side by side with common random numbers, on the worlds of this library."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.compare import Policy, compare, lai_robbins
from wayfare.explore.diagnostics import diagnose, pseudo_regret
from wayfare.explore.learners import RidgeRegression
from wayfare.explore.rules import (
    MOSS,
    UCB1,
    ArmTable,
    BetaThompson,
    EpsilonGreedy,
    GaussianThompson,
    Greedy,
    Uniform,
    play,
)
from wayfare.worlds import (
    ActionSets,
    DelayedFeedback,
    HiddenGoal,
    LinearBandit,
    RecurringBandit,
    TableBandit,
    VariedBandit,
    evolve_bandit,
)

HARD = {"family": "bernoulli", "arms": 3, "difficulty": "hard"}


def test_regret_equals_that_of_a_textbook_loop():
    runs, horizon = 6, 40
    found = compare({"ucb": UCB1(0.5)}, evolve_bandit(**HARD, num_envs=runs), runs, horizon, seed=3, history=True)
    world = evolve_bandit(**HARD, num_envs=runs)
    world.reset(seed=3)
    means = world.means.double().numpy()
    noise = Stream(3, "reward noise")

    def pull(action, t):
        return (noise.uniform(np.arange(runs), t) < means[np.arange(runs), action]) * 1.0

    played = play(UCB1(0.5), pull, 3, runs, horizon, seed=3)
    lost = means.max(axis=1) - means[np.arange(runs), played.actions]
    assert found.times.tolist() == list(range(1, 41))
    np.testing.assert_allclose(found.of("ucb"), lost.cumsum(axis=0), atol=1e-6)
    history = found.histories["ucb"]
    assert np.array_equal(history.actions, played.actions)
    assert np.array_equal(history.rewards, played.rewards)
    np.testing.assert_allclose(history.means, means)
    np.testing.assert_allclose(pseudo_regret(history.actions, history.means), found.of("ucb"), atol=1e-6)
    assert 0 <= diagnose(history.actions, history.rewards, history.means)["suffix_failure"] <= 1


@pytest.mark.parametrize("around", [lambda world: world, lambda world: DelayedFeedback(world, (1, 4))])
def test_runs_are_the_same_however_many_are_played_at_once(around):
    policies = {"thompson": BetaThompson(), "epsilon": EpsilonGreedy(0.1)}
    whole = compare(policies, around(evolve_bandit(**HARD, num_envs=10, episodes=30)), 10, 30, seed=1, history=True)
    parts = compare(policies, around(evolve_bandit(**HARD, num_envs=4, episodes=30)), 10, 30, seed=1, history=True)
    assert np.array_equal(whole.regret, parts.regret)
    assert np.array_equal(whole.lower_bound, parts.lower_bound)
    for name in policies:
        assert np.array_equal(whole.histories[name].rewards, parts.histories[name].rewards)
    assert not np.array_equal(
        whole.regret, compare(policies, evolve_bandit(**HARD, num_envs=10), 10, 30, seed=2).regret
    )


def test_rules_share_tasks_noise_and_draws_and_differences_are_run_by_run():
    policies = {"one": UCB1(0.3), "same": UCB1(0.3), "uniform": Uniform()}
    found = compare(policies, evolve_bandit(**HARD, num_envs=50), 50, 60)
    assert not found.paired("one", "same").any()
    difference = found.paired("uniform", "one")
    np.testing.assert_allclose(difference, found.of("uniform")[-1] - found.of("one")[-1])
    assert difference.mean() > 0


def test_the_order_of_policies_does_not_matter():
    world = evolve_bandit(**HARD, num_envs=20)
    one = compare({"a": UCB1(), "b": BetaThompson()}, world, 20, 50)
    two = compare({"b": BetaThompson(), "a": UCB1()}, world, 20, 50)
    assert np.array_equal(one.of("a"), two.of("a")) and np.array_equal(one.of("b"), two.of("b"))


def test_bands_tails_and_the_tidy_table_are_those_of_the_runs():
    found = compare({"u": Uniform(), "g": Greedy()}, evolve_bandit(**HARD, num_envs=40), 40, 500, points=20)
    assert found.times[0] == 1 and found.times[-1] == 500 and len(found.times) <= 21
    assert (np.diff(found.times) > 0).all()
    median, low, high = found.band("g")
    assert median == pytest.approx(np.median(found.of("g"), axis=1))
    assert low[-1] == pytest.approx(np.quantile(found.of("g")[-1], 0.1))
    assert high[-1] == pytest.approx(np.quantile(found.of("g")[-1], 0.9))
    assert found.tails((0.5, 0.99))[0].tolist() == pytest.approx(np.quantile(found.of("u")[-1], [0.5, 0.99]).tolist())
    table = found.columns()
    lengths = {len(column) for column in table.values()}
    assert lengths == {3 * 6 * len(found.times)}
    row = (table["policy"] == "u") & (table["statistic"] == "q95") & (table["time"] == 500)
    assert table["regret"][row].tolist() == [pytest.approx(found.tails((0.95,))[0, 0])]
    assert set(table["policy"]) == {"u", "g", "Lai-Robbins"}


def test_uniform_loses_as_much_as_it_must():
    """A Bernoulli bandit of gap 0.2 and three arms costs a uniform player 0.2 * 2/3 a pull."""
    found = compare({"u": Uniform()}, evolve_bandit(**HARD, num_envs=2000), 2000, 30)
    assert found.of("u")[-1].mean() == pytest.approx(30 * 0.2 * 2 / 3, rel=0.02)


def test_the_coefficient_of_lai_and_robbins_by_hand():
    kl = 0.4 * math.log(0.4 / 0.6) + 0.6 * math.log(0.6 / 0.4)
    assert lai_robbins([0.6, 0.4, 0.4], "bernoulli") == pytest.approx(2 * 0.2 / kl)
    assert lai_robbins([1.0, 0.0, 0.5], "gaussian", 2.0) == pytest.approx(2 * 4 / 1 + 2 * 4 / 0.5)
    assert lai_robbins([[0.3, 0.3], [1.0, 0.5]], "bernoulli").tolist() == [0, 0]
    assert lai_robbins([0.5, 0.0], "bernoulli") == pytest.approx(0.5 / math.log(2))
    assert lai_robbins([1.0, 0.0], "gaussian", 0.0) == 0
    for wrong in (([0.1, 1.2], "bernoulli"), ([0.1], "poisson")):
        with pytest.raises(BadValue):
            lai_robbins(*wrong)


def test_the_line_is_drawn_where_the_bound_holds_and_nowhere_else():
    def line(world):
        return compare({"u": Uniform()}, world, 3, 4).lower_bound

    bernoulli = line(evolve_bandit(**HARD, num_envs=3))
    assert bernoulli == pytest.approx(
        lai_robbins([0.6, 0.4, 0.4], "bernoulli") * np.log([[1], [2], [3], [4]] * np.ones(3))
    )
    gaussian = RecurringBandit(3, noise_sd=2.0)
    expected = line(gaussian)[-1]
    gaussian.reset(seed=0)
    assert expected == pytest.approx(lai_robbins(gaussian.means.numpy(), "gaussian", 2.0) * math.log(4))
    assert line(DelayedFeedback(RecurringBandit(3), 2)) is not None
    for world in (
        RecurringBandit(3, safe=0.1),
        VariedBandit(3, drift=0.1),
        LinearBandit(3),
        ActionSets(RecurringBandit(3)),
    ):
        assert line(world) is None


def test_thompson_sampling_follows_the_line_and_a_constant_rule_does_not():
    """Ten times the rounds should add about c ln 10, and a rule without exploration is stuck in some runs."""
    world = VariedBandit(300, 2, 1500, "gaussian", gap=1.0)
    found = compare({"thompson": GaussianThompson(), "greedy": Greedy(untried=math.inf)}, world, 300, 1500, points=1500)
    line, mean = found.lower_bound[:, 0], found.of("thompson").mean(axis=1)
    assert 0.5 < (mean[-1] - mean[149]) / (line[-1] - line[149]) < 1.5
    assert found.tails()[1, 2] > 10 * found.tails()[0, 2], "the tail of greedy: runs that never find the better arm"


def test_only_allowed_arms_are_pulled_and_regret_is_against_them():
    world = ActionSets(VariedBandit(30, 4, 50, gap=0.6), 0.4)
    found = compare({"u": Uniform(), "ucb": UCB1()}, world, 30, 50, history=True)
    world.reset(seed=0)
    means = world.means.double().numpy()
    allowed, lost = [], 0.0
    for t in range(50):
        allowed.append(world.allowed.numpy())
        action = found.histories["ucb"].actions[t]
        assert allowed[t][np.arange(30), action].all()
        lost += np.where(allowed[t], means, -1).max(axis=1) - means[np.arange(30), action]
        world.step(torch.from_numpy(action))
    np.testing.assert_allclose(found.of("ucb")[-1], lost, atol=1e-5)


@pytest.mark.parametrize(("delay", "every"), [(4, 1), ((0, 6), 5)])
def test_a_rule_learns_of_late_rewards_when_they_arrive(delay, every):
    """Against a loop that keeps its own queue."""
    runs, horizon, least, most = 5, 40, *(delay if isinstance(delay, tuple) else (delay, delay))
    world = DelayedFeedback(evolve_bandit(**HARD, num_envs=runs, episodes=horizon), delay, every)
    found = compare({"ucb": UCB1(0.2)}, world, runs, horizon, seed=2, history=True)
    inner = world.world
    inner.reset(seed=2)
    means = inner.means.double().numpy()
    for r in range(runs):
        counts, sums, queue = np.zeros(3), np.zeros(3), []
        for t in range(horizon):
            table = ArmTable(counts[None], sums[None], sums[None])
            action = int(UCB1(0.2).decide(table, None, Stream(2, "policy").at(np.array([r]), t)).action[0])
            assert found.histories["ucb"].actions[t, r] == action, (r, t)
            reward = float(Stream(2, "reward noise").uniform(r, t) < means[r, action])
            queue.append((t + least + int(Stream(2, "delay").integers(most - least + 1, r, t)), action, reward))
            for entry in list(queue):
                if entry[0] <= t and (t + 1) % every == 0:
                    counts[entry[1]] += 1
                    sums[entry[1]] += entry[2]
                    queue.remove(entry)
            assert found.histories["ucb"].rewards[t, r] == reward, "rewards are filed under their decision"


def ridge_loop(xs, ys, ridge, size):
    """[D] from the normal equations."""
    gram, right = ridge * np.eye(size), np.zeros(size)
    for x, y in zip(xs, ys, strict=True):
        gram += np.outer(x, x)
        right += y * x
    return np.linalg.solve(gram, right)


@pytest.mark.parametrize("like", [np.zeros(1), torch.zeros(1)])
@pytest.mark.parametrize("features", ["context", "action"])
@pytest.mark.parametrize("constant", [False, True])
def test_ridge_regression_solves_the_normal_equations(like, features, constant):
    rng = np.random.default_rng(0)
    runs, arms, size, wide = 3, 2, 2, 2 + constant
    learner = RidgeRegression(size, features, 0.5, constant=constant)
    learner.begin(runs, arms, like)
    made = torch.from_numpy if isinstance(like, torch.Tensor) else np.asarray
    seen = [[([], []) for _ in range(arms)] for _ in range(runs)]
    for _ in range(30):
        context = rng.normal(size=(runs, (arms if features == "action" else 1) * size + 1))
        action, reward, known = rng.integers(arms, size=runs), rng.normal(size=runs), rng.uniform(size=runs) < 0.7
        learner.learn(made(context), made(action), made(reward), made(known))
        for r in range(runs):
            at = action[r] * size if features == "action" else 0
            x = np.append(context[r, at : at + size], [1.0] * constant)
            if known[r]:
                theta = seen[r][action[r] if features == "context" else 0]
                theta[0].append(x)
                theta[1].append(reward[r])
    context = rng.normal(size=(runs, (arms if features == "action" else 1) * size + 1))
    scores = np.asarray(learner.evidence(made(context)).scores)
    for r in range(runs):
        for a in range(arms):
            at = a * size if features == "action" else 0
            x = np.append(context[r, at : at + size], [1.0] * constant)
            theta = ridge_loop(*seen[r][a if features == "context" else 0], 0.5, wide)
            assert scores[r, a] == pytest.approx(x @ theta, abs=1e-9)
    with pytest.raises(BadValue, match="context"):
        learner.evidence(made(context[:, :1]))


def test_late_rewards_are_learned_in_the_context_of_their_decision():
    """Without noise the regression is exact only if contexts and rewards are put together rightly."""
    for features in ("action", "context"):
        inner = LinearBandit(20, 3, 3, 300, features=features, noise_sd=0.0)
        policy = Policy(EpsilonGreedy(0.1), lambda features=features: RidgeRegression(3, features, 1e-3))
        found = compare({"late": policy}, DelayedFeedback(inner, (2, 9), 4), 20, 300, history=True)
        regret = found.of("late").mean(axis=1)
        uniform = compare({"u": Uniform()}, inner, 20, 300).of("u").mean(axis=1)
        late = np.searchsorted(found.times, 200)
        assert (regret[-1] - regret[late]) < 0.15 * (uniform[-1] - uniform[late]), "only exploration costs"
        assert np.isfinite(found.histories["late"].rewards).all()


def test_contexts_pay_for_a_learner_that_looks_at_them():
    world = TableBandit([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], 20, 200)
    policies = {"blind": UCB1(), "seeing": Policy(EpsilonGreedy(0.05), lambda: RidgeRegression(2))}
    found = compare(policies, world, 20, 200)
    assert found.of("blind")[-1].mean() == pytest.approx(100, rel=0.1)
    assert found.of("seeing")[-1].mean() < 15


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"policies": {}}, "policies"),
        ({"runs": 0}, "runs"),
        ({"runs": 2.0}, "runs"),
        ({"horizon": 0}, "horizon"),
        ({"horizon": 301}, "horizon"),
        ({"points": 1}, "points"),
        ({"seed": -1}, "seed"),
        ({"world": RecurringBandit(2, law="geometric")}, "world"),
        ({"world": RecurringBandit(2, episodes=[300, 4]), "horizon": 5}, "horizon"),
        ({"world": HiddenGoal(2)}, "world"),
    ],
)
def test_an_impossible_comparison_is_refused_by_name(wrong, field):
    arguments = {
        "policies": {"u": Uniform()},
        "world": RecurringBandit(2, episodes=300),
        "runs": 2,
        "horizon": 3,
        **wrong,
    }
    with pytest.raises(BadValue) as refused:
        compare(**arguments)
    assert refused.value.field == field
    with pytest.raises(BadValue, match="policy"):
        compare({"u": Uniform()}, RecurringBandit(2), 2, 3).of("v")


@pytest.mark.parametrize(
    ("arguments", "field"), [((0,), "dimension"), ((1, "both"), "features"), ((1, "action", 0.0), "ridge")]
)
def test_an_impossible_regression_is_refused_by_name(arguments, field):
    with pytest.raises(BadValue, match=field):
        RidgeRegression(*arguments)


@pytest.mark.parametrize(
    ("policies", "field"),
    [
        ({}, "policies"), ([UCB1()], "policies"), (UCB1(), "policies"), ({"a": None}, "policies['a']"),
        ({"a": UCB1}, "policies['a']"),
        ({"a": Policy(UCB1(), RidgeRegression(2))}, "learner of policies['a']"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_by_name(policies: Any, field: str) -> None:
    with pytest.raises(BadValue) as refused:
        compare(policies, VariedBandit(2, 3, 5), 2, 5)
    assert refused.value.field == field


def test_what_goes_wrong_in_play_names_the_policy() -> None:
    gaussian = VariedBandit(2, 3, 50, "gaussian")
    with pytest.raises(BadValue, match=r"^policies\['beta'\]: "):
        compare({"fine": UCB1(), "beta": BetaThompson()}, gaussian, 2, 50)
    with pytest.raises(BadValue, match=r"horizon of policies\['short'\] must be at least 5"):
        compare({"short": MOSS(horizon=4)}, VariedBandit(2, 3, 5), 2, 5)
