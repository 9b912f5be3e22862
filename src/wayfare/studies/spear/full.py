"""The full scale: SPEAR on a published model, questions with right answers, and a calculator as its tool.

    wayfare run spear --scale full --model Qwen/Qwen2.5-1.5B-Instruct --dataset openai/gsm8k \
        --dataset-part main --eval-split test --chat

Published are ALFWorld and WebShop with that model on 2 GPUs for 200 steps, and a code interpreter with models of 32 B.
A calculator (`wayfare.worlds.verifiable.calculator`) is less of a tool than these: what is told here is whether the
parts train a real model in conversations, not what the paper claims of its environments. Adapters fit one GPU of 80 GB.
Answers must be drawn here: a server holds no conversations. Never run on real models by us: tested on a tiny one.
"""

from __future__ import annotations

from wayfare.agents.language_rl import Arm
from wayfare.errors import BadValue
from wayfare.learn.grpo.tools import ToolRollout
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import PLAIN, refuse, trained
from wayfare.studies.spear import Config
from wayfare.studies.spear.checks import rules
from wayfare.studies.spear.plan import CONSTANT, FADING, SPEAR, Tuned, constant, fading, plain, spear
from wayfare.worlds.verifiable.calculator import CLOSE, Calculator

__all__ = ["conversations", "refuse_full", "run_full"]

READS = (
    "more success than the tuned baseline", "sooner than the bonus alone", "more success than a bonus that stays",
    "more success than the bonus alone",
)  # fmt: skip


def conversations(turns: int = 8) -> ToolRollout:
    """With a calculator; a turn ends with a call, or as the model ends it."""
    return ToolRollout(Calculator(), turns=turns, stop=(CLOSE,), frame="\n<result>{}</result>\n", joint="")


def refuse_full(config: Config) -> None:
    """Raises: BadValue as `refuse` does, and for a server."""
    if config.server:
        raise BadValue("server", config.server, "empty: a server holds no conversations")
    refuse(config)


def run_full(config: Config, progress: Progress) -> Findings:
    """See the module."""
    method, falling, staying = (
        _real(arm).but(name, learning_rate=config.full_rate)
        for arm, name in ((spear(config), SPEAR), (fading(config), FADING), (constant(config), CONSTANT))
    )
    return trained(
        config, progress, method, plain=_real(plain(config, PLAIN)), more=[falling, staying],
        asked=lambda best: rules(config, Tuned(Arm(best), method, falling, staying)), reads=READS,
    )  # fmt: skip


def _real(arm: Arm) -> Arm:
    """The arm, with a calculator in the place of the study's own tool."""
    return Arm(arm.name, arm.trainer, {**arm.parts, "rollout": (f"{__name__}:conversations", {})})
