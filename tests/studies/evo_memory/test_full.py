"""The whole path against a scripted server, its cost before anything is asked, and its bounds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.studies.memrl import scripted_server
from tests.studies.memrl.scripted_server import ANSWERS, serving
from wayfare.errors import BadValue
from wayfare.language import Samples
from wayfare.memory.ids import new_id
from wayfare.memory.modules import MODULES
from wayfare.studies.engine import InProcess
from wayfare.studies.evo_memory import STUDY
from wayfare.studies.evo_memory.experiment import ready, run
from wayfare.studies.evo_memory.full import ASKS, Numbered, calls

FULL = replace(STUDY.scales["full"], orders=("random",), reask=1)


@pytest.fixture
def tasks(tmp_path) -> str:
    rows = [{"task": f"What is the {task}?", "answer": answer} for task, answer in ANSWERS.items()]
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in [*rows, *rows]))
    return str(file)


def learns_from_failures(self: Any, body: dict[str, Any]) -> dict[str, Any]:
    """Says the right word for a task that it is shown to have failed at; else it cannot answer."""
    prompt = body["messages"][-1]["content"]
    with self.server.lock:
        self.server.chats.append(prompt)
    said = "I cannot say."
    if "on the last line" in prompt:
        before, _, own = prompt.rpartition("Task: ")
        name = re.search(r"What is the (.+)\?", own)[1]
        failed = re.search(rf"Task: What is the {name}\?\n.*\nOutcome: failure", before)
        said = ANSWERS[name] if failed else "unknown"
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
    usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(said.split())}
    return {
        "id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice],
        "usage": usage,
    }  # fmt: skip


def test_hosted_models_play_every_memory_and_what_it_costs_is_counted(tasks, tmp_path, monkeypatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.setattr(scripted_server.Handler, "chat", learns_from_failures)
    with serving() as server:
        config = replace(FULL, tasks=tasks, endpoint=server.url, most_calls=500, ledger_folder=str(tmp_path))
        findings = run(config, InProcess())
        asked = len(server.chats)
        again = run(config, InProcess())  # answers that were paid for come from the ledger
        assert len(server.chats) == asked
    table = findings.tables["memories"]
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert len(rows) == len(MODULES)
    assert rows["no memory"]["success"] == 0.0 and rows["ExpRAG"]["success"] == pytest.approx(0.5)
    assert rows["no memory"]["calls"] == 7 and rows["no memory"]["memory calls"] == 0
    assert 0 < rows["linked notes (A-Mem-like)"]["memory calls"] <= 6 * ASKS["notes"]
    assert sum(row["calls"] for row in rows.values()) <= calls(6, config) and rows["ExpRAG"]["tokens read"] > 0
    assert {row["failures"] for row in rows.values()} == {0.0} == {row["failed calls"] for row in rows.values()}
    assert [row[:3] for row in again.tables["memories"].rows] == [row[:3] for row in table.rows]
    assert [check.kind for check in findings.checks] == ["instrument", "claim", "claim"]
    json.dumps(findings.to_json(), allow_nan=False)


def test_ids_are_numbers_to_the_model_and_come_back_as_ids() -> None:
    a, b = new_id(), new_id()
    heard: list[str] = []

    class Model:
        def generate(self, prompts, sampling):
            heard.extend(prompts)
            return replace(answered(), texts=("prune rec2 rec1 rec9",))

    told = Numbered(Model()).generate([f"{b} and {a}, {b}; not rec7"])  # type: ignore[arg-type]
    assert heard == ["rec1 and rec2, rec1; not rec7"] and told.texts == (f"prune {a} {b} rec9",)
    with pytest.raises(BadValue, match="one text"):
        Numbered(Model()).generate(["a", "b"])  # type: ignore[arg-type]


def answered() -> Samples:
    one, none = np.zeros((1, 1)), np.array([0])
    return Samples(none, ("",), one, one > 0, one, one, ("stop",), ("",), none, none)  # type: ignore[arg-type]


def test_what_a_run_costs_is_told_before_anything_is_asked(tasks) -> None:
    with pytest.raises(BadValue, match="a file of tasks"):
        ready(FULL)
    with pytest.raises(BadValue, match="address of a server"):
        ready(replace(FULL, tasks=tasks))
    config = replace(FULL, tasks=tasks, endpoint="http://127.0.0.1:1/v1")
    wanted = 7 * (len(MODULES) + sum(ASKS.values()))
    assert calls(6, config) == wanted and calls(6, replace(config, orders=("random", "easy-hard"))) == 2 * wanted
    with pytest.raises(BadValue, match=rf"at least {wanted}: .* million tokens"):
        ready(replace(config, most_calls=wanted - 1))
    ready(replace(config, most_calls=wanted))
    ready(STUDY.scales["laptop"])
