"""The full scale: priors of one published model, made by reading worked answers under three losses, then learning.

    wayfare run ntp-precision --scale full --model Qwen/Qwen2.5-0.5B --dataset openai/gsm8k --dataset-part main \
        --eval-split test

Published are models of 1 to 20 B trained from nothing on hundreds of billions of tokens, which no one GPU does. What
stands here in its place is shorter: all weights of a model that is trained already go through `prior_steps` updates of
8 worked answers each, by cross-entropy, sharper or broader, and adapters then learn from each. The model above fits a
GPU of 80 GB with room to spare, one of 1.5 B too. Never run on real models by us: tested on a tiny one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import PLAIN as GRPO
from wayfare.studies.language_full import trained
from wayfare.studies.ntp_precision import Config
from wayfare.studies.ntp_precision.checks import check_of, rules
from wayfare.studies.ntp_precision.plan import BASELINE, BROAD, PLAIN, PRECISE, priors

__all__ = ["run_full"]

READS = (
    "there is a tail", "a sharper prior ends higher", "above the tuned baseline", "a broader prior ends lower",
    "coverage is kept",
)  # fmt: skip


def run_full(config: Config, progress: Progress) -> Findings:
    """See the module."""

    def start(prior: str) -> dict[str, Any]:
        loss, knobs = priors(config)[prior]
        return {"loss": loss, "loss_knobs": knobs, "prior_steps": config.prior_steps, "prior_rate": config.prior_rate}

    return trained(
        config, progress, Arm(PRECISE), plain=Arm(GRPO), more=[Arm(BROAD)], asked=partial(rules, config), reads=READS,
        said={PLAIN: GRPO, BASELINE: ""}, judge=partial(check_of, config),
        starts={"": start(PLAIN), PRECISE: start(PRECISE), BROAD: start(BROAD)},
        notes=["Priors are one model that has read worked answers under three losses, not three from nothing."],
    )  # fmt: skip
