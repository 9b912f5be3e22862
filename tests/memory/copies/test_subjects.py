"""Everything of one person is told, and erased until no byte of it is left, also where that was killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.memory.stores import Store
from wayfare.errors import BadValue
from wayfare.memory import Key, Memory, Provenance
from wayfare.memory.copies.bundles import SUBJECT_FORMAT, Bundle
from wayfare.memory.operations import Add

SECRETS = ("Zephyrine", "moonlit-obelisk", "Quillfeather", "tourmaline", "user-4711", "grosvenor")


@pytest.fixture
def ids(address: str) -> dict[str, str]:
    """A memory with one person in it, and others."""
    with Memory(address, synchronous="NORMAL", embedder="lexical:32") as memory:
        keys = [("intent", "tourmaline")]
        made = {
            "own": memory.remember("Zephyrine reset her token twice", subject="user-4711", keys=keys),
            "revised": memory.remember("Her passphrase was moonlit-obelisk", subject="user-4711", reason="tourmaline"),
            "retagged": memory.remember("Miss Quillfeather likes mornings", subject="user-4711"),
            "other": memory.remember("Restart the router twice", subject="user-1"),
            "free": memory.remember("Flush the session cache first"),
        }  # fmt: skip
        found = {name: each.id for name, each in made.items()}
        memory.revise(found["revised"], "Her passphrase is no longer known", meta={"street": "12 grosvenor"})
        memory.revise(found["retagged"], tags=[])
        derived = Add("Zephyrine prefers to be called", provenance=(Provenance(parents=(found["own"],)),))
        found["derived"] = memory.apply([derived])[0].id
        further = Add("Call people before noon", provenance=(Provenance(parents=(found["derived"],)),))
        found["further"] = memory.apply([further])[0].id
        memory.link(found["own"], found["free"], "about", evidence=["mailto:Quillfeather"])
        memory.recall("reset the token", k=1, task="shown")
        memory.credit("shown", 1.0)
        memory.recall("what did user-4711 say", kinds=["nothing"], task="named")
        memory.recall("Miss tourmaline's question", kinds=["nothing"], task="theirs")
        memory.recall("restart the router", k=1, kinds=["fact"], tags=["subject:user-1"], task="another")
    return found


def test_what_there_is_of_a_person_can_be_read(address: str, ids: dict[str, str], tmp_path: Path) -> None:
    with Memory(address) as memory:
        copy = memory.export(tmp_path / "person.zip", subject="user-4711", tasks=["theirs"])
    with Bundle(tmp_path / "person.zip", copy.digest, SUBJECT_FORMAT) as bundle:
        records = {each["id"]: each for each in bundle.lines("records")}
        links, receipts = list(bundle.lines("links")), list(bundle.lines("receipts"))
        outcomes = list(bundle.lines("outcomes"))
    assert {name for name in ids if ids[name] in records} == {"own", "revised", "retagged", "derived", "further"}
    assert [each["derived"] for each in records.values()] == [False] * 3 + [True] * 2
    revised = records[ids["revised"]]
    assert revised["content"] == "Her passphrase is no longer known" and revised["meta"] == {"street": "12 grosvenor"}
    assert [each["content"] for each in revised["earlier"]] == ["Her passphrase was moonlit-obelisk"]
    assert records[ids["own"]]["found_under"] == [{"role": "intent", "text": "tourmaline"}]
    assert [each["reason"] for each in revised["log"]] == ["tourmaline", ""]
    assert {(each["source"], each["target"]) for each in links} >= {(ids["own"], ids["free"])}
    assert {each["task"] for each in receipts} == {"shown", "named", "theirs"}
    assert [each["task"] for each in outcomes] == ["shown"]
    with pytest.raises(BadValue, match="path"), Memory(address) as memory:
        memory.export(tmp_path / "person.zip", subject="user-4711")


def left(store: Store, address: str) -> set[str]:
    data = store.contents(address)
    return {secret for secret in SECRETS if secret.encode() in data}


def test_no_byte_of_an_erased_person_is_left_and_copies_that_hold_them_are_named(
    store: Store, address: str, ids: dict[str, str], tmp_path: Path
) -> None:
    with Memory(address) as memory:
        snapshot = memory.snapshot("before", folder=tmp_path)
        dry = memory.erase(subject="user-4711", tasks=["theirs"], dry_run=True)
        assert set(dry.records) == {ids[name] for name in ("own", "revised", "retagged", "derived", "further")}
        assert set(dry.derived) == {ids["derived"], ids["further"]} and dry.kept == () and dry.receipts == 3
        assert dry.dry and dry.copies == (snapshot,) and memory.get(ids["own"]).content
        done = memory.erase(subject="user-4711", tasks=["theirs"])
        assert (done.records, done.receipts, done.copies) == (dry.records, 3, (snapshot,)) and not done.dry
        assert memory.get(ids["free"]).content and memory.get(ids["other"]).tags == ("subject:user-1",)
        assert [record.id for record in memory.list().records] == sorted([ids["other"], ids["free"]])
        again = memory.erase(subject="user-4711", tasks=["theirs"])
        assert again.records == () and again.receipts == 0 and again.copies == (snapshot,)
    rows = store.rows(address, "SELECT op FROM log WHERE op IN ('ERASE', 'ERASED', 'PURGE') ORDER BY seq")
    assert [op for (op,) in rows] == ["ERASE", *["PURGE"] * 5, "ERASED"]
    assert left(store, address) == set()
    assert store.rows(address, "SELECT query FROM receipts WHERE query != ''") == [("restart the router",)]


def test_what_was_derived_may_be_kept(address: str, ids: dict[str, str]) -> None:
    with Memory(address) as memory:
        done = memory.erase(subject="user-4711", derived="keep")
        assert set(done.kept) == {ids["derived"], ids["further"]} and len(done.records) == 3
        assert memory.get(ids["further"]).content == "Call people before noon"
        with pytest.raises(BadValue, match="derived must be one of purge, keep"):
            memory.erase(subject="user-4711", derived="sell")
        with pytest.raises(BadValue, match="subject"):
            memory.erase(subject="")


ERASING = """
import sys
from wayfare.memory import Memory
from wayfare.memory.copies import subjects
subjects.TOGETHER = 1
kept = subjects.purge_all
def counted(*given, **more):
    print("ready", flush=True)
    return kept(*given, **more)
