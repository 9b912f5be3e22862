"""What was computed once is read again: arrays by the SHA-256 of all that they depend on.

    arrays, cached = kept({"kind": "base", **settings}, lambda: compute())

Two studies that ask the same control arm run it once, and processes that ask for it at one time wait for the one that
came first. An entry is one file, written aside and renamed; one that cannot be read is none. `WAYFARE_CACHE` names the
folder; empty, it keeps nothing.

The key holds `VERSION` and the versions of wayfare and torch, not the code: whoever changes what a run computes counts
`VERSION` up.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import wayfare
from wayfare.errors import BadValue
from wayfare.locks import lock

__all__ = ["VERSION", "folder", "kept", "key_of", "read_arrays", "write_arrays"]

VERSION = 1
"""Counted up with every change of what a base or an arm computes."""

Found = dict[str, NDArray[Any]]
SETTINGS = "__settings__"


def folder() -> Path | None:
    """Where entries lie; None where nothing is to be kept."""
    told = os.environ.get("WAYFARE_CACHE")
    if told is None:
        return Path.home() / ".cache" / "wayfare" / "language-rl"
    return Path(told) if told else None


def key_of(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings and versions, whatever their order. Raises: BadValue for what JSON cannot hold."""
    return hashlib.sha256(_text(settings).encode()).hexdigest()


def kept(settings: Mapping[str, Any], compute: Callable[[], Mapping[str, NDArray[Any]]]) -> tuple[Found, bool]:
    """(arrays, whether they came from the cache). Raises: BadValue as `key_of`; what `compute` raises."""
    where, text = folder(), _text(settings)
    if where is None:
        return dict(compute()), False
    path = where / f"{key_of(settings)}.npz"
    found = _entry(path, text)
    if found is not None:
        return found, True
    where.mkdir(parents=True, exist_ok=True)
    with _alone(path.with_suffix(".lock")):
        found = _entry(path, text)  # another process may have been at it
        if found is not None:
            return found, True
        fresh = dict(compute())
        write_arrays(path, {**fresh, SETTINGS: np.array(text)})
    return fresh, False


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """One file, which is whole or not there."""
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    with aside.open("wb") as file:
        file.write(held.getvalue())
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def read_arrays(path: Path) -> Found | None:
    """What `write_arrays` wrote; None where there is no file, or one that is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile):
        return None


def _entry(path: Path, text: str) -> Found | None:
    found = read_arrays(path)
    if found is None or str(found.pop(SETTINGS, "")) != text:
        return None
    return found


def _text(settings: Mapping[str, Any]) -> str:
    about = {"version": VERSION, "wayfare": wayfare.__version__, "torch": str(torch.__version__)}
    try:
        return json.dumps({**about, "settings": dict(settings)}, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadValue("settings", str(error), "numbers, texts, lists and mappings of them") from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; without locks the same may be computed twice."""
    with path.open("w") as file:
        lock(file, wait=True)
        yield
