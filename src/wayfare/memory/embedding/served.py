"""From which model the vectors of a namespace come at present, and whether it is still the model that it was.

A namespace is served from one *space* of vectors; `reembedding` moves it to another while handles and processes have it
open. So a handle asks before it embeds, and embeds again where the space has changed meanwhile.

With a space the vector of a fixed text is kept, the probe. A handle embeds it once before it trusts an embedder: a
server that runs another model under the same name, or a package that computes something else since it was upgraded,
gives itself away by it. This is not done when a file is opened: it would wait for a model that may never be asked, and
a namespace with such an embedder must still be opened to be moved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory.embedding import Embedder, embedder_from
from wayfare.memory.store.database import Database, Transaction

__all__ = ["PROBE", "Asked", "Moved", "Served", "named", "same_probe", "serving"]

Vector = NDArray[np.float32]
PROBE = "The quick brown fox remembers where it buried what it found."
APART = 1e-3
"""1 - cosine from which two vectors of the probe are not of the same model: half precision moves them by less."""


class Moved(Exception):
    """Within the package: the space that was asked for serves no more; look which one does, and ask again."""


class Asked(NamedTuple):
    """A query as one space knows it; without an embedder nothing is known. model: that the vector [D] comes from"""

    space: int | None
    model: str | None
    vector: Vector | None


class Served:
    """The embedders of one handle. Threads may share it.

    embedder: that the handle was opened with, None without vectors
    """

    def __init__(self, database: Database, embedder: Embedder | None = None) -> None:
        self._database = database
        self._known = {} if embedder is None else {embedder.model: embedder}
        self._rows: dict[int, tuple[str, int, bytes | None]] = {}
        self._trusted: set[int] = set()

    def offer(self, embedder: Embedder) -> None:
        """Use this very object for the spaces of its model."""
        self._known[embedder.model] = embedder

    def costly(self, space: int | None) -> bool:
        """Whether it is worth looking before a text is embedded."""
        try:
            return space is not None and not self._row(space)[0].startswith("lexical")
        except Moved:
            return False

    def dimension(self, space: int) -> int:
        """D of a space."""
        return self._row(space)[1]

    def of(self, space: int | None) -> Embedder | None:
        """The embedder of a space, None for none.

        Raises: BadValue for a model that is not what it was, or that no specification names; MissingExtra; what the
        embedder raises; Moved.
        """
        if space is None:
            return None
        model, _, probe = self._row(space)
        embedder = self._known.get(model)
        if embedder is None:
            embedder = self._known[model] = named(model)
        if space not in self._trusted:
            if probe is not None and not same_probe(probe, embedder.embed_query(PROBE)):
                self._rows.pop(space, None)
                self._row(space)
                raise BadValue(
                    "embedder", model,
                    "the model that the namespace's vectors were made with, but it embeds the stored probe text "
                    "differently today; embed the namespace anew with Memory.reembed, or `wayfare memory migrate "
                    f"--embedder {model}`",
                )  # fmt: skip
            self._trusted.add(space)
        return embedder

    def asked(self, query: str, space: int | None) -> Asked:
        """The query's vector in a space. Raises: as `of`."""
        embedder = self.of(space)
        if embedder is None:
            return Asked(space, None, None)
        return Asked(space, embedder.model, np.asarray(embedder.embed_query(query), np.float32))

    def _row(self, space: int) -> tuple[str, int, bytes | None]:
        if space not in self._rows:
            with self._database.read() as tx:
                row = tx.execute(
                    "SELECT model, dimension, probe, state FROM spaces WHERE space = ?", (space,)
                ).fetchone()
            if row is None or row[3] == "retired":
                raise Moved
            self._rows[space] = (str(row[0]), int(row[1]), row[2])
        return self._rows[space]


def named(model: str) -> Embedder:
    """The embedder that a stored name specifies. Raises: BadValue for one that it does not specify; MissingExtra."""
    try:
        found = embedder_from(model)
    except BadValue:
        found = None
    if found is None:
        raise BadValue(
            "embedder", model, "given as an object when the memory is opened: its vectors come from a model that no "
            "specification names",
        )  # fmt: skip
    return found


def serving(tx: Transaction, ns: int | None) -> int | None:
    """The space that a namespace is served from; None without vectors."""
    row = tx.execute("SELECT space FROM namespaces WHERE ns = ?", (ns,)).fetchone()
    return None if row is None else row[0]


def same_probe(stored: bytes, found: object) -> bool:
    """Whether a stored vector and one of today are of the same model."""
    mine, other = np.frombuffer(stored, "<f4").astype(np.float64), np.asarray(found, np.float64)
    if mine.shape != other.shape:
        return False
    lengths = float(np.linalg.norm(mine) * np.linalg.norm(other))
    return lengths > 0 and float(mine @ other) >= (1 - APART) * lengths
