"""ReMem's loop ends, its edits are all or nothing, and what it pruned can be taken back."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.memory.modules.playing import FRUIT, done, run, shown
from wayfare.errors import BadValue
from wayfare.memory.modules.protocol import Finished
from wayfare.memory.modules.refined import Act, Inner, Refine, ReMem, Step, Think


class Scripted(ReMem):
    """Chooses what it is told, again and again."""

    script: Any = None

    def choose(self, inner: Inner) -> Step:
        found: Step = self.script(inner)
        return found


@settings(max_examples=15)
@given(st.lists(st.sampled_from(["think", "refine", "act"]), min_size=1, max_size=6), st.integers(0, 4))
def test_no_choice_keeps_the_loop_from_ending(choices: list[str], cap: int) -> None:
    with TemporaryDirectory() as folder, Scripted(f"{folder}/r.db", cap=cap) as module:
        module.update(done(FRUIT[0]))
        steps = {"think": Think("hm", "other words"), "refine": Refine(query="ripe"), "act": Act()}
        module.script = lambda inner: steps[choices[inner.steps % len(choices)]]
        module.search(FRUIT[0])
        counted = module.operations
        assert counted["think"] + counted["refine"] <= cap
        assert counted["act"] + counted["forced act"] == 1
        first = next((i for i, choice in enumerate(choices) if choice == "act"), None)
        assert counted["act"] == (first is not None and first < cap)


def test_a_case_that_fails_and_does_not_help_is_pruned_and_one_that_helps_is_not(tmp_path: Path) -> None:
    with ReMem(tmp_path / "r.db", k=2) as module:
        module.update(done("peel the ripe apple", "claw", 0.0))
        module.update(done("peel the ripe pear", "knife", 1.0))
        assert shown(module, "peel the ripe plum") == ["peel the ripe pear", "peel the ripe apple"]
        run(module, [Finished("peel the ripe plum", "claw", 0.0)])
        assert "claw" not in str([record.content for record in module.pruned()])  # one failure beside another case
        for _ in range(3):
            run(module, [Finished("peel the ripe plum", "claw", 0.0)])
        module.search("peel the ripe plum")
        assert "peel the ripe apple" in str([record.content for record in module.pruned()])
        assert "knife" in module.synthesise("", module.search("peel the ripe kiwi"))


def test_pruning_goes_by_a_share_of_what_was_recalled_so_that_a_bad_stream_costs_no_success(tmp_path: Path) -> None:
    """Own end 1, then 8 half credits of 0 in a stream where all fails: 1 / (1 + 4 + 1) is above 0.6 m0."""
    with ReMem(tmp_path / "r.db", k=2) as module:
        module.update(done("peel the ripe pear", "knife", 1.0))
        module.update(done("peel the ripe apple", "claw", 0.0))
        for i in range(8):
            run(module, [Finished(f"peel the ripe plum {i}", f"claw {i}", 0.0)])
        assert "knife" not in str([record.content for record in module.pruned()])


def test_what_was_pruned_is_found_no_more_has_its_history_and_is_taken_back(tmp_path: Path) -> None:
    with Scripted(tmp_path / "r.db") as module:
        run_first = done(FRUIT[0], "knife")
        module.update(run_first)
        module.script = lambda inner: Refine(prune=tuple(inner.items)) if inner.items else Act()
        assert module.search(FRUIT[0]) == []
        [pruned] = module.pruned()
        assert [step.op for step in module.memory.history(pruned.id)] == ["ADD", "ARCHIVE"]
        module.script = lambda inner: Act()
        assert module.search(FRUIT[0]) == []
        module.recover(pruned.id)
        assert [(each.id, each.text) for each in module.search(FRUIT[0])] == [(pruned.id, pruned.content)]
        assert [step.op for step in module.memory.history(pruned.id)] == ["ADD", "ARCHIVE", "RESTORE"]
        with pytest.raises(BadValue, match="archived"):
            module.recover(pruned.id)


def test_the_same_case_twice_becomes_one_that_counts_for_both_and_can_be_parted_again(tmp_path: Path) -> None:
    with ReMem(tmp_path / "r.db") as module:
        module.update(done("peel the ripe apple", "knife"))
        module.update(done("Peel the  ripe apple!", "knife"))
        module.update(done("peel the ripe apple", "claw"))
        module.search("peel the ripe apple")
        assert (len(module), module.operations["merge"]) == (2, 1)
        [kept] = [each for each in module.memory.list().records if each.meta.get("seen") == 2]
        assert module._credits(kept) == (2.0, 2.0, 2.0)


def test_an_edit_that_meets_a_newer_version_is_refused_whole(tmp_path: Path) -> None:
    with Scripted(tmp_path / "r.db") as module:
        for task in FRUIT[:2]:
            module.update(done(task))

        def meanwhile(inner: Inner) -> Step:
            if inner.steps:
                return Act()
            module.memory.revise(next(iter(inner.items)), "changed by somebody else", expect=1)
            return Refine(prune=tuple(inner.items))

        module.script = meanwhile
        assert len(module.search(FRUIT[0])) == 2
        assert (module.operations["refused"], module.operations["prune"], module.pruned()) == (1, 0, [])


def test_an_edit_names_only_what_was_recalled(tmp_path: Path) -> None:
    with Scripted(tmp_path / "r.db") as module:
        module.update(done(FRUIT[0]))
        module.script = lambda inner: Act() if inner.steps else Refine(("no such id",), (("neither", "nor"),))
        assert len(module.search(FRUIT[0])) == 1
        assert module.operations["refused"] == 0


def test_only_what_was_shown_is_credited(tmp_path: Path) -> None:
    with ReMem(tmp_path / "r.db", k=1) as module:
        for task in FRUIT:
            module.update(done(task))
        run(module, [done("peel the ripe apple again", "knife")])
        credits = sorted(record.utility.n for record in module.memory.list(limit=3).records)
        assert credits == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("wrong", [{"cap": -1}, {"pool": 0}, {"threshold": 2}, {"own": -1}, {"kappa": 0}])
def test_settings_out_of_range_are_named(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=next(iter(wrong))):
        ReMem(tmp_path / "r.db", **wrong)
