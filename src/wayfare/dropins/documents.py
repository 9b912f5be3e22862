"""JSON documents under a key in a tuple of names, as records of one namespace of a memory.

    ("users", "ann"), "drink", {"text": "Likes green tea", "sure": 0.9}

One document is one record. Its *content* is what of the document is indexed, so that a recall finds and shows that and
no more; where several texts are, each is a key of its own beside their sum. The whole document, its key and its tuple
lie in the record's `meta`. A document that is not indexed is an archived record: it can be read, no search finds it.

Tuples are told apart by tags, exactly. A name holds no full stop, so that joined by full stops no two tuples are alike;
what would be too long for a tag is replaced by its digest, which begins as no joined tuple can.

    langgraph:users.ann     in this tuple or below it       langgraph:    every document
    langgraph=users.ann     in this very tuple              langgraph#DIGEST    under this key in it

A memory keeps no text twice within one kind, but two keys may hold the same: every document has a kind of its own.
Deleting hides a record and keeps its history, as `Memory.forget` does; a purge is a purge. A memory's redactor is asked
about what is indexed and about all of `meta`, keys included: a document is found under its key nevertheless, by its
tag.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.copies.subjects import subject_tag
from wayfare.memory.ids import new_id
from wayfare.memory.operations import MOST_KEYS, Add, Archive, Delete, Operation, Update
from wayfare.memory.records import LARGEST_META, LONGEST_NAME, Key, Record, checked_tags
from wayfare.memory.store.database import Transaction

__all__ = [
    "STATUSES",
    "Document",
    "Put",
    "checked_minutes",
    "decided",
    "document_of",
    "indexed_texts",
    "json_of",
    "key_tag",
    "namespaces",
    "refreshed",
    "under_tag",
]

MARK = "langgraph"
KIND = "document"
NOT_INDEXED = "(a document that is not indexed)"
STATUSES = ("active", "archived")
ROLE = "field"
DEEPEST = 100
"""Levels of a document."""
LARGEST = LARGEST_META * 9 // 10
"""Characters of a document as JSON in ASCII: its key and its tuple need room too."""
SLACK = 1 / 8
"""Of a lifetime. A reading renews it, but is written down only where the end would otherwise come too early: a document
lives for at least its lifetime after it was last read, and for an eighth longer at most."""


@dataclass(frozen=True)
class Document:
    """As it lies in the store. created, updated: s since the epoch        ttl: lifetime in minutes, None: for ever

    expires: when it may go, s since the epoch        id, tag: of its record: `key_tag`
    """

    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any]
    created: float
    updated: float
    ttl: float | None
    expires: float | None
    id: str
    tag: str

    def lives(self, since: float | None) -> bool:
        """Whether it lives beyond this time; None: whether it is there."""
        return since is None or self.expires is None or self.expires > since

    def stale(self, now: float) -> bool:
        """Whether a reading must be written down."""
        return self.ttl is not None and self.expires is not None and now + 60 * self.ttl > self.expires


@dataclass(frozen=True)
class Put:
    """What is to stand under a key. value: None deletes        texts: of it that are indexed        ttl: in minutes

    subject: whom it is about
    """

    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any] | None
    texts: tuple[str, ...] = ()
    ttl: float | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        if self.ttl is not None:
            checked_minutes("ttl", self.ttl)
        size = len(json.dumps(self.value))
        if size > LARGEST:
            raise BadValue("value", f"{size} characters of JSON", f"at most {LARGEST}")

    @property
    def tag(self) -> str:
        """Of its key."""
        return key_tag(self.namespace, self.key)

    @property
    def tags(self) -> tuple[str, ...]:
        """Of its record, sorted."""
        prefixes = [under_tag(self.namespace[:n]) for n in range(len(self.namespace) + 1)]
        whose = [] if self.subject is None else [subject_tag(self.subject)]
        return checked_tags([*prefixes, _in_tag(self.namespace), self.tag, *whose])

    @property
    def content(self) -> str:
        """Of its record."""
        return "\n".join(self.texts) or NOT_INDEXED

    @property
    def keys(self) -> tuple[Key, ...]:
        """Of its record: each text by itself, where there are several."""
        texts = dict.fromkeys(self.texts)
        return tuple(Key(ROLE, text) for text in list(texts)[:MOST_KEYS]) if len(texts) > 1 else ()

    def embedded(self) -> list[str]:
        """All texts for which its record needs a vector."""
        return [] if self.value is None else [self.content, *(key.text for key in self.keys)]


# Values


def checked_minutes(field: str, minutes: object) -> None:
    """Raises: BadValue for anything but a finite number above 0."""
    if isinstance(minutes, bool) or not isinstance(minutes, (int, float)) or not 0 < minutes < math.inf:
        raise BadValue(field, minutes, "a finite number of minutes above 0, or None")


def json_of(value: object, where: str = "value", depth: int = 0) -> Any:
    """The document as JSON holds it, a copy. Raises: BadValue for what JSON cannot hold exactly."""
    if depth > DEEPEST:
        raise BadValue(where[:100], "more levels", f"at most {DEEPEST} levels deep")
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadValue(where, value, "a finite number")
        return value
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise BadValue(where, name, "a mapping whose keys are texts")
        return {name: json_of(each, f"{where}.{name}", depth + 1) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_of(each, f"{where}[{i}]", depth + 1) for i, each in enumerate(value)]
    raise BadValue(where, type(value).__name__, "what JSON can hold")


def indexed_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Those that say something, as an index can hold them."""
    clean = (text.encode("utf-8", "replace").decode().replace("\0", " ") for text in texts)
    return tuple(text for text in clean if text.strip())


