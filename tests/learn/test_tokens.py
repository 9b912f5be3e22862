import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.sequences import Sequences
from wayfare.learn.tokens import Tokens


def batch(rows=2, steps=4, copies=3, observations=6, actions=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    return Sequences(
        obs=torch.rand(rows, steps + 1, copies, observations, generator=g),
        action=torch.randint(actions, (rows, steps, copies), generator=g),
        reward=torch.randn(rows, steps, copies, generator=g),
        boundary=torch.randint(5, (rows, steps, copies), generator=g).to(torch.int8),
        start=torch.rand(rows, steps + 1, copies, generator=g) < 0.3,
    )


@pytest.mark.parametrize("transitions", [True, False])
def test_a_token_is_the_last_step_and_what_is_seen_now(transitions):
    tokens = Tokens(observations=2, actions=3, blank=(False,), transitions=transitions)
    sequence = Sequences(
        obs=torch.tensor([0.5, 0.25, 0.75, 1.0]).view(1, 2, 1, 2),
        action=torch.tensor(2).view(1, 1, 1),
        reward=torch.tensor(7.0).view(1, 1, 1),
        boundary=torch.zeros(1, 1, 1, dtype=torch.int8),
        start=torch.tensor([True, False]).view(1, 2, 1),
    )
    first, second = tokens.sequence(sequence)[0, :, 0].tolist()
    assert first == [0, 0, 0, 0, 0, 0] + [0, 0] * transitions + [0.5, 0.25]
    assert second == [0, 0, 1, 0, 0, 7] + [0.5, 0.25] * transitions + [0.75, 1.0]


def test_where_memory_starts_there_is_no_previous_step():
    data = batch()
    token = Tokens(6, 3, (False, False)).sequence(data)
    assert token[..., :6][data.start].eq(0).all()
    assert token[:, 1:, :, :3][~data.start[:, 1:]].sum(-1).eq(1).all()


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("transitions", [True, False])
def test_acting_reads_the_same_tokens_as_learning(shown, transitions):
    data = batch()
    tokens = Tokens(6, 3, (False, True), boundary_shown=shown, reward_scale=0.5, transitions=transitions)
    whole = tokens.sequence(data)
    for t in range(data.steps + 1):
        last = max(t - 1, 0)
        start = data.start[:, t] if t else torch.ones_like(data.start[:, 0])
        if t == 0:
            assert whole[:, 0, :, : tokens.width - 6].eq(0).all()
        step = tokens.step(data.obs[:, t], data.action[:, last], data.reward[:, last], start, data.obs[:, last])
        assert torch.equal(step[:, 0], whole[:, t])


def test_a_row_without_memory_sees_nothing_of_the_previous_step():
    tokens = Tokens(6, 3, (False, True), boundary_shown=True, transitions=True)
    one, other = batch(seed=1), batch(seed=2)
    mixed = Sequences(
        torch.cat([one.obs[..., :1], other.obs[..., 1:]], dim=-1), other.action, other.reward, one.boundary, one.start
    )
    assert torch.equal(tokens.sequence(one)[1], tokens.sequence(mixed)[1])
    assert not torch.equal(tokens.sequence(one)[0], tokens.sequence(mixed)[0])


def test_a_layout_without_room_is_refused():
    with pytest.raises(BadValue, match="observations must be at least 5, got 4"):
        Tokens(4, 3, (False,), boundary_shown=True)
    with pytest.raises(BadValue, match="actions must be at least 1"):
        Tokens(4, 0, (False,))
