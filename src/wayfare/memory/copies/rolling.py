"""A namespace stands again as it once stood: as new versions, so that nothing that was acknowledged is lost.

What was added since is forgotten, what was forgotten or changed since is written again as it was, with what it was
found under, and so are links. History goes on: the way back is a step of it, and can itself be gone back on. Outcomes,
utilities and policies are what was learned, and stay. What has been purged does not come back.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayfare.errors import BadValue, NoSuchRecord
from wayfare.memory.answers import Kept
from wayfare.memory.copies.points import State, changed, differs, links_since, state_at
from wayfare.memory.invalidating import invalidate, stale_as
from wayfare.memory.merging import revive
from wayfare.memory.operations import Restore
from wayfare.memory.reading import CHANGES
from wayfare.memory.records import Link, Record
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from

if TYPE_CHECKING:
    from wayfare.memory.applying import Applying

__all__ = ["ROLLED_BACK", "RolledBack", "plan", "restore_version", "roll_back"]


@dataclass(frozen=True)
class RolledBack:
    """to: the sequence number that the namespace stands at again        dry: nothing was changed

    restored: ids that were written as they were        forgotten: that were added since
    linked, unlinked: links that stand again, and that do no more        lost: purged since, which do not come back
    links_known: False where the log is too old to tell of links, which are then as they were
    """

    to: int
    restored: tuple[str, ...]
    forgotten: tuple[str, ...]
    linked: tuple[Link, ...]
    unlinked: tuple[Link, ...]
    lost: tuple[str, ...]
    links_known: bool
    dry: bool

    def __str__(self) -> str:
        verb = "would stand" if self.dry else "stands"
        lines = [
            f"{verb} as after change {self.to}: {len(self.restored)} written as they were, {len(self.forgotten)}"
            f" forgotten, {len(self.linked)} links put back, {len(self.unlinked)} taken away"
        ]
        lines += [f"lost      {id} (purged)" for id in self.lost]
        if not self.links_known:
            lines.append("links are as they are now: the log of that time does not tell of them")
        return "\n".join(lines)


def _kept(done: RolledBack) -> dict[str, Any]:
    """Without the evidence of links, which may be a text."""
    links = {name: [[each.source, each.target, each.type] for each in getattr(done, name)] for name in LINKS}
    return {**{name: getattr(done, name) for name in ("to", "restored", "forgotten", "lost", "links_known")}, **links}


def _read(kept: dict[str, Any]) -> RolledBack:
    lists: dict[str, Any] = {name: tuple(kept[name]) for name in ("restored", "forgotten", "lost")}
    links: dict[str, Any] = {name: tuple(Link(*each) for each in kept[name]) for name in LINKS}
    return RolledBack(to=kept["to"], links_known=kept["links_known"], dry=False, **lists, **links)


LINKS = ("linked", "unlinked")
ROLLED_BACK: Kept[RolledBack] = Kept(_kept, _read)
"""As an idempotency key has it."""


def plan(tx: Transaction, ns: int, seq: int, dry: bool = True) -> RolledBack:
    """What going back takes. Raises: Damaged."""
    (last,) = tx.execute("SELECT sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()
    restored, forgotten, lost = [], [], []
    for id in changed(tx, ns, seq, last):
        then, now = state_at(tx, ns, id, seq), state_at(tx, ns, id, last)
        if not then.there:
            if now.there:
                forgotten.append(id)
        elif now.record is None or then.record is None:
            lost.append(id)
        elif not now.there or differs(then, now):
            restored.append(id)
    changes, known = links_since(tx, ns, seq, last)
    back = [each for each in changes if not {each.source, each.target} & {*lost}]
    return RolledBack(
        seq, tuple(restored), tuple(forgotten), tuple(each.before for each in back if each.before is not None),
        tuple(each.after for each in back if each.before is None and each.after is not None), tuple(lost), known, dry,
    )  # fmt: skip


def roll_back(applying: Applying, to: RolledBack, reason: str) -> None:
    """Do what was planned within the same transaction."""
    tx, ns = applying.tx, applying.ns
    then = {id: state_at(tx, ns, id, to.to) for id in to.restored}
    for link in to.unlinked:
        if applying.links.drop(link.source, link.target, link.type):
            applying.write_log("UNLINK", link.source, None, reason, {"record": _present(applying, link.source)[0]})
    for id in to.forgotten:
        number, record = _present(applying, id)
        new = applying.rewrite(number, record, record.with_(status="tombstone"))
        applying.kill(number)
        applying.write_log("DELETE", id, new.version, reason, {"record": number})
    present = {id: _present(applying, id) for id in to.restored}
    # Two that say what the other said before must not stand in each other's way.
    tx.executemany(
        "UPDATE records SET content_hash = ? WHERE record = ?",
        [(os.urandom(16), number) for number, _ in present.values()],
    )
    for id, (number, record) in present.items():
        _restore(applying, number, record, then[id], reason)
    for link in to.linked:
        applying.links.put(link)
        applying.write_log("LINK", link.source, None, reason, {"record": _present(applying, link.source)[0]})


def restore_version(applying: Applying, op: Restore) -> None:
    """One record stands again as at a version.

    Raises: NoSuchRecord, also for one that was forgotten; BadValue for a version that is not there, or as which it
    stands already, was forgotten or has been purged, and for an activation or parameters that would be stale;
    StoreError where an active record says the same.
    """
    number, record = applying.find(op.id)
    marks = ", ".join("?" * len(CHANGES))
    row = applying.tx.execute(
        f"SELECT seq FROM log WHERE ns = ? AND id = ? AND version = ? AND op IN ({marks})",
        (applying.ns, op.id, op.version, *CHANGES),
    ).fetchone()
    then = None if row is None or op.version >= record.version else state_at(applying.tx, applying.ns, op.id, row[0])
    if then is None or then.record is None or not then.there:
        raise BadValue("version", op.version, f"an earlier one of memory {op.id}, which is at {record.version}")
    stale = stale_as(applying.tx, applying.ns, then.record)  # archived, too: it could be made active afterwards
    if stale:
        raise BadValue("version", op.version, f"one that still holds; {stale}")
    _restore(applying, number, record, then, op.reason)
    applying.answer("RESTORE", op.id, record.version + 1, op.reason)
    if (then.record.content, then.record.payload) != (record.content, record.payload):
        invalidate(applying, op.id, "revised")


def _restore(applying: Applying, number: int, record: Record, then: State, reason: str) -> None:
    assert then.record is not None
    alive = None if then.ordinals is None else list(then.ordinals)
    before = applying.alive(number)
    new = applying.rewrite(number, record, then.record)
    if new.status != "active":
        applying.kill(number)
    elif alive is None or alive != before:
        found = before if alive is None else alive
        texts = [ordinal for ordinal in found if alive is not None or not _of_content(applying, ordinal)]
        applying.kill(number)
        if alive is None:  # the log does not say what it was found under: by its content, and by what it is found now
            applying.enter(number, [("content", None, new.content)])
        revive(applying, number, new, texts)
    applying.write_log("RESTORE", new.id, new.version, reason, {"record": number})


def _of_content(applying: Applying, ordinal: int) -> bool:
    row = applying.tx.execute(
        "SELECT role FROM entries WHERE ns = ? AND ordinal = ?", (applying.ns, ordinal)
    ).fetchone()
    return row is None or row[0] in ("content", "context")


def _present(applying: Applying, id: str) -> tuple[int, Record]:
    """Number and present version, also of one that was forgotten."""
    row = applying.tx.execute(
        f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND id = ?", (applying.ns, id)
    ).fetchone()
    if row is None:
        raise NoSuchRecord(id)
    return int(row[0]), record_from(row, "")
