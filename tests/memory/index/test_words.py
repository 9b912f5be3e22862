from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.memory.stores import opened
from wayfare.memory.index import words
from wayfare.memory.index.words import Corpus, Occurrences, search

from .conftest import Shelf

NUMBERS = count()
WORDS = ["reset", "password", "cache", "login", "user", "the", "a", "token", "flush", "disk"]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)


def zipf(rng: np.random.Generator, n: int, length: int, vocabulary: int) -> list[str]:
    p = 1 / np.arange(1, vocabulary + 1)
    drawn = rng.choice(vocabulary, (n, length), p=p / p.sum())
    return [" ".join(f"w{word}" for word in row) for row in drawn]


def test_scores_are_those_of_a_textbook_loop_whether_entries_are_packed_or_not(
    shelf: Callable[..., Shelf], small_segments: None
) -> None:
    rng = np.random.default_rng(0)
    made = shelf()
    queries = zipf(rng, 4, 5, 30)
    for text in zipf(rng, 70, 9, 30):
        with made.database.write() as tx:
            made.put(tx, text, [("intent", text[: len(text) // 2])])
        if made.count % 10 == 3:
            for query in queries:
                made.agrees(query, 5)
    for query in queries:
        made.agrees(query, 1)
        made.agrees(query, 200)
        made.agrees(query, 6, {"intent": 0.5})
        made.agrees(query, 6, {"content": 0.25, "intent": 3.0})


def test_a_corpus_with_pruning_is_ranked_as_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    n, vocabulary = 4_000, 300
    p = 1 / np.arange(1, vocabulary + 1)
    drawn = rng.choice(vocabulary, (n, 15), p=p / p.sum())
    alive = rng.random(n) < 0.9
    lengths = np.full(n, 15, np.int32)
    weights = rng.choice([0.5, 1.0, 2.0], n)
    for weighted in (None, weights):
        corpus = Corpus(np.arange(n) // 2, lengths, alive, int(alive.sum()), int(15 * alive.sum()), weighted)
        for trial in range(20):
            found = []
            for word in set(rng.choice(vocabulary, 8, p=p / p.sum()).tolist()):
                times = (drawn == word).sum(axis=1)
                held = np.flatnonzero(times)
                found.append(Occurrences(1 + trial % 2, held.astype(np.int32), times[held].astype(np.uint8)))
            allowed = alive & (rng.random(n) < 0.3) if trial % 3 == 0 else None
            monkeypatch.setattr(words, "PRUNED", 10)
            quick = search(found, corpus, 10, allowed)
            monkeypatch.setattr(words, "PRUNED", 10**9)
            slow = search(found, corpus, 10, allowed)
            np.testing.assert_array_equal(quick[0], slow[0])
            np.testing.assert_array_equal(quick[1], slow[1])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4), TEXTS, st.integers(0, 30)), max_size=40), TEXTS)
def test_any_life_of_a_namespace_ends_in_the_scores_of_what_lives(
    shared_address: str,
    database: Any,
    small_segments: None,
    life: list[tuple[int, str, int]],
    query: str,
) -> None:
    path = f"n{next(NUMBERS)}"
    made = Shelf(database, path)
    numbers: list[int] = []
    for i, (what, text, which) in enumerate(life):
        with made.database.write() as tx:
            living = [number for number in numbers if number in made.texts]
            number = living[which % len(living)] if living else None
            if what <= 1 or number is None:
                numbers.append(made.put(tx, f"{text} n{i}"))
            elif what == 2:
                made.drop(tx, number)
            elif what == 3:
                made.rewrite(tx, number, f"{text} r{i}")
            else:
                made.scrub(tx, number)
        if i % 7 == 0:
            made.agrees(query, 3)
    made.agrees(query, 4)
    fresh = opened(shared_address)
    again = Shelf.__new__(Shelf)
    again.__dict__.update(made.__dict__, database=fresh.bound(path))
    again.agrees(query, 4)
    for each in (again.database, fresh):
        each.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=1, max_size=12), st.lists(TEXTS, max_size=12), TEXTS)
def test_what_another_namespace_holds_changes_no_score(
    database: Any, small_segments: None, mine: list[str], others: list[str], query: str
) -> None:
    answers = []
    for with_others in (False, True):
        path = f"org{next(NUMBERS)}/a"
        first, second = Shelf(database, path), Shelf(database, f"{path}/b")
        for i in range(12):
            if with_others and i < len(others):
                with second.database.write() as tx:
                    second.put(tx, f"{others[i]} {i}")
            if i < len(mine):
                with first.database.write() as tx:
                    first.put(tx, f"{mine[i]} {i}")
        records, scores = first.cache.words(query, 5)
        order = sorted(first.texts)
        answers.append(([order.index(number) for number in records.tolist()], scores.tolist()))
        assert set(second.cache.words(query, 5)[0].tolist()) <= set(second.texts)
    assert answers[0] == answers[1]


def test_calibrated_scores_are_shares_of_what_the_query_asks(shelf: Callable[..., Shelf]) -> None:
    made = shelf()
    with made.database.write() as tx:
        number = made.put(tx, "the printer on floor two jams when it is humid")
        made.put(tx, "payroll runs every second friday of the month")
    records, scores = made.cache.words("printer jams", 5, calibrated=True)
    assert records.tolist() == [number] and scores[0] > 0.9
    _, less = made.cache.words("printer zebra giraffe", 5, calibrated=True)
    assert less[0] < 0.4
    assert len(made.cache.words("zebra", 5, calibrated=True)[0]) == 0


def test_a_purged_word_is_nowhere_in_the_index(shelf: Callable[..., Shelf], small_segments: None) -> None:
    made = shelf()
    with made.database.write() as tx:
        secret = made.put(tx, "hunter2secretword plain text", [("intent", "anotherhiddenkey plain")])
        made.rewrite(tx, secret, "laterversionword plain")
        for i in range(30):
            made.put(tx, f"plain text {i}")
        made.scrub(tx, secret)
    with made.database.read() as tx:
        terms = {term for (term,) in tx.execute("SELECT term FROM postings").fetchall()}
        texts = {text for (text,) in tx.execute("SELECT text FROM entries WHERE record = ?", (secret,)).fetchall()}
    assert "plain" in terms and not {term for term in terms if "hunter" in term or "hidden" in term or "later" in term}
    assert texts == {""}
    made.agrees("plain hunter2secretword", 5)
