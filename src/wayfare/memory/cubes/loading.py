"""Whether a payload may be loaded: into the model that it was made with, and into no other.

A key-value cache or an adapter means nothing to another model, and most often raises no error there: the shapes fit and
the answers are wrong. Its header therefore says what it was made with, as hashes,

    model       of the weights (without what it adapts)        tokenizer    of the vocabulary and its rules
    dtype       of its numbers, by name                        template     of the prompt that the text was put into

and whoever loads it says who they are. Anything else the header may say besides is the reader's business.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

from wayfare.errors import BadValue
from wayfare.memory.records import PayloadInfo, checked_name

__all__ = ["LOADER_FIELDS", "LoaderId", "checked_loadable"]


@dataclass(frozen=True)
class LoaderId:
    """Who wants to load, or has made. Raises: BadValue for a field that is no short text."""

    model: str
    tokenizer: str
    dtype: str
    template: str

    def __post_init__(self) -> None:
        for name in LOADER_FIELDS:
            checked_name(f"loader.{name}", getattr(self, name))

    @property
    def header(self) -> dict[str, str]:
        """For the header of a payload that it makes."""
        return dict(zip(LOADER_FIELDS, astuple(self), strict=True))


LOADER_FIELDS = tuple(field.name for field in fields(LoaderId))


def checked_loadable(payload: PayloadInfo, loader: LoaderId, whose: str) -> None:
    """Raises: BadValue naming the first field that differs or is missing. whose: the record, and where it is from"""
    for name in LOADER_FIELDS:
        found, wanted = payload.header.get(name), getattr(loader, name)
        if found != wanted:
            raise BadValue(f"payload.header.{name} of {whose}", found, repr(wanted))
