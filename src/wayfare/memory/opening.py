"""What a memory stands on: its file, its namespace, its embedder, and what the namespace has agreed on.

A namespace keeps the range of its rewards and the embedding model that its vectors come from. A handle that is opened
with another is refused before anything is written: rewards of two scales, or vectors of two models, must not mix.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wayfare.errors import BadValue, Damaged
from wayfare.memory.decay import NOTHING_FADES, Decay
from wayfare.memory.embedding import Embedder, embedder_from
from wayfare.memory.embedding.served import PROBE, Asked, Moved, Served, serving
from wayfare.memory.records import checked_name, checksum
from wayfare.memory.store.addresses import handle_at
from wayfare.memory.store.database import Database, Transaction

__all__ = ["Ground", "opened", "settled"]

PATH = re.compile(r"[^\s/][^/\0]*(?:/[^\s/][^/\0]*)*")


@dataclass
class Ground:
    """Everything below the public face.

    ns: of the namespace that is read and written, None while a read-only file has none
    also_read: paths of those that are read too        given: the embedder that it was opened with, or None
    space: of its vectors, as last looked up; None without        served: the embedders of this handle
    reward_range: declared, mapped to [0, 1]        clock: seconds since the epoch
    decay: by which relevance falls with age
    """

    database: Database
    namespace: str
    ns: int | None
    also_read: tuple[str, ...]
    given: Embedder | None
    space: int | None
    reward_range: tuple[float, float]
    clock: Callable[[], float]
    served: Served
    decay: Decay = NOTHING_FADES

    @property
    def embedder(self) -> Embedder | None:
        """Of the vectors, as last looked up. Raises: as `Served.of`."""
        return self.given if self.ns is None else self.served.of(self.space)

    def asked(self, query: str) -> Asked:
        """The query in the space that serves, as far as is known. Raises: as `Served.of`, but for Moved."""
        if self.ns is None and self.given is not None:  # it has nothing of its own, but others may be read
            return Asked(None, self.given.model, np.asarray(self.given.embed_query(query), np.float32))
        while True:
            try:
                return self.served.asked(query, self.space)
            except Moved:
                with self.database.read() as tx:
                    self.space = serving(tx, self.ns)

    def unit_reward(self, reward: object) -> float:
        """The reward in [0, 1]. Raises: BadValue for NaN, no number, or out of the declared range."""
        low, high = self.reward_range
        if isinstance(reward, (bool, np.bool_)):
            reward = float(reward)
        if not isinstance(reward, (int, float, np.integer, np.floating)) or math.isnan(reward := _float(reward)):
            raise BadValue("reward", reward, f"a number from {low:g} to {high:g}")
        if not low <= reward <= high:
            raise BadValue("reward", reward, f"from {low:g} to {high:g}, the declared reward_range")
        return (float(reward) - low) / (high - low)


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def checked_path(field: str, path: object) -> str:
    """A namespace such as `org/user`. Raises: BadValue."""
    text = checked_name(field, path)
    if not PATH.fullmatch(text) or text != text.strip():
        raise BadValue(field, path, "names joined by single slashes, such as org/user")
    return text


def checked_range(reward_range: object) -> tuple[float, float]:
    """(low, high). Raises: BadValue unless both are finite and low is below high."""
    try:
        low, high = (float(each) for each in reward_range)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise BadValue("reward_range", reward_range, "a pair of numbers, low and high") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BadValue("reward_range", reward_range, "finite, low before high")
    return low, high


def opened(
    address: str | os.PathLike[str],
    *,
    namespace: str,
    also_read: Sequence[str],
    embedder: Embedder | str | None,
    reward_range: tuple[float, float] | None,
    synchronous: str,
    read_only: bool,
    clock: Callable[[], float] = time.time,
) -> Ground:
    """Open the store, a file is made where there is none, and agree with the namespace.

    embedder, reward_range: None takes what the namespace already has, else the lexical embedder and (0, 1)
    Raises: BadValue for arguments, or where they disagree with the namespace; StoreError from the file.
    """
    path = checked_path("namespace", namespace)
    if isinstance(also_read, str):
        raise BadValue("also_read", also_read, "a list of namespaces")
    others = tuple(dict.fromkeys(checked_path("also_read", each) for each in also_read))
    if path in others:
        raise BadValue("also_read", path, "other namespaces than the memory's own")
    wanted = None if reward_range is None else checked_range(reward_range)
    if isinstance(embedder, str):
        embedder = embedder_from(embedder) or "none"  # one that cannot be had is refused before a file is made
    database = handle_at(address, path, others, synchronous=synchronous, read_only=read_only)
    try:
        with database.read() as tx:
            known = _agreed(tx, path)
        if known is None and embedder is None:
            embedder = embedder_from("lexical")
        chosen = None if isinstance(embedder, str) else embedder
        if known is not None:
            model, low_high, coming = known
            if wanted is not None and wanted != low_high:
                raise BadValue("reward_range", wanted, f"{low_high}, as the namespace {path!r} has it")
            wanted = low_high
            given = None if chosen is None else chosen.model
            if embedder is not None and given not in (model, coming):
                raise BadValue(
                    "embedder", given, f"{model!r}, whose vectors the namespace {path!r} holds; move it with "
                    "Memory.reembed",
                )  # fmt: skip
        low_high = wanted or (0.0, 1.0)
        if known is None and not read_only:
            with database.write() as tx:
                _agree(tx, path, chosen, low_high)
        with database.read() as tx:
            ns = tx.namespace(path)
            space = serving(tx, ns)
        return Ground(database, path, ns, others, chosen, space, low_high, clock, Served(database, chosen))
    except BaseException:
        database.close()
        raise


def _agreed(tx: Transaction, path: str) -> tuple[str | None, tuple[float, float], str | None] | None:
    """The embedding model and the range of rewards of a namespace, and the model that it is being moved to; None where
    it has not agreed on anything."""
    row = tx.execute(
        "SELECT n.settings, s.model, f.model FROM namespaces n LEFT JOIN spaces s ON s.space = n.space "
        "LEFT JOIN spaces f ON f.ns = n.ns AND f.state = 'filling' WHERE n.path = ?",
        (path,),
    ).fetchone()
    if row is None:
        return None
    low_high = settled(path, json.loads(row[0]))
    return None if low_high is None else (row[1], low_high, row[2])


def settled(path: str, settings: Mapping[str, Any]) -> tuple[float, float] | None:
    """The range of rewards that a namespace has agreed on, None before it has. Raises: Damaged."""
    if "reward_range" not in settings:
        return None
    low, high = settings["reward_range"]
    if settings.get("checksum", checksum(path, low, high)) != checksum(path, low, high):  # older files have none
        raise Damaged(f"the settings of namespace {path!r} do not answer to their checksum; `wayfare memory doctor`")
    return low, high


def _agree(tx: Transaction, path: str, embedder: Embedder | None, reward_range: tuple[float, float]) -> None:
    if _agreed(tx, path) is not None:
        return  # another process was quicker; the next reading of it decides
    ns = tx.namespace(path, create=True)
    space = None
    if embedder is not None:
        probe = np.asarray(embedder.embed_query(PROBE), np.float32)
        space = tx.execute(
            "INSERT INTO spaces (ns, model, dimension, probe, state) VALUES (?, ?, ?, ?, 'serving') RETURNING space",
            (ns, embedder.model, embedder.dimension, probe.tobytes()),
        ).fetchone()[0]
    tx.execute(
        "UPDATE namespaces SET space = ?, settings = ? WHERE ns = ?",
        (space, json.dumps({"reward_range": list(reward_range), "checksum": checksum(path, *reward_range)}), ns),
    )
