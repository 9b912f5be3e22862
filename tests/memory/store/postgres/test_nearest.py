"""The search that the server does: the same as in this process's memory, whatever the size of the namespace."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np
import psycopg
import pytest

from tests.memory.stores import PostgresStore, Server
from wayfare.errors import BadValue
from wayfare.memory import Memory
from wayfare.memory.index.cache import NamespaceCache, caches
from wayfare.memory.store.postgres import vectors
from wayfare.memory.store.postgres.indexing import index_large

pytestmark = pytest.mark.xdist_group("nearest")  # one worker, so that the large namespace is made once

DIMENSION = 48
SIZES = {"large": 12_000, "one-percent": 120, "one-in-a-thousand": 12}


class Drawn:
    """Not a model: unit vectors around a few centres, the same for the same text."""

    model, dimension = "drawn", DIMENSION

    def __init__(self) -> None:
        self._draws = np.random.default_rng(5)
        self._centres = self._draws.standard_normal((40, DIMENSION))

    def draw(self, n: int) -> np.ndarray:
        chosen = self._centres[self._draws.integers(0, 40, n)] + 0.6 * self._draws.standard_normal((n, DIMENSION))
        return (chosen / np.linalg.norm(chosen, axis=1, keepdims=True)).astype(np.float32)

    def embed(self, texts):
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text):
        self._draws = np.random.default_rng(crc32(text.encode()))
        return self.draw(1)[0]


@pytest.fixture(scope="module")
def address(server: Server, worker_id: str) -> Iterator[str]:
    """Namespaces of very different sizes in one table of vectors; the large one has its index."""
    store = PostgresStore(server, f"nearest_{worker_id}")
    made, drawn = store.new(), Drawn()
    for path, size in SIZES.items():
        with Memory(made, namespace=path, embedder=drawn) as memory:
            memory.remember("the first")
        admin = server.address(made.split("/")[3].split("?")[0])
        with psycopg.connect(admin, autocommit=True, options="-c search_path=wayfare,public") as connection:
            ns, space = connection.execute("SELECT ns, space FROM namespaces WHERE path = %s", (path,)).fetchone()
            with connection.cursor().copy("COPY entries FROM STDIN") as copy:
                for i in range(1, size):
                    copy.write_row((ns, i, 1_000_000 * ns + i, "content", "", 0, 1, 0))
            with connection.cursor().copy(f"COPY vectors_{DIMENSION} FROM STDIN") as copy:
                for i, row in enumerate(drawn.draw(size - 1), start=1):
                    copy.write_row((ns, space, i, str(row.tolist())))
            connection.execute("UPDATE namespaces SET entries = %s WHERE ns = %s", (size, ns))
    made_indices = index_large(admin, fewest=SIZES["large"] // 2)
    assert [(each.namespace, each.action) for each in made_indices] == [("large", "made")]
    assert index_large(admin, fewest=SIZES["large"] // 2) == []
    yield made
    store.drop(made)


@pytest.fixture(autouse=True)
def indexed_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "FEWEST_INDEXED", SIZES["large"] // 2)


def _cache(memory: Memory) -> NamespaceCache:
    database = memory.engine.database
    with database.read() as tx:
        number = tx.namespace(memory.engine.namespace)
    return caches(database)[number]


def _recall(cache: NamespaceCache, queries: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Share of the ten nearest that is found."""
    shares = []
    for query in queries:
        found, _ = cache.nearest(query, 10, mask)
        wanted, _ = cache.nearest(query, 10, mask, exact=True)
        shares.append(len(set(found.tolist()) & set(wanted.tolist())) / len(wanted))
    return float(np.mean(shares))


@pytest.mark.parametrize("path", SIZES)
def test_the_ten_nearest_are_found_in_a_namespace_that_is(path, address) -> None:
    with Memory(address, namespace=path, embedder=Drawn()) as memory:
        assert _recall(_cache(memory), Drawn().draw(40)) >= 0.98


@pytest.mark.parametrize("share", [0.6, 0.05, 0.002])
def test_a_filter_costs_no_recall(share, address) -> None:
    with Memory(address, namespace="large", embedder=Drawn()) as memory:
        cache = _cache(memory)
        mask = np.random.default_rng(1).random(SIZES["large"]) < share
        assert _recall(cache, Drawn().draw(20), mask) >= 0.98
        numbers, _ = cache.nearest(Drawn().draw(1)[0], 50, mask)
        assert cache.passing(numbers.tolist(), mask) == set(numbers.tolist())


def test_the_index_is_what_answers_in_the_large_namespace(address, server) -> None:
    admin = server.address(address.split("/")[3].split("?")[0])
    with psycopg.connect(admin, autocommit=True) as connection:
        before = _scans(connection)
        with Memory(address, namespace="large", embedder=Drawn()) as memory:
            for query in Drawn().draw(5):
                _cache(memory).nearest(query, 10)
        with Memory(address, namespace="one-percent", embedder=Drawn()) as memory:
            _cache(memory).nearest(Drawn().draw(1)[0], 10)
        connection.execute("SELECT pg_stat_clear_snapshot()")
        for _ in range(100):
            if _scans(connection) > before:
                break
            connection.execute("SELECT pg_sleep(0.1)")
        assert _scans(connection) > before


def _scans(connection) -> int:
    row = connection.execute(
        "SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE indexrelname LIKE 'nearest_in_%'"
    ).fetchone()
    return int(row[0])


def test_the_server_names_what_a_product_in_numpy_names(address) -> None:
    with Memory(address, namespace="large", embedder=Drawn()) as memory:
        cache, database = _cache(memory), memory.engine.database
        with database.read() as tx:
            ns = tx.namespace("large")
            space, dimension = cache._followed.serving(tx)
            matrix = np.zeros((SIZES["large"], dimension), np.float32)
            for first, rows in tx.vectors.between(ns, space, dimension, 0, SIZES["large"]):
                matrix[first : first + len(rows)] = rows
            owners = [row[0] for row in tx.execute("SELECT record FROM entries WHERE ns = ? ORDER BY ordinal", (ns,))]
        for query in Drawn().draw(10):
            numbers, scores = cache.nearest(query, 25, exact=True)
            product = matrix.astype(np.float64) @ query.astype(np.float64)
            best = np.argsort(-product, kind="stable")[:25]
            assert numbers.tolist() == [owners[i] for i in best]
            np.testing.assert_allclose(scores, product[best], atol=1e-12)


def test_more_dimensions_than_a_column_holds_are_refused(address) -> None:
    class Wide(Drawn):
        model, dimension = "wide", 16_001

        def draw(self, n: int) -> np.ndarray:
            return np.ones((n, 16_001), np.float32)

    with Memory(address, namespace="wide", embedder=Wide()) as memory, pytest.raises(BadValue, match="16000"):
        memory.remember("too wide")
