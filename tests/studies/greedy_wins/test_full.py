"""The full scale from its cost to its findings, with a model of random weights in the place of a real one."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from wayfare.errors import BadValue
from wayfare.language.local import TransformersModel
from wayfare.report.plots import draw
from wayfare.studies.engine import InProcess
from wayfare.studies.greedy_wins import STUDY
from wayfare.studies.greedy_wins.checks import RULES
from wayfare.studies.greedy_wins.experiment import run
from wayfare.studies.greedy_wins.full import REINFORCED, cost

FULL = STUDY.scales["full"]
TINY = replace(
    FULL, device="cpu", seeds=2, arms=2, turns=4, long=8, replicas=4, imitation_updates=2, reinforcement_updates=1,
    instances=1, group=2, batches=2, answer_tokens=3, rank=1, tuning_replicas=4, most_calls=10_000, scenario="ads",
)  # fmt: skip


def test_the_cost_is_every_answer_in_tests_and_tries() -> None:
    tests, tries = 2 * 4 * 8, 2 * 4
    assert cost(TINY).calls == 2 * (tests * 6 + tries * 1 * 4 + tries * 2)
    assert cost(TINY).written == 3 * cost(TINY).calls
    assert cost(replace(TINY, endpoint="http://x/v1")).calls == 2 * tests
    assert cost(FULL).calls == 3 * (6 * 2 * 100 * 300 + 4 * 100 * 32 * 50 + 8 * 32 * 50)


def test_a_run_is_refused_before_it_asks_more_than_allowed() -> None:
    with pytest.raises(BadValue, match="million tokens") as refused:
        STUDY.refuse(FULL)
    assert refused.value.field == "most_calls" and str(cost(FULL).calls) in str(refused.value)
    STUDY.refuse(TINY)
    STUDY.refuse(STUDY.scales["laptop"])
    for field, value in (("scenario", "cats"), ("rank", 0), ("answer_tokens", 0), ("arms", 21)):
        with pytest.raises(BadValue) as refused:
            replace(TINY, **{field: value})
        assert refused.value.field == field


def test_a_model_of_random_weights_is_taught_and_tested_to_the_end() -> None:
    findings = run(TINY, InProcess())
    assert [check.name for check in findings.checks] == [rule.name for rule in RULES]
    variance = next(check for check in findings.checks if check.name == "strategic reward is less noisy")
    assert variance.estimate is not None and variance.estimate > 0
    rows = {(row[0], row[1]): row[2:] for row in findings.tables["answers"].rows}
    assert len(rows) == 2 * (2 + len(REINFORCED)) and all(named > 0.5 for named, _ in rows.values())
    assert len(findings.figures) == 3
    assert draw(findings.figures[0])["svg"].startswith(b"<?xml")
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_model_behind_an_endpoint_is_tested_and_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = Path(__file__).parents[2] / "language" / "openai_server.py"
    spec = importlib.util.spec_from_file_location("openai_server", path)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.serving(TransformersModel("tiny-random")) as server:
        findings = run(replace(TINY, endpoint=server.url, seeds=1, long=4), InProcess())
        # the first pull is the same question for both families, and paid for once
        assert len(server.answered) == cost(replace(TINY, endpoint=server.url, seeds=1, long=4)).calls - 4
    assert {row[0] for row in findings.tables["answers"].rows} == {"generalist"}
    assert not any(check.tested for check in findings.checks) and not findings.figures
    assert "behind an endpoint" in findings.checks[0].reason
