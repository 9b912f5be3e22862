"""Streams are played prequentially, in lockstep, with one budget and the same lies for all; no failure stops them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.agents.stream_measures import MEASURES, by_similarity, cumulative, measured, ordered
from wayfare.agents.streaming import Played, Stream, StreamResult, StreamRunner, StreamTask, cut
from wayfare.draws import Stream as Draws
from wayfare.errors import BadValue
from wayfare.memory.modules import MODULES, Finished, Found, made
from wayfare.memory.modules.frames import block, read

FAMILIES = 5


class Copier:
    """Knows the answer of a task where its context holds a success of the same family; else guesses among five.

    The right answer of a family is a number that no task tells.
    """

    def __init__(self, related: bool = True) -> None:
        self.related, self.calls = related, 0
        self.contexts: list[str] = []

    def right(self, task: StreamTask) -> str:
        return str((7 * task.family + 3) % FAMILIES) if self.related else _guess(task, "right")

    def play(self, tasks: Sequence[StreamTask], contexts: Sequence[str]) -> list[Played]:
        self.calls += 1
        self.contexts += contexts
        found = []
        for task, context in zip(tasks, contexts, strict=True):
            known = [each.answer for each in read(context) if each.feedback == 1 and _family(each.text) == task.family]
            answer = known[0] if known else _guess(task, "guess")
            found.append(Played(answer, float(answer == self.right(task)), steps=1 if known else 3, tokens=10))
        return found

    def count(self, text: str) -> int:
        return len(text.split())


def _guess(task: StreamTask, name: str) -> str:
    return str(int(Draws(int(task.id), name).integers(FAMILIES, 0)))


def _family(text: str) -> int:
    return "ABCDE".find(text.split()[1][0])


def tasks(n: int = 60) -> list[StreamTask]:
    """Family by a word that all its tasks have."""
    return [
        StreamTask(
            str(i), f"solve {'ABCDE'[i * i % FAMILIES] * 4} with {i * 37 % 101} and {i * 53 % 97}", i % 7, i * i % 5
        )
        for i in range(n)
    ]


class Spy:
    """Remembers what it was asked and told, and answers every task that it was told of with what it was told."""

    def __init__(self) -> None:
        self.told: dict[str, Finished] = {}
        self.log: list[tuple[str, str]] = []

    def search(self, task: str) -> Sequence[Found]:
        self.log.append(("search", task))
        known = self.told.get(task)
        return [Found("it", known.answer, 1.0)] if known else []

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        return "\n\n".join(block("Task", task, {"Answer": each.text, "Outcome": "success"}) for each in found)

    def update(self, finished: Finished) -> None:
        self.log.append(("update", finished.task))
        self.told[finished.task] = finished


def runner(solver: Any = None, **settings: Any) -> StreamRunner:
    return StreamRunner(solver or Copier(), **{"budget_tokens": 120, **settings})


def test_a_task_is_tested_before_the_memory_hears_of_it_so_that_a_memory_of_tasks_gains_nothing_at_first_sight() -> (
    None
):
    spy, none = Spy(), made("none", "")
    a, b = runner(reask=0).run([Stream("spy", spy, tasks()), Stream("none", none, tasks())])
    assert spy.log == [(verb, task.text) for task in tasks() for verb in ("search", "update")]
    np.testing.assert_array_equal(a.success, b.success)
    assert not a.found.any() and not a.context_tokens.any()


def test_a_memory_is_told_the_feedback_alone_and_what_it_was_shown() -> None:
    spy = Spy()
    [result] = runner(reask=0).run([Stream("spy", spy, tasks()[:4])])
    for task, success in zip(tasks()[:4], result.success, strict=True):
        told = spy.told[task.text]
        assert set(vars(told)) == {"task", "answer", "feedback", "trajectory", "steps", "context", "shown"}
        assert (told.task, told.feedback, told.shown) == (task.text, success, ())


def test_memories_that_help_gain_where_tasks_are_related_and_nothing_where_they_are_not(tmp_path: Path) -> None:
    gains: dict[bool, dict[str, float]] = {}
    for related in (True, False):
        names = ["none", "exprag", "exprag-success", "remem", "history"]
        streams = [Stream(name, made(name, tmp_path / f"{name}{related}.db"), tasks()) for name in names]
        results = runner(Copier(related)).run(streams)
        area = {each.name: measured(each)["area"] for each in results}
        gains[related] = {name: area[name] - area["none"] for name in names}
    assert min(gains[True][name] for name in ("exprag", "exprag-success", "remem", "history")) > 0.3
    assert max(map(abs, gains[False].values())) < 0.2  # copying chance answers: as good as guessing


def test_noise_is_the_same_for_all_memories_and_depends_on_seed_and_task_alone() -> None:
    def heard(order: list[StreamTask], seed: int, lane: int = 0) -> dict[str, bool]:
        streams = [Stream("a", Spy(), order, lane), Stream("b", made("none", ""), order, lane)]
        a, b = runner(feedback_noise=0.3, seed=seed).run(streams)
        np.testing.assert_array_equal(a.feedback != a.success, b.feedback != b.success)
        return {task.id: bool(lied) for task, lied in zip(order, a.feedback != a.success, strict=True)}

    told = heard(tasks(), 1)
    assert told == heard(tasks()[::-1], 1)
    assert told != heard(tasks(), 2) and told != heard(tasks(), 1, lane=1)
    assert 8 <= sum(told.values()) <= 28
    twice = [*tasks(30), *tasks(30)]
    [again] = runner(feedback_noise=0.5, seed=1).run([Stream("a", made("none", ""), twice)])
    lied = again.feedback != again.success
    assert (lied[:30] != lied[30:]).any()  # a task that comes again is lied about anew


def test_feedback_may_be_missing_and_may_be_late_and_none_is_lost() -> None:
    spy = Spy()
    [result] = runner(missing=0.4, delay=3, reask=0).run([Stream("spy", spy, tasks(20))])
    none = np.isnan(result.feedback)
    assert 2 <= none.sum() <= 16
    assert [spy.told[task.text].feedback is None for task in tasks(20)] == none.tolist()
    updates = [i for i, (verb, _) in enumerate(spy.log) if verb == "update"]
    assert spy.log[:5] == [*(("search", task.text) for task in tasks(4)), ("update", tasks()[0].text)]
    assert len(updates) == 20


def test_streams_in_lockstep_are_what_they_are_alone_and_the_solver_is_asked_once_a_step(tmp_path: Path) -> None:
    def streams(folder: str) -> list[Stream]:
        (tmp_path / folder).mkdir()
        return [
            Stream(name, made(name, tmp_path / folder / f"{name}.db", seed=4), tasks(20 + i), seed=i)
            for i, name in enumerate(("exprag", "memrl", "safe", "remem"))
        ]

    solver = Copier()
    together = runner(solver, feedback_noise=0.2, seed=3, reask=5).run(streams("together"))
    assert solver.calls == 23 + 5
    alone = [runner(feedback_noise=0.2, seed=3, reask=5).run([each])[0] for each in streams("alone")]
    for a, b in zip(together, alone, strict=True):
        assert_same(a, b)


def assert_same(a: StreamResult, b: StreamResult) -> None:
    for name, value in vars(a).items():
        if name != "seconds":
            np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)


@pytest.mark.parametrize("name", MODULES)
def test_the_same_seed_gives_the_same_stream(name: str, tmp_path: Path) -> None:
    def once(file: str) -> StreamResult:
        [result] = runner(feedback_noise=0.3, seed=5).run(
            [Stream(name, made(name, tmp_path / file, seed=2), tasks(40))]
        )
        return result

    first = once("a.db")
    assert_same(first, once("b.db"))
    assert not first.failures


class Broken(Spy):
    """Fails in a way of its own at every third task."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.turn = where, 0

    def search(self, task: str) -> Sequence[Found]:
        self.turn += 1
        if self.turn % 3 == 0 and self.where == "search":
            raise RuntimeError("lost")
        if self.turn % 3 == 0 and self.where == "kind":
            return ["a text"]  # type: ignore[list-item]
        return super().search(task)

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        return None if self.where == "synthesise" and self.turn % 3 == 0 else "seen"  # type: ignore[return-value]

    def update(self, finished: Finished) -> None:
        if self.where == "update" and self.turn % 3 == 0:
            raise KeyError("gone")
        super().update(finished)

    def __len__(self) -> int:
        if self.where == "length":
            raise ValueError("no idea")
        return len(self.told)


