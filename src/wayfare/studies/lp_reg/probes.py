"""How likely WAIT, junk and the end are behind a finished attempt at held-out problems, as the policy reads it.

A wrong attempt is a legal trace of the problem's numbers with another result, the same one whenever it is asked; a
right one is the task's own.

    "wait/wrong", "wait/right"    mean chance of WAIT        "log wait/wrong"    mean of its logarithm
    "junk/wrong"    mean chance of the four junk words together        "end/right"    of the end
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.language.causal import CausalModel
from wayfare.learn.grpo.rollout import left_padded
from wayfare.worlds.verifiable.contract import Row, VerifiableTask
from wayfare.worlds.verifiable.second_thoughts import JUNK, WAIT

__all__ = ["behind_attempts", "wrong_attempt"]

TRIES = 64


def behind_attempts(model: CausalModel, task: VerifiableTask, rows: Sequence[Row]) -> dict[str, float]:
    """See the module; problems whose every trace is right are left out of 'wrong'."""
    wrong = [(row["prompt"], said) for row in rows if (said := wrong_attempt(task, row)) is not None]
    behind = _chances(model, wrong)
    after = _chances(model, [(row["prompt"], task.oracle(row)) for row in rows])
    wait, junk = model.encode(WAIT)[-1], [model.encode(word)[-1] for word in JUNK]
    return {
        "wait/wrong": float(behind[:, wait].exp().mean()),
        "log wait/wrong": float(behind[:, wait].mean()),
        "junk/wrong": float(behind[:, junk].exp().sum(dim=1).mean()),
        "wait/right": float(after[:, wait].exp().mean()),
        "end/right": float(after[:, list(model.ends)].exp().sum(dim=1).mean()),
    }


def wrong_attempt(task: VerifiableTask, row: Row) -> str | None:
    """A legal trace with another result; None where none was found."""
    stream = Stream(0, "wrong attempts")
    for turn in range(TRIES):
        said = task.floor(row, stream.at(row["index"], turn))
        if not task.reward(prompts=[row["prompt"]], completions=[said], numbers=[row["numbers"]], goal=[row["goal"]])[
            0
        ]:
            return said
    return None


def _chances(model: CausalModel, said: Sequence[tuple[str, str]]) -> Tensor:
    """[N, V] log-probabilities behind each prompt and completion."""
    ids, valid = left_padded([model.encode(f"{prompt} {text}") for prompt, text in said], model.pad)
    with torch.no_grad():
        logits, _ = model.begin(ids, valid, 1)
    return logits.float().log_softmax(dim=-1)