subjects.purge_all = counted
with Memory(sys.argv[1]) as memory:
    memory.erase(subject="user-4711", tasks=["theirs"])
"""


def test_killed_in_the_middle_an_erasure_goes_on_when_it_is_asked_again(
    store: Store, address: str, ids: dict[str, str]
) -> None:
    with Memory(address) as memory:
        memory.apply([Add(f"Quillfeather note {i}", tags=("subject:user-4711",)) for i in range(20)])
    child = subprocess.Popen([sys.executable, "-c", ERASING, address], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(4):
        assert child.stdout.readline() == "ready\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with Memory(address) as memory:
        assert any("Quillfeather" in record.content for record in memory.list().records)
        done = memory.erase(subject="user-4711", tasks=["theirs"])
        assert len(done.records) == 25
    assert left(store, address) == set()


def test_a_subject_is_a_tag_that_remember_many_knows_too(address: str) -> None:
    with Memory(address, embedder="none") as memory:
        memory.remember_many([{"text": "one", "subject": "ann", "tags": ["a"]}, {"text": "two"}])
        assert [record.tags for record in memory.list().records] == [("a", "subject:ann"), ()]
        for wrong in ("", "x" * 200, 7):
            with pytest.raises(BadValue, match="subject"):
                memory.remember("three", subject=wrong)  # type: ignore[arg-type]
        assert memory.remember("four", keys=[Key("intent", "five")], subject="bob").op == "ADD"


def test_a_purge_leaves_no_byte_of_tags_and_meta_either(
    store: Store, address: str, new_address: Callable[[], str]
) -> None:
    with Memory(address, embedder="none") as memory:
        id = memory.remember("a text", tags=["Zephyrine-the-tag"], meta={"moonlit-obelisk": ["tourmaline street"]}).id
        memory.revise(id, meta={"street": "grosvenor place"})
        memory.forget(id, purge=True)
    assert left(store, address) == set()
