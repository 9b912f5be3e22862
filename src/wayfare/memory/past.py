"""What a memory would have recalled at an earlier time: an audit, not a working recall.

The index knows the present alone, so the records are read as they stood then (`versions`), their words are indexed on
the spot and ranked by BM25. Nothing is drawn, nothing is logged, links and vectors have no part; a second for some
20,000 short texts. What has been purged since cannot be found, at any time.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from wayfare.memory.candidates import Filters
from wayfare.memory.index.queries import query_words
from wayfare.memory.index.tokens import tokens
from wayfare.memory.index.words import Corpus, Occurrences, ceiling, search
from wayfare.memory.opening import Ground
from wayfare.memory.records import Record
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from, record_from_body

__all__ = ["as_they_stood", "recalled_then"]


def as_they_stood(tx: Transaction, ns: int, namespace: str, time: float) -> list[Record]:
    """The active records of a namespace at a time, oldest first."""
    found = []
    rows = tx.execute(
        f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND created_at <= ? ORDER BY record", (ns, time)
    ).fetchall()
    for row in rows:
        record: Record | None = record_from(row, namespace)
        assert record is not None
        if record.updated_at > time:
            earlier = tx.execute(
                "SELECT body, checksum FROM versions WHERE ns = ? AND id = ? AND superseded_at > ? "
                "ORDER BY version LIMIT 1",
                (ns, record.id, time),
            ).fetchone()
            record = None if earlier is None or not earlier[0] else record_from_body(earlier[0], earlier[1], namespace)
        if record is not None and record.status == "active" and record.updated_at <= time:
            found.append(record)
    return found


def recalled_then(tx: Transaction, ground: Ground, query: str, filters: Filters, k: int) -> list[tuple[Record, float]]:
    """The best k of then, with relevance in [0, 1], best first."""
    time = filters.as_of
    assert time is not None
    records = [
        record
        for path in (ground.namespace, *ground.also_read)
        if (ns := tx.namespace(path)) is not None
        for record in as_they_stood(tx, ns, path, time)
        if _passes(record, filters, time)
    ]
    if not records:
        return []
    counts = query_words(query)
    texts = [Counter(tokens(record.content)) for record in records]
    lengths = np.array([words.total() for words in texts], np.int32)
    n = len(records)
    corpus = Corpus(np.arange(n), lengths, np.ones(n, np.bool_), n, max(1, int(lengths.sum())))
    occurrences = []
    for word, count in counts.items():
        places = [i for i, words in enumerate(texts) if word in words]
        if places:
            times = np.array([min(255, texts[i][word]) for i in places], np.uint8)
            occurrences.append(Occurrences(count, np.array(places, np.int32), times))
    found, scores = search(occurrences, corpus, k)
    top = ceiling(occurrences, corpus) or 1.0
    return [(records[i], min(1.0, float(score) / top)) for i, score in zip(found.tolist(), scores, strict=True)]


def _passes(record: Record, filters: Filters, time: float) -> bool:
    begin = record.event_from if record.event_from is not None else record.created_at
    end = record.event_to if record.event_to is not None else begin
    return (
        (filters.kinds is None or record.kind in filters.kinds)
        and (filters.tags is None or not set(filters.tags).isdisjoint(record.tags))
        and (filters.since is None or end >= filters.since)
        and (filters.until is None or begin <= filters.until)
        and (record.valid_from is None or record.valid_from <= time)
        and (record.valid_to is None or time < record.valid_to)
    )
