"""Moves a namespace to another embedder while the old one serves.

    fill      a second space of vectors, so many texts at a time in the order of the entries; each time the vectors and
              how far they reach are committed together, so that one who was killed goes on where he stopped
    switch    one transaction, once every living entry has its vector in both spaces: the new space serves, and the
              policies begin again under a new id, without certificates: what was proved was proved of another ranking
    drop      the old vectors, a few at a time

Whoever has the namespace open writes and recalls by the old vectors until the switch, and by the new ones from then
on (`served`). What is written meanwhile is filled in before the switch. What is revised, forgotten or purged meanwhile
gets no vector of its old text.

Where a model has changed under its own name the old vectors cannot be asked any more: until the new ones are there the
namespace is recalled by words alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue, Unavailable
from wayfare.memory.embedding import Embedder
from wayfare.memory.embedding.served import PROBE, same_probe, serving
from wayfare.memory.ids import new_id
from wayfare.memory.standing import anew, read_standing, write_standing
from wayfare.memory.store.database import Database, Transaction
from wayfare.memory.store.rows import append_log

__all__ = ["Reembedded", "reembed"]

Vector = NDArray[np.float32]
FILLED = "filled"
"""In a namespace's settings: entries below this have their vector in the space that is being filled."""
ALL = 2**62
ROUNDS = 20
"""Of filling in what has been written meanwhile; the next one holds the writers up."""


@dataclass(frozen=True)
class Reembedded:
    """model: that serves now, None without vectors        embedded: texts that got a vector, this time
    policy: id of the incumbent that began with it; None where nothing was moved, or nothing had been recalled yet
    """

    model: str | None
    embedded: int
    policy: str | None


def reembed(
    database: Database,
    ns: int,
    embedder: Embedder | None,
    *,
    batch: int = 256,
    progress: Callable[[int, int], None] | None = None,
    clock: Callable[[], float],
    actor: str = "",
) -> Reembedded:
    """Move a namespace to `embedder`; None: to words alone. `Memory.reembed` says the rest."""
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise BadValue("batch", batch, "a whole number, 1 or more")
    move = _Move(database, ns, embedder, batch, progress or _silent, clock, actor)
    if not move.begin():
        move.drop()
        return Reembedded(None if embedder is None else embedder.model, 0, None)
    policy = move.finish()
    move.drop()
    return Reembedded(None if embedder is None else embedder.model, move.embedded, policy)


def _silent(done: int, total: int) -> None:
    """Nobody asked."""


