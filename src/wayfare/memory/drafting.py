"""From what a caller says about a new memory to the operation that adds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.copies.subjects import subject_tag
from wayfare.memory.echo import echo_of
from wayfare.memory.operations import Add
from wayfare.memory.payloads import Payload
from wayfare.memory.recalled import Recall
from wayfare.memory.records import Form, Key, Provenance, Record, checked_tags, checked_text
from wayfare.memory.tasks import AnyTask

__all__ = ["FIELDS", "draft", "echoed", "provenance_of"]

FIELDS = frozenset(
    {"text", "kind", "tags", "keys", "meta", "source", "event", "valid", "subject", "reason", "form", "payload"}
)
"""What `remember` takes."""


def draft(
    text: str,
    *,
    kind: str = "fact",
    tags: Sequence[str] = (),
    keys: Sequence[Key | tuple[str, str]] = (),
    meta: Mapping[str, Any] | None = None,
    source: Recall | Record | str | None = None,
    event: float | tuple[float | None, float | None] | None = None,
    valid: tuple[float | None, float | None] | None = None,
    subject: str | None = None,
    form: Form = "token",
    payload: Payload | None = None,
    reason: str = "",
    actor: str = "",
) -> Add:
    """`Memory.remember` says what each is. Raises: BadValue."""
    checked_text("text", text)
    if isinstance(keys, str) or not isinstance(keys, Sequence):
        raise BadValue("keys", keys, "a list of (role, text)")
    event_from, event_to = _interval("event", event)
    valid_from, valid_to = _interval("valid", valid)
    return Add(
        text,
        kind=kind,
        form=form,
        payload=payload,
        tags=tags if subject is None else (*checked_tags(tags), subject_tag(subject)),
        meta={} if meta is None else meta,
        keys=tuple(_key(key) for key in keys),
        provenance=provenance_of(source, actor),
        event_from=event_from,
        event_to=event_to,
        valid_from=valid_from,
        valid_to=valid_to,
        reason=reason,
    )


def echoed(text: str, task: AnyTask | None, source: object) -> str | None:
    """Which of the memories that this text was made from, or that its task had recalled, it only restates."""
    recalls = list(task.recalls) if task is not None else []
    if isinstance(source, Recall):
        recalls.append(source)
    shown = {item.id: item.record for recall in recalls for item in recall}
    return echo_of(text, list(shown.values())) if shown else None


def _key(key: object) -> Key:
    if isinstance(key, Key):
        return key
    if isinstance(key, tuple | list) and len(key) == 2:
        return Key(*key)
    raise BadValue("keys", key, "a list of (role, text)")


def _interval(field: str, given: Any) -> tuple[Any, Any]:
    if given is None:
        return None, None
    if isinstance(given, tuple | list):
        if len(given) != 2:
            raise BadValue(field, given, "a pair (from, to)")
        return given[0], given[1]
    if field == "valid":
        raise BadValue(field, given, "a pair (from, to), None where it is open")
    return given, None


def provenance_of(source: object, actor: str) -> tuple[Provenance, ...]:
    """Of what a caller says that it comes from. Raises: BadValue."""
    if source is None:
        return (Provenance(actor=actor),) if actor else ()
    if isinstance(source, Recall):
        return (Provenance(uri=f"recall:{source.id}", actor=actor, parents=source.ids),)
    if isinstance(source, Record):
        return (Provenance(actor=actor, parents=(source.id,)),)
    if isinstance(source, str):
        return (Provenance(uri=source, actor=actor),)
    raise BadValue("source", type(source).__name__, "a Recall, a Record, or a text that names it")
