"""The peers of the memory benchmark, each as a class with the methods of `memory_ours.Ours`.

    chroma      a persistent client, cosine HNSW with its defaults, one thread; texts, tags as metadata
    chroma-98   a copy of it whose search is made as wide as 98 % of the ten best need
    lancedb     a table of vectors, texts and tags, no index; compacted when it has been filled
    qdrant      the local mode of its client, a folder and no server
    sqlite-vec  a vec0 table through apsw, WAL and synchronous=FULL as ours
    mem0        inference off, its Qdrant on a path, vectors given instead of a model; no network
    numpy       the limit: the matrix in memory, a product and a partition; keeps nothing

`nearest` returns numbers alone, `whole` what a user would read: texts and tags of the best five. Imports nothing of
ours but the data, and a peer only when it is made.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from memory_data import DIMENSION, TEN, Data, Rows, tag

SHOWN = 5
EF, WANTED = (100, 150, 200, 300, 400, 600, 800, 1_200, 1_600, 2_400, 3_200, 6_400, 12_800), 0.98


class Peer:
    """What all have: `add` is a batch of one, and questions need no preparation. folder: where the store is, or goes"""

    def __init__(self, folder: Path) -> None:
        raise NotImplementedError

    def add_many(self, rows: Rows) -> None:
        """One batch."""
        raise NotImplementedError

    def add(self, rows: Rows) -> None:
        """One record."""
        self.add_many(rows)

    def ask(self, data: Data) -> None:
        """Get ready for the questions."""

    def settle(self) -> None:
        """What its manual advises after adding much."""

    def close(self) -> None:
        """Let go of the files."""


class Chroma(Peer):
    """chromadb."""

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        self.client = chromadb.PersistentClient(str(folder / "chroma"), Settings(anonymized_telemetry=False))
        self.table = self.client.get_or_create_collection(
            "memory", embedding_function=None, configuration={"hnsw": {"space": "cosine", "num_threads": 1}}
        )

    def add_many(self, rows: Rows) -> None:
        self.table.add(
            ids=[str(i) for i in rows.numbers],
            embeddings=rows.vectors,
            documents=list(rows.texts),
            metadatas=[{"tag": each} for each in rows.tags],
        )

    def nearest(self, data: Data, question: int, k: int, where: Any = None) -> list[int]:
        found = self.table.query(query_embeddings=data.questions[question], n_results=k, where=where, include=[])
        return [int(id) for id in found["ids"][0]]

    def nearest_tagged(self, data: Data, question: int, k: int) -> list[int]:
        return self.nearest(data, question, k, {"tag": tag(question)})

    def whole(self, data: Data, question: int, tagged: bool = False) -> list[str]:
        where = {"tag": tag(question)} if tagged else None
        found = self.table.query(query_embeddings=data.questions[question], n_results=SHOWN, where=where)
        assert all(found["documents"][0])
        return [str(each["tag"]) for each in found["metadatas"][0]]


def tuned(folder: Path, data: Data) -> int:
    """Set the least `ef_search` that finds 98 % of the ten best of 100 questions; it counts from the next opening."""
    from chromadb.api.shared_system_client import SharedSystemClient

    for ef in EF:
        Chroma(folder).table.modify(configuration={"hnsw": {"ef_search": ef}})
        SharedSystemClient.clear_system_cache()
        it = Chroma(folder)
        if np.mean([data.right(j, it.nearest(data, j, TEN)) for j in range(100)]) >= WANTED:
            break
    return ef


class Lance(Peer):
    """lancedb."""

    def __init__(self, folder: Path) -> None:
        import lancedb
        import pyarrow as pa

        self.pa, self.database = pa, lancedb.connect(str(folder / "lance"))
        self.schema = pa.schema(
            [
                ("id", pa.int64()),
                ("vector", pa.list_(pa.float32(), DIMENSION)),
                ("text", pa.string()),
                ("tag", pa.string()),
            ]
        )
        self.table = self.database.create_table("memory", schema=self.schema, exist_ok=True)

    def add_many(self, rows: Rows) -> None:
        vectors = self.pa.FixedSizeListArray.from_arrays(rows.vectors.ravel(), DIMENSION)
        columns = [
            self.pa.array(list(rows.numbers)),
            vectors,
            self.pa.array(list(rows.texts)),
            self.pa.array(list(rows.tags)),
        ]
        self.table.add(self.pa.table(columns, schema=self.schema))

    def settle(self) -> None:
        self.table.optimize()

    def _found(self, data: Data, question: int, k: int, tagged: bool, columns: list[str]) -> Any:
        search = self.table.search(data.questions[question]).distance_type("cosine").limit(k)
        if tagged:
            search = search.where(f"tag = '{tag(question)}'", prefilter=True)
        return search.select([*columns, "_distance"]).to_arrow().to_pydict()

    def nearest(self, data: Data, question: int, k: int) -> list[int]:
        return list(self._found(data, question, k, False, ["id"])["id"])

    def nearest_tagged(self, data: Data, question: int, k: int) -> list[int]:
        return list(self._found(data, question, k, True, ["id"])["id"])

    def whole(self, data: Data, question: int, tagged: bool = False) -> list[str]:
        return list(self._found(data, question, SHOWN, tagged, ["text", "tag"])["tag"])


class Qdrant(Peer):
    """qdrant-client's local mode."""

    def __init__(self, folder: Path) -> None:
        from qdrant_client import QdrantClient, models

        self.models, self.client = models, QdrantClient(path=str(folder / "qdrant"))
        if not self.client.collection_exists("memory"):
            space = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
            self.client.create_collection("memory", vectors_config=space)

    def add_many(self, rows: Rows) -> None:
        point = self.models.PointStruct
        points = [
            point(id=i, vector=vector.tolist(), payload={"text": text, "tag": each})
            for i, vector, text, each in zip(rows.numbers, rows.vectors, rows.texts, rows.tags, strict=True)
        ]
        self.client.upsert("memory", points)

    def _found(self, data: Data, question: int, k: int, tagged: bool, payload: bool) -> Any:
        some = None
        if tagged:
            same = self.models.MatchValue(value=tag(question))
            some = self.models.Filter(must=[self.models.FieldCondition(key="tag", match=same)])
        return self.client.query_points(
            "memory", query=data.questions[question], query_filter=some, limit=k, with_payload=payload
        ).points

    def nearest(self, data: Data, question: int, k: int) -> list[int]:
        return [int(point.id) for point in self._found(data, question, k, False, False)]

    def nearest_tagged(self, data: Data, question: int, k: int) -> list[int]:
        return [int(point.id) for point in self._found(data, question, k, True, False)]

    def whole(self, data: Data, question: int, tagged: bool = False) -> list[str]:
        return [point.payload["tag"] for point in self._found(data, question, SHOWN, tagged, True)]

    def close(self) -> None:
        self.client.close()


