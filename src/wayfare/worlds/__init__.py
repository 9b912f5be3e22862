"""Where agents act: batched worlds in which the same task comes back for a block of episodes, and then changes.

    world        the contract: blocks, boundary codes, seeds by copies
    boundary     the five codes
    bandit       `RecurringBandit`: Gaussian or Bernoulli arms, one of them safe if you like
    gridworld    `HiddenGoal`: find the goal once, walk straight to it from then on
    repeat       `RepeatTask`: any gymnasium environment, replayed by seed
    ceilings     how well one could do at best
    single       `SingleCopy`: one copy as a plain `gymnasium.Env`
    check        `check_world`: does a world keep the contract?

Importing this package registers `wayfare/RecurringBandit-v0` and `wayfare/HiddenGoal-v0` with gymnasium, and loads no
torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from wayfare.errors import MissingExtra

if TYPE_CHECKING:
    from wayfare.worlds.bandit import RecurringBandit
    from wayfare.worlds.boundary import Boundary
    from wayfare.worlds.ceilings import Ceiling
    from wayfare.worlds.check import check_world
    from wayfare.worlds.gridworld import HiddenGoal
    from wayfare.worlds.repeat import RepeatTask
    from wayfare.worlds.single import SingleCopy
    from wayfare.worlds.world import World

__all__ = [
    "Boundary",
    "Ceiling",
    "HiddenGoal",
    "RecurringBandit",
    "RepeatTask",
    "SingleCopy",
    "World",
    "check_world",
]

_HOMES = {
    "Boundary": "boundary",
    "Ceiling": "ceilings",
    "HiddenGoal": "gridworld",
    "RecurringBandit": "bandit",
    "RepeatTask": "repeat",
    "SingleCopy": "single",
    "World": "world",
    "check_world": "check",
}


def __getattr__(name: str) -> Any:
    """Import a part when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name in ("torch", "gymnasium"):
            raise MissingExtra(f"wayfare.worlds.{name}", "lab") from error
        raise


def _register() -> None:
    """No time limit and no further wrappers: a block ends when its law says so."""
    from gymnasium import register, registry

    for name, home, single in (
        ("RecurringBandit", "bandit", "recurring_bandit"),
        ("HiddenGoal", "gridworld", "hidden_goal"),
    ):
        if f"wayfare/{name}-v0" not in registry:
            register(
                id=f"wayfare/{name}-v0",
                entry_point=f"wayfare.worlds.single:{single}",
                vector_entry_point=f"wayfare.worlds.{home}:{name}",
            )


if find_spec("gymnasium") is not None:
    _register()
