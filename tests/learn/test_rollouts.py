"""Answers as tensors: placed by hand, cut and joined without loss."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.language.interface import Sampling
from wayfare.language.local import TransformersModel
from wayfare.learn.rollouts import RolloutBatch, joined, rollout_of

MODEL = TransformersModel("tiny-random")


def batch(prompts: list[str], turn: int = 0, **sampling: Any) -> RolloutBatch:
    told = MODEL.generate(prompts, Sampling(max_tokens=5, **sampling))
    return rollout_of(MODEL, prompts, told, group_id=torch.zeros(len(prompts), dtype=torch.int64), turn=turn)


def equal(one: RolloutBatch, other: RolloutBatch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one) if field.name != "extras"]
    same = all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)
    return same and all(torch.equal(value, other.extras[name]) for name, value in one.extras.items())


def test_prompts_are_padded_on_the_left_and_completions_on_the_right() -> None:
    made = batch(["ab", "abcd"])
    assert made.prompt_mask.tolist() == [[False, False, True, True], [True] * 4]
    assert made.prompt_ids[1].tolist() == MODEL.encode("abcd")
    assert made.prompt_ids[0, 2:].tolist() == MODEL.encode("ab")
    assert made.truncated.tolist() == [True, True] and made.completion_mask.all()
    ids, valid = made.sequences()
    assert ids.shape == valid.shape == (2, 9) and valid[0].tolist() == [0, 0] + [1] * 7


def test_columns_of_padding_alone_are_left_out_of_sequences() -> None:
    made = batch(["ab", "abcd"]).rows(torch.tensor([0]))
    ids, valid = made.sequences()
    assert ids.shape == (1, 7) and bool(valid.all())


def test_joined_parts_are_cut_apart_again() -> None:
    one, two = batch(["ab"], 0), batch(["abcdef", "x"], 1, stop=("q", " 1", "e"))
    both = joined([one, two])
    assert len(both) == 3 and both.turn.tolist() == [0, 1, 1] and both.trajectory.tolist() == [0, 0, 1]
    back = both.rows(torch.tensor([0]))
    ids, valid = back.sequences()
    assert ids[0, : int(valid.sum())].tolist() == one.sequences()[0][0].tolist()
    assert equal(joined([one]), one) and equal(both.rows(torch.arange(3)), both)


def test_what_does_not_fit_is_refused() -> None:
    made = batch(["ab", "abcd"])
    for field, value in (
        ("advantages", torch.zeros(3)), ("ref_logps", torch.zeros(2, 4)), ("group_id", torch.zeros(2, 1)),
    ):  # fmt: skip
        with pytest.raises(BadValue) as refused:
            replace(made, **{field: value})
        assert refused.value.field == field
    with pytest.raises(BadValue, match="in all of them or in none"):
        joined([made, replace(made, reward=torch.zeros(2))])
    with pytest.raises(BadValue, match="parts"):
        joined([])
    told = MODEL.generate(["ab"], Sampling(max_tokens=2, n=2))
    with pytest.raises(BadValue, match="one a prompt"):
        rollout_of(MODEL, ["ab"], told, group_id=torch.zeros(1, dtype=torch.int64))
    told = replace(MODEL.generate(["ab"], Sampling(max_tokens=2)), token_ids=-made.completion_ids[:1, :2].numpy() - 1)
    with pytest.raises(BadValue, match="runs here"):
        rollout_of(MODEL, ["ab"], told, group_id=torch.zeros(1, dtype=torch.int64))


def test_texts_and_extras_go_with_their_rows() -> None:
    made = replace(
        batch(["ab", "abcd"]), texts=("one", "two"), prompts=("ab", "abcd"), prompt_key=torch.tensor([7, 9]),
        extras={"along": torch.arange(10.0).view(2, 5), "each": torch.tensor([1.0, 2.0])},
    )  # fmt: skip
    turned = made.rows(torch.tensor([1, 0]))
    assert turned.texts == ("two", "one") and turned.prompt_key is not None and turned.prompt_key.tolist() == [9, 7]
    assert turned.extras["along"][0].tolist() == [5.0, 6.0, 7.0, 8.0, 9.0]
    told = MODEL.generate(["ab"], Sampling(max_tokens=2))
    short = replace(
        rollout_of(MODEL, ["ab"], told, group_id=torch.zeros(1, dtype=torch.int64)), texts=("three",), prompts=("ab",),
        prompt_key=torch.tensor([1]), extras={"along": torch.ones(1, 2), "each": torch.tensor([3.0])},
    )  # fmt: skip
    both = joined([made, short])
    assert both.texts == ("one", "two", "three") and both.extras["along"][2].tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    with pytest.raises(BadValue, match="one a row"):
        replace(made, texts=("one",))
    with pytest.raises(BadValue, match="rows first"):
        replace(made, extras={"along": torch.zeros(3)})
    with pytest.raises(BadValue, match="in all of them"):
        joined([made, replace(short, extras={"each": torch.tensor([3.0])})])
