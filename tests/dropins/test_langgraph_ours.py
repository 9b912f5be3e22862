"""What our LangGraph store promises beyond the oracle: lifetimes, scores, races, refusals, how it lies in a memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from langgraph.store.base import GetOp, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from tests.dropins.conftest import Maker, embed
from wayfare.dropins.langgraph import WayfareStore
from wayfare.errors import BadValue, ReadOnly
from wayfare.memory import Memory
from wayfare.memory.redaction import secrets

INDEX = {"dims": 64, "embed": embed, "fields": ["text"]}
VECTORS = {"words": 0, "vectors": 1, "links": 0, "sessions": 0, "dates": 0}


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_minutes(self, minutes: float) -> None:
        self.now += 60 * minutes


# Ranking


def test_by_vectors_alone_scores_and_order_are_the_oracles(ours: Maker) -> None:
    texts = [
        f"{a} {b} {c}" for a in ("green", "black") for b in ("tea", "ship") for c in ("leaves", "sails", "arrives")
    ]
    store, oracle = ours(index=INDEX, weights=VECTORS), InMemoryStore(index=INDEX)  # type: ignore[arg-type]
    for each in (store, oracle):
        for i, text in enumerate(texts):
            each.put(("docs", str(i % 2)), str(i), {"text": text, "n": i})
    for prefix, query, wanted in (
        ((), "black sails", None), (("docs", "1"), "tea leaves", None), (("docs",), "ship", {"n": {"$gt": 4}}),
    ):  # fmt: skip
        mine = store.search(prefix, query=query, filter=wanted, limit=5)
        theirs = oracle.search(prefix, query=query, filter=wanted, limit=5)
        assert [item.score for item in mine] == pytest.approx([max(0.0, item.score) for item in theirs], abs=1e-5)
        assert {item.key for item in mine if item.score > mine[-1].score + 1e-4} == {
            item.key for item in theirs if item.score > mine[-1].score + 1e-4
        }


def test_vectors_of_a_coroutine_function_serve_as_those_of_a_function(ours: Maker) -> None:
    async def later(texts: list[str]) -> list[list[float]]:
        await asyncio.sleep(0)
        return embed(texts)

    found = []
    for function in (embed, later):
        store = ours(index={"dims": 64, "embed": function, "fields": ["text"]}, weights=VECTORS)
        store.batch([PutOp(("a",), str(i), {"text": text}) for i, text in enumerate(["green tea", "old ships"])])
        one = [(item.key, item.score) for item in store.search(("a",), query="tea")]
        two = [(item.key, item.score) for item in asyncio.run(store.asearch(("a",), query="tea"))]
        assert one == two
        found.append(one)
    assert found[0] == found[1]


def test_a_new_memory_finds_words_without_any_model(ours: Maker) -> None:
    store = ours()
    store.put(("a",), "tea", {"note": "Ann drinks green tea"})
    store.put(("a",), "ship", {"note": "The ship sails at dawn"})
    found = store.search((), query="which ship")
    assert [item.key for item in found] == ["ship", "tea"] and found[0].score > 0.2 > found[1].score


def test_values_that_order_as_texts_do_are_compared_as_texts_and_others_do_not_pass(ours: Maker) -> None:
    store = ours()
    store.batch([PutOp(("a",), key, {"at": at}) for key, at in
                 (("may", "2026-05-01"), ("june", "2026-06-01"), ("none", None), ("list", [1]))])  # fmt: skip
    assert [item.key for item in store.search(("a",), filter={"at": {"$gt": "2026-05-15"}})] == ["june"]
    assert store.search(("a",), filter={"at": {"$lt": 5}}) == []


# Writing


def test_a_copy_is_given_and_taken(ours: Maker) -> None:
    store, value = ours(), {"list": [1, (2, 3)]}
    store.put(("a",), "k", value)
    value["list"].append(4)  # type: ignore[attr-defined]
    store.get(("a",), "k").value["list"].append(5)
    assert store.get(("a",), "k").value == {"list": [1, [2, 3]]}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"a": float("nan")}, "value.a"), ({"a": [0, float("inf")]}, r"value.a\[1\]"), ({"a": {1: 2}}, "value.a"),
        ({"a": datetime(2026, 1, 1, tzinfo=UTC)}, "value.a"), ({"a": b"x"}, "value.a"), ({1: 2}, "value"),
        ([1], "value"), ({"a": "é" * 150_001}, "value"),
    ],
)  # fmt: skip
def test_what_json_cannot_hold_is_refused_and_nothing_of_its_batch_is_put(ours: Maker, value: Any, field: str) -> None:
    store = ours()
    with pytest.raises(BadValue, match=f"^{field} must be"):
        store.batch([PutOp(("a",), "good", {"n": 1}), PutOp(("a",), "bad", value)])
    assert store.search(()) == []
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(BadValue, match="levels"):
        store.put(("a",), "deep", deep)


@pytest.mark.parametrize(
    "wrong",
    [
        PutOp(("a",), "k", {}, ["x", 1]), PutOp(("a",), "k", {}, "text"), PutOp(("a",), 5, {}),  # type: ignore[arg-type]
        PutOp(("a",), "k", {}, None, 0), PutOp(("a",), "k", {}, None, float("inf")), SearchOp(("a",), None, -1),
        SearchOp(("a",), None, 5, -1), SearchOp(("a",), "x"), SearchOp(("a",), None, 5, 0, 7), "get",  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_no_operation_may_say_is_refused_by_name(ours: Maker, wrong: Any) -> None:
    with pytest.raises(BadValue):
        ours().batch([wrong])


def test_texts_that_no_index_can_hold_are_kept_whole_and_found_by_the_rest(ours: Maker) -> None:
    store, value = ours(index={"fields": ["text"]}), {"text": "green\0tea \ud800 leaves"}
    store.put(("a",), "k\0\ud800", value)
    assert store.get(("a",), "k\0\ud800").value == value
    assert store.search(("a",), query="tea\0 leaves")[0].score > 0.5


def test_documents_may_change_whether_they_are_indexed_and_stay_as_old_as_they_are(ours: Maker) -> None:
    clock = Clock()
    store = ours(index={"fields": ["text"]}, clock=clock)
    born = datetime.fromtimestamp(clock(), UTC)
    for index, scored in ((None, True), (False, False), (["note"], True), (False, False), (None, True)):
        store.put(("a",), "k", {"text": "green tea", "note": "a ship"}, index=index)
        query = "ship" if index == ["note"] else "tea"
        (item,) = store.search(("a",), query=query)
        assert (item.score is not None) == scored and item.created_at == born
        assert item.updated_at == datetime.fromtimestamp(clock(), UTC)
        clock.pass_minutes(1)
    assert len(store.memory.list().records) == 1


def test_putting_again_what_stands_there_embeds_nothing(ours: Maker) -> None:
    asked: list[str] = []

    def counted(texts: list[str]) -> list[list[float]]:
        asked.extend(texts)
        return embed(texts)

    store = ours(index={"dims": 64, "embed": counted, "fields": ["text"]})
    store.put(("a",), "k", {"text": "green tea", "n": 1})
    before = len(asked)
    store.put(("a",), "k", {"text": "green tea", "n": 2})
    assert len(asked) == before and store.get(("a",), "k").value["n"] == 2
    store.put(("a",), "k", {"text": "black tea", "n": 2})
    assert asked[before:] == ["black tea"]


def test_many_who_put_under_one_key_at_once_leave_one_document(ours: Maker) -> None:
    store = ours()
    namespace = store.memory._ground.namespace
    handles = [store, *(ours(namespace=namespace) for _ in range(3))]
    threads = [
        threading.Thread(target=lambda each=each, i=i: [each.put(("a",), "k", {"by": i, "n": n}) for n in range(10)])
        for i, each in enumerate(handles)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (item,) = store.search(())
    assert item.value["n"] == 9
    assert len(store.memory.list(status=("active", "archived"), limit=100).records) == 1
    (record,) = store.memory.list().records
    assert record.version == 40  # no put was lost


def test_two_namespaces_of_a_memory_are_two_stores(ours: Maker) -> None:
    one, two = ours(), ours()
    one.put(("a",), "k", {"n": 1})
    assert two.get(("a",), "k") is None and two.search(()) == [] and two.list_namespaces() == []
    two.put(("a",), "k", {"n": 2})
    assert one.get(("a",), "k").value == {"n": 1}


# Beside a memory's other records


def test_a_store_sees_its_own_documents_among_the_memories_of_others(ours: Maker) -> None:
    store = ours(index={"fields": ["text"]})
    memory = store.memory
    memory.remember("Green tea is grown in Uji", tags=["langgraph:", "langgraph:a"])
    memory.remember("Green tea is drunk hot", kind="strategy")
    store.put(("a",), "k", {"text": "Ann drinks green tea"})
    assert [item.key for item in store.search((), query="green tea")] == ["k"]
    assert [item.key for item in store.search(())] == ["k"] and store.list_namespaces() == [("a",)]
    with memory.task("all") as task:
        assert len(memory.recall("green tea", k=5)) == 3  # the memory itself recalls them all
        assert [item.key for item in store.search((), query="green tea")] == ["k"]
        assert len(task.recalls) == 2


def test_what_is_recalled_is_the_indexed_text_alone_and_its_history_is_kept(ours: Maker) -> None:
    store = ours(index={"fields": ["text"]})
    store.put(("users", "ann"), "drink", {"text": "Likes green tea", "secret": "4711"})
    recall = store.memory.recall("what tea does she like")
    assert "Likes green tea" in recall.text and "4711" not in recall.text
    store.put(("users", "ann"), "drink", {"text": "Likes black tea"})
    assert [step.record.content for step in store.memory.history(recall.ids[0])] == [
        "Likes green tea",
        "Likes black tea",
    ]
    store.delete(("users", "ann"), "drink")
    assert not store.memory.recall("what tea does she like")


def test_a_redactor_is_asked_and_what_it_leaves_is_found_under_its_key(ours: Maker) -> None:
    there = ours(index={"fields": ["text"]}, redact=secrets)
    for said in ("Write to ann@example.org", "Write to ann.b@example.org"):
        there.put(("users", "ann"), "ann@example.org", {"text": said, "also": ["bob@example.org"]})
        (item,) = there.search(("users",), query="whom to write to")
        assert item.value == {"text": "Write to [e-mail]", "also": ["[e-mail]"]}
        item = there.get(("users", "ann"), "ann@example.org")
        assert item.value["text"] == "Write to [e-mail]" and item.key == "ann@example.org"
    there.delete(("users", "ann"), "ann@example.org")
    assert there.search(()) == []
    for step in there.memory.history(_only(there)):
        assert step.record is None or "example.org" not in repr(step.record)


def _only(there: WayfareStore) -> str:
    """The id of the one record that there ever was."""
    with there.memory._ground.database.read() as tx:
        ((id,),) = tx.execute("SELECT id FROM records WHERE ns = ?", (there.memory._ground.ns,)).fetchall()
    return str(id)


def test_all_documents_about_one_person_are_erased_together(ours: Maker) -> None:
    there = ours(subject=lambda namespace, key: namespace[1] if namespace[0] == "users" else None)
    there.put(("users", "ann"), "drink", {"text": "green tea"})
    there.put(("users", "ann", "old"), "drink", {"text": "milk"}, index=False)
    there.put(("users", "bob"), "drink", {"text": "black tea"})
    there.put(("all",), "news", {"text": "tea is cheap"})
    erased = there.memory.erase(subject="ann")
    assert len(erased.records) == 2
    assert there.list_namespaces() == [("all",), ("users", "bob")]
    assert {item.key for item in there.search((), query="tea")} == {"drink", "news"}


# Lifetimes


def _lived(ours: Maker, **ttl: Any) -> tuple[WayfareStore, Clock]:
    clock = Clock()
    return ours(clock=clock, index={"fields": ["text"]}, ttl=ttl), clock


def test_a_document_lives_its_minutes_after_it_was_last_put_or_read(ours: Maker) -> None:
    store, clock = _lived(ours, omit_expired=True)
    store.put(("a",), "short", {"text": "green tea"}, ttl=10)
    store.put(("a",), "long", {"text": "green tea"}, ttl=500)
    store.put(("a",), "ever", {"text": "green tea"})
    for _ in range(20):
        clock.pass_minutes(9)
        assert store.get(("a",), "short") is not None  # read often enough, it stays
    assert len(store.search((), query="tea")) == 3
    clock.pass_minutes(12)
    assert store.get(("a",), "short") is None
    assert [item.key for item in store.search(())] == ["long", "ever"]
    assert {item.key for item in store.search((), query="green tea")} == {"long", "ever"}
    store.put(("a",), "short", {"text": "black tea"}, ttl=10)
    assert store.get(("a",), "short").value == {"text": "black tea"}


def test_no_document_goes_early_or_stays_long_whenever_it_was_read(ours: Maker) -> None:
    for read in (0.1, 1.0, 1.25, 1.3, 3.0, 6.0, 9.9):
        store, clock = _lived(ours, omit_expired=True)
        store.put(("a",), "k", {"text": "green tea"}, ttl=10)
        clock.pass_minutes(read)
        assert store.search(("a",))
        clock.pass_minutes(9.99)
        assert store.get(("a",), "k", refresh_ttl=False) is not None, read
        clock.pass_minutes(1.27)
        assert store.get(("a",), "k", refresh_ttl=False) is None, read


@pytest.mark.parametrize("said", [{"config": {"refresh_on_read": False}}, {"call": False}])
def test_reading_renews_only_where_it_is_to(ours: Maker, said: dict[str, Any]) -> None:
    store, clock = _lived(ours, omit_expired=True, **said.get("config", {}))
    store.put(("a",), "k", {"text": "green tea"}, ttl=10)
    for _ in range(4):
        clock.pass_minutes(2)
        assert store.get(("a",), "k", refresh_ttl=said.get("call")) is not None
        assert len(store.search(("a",), query="tea", refresh_ttl=said.get("call"))) == 1
    clock.pass_minutes(4)
    assert store.get(("a",), "k") is None
    assert store.list_namespaces() == []


def test_reading_is_written_down_rarely_and_changes_no_date(ours: Maker) -> None:
    store, clock = _lived(ours, default_ttl=80)
    store.put(("a",), "k", {"text": "green tea"})
    put = store.get(("a",), "k").updated_at
    for _ in range(80):
        clock.pass_minutes(1)
        store.get(("a",), "k")
    assert store.get(("a",), "k").updated_at == put
    assert store.memory.list().records[0].version <= 10


def test_what_has_expired_is_there_until_it_is_swept_unless_it_is_omitted(ours: Maker) -> None:
    store, clock = _lived(ours, default_ttl=10)
    store.put(("a",), "k", {"text": "green tea"})
    store.put(("b",), "ever", {"text": "green tea"}, ttl=None)
    clock.pass_minutes(12)
    assert store.get(("a",), "k", refresh_ttl=False) is not None and len(store.list_namespaces()) == 2
    assert len(store.search((), query="tea", refresh_ttl=False)) == 2
    assert not store.memory.recall("green tea", tags=["langgraph:a"])  # a recall never shows it
    assert store.sweep_ttl() == 1 and store.sweep_ttl() == 0
    assert store.get(("a",), "k") is None and store.list_namespaces() == [("b",)]


def test_a_sweeper_sweeps_until_it_is_stopped(ours: Maker) -> None:
    store, clock = _lived(ours, default_ttl=1, sweep_interval_minutes=0.0005)
    store.put(("a",), "k", {"text": "green tea"})
    clock.pass_minutes(2)
    store.start_ttl_sweeper()
    store.start_ttl_sweeper()
    ended = threading.Event()
    while store.get(("a",), "k", refresh_ttl=False) is not None:
        ended.wait(0.01)
    assert store.stop_ttl_sweeper() and store.stop_ttl_sweeper()


# Opening


def test_an_address_or_a_memory_opens_the_same_store(ours: Maker) -> None:
    store = ours(index={"fields": ["text"]})
    store.put(("a",), "k", {"text": "green tea"})
    again = WayfareStore(store.memory, index={"fields": ["text"]})
    assert again.get(("a",), "k") == store.get(("a",), "k")
    again.close()
    assert store.get(("a",), "k") is not None  # who opened it closes it


@pytest.mark.parametrize(
    "given",
    [
        {"index": {"fields": "text"}}, {"index": {"field": ["text"]}}, {"ttl": {"default_ttl": 0}},
        {"ttl": {"sweep": 1}}, {"index": {"dims": 0, "embed": embed}},
    ],
)  # fmt: skip
def test_settings_that_say_nothing_are_refused_before_a_file_is_made(tmp_path: Any, given: dict[str, Any]) -> None:
    with pytest.raises(BadValue):
        WayfareStore(tmp_path / "a.db", **given)
    assert not list(tmp_path.iterdir())


def test_a_memory_brings_its_own_settings(ours: Maker) -> None:
    for given in ({"index": INDEX}, {"namespace": "b"}):
        with pytest.raises(BadValue, match="settings"):
            WayfareStore(ours().memory, **given)  # type: ignore[arg-type]


def test_a_store_that_is_read_only_reads_without_a_trace(ours: Maker, tmp_path: Any) -> None:
    clock = Clock()
    with WayfareStore(tmp_path / "a.db", clock=clock) as store:
        store.put(("a",), "k", {"text": "green tea"}, ttl=10)
    clock.pass_minutes(9)
    with WayfareStore(Memory(tmp_path / "a.db", read_only=True, clock=clock)) as store:
        assert store.batch([GetOp(("a",), "k")])[0].value == {"text": "green tea"}
        assert len(store.search((), query="tea")) == 1
        with pytest.raises(ReadOnly):
            store.put(("a",), "k", {})


def test_without_langgraph_the_package_imports_and_the_store_names_its_extra() -> None:
    program = """
import sys
sys.modules["langgraph"] = None
import wayfare.dropins, wayfare.dropins.documents, wayfare.dropins.searching, wayfare.dropins.mem0
from wayfare.errors import MissingExtra
try:
    import wayfare.dropins.langgraph
except MissingExtra as error:
    assert "wayfare[langgraph]" in str(error), error
else:
    raise SystemExit("it was imported")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