class SqliteVec(Peer):
    """sqlite-vec: a virtual table that scans, its tag a metadata column."""

    def __init__(self, folder: Path) -> None:
        import apsw
        import sqlite_vec

        self.database = apsw.Connection(str(folder / "vec.db"))
        self.database.enable_load_extension(True)
        self.database.load_extension(sqlite_vec.loadable_path())
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS memory USING "
            f"vec0(vector float[{DIMENSION}] distance_metric=cosine, tag text, +text text)"
        )

    def add_many(self, rows: Rows) -> None:
        with self.database:
            self.database.executemany(
                "INSERT INTO memory (rowid, vector, tag, text) VALUES (?, ?, ?, ?)",
                (
                    (i, vector.tobytes(), each, text)
                    for i, vector, each, text in zip(rows.numbers, rows.vectors, rows.tags, rows.texts, strict=True)
                ),
            )

    def _found(self, data: Data, question: int, k: int, tagged: bool, columns: str) -> list[Any]:
        some = " AND tag = ?" if tagged else ""
        values = (data.questions[question].tobytes(), k, *([tag(question)] if tagged else []))
        words = f"SELECT {columns} FROM memory WHERE vector MATCH ? AND k = ?{some}"
        return list(self.database.execute(words, values))

    def nearest(self, data: Data, question: int, k: int) -> list[int]:
        return [row[0] for row in self._found(data, question, k, False, "rowid, distance")]

    def nearest_tagged(self, data: Data, question: int, k: int) -> list[int]:
        return [row[0] for row in self._found(data, question, k, True, "rowid, distance")]

    def whole(self, data: Data, question: int, tagged: bool = False) -> list[str]:
        return [row[0] for row in self._found(data, question, SHOWN, tagged, "tag, text")]

    def close(self) -> None:
        self.database.close()


