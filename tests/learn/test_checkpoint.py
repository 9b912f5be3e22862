"""Training that was stopped goes on as if it had not been, from a file that is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wayfare.agents.bandit_lessons import study
from wayfare.agents.bandit_player import Telling
from wayfare.agents.bandit_reinforcement import Trials, reinforce
from wayfare.explore.rules import UCB1
from wayfare.language.adapters import add_adapters
from wayfare.language.interface import Sampling
from wayfare.language.local import TransformersModel
from wayfare.learn.checkpoint import Checkpoint
from wayfare.learn.language_policy import LanguagePolicy

SAYS = Sampling(max_tokens=2)


def adapted() -> TransformersModel:
    return add_adapters(TransformersModel("tiny-random"), rank=2)


def weights(model: TransformersModel) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in model.causal.parameters() if each.requires_grad])


class Stopped(Exception):
    """Thrown in mid-training."""


def stop_at(update: int):  # type: ignore[no-untyped-def]
    def told(done: int, *_: object) -> None:
        if done == update:
            raise Stopped

    return told


def test_lessons_go_on_after_a_stop(tmp_path: Path) -> None:
    pairs = [("begin", " 1"), ("begin 0", " 2"), ("act", " 3")]
    whole = adapted()
    study(whole, pairs, 6, batch=2)
    file = Checkpoint(tmp_path / "lessons", every=2)
    with pytest.raises(Stopped):
        study(adapted(), pairs, 6, batch=2, report=stop_at(3), checkpoint=file)
    resumed = adapted()
    assert len(study(resumed, pairs, 6, batch=2, checkpoint=file)) == 4
    assert torch.equal(weights(whole), weights(resumed))


def test_reinforcement_goes_on_after_a_stop(tmp_path: Path) -> None:
    def run(model: TransformersModel, **options: object) -> int:
        learner = LanguagePolicy(model, 1e-2, mini_batches=2)
        arguments = (Telling("ads"), SAYS, "original", 1.0, Trials(1, 2, 2, 2), 4, UCB1(), 1)
        return len(reinforce(learner, *arguments, **options))  # type: ignore[arg-type]

    whole, resumed = adapted(), adapted()
    run(whole)
    file = Checkpoint(tmp_path / "tries", every=1)
    with pytest.raises(Stopped):
        run(adapted(), report=stop_at(3), checkpoint=file)
    assert run(resumed, checkpoint=file) == 1
    assert torch.equal(weights(whole), weights(resumed))


def test_a_torn_file_is_none(tmp_path: Path) -> None:
    file = Checkpoint(tmp_path / "torn", every=1)
    learner = LanguagePolicy(adapted(), 1e-2)
    file.passed(learner)
    file.path.write_bytes(file.path.read_bytes()[:100])
    before = weights(learner.model)
    file.restore(learner)
    assert learner.done == 0 and torch.equal(before, weights(learner.model))
    assert [each.name for each in tmp_path.iterdir()] == ["torn"]
