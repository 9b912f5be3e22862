"""Reward functions written for TRL's trainers, called without a change; what fails is named."""

from __future__ import annotations

import asyncio
import math
import pickle
import re
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForSequenceClassification
from trl.import_utils import is_math_verify_available
from trl.rewards import (
    accuracy_reward,
    get_repetition_penalty_reward,
    get_soft_overlong_punishment,
    think_format_reward,
)

from wayfare.errors import BadValue, RewardFailed
from wayfare.language import TransformersModel
from wayfare.learn.grpo.rewards import RewardFunctions, TrainerState, reward_columns

CHAT = [{"role": "user", "content": "go on"}]


def scored(functions: Any, completions: Any, prompts: Any = None, ids: Any = None, **told: Any) -> list[list[float]]:
    prompts = ["q"] * len(completions) if prompts is None else prompts
    ids = [[0] * len(each) for each in completions] if ids is None else ids
    rewards = RewardFunctions(functions)
    return rewards.score(prompts=prompts, completions=completions, completion_ids=ids, **told).tolist()


# What a user of TRL writes: length by tokens, length by characters, form of a conversation's answer, its boxed number.


def length_in_tokens(completion_ids, **kwargs):  # type: ignore[no-untyped-def]
    return [float(len(ids)) for ids in completion_ids]


def length_in_characters(completions, **kwargs):  # type: ignore[no-untyped-def]
    return [float(len(completion)) for completion in completions]


def thinks_first(completions, **kwargs):  # type: ignore[no-untyped-def]
    texts = [completion[0]["content"] for completion in completions]
    return [1.0 if re.match(r"^<think>.*?</think><answer>.*?</answer>$", text) else 0.0 for text in texts]


def boxed_is_right(completions, ground_truth, **kwargs):  # type: ignore[no-untyped-def]
    found = [re.search(r"\\boxed\{(.*?)\}", completion) for completion in completions]
    return [1.0 if each and each.group(1) == truth else 0.0 for each, truth in zip(found, ground_truth, strict=True)]


def test_the_rewards_that_the_manual_of_trl_shows_give_its_values() -> None:
    told = [" 3 4 5", " is blue", r"so \boxed{2}", r"so \boxed{1}"]
    columns = {"ground_truth": ["2", "2", "2", "2"]}
    ids = [[1, 2, 3, 4, 5], [1, 2], [1], []]
    got = scored([length_in_tokens, length_in_characters, boxed_is_right], told, ids=ids, columns=columns)
    assert got == [[5, 6, 0], [2, 8, 0], [1, 12, 1], [0, 12, 0]]
    told = ["<think>a</think><answer>b</answer>", "<answer>b</answer>"]
    assert scored(thinks_first, told, prompts=[CHAT, CHAT]) == [[1.0], [0.0]]


def test_the_rewards_that_trl_ships_run_unchanged() -> None:
    told = ["<think>\nso\n</think>\nthat", "<think>\nso\nthat"]
    shipped = [
        think_format_reward,
        get_soft_overlong_punishment(100, 20),
        get_repetition_penalty_reward(ngram_size=2, max_penalty=-1.0),
    ]
    got = scored(shipped, told, prompts=[CHAT, CHAT], ids=[[*range(90)], [5, 5, 5, 5, 5]])
    assert got == [[1.0, -0.5, 0.0], [0.0, 0.0, -0.75]]
    names = ("think_format_reward", "soft_overlong_punishment_reward", "repetition_penalty_reward")
    assert RewardFunctions(shipped).names == names


@pytest.mark.skipif(not is_math_verify_available(), reason="math_verify is not installed")
def test_the_accuracy_of_trl_runs_unchanged() -> None:
    told = [r"\boxed{\frac{1}{3}}", r"\boxed{\frac{1}{2}}"]
    columns = {"solution": [r"\frac{1}{3}"] * 2}
    assert scored(accuracy_reward, told, prompts=[CHAT, CHAT], columns=columns) == [[1.0], [0.0]]


