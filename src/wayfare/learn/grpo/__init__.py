"""The group-relative trainer of language models, and the places where a method enters it.

    trainer       GRPO: the loop, its checkpoints and callbacks        config       GRPOConfig, TRL's names
    seams         what each part is given and gives, with shapes       experience   what one step learns from
    update        what that does to the weights                        evaluating   pass@k on held-out prompts
    dataset       rows with a prompt, and their order                  rewards      reward functions as TRL calls them
    rollout       one turn                                             advantages   estimators as parts
    records       metrics, completions, TensorBoard                    processes    one process, or several

Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.learn.grpo.advantages import GroupRelative, LeaveOneOut
    from wayfare.learn.grpo.config import GRPOConfig
    from wayfare.learn.grpo.evaluating import Evaluated, pass_at_k
    from wayfare.learn.grpo.rollout import SingleTurn
    from wayfare.learn.grpo.trainer import GRPO, Callback

__all__ = ["GRPO", "Callback", "Evaluated", "GRPOConfig", "GroupRelative", "LeaveOneOut", "SingleTurn", "pass_at_k"]

_HOMES = {
    "Callback": "trainer",
    "Evaluated": "evaluating",
    "GRPO": "trainer",
    "GRPOConfig": "config",
    "GroupRelative": "advantages",
    "LeaveOneOut": "advantages",
    "SingleTurn": "rollout",
    "pass_at_k": "evaluating",
}


def __getattr__(name: str) -> Any:
    """Import a part when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
