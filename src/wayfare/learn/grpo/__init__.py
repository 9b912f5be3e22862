"""The group-relative trainer of language models, and the places where a method enters it.

    trainer       GRPO: the loop, its checkpoints and callbacks        config       GRPOConfig, TRL's names
    seams         what each part is given and gives, with shapes       experience   what one step learns from
    update        what that does to the weights                        evaluating   pass@k on held-out prompts
    dataset       rows with a prompt, and their order                  rewards      reward functions as TRL calls them
    records       metrics, completions, TensorBoard                    from_file    a run as a file
    resuming      a run's whole state, `generators` among it           identity     what a run is of; `user_code`
    needs         what a seam asks of its part                         unchanged    what a part is shown stays as it was
    diverging     where there are no numbers any more
    processes     one process; `accelerated` for several               adapters     rewards and rows of TRL and verl
    trl_trainer   our parts in TRL's own trainer; `trl_bonus` as a reward of it

Parts to put in:

    rollout       one turn; `tools`: turns with an environment; `server`: answers of an inference server
    budgets       answers of each prompt                               advantages   estimators
    features      what answers are compared by                         bonuses      of the group; `episodic_bonus`
    shaping       schedules of a bonus, filters of rows                regularisers of token losses
    replay        rows of earlier steps

Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.learn.grpo.accelerated import processes_here
    from wayfare.learn.grpo.adapters import as_trl, from_verl, from_verl_row, verl_dataset
    from wayfare.learn.grpo.advantages import GroupRelative, LeaveOneOut
    from wayfare.learn.grpo.bonuses import CopyBonus, EllipticalBonus, RankBonus
    from wayfare.learn.grpo.budgets import KnapsackBudget, SolvableBudget, VarianceBudget
    from wayfare.learn.grpo.config import GRPOConfig
    from wayfare.learn.grpo.dataset import PromptSet
    from wayfare.learn.grpo.episodic_bonus import EpisodicBonus
    from wayfare.learn.grpo.evaluating import Evaluated, pass_at_k
    from wayfare.learn.grpo.features import CharacterGrams, MeanStates, TextFeatures
    from wayfare.learn.grpo.from_file import trainer_from
    from wayfare.learn.grpo.regularisers import (
        ClipCovariance,
        CovarianceDivergence,
        ForwardDivergence,
        LowProbability,
        UncertainTokens,
    )
    from wayfare.learn.grpo.replay import SelfImitation, SuccessFineTuning
    from wayfare.learn.grpo.rewards import RewardFunctions
    from wayfare.learn.grpo.rollout import SingleTurn
    from wayfare.learn.grpo.server import ServerRollout
    from wayfare.learn.grpo.shaping import AllOf, Readable, ScheduledBonus, WidestGroups
    from wayfare.learn.grpo.tools import ToolBonus, ToolRollout
    from wayfare.learn.grpo.trainer import GRPO, Callback
    from wayfare.learn.grpo.trl_bonus import bonus_reward
    from wayfare.learn.grpo.trl_trainer import SeamedGRPOTrainer

__all__ = [
    "GRPO",
    "AllOf",
    "Callback",
    "CharacterGrams",
    "ClipCovariance",
    "CopyBonus",
    "CovarianceDivergence",
    "EllipticalBonus",
    "EpisodicBonus",
    "Evaluated",
    "ForwardDivergence",
    "GRPOConfig",
    "GroupRelative",
    "KnapsackBudget",
    "LeaveOneOut",
    "LowProbability",
    "MeanStates",
    "PromptSet",
    "RankBonus",
    "Readable",
    "RewardFunctions",
    "ScheduledBonus",
    "SeamedGRPOTrainer",
    "SelfImitation",
    "ServerRollout",
    "SingleTurn",
    "SolvableBudget",
    "SuccessFineTuning",
    "TextFeatures",
    "ToolBonus",
    "ToolRollout",
    "UncertainTokens",
    "VarianceBudget",
    "WidestGroups",
    "as_trl",
    "bonus_reward",
    "from_verl",
    "from_verl_row",
    "pass_at_k",
    "processes_here",
    "trainer_from",
    "verl_dataset",
]

_HOMES = {
    "AllOf": "shaping",
    "Callback": "trainer",
    "CharacterGrams": "features",
    "ClipCovariance": "regularisers",
    "CopyBonus": "bonuses",
    "CovarianceDivergence": "regularisers",
    "EllipticalBonus": "bonuses",
    "EpisodicBonus": "episodic_bonus",
    "Evaluated": "evaluating",
    "ForwardDivergence": "regularisers",
    "GRPO": "trainer",
    "GRPOConfig": "config",
    "GroupRelative": "advantages",
    "KnapsackBudget": "budgets",
    "LeaveOneOut": "advantages",
    "LowProbability": "regularisers",
    "MeanStates": "features",
    "PromptSet": "dataset",
    "RankBonus": "bonuses",
    "Readable": "shaping",
    "RewardFunctions": "rewards",
    "ScheduledBonus": "shaping",
    "SeamedGRPOTrainer": "trl_trainer",
    "SelfImitation": "replay",
    "ServerRollout": "server",
    "SingleTurn": "rollout",
    "SolvableBudget": "budgets",
    "SuccessFineTuning": "replay",
    "TextFeatures": "features",
    "ToolBonus": "tools",
    "ToolRollout": "tools",
    "UncertainTokens": "regularisers",
    "VarianceBudget": "budgets",
    "WidestGroups": "shaping",
    "as_trl": "adapters",
    "bonus_reward": "trl_bonus",
    "from_verl": "adapters",
    "from_verl_row": "adapters",
    "pass_at_k": "evaluating",
    "processes_here": "accelerated",
    "trainer_from": "from_file",
    "verl_dataset": "adapters",
}


def __getattr__(name: str) -> Any:
    """Import a part when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
