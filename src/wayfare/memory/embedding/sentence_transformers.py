"""Vectors from a model of the sentence-transformers package, run on this machine.

    Memory("agent.db", embedder="sentence-transformers:BAAI/bge-small-en-v1.5")

Needs the extra `wayfare[sentence-transformers]`. The model is loaded at its first use; threads of a process share it.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from wayfare.errors import BadValue, MissingExtra
from wayfare.memory.embedding import Vectors, unit_rows

__all__ = ["SentenceTransformers"]

QUERY = "query"
"""Name of the prompt that a model's own configuration may keep for questions."""


class SentenceTransformers:
    """name: of a model on the hub, or the path to a saved one        batch: texts a forward pass
    device: `cpu`, `cuda`, ...; None: the best there is

    Raises: MissingExtra without the package; BadValue where there is no such model.
    """

    def __init__(self, name: str, *, device: str | None = None, batch: int = 32) -> None:
        if not isinstance(name, str) or not name.strip():
            raise BadValue("embedder", name, "the name of a model or a path to one")
        if batch < 1:
            raise BadValue("batch", batch, "at least 1")
        if importlib.util.find_spec("sentence_transformers") is None:
            raise MissingExtra("the embedder sentence-transformers", "sentence-transformers")
        self.name, self.device, self.batch = name, device, batch
        self._model: Any = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "device": self.device, "batch": self.batch}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["name"], device=state["device"], batch=state["batch"])  # type: ignore[misc]

    @property
    def model(self) -> str:
        """Names the space."""
        return f"sentence-transformers:{self.name}"

    @property
    def dimension(self) -> int:
        """D, from the model."""
        model = self._loaded()
        asked = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension  # before 5.2
        return int(asked())

    def _loaded(self) -> Any:
        with self._lock:
            if self._model is None:
                from sentence_transformers import SentenceTransformer

                try:
                    self._model = SentenceTransformer(self.name, device=self.device)
                except (OSError, ValueError) as error:
                    reason = str(error).splitlines()[0]
                    raise BadValue("embedder", self.name, f"a model that can be loaded ({reason})") from error
            return self._model

    def _encode(self, texts: Sequence[str], **how: Any) -> Vectors:
        model = self._loaded()
        with self._lock:  # one forward pass at a time: tokenisers are not safe to share
            found = model.encode(list(texts), batch_size=self.batch, show_progress_bar=False, **how)
        return unit_rows(found, len(texts), self.dimension)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """[N, D] float32, rows of length 1."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        return self._encode(texts)

    def embed_query(self, text: str) -> Vectors:
        """[D] float32, with the model's own prompt for questions where it has one."""
        prompts = getattr(self._loaded(), "prompts", None) or {}
        found: Vectors = self._encode([text], **({"prompt_name": QUERY} if prompts.get(QUERY) else {}))[0]
        return found
