"""A bundle is the memory: into either store and back, to the last id, score and bit; or it is refused, whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.memory.stores import Store
from tests.memory.test_equality import THINGS, Life, unlike
from tests.memory.test_memory import Clock
from wayfare.errors import BadValue, Damaged, ReadOnly, StoreError
from wayfare.memory import Key, Link, Memory
from wayfare.memory.copies import copying
from wayfare.memory.copies.bundles import Bundle
from wayfare.memory.copies.copying import load_bundle
from wayfare.memory.operations import Add, AddLink
from wayfare.memory.store.doctor import doctor


def lived(address: str, seed: int, embedder: str = "lexical:64", steps: int = 120) -> list[Any]:
    clock = Clock()
    with Memory(address, synchronous="NORMAL", clock=clock, seed=seed, embedder=embedder) as memory:
        return Life(memory, clock, seed).lived(steps)


def later(address: str, seed: int, namespace: str = "default") -> list[Any]:
    """What a life goes on with: everything it may ask, and the same draws."""
    clock = Clock(1_710_000_000.0)
    with Memory(address, synchronous="NORMAL", namespace=namespace, clock=clock, seed=7) as memory:
        life = Life(memory, clock, seed + 1_000)
        life.ids = sorted(record.id for record in memory.list(status=None, limit=1_000).records)
        for query in THINGS:
            found = memory.recall(query, k=4, task=f"later-{query}")
            life.told.append((found.side, found.probability, found.considered))
            life.told += [(item.id, item.relevance, item.score, item.propensity, item.by) for item in found]
            life.told.append(memory.credit(found, 0.5).shares)
        life.told.append([memory.links(id) for id in life.ids])
        life.standing()
        return life.told


def parts(path: Path) -> dict[str, bytes]:
    """Members of a bundle, the list of copies left out: it is of this place."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: archive.read(name) for name in archive.namelist() if name not in ("copies.jsonl", "manifest.json")
        }


@pytest.mark.parametrize(("seed", "embedder"), [(0, "lexical:64"), (3, "none")])
def test_from_a_file_to_postgresql_and_back_it_is_the_same_memory(
    stores: dict[str, Store], tmp_path: Path, seed: int, embedder: str
) -> None:
    first, second, third = stores["file"].new(), stores["postgresql"].new(), stores["file"].new()
    lived(first, seed, embedder)
    with Memory(first) as memory:
        memory.remember("of another namespace's numbers nothing must be left")
        memory.set_quota(records=10_000)
        memory.export(tmp_path / "a.zip")
    with Memory(second, namespace="other", embedder="lexical:64") as memory:  # so that numbers are others
        memory.remember_many([f"something {i}" for i in range(5)])
    with Memory.from_bundle(tmp_path / "a.zip", second, namespace="org/moved") as memory:
        memory.export(tmp_path / "b.zip")
    with Memory.from_bundle(tmp_path / "b.zip", third) as memory:
        memory.export(tmp_path / "c.zip")
    assert parts(tmp_path / "a.zip") == parts(tmp_path / "b.zip") == parts(tmp_path / "c.zip")
    assert doctor(third).worst in ("clean", "note")
    told = [later(first, seed), later(second, seed, "org/moved"), later(third, seed)]
    assert len(told[0]) > 60
    assert unlike(told[0], told[1]) == "" and unlike(told[0], told[2]) == ""
    utilities = [
        store.rows(
            address,
            "SELECT r.id, u.n, u.total, u.squares, u.q, u.recalled, u.used, u.last_credit FROM utilities u JOIN records"
            " r ON r.record = u.record JOIN namespaces n ON n.ns = r.ns WHERE n.path != 'other' ORDER BY r.id",
        )
        for store, address in ((stores["file"], first), (stores["postgresql"], second), (stores["file"], third))
    ]
    assert len(utilities[0]) > 10 and utilities[0] == utilities[1] == utilities[2]  # bit for bit
    stores["postgresql"].drop(second)


