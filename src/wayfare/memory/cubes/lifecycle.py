"""The states of a memory within a cube, and which follow which.

    Generated   written, and not yet released for use        Activated   in use
    Merged      taken into another memory                    Archived    kept, found no more
    Frozen      in use, and not to be changed

    Generated -> Activated | Merged | Archived | Frozen
    Activated -> Merged | Archived | Frozen
    Frozen    -> Activated
    Merged    -> Activated
    Archived  -> Activated

A state is what the record's status and history say, and one tag: `lifecycle:generated` or `lifecycle:frozen`; an active
record without either is Activated, so that whatever was remembered without a cube has a state, too. A superseded record
is Merged where a merge took it in, and Archived where another only took its place. What was forgotten has none.

States as in MemOS (Li et al. 2025, arXiv 2507.03724), whose text names them; the table of transitions is ours. Frozen
is a promise of the cube's verbs: an activation whose text was changed is archived all the same, and forgetting is
always possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from wayfare.errors import BadValue
from wayfare.memory.records import Record

__all__ = ["TRANSITIONS", "State", "checked_step", "state_of", "with_state"]

_TAG = "lifecycle:"


class State(StrEnum):
    """Of a memory."""

    GENERATED = "generated"
    ACTIVATED = "activated"
    MERGED = "merged"
    ARCHIVED = "archived"
    FROZEN = "frozen"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.GENERATED: frozenset({State.ACTIVATED, State.MERGED, State.ARCHIVED, State.FROZEN}),
    State.ACTIVATED: frozenset({State.MERGED, State.ARCHIVED, State.FROZEN}),
    State.FROZEN: frozenset({State.ACTIVATED}),
    State.MERGED: frozenset({State.ACTIVATED}),
    State.ARCHIVED: frozenset({State.ACTIVATED}),
}
"""State -> those that may follow it."""
_MARKED = (State.GENERATED, State.FROZEN)


def state_of(record: Record, merged: bool) -> State:
    """merged: whether the last that happened to a superseded record was that another took it in."""
    if record.status == "superseded":
        return State.MERGED if merged else State.ARCHIVED
    if record.status == "archived":
        return State.ARCHIVED
    return next((state for state in reversed(_MARKED) if f"{_TAG}{state}" in record.tags), State.ACTIVATED)


def with_state(tags: Iterable[str], state: State) -> tuple[str, ...]:
    """The tags of an active record in a state."""
    own = tuple(tag for tag in tags if not tag.startswith(_TAG))
    return (*own, f"{_TAG}{state}") if state in _MARKED else own


def checked_step(id: str, before: State, after: State) -> None:
    """Raises: BadValue for a transition that is not in the table."""
    if after not in TRANSITIONS[before]:
        allowed = " or ".join(sorted(TRANSITIONS[before]))
        raise BadValue("state", f"{before} -> {after}", f"{before} -> {allowed}, for memory {id}")
