"""The full scale: Lp-Reg, and Lp-Reg amplified, on a published model and questions with right answers.

    wayfare run lp-reg --scale full --model Qwen/Qwen2.5-Math-1.5B --dataset BytedTsinghua-SIA/DAPO-Math-17k

Published are these questions with models of 14 and 32 B, 256 questions a step and answers of up to 8,192 tokens, on 64
GPUs; the model above is ours, one that fits a GPU of 80 GB with room to spare. Which words are rare and of use is not
known of a published model, so that the checks on WAIT and junk are not asked: what is told is accuracy, entropy and
pass@k. Never run on real models by us: tested on a tiny one.
"""

from __future__ import annotations

from functools import partial

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import PLAIN, trained
from wayfare.studies.lp_reg import Config
from wayfare.studies.lp_reg.checks import check_of, rules
from wayfare.studies.lp_reg.plan import Tuned, amplified, common, lp_reg

__all__ = ["run_full"]

READS = ("no worse at equal tokens", "amplified: no worse at equal tokens")


def run_full(config: Config, progress: Progress) -> Findings:
    """See the module."""
    return trained(
        config, progress, lp_reg(config), plain=Arm(PLAIN, common(config)), more=[amplified(config)],
        asked=lambda best: rules(config, Tuned(Arm(best), config.full_rate)), reads=READS,
        judge=partial(check_of, config),
    )  # fmt: skip
