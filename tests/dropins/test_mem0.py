"""What a real mem0 has written becomes memories: texts, persons, times, histories; once, and all or nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.dropins.mem0_at_work import Mem0, mem0_at_work
from wayfare.cli import main
from wayfare.dropins.mem0 import Export, imported, read_mem0
from wayfare.errors import BadValue, ReadOnly
from wayfare.memory import Memory
from wayfare.memory.redaction import secrets

Open = Callable[..., Memory]
NUMBERS = count()


@pytest.fixture(scope="module")
def mem0(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mem0]:
    """With memories of two persons; `ids` names them. Tests change copies of its files, or only what is their own."""
    with mem0_at_work(tmp_path_factory.mktemp("mem0")) as made:
        ids = {
            "tea": made.add("Ann likes green tea", user_id="ann", metadata={"topic": "drinks", "sure": 0.9}),
            "oslo": made.add("Lives in Oslo", user_id="ann", agent_id="guide", run_id="r1"),
            "gone": made.add("Has a cold today", user_id="ann"),
            "bob": made.add("Lives in Oslo", user_id="bob"),
            "twice": made.add("Lives in Oslo", user_id="ann", agent_id="guide", run_id="r1"),
        }
        made.memory.update(ids["tea"], "Ann likes black tea")
        made.memory.update(ids["tea"], "Ann likes white tea")
        made.memory.delete(ids["gone"])
        made.ids = ids  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def files(mem0: Mem0, tmp_path: Path) -> tuple[Path, Path]:
    """What get_all says of ann, and the history."""
    return (
        Path(shutil.copy(mem0.write("ann"), tmp_path / "ann.json")),
        Path(shutil.copy(mem0.history, tmp_path / "history.db")),
    )


def test_all_that_mem0_knows_comes_over(a_memory: Open, mem0: Mem0, files: tuple[Path, Path]) -> None:
    memory, ids = a_memory(), mem0.ids  # type: ignore[attr-defined]
    done = imported(memory, read_mem0(*files))
    assert (done.added, done.repeated, done.elsewhere) == (2, 1, 1)  # bob's is in no file
    said = {each["id"]: each for each in json.loads(files[0].read_text())["results"]}
    kept = ids["oslo"] if f"mem0-{ids['oslo']}" in {each.id for each in memory.list().records} else ids["twice"]
    tea, oslo = memory.get(f"mem0-{ids['tea']}"), memory.get(f"mem0-{kept}")
    assert (tea.content, oslo.content) == ("Ann likes white tea", "Lives in Oslo")
    assert tea.tags == ("mem0", "subject:ann") and oslo.tags == ("agent:guide", "mem0", "run:r1", "subject:ann")
    assert tea.kind == oslo.kind == "fact" and tea.provenance[0].uri == f"mem0:{ids['tea']}"
    assert tea.event_from == datetime.fromisoformat(said[ids["tea"]]["created_at"]).timestamp()
    for name in ("id", "created_at", "updated_at", "hash", "user_id"):
        assert tea.meta["mem0"][name] == said[ids["tea"]][name]
    steps = memory.history(tea.id)
    assert [step.record.content for step in steps] == [
        "Ann likes green tea", "Ann likes black tea", "Ann likes white tea"
    ]  # fmt: skip
    assert [step.reason.split(" at ")[0] for step in steps] == ["mem0: ADD", "mem0: UPDATE", "mem0: UPDATE"]
    assert steps[-1].reason.endswith(said[ids["tea"]]["updated_at"])
    assert memory.recall("which tea", tags=["subject:ann"]).ids == (tea.id,)
    assert not memory.recall("who has a cold today", policy="similarity")


def test_metadata_becomes_meta(a_memory: Open, mem0: Mem0) -> None:
    user = f"cat {next(NUMBERS)}"
    with_it = mem0.add("Prefers trains", user_id=user, metadata={"topic": "travel", "sure": 0.9, "list": [1, None]})
    memory = a_memory()
    assert imported(memory, read_mem0(mem0.write(user))).added == 1
    meta = dict(memory.get(f"mem0-{with_it}").meta)
    meta.pop("mem0")
    assert meta == {"topic": "travel", "sure": 0.9, "list": [1, None]}


def test_a_second_import_finds_nothing_to_do(a_memory: Open, files: tuple[Path, Path]) -> None:
    memory = a_memory()
    first = imported(memory, read_mem0(*files))
    before = memory.stats(), [memory.history(each.id) for each in memory.list().records]
    export = read_mem0(*files)
    for again in (export, Export(export.memories[::-1], export.deleted), Export(export.memories)):
        done = imported(memory, again)
        assert (done.added, done.changed, done.forgotten, done.left) == (0, 0, 0, 0)
        assert done.known == first.added and done.repeated == first.repeated
    assert before == (memory.stats(), [memory.history(each.id) for each in memory.list().records])


def test_two_persons_who_say_the_same_both_keep_it(a_memory: Open, mem0: Mem0, files: tuple[Path, Path]) -> None:
    memory, ids = a_memory(), mem0.ids  # type: ignore[attr-defined]
    imported(memory, read_mem0(*files))
    imported(memory, read_mem0(mem0.write("bob")))
    assert {each.tags[-1] for each in memory.list().records if each.content == "Lives in Oslo"} == {
        "subject:ann", "subject:bob"
    }  # fmt: skip
    memory.forget(memory.list(tags=["subject:ann"]).records[0].id)
    assert memory.get(f"mem0-{ids['bob']}").content == "Lives in Oslo"
    assert imported(memory, read_mem0(mem0.write("bob"))).known == 1


def test_what_a_redactor_takes_out_stays_out_and_is_no_change(a_memory: Open, tmp_path: Path) -> None:
    file = tmp_path / "ann.json"
    file.write_text(_results({**GOOD, "memory": "Mail: ann@example.org", "metadata": {"boss": "bob@example.org"}}))
    memory = a_memory(redact=secrets)
    assert imported(memory, read_mem0(file)).added == 1
    assert memory.get("mem0-1").content == "Mail: [e-mail]" and memory.get("mem0-1").meta["boss"] == "[e-mail]"
    assert imported(memory, read_mem0(file)).known == 1 and len(memory.history("mem0-1")) == 1


@pytest.mark.parametrize("history", [True, False])
def test_what_mem0_changes_afterwards_changes_here_and_what_was_changed_here_stays(
    a_memory: Open, mem0: Mem0, history: bool
) -> None:
    user = f"dan {next(NUMBERS)}"
    ids = [mem0.add(f"Dan {said}", user_id=user) for said in ("rows", "sings", "reads", "cooks", "paints")]
    records = [f"mem0-{id}" for id in ids]
    past = mem0.history if history else None
    memory = a_memory()
    assert imported(memory, read_mem0(mem0.write(user), past)).added == 5
    memory.revise(records[1], "Dan sings no more")
    memory.forget(records[2])
    with memory.task("t") as task:
        memory.recall("Dan rows", k=1, policy="similarity")
        task.credit(1.0)
    for id in ids[:3]:
        mem0.memory.update(id, f"New: {id}")
    mem0.memory.update(ids[0], "Dan rows and swims")
    mem0.memory.delete(ids[3])
    done = imported(memory, read_mem0(mem0.write(user), past))
    assert (done.added, done.changed, done.known, done.left) == (0, 1, 1, 2)
    assert done.forgotten == (1 if history else 0)  # without the history it may merely be beyond the limit
    assert memory.get(records[0]).content == "Dan rows and swims" and memory.get(records[0]).utility.n == 1
    assert len(memory.history(records[0])) == (3 if history else 2)
    assert memory.get(records[1]).content == "Dan sings no more"
    assert {each.id for each in memory.list().records} == {records[0], records[1], records[4]} | (
        set() if history else {records[3]}
    )
    assert imported(memory, read_mem0(mem0.write(user), past)).changed == 0


def test_a_dry_run_says_what_would_be_done_and_does_nothing(a_memory: Open, files: tuple[Path, Path]) -> None:
    memory = a_memory()
    before = memory.stats()
    said = imported(memory, read_mem0(*files), dry_run=True)
    assert said.dry and "nothing written" in str(said) and memory.stats() == before
    done = imported(memory, read_mem0(*files))
    assert (said.added, said.repeated, said.elsewhere) == (done.added, done.repeated, done.elsewhere)


def test_the_command_does_the_same(files: tuple[Path, Path], store: Any, new_address: Any, capsys: Any) -> None:
    words = ["memory", "import-mem0", str(files[0]), "--history", str(files[1]), "--db", new_address()]
    assert main([*words, "--dry-run"]) == 0 and "nothing written; would be: 2 memories added" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0 and json.loads(capsys.readouterr().out)["added"] == 2
    assert main(words) == 0 and "0 memories added" in capsys.readouterr().out
    assert (
        main(["memory", "recall", "white tea", *words[-2:]]) == 0 and "Ann likes white tea" in capsys.readouterr().out
    )


def test_a_dry_run_of_the_command_makes_no_file(files: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    there = set(tmp_path.iterdir())
    assert main(["memory", "import-mem0", str(files[0]), "--dry-run", "--db", str(tmp_path / "new.db")]) == 0
    assert "2 memories added" in capsys.readouterr().out and set(tmp_path.iterdir()) == there
    assert main(["memory", "import-mem0", str(tmp_path / "none.json"), "--db", str(tmp_path / "new.db")]) == 2
    assert set(tmp_path.iterdir()) == there


# What is wrong


def _results(*memories: Any) -> str:
    return json.dumps({"results": list(memories)})


GOOD = {"id": "1", "memory": "Likes tea"}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "ann.json line 1"), ('{"results": [\n{"id": }]}', "ann.json line 2"), ("5", "ann.json"),
        ("{}", "ann.json"), ('{"results": {}}', "ann.json"), (_results(5), r"ann.json results\[0\]"),
        (_results(GOOD, {"memory": "x"}), r"ann.json results\[1\].id"),
        (_results(GOOD, {"id": "2"}), r"ann.json results\[1\].memory"),
        (_results({**GOOD, "memory": " "}), r"ann.json results\[0\].memory"),
        (_results({**GOOD, "memory": ["x"]}), r"ann.json results\[0\].memory"),
        (_results({**GOOD, "id": "x" * 300}), r"ann.json results\[0\].id"),
        (_results(GOOD, GOOD), r"ann.json results\[1\].id"),
        (_results({**GOOD, "created_at": "yesterday"}), r"ann.json results\[0\].created_at"),
        (_results({**GOOD, "updated_at": 1e400}), r"ann.json results\[0\].updated_at"),
        (_results({**GOOD, "user_id": 5}), r"ann.json results\[0\].user_id"),
        (_results({**GOOD, "user_id": "x" * 300}), r"ann.json results\[0\].tags"),
        (_results({**GOOD, "metadata": [1]}), r"ann.json results\[0\].metadata"),
        (_results({**GOOD, "metadata": {"mem0": 1}}), r"ann.json results\[0\].metadata"),
        (_results({**GOOD, "metadata": {"a": float("nan")}}), r"ann.json results\[0\].meta"),
        (json.dumps([GOOD, {}]), r"ann.json\[1\].id"), ("[" * 100_000, "ann.json"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_file_place_and_field(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "ann.json"
    file.write_text(text)
    with pytest.raises(BadValue, match=f"^{field} must be"):
        read_mem0(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadValue, match=r"^ann.json must be UTF-8"):
        read_mem0(file)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("UPDATE history SET event = 'NONE' WHERE rowid = 2", "history.db history row 2: event"),
        ("UPDATE history SET new_memory = NULL WHERE rowid = 1", "history.db history row 1: new_memory"),
        ("UPDATE history SET memory_id = NULL WHERE rowid = 3", "history.db history row 3: memory_id"),
        ("UPDATE history SET created_at = 'soon' WHERE rowid = 1", "history.db history row 1: created_at"),
        ("ALTER TABLE history DROP COLUMN new_memory", "history.db"), ("DROP TABLE history", "history.db"),
    ],
)  # fmt: skip
def test_a_history_that_is_none_is_named_too(files: tuple[Path, Path], change: str, field: str) -> None:
    with sqlite3.connect(files[1]) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(BadValue, match=f"^{field} must be"):
        read_mem0(*files)


def test_a_history_that_is_no_such_file_is_refused_and_a_real_one_is_not_touched(files: tuple[Path, Path]) -> None:
    before = files[1].read_bytes()
    read_mem0(*files)
    assert files[1].read_bytes() == before and {each.name for each in files[1].parent.iterdir()} == {
        "ann.json", "history.db"
    }  # fmt: skip
    for wrong in (files[0], files[0].parent / "none.db"):
        with pytest.raises(BadValue):
            read_mem0(files[0], wrong)
    with pytest.raises(FileNotFoundError):
        read_mem0(files[0].parent / "none.json")


def test_nothing_is_imported_where_anything_cannot_be(a_memory: Open, tmp_path: Path) -> None:
    """An id that the namespace has given to another text already stands in the way of the whole."""
    memory = a_memory()
    file = tmp_path / "ann.json"
    file.write_text(_results(*({"id": str(i), "memory": f"Likes tea number {i}"} for i in range(5))))
    whole = read_mem0(file)
    with pytest.raises(BadValue, match="kind"):
        imported(memory, whole, kind="")

    class Broken(Exception):
        pass

    def broken(texts: Any) -> Any:
        raise Broken

    memory._ground.embedder.embed, kept = broken, memory._ground.embedder.embed  # type: ignore[union-attr]
    with pytest.raises(Broken):
        imported(memory, whole)
    assert not memory.list(status=None).records
    memory._ground.embedder.embed = kept  # type: ignore[union-attr]
    assert imported(memory, whole).added == 5


def test_what_is_read_only_is_not_imported_into(tmp_path: Path) -> None:
    Memory(tmp_path / "a.db").close()
    file = tmp_path / "ann.json"
    file.write_text(_results(GOOD))
    with Memory(tmp_path / "a.db", read_only=True) as memory:
        assert imported(memory, read_mem0(file), dry_run=True).added == 1
        with pytest.raises(ReadOnly):
            imported(memory, read_mem0(file))
