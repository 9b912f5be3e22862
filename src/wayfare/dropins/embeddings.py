"""Embeddings as LangChain has them, for a memory: an object, a function, or `provider:model`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from wayfare.errors import BadValue
from wayfare.memory.embedding import Vectors, unit_rows

__all__ = ["LangChainEmbedder"]


class LangChainEmbedder:
    """An `Embedder` of what an index configuration of LangGraph names.

    embed: as LangGraph's `ensure_embeddings` takes it; of a coroutine function the loop is run in a thread of its own
    dimension: None asks once        name: of the model, where its own says too little; vectors of different names are
    never compared, so two functions must not share one
    """

    def __init__(self, embed: Any, dimension: int | None = None, name: str | None = None) -> None:
        from langgraph.store.base import ensure_embeddings

        self._embeddings = ensure_embeddings(embed)
        self._waits = hasattr(self._embeddings, "afunc")
        self._dimension = dimension
        self.model = f"langchain:{name or _name(embed)}"
        if dimension is not None and (isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1):
            raise BadValue("index.dims", dimension, "a whole number from 1")

    @property
    def dimension(self) -> int:
        """D."""
        if self._dimension is None:
            self._dimension = len(self._asked(["how long is a vector?"])[0])
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """[N, D] of length 1."""
        return unit_rows(self._asked(list(texts)), len(texts), self.dimension)

    def embed_query(self, text: str) -> Vectors:
        """[D] of length 1."""
        found = _awaited(self._embeddings.aembed_query(text)) if self._waits else self._embeddings.embed_query(text)
        row: Vectors = unit_rows(np.asarray([found]), 1, self.dimension)[0]
        return row

    def _asked(self, texts: list[str]) -> Any:
        if self._waits:
            return _awaited(self._embeddings.aembed_documents(texts))
        return self._embeddings.embed_documents(texts)


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Its result, whether or not this thread runs a loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def _name(embed: Any) -> str:
    if isinstance(embed, str):
        return embed
    if hasattr(embed, "__qualname__"):
        return f"{embed.__module__}.{embed.__qualname__}"
    said = getattr(embed, "model", None) or getattr(embed, "model_name", None)
    return f"{type(embed).__qualname__}:{said}" if isinstance(said, str) else type(embed).__qualname__
