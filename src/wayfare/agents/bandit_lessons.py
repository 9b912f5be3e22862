"""What a language model can learn bandits from: the decisions of an algorithm that plays them well.

    played = teach(pull, arms=5, copies=20, horizon=50, seed=0, telling=telling)
    telling = replace(telling, examples=demonstrations(played, telling))        # five of them, in the prompt
    study(add_adapters(model), fine_tuning(played, telling), updates=500)       # all of them, to train on

A lesson is told as the player will be: same task text, same layer of history, same names. Where the telling is aloud
the answer works out the guide's index of every arm before it names one.

Sources: Nie et al. 2024 (arXiv 2410.06238), section on algorithm distillation; Chen et al. 2025 (arXiv 2509.24923) for
answers that are worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wayfare.agents.bandit_player import TEACHER, Demonstration, Played, Pull, Telling
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ActionRule, ArmTable
from wayfare.explore.rules.play import play
from wayfare.language.interface import Prompt
from wayfare.language.local import TransformersModel, encode
from wayfare.learn.checkpoint import Checkpoints
from wayfare.learn.supervised import Supervised
from wayfare.worlds.bandit_worked import worked

__all__ = ["demonstrations", "fine_tuning", "labelled", "study", "teach"]


def teach(
    pull: Pull, arms: int, copies: int, horizon: int, seed: int, telling: Telling, teacher: ActionRule = TEACHER
) -> Played:
    """A teacher in the same world, told in the same names; trajectories stand in the order of their copies."""
    found = play(teacher, pull, arms, copies, horizon, seed)
    full = np.ones(found.actions.shape, dtype=bool)
    return Played(found.actions, found.rewards, full, ~full, telling.names(arms, np.arange(copies), seed))


def demonstrations(
    played: Played, telling: Telling, copy: int = 0, *, skip: int = 2, every: int = 2, count: int = 5
) -> tuple[Demonstration, ...]:
    """Decisions of one trajectory: without the first `skip`, then every `every`-th, `count` of them (published: 2, 2,
    5). The layer is the telling's.

    Raises: BadValue for a copy that is not there, or a trajectory too short.
    """
    horizon, copies = played.actions.shape
    if not 0 <= copy < copies:
        raise BadValue("copy", copy, f"between 0 and {copies - 1}")
    last = skip + every * (count - 1)
    if count < 1 or every < 1 or skip < 0 or last >= horizon:
        raise BadValue("count", count, f"at least 1, and so few that decision {last} is one of {horizon}")
    return tuple(_decision(played, telling, copy, t) for t in range(skip, last + 1, every))


def fine_tuning(played: Played, telling: Telling, horizon: int | None = None) -> list[tuple[Prompt, str]]:
    """(prompt, answer) of every decision, trajectory by trajectory: what oracle fine-tuning learns from.

    horizon: as the task text tells it; None: the trajectory's

    Raises: BadValue for a telling that is aloud where the decisions are not those of its guide.
    """
    steps, copies = played.actions.shape
    found = []
    for copy in range(copies):
        for t in range(steps):
            one = _decision(played, telling, copy, t)
            said = _worked(played, telling, copy, t) if telling.aloud else one.answer
            prompt = telling.prompt(played.names[copy], horizon or steps, one.history)
            found.append((prompt, said if telling.chat else " " + said))
    return found


def labelled(tokenizer: Any, pairs: Sequence[tuple[Prompt, str]], end: int | None = None) -> tuple[Tensor, Tensor]:
    """(ids, labelled) [B, L] for `wayfare.learn.Supervised`: only the tokens of answers, and the end, are learned.

    tokenizer: of transformers        end: token behind each answer; None: the tokenizer's own, where it has one
    Prompt and answer are made into tokens apart, as they will be when the model is asked. Padding is on the right.

    Raises: BadValue for no pairs, an answer without a token, or a conversation where the tokenizer has no template.
    """
    if not pairs:
        raise BadValue("pairs", [], "at least one")
    end = tokenizer.eos_token_id if end is None else end
    rows, marks = [], []
    for number, (prompt, answer) in enumerate(pairs):
        before = encode(tokenizer, prompt)
        said = tokenizer.encode(answer, add_special_tokens=False) + ([end] if end is not None else [])
        if not said:
            raise BadValue(f"pairs[{number}]", answer, "an answer of at least one token")
        rows.append(before + said)
        marks.append([False] * len(before) + [True] * len(said))
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows], dtype=torch.int64)
    mask = torch.tensor([row + [False] * (length - len(row)) for row in marks], dtype=torch.bool)
    return ids, mask


def study(
    model: TransformersModel, pairs: Sequence[tuple[Prompt, str]], updates: int, *, seed: int = 0,
    learning_rate: float = 2e-4, batch: int = 8, rows: int | None = None,
    report: Callable[[int, dict[str, float]], None] | None = None, checkpoints: Checkpoints | None = None,
) -> list[float]:  # fmt: skip
    """Train what requires gradients, such as adapters, on answers drawn evenly with replacement; -> the losses here.

    seed: of the draws        batch: answers an update        rows: of them at once; None: all
    checkpoints: from which it goes on, and which it writes

    Raises: BadValue as `labelled` and `Supervised` do.
    """
    trainer = Supervised(model.causal, learning_rate, updates=updates)
    device = next(model.causal.parameters()).device

    def lessons(number: int) -> tuple[Tensor, Tensor]:
        chosen = Stream(seed, "lessons").integers(len(pairs), number, 0, np.arange(batch))
        ids, mask = labelled(model.tokenizer, [pairs[int(i)] for i in chosen])
        return ids.to(device), mask.to(device)

    def passed(done: int, found: dict[str, float]) -> None:
        if checkpoints is not None:
            checkpoints.passed(trainer)
        if report is not None:
            report(done, found)

    if checkpoints is not None:
        checkpoints.restore(trainer)
    return trainer.fit(lessons, updates, passed, rows=rows)


def _decision(played: Played, telling: Telling, copy: int, t: int) -> Demonstration:
    actions, rewards = played.actions[:t, copy].tolist(), played.rewards[:t, copy].tolist()
    names = played.names[copy]
    return Demonstration(
        telling.history(names, actions, rewards), telling.dress.query, names[int(played.actions[t, copy])]
    )


def _worked(played: Played, telling: Telling, copy: int, t: int) -> str:
    names, actions = played.names[copy], played.actions[:t, copy]
    counts = np.bincount(actions, minlength=len(names)).astype(np.float64)
    sums = np.bincount(actions, played.rewards[:t, copy], len(names))
    table = ArmTable(counts, sums, np.zeros_like(sums))
    value, bonus = telling.guide.value(table), telling.guide.bonus(table)
    return worked(names, counts, value, bonus, int(played.actions[t, copy]))
