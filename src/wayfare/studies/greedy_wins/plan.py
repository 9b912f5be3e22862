"""What the study runs, as cells: tuning, then the simple players, then the agents seed by seed."""

from __future__ import annotations

from typing import Any

from wayfare.agents.meta_bandit import Reward
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.greedy_wins import Config
from wayfare.studies.greedy_wins.cells import ALPHAS, EPSILONS, agents, players, tune

__all__ = ["agent_cells", "player_cells", "tuned", "tuning_cell"]

Reinforced = tuple[tuple[str, Reward, float], ...]

FIRST: Reinforced = (
    ("RL-original", "original", 1.0),
    ("RL-strategic", "strategic", 1.0),
    ("RL-algorithmic", "algorithmic", 0.0),
)
SECOND: Reinforced = (("RL-strategic, gamma 0", "strategic", 0.0), ("RL-original, gamma 0.9", "original", 0.9))
"""An agent's name, reward and discount. Two cells a seed, about equally long: the generalist is trained in both."""


def tuning_cell(config: Config) -> Cell:
    """The simple players on other seeds."""
    kwargs = {"setting": _setting(config), "replicas": config.tuning_replicas}
    return Cell("tuning", tune, seconds=14 * config.long * 1e-3 * (1 + config.tuning_replicas / 1000), kwargs=kwargs)


def tuned(found: Arrays) -> dict[str, float]:
    """alpha and epsilon of least regret at the training length, late_alpha at the long one."""
    ucb, epsilon = found["tuning|UCB|regret"], found["tuning|epsilon|regret"]
    return {
        "alpha": ALPHAS[int(ucb[:, 0].argmin())], "late_alpha": ALPHAS[int(ucb[:, 1].argmin())],
        "epsilon": EPSILONS[int(epsilon[:, 0].argmin())],
    }  # fmt: skip


def player_cells(config: Config, chosen: dict[str, float]) -> list[Cell]:
    """One cell for all simple players."""
    kwargs = {"setting": _setting(config), "seeds": _seeds(config), **chosen}
    return [Cell("players", players, seconds=config.seeds * 18 * config.long * 1e-3, kwargs=kwargs)]


def agent_cells(config: Config, alpha: float) -> list[Cell]:
    """Two cells a seed."""
    cells = []
    rollout = config.turns * config.instances * config.group * config.width * 6e-7
    for seed in _seeds(config):
        common: dict[str, Any] = {
            "setting": _setting(config), "seed": seed, "alpha": alpha, "width": config.width,
            "pretrain": (config.generalist_updates, config.learning_rate),
            "updates": (config.reinforcement_updates, config.reinforcement_rate),
            "instances": config.instances, "group": config.group,
        }  # fmt: skip
        for part, imitation, reinforced, batches in (
            ("a", 0, FIRST, config.batches),
            ("b", config.imitation_updates, SECOND, 0),
        ):
            work = 0.5 * (config.generalist_updates + imitation) + config.reinforcement_updates * len(reinforced)
            kwargs = {**common, "imitation": imitation, "reinforced": reinforced, "batches": batches}
            cells.append(Cell(f"seed-{seed}-{part}", agents, seconds=rollout * (work + batches) + 1, kwargs=kwargs))
    return cells


def _setting(config: Config) -> dict[str, int]:
    return {"arms": config.arms, "turns": config.turns, "long": config.long, "replicas": config.replicas}


def _seeds(config: Config) -> list[int]:
    return list(range(config.seed, config.seed + config.seeds))
