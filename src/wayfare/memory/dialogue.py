"""Conversations: one memory a turn, found by what was said around it, when, and in which session.

    memory.remember_dialogue([
        {"speaker": "Ann", "text": "We moved to Leeds.", "time": 1683554160, "session": "1"},
        {"speaker": "Bob", "text": "When was that?", "time": 1683554190, "session": "1"},
    ])

A turn is rarely understood by itself: "Yes, in March" holds no word of what was asked. Besides its own text each turn
is therefore indexed with a window: what was said around it, and the date in words. A neighbour comes without the name
of who said it: a question that names a speaker is mostly about what she said herself. What was said before explains a
turn better than what came after. `sessions` says what a session adds when turns are ranked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.operations import Add
from wayfare.memory.records import checked_name, checked_text, checked_time
from wayfare.memory.sessions import KIND, SESSION

__all__ = ["KIND", "Turn", "drafts"]

BEFORE, AFTER, OWN = 2, 1, 1
"""Of a window: neighbours before and after, and how often the turn itself; chosen by `benchmarks/fusion.py`."""


@dataclass(frozen=True)
class Turn:
    """What somebody said. time: s since the epoch, None where not known        session: neighbours share it

    Raises: BadValue.
    """

    speaker: str
    text: str
    time: float | None = None
    session: str = ""

    def __post_init__(self) -> None:
        checked_name("speaker", self.speaker)
        checked_text("text", self.text)
        checked_time("time", self.time)
        if self.session:
            checked_name("session", self.session)


def drafts(turns: Iterable[Turn | Mapping[str, Any]]) -> list[Add]:
    """A record to be added for each turn, in order. Windows end where the session, or what was handed in, ends.

    Raises: BadValue, naming the turn.
    """
    if isinstance(turns, str) or not isinstance(turns, Iterable):
        raise BadValue("turns", turns, "a list of turns")
    found = [_turn(i, turn) for i, turn in enumerate(turns)]
    sessions: dict[str, list[int]] = {}
    for i, turn in enumerate(found):
        sessions.setdefault(turn.session, []).append(i)
    added: dict[int, Add] = {}
    for session, places in sessions.items():
        for position, i in enumerate(places):
            turn = found[i]
            before = [found[j] for j in places[max(0, position - BEFORE) : position]]
            after = [found[j] for j in places[position + 1 : position + 1 + AFTER]]
            added[i] = Add(
                _said(turn),
                kind=KIND,
                tags=(f"{SESSION}{session}",) if session else (),
                meta={"speaker": turn.speaker, "session": session},
                event_from=turn.time,
                context=window(turn, before, after),
            )
    return [added[i] for i in range(len(found))]


def window(turn: Turn, before: Sequence[Turn], after: Sequence[Turn]) -> str:
    """The text that a turn is indexed under."""
    told = [each.text for each in before] + [_said(turn)] * OWN + [each.text for each in after]
    return "\n".join([*told, _date(turn.time)]).rstrip()


def _said(turn: Turn) -> str:
    return f"{turn.speaker}: {turn.text}"


def _date(time: float | None) -> str:
    """In words: Monday 8 May 2023."""
    if time is None:
        return ""
    with suppress(OverflowError, OSError, ValueError):
        day = datetime.fromtimestamp(time, UTC)
        return f"{day:%A} {day.day} {day:%B %Y}"
    return ""


def _turn(i: int, turn: Turn | Mapping[str, Any]) -> Turn:
    if isinstance(turn, Turn):
        return turn
    names = {field.name for field in fields(Turn)}
    if not isinstance(turn, Mapping) or turn.keys() - names or not {"speaker", "text"} <= turn.keys():
        raise BadValue(f"turns[{i}]", turn if len(repr(turn)) < 200 else type(turn).__name__, "a Turn, or a mapping of "
                       f"{', '.join(sorted(names))}; speaker and text are needed")  # fmt: skip
    try:
        return Turn(**turn)
    except BadValue as error:
        raise BadValue(f"turns[{i}].{error.field}", error.value, error.allowed) from None
