"""The two-level memory: what is near, who is put out, what an empty one says."""

from __future__ import annotations

import io

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore.episodic import KeyedEpisodicMemory


def normal(rows, seed=0):
    return torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed))


QUERIES = normal(5)


def filled(**sizes):
    memory = KeyedEpisodicMemory(8, **sizes)
    ids = [10, 11, 12, 10, 13, 14, 10]
    memory.write(ids, QUERIES[[0, 1, 2, 0, 3, 4, 0]], normal(7, 1))
    return memory


def test_readings_are_the_distance_to_the_centroid_and_the_nearest_failure():
    answers, asked = normal(7, 1), normal(2, 2)
    unit = [torch.nn.functional.normalize(x, dim=1) for x in (answers, asked)]
    seen, row = unit[0][[0, 3, 6]], unit[1]
    exploit = filled().exploit(QUERIES[[0, 0]], asked)
    torch.testing.assert_close(exploit.value, -torch.cdist(row, seen.mean(dim=0)[None]).squeeze(1))
    explore = filled().explore(QUERIES[[0, 0]], asked)
    torch.testing.assert_close(explore.value, 1 - (row @ seen.T).max(dim=1).values)
    assert exploit.hit.all()
    assert explore.hit.all()


def test_several_near_tasks_are_read_together_in_order_of_likeness():
    found = filled().read(QUERIES, k=2)
    unit = torch.nn.functional.normalize(QUERIES, dim=1)
    sizes = torch.tensor([3, 1, 1, 1, 1])
    for row, got in enumerate(found):
        near = (unit[row] @ unit.T).topk(2).indices
        assert near[0] == row
        assert len(got) == sizes[near].sum()
    assert all(len(got) == 7 for got in filled().read(QUERIES, k=50))


def test_a_batch_reads_as_its_rows_alone_do():
    memory, asked = filled(), normal(6, 3)
    which = [4, 0, 0, 2, 4, 1]
    together = memory.explore(QUERIES[which], asked, k=2).value
    alone = [float(memory.explore(QUERIES[[q]], asked[[row]], k=2).value) for row, q in enumerate(which)]
    assert together.tolist() == pytest.approx(alone, abs=1e-6)


def test_length_does_not_count():
    memory, asked = filled(), normal(3, 4)
    torch.testing.assert_close(
        memory.exploit(QUERIES[:3], asked).value, memory.exploit(5 * QUERIES[:3], 0.01 * asked).value
    )


def test_an_empty_memory_is_neutral():
    memory = KeyedEpisodicMemory(8)
    for reading in (memory.exploit(QUERIES, normal(5, 1)), memory.explore(QUERIES, normal(5, 1), k=3)):
        assert reading.value.tolist() == [0.0] * 5
        assert not reading.hit.any()


def test_the_oldest_task_is_put_out_and_names_keep_to_their_answers():
    memory = filled(queries=3)
    assert memory.ids == [12, 13, 14]
    answers = torch.nn.functional.normalize(normal(7, 1), dim=1)
    for query, answer in ((2, 2), (3, 4), (4, 5)):
        torch.testing.assert_close(memory.read(QUERIES[[query]])[0], answers[[answer]])
    memory.write([12, 20], QUERIES[[2, 0]], normal(2, 5))
    assert memory.ids == [13, 14, 20]
    assert len(memory.read(QUERIES[[0]])[0]) == 1


def test_only_the_newest_answers_of_a_task_stay():
    answers = torch.nn.functional.normalize(normal(7, 1), dim=1)
    torch.testing.assert_close(filled(responses=2).read(QUERIES[[0]])[0], answers[[3, 6]])


def test_written_before_it_is_read_a_failure_meets_itself():
    memory, failed = filled(), normal(1, 6)
    assert memory.explore(QUERIES[[0]], failed).value > 0.1
    memory.write([10], QUERIES[[0]], failed)
    assert memory.explore(QUERIES[[0]], failed).value == pytest.approx(0.0, abs=1e-6)


def test_state_travels_as_plain_tensors():
    memory, again, kept = filled(queries=4), KeyedEpisodicMemory(8, 4), io.BytesIO()
    torch.save(memory.state_dict(), kept)
    kept.seek(0)
    again.load_state_dict(torch.load(kept, weights_only=True))
    for one in (memory, again):
        one.write([99], QUERIES[[1]], normal(1, 7))
    assert again.ids == memory.ids
    asked = normal(5, 8)
    assert torch.equal(again.exploit(QUERIES, asked, 3).value, memory.exploit(QUERIES, asked, 3).value)
    with pytest.raises(BadValue, match="at most 2 tasks"):
        KeyedEpisodicMemory(8, 2).load_state_dict(memory.state_dict())


def test_bad_input_writes_nothing():
    memory = filled()
    for ids, queries, answers in (
        ([1, 2], QUERIES[:1], QUERIES[:1]),
        ([1], QUERIES[:1], torch.full((1, 8), float("nan"))),
        ([1], QUERIES[:1, :7], QUERIES[:1]),
    ):
        with pytest.raises(BadValue):
            memory.write(ids, queries, answers)
    assert memory.ids == [10, 11, 12, 13, 14]
    with pytest.raises(BadValue, match="k must be"):
        memory.read(QUERIES, k=0)
