"""Selection at inference: of a pool of answers a few are verified; which are right is seen after they were chosen.

    random            expected values of picking without replacement, no draws
    repexp            greedy coreset on mean states of the base, ridge 0.01, the first pick at random
    centred           the same on states less their pool's mean
    last token        the same on the state at an answer's last token, which is the end token where there is one
    last word         the same on the state at the token before that
    bag of words      the same on counts of words, as shares
    other texts       texts that were not picked yet come first, else at random: exact copies are skipped
    quality gate      as repexp, the fifth of the pool with the lowest mean log-probability at the end

Measures, of prompts whose pool has a right answer: answers verified until one is right, and the share of prompts that
are solved by k of them. On groups of 16 from the pools: the correlation of an answer's leverage, as the bonus of the
training has it, with 1 / m, m the copies of its text in the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.agents.language_rl import Base, base_model, task_of
from wayfare.draws import Stream
from wayfare.explore.coreset import coreset
from wayfare.explore.leverage import leverage, random_projection
from wayfare.language.causal import CausalModel
from wayfare.language.scoring import mean_states
from wayfare.learn.grpo.evaluating import pass_at_k
from wayfare.learn.grpo.features import MeanStates
from wayfare.learn.grpo.rollout import SingleTurn
from wayfare.learn.grpo.seams import Asked
from wayfare.learn.rollouts import RolloutBatch
from wayfare.studies.contract import Arrays, Report
from wayfare.worlds.verifiable.contract import Row, VerifiableTask

__all__ = ["CHOICES", "choose", "first_right", "select"]

Floats = NDArray[np.float64]
CHOICES = ("random", "repexp", "centred", "last token", "last word", "bag of words", "other texts", "quality gate")
RIDGE, DROP, GROUP, WIDTH = 0.01, 0.2, 16, 32


@dataclass(frozen=True, eq=False)
class Pool:
    """Answers to one prompt, [N] each. states, last, before, words: [N, D] features; quality: mean log-probability"""

    texts: Sequence[str]
    right: NDArray[np.bool_]
    states: Tensor
    last: Tensor
    before: Tensor
    words: Tensor
    quality: Tensor


def select(report: Report, *, base: Base, prompts: int, pool: int, repeats: int, seed: int) -> Arrays:
    """prompts: held-out ones        pool: N answers to each        repeats: of choices that draw        seed: of pools

    Returns, one of this seed: "CHOICE|samples" [1], "CHOICE|solved" [1, K] for ks [K] (1, 2, 4, .. N), rate [1] of
    right answers, found [1]: share of prompts whose pool has one, copies [1]: the correlation; NaN where there is none.
    """
    task, model = task_of(base), base_model(base, report)
    rows = task.rows("test")[:prompts]
    ks = [k for k in (2**i for i in range(20)) if k <= pool]
    samples: dict[str, list[float]] = {name: [] for name in CHOICES}
    solved: dict[str, list[Floats]] = {name: [] for name in CHOICES}
    rates, copies = [], []
    for number, row in enumerate(rows):
        drawn = _pool(model, task, row, number, pool, seed)
        rates.append(float(drawn.right.mean()))
        copies.append(_like_copies(drawn, seed, number))
        if drawn.right.any():
            for name in CHOICES:
                told, within = _found(name, drawn, ks, repeats, Stream(seed, f"choices {number}"), seed + number)
                samples[name].append(told)
                solved[name].append(within)
        report(number + 1, len(rows))
    found: dict[str, NDArray[np.float64]] = {
        "rate": np.array([np.mean(rates)]), "found": np.array([np.mean(np.array(rates) > 0)]),
        "copies": np.array([np.mean([each for each in copies if not np.isnan(each)] or [np.nan])]),
        "ks": np.array(ks, np.float64),
    }  # fmt: skip
    for name in CHOICES:
        found[f"{name}|samples"] = np.array([np.mean(samples[name] or [np.nan])])
        found[f"{name}|solved"] = np.mean(solved[name] or [np.full(len(ks), np.nan)], axis=0)[None]
    return found


def choose(name: str, pool: Pool, draw: Stream, repeat: int, seed: int) -> NDArray[np.int64]:
    """[N] the order in which a pool's answers are verified; it sees no reward."""
    many = len(pool.texts)
    order = np.argsort(draw.uniform(np.arange(many), repeat))
    if name == "other texts":
        seen: set[str] = set()
        first = [not (pool.texts[i] in seen or seen.add(pool.texts[i])) for i in order]  # type: ignore[func-returns-value]
        return np.concatenate([order[np.array(first)], order[~np.array(first)]])
    by = {"last token": pool.last, "last word": pool.before, "bag of words": pool.words}
    features = by.get(name, pool.states)
    if name == "quality gate":
        picks = coreset(features, many - int(DROP * many), RIDGE, seed=seed, quality=pool.quality, drop=DROP).numpy()
        return np.concatenate([picks, order[~np.isin(order, picks)]])
    return coreset(features, many, RIDGE, seed=seed, centre=name == "centred").numpy()


