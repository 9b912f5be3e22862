from __future__ import annotations

import pytest

from tests.memory.stores import opened
from wayfare.memory.echo import echo_of
from wayfare.memory.engine import Engine
from wayfare.memory.operations import Add, Noop
from wayfare.memory.records import Record

FACT = "The user prefers Vim over Emacs and works from the Berlin office on Tuesdays"


def shown(*texts: str) -> list[Record]:
    return [Record(f"r{i}", text) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    "text",
    [
        FACT,
        "the user PREFERS vim over emacs, and works from the Berlin office on tuesdays.",
        "The user prefers Vim over Emacs.",
        "The user works from the Berlin office on Tuesdays",
        "As said: the user prefers Vim over Emacs and works from the Berlin office on Tuesdays",
    ],
)
def test_a_restatement_is_an_echo(text: str) -> None:
    assert echo_of(text, shown("Something else entirely", FACT)) == "r1"


@pytest.mark.parametrize(
    "text",
    [
        "The user does not prefer Vim over Emacs",
        "The user prefers Emacs over Vim",
        "The user prefers Vim over Emacs and works from the Lisbon office on Fridays",
        "The user prefers Vim 9 over Emacs",
        "The user has two cats",
        "Vim",
        "The user prefers Vim over Emacs and works from the Berlin office on Tuesdays, on Fridays from home",
    ],
)
def test_what_says_anything_new_is_none(text: str) -> None:
    assert echo_of(text, shown("Something else entirely", FACT)) is None


def test_nothing_shown_nothing_echoed() -> None:
    assert echo_of(FACT, []) is None
    assert echo_of("!!!", shown("???")) is None
    assert echo_of("Reset the cache", shown("Never reset the cache")) is None


def test_668_restatements_of_one_recalled_text_leave_one_record(address: str) -> None:
    engine = Engine(opened(address), "default")
    first = engine.plan_and_add([Add(FACT)])[0].id
    beginnings = ["", "As recalled: ", "I recall that ", "So ", "It is so that ", "What we have is that "]
    endings = ["", ".", "!", " .", "...", " (again)"]
    for i in range(668):
        text = beginnings[i % 6] + FACT + endings[i // 6 % 6]
        recalled = list(engine.list().records)
        echo = echo_of(text, recalled)
        if echo is None:
            engine.plan_and_add([Add(text)])
        else:
            assert engine.apply([Noop("restates what was recalled", echo)])[0].id == first
    assert [record.content for record in engine.list(status=None).records] == [FACT]
