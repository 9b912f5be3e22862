"""What a memory is made of: records, their links, versions and where they came from.

Every type is frozen; changing a record means writing a new version of it. What comes from outside is checked here,
before anything is written.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Literal, get_args
from zlib import crc32

from wayfare.errors import BadValue

__all__ = [
    "FORMS",
    "LARGEST_TEXT",
    "Form",
    "Key",
    "Link",
    "PayloadInfo",
    "Provenance",
    "Record",
    "Status",
    "Utility",
    "Version",
    "checked_json",
    "checked_text",
    "checksum",
    "content_hash",
    "normalised",
]

Form = Literal["token", "activation", "parameter"]
Status = Literal["active", "superseded", "archived", "tombstone"]
FORMS: tuple[str, ...] = get_args(Form)
LARGEST_TEXT = 1_000_000
"""Characters of one text. More is a document: cut it first."""
LONGEST_NAME = 200
MOST_TAGS = 100
LARGEST_META = 1_000_000
"""Characters of JSON."""
_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Key:
    """Another text under which a record is found. role: what it is to the record: intent, question, entity, context."""

    role: str
    text: str

    def __post_init__(self) -> None:
        checked_name("key.role", self.role)
        checked_text("key.text", self.text)


@dataclass(frozen=True)
class Provenance:
    """Where a text came from. uri: anything; span: characters [from, to) in it; parents: ids it was derived from."""

    uri: str = ""
    span: tuple[int, int] | None = None
    actor: str = ""
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Utility:
    """What credit has taught about a record.

    n: credited weight        total, squares: sums of weight * reward and weight * reward^2, reward in [0, 1]
    q: exponential moving average of the reward, None before the first credit
    recalled: times shown        used: times said to have been acted upon        last_credit: s since the epoch
    """

    n: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    q: float | None = None
    recalled: int = 0
    used: int = 0
    last_credit: float | None = None

    @property
    def mean(self) -> float | None:
        """Of the credited rewards, None before the first."""
        return self.total / self.n if self.n else None


@dataclass(frozen=True)
class PayloadInfo:
    """What is known of the bytes that a record carries without reading them (`payloads.Payload`).

    digest: SHA-256 of the bytes, hexadecimal        size: bytes        header: what a loader must know of them
    """

    digest: str
    size: int
    media_type: str
    header: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True)
class Record:
    """One memory, as it stands or stood.

    created_at, updated_at: s since the epoch, when it was written        event_from, event_to: when it happened
    valid_from, valid_to: while it holds; open where None
    payload: of the bytes that it carries beside its text, None without; `Memory.payload` reads them
    """

    id: str
    content: str
    kind: str = "fact"
    form: Form = "token"
    status: Status = "active"
    version: int = 1
    created_at: float = 0.0
    updated_at: float = 0.0
    event_from: float | None = None
    event_to: float | None = None
    valid_from: float | None = None
    valid_to: float | None = None
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    provenance: tuple[Provenance, ...] = ()
    payload: PayloadInfo | None = None
    utility: Utility = field(default=Utility(), compare=False)
    namespace: str = field(default="", compare=False)

    def with_(self, **changes: Any) -> Record:
        """A copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Link:
    """source -> target, typed. evidence: ids or uris that support it; valid_from, valid_to: while it holds."""

    source: str
    target: str
    type: str
    weight: float = 1.0
    evidence: tuple[str, ...] = ()
    valid_from: float | None = None
    valid_to: float | None = None

    def __post_init__(self) -> None:
        checked_name("link.type", self.type)
        if not (isinstance(self.weight, (int, float)) and math.isfinite(self.weight)):
            raise BadValue("link.weight", self.weight, "a finite number")
        if self.source == self.target:
            raise BadValue("link.target", self.target, "another record than its source")


@dataclass(frozen=True)
class Version:
    """One step in the history of a record: who changed it, when, how, why, and the record after it.

    record: None where the text has been purged        operation: shared by all that was applied together
    """

    version: int
    op: str
    time: float
    actor: str
    operation: str
    reason: str
    record: Record | None


def checked_text(field: str, text: object, *, empty: bool = False) -> str:
    """`text` itself. Raises: BadValue unless it is text that UTF-8 can hold, of a bearable length, and not blank."""
    if not isinstance(text, str):
        raise BadValue(field, text if len(repr(text)) < 200 else type(text).__name__, "text")
    if len(text) > LARGEST_TEXT:
        raise BadValue(field, f"{len(text)} characters", f"at most {LARGEST_TEXT} characters; cut it into parts")
    if "\0" in text:
        raise BadValue(field, "text with a NUL", "text without NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadValue(field, "text with lone surrogates", "text that UTF-8 can hold") from None
    if not empty and not text.strip():
        raise BadValue(field, text[:50], "not blank")
    return text


def checked_name(field: str, name: object) -> str:
    """A short text: a kind, a tag, a type, an actor."""
    text = checked_text(field, name)
    if len(text) > LONGEST_NAME:
        raise BadValue(field, text[:50] + "...", f"at most {LONGEST_NAME} characters")
    return text


def checked_time(field: str, time: object) -> float | None:
    """Seconds since the epoch, or None. Raises: BadValue for anything that is no finite number."""
    if time is None:
        return None
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not math.isfinite(time):
        raise BadValue(field, time, "seconds since the epoch (a finite number) or None")
    return float(time)


def checked_tags(tags: object) -> tuple[str, ...]:
    """Distinct tags, sorted."""
    if isinstance(tags, str) or not isinstance(tags, Sequence | set | frozenset):
        raise BadValue("tags", tags, "a list of short texts")
    found = tuple(sorted({checked_name("tags", tag) for tag in tags}))
    if len(found) > MOST_TAGS:
        raise BadValue("tags", f"{len(found)} tags", f"at most {MOST_TAGS}")
    return found


def checked_meta(meta: object) -> Mapping[str, Any]:
    """As `checked_json`, of the field of that name."""
    return checked_json("meta", meta)


def checked_json(field: str, value: object) -> Mapping[str, Any]:
    """A JSON object. Raises: BadValue for what JSON cannot hold exactly (NaN, other types) or what is too large."""
    if not isinstance(value, Mapping):
        raise BadValue(field, value, "a mapping that JSON can hold")
    try:
        text = json.dumps(dict(value), allow_nan=False, ensure_ascii=True, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadValue(field, str(error), "a mapping that JSON can hold") from None
    if len(text) > LARGEST_META:
        raise BadValue(field, f"{len(text)} characters of JSON", f"at most {LARGEST_META}")
    loaded: dict[str, Any] = json.loads(text)
    return MappingProxyType(loaded)


def normalised(text: str) -> str:
    """What two texts must share to be the same memory: NFKC, case folded, white space single."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def content_hash(text: str, payload: PayloadInfo | None = None) -> bytes:
    """16 bytes of the normalised text, and of the digest of the payload where there is one: two that carry other bytes
    are not the same memory, however they are described."""
    carried = b"" if payload is None else b"\0" + bytes.fromhex(payload.digest)
    return blake2b(normalised(text).encode() + carried, digest_size=16).digest()


def checksum(*parts: object) -> int:
    """CRC-32 over the parts as stored: a row that a disk or a stray write has changed does not answer to it."""
    data = [part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogatepass") for part in parts]
    return crc32(b"\x1f".join([b"", *data]))
