"""Scripted memories show what they should, copying copies, and a cell plays all of them on one stream."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wayfare.agents.streaming import Played, StreamTask
from wayfare.errors import BadValue
from wayfare.memory.modules.frames import case, read
from wayfare.memory.modules.protocol import Finished
from wayfare.studies.evo_memory import STUDY
from wayfare.studies.evo_memory.cells import Condition, play
from wayfare.studies.evo_memory.planner import ErrandSolver
from wayfare.studies.evo_memory.players import COPY, MEMORIES, Copying, Oracle, RandomMemory, label_of, module_of
from wayfare.studies.evo_memory.streams import budget_of, solver_for, tasks_of, trained

SMOKE = STUDY.scales["smoke"]
LONGER = replace(SMOKE, puzzles=12, errands=24, families=3)


class Blank:
    """A solver that is always wrong."""

    def play(self, tasks, contexts):
        assert not any(contexts)
        return [Played("none", 0.0) for _ in tasks]

    def count(self, text):
        return len(text.split())


def test_the_oracle_shows_successes_of_the_family_and_never_the_task_itself() -> None:
    tasks = tasks_of("puzzles", LONGER, 3)
    oracle = Oracle("puzzles", tasks, 4)
    for task in tasks:
        blocks = [read(each.text)[0] for each in oracle.search(task.text)]
        told = {each.text: each for each in tasks}
        assert all(block.text != task.text and told[block.text].family == task.family for block in blocks)
        assert all(block.answer == _row(block.text)[told[block.text].extra["place"]] for block in blocks)
        assert len(blocks) == min(4, sum(each.family == task.family for each in tasks) - 1)


def _row(text: str) -> list[str]:
    return text.partition(", row ")[2].partition(".")[0].split()


def test_the_random_memory_shows_k_different_things_by_its_seed() -> None:
    shown = []
    for _ in range(2):
        memory = RandomMemory(3, 7)
        assert not memory.search("x")
        for i in range(10):
            memory.update(Finished(f"task {i}", "a", 1.0))
        shown.append([tuple(each.id for each in memory.search("x")) for _ in range(20)])
    assert shown[0] == shown[1] and all(len(set(ids)) == 3 for ids in shown[0])
    assert {id for ids in shown[0] for id in ids} == {str(i) for i in range(10)} and len(memory) == 10


def test_who_copies_says_what_the_nearest_success_said_if_that_is_in_the_row() -> None:
    task = StreamTask(
        "x", "Late, the clerk copied: cedar kiln, row 12 31 47 50. Which number counts?", extra={"place": 2}
    )
    told = [case(Finished(task.text, answer, 1.0)) for answer in ("47", "31", "99")]
    played = Copying(Blank()).play([task] * 4, [*told, ""])
    assert [(each.answer, each.success) for each in played] == [("47", 1.0), ("31", 0.0), ("none", 0.0), ("none", 0.0)]


def test_who_copies_an_errand_goes_where_things_were_found_whatever_they_were() -> None:
    task = tasks_of("errands", LONGER, 5)[0]
    place = task.extra["house"].places[7]
    context = case(Finished("Put the other on the bed.", "done", 1.0, f"go to {place}\nfound other in {place}"))
    copied = Copying(ErrandSolver(300)).play([task], [context])[0]
    assert copied.trajectory.startswith(f"go to {place}\n")
    assert not ErrandSolver(300).play([task], [context])[0].trajectory.startswith(f"go to {place}\n")


def test_every_memory_has_a_name_of_its_own_and_opens(tmp_path) -> None:
    labels = [label_of(name) for name in MEMORIES]
    assert len(set(labels)) == len(labels) == 13 and COPY in MEMORIES
    tasks = tasks_of("errands", LONGER, 1)
    for name in ("none", "exprag", COPY, "oracle", "random"):
        module = module_of(name, tmp_path, 0, 4, "errands", tasks)
        assert module.synthesise(tasks[0].text, module.search(tasks[0].text)) == "" or name == "oracle"
        if hasattr(module, "close"):
            module.close()


def test_an_oracle_does_better_than_no_memory_on_errands_and_streams_are_joined_in_the_mean(tmp_path) -> None:
    class Report:
        scratch = tmp_path

        def __call__(self, *_: float, **__: float) -> None:
            pass

    condition = Condition("errands", families=3)
    names = ("none", "oracle", "random")
    found = [
        play(Report(), names=names, condition=condition, config=LONGER, seed=seed, weights={}, streams=streams)
        for seed, streams in ((0, 2), (0, 1), (100_000, 1))
    ]
    key = f"oracle {condition}|area"
    assert found[0][key].shape == (1,) and found[0][f"oracle {condition}|curve"].shape == (1, 24)
    assert found[0][key][0] == pytest.approx((found[1][key][0] + found[2][key][0]) / 2)
    assert found[0][key][0] > found[0][f"none {condition}|area"][0] + 0.15
    assert np.isfinite(found[0][f"none {condition}|similarity"]).all() and not list(tmp_path.iterdir())


def test_a_stream_of_tasks_tells_no_answer_and_a_solver_needs_its_weights(tmp_path) -> None:
    for stream in ("puzzles", "errands"):
        tasks = tasks_of(stream, LONGER, 2)
        assert tasks[0].text == tasks_of(stream, replace(LONGER, puzzles=3, errands=3), 2)[0].text
        assert len({task.id for task in tasks}) == len(tasks) and budget_of(stream, LONGER) > 0
        assert len({task.difficulty for task in tasks}) > 1 and all(0 <= task.family < 3 for task in tasks)
    with pytest.raises(BadValue, match="trained"):
        solver_for("puzzles", LONGER)
    with pytest.raises(BadValue, match="puzzles, errands"):
        tasks_of("chess", LONGER, 0)  # type: ignore[arg-type]
    kept = trained(LONGER, tmp_path / "kept")
    again = trained(LONGER, tmp_path / "kept")  # read, not trained
    assert (
        all(np.array_equal(kept[name], again[name]) for name in kept) and len(list((tmp_path / "kept").iterdir())) == 1
    )
    assert solver_for("puzzles", LONGER, again).count("a b") == 2
