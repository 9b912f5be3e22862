"""Random operations find no difference between a cube and its reference; and would, if there were one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wayfare.errors import BadValue
from wayfare.memory import applying
from wayfare.memory.copies import rolling
from wayfare.studies.memos.drawing import KINDS
from wayfare.studies.memos.operations import Runner, run_operations
from wayfare.studies.memos.reference import Reference


@pytest.mark.parametrize("seed", range(3))
def test_a_cube_does_what_its_reference_does(tmp_path: Path, seed: int) -> None:
    told = run_operations(tmp_path, seed, 250)
    assert told["divergences"] == told["rollbacks_unequal"] == 0, told["told"]
    assert told["operations"] == 250 and 10 < told["refused"] < 100
    assert told["rollbacks"] > 5 and told["fusions"] > 1 and told["migrations"] > 1


@pytest.mark.parametrize(("seed", "kill_at"), [(0, 30), (1, 55), (2, 12)])
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, seed: int, kill_at: int) -> None:
    told = run_operations(tmp_path, seed, 70, kill_at=kill_at)
    assert told["kills"] == 1 and told["operations"] == 70
    assert told["divergences"] == told["lost"] == 0, told["told"]


def test_the_reference_is_the_same_each_time_and_meets_every_kind() -> None:
    ones, seen = [], set()
    for _ in range(2):
        reference = Reference()
        for number in range(600):
            op = reference.draw(5, number)
            seen.add(op["kind"])
            reference.apply(op)
        ones.append(reference.digest())
    assert ones[0] == ones[1] and seen == set(KINDS)


@pytest.mark.parametrize("broken", ["a stale cache stays", "a stale cache comes back", "a version is written over"])
def test_a_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    if broken == "a stale cache stays":
        monkeypatch.setattr(applying, "invalidate", lambda *_, **__: None)
    elif broken == "a stale cache comes back":
        monkeypatch.setattr(rolling, "stale_as", lambda *_: "")
    with Runner(tmp_path, 0) as runner:
        for number in range(300):
            runner.step(number)
        if broken == "a version is written over":
            assert not runner.counts["divergences"]
            with runner._open("a").memory.engine.database.write() as tx:
                tx.execute("UPDATE payloads SET digest = 'x' || digest")
        runner.look()
    assert runner.counts["divergences"] > 0


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    given: Any
    for given in ((0, None), (5, 5), (5, -1)):
        with pytest.raises(BadValue):
            run_operations(tmp_path, 0, given[0], kill_at=given[1])
