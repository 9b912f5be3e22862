"""A file is copied while it is in use, and what is put back is the file of one moment; so does the command line."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.memory.stores import opened
from wayfare.cli import main
from wayfare.errors import BadValue, Damaged
from wayfare.memory import Memory
from wayfare.memory.copies.backups import backup, restore, restore_test
from wayfare.memory.store.doctor import doctor, salvage


def filled(path: Path) -> dict[str, str]:
    ids = {}
    for namespace in ("default", "org/other"):
        with Memory(path, namespace=namespace, embedder="lexical:32", synchronous="NORMAL") as memory:
            ids[namespace] = memory.remember(f"Zephyrine is known to {namespace}").id
            memory.remember_many([f"note {i}" for i in range(200)])
            memory.recall("note", task="t")
            memory.credit("t", 1.0)
    return ids


def test_a_backup_is_one_moment_of_the_file_whatever_is_written_meanwhile(tmp_path: Path) -> None:
    filled(tmp_path / "agent.db")
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        with Memory(tmp_path / "agent.db", synchronous="NORMAL") as memory:
            while not stop.is_set():
                memory.remember_many([f"pair {len(written)} left", f"pair {len(written)} right"])
                written.append(1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        made = [backup(tmp_path / "agent.db", tmp_path / f"{i}.backup") for i in range(4)]
    finally:
        stop.set()
        thread.join()
    assert len(written) > 2
    for i, each in enumerate(made):
        done = restore(each.path, tmp_path / f"restored{i}.db", digest=each.digest)
        with Memory(done.path) as memory:
            pairs = [r.content for r in memory.list(limit=10_000).records if r.content.startswith("pair")]
            assert len(pairs) % 2 == 0  # no transaction is half in it
            assert memory.stats()["recalls"] == 1
            (own,) = [copy for copy in memory.snapshots() if copy.id == each.id]
            assert own.digest == each.digest  # it knows where it comes from
        assert done.memories["org/other"] == 201
    assert sorted(path.name for path in tmp_path.iterdir() if ".part" in path.name) == []


def test_every_namespace_lists_a_backup_and_a_purge_names_it(tmp_path: Path) -> None:
    ids = filled(tmp_path / "agent.db")
    made = backup(tmp_path / "agent.db", tmp_path / "a.backup")
    assert made.namespaces == {"default": 203, "org/other": 203}
    for namespace, id in ids.items():
        with Memory(tmp_path / "agent.db", namespace=namespace) as memory:
            assert [copy.path for copy in memory.forget(id, purge=True).copies] == [made.path]
    with Memory(tmp_path / "agent.db") as memory:
        memory.delete_snapshot(made.id)
    assert not (tmp_path / "a.backup").exists()


def test_a_backup_that_is_damaged_is_found_out_before_it_is_needed(tmp_path: Path) -> None:
    filled(tmp_path / "agent.db")
    made = backup(tmp_path / "agent.db", tmp_path / "a.backup")
    assert restore_test(made.path, digest=made.digest).memories == {"default": 201, "org/other": 201}
    with pytest.raises(BadValue, match="digest must be"):
        restore_test(made.path, digest="0" * 64)
    with pytest.raises(BadValue, match="path must be a new file"):
        restore(made.path, tmp_path / "agent.db")
    data = bytearray(Path(made.path).read_bytes())
    at = data.index(b"Zephyrine is known to default")
    data[at : at + 4] = b"ZEPH"
    Path(made.path).write_bytes(data)
    with pytest.raises(Damaged, match="the backup is damaged"):
        restore(made.path, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
    with pytest.raises(BadValue, match="a file that is there"):
        backup(tmp_path / "nothing.db", tmp_path / "b.backup")
    with pytest.raises(BadValue, match="pg_dump"):
        backup("postgresql://someone@/somewhere", tmp_path / "b.backup")


def test_what_is_wrong_with_the_list_of_copies_the_doctor_finds_and_a_salvage_carries_the_rest(tmp_path: Path) -> None:
    with Memory(tmp_path / "agent.db") as memory:
        memory.remember("one")
        first, second = memory.snapshot("a"), memory.snapshot("b")
    database = opened(str(tmp_path / "agent.db"))
    with database.write() as tx:
        tx.execute("UPDATE copies SET path = '/elsewhere' WHERE id = ?", (first.id,))
    database.close()
    assert [each.table for each in doctor(tmp_path / "agent.db").findings] == ["copies"]
    salvage(tmp_path / "agent.db", tmp_path / "saved.db")
    with Memory(tmp_path / "saved.db") as memory:
        assert memory.snapshots() == [second]


# The command line


def say(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    assert main(["memory", *words]) == status, capsys.readouterr().err
    text = capsys.readouterr().out
    return json.loads(text) if "--json" in words else text


def test_the_command_line_copies_compares_goes_back_and_erases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Memory("agent.db") as memory:
        memory.remember("Ann likes mornings", subject="ann")
        id = memory.remember("The token lives an hour").id
    assert "as of change 2" in say(capsys, "snapshot", "before")
    say(capsys, "revise", id, "The token lives a day")
    assert f"revised   {id}" in say(capsys, "diff", "before")
    assert say(capsys, "diff", "0", "2", "--json")["added"][-1] == id
    assert "would stand" in say(capsys, "rollback", "before", "--dry-run")
    assert "stands as after change 2: 1 written" in say(capsys, "rollback", "before")
    assert "a full copy as of change 4" in say(capsys, "branch", "trial")
    exported = say(capsys, "export", "a.zip", "--json")
    say(capsys, "export", "ann.zip", "--subject", "ann")
    assert "clean" in say(capsys, "restore", "a.zip", "--test", "--digest", exported["digest"])
    assert "2 records" in say(capsys, "import", "a.zip", "--db", "other.db")
    assert "2 records" in say(capsys, "restore", "a.zip", "--db", "third.db", "--namespace", "x/y")
    say(capsys, "backup", "all.backup")
    assert "it would do" in say(capsys, "restore", "all.backup", "--test")
    assert "2 namespaces, 4 active memories" in say(capsys, "restore", "all.backup", "--db", "fourth.db")
    listed = say(capsys, "snapshots", "--json")
    assert [each["what"] for each in listed] == ["snapshot", "branch", "export", "export", "backup"]
    assert "would be purged" in say(capsys, "erase", "ann", "--dry-run")
    erased = say(capsys, "erase", "ann")
    assert erased.count("still in") == 5 and "1 memories purged" in erased
    assert say(capsys, "forget", id, "--purge").count("still in") == 5
    assert "deleted" in say(capsys, "snapshots", "--delete", "before")
    assert "before" not in say(capsys, "snapshots") and "gone" in say(capsys, "snapshots", "--all")
    for words in (
        ["export"],
        ["export", "a.zip"],
        ["diff"],
        ["rollback"],
        ["erase"],
        ["branch"],
        ["restore", "no.zip"],
    ):
        assert main(["memory", *words]) == 2
    assert "Traceback" not in capsys.readouterr().err
