"""A run goes on as the one that it was: other numbers are refused, other words and code are told."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.learn.grpo.small import even, trainer
from wayfare.errors import ResumeRefused
from wayfare.explore.annealing import CosineFall
from wayfare.learn.grpo.adapters import as_trl, from_verl
from wayfare.learn.grpo.identity import differences, made_of
from wayfare.learn.grpo.replay import SelfImitation
from wayfare.learn.grpo.rollout import SingleTurn
from wayfare.learn.grpo.shaping import AllOf, Readable, ScheduledBonus, WidestGroups
from wayfare.learn.grpo.user_code import line_of, source_of
from wayfare.named import named


class Paid:
    """A bonus of every kind of argument."""

    free = ("workers",)

    def __init__(
        self, beta: Any = 0.1, order: str = "after", seen: int = 0, place: str = "a/b", workers: int = 1,
        gates: tuple[float, ...] = (0.5, 1.0),
    ) -> None:  # fmt: skip
        self.beta, self.order, self.seen, self.place, self.workers, self.gates = (
            beta,
            order,
            seen,
            place,
            workers,
            gates,
        )
        self.calls, self._step = seen, seen

    def score(self, batch: Any) -> list[float]:
        self.calls += 1
        return [self.beta] * len(batch)

    def update(self, batch: Any) -> None:
        self.seen += 1

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen = state["seen"]


def between(was: Any, now: Any, seam: str = "bonus") -> list[str]:
    return differences(made_of({}, {seam: was}), made_of({}, {seam: now}))


@pytest.mark.parametrize(("was", "now", "seam", "said"), [
    (Paid(), Paid(0.2), "bonus", r"argument bonus.beta was 0.1 in the run to be resumed, now 0.2"),
    (Paid(), Paid(None), "bonus", "bonus.beta was 0.1 .* now None"),
    (Paid(), Paid(gates=(0.5, 2.0)), "bonus", r"bonus.gates was \(0.5, 1.0\) .* now \(0.5, 2.0\)"),
    (ScheduledBonus(CosineFall(4)), ScheduledBonus(CosineFall(5)), "shaper", "shaper.weight.steps was 4.0 .* now 5.0"),
    ([SelfImitation(8)], [SelfImitation(9)], "auxiliary", r"auxiliary\[0\].buffer.size was 8.0"),
    (AllOf([Readable(), WidestGroups(0.5)]), AllOf([Readable(), WidestGroups(0.6)]), "row_filter", "share was 0.5"),
])  # fmt: skip
def test_other_numbers_that_a_part_was_made_with_are_refused(was: Any, now: Any, seam: str, said: str) -> None:
    with pytest.raises(ResumeRefused, match=said):
        between(was, now, seam)
    assert between(was, was, seam) == [] == between(now, now, seam)


def test_what_changes_by_itself_or_changes_nothing_is_no_other_number() -> None:
    used = Paid()
    used.score([0.0])
    used.update([0.0])
    used._step = 7
    for other in (used, Paid(seen=9), Paid(place="c/d"), Paid(workers=8), Paid(np.float64(0.1))):
        assert between(Paid(), other) == [] == between(other, Paid())
    assert between(Paid(1), Paid(1.0)) == [] == between(SingleTurn(), SingleTurn(rows=4), "rollout")
    told = made_of({}, {"bonus": Paid()})
    del told["numbers"]["bonus.beta"]
    assert differences(told, made_of({}, {"bonus": Paid(0.2)})) == [], "an argument that there was not is no other one"


def test_other_words_are_told_and_go_on() -> None:
    [told] = between(Paid(), Paid(order="before"))
    assert told == "argument bonus.order was 'after' in the run that goes on, now 'before'"


MINE = """
import json


def right(completions, **_):
    return json.loads("{" + completions[0])


async def later(completions, **_):
    return right(completions)


def one(completion):
    return 1.0
"""


def test_other_code_of_the_users_is_told_with_its_file_and_nobody_elses_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    right = named("mine", f"{path}:right")
    given = {
        "right": right,
        "part": partial(partial(right)),
        "one": as_trl(named("mine", f"{path}:one")),
        "dumps": json.dumps,
    }
    before = made_of({**given, "verl": from_verl(right)}, {"shaper": ScheduledBonus(CosineFall(4)), "bonus": Paid()})
    mine = {f"reward function {name} of mine.py" for name in ("right", "part", "one", "verl")}
    wanted = {*mine, "bonus of test_identity.py"}
    assert set(before["code"]) == wanted and source_of(json.dumps) is None is source_of(len)
    assert differences(before, before) == []
    path.write_text(f"{MINE}\n# mended\n")
    [told] = differences(before, made_of({"right": right}, {"bonus": Paid()}))
    assert told == "reward function right of mine.py has changed since the run that goes on was saved"
    monkeypatch.setattr(right, "__module__", "__main__")
    path.write_text(MINE)
    script = made_of({"right": right}, {})
    assert differences(before, script) == [], "a script that is imported now is not another one"
    path.write_text(f"{MINE}\n# other settings\n")
    assert script["code"] == made_of({"right": right}, {})["code"] != before["code"]


@pytest.mark.parametrize("name", ("right", "later"))
def test_an_error_is_told_with_the_users_line_that_it_came_through(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    run = trainer(reward_funcs=named("mine", f"{path}:{name}"))
    with pytest.raises(Exception, match=rf"'{name}' raised JSONDecodeError: .* \({path}:6\)$") as caught:
        run.train()
    assert isinstance(caught.value.__cause__, json.JSONDecodeError)
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("")
    assert __file__ in line_of(caught.value)


def test_a_run_goes_on_with_its_own_numbers_whatever_its_parts_have_become() -> None:
    run = trainer(bonus=Paid(), max_steps=2)
    run.train()
    state = run.state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer(bonus=Paid(), max_steps=2).load_state_dict(state)
    with pytest.raises(ResumeRefused, match=r"bonus.beta was 0.1 .*--fresh"):
        trainer(bonus=Paid(0.2), max_steps=2).load_state_dict(state)
    with pytest.warns(UserWarning, match="bonus.order was 'after'"):
        trainer(bonus=Paid(order="before"), max_steps=2).load_state_dict(state)
    older = {name: value for name, value in state["experiment"].items() if isinstance(value, str)}
    trainer(bonus=Paid(0.2), max_steps=2, reward_funcs=even).load_state_dict({**state, "experiment": older})
