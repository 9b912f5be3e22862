import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wayfare.errors import BadValue, Diverged
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.sequences import Sequences
from wayfare.learn.tokens import Tokens
from wayfare.learn.values import ValueLearner, traced
from wayfare.worlds.boundary import Boundary


class Table(nn.Module):
    """Values by one-hot observation: the smallest value network there is."""

    def __init__(self, values, reward_scale=1.0):
        super().__init__()
        rows, states, actions = values.shape
        self.tokens = Tokens(states, actions, (False,) * rows, reward_scale=reward_scale)
        self.table = nn.Parameter(values.clone())

    def sequence(self, token, start):
        return torch.einsum("stbo,soa->stba", token[..., -self.tokens.observations :], self.table)


def walk(states, actions, rewards, codes, starts=None, states_count=3):
    """One row, one copy."""
    return Sequences(
        obs=torch.eye(states_count)[states].view(1, -1, 1, states_count),
        action=torch.tensor(actions).view(1, -1, 1),
        reward=torch.tensor(rewards).view(1, -1, 1),
        boundary=torch.tensor(codes, dtype=torch.int8).view(1, -1, 1),
        start=torch.tensor(starts or [True] + [False] * len(actions)).view(1, -1, 1),
    )


def learner(network, table, **options):
    return ValueLearner(network, table, **({"reward_bound": 100.0, "total": 100, "horizon": 10} | options))


ONLINE = torch.tensor([[[1.0, 2.0], [3.0, 0.0], [5.0, 6.0]]])
DELAYED = torch.tensor([[[0.0, 0.0], [10.0, 20.0], [7.0, 8.0]]])


def hand_worked(codes, discounts, starts=None):
    network = Table(DELAYED)
    learns = learner(network, discounts)
    with torch.no_grad():
        network.table.copy_(ONLINE)
    return learns, learns.update(walk([0, 1, 2], [1, 0], [1.0, -1.0], codes, starts))["loss"].item()


def test_the_online_network_chooses_and_the_delayed_one_values():
    # y_0 = 1 + 0.5 * 10: online prefers action 0 in state 1, although the target likes 1 more.  y_1 = -1 + 0.9 * 8.
    _, loss = hand_worked([Boundary.EPISODE_TERMINATED, Boundary.RUNNING], DiscountTable(0.9, 0.5, 0.5))
    assert loss == pytest.approx(((2 - 6) ** 2 + (3 - 6.2) ** 2) / 2)


def test_a_tasks_end_cuts_the_bootstrap():
    _, loss = hand_worked([Boundary.TASK_TERMINATED, Boundary.TASK_TRUNCATED], DiscountTable(0.9, 0.5, 0.5))
    assert loss == pytest.approx(((2 - 1) ** 2 + (3 + 1) ** 2) / 2)


def test_a_truncated_task_bootstraps_only_from_a_state_that_is_its_own():
    table = DiscountTable(0.9, 0.5, 0.5, task_truncated=0.5)
    codes = [Boundary.TASK_TRUNCATED, Boundary.TASK_TRUNCATED]
    _, loss = hand_worked(codes, table, starts=[True, True, False])
    assert loss == pytest.approx((3 - (-1 + 0.5 * 8)) ** 2 / 2)


def test_the_target_moves_by_tau():
    network = Table(DELAYED)
    learns = learner(network, DiscountTable(0.9, 0.5, 0.5), tau=0.25)
    with torch.no_grad():
        network.table.copy_(ONLINE)
    learns.update(walk([0, 1, 2], [1, 0], [1.0, -1.0], [0, 0]))
    torch.testing.assert_close(learns.target.table, 0.75 * DELAYED + 0.25 * network.table)


def random_batch(seed, rows=1, steps=5, copies=4):
    g = torch.Generator().manual_seed(seed)
    return Sequences(
        obs=torch.eye(3)[torch.randint(3, (rows, steps + 1, copies), generator=g)],
        action=torch.randint(2, (rows, steps, copies), generator=g),
        reward=torch.randn(rows, steps, copies, generator=g),
        boundary=torch.randint(5, (rows, steps, copies), generator=g).to(torch.int8),
        start=torch.zeros(rows, steps + 1, copies, dtype=torch.bool),
    )


