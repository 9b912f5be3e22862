"""The doctor finds what was changed behind the store's back, says nothing of a healthy one, and saves the rest."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wayfare.errors import BadValue, Damaged, StoreError
from wayfare.memory import Memory
from wayfare.memory.index import entries
from wayfare.memory.records import Key
from wayfare.memory.store.doctor import doctor, salvage
from wayfare.memory.store.migrations import migrate
from wayfare.memory.store.schema import VERSION


class Clock:
    """Whole seconds, one a call."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which everything has happened at least once."""
    path = tmp_path_factory.mktemp("life") / "agent.db"
    small = pytest.MonkeyPatch()
    small.setattr(entries, "SEGMENT", 32)
    try:
        with Memory(path, synchronous="NORMAL", clock=Clock(), embedder="lexical:64", actor="ann") as memory:
            ids = [
                memory.remember(
                    f"memory {i} speaks of topic {i % 7} and word{i}", tags=["even", "odd"][i % 2 : i % 2 + 1],
                    keys=[Key("intent", f"ask for topic {i % 7}")], event=3 + i, valid=(1, None),
                    idempotency_key=f"key {i}",
                ).id
                for i in range(40)
            ]  # fmt: skip
            memory.link(ids[0], ids[1], "related", weight=1, evidence=["a book"], valid_from=3)
            for i in range(12):
                with memory.task(f"task {i}") as task:
                    found = memory.recall(f"topic {i % 7}", k=3)
                    task.credit(i % 4 / 3, used=found.ids[:1] if i % 2 else None)
            memory.credit("task 1", 0.5, source="human", actor="bob")
            memory.credit("task 2", 1.0, correct=True)
            memory.credit("task 3", 0.0, source="agent")
            memory.void(source="agent", reason="nonsense")
            memory.revise(ids[2], "memory 2 was wrong", reason="it was")
            memory.revise(ids[3], keys=[Key("intent", "another question")])
            memory.archive(ids[4])
            memory.forget(ids[5])
            memory.forget(ids[6], purge=True)
            memory.challenge(memory.policy_named("memrl"))
            with Memory(path, namespace="other", embedder="none", reward_range=(-1, 1)) as other:
                other.remember("something of another tenant", tags=["even"])
    finally:
        small.undo()
    return path


@pytest.fixture
def file(life: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(life, tmp_path / "agent.db"))


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("entries", "following", "postings"):
        monkeypatch.setattr(f"wayfare.memory.index.{module}.SEGMENT", 32)
    monkeypatch.setattr("wayfare.memory.store.index_checks.SEGMENT", 32)


