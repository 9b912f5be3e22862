"""Final answers and right numbers: the marks of three data sets, exact fractions, nothing that talks its way in."""

from __future__ import annotations

import pytest

from wayfare.errors import BadValue
from wayfare.worlds.verifiable.numeric import LONGEST, exact, final_answer, formed, number_of_text, same_answer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("6 * 7 = 42\n#### 42", "42"),
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1} no, \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("hence\nAnswer: 42", "42"),
        ("**Final answer:** 42", "42"),
        (r"Answer: $\boxed{42}$", "42"),
        (r"\boxed{1}" + "\n#### 2", "2"),
        ("#### 2\nwait\n" + r"\boxed{1}", "1"),
        ("42", None),
        ("####   ", None),
        (r"\boxed{42", None),
        (r"\boxed{7} \boxed{42", "7"),
        (r"\boxed{" + "1" * 300 + "}", None),
        ("", None),
    ],
)
def test_the_last_mark_says_the_answer(text: str, said: str | None) -> None:
    assert final_answer(text) == said


@pytest.mark.parametrize(
    ("said", "wanted", "same"),
    [
        ("42", "42.0", True), ("1,234", "1234", True), ("$1,234.50", "1234.5", True), ("0.5", r"\frac{1}{2}", True),
        (r"\dfrac12", "1/2", True), ("50%", "50", True), ("042", "42", True), (".5", "0.5", True),
        (r"\left(1, 2\right)", "(1,2)", True), ("x^2", "x^{2}", False), ("12,34", "1234", False),
        ("42 or 43", "42", False), ("-3", "\u22123", True),
        ("40+2", "42", False), ("4²", "42", False), ("٤٢", "42", False), ("1/0", "1/0", True), ("1/0", "0", False),
        ("1e9", "1000000000", False), ("nan", "nan", True), ("", "", False), ("0.3333333333333333", "1/3", False),
        ("--3", "3", False), ("1_000", "1000", False), ("inf", "42", False), (r"\frac{1}{2}/2", "1/4", False),
    ],
)  # fmt: skip
def test_numbers_are_compared_exactly_and_all_else_as_text(said: str, wanted: str, same: bool) -> None:
    assert same_answer(said, wanted) is same


def test_huge_numbers_and_hostile_texts_are_no_answers() -> None:
    assert number_of_text("9" * 100_000) is None and number_of_text("1/" + "9" * 65) is None
    for text in ("\\boxed{" * 14_000, "{" * LONGEST, "#### " * 20_000, "answer " * 14_000, "\\frac" * 20_000):
        final_answer(text)
        assert exact(prompts=["?"], completions=[text], answer=["42"]) == [0.0]


def test_rewards_read_worked_answers_of_the_data_set_and_conversations() -> None:
    told = ["6 * 7 = <<6*7=42>>42\n#### 42", "42", r"so \boxed{42}", 42]
    said = [r"\boxed{42}", "#### 42", [{"role": "assistant", "content": "Answer: 42."}], "the answer is 42"]
    assert exact(prompts=[""] * 4, completions=said, answer=told) == [1.0, 1.0, 1.0, 0.0]
    assert formed(prompts=[""] * 4, completions=said) == [1.0, 1.0, 1.0, 0.0]
    assert exact(prompts=[""], completions=["#### 42" + " " * LONGEST], answer=["42"]) == [0.0]
    with pytest.raises(BadValue, match="answer"):
        exact(prompts=[""], completions=["42"])
