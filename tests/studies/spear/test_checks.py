"""Checks, plan and parts of the study: each check can pass and fail, and arms are one trainer with other parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.studies.language_players import Case, run_of
from wayfare.agents.language_rl.arms import trainer_of
from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel
from wayfare.learn.grpo.replay import SelfImitation
from wayfare.studies.language_cells import controls
from wayfare.studies.language_runs import Run
from wayfare.studies.spear import STUDY, checks, parts, plan
from wayfare.studies.spear.experiment import guessed
from wayfare.worlds.verifiable import LookupArithmetic

LAPTOP = STUDY.scales["laptop"]
TUNED = guessed(LAPTOP)
CALLS = {checks.TOOL: np.array([0.03, 0.03]), checks.USELESS: np.array([0.03, 0.03]), "ks": np.array([1, 4])}
BASE = Run("base", 0, {**run_of([0.07, 0.07], [0.3, 0.3], arm="base").arrays, **CALLS})


def case() -> Case:
    """What its checks are tried with."""
    return Case(
        checks.rules(LAPTOP, TUNED),
        ("more success than the tuned baseline", "sooner than the bonus alone", "few useless calls",
         "a bonus that stays calls on"),
        lambda asked: checks.refuse_wrong_checks(LAPTOP, asked, BASE),
        lambda script: checks.player(LAPTOP, BASE, script), lambda rule, runs: checks.check_of(rule, runs, "laptop"),
    )  # fmt: skip


def test_arms_differ_in_bonus_schedule_or_replay_alone() -> None:
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    arms = {cell.kwargs["arm"].name: cell.kwargs["arm"] for cell in cells}
    spear, fading, constant = (arms[name] for name in (plan.SPEAR, plan.FADING, plan.CONSTANT))
    assert tuple(spear.parts) == plan.SEAMS
    common = plan.plain(LAPTOP).parts
    for arm in arms.values():
        assert arm.name == "GRPO without Dr.BoT" or common.items() <= arm.parts.items()
    assert fading.parts == {name: told for name, told in spear.parts.items() if name != "auxiliary"}
    assert constant.parts["bonus"] == fading.parts["bonus"] and constant.parts["shaper"] != fading.parts["shaper"]
    told = {name: dict(arm.parts["auxiliary"][0][1]) for name, arm in arms.items() if name.startswith(plan.SPEAR)}
    usual = told.pop(plan.SPEAR)
    assert [{name: v for name, v in each.items() if usual.get(name) != v} for each in told.values()] == [
        {"decay": 1.0}, {"clip": None}
    ]  # fmt: skip
    assert {cell.kwargs["token_budget"] for cell in cells} == {LAPTOP.token_budget}
    assert {cell.kwargs["split"] for cell in cells} == {"test"}
    assert {cell.kwargs["split"] for cell in plan.tuning_cells(LAPTOP)} == {"selection"}
    assert len({cell.name for cell in cells}) == len(cells) == 4 * LAPTOP.seeds + 5 * LAPTOP.other_seeds


def test_settings_are_the_best_on_tuning_runs() -> None:
    best = {"reverse KL 0.1": 0.3, f"{plan.SPEAR} lr 0.0001": 0.9, f"{plan.CONSTANT} lr 0.001": 0.8}
    methods = [f"{name} lr {rate:g}" for name in (plan.SPEAR, plan.FADING, plan.CONSTANT) for rate in LAPTOP.rates]
    found = {
        name: run_of([0.1, best.get(name, 0.2)], [0.9, 0.9], arm=name).arrays
        for name in [*(arm.name for arm in controls(LAPTOP.rates)), *methods]
    }
    tuned = plan.chosen(LAPTOP, found)
    assert [arm.name for arm in tuned] == ["reverse KL 0.1", plan.SPEAR, plan.FADING, plan.CONSTANT]
    assert [arm.trainer["learning_rate"] for arm in tuned[1:]] == [1e-4, LAPTOP.rates[0], 1e-3]
    assert tuned.baseline.parts == plan.plain(LAPTOP).parts


def test_the_bonus_fades_while_imitation_rises() -> None:
    zero, one, group = torch.zeros(2), torch.ones(2), torch.zeros(2, dtype=torch.int64)
    shaper, replay = parts.fading(100), parts.imitation(0, 100, 64, 160, 5, 10)
    paid = [float(shaper.combine(zero, one, group, step)[0]) for step in (0, 50, 100, 300)]
    assert paid == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert [replay.weight(step) for step in (0, 50, 100, 300)] == pytest.approx([0.0, 0.5, 1.0, 1.0])
    assert float(parts.constant().combine(zero, one, group, 300)[0]) == 1.0


def test_calls_are_counted_in_conversations_that_are_always_the_same() -> None:
    task = LookupArithmetic(train=8, held_out=8)
    reader = WordReader(task.words)
    model = NanoModel(Nano(len(reader), "xs", seed=0), reader)
    rows = task.rows("test")[:4]
    told = parts.calls(model, task, rows)
    again = parts.calls(model, task, rows)
    assert set(told) == {"tool", "calls", "useless", "both", "right with both", "right without"}
    assert all(told[name] == again[name] for name in ("tool", "calls", "useless", "both"))
    assert 0 <= told["useless"] <= told["calls"] and told["tool"] <= told["calls"]


def test_the_replay_of_an_arm_learns_from_what_its_buffer_holds() -> None:
    smoke = STUDY.scales["smoke"]
    trainer = trainer_of(plan.base_of(smoke), plan.spear(smoke), 0, settings={"max_steps": 4})
    (replay,) = trainer.auxiliary
    assert isinstance(replay, SelfImitation) and replay.clip is not None and replay.of == "extrinsic"
    assert replay.sample(3) is None  # nothing is kept yet
    batch = trainer.experience.make(0, trainer.state).batch
    better = torch.zeros(len(batch))
    better[0] = 1.0
    replay.update(replace(batch, extrinsic=better, advantages=better))
    found = replay.sample(3)
    assert found is not None and len(found[0]) == 1
    kept = batch.completion_mask[0]
    assert torch.equal(found[0].old_logps[0][: len(kept)][kept], batch.old_logps[0][kept])