def changed(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        assert connection.execute(statement).rowcount > 0, statement
    connection.commit()
    connection.close()


def test_a_healthy_file_is_clean_also_where_the_clock_counts_whole_seconds(file: Path) -> None:
    report = doctor(file)
    assert report.findings == () and report.worst == "clean" and report.version == VERSION
    assert report.rows["records"] == 41 and report.rows["segments"] >= 1 and report.rows["outcomes"] >= 14
    assert "nothing is wrong" in str(report)


CHANGES = {
    "a text": "UPDATE records SET content = 'a lie' WHERE record = 1",
    "a status": "UPDATE records SET status = 'archived' WHERE record = 1",
    "a hash": "UPDATE records SET content_hash = x'00' WHERE record = 1",
    "an earlier text": "UPDATE versions SET body = replace(body, 'topic', 'tropic')",
    "an earlier version lost": "DELETE FROM versions WHERE version = 1 AND id IN (SELECT id FROM records LIMIT 4)",
    "when it was superseded": "UPDATE versions SET superseded_at = superseded_at + 1",
    "a tag lost": "DELETE FROM tags WHERE record = 1",
    "a tag too many": "INSERT INTO tags VALUES (1, 'stray', 1)",
    "a link's weight": "UPDATE links SET weight = 2.0 WHERE type = 'related'",
    "a link's end": "UPDATE links SET target = 'nobody' WHERE type = 'related'",
    "when a link was made": "UPDATE links SET created_at = 1.0",
    "a reason in the log": "UPDATE log SET reason = 'it was right' WHERE reason = 'it was'",
    "a change lost": "DELETE FROM log WHERE seq = 30",
    "the last change lost": "DELETE FROM log WHERE seq = (SELECT MAX(seq) FROM log WHERE ns = 1) AND ns = 1",
    "an answer": "UPDATE answers SET answer = replace(answer, 'ADD', 'NOP') WHERE key = 'key 1'",
    "a space's dimension": "UPDATE spaces SET dimension = 0",
    "a space's probe": "UPDATE spaces SET probe = zeroblob(256)",
    "the serving space": "UPDATE namespaces SET space = 0 WHERE ns = 1",
    "the rewards' range": "UPDATE namespaces SET settings = replace(settings, '1.0]', '2.0]')",
    "an entry's life": "UPDATE entries SET alive = 0 WHERE ns = 1 AND role = 'intent' AND ordinal = 3",
    "an entry's text": "UPDATE entries SET text = 'ask for nothing' WHERE ordinal = 3",
    "an entry lost": "DELETE FROM entries WHERE ordinal = 3",
    "a segment's numbers": "UPDATE segments SET data = x'ff' || substr(data, 2)",
    "a word's places": "UPDATE postings SET data = substr(data, 1, 4) || x'09' || substr(data, 6) WHERE term = 'topic'",
    "a word lost": "DELETE FROM postings WHERE term = 'topic'",
    "a block lost": "DELETE FROM blocks",
    "a policy": "UPDATE policies SET body = replace(body, '0.3', '0.4')",
    "the floor": "UPDATE standing SET body = replace(body, 'seen', 'sean')",
    "whether it is frozen": "UPDATE standing SET frozen = 3",
    "a task's side": "UPDATE tasks SET side = 'incumbent' WHERE side = 'baseline'",
    "a task's receipts": "UPDATE tasks SET receipts = 2 WHERE id = 'task 1'",
    "when a task was closed": "UPDATE tasks SET closed_at = 7.0 WHERE id = 'task 1'",
    "what a receipt showed": "UPDATE receipts SET slate = '[]' WHERE task = 'task 1'",
    "what was asked": "UPDATE receipts SET query = 'nothing' WHERE task = 'task 1'",
    "a receipt's body": "UPDATE receipts SET body = substr(body, 1, 40) || x'00' || substr(body, 42)",
    "an outcome's reward": "UPDATE outcomes SET reward = 0.9 WHERE task = 'task 5'",
    "what corrected an outcome": "UPDATE outcomes SET replaced = NULL WHERE replaced IS NOT NULL",
    "what took an outcome out": "UPDATE outcomes SET voided = 1 WHERE voided IS NOT NULL",
    "that an outcome was taken out": "UPDATE outcomes SET voided = NULL WHERE voided IS NOT NULL",
    "a utility": "UPDATE utilities SET total = total + 1e-9 WHERE n > 0",
    "how often it was recalled": "UPDATE utilities SET recalled = recalled + 1",
    "a credit": "UPDATE credits SET base = base + 1e-12 WHERE granted > 0",
    "an account": "UPDATE accounts SET weight = weight + 1e-9",
    "the salt": "UPDATE meta SET value = 'pepper' WHERE key = 'salt'",
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_behind_its_back_is_found(file: Path, what: str) -> None:
    changed(file, CHANGES[what])
    report = doctor(file)
    assert report.worst == ("warning" if what in ("the salt", "a space's probe") else "damage"), report


def test_every_byte_of_a_vector_is_looked_at_whatever_made_it(file: Path) -> None:
    changed(
        file, "UPDATE spaces SET model = 'openai:m@http://localhost' WHERE ns = 1", "UPDATE spaces SET probe = NULL"
    )
    assert doctor(file).worst == "clean"
    (where,) = (
        sqlite3.connect(file).execute("SELECT instr(hex(data), hex(substr(data, 100, 4))) / 2 FROM blocks").fetchone()
    )
    assert where > 0
    changed(file, "UPDATE blocks SET data = substr(data, 1, 99) || x'00' || substr(data, 101)")
    assert doctor(file).worst == "damage"


READS: dict[str, tuple[str, Callable[[Memory, str], object]]] = {
    "get": ("UPDATE records SET content = 'a lie'", lambda m, id: m.get(id)),
    "list": ("UPDATE records SET content = 'a lie' WHERE record = 20", lambda m, id: m.list()),
    "recall": ("UPDATE records SET content = 'a lie'", lambda m, id: m.recall("topic 2")),
    "recall as of": ("UPDATE records SET content = 'a lie'", lambda m, id: m.recall("topic 2", as_of=1_000_100.0)),
    "history": ("UPDATE versions SET body = replace(body, 'topic', 'tropic')", lambda m, id: m.history(id)),
    "history, a version lost": ("DELETE FROM versions", lambda m, id: m.history(id)),
    "history, a change lost": ("UPDATE log SET op = 'UPDAT' WHERE op = 'UPDATE'", lambda m, id: m.history(id)),
    "history, another's version": (
        "UPDATE versions SET id = (SELECT id FROM records WHERE record = 3) WHERE id != "
        "(SELECT id FROM records WHERE record = 3) AND version = 1",
        lambda m, id: m.history(id),
    ),
    "links": ("UPDATE links SET weight = 2.0", lambda m, id: m.links(m.list(limit=1).records[0].id)),
    "answers": ("UPDATE answers SET answer = '[]'", lambda m, id: m.remember("x", idempotency_key="key 1")),
    "policies": ("UPDATE policies SET body = replace(body, '0.3', '0.4')", lambda m, id: m.policies()),
    "stats": ("UPDATE standing SET body = replace(body, '0.05', '0.06')", lambda m, id: m.stats()),
    "tasks": ("UPDATE tasks SET epoch = 2", lambda m, id: m.recall("topic 2", task="task 1")),
    "evaluate": ("UPDATE receipts SET slate = '[]'", lambda m, id: m.evaluate("similarity")),
    "credit": ("UPDATE receipts SET slate = '[]'", lambda m, id: m.credit("task 7", 1.0, correct=True)),
}


@pytest.mark.parametrize("what", READS)
def test_a_reader_refuses_what_does_not_answer_to_its_checksum(file: Path, what: str) -> None:
    statement, read = READS[what]
    connection = sqlite3.connect(file)
    (id,) = connection.execute("SELECT id FROM records WHERE record = 3").fetchone()
    if what == "history, another's version":
        connection.execute("DELETE FROM versions WHERE id = ?", (id,))
        statement = statement.replace("version = 1", "version = 1 AND id = (SELECT MIN(id) FROM versions)")
    connection.execute(statement)
    connection.commit()
    connection.close()
    with Memory(file) as memory, pytest.raises(Damaged, match="wayfare memory doctor"):
        read(memory, id)


def test_the_range_of_rewards_is_refused_where_it_is_not_what_was_agreed(file: Path) -> None:
    changed(file, "UPDATE namespaces SET settings = replace(settings, '1.0]', '2.0]')")
    with pytest.raises(Damaged, match="settings"):
        Memory(file)


def test_a_file_that_is_not_there_or_is_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="there"):
        doctor(tmp_path / "nowhere.db")
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at " * 100)
    assert doctor(tmp_path / "text.db").worst == "damage"
    with pytest.raises(StoreError):
        salvage(tmp_path / "text.db", tmp_path / "saved.db")
    assert not (tmp_path / "saved.db").exists()


def test_what_is_saved_is_what_was_there(file: Path, tmp_path: Path) -> None:
    saved = salvage(file, tmp_path / "saved.db")
    assert "nothing is lost" in str(saved) and saved.records == () and saved.rejected == {} and saved.unread == ()
    assert doctor(tmp_path / "saved.db").worst == "clean"
    with Memory(file) as old, Memory(tmp_path / "saved.db") as new:
        assert old.list(limit=100) == new.list(limit=100)
        for record in old.list(limit=100, status=None).records:
            assert old.get(record.id).utility == new.get(record.id).utility
            assert old.history(record.id) == new.history(record.id) and old.links(record.id) == new.links(record.id)
        assert old.recall("topic 3", task="a new one").ids == new.recall("topic 3", task="a new one").ids
        assert old.policies() == new.policies()
    with Memory(tmp_path / "saved.db", namespace="other") as other:
        assert [record.content for record in other.list().records] == ["something of another tenant"]


def test_nothing_is_overwritten(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "taken.db"
    target.write_bytes(b"mine")
    with pytest.raises(BadValue, match="overwritten"):
        salvage(file, target)
    assert target.read_bytes() == b"mine"
    with pytest.raises(BadValue, match="there"):
        salvage(tmp_path / "nowhere.db", tmp_path / "new.db")


@pytest.mark.parametrize("what", [name for name in CHANGES if name not in ("the salt",)])
def test_what_is_saved_from_a_damaged_file_is_whole(file: Path, tmp_path: Path, what: str) -> None:
    with Memory(file) as memory:
        truth = {record.id: record for record in memory.list(limit=100, status=None).records}
    changed(file, CHANGES[what])
    saved = salvage(file, tmp_path / "saved.db")
    report = doctor(tmp_path / "saved.db")
    assert report.worst == "clean", str(report)
    with Memory(tmp_path / "saved.db", embedder="none" if "space" in what else None) as memory:
        found = memory.list(limit=100, status=None).records
        assert {record.id: record for record in found}.items() <= truth.items()
        assert len(found) >= len(truth) - (what in ("a text", "a status"))
        assert memory.recall("topic 2 word9").ids
        for record in found:
            assert len(memory.history(record.id)) == record.version
        memory.remember("life goes on")
    assert (what == "a text") == bool(saved.records) or what == "a status"


def test_a_file_with_lost_pages_gives_what_is_on_the_others(file: Path, tmp_path: Path) -> None:
    with Memory(file) as memory:
        truth = {record.id: record for record in memory.list(limit=100, status=None).records}
    data = bytearray(file.read_bytes())
    connection = sqlite3.connect(file)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records'").fetchone()
    connection.close()
    page = data[(root - 1) * 4096 : root * 4096]
    assert page[0] == 5, "the records fill more than one page"
    leaf = int.from_bytes(page[12:14], "big")
    lost = int.from_bytes(page[leaf : leaf + 4], "big")
    data[(lost - 1) * 4096 : lost * 4096] = bytes(4096)
    file.write_bytes(data)
    assert doctor(file).worst == "damage"
    saved = salvage(file, tmp_path / "saved.db")
    assert "records" in saved.unread and 0 < len(saved.records) < 40 and saved.records[0] in str(saved)
    assert doctor(tmp_path / "saved.db").worst == "clean"
    with Memory(tmp_path / "saved.db") as memory:
        found = {record.id: record for record in memory.list(limit=100, status=None).records}
        assert found.items() <= truth.items() and len(found) + len(saved.records) >= len(truth)


def test_corrections_during_a_freeze_are_learned_once_it_is_over(tmp_path: Path) -> None:
    with Memory(tmp_path / "agent.db") as memory:
        for i in range(3):
            memory.remember(f"advice number {i} for the printer")
        found = memory.recall("advice for the printer", k=3, task="t")
        memory.credit("t", 1.0, used=found.ids[:1])
        memory.freeze()
        before = memory.get(found.ids[0]).utility
        memory.credit("t", 0.0, used=found.ids[1:2], correct=True)
        assert memory.get(found.ids[0]).utility == before and doctor(tmp_path / "agent.db").worst == "clean"
        memory.thaw()
        assert memory.get(found.ids[0]).utility.n == 0 and memory.get(found.ids[1]).utility.mean == 0.0
    assert doctor(tmp_path / "agent.db").worst == "clean"


def test_the_doctor_only_looks(file: Path) -> None:
    before = file.read_bytes()
    doctor(file)
    assert file.read_bytes() == before


def test_no_step_is_missing_between_versions() -> None:
    with pytest.raises(StoreError, match="no step"):
        migrate(None, 0)  # type: ignore[arg-type]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which files a process has open")
def test_an_open_that_was_refused_leaves_no_connection(file: Path) -> None:
    changed(file, "UPDATE meta SET value = '99' WHERE key = 'version'")
    with pytest.raises(StoreError, match="later Wayfare") as refused:
        Memory(file)
    held = [each for each in Path("/proc/self/fd").iterdir() if each.exists() and each.samefile(file)]
    assert held == [] and refused.value is not None  # also while the error, and the frames it came through, are kept


class Mute:
    """A model that has nothing to say of some texts."""

    model, dimension = "mute", 8

    def embed(self, texts: list[str]) -> np.ndarray:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> np.ndarray:
        return np.eye(8, dtype=np.float32)[0] * ("silence" not in text)


def test_a_vector_of_zeros_is_one_that_the_model_gave_and_another_that_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    with Memory(path, embedder=Mute()) as memory:
        memory.remember_many(["a word", "silence"])
    assert doctor(path).worst == "clean"
    saved = salvage(path, tmp_path / "saved.db")
    assert saved.rejected == {} and doctor(tmp_path / "saved.db").worst == "clean"
    changed(path, "UPDATE blocks SET data = zeroblob(length(data))")
    assert "has no vector" in str(doctor(path))
