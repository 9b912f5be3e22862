"""The public face: remember, recall, credit, and what is refused."""

from __future__ import annotations

import os
import threading

import pytest

from wayfare.errors import BadValue, NoSuchRecord, OutcomeConflict, ReadOnly, Unavailable, VersionConflict
from wayfare.memory import Key, Memory, Policy

TEXTS = (
    "Password resets need the cache flushed first",
    "The router restarts after every update",
    "Invoices are sent on the first of the month",
    "A user who cannot log in may have a wrong clock",
    "Backups run at night and lock the mailbox",
)


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def memory(address):
    with Memory(address, synchronous="NORMAL") as made:
        made.remember_many(TEXTS)
        yield made


def test_the_five_lines_of_the_manual(address) -> None:
    memory = Memory(address)
    memory.remember("Ask for the region before anything else", kind="strategy")
    with memory.task("ticket-4711") as task:
        recall = memory.recall("which region is the user in?", k=5)
        assert "Ask for the region" in recall.text
        task.credit(1.0)
    done = memory.remember("Password resets need the cache flushed first", kind="strategy", source=recall)
    assert done.op == "ADD" and memory.get(done.id).provenance[0].parents == recall.ids
    assert {link.type for link in memory.links(done.id)} == {"derived_from"}
    assert memory.get(recall.ids[0]).utility.mean == 1.0
    memory.close()


def test_what_is_recalled_is_relevant_labelled_and_explained(memory) -> None:
    recall = memory.recall("how do I reset my password?", k=1, policy="similarity")
    assert [item.record.content for item in recall] == [TEXTS[0]]
    assert recall.text.startswith("<memories>") and f'id="{recall.ids[0]}"' in recall.text
    assert "relevance" in recall.why and "not credited yet" in recall.why
    assert recall.logged and recall.probability == 1.0


def test_an_empty_memory_recalls_nothing(address) -> None:
    with Memory(address) as memory:
        assert not memory.recall("anything")
        assert memory.list().records == ()


def test_the_task_decides_the_side_once_and_repeats_it(memory) -> None:
    sides = {memory.recall("password", k=1, task=f"t{i}").side for i in range(60)}
    assert sides == {"baseline", "incumbent"}
    for i in range(5):
        assert len({memory.recall("password reset", k=1, task=f"t{i}").side for _ in range(3)}) == 1


def test_the_share_of_the_baseline_before_any_outcome_is_one_minus_alpha(memory) -> None:
    sides = [memory.recall("password", k=1, task=f"n{i}").side for i in range(300)]
    assert 0.72 < sides.count("baseline") / 300 < 0.88


def test_a_recall_says_the_chance_of_what_it_shows(memory) -> None:
    """Sampled frequencies of the sets shown agree with the probabilities written down."""
    counts: dict[tuple[str, ...], int] = {}
    said: dict[tuple[str, ...], float] = {}
    for i in range(400):
        recall = memory.recall("the user update cannot", k=2, task=f"n{i}", policy=Policy("boltzmann", explore=0.8))
        key = tuple(sorted(recall.ids))
        counts[key] = counts.get(key, 0) + 1
        said[key] = recall.probability
    for key, probability in said.items():
        assert abs(counts[key] / 400 - probability) < 4.5 * (probability * (1 - probability) / 400) ** 0.5 + 0.01


def test_the_same_seed_and_task_draw_the_same(new_address) -> None:
    shown = []
    for _ in range(2):
        with Memory(new_address(), seed=7, clock=Clock()) as memory:
            memory.remember_many(TEXTS)
            recalls = [memory.recall("user update", k=1, task=f"t{i}") for i in range(40)]
            shown.append([recall.items[0].record.content for recall in recalls])
    assert shown[0] == shown[1]


def test_credit_by_task_by_receipt_and_by_object_is_one_outcome(memory) -> None:
    recall = memory.recall("password", k=2, task="t")
    first = memory.credit("t", 0.5)
    assert memory.credit(recall.id, 0.5).repeated and memory.credit(recall, 0.5).repeated
    assert first.shares.keys() == set(recall.ids) and sum(first.shares.values()) == pytest.approx(1)
    with pytest.raises(OutcomeConflict, match="correct=True"):
        memory.credit("t", 0.75)
    again = memory.credit("t", 0.75, correct=True)
    assert again.counted and memory.get(recall.ids[0]).utility.mean == 0.75


