"""Where agents act: batched worlds in which the same task comes back for a block of episodes, and then changes.

    world        the contract: blocks, boundary codes, seeds by copies
    boundary     the five codes
    bandit       `RecurringBandit`: Gaussian or Bernoulli arms, one of them safe if you like
    bandit_text  a bandit in words: scenarios, histories as a language model reads them, answers as arms
    varied       `VariedBandit`: arms of a set gap, arms that change or drift; `evolve_bandit`: EVOLvE's easy and hard
    contextual   `LinearBandit`: rewards linear, or logistic, in features of the actions or of the context
    tables       `TableBandit`: contexts and means from a table; `labelled_bandit`, `bundled_bandit`: classification
    ratings      films and who rates them: `read_ratings`, `synthetic_ratings`, `ratings_bandit`
    success      `SuccessBandit`: requests that succeed or fail, by a random network
    wrappers     `ActionSets`, `DelayedFeedback`: around any of these
    gridworld    `HiddenGoal`: find the goal once, walk straight to it from then on
    tabular      `TabularMDP`: any tables of a fixed horizon; `RandomMDP`: random ones
    planning     exact values of tables, by dynamic programming
    hidden_rules `HiddenRules`: a grid whose goal and one-way passages are one of 64 hypotheses
    riverswim    `RiverSwim`: little pay near, much pay far against the current, no end
    continuing   exact gain and bias of processes without an end
    mazes        `Mazes`: random mazes with a hidden goal, as tables and as text
    verifiable   tasks of language reinforcement learning: `Countdown` and others; `verifiable.TASKS`, by name
    repeat       `RepeatTask`: any gymnasium environment, replayed by seed
    ceilings     how well one could do at best
    single       `SingleCopy`: one copy as a plain `gymnasium.Env`
    check        `check_world`: does a world keep the contract?

Importing this package registers `wayfare/RecurringBandit-v0`, `wayfare/VariedBandit-v0`, `wayfare/LinearBandit-v0`,
`wayfare/HiddenGoal-v0` and `wayfare/RandomMDP-v0` with gymnasium, and loads no torch.
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
    from wayfare.worlds.contextual import ContextualBandit, LinearBandit
    from wayfare.worlds.gridworld import HiddenGoal
    from wayfare.worlds.hidden_rules import HiddenRules
    from wayfare.worlds.mazes import Mazes
    from wayfare.worlds.ratings import Ratings, ratings_bandit, read_ratings, synthetic_ratings
    from wayfare.worlds.repeat import RepeatTask
    from wayfare.worlds.riverswim import RiverSwim
    from wayfare.worlds.single import SingleCopy
    from wayfare.worlds.success import SuccessBandit
    from wayfare.worlds.tables import TableBandit, bundled_bandit, labelled_bandit
    from wayfare.worlds.tabular import RandomMDP, TabularMDP
    from wayfare.worlds.varied import VariedBandit, evolve_bandit
    from wayfare.worlds.verifiable import (
        Addition,
        Countdown,
        HiddenStrategy,
        IconGrounding,
        LookupArithmetic,
        ModularArithmetic,
        SecondThoughts,
        TaggedCountdown,
        VerifiableTask,
    )
    from wayfare.worlds.world import World
    from wayfare.worlds.wrappers import ActionSets, DelayedFeedback

__all__ = [
    "ActionSets",
    "Addition",
    "Boundary",
    "Ceiling",
    "ContextualBandit",
    "Countdown",
    "DelayedFeedback",
    "HiddenGoal",
    "HiddenRules",
    "HiddenStrategy",
    "IconGrounding",
    "LinearBandit",
    "LookupArithmetic",
    "Mazes",
    "ModularArithmetic",
    "RandomMDP",
    "Ratings",
    "RecurringBandit",
    "RepeatTask",
    "RiverSwim",
    "SecondThoughts",
    "SingleCopy",
    "SuccessBandit",
    "TableBandit",
    "TabularMDP",
    "TaggedCountdown",
    "VariedBandit",
    "VerifiableTask",
    "World",
    "bundled_bandit",
    "check_world",
    "evolve_bandit",
    "labelled_bandit",
    "ratings_bandit",
    "read_ratings",
    "synthetic_ratings",
]

_HOMES = {
    "ActionSets": "wrappers",
    "Addition": "verifiable",
    "Boundary": "boundary",
    "Ceiling": "ceilings",
    "ContextualBandit": "contextual",
    "Countdown": "verifiable",
    "DelayedFeedback": "wrappers",
    "HiddenGoal": "gridworld",
    "HiddenRules": "hidden_rules",
    "HiddenStrategy": "verifiable",
    "IconGrounding": "verifiable",
    "LinearBandit": "contextual",
    "LookupArithmetic": "verifiable",
    "Mazes": "mazes",
    "ModularArithmetic": "verifiable",
    "RandomMDP": "tabular",
    "Ratings": "ratings",
    "RecurringBandit": "bandit",
    "RepeatTask": "repeat",
    "RiverSwim": "riverswim",
    "SecondThoughts": "verifiable",
    "SingleCopy": "single",
    "SuccessBandit": "success",
    "TableBandit": "tables",
    "TabularMDP": "tabular",
    "TaggedCountdown": "verifiable",
    "VariedBandit": "varied",
    "VerifiableTask": "verifiable",
    "World": "world",
    "bundled_bandit": "tables",
    "check_world": "check",
    "evolve_bandit": "varied",
    "labelled_bandit": "tables",
    "ratings_bandit": "ratings",
    "read_ratings": "ratings",
    "synthetic_ratings": "ratings",
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
        ("VariedBandit", "varied", "varied_bandit"),
        ("LinearBandit", "contextual", "linear_bandit"),
        ("HiddenGoal", "gridworld", "hidden_goal"),
        ("RandomMDP", "tabular", "random_mdp"),
    ):
        if f"wayfare/{name}-v0" not in registry:
            register(
                id=f"wayfare/{name}-v0",
                entry_point=f"wayfare.worlds.single:{single}",
                vector_entry_point=f"wayfare.worlds.{home}:{name}",
            )


if find_spec("gymnasium") is not None:
    _register()
