"""The list of what happened: surprises, counts beside examples, snapshots that stay as they were."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.memory import Transitions

STEP = st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2), st.sampled_from([0.0, 1.0]))
STEPS = st.lists(STEP, max_size=30)


@given(STEPS)
def test_recall_is_a_search_from_the_end_and_counts_are_counts(steps: list[tuple[int, int, int, float]]) -> None:
    buffer = Transitions()
    for step in steps:
        buffer.remember(*step)
    for state in range(3):
        found = [(t.state, t.action, t.reached, t.reward) for t in buffer.recall(state, k=4)]
        assert found == [step for step in reversed(steps) if step[0] == state][:4]
        for action in range(2):
            same = [step[2:] for step in steps if step[:2] == (state, action)]
            assert all(buffer.counts(state, action)[outcome] == same.count(outcome) for outcome in set(same))
            shares = buffer.snapshot().frequencies(state, action)
            assert sum(shares.values()) == pytest.approx(1.0 if same else 0.0)


def test_surprises_alone_are_kept_and_rare_outcomes_do_not_look_typical() -> None:
    buffer = Transitions("surprises")
    for step in range(10):
        reached = "edge" if step == 7 else "middle"
        buffer.remember("start", "go", reached, 0.0, predicted=("middle", 0.0))
    assert [t.reached for t in buffer] == ["edge"] and buffer.surprises == 1
    assert buffer.snapshot().frequencies("start", "go") == {("middle", 0.0): 0.9, ("edge", 0.0): 0.1}


def test_a_wrong_prediction_or_a_reflection_moves_the_buffer_and_nothing_else_does() -> None:
    buffer = Transitions()
    view = buffer.snapshot()
    buffer.remember(0, 0, 1, 0.0)
    buffer.remember(0, 0, 1, 0.0, predicted=(1, 0.0))
    assert not buffer.moved(view) and view.items == ()
    buffer.remember(0, 0, 1, 0.0, predicted=(1, 1.0))
    assert buffer.moved(view) and not buffer.moved(buffer.snapshot())
    view = buffer.snapshot()
    buffer.note("do not go there")
    assert buffer.moved(view) and buffer.snapshot().notes == ("do not go there",) and view.notes == ()


def test_snapshots_have_one_id_for_one_content_and_do_not_change() -> None:
    buffer = Transitions(most=2)
    for step in range(3):
        buffer.remember(step, 0, step + 1, 0.0)
    view, twin = buffer.snapshot(), buffer.snapshot()
    assert view.id == twin.id and [t.state for t in view.items] == [1, 2]
    buffer.forget()
    assert buffer.snapshot().id != view.id and len(view.items) == 2 and len(buffer) == 0 and view.counts[0, 0]


def test_bad_input_is_refused_and_changes_nothing() -> None:
    buffer = Transitions()
    for reward in (math.nan, math.inf):
        with pytest.raises(BadValue, match="reward"):
            buffer.remember(0, 0, 0, reward)
    for call, field in (
        (lambda: Transitions("some"), "keep"),  # type: ignore[arg-type]
        (lambda: Transitions(most=0), "most"),
        (lambda: buffer.recall(0, k=0), "k"),
        (lambda: buffer.note(" "), "text"),
    ):
        with pytest.raises(BadValue) as refused:
            call()
        assert refused.value.field == field
    assert len(buffer) == 0 and buffer.snapshot().counts == {}


def test_memory_loads_no_torch() -> None:
    code = "import sys, wayfare.memory; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
