"""Outcome paid by length: what brevity is worth, and what is left beside it."""

from __future__ import annotations

import pytest

from wayfare.errors import BadValue
from wayfare.learn.grpo.length_rewards import CosineOfLength
from wayfare.worlds.verifiable import task


def test_right_answers_fall_and_wrong_ones_rise_with_length() -> None:
    plain = task("modular")
    row = plain.rows("train")[0]
    columns = {name: [row[name]] * 2 for name in row if name != "prompt"}
    paid = CosineOfLength(plain, longest=10)
    told = {"prompts": ["?"] * 2, "completions": [plain.oracle(row), "no"], **columns}
    values = [paid(completion_ids=[[1] * length] * 2, **told) for length in (0, 5, 10, 99)]
    assert [each[0] for each in values] == pytest.approx([1.0, 0.75, 0.5, 0.5])
    assert [each[1] for each in values] == pytest.approx([-1.0, -0.75, -0.5, -0.5])
    with pytest.raises(BadValue, match="longest"):
        CosineOfLength(plain, longest=0)


def test_the_other_rewards_of_a_task_stay_with_their_weights() -> None:
    tags = task("countdown3-tags")
    row = tags.rows("train")[0]
    columns = {name: [row[name]] * 3 for name in row if name != "prompt"}
    told = {"prompts": ["?"] * 3, "completions": [tags.oracle(row), "< 1 > 1", ""], "completion_ids": [[1] * 19] * 3}
    logged: dict[str, float] = {}
    paid = CosineOfLength(tags)(**told, **columns, log_metric=logged.__setitem__)
    assert paid == pytest.approx([2 * 0.5 + 1.0, -2 * 0.5 + 1.0, -2 * 0.5])
    assert logged == pytest.approx({f"rewards/{name}/mean": 2 / 3 for name in ("has_answer", "has_trace")})
