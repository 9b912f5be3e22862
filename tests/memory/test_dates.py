"""The date that a query names, and what happened then."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wayfare.memory import Memory
from wayfare.memory.dates import named


def at(year: int, month: int, day: int = 1) -> float:
    return datetime(year, month, day, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("query", "begin", "end"),
    [
        ("what happened on 7 May 2023?", at(2023, 5, 7), at(2023, 5, 8)),
        ("on May 7th, 2023 we met", at(2023, 5, 7), at(2023, 5, 8)),
        ("the 1st of June, 2022", at(2022, 6, 1), at(2022, 6, 2)),
        ("log of 2023-12-31", at(2023, 12, 31), at(2024, 1, 1)),
        ("in DECEMBER 2023", at(2023, 12), at(2024, 1)),
        ("February 2024", at(2024, 2), at(2024, 3)),
        ("in Sept. of 2022", at(2022, 9), at(2022, 10)),
        ("between May 2023 and June 2023", at(2023, 5), at(2023, 6)),
    ],
)
def test_a_day_or_month_of_a_year_is_understood(query: str, begin: float, end: float) -> None:
    assert named(query) == (begin, end)


@pytest.mark.parametrize(
    "query", ["", "in May", "in 2023", "99 May", "2023-13-01", "version 2023.5.1", "marching 2023"]
)
def test_anything_else_is_no_date(query: str) -> None:
    assert named(query) is None


def found(memory: Memory, query: str) -> list[str]:
    return [item.record.content for item in memory.recall(query, k=3, policy="similarity")]


def test_what_happened_at_the_time_comes_before_what_happened_at_another(address) -> None:
    with Memory(address) as memory:
        memory.remember("the team chose a vendor for the parts", event=at(2023, 1, 9))
        memory.remember("the team chose a vendor for parts and for tools", event=at(2023, 5, 9))
        assert found(memory, "which vendor for the parts did the team choose")[0].endswith("the parts")
        assert found(memory, "which vendor for the parts did the team choose in May 2023")[0].endswith("tools")
    with Memory(address, weights={"dates": 0.0}) as memory:
        assert found(memory, "which vendor for the parts did the team choose in May 2023")[0].endswith("the parts")


def test_an_event_that_lasts_through_the_time_belongs_to_it(address) -> None:
    with Memory(address) as memory:
        memory.remember("the team chose a vendor for the parts", event=at(2023, 1, 9))
        memory.remember("the team chose a vendor for parts and for tools", event=(at(2023, 4, 1), at(2023, 8, 1)))
        assert found(memory, "which vendor for the parts in May 2023")[0].endswith("tools")


def test_a_date_at_which_nothing_happened_changes_nothing(address) -> None:
    with Memory(address) as memory:
        memory.remember("the vendor of the parts", event=at(2023, 1, 9))
        memory.remember("the format of invoices for May 2024")
        for query in ("vendor of parts in May 2024", "format of invoices, May 2024"):
            with_dates = [item.relevance for item in memory.recall(query, policy="similarity")]
            memory._recaller.weights = {**memory._recaller.weights, "dates": 0.0}
            assert [item.relevance for item in memory.recall(query, policy="similarity")] == with_dates
            memory._recaller.weights = {**memory._recaller.weights, "dates": 0.3}
