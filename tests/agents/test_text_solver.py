"""A language model works through a stream: its context before the task, judged by the last line, none is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents.scripted_model import Scripted
from wayfare.agents.streaming import Stream, StreamRunner, StreamTask
from wayfare.agents.text_solver import TextSolver, last_line, solved
from wayfare.errors import BadValue
from wayfare.memory.modules.similar import ExpRAGSuccess


def test_a_model_that_copies_what_worked_learns_and_the_right_answer_stands_in_no_prompt(tmp_path: Path) -> None:
    tasks = [StreamTask(str(i), f"the colour of house {i % 2} on hill street?") for i in range(6)]
    answers = {str(i): ("teal", "ochre")[i % 2] for i in range(6)}
    turns = iter(["red", "I think\nOchre.", "Teal", "?", "?", "?"])

    def say(prompt: str) -> str:
        text = prompt[0]["content"]  # type: ignore[index]
        asked = text.rpartition("Task: ")[2].splitlines()[0]
        known = text.partition(f"Task: {asked}\nAnswer: ")[2].split("\n")[0]
        return known or next(turns)

    model = Scripted(say)
    solver = TextSolver(model, answers)
    with ExpRAGSuccess(tmp_path / "s.db") as memory:
        [result] = StreamRunner(solver, budget_tokens=200, reask=0).run([Stream("s", memory, tasks)])
    assert result.success.tolist() == [0, 1, 1, 1, 1, 1]
    assert "ochre" not in str(model.prompts[:2]).lower() and "teal" not in str(model.prompts[:3]).lower()
    assert "do not repeat what failed" in str(model.prompts[-1]) and "Task: the colour" in str(model.prompts[0])


def test_the_last_line_is_the_answer_and_no_answer_is_a_failure_that_is_counted() -> None:
    assert last_line("a\nb \n\n") == "b" and last_line(" ") == ""
    assert solved("so\nThe answer: New York!", "new york") and not solved("new york\nor not", "new york")
    solver = TextSolver(Scripted(lambda prompt: ""), {"1": "x"})
    [played] = solver.play([StreamTask("1", "?")], [""])
    assert (played.success, played.answer, solver.unanswered) == (0.0, "", 1)
    with pytest.raises(BadValue, match="right answer"):
        solver.play([StreamTask("2", "?")], [""])
