"""The questions, the cost before anything is asked, and the whole path against a scripted reader behind a server."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tests.studies.memrl import scripted_server
from wayfare.errors import BadValue
from wayfare.studies.engine import InProcess
from wayfare.studies.memory_survey import STUDY
from wayfare.studies.memory_survey.experiment import ready, run
from wayfare.studies.memory_survey.full import KINDS, WAYS, asked, calls

FULL = replace(STUDY.scales["full"], questions=12)


class Reader(scripted_server.Handler):
    """Reads the notes as they are meant: the last value of a key, or of the key that this value is part of."""

    def chat(self, body):
        prompt = body["messages"][-1]["content"]
        self.server.chats.append(prompt)
        notes, _, question = prompt.rpartition("Question: ")
        name = max(re.findall(r"\w+", question.split("?")[0]), key=lambda word: (word in notes and len(word) == 7, 1))
        said = self.value(notes, name)
        if "colour" in question:
            said = self.value(notes, said)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"So:\n{said}"}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        return {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice],
                "usage": usage}  # fmt: skip

    @staticmethod
    def value(notes: str, name: str) -> str:
        return (re.findall(rf"of {name}(?: is|:|\n *state:) (\w+)", notes) or ["unknown"])[-1]


def test_every_question_can_be_answered_from_what_is_told_and_not_from_itself() -> None:
    questions = asked(3, 12)
    assert [kind for kind, *_ in questions] == list(KINDS) * 4 and questions == asked(3, 12) != asked(4, 12)
    for kind, told, question, answer in questions:
        assert answer not in question and told[-1][1] == answer
        assert len({key for key, _ in told}) == {"update": 1, "paraphrase": 1, "hop": 2}[kind]


def test_a_model_answers_from_memory_what_it_cannot_know_and_from_facts_what_has_changed(tmp_path, monkeypatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.setattr(scripted_server, "Handler", Reader)
    with scripted_server.serving() as server:
        config = replace(FULL, endpoint=server.url, most_calls=calls(FULL), ledger_folder=str(tmp_path))
        findings = run(config, InProcess())
        assert len(server.chats) == calls(config) == 48
        run(config, InProcess())
        assert len(server.chats) == 48  # paid for once
    rows = {row[0]: dict(zip(KINDS, row[1:], strict=False)) for row in findings.tables["answers"].rows}
    assert set(rows) == set(WAYS) and set(rows["no memory"].values()) == {0.0}
    assert rows["Memory"]["update"] == rows["facts"]["update"] == 1.0 and rows["Memory"]["paraphrase"] == 1.0
    assert findings.checks[0].kind == "instrument" and findings.checks[0].holds and findings.checks[1].holds
    json.dumps(findings.to_json(), allow_nan=False)


def test_what_a_run_costs_is_told_before_anything_is_asked() -> None:
    with pytest.raises(BadValue, match="endpoint"):
        ready(FULL)
    with pytest.raises(BadValue, match="at least 48"):
        ready(replace(FULL, endpoint="http://127.0.0.1:1/v1", most_calls=47))
