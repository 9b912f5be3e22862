"""Every task keeps the contract: splits apart, words known, players scripted, nothing held out in a corpus."""

from __future__ import annotations

import time
from typing import Any

import pytest

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language.nano import WordReader
from wayfare.worlds.verifiable import TASKS, Countdown, VerifiableTask, task
from wayfare.worlds.verifiable.contract import SPLITS, Row, by_rank, content_of, text_of

SMALL: dict[str, dict[str, Any]] = {
    "countdown4": {"numbers": 3},  # four numbers take a second to list: tested once, in test_countdown
    "icons": {"train": 200, "held_out": 100},
    "lookup": {"train": 200, "held_out": 100},
    "addition": {"train": 200, "held_out": 100},
}
GAMES = (
    "", " ", "\n", ":", "?", "=", "<", ">", "WAIT", "Q", "0", "-0", "None", "nan", "inf", "1" * 10**6, " " * 10**6,
    "[" * 10**6, "__import__('os').abort()", "\N{FULLWIDTH DIGIT THREE}", "\N{ARABIC-INDIC DIGIT SEVEN}", "\x00",
    "(" * 5000, "1e9", "0x1", "1_0", "<end>", "<pad>",
)  # fmt: skip


def made(name: str) -> VerifiableTask:
    return task(name, **SMALL.get(name, {}))


def columns(rows: list[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}


def paid(of: VerifiableTask, row: Row, *completions: Any) -> list[float]:
    rows = [row] * len(completions)
    return of.reward(prompts=[row["prompt"]] * len(rows), completions=list(completions), **columns(rows))


@pytest.mark.parametrize("name", TASKS)
def test_splits_have_no_problem_in_common_and_come_back_the_same(name: str) -> None:
    problems = [{row["index"] for row in made(name).rows(split)} for split in SPLITS]
    assert all(problems)
    assert not problems[0] & problems[1] and not problems[0] & problems[2] and not problems[1] & problems[2]
    assert made(name).rows("test") == made(name).rows("test")
    with pytest.raises(BadValue, match="split must be one of train"):
        made(name).rows("validation")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TASKS)
def test_a_reader_of_its_words_reads_prompts_corpus_and_both_players_within_the_length(name: str) -> None:
    of = made(name)
    reader = WordReader(of.words)
    texts = []
    for row in of.rows("test")[:50]:
        reader.encode(row["prompt"])
        texts += [of.oracle(row), of.floor(row, Stream(0, "floor").at(row["index"]))]
    for prompt, completion in of.corpus(2000, 1):
        reader.encode(prompt)
        texts.append(completion)
    assert max(len(reader.encode(text)) for text in texts) < of.max_completion  # one is left for the end


@pytest.mark.parametrize("name", TASKS)
def test_the_oracle_earns_most_the_floor_less_and_malformed_text_never_more_than_the_floor(name: str) -> None:
    of = made(name)
    rows = of.rows("train")[:100]
    prompts = [row["prompt"] for row in rows]
    best = of.reward(prompts=prompts, completions=[of.oracle(row) for row in rows], **columns(rows))
    drawn = [of.floor(row, Stream(0, "floor").at(row["index"])) for row in rows]
    floor = of.reward(prompts=prompts, completions=drawn, **columns(rows))
    assert len(set(best)) == 1 and best[0] > 0
    assert sum(floor) < sum(best) and min(floor) >= 0
    assert drawn != [of.floor(row, Stream(1, "floor").at(row["index"])) for row in rows]
    begun = time.process_time()
    assert max(paid(of, rows[0], *GAMES, None, 3, [], {}, [[]], ["x"])) <= 0
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("name", TASKS)
def test_a_right_completion_with_anything_at_its_end_or_twice_is_worth_nothing(name: str) -> None:
    of, row = made(name), made(name).rows("test")[0]
    right = of.oracle(row)
    words = right.split(" ")
    spoilt = [f"{right} {right}", f"{right} {words[-1]}", f"{right}\n{right}", f"{right}\n", f"{right} <end>",
              f"\n{right}", f"The answer is {right}", f"{right} !", f"{right};{right}",
              right + " " * 10**6]  # fmt: skip
    assert max(paid(of, row, *spoilt)) <= 0
    assert paid(of, row, right)[0] > 0


@pytest.mark.parametrize("name", TASKS)
def test_both_players_are_well_formed_and_what_cannot_be_read_is_not(name: str) -> None:
    of, rows = made(name), made(name).rows("test")[:20]
    for row in rows:
        assert of.well_formed(of.oracle(row), row) and of.well_formed(of.floor(row, Stream(0, "floor").at(0)), row)
    right = of.oracle(rows[0])
    for text in (*GAMES, f"{right} {right}", f"{right}\n", f"{right} !", f"{right} <end>"):
        assert not of.well_formed(text, rows[0]), text[:40]


