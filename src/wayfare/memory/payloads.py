"""Bytes that a memory carries beside its text: a key-value cache, an adapter, whatever no text can say.

    cache = Payload(data, "application/vnd.safetensors", {"model": "sha256:...", "dtype": "float32"})
    done = memory.remember("The house rules, as a prefix of the prompt", form="activation", payload=cache, source=rules)
    memory.get(done.id).payload                 # digest, size, media type and header, without the bytes
    memory.payload(done.id).data                # the bytes, held against their digest

The text stays what is searched. Bytes are addressed by their content: the same ones are stored once a namespace, every
version of a record names its own, and they go with the last version that names them. They are stored in the same
transaction as the record, and never unpickled or run here: what they mean is its reader's business, who finds in the
header what they were made with (`cubes.loading`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.records import PayloadInfo, checked_json, checked_name

__all__ = ["LARGEST_PAYLOAD", "Payload", "PayloadInfo"]

LARGEST_PAYLOAD = 256 * 2**20
"""Bytes of one payload. More is a file: keep it beside the memory, and its digest and place in `meta`."""
OCTETS = "application/octet-stream"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Payload:
    """data: 1 byte to 256 MiB        media_type: as in RFC 6838, `type/subtype`

    header: a JSON object of what a reader must know before it reads (hashes, shapes), no texts: it is not redacted
    digest: SHA-256 of the data, hexadecimal
    Raises: BadValue.
    """

    data: bytes = field(repr=False)
    media_type: str = OCTETS
    header: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.data, bytearray | memoryview):
            object.__setattr__(self, "data", bytes(self.data))
        if not isinstance(self.data, bytes):
            raise BadValue("payload.data", type(self.data).__name__, "bytes")
        if not 1 <= len(self.data) <= LARGEST_PAYLOAD:
            raise BadValue("payload.data", f"{len(self.data)} bytes", f"from 1 to {LARGEST_PAYLOAD} bytes")
        checked_media_type(self.media_type)
        object.__setattr__(self, "header", checked_json("payload.header", self.header))
        object.__setattr__(self, "digest", sha256(self.data).hexdigest())

    @property
    def info(self) -> PayloadInfo:
        """What a record says of it."""
        return PayloadInfo(self.digest, len(self.data), self.media_type, self.header)

    def __reduce__(self) -> tuple[type[Payload], tuple[bytes, str, dict[str, Any]]]:
        return type(self), (self.data, self.media_type, dict(self.header))


def checked_media_type(name: object) -> str:
    """Raises: BadValue."""
    text = checked_name("payload.media_type", name)
    if text.count("/") != 1 or not text.isascii() or not all(part.strip() == part != "" for part in text.split("/")):
        raise BadValue("payload.media_type", text, "type/subtype")
    return text


def checked_info(told: Any) -> PayloadInfo:
    """Of what a bundle says. Raises: ValueError or BadValue for what cannot be."""
    if not isinstance(told, dict) or set(told) != {"digest", "size", "media_type", "header"}:
        raise ValueError("payload must have digest, size, media_type and header")
    digest, size = told["digest"], told["size"]
    if not isinstance(digest, str) or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ValueError(f"payload.digest must be a SHA-256 in hexadecimal, got {digest!r}")
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST_PAYLOAD:
        raise ValueError(f"payload.size must be from 1 to {LARGEST_PAYLOAD}, got {size!r}")
    return PayloadInfo(
        digest, size, checked_media_type(told["media_type"]), checked_json("payload.header", told["header"])
    )
