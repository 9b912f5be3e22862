"""Lessons of a teacher: which decisions, told how, and what of them is learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from wayfare.agents.bandit_lessons import demonstrations, fine_tuning, labelled, teach
from wayfare.agents.bandit_player import Telling
from wayfare.errors import BadValue
from wayfare.explore.rules.uniform import Uniform
from wayfare.learn.supervised import Supervised
from wayfare.worlds.replicas import BanditReplicas


def pull_of(arms: int = 3, copies: int = 4) -> Any:
    world = BanditReplicas(copies, 1, arms, "bernoulli", seed=3)
    return lambda actions, t: world.pull(torch.from_numpy(actions)).numpy()


def test_demonstrations_are_the_published_five_and_stand_before_the_history() -> None:
    telling = Telling("videos", "SH")
    taught = teach(pull_of(), 3, 4, 12, 1, telling)
    shown = demonstrations(taught, telling, copy=2)
    assert [d.answer for d in shown] == [taught.names[2][taught.actions[t, 2]] for t in (2, 4, 6, 8, 10)]
    assert shown[0].history.count("1 time,") == 2 and shown[0].history.count("never, mean never") == 1
    asked = replace(telling, layer="RH", examples=shown).text(taught.names[0], 1, "nothing yet")
    assert asked.count("Answer: Video") == 5 and asked.rstrip().endswith("Answer:")
    with pytest.raises(BadValue, match="count"):
        demonstrations(taught, telling, count=7)
    with pytest.raises(BadValue, match="copy"):
        demonstrations(taught, telling, copy=4)


def test_trajectories_of_a_teacher_stand_in_the_order_of_their_copies() -> None:
    """In the published code they come back in the order in which they end, apart from their seeds."""
    taught = teach(pull_of(3, 4), 3, 4, 12, 1, Telling())
    again = teach(pull_of(3, 2), 3, 2, 12, 1, Telling())
    assert np.array_equal(taught.actions[:, :2], again.actions) and taught.names[:2] == again.names


def test_fine_tuning_learns_answers_only() -> None:
    from wayfare.language.models import load_causal_model

    model, tokenizer = load_causal_model("tiny-random")
    telling = Telling("ads", "SH")
    pairs = fine_tuning(teach(pull_of(3, 2), 3, 2, 4, 1, telling), telling)
    assert len(pairs) == 8 and all(prompt.endswith("Answer:") for prompt, _ in pairs)
    ids, mask = labelled(tokenizer, pairs[:3])
    for row, here, (_, answer) in zip(ids, mask, pairs, strict=False):
        assert tokenizer.decode(row[here].tolist()).strip() == answer.strip()
    model.requires_grad_(True)
    trainer = Supervised(model, 3e-3)
    losses = [trainer.update(ids, mask)["loss"] for _ in range(6)]
    assert losses[-1] < losses[0]
    with pytest.raises(BadValue, match="pairs"):
        labelled(tokenizer, [])


def test_lessons_that_are_aloud_work_out_the_index_of_the_guide_before_the_name() -> None:
    telling = Telling("ads", "SH", aloud=True, chat=True)
    taught = teach(pull_of(3, 2), 3, 2, 8, 1, telling, telling.guide)
    pairs = fine_tuning(taught, telling, horizon=50)
    for number, (prompt, answer) in enumerate(pairs):
        copy, t = divmod(number, 8)
        names = taught.names[copy]
        assert "50 visitors" in prompt[0]["content"] and "last name" in prompt[0]["content"]
        assert len(answer.splitlines()) == 4
        assert telling.read(answer, names, 0.0) == (taught.actions[t, copy], True)
    with pytest.raises(BadValue, match="highest index"):
        fine_tuning(teach(pull_of(3, 2), 3, 2, 8, 1, telling, Uniform()), telling)


def test_a_conversation_is_made_into_tokens_as_the_model_will_be_asked() -> None:
    from wayfare.language.local import TransformersModel

    model = TransformersModel("tiny-random")
    asked = [{"role": "user", "content": "Which?"}]
    ids, mask = labelled(model.tokenizer, [(asked, "Ad A")])
    assert ids[0][~mask[0]].tolist() == model.encode(asked)
    assert model.decode(ids[0][mask[0]].tolist()) == "Ad A"