def test_a_row_beyond_its_possible_returns_stops_alone_and_says_why():
    values = torch.cat([ONLINE, 50 * ONLINE])
    together = Table(values)
    learns = learner(together, DiscountTable(0.5, 0.5, 0.5), reward_bound=5.0)
    alone = Table(ONLINE)
    single = learner(alone, DiscountTable(0.5, 0.5, 0.5), reward_bound=5.0)
    for seed in range(10):
        batch = random_batch(seed)
        single.update(batch)
        learns.update(Sequences(*(torch.cat([each, each]) for each in vars(batch).values())))
    assert torch.equal(together.table[1], values[1])
    torch.testing.assert_close(together.table[:1], alone.table)
    assert learns.errors[0] is None
    assert isinstance(learns.errors[1], Diverged)
    assert str(learns.errors[1]) == "row 1 left the range of its returns at update 0: |Q| reached 300, bound 10"


def test_a_number_that_is_not_finite_stops_its_row_alone():
    network = Table(torch.cat([ONLINE, ONLINE]))
    learns = learner(network, DiscountTable(0.5, 0.5, 0.5))
    batch = random_batch(0)
    pair = Sequences(*(torch.cat([each, each]) for each in vars(batch).values()))
    pair.reward[1, 2, 0] = float("nan")
    learns.update(pair)
    assert torch.equal(network.table[1], ONLINE[0])
    assert not torch.equal(network.table[0], ONLINE[0])
    assert [error is None for error in learns.errors] == [True, False]


def test_the_bound_counts_decisions_where_the_discount_is_one():
    table = DiscountTable((0.5, 1.0), (0.9, 0.3), 0.1)
    learns = learner(Table(torch.cat([ONLINE, ONLINE])), table, reward_bound=2.0, horizon=7)
    torch.testing.assert_close(learns.bound, torch.tensor([20.0, 14.0]))


def test_scaled_rewards_leave_the_greedy_policy_and_the_bound_in_the_worlds_units():
    network = Table(ONLINE, reward_scale=0.1)
    learns = learner(network, DiscountTable(0.5, 0.5, 0.5), reward_bound=5.0)
    learns.update(random_batch(0))
    assert isinstance(learns.errors[0], Diverged)  # 6 / 0.1 is above 5 / 0.5


def test_resumed_equals_uninterrupted_bit_for_bit():
    def begin():
        network = Table(ONLINE)
        return network, learner(network, DiscountTable(0.9, 0.5, 0.5), total=20)

    network, learns = begin()
    for seed in range(20):
        if seed == 9:
            saved = learns.state_dict()
        learns.update(random_batch(seed))
    other, resumed = begin()
    resumed.load_state_dict(saved)
    for seed in range(9, 20):
        resumed.update(random_batch(seed))
    assert torch.equal(network.table, other.table)
    assert torch.equal(learns.target.table, resumed.target.table)


def test_a_state_of_another_run_is_refused():
    saved = learner(Table(ONLINE), DiscountTable(0.9, 0.5, 0.5), total=20).state_dict()
    with pytest.raises(BadValue, match="total must be 20, as in the saved run, got 30"):
        learner(Table(ONLINE), DiscountTable(0.9, 0.5, 0.5), total=30).load_state_dict(saved)


@pytest.mark.parametrize(
    ("name", "value"), [("tau", 0.0), ("clip", 0.0), ("total", 0), ("horizon", 0), ("reward_bound", 0)]
)
def test_impossible_numbers_are_refused_by_name(name, value):
    with pytest.raises(BadValue, match=f"^{name} must be"):
        learner(Table(ONLINE), DiscountTable(0.9, 0.5, 0.5), **{name: value})


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_trace_follows_greedy_actions_and_stops_at_the_first_other(seed, trace):
    g = torch.Generator().manual_seed(seed)
    reward, discount, ahead = (torch.rand(1, 5, 2, generator=g) for _ in range(3))
    follows = torch.rand(1, 4, 2, generator=g) < 0.6
    goal = traced(reward, discount, ahead, follows * trace)
    for b in range(2):
        for t in range(5):
            expected = reward[0, t, b] + discount[0, t, b] * ahead[0, t, b]
            weight, k = discount[0, t, b], t + 1
            while k < 5 and follows[0, k - 1, b]:
                # the k-th step's own error, carried back by all discounts and traces between
                weight = weight * trace
                expected = expected + weight * (
                    reward[0, k, b] + discount[0, k, b] * ahead[0, k, b] - ahead[0, k - 1, b]
                )
                weight, k = weight * discount[0, k, b], k + 1
            torch.testing.assert_close(goal[0, t, b], expected)
