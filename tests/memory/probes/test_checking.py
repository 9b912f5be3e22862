"""The checker: what it refuses, what it survives, and that no memory that is none gets through."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.memory.cards import MemoryCard, Retrieval
from wayfare.memory.modules.similar import ExpRAG
from wayfare.memory.probes import check_card
from wayfare.memory.probes.checking import held_against
from wayfare.memory.probes.degenerate import DEGENERATE, ORDINARY, Empty
from wayfare.memory.probes.items import Meanings, Words, backwards
from wayfare.memory.probes.trial import share


@pytest.mark.parametrize("kind", DEGENERATE)
def test_what_is_no_memory_is_caught(kind: type[Any]) -> None:
    found = check_card(kind)
    assert not found.agrees
    assert len(found.rows) == 10
    assert json.loads(json.dumps(found.to_json()))["agrees"] is False
    assert found.text.count("\n! ") == len(found.disagreements)


def page_class() -> type[Any]:
    page = (Path(__file__).parents[3] / "docs" / "memory-cards.md").read_text()
    [code] = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "class Notes" in block]
    names: dict[str, Any] = {"__name__": "notes"}
    exec(code, names)
    return names["Notes"]  # type: ignore[no-any-return]


def test_the_manuals_class_agrees_with_its_card_and_no_longer_once_a_field_is_turned() -> None:
    notes = page_class()
    found = check_card(notes)
    assert found.agrees, found.text
    assert held_against(found, notes.card) == found
    assert check_card(notes, seed=3).outcomes == found.outcomes
    for change in (
        {"deletable": "approximate"}, {"learns_from_outcome": True}, {"auditable": True}, {"abstains": False},
        {"retrieval": frozenset({Retrieval.LEXICAL, Retrieval.SEMANTIC})},
    ):  # fmt: skip
        assert not held_against(found, replace(notes.card, **change)).agrees, change


def test_without_a_card_or_verbs_the_class_and_what_it_lacks_are_named() -> None:
    class Bare:
        def remember(self, text: str) -> None: ...
        def recall(self, query: str, k: int) -> list[str]: ...  # type: ignore[empty-body]

    class Half:
        card = ORDINARY

        def search(self, task: str) -> list[Any]: ...  # type: ignore[empty-body]
        def update(self, finished: Any) -> None: ...

    class Needy(Bare):
        card = ORDINARY

        def __init__(self, server: str) -> None: ...

    strange = MemoryCard.from_json({**ORDINARY.to_json(), "form": ["token", "etched"]})
    for memory, card, says in (
        (Bare, None, "card of .*Bare.*MemoryCard"), (Half, None, "synthesise.*Half"), (Needy, None, "server.*Needy"),
        (Bare, strange, "etched"), (3, None, "function"), (int, None, "int"), (lambda: 1 / 0, None, "ZeroDivision"),
    ):  # fmt: skip
        with pytest.raises(BadValue, match=says):
            check_card(memory, card=card)  # type: ignore[arg-type]
    for wrong in ({"seed": -1}, {"seconds": 0}, {"probes": ["P11"]}, {"probes": "P1"}):
        with pytest.raises(BadValue, match=next(iter(wrong))):
            check_card(Empty, **wrong)


RAISES: list[Callable[[], Any]] = [lambda: 1 / 0, lambda: None, lambda: [1, 2], lambda: "text", lambda: exit(3)]


@pytest.mark.parametrize("answer", RAISES)
def test_whatever_a_memory_answers_the_checker_comes_to_its_end(answer: Callable[[], Any]) -> None:
    class Odd(Empty):
        def recall(self, query: str, k: int) -> Any:
            return answer()

    found = check_card(Odd)
    assert len(found.rows) == 10
    assert not found.agrees
    assert {"P9", "P10"} <= {row.probe for row in found.disagreements}
    assert answer is not RAISES[1] or "recall returns NoneType" in found.text


def test_a_memory_that_never_returns_holds_up_nobody() -> None:
    stop = threading.Event()

    class Hanging(Empty):
        def recall(self, query: str, k: int) -> Any:
            stop.wait(60)
            return []

    found = check_card(Hanging, seconds=0.2)
    stop.set()
    assert not found.agrees
    assert found.rows[-1].evidence == "not at its end within 0.2 s"


def test_a_function_that_makes_one_is_tried_by_its_results() -> None:
    made = []

    def make() -> Empty:
        made.append(Empty())
        return made[-1]

    assert check_card(make).name == "Empty"
    assert len(made) > 10


def test_the_same_seed_sees_the_same() -> None:
    one, other = (check_card(ExpRAG, seed=5, probes=["P1", "P2", "P9"], seconds=600.0) for _ in range(2))
    assert one == other


@given(st.integers(0, 40), st.integers(1, 40))
def test_the_interval_of_a_share_is_clopper_and_pearsons(successes: int, trials: int) -> None:
    from wayfare.report.statistics import share_interval

    successes = min(successes, trials)
    exact = share_interval(successes, trials)
    assert share(successes, trials) == pytest.approx((exact.low, exact.high), abs=1e-6)


@given(st.integers(0, 1_000))
def test_a_word_and_its_reverse_share_meaning_and_no_letters_in_a_row(seed: int) -> None:
    words = Words(seed)
    text, other = words.cue(3), words.cue(3)
    turned = backwards(text)
    assert not any(word in turned.split() for word in text.split())
    for word in text.split():
        assert not {word[i : i + 2] for i in range(6)} & {word[::-1][i : i + 2] for i in range(6)}
    meanings = Meanings()
    assert meanings.embed_query(text) @ meanings.embed_query(turned) == pytest.approx(1.0, abs=1e-5)
    assert abs(float(meanings.embed_query(text) @ meanings.embed_query(other))) < 0.5
