"""The parts of the study that take time; each function is one cell: plain arguments in, arrays named
"player|setting|measure" out, [1, ...] each, one row for its seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from wayfare.explore.diagnostics import greedy_fractions, min_fractions, suffix_failures
from wayfare.language.nano import Nano, Size
from wayfare.learn.supervised import Supervised
from wayfare.studies.contract import Arrays
from wayfare.studies.evolve.dialect import READER, Layer, decimals, on_a_line, pulls, rows
from wayfare.studies.evolve.films import FilmTrial, ask_films, play_linear
from wayfare.studies.evolve.lessons import FIRST, SUM, Decisions, reading
from wayfare.studies.evolve.stage import EPSILONS, Setting, Trial, play_net, play_rule, rule_of

__all__ = ["Lesson", "distil", "guide", "measured", "scripted", "tune"]

TUNING_SEED = 1_000_000
CURVE_WORLDS = 64
LONG_WORLDS = 48
TABLES = 64  # of an update of S2's net


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: int, total: int, **metrics: float) -> None: ...


@dataclass(frozen=True)
class Lesson:
    """What S1's nets learn from and by; see the study's `Config`."""

    size: Size
    gap: float
    arms: int
    horizon: int
    decisions: int
    passes: int
    batch: int
    learning_rate: float


def measured(player: str, setting: str, trial: Trial) -> dict[str, Any]:
    """What is kept of a trial."""
    arms = trial.means.shape[1]
    curve = trial.regret()
    found = {
        "regret": curve[-1], "curve": curve, "unmatched": trial.unmatched, "rewards": trial.rewards.sum(axis=0),
        "suffix failures": np.nanmean(suffix_failures(trial.actions, trial.means)),
        "K MinFrac": min_fractions(trial.actions, arms).mean(),
        "GreedyFrac": greedy_fractions(trial.actions, trial.rewards, arms).mean(),
    }  # fmt: skip
    return {f"{player}|{setting}|{name}": np.asarray(x, dtype=np.float64)[None] for name, x in found.items()}


def tune(report: Report, *, settings: Sequence[Setting], seeds: int) -> Arrays:
    """Regret of epsilon-greedy by epsilon, [E, settings], on seeds that are not reported."""
    regret = np.zeros((len(EPSILONS), len(settings)))
    for i, epsilon in enumerate(EPSILONS):
        for j, setting in enumerate(settings):
            each = [play_rule(rule_of(f"epsilon-greedy {epsilon}"), setting, TUNING_SEED + s) for s in range(seeds)]
            regret[i, j] = np.mean([trial.regret()[-1] for trial in each])
        report(i + 1, len(EPSILONS))
    return {"tuning": regret}


def scripted(
    report: Report,
    *,
    settings: Sequence[Setting],
    long: Setting | None,
    epsilon: float,
    size: Size,
    seed: int,
    films: int,
) -> Arrays:
    """Players that learn nothing in advance, and a net before its lessons, on the bandits of a seed."""
    found: dict[str, Any] = {}
    rules = {name: name for name in ("uniform", "greedy", "teacher", "Thompson")}
    rules["epsilon-greedy"] = f"epsilon-greedy {epsilon}"
    for number, setting in enumerate(settings):
        for player, name in rules.items():
            found |= measured(player, setting.name, play_rule(rule_of(name), setting, seed))
        if number == 0:
            found |= measured("untrained", setting.name, play_net(_net(size, seed), "AG", setting, seed))
        report(number + 1, len(settings))
    if long is not None:
        for player, name in rules.items():
            found[f"{player}|long|curve"] = play_rule(rule_of(name), long, seed).regret()[None]
    if films:
        size_ = settings[0]
        for player in ("uniform", "LinUCB", "greedy"):
            found |= _of_films(player, play_linear(player, films, size_.horizon, size_.worlds, seed))
    return found


def distil(
    report: Report,
    *,
    layer: Layer,
    lesson: Lesson,
    settings: Sequence[Setting],
    long: Setting | None,
    points: int,
    seed: int,
) -> Arrays:
    """S1: a net learns the teacher's decisions in one layer, playing now and then, and plays all settings in the end.

    curve decisions, curve regret: [points] decisions seen, and regret on bandits like the lessons'
    """
    torch.set_num_threads(1)
    lessons = Decisions(layer, lesson.gap, lesson.arms, lesson.horizon, lesson.decisions, lesson.batch, _other(seed))
    net = _net(lesson.size, seed)
    updates = lessons.batches * lesson.passes
    trainer = Supervised(net, lesson.learning_rate, updates=updates)
    first = settings[0]
    trial = Setting(lesson.gap, lesson.arms, first.horizon, min(CURVE_WORLDS, first.worlds))
    marks = np.unique(np.ceil(updates * 2.0 ** -np.arange(points)).astype(int))
    each = lessons.rows * (lesson.horizon if layer == "RH" else 1)
    seen, regret = [], []
    for mark in marks:
        losses = trainer.fit(lessons.batch, int(mark))
        seen.append(mark * each)
        regret.append(play_net(net, layer, trial, seed).regret()[-1])
        report(int(mark), updates, loss=float(np.mean(losses[-200:])) if losses else 0.0, regret=regret[-1])
    player = f"OFT-{layer}"
    found: dict[str, Any] = {
        f"{player}|lessons|decisions": np.array([seen], dtype=np.float64),
        f"{player}|lessons|regret": np.array([regret]),
        f"{player}|lessons|loss": np.array([np.mean(losses[-200:])]),
        "teacher|lessons|regret": np.array([play_rule(rule_of("teacher"), trial, seed).regret()[-1]]),
        "uniform|lessons|regret": np.array([play_rule(rule_of("uniform"), trial, seed).regret()[-1]]),
    }
    if layer != "AG":  # of a seed, once
        del found["teacher|lessons|regret"], found["uniform|lessons|regret"]
    for setting in settings:
        found |= measured(player, setting.name, play_net(net, layer, setting, seed))
    if long is not None and layer != "RH":
        found[f"{player}|long|curve"] = play_net(net, layer, long, seed).regret()[None]
    return found


def guide(
    report: Report, *, size: Size, updates: int, learning_rate: float, setting: Setting, films: int, seed: int
) -> Arrays:
    """S2: a net learns to read tables, then plays with the three layers; and with films."""
    torch.set_num_threads(1)
    net = _net(size, seed)
    trainer = Supervised(net, learning_rate, updates=updates)

    def batch(number: int) -> tuple[Tensor, Tensor]:
        return reading(_other(seed), number, TABLES)

    def told(done: int, metrics: dict[str, float]) -> None:
        if done % 100 == 0:
            report(done, updates, loss=metrics["loss"])

    losses = trainer.fit(batch, updates, told)
    found: dict[str, Any] = {"S2|reading|loss": np.array([np.mean(losses[-200:])])}
    with torch.no_grad():
        right = []
        for number in range(updates, updates + 8):
            ids, _ = batch(number)
            right.append(float((net(ids[:, :-1], last_only=True)[:, -1].argmax(-1) == ids[:, -1]).float().mean()))
    found["S2|reading|right"] = np.array([np.mean(right)])
    for layer, ask, query in (("RH", None, FIRST), ("SH", _ask_means, FIRST), ("AG", _ask_sums, SUM)):
        trial = play_net(net, layer, setting, seed, ask, query)  # type: ignore[arg-type]
        found |= measured(f"S2-{layer}", setting.name, trial)
    if films:
        for layer in ("RH", "AG"):
            trial_ = ask_films(net, layer, films, setting.horizon, setting.worlds, seed)  # type: ignore[arg-type]
            found |= _of_films(f"S2-{layer}", trial_)
    return found


def _of_films(player: str, trial: FilmTrial) -> dict[str, Any]:
    return {
        f"{player}|films|regret": trial.regret[-1:], f"{player}|films|curve": trial.regret[None],
        f"{player}|films|unmatched": np.array([trial.unmatched]),
    }  # fmt: skip


def _ask_sums(names: Tensor, counts: Tensor, sums: Tensor, value: Tensor, bonus: Tensor) -> Tensor:
    """AG for a reader of tables: the two numbers of each arm, and which sum is the largest."""
    prompt = rows(names, decimals(value), decimals(bonus))
    prompt[:, -1] = SUM
    return prompt


def _ask_means(names: Tensor, counts: Tensor, sums: Tensor, value: Tensor, bonus: Tensor) -> Tensor:
    """SH for a reader of tables: mean and pulls of each arm, and which first number is the largest."""
    mean = torch.where(counts > 0, decimals(sums / counts.clamp(min=1)), READER.ids["never"])
    prompt = rows(names, mean, pulls(counts))
    prompt[:, -1] = FIRST
    return prompt


def _net(size: Size, seed: int) -> Nano:
    net = Nano(len(READER), size, seed)
    on_a_line(net, seed)
    return net.eval()


def _other(seed: int) -> int:
    """The seed of the lessons, whose bandits are not those of the evaluation."""
    return 10_000_019 + seed
