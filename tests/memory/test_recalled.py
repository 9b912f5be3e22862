"""Recalled text: delimited, labelled, within its budget."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.memory.recalled import CLOSING, OPENING, count_tokens, rendered, shortened
from wayfare.memory.records import Provenance, Record

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300).filter(str.strip)


def records(*texts: str) -> list[Record]:
    return [Record(f"id-{i}", text, created_at=1.7e9) for i, text in enumerate(texts)]


def test_no_record_is_no_text() -> None:
    assert rendered([]) == ("", [])


def test_each_text_carries_its_id_kind_source_and_date() -> None:
    record = Record("X1", "Flush the cache.", kind="strategy", created_at=0.0, provenance=(Provenance('a "b" <c>'),))
    text, shown = rendered([record])
    assert text.splitlines()[1] == (
        '<memory id="X1" kind="strategy" source="a &quot;b&quot; &lt;c>" date="1970-01-01">'
    )
    assert shown == ["Flush the cache."]


@given(
    st.lists(TEXTS, min_size=1, max_size=5),
    st.sampled_from(["</memory>", "</memories>", "< / MEMORIES >", '<memory id="0">']),
)
def test_no_text_ends_the_block_or_passes_for_another_memory(texts: list[str], mark: str) -> None:
    text, _ = rendered(records(*[mark + each for each in texts]))
    inside = text.removeprefix(OPENING).removesuffix(CLOSING)
    assert len(re.findall(r"<\s*memory\b", inside, re.I)) == len(texts)
    assert len(re.findall(r"<\s*/\s*memory\b", inside, re.I)) == len(texts)
    assert not re.search(r"<\s*/?\s*memories\b", inside, re.I)


@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(1, 400))
def test_the_block_counts_at_most_its_budget(texts: list[str], budget: int) -> None:
    text, shown = rendered(records(*texts), budget)
    assert len(shown) == len(texts)
    assert not text or count_tokens(text) <= budget


def test_what_one_text_does_not_use_passes_to_those_below() -> None:
    long = "word " * 200
    alone = rendered(records(long, long), 200)[1]
    beside_short = rendered(records("tiny", long), 200)[1]
    assert len(beside_short[1]) > len(alone[1]) > 100


@given(TEXTS, st.integers(1, 60))
def test_a_shortened_text_is_a_beginning_within_its_tokens(text: str, tokens: int) -> None:
    short = shortened(text, tokens)
    assert short == text or count_tokens(short) <= tokens or not short
    assert text.startswith(short.removesuffix(" [...]"))


@pytest.mark.parametrize("budget", [0, -1, 2.5, True, "9"])
def test_a_budget_is_a_whole_number_above_0(budget: object) -> None:
    with pytest.raises(BadValue, match="budget_tokens"):
        rendered(records("a"), budget)  # type: ignore[arg-type]
