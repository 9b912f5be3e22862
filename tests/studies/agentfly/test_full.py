"""The question file, the cost before anything is asked, and the whole path against a scripted server.

Its planner guesses, unless an example tells it otherwise: it looks up where it is to avoid a guess, or to follow one
that looked up. Guesses are wrong; and of some rooms the file is wrong, so that nobody can answer.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.learn.test_case_values import tiny
from tests.studies.memrl.scripted_server import Handler, Server, serving
from wayfare.agents.memento_prompts import AVOID, FOLLOW
from wayfare.errors import BadValue
from wayfare.studies.agentfly import STUDY, Config
from wayfare.studies.agentfly.experiment import ready, run
from wayfare.studies.agentfly.full import WAYS, most_calls, scores, work
from wayfare.studies.engine import InProcess
from wayfare.studies.hosted import read_tasks

TOOLS = f"{sys.executable} {Path(__file__).parents[2] / 'agents' / 'tool_server.py'}"
FULL = replace(STUDY.scales["full"], passes=2, seeds=1, steps=2, rounds=1, uses=1, k=2, ks=(1, 2, 4))


class Scripted(Handler):
    """Answers a planner's prompt by what stands in its examples, an executor's by its step."""

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        system, prompt = (body["messages"][i]["content"] for i in (0, 1))
        with self.server.lock:
            self.server.chats.append(prompt)
        if "You plan" in system:
            said = self.planned(prompt)
        else:
            number = re.search(r"room (\d+)", prompt)
            assert number is not None
            step, _, used = prompt.split("Step: ")[1].partition("Tools used")
            if "look" not in step:
                said = "unknown"
            elif "Tools:" in prompt and not used:
                said = json.dumps({"tool": "add", "arguments": {"a": int(number[1]), "b": 900}})
            else:
                said = used.split()[-1] if used else str(100 + int(number[1]))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(said.split())}
        return {
            "id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice],
            "usage": usage,
        }  # fmt: skip

    def planned(self, prompt: str) -> str:
        examples, _, asked = prompt.rpartition("Question: ")
        if "Results so far" in asked:
            return json.dumps({"final_answer": asked.split("\n  ")[-1].split("\n")[0]})
        follow, _, avoid = examples.partition(AVOID)
        knows = (FOLLOW in follow and "look it up" in follow) or "guess" in avoid
        return json.dumps({"plan": ["look it up" if knows else "guess"]})


@pytest.fixture
def server() -> Iterator[Server]:
    pytest.importorskip("openai")
    with serving() as made:
        made.RequestHandlerClass = Scripted
        yield made


@pytest.fixture
def questions(tmp_path) -> str:
    rows = [
        {"question": f"Which number is the key of room {i} ?", "answer": str(100 + i if i % 3 else 999)}
        for i in range(9)
    ]
    rows += [{**row, "question": f"And {row['question']}", "held_out": True} for row in rows[1:3]]
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return str(file)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("encoder")
    made = tiny()
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return str(folder)


def test_real_models_learn_from_cases_and_what_they_cost_is_counted(server, questions, encoder, tmp_path) -> None:
    config = replace(
        FULL, questions=questions, endpoint=server.url, encoder=encoder, most_calls=2000, ledger_folder=str(tmp_path),
    )  # fmt: skip
    findings = run(config, InProcess())
    rows = {(row[0], row[1]): row for row in findings.tables["passes"].rows}
    assert [rows["no cases", turn][3] for turn in (1, 2, 3)] == [0, 0, 0]
    for way in ("non-parametric", "parametric"):
        assert rows[way, 1][3] <= rows[way, 2][3] == pytest.approx(2 / 3) and rows[way, 3][3] == 1.0
    assert [rows["parametric", turn][4] is None for turn in (1, 2)] == [True, False]  # fitted between the passes
    assert rows["no cases", 2][4] is None and rows["no cases", 1][5:8] == (0.0, 0.0, 27.0)
    assert sum(row[7] for row in rows.values()) <= most_calls(config, read_tasks(questions, "question"))
    asked = len(server.chats)
    again = worked(config, "non-parametric", tmp_path)  # answers that were paid for come from the ledger
    assert len(server.chats) == asked
    assert again["non-parametric|pm"].mean(axis=-1)[0].tolist() == [rows["non-parametric", turn][3] for turn in (1, 2)]
    assert {check.name: check.state for check in findings.checks}["cases help"] == "holds"
    json.dumps(findings.to_json(), allow_nan=False)


def worked(config: Config, way: str, folder: Path) -> Any:
    """A way by itself, with the ledger that the study gives it."""
    names = [
        "passes", "seed", "k", "alpha", "planner", "executor", "endpoint", "executor_endpoint", "encoder", "tools",
        "rounds", "steps", "uses",
    ]  # fmt: skip
    return work(
        lambda *_, **__: None, way=way, questions=read_tasks(config.questions, "question"),
        ledger=str(folder / f"agentfly-{way}-{config.seed}"), **{name: getattr(config, name) for name in names},
    )  # fmt: skip


def test_the_executor_has_the_tools_of_a_server(server, tmp_path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text('{"question": "Which number is the key of room 7 ?", "answer": "907"}')
    config = replace(FULL, questions=str(file), endpoint=server.url, tools=TOOLS)
    told = worked(config, "non-parametric", tmp_path)
    assert told["non-parametric|pm"].tolist() == [
        [[0.0], [1.0]]
    ]  # the guess of the first pass is avoided in the second
    assert told["non-parametric|calls"].tolist() == [[3.0, 4.0, 0.0]]


def test_what_a_run_costs_is_told_before_anything_is_asked(questions, encoder) -> None:
    for given, wanted in (
        ({}, "a file of questions"),
        ({"questions": questions}, "address of a server"),
        ({"questions": questions, "endpoint": "http://127.0.0.1:1/v1"}, "encoder's checkpoint"),
    ):
        with pytest.raises(BadValue, match=wanted):
            ready(replace(FULL, **given))
    config = replace(FULL, questions=questions, endpoint="http://127.0.0.1:1/v1", encoder=encoder)
    wanted = (2 * 9 + 2) * len(WAYS) * (4 + 2)
    with pytest.raises(BadValue, match=rf"at least {wanted}: .* million tokens"):
        ready(replace(config, most_calls=wanted - 1))
    ready(replace(config, most_calls=wanted))
    ready(STUDY.scales["laptop"])


def test_answers_are_measured_by_words() -> None:
    assert scores("It was Pierre Curie", ["Pierre Curie"]) == (pytest.approx(2 / 3), 1.0)
    assert scores("pierre; curie?", ["Marie", "Pierre Curie"]) == (1.0, 1.0)
    assert scores("", ["x"]) == (0.0, 0.0) == scores("Curie", ["Cur"])
    assert scores("curie pierre", ["Pierre Curie"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    "line",
    ["no json", "[]", '{"question": "q"}', '{"question": " ", "answer": "a"}', '{"question": "q", "answer": "?"}'],
)
def test_a_line_that_is_no_question_is_named(tmp_path, line: str) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"question": "q", "answer": "a"}\n' + line)
    with pytest.raises(BadValue, match="line 2"):
        read_tasks(str(file), "question")
    file.write_text('{"question": "q", "answer": "a", "held_out": true}')
    with pytest.raises(BadValue, match="not held out"):
        read_tasks(str(file), "question")
    with pytest.raises(BadValue, match="readable"):
        read_tasks(str(tmp_path / "none"), "question")