class Mem0(Peer):
    """mem0ai with inference off. `nearest` is its store's search, `whole` its own, which adds the filter by user."""

    def __init__(self, folder: Path) -> None:
        os.environ |= {"MEM0_TELEMETRY": "false", "MEM0_DIR": str(folder / "home")}
        from mem0 import Memory

        store = {"collection_name": "memory", "path": str(folder / "qdrant"), "embedding_model_dims": DIMENSION}
        keyed = {"provider": "openai", "config": {"api_key": "none"}}  # never called: the embedder is replaced
        self.memory = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": {**store, "on_disk": True}},
                "history_db_path": str(folder / "history.db"), "llm": keyed, "embedder": keyed,
            }
        )  # fmt: skip
        self.known: dict[str, Any] = {}
        self.memory.embedding_model = SimpleNamespace(
            embed=lambda text, action=None: self.known[text].tolist(), config=SimpleNamespace(embedding_dims=DIMENSION)
        )

    def add_many(self, rows: Rows) -> None:
        """It has no batch: one call each."""
        for i, text, vector, each in zip(rows.numbers, rows.texts, rows.vectors, rows.tags, strict=True):
            self.known = {text: vector}
            self.memory.add(text, user_id="user", metadata={"tag": each, "number": i}, infer=False)

    def ask(self, data: Data) -> None:
        self.known = dict(zip(data.asked, data.questions, strict=True))

    def nearest(self, data: Data, question: int, k: int, some: dict[str, str] | None = None) -> list[int]:
        vector = data.questions[question].tolist()
        found = self.memory.vector_store.search(query="", vectors=vector, top_k=k, filters=some)
        return [int(point.payload["number"]) for point in found]

    def nearest_tagged(self, data: Data, question: int, k: int) -> list[int]:
        return self.nearest(data, question, k, {"tag": tag(question)})

    def whole(self, data: Data, question: int, tagged: bool = False) -> list[str]:
        some = {"user_id": "user"} | ({"tag": tag(question)} if tagged else {})
        found = self.memory.search(data.asked[question], top_k=SHOWN, filters=some, threshold=0.0)
        return [str(each["metadata"]["tag"]) for each in found["results"]]

    def close(self) -> None:
        self.memory.close()
        self.memory.vector_store.client.close()


class Numpy(Peer):
    """The limit: a matrix product."""

    def __init__(self, folder: Path) -> None:
        self.vectors = np.zeros((0, DIMENSION), np.float32)

    def ask(self, data: Data) -> None:
        self.vectors = np.array(data.vectors)

    def nearest(self, data: Data, question: int, k: int) -> list[int]:
        scores = self.vectors @ data.questions[question]
        best = np.argpartition(scores, len(scores) - k)[len(scores) - k :]
        return [int(i) for i in best[np.argsort(-scores[best])]]


PEERS: dict[str, type[Peer]] = {
    "chroma": Chroma, "chroma-98": Chroma, "lancedb": Lance, "qdrant": Qdrant, "sqlite-vec": SqliteVec, "mem0": Mem0,
    "numpy": Numpy,
}  # fmt: skip