def test_a_function_is_told_all_by_keywords_as_trl_tells_it() -> None:
    seen: list[dict[str, Any]] = []

    def spy(*args: Any, **kwargs: Any) -> list[float]:
        assert not args and len(kwargs["prompts"]) == 2
        seen.append(kwargs)
        kwargs["log_extra"]("answer", ["x", "y"])
        kwargs["log_metric"]("share", 0.5)
        kwargs["prompts"].clear()  # what one does to its lists, the next does not see
        return [0.0, 0.0]

    extra: list[Any] = []
    rows = [{"prompt": "unused", "answer": "4"}, {"prompt": "unused", "answer": None}]
    state = TrainerState(global_step=3, max_steps=10, epoch=0.25)
    scored(
        [spy, spy], ["a", "b"], prompts=[CHAT, CHAT], columns=reward_columns(rows), trainer_state=state,
        log_extra=lambda *told: extra.append(told), log_metric=lambda *told: extra.append(told),
    )  # fmt: skip
    told = seen[0]
    assert set(told) == {
        "prompts", "completions", "completion_ids", "answer", "trainer_state", "log_extra", "log_metric"
    }  # fmt: skip
    assert told["completions"] == [[{"role": "assistant", "content": text}] for text in "ab"]
    assert told["answer"] == ["4", None] and told["trainer_state"].global_step == 3
    assert extra == [("answer", ["x", "y"]), ("share", 0.5)] * 2
    scored(spy, ["a", "b"])  # logs may also be told to nobody
    assert seen[2]["completions"] == ["a", "b"] and seen[2]["trainer_state"].max_steps == 0


def test_none_is_no_opinion_and_a_row_without_any_has_no_reward() -> None:
    def even(completions: list[str], **told: Any) -> list[float | None]:
        return [1.0 if len(each) % 2 == 0 else None for each in completions]

    def long(completions: list[str], **told: Any) -> list[float | None]:
        return [None if len(each) < 2 else float(len(each)) for each in completions]

    rewards = RewardFunctions([even, long], weights=[10.0, 0.5])
    told = ["ab", "abc", "a"]
    each = rewards.score(prompts=["q"] * 3, completions=told, completion_ids=[[1]] * 3)
    assert each.dtype == torch.float32 and each.isnan().tolist() == [[False, False], [True, False], [True, True]]
    assert rewards.total(each)[:2].tolist() == [11.0, 1.5] and math.isnan(rewards.total(each)[2])
    metrics = rewards.metrics(each)
    assert metrics["rewards/even/mean"] == 1.0 and metrics["rewards/long/mean"] == 2.5
    assert metrics["rewards/even/std"] == 0.0 and metrics["rewards/long/std"] == pytest.approx(0.5**0.5)
    assert rewards.metrics(each[2:]) == {}


def test_functions_that_wait_wait_together_and_on_one_loop_for_good() -> None:
    met, loops = asyncio.Barrier(2), []

    async def first(completions: list[str], **told: Any) -> list[float | None]:
        loops.append(asyncio.get_running_loop())
        await asyncio.wait_for(met.wait(), 5)  # one after the other they would never meet
        return [1.0, None]

    class Second:
        async def __call__(self, completions: list[str], **told: Any) -> list[float]:
            await asyncio.wait_for(met.wait(), 5)
            return [2.0, 3.0]

    async def inside() -> list[list[float]]:
        return scored([first, length_in_characters, Second()], ["a", "b"])  # a loop runs here: a notebook's

    for got in (scored([first, length_in_characters, Second()], ["a", "b"]), asyncio.run(inside())):
        assert got[0] == [1.0, 1.0, 2.0] and math.isnan(got[1][0]) and got[1][1:] == [1.0, 3.0]
    assert loops[0] is loops[1]


def test_names_are_those_that_trl_logs() -> None:
    class Correct:
        def __call__(self, **told: Any) -> list[float]:
            return []

    assert RewardFunctions([partial(partial(thinks_first, a=1), b=2), Correct()]).names == ("thinks_first", "Correct")
    assert RewardFunctions(thinks_first).names == ("thinks_first",)


