from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.memory.index import tokens as module
from wayfare.memory.index.tokens import LONGEST, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?!... --", []),
        ("Password RESETS, passwords reset", ["password", "reset", "password", "reset"]),
        ("the user's keys aren't the users' keys", ["the", "user", "kei", "arent", "the", "user", "kei"]),
        ("user\u2019s", ["user"]),
        ("snake_case and kebab-case", ["snake", "case", "and", "kebab", "case"]),
        ("007", ["7"]),
        ("000", ["0"]),
        ("3.11", ["3", "11", "3.11"]),
        ("on 2023-05-07 at 09:30", ["on", "2023", "5", "7", "at", "9", "30", "2023-05-07", "09:30"]),
        ("Caf\u00e9 na\u00efve \u00c5ngstr\u00f6m", ["cafe", "naiv", "angstrom"]),
        ("Stra\u00dfe", ["strass"]),
        ("\ufb01nding", ["find"]),
        ("\uff30\uff39\uff34\uff28\uff2f\uff2e", ["python"]),
        ("\u041c\u043e\u0441\u043a\u0432\u0430", ["\u043c\u043e\u0441\u043a\u0432\u0430"]),
        ("\u6771\u4eac\u90fd", ["\u6771\u4eac", "\u4eac\u90fd"]),
        ("\u6771", ["\u6771"]),
        ("GPT4\u6771\u4eacok", ["gpt4", "\u6771\u4eac", "ok"]),
        ("don't", ["dont"]),
    ],
)
def test_words_are_what_the_docstring_says(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_a_date_is_found_by_its_parts_however_they_were_written() -> None:
    assert {"2023", "7"} <= set(tokens("2023-05-07")) & set(tokens("7 May 2023"))


def test_of_a_long_word_the_beginning_counts() -> None:
    assert tokens("x1" * 500) == [("x1" * 500)[:LONGEST]]
    assert tokens("1." * 500 + "1")[-1] == ("1." * 500)[:LONGEST]
    assert all(len(word) <= LONGEST for word in tokens("\u6771" * 300 + "a" * 300 + "'" + "b" * 300))


@given(st.text(max_size=60))
def test_any_text_gives_words_that_do_not_depend_on_case_or_composition(text: str) -> None:
    found = tokens(text)
    assert all(word and len(word) <= LONGEST for word in found)
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(unicodedata.normalize("NFC", text))
    assert tokens(text) == found


@given(st.text("abcXYZ ,.-_1'", max_size=40), st.text("abcXYZ ,.-_1'", max_size=40))
def test_two_texts_apart_have_the_words_of_both(first: str, second: str) -> None:
    both = tokens(f"{first} | {second}")
    assert sorted(both) == sorted(tokens(first) + tokens(second))


@given(st.text("abcdefgABCDEFG", min_size=1, max_size=30))
def test_case_makes_no_difference(word: str) -> None:
    assert tokens(word) == tokens(word.upper()) == tokens(word.lower())


def test_lone_surrogates_and_controls_do_no_harm() -> None:
    assert tokens("a\ud800b \x00 c")[-1] == "c"


def test_the_memory_of_stems_is_begun_anew_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_STEMS", 10)
    monkeypatch.setattr(module, "_stems", module._Stems())
    for i in range(50):
        assert tokens(f"running{chr(97 + i % 26)} walks") == tokens(f"running{chr(97 + i % 26)} walks")
    assert len(module._stems) <= 10
