"""What stands under a name: FILE.py:NAME in a file of yours, or MODULE:NAME in an installed module."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue

__all__ = ["module_of", "named", "said"]


def named(field: str, name: str) -> Any:
    """The object. field: what a refusal calls it. Raises: BadValue where there is none, or its file does not import."""
    where, colon, attribute = name.rpartition(":")
    if not colon or not where or not attribute:
        raise BadValue(field, name, "FILE.py:NAME or MODULE:NAME")
    module = module_of(field, name)
    if not hasattr(module, attribute):
        own = [each for each, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise BadValue(field, name, f"something that {where} has ({', '.join(own) or 'it has nothing of its own'})")
    return getattr(module, attribute)


def module_of(field: str, name: str) -> Any:
    """The module in front of the colon. Raises: as `named`."""
    where = name.rpartition(":")[0]
    return _file(field, name, Path(where)) if where.endswith(".py") else _module(field, name, where)


def _file(field: str, name: str, path: Path) -> Any:
    if not path.is_file():
        raise BadValue(field, name, f"in a Python file that is there; {path} is none")
    spec = importlib.util.spec_from_file_location(f"wayfare_named_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        sys.modules.pop(spec.name, None)
        raise BadValue(field, name, f"in a file that can be imported; {path} raises {said(error, path)}") from error
    return module


def _module(field: str, name: str, where: str) -> Any:
    try:
        return importlib.import_module(where)
    except Exception as error:
        raise BadValue(field, name, f"in a module that can be imported; {where} raises {said(error)}") from error


def said(error: Exception, path: Path | None = None) -> str:
    """An exception in one line, with the last line of the file `path` that it came through."""
    line = ""
    if path is not None:
        trace = error.__traceback__
        while trace is not None:
            if Path(trace.tb_frame.f_code.co_filename) == path:
                line = f", line {trace.tb_lineno}"
            trace = trace.tb_next
    return f"{type(error).__name__}: {error}{line}"
