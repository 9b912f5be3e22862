"""Files of a run hold what was told, and can be taken back to what they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from tests.learn.grpo.small import drawn_rows, model
from wayfare.learn.grpo.records import Records, completion_rows


def test_files_are_taken_back_to_what_they_were(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.metrics(1, {"reward": 0.5, "kl": float("nan")})
    records.completions([{"completion": "äöü 3"}])
    noted = records.lengths()
    before = {name: (tmp_path / name).read_bytes() for name in noted}
    records.metrics(2, {"reward": 1.0})
    records.completions([{"completion": "lost"}])
    records.cut(noted)
    assert {name: (tmp_path / name).read_bytes() for name in noted} == before
    records.metrics(2, {"reward": 2.0})
    records.close()
    told = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert told == [{"step": 1, "reward": 0.5, "kl": None}, {"step": 2, "reward": 2.0}]
    assert "äöü" in (tmp_path / "completions.jsonl").read_text(encoding="utf-8")
    Records(tmp_path).cut({})
    assert (tmp_path / "metrics.jsonl").read_bytes() == b"" == (tmp_path / "completions.jsonl").read_bytes()


def test_only_the_first_process_writes_and_a_run_without_a_folder_does_not(tmp_path: Path) -> None:
    for records in (Records(None), Records(tmp_path / "other", main=False)):
        records.metrics(1, {"reward": 1.0})
        records.seconds(1, {"step_time": 0.1})
        records.completions([{"completion": ""}])
        assert records.lengths() == {}
        records.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_known_of_an_answer_is_null() -> None:
    batch = replace(drawn_rows(model(), many=2), texts=("3", "4"), prompts=("5", "6"), group_id=torch.tensor([0, 1]))
    rewards = torch.tensor([[1.0, float("nan")], [0.0, 2.0]])
    told = completion_rows(replace(batch, rewards_per_func=rewards), 7, ["right", "brief"], {"said": ["x"]})
    assert told[0]["right"] == 1.0 and told[0]["brief"] is None and told[0]["reward"] is None
    assert (told[0]["said"], told[1]["said"]) == ("x", None) and told[1]["step"] == 7
    assert told[0]["key"] is None and told[1]["group"] == 1 and told[1]["prompt"] == "6"
    by_token = replace(batch, advantages=torch.zeros(batch.completion_ids.shape))
    assert completion_rows(by_token, 0, [])[0]["advantage"] is None
    assert json.loads(json.dumps(told, allow_nan=False)) == told
