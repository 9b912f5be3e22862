"""Nothing is left: a purge is believed only where the raw bytes of every file, or every row of a server, say so."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory.stores import Store, opened
from wayfare.errors import NoSuchRecord, StoreError
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.engine import Engine
from wayfare.memory.index import entries
from wayfare.memory.index.cache import caches
from wayfare.memory.operations import Add, AddLink, Update
from wayfare.memory.purge import Purged
from wayfare.memory.records import Key, Link, Provenance
from wayfare.memory.scanning import Runs
from wayfare.memory.store.rows import LOG_COLUMNS, RECORD_COLUMNS, log_from, record_from

Left = Callable[..., list[str]]
SECRET = "Zephyrine Quillfeather's passphrase is moonlit-obelisk-471108150815, kept under the Grünspecht nest"
RARE = (
    "zephyrin",
    "Zephyrine",
    "quillfeath",
    "Quillfeather",
    "moonlit",
    "obelisk",
    "47110815",
    "Grünspecht",
    "Gr\\u00fcnspecht",
)


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    embedder, database = Lexical(64), opened(address, timeout=1.0)
    made = Engine(database, "default", embedder=embedder)
    with made.database.write() as tx:
        ns = tx.namespace("default", create=True)
        (space,) = tx.execute(
            "INSERT INTO spaces (ns, model, dimension, state) VALUES (?, ?, 64, 'serving') RETURNING space",
            (ns, embedder.model),
        ).fetchone()
        tx.execute("UPDATE namespaces SET space = ?", (space,))
    yield made
    made.database.close()
    database.close()


@pytest.fixture
def raw(store: Store, address: str) -> Callable[[], bytes]:
    """All that the store holds."""
    return lambda: store.contents(address)


@pytest.fixture
def left(engine: Engine, raw: Callable[[], bytes]) -> Left:
    """Which words are still in it."""

    def look(words: Sequence[str] = RARE) -> list[str]:
        engine.database.close()  # so that reading its files here takes no lock away
        data = raw()
        return [word for word in words if word.encode() in data]

    return look


def number_of(engine: Engine) -> int:
    """Of its namespace."""
    with engine.database.read() as tx:
        ns = tx.namespace(engine.namespace)
        assert ns is not None
        return ns


def noise(seed: int, n: int) -> list[Add]:
    draw = random.Random(seed)
    words = [f"word{i} cache passphrase kept under user".split()[draw.randrange(6)] + str(i) for i in range(300)]
    return [Add(" ".join(draw.choices(words, k=12)) + f" number {seed}-{i}") for i in range(n)]


def spread(engine: Engine) -> str:
    """The secret in every place where it can get; its id."""
    first = engine.plan_and_add(
        [
            Add(
                "An early wording: " + SECRET, tags=["moonlit tag"], meta={"of": "Zephyrine", "n": [SECRET]},
                keys=(Key("intent", "find the obelisk of Quillfeather"),), context="Tuesday. " + SECRET,
                provenance=(Provenance("chat:Quillfeather", (0, 9), "moonlit"),), reason="said by Zephyrine",
            )
        ],
        idempotency_key="k",
    )[0].id  # fmt: skip
    engine.apply([Update(first, {"content": SECRET}, "Zephyrine said so")], idempotency_key="k2")
    engine.apply([Update(first, {"keys": (Key("question", "where is the moonlit-obelisk?"),)})])
    ns = number_of(engine)
    with engine.database.write() as tx:
        for i, query in enumerate(["where is moonlit-obelisk-47110815 kept", "how to reset a password"]):
            tx.execute(
                "INSERT INTO receipts (ns, seq, id, task, time, query, slate, probabilities, checksum)"
                " VALUES (?, ?, ?, 't', 0.0, ?, '[]', '{}', 0)",
                (ns, 1_000_000 + i, f"receipt{i}", query),
            )
    return first


@pytest.mark.parametrize("around", [0, 40, 2_100])
def test_no_byte_of_a_text_is_left_in_any_table(
    engine: Engine, raw: Callable[[], bytes], left: Left, around: int
) -> None:
    before = engine.plan_and_add(noise(1, around // 2)) if around else []
    id = spread(engine)
    after = engine.plan_and_add(noise(2, around - around // 2)) if around else []
    child = engine.plan_and_add([Add("the nest has an owner", provenance=(Provenance(parents=(id,)),))])[0].id
    kept = engine.get(child)
    data = raw() if not around else b""
    assert around or all(word.encode() in data for word in ("Zephyrine", "moonlit", "Quillfeather"))
    gone = engine.forget(id, purge=True)
    assert isinstance(gone, Purged) and gone.derived == (child,) and gone.windows > 50
    assert gone.scanned_bytes > 500 and len(gone.hash) == 32
    assert engine.get(child) == kept
    assert {each.id for each in (*before, *after)} <= {record.id for record in engine.list(limit=10_000).records}
    with engine.database.read() as tx:
        queries = tx.execute("SELECT query FROM receipts ORDER BY seq").fetchall()
        assert queries == [("",), ("how to reset a password",)]
        assert tx.execute("SELECT count(*) FROM versions WHERE body = ''").fetchone() == (2,)
        for (answer,) in tx.execute("SELECT answer FROM answers").fetchall():
            assert json.loads(answer)[0][1] == id
        numbers, _ = caches(engine.database)[number_of(engine)].words("passphrase obelisk Zephyrine moonlit", 10)
        row = tx.execute("SELECT record FROM records WHERE id = ?", (id,)).fetchone()
        assert row[0] not in numbers.tolist()
    steps = engine.history(id)
    assert [step.op for step in steps] == ["ADD", "UPDATE", "UPDATE", "PURGE"]
    assert all(step.record is None and step.reason == "" for step in steps)
    assert left() == []


def test_a_text_that_was_forgotten_before_is_purged_like_any(engine: Engine) -> None:
    id = spread(engine)
    engine.forget(id)
    with pytest.raises(NoSuchRecord):
        engine.get(id)
    assert engine.purge(id).windows > 50
    again = engine.purge(id)  # nothing is left to look for
    assert (again.windows, again.derived) == (0, ())
    with pytest.raises(NoSuchRecord):
        engine.purge("nobody")
    with pytest.raises(NoSuchRecord):
        engine.apply([Update(id, {"content": "back"})])
    assert engine.plan_and_add([Add("An early wording: " + SECRET)])[0].op == "ADD"


def test_what_others_hold_too_stays_theirs(engine: Engine, left: Left) -> None:
    id = spread(engine)
    other = engine.plan_and_add([Add("The obelisk is old", tags=["obelisk"])])[0].id
    foreign = Engine(engine.database, "another")
    theirs = foreign.plan_and_add([Add("Quillfeather is a common name here")])[0].id
    engine.apply([AddLink(Link(other, id, "near"))])
    engine.purge(id)
    assert engine.get(other).content == "The obelisk is old" and engine.links(other) == []
    assert foreign.get(theirs).content == "Quillfeather is a common name here"
    assert [record.id for record in engine.list(tags=["obelisk"]).records] == [other]
    with engine.database.read():
        assert len(caches(engine.database)[number_of(engine)].words("obelisk", 5)[0]) == 1
    assert left(("Zephyrine", "moonlit", "47110815", "zephyrin")) == []


def test_a_reason_that_quotes_the_text_is_emptied_wherever_it_stands(engine: Engine, left: Left) -> None:
    id = spread(engine)
    other = engine.plan_and_add(
        [Add("about locks", reason="because of moonlit-obelisk-47110815")], idempotency_key="q"
    )[0]
    plain = engine.plan_and_add([Add("about keys", reason="a good reason")], idempotency_key="p")[0]
    engine.purge(id)
    assert engine.history(other.id)[0].reason == "" and engine.history(plain.id)[0].reason == "a good reason"
    assert left() == []


def test_many_purges_among_many_changes_leave_nothing(engine: Engine, raw: Callable[[], bytes]) -> None:
    draw, texts = random.Random(3), {}
    for i in range(60):
        token = "".join(draw.choices("bcdfghjklmnpqrstvwxz", k=14))
        text = f"{token} was in the {'long ' * draw.randrange(400)}report {i}"
        texts[token] = engine.plan_and_add([Add(text)])[0].id
        if draw.random() < 0.3:
            engine.apply([Update(texts[token], {"content": f"{token} and {token[::-1]}", "tags": [f"tag{i}"]})])
    gone = draw.sample(sorted(texts), 25)
    for token in gone:
        engine.purge(texts[token])
    engine.database.close()
    data = raw()
    assert [token for token in gone if token.encode() in data or token[::-1].encode() in data] == []
    assert all(token.encode() in data for token in texts if token not in gone)


@given(st.binary(max_size=60), st.binary(max_size=200), st.binary(max_size=60))
def test_runs_are_found_as_a_slow_search_finds_them(text: bytes, data: bytes, other: bytes) -> None:
    data = data + text[5:30] + data[:9]
    runs = Runs([text, other])
    wanted = {each[i : i + n] for each in (text, other) for n in (8, 16) for i in range(len(each) - n + 1)}
    places = [(i, data[i : i + n]) for n in (8, 16) for i in range(len(data) - n + 1)]
    expected = sorted(place for place in places if place[1] in wanted)
    assert list(runs.find(data)) == expected and len(runs) == len(wanted)
    assert runs.within(data) == bool(expected)
    assert len(runs.without([data])) == len(wanted - {run for _, run in expected})


def test_bytes_that_are_left_are_said(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    id = spread(engine)
    monkeypatch.setattr(entries, "scrub", lambda tx, ns, number: None)
    with pytest.raises(StoreError, match=r"still in .* at byte"):
        engine.purge(id)


def test_words_that_only_the_index_still_holds_are_noticed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    id = spread(engine)
    engine.plan_and_add(noise(1, 2_100))  # so that its words are packed
    monkeypatch.setattr(entries, "_unpost", lambda tx, ns, segment, ordinals: None)
    with pytest.raises(StoreError, match="still in"):
        engine.purge(id)


def test_a_store_is_whole_after_a_purge(engine: Engine) -> None:
    id = spread(engine)
    engine.plan_and_add(noise(5, 30))
    engine.purge(id)
    with engine.database.read() as tx:
        rows: list[Any] = tx.execute(f"SELECT {LOG_COLUMNS} FROM log").fetchall()
        assert len([log_from(row) for row in rows]) == len(rows)
        for row in tx.execute(f"SELECT {RECORD_COLUMNS} FROM records").fetchall():
            record_from(row, "")
