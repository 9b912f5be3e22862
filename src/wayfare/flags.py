"""Command-line flags from dataclasses (tyro), and one line for whatever is wrong with them.

tyro parses and writes the help, from field types and docstrings. Where it refuses, `explain` looks for the first word
that does not fit and says field, value and what is allowed.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro

from wayfare.errors import BadValue
from wayfare.studies.contract import Config

__all__ = ["parse", "parse_with_config", "value_of"]

OptionsT = TypeVar("OptionsT")


def parse(kind: type[OptionsT], words: Sequence[str], program: str) -> OptionsT:
    """The dataclass `kind` from `words`.

    Raises: BadValue for words that do not fit; SystemExit(0) after --help.
    """
    hints = get_type_hints(kind, include_extras=True)
    positional = [f.name for f in fields(kind) if _is_positional(hints[f.name])]  # type: ignore[arg-type]
    flags = {name: hint for name, hint in hints.items() if name not in positional}
    parsed: OptionsT = _tyro(lambda: tyro.cli(kind, args=list(words), prog=program), words, program, flags, positional)
    return parsed


def parse_with_config(
    base: Config, kind: type[OptionsT], words: Sequence[str], program: str
) -> tuple[Config, OptionsT]:
    """A config that starts from `base` and the dataclass `kind`, both flat on one command line.

    Raises: BadValue for words that do not fit, or for a value that the config refuses; SystemExit(0) after --help.
    """
    config_kind = type(base)
    unchecked = type(config_kind.__name__, (config_kind,), {"__post_init__": _no_check, "__doc__": config_kind.__doc__})
    start = unchecked(**_values(base))
    both = make_dataclass(
        "Options", [("config", unchecked, field(default=start)), ("run", kind, field(default=kind()))]
    )
    flags = {**get_type_hints(config_kind, include_extras=True), **get_type_hints(kind, include_extras=True)}

    markers = [tyro.conf.OmitArgPrefixes]
    found = _tyro(lambda: tyro.cli(both, args=list(words), prog=program, config=markers), words, program, flags, [])
    return config_kind(**_values(found.config)), found.run


def value_of(words: Sequence[str], name: str) -> str | None:
    """The last value of --name among `words`, or None."""
    found = None
    for i, word in enumerate(words):
        if word == f"--{name}" and i + 1 < len(words):
            found = words[i + 1]
        elif word.startswith(f"--{name}="):
            found = word.partition("=")[2]
    return found


def nearest(word: str, known: Sequence[str]) -> str:
    """' (did you mean X?)', or nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def explain(words: Sequence[str], program: str, flags: Mapping[str, Any], positional: Sequence[str]) -> BadValue | None:
    """What is wrong with `words`: an unknown flag, a value that does not fit its type, one missing or too many."""
    places = list(positional)
    i = 0
    while i < len(words):
        word = words[i]
        i += 1
        if not word.startswith("--"):
            if not places:
                return BadValue("argument", word, f"a --flag with its value ('{program} --help' lists them)")
            places.pop(0)
            continue
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if name not in flags and _without_no(name, flags) is None:
            known = [f"--{each.replace('_', '-')}" for each in flags]
            listed = f"one that '{program} --help' lists{nearest(word.partition('=')[0].replace('_', '-'), known)}"
            return BadValue("option", word.partition("=")[0], listed)
        hint = flags.get(name)
        if hint is bool or hint is None:
            if equals:
                bare = name if hint is bool else name.removeprefix("no_")
                return BadValue(bare, value, f"given as --{bare} or --no-{bare}".replace("_", "-"))
            continue
        if equals:
            values = [value]
        else:
            many = get_origin(hint) is tuple
            end = i
            while end < len(words) and not words[end].startswith("--") and (many or end == i):
                end += 1
            values, i = list(words[i:end]), end
        if not values:
            return BadValue(name, "nothing", f"given a value: {_allowed(hint)}")
        for value in values:
            if not _fits(hint, value):
                return BadValue(name, value, _allowed(hint))
    return BadValue(places[0], "nothing", "given") if places else None


def _tyro(
    parsed: Callable[[], Any], words: Sequence[str], program: str, flags: Mapping[str, Any], positional: Sequence[str]
) -> Any:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parsed()
    except SystemExit as stop:
        if not stop.code:
            raise
        error = explain(words, program, flags, positional)
        raise error or BadValue(
            "arguments", " ".join(words), f"such as '{program} --help' lists: {_flat(said)}"
        ) from None


def _flat(said: io.StringIO) -> str:
    """tyro's box as one line."""
    lines = [line.strip(" │╭╮╰╯─") for line in said.getvalue().splitlines()]
    return " ".join(line for line in lines if line)


def _no_check(self: Any) -> None:
    """Parse first, check then: tyro would wrap the config's own words into its box."""


def _values(config: Any) -> dict[str, Any]:
    return {each.name: getattr(config, each.name) for each in fields(config)}


def _is_positional(hint: Any) -> bool:
    return get_origin(hint) is Annotated and tyro.conf.Positional in hint.__metadata__


def _without_no(name: str, flags: Mapping[str, Any]) -> str | None:
    bare = name.removeprefix("no_")
    return bare if bare != name and flags.get(bare) is bool else None


def _parts(hint: Any) -> tuple[Any, ...]:
    """The types that a value may have."""
    if get_origin(hint) is Annotated:
        return _parts(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(part for each in get_args(hint) for part in _parts(each))
    if get_origin(hint) is tuple:
        return tuple(part for each in get_args(hint) if each is not Ellipsis for part in _parts(each))
    return (hint,)


def _fits(hint: Any, text: str) -> bool:
    return any(_is_a(part, text) for part in _parts(hint))


def _is_a(part: Any, text: str) -> bool:
    if get_origin(part) is Literal:
        return text in map(str, get_args(part))
    if part is type(None):
        return text.lower() == "none"
    if part in (int, float):
        try:
            part(text)
        except ValueError:
            return False
    return True


def _allowed(hint: Any) -> str:
    said = {int: "an integer", float: "a number", str: "text", Path: "a path", type(None): "None"}
    named = []
    for part in _parts(hint):
        named.append(
            f"one of {', '.join(map(str, get_args(part)))}"
            if get_origin(part) is Literal
            else said.get(part, str(part))
        )
    return " or ".join(named)
