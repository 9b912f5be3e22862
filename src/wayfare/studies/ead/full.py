"""The full scale: the temperature annealed within an answer, on a published model and questions with right answers.

    wayfare run ead --scale full --model Qwen/Qwen2.5-Math-1.5B --dataset AI-MO/NuminaMath-CoT

`length` is what answers of that model have on average, which the schedule is fitted to. The smallest published setting
is of that model, 1,024 questions with 16 answers of up to 3,072 tokens a step, one epoch; here adapters on one GPU of
80 GB. Answers must be drawn here: a server does not anneal. Drawing without training is not asked at full scale. Never
run on real models by us: tested on a tiny one.
"""

from __future__ import annotations

from functools import partial

from wayfare.agents.language_rl import Arm
from wayfare.errors import BadValue
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.ead import Config
from wayfare.studies.ead.checks import check_of, rules
from wayfare.studies.ead.plan import Tuned, annealed, warm
from wayfare.studies.language_full import PLAIN, refuse, trained

__all__ = ["refuse_full", "run_full"]

UNTRAINED = "untrained"


def refuse_full(config: Config) -> None:
    """Raises: BadValue as `refuse` does, and for a server."""
    if config.server:
        raise BadValue("server", config.server, "empty: a server does not anneal a temperature")
    refuse(config)


def run_full(config: Config, progress: Progress) -> Findings:
    """See the module."""
    method = annealed(config)
    trainable = [
        rule.name for rule in rules(config, Tuned(Arm(PLAIN), method)) if not rule.name.endswith(UNTRAINED)
    ]  # fmt: skip
    return trained(
        config, progress, method, plain=Arm(PLAIN), more=[warm(config, 1.2)],
        asked=lambda best: rules(config, Tuned(Arm(best), method)), reads=trainable, judge=partial(check_of, config),
    )  # fmt: skip
