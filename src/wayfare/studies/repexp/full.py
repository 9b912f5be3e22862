"""The full scale: novelty in hidden states as a bonus, on a published model and questions with right answers.

    wayfare run repexp --scale full --model Qwen/Qwen2.5-7B-Instruct --dataset BytedTsinghua-SIA/DAPO-Math-17k

The published setting is of that model, 512 questions with 8 answers a step, on 8 GPUs; a model of 0.5 B is said to gain
nothing. Here with adapters on one GPU of 80 GB, hidden states being those of the model with its adapters off. Choosing
which answers to verify is not asked at full scale. Never run on real models by us: tested on a tiny one.
"""

from __future__ import annotations

from functools import partial

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import PLAIN, trained
from wayfare.studies.repexp import Config
from wayfare.studies.repexp.checks import check_of, choice_rules, rules
from wayfare.studies.repexp.plan import Tuned, bonuses, common, repexp

__all__ = ["run_full"]


def run_full(config: Config, progress: Progress) -> Findings:
    """See the module."""
    method = repexp(config).but("repexp", learning_rate=config.full_rate)
    training = [rule.name for rule in rules(config, Tuned(Arm(PLAIN), method))]
    return trained(
        config, progress, method, plain=Arm(PLAIN, common(config)), more=bonuses(config, config.full_rate),
        asked=lambda best: [*rules(config, Tuned(Arm(best), method)), *choice_rules(config)], reads=training,
        judge=partial(check_of, config),
    )  # fmt: skip
