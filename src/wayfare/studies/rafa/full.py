"""Scale `full`: a real model plays Game of 24, BlocksWorld and Tic-Tac-Toe with the real prompts.

The cost is estimated before anything is asked: tasks, most calls a task, and the length of the longest first prompt.
RAFA is compared with the same model without looking ahead (depth 1) and without memory, on the same tasks and with the
same number of calls. `--model tiny-random` runs all of it without a download and shows nothing. A table, no claim
checks: how well one model plays is not the paper's claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.rafa_text import Speak, TextRoles, play_text
from wayfare.language import EndpointModel, LanguageModel, Sampling, TransformersModel
from wayfare.memory.transitions import Transitions
from wayfare.studies.contract import Cell, Check, Findings, Progress, Report, Table
from wayfare.studies.rafa import Config
from wayfare.studies.rafa.games import GAMES

__all__ = ["LOOPS", "estimate", "play_game", "run_full", "speaker"]

LOOPS = {"RAFA": (2, True), "one step ahead": (1, True), "no memory": (2, False)}
"""name -> (depth, whether memory is kept between tasks and attempts)."""
ANSWER = 160
CHARACTERS_A_TOKEN = 3.5
TOLD = ("reward", "steps", "asked", "characters", "unread", "fallbacks", "refreshes")


def speaker(model: str, endpoint: str = "", device: str = "cpu", ledger: Path | None = None) -> Speak:
    """A model by name, here or behind an OpenAI-compatible endpoint, at temperature 0.

    ledger: where an endpoint's answers are kept, so that an interrupted run pays for none of them twice

    Raises: MissingExtra without the client; BadValue for a model that cannot be loaded.
    """
    sampling = Sampling(temperature=0.0, max_tokens=ANSWER)
    net: LanguageModel = (
        EndpointModel(endpoint, model, ledger=ledger) if endpoint else TransformersModel(model, device=device)
    )
    return lambda prompt: net.generate([[{"role": "user", "content": prompt}]], sampling).texts[0]


def estimate(config: Config) -> dict[str, float]:
    """Most calls, and about how many tokens they read and write; nothing is asked for it."""
    calls = config.seeds * config.puzzles * config.calls_a_task * len(GAMES) * len(LOOPS)
    longest = 0
    for make in GAMES.values():
        game: Any = make(1)
        roles = TextRoles(game, lambda prompt: "")
        buffer, state = Transitions(), game.begin(0)
        for _ in range(12):  # a full memory
            move = game.legal(state)[0]
            buffer.remember(state, move, game.step(state, move)[0], 0.0)
        question = "\n".join(game.legal(state)[:40])
        longest = max(longest, len(roles.prompt(state, buffer.snapshot(), question)))
    return {
        "calls": float(calls),
        "tokens read": calls * longest / CHARACTERS_A_TOKEN,
        "tokens written": float(calls * ANSWER),
    }


def play_game(
    report: Report,
    *,
    game: str,
    loop: str,
    seed: int,
    tasks: int,
    calls: int,
    model: str,
    endpoint: str = "",
    device: str = "cpu",
) -> Mapping[str, NDArray[Any]]:
    """Tasks of a game by one loop: [tasks] of each number in TOLD."""
    depth, remembers = LOOPS[loop]
    played: Any = GAMES[game](tasks, seed)
    roles = TextRoles(
        played, speaker(model, endpoint, "cpu" if device == "auto" else device, report.scratch / "calls.jsonl")
    )
    buffer, rows = Transitions(most=200), []
    for task in range(tasks):
        memory = buffer if remembers else Transitions("surprises", most=1)
        attempts = 3 if remembers else 1
        result = play_text(played, roles, task, calls=calls, depth=depth, buffer=memory, attempts=attempts, seed=seed)
        rows.append([float(getattr(result, name)) for name in TOLD])
        report(task + 1, tasks, reward=rows[-1][0])
    table = np.array(rows)
    return {f"{game} {loop}|{name}": table[None, :, i] for i, name in enumerate(TOLD)}


def run_full(config: Config, progress: Progress) -> Findings:
    """The estimate, then the games."""
    cost = estimate(config)
    cells = [
        Cell(
            f"{game}-{loop.replace(' ', '-')}-{seed}", play_game, seconds=float(config.puzzles * config.calls_a_task),
            kwargs={
                "game": game, "loop": loop, "seed": seed, "tasks": config.puzzles, "calls": config.calls_a_task,
                "model": config.model, "endpoint": config.endpoint, "device": config.device,
            },
        )
        for game in GAMES for loop in LOOPS for seed in range(config.seed, config.seed + config.seeds)
    ]  # fmt: skip
    told = ", ".join(f"{value:,.0f} {name}" for name, value in cost.items())
    print(f"at most {told}", flush=True)
    found = progress.cells(cells)
    rows = []
    for game in GAMES:
        for loop in LOOPS:
            parts = [arrays for arrays in found.values() if f"{game} {loop}|reward" in arrays]
            of = {name: np.concatenate([part[f"{game} {loop}|{name}"] for part in parts]) for name in TOLD}
            rows.append((game, loop, of["reward"].size, float(100 * (of["reward"] == 1).mean()),
                         *(float(of[name].mean()) for name in TOLD[1:])))  # fmt: skip
    reason = "one model's play is no check of the claim"
    gate = Check(
        "answers are read", "Answers of the model can be read", "instrument", None, None, None, "above", 0.5, "share",
        config.seeds, "none", reason=reason,
    )  # fmt: skip
    columns = ("game", "loop", "tasks", "solved %", *(f"{name} a task" for name in TOLD[1:]))
    return Findings(
        tables={"games": Table("games by a real model", columns, tuple(rows))},
        figures=(),
        checks=(gate,),
        notes=[
            f"Model: {config.model}{' at ' + config.endpoint if config.endpoint else ''}. Estimated before: {told}.",
            "The verdict of the study comes from its laptop scale.",
        ],
    )
