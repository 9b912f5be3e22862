"""What is measured of a model beside its answers: functions (model, task, rows) -> {name: number}.

`train_arm` takes them by address and calls them at every evaluation; another way to evaluate is a probe as well.

    greedy        is the likeliest answer right?
"""

from __future__ import annotations

from collections.abc import Sequence

from wayfare.language.causal import CausalModel
from wayfare.language.decoding import decode
from wayfare.language.sampler import Sampler
from wayfare.learn.grpo.rollout import left_padded
from wayfare.worlds.verifiable.contract import Row, VerifiableTask

__all__ = ["greedy"]


def greedy(model: CausalModel, task: VerifiableTask, rows: Sequence[Row]) -> dict[str, float]:
    """right greedily: share of prompts whose likeliest answer, token by token, earns 1 at least."""
    ids, valid = left_padded([model.encode(row["prompt"]) for row in rows], model.pad)
    nothing = ids.new_zeros(len(ids)).double()  # no draw is looked at
    found = decode(model, ids, valid, task.max_completion, sampler=Sampler(0.0), uniforms=lambda position: nothing)
    texts = [model.decode(row[there].tolist()) for row, there in zip(found.ids, found.mask, strict=True)]
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
    paid = task.reward(prompts=[row["prompt"] for row in rows], completions=texts, **columns)
    return {"right greedily": sum(each >= 1 for each in paid) / len(paid)}
