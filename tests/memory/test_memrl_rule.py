"""MemRL's rule on a Memory: its degenerate inputs, and the scale of rewards, which is no knob."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.memory import Memory, Policy
from wayfare.memory.utility import z_mix, z_scores

MEMRL = Policy("memrl", epsilon=0.0)
TEXTS = ("cache flush after the reset", "cache flush", "reset", "flush the cache of the proxy after every reset")


def ids(memory: Memory, k: int = 4, **given) -> tuple[str, ...]:
    return memory.recall("flush the cache after a reset", k=k, **given).ids


def test_an_empty_memory_is_a_null_action_that_can_be_credited(address) -> None:
    with Memory(address, policy=MEMRL) as memory:
        with memory.task("t") as task:
            recall = memory.recall("anything")
            assert len(recall) == 0 and recall.text == "" and recall.probability == 1.0
            assert task.credit(1.0).shares == {}
        memory.remember("about something else")
        assert not memory.recall("zebra")


def test_one_candidate_has_no_spread_and_is_shown(address) -> None:
    assert z_scores([0.4]).tolist() == [0.0] and z_mix([0.4], [0.9], 0.5).tolist() == [0.0]
    with Memory(address, policy=MEMRL) as memory:
        id = memory.remember(TEXTS[0]).id
        recall = memory.recall("cache flush", k=3)
        assert recall.ids == (id,) and recall.items[0].score == 0.0 and not math.isnan(recall.probability)


def test_with_equal_q_the_order_is_that_of_similarity_exactly(address) -> None:
    with Memory(address, policy=MEMRL) as memory:
        memory.remember_many(TEXTS)
        plain = ids(memory, policy="similarity")
        assert ids(memory) == plain and len(plain) > 2
        for i in range(3):  # the same outcomes for all
            ids(memory, task=f"t{i}")
            memory.credit(f"t{i}", 0.25)
        assert len({memory.get(id).utility.q for id in plain}) == 1
        assert ids(memory) == plain
        ids(memory, task="u")
        memory.credit("u", 1.0, used=[plain[-1]])
        assert ids(memory) != plain


def test_the_same_feedback_again_moves_q_once(address) -> None:
    with Memory(address, policy=MEMRL) as memory:
        id = memory.remember(TEXTS[0]).id
        recall = memory.recall("cache", task="t")
        memory.credit(recall, 1.0)
        for again in ("t", recall, recall.id):
            assert memory.credit(again, 1.0).repeated
        assert memory.get(id).utility.q == pytest.approx(0.65) and memory.get(id).utility.n == 1


def test_a_reward_that_is_no_number_is_refused_and_moves_nothing(address) -> None:
    with Memory(address, policy=MEMRL) as memory:
        id = memory.remember(TEXTS[0]).id
        memory.recall("cache", task="t")
        for reward in (math.nan, math.inf, None, "1"):
            with pytest.raises(BadValue, match="reward"):
                memory.credit("t", reward)
        assert memory.get(id).utility.q is None and not memory.credit("t", 1.0).repeated


def test_a_forgotten_memory_is_left_out_of_feedback_and_not_made_again(address) -> None:
    with Memory(address, policy=MEMRL) as memory:
        memory.remember_many(TEXTS[:2])
        shown = ids(memory, k=2, task="t")
        memory.forget(shown[0])
        done = memory.credit("t", 1.0, used=list(shown))
        assert done.shares == {shown[1]: 1.0} and memory.get(shown[1]).utility.q == pytest.approx(0.65)
        ids(memory, k=2, task="u")
        memory.forget(shown[1], purge=True)
        assert memory.credit("u", 1.0, used=[shown[1]]).shares == {}
        assert memory.list(status=None).records == () and not ids(memory)


def test_rewards_of_minus_one_to_one_give_the_run_of_rewards_of_zero_to_one(new_address) -> None:
    """(r in {-1, 1}, Q0 = 0) and (r in {0, 1}, Q0 = 0.5) are one rule: the scale of rewards is no knob."""
    luck = np.random.default_rng(3).random(30) < 0.5
    shown = []
    for low in (0.0, -1.0):
        with Memory(new_address(), policy=MEMRL, reward_range=(low, 1.0)) as memory:
            texts = {memory.remember(text).id: text for text in TEXTS}
            seen = []
            for i, won in enumerate(luck):
                found = ids(memory, k=2, task=f"t{i}")
                memory.credit(f"t{i}", 1.0 if won else low, used=found[i % 2 : i % 2 + 1])
                seen.append([texts[id] for id in found])
            shown.append(seen)
    assert shown[0] == shown[1] and len({tuple(texts) for texts in shown[0]}) > 1
    relevance, rewards = np.linspace(0.9, 0.2, 5), (np.random.default_rng(4).random((40, 5)) < 0.4).astype(float)
    q, other = np.full(5, 0.5), np.zeros(5)
    for row in rewards:
        q, other = q + 0.3 * (row - q), other + 0.3 * ((2 * row - 1) - other)
        assert z_mix(relevance, q, 0.5) == pytest.approx(z_mix(relevance, other, 0.5), abs=1e-9)


def test_many_tries_at_one_intent_leave_room_for_others_and_are_not_one_alone(address) -> None:
    """12 of 18 are tries at one task, and as relevant as can be: with k1 = 8 there are four of them and four others."""
    with Memory(address, policy="similarity", k1=8) as memory:
        for i in range(12):
            memory.remember(f"try number {i}", keys=[("intent", "reset the proxy cache")])
        for i in range(6):
            memory.remember(f"note {i}", keys=[("intent", f"reset the proxy cache of site {i}")])
        found = memory.recall("reset the proxy cache", k=8)
        assert [item.record.content for item in found][:4] == [f"try number {i}" for i in range(4)]
        assert sum(item.record.content.startswith("note") for item in found) == 4
