"""What every verb of `wayfare memory` does: open the memory that is meant, and answer as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from wayfare.cli.memory_options import Options
from wayfare.errors import BadValue
from wayfare.memory import Memory, Record
from wayfare.memory.store.addresses import is_postgres

__all__ = ["answer", "checked_there", "open_memory", "said"]


def checked_there(address: str) -> str:
    """The address. Raises: BadValue for a file that is not there."""
    if not is_postgres(address) and not Path(address).is_file():
        raise BadValue("db", address, "a file that is there: the path of a memory (--db, or WAYFARE_MEMORY)")
    return address


def open_memory(options: Options, *, make: bool = False, **settings: Any) -> Memory:
    """The memory that is meant. make: a file may be made. Raises: as `Memory`, `checked_there`."""
    if not make:
        checked_there(options.db)
    return Memory(options.db, namespace=options.namespace, **settings)


def said(field: str, text: str) -> str:
    """The text. Raises: BadValue where there is none."""
    if not text:
        raise BadValue(field, text, "given")
    return text


def answer(options: Options, value: Any, text: Callable[[], str]) -> int:
    """Print it, as JSON where that was asked for; 0, the exit status."""
    if options.json:
        print(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(text())
    return 0


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value) if not isinstance(value, Record) else _record(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def _record(record: Record) -> dict[str, Any]:
    found = {name: getattr(record, name) for name in Record.__dataclass_fields__}
    found["meta"] = dict(record.meta)
    found["mean_reward"] = record.utility.mean
    return found
