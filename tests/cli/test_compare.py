"""`wayfare compare` runs a method beside plain GRPO and the controls, or says in one line why it does not."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.cli import main
from wayfare.studies.language_compare import compared, planned
from wayfare.studies.language_runs import Run, scripted
from wayfare.worlds.verifiable import TASKS

BONUS = """
import os


class Rare:
    def __init__(self, beta=0.1):
        self.beta, self.seen = beta, {}

    def score(self, batch):
        if os.environ.get("STOP_AT") == str(len(self.seen)):
            raise KeyboardInterrupt
        return [self.beta] * len(batch)

    def update(self, batch):
        self.seen[str(len(self.seen))] = len(batch)

    def state_dict(self):
        return dict(self.seen)

    def load_state_dict(self, state):
        self.seen = dict(state)


class Nothing:
    requires = frozenset()

    def prepare(self, batch, forward):
        return {}

    def apply(self, loss, context):
        return loss


class Broken:
    def score(self, batch):
        return [1 / 0] * len(batch)


class Short:
    def score(self, batch):
        return [0.0]


class Forgetful:
    def score(self, batch):
        return [0.0] * len(batch)

    def state_dict(self):
        return {"a set": {1, 2}}

    def load_state_dict(self, state):
        pass
"""
SMOKE = ("compare", "--scale", "smoke", "--controls", "copies", "--tokens", "100")


@pytest.fixture(scope="module", autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for all tests of the file."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("WAYFARE_CACHE", str(folder))
        yield folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of a smoke run's time: one test looks at them."""
    monkeypatch.setattr("wayfare.report.plots.draw", lambda figure: dict.fromkeys(("png", "svg", "svg_dark"), b""))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a file of one's own."""
    (tmp_path / "mine.py").write_text(BONUS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _found(here: Path) -> dict[str, Any]:
    """Of the last comparison."""
    folders = sorted(each for each in (here / "runs" / "compare").iterdir() if each.name != "unfinished")
    found: dict[str, Any] = json.loads((folders[-1] / "found.json").read_text())
    return found


def _numbers(found: dict[str, Any]) -> Any:
    """All that does not depend on the clock."""
    return [{**row, "seconds": 0} for row in found["arms"]], found["differences"]


def test_a_bonus_is_run_beside_grpo_and_controls_and_what_came_out_is_written(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMOKE, "--bonus", "mine:Rare", "--argument", "bonus.beta=0.2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 arms x 2 seeds on countdown3, 100 tokens each: about ")
    assert "What this does not decide" in said and "0 of 6 runs were read from the cache" in said
    [folder] = (each for each in (here / "runs" / "compare").iterdir() if each.name != "unfinished")
    with (folder / "tables" / "arms.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == ["Rare", "GRPO", "bonus 1/m for copies"]
    assert all(float(row["tokens"]) >= 100 for row in rows)
    measures = {row["measure"] for row in _found(here)["differences"] if row["arm"] == "Rare"}
    assert measures == {"pass@1", "pass@4", "different right answers", "entropy", "pass@4 at equal pass@1"}
    asked = json.loads((folder / "asked.json").read_text())
    assert asked["command"].startswith("wayfare compare --scale smoke")
    assert asked["arms"][0]["parts"]["bonus"] == [f"{here / 'mine.py'}:Rare", {"beta": 0.2}]
    drawn = {path.name for path in (folder / "figures").iterdir()}
    assert drawn == {f"{name}.{kind}" for name in ("learning", "frontiers") for kind in ("png", "svg", "dark.svg")}
    assert not list((here / "runs" / "compare" / "unfinished").glob("*"))


@pytest.mark.usefixtures("undrawn")
def test_seeds_that_were_run_before_are_read_again_until_the_file_changes(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYFARE_CACHE", str(here / "cache"))  # other tests run GRPO's seeds, too
    words = [*SMOKE, "--controls", "", "--bonus", "mine.py:Rare"]
    assert main([*words, "--seeds", "1"]) == 0
    capsys.readouterr()
    assert main([*words, "--seeds", "2"]) == 0
    assert "2 of 4 runs were read" in capsys.readouterr().out
    (here / "mine.py").write_text(BONUS.replace("[self.beta]", "[2 * self.beta]"))
    assert main([*words, "--seeds", "2"]) == 0
    assert "2 of 4 runs were read" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_that_was_stopped_goes_on_to_what_one_finds_that_was_not(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["compare", "--scale", "smoke", "--controls", "", "--tokens", "250", "--seeds", "1", "--bonus", "mine:Rare"]
    monkeypatch.setenv("STOP_AT", "2")
    assert main(words) == 130
    assert list((here / "runs" / "compare" / "unfinished").rglob("*.pt"))
    monkeypatch.delenv("STOP_AT")
    assert main(words) == 0
    stopped = _numbers(_found(here))
    monkeypatch.setenv("WAYFARE_CACHE", "")
    assert main(words) == 0
    assert _numbers(_found(here)) == stopped


@pytest.mark.usefixtures("undrawn")
def test_parts_that_are_given_together_are_one_method(here: Path) -> None:
    words = ["--regulariser", "mine:Nothing", "--budget", "wayfare.learn.grpo.budgets:VarianceBudget"]
    more = ["--part", "advantage=wayfare.learn.grpo:LeaveOneOut", "--set", "beta=0.05", "--seeds", "1"]
    assert main([*SMOKE, "--controls", "", *words, *more]) == 0
    assert [row["arm"] for row in _found(here)["arms"]] == ["VarianceBudget + Nothing + LeaveOneOut", "GRPO"]


def test_check_says_what_it_would_cost_and_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--bonus", "mine:Rare", "--seeds", "5", "--workers", "2", "--check"]) == 0
    assert "7 arms x 5 seeds on countdown3, 300,000 tokens each: about " in capsys.readouterr().out
    assert [path.name for path in here.iterdir()] == ["mine.py"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bonus", "gone.py:Rare"], "gone.py is none"),
        (["--bonus", "mine.py:Raer"], "something that"),
        (["--bonus", "mine.py"], "bonus must be FILE.py:CLASS or MODULE:CLASS"),
        (["--bonus", "nowhere_at_all:Rare"], "nowhere_at_all"),
        (["--bonus", "mine:Broken"], "raises ZeroDivisionError: division by zero, line"),
        (["--bonus", "mine:Short"], "bonus"),
        (["--bonus", "mine:Forgetful"], "must be a tensor, number or text"),
        (["--bonus", "wayfare.learn.grpo.bonuses:EllipticalBonus"], "features must be given to the trainer"),
        (["--bonus", "mine:Rare", "--argument", "bonus.betta=1"], "argument of"),
        (["--bonus", "mine:Rare", "--argument", "beta=1"], "argument must be SEAM.NAME=VALUE"),
        (["--bonus", "mine:Rare", "--argument", "budget.x=1"], "of a part that is given once: bonus"),
        (["--part", "bonuses=mine:Rare"], "part must be one of budget"),
        (["--part", "mine:Rare"], "part must be SEAM=FILE.py:CLASS"),
        (["--bonus", "mine:Rare", "--part", "bonus=mine:Rare"], "bonus must be given once"),
        (["--task", "chess"], "task must be one of countdown3"),
        (["--knob", "hint=1"], "knob must be one of"),
        (["--set", "learning_rat=1"], "config field must be one of"),
        (["--set", "learning_rate=-1"], "learning_rate must be"),
        (["--set", "learning_rate=abc"], "learning_rate must be a number, got 'abc'"),
        (["--set", "generation_batch_size=1.5"], "generation_batch_size must be a whole number, got 1.5"),
        (["--controls", "kl,luck"], "controls must be some of copies"),
        (["--seeds", "0"], "seeds must be at least 1"),
        (["--tokens", "0"], "tokens must be at least 1"),
        (["--workers", "0"], "workers must be at least 1"),
        (["--scale", "huge"], "scale must be one of"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line_and_nothing_is_written(
    words: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMOKE, *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("wayfare: ") and error.count("\n") == 1
    assert [path.name for path in here.iterdir() if path.name != "__pycache__"] == ["mine.py"]


def test_help_names_every_task_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    said = capsys.readouterr().out.replace("│", " ").split()
    assert {f"{name}," for name in list(TASKS)[:-1]} <= set(said) and f"{list(TASKS)[-1]}." in said


def test_without_the_packages_the_command_that_installs_them_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wayfare.cli.compare.find_spec", lambda name: None)
    assert main(["compare"]) == 2
    assert "pip install 'wayfare[lab]'" in capsys.readouterr().err


def test_every_arm_has_the_settings_of_all_and_its_evaluations_lie_as_close_in_tokens() -> None:
    plan = planned(None, scale="smoke", trainer={"learning_rate": 1e-3})
    by_name = {arm.name: arm.trainer for arm in plan.arms}
    assert by_name["twice the rollouts"]["generation_batch_size"] == 2 * by_name["GRPO"]["generation_batch_size"]
    assert by_name["0.3 x learning rate"]["learning_rate"] == pytest.approx(3e-4)
    shared = [by_name[name]["learning_rate"] for name in by_name if name != "0.3 x learning rate"]
    assert set(shared) == {1e-3}
    quick = planned(None, scale="quick", controls=("rollouts",), seeds=1)
    every = {cell.kwargs["arm"].name: cell.kwargs["evaluate_every"] for cell in quick.cells}
    assert every == {"GRPO": 20, "twice the rollouts": 10}


def _base(seed: int) -> Run:
    pass_at = np.array([[0.2, 0.8]])
    arrays = {
        "ks": np.array([1, 4]), "answers": np.array([4]), "pass": pass_at, "right": np.full((1, 2), 1),
        "distinct": np.full((1, 2), 3.0), "entropy": np.ones((1, 2)), "malformed": np.zeros(1), "clipped": np.zeros(1),
        "length": np.ones(1), "seed": np.array([seed]), "index": np.arange(2),
    }  # fmt: skip
    return Run("base", seed, arrays)


def _scripted(script: Any, gains: tuple[float, ...], tokens: float = 100.0) -> list[Run]:
    return [scripted(_base(seed), script, gain=gain, tokens=tokens) for seed, gain in enumerate(gains)]


def test_differences_are_paired_by_seed_and_read_where_the_arm_that_drew_least_ended() -> None:
    runs = {
        "mine": _scripted("sharpens", (0.30, 0.42)),
        "GRPO": _scripted("collapses", (0.20, 0.30), tokens=200.0),
        "reverse KL": _scripted("sharpens", (0.10, 0.10)),
    }  # fmt: skip
    found = compared(runs, "mine")
    assert (found.best, found.tokens) == ("reverse KL", 100.0)
    told = {(row[0], row[1], row[2]): row[3:] for row in found.differences.rows}
    estimate, low, high = told["mine", "GRPO", "pass@1"]
    assert estimate == pytest.approx((0.30 - 0.10 + 0.42 - 0.15) / 2)
    assert high - estimate == pytest.approx(12.706 * 0.07 / 2, rel=1e-3) == estimate - low
    assert told["mine", "reverse KL", "pass@1"][0] == pytest.approx(0.26)
    assert told["mine", "GRPO", "pass@4"][0] == pytest.approx((0.8 - 0.6 + 0.8 - 0.65) / 2)
    assert told["mine", "GRPO", "pass@4 at equal pass@1"][0] > 0
    assert ("reverse KL", "mine", "pass@1") not in told


def test_one_seed_has_no_interval_and_an_arm_that_never_rises_no_comparison_at_equal_pass1() -> None:
    runs = {"mine": _scripted("stays", (0.0,)), "GRPO": _scripted("sharpens", (0.1,))}
    told = {row[2]: row[3:] for row in compared(runs, "mine").differences.rows}
    assert told["pass@1"] == (pytest.approx(-0.1), None, None)
    assert told["pass@4 at equal pass@1"] == (None, None, None)
