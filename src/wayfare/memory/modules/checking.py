"""A memory class by name, tried before anything runs: what is wrong with it is said with file, class and method.

    exprag                  a shipped module            my_memory.py:MyMemory      a class in a file
    my.package:MyMemory     a class of an installed module

A class is called with those of `address`, `k` and `seed` that it takes, and then lives through a few tasks: nothing
found, feedback right, wrong and missing. Only its form is judged; whether it helps, a stream tells.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wayfare.errors import BadValue, WayfareError
from wayfare.memory.modules import MODULES, module_class
from wayfare.memory.modules.protocol import Finished, Found, MemoryModule
from wayfare.named import module_of, said

__all__ = ["Maker", "class_named", "loaded", "maker"]

Maker = Callable[[str, int, int], MemoryModule]
"""(address, k, seed) -> a module."""
METHODS = {"search": ("task",), "synthesise": ("task", "found"), "update": ("finished",)}
PASSED = ("address", "k", "seed")
TRIED = (
    Finished("put the mug on the desk", "done", 1.0, "go to desk\nfound mug in cabinet 2", 2),
    Finished("put the pen on the desk", "gave up", 0.0),
    Finished("put the key on the desk", "done", None),
)


def maker(name: str) -> Maker:
    """What makes the modules of a name, tried. Raises: BadValue that names file, class and what is missing."""
    kind = loaded(name)
    make = _maker(name, kind)
    with TemporaryDirectory() as folder:
        _try(name, make, folder)
    return make


def class_named(name: str, verb: str = "") -> Any:
    """The class of a name, whatever it can do. verb: that those have which are named where there is none such

    Raises: BadValue.
    """
    if name in MODULES:
        return module_class(name)
    where, colon, kind = name.rpartition(":")
    if not colon or not where or not kind:
        raise BadValue("memory", name, f"FILE.py:CLASS, or one of {', '.join(MODULES)}")
    module = module_of("memory", name)
    found = getattr(module, kind, None)
    if found is None:
        own = [
            each for each, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module.__name__ and (not verb or hasattr(value, verb))
        ]  # fmt: skip
        none = f"it has none with a {verb}" if verb else "it has none"
        raise BadValue("memory", name, f"a class that {where} has ({', '.join(own) or none})")
    if not inspect.isclass(found):
        raise BadValue("memory", name, f"a class; {kind} in {where} is a {type(found).__name__}")
    return found


def loaded(name: str) -> Any:
    """The class of a name, with what a stream asks of it. Raises: BadValue."""
    found = class_named(name, "search")
    if name in MODULES:
        return found
    kind = name.rpartition(":")[2]
    missing = [method for method in METHODS if not callable(getattr(found, method, None))]
    if missing:
        raise BadValue("memory", name, f"a class with search, synthesise and update; {kind} lacks {', '.join(missing)}")
    for method, names in METHODS.items():
        _takes(name, kind, found, method, names)
    return found


def _takes(name: str, kind: str, found: Any, method: str, names: Sequence[str]) -> None:
    """Refuse a method that cannot be called with as many arguments."""
    try:
        inspect.signature(getattr(found, method)).bind(None, *names)
    except TypeError:
        raise BadValue("memory", name, f"a class whose {method} is called as {method}({', '.join(names)})") from None
    except ValueError:  # a built-in without a signature: the trial tells
        return


def _maker(name: str, kind: Any) -> Maker:
    try:
        takes = inspect.signature(kind).parameters
    except ValueError:
        takes = {}  # type: ignore[assignment]
    open_ended = any(each.kind is each.VAR_KEYWORD for each in takes.values())
    needed = [
        each.name for each in takes.values()
        if each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        and each.name not in PASSED
    ]  # fmt: skip
    if needed:
        raise BadValue(
            "memory", name, f"a class that can be made without {', '.join(needed)}; {', '.join(PASSED)} are given"
        )
    passed = [each for each in PASSED if each in takes or (open_ended and takes)]

    def make(address: str, k: int, seed: int) -> MemoryModule:
        given = dict(zip(PASSED, (address, k, seed), strict=True))
        module: MemoryModule = kind(**{each: given[each] for each in passed})
        return module

    return make


def _try(name: str, make: Maker, folder: str) -> None:
    """A few tasks, each answer looked at."""
    module: Any = _carried(name, "its constructor", lambda: make(str(Path(folder) / "tried.db"), 4, 0))
    try:
        for finished in TRIED:
            found = _carried(name, f"search({finished.task!r})", lambda task=finished.task: module.search(task))  # type: ignore[misc]
            if (
                isinstance(found, str)
                or not isinstance(found, Sequence)
                or not all(isinstance(x, Found) for x in found)
            ):
                raise BadValue("memory", name, f"a class whose search returns a list of Found, not {_kind(found)}")
            context = _carried(name, "synthesise", lambda f=finished, r=found: module.synthesise(f.task, r))  # type: ignore[misc]
            if not isinstance(context, str):
                raise BadValue("memory", name, f"a class whose synthesise returns text, not {_kind(context)}")
            _carried(name, f"update, feedback {finished.feedback}", lambda f=finished: module.update(f))  # type: ignore[misc]
    finally:
        if callable(getattr(module, "close", None)):
            module.close()


def _carried(name: str, where: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except WayfareError as error:
        raise BadValue("memory", name, f"a class that lives through three tasks; {where} raises {error}") from error
    except Exception as error:
        raise BadValue(
            "memory", name, f"a class that lives through three tasks; {where} raises {said(error)}"
        ) from error


def _kind(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value):
        wrong = next(each for each in value if not isinstance(each, Found))
        return f"a {type(value).__name__} with a {type(wrong).__name__} in it"
    return "None" if value is None else f"a {type(value).__name__}"
