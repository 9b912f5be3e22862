"""Runs, tables, figures, checks and cells that language-RL studies share."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wayfare.studies
from tests.studies.language_players import run_of
from wayfare.agents.language_rl import Arm, Base
from wayfare.errors import BadValue
from wayfare.studies import language_cells as cells
from wayfare.studies.contract import Findings
from wayfare.studies.engine import InProcess
from wayfare.studies.language_checks import (
    band_rule,
    check_of,
    collapse_rule,
    ends,
    equal_pass1_rule,
    refuse_wrong_checks,
)
from wayfare.studies.language_figures import frontiers, learning_curves
from wayfare.studies.language_frontiers import deciding
from wayfare.studies.language_runs import runs_of, scripted
from wayfare.studies.language_tables import arms_table, course_table, notes

BASE = run_of([0.1, 0.1], [0.9, 0.9], arm="base")


def _grown(arm: str, end: tuple[float, float], seeds: int = 3) -> list[Any]:
    return [run_of([0.1, end[0] + 0.01 * s], [0.9, end[1] + 0.01 * s], arm=arm, seed=s) for s in range(seeds)]


RUNS = {"base": [BASE], "GRPO": _grown("GRPO", (0.3, 0.5)), "method": _grown("method", (0.3, 0.85))}


def test_runs_are_collected_by_arm_and_seed_and_other_cells_left_out() -> None:
    found = runs_of({f"x{s}": run.arrays for s, run in enumerate(reversed(RUNS["GRPO"]))} | {"y": {"z": np.zeros(2)}})
    assert list(found) == ["GRPO"] and [run.seed for run in found["GRPO"]] == [0, 1, 2]


def test_a_measure_that_is_not_there_is_refused_by_name() -> None:
    for wrong in ("pass@2", "nothing"):
        with pytest.raises(BadValue, match=r"k must|measure"):
            BASE.measure(wrong)
    with pytest.raises(BadValue, match="tokens"):
        BASE.at_tokens(BASE.pass_at(1), 101)
    assert BASE.at_tokens(np.array([0.0, 1.0]), 25) == 0.25


def test_pass_at_k_of_each_prompt_has_the_mean_that_was_told() -> None:
    assert BASE.solved(1).mean(axis=1) == pytest.approx(np.rint(6.4) / 64)
    assert BASE.solved(64)[0].tolist() == [1.0] * 3


def test_scripted_players_end_where_their_scripts_say() -> None:
    sharp, flat = scripted(BASE, "sharpens"), scripted(BASE, "collapses")
    assert (sharp.end("pass@1"), sharp.end("pass@64")) == pytest.approx((0.4, 0.9))
    assert (flat.end("pass@1"), flat.end("pass@64")) == pytest.approx((0.4, 0.4))
    assert flat.end("entropy") == 0 and flat.end("distinct") == 1
    assert scripted(BASE, "spreads").end("pass@1") == pytest.approx(0.9)


def test_checks_are_tried_on_scripted_players_first() -> None:
    rules = [collapse_rule("GRPO"), equal_pass1_rule("keeps", "...", "claim", "method", "GRPO"),
             band_rule("band", "...", "pass@1", (0.05, 0.15))]  # fmt: skip
    refuse_wrong_checks(rules, BASE)
    with pytest.raises(BadValue, match="the baseline collapses"):
        refuse_wrong_checks([replace(rules[0], threshold=0.7)], BASE)
    with pytest.raises(BadValue, match="cast"):
        refuse_wrong_checks([replace(rules[1], best={"method": "sharpens"})], BASE)
    found = [check_of(rule, RUNS, "laptop") for rule in rules]
    assert [check.state for check in found[:2]] == ["holds", "holds"] and found[2].estimate == pytest.approx(0.1)
    assert check_of(rules[0], RUNS, "smoke").reason == "needs quick scale"
    assert Findings({}, [], found).verdict == "holds"
    assert ends(RUNS["GRPO"], "pass@64") == pytest.approx([0.5, 0.51, 0.52])


def test_tables_and_figures_tell_every_arm() -> None:
    table = arms_table(RUNS)
    assert [row[0] for row in table.rows] == list(RUNS) and "pass@16" not in table.columns
    assert table.rows[1][table.columns.index("pass@64")] == pytest.approx(0.51)
    assert len(course_table(RUNS).rows) == 2 * 7 and "0 of 7" in notes(RUNS)[-1]
    for figure in (learning_curves(RUNS, dashed=["GRPO"]), frontiers(RUNS)):
        assert figure.draw().axes


def test_controls_hold_the_rates_a_divergence_and_an_entropy_bonus() -> None:
    arms = cells.controls()
    assert [arm.trainer["learning_rate"] for arm in arms] == [1e-5, 3e-5, 1e-4, 1e-4, 1e-4]
    assert arms[3].trainer["beta"] == 0.1 and arms[4].trainer["entropy_coef"] == 0.01
    assert [arm.trainer["learning_rate"] for arm in cells.grid(Arm("m", {"beta": 1.0}))] == list(cells.RATES)
    assert cells.two_rollouts(arms[0]).trainer["num_generations"] == 32
    assert len({arm.name for arm in arms}) == len(arms)


def test_a_plan_from_base_to_deciding_baseline_runs_in_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYFARE_CACHE", str(tmp_path / "cache"))
    base = Base("modular", {"p": 3}, steps=3, rows=16)
    how = cells.How(steps=2, evaluate_every=1, eval_prompts=2, eval_answers=4, ks=(1, 4))
    small = {"generation_batch_size": 4, "num_generations": 2}
    arms = cells.controls(rates=(1e-4, 1e-3), **small)[:2]
    planned = cells.arm_cells(base, arms, how.tuning(), (100,), prefix="tuning ")
    assert cells.core_seconds(planned) > 0 and planned[0].name == "tuning GRPO lr 0.0001 seed 100"
    engine = InProcess()
    first = runs_of(engine.cells([cells.base_cell(base, how)]))
    found = runs_of(engine.cells(planned))
    assert set(first["base"][0]["index"]).isdisjoint(found[arms[0].name][0]["index"])  # selection, not test
    assert deciding(found, lambda run: run.pass_at(1)[-1]) in found
    again = engine.cells(planned)
    assert all(bool(arrays["cached"][0]) for arrays in again.values())
    with pytest.raises(BadValue, match="steps"):
        cells.How()


def test_no_study_trains_by_itself_but_two_that_are_older_than_the_rule() -> None:
    folder = Path(wayfare.studies.__file__).parent
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if re.search(r"\.backward\(|torch\.optim|import optim\b", path.read_text(encoding="utf-8"))
    }
    assert found <= {"agentfly/values.py", "rafa/in_context.py"}
