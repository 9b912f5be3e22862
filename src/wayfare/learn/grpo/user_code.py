"""What of a run is its user's own code: where an error came from, and what the code said.

A file is the user's that is neither Wayfare's nor Python's nor an installed package's.
"""

from __future__ import annotations

import hashlib
import inspect
import sysconfig
from functools import partial
from pathlib import Path
from typing import Any

import wayfare

__all__ = ["line_of", "of_user", "source_of", "unwrapped"]

OWN = Path(wayfare.__file__).resolve().parent
OTHERS = tuple(Path(place).resolve() for name, place in sysconfig.get_paths().items() if "lib" in name)
INSTALLED = frozenset({"site-packages", "dist-packages"})


def of_user(file: str) -> bool:
    """Whether a file is the user's; a cell of a notebook and what was typed in are."""
    if file.startswith("<frozen"):
        return False
    path = Path(file).resolve()
    return not INSTALLED & set(path.parts) and not any(path.is_relative_to(each) for each in (OWN, *OTHERS))


def line_of(error: BaseException) -> str:
    """' (FILE:LINE)', the last line of the user's that an error came through; '' where there is none."""
    found, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if of_user(file):
            found = f" ({file}:{trace.tb_lineno})"
        trace = trace.tb_next
    return found


def source_of(given: Any) -> tuple[str, str] | None:
    """(name of the file, digest) of a function, or of an object's class; None for what is not the user's, or not there.

    The whole file counts, since what is called may lie beside it; of a script, or a notebook, which also holds the
    settings of the run, only the function or class itself.
    """
    found = unwrapped(given)
    target = found if inspect.isroutine(found) or isinstance(found, type) else type(found)
    try:
        file = inspect.getsourcefile(target)
        if file is None or not of_user(file):
            return None
        alone = target.__module__ == "__main__" or not Path(file).is_file()
        content = inspect.getsource(target).encode() if alone else Path(file).read_bytes()
    except (OSError, TypeError):
        return None
    return f"{'the script ' if alone else ''}{Path(file).name}", hashlib.sha256(content).hexdigest()[:16]


def unwrapped(given: Any) -> Any:
    """What is called in the end, behind `functools.partial`, decorators and Wayfare's adapters of reward functions."""
    while True:
        inner = given.func if isinstance(given, partial) else getattr(given, "__wrapped__", None)
        if inner is None and type(given).__module__.startswith("wayfare.learn.grpo."):
            inner = getattr(given, "function", None)
        if inner is None or not callable(inner):
            return given
        given = inner
