"""The puzzles' solver: what it reads of a context, what it is trained on, and that company changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wayfare.agents.streaming import StreamTask
from wayfare.memory.modules.frames import case, joined
from wayfare.memory.modules.protocol import Finished
from wayfare.studies.evo_memory import reader
from wayfare.studies.evo_memory.reader import PuzzleSolver, fresh, prompt, restored, train
from wayfare.worlds.puzzles import LOWEST, Puzzles


def task(text: str, place: int = 1) -> StreamTask:
    return StreamTask(text, text, extra={"place": place})


def words(ids: list[int]) -> str:
    return reader.WORDS.decode(ids)


AMBER = "Early, the porter noted: amber mill, row 31 47 22 59. Which number counts?"
CEDAR = "Late, the clerk copied: cedar kiln, row 12 31 47 50. Which number counts?"


def test_a_finished_puzzle_is_read_as_its_row_with_the_mark_before_what_was_answered() -> None:
    told = [case(Finished(AMBER, "47", feedback)) for feedback in (1.0, 0.0, None)]
    read = words(prompt(joined(told), CEDAR))
    own = "cedar kiln 12 31 47 50"
    rows = [f"amber mill 31 {mark} 47 22 59" for mark in ("<unknown>", "<wrong>", "<right>")]
    assert read == " ".join([*rows, own])  # the best of what is shown stands next to the task
    # what was made of successes counts as one
    assert words(prompt(f"Insight: {AMBER}\nAnswer: 22", CEDAR)) == f"amber mill 31 47 <right> 22 59 {own}"


@pytest.mark.parametrize(
    "context",
    ["", "Fact: mug\nplace: in cabinet 2", case(Finished(AMBER, "99", 1.0)), case(Finished(AMBER, "31", 1.0))],
)
def test_what_is_no_puzzle_or_has_no_answer_in_its_row_is_not_read(context: str) -> None:
    assert words(prompt(context, CEDAR)) == "cedar kiln 12 31 47 50"


def test_no_more_is_read_than_the_solver_was_trained_with() -> None:
    told = joined([case(Finished(AMBER, "47", 1.0))] * 20)
    assert words(prompt(told, CEDAR)).count("amber") == reader.MOST_SHOWN


def test_a_puzzle_is_solved_alike_in_any_company_and_the_place_is_judged() -> None:
    solver = PuzzleSolver(fresh("xs", 3))
    puzzles = Puzzles(4, 1)
    tasks = [task(puzzles.puzzle(i).text, puzzles.puzzle(i).place) for i in range(6)]
    contexts = [joined([case(Finished(AMBER, "47", 1.0))] * (i % 4)) for i in range(6)]
    together = solver.play(tasks, contexts)
    assert together == [solver.play([t], [c])[0] for t, c in zip(tasks, contexts, strict=True)]
    for played, i in zip(together, range(6), strict=True):
        puzzle = puzzles.puzzle(i)
        assert played.answer in puzzle.row[1:] and played.success == float(played.answer == puzzle.answer)


def test_labels_are_the_places_up_to_a_right_answer_and_none_of_a_wrong_one() -> None:
    ids, labelled = reader._batch(0, 30, 200, plain=False)
    blocks, marks = ids.view(200, 6, -1), labelled.view(200, 6, -1)
    shown = ((blocks >= reader.RIGHT) & (blocks <= reader.UNKNOWN)).int().argmax(-1)
    assert torch.equal(marks[..., :3].any(-1), torch.zeros(200, 6, dtype=torch.bool))
    count = marks.sum(-1)
    assert bool(((count == 0) | (count == shown - 2)).all()) and 0 < float((count == 0).float().mean()) < 1
    families = blocks[..., 0] * 1000 + blocks[..., 1]
    assert set((families != families[:, :1]).any(1).tolist()) == {True, False}
    plain = reader._batch(0, 0, 50, plain=True)
    assert not bool((plain[0] == reader.WRONG).any()) and bool((plain[0] == reader.RIGHT).any())


def test_the_chance_of_each_place_is_a_hazard_along_the_row(monkeypatch) -> None:
    net = fresh("xs", 0)
    logits = torch.tensor([0.0, 0.0, 0.0])
    full = torch.zeros(1, 5, len(reader.WORDS))
    full[0, 1:4, reader.RIGHT] = logits
    monkeypatch.setattr(type(net), "forward", lambda self, ids, valid: full)
    (found,) = reader._chances(net, [[5, 6, 7, 8, 9]], [4])
    assert found.tolist() == pytest.approx([0.5, 0.25, 0.125])


def test_padding_carries_nothing_into_the_first_word() -> None:
    smeared = fresh("xs", 0).embedding
    word = reader.WORDS.ids[str(LOWEST)]
    alone, padded = smeared(torch.tensor([[word]])), smeared(torch.tensor([[0, 0, word]]))
    assert torch.equal(alone[0, 0], padded[0, 2]) and not bool(padded[0, :2].any())


def test_training_is_the_seeds_alone_and_its_weights_come_back(tmp_path) -> None:
    def quiet(*_: float, **__: float) -> None:
        pass

    again = [train(quiet, size="xs", updates=8, rows=3, seed=5) for _ in range(2)]
    assert all(np.array_equal(again[0][name], again[1][name]) for name in again[0])
    assert len(again[0]["training|loss"]) == 8
    net = restored(again[0], "xs")
    assert np.array_equal(net.embedding.weight.detach().numpy(), again[0]["solver|embedding.weight"])
    assert not net.training and not np.array_equal(
        fresh("xs", 5).last.detach().numpy(), again[0]["solver|last"]
    )  # it has learned something