def first_right(right: NDArray[np.bool_], order: NDArray[np.int64]) -> int:
    """Answers verified until one is right; one is."""
    return int(np.flatnonzero(right[order])[0]) + 1


def _found(
    name: str, pool: Pool, ks: Sequence[int], repeats: int, draw: Stream, seed: int
) -> tuple[float, Floats]:  # fmt: skip
    """(answers until a right one, share solved by each k [K]), means over repeats; of `random` as expected."""
    many, right = len(pool.right), int(pool.right.sum())
    if name == "random":
        return (many + 1) / (right + 1), np.array([float(pass_at_k(torch.tensor([right]), many, k)) for k in ks])
    each = np.array(
        [first_right(pool.right, choose(name, pool, draw, repeat, 1000 * seed + repeat)) for repeat in range(repeats)]
    )
    return float(each.mean()), np.array([(each <= k).mean() for k in ks])


def _pool(model: CausalModel, task: VerifiableTask, row: Row, number: int, many: int, seed: int) -> Pool:
    """Answers at temperature 1 and what choices read of them; the verifier's word lies apart until they are made."""
    same = torch.full((many,), number)
    batch = SingleTurn().collect(
        model,
        Asked(
            prompts=[row["prompt"]] * many, rows=[row] * many, keys=same, group_id=torch.zeros_like(same),
            numbers=torch.arange(many), step=number, attempt=0, seed=seed, new=task.max_completion,
        ),
    )  # fmt: skip
    assert batch.texts is not None
    columns = {name: [value] * many for name, value in row.items() if name != "prompt"}
    paid = task.reward(prompts=[row["prompt"]] * many, completions=list(batch.texts), **columns)
    lengths = batch.completion_mask.sum(dim=1)
    counts = torch.zeros(many, model.vocabulary).scatter_add(
        1, batch.completion_ids, batch.completion_mask.float()
    )  # fmt: skip
    return Pool(
        batch.texts, np.array(paid) >= 1, MeanStates(model).features(model, batch),
        _states_at(model, batch, lengths - 1),
        _states_at(model, batch, (lengths - 1 - (~batch.truncated).long()).clamp(min=0)),
        counts / lengths[:, None], (batch.old_logps * batch.completion_mask).sum(dim=1) / lengths,
    )  # fmt: skip


@torch.no_grad()
def _states_at(model: CausalModel, batch: RolloutBatch, places: Tensor) -> Tensor:
    """[N, D] the state at one token of each answer. places: [N]"""
    ids, valid = batch.sequences()
    width = batch.completion_ids.shape[1]
    return mean_states(model, ids, valid.bool(), torch.arange(width) == places[:, None], width)


def _like_copies(pool: Pool, seed: int, number: int) -> float:
    """Correlation, over the pool's groups of `GROUP`, of leverage with 1 / m; NaN where all answers differ."""
    many = len(pool.texts) // GROUP * GROUP
    if not many:
        return float("nan")
    group = torch.arange(many) // GROUP
    x = random_projection(pool.states[:many], WIDTH, seed, number).float()
    found = leverage(x, RIDGE, group).numpy()
    named = [(int(g), text) for g, text in zip(group, pool.texts, strict=False)]
    inverse = np.array([1.0 / named.count(each) for each in named])
    return float(np.corrcoef(found, inverse)[0, 1]) if inverse.std() > 0 and found.std() > 0 else float("nan")
