from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.studies.contract import (
    UNTESTED,
    Cell,
    Check,
    Config,
    Figure,
    Findings,
    Study,
    Table,
    config_from_json,
    config_to_json,
)

numbers = st.floats(-1e6, 1e6)
CHECK = Check("c", "s", "claim", 1.0, 0.5, 1.5, "above", 0.0, "unit", 5, "Student t")


def check(low: float, high: float, **changed: Any) -> Check:
    return replace(CHECK, estimate=(low + high) / 2, low=low, high=high, **changed)


def findings(*checks: Check) -> Findings:
    named = [replace(c, name=f"{i}") for i, c in enumerate(checks)]
    return Findings(tables={}, figures=[], checks=named)


HOLDS, FAILS, STRADDLES = check(1, 2), check(-2, -1), check(-1, 1)
LATER = check(1, 2, reason="needs laptop scale")
GATE = check(1, 2, kind="instrument")


@st.composite
def checks(draw: st.DrawFn) -> Check:
    low, estimate, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
    rule = draw(st.sampled_from(["above", "below", "within"]))
    edges = tuple(sorted(draw(st.tuples(numbers, numbers))))
    threshold = edges if rule == "within" else edges[0]
    kind = draw(st.sampled_from(["claim", "ours", "instrument"]))
    reason = draw(st.sampled_from(["", "needs laptop scale"]))
    return Check(
        draw(st.text(min_size=1)), draw(st.text()), kind, estimate, low, high, rule, threshold, "u", 5, "m", reason
    )


@settings(max_examples=200, deadline=None)
@given(checks())
def test_a_check_comes_back_from_json_as_it_was(one: Check) -> None:
    assert Check.from_json(json.loads(json.dumps(one.to_json()))) == one


@settings(max_examples=200, deadline=None)
@given(checks())
def test_a_check_holds_when_every_point_of_its_interval_lies_on_the_claimed_side(one: Check) -> None:
    assert one.low is not None and one.high is not None
    inside = {
        "above": lambda x: x > one.threshold,
        "below": lambda x: x < one.threshold,
        "within": lambda x: one.threshold[0] <= x <= one.threshold[1],  # type: ignore[index]
    }[one.rule]
    assert one.holds == (inside(one.low) and inside(one.high) and one.reason == "")


def test_a_stored_holds_is_not_believed() -> None:
    assert not Check.from_json({**FAILS.to_json(), "holds": True}).holds
    assert Check.from_json({**HOLDS.to_json(), "holds": False}).holds


def test_the_json_of_a_check_has_the_fields_that_readers_rely_on() -> None:
    fields = [
        "name",
        "statement",
        "kind",
        "estimate",
        "low",
        "high",
        "rule",
        "threshold",
        "unit",
        "n_seeds",
        "method",
        "holds",
    ]
    assert set(fields) <= set(HOLDS.to_json())


