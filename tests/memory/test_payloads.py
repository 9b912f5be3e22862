"""Bytes beside a text: kept as they are, once, with every version; and never longer than what they were made from."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory.stores import Store
from wayfare.errors import BadValue, Damaged, NoSuchRecord, OutcomeConflict, QuotaExceeded
from wayfare.memory import Link, Memory, Provenance
from wayfare.memory.copies.bundles import SUBJECT_FORMAT, Bundle
from wayfare.memory.operations import Add, AddLink, Merge, Restore, Supersede, request_of
from wayfare.memory.payloads import LARGEST_PAYLOAD, Payload
from wayfare.memory.planners import NearDuplicate
from wayfare.memory.scanning import windows
from wayfare.memory.store.doctor import doctor, salvage
from wayfare.memory.store.payload_rows import PIECE
from wayfare.memory.store.schema import PAYLOADS, VERSION

HEADER = {"model": "sha256:abc", "dtype": "float32"}


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def cache(seed: int = 0, size: int = 5_000) -> Payload:
    return Payload(noise(size, seed), "application/vnd.safetensors", HEADER)


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:
    with Memory(address, synchronous="NORMAL", embedder="none") as made:
        yield made


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "agent.db", synchronous="NORMAL", embedder="none") as made:
        yield made


def form(memory: Memory, source: str, seed: int = 0, form: Any = "activation") -> str:
    text = f"{form} {seed}"
    return memory.remember(text, form=form, payload=cache(seed), source=memory.get(source)).id


def test_bytes_come_back_as_they_were_with_every_version_and_are_there_once(
    store: Store, address: str, memory: Memory
) -> None:
    first, second = cache(1, 2 * PIECE + 7), cache(2)
    id = memory.remember("the rules as a prefix", form="activation", payload=first, tags=["rules"]).id
    record = memory.get(id)
    assert record.payload == first.info and record.form == "activation"
    assert memory.payload(id) == first
    memory.remember("the rules under another name", form="activation", payload=first)
    assert store.rows(address, "SELECT COUNT(*), SUM(length(data)) FROM payloads") == [(3, 2 * PIECE + 7)]
    memory.revise(id, payload=second, reason="another model")
    assert [step.record.payload for step in memory.history(id) if step.record] == [first.info, second.info]
    assert (memory.payload(id), memory.payload(id, version=1)) == (second, first)
    assert memory.revise(id, payload=second).op == "NOOP" and memory.revise(id, payload=None).version == 3
    with pytest.raises(BadValue, match="payload"):
        memory.payload(id)
    with pytest.raises(BadValue, match="version"):
        memory.payload(id, version=9)
    assert first.digest not in json.dumps(store.rows(address, "SELECT body, reason FROM log"))
    seq = memory.diff(0).b
    memory.rollback(to=seq - 2)
    assert memory.payload(id) == second and memory.recall("rules", k=2).ids


def test_what_cannot_be_carried_is_refused_before_anything_is_written(local: Memory) -> None:
    for data, media_type, header, field in (
        (b"", "a/b", {}, "payload.data"), ("text", "a/b", {}, "payload.data"), (b"x", "octets", {}, "media_type"),
        (b"x", "a/b", {"nan": float("nan")}, "payload.header"), (b"x", "a/b", [1], "payload.header"),
    ):  # fmt: skip
        with pytest.raises(BadValue, match=field):
            Payload(data, media_type, header)  # type: ignore[arg-type]
    assert LARGEST_PAYLOAD == 256 * 2**20
    with pytest.raises(BadValue, match="payload"):
        local.remember("text", payload=b"bytes")  # type: ignore[arg-type]
    id = local.remember("text").id
    with pytest.raises(BadValue, match="payload"):
        local.revise(id, payload=b"bytes")
    with pytest.raises(NoSuchRecord):
        local.payload("nobody")
    assert local.diff(0).b == 1


def test_the_same_text_with_other_bytes_is_another_memory_and_no_planner_weighs_it(tmp_path: Path) -> None:
    with Memory(
        tmp_path / "agent.db", synchronous="NORMAL", embedder="lexical:64", planner=NearDuplicate(0.5)
    ) as memory:
        text = memory.remember("the cat sits on the mat").id
        one = memory.remember("the cat sits on the mat", form="activation", payload=cache(1))
        two = memory.remember("the cat sits on the mat", form="activation", payload=cache(2))
        again = memory.remember("the cat sits on the mat", form="activation", payload=cache(2))
        assert (one.op, two.op, again.op, again.id) == ("ADD", "ADD", "NOOP", two.id)
        near = memory.remember("the cat sits on that mat")
        assert (near.op, near.id) == ("UPDATE", text), "a text is weighed against texts"
        assert memory.upkeep("duplicates", dry_run=False).steps == ()


def test_a_key_knows_its_payload_and_requests_from_before_there_were_any(local: Memory) -> None:
    first = local.remember("text", payload=cache(1), idempotency_key="k")
    assert local.remember("text", payload=cache(1), idempotency_key="k") == first
    with pytest.raises(OutcomeConflict):
        local.remember("text", payload=cache(2), idempotency_key="k")
    assert "payload" not in request_of(Add("text"))[1]


@pytest.mark.parametrize("change", ["revise", "forget", "supersede", "merge"])
def test_what_was_made_from_a_text_is_archived_with_its_change(memory: Memory, change: str) -> None:
    text, other = memory.remember("the door is red").id, memory.remember("the window is blue").id
    made = form(memory, text)
    adapter = form(memory, made, 1, "parameter")
    bystander = form(memory, other, 2)
    summary = memory.remember("a red door", source=memory.get(text)).id
    memory.revise(text, tags=["door"])
    assert memory.get(made).status == "active", "its text is as it was"
    match change:
        case "revise":
            memory.revise(text, "the door is green")
        case "forget":
            memory.forget(text)
        case "supersede":
            memory.apply([Supersede(text, Add("the door is green"))])
        case "merge":
            memory.apply([Merge((text,), Add("the door and the window"))])
    for id, why in ((made, text), (adapter, made)):
        assert memory.get(id).status == "archived"
        step = memory.history(id)[-1]
        assert step.op == "ARCHIVE" and why in step.reason and "stale" in step.reason
    assert memory.history(made)[-1].operation == memory.history(text)[-1].operation, "in one transaction"
    assert memory.get(bystander).status == memory.get(summary).status == "active"
    assert {made, adapter}.isdisjoint(memory.recall("activation parameter", k=5).ids)


def test_an_earlier_version_stands_again_byte_for_byte_and_nothing_stale_does(local: Memory) -> None:
    text = local.remember("the door is red", tags=["door"]).id
    made = form(local, text, 1)
    adapter = form(local, made, 2, "parameter")
    local.revise(text, "the gate is green", tags=["gate"])
    for stale in (made, adapter):
        with pytest.raises(BadValue, match=r"version.*still holds.*derived from"):
            local.apply([Restore(stale, 1)])
    assert local.recall("red door").ids == ()
    done = local.apply([Restore(text, 1, "it was red after all")], expect={text: 2})[0]
    assert (done.op, done.version) == ("RESTORE", 3) and local.recall("red door").ids == (text,)
    assert (local.get(text).content, local.get(text).tags) == ("the door is red", ("door",))
    local.apply([Restore(made, 1), Restore(adapter, 1)])
    assert local.payload(made) == cache(1) and local.get(adapter).status == "active"
    local.revise(made, payload=cache(9))
    assert local.get(adapter).status == "archived", "it was derived from other bytes"
    local.apply([Restore(made, 3)])
    local.apply([Restore(adapter, 3)])
    assert local.payload(made) == cache(1)
    local.apply([Restore(text, 2)])
    assert local.get(made).status == local.get(adapter).status == "archived"
    for version in (0, 4, 99):
        with pytest.raises(BadValue, match="version"):
            local.apply([Restore(text, version)])
    local.forget(text)
    with pytest.raises(NoSuchRecord):
        local.apply([Restore(text, 1)])


def test_a_merge_into_the_same_words_leaves_forms_alone_and_never_archives_what_it_merges_into(local: Memory) -> None:
    text = local.remember("The door is red").id
    same = local.remember("The door is red", kind="note").id
    made = form(local, text)
    local.apply([Merge((text,), same)])
    assert local.get(made).status == "active"
    one, two = form(local, same, 3), form(local, same, 4)
    local.apply([Merge((one,), two)])
    assert local.get(two).status == "active" and local.get(one).status == "superseded"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12), st.integers(0, 4))
def test_circles_end_and_exactly_what_can_be_reached_is_archived(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], changed: int
) -> None:
    with Memory(tmp_path_factory.mktemp("m") / "a.db", synchronous="NORMAL", embedder="none") as memory:
        forms = ["token", "activation", "parameter", "activation", "token"]
        ids = [memory.remember(f"item {i}", form=each).id for i, each in enumerate(forms)]  # type: ignore[arg-type]
        links = {(a, b) for a, b in pairs if a != b}
        memory.apply([AddLink(Link(ids[a], ids[b], "derived_from")) for a, b in sorted(links)])
        memory.revise(ids[changed], "said otherwise")
        reached, front = {changed}, [changed]
        while front:
            source = front.pop()
            fresh = {a for a, b in links if b == source and forms[a] != "token"} - reached
            reached |= fresh
            front += fresh
        archived = {i for i, id in enumerate(ids) if memory.get(id).status == "archived"}
        assert archived == reached - {changed}


def test_a_purge_takes_the_bytes_of_all_that_was_made_from_the_text(store: Store, address: str, memory: Memory) -> None:
    text = memory.remember("Zephyrine's passphrase is moonlit-obelisk").id
    mine, shared = cache(1, PIECE + 100), cache(2)
    made = memory.remember("cache of the passphrase", form="activation", payload=mine, source=memory.get(text)).id
    memory.revise(made, payload=shared)
    keeper = memory.remember("another cache", form="activation", payload=shared).id
    summary = memory.remember("a passphrase is known", source=memory.get(text)).id
    done = memory.forget(text, purge=True)
    assert done.forms == (made,) and done.derived == (summary,)
    assert memory.payload(keeper) == shared and memory.get(summary).status == "active"
    with pytest.raises(NoSuchRecord):
        memory.payload(made)
    assert all(step.record is None for step in memory.history(made))
    memory.close()
    raw = store.contents(address)
    assert windows(mine.data) and not any(window in raw for window in windows(mine.data))
    assert mine.digest.encode() not in raw and b"obelisk" not in raw and shared.digest.encode() in raw


def test_one_persons_part_has_the_bytes_and_loses_them(tmp_path: Path, memory: Memory) -> None:
    text = memory.remember("Ada likes tea", subject="ada").id
    payload = cache(3)
    made = memory.remember("tea", form="parameter", payload=payload, source=memory.get(text)).id
    memory.export(tmp_path / "ada.zip", subject="ada")
    with Bundle(tmp_path / "ada.zip", format=SUBJECT_FORMAT) as bundle:
        assert [row["payload"] and row["payload"]["digest"] for row in bundle.lines("records")] == [
            None,
            payload.digest,
        ]
        assert b"".join(base64.b64decode(row["data"]) for row in bundle.lines("payloads")) == payload.data
    done = memory.erase(subject="ada", derived="keep")
    assert done.records == tuple(sorted((text, made), key=(text, made).index)) and done.kept == ()
    with pytest.raises(NoSuchRecord):
        memory.get(made)


def test_quotas_count_bytes(local: Memory) -> None:
    id = local.remember("four", payload=cache(1, 1_000)).id
    assert local.quota().bytes[0] == 1_004
    local.set_quota(bytes=1_500)
    local.revise(id, payload=cache(2, 1_400))
    with pytest.raises(QuotaExceeded):
        local.remember("more", payload=cache(3, 500))
    with pytest.raises(QuotaExceeded):
        local.revise(id, payload=cache(4, 1_600))
    assert local.quota().bytes == (1_404, 1_500)
    local.forget(id)
    assert local.quota().bytes[0] == 0 and local.remember("more", payload=cache(3, 500)).op == "ADD"


def test_bytes_that_are_damaged_are_never_returned_and_the_doctor_says_whose(
    store: Store, address: str, memory: Memory
) -> None:
    payload = cache(1)
    id = memory.remember("a cache", form="activation", payload=payload).id
    store.execute(address, "UPDATE payloads SET data = ?", (payload.data[:-1] + b"!",))
    with pytest.raises(Damaged, match=f"{id}.*{payload.digest}"):
        memory.payload(id)
    with pytest.raises(Damaged, match=payload.digest):
        memory.export(Path(os.devnull).parent / "shm" / f"wayfare-{os.getpid()}.zip")
    memory.remember("the same cache again", form="activation", payload=payload)
    assert memory.payload(id) == payload, "who brings the bytes again heals them"
    store.execute(address, "DELETE FROM payloads", ())
    with pytest.raises(Damaged, match=f"{id}.*{payload.digest}"):
        memory.payload(id)


def test_the_doctor_finds_and_salvage_takes_what_is_whole(tmp_path: Path, local: Memory) -> None:
    path = tmp_path / "agent.db"
    good, bad = cache(1, PIECE + 5), cache(2)
    kept = local.remember("kept", form="activation", payload=good).id
    lost = local.remember("lost", form="activation", payload=bad).id
    local.revise(lost, tags=["a"])
    local.close()
    assert doctor(path).worst == "clean"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE payloads SET data = zeroblob(5000) WHERE digest = ?", (bad.digest,))
    found = doctor(path)
    assert found.worst == "damage" and any(bad.digest in str(each) for each in found.findings)
    assert salvage(path, tmp_path / "saved.db").rejected == {"payloads": 1}
    assert doctor(tmp_path / "saved.db").worst == "clean"
    with Memory(tmp_path / "saved.db") as memory:
        assert memory.payload(kept) == good and memory.get(lost).payload is None and memory.get(lost).content == "lost"


def test_a_bundle_carries_bytes_between_stores_and_one_with_other_bytes_is_refused_whole(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    one, two, path = new_address(), new_address(), tmp_path / "memory.zip"
    first, second = cache(1, PIECE + 9), cache(2)
    with Memory(one, synchronous="NORMAL", embedder="none") as memory:
        id = memory.remember("a cache", form="activation", payload=first).id
        memory.revise(id, payload=second)
        memory.export(path)
        memory.branch("other/branch")
    with Memory(one, namespace="other/branch") as branch:
        assert (branch.payload(id, version=1), branch.payload(id)) == (first, second)
    other = _tampered(path, tmp_path / "other.zip")
    with pytest.raises(Damaged, match=r"other.zip.*payloads.jsonl, line \d+: digest"):
        Memory.from_bundle(other, two)
    with Memory(two, embedder="none") as empty:
        assert empty.diff(0).b == 0
    with Memory.from_bundle(path, two, embedder="none") as memory:
        assert (memory.payload(id, version=1), memory.payload(id)) == (first, second)


def _tampered(path: Path, target: Path) -> Path:
    """A bundle whose manifest agrees with it, and a payload's digest does not."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    rows = [json.loads(line) for line in members["payloads.jsonl"].splitlines()]
    data = base64.b64decode(rows[0]["data"])
    rows[0]["data"] = base64.b64encode(data[:-1] + bytes([data[-1] ^ 1])).decode()
    members["payloads.jsonl"] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    manifest = json.loads(members["manifest.json"])
    for part in manifest["parts"]:
        lines = members[f"{part['name']}.jsonl"]
        part |= {"bytes": len(lines), "sha256": hashlib.sha256(lines).hexdigest()}
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def test_a_bundle_and_a_file_from_before_there_were_payloads_are_read(tmp_path: Path, local: Memory) -> None:
    id = local.remember("an old memory", tags=["a"]).id
    local.revise(id, "a memory that was old")
    local.export(tmp_path / "new.zip")
    local.close()
    with zipfile.ZipFile(tmp_path / "new.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "payloads.jsonl"}
    manifest = json.loads(members["manifest.json"])
    lines = [json.loads(line) for line in members["records.jsonl"].splitlines()]
    assert all(line.pop("payload") is None for line in lines)
    members["records.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    manifest["version"] = 1
    manifest["parts"] = [part for part in manifest["parts"] if part["name"] != "payloads"]
    for part in manifest["parts"]:
        content = members[f"{part['name']}.jsonl"]
        part |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with Memory.from_bundle(tmp_path / "old.zip", tmp_path / "from.db") as memory:
        assert [step.record.content for step in memory.history(id) if step.record] == [
            "an old memory", "a memory that was old",
        ]  # fmt: skip
    with sqlite3.connect(tmp_path / "agent.db") as connection:
        connection.execute("DROP TABLE payloads")
        connection.execute("ALTER TABLE records DROP COLUMN payload")
        connection.execute("UPDATE meta SET value = '4' WHERE key = 'version'")
    assert "payloads" in PAYLOADS
    with Memory(tmp_path / "agent.db", embedder="none") as memory:
        assert memory.get(id).content == "a memory that was old" and memory.get(id).payload is None
        made = form(memory, id)
        assert memory.payload(made) == cache()
    report = doctor(tmp_path / "agent.db")
    assert (report.worst, report.version) == ("clean", VERSION)


def test_tables_of_version_4_on_a_server_are_brought_forward(stores: dict[str, Store], server: Any) -> None:
    from wayfare.memory.store.postgres.installing import install

    store = stores["postgresql"]
    address = store.new()
    name = address.split("?")[0].rpartition("/")[2]
    with Memory(address, embedder="none") as memory:
        id = memory.remember("an old memory").id
    with server.connected(name) as connection:
        connection.execute("DROP TABLE payloads; ALTER TABLE records DROP COLUMN payload")
        connection.execute("UPDATE meta SET value = '4' WHERE key = 'version'")
    install(server.address(name), role="wayfare_test", password="secret")
    with Memory(address, embedder="none") as memory, Memory(address, namespace="org/b", embedder="none") as other:
        made = form(memory, id)
        assert memory.payload(made) == cache()
        with pytest.raises(NoSuchRecord):
            other.payload(made)
        with other.engine.database.read() as tx:
            assert tx.execute("SELECT COUNT(*) FROM payloads").fetchone()[0] == 0, "row-level security is forced"
    store.drop(address)


def test_others_that_may_be_read_lend_their_bytes_and_links_to_them_are_not_watched(
    local: Memory, tmp_path: Path
) -> None:
    path = tmp_path / "agent.db"
    with Memory(path, namespace="org/shared", embedder="none") as shared:
        source = shared.remember("shared rules", payload=cache(5)).id
    with Memory(path, namespace="org/user", also_read=["org/shared"], embedder="none") as user:
        assert user.payload(source) == cache(5)
        made = user.apply(
            [Add("their cache", form="activation", payload=cache(6), provenance=(Provenance(parents=(source,)),))]
        )[0].id
        with Memory(path, namespace="org/shared", embedder="none") as shared:
            shared.revise(source, "other rules")
        assert user.get(made).status == "active"


def test_every_door_names_what_is_carried_and_none_hands_out_bytes(local: Memory) -> None:
    from wayfare.serve.verb import record_of

    payload = cache(1)
    record = local.get(local.remember("a cache", form="activation", payload=payload).id)
    shown = record_of(record)["payload"]
    assert shown == {"digest": payload.digest, "size": 5_000, "media_type": "application/vnd.safetensors"}
    assert record_of(replace(record, payload=None))["payload"] is None
