"""A real mem0, on its local Qdrant and a local server of embeddings, without a language model and without telemetry."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.memory.embedding.embeddings_server import serving


class Mem0:
    """Adds word for word. `write` leaves the files that an import reads."""

    def __init__(self, folder: Path, url: str) -> None:
        os.environ["MEM0_TELEMETRY"] = "False"
        os.environ["MEM0_DIR"] = str(folder / "home")
        from mem0 import Memory

        self.folder, self.history = folder, folder / "history.db"
        store = {"path": str(folder / "qdrant"), "on_disk": True, "embedding_model_dims": 32, "collection_name": "all"}
        server = {"api_key": "none", "openai_base_url": url}
        self.memory = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": store},
                "embedder": {"provider": "openai", "config": {"model": "words", "embedding_dims": 32, **server}},
                "llm": {"provider": "openai", "config": server},
                "history_db_path": str(self.history),
            }
        )

    def add(self, text: str, **whose: Any) -> str:
        (done,) = self.memory.add(text, infer=False, **whose)["results"]
        return str(done["id"])

    def write(self, user: str = "ann", limit: int = 1_000) -> Path:
        file = self.folder / f"{user}.json"
        file.write_text(json.dumps(self.memory.get_all(user_id=user, limit=limit)))
        return file


@contextmanager
def mem0_at_work(folder: Path) -> Iterator[Mem0]:
    folder.mkdir(exist_ok=True)
    with serving() as server:
        yield Mem0(folder, server.url)