@pytest.mark.parametrize("where", ["search", "kind", "synthesise", "update"])
def test_what_a_module_does_wrong_is_counted_and_the_stream_goes_on(where: str) -> None:
    solver = Copier()
    broken, well = runner(solver, reask=0).run([Stream("b", Broken(where), tasks(9)), Stream("w", Spy(), tasks(9))])
    assert [failure.step for failure in broken.failures] == [2, 5, 8]
    assert {failure.where for failure in broken.failures} == {"search" if where == "kind" else where}
    assert np.isfinite(broken.success).all() and not well.failures
    assert solver.contexts[::2] == ["seen" if where == "update" or i % 3 != 2 else "" for i in range(9)]


def test_a_length_that_fails_is_one_failure_a_task() -> None:
    [result] = runner(reask=0).run([Stream("b", Broken("length"), tasks(3))])
    assert [failure.where for failure in result.failures] == ["length"] * 3 and np.isnan(result.items).all()


@given(st.lists(st.lists(st.sampled_from(["one", "two"]), min_size=1, max_size=5), max_size=6), st.integers(1, 12))
def test_a_context_is_cut_to_the_budget_at_whole_blocks(parts: list[list[str]], budget: int) -> None:
    blocks = [" ".join(part) for part in parts]
    found = cut("\n\n".join(blocks), budget, lambda text: len(text.split()))
    assert len(found.split()) <= budget
    kept = found.split("\n\n") if found else []
    if kept and kept != [found]:
        assert kept == blocks[: len(kept)]
    if blocks and len(blocks[0].split()) <= budget:
        more = "\n\n".join(blocks[: len(kept) + 1])
        assert kept == blocks[: len(kept)] and (len(kept) == len(blocks) or len(more.split()) > budget)


