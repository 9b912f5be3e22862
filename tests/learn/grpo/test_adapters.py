"""Rewards and rows of other formats: verl's scores, functions of one answer, several functions as one."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import datasets
import pytest

from wayfare.errors import BadValue, RewardFailed
from wayfare.learn.grpo.adapters import as_trl, from_verl, from_verl_row, verl_dataset
from wayfare.learn.grpo.rewards import RewardFunctions, reward_columns

ASKED = [{"role": "user", "content": "2+2?"}]
VERL = [
    {
        "data_source": "sums", "prompt": ASKED, "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": truth}, "extra_info": {"index": number, "split": "train"},
    }
    for number, truth in enumerate(["4", "5"])
]  # fmt: skip


def compute_score(data_source, solution_str, ground_truth, extra_info=None):  # type: ignore[no-untyped-def]
    """As verl's users write it: the number behind four hashes."""
    found = re.search(r"#### (-?[0-9.,]+)", solution_str)
    if found is None:
        return 0.0
    said = found.group(1).replace(",", "")
    return {"score": float(said == ground_truth), "acc": said == ground_truth, "pred": said, "row": extra_info["index"]}


async def compute_later(data_source, solution_str, ground_truth, extra_info=None):  # type: ignore[no-untyped-def]
    await asyncio.sleep(0)
    return compute_score(data_source, solution_str, ground_truth, extra_info)


def scored(reward: Any, completions: list[str], rows: list[dict[str, Any]], **told: Any) -> list[list[float]]:
    return (
        RewardFunctions(reward)
        .score(
            prompts=[row["prompt"] for row in rows], completions=completions, completion_ids=[[1]] * len(rows),
            columns=reward_columns(rows), **told,
        )
        .tolist()
    )  # fmt: skip


def test_verls_score_is_called_once_an_answer_and_what_else_it_tells_is_logged() -> None:
    rows = [from_verl_row(row) for row in VERL]
    for function in (compute_score, compute_later):
        logged: dict[str, Any] = {}
        got = scored(
            from_verl(function, "sums"), ["so #### 4", "so #### 4"], rows,
            log_metric=logged.__setitem__, log_extra=logged.__setitem__,
        )  # fmt: skip
        assert got == [[1.0], [0.0]]
        assert logged == {"sums/acc": 0.5, "sums/pred": ["4", "4"], "sums/row": 0.5}
    assert scored(from_verl(compute_score), ["4", "#### 5"], rows) == [[0.0], [1.0]]
    unflattened = from_verl(compute_score)
    assert scored(unflattened, ["#### 4", "#### 5"], VERL) == [[1.0], [1.0]]
    assert RewardFunctions(unflattened).names == ("compute_score",)


def test_verls_rows_become_prompts_whose_columns_its_score_reads(tmp_path: Path) -> None:
    datasets.Dataset.from_list(VERL).to_parquet(tmp_path / "train.parquet")
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, VERL)))
    for data in (VERL, datasets.Dataset.from_list(VERL), tmp_path / "train.parquet", str(tmp_path / "train.jsonl")):
        told = verl_dataset(data)
        assert len(told) == 2 and told.prompt(1) == ASKED and told.conversational
        assert set(told.columns) == {"data_source", "ability", "ground_truth", "extra_info"}
        rows = [told.row(key) for key in range(2)]
        assert scored(from_verl(compute_score), ["#### 4", "#### 5"], rows) == [[1.0], [1.0]]


def test_a_row_of_verl_without_what_it_needs_is_named() -> None:
    assert from_verl_row({"prompt": "a", "ground_truth": "4"}) == {"prompt": "a", "ground_truth": "4"}
    for row in ({"reward_model": {"ground_truth": "4"}}, {"prompt": ASKED}, {"prompt": ASKED, "reward_model": "4"}):
        with pytest.raises(BadValue, match="data row 1, row"):
            verl_dataset([VERL[0], row])


def test_a_function_of_one_answer_is_told_its_row() -> None:
    seen: list[dict[str, Any]] = []

    def right(completion: str, **row: Any) -> float | None:
        seen.append(row)
        return None if row["answer"] is None else float(completion == row["answer"])

    async def named(completion: str, answer: str, trainer_state: Any) -> float:
        return float(completion == answer) + trainer_state.global_step

    rows = [{"prompt": ASKED, "answer": "4", "hint": "h"}, {"prompt": ASKED, "answer": None, "hint": None}]
    got = scored([as_trl(right), as_trl(named, "later")], ["4", "5"], rows)
    assert got[0] == [1.0, 1.0] and str(got[1]) == "[nan, 0.0]"
    assert seen[0] == {"prompt": ASKED, "completion_ids": [1], "answer": "4", "hint": "h"}
    assert RewardFunctions([as_trl(right), as_trl(named, "later")]).names == ("right", "later")


def test_what_trl_calls_already_comes_back_as_it_is_or_under_another_name() -> None:
    def mine(completions: list[str], **told: Any) -> list[float]:
        return [1.0] * len(completions)

    async def mine_later(completion_ids: list[Any], **told: Any) -> list[float]:
        return [2.0] * len(completion_ids)

    assert as_trl(mine) is mine
    rows = [{"prompt": "a"}]
    assert scored([as_trl(mine, "x"), as_trl(mine_later, "y")], ["b"], rows) == [[1.0, 2.0]]
    assert scored(as_trl(RewardFunctions([mine, mine_later], [1.0, 0.5])), ["b"], rows) == [[2.0]]
    assert scored(as_trl(compute_score), ["#### 5"], [from_verl_row(VERL[1])]) == [[1.0]]
    for odd in (1, lambda: 0.0, lambda text: 0.0):
        with pytest.raises(BadValue, match="reward"):
            as_trl(odd)
    with pytest.raises(BadValue, match="compute_score"):
        from_verl("gsm8k")  # type: ignore[arg-type]


def test_the_answer_at_which_a_function_of_one_answer_fails_is_named() -> None:
    def odd(completion: str, **row: Any) -> float:
        return 1 / len(completion)

    async def odd_later(completion: str, **row: Any) -> float:
        return 1 / len(completion)

    rows = [{"prompt": "a"}] * 2
    for function in (odd, odd_later):
        with pytest.raises(RewardFailed, match=f"'{function.__name__}' raised ZeroDivisionError at row 1"):
            scored(as_trl(function), ["x", ""], rows)
    with pytest.raises(RewardFailed, match="at row 1"):
        scored(from_verl(lambda **told: {"acc": 1.0} if told["solution_str"] else 0.0), ["", "x"], rows)
