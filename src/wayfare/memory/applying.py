"""Operations upon rows: what each of them changes, within one transaction.

`Applying` takes operations one after another, keeps what of the log and the index can wait, and writes that in
`finish`: a batch costs few statements. All entries and vectors of records are written in `index`.

Rows of the log name the record that they changed. A merge writes one row of op MERGE under the record that stands
after it, whose body says how to undo it, and one of op MERGED under each that it took in. So that an earlier state can
be told (`copies.points`), a body also says what else the change undid:

    links     [source, target, type, before, after] of each that it touched: [weight, evidence, valid_from, valid_to]
              each, null where there was or is none
    alive     ordinals of the entries under which the record was found before, where any of them died
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue, NoSuchRecord, StoreError, VersionConflict
from wayfare.memory.copies.rolling import restore_version
from wayfare.memory.ids import new_id
from wayfare.memory.index import entries
from wayfare.memory.invalidating import invalidate
from wayfare.memory.linking import Links
from wayfare.memory.merging import merge
from wayfare.memory.operations import (
    Add,
    AddLink,
    Archive,
    Delete,
    Merge,
    Noop,
    Operation,
    OpResult,
    Restore,
    Supersede,
    Unlink,
    Update,
    checked_order,
)
from wayfare.memory.payloads import Payload
from wayfare.memory.quotas import bytes_of, limited, settle
from wayfare.memory.records import Key, Link, Provenance, Record, checksum, content_hash
from wayfare.memory.store import payload_rows
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import LOG_COLUMNS, RECORD_COLUMNS, record_body, record_from, record_row

__all__ = ["Applying", "texts_of"]

Vector = NDArray[np.float32]
_NAMES = record_row(Record("", ""), 0)[0]
_INSERT = (
    f"INSERT INTO records ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))}) "
    "ON CONFLICT DO NOTHING RETURNING record"
)
_REPLACE = f"UPDATE records SET {', '.join(name + ' = ?' for name in _NAMES)} WHERE record = ?"
_LOG = f"INSERT INTO log (ns, {LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def texts_of(ops: Iterable[Operation]) -> list[str]:
    """Every text that these operations bring into the index, once."""
    found: dict[str, None] = {}
    for op in ops:
        if isinstance(op, Update):
            given: Any = op.changes
            if "content" in given:
                found[given["content"]] = None
            if given.get("context") is not None:
                found[given["context"]] = None
            found.update((key.text, None) for key in given.get("keys", ()))
            continue
        add = op if isinstance(op, Add) else op.into if isinstance(op, Merge) else getattr(op, "by", None)
        if isinstance(add, Add):
            found[add.content] = None
            if add.context is not None:
                found[add.context] = None
            found.update((key.text, None) for key in add.keys)
    return list(found)


class Applying:
    """One transaction's worth of operations.

    space, vectors: number of the serving space, and text -> [D]; None and nothing where there are no vectors
    embed: for texts that have no vector yet
    time: s since the epoch        readable: namespaces in which parents and targets of links may lie, beside `ns`
    """

    def __init__(
        self,
        tx: Transaction,
        ns: int,
        *,
        space: int | None,
        vectors: Mapping[str, Vector],
        embed: Callable[[list[str]], Mapping[str, Vector]],
        time: float,
        actor: str,
        operation: str,
        readable: Sequence[int] = (),
    ) -> None:
        self.tx, self.ns, self.time, self.actor, self.operation = tx, ns, float(time), actor, operation
        self.space, self._readable = space, tuple(readable)
        self._vectors, self._embed = dict(vectors), embed
        self.waiting: list[tuple[int, list[tuple[str, str | None, str]], list[Vector | None]]] = []
        self._log: list[tuple[str, str | None, int | None, str, str]] = []
        self._results: list[tuple[str, str, int | None, str, int]] = []
        self._more_records = self._more_bytes = 0
        self.links = Links(tx, ns, self.time)
        self._alive: dict[int, list[int]] = {}

    # Taking operations

    def expect(self, versions: Mapping[str, int]) -> None:
        """Raises: NoSuchRecord; VersionConflict."""
        for id, version in versions.items():
            _, record = self.find(id)
            if record.version != version:
                raise VersionConflict(id, version, record.version)

    def take(self, op: Operation) -> None:
        """Apply one. Raises: NoSuchRecord; BadValue; StoreError."""
        match op:
            case Add():
                id, version, new = self.add(op)
                if new:
                    self.answer("ADD", id, version, op.reason)
                else:
                    self._noop(id, version, f"memory {id} says the same")
            case Update():
                self._update(op)
            case Merge():
                merge(self, op)
            case Supersede():
                self._supersede(op)
            case AddLink():
                number, _ = self.find(op.link.source)
                self._link(op.link)
                self.write_log("LINK", op.link.source, None, op.reason, {"record": number})
                self.answer("LINK", op.link.source, None, op.reason)
            case Unlink():
                self._unlink(op)
            case Restore():
                restore_version(self, op)
            case Archive():
                self._retire(op.id, "ARCHIVE", "archived", op.reason)
            case Delete():
                self._retire(op.id, "DELETE", "tombstone", op.reason)
            case Noop():
                known = None if op.id is None else self.find(op.id)[1].version
                self._noop(op.id, known, op.reason)
            case _:
                raise BadValue("ops", op, "a list of operations")

    def finish(self) -> list[OpResult]:
        """Write what has waited; what became of each operation, in their order."""
        self.index()
        first = 0
        if self._log:
            row = self.tx.execute(
                "UPDATE namespaces SET sequence = sequence + ? WHERE ns = ? RETURNING sequence, settings",
                (len(self._log), self.ns),
            ).fetchone()
            settings: str = row[1]
            first = int(row[0]) - len(self._log) + 1
            rows = []
            for i, (op, id, version, reason, body) in enumerate(self._log):
                row = (first + i, self.time, self.actor, self.operation, op, id, version, reason, body)
                rows.append((self.ns, *row, checksum(*row)))
            if len(rows) == 1:
                self.tx.execute(_LOG, rows[0])
            else:
                self.tx.executemany(_LOG, rows)
            if limited(settings):
                settle(
                    self.tx, self.ns, settings, first=first, ops=[row[0] for row in self._log], time=self.time,
                    records=self._more_records, bytes=self._more_bytes,
                )  # fmt: skip
        return [OpResult(op, id, version, reason, first + place) for op, id, version, reason, place in self._results]

    # Rows

    def find(self, id: str) -> tuple[int, Record]:
        """Number and present version. Raises: NoSuchRecord, also for one that was forgotten."""
        row = self.tx.execute(f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND id = ?", (self.ns, id)).fetchone()
        if row is None:
            raise NoSuchRecord(id)
        record = record_from(row, "")
        if record.status == "tombstone":
            raise NoSuchRecord(id)
        return int(row[0]), record

    def write_log(self, op: str, id: str | None, version: int | None, reason: str, body: Mapping[str, Any]) -> None:
        self._log.append((op, id, version, reason, self._body(body)))

    def _body(self, body: Mapping[str, Any]) -> str:
        """With the links that were touched since the last row, and what the record was found under."""
        alive = self._alive.pop(body.get("record", -1), None)
        if alive is not None:
            body = {**body, "alive": alive}
        if self.links.told:
            body, self.links.told = {**body, "links": self.links.told}, []
        return f'{{"record":{body["record"]}}}' if len(body) == 1 and "record" in body else json.dumps(dict(body))

    def answer(self, op: str, id: str, version: int | None, reason: str) -> None:
        """The result of the operation in hand; its row of the log is the last one."""
        self._results.append((op, id, version, reason, len(self._log) - 1))

    def _noop(self, id: str | None, version: int | None, reason: str) -> None:
        self.write_log("NOOP", id, version, reason, {})
        self.answer("NOOP", id or "", version, reason)

    def index(self) -> None:
        """Write the entries and vectors that have waited."""
        if self.waiting:
            ready, self.waiting = self.waiting, []
            if self.space is not None:
                self._fill(ready)
            entries.add_many(self.tx, self.ns, ready, self.space)

    def _fill(self, ready: list[tuple[int, list[tuple[str, str | None, str]], list[Vector | None]]]) -> None:
        """Vectors for entries that come without."""
        bare = [(texts, vectors) for _, texts, vectors in ready if not vectors]
        missing = {text: None for texts, _ in bare for _, _, text in texts if text not in self._vectors}
        if missing:  # a planner has written texts of its own, or what seemed to be known is gone
            self._vectors.update(self._embed(list(missing)))
        for texts, vectors in bare:
            vectors += [self._vectors[text] for _, _, text in texts]

    def enter(self, number: int, texts: list[tuple[str, str | None, str]]) -> None:
        """Have texts indexed: (role, text or None for the content, the text that is indexed)."""
        self.waiting.append((number, texts, []))

    def add(self, op: Add, also: Sequence[Provenance] = ()) -> tuple[str, int, bool]:
        """id, version, and whether it is new; else an active record of its kind says the same.

        also: provenance that is not its own
        """
        id = op.id or new_id()
        record = Record(
            id, op.content, op.kind, op.form, "active", 1, self.time, self.time, op.event_from, op.event_to,
            op.valid_from, op.valid_to, tuple(op.tags), op.meta, tuple(dict.fromkeys((*op.provenance, *also))),
            None if op.payload is None else op.payload.info,
        )  # fmt: skip
        values = record_row(record, self.ns)[1]
        row = self.tx.execute(_INSERT, values).fetchone()
        if row is None:
            same = self._same(record)
            if same is None:
                raise BadValue("id", id, "an id that no memory of the namespace has had")
            return (*same, False)
        number = int(row[0])
        self._more_records += 1
        self._more_bytes += bytes_of(record.content, record.payload)
        if op.payload is not None:
            payload_rows.keep(self.tx, self.ns, op.payload)
        if record.tags:
            self._tag(number, record.tags)
        texts: list[tuple[str, str | None, str]] = [("content", None, op.content)]
        if op.context is not None:
            texts.append(("context", op.context, op.context))
        texts += [(key.role, key.text, key.text) for key in op.keys]
        self.enter(number, texts)
        for parent in dict.fromkeys(parent for each in op.provenance for parent in each.parents):
            if parent != id:
                self._link(Link(id, parent, "derived_from"))
        for link in op.links:
            self._link(replace(link, source=link.source or id, target=link.target or id))
        self._log.append(("ADD", id, 1, op.reason, self._body({"record": number})))
        return id, 1, True

    def _same(self, record: Record) -> tuple[str, int] | None:
        row = self.tx.execute(
            "SELECT id, version FROM records WHERE ns = ? AND kind = ? AND content_hash = ? AND status = 'active'",
            (self.ns, record.kind, content_hash(record.content, record.payload)),
        ).fetchone()
        return None if row is None else (str(row[0]), int(row[1]))

    def _tag(self, number: int, tags: Sequence[str]) -> None:
        self.tx.executemany(
            "INSERT INTO tags (ns, tag, record) VALUES (?, ?, ?)", [(self.ns, tag, number) for tag in tags]
        )

    def rewrite(self, number: int, old: Record, new: Record) -> Record:
        """Keep the old version, write the new one. Raises: StoreError where an active one says the same."""
        new = new.with_(version=old.version + 1, updated_at=self.time)
        if new.status == "active":
            same = self._same(new)
            if same is not None and same[0] != old.id:
                raise StoreError(f"memory {same[0]} already says what memory {old.id} would: merge them instead")
        self._more_records += (new.status == "active") - (old.status == "active")
        for record, sign in ((old, -1), (new, 1)):
            self._more_bytes += sign * bytes_of(record.content, record.payload) if record.status != "tombstone" else 0
        body = record_body(old)
        self.tx.execute(
            "INSERT INTO versions (ns, id, version, body, superseded_at, checksum) VALUES (?, ?, ?, ?, ?, ?)",
            (self.ns, old.id, old.version, body, self.time, checksum(body)),
        )
        self.tx.execute(_REPLACE, (*record_row(new, self.ns)[1], number))
        if new.tags != old.tags:
            self.tx.execute("DELETE FROM tags WHERE record = ?", (number,))
            self._tag(number, new.tags)
        return new

    def kill(self, number: int, roles: str = "") -> None:
        """No search finds it any more. roles: a condition, to kill only some of its entries."""
        self.index()
        if number not in self._alive:
            alive = self.alive(number)
            if alive:
                self._alive[number] = alive
        if roles:
            self.tx.execute(f"{entries.KILL} AND {roles}", (number, self.ns))
        else:
            entries.kill(self.tx, self.ns, number)

    def alive(self, number: int) -> list[int]:
        """Ordinals of the entries under which a record is found."""
        self.index()
        rows = self.tx.execute(
            "SELECT ordinal FROM entries WHERE record = ? AND ns = ? AND alive = 1", (number, self.ns)
        )
        return sorted(ordinal for (ordinal,) in rows)

    # What each operation does

    def _update(self, op: Update) -> None:
        number, old = self.find(op.id)
        fields = {name: value for name, value in op.changes.items() if name not in ("keys", "context")}
        payload: Payload | None = fields.get("payload")
        if payload is not None:
            fields["payload"] = payload.info
        new = replace(old, **fields)
        checked_order("event", new.event_from, new.event_to)
        checked_order("valid", new.valid_from, new.valid_to)
        if new == old and len(fields) == len(op.changes):
            self._noop(old.id, old.version, "it stands so already")
            return
        new = self.rewrite(number, old, new)
        if payload is not None:
            payload_rows.keep(self.tx, self.ns, payload)
        if old.status == "active":
            self._reindex(number, old, new, op.changes)
        self.write_log("UPDATE", new.id, new.version, op.reason, {"record": number})
        self.answer("UPDATE", new.id, new.version, op.reason)
        if (new.content, new.payload) != (old.content, old.payload):
            invalidate(self, new.id, "revised")

    def _reindex(self, number: int, old: Record, new: Record, changes: Mapping[str, Any]) -> None:
        texts: list[tuple[str, str | None, str]] = []
        if new.content != old.content:
            # A context holds the old text; unless another is given, the record is found without.
            self.kill(number, "role IN ('content', 'context')")
            texts.append(("content", None, new.content))
        if "context" in changes:
            self.kill(number, "role = 'context'")
            if changes["context"] is not None:
                texts.append(("context", changes["context"], changes["context"]))
        if "keys" in changes:
            self.kill(number, "role NOT IN ('content', 'context')")
            keys: Sequence[Key] = changes["keys"]
            texts += [(key.role, key.text, key.text) for key in keys]
        if texts:
            self.enter(number, texts)

    def _retire(self, id: str, op: str, status: str, reason: str) -> None:
        number, old = self.find(id)
        if old.status == status:
            self._noop(id, old.version, f"it is {status} already")
            return
        new = self.rewrite(number, old, old.with_(status=status))
        self.kill(number)
        self.write_log(op, id, new.version, reason, {"record": number})
        self.answer(op, id, new.version, reason)
        if op == "DELETE":
            invalidate(self, id, "forgotten")

    def active(self, id: str) -> tuple[int, Record]:
        number, record = self.find(id)
        if record.status != "active":
            raise StoreError(f"memory {id} is {record.status}, not active")
        return number, record

    def _supersede(self, op: Supersede) -> None:
        number, old = self.active(op.id)
        at = self.time if op.at is None else op.at
        end = at if old.valid_from is None else max(at, old.valid_from)
        if old.valid_to is not None:
            end = min(end, old.valid_to)
        old = self.rewrite(number, old, old.with_(status="superseded", valid_to=end))
        self.kill(number)
        if isinstance(op.by, Add):
            by = op.by
            if by.valid_from is None and (by.valid_to is None or by.valid_to >= at):
                by = replace(by, valid_from=at)
            id, version, _ = self.add(by)
        else:
            id, version = op.by, self.active(op.by)[1].version
        self.links.put(Link(id, old.id, "supersedes"))
        self.write_log("SUPERSEDE", old.id, old.version, op.reason, {"record": number, "by": id})
        self.answer("SUPERSEDE", id, version, op.reason)
        invalidate(self, old.id, "superseded", spare=(id,))

    # Links

    def _link(self, link: Link) -> None:
        """Raises: NoSuchRecord unless its source is here, and its target here or in a namespace that is read too."""
        self.find(link.source)
        places = (self.ns, *self._readable)
        marks = ", ".join("?" * len(places))
        row = self.tx.execute(f"SELECT 1 FROM records WHERE id = ? AND ns IN ({marks})", (link.target, *places))
        if row.fetchone() is None:
            raise NoSuchRecord(link.target)
        self.links.put(link)

    def _unlink(self, op: Unlink) -> None:
        number, _ = self.find(op.source)
        if not self.links.drop(op.source, op.target, op.type):
            self._noop(op.source, None, f"no such link: {op.type} to {op.target}")
            return
        self.write_log("UNLINK", op.source, None, op.reason, {"record": number})
        self.answer("UNLINK", op.source, None, op.reason)