@pytest.mark.parametrize(
    ("listed", "verdict"),
    [
        ((GATE, HOLDS, HOLDS), "holds"),
        ((GATE, HOLDS, FAILS, STRADDLES), "fails"),
        ((GATE, HOLDS, STRADDLES), "undecided at 5 seeds"),
        ((GATE, HOLDS, LATER), "holds where tested"),
        ((GATE, LATER), UNTESTED),
        ((GATE, replace(FAILS, kind="ours"), HOLDS), "holds"),
        ((replace(FAILS, kind="instrument"), HOLDS), UNTESTED),
        ((replace(STRADDLES, kind="instrument"), FAILS), UNTESTED),
        ((HOLDS, replace(FAILS, kind="instrument")), "holds"),
        ((GATE,), UNTESTED),
        ((), UNTESTED),
        ((GATE, replace(STRADDLES, n_seeds=1)), "undecided at 1 seed"),
    ],
)
def test_the_verdict_is_over_the_claim_checks_once_the_baseline_shows_the_failure(
    listed: tuple[Check, ...], verdict: str
) -> None:
    assert findings(*listed).verdict == verdict


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_check_without_a_finite_interval_says_that_it_was_not_tested(bad: float) -> None:
    one = replace(CHECK, high=bad, n_seeds=1)
    assert one.state == "untested" and not one.holds and one.reason == "no interval from 1 seed"
    assert Check.from_json(json.loads(json.dumps(one.to_json(), allow_nan=False))) == one


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"kind": "mine"}, "kind"),
        ({"rule": "over"}, "rule"),
        ({"rule": "within"}, "threshold"),
        ({"threshold": (0.0, 1.0)}, "threshold"),
        ({"threshold": math.nan}, "threshold"),
        ({"rule": "within", "threshold": (1.0, 0.0)}, "threshold"),
        ({"low": 2.0}, "low"),
    ],
)
def test_a_check_that_means_nothing_is_refused(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(BadValue, match=f"^{field} of check 'c'"):
        replace(CHECK, **changed)


def test_findings_come_back_from_json() -> None:
    table = Table("t", ("a", "b"), [(1, "x"), (math.nan, None)])
    figure = Figure("f", "what to see", lambda: None)
    was = Findings(tables={"t": table}, figures=[figure], checks=[GATE], notes=["n"])
    again = Findings.from_json(json.loads(json.dumps(was.to_json(), allow_nan=False)))
    assert again.to_json() == was.to_json()
    assert again.tables["t"].rows == [[1, "x"], [None, None]]


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(BadValue, match="check name"):
        Findings(tables={}, figures=[], checks=[HOLDS, FAILS])


@dataclass(frozen=True)
class Knobs(Config):
    sizes: tuple[int, ...] = (1, 2)
    memory: int | None = None


def test_a_config_comes_back_from_json() -> None:
    config = Knobs(scale="smoke", seeds=3, sizes=(4, 5, 6))
    assert config_from_json(Knobs, json.loads(json.dumps(config_to_json(config)))) == config
    with pytest.raises(BadValue, match="colour"):
        config_from_json(Knobs, {"colour": 1})


@pytest.mark.parametrize(
    ("field", "value"), [("scale", "tiny"), ("seeds", 0), ("seed", -1), ("seed", 2**31), ("device", "tpu")]
)
def test_an_impossible_config_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(BadValue, match=f"^{field} must be"):
        Config(**{field: value})


@dataclass(frozen=True)
class Bounded(Knobs):
    AT_LEAST: ClassVar = {"steps": 1, "rows": 1}
    steps: int = 1
    rows: int = 2


@dataclass(frozen=True)
class Stricter(Bounded):
    AT_LEAST: ClassVar = {"rows": 2, "answers": 2}
    answers: int = 2


def test_least_values_hold_in_every_subclass_which_may_say_others_of_the_same_fields() -> None:
    Stricter()
    for field in ("steps", "rows", "answers"):
        with pytest.raises(BadValue, match=f"^{field} must be at least {Stricter.AT_LEAST.get(field, 1)}, got"):
            Stricter(**{field: 1 if field != "steps" else 0})
    Bounded(rows=1)


def test_a_study_or_cell_that_cannot_run_is_refused() -> None:
    whole: dict[str, Any] = {
        "slug": "s", "title": "", "paper": "", "claim": "", "scales": {"smoke": Config(scale="smoke")}, "seconds": {},
        "run": "json:dumps",
    }  # fmt: skip
    assert Study(**whole).load() is json.dumps  # type: ignore[comparison-overlap]
    for changed in ({"slug": "a/b"}, {"scales": {}}, {"scales": {"quick": Config(scale="smoke")}}, {"run": "json"}):
        with pytest.raises(BadValue):
            Study(**{**whole, **changed})
    with pytest.raises(BadValue, match="run must be"):
        Study(**{**whole, "run": "json:nothing"}).load()
    with pytest.raises(BadValue, match="seconds of cell"):
        Cell("c", print, {}, seconds=0)  # type: ignore[arg-type]