def test_used_gets_all_of_the_credit_and_used_none_gets_nothing(memory) -> None:
    recall = memory.recall("the user who restarts", k=3, task="t")
    used = recall.ids[1]
    done = memory.credit("t", 1.0, used=[used])
    assert done.shares == {used: 1.0} and done.basis == "used"
    assert memory.get(recall.ids[0]).utility.n == 0 and memory.get(used).utility.used == 1
    memory.recall("the user who restarts", k=3, task="u")
    assert memory.credit("u", 1.0, used=[]).shares == {}


def test_a_declared_range_is_mapped_to_the_unit_interval_and_kept(address) -> None:
    with Memory(address, reward_range=(-1, 1)) as memory:
        memory.remember("alpha beta")
        memory.recall("alpha", task="t")
        assert memory.credit("t", 0.0).reward == 0.0
        assert memory.get(memory.list().records[0].id).utility.mean == 0.5
        with pytest.raises(BadValue, match="reward"):
            memory.credit("t", 1.5)
    with pytest.raises(BadValue, match="reward_range"):
        Memory(address, reward_range=(0, 1))
    with Memory(address) as memory:
        memory.recall("alpha", task="u")
        memory.credit("u", -1.0)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("text", lambda m: m.remember("")), ("text", lambda m: m.remember("   ")), ("text", lambda m: m.remember(3)),
        ("text", lambda m: m.remember("x" * 1_000_001)), ("text", lambda m: m.remember("a\0b")),
        ("text", lambda m: m.remember("\ud800")), ("tags", lambda m: m.remember("x", tags="abc")),
        ("meta", lambda m: m.remember("x", meta={"a": float("nan")})),
        ("event", lambda m: m.remember("x", event=(2, 1))),
        ("valid", lambda m: m.remember("x", valid=3)), ("source", lambda m: m.remember("x", source=3)),
        ("keys", lambda m: m.remember("x", keys=["abc"])), ("texts", lambda m: m.remember_many([{"kind": "x"}])),
        ("texts", lambda m: m.remember_many("abc")), ("direction", lambda m: m.links("x", direction="up")),
        ("texts", lambda m: m.remember_many([{"text": "x", "colour": 1}])), ("query", lambda m: m.recall("")),
        ("query", lambda m: m.recall(None)), ("k", lambda m: m.recall("x", k=0)), ("k", lambda m: m.recall("x", k=51)),
        ("k", lambda m: m.recall("x", k=True)), ("budget_tokens", lambda m: m.recall("x", budget_tokens=0)),
        ("kinds", lambda m: m.recall("x", kinds="fact")), ("since", lambda m: m.recall("x", since="monday")),
        ("timeout", lambda m: m.recall("x", timeout=0)), ("policy", lambda m: m.recall("x", policy="best")),
        ("reward", lambda m: m.credit("t", float("nan"))), ("reward", lambda m: m.credit("t", "good")),
        ("reward", lambda m: m.credit("t", 2)), ("task", lambda m: m.credit("nobody", 1.0)),
        ("used", lambda m: m.credit("t", 1.0, used="abc")), ("used", lambda m: m.credit("t", 1.0, used=["nobody"])),
        ("rank", lambda m: m.credit("t", 1.0, rank="king")), ("void", lambda m: m.void()),
        ("revise", lambda m: m.revise("x")), ("ids", lambda m: m.showed("x", [])),
        ("refit", lambda m: m.refit()), ("policy", lambda m: m.rollback("nobody")),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_changes_nothing(memory, field, call) -> None:
    memory.recall("password", task="t")
    before = memory.stats()["memories"], memory.stats()["recalls"], memory.list().records
    with pytest.raises(BadValue, match=field):
        call(memory)
    assert (memory.stats()["memories"], memory.stats()["recalls"], memory.list().records) == before


@pytest.mark.parametrize(
    ("field", "given"),
    [("namespace", {"namespace": "a//b"}), ("namespace", {"namespace": ""}), ("also_read", {"also_read": "x"}),
     ("also_read", {"also_read": ["default"]}), ("embedder", {"embedder": "magic"}), ("policy", {"policy": "best"}),
     ("alpha", {"alpha": 0}), ("k1", {"k1": 51}), ("relevance_floor", {"relevance_floor": 2}),
     ("reward_range", {"reward_range": (1, 0)}), ("synchronous", {"synchronous": "OFF"}),
     ("rule", {"credit_rule": "x"}), ("planner", {"planner": "dedup"})],
)  # fmt: skip
def test_bad_settings_are_refused(store, address, field, given) -> None:
    with pytest.raises(BadValue, match=field):
        Memory(address, **given)
    if field in ("embedder", "planner", "namespace"):
        assert store.untouched(address)


