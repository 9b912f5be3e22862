"""The task list, the cost before anything is asked, and the whole path against a scripted server."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.studies.memrl.scripted_server import ANSWERS, serving
from wayfare.agents.text_solver import solved
from wayfare.errors import BadValue
from wayfare.language import EndpointModel
from wayfare.studies.engine import InProcess
from wayfare.studies.hosted import read_tasks
from wayfare.studies.memrl import STUDY
from wayfare.studies.memrl.experiment import ready, run
from wayfare.studies.memrl.full import WAYS, calls, work

FULL = replace(STUDY.scales["full"], passes=3, late=2, memory_passes=1, wide_k2=2)


@pytest.fixture
def tasks(tmp_path) -> str:
    rows = [{"task": f"What is the {task}?", "answer": answer} for task, answer in ANSWERS.items()]
    rows += [{**row, "task": f"Tell me: {row['task']}", "held_out": True} for row in rows[:2]]
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return str(file)


def test_a_real_path_learns_where_there_is_a_memory_and_counts_what_it_costs(tasks, tmp_path) -> None:
    pytest.importorskip("openai")
    with serving() as server:
        config = replace(FULL, tasks=tasks, endpoint=server.url, most_calls=100, ledger_folder=str(tmp_path))
        findings = run(config, InProcess())
        rows = {(row[0], row[1]): row for row in findings.tables["passes"].rows}
        assert [rows["MemRL", turn][2] for turn in (1, 2, 3)] == [0.0, 1.0, 1.0]
        assert [rows["no memory", turn][2] for turn in (1, 2, 3)] == [0.0, 0.0, 0.0]
        assert rows["MemRL", 4][3] == 1.0 and rows["no memory", 4][3] == 0.0
        assert [rows["MemRL", turn][4] for turn in (1, 2, 3, 4)] == [6, 6, 6, 2]
        assert [rows["no memory", turn][4] for turn in (1, 4)] == [3, 2]
        assert rows["MemRL", 2][6] > rows["no memory", 1][6] > 0
        assert rows["no memory", 2][6] == 0  # the same question again: answered before, and paid for once
        total = sum(row[4] for row in findings.tables["passes"].rows)
        assert total == calls(read_tasks(tasks), 3) >= len(server.chats) and server.embedded > 0
        asked = len(server.chats)
        again = run(config, InProcess())  # answers that were paid for come from the ledger
        assert (
            len(server.chats) == asked and again.tables["passes"].rows[0][:5] == findings.tables["passes"].rows[0][:5]
        )
    assert findings.checks[0].kind == "instrument" and len(findings.checks) == 4
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_call_that_failed_is_counted_and_teaches_nothing(tasks, tmp_path, monkeypatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.setattr(
        EndpointModel.__init__, "__kwdefaults__", {**EndpointModel.__init__.__kwdefaults__, "retries": 0}
    )
    with serving() as server:
        server.broken = True
        told = work(
            lambda *_, **__: None, way="MemRL", tasks=read_tasks(tasks), passes=1, seed=0, k2=1, model="m",
            endpoint=server.url, embedding_model="lexical", embedding_endpoint="", ledger=str(tmp_path / "l"),
        )  # fmt: skip
    assert told["MemRL|success"].sum() == 0 and told["MemRL|calls"].sum() == 0
    assert told["MemRL|failed calls"].tolist() == [[3.0, 2.0]]  # no summary of what was never said


def test_what_a_run_costs_is_told_before_anything_is_asked(tasks) -> None:
    with pytest.raises(BadValue, match="a file of tasks"):
        ready(FULL)
    with pytest.raises(BadValue, match="address of a server"):
        ready(replace(FULL, tasks=tasks))
    config = replace(FULL, tasks=tasks, endpoint="http://127.0.0.1:1/v1")
    assert calls(read_tasks(tasks), 3) == 3 * 3 * (2 * len(WAYS) - 1) + 2 * len(WAYS)
    with pytest.raises(BadValue, match=r"at least 71: .* million tokens"):
        ready(replace(config, most_calls=70))
    ready(replace(config, most_calls=71))
    ready(STUDY.scales["laptop"])


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('{"task": "x"}', "line 1"), ('{"task": "", "answer": "a"}', "line 1"), ("[1]", "line 1"), ("{", "line 1"),
        ('{"task": "x", "answer": "..."}', "line 1"), ('{"task": 3, "answer": "a"}', "line 1"),
        ('{"task": "x", "answer": "a", "held_out": true}', "one task at least"), ("", "one task at least"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_task_is_named(tmp_path, line: str, field: str) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(line)
    with pytest.raises(BadValue, match=field):
        read_tasks(str(file))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(BadValue, match=r"nowhere\.jsonl"):
        read_tasks("nowhere.jsonl")


def test_an_answer_is_in_the_last_line_as_whole_words() -> None:
    assert solved("I think.\n\nThe answer is: Blue-green.\n", "blue green")
    assert not solved("blue\nred", "blue") and not solved("bluebird", "blue") and not solved("", "blue")
