"""What a conversation knows about its turns, and a search for words does not.

    asked     a turn that ends in a question asks and does not tell: its scores count `ASKED` of what they are
    brief     a turn of n characters, few as in "Thanks!", is found by its window alone: it counts n / (n + BRIEF)
    session   the best turn of a session speaks for the others: what was talked about there comes before what merely
              shares words (score of a document and of its cluster: Kurland and Lee 2004)

A memory that belongs to no session stands for itself: its session is as relevant as it is, so that conversations
neither gain nor lose against other memories, and in a namespace without sessions nothing changes. Sessions are those
that `remember_dialogue` is told, as tags `session:NAME`; any memory may carry such a tag.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.index.fusion import Fused
from wayfare.memory.store.database import Transaction

__all__ = ["ASKED", "KIND", "SESSION", "Sessions", "sessions"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
KIND = "turn"
SESSION = "session:"
"""A tag begins so that names the session."""
_END = "session;"
"""The first text that comes after all of them."""
_ASKING = frozenset("?\uff1f\u061f")
ASKED = 0.7
BRIEF = 10.0
"""These two were chosen by `benchmarks/fusion.py`."""


@dataclass(frozen=True)
class Sessions:
    """Of some records. of: record -> its session        counts: record -> what its scores count, 1 where not named"""

    of: dict[int, str] = field(default_factory=dict)
    counts: dict[int, float] = field(default_factory=dict)

    def shared(self, found: Fused, share: float) -> Fused:
        """The ranking in which each record has this share of its relevance from the best of its session."""
        names: dict[str, list[int]] = {}
        for place, number in enumerate(found.records.tolist()):
            if number in self.of:
                names.setdefault(self.of[number], []).append(place)
        best, shown = found.relevance.copy(), np.zeros(len(found.records))
        for places in names.values():
            best[places] = shown[places] = found.relevance[places].max()
        relevance = (1 - share) * found.relevance + share * best
        order = np.lexsort((found.records, -relevance))
        by = {name: scores[order] for name, scores in {**found.by, "sessions": shown}.items()}
        return Fused(found.records[order], relevance[order], by)


def sessions(tx: Transaction, ns: int, found: Iterable[Whole]) -> Sessions | None:
    """What is known of the records that searches found, [n] each; None in a namespace without sessions."""
    row = tx.execute("SELECT 1 FROM tags WHERE ns = ? AND tag >= ? AND tag < ? LIMIT 1", (ns, SESSION, _END)).fetchone()
    if row is None:
        return None
    records = sorted({number for numbers in found for number in numbers.tolist()})
    of: dict[int, str] = {}
    counts: dict[int, float] = {}
    for start in range(0, len(records), 500):
        part = records[start : start + 500]
        chosen = f"record IN ({', '.join('?' * len(part))})"
        of |= tx.execute(
            f"SELECT record, tag FROM tags WHERE {chosen} AND tag >= ? AND tag < ? ORDER BY record, tag",
            (*part, SESSION, _END),
        ).fetchall()
        rows = tx.execute(
            "SELECT record, length(content), substr(rtrim(content), length(rtrim(content)), 1) FROM records"
            f" WHERE {chosen} AND kind = ?",
            (*part, KIND),
        )
        counts |= {
            number: length / (length + BRIEF) * (ASKED if last in _ASKING else 1.0)
            for number, length, last in rows.fetchall()
        }
    return Sessions(of, counts)