# Names


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _path(names: Sequence[str]) -> str:
    joined = ".".join(names)
    return joined if len(joined) <= LONGEST_NAME - len(MARK) - 1 else f"..{_digest(joined)}"


def under_tag(prefix: Sequence[str]) -> str:
    """Of all documents in this tuple or below it."""
    return f"{MARK}:{_path(prefix)}"


def _in_tag(namespace: Sequence[str]) -> str:
    return f"{MARK}={_path(namespace)}"


def key_tag(namespace: Sequence[str], key: str) -> str:
    """Of the document under this key in this tuple."""
    return f"{MARK}#{_digest(json.dumps([list(namespace), key]))}"


def namespaces(tx: Transaction, ns: int, since: float | None) -> list[tuple[str, ...]]:
    """Every tuple in which there is a document. since: that lives beyond this time"""
    rows = tx.execute(
        "SELECT t.tag, min(r.record) FROM tags t JOIN records r ON r.record = t.record WHERE t.ns = ? AND t.tag >= ? "
        "AND t.tag < ? AND r.status IN ('active', 'archived') AND (r.valid_to IS NULL OR r.valid_to > ?) "
        "GROUP BY t.tag ORDER BY t.tag",
        (ns, f"{MARK}=", f"{MARK}>", -math.inf if since is None else since),
    ).fetchall()
    found = []
    for tag, number in rows:
        path = tag.removeprefix(f"{MARK}=")
        if path.startswith(".."):
            meta = tx.execute("SELECT meta FROM records WHERE ns = ? AND record = ?", (ns, number)).fetchone()[0]
            found.append(tuple(json.loads(meta)[MARK]["namespace"]))
        else:
            found.append(tuple(path.split(".")))
    return found


# Records


def document_of(record: Record) -> Document | None:
    """The document that a record is; None where it is none."""
    held, tag = record.meta.get(MARK), next((tag for tag in record.tags if tag.startswith(f"{MARK}#")), None)
    if held is None or tag is None:
        return None
    return Document(
        tuple(held["namespace"]), held["key"], held["value"], held["created"], held["updated"], held["ttl"],
        record.valid_to, record.id, tag,
    )  # fmt: skip


def _expiry(ttl: float | None, now: float) -> float | None:
    return None if ttl is None else now + 60 * ttl * (1 + SLACK)


def refreshed(document: Document, now: float) -> Update:
    """It has been read: its lifetime begins anew."""
    return Update(document.id, {"valid_to": _expiry(document.ttl, now)}, "read")


def decided(puts: Sequence[Put], found: Mapping[str, Record], now: float) -> list[Operation]:
    """What the puts change. found: by `key_tag`, the records that stand there"""
    ops: list[Operation] = []
    for put in puts:
        old = found.get(put.tag)
        if put.value is None:
            if old is not None:
                ops.append(Delete(old.id, "deleted"))
            continue
        held = {
            "namespace": list(put.namespace), "key": put.key, "value": put.value, "updated": now, "ttl": put.ttl,
            "created": now if old is None else old.meta[MARK]["created"], "texts": len(put.keys),
        }  # fmt: skip
        meta, expires = {MARK: held}, _expiry(put.ttl, now)
        status = "active" if put.texts else "archived"
        if old is not None and old.status == status:
            changes: dict[str, Any] = {"meta": meta}
            if expires != old.valid_to:
                changes["valid_to"] = expires
            if old.tags != put.tags:
                changes["tags"] = put.tags
            if put.texts and old.content != put.content:
                changes["content"] = put.content
            if put.texts and (old.content != put.content or old.meta[MARK]["texts"] != len(put.keys)):
                changes["keys"] = put.keys
            ops.append(Update(old.id, changes))
            continue
        if old is not None:  # what is archived cannot be found again, nor the other way round: another record
            ops.append(Delete(old.id, "indexed otherwise"))
        id = new_id()
        ops.append(
            Add(
                put.content, kind=f"{KIND}.{put.tag[-16:]}", tags=put.tags, meta=meta, keys=put.keys,
                valid_to=expires, id=id,
            )
        )  # fmt: skip
        if not put.texts:
            ops.append(Archive(id, "not indexed"))
    return ops