@pytest.mark.parametrize("name", TASKS)
def test_messages_are_read_as_texts_are_and_two_answers_are_none(name: str) -> None:
    of, row = made(name), made(name).rows("test")[0]
    right = of.oracle(row)
    said = {"role": "assistant", "content": right}
    parts = {"role": "assistant", "content": [{"type": "text", "text": right}]}
    assert paid(of, row, [said], [parts]) == paid(of, row, right, right)
    others = (
        [said, said],
        [{"role": "tool", "content": "0"}, said],
        [{"role": "assistant", "content": None}],
        [{"role": "assistant"}],
    )
    assert max(paid(of, row, *others)) <= 0


@pytest.mark.parametrize("name", TASKS)
def test_a_missing_or_short_column_is_refused_and_unknown_ones_are_not(name: str) -> None:
    of = made(name)
    row = of.rows("test")[0]
    known = columns([row])
    asked: dict[str, Any] = {"prompts": [row["prompt"]], "completions": [of.oracle(row)]}
    assert of.reward(**asked, **known, completion_ids=[[1]], trainer_state=None, log_metric=print)[0] > 0
    with pytest.raises(BadValue, match="a column of 1 values"):
        of.reward(**asked)
    with pytest.raises(BadValue, match="a column of 1 values"):
        of.reward(**asked, **{key: value * 2 for key, value in known.items()})


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"hidden-strategy", "lookup"}))
def test_no_prompt_that_is_held_out_occurs_in_the_corpus(name: str) -> None:
    of = task(name, digits=1, corpus_digits=1) if name == "addition" else made(name)  # few enough to meet again
    asked = {_problem(prompt) for prompt, _ in of.corpus(3000, 2)}
    for split in ("selection", "test"):
        assert not asked & {_problem(row["prompt"]) for row in of.rows(split)}  # type: ignore[arg-type]
    assert asked & {_problem(row["prompt"]) for row in of.rows("train")} or name == "icons"


def _problem(prompt: str) -> tuple[str, ...]:
    """Countdown's numbers in any order are one problem, and so are both modes of a screen."""
    if ">" in prompt:
        numbers, _, goal = prompt.partition(" > ")
        return (*sorted(numbers.split()), goal)
    words = prompt.split()
    return tuple(words[1:] if words[0] in ("single", "list") else words)


@pytest.mark.parametrize("name", TASKS)
def test_a_corpus_is_a_function_of_its_seed_and_a_longer_one_begins_with_a_shorter(name: str) -> None:
    of = made(name)
    assert of.corpus(40, 3) == of.corpus(40, 3) != of.corpus(40, 4) and of.corpus(0, 3) == []
    if name != "lookup":  # whose problems are made all different, by blocks
        assert of.corpus(60, 3)[:40] == of.corpus(40, 3)
    with pytest.raises(BadValue, match="count must be a whole number"):
        of.corpus(-1, 0)


def test_an_unknown_task_or_knob_is_refused_by_name() -> None:
    with pytest.raises(BadValue, match="task must be one of countdown3, countdown4"):
        task("countdown5")
    with pytest.raises(BadValue, match="knob must be one of numbers, hint_rate"):
        task("countdown3", hints=0.1)
    assert task("countdown3", hint_rate=0.1) == Countdown(hint_rate=0.1)
    assert all(made(name).name == name for name in TASKS if name != "countdown4")


@pytest.mark.parametrize(
    ("name", "knobs"),
    [("countdown3", {"numbers": 5}), ("countdown3", {"hint_rate": 1.1}), ("countdown3", {"corrupted": -0.1}),
     ("countdown3", {"operators": (0, 0, 0)}), ("countdown3", {"operators": (1, -1, 1)}),
     ("countdown3-tags", {"untagged": 2}),
     ("second-thoughts", {"junk_rate": 0.3}), ("second-thoughts", {"attempts": 0}),
     ("icons", {"mode": "two"}), ("icons", {"hard": 17}), ("icons", {"hard_rate": 0.1}), ("icons", {"paid": "most"}),
     ("hidden-strategy", {"prompts": 0}), ("lookup", {"turn_end": "."}), ("lookup", {"calls": 0}),
     ("addition", {"digits": 9}), ("modular", {"p": 1}), ("modular", {"p": 200})],
)  # fmt: skip
def test_a_knob_out_of_range_is_refused(name: str, knobs: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match="must be"):
        task(name, **knobs)


def test_text_of_one_message_of_the_assistant_only() -> None:
    assert text_of("a") == "a" and text_of([{"content": "a"}]) == "a"
    assert text_of([{"role": "user", "content": "a"}]) is None and text_of([]) is None and text_of(7) is None
    assert content_of({"content": []}) is None and content_of({"content": [{"type": "image"}]}) is None


def test_shares_of_a_split_by_rank_are_exact_and_none_is_empty() -> None:
    found = by_rank(100, 0).tolist()
    assert [found.count(i) for i in range(3)] == [70, 10, 20]
    assert sorted(by_rank(3, 1).tolist()) == [0, 1, 2]
