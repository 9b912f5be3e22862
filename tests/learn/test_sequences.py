import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.learn.sequences import Replay, Sequences


def numbered(first, copies, rows=2, steps=3):
    """Sequences that carry their own number in every field."""
    number = torch.arange(first, first + copies)
    return Sequences(
        obs=number.float().view(1, 1, -1, 1).expand(rows, steps + 1, -1, 2).clone(),
        action=number.expand(rows, steps, -1).clone(),
        reward=number.float().expand(rows, steps, -1) + torch.arange(rows).view(-1, 1, 1) * 1000,
        boundary=torch.zeros(rows, steps, copies, dtype=torch.int8),
        start=torch.zeros(rows, steps + 1, copies, dtype=torch.bool),
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_replay_holds_the_latest_sequences_whole(capacity, sizes):
    replay, count = Replay(capacity), 0
    sizes = [min(size, capacity) for size in sizes]
    for size in sizes:
        replay.add(numbered(count, size))
        count += size
    uniform = (torch.arange(capacity) + 0.5).div(capacity).expand(2, -1)
    held = replay.sample(uniform)
    assert set(held.action.flatten().tolist()) <= set(range(max(0, count - capacity), count))
    if count >= capacity:
        assert set(held.action[0, 0].tolist()) == set(range(count - capacity, count))
    assert torch.equal(held.obs[:, 1:, :, 0], held.action.float())
    assert torch.equal(held.reward[1], held.action[1] + 1000.0)


def test_each_row_samples_by_its_own_draws():
    replay = Replay(4)
    replay.add(numbered(0, 4))
    picked = replay.sample(torch.tensor([[0.1, 0.9], [0.6, 0.6]])).action[:, 0]
    assert picked.tolist() == [[0, 3], [2, 2]]


def test_what_cannot_be_kept_is_refused():
    replay = Replay(3)
    with pytest.raises(BadValue, match="filled before"):
        replay.sample(torch.rand(1, 1))
    with pytest.raises(BadValue, match="at most 3 sequences"):
        replay.add(numbered(0, 4))
    replay.add(numbered(0, 2))
    with pytest.raises(BadValue, match="shaped as the batches before"):
        replay.add(numbered(0, 2, steps=4))
    with pytest.raises(BadValue, match="capacity must be at least 1"):
        Replay(0)
