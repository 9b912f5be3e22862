"""The loop around a language model: prompts hold what they should, unreadable answers are bounded and counted."""

from __future__ import annotations

import pytest

from wayfare.agents.rafa_text import TRIES, TextRoles, play_text
from wayfare.errors import BadValue
from wayfare.memory.transitions import Transitions


class Corridor:
    """Cells 0 to 3 in a row; the last pays."""

    name, rules, limit = "corridor", "Walk to cell 3.", 5

    def begin(self, task: int) -> int:
        return 0

    def text(self, state: int) -> str:
        return f"cell {state}"

    def read(self, text: str) -> int | None:
        digits = [int(c) for c in text if c.isdigit()]
        return digits[0] if digits else None

    def legal(self, state: int) -> list[str]:
        return ["go right", "go left"]

    def step(self, state: int, move: str) -> tuple[int, float, bool]:
        after = min(state + 1, 3) if move == "go right" else max(state - 1, 0)
        return after, float(after == 3), after == 3

    def reflection(self, state: int) -> str:
        return f"ended in cell {state}"


def _speak(prompt: str) -> str:
    """Walks right and knows it."""
    now = int(prompt.rpartition("Position now:\ncell ")[2][0])
    if "best moves" in prompt:
        return "go right\ngo left"
    if "What is the position" in prompt:
        after = min(now + 1, 3) if "Move: go right" in prompt else max(now - 1, 0)
        return f"cell {after}\nreward: {int(after == 3)}\nover: {'yes' if after == 3 else 'no'}"
    return str(3 * now)


def test_a_model_that_knows_walks_to_the_goal_and_is_never_surprised() -> None:
    buffer = Transitions()
    result = play_text(Corridor(), TextRoles(Corridor(), _speak), 0, calls=100, buffer=buffer)
    assert (result.reward, result.steps, result.attempts, result.unread, result.refreshes) == (1.0, 3, 1, 0, 0)
    assert [(t.state, t.reached, t.surprise) for t in buffer] == [(0, 1, False), (1, 2, False), (2, 3, False)]


def test_a_wrong_prediction_renews_the_snapshot_and_stands_in_the_next_prompt() -> None:
    prompts: list[str] = []

    def wrong_once(prompt: str) -> str:
        prompts.append(prompt)
        if "What is the position" in prompt and "not as expected" not in prompt:
            return "cell 0\nreward: 0\nover: no"
        return _speak(prompt)

    result = play_text(Corridor(), TextRoles(Corridor(), wrong_once), 0, calls=100)
    assert result.refreshes >= 1 and result.reward == 1.0
    later = [p for p in prompts if "What really happened" in p]
    assert later and all("move: go right" in p and "Walk to cell 3." in p for p in later)
    assert "What really happened" not in prompts[0] and prompts[0].index("Walk") < prompts[0].index("Position now")


def test_nothing_readable_falls_back_counts_and_ends() -> None:
    roles = TextRoles(Corridor(), lambda prompt: "?")
    result = play_text(Corridor(), roles, 0, calls=40, attempts=2)
    assert result.unread == result.asked > 0 and result.fallbacks > 0
    assert result.asked < 40 + 2 * TRIES * 30 and result.attempts <= 2


def test_a_failed_attempt_leaves_a_reflection_and_calls_are_spent_no_further() -> None:
    def left(prompt: str) -> str:
        return "go left" if "best moves" in prompt else _speak(prompt)

    buffer = Transitions()
    result = play_text(Corridor(), TextRoles(Corridor(), left), 0, calls=12, buffer=buffer, breadth=1, attempts=5)
    assert result.reward < 1 and buffer.snapshot().notes[0] == "ended in cell 0" and result.asked <= 12 + 6


def test_no_calls_are_refused() -> None:
    with pytest.raises(BadValue, match="calls"):
        play_text(Corridor(), TextRoles(Corridor(), _speak), 0, calls=0)
