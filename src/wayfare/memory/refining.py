"""A planner that takes its time, as one that asks a language model: nobody waits for it, and nothing is lost by it.

The text is stored as it came, in a transaction of its own. Then the planner is asked, without a lock; what it says is
applied in another transaction, if everything that it saw still stands, else it is asked again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wayfare.errors import VersionConflict
from wayfare.memory.index.cache import caches
from wayfare.memory.neighbours import Surroundings
from wayfare.memory.operations import Add, Archive, Merge, Operation, OpResult, Supersede
from wayfare.memory.planners import Planner
from wayfare.memory.records import Link

if TYPE_CHECKING:
    from wayfare.memory.engine import Engine

__all__ = ["refined"]

REFINED = "evolve_to"
"""Type of the link from a text as it came to what a planner made of it."""


def refined(engine: Engine, draft: Add, planner: Planner, actor: str) -> OpResult:
    """Store as it came, ask the planner without a lock, apply what it says if what it saw still stands.

    Raises: VersionConflict where it has moved on at the last of the planner's calls; what the planner raises.
    """
    raw = engine.apply([draft], actor=actor)[0]
    if raw.op != "ADD" or draft.payload is not None:  # planners weigh texts
        return raw
    calls = getattr(planner, "max_calls", 1)
    for call in range(1, calls + 1):
        with engine.database.read() as tx:
            ns, space = engine.number(tx), engine.serving(tx)
            assert ns is not None
        vectors = engine.embedded(space, [draft.content])
        with engine.database.read() as tx:
            around = Surroundings(tx, ns, caches(engine.database)[ns], space, vectors)
            seen = around.of(draft, planner.wants(draft), without=[raw.id])
        planned = list(planner.plan(draft, seen))
        if not planned:
            return raw
        if len(planned) == 1 and isinstance(planned[0], Add) and planned[0].content == draft.content:
            return raw
        expect = {each.record.id: each.record.version for each in seen} | {raw.id: 1}
        # Out of the way first: what it becomes may say the same.
        ops = [Archive(raw.id, "refined"), *(_evolved(op, raw.id) for op in planned)]
        try:
            return engine.apply(ops, expect=expect, actor=actor)[1]
        except VersionConflict:
            if call == calls:
                raise
    return raw


def _evolved(op: Operation, raw: str) -> Operation:
    """The operation, with a link from the text as it came to what it adds."""
    made = op if isinstance(op, Add) else op.into if isinstance(op, Merge) else getattr(op, "by", None)
    if not isinstance(made, Add):
        return op
    linked = replace(made, links=(*made.links, Link(raw, "", REFINED)))
    if isinstance(op, Merge):
        return replace(op, into=linked)
    return replace(op, by=linked) if isinstance(op, Supersede) else linked