def test_a_mistyped_id_is_named(memory) -> None:
    for call in (memory.get, memory.forget, memory.history, lambda id: memory.revise(id, "x")):
        with pytest.raises(NoSuchRecord, match="nobody"):
            call("nobody")


def test_revise_keeps_the_earlier_version_and_compares_before_it_sets(memory) -> None:
    id = memory.recall("password", k=1, policy="similarity").ids[0]
    assert memory.revise(id, "Flush the cache, then reset", expect=1, reason="clearer").version == 2
    with pytest.raises(VersionConflict, match="version 2"):
        memory.revise(id, "x", expect=1)
    assert [step.version for step in memory.history(id)] == [1, 2]
    assert memory.history(id)[0].record.content == TEXTS[0]
    assert memory.recall("flush", k=1, policy="similarity").ids == (id,)


def test_what_was_forgotten_is_never_recalled_and_its_credit_is_left_out(memory) -> None:
    recall = memory.recall("user password update", k=3, task="t")
    memory.forget(recall.ids[0])
    assert recall.ids[0] not in memory.recall("user password update", k=5).ids
    assert memory.credit("t", 1.0).shares.keys() == set(recall.ids[1:])


def test_a_look_at_the_past_sees_what_was_there(address) -> None:
    clock = Clock()
    with Memory(address, clock=clock) as memory:
        id = memory.remember("The office is in Leeds").id
        clock.now += 100
        memory.revise(id, "The office is in York")
        clock.now += 100
        memory.forget(id)
        at = {t: [i.record.content for i in memory.recall("office", as_of=clock.now - t)] for t in (0, 50, 150, 250)}
        assert at == {0: [], 50: ["The office is in York"], 150: ["The office is in Leeds"], 250: []}
        assert memory.stats()["recalls"] == 0


def test_filters_by_kind_tag_time_and_validity(address) -> None:
    clock = Clock()
    with Memory(address, clock=clock) as memory:
        a = memory.remember("red apple", kind="fruit", tags=["sweet"], event=100.0).id
        b = memory.remember("red pepper", kind="vegetable", event=200.0).id
        c = memory.remember("red sale", valid=(None, clock.now - 1)).id
        assert set(memory.recall("red").ids) == {a, b}
        assert memory.recall("red", kinds=["fruit"]).ids == (a,) and memory.recall("red", tags=["sweet"]).ids == (a,)
        assert memory.recall("red", since=150.0, until=300.0).ids == (b,)
        assert c not in memory.recall("red").ids


def test_a_budget_shortens_texts_and_drops_none_after_the_draw(memory) -> None:
    memory.remember("password user " + "word " * 500)
    free = memory.recall("password user", k=3, task="t", policy="similarity")
    tight = memory.recall("password user", k=3, task="u", policy="similarity", budget_tokens=150)
    assert tight.ids == free.ids and len(tight.text.encode()) <= 150 * 4 < len(free.text.encode())


def test_self_echo_668_times_leaves_one_memory(address) -> None:
    with Memory(address, synchronous="NORMAL") as memory:
        first = memory.remember("The user prefers tea over coffee in the morning").id
        for i in range(60):
            with memory.task(f"t{i}"):
                found = memory.recall("what does the user drink in the morning?")
                texts = (
                    "The user prefers tea over coffee in the morning.",
                    "the user prefers TEA over coffee in the morning",
                )
                done = memory.remember(texts[i % 2] + "!" * (i % 3), source=found)
                assert done.op == "NOOP" and done.id == first and done.reason
        assert memory.stats()["memories"]["active"] == 1


def test_idempotency_keys_answer_as_before(memory) -> None:
    one = memory.remember("A new thing", idempotency_key="k1")
    assert memory.remember("A new thing", idempotency_key="k1") == one
    with pytest.raises(OutcomeConflict, match="k1"):
        memory.remember("Another thing", idempotency_key="k1")


