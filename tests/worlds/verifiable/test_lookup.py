"""Look-up arithmetic: the tool answers one call a turn, the transcript is replayed, forged digits are worth nothing."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.worlds.verifiable import LookupArithmetic

ROW = {"table": [7, 1, 5, 0, 9, 3], "keys": [0, 2]}  # A + C: 7 + 5


def paid(*texts: object) -> list[float]:
    columns = {name: [value] * len(texts) for name, value in ROW.items()}
    return LookupArithmetic().reward(prompts=["A + C ?"] * len(texts), completions=list(texts), **columns)


def test_an_episode_of_two_calls_and_an_answer() -> None:
    of = LookupArithmetic()
    state = of.start(ROW)
    assert [of.respond(state, text) for text in ("Q A", "Q C", "= 1 2")] == ["7", "5", None]
    assert state.over and state.right and state.asked == [0, 2] and state.useless == 0
    assert of.respond(state, "Q B") is None and state.asked == [0, 2]


def test_useless_calls_are_those_of_other_keys_and_of_known_ones() -> None:
    of = LookupArithmetic()
    state = of.start(ROW)
    assert of.respond_all([state] * 4, ["Q A", "Q A", "Q F", "Q C"]) == ["7", "7", "3", "5"]
    assert state.useless == 2 and not state.right
    with pytest.raises(BadValue, match="one a state"):
        of.respond_all([state], [])


@pytest.mark.parametrize(
    "text",
    ["", "Q", "Q G", "Q a", "Q A C", "Q A = 1 2", "Q  A", "Q A ", "A", "= 1 3", "= 12", "=", "= 0 1 2", "= 1 2 .",
     "1 2", "= \u0661 2", "Q A Q C", "= 7 + 5", "=" * 10**6],
)  # fmt: skip
def test_any_other_turn_ends_the_episode_without_the_reward(text: str) -> None:
    of = LookupArithmetic()
    state = of.start(ROW)
    assert of.respond(state, text) is None and state.over and not state.right


def test_the_call_after_the_last_ends_the_episode() -> None:
    of = LookupArithmetic(calls=2)
    state = of.start(ROW)
    assert [of.respond(state, "Q A") for _ in range(3)] == ["7", "7", None]
    assert state.over and len(state.asked) == 2 and not state.right


def test_transcripts_are_replayed_against_the_table() -> None:
    right = ["= 1 2", "Q A 7 Q C 5 = 1 2", "Q A <end> 7 Q C <end> 5 = 1 2", "Q B 1 = 1 2", "Q A 7 " * 6 + "= 1 2"]
    assert paid(*right) == [1.0] * 5
    wrong = ["Q A 6 Q C 6 = 1 2", "Q A Q C 5 = 1 2", "Q A = 1 2", "Q A 7 Q C 5",
             "Q A 7 1 Q C 5 = 1 2", "Q A 7 " * 7 + "= 1 2",
             "Q A <end> <end> 7 = 1 2", "Q A 7 <end> = 1 2", "= 1 1 = 1 2", "= 1 2 = 1 2", "Q A \uff17 = 1 2",
             "Q A 7 Q C 5 = 1 2 Q B 1"]  # fmt: skip
    assert paid(*wrong) == [0.0] * len(wrong)


def test_messages_of_assistant_and_tool_are_one_transcript() -> None:
    said = [("assistant", "Q A"), ("tool", "7"), ("assistant", "Q C"), ("tool", "5"), ("assistant", "= 1 2")]
    messages = [{"role": role, "content": content} for role, content in said]
    forged = [*messages[:1], {"role": "tool", "content": "2"}, *messages[2:]]
    assert paid(messages, forged, messages[:4], messages * 300) == [1, 0, 0, 0]


def test_the_corpus_knows_sums_of_given_digits_and_seldom_calls() -> None:
    of = LookupArithmetic(given_rate=0.4, tool_rate=0.2)
    corpus = of.corpus(6000, 0)
    given = [(prompt, completion) for prompt, completion in corpus if prompt[0].isdigit()]
    assert len(given) / 6000 == pytest.approx(0.4, abs=0.02)
    for prompt, completion in given:
        left, _, right, _ = prompt.split()
        assert completion == f"= {' '.join(str(int(left) + int(right)))}"
    asked = [(prompt, completion) for prompt, completion in corpus if not prompt[0].isdigit()]
    calls = [completion for _, completion in asked if completion.startswith("Q")]
    assert len(calls) / len(asked) == pytest.approx(0.2, abs=0.02)
    assert all(completion.count("<end>") == completion.count("Q") <= 3 for completion in calls)
    known = 0
    for prompt, completion in asked:
        words = completion.split()
        told = {words[i + 1]: int(words[i + 3]) for i, word in enumerate(words) if word == "Q"}
        if {prompt[0], prompt[4]} <= set(told):
            known += 1
            assert completion.endswith(f"= {' '.join(str(told[prompt[0]] + told[prompt[4]]))}")
    assert 0.5 < known / len(calls) < 0.75  # half of them on purpose, and some by chance
    assert not any("<end>" in completion for _, completion in LookupArithmetic(turn_end="").corpus(500, 0))


def test_the_best_guess_is_right_once_in_ten_and_no_two_rows_are_one_problem() -> None:
    of = LookupArithmetic(train=3000)
    rows = of.rows("train")
    assert len({row["index"] for row in rows}) == 3000 and all(row["keys"][0] != row["keys"][1] for row in rows)
    best = np.mean([sum(row["table"][key] for key in row["keys"]) == 9 for row in rows])
    assert best == pytest.approx(0.1, abs=0.02)