def test_the_budget_binds_every_context_and_its_tokens_are_counted(tmp_path: Path) -> None:
    solver = Copier()
    [result] = runner(solver, budget_tokens=30).run([Stream("h", made("history", tmp_path / "h.db"), tasks())])
    lengths = [len(context.split()) for context in solver.contexts]
    assert max(lengths) <= 30 and lengths[:60] == result.context_tokens.tolist()
    assert result.found[-1] == 59


def test_old_tasks_are_asked_again_at_the_end_and_the_memory_does_not_hear_of_it(tmp_path: Path) -> None:
    spy = Spy()
    steps: list[tuple[int, int]] = []
    [result] = runner(reask=7).run([Stream("spy", spy, tasks())], lambda done, of: steps.append((done, of)))
    assert len(result.asked_again) == 7 == len(set(result.asked_again.tolist()))
    assert [verb for verb, _ in spy.log[-7:]] == ["search"] * 7
    assert [text for _, text in spy.log[-7:]] == [tasks()[i].text for i in result.asked_again]
    np.testing.assert_array_equal(result.again, result.success[result.asked_again])  # the spy says what it was told
    assert measured(result)["forgetting"] == 0
    assert steps[-1] == (67, 67)
    [short] = runner(reask=20).run([Stream("n", made("none", ""), tasks(3))])
    assert short.asked_again.tolist() == [0, 1, 2]


def test_measures_of_a_stream_worked_by_hand() -> None:
    class Told(Copier):
        def play(self, tasks: Sequence[StreamTask], contexts: Sequence[str]) -> list[Played]:
            return [Played("x", float(task.difficulty), progress=0.5, steps=2) for task in tasks]

    texts = ["red door", "blue sky", "red door", "red gate", "blue sky", "old car"]
    stream = [StreamTask(str(i), text, d) for i, (text, d) in enumerate(zip(texts, [0, 0, 1, 0, 1, 1], strict=True))]
    [result] = runner(Told(), reask=2).run([Stream("t", made("none", ""), stream)])
    found = measured(result)
    assert tuple(found) == MEASURES
    assert (found["area"], found["first third"], found["last third"], found["gain"]) == (0.5, 0.0, 1.0, 1.0)
    assert (found["progress"], found["steps"], found["items"], found["failures"]) == (0.5, 2.0, 0.0, 0.0)
    np.testing.assert_allclose(cumulative(result.success), [0, 0, 1 / 3, 1 / 4, 2 / 5, 1 / 2])
    assert np.isnan(result.nearest[0])
    np.testing.assert_allclose(result.nearest[[2, 4]], 1.0, atol=1e-6)
    low, high = by_similarity(result, [-1.0, 0.9, 1.01])
    assert (low, high) == (1 / 3, 1.0)
    with pytest.raises(BadValue, match="edges"):
        by_similarity(result, [1.0, 0.0])


def test_orders_keep_all_tasks_and_are_what_they_are_called() -> None:
    given_ = tasks()
    for how in ("random", "easy-hard", "hard-easy", "blocked"):
        found = ordered(given_, how, 3)  # type: ignore[arg-type]
        assert Counter(task.id for task in found) == Counter(task.id for task in given_)
        assert found == ordered(given_, how, 3) != ordered(given_, how, 4)  # type: ignore[arg-type]
    easy = [task.difficulty for task in ordered(given_, "easy-hard", 0)]
    assert easy == sorted(easy)
    assert [task.difficulty for task in ordered(given_, "hard-easy", 0)] == easy[::-1]
    families = [task.family for task in ordered(given_, "blocked", 0)]
    assert sum(a != b for a, b in pairwise(families)) == len(set(families)) - 1
    with pytest.raises(BadValue, match="order"):
        ordered(given_, "worst first", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"feedback_noise": 1.5}, {"missing": -0.1}, {"delay": -1}, {"reask": True}, {"budget_tokens": 0}]
)
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=next(iter(wrong))):
        runner(**wrong)


def test_a_stream_without_tasks_a_success_that_is_none_and_a_solver_that_leaves_tasks_out_are_refused() -> None:
    with pytest.raises(BadValue, match="'empty'"):
        runner().run([Stream("empty", Spy(), [])])
    with pytest.raises(BadValue, match="success"):
        Played("x", 2.0)

    class Lazy(Copier):
        def play(self, tasks: Sequence[StreamTask], contexts: Sequence[str]) -> list[Played]:
            return []

    with pytest.raises(BadValue, match="0 answers"):
        runner(Lazy()).run([Stream("s", Spy(), tasks(2))])