class _Move:
    def __init__(
        self,
        database: Database,
        ns: int,
        embedder: Embedder | None,
        batch: int,
        progress: Callable[[int, int], None],
        clock: Callable[[], float],
        actor: str,
    ) -> None:
        self.database, self.ns, self.embedder, self.batch = database, ns, embedder, batch
        self.progress, self.clock, self.actor = progress, clock, actor
        self.space: int | None = None
        self.probe = b"" if embedder is None else np.asarray(embedder.embed_query(PROBE), "<f4").tobytes()
        self.embedded = self.done = self.total = 0

    def begin(self) -> bool:
        """Have a space to fill, a new one or one that was begun before. False where there is nothing to move."""
        model = None if self.embedder is None else self.embedder.model
        with self.database.write() as tx:
            now = serving(tx, self.ns)
            rows = tx.execute(
                "SELECT space, model, probe, state FROM spaces WHERE ns = ? AND state != 'retired' ORDER BY space",
                (self.ns,),
            ).fetchall()
            own = {space for space, name, probe, _ in rows if name == model and self._same(probe)}
            for space, name, _, state in rows:
                if space in own:
                    self.space = space
                elif state == "filling":
                    self._retire(tx, space)
                elif name == model:  # it cannot be asked any more
                    self._serve(tx, None)
                    now = None
            if now is None if model is None else now in own:
                return False
            if self.embedder is not None and self.space is None:
                (self.space,) = tx.execute(
                    "INSERT INTO spaces (ns, model, dimension, probe, state) VALUES (?, ?, ?, ?, 'filling') "
                    "RETURNING space",
                    (self.ns, model, len(self.probe) // 4, self.probe),
                ).fetchone()
                _reach(tx, self.ns, 0)
            self.done, waiting = _counted(tx, self.ns, _reached(tx, self.ns))
            self.total = self.done + waiting
        return True

    def finish(self) -> str | None:
        """Fill what is missing, then switch; the incumbent's id."""
        tries = 0
        while True:
            self._fill()
            tries += 1
            if self.embedder is not None and not self._same(self.probe, self.embedder.embed_query(PROBE)):
                raise BadValue(
                    "embedder", self.embedder.model, "one model from the first text to the last, but it embeds the "
                    "probe text differently by now; nothing was switched, call it again to begin anew",
                )  # fmt: skip
            with self.database.write() as tx:
                self._still_mine(tx)
                if tries > ROUNDS and self.embedder is not None:
                    self._write(tx, *self._embedded(*self._next(tx, None)))
                if self.embedder is None or not self._next(tx, 1)[0]:
                    return self._serve(tx, self.space)

    def drop(self) -> None:
        """Leave no vector of a space that is of no more use; its row stays, so that its number is not used again."""
        while True:
            with self.database.write() as tx:
                gone = tx.vectors.drop_retired(self.ns)
            if not gone:
                return

    # Filling

    def _fill(self) -> None:
        while self.embedder is not None:
            with self.database.read() as tx:
                found, end = self._next(tx, self.batch)
            if not found:
                return
            placed = self._embedded(found, end)
            with self.database.write() as tx:
                self._still_mine(tx)
                if _reached(tx, self.ns) == found[0][2]:  # else another process has been here
                    self._write(tx, *placed)

    def _next(self, tx: Transaction, most: int | None) -> tuple[list[tuple[int, str, int]], int]:
        """The next living entries without a vector, (ordinal, text, how far it was filled); how far they reach."""
        first = _reached(tx, self.ns)
        rows = tx.execute(
            "SELECT e.ordinal, coalesce(e.text, r.content) FROM entries e JOIN records r ON r.record = e.record "
            "WHERE e.ns = ? AND e.ordinal >= ? AND e.alive = 1 ORDER BY e.ordinal LIMIT ?",
            (self.ns, first, ALL if most is None else most),
        ).fetchall()
        return [(ordinal, text, first) for ordinal, text in rows], rows[-1][0] + 1 if rows else first

    def _embedded(self, found: Sequence[tuple[int, str, int]], end: int) -> tuple[list[tuple[int, Vector]], int]:
        """Ordinals with vectors; each text once."""
        assert self.embedder is not None
        texts = list(dict.fromkeys(text for _, text, _ in found))
        vectors = np.asarray(self.embedder.embed(texts), np.float32) if texts else np.zeros((0, 0), np.float32)
        wanted = (len(texts), len(self.probe) // 4)
        if texts and vectors.shape != wanted:
            raise BadValue("vectors", f"shape {vectors.shape}", f"of shape {wanted}")
        by = dict(zip(texts, vectors, strict=True))
        return [(ordinal, by[text]) for ordinal, text, _ in found], end

    def _write(self, tx: Transaction, placed: Sequence[tuple[int, Vector]], end: int) -> None:
        """Vectors of what still lives, and how far they reach."""
        if not placed:
            return
        assert self.space is not None
        living = {
            ordinal
            for (ordinal,) in tx.execute(
                "SELECT ordinal FROM entries WHERE ns = ? AND ordinal >= ? AND ordinal < ? AND alive = 1",
                (self.ns, placed[0][0], end),
            )
        }
        tx.vectors.write(self.ns, self.space, [pair for pair in placed if pair[0] in living])
        _reach(tx, self.ns, end)
        self.embedded += len(placed)
        self.done += len(placed)
        self.total = max(self.total, self.done)
        tx.on_commit(lambda: self.progress(self.done, self.total))

    def _still_mine(self, tx: Transaction) -> None:
        """Raises: Unavailable where another move has taken over."""
        if self.space is None:
            return
        row = tx.execute("SELECT state FROM spaces WHERE space = ?", (self.space,)).fetchone()
        if row is None or row[0] != "filling":
            raise Unavailable("the namespace is being moved to another embedder, or has been: this move has ended")

    # Spaces

    def _serve(self, tx: Transaction, space: int | None) -> str | None:
        """Let a space serve, or words alone, from this transaction on; the incumbent's new id."""
        before = serving(tx, self.ns)
        if before is not None:
            self._retire(tx, before)
        settings = {name: value for name, value in _settings(tx, self.ns).items() if name != FILLED or space is None}
        tx.execute("UPDATE namespaces SET space = ?, settings = ? WHERE ns = ?", (space, json.dumps(settings), self.ns))
        tx.execute("UPDATE spaces SET state = 'serving' WHERE space = ?", (space,))
        time = self.clock()
        model = None if space is None or self.embedder is None else self.embedder.model
        seq = append_log(
            tx, self.ns, time=time, actor=self.actor, operation=new_id(), op="REEMBED",
            body={"before": before, "space": space, "model": model},
        )  # fmt: skip
        standing = read_standing(tx, self.ns)
        if standing is None:
            return None
        policy = standing.incumbent.with_(vectors_since=seq)
        write_standing(tx, self.ns, anew(standing, policy, seq), time)
        return policy.id

    def _retire(self, tx: Transaction, space: int) -> None:
        """Its model may be used again, by a space of another number."""
        tx.execute(
            "UPDATE spaces SET state = 'retired', model = model || ' #' || space, probe = NULL WHERE space = ?",
            (space,),
        )

    def _same(self, stored: bytes | None, found: object = None) -> bool:
        return stored is None or same_probe(stored, np.frombuffer(self.probe, "<f4") if found is None else found)


def _settings(tx: Transaction, ns: int) -> dict[str, Any]:
    (text,) = tx.execute("SELECT settings FROM namespaces WHERE ns = ?", (ns,)).fetchone()
    found: dict[str, Any] = json.loads(text)
    return found


def _reached(tx: Transaction, ns: int) -> int:
    return int(_settings(tx, ns).get(FILLED, 0))


def _reach(tx: Transaction, ns: int, ordinal: int) -> None:
    settings = {**_settings(tx, ns), FILLED: ordinal}
    tx.execute("UPDATE namespaces SET settings = ? WHERE ns = ?", (json.dumps(settings), ns))


def _counted(tx: Transaction, ns: int, ordinal: int) -> tuple[int, int]:
    """Living entries before, and from there on."""
    done, waiting = tx.execute(
        "SELECT COUNT(*) FILTER (WHERE ordinal < ?), COUNT(*) FILTER (WHERE ordinal >= ?) FROM entries"
        " WHERE ns = ? AND alive = 1",
        (ordinal, ordinal, ns),
    ).fetchone()
    return int(done), int(waiting)