def test_a_bundle_of_many_segments_finds_what_the_memory_found(store: Store, address: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    words = [f"word{i}" for i in range(300)]
    with Memory(address, embedder="lexical:64", synchronous="NORMAL") as memory:
        ids = []
        for _ in range(3):
            texts = [" ".join(draw.choice(words, 6)) for _ in range(400)]
            made = [Add(text, keys=(Key("intent", text[:12]),), id=None) for text in texts]
            ids += [each.id for each in memory.apply(made)]
        for id in ids[::7]:
            memory.forget(id)
        queries = [" ".join(draw.choice(words, 3)) for _ in range(20)]
        before = [
            [(item.id, item.relevance) for item in memory.recall(query, policy="similarity")] for query in queries
        ]
        memory.export(tmp_path / "a.zip")
    other = store.new()
    with Memory.from_bundle(tmp_path / "a.zip", other) as memory:
        after = [[(item.id, item.relevance) for item in memory.recall(query, policy="similarity")] for query in queries]
    assert unlike(before, after) == ""
    assert len(store.rows(other, "SELECT segment FROM segments")) == 1
    store.drop(other)


def test_receipts_that_showed_another_namespace_stay_judged(
    store: Store, address: str, new_address: Callable[[], str], tmp_path: Path
) -> None:
    with Memory(address, namespace="shared", embedder="lexical:64") as shared:
        shared.remember_many(["flush the session cache", "reset the token first", "restart the router twice"])
    with Memory(address, namespace="own", also_read=["shared"], embedder="lexical:64", policy="thompson") as memory:
        memory.remember_many(["flush the router", "the session token is old", "ask for the cache"])
        for i in range(30):
            memory.recall("flush the session cache of the router", k=2, task=f"t{i}")
            memory.credit(f"t{i}", i % 3 / 2)
        before = memory.evaluate("similarity").to_json()
        memory.export(tmp_path / "a.zip")
    other = new_address()
    with Memory(other, namespace="first", embedder="lexical:64") as memory:
        memory.remember_many([f"something {i}" for i in range(9)])
    with Memory.from_bundle(tmp_path / "a.zip", other, namespace="own") as memory:
        assert unlike(before, memory.evaluate("similarity").to_json()) == ""
        memory.export(tmp_path / "b.zip")
    assert parts(tmp_path / "a.zip") == parts(tmp_path / "b.zip")


def test_a_memory_that_was_moved_to_another_embedder_is_taken_along_half_way_too(
    address: str, new_address: Callable[[], str], tmp_path: Path
) -> None:
    with Memory(address, embedder="lexical:64") as memory:
        memory.remember_many(["flush the session cache", "reset the token first"])
        memory.reembed("lexical:32")
        memory.export(tmp_path / "a.zip")
    other = new_address()
    with Memory(other, namespace="first", embedder="lexical:64") as memory:
        memory.remember("so that spaces are others")
    with Memory.from_bundle(tmp_path / "a.zip", other, namespace="own") as memory:
        assert memory.recall("session cache").items[0].by["vectors"] > 0.5
        assert memory.reembed("lexical:64").embedded == 2
        assert memory.recall("session cache").items[0].by["vectors"] > 0.5


def test_an_empty_memory_is_a_bundle_too(address: str, new_address: Callable[[], str], tmp_path: Path) -> None:
    with Memory(address, reward_range=(-1, 1), embedder="none") as memory:
        memory.export(tmp_path / "a.zip")
    with Memory.from_bundle(tmp_path / "a.zip", new_address()) as memory:
        assert memory.list().records == () and memory.stats()["reward_range"] == [-1, 1]
        assert memory.remember("it goes on").op == "ADD"


def test_what_holds_anything_is_not_overwritten(address: str, tmp_path: Path) -> None:
    with Memory(address) as memory:
        memory.remember("here already")
        memory.export(tmp_path / "a.zip")
        with pytest.raises(BadValue, match="path must be a new file"):
            memory.export(tmp_path / "a.zip")
        with pytest.raises(BadValue, match="in a folder that is there"):
            memory.export(tmp_path / "no" / "a.zip")
    with pytest.raises(BadValue, match="namespace must be one that holds nothing yet"):
        Memory.from_bundle(tmp_path / "a.zip", address)
    with Memory(address, namespace="other", reward_range=(-1, 1)):
        pass
    with pytest.raises(BadValue, match="reward_range"):
        Memory.from_bundle(tmp_path / "a.zip", address, namespace="other")
    with Memory(address, read_only=True) as memory, pytest.raises(ReadOnly):
        memory.export(tmp_path / "b.zip")
    assert sorted(os.listdir(tmp_path)) == ["a.zip"]


def test_writers_go_on_while_a_bundle_is_written_and_it_holds_one_moment(address: str, tmp_path: Path) -> None:
    with Memory(address, synchronous="NORMAL") as memory:
        memory.remember_many([f"note {i} of the day" for i in range(1_500)])
        other = Memory(address, synchronous="NORMAL")
        written = iter(range(10**6))
        whole = copying.write_bundle

        def meanwhile(path: Path, id: str, head: Any, given: dict[str, Iterator[Any]]) -> str:
            def slowly(rows: Iterator[Any]) -> Iterator[Any]:
                for i, row in enumerate(rows):
                    if i % 500 == 0:
                        other.remember(f"written meanwhile {next(written)}")
                    yield row

            return whole(path, id, head, {name: slowly(rows) for name, rows in given.items()})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(copying, "write_bundle", meanwhile)
            copy = memory.export(tmp_path / "a.zip")
        other.close()
        assert next(written) > 5
        with Bundle(tmp_path / "a.zip", copy.digest) as bundle:
            assert bundle.count("records") == 1_500 and bundle.head["sequence"] == copy.seq == 1_500


# What is no bundle


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle from a file: one from the other store would be the same."""
    folder = tmp_path_factory.mktemp("bundle")
    with Memory(folder / "agent.db", embedder="lexical:32", synchronous="NORMAL") as memory:
        ids = [each.id for each in memory.remember_many([f"memory {i} about tokens" for i in range(30)])]
        memory.revise(ids[0], "memory 0, otherwise")
        memory.link(ids[1], ids[2], "causes")
        memory.recall("tokens", task="t")
        memory.credit("t", 1.0)
        memory.export(folder / "a.zip")
    return folder / "a.zip"


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    """One to be damaged."""
    return Path(shutil.copy(whole, tmp_path / "a.zip"))


def rebuilt(path: Path, change: Callable[[dict[str, list[Any]], dict[str, Any]], None], **extra: bytes) -> Path:
    """Another bundle with right digests, whose rows and manifest were changed."""
    with zipfile.ZipFile(path) as archive:
        head = json.loads(archive.read("manifest.json"))
        rows = {
            each["name"]: [json.loads(line) for line in archive.read(f"{each['name']}.jsonl").splitlines()]
            for each in head["parts"]
        }
    change(rows, head)
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        head["parts"] = []
        for name, lines in rows.items():
            data = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
            archive.writestr(f"{name}.jsonl", data)
            told = {"name": name, "rows": len(lines), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            head["parts"].append({**told, **head.get("told", {}).get(name, {})})
        archive.writestr("manifest.json", json.dumps(head))
        for name, data in extra.items():
            archive.writestr(name, data)
    return target


def _put(part: str, line: int, **fields: Any) -> Callable[[dict[str, list[Any]], dict[str, Any]], None]:
    return lambda rows, head: rows[part][line].update(fields)


CHANGES: dict[str, tuple[Callable[[dict[str, list[Any]], dict[str, Any]], None], str]] = {
    "another version": (lambda rows, head: head.update(version=3), "version 3, this Wayfare knows 2"),
    "no format": (lambda rows, head: head.update(format="tar"), "format must be"),
    "a sequence of text": (lambda rows, head: head.update(sequence="9"), "sequence must be a whole number"),
    "a missing row": (lambda rows, head: rows["log"].pop(), "log.jsonl, line .*rows are needed"),
    "a missing version": (lambda rows, head: rows["versions"].clear(), "versions.jsonl.*must have all before it"),
    "a record twice": (lambda rows, head: rows["records"].append(rows["records"][0]), "no id may be there twice"),
    "a field too many": (_put("links", 0, strange=1), "links.jsonl, line 1: it must have the fields"),
    "a text for a time": (_put("records", 3, created_at="now"), "records.jsonl, line 4: created_at must be a finite"),
    "not a number": (lambda rows, head: rows["records"].append(b'{"id": NaN}\n'), "NaN is no number"),
    "a NUL": (_put("records", 0, content="a\0b"), "content must be a text"),
    "a lone surrogate": (_put("records", 0, content="\ud800"), "content must be a text"),
    "a blank active record": (_put("records", 0, content="  "), "content must be not blank"),
    "a strange status": (_put("records", 0, status="alive"), "status must be one of"),
    "a link from nowhere": (_put("links", 0, source="nobody"), "source must be a record"),
    "an entry of nobody": (_put("entries", 0, record=999), "record must be the place of a record, below 30"),
    "an entry of before": (_put("entries", 0, record=-1), "record must be the place of a record, below 30"),
    "an ordinal twice": (_put("entries", 1, ordinal=0), "ordinal must be 1, got 0"),
    "a short vector": (_put("vectors", 0, vector="AAAA"), "vector must be 32 finite numbers"),
    "no base 64": (_put("vectors", 0, vector="%"), "bytes in base 64"),
    "a body of a receipt": (_put("receipts", 0, body="AAAA"), "receipts.jsonl, line 1"),
    "a reward above 1": (_put("outcomes", 0, reward=1.5), "outcomes.jsonl, line 1"),
    "a whole number too large": (_put("log", 0, seq=2**70), "seq must be a whole number"),
    "a line that is no JSON": (lambda rows, head: rows["tasks"].append(b"{\n"), "tasks.jsonl, line 2"),
    "deep nesting": (lambda rows, head: rows["tasks"].append(b"[" * 10**5 + b"\n"), "tasks.jsonl, line 2"),
    "a part that is missing": (lambda rows, head: rows.pop("credits"), "it has no part 'credits'"),
    "a bomb by its own word": (
        lambda rows, head: head.update(told={"records": {"bytes": 10**12}}), "unpacks to 1000000.* bytes"
    ),
    "more than it says": (lambda rows, head: head.update(told={"records": {"bytes": 10}}), "longer than its manifest"),
    "another digest": (
        lambda rows, head: head.update(told={"records": {"sha256": "0" * 64}}), "records.jsonl is not what its manifest"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(CHANGES))
def test_a_bundle_that_cannot_be_is_refused_by_name_and_nothing_is_written(
    what: str, bundle: Path, tmp_path: Path
) -> None:
    change, said = CHANGES[what]
    broken = rebuilt(bundle, change)
    with pytest.raises(StoreError, match=said) as caught:
        load_bundle(broken, tmp_path / "new.db")
    assert str(broken) in str(caught.value)
    assert not (tmp_path / "new.db").exists()


def test_a_bundle_that_is_refused_leaves_either_store_untouched(
    bundle: Path, store: Store, new_address: Callable[[], str]
) -> None:
    other = new_address()
    with pytest.raises(Damaged):
        load_bundle(rebuilt(bundle, CHANGES["a link from nowhere"][0]), other)
    assert store.untouched(other)


def test_members_that_nobody_named_are_refused_wherever_they_point(bundle: Path, tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "/etc/passwd", "records.jsonl.exe"):
        broken = rebuilt(bundle, lambda rows, head: None, **{name: b"x"})
        with pytest.raises(Damaged, match="which its manifest does not name"):
            load_bundle(broken, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists() and not (tmp_path.parent / "etc").exists()


def test_a_bundle_cut_off_or_changed_at_any_byte_is_refused(bundle: Path, tmp_path: Path) -> None:
    data, draw = bundle.read_bytes(), np.random.default_rng(3)
    broken, refused = tmp_path / "broken.zip", 0
    for end in (0, 1, 100, len(data) // 2, len(data) - 1):
        broken.write_bytes(data[:end])
        with pytest.raises(Damaged):
            load_bundle(broken, tmp_path / "new.db")
    with Bundle(bundle) as opened:
        digest = opened.digest
    for place in draw.integers(0, len(data), 60).tolist():
        broken.write_bytes(data[:place] + bytes([data[place] ^ 1 << int(draw.integers(8))]) + data[place + 1 :])
        try:
            load_bundle(broken, tmp_path / "new.db", digest=digest)
        except (Damaged, StoreError, BadValue):
            refused += 1
        else:  # a byte that says nothing, as the time of a member
            (tmp_path / "new.db").unlink()
    assert refused > 45 and not (tmp_path / "new.db").exists()


def test_a_bundle_whose_members_unpack_without_end_is_given_up_early(bundle: Path, tmp_path: Path) -> None:
    broken = rebuilt(bundle, lambda rows, head: rows.update(jobs=[b" " * 200_000_000 + b"\n"]))
    began = time.perf_counter()
    with pytest.raises(Damaged, match=r"more than 250 times its own|line 1 is"):
        load_bundle(broken, tmp_path / "new.db")
    assert time.perf_counter() - began < 30 and not (tmp_path / "new.db").exists()


def test_the_digest_that_was_told_is_held_against_the_file(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="digest must be"):
        Memory.from_bundle(bundle, tmp_path / "new.db", digest="0" * 64)
    for path in (tmp_path / "nothing.zip", tmp_path):
        with pytest.raises(BadValue, match="a bundle that is there"):
            Memory.from_bundle(path, tmp_path / "new.db")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(Damaged, match="no bundle, or cut off"):
        Memory.from_bundle(tmp_path / "text.zip", tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_a_row_that_does_not_answer_to_its_checksum_is_not_exported(store: Store, address: str, tmp_path: Path) -> None:
    with Memory(address) as memory:
        memory.remember("one")
        memory.link(memory.remember("two").id, memory.remember("three").id, "causes")
    store.execute(address, "UPDATE links SET weight = 0.25")
    with Memory(address) as memory:
        with pytest.raises(Damaged, match="links"):
            memory.export(tmp_path / "a.zip")
        assert memory.snapshots() == []
    assert os.listdir(tmp_path) == []


# Killed

EXPORTING = """
import sys, time
from wayfare.memory import Memory
from wayfare.memory.copies import copying, loading
address, path, what = sys.argv[1:]
if what == "export":
    with Memory(address) as memory:
        print("ready", flush=True)
        memory.export(path)
else:
    kept = loading.put_back
    def slow(*given):
        kept(*given)
        print("ready", flush=True)
        time.sleep(60)  # it is in the middle when it is killed, however fast the machine is
    loading.put_back = slow
    copying.load_bundle(path, address)
print("done", flush=True)
"""


def killed(words: list[str], delay: float) -> bool:
    """Whether the child was stopped before it was done."""
    child = subprocess.Popen([sys.executable, "-c", EXPORTING, *words], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.wait()
    child.stdout.close()
    return "done" not in rest


def test_killed_in_the_middle_an_export_leaves_no_bundle_and_an_import_no_memory(
    store: Store, address: str, new_address: Callable[[], str], tmp_path: Path
) -> None:
    with Memory(address, embedder="lexical:256", synchronous="NORMAL") as memory:
        memory.apply([Add(f"memory {i} about tokens and caches", id=f"m{i}") for i in range(1_500)])
        memory.apply([AddLink(Link(f"m{i}", f"m{i + 1}", "before")) for i in range(50)])
    cut = [killed([address, str(tmp_path / f"{i}.zip"), "export"], delay) for i, delay in enumerate((0.03, 0.08))]
    assert any(cut)
    for i, stopped in enumerate(cut):
        assert not stopped or not (tmp_path / f"{i}.zip").exists()
    with Memory(address) as memory:
        listed = memory.snapshots()
        assert [copy.digest == "" for copy in listed] == cut  # it says so: text may lie in what is left of it
        for copy in listed:
            assert memory.delete_snapshot(copy.id).gone_at is not None
        assert os.listdir(tmp_path) == [] and memory.snapshots() == []
        memory.export(tmp_path / "whole.zip")
    other = new_address()
    assert killed([other, str(tmp_path / "whole.zip"), "import"], 0.05)
    assert store.rows(other, "SELECT id FROM records") == []
    with Memory.from_bundle(tmp_path / "whole.zip", other) as memory:
        assert memory.stats()["memories"] == {"active": 1_500}
