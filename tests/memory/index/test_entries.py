from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue, Damaged, StoreError
from wayfare.memory.index import entries
from wayfare.memory.index.following import Followed
from wayfare.memory.index.tokens import tokens
from wayfare.memory.store import blocks

from .conftest import Shelf

NUMBERS = count()
Make = Callable[..., Shelf]


def packed(made: Shelf) -> dict[str, dict[int, int]]:
    """word -> ordinal -> times, out of the file."""
    found: dict[str, dict[int, int]] = {}
    with made.database.read() as tx:
        for term, data in tx.execute("SELECT term, data FROM postings WHERE ns = ?", (made.ns,)).fetchall():
            posting = np.frombuffer(data, entries.POSTING)
            held = found.setdefault(term, {})
            assert len(posting) and not set(posting["ordinal"].tolist()) & set(held)
            held.update(zip(posting["ordinal"].tolist(), posting["times"].tolist(), strict=True))
    return found


def segments(made: Shelf) -> list[tuple[int, int]]:
    with made.database.read() as tx:
        return tx.execute("SELECT first, last FROM segments WHERE ns = ? ORDER BY first", (made.ns,)).fetchall()


def test_entries_are_numbered_in_order_and_a_boundary_is_packed_when_it_is_passed(
    shelf: Make, small_segments: None
) -> None:
    made = shelf()
    for i in range(8):
        assert segments(made) == []
        with made.database.write() as tx:
            made.put(tx, f"red red fish {i}")
    assert segments(made) == [(0, 7)]
    assert packed(made)["red"] == dict.fromkeys(range(8), 2)
    assert packed(made)["3"] == {3: 1}


def test_segments_of_one_size_become_one_of_the_next_up_to_the_largest(shelf: Make, small_segments: None) -> None:
    made = shelf()
    seen = []
    for i in range(137):
        with made.database.write() as tx:
            made.put(tx, f"fish number {i}", [("intent", "about fish")] if i % 3 == 0 else ())
        seen.append(segments(made))
    assert [(0, 15)] in seen and [(0, 31)] in seen
    with made.database.read() as tx:
        count = tx.execute("SELECT entries FROM namespaces WHERE ns = ?", (made.ns,)).fetchone()[0]
        rows = tx.execute(
            "SELECT ordinal, record, role, length FROM entries WHERE ns = ? ORDER BY ordinal", (made.ns,)
        ).fetchall()
        kept = tx.execute("SELECT first, last, roles, data FROM segments WHERE ns = ?", (made.ns,)).fetchall()
    final = segments(made)
    assert [row[0] for row in rows] == list(range(count))
    assert final[0] == (0, 63) and final[1] == (64, 127)
    assert final[-1][1] == count // 8 * 8 - 1
    for first, last, roles, data in kept:
        part = np.frombuffer(data, entries.ENTRY)
        names = json.loads(roles)
        assert [(r, names[role], length) for r, length, role in part.tolist()] == [
            row[1:] for row in rows[first : last + 1]
        ]


def test_postings_count_what_a_loop_over_the_texts_counts(shelf: Make, small_segments: None) -> None:
    made = shelf()
    texts = []
    with made.database.write() as tx:
        for i in range(40):
            texts.append(f"fish {'tank ' * (i % 5)} water {i % 7}")
            made.put(tx, texts[-1])
    expected: dict[str, dict[int, int]] = {}
    for ordinal, text in enumerate(texts):
        for word, times in Counter(tokens(text)).items():
            expected.setdefault(word, {})[ordinal] = times
    assert packed(made) == expected


def test_a_word_counts_at_most_255_times(shelf: Make, small_segments: None) -> None:
    made = shelf()
    with made.database.write() as tx:
        for _ in range(8):
            made.put(tx, "echo " * 300)
    assert set(packed(made)["echo"].values()) == {255}


def test_an_entry_that_died_before_it_was_packed_has_no_postings(shelf: Make, small_segments: None) -> None:
    made = shelf()
    with made.database.write() as tx:
        gone = made.put(tx, "vanishing word")
        made.drop(tx, gone)
        for _ in range(9):
            made.put(tx, "plain")
    assert "vanish" not in packed(made) and "word" not in packed(made)
    made.agrees("vanishing plain", 20)


def test_many_records_at_once_are_what_one_after_the_other_are(shelf: Make, small_segments: None) -> None:
    first, second = shelf("a", 3), shelf("b", 3)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 3)).astype(np.float32)
    with first.database.write() as tx:
        for i in range(30):
            entries.add(tx, first.ns, i, [("content", f"fish {i}", f"fish {i}")], [vectors[i]], first.space)
    with second.database.write() as tx:
        items = [(i, [("content", f"fish {i}", f"fish {i}")], [vectors[i]]) for i in range(30)]
        assert entries.add_many(tx, second.ns, items, second.space) == range(0, 30)
        assert entries.add_many(tx, second.ns, [], second.space) == range(0)
        assert entries.add(tx, second.ns, 77, [], [], second.space) == range(0)
    assert packed(first) == packed(second)
    assert segments(first) == segments(second)
    for made in (first, second):
        np.testing.assert_array_equal(stored(made, 30), vectors)


