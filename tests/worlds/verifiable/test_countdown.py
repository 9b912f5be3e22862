"""Countdown: its count of problems, a reader that agrees with brute force, a corpus that does what its knobs say."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.worlds.verifiable import Countdown, TaggedCountdown
from wayfare.worlds.verifiable.countdown_traces import read, traces


def asked(prompt: str) -> tuple[list[int], int]:
    numbers, _, goal = prompt.removesuffix(" :").partition(" > ")
    return [int(number) for number in numbers.split()], int(goal.replace(" ", ""))


def right_share(of: Countdown, corpus: list[tuple[str, str]]) -> float:
    return float(np.mean([of.verify(completion, *asked(prompt)) for prompt, completion in corpus]))


@pytest.mark.parametrize(("numbers", "problems", "solutions", "longest"), [(3, 1860, 2.43, 14), (4, 18857, 5.32, 22)])
def test_problems_and_solutions_are_as_many_as_published_for_the_task(
    numbers: int, problems: int, solutions: float, longest: int
) -> None:
    all_traces = traces(numbers)
    assert len(all_traces.goal) == problems
    assert len(all_traces.texts) / problems == pytest.approx(solutions, abs=0.005)
    assert max(text.count(" ") for text in all_traces.texts) + 1 == longest == Countdown(numbers).max_completion - 1
    assert len(Countdown(numbers).words) + 3 == 20


def test_the_reader_passes_the_listed_traces_of_a_problem_and_no_other_text_like_them() -> None:
    numbers, all_traces = (1, 2, 3), traces(3)
    chosen = all_traces.numbers.index(numbers)
    listed = {all_traces.texts[i].replace(" ", "") for i in range(*all_traces.opens[chosen : chosen + 2])}
    passed = set()
    for (a, b, c), (f, g) in product(product(numbers, repeat=3), product("+-*", repeat=2)):
        for first, last in product(range(-2, 8), range(-3, 21)):
            if read(f"{a}{f}{b}={first},{first}{g}{c}={last}", numbers) is not None:
                passed.add(f"{a}{f}{b}={first},{first}{g}{c}={last}")
    expected = set()
    for (a, b, c), (f, g) in product(permutations(numbers), product("+-*", repeat=2)):
        first = {"+": a + b, "-": a - b, "*": a * b}[f]
        last = {"+": first + c, "-": first - c, "*": first * c}[g]
        if 1 <= first <= 99 and 1 <= last <= 99:
            expected.add(f"{a}{f}{b}={first},{first}{g}{c}={last}")
    assert passed == expected == listed


def test_every_listed_trace_is_read_as_its_goal() -> None:
    all_traces = traces(3)
    for text, problem in zip(all_traces.texts, all_traces.problem, strict=True):
        assert read(text, all_traces.numbers[all_traces.chosen[problem]]) == all_traces.goal[problem]


@pytest.mark.parametrize(
    "text",
    ["3*2=6", "3-2=1,6+7=13", "4+2=6,6+7=13",
     "3*2=6,6+7=13,", ",3*2=6,6+7=13", "3*2=6,,6+7=13", "3*2=6,6+7=13,13-0=13", "13", "3*2=6,13", "6+7=13",
     "3*2=6,6+7=013", "3*2=06,6+7=13", "03*2=6,6+7=13", "3*2=6,7+6=13", "3*2=5,6+7=13", "3*2=6,6+7=14", "3*3=9,9+7=16",
     "2*7=14,14-1=13", "3*2=6,6+7=+13", "3*2=6,6+7==13", "3*2=6,6+7=13.0", "3*2=6;6+7=13", "3*2=6, 6+7=13\n",
     "(3*2)=6,6+7=13",
     "\uff13*2=6,6+7=13", "3*2=6,6+7=\u0661\u0663", "3\u00d72=6,6+7=13", "3*2=6,6+7=13 13", "3*2=6,6+7=13\u200b",
     "3*2=6,\t6+7=13", "3 *2=6,6+7=1 3 WAIT", "3*2=6,6+7=13,3*2=6,6+7=13", "int('13')", "3*2=(6),6+7=13"],
)  # fmt: skip
def test_what_is_no_right_trace_is_refused(text: str) -> None:
    of = Countdown()
    assert of.verify(text, [3, 7, 2], 13) == 0
    assert of.verify("3 * 2 = 6 , 6 + 7 = 1 3", [3, 7, 2], 13) == of.verify("3*2=6,6+7=13", [3, 7, 2], 13) == 1
    assert of.verify("3 * 2 = 6 , 6 + 7 = 1 3", [3, 7, 2], 12) == of.verify("3*2=6,6+7=13", [3, 7, 7], 13) == 0


def test_a_repeated_number_may_be_used_as_often_as_it_is_there() -> None:
    assert read("3+3=6,6*2=12", (2, 3, 3)) == 12 and read("3+3=6,6*2=12", (2, 3, 4)) is None
    assert read("3-3=0,0+2=2", (2, 3, 3)) is None  # results lie between 1 and 99
    assert read("9*9=81,81+9=90", (9, 9, 9)) == 90 and read("9*9=81,81*9=729", (9, 9, 9)) is None


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_share_of_right_completions_is_the_hint_rate_and_the_others_are_legal(rate: float) -> None:
    of = Countdown(hint_rate=rate)
    corpus = of.corpus(4000, 5)
    assert right_share(of, corpus) == pytest.approx(rate, abs=0.03 if 0 < rate < 1 else 0)
    assert all(read(completion, asked(prompt)[0]) is not None for prompt, completion in corpus)


def test_the_corpus_reaches_nearly_every_trace_those_of_held_out_goals_too() -> None:
    seen = {completion for _, completion in Countdown().corpus(40_000, 0)}
    assert len(seen) > 0.98 * len(set(traces(3).texts))


def test_a_hole_in_the_corpus_leaves_problems_that_need_the_missing_sign() -> None:
    of = Countdown(operators=(1.0, 1.0, 1e-5), balanced=True)
    corpus = of.corpus(10_000, 0)
    assert sum("*" in completion for _, completion in corpus) < 5
    assert right_share(of, corpus) == pytest.approx(0.3, abs=0.02)
    for split in ("train", "test"):
        rows = of.rows(split)  # type: ignore[arg-type]
        assert sum(row["needs_times"] for row in rows) * 2 == len(rows) > 150
        assert all(("*" in of.oracle(row)) >= row["needs_times"] for row in rows)


def test_corrupted_completions_are_as_many_as_asked_and_all_of_them_wrong() -> None:
    plain, spoilt = (Countdown(hint_rate=1.0, corrupted=share) for share in (0.0, 0.25))
    pairs = list(zip(plain.corpus(2000, 0), spoilt.corpus(2000, 0), strict=True))
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    assert len(changed) / len(pairs) == pytest.approx(0.25, abs=0.03)
    assert all(a[0] == b[0] and not plain.verify(b[1], *asked(b[0])) for a, b in changed)
    longer = sum(b[1].count(" ") > a[1].count(" ") for a, b in changed)
    assert 0.35 < longer / len(changed) < 0.65


def test_rows_show_their_problem_and_count_its_solutions() -> None:
    rows = Countdown().rows("train") + Countdown().rows("selection") + Countdown().rows("test")
    assert len(rows) == 1860 and sum(row["solutions"] for row in rows) == len(traces(3).texts)
    assert all(asked(row["prompt"]) == (row["numbers"], row["goal"]) for row in rows)
    assert sum(row["numbers"] != sorted(row["numbers"]) for row in rows) > 1000


def test_another_seed_is_another_split() -> None:
    first, other = ({row["index"] for row in Countdown(seed=seed).rows("test")} for seed in (0, 1))
    assert 0.1 < len(first & other) / len(first) < 0.3


def test_floors_are_legal_traces_of_all_kinds() -> None:
    of = Countdown()
    row = of.rows("test")[0]
    found = {of.floor(row, Stream(0, "floor").at(i)) for i in range(300)}
    assert len(found) > 15 and all(read(text, row["numbers"]) is not None for text in found)


def test_tags_pay_for_form_alone_but_correctness_asks_for_the_trace() -> None:
    of = TaggedCountdown()
    right = "< 3 * 2 = 6 , 6 + 7 = 1 3 > 1 3"
    worth = {
        right: (1, 1, 1),
        "< 1 3 > 1 3": (0, 1, 1),  # the goal copied from the prompt
        "< 1 > 7": (0, 1, 1),
        "< 3 * 2 = 6 , 6 + 7 = 1 3 > 1 2": (0, 1, 1),
        "< 3 * 2 = 6 , 6 + 7 = 1 3": (0, 0, 1),
        "< 3 * 2 = > 1 3": (0, 1, 0),
        "< > 1 3": (0, 1, 0),
        "1 3": (0, 0, 0),
        "3 * 2 = 6 , 6 + 7 = 1 3 > 1 3": (0, 0, 0),
        "< 3 * 2 = 6 , 6 + 7 = 1 3 > 0 1 3": (0, 0, 1),
        "< 3 * 2 = 6 , 6 + 7 = 1 3 > 1 3 > 1 3": (0, 0, 0),
        "< < 1 3 > 1 3": (0, 0, 0),
        "< 3 * 2 = 6 , 6 + 7 = 1 3 > \u0661\u0663": (0, 0, 1),
        "< 1 " * 10**5: (0, 0, 0),
    }
    columns = {"numbers": [[3, 7, 2]] * len(worth), "goal": [13] * len(worth)}
    found = [each(prompts=[""] * len(worth), completions=list(worth), **columns) for each in of.reward_functions]
    assert dict(zip(worth, zip(*found, strict=True), strict=True)) == worth
    assert of.reward_weights == (2.0, 0.5, 0.5) and len({each.__name__ for each in of.reward_functions}) == 3


def test_the_tagged_corpus_stops_early_and_falls_short_as_often_as_asked() -> None:
    of = TaggedCountdown(hint_rate=1.0, untagged=0.5, shortened=0.2)
    corpus = of.corpus(3000, 0)
    assert np.mean([">" not in completion for _, completion in corpus]) == pytest.approx(0.5, abs=0.03)
    assert right_share(of, corpus) == pytest.approx(0.5 * 0.8, abs=0.03)
    assert all(completion.startswith("< ") for _, completion in corpus)
