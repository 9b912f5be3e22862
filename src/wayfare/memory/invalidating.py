"""What a model was prepared with does not outlive the text that it was prepared from.

A record of form `activation` (a key-value cache, hidden states) or `parameter` (an adapter) that is `derived_from` a
record answers for what that record said. Once the source is

    revised         to another text or payload
    superseded      by one that says otherwise; or merged into one with another text
    forgotten

it is archived, in the same transaction and with the reason in its history, and so is what was derived from it in turn
(text -> cache -> adapter), through activations and parameters alone: a *text* that was derived from a text says itself
what it says, and is the business of `upkeep.derivatives`. The record that was changed is never archived by its own
change, so that a circle of links comes to an end. Nothing stale can be restored (`operations.Restore`). Sources in
other namespaces are not watched.

Stale activations are the characteristic fault of such designs: MemOS (Li et al. 2025, arXiv 2507.03724) keeps text,
activation and parameter forms of one memory side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wayfare.memory.records import Record
from wayfare.memory.store.database import Transaction

if TYPE_CHECKING:
    from wayfare.memory.applying import Applying

__all__ = ["forms_of", "invalidate", "stale_as"]


def invalidate(applying: Applying, id: str, cause: str, *, spare: Iterable[str] = ()) -> None:
    """Archive the forms that were derived from a record. cause: what became of it. spare: ids that are left alone."""
    seen = {id, *spare}
    waiting = [(id, f"which was {cause} since")]
    while waiting:
        source, why = waiting.pop(0)
        for form in _derived(applying.tx, applying.ns, source):
            if form in seen:
                continue
            seen.add(form)
            waiting.append((form, "which is stale itself"))
            number, record = applying.find(form)
            if record.status != "active":
                continue
            new = applying.rewrite(number, record, record.with_(status="archived"))
            applying.kill(number)
            reason = f"stale: it was derived from memory {source}, {why}"
            applying.write_log("ARCHIVE", form, new.version, reason, {"record": number})


def forms_of(tx: Transaction, ns: int, ids: Iterable[str]) -> list[str]:
    """Activations and parameters that were derived from any of these, directly or by another of them; not these."""
    first = list(dict.fromkeys(ids))
    found: dict[str, None] = dict.fromkeys(first)
    waiting = first[:]
    while waiting:
        for form in _derived(tx, ns, waiting.pop(0)):
            if form not in found:
                found[form] = None
                waiting.append(form)
    return list(found)[len(first) :]


def stale_as(tx: Transaction, ns: int, record: Record) -> str:
    """Why a form, as it is or was at some version, answers for nothing that stands; "" where it still does."""
    from wayfare.memory.upkeep.lineage import Lineage  # it knows of plans, and these of this

    if record.form == "token":
        return ""
    lineage = Lineage(tx, ns)
    lineage.taken_as(record)
    seen = {record.id}
    waiting = [record.id]
    while waiting:
        id = waiting.pop(0)
        for cause, source in lineage.causes(id):
            return f"it was derived from memory {source}, which was {cause} since"
        for target in lineage.targets(id):
            source_of = lineage.record(target)
            if source_of is None or target in seen:
                continue
            seen.add(target)
            heir = lineage.heir(source_of) if source_of.status == "superseded" else source_of
            if heir is None or heir.content != source_of.content:
                return f"it was derived from memory {target}, which does not stand any more"
            if source_of.form != "token":
                waiting.append(target)
    return ""


def _derived(tx: Transaction, ns: int, id: str) -> list[str]:
    """The forms that were derived from this one, and are not forgotten."""
    rows = tx.execute(
        "SELECT r.id FROM links l JOIN records r ON r.ns = l.ns AND r.id = l.source WHERE l.ns = ? AND l.target = ?"
        " AND l.type = 'derived_from' AND r.form != 'token' AND r.status != 'tombstone' ORDER BY r.id",
        (ns, id),
    ).fetchall()
    return [form for (form,) in rows]
