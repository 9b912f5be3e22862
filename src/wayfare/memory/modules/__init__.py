"""Memories for streams of tasks, each a way to use one `Memory`: what is searched, shown and kept.

protocol    `MemoryModule`: search, synthesise, update        frames    how what is kept is shown, and read back
stored      what all modules share: one memory                answered  what a language model says, as JSON

nothing     no memory                                         history   the last tasks, or all of them
similar     ExpRAG: similar tasks; or those that succeeded    credited  MemRL; this library's memory, as it comes
insights    a sheet with votes        workflows   what successes have in common        notes   linked notes
facts       one value at a time       refined     ReMem: prune, merge, search again before acting

`MODULES` names them for the command line and for studies; `made` opens one.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.modules.protocol import Finished, Found, MemoryModule

__all__ = ["MODULES", "Finished", "Found", "MemoryModule", "made", "module_class"]

MODULES = {
    "none": "nothing:Nothing",
    "history": "history:History",
    "exprecent": "history:ExpRecent",
    "exprag": "similar:ExpRAG",
    "exprag-success": "similar:ExpRAGSuccess",
    "insights": "insights:Insights",
    "workflows": "workflows:Workflows",
    "notes": "notes:LinkedNotes",
    "facts": "facts:Facts",
    "memrl": "credited:MemRL",
    "remem": "refined:ReMem",
    "safe": "credited:SafeMemory",
}
"""Name -> file and class."""


def module_class(name: str) -> type[Any]:
    """The class of a shipped module. Raises: BadValue for a name that is none."""
    if name not in MODULES:
        raise BadValue("memory", name, f"one of {', '.join(MODULES)}")
    file, _, kind = MODULES[name].partition(":")
    found: type[Any] = getattr(import_module(f"{__name__}.{file}"), kind)
    return found


def made(name: str, address: str | os.PathLike[str], **settings: Any) -> MemoryModule:
    """A shipped module on a memory at an address. settings: k, seed, complete, and what the class takes besides."""
    module: MemoryModule = module_class(name)(address, **settings)
    return module
