"""The full scale of language-RL studies: a study's own arms on a published model and data set.

    def run_full(config, progress):                            # a study's `full.py`
        return trained(config, progress, method(config), plain=Arm("GRPO", common(config)), asked=..., reads=...)

Arms are the method, plain GRPO, and GRPO with a reverse KL and with an entropy bonus, all at one learning rate: nothing
is tuned here, and the baseline is the best control of these same runs, which favours it. Checks are the study's, with
the thresholds that were fixed for its small model. Those that need its made-up task are told as not tested, as are all
with one seed, which has no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wayfare.agents.language_rl import Arm, Questions, RealModel, train_arm
from wayfare.errors import BadValue
from wayfare.report.statistics import Interval
from wayfare.studies.contract import Cell, Check, Findings, Progress
from wayfare.studies.language_checks import check_of
from wayfare.studies.language_compare import compared
from wayfare.studies.language_frontiers import deciding, pass_sum
from wayfare.studies.language_runs import Run, Runs, runs_of
from wayfare.studies.language_settings import RealConfig
from wayfare.studies.language_tables import course_table
from wayfare.studies.stated import StatedCheck

__all__ = ["PLAIN", "ready", "real_of", "refuse", "trained"]

PLAIN = "GRPO"
KS = (1, 4, 16, 64, 256)
TOKENS_A_SECOND = 2_000
"""Drawn and learned from, on one GPU of today: a guess that only tells cells' shares of the time left."""
CAP = 2.0
"""Of the truncated weight, where a server draws."""


def ready(config: RealConfig) -> None:
    """Of a study whose full scale needs a model and questions alone. Raises: BadValue as `refuse`, at that scale."""
    if config.scale == "full":
        refuse(config)


def refuse(config: RealConfig) -> None:
    """What cannot be trained, before anything is loaded. Raises: BadValue in one line."""
    real_of(config).questions.check()


def real_of(config: RealConfig, **changes: Any) -> RealModel:
    """Where all arms start. changes: of `RealModel`. Raises: BadValue without model or data set, as it does."""
    for name, what in (("model", "a folder or name of a causal model"), ("dataset", "a file or name of questions")):
        if not getattr(config, name):
            raise BadValue(name, "", f"{what} at full scale: --{name} PATH")
    for name in ("questions_per_step", "rows_per_pass"):
        if getattr(config, name) < 1:
            raise BadValue(name, getattr(config, name), "at least 1")
    questions = Questions(
        config.dataset, config.dataset_part, config.dataset_split, config.eval_dataset, config.eval_split,
        held_out=config.eval_prompts, prompt=config.prompt_column, answer=config.answer_column,
        instruction=config.instruction, chat=config.chat, most=config.most_questions,
    )  # fmt: skip
    told = {
        name: getattr(config, name)
        for name in ("answer_tokens", "reward", "lora_rank", "rows_at_once", "server", "server_folder")
    }
    device = "cpu" if config.device == "auto" else config.device
    return RealModel(**{"model": config.model, "questions": questions, "device": device, **told, **changes})


