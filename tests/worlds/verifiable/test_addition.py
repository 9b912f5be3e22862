"""Addition: one completion is right, and the corpus slips by one digit as often as asked."""

from __future__ import annotations

import pytest

from wayfare.worlds.verifiable import Addition


def test_one_completion_of_a_sum_is_right() -> None:
    of = Addition()
    right = "7 + 5 + 0 = 1 2 , 4 + 8 + 1 = 1 3 ; 1 3 2"
    assert of.oracle({"a": 47, "b": 85}) == right and of.verify(right.replace(" ", ""), 47, 85) == 1
    wrong = ("1 3 2", right.replace("+ 1 =", "+ 0 ="), right.replace("; 1 3 2", "; 0 1 3 2"), right + " ; 1 3 2",
             right.replace("7 + 5", "5 + 7"), right.replace("1 2 ,", "\u0661 2 ,"),
             right.partition(" ; ")[2])  # fmt: skip
    assert [of.verify(text, 47, 85) for text in wrong] == [0] * len(wrong)
    assert of.oracle({"a": 9, "b": 99}) == "9 + 9 + 0 = 1 8 , 0 + 9 + 1 = 1 0 ; 1 0 8"


@pytest.mark.parametrize("digits", [1, 2, 4])
def test_the_last_column_and_the_sum_agree_with_arithmetic(digits: int) -> None:
    of = Addition(digits=digits, train=100, held_out=10)
    for row in of.rows("train"):
        worked, _, total = of.oracle(row).partition(" ; ")
        columns = [column.partition(" = ")[2].split() for column in worked.split(" , ")]
        assert int(total.replace(" ", "")) == row["a"] + row["b"]
        assert "".join(column[-1] for column in columns)[::-1] == f"{row['a'] + row['b']:0{digits}d}"[-digits:]
        assert digits == 1 or len(str(row["a"])) == len(str(row["b"])) == digits
    assert len({row["index"] for row in of.rows("train")}) == len(of.rows("train")) >= 60


def test_sums_of_the_corpus_are_right_at_the_hint_rate_and_wrong_by_one_digit() -> None:
    of, corpus = Addition(hint_rate=0.7), Addition(hint_rate=0.7).corpus(2000, 0)
    right, lengths = 0, set()
    for prompt, completion in corpus:
        a, b = (int(part.replace(" ", "")) for part in prompt.removesuffix(" :").split(" + "))
        oracle = of.oracle({"a": a, "b": b})
        differ = sum(x != y for x, y in zip(oracle.split(), completion.split(), strict=True))
        assert differ <= 1
        right += differ == 0
        lengths.add(len(str(a)))
    assert right / 2000 == pytest.approx(0.7, abs=0.03) and lengths == {1, 2, 3}
