from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Shelf

NUMBERS = count()
Make = Callable[..., Shelf]
moment = st.one_of(st.none(), st.integers(0, 10).map(float))


def passes(row: dict[str, Any], filters: dict[str, Any]) -> bool:
    """What the docstring of `NamespaceCache.mask` says, for one record."""
    if filters.get("kinds") is not None and row["kind"] not in filters["kinds"]:
        return False
    if filters.get("tags") is not None and not set(row["tags"]) & set(filters["tags"]):
        return False
    begin = row["event_from"] if row["event_from"] is not None else row["created_at"]
    end = row["event_to"] if row["event_to"] is not None else begin
    if filters.get("since") is not None and end < filters["since"]:
        return False
    if filters.get("until") is not None and begin > filters["until"]:
        return False
    at = filters.get("at")
    if at is None:
        return True
    return (row["valid_from"] is None or row["valid_from"] <= at) and (row["valid_to"] is None or at < row["valid_to"])


rows = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["fact", "event", "skill"]),
            "tags": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
            "created_at": st.integers(0, 10).map(float),
            "event": st.one_of(st.none(), st.tuples(st.integers(0, 10), st.integers(0, 3))),
            "valid": st.one_of(st.none(), st.tuples(moment, moment)),
        }
    ),
    max_size=14,
)
filters = st.fixed_dictionaries(
    {
        "kinds": st.one_of(st.none(), st.lists(st.sampled_from(["fact", "event", "never"]), max_size=2)),
        "tags": st.one_of(st.none(), st.lists(st.sampled_from("abz"), max_size=2)),
        "since": moment,
        "until": moment,
        "at": moment,
    }
)


def flat(row: dict[str, Any]) -> dict[str, Any]:
    event, valid = row["event"], row["valid"]
    begin, end = valid or (None, None)
    if begin is not None and end is not None and begin > end:
        begin, end = end, begin
    return {
        "kind": row["kind"], "tags": row["tags"], "created_at": row["created_at"],
        "event_from": None if event is None else float(event[0]),
        "event_to": None if event is None else float(sum(event)),
        "valid_from": begin, "valid_to": end,
    }  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.lists(filters, min_size=1, max_size=4), st.data())
def test_masks_say_what_a_loop_over_the_records_says_before_and_after_changes(
    database: Any,
    drawn: list[dict[str, Any]],
    asked: list[dict[str, Any]],
    data: st.DataObject,
) -> None:
    made = Shelf(database, f"n{next(NUMBERS)}")
    stored: dict[int, dict[str, Any]] = {}
    owners: list[int] = []

    def check() -> None:
        for each in asked:
            mask = made.cache.mask(**each)
            expected = [passes(stored[number], each) for number in owners]
            assert (mask.tolist() if mask is not None else [True] * len(owners)) == expected

    check()
    for i, row in enumerate(drawn):
        with made.database.write() as tx:
            number = made.put(tx, f"text {i}", [("intent", "more")] if i % 2 else (), **flat(row))
        stored[number] = flat(row)
        owners += [number] * (2 if i % 2 else 1)
        if i % 3 == 0:
            check()
    if stored:
        number = data.draw(st.sampled_from(sorted(stored)))
        row = flat(data.draw(rows.filter(bool))[0])
        with made.database.write() as tx:
            columns = ("kind", "event_from", "event_to", "valid_from", "valid_to", "created_at")
            for name in columns:
                tx.execute(f"UPDATE records SET {name} = ? WHERE record = ?", (row[name], number))
            tx.execute("DELETE FROM tags WHERE record = ?", (number,))
            for tag in row["tags"]:
                tx.execute("INSERT INTO tags VALUES (?, ?, ?)", (made.ns, tag, number))
            made.log(tx, "UPDATE", number)
        stored[number] = row
    check()


def test_only_what_passes_is_found(shelf: Make) -> None:
    made = shelf(dimension=2)
    with made.database.write() as tx:
        a = made.put(tx, "red fish", tags=["x"], vector=[1, 0])
        b = made.put(tx, "red fish two", tags=["y"], vector=[1, 0])
        made.put(tx, "red fish three", vector=[1, 0])
    mask = made.cache.mask(tags=["x", "y"])
    assert set(made.cache.words("red", 9, mask)[0].tolist()) == {a, b}
    assert set(made.cache.nearest(np.array([1.0, 0]), 9, mask)[0].tolist()) == {a, b}
    assert made.cache.words("red", 9, made.cache.mask(tags=["x"]))[0].tolist() == [a]
    assert len(made.cache.words("red", 9, made.cache.mask(tags=[]))[0]) == 0
    assert made.cache.mask() is None


def test_a_filter_changes_no_score(shelf: Make) -> None:
    made = shelf()
    with made.database.write() as tx:
        for i in range(9):
            made.put(tx, "red " * (i + 1) + "fish", tags=["x"] if i % 2 else [])
    everything = dict(zip(*(part.tolist() for part in made.cache.words("red", 9)), strict=True))
    for number, score in zip(
        *(part.tolist() for part in made.cache.words("red", 9, made.cache.mask(tags=["x"]))), strict=True
    ):
        assert everything[number] == score


def test_an_entry_that_came_after_the_mask_does_not_pass(shelf: Make) -> None:
    made = shelf()
    with made.database.write() as tx:
        a = made.put(tx, "red fish", kind="fact")
    mask = made.cache.mask(kinds=["fact"])
    with made.database.write() as tx:
        made.put(tx, "red fish two", kind="fact")
    assert made.cache.words("red", 9, mask)[0].tolist() == [a]


def test_a_tag_of_another_namespace_lets_nothing_pass(shelf: Make) -> None:
    first, second = shelf("a"), shelf("b")
    with first.database.write() as tx:
        first.put(tx, "red fish", tags=["mine"])
    with second.database.write() as tx:
        second.put(tx, "red fish", tags=["yours"])
    mask = first.cache.mask(tags=["yours"])
    assert mask is not None and not mask.any()