def raising(**told: Any) -> list[float]:
    raise KeyError("answer")


async def raising_later(**told: Any) -> list[float]:
    raise KeyError("answer")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([1.0], "gave 1 rewards for 2 answers"),
        ([1.0, 2.0, 3.0], "gave 3 rewards for 2 answers"),
        (1.0, "gave 1.0, not a list of 2 rewards"),
        (None, "gave None, not a list of 2 rewards"),
        (torch.tensor(1.0), "gave 0 rewards"),
        ([1.0, math.nan], "gave nan at row 1"),
        ([1.0, -math.inf], "gave -inf at row 1"),
        ([1.0, 1e39], r"gave 1e\+39 at row 1"),
        ([1.0, "2"], "gave '2' at row 1"),
        ([[1.0], [2.0]], r"gave \[1.0\] at row 0"),
        (torch.tensor([0.0, math.nan]), "gave nan at row 1"),
    ],
)
def test_what_is_no_reward_is_named_by_function_and_row(answer: Any, said: str) -> None:
    def odd(**told: Any) -> Any:
        return answer

    async def odd_later(**told: Any) -> Any:
        return answer

    for function in (odd, odd_later):
        with pytest.raises(RewardFailed, match=f"'{function.__name__}' {said}"):
            scored([length_in_characters, function], ["a", "b"])


def test_what_counts_as_numbers_counts_here() -> None:
    assert scored(lambda **told: torch.tensor([1, 0]), ["a", "b"]) == [[1.0], [0.0]]
    assert scored(lambda **told: (True, torch.tensor(0.5)), ["a", "b"]) == [[1.0], [0.5]]


@pytest.mark.filterwarnings("error")
def test_a_function_that_raises_is_named_and_its_error_kept() -> None:
    for function in (raising, raising_later):
        with pytest.raises(RewardFailed, match=f"'{function.__name__}' raised KeyError") as caught:
            scored([function], ["a"])
        assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(RewardFailed, match="'raising' raised"):
        scored([raising_later, raising], ["a"])  # the one that was to be awaited is put away
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.function, again.reason, str(again)) == ("raising_later", caught.value.reason, str(caught.value))


def test_what_cannot_be_called_and_lists_of_unequal_length_are_refused() -> None:
    for functions in ([], "name", [1], [nn.Linear(1, 1)], (nn.Linear(1, 1), None)):
        with pytest.raises(BadValue, match="functions"):
            RewardFunctions(functions)  # type: ignore[arg-type]
    for weights in ([1.0, 2.0], [math.nan]):
        with pytest.raises(BadValue, match="weights"):
            RewardFunctions(thinks_first, weights)
    with pytest.raises(BadValue, match="answer must be 2, one a prompt"):
        scored(length_in_characters, ["a", "b"], columns={"answer": ["1"]})


def test_a_reward_model_gives_its_first_logit_whatever_is_read_along() -> None:
    tokenizer = TransformersModel("tiny-random").tokenizer
    with pytest.raises(BadValue, match="a token of padding"):
        RewardFunctions([(nn.Linear(1, 1), tokenizer)])
    tokenizer.pad_token = "~"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_labels=1, attention_dropout=0.9,
    )  # fmt: skip
    config._name_or_path = "someone/judge"
    module = LlamaForSequenceClassification(config).train()
    rewards = RewardFunctions([(module, tokenizer), length_in_characters])
    assert rewards.names[0] == "judge" and RewardFunctions((module, tokenizer)).names == ("judge",)
    told = ["b", "bcde f", "a"]
    got = rewards.score(prompts=["say "] * 3, completions=told, completion_ids=[[1]] * 3)
    assert module.training
    module.eval()
    for row, text in enumerate(told):
        ids = torch.tensor([tokenizer("say " + text, add_special_tokens=False)["input_ids"]])
        with torch.no_grad():
            assert float(got[row, 0]) == pytest.approx(float(module(ids).logits[0, 0]), abs=1e-5)
