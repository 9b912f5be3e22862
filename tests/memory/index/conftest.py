"""A store that is filled through the index's own door, and slow loops that say what its searches must find."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from tests.memory.stores import opened
from wayfare.memory.index import entries
from wayfare.memory.index.cache import NamespaceCache, caches
from wayfare.memory.index.queries import query_words
from wayfare.memory.index.tokens import tokens
from wayfare.memory.records import Record
from wayfare.memory.store.rows import append_log, record_row


class Shelf:
    """One namespace of a store, and beside it what a textbook would know: number -> texts by role."""

    def __init__(self, database: Any, path: str = "default", dimension: int | None = None) -> None:
        self.database = database.bound(path)
        with self.database.write() as tx:
            ns = tx.namespace(path, create=True)
            assert ns is not None
            self.ns, self.space = ns, None
            if dimension is not None:
                self.space = tx.execute(
                    "INSERT INTO spaces (ns, model, dimension, state) VALUES (?, 'm', ?, 'serving') RETURNING space",
                    (ns, dimension),
                ).fetchone()[0]
                tx.execute("UPDATE namespaces SET space = ? WHERE ns = ?", (self.space, ns))
        self.texts: dict[int, list[tuple[str, str]]] = {}
        self.count = 0

    @property
    def cache(self) -> NamespaceCache:
        return caches(self.database)[self.ns]

    def log(self, tx: Any, op: str, number: int) -> None:
        append_log(tx, self.ns, time=0.0, actor="", operation="o", op=op, body={"record": number})

    def put(
        self,
        tx: Any,
        text: str,
        keys: Sequence[tuple[str, str]] = (),
        vector: Any = None,
        tags: Sequence[str] = (),
        **fields: Any,
    ) -> int:
        self.count += 1
        names, values = record_row(Record(f"{self.ns}-{self.count}", text, tags=tuple(tags), **fields), self.ns)
        place, unlike = names.index("content_hash"), self.count.to_bytes(16)  # so that one text may be put twice
        values = (*values[:place], unlike, *values[place + 1 :])
        columns, marks = ", ".join(names), ", ".join("?" * len(names))
        number = tx.execute(f"INSERT INTO records ({columns}) VALUES ({marks}) RETURNING record", values).fetchone()[0]
        for tag in tags:
            tx.execute("INSERT INTO tags (ns, tag, record) VALUES (?, ?, ?)", (self.ns, tag, number))
        made = [("content", None, text), *((role, key, key) for role, key in keys)]
        vectors = [] if vector is None else [np.asarray(vector, np.float32)] + [None] * len(keys)
        entries.add(tx, self.ns, number, made, vectors, self.space)
        self.log(tx, "ADD", number)
        self.texts[number] = [("content", text), *keys]
        return int(number)

    def drop(self, tx: Any, number: int) -> None:
        entries.kill(tx, self.ns, number)
        self.log(tx, "DELETE", number)
        self.texts.pop(number, None)

    def scrub(self, tx: Any, number: int) -> None:
        entries.scrub(tx, self.ns, number)
        tx.execute("UPDATE records SET content = '' WHERE record = ?", (number,))
        self.log(tx, "PURGE", number)
        self.texts.pop(number, None)

    def rewrite(self, tx: Any, number: int, text: str) -> None:
        entries.kill(tx, self.ns, number)
        tx.execute("UPDATE records SET content = ? WHERE record = ?", (text, number))
        entries.add(tx, self.ns, number, [("content", None, text)])
        self.log(tx, "UPDATE", number)
        self.texts[number] = [("content", text)]

    def textbook(self, query: str, roles: dict[str, float] | None = None) -> dict[int, float]:
        """Scores above 0 by record: BM25, one entry and one word at a time."""
        entries_ = [(number, role, Counter(tokens(text))) for number, each in self.texts.items() for role, text in each]
        lengths = [sum(words.values()) for _, _, words in entries_]
        best: dict[int, float] = {}
        for (number, role, words), length in zip(entries_, lengths, strict=True):
            score = 0.0
            for word, weight in query_words(query).items():
                holding = sum(1 for _, _, other in entries_ if word in other)
                f = words[word]
                if f:
                    idf = math.log(1 + (len(entries_) - holding + 0.5) / (holding + 0.5))
                    score += weight * idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * length / (sum(lengths) / len(lengths))))
            score *= (roles or {}).get(role, 1.0)
            if score > 0:
                best[number] = max(best.get(number, 0.0), score)
        return best

    def agrees(self, query: str, k: int, roles: dict[str, float] | None = None) -> None:
        """The cache ranks as the textbook does."""
        records, scores = self.cache.words(query, k, roles=roles)
        expected = self.textbook(query, roles)
        assert list(scores) == sorted(scores, reverse=True)
        assert len(records) == min(k, len(expected)) == len(set(records.tolist()))
        np.testing.assert_allclose(scores, sorted(expected.values(), reverse=True)[:k], rtol=1e-9)
        np.testing.assert_allclose(scores, [expected[number] for number in records.tolist()], rtol=1e-9)


@pytest.fixture
def shelf(address: str) -> Iterator[Callable[..., Shelf]]:
    """Make a namespace."""
    handles = [opened(address)]

    def make(path: str = "default", dimension: int | None = None) -> Shelf:
        made = Shelf(handles[0], path, dimension)
        handles.append(made.database)
        return made

    yield make
    for handle in handles:
        handle.close()


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of 8 entries that merge by 2 up to 64, so that a short test sees what a long life brings."""
    from wayfare.memory.index import following, postings

    for module in (entries, following, postings):
        monkeypatch.setattr(module, "SEGMENT", 8)
    monkeypatch.setattr(entries, "FAN", 2)
    monkeypatch.setattr(entries, "LARGEST", 64)