def trained(
    config: RealConfig,
    progress: Progress,
    method: Arm,
    *,
    plain: Arm,
    more: Sequence[Arm] = (),
    asked: Callable[[str], Sequence[StatedCheck]],
    reads: Sequence[str] | None,
    said: Mapping[str, str] | None = None,
    judge: Callable[[Any, Runs], Check] | None = None,
    starts: Mapping[str, Mapping[str, Any]] | None = None,
    notes: Sequence[str] = (),
) -> Findings:
    """more: further arms        asked: the study's checks, for the name of the best control
    reads: names of those that real runs can be put to; None: all
    said: names in checks -> those of arms here, '' for the best control
    judge: a rule on runs -> its check        starts: changes of `RealModel` by the arm's name, '' for all others
    """
    arms = [_at(config, arm) for arm in (replace(plain, name=PLAIN), method, *more)]
    beside = [arms[0].but("reverse KL 0.1", beta=0.1), arms[0].but("entropy bonus 0.01", entropy_coef=0.01)]
    beside = beside if config.with_controls else []
    arms += beside
    cells = [
        cell for arm in arms
        for cell in _cells(config, arm, real_of(config, **(starts or {}).get(arm.name, (starts or {}).get("", {}))))
    ]  # fmt: skip
    runs = runs_of(progress.cells(cells))
    most = int(runs[PLAIN][0]["ks"].max())

    def score(run: Run) -> float:
        return pass_sum(run, most)

    best = deciding({name: runs[name] for name in (PLAIN, *(arm.name for arm in beside))}, score)
    known = {**runs, **{name: runs[there or best] for name, there in (said or {}).items()}}
    judged = judge or (lambda rule, found: check_of(rule, found, config.scale))
    checks = [_check(rule, known, judged, reads) for rule in asked(best)]
    comparison = compared(runs, method.name)
    return Findings(
        tables={
            "arms": comparison.arms, "differences": comparison.differences,
            "course": course_table(runs, ("pass@1", f"pass@{most}", "entropy", "malformed")),
        },
        figures=comparison.figures,
        checks=checks,
        notes=[*_notes(config, best), *notes, *comparison.notes],
    )  # fmt: skip


def _at(config: RealConfig, arm: Arm) -> Arm:
    """The arm at the sizes of full scale."""
    group = config.answers_per_question
    sizes: dict[str, Any] = {
        "generation_batch_size": config.questions_per_step * group, "num_generations": group,
        "learning_rate": config.full_rate, "per_device_train_batch_size": config.rows_per_pass,
        "bf16": config.bf16 and config.device == "cuda",
    }  # fmt: skip
    if config.server:
        sizes["importance_sampling_cap"] = arm.trainer.get("importance_sampling_cap", CAP)
    return arm.but(arm.name, **sizes)


def _cells(config: RealConfig, arm: Arm, real: RealModel) -> list[Cell]:
    how = {
        "token_budget": config.token_budget, "evaluate_every": config.evaluate_every,
        "eval_prompts": config.eval_prompts, "eval_answers": config.eval_answers,
        "ks": tuple(k for k in KS if k <= config.eval_answers),
    }  # fmt: skip
    seeds = range(config.seed, config.seed + config.seeds)
    seconds = max(1.0, config.token_budget / TOKENS_A_SECOND)
    return [
        Cell(f"{arm.name} seed {seed}", train_arm, {"base": real, "arm": arm, "seed": seed, **how}, seconds)
        for seed in seeds
    ]


def _check(
    rule: StatedCheck, runs: Runs, judge: Callable[[Any, Runs], Check], reads: Sequence[str] | None
) -> Check:  # fmt: skip
    nothing = Interval(math.nan, math.nan, math.nan, "none", 0)
    if reads is not None and rule.name not in reads:
        return rule.on(nothing, 0, "asks about the study's own small task")
    try:
        return judge(rule, runs)
    except (BadValue, KeyError) as error:  # an arm or a measure that full scale has not
        return rule.on(nothing, 0, f"not measured at full scale ({str(error).splitlines()[0]})")


def _notes(config: RealConfig, best: str) -> list[str]:
    weights = f"adapters of rank {config.lora_rank}" if config.lora_rank else "all weights"
    return [
        f"{config.model} on {config.dataset}: {weights}, learning rate {config.full_rate:g} in every arm, "
        f"{config.questions_per_step} questions with {config.answers_per_question} answers of up to "
        f"{config.answer_tokens} tokens a step, {config.token_budget:,} tokens drawn by each arm.",
        f"Nothing was tuned. The best of plain GRPO and the controls is {best}, by pass@1 + pass@k of these same runs, "
        "which favours it. Thresholds are those that were fixed for the study's small model.",
    ]
