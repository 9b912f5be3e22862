"""Documents found: under a key, under a prefix, or ranked by what a question asks for.

Everything is read in the transaction of the caller, so that one batch sees one state of the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from wayfare.dropins.documents import STATUSES, Document, document_of, under_tag
from wayfare.dropins.matching import passes
from wayfare.memory import Memory
from wayfare.memory.candidates import Filters, ranking, weights_for
from wayfare.memory.embedding.served import Asked
from wayfare.memory.records import Record
from wayfare.memory.store.database import Transaction

__all__ = ["Scored", "Wanted", "ranked", "records_at"]

PAGE = 500
Scored = tuple[Document, float | None]


@dataclass(frozen=True)
class Wanted:
    """Which documents. filter: as `matching` reads it        alive: only those that live beyond this time"""

    prefix: tuple[str, ...]
    filter: Mapping[str, Any]
    limit: int
    offset: int
    alive: float | None = None

    def of(self, record: Record) -> Document | None:
        """The document of a record, where it is wanted."""
        document = document_of(record)
        if document is None or not passes(document.value, self.filter):
            return None
        return document if document.lives(self.alive) else None


def records_at(memory: Memory, tags: Iterable[str]) -> dict[str, Record]:
    """The records of the documents with these tags, each a `key_tag`, by tag."""
    found = {}
    wanted = list(dict.fromkeys(tags))
    for start in range(0, len(wanted), PAGE):
        part = wanted[start : start + PAGE]
        for record in memory.list(tags=part, status=STATUSES, limit=len(part)).records:
            document = document_of(record)
            if document is not None:
                found[document.tag] = record
    return found


def ranked(tx: Transaction, memory: Memory, wanted: Wanted, question: str, asked: Asked | None) -> list[Scored]:
    """The page that is wanted: without a question in the order in which the documents were made, else best first, with
    scores in [0, 1], and behind them, without a score, those that no search can find.

    asked: the question as the namespace's vectors know it, None without a question
    """
    if not wanted.limit or memory._ground.ns is None:
        return []
    if asked is None:
        found: Iterator[Scored] = ((document, None) for document in _made(memory, wanted))
    else:
        scores: dict[str, float] = {}
        best = _best(tx, memory, wanted, question, asked, scores)
        rest = ((document, None) for document in _made(memory, wanted) if document.id not in scores)
        found = chain(best, rest)
    return list(islice(found, wanted.offset, wanted.offset + wanted.limit))


def _made(memory: Memory, wanted: Wanted) -> Iterator[Document]:
    after: str | None = None
    size = min(PAGE, wanted.offset + wanted.limit)
    while True:
        page = memory.list(tags=[under_tag(wanted.prefix)], status=STATUSES, after=after, limit=size)
        for record in page.records:
            document = wanted.of(record)
            if document is not None:
                yield document
        after, size = page.next, min(PAGE, 2 * size)
        if after is None:
            return


def _best(
    tx: Transaction, memory: Memory, wanted: Wanted, question: str, asked: Asked, scores: dict[str, float]
) -> Iterator[Scored]:
    """scores: takes every document that has one, by id"""
    ground, tag = memory._ground, under_tag(wanted.prefix)
    assert ground.ns is not None
    (there,) = tx.execute("SELECT count(*) FROM tags WHERE ns = ? AND tag = ?", (ground.ns, tag)).fetchone()
    most = there if wanted.filter or wanted.alive is not None else min(there, wanted.offset + wanted.limit)
    weights = weights_for(memory._recaller.weights, asked.model)
    found = ranking(
        tx, ground, ground.ns, question, asked.vector, Filters(tags=[tag]), max(1, most), weights, asked.model
    )
    for start in range(0, len(found.records), PAGE):
        numbers = found.records[start : start + PAGE].tolist()
        marks = ", ".join("?" * len(numbers))
        ids = dict(
            tx.execute(
                f"SELECT record, id FROM records WHERE ns = ? AND record IN ({marks}) ORDER BY record",
                (ground.ns, *numbers),
            ).fetchall()
        )
        relevance = dict(zip(numbers, found.relevance[start : start + PAGE].tolist(), strict=True))
        scores.update((ids[number], relevance[number]) for number in numbers)
        records = {record.id: record for record in memory.engine.get_many([ids[number] for number in numbers])}
        for number in numbers:
            document = wanted.of(records[ids[number]])
            if document is not None:
                yield document, relevance[number]
