"""Texts as vectors: lexical by default, models as extras.

lexical                 hashed words and pieces of words; deterministic, no dependency
sentence_transformers   a model of the sentence-transformers package, run here
endpoint                any server with OpenAI's /v1/embeddings
reembedding             moves a namespace from one embedder to another while it serves

An embedder's `model` is also the specification that `embedder_from` reads: what a store has written down about its
vectors is enough to open it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue

__all__ = ["SPECIFICATIONS", "Embedder", "embedder_from", "unit_rows"]

Vectors = NDArray[np.float32]
SPECIFICATIONS = "lexical, none, sentence-transformers:NAME_OR_PATH or openai:MODEL@URL"


@runtime_checkable
class Embedder(Protocol):
    """What turns texts into vectors. Its settings can be pickled; threads may share it."""

    @property
    def model(self) -> str:
        """Names the space of the vectors: those of different models are never compared."""

    @property
    def dimension(self) -> int:
        """D."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """[N, D] float32 with rows of length 1, for texts that are stored."""

    def embed_query(self, text: str) -> Vectors:
        """[D] float32 of length 1, for a question: some models mark it with a prefix."""


def embedder_from(specification: str) -> Embedder | None:
    """The embedder that a specification names; None for `none`. Loads the model no sooner than it is used.

    Raises: BadValue for another specification; MissingExtra where its package is not installed.
    """
    name, colon, rest = specification.partition(":") if isinstance(specification, str) else ("", "", "")
    if specification == "none":
        return None
    if name == "lexical":
        from wayfare.memory.embedding.lexical import DIMENSION, Lexical

        if not colon:
            return Lexical(DIMENSION)
        if rest.isascii() and rest.isdigit():
            return Lexical(int(rest))
    elif name == "sentence-transformers" and rest:
        from wayfare.memory.embedding.sentence_transformers import SentenceTransformers

        return SentenceTransformers(rest)
    elif name == "openai" and "@" in rest:
        from wayfare.memory.embedding.endpoint import Endpoint

        model, _, url = rest.partition("@")
        return Endpoint(model, url)
    raise BadValue("embedder", specification, SPECIFICATIONS)


def unit_rows(vectors: object, rows: int, dimension: int | None = None) -> Vectors:
    """[rows, D] float32, each row brought to length 1; a row of zeros stays one.

    Raises: BadValue for another shape, another D than `dimension`, or numbers that are not finite.
    """
    try:
        found = np.asarray(vectors, np.float64)
    except (TypeError, ValueError):
        raise BadValue("vectors", type(vectors).__name__, f"[{rows}, D] numbers") from None
    if found.ndim != 2 or len(found) != rows or not found.shape[1]:
        raise BadValue("vectors", f"shape {found.shape}", f"[{rows}, D] numbers")
    if dimension is not None and found.shape[1] != dimension:
        raise BadValue("vectors", f"{found.shape[1]} numbers each", f"{dimension} numbers each, as before")
    if not np.isfinite(found).all():
        raise BadValue("vectors", "numbers that are not finite", "finite")
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: Vectors = (found / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return unit
