"""TextWorld treasure hunts, played by remembered walks.

A game says what is to be found. The agent recalls one walk under that text. One that found the treasure it repeats,
command by command; of one that lost it avoids the last command; where that says nothing it walks at random, until its
commands are used up. The walk it took is remembered with how it ended. Rewards: 1 for the treasure, else 0. Everything
goes through a `Memory` in a file.

Source of the games: Cote et al. 2018, "TextWorld: A Learning Environment for Text-based Games" (arXiv 1806.11532), the
treasure hunter challenge: five rooms, two objects, the wrong one loses. Needs wayfare[textworld].
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import MissingExtra
from wayfare.memory import CreditRule, Memory, Policy
from wayfare.memory.policy import BASELINE, LEARNED
from wayfare.studies.memrl.arms import GREEDY, MEMRL, RANDOM
from wayfare.studies.memrl.cells import Report

__all__ = ["HUNTERS", "Game", "Hunter", "hunt", "installed", "play_hunts"]

LEVELS = (4, 6, 8, 10)
"""Of difficulty: walks of 2 to 5 commands in five rooms."""
IDLE = ("inventory", "look")
FOUND, LOST, TIRED = "found", "lost", "tired"
COPY = 0.9
"""How often the agent follows what it recalled."""


@dataclass(frozen=True)
class Hunter:
    """policy: of recall, None for no memory        success: only walks that won when they were written"""

    policy: Policy | None
    success: bool = False


HUNTERS = {
    "no memory": Hunter(None),
    "random candidate": Hunter(RANDOM),
    "similarity": Hunter(BASELINE),
    "success filter (written)": Hunter(BASELINE, success=True),
    "MemRL": Hunter(MEMRL),
    "library's mean": Hunter(GREEDY),
    "Thompson": Hunter(LEARNED),
}


class Game(Protocol):
    """A game that can be begun again and again."""

    objective: str

    def begin(self) -> list[str]:
        """What can be done at first."""
        ...

    def do(self, command: str) -> tuple[list[str], bool, bool]:
        """What can be done next, whether the game is over, whether it is won."""
        ...


def installed() -> bool:
    """Whether TextWorld is there."""
    return find_spec("textworld") is not None


def play_hunts(
    games: Sequence[Game], hunter: Hunter, *, passes: int, steps: int, seed: int, file: Path
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """[passes, games] whether the treasure was found, and the commands it took."""
    won, took = np.zeros((passes, len(games)), np.bool_), np.zeros((passes, len(games)), np.int64)
    walk, follows = Stream(seed, "walk"), Stream(seed, "follow")
    with Memory(
        file, policy=hunter.policy or BASELINE, credit_rule=CreditRule("uniform"), synchronous="NORMAL", seed=seed
    ) as memory:
        for turn in range(passes):
            for number, game in enumerate(games):
                place = turn * len(games) + number
                ended, script = "", list[str]()
                with memory.task(f"game {number} pass {turn}") as task:
                    if hunter.policy is not None:
                        recall = memory.recall(game.objective, k=1, tags=[FOUND] if hunter.success else None)
                        if recall and float(follows.uniform(place)) < COPY:
                            ended, _, said = recall.items[0].record.content.rpartition("\n")[2].partition(": ")
                            script = said.split("; ")
                    took[turn, number], end, walked = _attempt(game, ended, script, steps, walk, place)
                    won[turn, number] = end == FOUND
                    if hunter.policy is not None:
                        task.credit(float(end == FOUND))
                if hunter.policy is not None:
                    memory.remember(
                        f"{game.objective}\n{end}: {'; '.join(walked)}", kind="experience",
                        keys=[("intent", game.objective)], tags=[end],
                    )  # fmt: skip
    return won, took


def _attempt(
    game: Game, ended: str, script: Sequence[str], steps: int, walk: Stream, place: int
) -> tuple[int, str, list[str]]:
    """Commands taken, how it ended, and what was done. ended, script: of the walk recalled."""
    can, walked = game.begin(), list[str]()
    left = list(script) if ended == FOUND else []
    avoided = {script[-1]} if ended == LOST else set[str]()
    for step in range(steps):
        able = [command for command in can if command not in IDLE and command not in avoided] or list(can)
        if left and left[0] in able:
            command = left.pop(0)
        else:
            left = []
            command = able[int(float(walk.uniform(place, step)) * len(able))]
        walked.append(command)
        can, over, won = game.do(command)
        if over:
            return step + 1, FOUND if won else LOST, walked
    return steps, TIRED, walked


class _TextWorldGame:
    """A compiled treasure hunt."""

    def __init__(self, folder: Path, level: int, seed: int) -> None:
        try:
            textworld: Any = import_module("textworld")
            hunter: Any = import_module("textworld.challenges.tw_treasure_hunter.treasure_hunter")
        except ImportError:
            raise MissingExtra("treasure hunts", "textworld") from None
        options = textworld.GameOptions()
        options.seeds = seed
        made = hunter.make({"level": level}, options)
        options.path = str(folder / f"hunt-{level}-{seed}.z8")
        options.file_ext = ".z8"
        file = textworld.generator.compile_game(made, options)
        wanted = textworld.EnvInfos(objective=True, admissible_commands=True, won=True, lost=True)
        self._env = textworld.start(file, wanted)
        self.objective: str = " ".join(self._env.reset().objective.split())

    def begin(self) -> list[str]:
        return sorted(self._env.reset().admissible_commands)

    def do(self, command: str) -> tuple[list[str], bool, bool]:
        state, _, done = self._env.step(command)
        return sorted(state.admissible_commands), bool(done), bool(state.won)

    def close(self) -> None:
        self._env.close()


def hunt(report: Report, *, seed: int, games: int, passes: int, steps: int) -> Mapping[str, NDArray[Any]]:
    """All hunters on the games of one seed: "hunt NAME|won" and "|steps", [1, passes, games].

    Raises: MissingExtra without TextWorld.
    """
    folder = Path(mkdtemp())
    found: dict[str, NDArray[Any]] = {}
    made: list[_TextWorldGame] = []
    try:
        for i in range(games):
            made.append(_TextWorldGame(folder, LEVELS[i % len(LEVELS)], 1000 * seed + i))
        for done, (name, hunter) in enumerate(HUNTERS.items()):
            won, took = play_hunts(made, hunter, passes=passes, steps=steps, seed=seed, file=folder / f"{done}.db")
            found[f"hunt {name}|won"], found[f"hunt {name}|steps"] = won[None], took[None]
            report(done + 1, len(HUNTERS))
    finally:
        for game in made:
            game.close()
        shutil.rmtree(folder, ignore_errors=True)
    return found
