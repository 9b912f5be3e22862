"""What was recalled and what came of it, carried over; then what rests on the rows is made anew from them.

The index is built from the texts; vectors of the lexical embedder from them too, others are taken from their blocks.
Utilities, accounts and granted credits are a replay of the credits. Holes are closed, so that the new file agrees with
itself: a lost row of the log becomes one of op LOST, or what a receipt or an outcome says of it; a lost earlier version
becomes an empty one, as a purge leaves it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.credit import replay, write_utilities
from wayfare.memory.embedding import Embedder, embedder_from
from wayfare.memory.index.entries import add_many, entry_sum
from wayfare.memory.receipts import COLUMNS, Receipt, receipt_from
from wayfare.memory.records import Utility, checksum
from wayfare.memory.standing import Standing, read_standing, task_sum
from wayfare.memory.store.blocks import per_block, row_width, vector_row
from wayfare.memory.store.carried_records import WRONG, CarriedRecords
from wayfare.memory.store.remains import Row
from wayfare.memory.store.rows import LOG_COLUMNS, TOKEN_COLUMNS, token_sum

__all__ = ["Carried"]

ENTRY = ("ordinal", "record", "role", "text", "length", "alive")
ANSWER = ("key", "request", "answer", "time")
COPY = ("id", "what", "label", "path", "digest", "seq", "created_at", "gone_at")
OUTCOME = ("seq", "task", "source", "actor", "time", "reward", "used", "rank", "basis")
Keys = list[tuple[str, str | None, str]]
Vectors = list[NDArray[np.float32] | None]


class Carried(CarriedRecords):
    """One pass from the remains to a new file, each table after those that it rests on."""

    def run(self) -> None:
        """Carry everything."""
        for step in (
            self._meta, self._namespaces, self._take_payloads, self._take_records, self._take_log, self._versions,
            self._unnamed_payloads, self._links, self._policies, self._receipts, self._tasks, self._outcomes,
            self._credits, self._answers, self._copies, self._tokens, self._standing, self._close_holes, self._index,
            self._learn,
        ):  # fmt: skip
            step()

    def lost(self) -> tuple[str, ...]:
        """Ids of records that the log knows and that could not be carried."""
        known = {(ns, id) for (ns, _), (op, id, _, _) in self.log.items() if op == "ADD" and id is not None}
        return tuple(sorted(id for ns, id in known if (ns, id) not in self.numbers))

    def _receipts(self) -> None:
        self._kept: dict[tuple[int, int], Receipt] = {}

        def whole(row: Row) -> Row | None:
            values = [row[name.strip()] for name in COLUMNS.split(",")]
            try:
                receipt = receipt_from(values)
            except WRONG:  # its body may be lost and the rest whole
                values[5] = None
                receipt, row = receipt_from(values), {**row, "body": None}
            self._namespace(row["ns"])
            self._kept[row["ns"], row["seq"]] = receipt
            return row

        self.each("receipts", self.old.rows("receipts"), whole)

    def _tasks(self) -> None:
        counts: dict[tuple[int, str], list[Receipt]] = {}
        for (ns, _), receipt in self._kept.items():
            counts.setdefault((ns, receipt.task), []).append(receipt)

        def whole(row: Row) -> Row | None:
            if task_sum(row["id"], row["side"], row["epoch"], row["standing"], row["opened_at"]) != row["checksum"]:
                return None
            return {**row, "receipts": len(counts.get((row["ns"], row["id"]), ()))}

        self.each("tasks", self.old.rows("tasks"), whole)
        for (ns, id), receipts in counts.items():
            if not self._is("tasks", "ns = ? AND id = ?", (ns, id)):
                self.each("tasks", self.old.ask("tasks", "ns = ? AND id = ?", (ns, id)), whole)
            if not self._is("tasks", "ns = ? AND id = ?", (ns, id)):  # of no epoch: no evidence for the floor
                one = receipts[0]
                agreed = json.dumps({"shares": dict(one.shares), "policies": dict(one.policies)})
                row = (id, one.side if one.policies else "fixed", 0, agreed, one.time)
                names = ("id", "side", "epoch", "standing", "opened_at")
                made = dict(zip(names, row, strict=True))
                self.put("tasks", {"ns": ns, **made, "checksum": task_sum(*row), "receipts": len(receipts)})

    def _is(self, table: str, where: str, values: Sequence[object]) -> bool:
        return self.tx.execute(f"SELECT 1 FROM {table} WHERE {where}", values).fetchone() is not None

    def _outcomes(self) -> None:
        def whole(row: Row) -> Row | None:
            if checksum(*(row[name] for name in OUTCOME)) != row["checksum"]:
                return None
            self._namespace(row["ns"])
            return row

        self.each("outcomes", self.old.rows("outcomes"), whole)
        self.tx.execute(  # what a lost one had corrected stands again
            "UPDATE outcomes SET replaced = NULL WHERE replaced IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outcomes n"
            " WHERE n.ns = outcomes.ns AND n.seq = outcomes.replaced AND n.task = outcomes.task)"
        )
        for ns, seq, op in self.tx.execute(
            "SELECT DISTINCT o.ns, o.voided, l.op FROM outcomes o LEFT JOIN log l ON l.ns = o.ns AND l.seq = o.voided"
            " WHERE o.voided IS NOT NULL"
        ).fetchall():
            if op not in (None, "VOID"):
                short = self._short(ns)
                by = short[0] if len(short) == 1 else None
                self.tx.execute("UPDATE outcomes SET voided = ? WHERE ns = ? AND voided = ?", (by, ns, seq))
        self.tx.execute(
            "UPDATE tasks SET closed_at = (SELECT o.time FROM outcomes o WHERE o.ns = tasks.ns AND o.task = tasks.id"
            " ORDER BY o.seq LIMIT 1) WHERE closed_at IS NOT NULL"
        )

    def _short(self, ns: int) -> list[int]:
        """Changes that took out more outcomes than say so."""
        found = []
        for (of, seq), (op, _, _, body) in self.log.items():
            if of == ns and op == "VOID":
                row = self.tx.execute("SELECT COUNT(*) FROM outcomes WHERE ns = ? AND voided = ?", (ns, seq)).fetchone()
                if row[0] < json.loads(body)["outcomes"]:
                    found.append(seq)
        return found

    def _credits(self) -> None:
        def whole(row: Row) -> Row | None:
            own = self.records.get(row["record"])
            if own is None or own[0] != row["ns"] or not 0 < row["base"] <= 1:
                return None
            return row if self._is("outcomes", "ns = ? AND seq = ?", (row["ns"], row["seq"])) else None

        self.each("credits", self.old.rows("credits"), whole)
        if "credits" in self.old.unread:
            for number, (ns, _) in self.records.items():
                self.each("credits", self.old.ask("credits", "ns = ? AND record = ?", (ns, number)), whole)

    def _answers(self) -> None:
        def whole(row: Row) -> Row | None:
            return row if checksum(*(row[name] for name in ANSWER)) == row["checksum"] else None

        self.each("answers", self.old.rows("answers"), whole)

    def _copies(self) -> None:
        def whole(row: Row) -> Row | None:
            self._namespace(row["ns"])
            return row if checksum(*(row[name] for name in COPY)) == row["checksum"] else None

        self.each("copies", self.old.rows("copies"), whole)

    def _tokens(self) -> None:
        def whole(row: Row) -> Row | None:
            return row if token_sum([row[name] for name in TOKEN_COLUMNS.split(", ")]) == row["checksum"] else None

        self.each("tokens", self.old.rows("tokens"), whole)

    def _standing(self) -> None:
        self.each("standing", self.old.rows("standing"), lambda row: row)
        for (ns,) in self.tx.execute("SELECT ns FROM standing").fetchall():
            standing: Standing | None = None
            with suppress(*WRONG):
                standing = read_standing(self.tx, ns)
            (last,) = self.tx.execute("SELECT coalesce(max(seq), 0) FROM log WHERE ns = ?", (ns,)).fetchone()
            if standing is None or standing.through > last:
                self.tx.execute("DELETE FROM standing WHERE ns = ?", (ns,))
                self.rows["standing"] -= 1
                self.rejected["standing"] += 1

    # What rests on it

    def _close_holes(self) -> None:
        """A log without gaps, as long as anything speaks of; who lost a row of it gets one."""
        for (ns,) in self.tx.execute("SELECT ns FROM namespaces").fetchall():
            (last,) = self.tx.execute(
                "SELECT max(coalesce((SELECT max(seq) FROM log WHERE ns = ?1), 0),"
                " coalesce((SELECT max(seq) FROM receipts WHERE ns = ?1), 0),"
                " coalesce((SELECT max(seq) FROM outcomes WHERE ns = ?1), 0),"
                " coalesce((SELECT max(voided) FROM outcomes WHERE ns = ?1), 0))",
                (ns,),
            ).fetchone()
            unsaid = self._unsaid(ns)
            for seq in range(1, last + 1):
                if (ns, seq) in self.log:
                    continue
                self.rejected["log"] += 1
                said = self._said_of(ns, seq)
                fits = [change for change in unsaid if change[0] < seq < change[1]] if said[2] == "LOST" else []
                change = min(fits, key=lambda each: each[1], default=(0, 0, None, None))
                if fits:
                    said = (self._when(ns, change[2], change[3]), *said[1:])
                self._say(ns, seq, *said, id=change[2], version=change[3])
                if fits:
                    unsaid.remove(change)
            for _, _, id, version in unsaid:  # no hole is left where it could have stood
                last += 1
                self._say(ns, last, self._when(ns, id, version), "", "LOST", {}, id=id, version=version)
            self._say(ns, last + 1, 0.0, "", "SALVAGE", {})
            self.tx.execute("UPDATE namespaces SET sequence = ? WHERE ns = ?", (last + 1, ns))

    def _when(self, ns: int, id: str | None, version: int | None) -> float:
        """When a version was made, as its predecessor tells."""
        row = self.tx.execute(
            "SELECT superseded_at FROM versions WHERE ns = ? AND id = ? AND version = ? - 1", (ns, id, version)
        ).fetchone()
        return 0.0 if row is None else float(row[0])

    def _unsaid(self, ns: int) -> list[tuple[float, float, str | None, int | None]]:
        """(after, before, id, version) of changes whose row of the log is lost."""
        said = self.changes
        return [
            (said.get((ns, id, version - 1), 0), said.get((ns, id, version + 1), math.inf), id, version)
            for (of, id), number in self.numbers.items()
            if of == ns and self.records[number][1].content
            for version in range(1, self.records[number][1].version + 1)
            if (ns, id, version) not in said
        ]

    def _said_of(self, ns: int, seq: int) -> tuple[float, str, str, dict[str, Any]]:
        """time, operation, op and body of a lost row, as far as others tell."""
        receipt = self._kept.get((ns, seq))
        if receipt is not None:
            own = [self.numbers[ns, id] for id, _ in receipt.shown if (ns, id) in self.numbers]
            return receipt.time, receipt.id, "RECALL", {"records": own}
        outcome = self.tx.execute("SELECT time, task FROM outcomes WHERE ns = ? AND seq = ?", (ns, seq)).fetchone()
        if outcome is not None:
            rows = self.tx.execute("SELECT record FROM credits WHERE ns = ? AND seq = ? ORDER BY record", (ns, seq))
            return outcome[0], "", "CREDIT", {"records": [record for (record,) in rows.fetchall()], "task": outcome[1]}
        (voided,) = self.tx.execute("SELECT COUNT(*) FROM outcomes WHERE ns = ? AND voided = ?", (ns, seq)).fetchone()
        if voided:
            return 0.0, "", "VOID", {"records": [], "outcomes": voided}
        return 0.0, "", "LOST", {}

    def _say(
        self,
        ns: int,
        seq: int,
        time: float,
        operation: str,
        op: str,
        body: dict[str, Any],
        id: str | None = None,
        version: int | None = None,
    ) -> None:
        row = (seq, time, "", operation, op, id, version, "", json.dumps(body, separators=(",", ":")))
        self.tx.execute(
            f"INSERT INTO log (ns, {LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (ns, *row, checksum(*row))
        )

    def _index(self) -> None:
        """New entries for every active record: its content, and the other texts under which it is found."""
        texts: dict[int, list[tuple[int, str, str | None]]] = {}
        for row in self.old.rows("entries"):
            own = self.records.get(row["record"])
            if row["alive"] != 1 or own is None or own[0] != row["ns"]:
                continue
            if entry_sum(*(row[name] for name in ENTRY)) != row["checksum"]:
                self.rejected["entries"] += 1
            else:
                texts.setdefault(row["record"], []).append((row["ordinal"], row["role"], row["text"]))
        for ns, space in self.tx.execute("SELECT ns, space FROM namespaces").fetchall():
            row = self.tx.execute("SELECT model, dimension FROM spaces WHERE space = ?", (space,)).fetchone()
            again = embedder_from(row[0]) if row is not None and row[0].startswith("lexical") else None
            items: list[tuple[int, Keys, Vectors]] = []
            for number, (of, record) in self.records.items():
                if of != ns or record.status != "active":
                    continue
                found = sorted(texts.get(number, []))
                keys: Keys = [("content", None, record.content)]
                places = [next((ordinal for ordinal, role, _ in found if role == "content"), None)]
                for ordinal, role, text in found:
                    if role != "content" and text is not None:
                        keys.append((role, text, text))
                        places.append(ordinal)
                vectors: Vectors = []
                if row is not None:
                    vectors = self._vectors(ns, space, row[1], again, keys, places)
                items.append((number, keys, vectors))
            for start in range(0, len(items), 500):
                add_many(self.tx, ns, items[start : start + 500], space if row is not None else None)
            self.rows["entries"] += sum(len(keys) for _, keys, _ in items)

    def _vectors(
        self, ns: int, space: int, dimension: int, again: Embedder | None, keys: Keys, places: Sequence[int | None]
    ) -> Vectors:
        if again is not None:
            return list(again.embed([text for _, _, text in keys]))
        found: Vectors = []
        size = per_block(dimension)
        for ordinal in places:
            vector = None
            if ordinal is not None:
                at = (ns, space, ordinal // size)
                for row in self.old.ask("blocks", "ns = ? AND space = ? AND position = ?", at):
                    start = ordinal % size * row_width(dimension)
                    stored = row["data"][start : start + row_width(dimension)]
                    each = np.frombuffer(stored[:-4], "<f4")
                    if len(each) == dimension and vector_row(each) == stored:
                        vector = each.copy()
            found.append(vector)
        return found

    def _learn(self) -> None:
        """Utilities, accounts and what was granted; how often each was recalled, by the log."""
        for ns, frozen in self.tx.execute(
            "SELECT n.ns, s.frozen FROM namespaces n LEFT JOIN standing s ON s.ns = n.ns"
        ).fetchall():
            counts: dict[int, int] = {}
            for (body,) in self.tx.execute("SELECT body FROM log WHERE ns = ? AND op = 'RECALL'", (ns,)).fetchall():
                for number in json.loads(body)["records"]:
                    if number in self.records:
                        counts[number] = counts.get(number, 0) + 1
            write_utilities(self.tx, ns, {number: Utility(recalled=count) for number, count in counts.items()})
            rows = self.tx.execute("SELECT DISTINCT record FROM credits WHERE ns = ?", (ns,)).fetchall()
            replay(self.tx, ns, [record for (record,) in rows], through=frozen)
            self.rows["utilities"] += len(counts)
