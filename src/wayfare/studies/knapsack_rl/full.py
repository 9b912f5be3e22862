"""The full scale: answers shared out as a knapsack, on a published model and questions with right answers.

    wayfare run knapsack-rl --scale full --model Qwen/Qwen2.5-1.5B --dataset BytedTsinghua-SIA/DAPO-Math-17k

Nothing is known of a question before it was asked, so that a run must ask each several times: `most_questions` of them
are trained on, again and again. Published are 256 of these questions a step, 8 answers to each in the mean, for 1,000
steps; here adapters on one GPU of 80 GB, and fewer of all. Never run on real models by us: tested on a tiny one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.knapsack_rl import Config
from wayfare.studies.knapsack_rl.checks import check_of, rules
from wayfare.studies.knapsack_rl.plan import Tuned, common, knapsack, variance
from wayfare.studies.language_full import PLAIN, trained

__all__ = ["run_full"]


def run_full(config: Config, progress: Progress) -> Findings:
    """See the module."""
    asked = config.questions_per_step
    sized = replace(
        config, prompts=asked, answers=config.answers_per_question,
        train_prompts=max(config.most_questions or config.train_prompts, asked),
    )  # fmt: skip
    method = knapsack(sized)
    return trained(
        config, progress, method, plain=Arm(PLAIN, common(sized)), more=[variance(sized, config.full_rate)],
        asked=lambda best: rules(sized, Tuned(Arm(best), method.but(method.name, learning_rate=config.full_rate))),
        reads=None, judge=partial(check_of, sized),
    )  # fmt: skip
