"""What a query's words weigh, and forms that no ending joins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wayfare.memory.index.irregular import IRREGULAR
from wayfare.memory.index.queries import SMALL, SMALL_WORDS, query_words
from wayfare.memory.index.stems import stem
from wayfare.memory.index.tokens import tokens

from .conftest import Shelf


def test_words_that_only_make_a_sentence_weigh_little_beside_others() -> None:
    assert query_words("When did the printer jam? The printer!") == {
        "when": SMALL, "do": SMALL, "the": 2 * SMALL, "printer": 2.0, "jam": 1.0,
    }  # fmt: skip


def test_a_query_of_small_words_alone_is_searched_as_it_stands() -> None:
    assert query_words("to be or not to be") == {"to": 2.0, "be": 2.0, "or": 1.0, "not": 1.0}
    assert query_words("") == {}


def test_a_rare_word_of_asking_does_not_decide(shelf: Callable[..., Shelf]) -> None:
    """`when` stands in one text of a hundred, `printer` in ten: the question is about the printer."""
    made = shelf()
    with made.database.write() as tx:
        asked = made.put(tx, "when should I call you")
        about = [made.put(tx, f"printer number {i} on floor {i}") for i in range(10)]
        for i in range(90):
            made.put(tx, f"note {i} of no matter")
    made.agrees("when did the printer arrive", 50)
    records, _ = made.cache.words("when did the printer arrive", 20)
    assert set(records[:10].tolist()) == set(about) and asked in records[10:]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("go", "went"),
        ("buy", "bought"),
        ("take", "taken"),
        ("child", "children"),
        ("eats", "ate"),
        ("thinking", "thought"),
    ],
)
def test_a_form_is_found_by_its_word(asked: str, told: str) -> None:
    assert tokens(asked) == tokens(told)


def test_no_form_is_mistaken_for_a_word_that_is_only_stemmed_like_it() -> None:
    assert tokens("at") != tokens("eat") and tokens("range") != tokens("ring") and tokens("bit") != tokens("bite")


def test_every_form_leads_to_a_word_and_no_further() -> None:
    assert all(IRREGULAR.get(word, word) == word for word in IRREGULAR.values())
    assert all(stem(form) != word for form, word in IRREGULAR.items())
    assert {"be", "do", "have", "not", "they"} & SMALL_WORDS == {"be", "do", "have", "not"}  # they: `thei`