def test_keys_find_a_record_under_other_words(address) -> None:
    with Memory(address) as memory:
        id = memory.remember(
            "Run the flush script", keys=[("intent", "user cannot sign in"), Key("question", "why?")]
        ).id
        assert memory.recall("sign in problem").ids == (id,)


def test_also_read_shows_and_does_not_write(address) -> None:
    with Memory(address, namespace="org/shared") as shared:
        theirs = shared.remember("The shared printer is on floor two").id
    with Memory(address, namespace="org/ann", also_read=["org/shared"]) as ann:
        own = ann.remember("My printer is at home").id
        recall = ann.recall("printer", task="t")
        assert set(recall.ids) == {own, theirs} and 'namespace="org/shared"' in recall.text
        assert ann.credit("t", 1.0).shares.keys() == {own}
    with Memory(address, namespace="org/shared") as shared:
        assert shared.get(theirs).utility.n == 0 and shared.stats()["recalls"] == 0
    with Memory(address, namespace="org/ann") as ann:
        assert ann.recall("printer").ids == (own,)


def test_a_read_only_memory_recalls_without_a_log(address) -> None:
    with Memory(address) as memory:
        memory.remember_many(TEXTS)
    with Memory(address, read_only=True) as memory:
        recall = memory.recall("password")
        assert recall and not recall.logged and "read-only" in recall.reason
        for call in (lambda: memory.remember("x"), lambda: memory.credit(recall, 1.0), memory.freeze):
            with pytest.raises(ReadOnly):
                call()


def test_a_receipt_that_could_not_be_written_is_written_with_the_credit(memory, monkeypatch) -> None:
    monkeypatch.setattr(type(memory._recaller), "_log", lambda *_: (_ for _ in ()).throw(Unavailable("busy")))
    recall = memory.recall("password", k=2, task="late")
    assert recall and not recall.logged and recall.reason == "busy"
    monkeypatch.undo()
    done = memory.credit(recall, 1.0)
    assert done.shares.keys() == set(recall.ids) and memory.stats()["recalls"] == 1
    assert memory.credit(recall, 1.0).repeated and memory.stats()["recalls"] == 1


def test_a_time_out_returns_what_was_found_without_a_receipt(memory) -> None:
    recall = memory.recall("password", timeout=1e-9)
    assert recall and not recall.logged and "1e-09 s" in recall.reason


def test_a_closed_memory_says_so(address) -> None:
    memory = Memory(address)
    memory.close()
    with pytest.raises(Unavailable, match="closed"):
        memory.recall("x")


def test_threads_share_a_memory(memory) -> None:
    errors: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for i in range(15):
                with memory.task(f"{name}-{i}") as task:
                    memory.recall("user password update", k=2)
                    memory.remember(f"note {name} {i}")
                    task.credit(i % 2)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    stats = memory.stats()
    assert stats["recalls"] == 90 and stats["memories"]["active"] == len(TEXTS) + 90
    total = sum(record.utility.n for record in memory.list(limit=1000).records)
    assert total == pytest.approx(90)


def test_a_forked_child_goes_on(memory) -> None:
    memory.recall("password")
    pid = os.fork()
    if pid == 0:
        try:
            done = memory.remember("from the child")
            os._exit(0 if memory.recall("child", k=1, policy="similarity").ids == (done.id,) else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert memory.recall("from the child", k=1, policy="similarity").items[0].record.content == "from the child"


def test_a_dialogue_is_found_by_what_was_said_around(address) -> None:
    with Memory(address) as memory:
        memory.remember_dialogue(
            [
                {"speaker": "Ann", "text": "We moved to Leeds last spring.", "time": 1_683_554_160.0, "session": "1"},
                {"speaker": "Bob", "text": "How do you like it there?", "time": 1_683_554_190.0, "session": "1"},
                {"speaker": "Ann", "text": "The garden is wonderful.", "time": 1_683_554_200.0, "session": "1"},
                {"speaker": "Bob", "text": "My cat is ill.", "time": 1_700_000_000.0, "session": "2"},
            ]
        )
        contents = [item.record.content for item in memory.recall("Leeds", k=3, policy="similarity")]
        assert contents[0] == "Ann: We moved to Leeds last spring." and "Bob: How do you like it there?" in contents
        assert "Bob: My cat is ill." not in contents
        assert memory.recall("May 2023", k=3, policy="similarity")
