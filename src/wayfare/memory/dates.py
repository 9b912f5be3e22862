"""The date that a query names, and which memories happened then: "what did we decide on 7 May 2023?"

Known are days and months of a named year: 7 May 2023 and May 7th, 2023, with or without `of`; 2023-05-07; May 2023.
Names are English, days are those of UTC, as the windows of `dialogue` write them. A memory that says when it happened
(`event`) and happened at another time counts less; one that does not say is left as it is. Where nothing that was found
happened then, the date is taken for a part of the text, and nothing changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.store.database import Transaction

__all__ = ["named", "outside"]

Whole = NDArray[np.int64]
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december")  # fmt: skip
_NAMES = "|".join([*MONTHS, *(name[:3] for name in MONTHS), "sept"])
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_MONTH = rf"(?P<month>{_NAMES})\.?,?"
_YEAR = r"(?P<year>[12]\d{3})"
_WRITTEN = tuple(
    re.compile(rf"\b{pattern}\b", re.IGNORECASE)
    for pattern in (
        rf"{_DAY}\s+(?:of\s+)?{_MONTH}\s+{_YEAR}",
        rf"{_MONTH}\s+{_DAY},?\s+{_YEAR}",
        rf"{_YEAR}-(?P<number>\d{{1,2}})-{_DAY}",
        rf"{_MONTH}\s+(?:of\s+)?{_YEAR}",
    )
)


def named(query: str) -> tuple[float, float] | None:
    """[from, to) of the day or month that a query names first, s since the epoch; None where it names none."""
    for pattern in _WRITTEN:
        for found in pattern.finditer(query):
            parts = found.groupdict()
            month = parts.get("number") or 1 + [name[:3] for name in MONTHS].index(parts["month"][:3].lower())
            with suppress(ValueError, OverflowError):  # the 31st of June
                begin = datetime(int(parts["year"]), int(month), int(parts.get("day") or 1), tzinfo=UTC)
                end = begin + timedelta(days=1 if parts.get("day") else 31)
                end = end if parts.get("day") else end.replace(day=1)
                return begin.timestamp(), end.timestamp()
    return None


def outside(tx: Transaction, span: tuple[float, float], found: Iterable[Whole]) -> frozenset[int]:
    """Of the records that searches found, [n] each, those that happened at another time; none where all did."""
    records = sorted({number for numbers in found for number in numbers.tolist()})
    dated: dict[int, bool] = {}
    for start in range(0, len(records), 500):
        part = records[start : start + 500]
        rows = tx.execute(
            "SELECT record, event_from, coalesce(event_to, event_from) FROM records"
            f" WHERE record IN ({', '.join('?' * len(part))}) AND event_from IS NOT NULL",
            part,
        )
        dated |= {number: begin < span[1] and end >= span[0] for number, begin, end in rows.fetchall()}
    if not any(dated.values()):
        return frozenset()
    return frozenset(number for number, then in dated.items() if not then)
