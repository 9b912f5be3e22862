"""Training that was stopped goes on as if it had not been, from a file that is whole or not there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wayfare.agents.bandit_lessons import study
from wayfare.agents.bandit_player import Telling
from wayfare.agents.bandit_reinforcement import Trials, reinforce, settings
from wayfare.errors import BadValue
from wayfare.explore.rules import UCB1
from wayfare.language.adapters import add_adapters
from wayfare.language.interface import Sampling
from wayfare.language.local import TransformersModel
from wayfare.learn.checkpoint import Checkpoints

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
    file = Checkpoints(tmp_path / "lessons", every=2)
    with pytest.raises(Stopped):
        study(adapted(), pairs, 6, batch=2, report=stop_at(3), checkpoints=file)
    resumed = adapted()
    assert len(study(resumed, pairs, 6, batch=2, checkpoints=file)) == 4
    assert torch.equal(weights(whole), weights(resumed))


def test_reinforcement_goes_on_after_a_stop(tmp_path: Path) -> None:
    def run(model: TransformersModel, **options: object) -> int:
        trials = Trials(1, 2, 2, 2)
        learning = settings(trials, SAYS, 1e-2, mini_batches=2, beta=1e-3)
        arguments = (Telling("ads"), SAYS, "original", 1.0, trials, 4, UCB1(), 1)
        return len(reinforce(model, learning, *arguments, **options))  # type: ignore[arg-type]

    whole, resumed = adapted(), adapted()
    run(whole)
    file = Checkpoints(tmp_path / "tries", every=1)
    with pytest.raises(Stopped):
        run(adapted(), report=stop_at(3), checkpoints=file)
    assert run(resumed, checkpoints=file) == 1
    assert torch.equal(weights(whole), weights(resumed))


class Counting:
    """A learner whose weights are the number of its updates."""

    def __init__(self, done: int = 0) -> None:
        self.done = done

    def state_dict(self) -> dict[str, Any]:
        return content(self.done)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.done = state["number"]


def test_a_learner_is_written_every_so_many_updates_however_many_it_does_at_once(tmp_path: Path) -> None:
    files = Checkpoints(tmp_path, keep=9, every=5)
    learner = Counting()
    for done in (1, 4, 6, 9, 10, 11, 12, 18):
        learner.done = done
        files.passed(learner)
    assert files.numbers() == [6, 11, 18]
    again = Counting()
    files = Checkpoints(tmp_path, keep=9, every=5)
    files.restore(again)
    assert again.done == 18
    for done in (22, 23):
        again.done = done
        files.passed(again)
    assert files.numbers() == [6, 11, 18, 23]


def test_a_learner_whose_files_are_all_torn_stays_as_it_is(tmp_path: Path) -> None:
    files = Checkpoints(tmp_path, every=1)
    files.passed(Counting(7))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    learner = Counting(2)
    files.restore(learner)
    assert learner.done == 2


def content(number: int) -> dict[str, Any]:
    return {"number": number, "weights": torch.full((3,), float(number)), "names": ["a", "b"]}


def test_the_newest_files_are_kept_and_the_one_that_is_protected(tmp_path: Path) -> None:
    files = Checkpoints(tmp_path / "made", keep=2)
    assert files.newest() is None and files.numbers() == []
    for number in (3, 5, 8, 9):
        path = files.write(number, content(number), protect=3)
        assert path.exists()
    assert files.numbers() == [3, 8, 9]
    number, state = files.newest() or (0, {})
    assert number == 9 and state["names"] == ["a", "b"] and torch.equal(state["weights"], torch.full((3,), 9.0))
    assert (files.read(3) or {})["number"] == 3 and files.read(5) is None
    files.clear()
    assert list((tmp_path / "made").iterdir()) == []
    for name in ("keep", "every"):
        with pytest.raises(BadValue, match=f"{name} must be at least 1"):
            Checkpoints(tmp_path, **{name: 0})


@pytest.mark.parametrize("harm", ("cut", "one bit", "empty", "only a digest"))
def test_a_file_that_is_not_whole_is_passed_over(harm: str, tmp_path: Path) -> None:
    files = Checkpoints(tmp_path)
    files.write(1, content(1))
    newest = files.write(2, content(2))
    whole = newest.read_bytes()
    bit = bytearray(whole)
    bit[len(bit) // 2] ^= 1
    newest.write_bytes({"cut": whole[:-1], "one bit": bytes(bit), "empty": b"", "only a digest": whole[-32:]}[harm])
    assert files.read(2) is None
    number, state = files.newest() or (0, {})
    assert number == 1 and state["number"] == 1
    newest.write_bytes(whole)
    assert (files.newest() or (0, {}))[0] == 2


def test_files_of_a_time_that_was_taken_back_and_of_a_writing_that_was_stopped_go(tmp_path: Path) -> None:
    files = Checkpoints(tmp_path, keep=2)
    for number in (10, 20, 30):
        files.write(number, content(number))
    (tmp_path / "step-00000040.pt.77.part").write_bytes(b"half")
    files.write(25, content(25))
    assert files.numbers() == [20, 25] and (files.newest() or (0, {}))[0] == 25
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020.pt", "step-00000025.pt"]


@pytest.mark.parametrize("value", (np.float64(0.5), np.int64(3), {1, 2}, Path("x"), object()))
def test_what_could_not_be_read_back_is_refused_when_it_is_written(value: object, tmp_path: Path) -> None:
    files = Checkpoints(tmp_path)
    with pytest.raises(BadValue, match=r"state\['parts'\]\[1\]\['scale'\] must be a tensor, number or text"):
        files.write(1, {"parts": [1.0, {"scale": value}]})
    assert files.numbers() == []
    files.write(1, {"parts": (None, True, {7: torch.Size([2]).numel()}), "optimiser": OrderedDict(betas=(0.9, 0.99))})
    assert (files.read(1) or {})["optimiser"]["betas"] == (0.9, 0.99)
