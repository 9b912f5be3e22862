"""Past tasks from files: what is read, what is refused and how it is named, and what an import does to a memory."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue, OutcomeConflict, ReadOnly
from wayfare.memory.importing import PastTask, imported, read_tasks
from wayfare.memory.memory import Memory
from wayfare.memory.standing import read_standing

HEADER = "query,text,reward,time,tags\n"


def _file(path: Path, text: str | bytes, name: str = "tasks.csv") -> Path:
    file = path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def _plain(task: PastTask) -> tuple[object, ...]:
    return task.query, task.text, task.reward, task.time, task.tags


def test_csv_and_json_lines_hold_the_same_tasks(tmp_path: Path) -> None:
    table = _file(
        tmp_path,
        HEADER
        + 'cannot log in,"Flush the cache, then ""retry""\nonce more",1,1000.5,auth;cache\n'
        + "\nslow,Add an index,0.25,,\n",
    )
    lines = _file(
        tmp_path,
        json.dumps({"query": "cannot log in", "text": 'Flush the cache, then "retry"\nonce more', "reward": 1,
                    "time": 1000.5, "tags": ["cache", "auth"]})
        + "\n\n" + json.dumps({"text": "Add an index", "query": "slow", "reward": 0.25, "time": None}) + "\n",
        "tasks.jsonl",
    )  # fmt: skip
    found = read_tasks(table)
    assert [_plain(task) for task in found] == [_plain(task) for task in read_tasks(lines)]
    assert found[0].tags == ("auth", "cache")
    assert [task.where for task in found] == ["tasks.csv line 2", "tasks.csv line 5"]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_marks_line_ends_and_delimiters_of_spreadsheets_are_understood(
    tmp_path: Path, start: bytes, end: str, delimiter: str
) -> None:
    rows = [["Reward", "query ", "text", "tags"], ["1", "où", "là, ici", "a|b" if delimiter == ";" else "a;b"]]
    text = end.join(delimiter.join(f'"{cell}"' for cell in row) for row in rows) + end
    assert [_plain(task) for task in read_tasks(_file(tmp_path, start + text.encode()))] == [
        ("où", "là, ici", 1.0, None, ("a", "b"))
    ]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("12.5", 12.5), ("-3", -3.0), ("1970-01-01T00:00:10Z", 10.0), ("1970-01-01T00:00:10", 10.0),
        ("1970-01-01T01:00:10+01:00", 10.0), ("1970-01-02", 86_400.0),
    ],
)  # fmt: skip
def test_times_are_seconds_or_iso(tmp_path: Path, said: str, seconds: float) -> None:
    assert read_tasks(_file(tmp_path, f"{HEADER}q,t,1,{said},\n"))[0].time == seconds


@pytest.mark.parametrize(("said", "reward"), [("true", 1.0), ("False", 0.0), ("-2.5", -2.5), ("1e-3", 0.001)])
def test_rewards_are_numbers_or_truth(tmp_path: Path, said: str, reward: float) -> None:
    assert read_tasks(_file(tmp_path, f"{HEADER}q,t,{said},,\n"))[0].reward == reward
    line = json.dumps({"query": "q", "text": "t", "reward": said == "true"})
    assert read_tasks(_file(tmp_path, line, "t.jsonl"))[0].reward == float(said == "true")


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        ("", "tasks.csv", "columns query, text, reward"),
        ("\n \n", "tasks.csv", "columns query, text, reward"),
        (HEADER, "tasks.csv", "one task at least"),
        ("query,answer,reward\nq,t,1\n", "tasks.csv line 1", "columns query, text, reward"),
        ("query,text,reward,query\nq,t,1,q\n", "tasks.csv line 1", "each column once"),
        ("query,text,reward,actor\nq,t,1,me\n", "tasks.csv line 1", "made of query, text, reward, time, tags"),
        (HEADER + "q,t,1,,\nq,t\n", "tasks.csv line 3", "5 fields"),
        (HEADER + "q,t,1,,,\n", "tasks.csv line 2", "5 fields"),
        (HEADER + 'q,"a\nb",1,,\nq,t,nan,,\n', "tasks.csv line 4: reward", "a finite number"),
        (HEADER + "q,t,inf,,\n", "tasks.csv line 2: reward", "a finite number"),
        (HEADER + "q,t,good,,\n", "tasks.csv line 2: reward", "a finite number"),
        (HEADER + "q,t,,,\n", "tasks.csv line 2: reward", "given"),
        (HEADER + " ,t,1,,\n", "tasks.csv line 2: query", "not blank"),
        (HEADER + ",t,1,,\n", "tasks.csv line 2: query", "given"),
        (HEADER + "q,t\0,1,,\n", "tasks.csv line 2: text", "without NUL"),
        (HEADER + "q,t,1,yesterday,\n", "tasks.csv line 2: time", "ISO 8601"),
        (HEADER + "q,t,1,nan,\n", "tasks.csv line 2: time", "ISO 8601"),
        (HEADER + 'q,"t,1,,\n', "tasks.csv line 2", "quotes in pairs"),
        (HEADER + 'q,"t"x,1,,\n', "tasks.csv line 2", "quotes in pairs"),
        (HEADER.encode() + b"q,t,1,,\nq,\xff\xfe,1,,\n", "tasks.csv line 3", "UTF-8"),
        ("query,text,reward\n".encode("utf-16"), "tasks.csv line 1", "UTF-8"),
        (HEADER + f"q,{'x' * 1_000_001},1,,\n", "tasks.csv line 2: text", "at most 1000000 characters"),
        (HEADER + f"q,{'x' * 5_000_000},1,,\n", "tasks.csv line 2", "CSV"),
        (HEADER + f"q,t,1,,{'y' * 300}\n", "tasks.csv line 2: tags", "at most 200 characters"),
    ],
)
def test_what_is_wrong_in_a_csv_is_named_by_line_and_field(
    tmp_path: Path, text: str | bytes, field: str, allowed: str
) -> None:
    limit = csv.field_size_limit()
    with pytest.raises(BadValue) as refused:
        read_tasks(_file(tmp_path, text))
    assert refused.value.field == field
    assert allowed in refused.value.allowed
    assert csv.field_size_limit() == limit
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("line", "field", "allowed"),
    [
        ("[1, 2]", "t.jsonl line 2", "one JSON object a line"),
        ("{", "t.jsonl line 2", "one JSON object a line"),
        ("[" * 100_000, "t.jsonl line 2", "one JSON object a line"),
        ('{"query": "q", "text": "t"}', "t.jsonl line 2: reward", "given"),
        ('{"query": "q", "text": "t", "reward": NaN}', "t.jsonl line 2: reward", "a finite number"),
        ('{"query": "q", "text": "t", "reward": 1e999}', "t.jsonl line 2: reward", "a finite number"),
        ('{"query": "q", "text": "t", "reward": [1]}', "t.jsonl line 2: reward", "a finite number"),
        ('{"query": "q", "text": "t", "reward": 1' + "0" * 400 + "}", "t.jsonl line 2: reward", "a finite number"),
        ('{"query": "q", "text": 5, "reward": 1}', "t.jsonl line 2: text", "text"),
        ('{"query": "\\ud800", "text": "t", "reward": 1}', "t.jsonl line 2: query", "UTF-8"),
        ('{"query": "q", "text": "t", "reward": 1, "tags": "a"}', "t.jsonl line 2: tags", "a list of short texts"),
        ('{"query": "q", "text": "t", "reward": 1, "time": {}}', "t.jsonl line 2: time", "seconds"),
        ('{"query": "q", "text": "t", "reward": 1, "time": 1' + "0" * 400 + "}", "t.jsonl line 2: time", "seconds"),
        ('{"query": "q", "text": "t", "reward": 1, "rewrd": 1}', "t.jsonl line 2", "made of"),
    ],
)
def test_what_is_wrong_in_json_lines_is_named_by_line_and_field(
    tmp_path: Path, line: str, field: str, allowed: str
) -> None:
    good = '{"query": "q", "text": "t", "reward": 1}\n'
    with pytest.raises(BadValue) as refused:
        read_tasks(_file(tmp_path, good + line + "\n" + good, "t.jsonl"))
    assert refused.value.field == field
    assert allowed in refused.value.allowed


def test_a_file_that_is_not_there_is_the_systems_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_tasks(tmp_path / "none.csv")


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["t.csv", "t.jsonl"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    file = _file(tmp_path_factory.mktemp("any"), data, name)
    with contextlib.suppress(BadValue):
        assert all(isinstance(task, PastTask) for task in read_tasks(file))


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    str.strip
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS, st.floats(-10, 10), st.none() | st.floats(0, 1e9)), min_size=1, max_size=5))
def test_what_a_csv_writer_wrote_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, float, float | None]]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "t.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["query", "text", "reward", "time"])
        writer.writerows([(q, t, repr(r), "" if s is None else repr(s)) for q, t, r, s in rows])
    assert [_plain(task)[:4] for task in read_tasks(file)] == rows


PAST = [
    PastTask("cannot log in", "Flush the session cache first", 1.0, 100.0, ("auth",)),
    PastTask("login loops for ever", "Flush the session  CACHE first", 0.0, 50.0, ("web",)),
    PastTask("slow query", "Add an index on the customer column", 1.0),
    PastTask("slow query", "Add an index on the customer column", 1.0),
]


@pytest.fixture
def memory(address: str) -> Memory:
    return Memory(address)


def test_each_text_is_remembered_once_and_every_task_credits_it(memory: Memory) -> None:
    done = imported(memory, PAST)
    assert (done.texts, done.known, done.tasks, done.repeated) == (2, 0, 4, 0)
    records = {record.content: record for record in memory.list().records}
    assert len(records) == 2
    cache = records["Flush the session cache first"]
    assert (cache.utility.n, cache.utility.total) == (2.0, 1.0)
    assert cache.tags == ("auth", "web")
    assert cache.event_from == 50.0
    assert cache.kind == "experience"
    index = records["Add an index on the customer column"]
    assert (index.utility.n, index.utility.total) == (2.0, 2.0)
    assert "4 tasks credited" in str(done)


def test_a_text_is_found_under_the_queries_that_it_was_used_for(memory: Memory) -> None:
    imported(memory, PAST)
    assert memory.recall("login loops", k=1).items[0].record.content == "Flush the session cache first"


def test_an_import_again_changes_nothing(memory: Memory) -> None:
    imported(memory, PAST)
    before = [(record, record.utility) for record in memory.list().records]
    again = imported(memory, PAST)
    assert (again.texts, again.known, again.tasks, again.repeated) == (0, 2, 0, 4)
    assert [(record, record.utility) for record in memory.list().records] == before
    more = imported(memory, [*PAST, PastTask("new", "Ask the customer for the log", 0.5)])
    assert (more.texts, more.tasks) == (1, 1)


def test_imported_outcomes_teach_but_are_no_evidence(memory: Memory) -> None:
    imported(memory, PAST)
    with memory._ground.database.read() as tx:
        assert tx.execute("SELECT DISTINCT rank, source FROM outcomes").fetchall() == [("implicit", "import")]
        assert tx.execute("SELECT COUNT(*) FROM receipts").fetchone()[0] == 0
    memory.recall("slow query")  # the floor catches up with what waits
    memory.recall("slow query")
    with memory._ground.database.read() as tx:
        standing = read_standing(tx, memory._ground.ns)
        assert standing is not None
        assert standing.seen == 0


def test_what_was_imported_can_be_taken_out_again(memory: Memory) -> None:
    imported(memory, PAST)
    assert memory.void(source="import").outcomes == 4
    assert all(record.utility.n == 0 for record in memory.list().records)


def test_a_reward_out_of_range_is_named_by_its_line_and_nothing_is_imported(
    tmp_path: Path, memory: Memory, new_address: Callable[[], str]
) -> None:
    file = _file(tmp_path, HEADER + "q,one text,1,,\nq,another text,1.5,,\n")
    with pytest.raises(BadValue, match=r"tasks\.csv line 3: reward"):
        imported(memory, read_tasks(file))
    assert not memory.list().records
    with pytest.raises(BadValue, match="one task"):
        imported(memory, [])
    wide = Memory(new_address(), reward_range=(0.0, 2.0))
    imported(wide, read_tasks(file))
    assert {record.utility.total for record in wide.list().records} == {0.5, 0.75}


def test_another_reward_for_the_same_task_is_refused_before_anything_is_written(memory: Memory) -> None:
    imported(memory, PAST)
    before = [(record, record.utility) for record in memory.list().records]
    changed = [PastTask("brand new", "Never seen before", 1.0), PastTask(PAST[0].query, PAST[0].text, 0.0, 100.0)]
    with pytest.raises(OutcomeConflict, match="imported before"):
        imported(memory, changed)
    assert [(record, record.utility) for record in memory.list().records] == before


def test_a_read_only_memory_imports_nothing(address: str, memory: Memory) -> None:
    memory.remember("something")
    memory.close()
    with pytest.raises(ReadOnly):
        imported(Memory(address, read_only=True), PAST)


def test_a_frozen_memory_learns_of_an_import_when_it_thaws(memory: Memory) -> None:
    memory.freeze()
    imported(memory, PAST)
    assert all(record.utility.n == 0 for record in memory.list().records)
    memory.thaw()
    assert {record.utility.n for record in memory.list().records} == {2.0}
