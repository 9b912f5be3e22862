"""A namespace moves to another embedder while it is written, recalled and credited, and by whom it is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest

from tests.memory.embedding.embeddings_server import Server, serving
from tests.memory.stores import Store, spaces_with_vectors
from wayfare.errors import BadValue, ReadOnly, Unavailable
from wayfare.memory import Memory
from wayfare.memory.embedding import Vectors, embedder_from
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.embedding.served import PROBE
from wayfare.memory.operations import Add, Merge

TEXTS = [
    f"The {thing} is {what}" for thing in ("token", "cache", "invoice", "printer") for what in ("old", "lost", "ok")
]


@pytest.fixture
def embeddings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving() as found:
        yield found


@pytest.fixture
def path(address: str) -> str:
    """Of a memory of twelve texts with the default embedder."""
    with Memory(address) as memory:
        memory.remember_many(TEXTS)
    return address


class Hooked(Lexical):
    """Calls `during` before the n-th texts that are stored are embedded."""

    model = "lexical:48"  # type: ignore[assignment]

    def __init__(self, during: Callable[[], object], call: int = 1) -> None:
        super().__init__(48)
        self.during, self.left, self.texts = during, call, list[str]()

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.left -= 1
        if self.left == 0:
            self.during()
        self.texts += texts
        return super().embed(texts)


def held(memory: Memory, state: str = "serving") -> dict[str, Vectors | None]:
    """Text -> vector, of every living entry, in the space of that state."""
    with memory._ground.database.read() as tx:
        ns = memory._ground.ns
        row = tx.execute("SELECT space FROM spaces WHERE ns = ? AND state = ?", (ns, state)).fetchone()
        rows = tx.execute(
            "SELECT e.ordinal, coalesce(e.text, r.content) FROM entries e JOIN records r ON r.record = e.record "
            "WHERE e.ns = ? AND e.alive = 1 ORDER BY e.ordinal", (ns,)
        ).fetchall()  # fmt: skip
        return {text: None if row is None else tx.vectors.one(ns, row[0], ordinal) for ordinal, text in rows}


def whole(memory: Memory, model: str) -> bool:
    """Whether every living entry has the vector of the model, which serves, and no block is left of another."""
    embedder = embedder_from(model)
    assert embedder is not None
    found = held(memory)
    with memory._ground.database.read() as tx:
        named = {each[0]: each[1:] for each in tx.execute("SELECT space, state, model FROM spaces").fetchall()}
        spaces = [named.get(space) for space in spaces_with_vectors(tx, memory._ground.ns)]
    right = all(v is not None and np.allclose(v, embedder.embed([text])[0], atol=1e-6) for text, v in found.items())
    return right and spaces == [("serving", model)] and memory.stats()["embedder"] == model


def by_vectors(memory: Memory, query: str) -> dict[str, float]:
    """Text -> what the search by vectors says of it."""
    return {
        item.record.content: item.by.get("vectors", 0.0) for item in memory.recall(query, k=12, policy="similarity")
    }


# The move


def test_every_text_gets_a_vector_of_the_new_model_and_the_old_ones_are_dropped(path: str) -> None:
    steps: list[tuple[int, int]] = []
    with Memory(path) as memory:
        assert whole(memory, "lexical")
        done = memory.reembed("lexical:64", batch=5, progress=lambda *step: steps.append(step))
        assert done.model == "lexical:64" and done.embedded == 12 and whole(memory, "lexical:64")
        assert steps == [(5, 12), (10, 12), (12, 12)]
        expected = Lexical(64).embed_query("lost invoice") @ Lexical(64).embed_query("The invoice is lost")
        assert by_vectors(memory, "lost invoice")["The invoice is lost"] == pytest.approx(float(expected), abs=1e-5)
        memory.remember("The scanner is new")
        assert whole(memory, "lexical:64")
    with Memory(path, embedder="lexical:64") as memory:
        assert by_vectors(memory, "lost invoice")
    with pytest.raises(BadValue, match=r"lexical:64.*reembed"):
        Memory(path, embedder="lexical")


def test_the_old_model_serves_until_every_text_has_both_and_what_is_written_meanwhile_gets_both(path: str) -> None:
    with Memory(path) as other, Memory(path) as memory:
        id = {record.content: record.id for record in memory.list().records}

        def meanwhile() -> None:
            assert other.stats()["embedder"] == "lexical"
            assert by_vectors(other, "lost invoice")["The invoice is lost"] == pytest.approx(before, abs=1e-6)
            other.remember("The scanner is new", keys=[("intent", "scan a page")])
            other.revise(id["The cache is ok"], "The cache is warm")
            other.forget(id["The token is old"])
            seen.append(held(other)["The scanner is new"])
            with Memory(path, embedder=embedder) as early:  # names where it goes to
                assert early.stats()["embedder"] == "lexical" and by_vectors(early, "lost invoice")
            with pytest.raises(BadValue, match="lexical"):
                Memory(path, embedder="lexical:99")

        seen: list[Any] = []
        before = by_vectors(other, "lost invoice")["The invoice is lost"]
        embedder = Hooked(meanwhile, call=2)
        memory.reembed(embedder, batch=5)
        assert seen[0] == pytest.approx(Lexical().embed_query("The scanner is new"), abs=1e-6)
        assert whole(memory, "lexical:48") and whole(other, "lexical:48")
        assert {"The scanner is new", "scan a page", "The cache is warm"} <= held(memory).keys()
        assert "The token is old" not in held(memory)


def test_writers_that_never_rest_do_not_keep_it_from_its_end(path: str) -> None:
    with Memory(path, synchronous="NORMAL") as memory, Memory(path, synchronous="NORMAL") as other:
        stopping = threading.Event()
        written: list[str] = []

        def write() -> None:
            while not stopping.is_set():
                written.append(f"Note {len(written)}")
                other.remember(written[-1])

        thread = threading.Thread(target=write)
        thread.start()
        try:
            memory.reembed("lexical:64", batch=3)
        finally:
            stopping.set()
            thread.join()
        other.remember("the last word")
        assert whole(memory, "lexical:64") and set(written) <= held(memory).keys()


def test_a_writer_in_the_way_of_every_switch_is_held_up_in_the_end(path: str) -> None:
    with Memory(path) as memory, Memory(path) as other:

        class Pursued(Lexical):
            """Whenever it has caught up, and compares the probe once more, there is another text."""

            model, asked = "pursued", 0  # type: ignore[assignment]

            def embed_query(self, text: str) -> Vectors:
                if text == PROBE:
                    type(self).asked += 1
                    if self.asked > 1:
                        other.remember(f"Note {self.asked}")
                return super().embed_query(text)

        memory.reembed(Pursued())
        assert Pursued.asked < 40 and memory.stats()["embedder"] == "pursued"
        assert all(vector is not None and vector.any() for vector in held(memory).values())


@pytest.mark.parametrize("after", [4, 8, 12])
def test_killed_and_begun_again_it_embeds_nothing_twice(path: str, embeddings: Server, after: int) -> None:
    model = f"openai:words@{embeddings.url}"
    program = (
        "import os, signal, sys\nfrom wayfare.memory import Memory\n"
        "path, model, after = sys.argv[1:]\n"
        "def step(done, total):\n    if done >= int(after): os.kill(os.getpid(), signal.SIGKILL)\n"
        "Memory(path).reembed(model, batch=4, progress=step)"
    )
    done = subprocess.run([sys.executable, "-c", program, path, model, str(after)], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    with Memory(path) as memory:
        assert memory.stats()["embedder"] == "lexical" and by_vectors(memory, "lost invoice")
        told = memory.reembed(model, batch=4)
        assert [text for text in embeddings.texts if text != PROBE] == TEXTS
        assert told.embedded == 12 - after and whole(memory, model)


def test_stopped_by_an_error_it_goes_on_where_it_was(path: str) -> None:
    def fail() -> None:
        raise OSError("no more")

    with Memory(path) as memory:
        with pytest.raises(OSError, match="no more"):
            memory.reembed(Hooked(fail, call=3), batch=4)
        assert memory.stats()["embedder"] == "lexical"
        again = Hooked(lambda: None)
        assert memory.reembed(again, batch=4).embedded == 4 and again.texts == TEXTS[8:]
        assert memory.reembed(again).embedded == 0 and len(again.texts) == 4


def test_a_text_without_any_vector_does_not_keep_it_for_ever(path: str) -> None:
    class Mute(Lexical):
        model = "mute"  # type: ignore[assignment]

        def embed(self, texts: Sequence[str]) -> Vectors:
            return np.zeros((len(texts), self.dimension), np.float32)

    with Memory(path) as memory:
        assert memory.reembed(Mute()).embedded == 12
        assert memory.recall("lost invoice", policy="similarity").items[0].record.content == "The invoice is lost"


def test_what_is_purged_meanwhile_leaves_no_vector_anywhere(store: Store, path: str) -> None:
    def there(embedder: Lexical, text: str) -> bool:
        vector = embedder.embed_query(text)
        return any(vector.astype(order).tobytes() in contents for order in ("<f4", ">f4"))

    with Memory(path) as memory:
        gone = memory.list().records[2]
        memory.reembed(Hooked(lambda: memory.forget(gone.id, purge=True)))
        assert gone.content not in held(memory)
    contents = store.contents(path)
    assert there(Lexical(48), TEXTS[3])
    assert not there(Lexical(48), gone.content) and not there(Lexical(), gone.content)


def test_a_later_move_to_another_model_takes_over(path: str) -> None:
    with Memory(path) as memory, Memory(path) as other:
        with pytest.raises(Unavailable, match="another"):
            memory.reembed(Hooked(lambda: other.reembed("lexical:64"), call=2), batch=4)
        assert whole(memory, "lexical:64")
        memory.reembed("lexical")
        assert whole(other, "lexical")


def test_two_that_move_to_the_same_model_leave_it_whole(path: str) -> None:
    with Memory(path) as memory, Memory(path) as other, ExitStack() as stack:
        embedder = Hooked(lambda: other.reembed("lexical:48", batch=4), call=2)
        stack.enter_context(pytest.raises(Unavailable))
        memory.reembed(embedder, batch=4)
    with Memory(path) as memory:
        assert whole(memory, "lexical:48")


def test_to_words_alone_and_back(path: str) -> None:
    with Memory(path) as memory, Memory(path) as other:
        assert memory.reembed("none").model is None
        for each in (memory, other):
            found = each.recall("lost invoice", policy="similarity").items[0]
            assert found.record.content == "The invoice is lost" and "vectors" not in found.by
        other.remember("The scanner is new")
        with memory._ground.database.read() as tx:
            assert spaces_with_vectors(tx, memory._ground.ns) == []
        assert memory.reembed("none").embedded == 0
        assert memory.reembed("lexical").embedded == 13 and whole(other, "lexical")


def test_another_namespace_stays_where_it_is(path: str) -> None:
    with Memory(path, namespace="team") as team, Memory(path, also_read=["team"]) as memory:
        team.remember("The invoice is with the team")
        before = held(team)
        memory.reembed("lexical:64")
        after = held(team)
        assert all((after[text] == vector).all() for text, vector in before.items()) and whole(team, "lexical")
        found = {item.record.content: item for item in memory.recall("invoice", k=12, policy="similarity")}
        assert "vectors" not in found["The invoice is with the team"].by
        assert found["The invoice is lost"].by["vectors"] > 0


def test_a_merge_from_before_the_move_is_undone_with_vectors_of_the_new_model(path: str) -> None:
    with Memory(path) as memory:
        ids = [record.id for record in memory.list().records[:2]]
        one = memory.apply([Merge(tuple(ids), Add("The token is old or lost"))])[0].id
        memory.reembed("lexical:64")
        memory.engine.undo_merge(one)
        assert set(TEXTS) <= held(memory).keys() and whole(memory, "lexical:64")


@pytest.mark.parametrize("given", [{"embedder": "word2vec"}, {"embedder": 5}, {"batch": 0}, {"batch": True}])
def test_a_wrong_argument_changes_nothing(path: str, given: dict[str, Any]) -> None:
    with Memory(path) as memory:
        with pytest.raises(BadValue):
            memory.reembed(**{"embedder": "lexical:64", **given})
        with memory._ground.database.read() as tx:
            assert tx.execute("SELECT model, state FROM spaces").fetchall() == [("lexical", "serving")]
    with Memory(path, read_only=True) as memory, pytest.raises(ReadOnly):
        memory.reembed("lexical:64")


# Those who have it open


@contextmanager
def process(path: str) -> Iterator[Callable[..., Any]]:
    """Another process with the memory open, which does as it is told."""
    program = (
        "import sys, json\nfrom wayfare.memory import Memory\n"
        "with Memory(sys.argv[1]) as memory:\n"
        "    for line in sys.stdin:\n"
        "        verb, *words = json.loads(line)\n"
        "        if verb == 'remember': said = memory.remember(*words).id\n"
        "        else: said = {i.record.content: i.by.get('vectors') for i in memory.recall(words[0], k=12, "
        "policy='similarity')}\n"
        "        print(json.dumps(said), flush=True)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def tell(*words: str) -> Any:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(json.dumps(words) + "\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    try:
        yield tell
    finally:
        child.communicate()


@pytest.mark.parametrize("used", ["used before", "used without vectors", ""])
def test_another_handle_and_another_process_go_on_with_the_new_model(path: str, used: str) -> None:
    with Memory(path) as memory, Memory(path) as handle, process(path) as tell:
        before = tell("recall", "a printer") if used == "used before" else None
        if used == "used without vectors":
            handle.forget(handle.list().records[0].id)
        elif used:
            handle.remember("Written before")
            assert by_vectors(handle, "a printer") == pytest.approx(before)
        memory.reembed("lexical:64")
        told, own = tell("recall", "a printer"), by_vectors(handle, "a printer")
        assert told == pytest.approx(own) and own == pytest.approx(by_vectors(memory, "a printer"))
        assert own != pytest.approx(before or {})
        tell("remember", "The printer of the process is new")
        handle.remember("The printer of the handle is new")
        assert whole(memory, "lexical:64")
        for say in (lambda: tell("recall", "a new printer"), lambda: by_vectors(handle, "a new printer")):
            found = say()
            vector = Lexical(64).embed_query("a new printer")
            for name in ("The printer of the process is new", "The printer of the handle is new"):
                assert found[name] == pytest.approx(float(vector @ Lexical(64).embed_query(name)), abs=1e-5)


def test_a_switch_between_the_query_and_its_search_is_noticed(path: str) -> None:
    """The query is embedded before the snapshot is taken: a move in between must not compare two models."""

    class Late(Lexical):
        def embed_query(self, text: str) -> Vectors:
            found = super().embed_query(text)
            if text != PROBE and moving:
                moving.pop()
                memory.reembed(Other())
            return found

    class Other(Lexical):
        """As many numbers, but of another model."""

        model = "other"  # type: ignore[assignment]

        def embed_query(self, text: str) -> Vectors:
            return np.roll(super().embed_query(text), 7)

    moving = [True]
    with Memory(path) as memory, Memory(path, embedder=Late()) as other:
        expected = by_vectors(memory, "lost invoice")
        other._ground.served.offer(Other())
        assert by_vectors(other, "lost invoice") == pytest.approx(expected, abs=1e-6)
        assert not moving and other.stats()["embedder"] == "other"


def test_a_model_that_only_an_object_provides_is_asked_for_by_name(path: str) -> None:
    class Mine(Lexical):
        model = "mine"  # type: ignore[assignment]

    with Memory(path) as memory, Memory(path) as other:
        memory.reembed(Mine())
        assert by_vectors(memory, "lost invoice")
        for verb in (other.recall, other.remember):
            with pytest.raises(BadValue, match=r"given as an object.*'mine'"):
                verb("a text")
        assert other.stats()["embedder"] == "mine" and other.list().records
    with Memory(path, embedder=Mine()) as memory:
        assert by_vectors(memory, "lost invoice")


# What was proved


def test_the_policy_begins_again_under_a_new_id_without_certificates(path: str) -> None:
    with Memory(path, synchronous="NORMAL") as memory:
        for i in range(200):
            with memory.task(f"t{i}") as task:
                recall = memory.recall("printer", k=1)
                task.credit(1.0 if recall.side == "incumbent" else 0.2)
        memory.recall("printer", k=1, task="open")
        before = memory.stats()["floor"]
        assert before["certified"] > 0 and before["shares"]["baseline"] < 0.8
        memory.challenge(memory.policy_named("memrl"))
        done = memory.reembed("lexical:64")
        after = memory.stats()["floor"]
        assert after["certified"] == 0 and after["shares"] == pytest.approx(
            {"baseline": 0.8, "incumbent": 0.2, "challenger": 0.0}
        )
        assert after["epoch"] > before["epoch"] and "challenger" not in after["policies"]
        assert done.policy == after["policies"]["incumbent"] != before["policies"]["incumbent"]
        memory.credit("open", 1.0)  # drawn before: no evidence for what began since
        memory.recall("printer", k=1, task="next")
        assert memory.stats()["floor"]["outcomes_seen"] == 0
        memory.credit("next", 1.0)
        memory.recall("printer", k=1)
        assert memory.stats()["floor"]["outcomes_seen"] == 1
        ids = [each["id"] for each in memory.policies()]
        memory.reembed("lexical")
        assert memory.stats()["floor"]["policies"]["incumbent"] not in ids
        assert memory.rollback(before["policies"]["incumbent"]).id == before["policies"]["incumbent"]


def test_a_refit_after_the_move_learns_from_what_came_after_it(path: str) -> None:
    with Memory(path) as memory:
        memory.recall("printer", k=1, task="t1")
        memory.credit("t1", 1.0)
        memory.reembed("lexical:64")
        with pytest.raises(BadValue, match="no credits"):
            memory.refit()
        memory.recall("printer", k=1, task="t2")
        memory.credit("t2", 1.0)
        assert memory.refit().vectors_since is not None


# The model behind a name


def test_a_server_that_runs_another_model_under_the_same_name_is_noticed(path: str, embeddings: Server) -> None:
    model = f"openai:words@{embeddings.url}"
    with Memory(path) as memory:
        memory.reembed(model)
    embeddings.version = 1
    with Memory(path) as memory:
        before = memory.stats()["recalls"]
        for verb in (memory.recall, memory.remember):
            with pytest.raises(BadValue, match=r"probe text.*reembed"):
                verb("a text that is new")
        assert memory.stats()["recalls"] == before and len(memory.list().records) == 12
        assert memory.forget(memory.list().records[0].id).op == "DELETE"  # what needs no vector goes on
        assert memory.reembed(model).embedded == 11 and held(memory).keys() == set(TEXTS[1:])
        assert by_vectors(memory, "lost invoice")
        rolled = np.roll(Lexical(32).embed(TEXTS[1:]), 1, axis=1)
        assert np.array(list(held(memory).values())) == pytest.approx(rolled, abs=1e-6)
    with Memory(path) as memory:
        assert by_vectors(memory, "lost invoice") and memory.remember("a text that is new").op == "ADD"


def test_the_same_model_is_trusted_and_asked_for_its_probe_once_by_each_handle(path: str, embeddings: Server) -> None:
    with Memory(path) as memory:
        memory.reembed(f"openai:words@{embeddings.url}")
    embeddings.asked.clear()
    with Memory(path) as memory:
        for i in range(3):
            memory.recall(f"question {i}")
            memory.remember(f"answer {i}")
    assert embeddings.texts.count(PROBE) == 1


def test_until_a_changed_model_has_embedded_everything_words_alone_are_recalled(path: str, embeddings: Server) -> None:
    model = f"openai:words@{embeddings.url}"
    with Memory(path) as memory, Memory(path) as other:
        memory.reembed(model)
        assert by_vectors(other, "lost invoice")
        embeddings.version = 1
        told: list[Any] = []

        def step(done: int, total: int) -> None:
            if done == 4:
                found = other.recall("lost invoice", policy="similarity").items[0]
                told.append((found.record.content, found.by.get("vectors"), other.remember("Said meanwhile").op))

        memory.reembed(model, batch=4, progress=step)
        assert told == [("The invoice is lost", None, "ADD")]
        assert by_vectors(other, "lost invoice") == by_vectors(memory, "lost invoice")
        vector = np.roll(Lexical(32).embed_query("Said meanwhile"), 1)
        assert held(memory)["Said meanwhile"] == pytest.approx(vector, abs=1e-6)


def test_a_model_that_changes_during_the_move_is_not_switched_to(path: str, embeddings: Server) -> None:
    model = f"openai:words@{embeddings.url}"

    def step(done: int, total: int) -> None:
        embeddings.version = 1

    with Memory(path) as memory:
        with pytest.raises(BadValue, match="probe text differently"):
            memory.reembed(model, batch=4, progress=step)
        assert whole(memory, "lexical") or memory.stats()["embedder"] == "lexical"
        assert memory.reembed(model).embedded == 12  # from the beginning
        assert held(memory)[TEXTS[0]] == pytest.approx(np.roll(Lexical(32).embed_query(TEXTS[0]), 1), abs=1e-6)


def test_a_lexical_embedder_that_computes_something_else_since_an_upgrade_is_noticed(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wayfare.memory.embedding.lexical.PIECES", 0.1)
    with Memory(path) as memory:
        with pytest.raises(BadValue, match="reembed"):
            memory.recall("lost invoice")
        memory.reembed("lexical")
        assert by_vectors(memory, "lost invoice") and whole(memory, "lexical")
