"""A model chooses between thinking, refining and acting; whatever it says, the loop ends and edits are bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.agents.scripted_model import Scripted
from wayfare.agents.remem import ReMemAgent, read_step
from wayfare.agents.streaming import Played, Stream, StreamRunner, StreamTask
from wayfare.memory.modules.protocol import Finished
from wayfare.memory.modules.refined import Act, Refine, Step, Think


def agent(folder: Path, say: Callable[[str], str], **settings: Any) -> ReMemAgent:
    made = ReMemAgent(folder / "agent.db", Scripted(say), **settings)
    for answer in ("knife", "claw"):
        made.update(Finished(f"peel the ripe apple {answer}", answer, 1.0))
    return made


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("THINK: so it is", Think("so it is")),
        ("I see.\nthink: ask again | QUERY: green apples", Think("ask again", "green apples")),
        ("REFINE: prune a b; merge c, d; search red pears", Refine(("a", "b"), (("c", "d"),), "red pears")),
        ("REFINE: prune a; merge c d; merge e f", Refine(("a",), (("c", "d"), ("e", "f")))),
        ("ACT: 42", Act("42")),
        ("ACT", Act()),
        ("REFINE: nothing at all", None),
        ("THINK:", None),
        ("Well.", None),
        ("", None),
    ],
)
def test_an_operation_is_read_from_the_first_line_that_is_one(said: str, step: Step | None) -> None:
    assert read_step(said) == step


def test_the_model_prunes_thinks_and_answers_and_its_next_prompt_shows_what_came_of_it(tmp_path: Path) -> None:
    def say(prompt: str) -> str:
        if "claw" in prompt:
            [bad] = re.findall(r'"id": "(\w+)", "case": "[^"]*claw', prompt)
            return f"REFINE: prune {bad}"
        return "ACT: with a knife" if "a knife then" in prompt else "THINK: a knife then"

    with agent(tmp_path, say) as remem:
        answer, shown, context = remem.act("peel the ripe apple")
        assert answer == "with a knife" and len(shown) == 1
        assert context.endswith("Thought: a knife then") and "knife" in context and "claw" not in context
        assert +remem.operations == {"search": 1, "refine": 1, "prune": 1, "think": 1, "act": 1}
        assert [record.meta["feedback"] for record in remem.pruned()] == [1.0]
        assert remem.calls == 3


@pytest.mark.parametrize("said", ["THINK: on and on", "REFINE: search more words", "mumble", ""])
def test_a_model_that_never_acts_is_stopped_at_the_cap_and_made_to_answer(said: str, tmp_path: Path) -> None:
    def say(prompt: str) -> str:
        return "ACT: enough" if "must ACT now" in prompt else said

    with agent(tmp_path, say, cap=3) as remem:
        assert remem.act("peel the ripe apple")[0] == "enough"
        assert remem.operations["think"] + remem.operations["refine"] <= 3
        assert remem.operations["forced act"] + remem.operations["unread"] / 2 == 1
        assert remem.calls <= 4


def test_ids_that_were_not_recalled_are_not_touched(tmp_path: Path) -> None:
    with agent(tmp_path, lambda prompt: "REFINE: prune everything 01ABC; merge x y", cap=1) as remem:
        assert len(remem.search("peel the ripe apple")) == 2
        assert remem.pruned() == [] and len(remem) == 2


def test_before_a_frozen_solver_it_is_a_memory_like_the_others_whose_calls_are_counted(tmp_path: Path) -> None:
    class Reads:
        def play(self, tasks: Sequence[StreamTask], contexts: Sequence[str]) -> list[Played]:
            return [Played("x", float("Thought: note this" in context)) for context in contexts]

        def count(self, text: str) -> int:
            return len(text.split())

    def say(prompt: str) -> str:
        return "ACT" if "- note this" in prompt else "THINK: note this"

    tasks = [StreamTask(str(i), f"peel the ripe apple {i}") for i in range(3)]
    with agent(tmp_path, say) as remem:
        [result] = StreamRunner(Reads(), budget_tokens=200, reask=1).run([Stream("remem", remem, tasks)])
        assert result.success.tolist() == [1.0, 1.0, 1.0]
        assert (result.calls, result.operations["think"], result.operations["act"]) == (8, 4, 4)
        assert not result.failures
