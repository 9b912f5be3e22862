"""Memories as a reward: what is near, what is new, when it is written, and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.learn.grpo.small import drawn_rows, model, rows, trainer
from wayfare.errors import BadValue
from wayfare.learn.grpo.episodic_bonus import EpisodicBonus
from wayfare.learn.rollouts import RolloutBatch

NAN = float("nan")


def compass(texts: Sequence[str]) -> Tensor:
    """A direction for each letter: n, e, s, w; anything else stands alone by its length."""
    kinds = {"n": (0.0, 1.0), "e": (1.0, 0.0), "s": (0.0, -1.0), "w": (-1.0, 0.0)}
    told = [(*kinds.get(text, (0.0, 0.0)), 0.0 if text in kinds else float(len(text))) for text in texts]
    return torch.tensor(told)


def digits(texts: Sequence[str]) -> Tensor:
    return torch.tensor([[float(text.count(str(digit))) for digit in range(10)] for text in texts])


def answered(texts: str, rewards: list[float], keys: list[int] | None = None) -> RolloutBatch:
    named = [0] * len(texts) if keys is None else keys
    return replace(
        drawn_rows(model(), len(texts)), texts=tuple(texts), prompts=tuple("nesw"[key % 4] for key in named),
        prompt_key=torch.tensor(named), group_id=torch.tensor(named), extrinsic=torch.tensor(rewards),
    )  # fmt: skip


def bonus(**told: Any) -> EpisodicBonus:
    return EpisodicBonus(compass, **told)


def test_an_empty_memory_pays_nothing() -> None:
    assert bonus().score(answered("nesw", [1.0, 0.0, 0.0, 1.0])).tolist() == [0.0] * 4


def test_near_successes_and_unlike_failures_by_hand() -> None:
    memory = bonus()
    memory.update(answered("ns", [1.0, 0.0]))
    # exploit: distances 0, sqrt 2, 2 to n -> 1, 1 - 1/sqrt 2, 0; explore: 1 - cosines -1, 0, 1 with s -> 1, 1/2, 0
    found = memory.score(answered("nes", [0.0, 0.0, 0.0]))
    assert found.tolist() == pytest.approx([2.0, 1.5 - 0.5**0.5, 0.0], abs=1e-6)
    both = [bonus(exploit=1.0, explore=0.0), bonus(exploit=0.0, explore=3.0)]
    for each in both:
        each.update(answered("ns", [1.0, 0.0]))
    told = [each.score(answered("nes", [0.0, 0.0, 0.0])).tolist() for each in both]
    assert told[0] == pytest.approx([1.0, 1.0 - 0.5**0.5, 0.0], abs=1e-6)
    assert told[1] == pytest.approx([3.0, 1.5, 0.0], abs=1e-6)


def test_rewards_at_the_threshold_are_failures_and_those_without_are_neither() -> None:
    memory = bonus(threshold=0.5)
    memory.update(answered("nes", [0.5, NAN, 0.6]))
    assert memory.right is not None and memory.wrong is not None
    assert [len(each.read(compass(["n"]), 1)[0]) for each in (memory.right, memory.wrong)] == [1, 1]


def test_to_score_writes_nothing_so_that_evaluation_and_repetition_change_nothing() -> None:
    memory = bonus()
    memory.update(answered("ns", [1.0, 0.0]))
    before = memory.state_dict()
    first = memory.score(answered("nes", [0.0, 1.0, 0.0]))
    assert torch.equal(memory.score(answered("nes", [0.0, 1.0, 0.0])), first)
    after = memory.state_dict()
    assert str(before) == str(after)


def test_written_before_it_is_read_a_failure_meets_itself_and_is_never_new() -> None:
    after, before = bonus(exploit=0.0), bonus(exploit=0.0, order="before")
    for each in (after, before):
        each.score(answered("n", [0.0]))
        each.update(answered("n", [0.0]))
    batch = answered("nes", [0.0, 0.0, 1.0])
    assert after.score(batch).tolist() == pytest.approx([0.0, 0.5, 1.0])
    # e has just been written as a failure; s, a success, is as unlike e as it was
    assert before.score(batch).tolist() == pytest.approx([0.0, 0.0, 1.0])
    before.update(batch)
    assert before.wrong is not None and len(before.wrong.read(compass(["n"]), 1)[0]) == 3, "once, not twice"


def test_rows_are_scored_by_their_own_task_in_any_order() -> None:
    memory = bonus(explore=0.0)
    memory.update(answered("ns", [1.0, 1.0], [0, 1]))
    batch = answered("nnssee", [0.0] * 6, [0, 1, 0, 1, 0, 1])
    found = memory.score(batch)
    assert found.tolist() == pytest.approx([1.0, 0.0, 0.0, 1.0, 1 - 0.5**0.5, 1 - 0.5**0.5], abs=1e-6)
    order = torch.tensor([5, 3, 1, 0, 2, 4])
    assert torch.allclose(memory.score(batch.rows(order)), found[order])


def test_exploring_waits_for_the_warm_up() -> None:
    memory = bonus(exploit=0.0, warm_up=2)
    told = []
    for _ in range(3):
        told.append(memory.score(answered("nes", [0.0, 0.0, 0.0])).tolist())
        memory.update(answered("s", [0.0]))
    assert told[:2] == [[0.0] * 3] * 2 and told[2] == pytest.approx([1.0, 0.5, 0.0])


def test_a_stream_is_scaled_by_its_earlier_values_too_each_of_them_once() -> None:
    memory = bonus(explore=0.0)
    memory.update(answered("n", [1.0]))
    told = answered("nes", [NAN] * 3)  # nothing of it is written
    for _ in range(2):
        memory.score(told)
    assert memory.score(answered("e", [NAN])).tolist() == [0.0], "one value has no scale"
    memory.update(told)
    assert len(memory.scales[0]) == 3
    assert memory.score(answered("e", [NAN])).tolist() == pytest.approx([1.0 - 0.5**0.5])


def test_the_oldest_answers_and_tasks_are_put_out_first() -> None:
    memory = bonus(explore=0.0, queries=2, responses=2)
    memory.update(answered("nns", [1.0] * 3, [0, 0, 0]))
    assert memory.right is not None
    assert memory.right.read(compass(["n"]), 1)[0].tolist() == compass(["n", "s"]).tolist()
    memory.update(answered("ee", [1.0] * 2, [1, 2]))
    assert memory.right.ids == [1, 2]


def test_answers_filed_at_random_are_those_of_other_tasks() -> None:
    keys = list(range(8))
    told, shuffled = bonus(explore=0.0), bonus(explore=0.0, shuffled=True)
    batch = answered("nesw" * 2, [1.0] * 8, keys)
    for each in (told, shuffled):
        each.update(batch)
    assert told.right is not None and shuffled.right is not None
    own, others = (
        [each.right.state_dict()["answers"][each.right.ids.index(key)].tolist() for key in keys]
        for each in (told, shuffled)
        if each.right is not None
    )
    assert own != others and sorted(map(str, own)) == sorted(map(str, others))


def test_only_the_reasoning_is_compared_where_a_mark_ends_it() -> None:
    memory = EpisodicBonus(lambda texts: compass([text.strip() for text in texts]), explore=0.0, reason=";")
    batch = replace(answered("ns", [1.0, 0.0]), texts=("n ; 1", "s ; 1"))
    memory.update(batch)
    assert memory.score(batch).tolist() == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("order", ["after", "before"])
def test_a_memory_goes_on_from_its_state(order: Any) -> None:
    def step(memory: EpisodicBonus, texts: str) -> Tensor:
        batch = answered(texts, [1.0, 0.0, 1.0, 0.0], [0, 1, 0, 2])
        found = memory.score(batch)
        memory.update(batch)
        return found

    one, two = (bonus(order=order, shuffled=True, window=5) for _ in range(2))
    step(one, "nesw")
    stored = BytesIO()
    torch.save(one.state_dict(), stored)
    stored.seek(0)
    step(two, "wwww")  # forgotten
    two.load_state_dict(torch.load(stored, weights_only=True))
    for texts in ("eenn", "swne"):
        assert torch.equal(step(one, texts), step(two, texts))
    two.load_state_dict(bonus().state_dict())
    assert two.right is None and two.wrong is None, "at its beginning it had not met anything"


def test_an_evaluation_in_mid_run_leaves_memories_as_they_are() -> None:
    told = []
    for evaluated in (False, True):
        part = EpisodicBonus(digits)
        made = trainer(bonus=part, max_steps=3)
        for _ in range(3):
            if evaluated:
                made.evaluate(rows(2))
            made.advance()
        told.append((made.metrics[-1]["bonus/mean"], str(part.state_dict())))
    assert told[0] == told[1] and told[0][0] > 0


def test_bad_settings_are_refused() -> None:
    for told in ({"order": "during"}, {"k": 0}, {"warm_up": -1}):
        with pytest.raises(BadValue):
            EpisodicBonus(compass, **told)
