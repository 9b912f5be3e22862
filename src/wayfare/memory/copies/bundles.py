"""A bundle: a memory, or what there is of one person, in one file that says what must be in it.

A bundle is a ZIP archive of JSON lines, one member a part (`parts`), and of `manifest.json`:

    format, version     "wayfare memory" or "wayfare subject", and 2          namespace, created_at     whose, and when
    sequence, entries, embedder, reward_range, ...                            parts     rows, bytes and SHA-256 of each

The *digest* of a bundle is the SHA-256 of its manifest, and thereby of all that it holds. It is written beside its
place, brought to the disk and then renamed: what has the name of a bundle is whole. Nothing of it is believed before it
has been read once from end to end: members, sizes, digests, and each row by the type of each of its fields.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from wayfare.errors import BadValue, Damaged, StoreError, Unavailable
from wayfare.memory.copies.parts import Exported, Part, Row

__all__ = [
    "FORMAT",
    "SUBJECT_FORMAT",
    "VERSION",
    "Bundle",
    "checked_target",
    "head_of",
    "renamed",
    "unfinished",
    "write_bundle",
]

FORMAT, SUBJECT_FORMAT = "wayfare memory", "wayfare subject"
VERSION = 2
"""One of version 1, from before records carried payloads, is read as one without any."""
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**20
LONGEST_LINE = 64 * 2**20
MOST_TIMES, FREE = 250, 16 * 2**20
"""Bytes that a bundle may unpack to: so many times its own, and those that are free."""
COMPRESSION = 6


def checked_target(path: str | os.PathLike[str]) -> Path:
    """Where a new file may be written. Raises: BadValue."""
    try:
        found = Path(os.fsdecode(os.fspath(path))).absolute()
    except TypeError:
        raise BadValue("path", path, "the path of a new file") from None
    if os.path.lexists(found):
        raise BadValue("path", str(path), "a new file: nothing is overwritten")
    if not found.parent.is_dir():
        raise BadValue("path", str(path), f"in a folder that is there; make {found.parent} first")
    return found


def unfinished(path: Path, id: str) -> Path:
    """Where a copy lies while it is being made, and stays if that was cut off."""
    return path.with_name(f".{path.name}.{id}.part")


def write_bundle(path: Path, id: str, head: Mapping[str, Any], parts: Mapping[str, Iterator[Row]]) -> str:
    """Write a new file, whole or not at all; its digest. Raises: BadValue where it is there; Unavailable."""
    part = unfinished(path, id)
    try:
        with open(part, "xb") as file:
            digest = _write(file, head, parts)
            file.flush()
            os.fsync(file.fileno())
        renamed(part, path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return digest


def _write(file: IO[bytes], head: Mapping[str, Any], parts: Mapping[str, Iterator[Row]]) -> str:
    told = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        for name, rows in parts.items():
            digest, size, count = hashlib.sha256(), 0, 0
            with archive.open(_member(name), "w", force_zip64=True) as out:
                for row in rows:
                    line = _line(row)
                    out.write(line)
                    digest.update(line)
                    size, count = size + len(line), count + 1
            told.append({"name": name, "rows": count, "bytes": size, "sha256": digest.hexdigest()})
        manifest = json.dumps({**head, "parts": told}, indent=1, ensure_ascii=False, allow_nan=False).encode()
        archive.writestr(MANIFEST, manifest)
    return hashlib.sha256(manifest).hexdigest()


def _line(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _member(part: str) -> zipfile.ZipInfo:
    """The same bytes whenever it is written."""
    info = zipfile.ZipInfo(f"{part}.jsonl", (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def renamed(part: Path, path: Path) -> None:
    """Give what is whole its name, for good. Raises: BadValue where the name is taken; Unavailable."""
    checked_target(path)
    try:
        os.rename(part, path)
        _synced(path.parent)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error}") from error


def _synced(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # a system where folders cannot be opened
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def head_of(exported: Exported, time: float, copy: str) -> dict[str, Any]:
    """The manifest of a whole memory, without its parts. copy: id under which it is listed"""
    return {
        "format": FORMAT, "version": VERSION, "copy": copy, "namespace": exported.namespace, "created_at": time,
        "sequence": exported.sequence, "entries": exported.entries, "embedder": exported.model,
        "serving": exported.serving, "reward_range": exported.settings.get("reward_range"),
        "settings": exported.settings,
    }  # fmt: skip


class Bundle:
    """A bundle that is read. Nothing is unpacked to the disk.

    digest: that it must have, as it was told when it was made; None takes it at its own word
    Raises: BadValue where there is no file, or it has another digest; Damaged for what is no bundle; StoreError for one
    of another version.
    """

    def __init__(self, path: str | os.PathLike[str], digest: str | None = None, format: str = FORMAT) -> None:
        self.path = Path(os.fsdecode(os.fspath(path))).absolute()
        if not self.path.is_file():
            raise BadValue("path", str(path), "a bundle that is there")
        try:
            self._archive = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise self.damaged(f"no bundle, or cut off: {error}") from None
        try:
            self._begin(digest, format)
        except BaseException:
            self.close()
            raise

    def _begin(self, digest: str | None, format: str) -> None:
        names = self._archive.namelist()
        if len(set(names)) != len(names) or MANIFEST not in names:
            raise self.damaged("it must hold one manifest.json, and no name twice")
        data = self._bytes(MANIFEST, LARGEST_MANIFEST)
        self.digest = hashlib.sha256(data).hexdigest()
        if digest is not None and digest != self.digest:
            raise BadValue("digest", digest, f"{self.digest}, which is that of {self.path}")
        try:
            told = json.loads(data)
            self.format, self.version = told["format"], told["version"]
        except (ValueError, TypeError, KeyError) as error:
            raise self.damaged(f"manifest.json cannot be read: {error!r}") from None
        if self.format != format:
            raise self.damaged(f"manifest.json: format must be {format!r}, got {self.format!r}")
        if self.version not in (1, VERSION) or isinstance(self.version, bool):
            raise StoreError(f"{self.path}: manifest.json is of version {self.version!r}, this Wayfare knows {VERSION}")
        self.head: dict[str, Any] = told
        self._parts = self._listed(told.get("parts"))
        strange = set(names) - {MANIFEST} - {f"{name}.jsonl" for name in self._parts}
        if strange:
            raise self.damaged(f"it holds {sorted(strange)[0]!r}, which its manifest does not name")
        total = sum(each["bytes"] for each in self._parts.values())
        if total > FREE + MOST_TIMES * self.path.stat().st_size:
            raise self.damaged(f"it says that it unpacks to {total} bytes, more than {MOST_TIMES} times its own")

    def _listed(self, parts: Any) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for each in parts if isinstance(parts, list) else [None]:
            fields = each if isinstance(each, dict) else {}
            name = fields.get("name")
            good = isinstance(name, str) and name.isidentifier() and isinstance(fields.get("sha256"), str)
            if not good or name in found or not all(_count(fields.get(field)) for field in ("rows", "bytes")):
                raise self.damaged(f"manifest.json: parts must have a name, rows, bytes and sha256 each, got {each!r}")
            found[str(name)] = fields
        return found

    def count(self, name: str) -> int:
        """Rows of a part. Raises: Damaged where it has no such part."""
        return int(self._part(name)["rows"])

    def _part(self, name: str) -> dict[str, Any]:
        if name not in self._parts:
            raise self.damaged(f"it has no part {name!r}")
        return self._parts[name]

    def rows(self, part: Part) -> Iterator[Row]:
        """The rows of a part, each with the fields that it must have. Raises: Damaged, naming the line."""
        first = self.version == 1
        if first and part.name == "payloads":
            return
        for number, row in enumerate(self.lines(part.name), 1):
            if first and part.name == "records" and isinstance(row, dict):
                row.setdefault("payload", None)
            try:
                yield checked_row(part, row)
            except ValueError as error:
                raise self.wrong(part.name, number, error) from None

    def lines(self, name: str) -> Iterator[Any]:
        """Each line as JSON holds it, and at the end whether it was all. Raises: Damaged."""
        told = self._part(name)
        digest, size, count = hashlib.sha256(), 0, 0
        for line in self._lines(f"{name}.jsonl"):
            size, count = size + len(line), count + 1
            if size > told["bytes"] or len(line) > LONGEST_LINE:
                raise self.damaged(f"{name}.jsonl is longer than its manifest says, or line {count} is")
            digest.update(line)
            try:
                row = json.loads(line, parse_constant=_no_number)
            except (ValueError, RecursionError) as error:
                raise self.wrong(name, count, error) from None
            yield row
        if (count, size, digest.hexdigest()) != (told["rows"], told["bytes"], told["sha256"]):
            raise self.damaged(f"{name}.jsonl is not what its manifest says: it has another digest, or is cut off")

    def _lines(self, member: str) -> Iterator[bytes]:
        try:
            with self._archive.open(member) as file:
                while line := file.readline(LONGEST_LINE + 1):
                    yield line
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, OSError) as error:
            raise self.damaged(f"{member} cannot be read: {error}") from None

    def _bytes(self, member: str, most: int) -> bytes:
        try:
            with self._archive.open(member) as file:
                data = file.read(most + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
            raise self.damaged(f"{member} cannot be read: {error}") from None
        if len(data) > most:
            raise self.damaged(f"{member} is longer than {most} bytes")
        return data

    def wrong(self, part: str, line: int, error: object) -> Damaged:
        """The error for a line that cannot be."""
        return self.damaged(f"{part}.jsonl, line {line}: {error}")

    def damaged(self, what: str) -> Damaged:
        """The error for what it is not."""
        return Damaged(f"{self.path}: {what}")

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_base64(value: object) -> bool:
    try:
        base64.b64decode(value, validate=True)  # type: ignore[arg-type]
    except (TypeError, ValueError, binascii.Error):
        return False
    return isinstance(value, str)


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and len(value) == 32 and not set(value) - set("0123456789abcdef")


_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "int": (_is_int, "a whole number"),
    "record": (lambda value: _is_int(value), "the place of a record"),
    "real": (lambda value: isinstance(value, float) and math.isfinite(value), "a finite number with a point"),
    "text": (_is_text, "a text that UTF-8 can hold, without NUL"),
    "log": (_is_text, "a text that UTF-8 can hold, without NUL"),
    "bytes": (_is_base64, "bytes in base 64"),
    "receipt": (_is_base64, "bytes in base 64"),
    "hex": (_is_hex, "16 bytes in hexadecimal"),
    "json": (lambda value: isinstance(value, dict | list), "a list or an object"),
}


def checked_row(part: Part, row: object) -> Row:
    """The row. Raises: ValueError unless it has the fields of its part, each of its kind."""
    if not isinstance(row, dict) or set(row) != set(part.names):
        raise ValueError(f"it must have the fields {', '.join(part.names)}")
    for column in part.columns:
        value = row[column.name]
        good, what = _KINDS[column.kind]
        if not (column.null and value is None) and not good(value):
            shown = repr(value)
            raise ValueError(f"{column.name} must be {what}, got {shown if len(shown) < 200 else shown[:200] + '...'}")
    return row
