"""Conversations: what a turn is indexed under, and what its session adds when turns are ranked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory import Memory, Turn
from wayfare.memory.candidates import MODEL_WEIGHTS, WEIGHTS, checked_weights, weights_for
from wayfare.memory.dialogue import drafts
from wayfare.memory.index.fusion import Fused
from wayfare.memory.sessions import ASKED, BRIEF, Sessions

DAY = 1_683_554_160.0  # Monday 8 May 2023


def ranked(numbers: list[int], relevance: list[float]) -> Fused:
    values = np.array(relevance)
    return Fused(np.array(numbers), values, {"words": values})


def test_a_window_holds_the_turn_what_was_said_around_and_the_date_in_words() -> None:
    turns = [
        Turn(name, text, DAY, "1") for name, text in zip("ABABA", ["one", "two", "three", "four", "five"], strict=True)
    ]
    contexts = [draft.context for draft in drafts(turns)]
    assert contexts[2] == "one\ntwo\nA: three\nfour\nMonday 8 May 2023"
    assert contexts[0] == "A: one\ntwo\nMonday 8 May 2023"
    assert contexts[4] == "three\nfour\nA: five\nMonday 8 May 2023"


def test_a_window_ends_where_the_session_ends() -> None:
    turns = [Turn("A", "one", None, "1"), Turn("B", "two", None, "2"), Turn("A", "three", None, "2")]
    assert [draft.context for draft in drafts(turns)] == [
        "A: one",
        "B: two\nthree",
        "two\nA: three",
    ]


def test_each_turn_has_its_share_from_the_best_of_its_session() -> None:
    found = Sessions({1: "x", 2: "y", 3: "x"}).shared(ranked([1, 2, 3], [0.8, 0.5, 0.4]), 0.5)
    assert found.records.tolist() == [1, 3, 2]
    np.testing.assert_allclose(found.relevance, [0.8, 0.6, 0.5])
    assert found.by["sessions"].tolist() == [0.8, 0.8, 0.5] and found.by["words"].tolist() == [0.8, 0.4, 0.5]


def test_a_memory_without_a_session_neither_gains_nor_loses() -> None:
    found = Sessions({1: "x", 2: "x"}).shared(ranked([1, 9, 2], [0.8, 0.6, 0.3]), 0.3)
    relevance = dict(zip(found.records.tolist(), found.relevance.tolist(), strict=True))
    assert relevance[9] == pytest.approx(0.6) and relevance[1] == pytest.approx(0.8)
    assert relevance[2] == pytest.approx(0.7 * 0.3 + 0.3 * 0.8)
    assert found.by["sessions"].tolist()[found.records.tolist().index(9)] == 0.0


def talk(memory: Memory) -> None:
    memory.remember_dialogue(
        [
            {"speaker": "Ann", "text": "My brother opened a bakery in Leeds.", "time": DAY, "session": "1"},
            {"speaker": "Bob", "text": "Which bread is best at the bakery in Leeds?", "time": DAY, "session": "1"},
            {"speaker": "Ann", "text": "The rye with walnuts, people queue for it.", "time": DAY, "session": "1"},
            {"speaker": "Bob", "text": "Nice!", "time": DAY, "session": "1"},
            {"speaker": "Bob", "text": "I eat rye in the office.", "time": DAY + 1e6, "session": "2"},
        ]
    )


def test_the_session_lifts_what_was_said_where_it_was_talked_about(address) -> None:
    with Memory(address) as memory:
        talk(memory)
        shown = {
            item.record.content: item for item in memory.recall("the bakery in Leeds, rye", k=5, policy="similarity")
        }
    rye = "Ann: The rye with walnuts, people queue for it."
    assert shown[rye].by["sessions"] == pytest.approx(max(item.by["sessions"] for item in shown.values()))
    assert shown[rye].relevance > shown["Bob: I eat rye in the office."].relevance


def test_a_turn_that_asks_and_one_that_says_little_count_less(address) -> None:
    with Memory(address, embedder="none") as memory:
        talk(memory)
        with_talk = {i.record.content: i.by["words"] for i in memory.recall("bakery Leeds", k=5, policy="similarity")}
        memory._recaller.weights = checked_weights({"sessions": 0.0})
        bare = {i.record.content: i.by["words"] for i in memory.recall("bakery Leeds", k=5, policy="similarity")}
    asked = "Bob: Which bread is best at the bakery in Leeds?"
    told = "Ann: My brother opened a bakery in Leeds."
    for text, counts in ((asked, ASKED), (told, 1.0)):
        assert with_talk[text] == pytest.approx(bare[text] * counts * len(text) / (len(text) + BRIEF))


def test_where_there_is_no_session_nothing_changes(new_address) -> None:
    told = []
    for weights in (None, {"sessions": 0.0}):
        with Memory(new_address(), weights=weights) as memory:
            memory.remember_many(["Is the printer on?", "The printer is on floor two", "Ok"])
            shown = memory.recall("printer", k=3, policy="similarity")
            told.append([(item.record.content, item.relevance, item.by) for item in shown])
    assert told[0] == told[1] and "sessions" not in told[0][0][2]


def test_weights_leave_a_search_out(address) -> None:
    with Memory(address) as memory:
        memory.remember_many(["printer maintenance", "printers were maintained", "walnut bread"])
    for weights, channels in (
        ({"words": 0.0}, {"vectors"}),
        ({"vectors": 0.0}, {"words"}),
        (None, {"words", "vectors"}),
    ):
        with Memory(address, weights=weights) as memory:
            shown = memory.recall("printer maintenance", k=1, policy="similarity")
            assert set(shown.items[0].by) == channels


class Fruit:
    """An embedder that knows one thing."""

    model, dimension = "fruit", 2

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self.embed_query(text) for text in texts], np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return np.array([1, 0] if "apple" in text or "fruit" in text else [0, 1], np.float32)


def test_weights_change_the_order(new_address) -> None:
    orders = []
    for weights in ({"words": 0.8, "vectors": 0.2}, {"words": 0.2, "vectors": 0.8}):
        with Memory(new_address(), embedder=Fruit(), weights=weights) as memory:
            memory.remember_many(["salad from the market", "an apple a day"])
            shown = memory.recall("fruit salad from the market", k=1, policy="similarity")
            orders.append(shown.items[0].record.content)
    assert orders == ["salad from the market", "an apple a day"]


@pytest.mark.parametrize(
    "weights",
    [
        {"word": 1.0}, {"words": -1.0}, {"words": float("nan")}, {"words": float("inf")}, {"words": True},
        {"words": "1"}, {"sessions": 1.0}, {"dates": 1.5}, {"words": 0.0, "vectors": 0.0}, [0.7, 0.3],
    ],
)  # fmt: skip
def test_weights_that_make_no_sense_are_refused_before_a_file_is_made(weights, store, address) -> None:
    with pytest.raises(BadValue, match="weights"):
        Memory(address, weights=weights)
    assert store.untouched(address)


def test_weights_that_are_not_named_stay_as_they_are() -> None:
    assert weights_for(checked_weights(None), "lexical") == weights_for({}, None) == WEIGHTS
    assert weights_for(checked_weights({"vectors": 1}), "lexical:512") == {**WEIGHTS, "vectors": 1.0}
    assert weights_for({"links": 0.0}, "openai:m@http://x") == {**MODEL_WEIGHTS, "links": 0.0}


def test_a_models_vectors_count_as_much_as_words(address) -> None:
    with Memory(address, embedder=Fruit()) as memory:
        memory.remember_many(["salad from the market", "an apple a day"])
        items = memory.recall("fruit salad", k=2, policy="similarity").items
    assert {name for item in items for name in item.by} == {"words", "vectors"}
    for item in items:
        assert item.relevance == pytest.approx(0.5 * item.by.get("words", 0.0) + 0.5 * item.by.get("vectors", 0.0))
