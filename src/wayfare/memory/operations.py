"""What can be done to a memory: operations, checked where they are made, applied all or none by the engine.

Add         a new record; where an active one of its kind says the same, nothing (NOOP)
Update      a new version of a record; the earlier one is kept
Merge       several records become one; undoable
Supersede   a record no longer holds, another does; the interval of the first is closed
AddLink, Unlink
Restore     an earlier version of a record stands again, as a new one
Archive     kept, but found no more        Delete      hidden at once; its history stays until it is purged
Noop        nothing, and why
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.payloads import Payload
from wayfare.memory.records import (
    FORMS,
    Form,
    Key,
    Link,
    Provenance,
    checked_meta,
    checked_name,
    checked_tags,
    checked_text,
    checked_time,
)

__all__ = [
    "CHANGEABLE",
    "Add",
    "AddLink",
    "Archive",
    "Delete",
    "Merge",
    "Noop",
    "OpResult",
    "Operation",
    "Restore",
    "Supersede",
    "Unlink",
    "Update",
    "request_of",
]

CHANGEABLE = (
    "content", "kind", "tags", "meta", "event_from", "event_to", "valid_from", "valid_to", "keys", "context",
    "payload", "provenance",
)  # fmt: skip
"""Fields that an `Update` may change."""
MOST_KEYS = 50
TIMES = ("event_from", "event_to", "valid_from", "valid_to")
_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class OpResult:
    """What became of one operation. op: what was done (an ADD may have become a NOOP)

    id, version: of the record that now stands for it; version None where none was named        seq: in the log
    """

    op: str
    id: str
    version: int | None
    reason: str
    seq: int


@dataclass(frozen=True)
class Add:
    """A record to be. keys: other texts under which it is found

    context: the text with its surroundings (neighbouring turns, the date), found beside the content
    payload: bytes that it carries (`payloads`)
    links: from the new record, their `source` is ""; or to it, their `target` is ""
    id: None makes one up
    """

    content: str
    kind: str = "fact"
    form: Form = "token"
    tags: Sequence[str] = ()
    meta: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    keys: tuple[Key, ...] = ()
    event_from: float | None = None
    event_to: float | None = None
    valid_from: float | None = None
    valid_to: float | None = None
    provenance: tuple[Provenance, ...] = ()
    links: tuple[Link, ...] = ()
    reason: str = ""
    id: str | None = None
    context: str | None = None
    payload: Payload | None = None

    def __post_init__(self) -> None:
        checked_text("content", self.content)
        if self.kind != "fact":
            checked_name("kind", self.kind)
        if self.form not in FORMS:
            raise BadValue("form", self.form, f"one of {', '.join(FORMS)}")
        if self.tags != ():
            object.__setattr__(self, "tags", checked_tags(self.tags))
        if self.meta is not _EMPTY:
            object.__setattr__(self, "meta", checked_meta(self.meta))
        for name in TIMES:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, checked_time(name, getattr(self, name)))
        checked_order("event", self.event_from, self.event_to)
        checked_order("valid", self.valid_from, self.valid_to)
        if self.keys != ():
            object.__setattr__(self, "keys", checked_keys(self.keys))
        if self.provenance != ():
            object.__setattr__(self, "provenance", checked_provenance(self.provenance))
        if self.links != ():
            object.__setattr__(self, "links", checked_links(self.links))
        if self.reason:
            checked_text("reason", self.reason)
        if self.id is not None:
            checked_name("id", self.id)
        if self.context is not None:
            checked_text("context", self.context)
        _checked_payload(self.payload)


@dataclass(frozen=True)
class Update:
    """A new version of a record. changes: of the fields in `CHANGEABLE`, to their new values; a payload of None takes
    it away."""

    id: str
    changes: Mapping[str, Any]
    reason: str = ""

    def __post_init__(self) -> None:
        checked_name("id", self.id)
        if not isinstance(self.changes, Mapping) or not self.changes:
            raise BadValue("changes", self.changes, f"a mapping with some of {', '.join(CHANGEABLE)}")
        unknown = [name for name in self.changes if name not in CHANGEABLE]
        if unknown:
            raise BadValue("changes", unknown[0], f"of {', '.join(CHANGEABLE)}")
        checks: dict[str, Callable[[str, object], Any]] = {
            "content": checked_text,
            "kind": checked_name,
            **dict.fromkeys(TIMES, checked_time),
        }
        changes = dict(self.changes)
        for name, value in changes.items():
            if name in checks:
                changes[name] = checks[name](name, value)
        if "tags" in changes:
            changes["tags"] = checked_tags(changes["tags"])
        if "meta" in changes:
            changes["meta"] = checked_meta(changes["meta"])
        if "keys" in changes:
            changes["keys"] = checked_keys(changes["keys"])
        if changes.get("context") is not None:
            checked_text("context", changes["context"])
        _checked_payload(changes.get("payload"))
        if "provenance" in changes:
            changes["provenance"] = checked_provenance(changes["provenance"])
        object.__setattr__(self, "changes", MappingProxyType(changes))
        _checked_reason(self.reason)

    def __reduce__(self) -> tuple[type[Update], tuple[str, dict[str, Any], str]]:
        return type(self), (self.id, dict(self.changes), self.reason)


@dataclass(frozen=True)
class Merge:
    """Several records become one: a new one, or one that exists (it may be among them)."""

    ids: tuple[str, ...]
    into: Add | str
    reason: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.ids, str):
            raise BadValue("ids", self.ids, "a list of ids")
        ids = tuple(dict.fromkeys(checked_name("ids", id) for id in self.ids))
        if not [id for id in ids if id != self.into]:
            raise BadValue("ids", ids, "at least one record besides the one that they are merged into")
        object.__setattr__(self, "ids", ids)
        _checked_target("into", self.into)
        _checked_reason(self.reason)


@dataclass(frozen=True)
class Supersede:
    """`id` holds no longer; `by`, a new record or one that exists, does. at: since when, s; None: since now."""

    id: str
    by: Add | str
    reason: str = ""
    at: float | None = None

    def __post_init__(self) -> None:
        checked_name("id", self.id)
        _checked_target("by", self.by)
        if self.by == self.id:
            raise BadValue("by", self.by, "another record than the one it takes the place of")
        checked_time("at", self.at)
        _checked_reason(self.reason)


@dataclass(frozen=True)
class AddLink:
    """Link two records; the same link again takes the new weight, evidence and times."""

    link: Link
    reason: str = ""

    def __post_init__(self) -> None:
        checked_links((self.link,))
        checked_name("link.source", self.link.source)
        checked_name("link.target", self.link.target)
        _checked_reason(self.reason)


@dataclass(frozen=True)
class Unlink:
    """Take a link away."""

    source: str
    target: str
    type: str
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("source", "target", "type"):
            checked_name(name, getattr(self, name))
        _checked_reason(self.reason)


@dataclass(frozen=True)
class Archive:
    """Keep a record, but find it no more."""

    id: str
    reason: str = ""

    def __post_init__(self) -> None:
        checked_name("id", self.id)
        _checked_reason(self.reason)


@dataclass(frozen=True)
class Restore:
    """A record stands again as it stood at a version: text, payload, tags, times, status, and what it is found under.

    Its history goes on: what it says now is kept, and can be gone back to.
    """

    id: str
    version: int
    reason: str = ""

    def __post_init__(self) -> None:
        checked_name("id", self.id)
        if isinstance(self.version, bool) or not isinstance(self.version, int) or self.version < 1:
            raise BadValue("version", self.version, "a whole number from 1")
        _checked_reason(self.reason)


@dataclass(frozen=True)
class Delete:
    """Hide a record at once."""

    id: str
    reason: str = ""

    def __post_init__(self) -> None:
        checked_name("id", self.id)
        _checked_reason(self.reason)


@dataclass(frozen=True)
class Noop:
    """Do nothing, and write down why. id: of the record that makes it needless."""

    reason: str
    id: str | None = None

    def __post_init__(self) -> None:
        checked_text("reason", self.reason)
        if self.id is not None:
            checked_name("id", self.id)


Operation = Add | Update | Merge | Supersede | AddLink | Unlink | Restore | Archive | Delete | Noop


def checked_order(name: str, begin: float | None, end: float | None) -> None:
    """Raises: BadValue where an interval ends before it begins."""
    if begin is not None and end is not None and end < begin:
        raise BadValue(f"{name}_to", end, f"not before {name}_from ({begin})")


def checked_keys(keys: object) -> tuple[Key, ...]:
    """Distinct keys, in their order. Raises: BadValue."""
    if isinstance(keys, str) or not isinstance(keys, Sequence):
        raise BadValue("keys", keys, "a list of Key")
    for key in keys:
        if not isinstance(key, Key):
            raise BadValue("keys", key, "a list of Key")
        if key.role == "content":
            raise BadValue("key.role", key.role, "another role: the content is found by itself")
    found = tuple(dict.fromkeys(keys))
    if len(found) > MOST_KEYS:
        raise BadValue("keys", f"{len(found)} keys", f"at most {MOST_KEYS}")
    return found


def checked_provenance(provenance: object) -> tuple[Provenance, ...]:
    """Raises: BadValue for anything but a list of `Provenance` that holds texts and whole numbers."""
    if isinstance(provenance, str) or not isinstance(provenance, Sequence):
        raise BadValue("provenance", provenance, "a list of Provenance")
    for each in provenance:
        if not isinstance(each, Provenance):
            raise BadValue("provenance", each, "a list of Provenance")
        checked_text("provenance.uri", each.uri, empty=True)
        checked_text("provenance.actor", each.actor, empty=True)
        if isinstance(each.parents, str):
            raise BadValue("provenance.parents", each.parents, "a list of ids")
        for parent in each.parents:
            checked_name("provenance.parents", parent)
        span = each.span
        if span is not None and not (
            isinstance(span, tuple)
            and len(span) == 2
            and all(type(end) is int for end in span)
            and 0 <= span[0] <= span[1]
        ):
            raise BadValue("provenance.span", span, "a pair of whole numbers, from and to")
    return tuple(provenance)


def checked_links(links: object) -> tuple[Link, ...]:
    """Raises: BadValue for anything but a list of `Link` that holds texts and times."""
    if isinstance(links, str) or not isinstance(links, Sequence):
        raise BadValue("links", links, "a list of Link")
    for link in links:
        if not isinstance(link, Link):
            raise BadValue("links", link, "a list of Link")
        checked_text("link.source", link.source, empty=True)
        checked_text("link.target", link.target, empty=True)
        if isinstance(link.evidence, str):
            raise BadValue("link.evidence", link.evidence, "a list of ids or uris")
        for each in link.evidence:
            checked_text("link.evidence", each)
        checked_time("link.valid_from", link.valid_from)
        checked_time("link.valid_to", link.valid_to)
        checked_order("link.valid", link.valid_from, link.valid_to)
    return tuple(links)


def _checked_payload(payload: object) -> None:
    if payload is not None and not isinstance(payload, Payload):
        raise BadValue("payload", type(payload).__name__, "a wayfare.memory.payloads.Payload, or None")


def _checked_target(name: str, target: object) -> None:
    if not isinstance(target, Add):
        if not isinstance(target, str):
            raise BadValue(name, target, "an Add, or the id of a record")
        checked_name(name, target)


def _checked_reason(reason: object) -> None:
    checked_text("reason", reason, empty=True)


def request_of(given: object) -> Any:
    """An operation, or a list of them, as JSON holds it: equal where they ask for the same."""
    if isinstance(given, Mapping):
        return {str(name): request_of(value) for name, value in sorted(given.items())}
    if isinstance(given, (list, tuple)):
        return [request_of(each) for each in given]
    if isinstance(given, Payload):
        return ["Payload", given.digest, given.media_type, request_of(given.header)]
    if hasattr(given, "__dataclass_fields__"):
        named = {each.name: request_of(getattr(given, each.name)) for each in fields(given)}  # type: ignore[arg-type]
        if named.get("payload", 0) is None:  # a request from before there were any is still the same request
            del named["payload"]
        return [type(given).__name__, named]
    return given
