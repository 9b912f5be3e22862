"""The engine beside a plain model of it: dictionaries of everything, whole and slow."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.memory.stores import opened
from wayfare.errors import BadValue, NoSuchRecord, OutcomeConflict, ReadOnly, StoreError, VersionConflict
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.engine import Engine
from wayfare.memory.index.cache import caches
from wayfare.memory.operations import (
    Add,
    AddLink,
    Archive,
    Delete,
    Merge,
    Noop,
    Operation,
    Supersede,
    Unlink,
    Update,
)
from wayfare.memory.records import Key, Link, Provenance, normalised

NUMBERS = count()


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def engine(database: Any, **given: Any) -> Engine:
    """Over a namespace of its own."""
    return Engine(database, f"n{next(NUMBERS)}", clock=Clock(), **given)


def with_vectors(database: Any, embedder: Any = None, **given: Any) -> Engine:
    embedder = embedder or Lexical(64)
    made = engine(database, embedder=embedder, **given)
    serve(made, embedder)
    return made


def serve(made: Engine, embedder: Any) -> None:
    with made.database.write() as tx:
        ns = tx.namespace(made.namespace, create=True)
        space = tx.execute(
            "INSERT INTO spaces (ns, model, dimension, state) VALUES (?, ?, ?, 'serving') RETURNING space",
            (ns, embedder.model, embedder.dimension),
        ).fetchone()[0]
        tx.execute("UPDATE namespaces SET space = ? WHERE ns = ?", (space, ns))


def add(made: Engine, text: str, **fields: Any) -> str:
    return made.plan_and_add([Add(text, **fields)])[0].id


def found(made: Engine, query: str) -> list[str]:
    """Ids, by words."""
    with made.database.read() as tx:
        ns = tx.namespace(made.namespace)
        assert ns is not None
        numbers, _ = caches(made.database)[ns].words(query, 50)
        return [tx.execute("SELECT id FROM records WHERE record = ?", (int(n),)).fetchone()[0] for n in numbers]


def log(made: Engine) -> list[tuple[Any, ...]]:
    with made.database.read() as tx:
        ns = tx.namespace(made.namespace)
        return tx.execute("SELECT op, id, version, reason FROM log WHERE ns = ? ORDER BY seq", (ns,)).fetchall()


# The plain model


@dataclass
class Plain:
    """id -> list of (time, op, content, status, tags); the last one stands."""

    steps: dict[str, list[tuple[float, str, str, str, tuple[str, ...]]]] = field(default_factory=dict)
    answers: dict[str, tuple[Any, list[tuple[str, str, int | None]]]] = field(default_factory=dict)

    def active(self, content: str) -> str | None:
        for id, steps in self.steps.items():
            if steps[-1][3] == "active" and normalised(steps[-1][2]) == normalised(content):
                return id
        return None

    def there(self, id: str) -> bool:
        return id in self.steps and self.steps[id][-1][3] != "tombstone"

    def copy(self) -> Plain:
        return Plain({id: list(steps) for id, steps in self.steps.items()}, dict(self.answers))

    def step(self, id: str, time: float, op: str, **changes: Any) -> int:
        _, _, content, status, tags = self.steps[id][-1]
        self.steps[id].append(
            (time, op, changes.get("content", content), changes.get("status", status), changes.get("tags", tags))
        )
        return len(self.steps[id])

    def add(self, op: Add, time: float) -> tuple[str, bool]:
        same = self.active(op.content)
        if same is not None:
            return same, False
        assert op.id is not None
        if op.id in self.steps:
            raise BadValue("id", op.id, "new")
        self.steps[op.id] = [(time, "ADD", op.content, "active", tuple(op.tags))]
        return op.id, True

    def need(self, id: str, active: bool = False) -> None:
        if not self.there(id):
            raise NoSuchRecord(id)
        if active and self.steps[id][-1][3] != "active":
            raise StoreError("not active")

    def apply(self, op: Operation, time: float) -> tuple[str, str, int | None]:
        match op:
            case Add():
                id, new = self.add(op, time)
                return ("ADD" if new else "NOOP"), id, len(self.steps[id])
            case Update():
                self.need(op.id)
                _, _, content, status, tags = self.steps[op.id][-1]
                if all({"content": content, "tags": tags}[name] == value for name, value in op.changes.items()):
                    return "NOOP", op.id, len(self.steps[op.id])
                same = self.active(op.changes.get("content", content))
                if status == "active" and same not in (None, op.id):
                    raise StoreError("says the same")
                return "UPDATE", op.id, self.step(op.id, time, "UPDATE", **op.changes)
            case Archive() | Delete():
                self.need(op.id)
                name, status = ("ARCHIVE", "archived") if isinstance(op, Archive) else ("DELETE", "tombstone")
                if self.steps[op.id][-1][3] == status:
                    return "NOOP", op.id, len(self.steps[op.id])
                return name, op.id, self.step(op.id, time, name, status=status)
            case Supersede():
                self.need(op.id, active=True)
                self.step(op.id, time, "SUPERSEDE", status="superseded")
                if isinstance(op.by, Add):
                    id, _ = self.add(op.by, time)
                else:
                    id = op.by
                    self.need(id, active=True)
                return "SUPERSEDE", id, len(self.steps[id])
            case Merge():
                others = [id for id in op.ids if id != op.into]
                for id in others:
                    self.need(id, active=True)
                for id in others:
                    self.step(id, time, "MERGED", status="superseded")
                if isinstance(op.into, Add):
                    id, new = self.add(op.into, time)
                    if new:
                        self.steps[id][-1] = (time, "MERGE", *self.steps[id][-1][2:])
                else:
                    id, new = op.into, False
                    self.need(id, active=True)
                if not new:
                    self.step(id, time, "MERGE")
                return "MERGE", id, len(self.steps[id])
            case Noop():
                if op.id is not None:
                    self.need(op.id)
                return "NOOP", op.id or "", None if op.id is None else len(self.steps[op.id])
        raise AssertionError(op)


IDS = [f"id{i}" for i in range(6)]
CONTENTS = st.sampled_from(["red apple", "Red  Apple", "green pear", "blue plum", "the old oak", "a new oak"])
ids = st.sampled_from(IDS)
tags = st.sampled_from([(), ("a",), ("a", "b")])
adds = st.builds(lambda content, id, tags: Add(content, id=id, tags=tags), CONTENTS, ids, tags)


def _made(build: Any) -> Any:
    """What the operation itself refuses is not generated."""

    def attempt(*given: Any) -> Operation:
        try:
            return build(*given)  # type: ignore[no-any-return]
        except BadValue:
            return Noop("refused where it was made")

    return attempt


operations = st.one_of(
    adds,
    adds,
    st.builds(lambda id, content: Update(id, {"content": content}), ids, CONTENTS),
    st.builds(lambda id, tags: Update(id, {"tags": tags}), ids, tags),
    st.builds(_made(lambda a, b: Supersede(a, b)), ids, st.one_of(ids, adds)),
    st.builds(_made(lambda a, b: Merge(a, b)), st.tuples(ids, ids), st.one_of(ids, adds)),
    st.builds(Archive, ids),
    st.builds(Delete, ids),
    st.builds(lambda id: Noop("why not", id), ids),
)
calls = st.tuples(
    st.lists(operations, min_size=1, max_size=4),
    st.dictionaries(ids, st.integers(1, 3), max_size=1),
    st.sampled_from([None, None, "k1", "k2"]),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calls, max_size=10))
def test_a_store_is_what_a_plain_model_of_it_is(database: Any, script: list[Any]) -> None:
    made, plain = engine(database), Plain()
    for ops, expect, key in script:
        time = made.clock.now + 1.0  # type: ignore[attr-defined]
        trial = plain.copy()
        results: list[tuple[str, str, int | None]] = []
        error: type[Exception] | None = None
        try:
            if key in trial.answers:
                if trial.answers[key][0] != (ops, expect):
                    raise OutcomeConflict
                results = trial.answers[key][1]
            else:
                for id, version in expect.items():
                    trial.need(id)
                    if len(trial.steps[id]) != version:
                        raise VersionConflict(id, version, 0)
                results = [trial.apply(op, time) for op in ops]
                if key is not None:
                    trial.answers[key] = ((ops, expect), results)
        except (BadValue, StoreError) as refused:
            error = type(refused)
        if error is not None:
            before = (log(made), len(made.list(status=None).records))
            with pytest.raises(error) as raised:
                made.apply(ops, expect=expect, idempotency_key=key)
            assert type(raised.value) is error
            assert (log(made), len(made.list(status=None).records)) == before
        else:
            answer = made.apply(ops, expect=expect, idempotency_key=key)
            assert [(each.op, each.id, each.version) for each in answer] == results
            plain = trial
    check(made, plain)


def check(made: Engine, plain: Plain) -> None:
    standing = {id: steps for id, steps in plain.steps.items() if steps[-1][3] != "tombstone"}
    assert {record.id for record in made.list(status=None).records} == set(standing)
    for id, steps in standing.items():
        record = made.get(id)
        assert (record.content, record.status, record.tags) == steps[-1][2:]
        assert record.version == len(steps) and record.updated_at == steps[-1][0] and record.created_at == steps[0][0]
        listed = {each.id for tag in record.tags for each in made.list(status=None, tags=[tag]).records}
        assert not record.tags or id in listed
    for id, steps in plain.steps.items():
        history = made.history(id)
        assert [step.version for step in history] == list(range(1, len(steps) + 1))
        assert [step.op for step in history] == [step[1] for step in steps]
        assert [step.record.content for step in history if step.record] == [step[2] for step in steps]
        for time, *_ in steps:
            last = [step for step in steps if step[0] <= time][-1]
            if last[3] == "tombstone":
                with pytest.raises(NoSuchRecord):
                    made.as_of(id, time)
            else:
                then = made.as_of(id, time)
                assert (then.content, then.status, then.tags) == last[2:]
        with pytest.raises(NoSuchRecord):
            made.as_of(id, steps[0][0] - 0.5)
    if plain.steps:  # the index finds what is active, by what it says now, and nothing else
        for word in ("apple", "pear", "plum", "oak"):
            wanted = {
                id for id, steps in plain.steps.items() if steps[-1][3] == "active" and word in steps[-1][2].lower()
            }
            assert set(found(made, word)) == wanted


def test_a_page_goes_on_where_the_one_before_ended(database: Any) -> None:
    made = engine(database)
    ids = [add(made, f"text {i}", kind="odd" if i % 2 else "even", event_from=float(i)) for i in range(25)]
    seen, after = [], None
    while True:
        page = made.list(after=after, limit=7)
        seen += [record.id for record in page.records]
        after = page.next
        if after is None:
            break
    assert seen == ids
    assert [r.id for r in made.list(kind="odd").records] == ids[1::2]
    assert [r.id for r in made.list(kind=["odd", "even"], since=3.0, until=6.0).records] == ids[3:6]
    made.apply([Archive(ids[0]), Delete(ids[1])])
    assert [r.id for r in made.list(status="archived").records] == [ids[0]]
    assert ids[1] not in {r.id for r in made.list(status=None).records}
    for bad in ({"limit": 0}, {"status": "tombstone"}, {"tags": "a"}, {"since": "x"}, {"after": 3}, {"kind": ""}):
        with pytest.raises(BadValue):
            made.list(**bad)


def test_an_exact_duplicate_is_a_noop_with_its_reason_and_a_word_more_is_not(database: Any) -> None:
    made = engine(database)
    first = made.plan_and_add([Add("Flush the cache"), Add("flush  the CACHE"), Add("flush the cache now")])
    assert [each.op for each in first] == ["ADD", "NOOP", "ADD"]
    assert first[1].id == first[0].id and "says the same" in first[1].reason
    assert add(made, "flush the cache", kind="strategy") != first[0].id  # another kind is another memory
    assert [row[0] for row in log(made)] == ["ADD", "NOOP", "ADD", "ADD"]
    made.forget(first[0].id)
    assert made.plan_and_add([Add("flush the cache")])[0].op == "ADD"


def test_a_key_with_the_same_request_answers_again_and_with_another_is_refused(database: Any) -> None:
    made = engine(database)
    first = made.plan_and_add([Add("one")], idempotency_key="k")
    made.apply([Update(first[0].id, {"content": "two"})])
    assert made.plan_and_add([Add("one")], idempotency_key="k") == first
    assert len(made.list().records) == 1
    for other in (
        lambda: made.plan_and_add([Add("other")], idempotency_key="k"),
        lambda: made.apply([], idempotency_key="k"),
    ):
        with pytest.raises(OutcomeConflict, match="'k'"):
            other()


def test_a_failed_operation_takes_all_of_its_call_back(database: Any) -> None:
    made = engine(database)
    id = add(made, "stands")
    before = log(made)
    with pytest.raises(NoSuchRecord):
        made.apply([Add("new"), Update(id, {"content": "changed"}), Archive("nobody")])
    assert log(made) == before and made.get(id).content == "stands" and not found(made, "new")
    with pytest.raises(VersionConflict, match="version 1, not 2"):
        made.apply([Archive(id)], expect={id: 2})
    with pytest.raises(BadValue):
        made.apply([Archive(id)], expect={id: "1"})  # type: ignore[dict-item]
    with pytest.raises(BadValue):
        made.apply(["ARCHIVE"])  # type: ignore[list-item]
    assert log(made) == before


def test_a_changed_text_and_changed_keys_are_what_is_found(database: Any) -> None:
    made = engine(database)
    id = add(made, "apples", keys=(Key("intent", "fruit"),), context="yesterday in the orchard")
    assert found(made, "fruit") == found(made, "orchard") == found(made, "apples") == [id]
    made.apply([Update(id, {"content": "pears"})])
    assert found(made, "apples") == found(made, "orchard") == [] and found(made, "pears fruit") == [id]
    made.apply([Update(id, {"keys": (Key("intent", "vegetable"),)})])
    assert found(made, "fruit") == [] and found(made, "pears") == found(made, "vegetable") == [id]
    made.apply([Update(id, {"context": "in the cellar"})])
    assert found(made, "cellar") == [id]
    made.apply([Archive(id)])
    assert found(made, "pears vegetable cellar") == []
    assert [step.version for step in made.history(id)] == [1, 2, 3, 4, 5]


def test_a_record_that_would_say_what_another_says_is_refused(database: Any) -> None:
    made = engine(database)
    one, two = add(made, "one"), add(made, "two")
    with pytest.raises(StoreError, match=f"memory {one} already says"):
        made.apply([Update(two, {"content": "ONE"})])
    with pytest.raises(BadValue, match="valid_to must be not before valid_from"):
        made.apply([Update(one, {"valid_from": 5.0}), Update(one, {"valid_to": 4.0})])
    with pytest.raises(BadValue, match="id must be"):
        made.apply([Add("three", id=one)])


def test_a_superseded_record_ends_where_its_follower_begins(database: Any) -> None:
    made = engine(database)
    old = add(made, "lives in Rome", valid_from=10.0)
    result = made.apply([Supersede(old, Add("lives in Oslo"), "moved", at=50.0)])[0]
    assert (result.op, result.version) == ("SUPERSEDE", 1)
    assert made.get(old).valid_to == 50.0 and made.get(old).status == "superseded"
    assert made.get(result.id).valid_from == 50.0
    assert made.links(result.id, direction="out") == [Link(result.id, old, "supersedes")]
    with pytest.raises(StoreError, match="superseded, not active"):
        made.apply([Supersede(old, result.id)])
    early = made.apply([Supersede(result.id, Add("lives in Bern"), at=1.0)])[0]
    assert made.get(result.id).valid_to == 50.0  # never before it began
    assert found(made, "lives") == [early.id]


def test_a_merge_keeps_all_provenance_and_can_be_undone(database: Any) -> None:
    made = with_vectors(database)
    a = add(made, "cache must be flushed", provenance=(Provenance("log:1"),), keys=(Key("intent", "login"),))
    b = add(made, "flush caches first", provenance=(Provenance("log:2", (0, 5)),))
    whole = made.apply([Merge((a, b), Add("flush the cache first", provenance=(Provenance("me"),)), "same")])[0]
    record = made.get(whole.id)
    assert whole.op == "MERGE" and {each.uri for each in record.provenance} == {"log:1", "log:2", "me"}
    assert {link.target for link in made.links(whole.id, types=["derived_from"])} == {a, b}
    assert found(made, "flush login caches") == [whole.id]
    undone = made.undo_merge(whole.id, reason="not the same after all")
    assert [each.op for each in undone] == ["UNMERGE"] * 3
    assert set(found(made, "flush login caches")) == {a, b}
    assert found(made, "login") == [a] and made.get(a).version == 3 and made.get(whole.id).status == "archived"
    assert made.links(whole.id) == []
    with made.database.read() as tx:
        ns = tx.namespace(made.namespace)
        assert ns is not None
        numbers, scores = caches(made.database)[ns].nearest(Lexical(64).embed_query("flush caches first"), 1)
        assert scores[0] == pytest.approx(1.0) and tx.execute(
            "SELECT id FROM records WHERE record = ?", (int(numbers[0]),)
        ).fetchone() == (b,)
    with pytest.raises(StoreError, match="undone already"):
        made.undo_merge(whole.id)


def test_a_merge_into_a_record_that_stands_is_undone_to_what_it_was(database: Any) -> None:
    made = engine(database)
    a = add(made, "one", provenance=(Provenance("x"),))
    b = add(made, "two", provenance=(Provenance("y"),))
    made.apply([Merge((a, b), a)])
    assert made.get(a).version == 2 and [each.uri for each in made.get(a).provenance] == ["x", "y"]
    made.apply([Update(a, {"tags": ["t"]})])
    with pytest.raises(VersionConflict):
        made.undo_merge(a)
    c = add(made, "three")
    made.apply([Merge((c,), a)])
    made.undo_merge(a)
    assert made.get(a).status == made.get(c).status == "active" and made.get(b).status == "superseded"


def test_parents_are_linked_and_have_to_exist_here_or_where_is_read(database: Any) -> None:
    shared, other = engine(database), engine(database)
    parent, foreign = add(shared, "shared wisdom"), add(other, "not for you")
    made = engine(database, also_read=[shared.namespace])
    child = add(made, "own lesson", provenance=(Provenance("", None, "", (parent,)),))
    assert made.links(child) == [Link(child, parent, "derived_from")]
    assert made.get(parent).namespace == shared.namespace
    with pytest.raises(NoSuchRecord):
        made.get(foreign)
    for bad in (
        Add("x", provenance=(Provenance(parents=(foreign,)),)),
        Add("x", links=(Link("", foreign, "t"),)),
        AddLink(Link(child, foreign, "t")),
        AddLink(Link(parent, child, "t")),
        Update(parent, {"content": "mine now"}),
    ):
        with pytest.raises(NoSuchRecord):
            made.apply([bad])
    assert len(made.list().records) == 1 and shared.get(parent).content == "shared wisdom"


def test_links_hold_for_a_while_and_go_with_their_ends(database: Any) -> None:
    made = engine(database)
    a, b, c = (add(made, text) for text in ("a", "b", "c"))
    made.apply([AddLink(Link(a, b, "causes", 0.5, ("e",), 1.0, 5.0)), AddLink(Link(c, a, "near"))])
    assert made.links(a, direction="out", at=4.0) == [Link(a, b, "causes", 0.5, ("e",), 1.0, 5.0)]
    assert made.links(a, direction="out", at=5.0) == [] and made.links(a, types=["near"]) == [Link(c, a, "near")]
    made.apply([AddLink(Link(a, b, "causes", 0.9))])
    assert made.links(a, direction="out") == [Link(a, b, "causes", 0.9)]
    assert made.apply([Unlink(a, b, "causes")])[0].op == "UNLINK"
    assert made.apply([Unlink(a, b, "causes")])[0].op == "NOOP"
    made.forget(c)
    assert made.links(a) == []
    for bad in ({"direction": "up"}, {"types": "near"}, {"at": "now"}):
        with pytest.raises(BadValue):
            made.links(a, **bad)


def test_vectors_are_of_the_space_that_serves_when_they_are_written(database: Any) -> None:
    class Moving:
        """Another embedder takes over while this one works."""

        model, dimension = "lexical:64", 64

        def embed(self, texts: Any) -> NDArray[np.float32]:
            if not moved:
                moved.append(True)
                serve(made, Lexical(32))
            return Lexical(64).embed(texts)

        def embed_query(self, text: str) -> NDArray[np.float32]:
            return Lexical(64).embed_query(text)

    moved: list[bool] = []
    made = with_vectors(database, Moving())
    id = add(made, "a text between two models")
    with made.database.read() as tx:
        ns = tx.namespace(made.namespace)
        assert ns is not None
        numbers, scores = caches(made.database)[ns].nearest(Lexical(32).embed_query("a text between two models"), 1)
        assert moved and scores[0] == pytest.approx(1.0)
        assert tx.execute("SELECT id FROM records WHERE record = ?", (int(numbers[0]),)).fetchone() == (id,)


def test_an_embedder_that_fails_leaves_everything_as_it_was(database: Any) -> None:
    class Broken(Lexical):
        def embed(self, texts: Any) -> NDArray[np.float32]:
            raise OSError("no answer")

    made = with_vectors(database, Broken(64))
    with pytest.raises(OSError, match="no answer"):
        add(made, "text")
    assert log(made) == [] and made.list().records == ()


def test_a_costly_embedder_is_not_asked_for_what_is_known(database: Any) -> None:
    asked: list[str] = []

    class Costly(Lexical):
        model = "costly"  # type: ignore[assignment]

        def embed(self, texts: Any) -> NDArray[np.float32]:
            asked.extend(texts)
            return super().embed(texts)

    made = with_vectors(database, Costly(64))
    for _ in range(3):
        made.plan_and_add([Add("the same"), Add("another")])
    assert asked == ["the same", "another"]


def test_nothing_is_written_through_a_handle_that_only_reads(address: str) -> None:
    writer = Engine(opened(address), "default")
    id = add(writer, "text")
    reader = Engine(opened(address, read_only=True), "default")
    assert reader.get(id).content == "text"
    for bad in (lambda: add(reader, "x"), lambda: reader.forget(id), lambda: reader.purge(id)):
        with pytest.raises(ReadOnly):
            bad()
    empty = Engine(opened(address, read_only=True), "nobody")
    assert empty.list().records == ()
    with pytest.raises(NoSuchRecord):
        empty.get(id)


def test_threads_and_processes_store_one_text_once(address: str) -> None:
    made = Engine(opened(address), "default")

    def store() -> None:
        for i in range(30):
            add(made, f"lesson {i}")

    child = os.fork()
    if child == 0:
        try:
            store()
            os._exit(0)
        finally:
            os._exit(1)
    threads = [threading.Thread(target=store) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(record.content for record in made.list().records) == sorted(f"lesson {i}" for i in range(30))
    assert [row[0] for row in log(made)].count("ADD") == 30 and len(log(made)) == 120


def test_a_single_add_takes_few_statements(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_vectors(database)
    add(made, "first")
    with made.database.read() as tx:
        Transaction = type(tx)
    statements: list[str] = []
    original = Transaction.execute

    def counted(self: Any, sql: str, parameters: Any = ()) -> Any:
        statements.append(sql)
        return original(self, sql, parameters)

    monkeypatch.setattr(Transaction, "execute", counted)
    add(made, "second")
    assert len(statements) <= 9, statements  # BEGIN and COMMIT among them
    statements.clear()
    made.plan_and_add([Add(f"text {i}") for i in range(200)])
    assert len(statements) <= 200 + 10  # one a record, the rest together
