"""The frozen solver of stream A: a small transformer that has learned, in this run, to apply a rule that it is shown.

    amber mill 31 <right> 47 22 60      a finished puzzle: the mark of its outcome stands before the number answered
    amber mill 60 31 14 22 57           the puzzle to be solved, behind what the memory has shown

    h_j = sigmoid(logit of <right> behind number j - 1)        chance that number j counts, none before it having done
    answer = argmax_j h_j (1 - h_1) ... (1 - h_{j-1})                                                               (1)

It is trained on `worlds.puzzles.examples` of families that no stream has, with wrong answers, wrong outcomes, other
families and answers of unknown outcome among them: loss is the binary one of h on right answers alone, so that the
label is there whatever was answered. One outcome in ten is unknown, and then right four times in five (our choice).

`Nano` with one thing added: every token carries the one before it as well (`Smeared`), which is what the first layer of
an induction head does, and what training spends most of its time to find (Olsson et al. 2022, arXiv 2209.11895, who
show the same with smeared keys). Words that are not the reader's are not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from wayfare.agents.streaming import Played, StreamTask
from wayfare.language.nano import Nano, Size, WordReader
from wayfare.learn.supervised import Supervised
from wayfare.memory.modules.frames import Block, read
from wayfare.studies.contract import Arrays, Report
from wayfare.worlds.puzzles import FIRST, LENGTHS, LOWEST, NUMBERS, SECOND, Examples, examples

__all__ = ["MARKS", "PuzzleSolver", "Smeared", "accuracy", "fresh", "prompt", "restored", "train"]

MARKS = ("<right>", "<wrong>", "<unknown>")
WORDS = WordReader((*MARKS, *FIRST, *SECOND, *(str(LOWEST + number) for number in range(NUMBERS))), strict=False)
RIGHT, WRONG, UNKNOWN = (WORDS.ids[mark] for mark in MARKS)
FIRST_ID, SECOND_ID, NUMBER_ID = WORDS.ids[FIRST[0]], WORDS.ids[SECOND[0]], WORDS.ids[str(LOWEST)]
MOST_SHOWN = 8
"""Finished puzzles that are read, the first ones of a context: as many as it was trained with."""
UNKNOWN_SHARE, UNKNOWN_RIGHT = 0.1, 0.8


class Smeared(nn.Embedding):
    """e_t + W e_{t-1}: a token and the one before it. Padding is zero, and neither learns nor is carried."""

    def __init__(self, words: int, width: int, seed: int = 0) -> None:
        super().__init__(words, width, padding_idx=WordReader.pad)
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.weight.copy_(2.0 * torch.randn(words, width, generator=draw) / width**0.5)
            self.weight[WordReader.pad] = 0.0
        self.before = nn.Parameter(torch.randn(width, width, generator=draw) / width**0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """[B, T] -> [B, T, width]"""
        own = super().forward(ids)
        return own + functional.pad(own, (0, 0, 1, 0))[:, :-1] @ self.before


def fresh(size: Size, seed: int) -> Nano:
    """The solver before it has learned."""
    net = Nano(len(WORDS), size, seed)
    net.embedding = Smeared(len(WORDS), net.width, seed)
    return net


def restored(arrays: Arrays, size: Size) -> Nano:
    """The solver as `train` has left it."""
    net = fresh(size, 0)
    net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in _weights(arrays).items()})
    return net.eval()


def _weights(arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {name.removeprefix("solver|"): value for name, value in arrays.items() if name.startswith("solver|")}


def train(report: Report, *, size: Size, updates: int, rows: int, seed: int) -> Arrays:
    """Train the solver from nothing; "solver|NAME" of each weight, and "training|loss" [updates].

    The first eighth of the updates shows one family a sequence and nothing but right answers.
    """
    net = fresh(size, seed)
    trainer = Supervised(net, 4e-3, updates=updates, warm_up=0.02, loss=_loss)

    def batch(number: int) -> tuple[Tensor, Tensor]:
        return _batch(seed, number, rows, plain=number < updates // 8)

    def told(done: int, found: dict[str, float]) -> None:
        if done % 20 == 0 or done == updates:
            report(done, updates, loss=found["loss"])

    losses = trainer.fit(batch, updates, told)
    weights = {f"solver|{name}": value.numpy() for name, value in net.state_dict().items()}
    return {**weights, "training|loss": np.array(losses)}


def _loss(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """(1)'s: whether the next token is a mark. [B, T], 0 where mask is false."""
    marked = (targets >= RIGHT) & (targets <= UNKNOWN)
    return functional.binary_cross_entropy_with_logits(logits[..., RIGHT], marked.float(), reduction="none") * mask