def stored(made: Shelf, n: int) -> np.ndarray:
    """[n, D] the vectors of the first entries; zeros where there is none."""
    assert made.space is not None
    found = np.zeros((n, 3), np.float32)
    with made.database.read() as tx:
        for first, rows in tx.vectors.between(made.ns, made.space, 3, 0, n):
            found[first : first + len(rows)] = rows
    return found


def test_vectors_lie_where_their_ordinal_says(shelf: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 5 * 4 * 3)
    made = shelf("a", 3)
    rng = np.random.default_rng(0)
    expected = np.zeros((20, 3), np.float32)
    with made.database.write() as tx:
        for ordinals in ([0, 1, 2, 7], [3, 4, 5, 19], [11], [1]):
            rows = rng.standard_normal((len(ordinals), 3)).astype(np.float32)
            expected[ordinals] = rows
            tx.vectors.write(made.ns, made.space or 0, list(zip(ordinals, rows, strict=True)))
    np.testing.assert_array_equal(stored(made, 20), expected)
    with made.database.read() as tx:
        assert tx.vectors.one(made.ns, made.space or 0, 6) is None
        np.testing.assert_array_equal(tx.vectors.one(made.ns, made.space or 0, 19), expected[19])


def test_vectors_of_another_length_or_not_finite_are_refused(shelf: Make) -> None:
    made = shelf("a", 3)
    with made.database.write() as tx:
        for bad in (
            [np.ones(3), np.ones(2)],
            [np.array([1, np.nan, 0])],
            [np.array([np.inf, 0, 0])],
            [np.ones((1, 3))],
        ):
            with pytest.raises(BadValue):
                tx.vectors.write(made.ns, made.space or 0, list(enumerate(bad)))
        with pytest.raises(BadValue, match="one for each"):
            entries.add(tx, made.ns, 1, [("content", None, "x")], [np.ones(3), np.ones(3)], made.space)
        with pytest.raises(BadValue, match="space"):
            entries.add(tx, made.ns, 1, [("content", None, "x")], [np.ones(3, np.float32)], None)
        with pytest.raises(BadValue, match="ns"):
            entries.add(tx, 99, 1, [("content", None, "x")])


def test_a_namespace_that_lacks_entries_is_called_damaged(shelf: Make, small_segments: None) -> None:
    made = shelf()
    with made.database.write() as tx:
        for i in range(5):
            made.put(tx, f"fish {i}")
        tx.execute("DELETE FROM entries WHERE ns = ? AND ordinal = 2", (made.ns,))
    with pytest.raises(Damaged, match="lacks entries"):
        made.cache.words("fish", 3)
    with pytest.raises(Damaged, match="lacks entries"), made.database.write() as tx:
        for i in range(5):
            made.put(tx, f"fish {i}")


def test_cut_and_disordered_index_rows_are_called_damaged(shelf: Make, small_segments: None) -> None:
    made = shelf("a", 4)
    with made.database.write() as tx:
        for i in range(16):
            made.put(tx, f"fish {i % 3}", vector=np.ones(4))
    with made.database.read() as tx:
        (fish,) = tx.execute("SELECT data FROM postings WHERE term = 'fish'").fetchone()
    for statement, value, match in (
        ("UPDATE postings SET data = ? WHERE term = 'fish'", fish[:7], "cut"),
        ("UPDATE postings SET data = ? WHERE term = 'fish'", fish[5:10] + fish[:5], "out of order"),
        ("UPDATE postings SET data = ? WHERE term = 'fish'", bytes(5), "out of order"),
        ("UPDATE segments SET data = substr(data, 1, ?)", 40, "do not follow"),
        ("UPDATE segments SET roles = ?", "[]", "no role"),
        ("UPDATE segments SET first = first + ?", 1, "do not follow"),
    ):
        with pytest.raises(_Undone), made.database.write() as tx:
            tx.execute(statement, (value,))
            known = Followed(made.ns)
            with pytest.raises(Damaged, match=match):
                known.refresh(tx)
                known.occurrences(tx, {"fish": 1})
                known.space(tx)
            raise _Undone


class _Undone(StoreError):
    pass


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
@pytest.mark.usefixtures("small_segments")
def test_however_entries_come_in_batches_the_postings_are_the_same(database: Any, sizes: list[int]) -> None:
    made = Shelf(database, f"n{next(NUMBERS)}")
    texts = [f"w{i % 5} w{i % 11}" for i in range(sum(sizes))]
    start = 0
    with made.database.write() as tx:
        for size in sizes:
            items = [(i, [("content", texts[i], texts[i])], []) for i in range(start, start + size)]
            entries.add_many(tx, made.ns, items)
            start += size
    full = len(texts) // 8 * 8
    expected: dict[str, dict[int, int]] = {}
    for ordinal, text in enumerate(texts[:full]):
        for word, times in Counter(tokens(text)).items():
            expected.setdefault(word, {})[ordinal] = times
    assert packed(made) == expected
    spans = segments(made)
    assert [first for first, _ in spans] == [0, *(last + 1 for _, last in spans[:-1])] if spans else full == 0
