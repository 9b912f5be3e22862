"""Selection sees no reward and is what it says; checks can pass and fail; arms are one trainer with other bonuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.studies.language_players import Case, run_of
from wayfare.agents.language_rl import Arm
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.studies.language_runs import scripted
from wayfare.studies.repexp import STUDY, checks, plan, selection
from wayfare.studies.repexp.selection import CHOICES, Pool, choose, first_right

LAPTOP = STUDY.scales["laptop"]
PLAIN = Arm("GRPO lr 0.0003", {**plan.common(LAPTOP), "learning_rate": 3e-4})
TUNED = plan.Tuned(PLAIN, plan.repexp(LAPTOP).but("repexp", learning_rate=1e-3))
BASE = run_of([0.1, 0.1], [0.95, 0.95], arm="base")
DRAW = Stream(0, "choices")


def pool_of(states: torch.Tensor, texts: list[str] | None = None) -> Pool:
    many = len(states)
    texts = [str(i) for i in range(many)] if texts is None else texts
    return Pool(
        texts,
        np.arange(many) == many - 1,
        states,
        states.flip(0),
        states.flip(0),
        torch.eye(many),
        torch.arange(many) * 1.0,
    )


def test_of_alike_answers_and_one_that_differs_the_novel_one_is_verified_soon() -> None:
    states = torch.cat([torch.tensor([[1.0, 0.0]]).repeat(19, 1), torch.tensor([[0.0, 1.0]])])
    pool = pool_of(states + 1e-3 * torch.arange(40).view(20, 2))
    for name in ("repexp", "centred"):
        assert all(first_right(pool.right, choose(name, pool, DRAW, r, r)) <= 2 for r in range(4)), name
    assert max(first_right(pool.right, choose("last token", pool, DRAW, r, r)) for r in range(4)) > 2


def test_every_choice_is_an_order_of_the_pool_that_does_not_depend_on_what_is_right() -> None:
    pool = pool_of(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), [str(i % 7) for i in range(20)])
    other = replace(pool, right=~pool.right)
    for name in CHOICES[1:]:
        order = choose(name, pool, DRAW, 1, 1)
        assert sorted(order.tolist()) == list(range(20)) and (order == choose(name, other, DRAW, 1, 1)).all(), name


def test_copies_are_skipped_and_the_least_likely_come_last() -> None:
    pool = pool_of(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), [str(i % 7) for i in range(20)])
    assert len({pool.texts[i] for i in choose("other texts", pool, DRAW, 0, 0)[:7]}) == 7
    assert set(choose("quality gate", pool, DRAW, 0, 0)[-4:].tolist()) == {0, 1, 2, 3}


def test_a_random_choice_verifies_what_picking_without_replacement_expects() -> None:
    pool = pool_of(torch.zeros(20, 1))
    told, solved = selection._found("random", pool, [1, 4, 20], 3, DRAW, 0)
    assert told == 21 / 2 and solved.tolist() == pytest.approx([0.05, 0.2, 1.0])


def case() -> Case:
    """What its checks of training are tried with."""
    choices = checks.choice_rules(LAPTOP)
    return Case(
        checks.rules(LAPTOP, TUNED), ("breadth is kept",),
        lambda asked: checks.refuse_wrong_checks(LAPTOP, choices, asked, BASE),
        lambda script: scripted(BASE, script),  # type: ignore[arg-type]
        lambda rule, runs: checks.check_of(LAPTOP, rule, runs),
    )  # fmt: skip


def test_choices_are_tried_on_players_too_and_the_first_check_names_its_arm() -> None:
    choices = checks.choice_rules(LAPTOP)
    assert [rule.name for rule in choices if rule.kind == "claim"] == [
        "novel answers first", "the mean above the last state"
    ]  # fmt: skip
    with pytest.raises(BadValue, match="novel answers first"):
        checks.refuse_wrong_checks(LAPTOP, [replace(choices[0], threshold=1e-3)], [], BASE)
    assert "GRPO lr 0.1 " in checks.rules(LAPTOP, TUNED._replace(start="GRPO lr 0.1"))[0].statement


def test_selection_is_judged_by_its_whole_interval_and_not_where_a_pool_has_nothing() -> None:
    rule = checks.choice_rules(LAPTOP)[0]
    found = {"strategy": {"repexp|samples": np.array([5.0, 6.0, 7.0]), "random|samples": np.full(3, 30.0)}}
    assert checks.selection_check(LAPTOP, rule, found).state == "holds"
    found["strategy"]["repexp|samples"] = np.array([5.0, 15.0, 29.0])
    assert checks.selection_check(LAPTOP, rule, found).state == "undecided"
    found["strategy"]["repexp|samples"] = np.array([5.0, 15.0, np.nan])
    assert not checks.selection_check(LAPTOP, rule, found).tested


def test_arms_differ_in_their_bonus_alone() -> None:
    for arm in (TUNED.method, *plan.bonuses(LAPTOP, TUNED.rate), *plan.others(LAPTOP, TUNED.rate)):
        assert set(arm.parts) <= set(plan.SEAMS) and "bonus" in arm.parts
        same = {"learning_rate": 0, "scale_rewards": ""}
        assert {**arm.trainer, **same} == {**PLAIN.trainer, **same}
    knobs = TUNED.method.parts["bonus"][1]
    assert (knobs["beta"], knobs["ridge"], knobs["width"], "adaptive" in knobs) == (0.01, 0.01, 32, False)
    assert plan.bonuses(LAPTOP, 1e-4)[0].parts["bonus"][1]["adaptive"]
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    assert {cell.kwargs["split"] for cell in cells} == {"test"}
    assert sum(cell.kwargs["arm"].name == plan.plain(LAPTOP, TUNED.rate).name for cell in cells) == LAPTOP.seeds
    alike = plan.arm_cells_of(LAPTOP, TUNED._replace(baseline=plan.plain(LAPTOP, TUNED.rate)))
    assert len(alike) == len(cells) - LAPTOP.seeds == len({cell.name for cell in alike})
    assert {cell.kwargs["split"] for cell in plan.tuning_cells(LAPTOP)} == {"selection"}
