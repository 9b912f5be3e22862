"""One arm, one seed: trained from the base, evaluated on the way, and told as arrays.

    train_arm(report, base=base, arm=arm, seed=0, steps=300)        is a cell of a study

Every evaluation asks the same held-out prompts and draws from the same seed, whatever the arm and its seed: arms are
compared in pairs. The base, before any step, is the first of them. The run lies in `report.scratch`: stopped at any
moment, it goes on from its last checkpoint, and finds what a run finds that was never stopped, seconds apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wayfare.agents.language_rl.addresses import contents, found
from wayfare.agents.language_rl.arms import Arm, config_of, task_at, trainer_of
from wayfare.agents.language_rl.base import Base, Report
from wayfare.agents.language_rl.cache import kept, read_arrays, write_arrays
from wayfare.agents.language_rl.real import RealModel
from wayfare.errors import BadValue
from wayfare.learn.grpo import GRPO, Callback, Evaluated, GRPOConfig, pass_at_k
from wayfare.learn.grpo.records import METRICS, SECONDS
from wayfare.learn.rollouts import RolloutBatch
from wayfare.worlds.verifiable.contract import Row, Split, VerifiableTask

__all__ = ["KS", "measure_base", "train_arm"]

KS = (1, 4, 16, 64)
EVALUATION_SEED = 20_000
"""Of the answers in every evaluation."""
Found = dict[str, NDArray[Any]]


def train_arm(
    report: Report,
    *,
    base: Base | RealModel,
    arm: Arm,
    seed: int,
    steps: int | None = None,
    token_budget: int | None = None,
    evaluate_every: int = 20,
    eval_prompts: int = 128,
    eval_answers: int = 64,
    ks: Sequence[int] = KS,
    split: Split = "test",
    threshold: float = 1.0,
    probes: Sequence[str] = (),
    train_prompts: int | None = None,
) -> Found:
    """steps, token_budget: where it ends, whichever comes first; a step draws once, and may update several times
    evaluate_every: steps; also at the start and at the end        eval_prompts, eval_answers: N and n
    split: whose prompts; settings are chosen on 'selection'        threshold: least reward that is right
    probes: addresses of functions as in `wayfare.agents.language_rl.probes`
    train_prompts: the first so many rows of the training split are asked; None: all

    Returns, over E evaluations:  step, tokens (drawn so far, discarded ones too), trained_tokens (learned from, each
    pass counted), seconds (of training) [E];  pass [E, K] for ks [K];  right, distinct, entropy [E, N]: right answers,
    different ones among them, nats a token;  reward, malformed, clipped, length [E];  "probe/NAME" [E];
    over steps:  "train/METRIC" [steps], by the trainer's names, NaN where a step has none;
    and  arm, seed, answers, cached [1], index [N]: which problems.

    Raises: BadValue for no end, or settings and parts that do not go.
    """
    if steps is None and token_budget is None:
        raise BadValue("steps", None, "given where there is no token_budget")
    if evaluate_every < 1:
        raise BadValue("evaluate_every", evaluate_every, "at least 1")
    if train_prompts is not None and train_prompts < 1:
        raise BadValue("train_prompts", train_prompts, "at least 1, or None")
    told: dict[str, Any] = {
        "steps": steps, "token_budget": token_budget, "evaluate_every": evaluate_every, "eval_prompts": eval_prompts,
        "eval_answers": eval_answers, "ks": list(ks), "split": split, "threshold": threshold, "probes": list(probes),
    }  # fmt: skip
    if isinstance(base, RealModel):
        fresh = _trained(report, base, arm, seed, train_prompts=train_prompts, **told)
        return {**fresh, "arm": np.array([arm.name]), "seed": np.array([seed]), "cached": np.array([False])}
    plain = {name: value for name, value in arm.to_json().items() if name != "name"}
    asked = {"kind": "arm", "base": base.to_json(), "arm": plain, "seed": seed, **told}
    if train_prompts is not None:
        told["train_prompts"] = asked["train_prompts"] = train_prompts
    if files := contents([*arm.addresses, *probes]):
        asked["files"] = files
    arrays, cached = kept(asked, lambda: _trained(report, base, arm, seed, **told))
    return {**arrays, "arm": np.array([arm.name]), "seed": np.array([seed]), "cached": np.array([cached])}


def measure_base(report: Report, *, base: Base | RealModel, **evaluation: Any) -> Found:
    """The base alone: pre-trained where it is not yet, evaluated once. evaluation: as in `train_arm`

    A study runs it first, as a cell: its arms find the base made, and whether it lies in its band is known.
    """
    return train_arm(report, base=base, arm=Arm("base"), seed=0, steps=0, **evaluation)


def _trained(
    report: Report, base: Base | RealModel, arm: Arm, seed: int, *, steps: int | None, token_budget: int | None,
    evaluate_every: int, eval_prompts: int, eval_answers: int, ks: Sequence[int], split: Split, threshold: float,
    probes: Sequence[str], train_prompts: int | None = None,
) -> Found:  # fmt: skip
    task, folder = task_at(base), report.scratch / "run"
    rows = task.rows(split)[:eval_prompts]
    counted = _TrainedTokens()
    settings = {
        "token_budget": token_budget, "save_steps": evaluate_every, "num_generations_eval": eval_answers,
        "eval_ks": tuple(ks), "eval_seed": EVALUATION_SEED, "pass_threshold": threshold, "logging_steps": 1,
        "max_steps": 1,
    }  # fmt: skip
    probing = [found(address) for address in probes]
    watching = _Evaluations(report, task, rows, evaluate_every, counted, probing, folder)
    config = config_of(base, arm, seed, settings=settings)
    most = _steps(config, steps, token_budget)
    watching.total = most
    if most:
        settings["max_steps"] = most * config.updates_per_step
        trainer = trainer_of(
            base, arm, seed, settings=settings, folder=folder, callbacks=[watching], auxiliary=[counted], report=report,
            train_prompts=train_prompts,
        )  # fmt: skip
        counted.passes = trainer.config.num_iterations
        trainer.train()
    else:
        watching.evaluate(trainer_of(base, arm, seed, settings=settings, report=report), 0)
    return {**watching.told(), **_training(folder / METRICS), "ks": np.array(ks), "answers": np.array([eval_answers])}


def _steps(config: GRPOConfig, steps: int | None, token_budget: int | None) -> int:
    """Steps at most: each answer has a token at least."""
    by_tokens = None if token_budget is None else -(-token_budget // config.generation_batch_size)
    return min(each for each in (steps, by_tokens) if each is not None)


class _TrainedTokens:
    """Counts the tokens that are learned from; a part of the run, so that its checkpoints hold the count."""

    def __init__(self) -> None:
        self.tokens, self.passes = 0, 1

    def sample(self, step: int) -> None:
        return None

    def update(self, batch: RolloutBatch) -> None:
        self.tokens += self.passes * int(batch.loss_mask.sum())

    def state_dict(self) -> dict[str, Any]:
        return {"tokens": self.tokens}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.tokens = int(state["tokens"])


class _Evaluations(Callback):
    """Evaluates every so many steps, each into a file: those before a stop are read again."""

    def __init__(
        self, report: Report, task: VerifiableTask, rows: Sequence[Row], every: int, counted: _TrainedTokens,
        probes: Sequence[Any], folder: Path,
    ) -> None:  # fmt: skip
        self.report, self.task, self.rows, self.every = report, task, list(rows), every
        self.counted, self.probes, self.folder = counted, probes, folder
        self.total = 0

    def on_train_begin(self, trainer: GRPO) -> None:
        if trainer.step == 0:
            for stale in self.folder.glob("evaluation-*.npz"):
                stale.unlink()
            self.evaluate(trainer, 0)

    def on_step_end(self, trainer: GRPO, step: int, metrics: Mapping[str, float]) -> None:
        if step % self.every == 0 or trainer.done:
            self.evaluate(trainer, step)
        shown = {name: metrics[name] for name in ("reward", "entropy", "frac_reward_zero_std") if name in metrics}
        self.report(step, self.total, **shown)

    def evaluate(self, trainer: GRPO, step: int) -> None:
        evaluated = trainer.evaluate(self.rows)
        arrays = {name: np.asarray(value) for name, value in self._measures(trainer, evaluated, step).items()}
        write_arrays(self.folder / f"evaluation-{step:08d}.npz", arrays)

    def told(self) -> Found:
        """Arrays of all evaluations, [E, ...], and which problems were asked."""
        each = [read_arrays(path) for path in sorted(self.folder.glob("evaluation-*.npz"))]
        whole = [arrays for arrays in each if arrays is not None]
        stacked = {name: np.stack([arrays[name] for arrays in whole]) for name in whole[0]}
        return {**stacked, "index": np.array([row["index"] for row in self.rows])}

    def _measures(self, trainer: GRPO, evaluated: Evaluated, step: int) -> dict[str, Any]:
        right: Tensor = evaluated.right.sum(dim=1)
        answers, ks, metrics = evaluated.right.shape[1], trainer.config.eval_ks, evaluated.metrics
        formed = [
            self.task.well_formed(text, row)
            for row, texts in zip(self.rows, evaluated.texts, strict=True)
            for text in texts
        ]
        probed = {
            f"probe/{name}": value
            for probe in self.probes
            for name, value in probe(trainer.model, self.task, self.rows).items()
        }
        return {
            "step": step, "tokens": trainer.experience.tokens, "trained_tokens": self.counted.tokens,
            "seconds": _seconds(self.folder / SECONDS, step),
            "pass": [float(pass_at_k(right, answers, k).mean()) for k in ks], "right": right,
            "distinct": evaluated.distinct, "entropy": evaluated.entropy, "reward": metrics["eval_reward"],
            "malformed": 1.0 - sum(formed) / len(formed), "clipped": metrics["eval_completions/clipped_ratio"],
            "length": metrics["eval_completions/mean_length"], **probed,
        }  # fmt: skip


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _seconds(path: Path, step: int) -> float:
    """Of training up to a step; one that was done again after a stop counts once."""
    each = {int(line["step"]): float(line["step_time"]) for line in _lines(path)}
    return sum(seconds for number, seconds in each.items() if number <= step)


def _training(path: Path) -> Found:
    """The metrics of all steps by name."""
    lines = _lines(path)
    names = sorted({name for line in lines for name in line} - {"step", "epoch"})
    return {
        f"train/{name}": np.array(
            [math.nan if line.get(name) is None else float(line[name]) for line in lines], np.float64
        )
        for name in names
    }