def _batch(seed: int, number: int, rows: int, *, plain: bool) -> tuple[Tensor, Tensor]:
    """ids and labelled, [rows, T] both."""
    draw = np.random.default_rng((seed, number))
    length, ones = LENGTHS[number % len(LENGTHS)], np.ones(rows)
    if plain:
        families, right, noise = ones.astype(np.int64), ones, 0 * ones
    else:
        families, right = draw.integers(1, 4, rows), draw.uniform(0.2, 1.0, rows)
        noise = np.where(draw.random(rows) < 0.5, 0.0, draw.uniform(0.0, 0.4, rows))
    found = examples(seed, number, rows, length, 6, families=families, right=right, noise=noise)
    silent = np.zeros(found.place.shape, np.bool_)
    if not plain:
        silent = draw.random(silent.shape) < UNKNOWN_SHARE
        true = draw.random(silent.shape) < UNKNOWN_RIGHT
        wrong = 1 + (found.place - 1 + draw.integers(1, length - 1, silent.shape)) % (length - 1)
        found = found._replace(shown=np.where(silent, np.where(true, found.place, wrong), found.shown))
    ids = _ids(found, silent)
    token, is_right = np.arange(length + 3), (found.shown == found.place)[..., None]
    labelled = is_right & (token >= 3) & (token <= 2 + found.shown[..., None])
    return torch.from_numpy(ids.reshape(rows, -1)), torch.from_numpy(labelled.reshape(rows, -1))


def _ids(found: Examples, silent: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[B, N, L + 3]: name, numbers, and the mark before the one that was answered."""
    mark = np.where(silent, UNKNOWN, np.where(found.told, RIGHT, WRONG))[..., None]
    along, shown = np.arange(found.row.shape[-1] + 1), found.shown[..., None]
    before = np.take_along_axis(found.row, np.clip(np.where(along < shown, along, along - 1), 0, None), axis=2)
    body = np.where(along == shown, mark, before + NUMBER_ID)
    name = np.stack([found.first + FIRST_ID, found.second + SECOND_ID], axis=-1)
    return np.concatenate([name, body], axis=2)


@torch.no_grad()
def _chances(net: Nano, prompts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[NDArray[np.float64]]:
    """(1) before its argmax: of each prompt, whose row is its end, the chance of each number but the first."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[WORDS.pad] * (longest - len(row)) + list(row) for row in prompts])
    logits = net(ids, ids != WORDS.pad)[..., RIGHT].double()
    found = []
    for row, length in zip(logits, lengths, strict=True):
        own = row[-length:-1]
        none = functional.logsigmoid(-own).cumsum(0)
        before = torch.cat([torch.zeros(1, dtype=none.dtype), none[:-1]])
        found.append((functional.logsigmoid(own) + before).exp().numpy())
    return found


def accuracy(
    net: Nano, *, shown: int, seed: int, puzzles: int, right: float = 1.0, noise: float = 0.0, families: int = 1
) -> float:
    """Share solved of puzzles of families never trained on, behind `shown` finished ones."""
    every, one = np.ones(puzzles), 0
    for part, length in enumerate(LENGTHS):
        found = examples(
            seed, part, puzzles, length, shown + 1, families=(families * every).astype(np.int64), right=right * every,
            noise=noise * every, held_out=True,
        )  # fmt: skip
        ids = _ids(found, np.zeros(found.place.shape, np.bool_))
        asked = np.concatenate([ids[:, -1, :2], found.row[:, -1] + NUMBER_ID], axis=1)
        prompts = np.concatenate([ids[:, :-1].reshape(puzzles, -1), asked], axis=1)
        chosen = [1 + int(chance.argmax()) for chance in _chances(net, prompts.tolist(), [length] * puzzles)]
        one += int((np.array(chosen) == found.place[:, -1]).sum())
    return one / (puzzles * len(LENGTHS))


class PuzzleSolver:
    """`agents.streaming.Solver` of stream A. `task.extra["place"]` judges the answer, and is shown to nobody.

    net: as `restored` gives it
    """

    def __init__(self, net: Nano) -> None:
        self.net = net

    def play(self, tasks: Sequence[StreamTask], contexts: Sequence[str]) -> list[Played]:
        """One number each."""
        rows = [_row(task.text) for task in tasks]
        prompts = [prompt(context, task.text) for task, context in zip(tasks, contexts, strict=True)]
        found = []
        for task, row, ids, chance in zip(
            tasks, rows, prompts, _chances(self.net, prompts, [len(row) for row in rows]), strict=True
        ):
            place = 1 + int(chance.argmax())
            found.append(Played(row[place], float(place == task.extra["place"]), tokens=len(ids) + 1))
        return found

    def count(self, text: str) -> int:
        """Words."""
        return len(text.split())


def prompt(context: str, task: str) -> list[int]:
    """What the solver reads of a context and of the task behind it, the first thing shown right before the task."""
    blocks = [ids for ids in map(_block, read(context)) if ids][:MOST_SHOWN]
    name, row = _name(task), _row(task)
    return [token for ids in reversed(blocks) for token in ids] + WORDS.encode(" ".join([*name, *row]))


def _block(block: Block) -> list[int]:
    """A finished puzzle; nothing where there is no row, or no answer that is in it behind its first number."""
    row, answer = _row(block.text), block.answer.strip()
    if answer not in row[1:]:
        return []
    place, said = row.index(answer), block.feedback
    mark = MARKS[2] if said is None else MARKS[0] if said >= 0.5 else MARKS[1]
    return WORDS.encode(" ".join([*_name(block.text), *row[:place], mark, *row[place:]]))


def _row(text: str) -> list[str]:
    return [number for number in re.findall(r"\d+", text) if number in WORDS.ids]


def _name(text: str) -> list[str]:
    said = re.findall(r"[a-z]+", text.lower())
    return [word for words in (FIRST, SECOND) for word in said if word in words]
