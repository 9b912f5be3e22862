"""Looks for damage in one namespace of PostgreSQL, without changing anything: the same questions as of a file.

Pages are the server's (`pg_amcheck`, data checksums). Rows are asked for their checksums, for what they say of one
another, and the index for what the texts say; vectors for whether every text has one, and for those of the lexical
embedder whether it is the text's. Utilities are replayed in a transaction that is taken back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wayfare.memory.credit import replay
from wayfare.memory.embedding import embedder_from
from wayfare.memory.store.addresses import handle_at
from wayfare.memory.store.database import Database, Transaction
from wayfare.memory.store.doctor import Report, guarded, reported
from wayfare.memory.store.index_checks import CHECKS as INDEX_CHECKS
from wayfare.memory.store.index_checks import ROUNDED
from wayfare.memory.store.looking import Findings
from wayfare.memory.store.row_checks import CHECKS as ROW_CHECKS
from wayfare.memory.store.row_checks import NEEDED, REPLAY, count
from wayfare.memory.store.schema import VERSION

__all__ = ["doctor_namespace"]

OWN = {"utilities", "blocks"}
"""Asked here, in another way than of a file."""
FROM_TEXT = "no text is lost; Memory.reembed makes the vectors anew"
TAUGHT = {
    "utilities": ("record", "n, total, squares, q, recalled, used, last_credit"),
    "credits": ("record", "seq, base, granted"),
    "accounts": ("record", "day, actor, weight"),
}


class _TakenBack(Exception):
    """Leaves a transaction without changing anything."""


def doctor_namespace(address: str, namespace: str) -> Report:
    """Look for damage. Others may go on using it. Raises: as `Memory`, for an address that cannot be opened."""
    handle = handle_at(address, namespace)
    found = Findings()
    rows: dict[str, int] = {}
    try:
        with handle.read() as tx:
            for table in NEEDED:
                if table not in ("blocks", "meta", "tokens"):
                    rows[table] = count(tx, table)
            for table, check in (*ROW_CHECKS, *INDEX_CHECKS):
                if table not in OWN:
                    guarded(found, table, lambda check=check: check(tx, found))  # type: ignore[misc]
            guarded(found, "vectors", lambda: _vectors(tx, found))
        guarded(found, "utilities", lambda: _utilities(handle, namespace, found))
        return reported(handle.path, VERSION, found, rows)
    finally:
        handle.close()


def _vectors(tx: Transaction, found: Findings) -> None:
    spaces = tx.execute(
        "SELECT s.space, s.ns, s.model, s.dimension, n.entries FROM spaces s JOIN namespaces n ON n.ns = s.ns"
        " AND n.space = s.space ORDER BY s.space"
    ).fetchall()
    for space, ns, model, dimension, entries in spaces:
        again = embedder_from(model) if model.startswith("lexical") else None
        parts = {}
        for first, rows in tx.vectors.between(ns, space, dimension, 0, entries):
            parts.update(dict(enumerate(rows, start=first)))
        living = tx.execute(
            "SELECT e.ordinal, coalesce(e.text, r.content) FROM entries e JOIN records r ON r.record = e.record"
            " WHERE e.ns = ? AND e.alive = 1 ORDER BY e.ordinal",
            (ns,),
        ).fetchall()
        for ordinal, text in living:
            vector = parts.get(ordinal)
            if vector is None or not vector.any():
                if again is None or again.embed([text]).any():
                    found.add("damage", "vectors", f"entry {ordinal} of {model} has no vector", FROM_TEXT)
            elif again is not None:
                most = float(np.abs(vector - again.embed([text])[0]).max())
                if not most <= ROUNDED:
                    what = f"the vector of entry {ordinal} of {model} is {most:.2g} from that of its text"
                    found.add("warning", "vectors", what, FROM_TEXT)


def _utilities(handle: Database, namespace: str, found: Findings) -> None:
    try:
        with handle.write() as tx:
            ns = tx.namespace(namespace)
            if ns is None:
                return
            before = {table: _taught(tx, ns, table) for table in TAUGHT}
            row = tx.execute("SELECT frozen FROM standing WHERE ns = ?", (ns,)).fetchone()
            records = sorted({record for rows in before.values() for record, *_ in rows})
            replay(tx, ns, records, through=None if row is None else row[0])
            for table, stood in before.items():
                for record in sorted({each[0] for each in stood ^ _taught(tx, ns, table)}):
                    what = f"record number {record}: a replay of its credits gives something else"
                    found.add("damage", table, what, REPLAY)
            raise _TakenBack
    except _TakenBack:
        pass


def _taught(tx: Transaction, ns: int, table: str) -> set[tuple[Any, ...]]:
    key, columns = TAUGHT[table]
    return {tuple(row) for row in tx.execute(f"SELECT {key}, {columns} FROM {table} WHERE ns = ?", (ns,))}
