"""The likeliest answer to held-out screens, token by token: is its first slot right, is any, how many does it name?

Each is told of hard and of easy intents: "list/hard/first" is the share of hard screens whose list begins with the
right slot. Both ways of asking are measured of every arm; an arm is judged by the one that it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from wayfare.language.causal import CausalModel
from wayfare.language.decoding import decode
from wayfare.language.sampler import Sampler
from wayfare.learn.grpo.rollout import left_padded
from wayfare.studies.infigui.asking import one_slot
from wayfare.worlds.verifiable.contract import Row, VerifiableTask
from wayfare.worlds.verifiable.icons import SLOT_WORDS

__all__ = ["MEASURES", "SPLITS", "asked_for_a_list", "asked_for_one"]

SPLITS = ("hard", "easy")
MEASURES = ("first", "any", "proposed")


def asked_for_a_list(model: CausalModel, task: VerifiableTask, rows: Sequence[Row]) -> dict[str, float]:
    """ "list/SPLIT/MEASURE"; proposed is a mean of slots."""
    return _told("list", model, task, rows, [row["prompt"] for row in rows])


def asked_for_one(model: CausalModel, task: VerifiableTask, rows: Sequence[Row]) -> dict[str, float]:
    """ "single/SPLIT/MEASURE"."""
    return _told("single", model, task, rows, [one_slot(row["prompt"]) for row in rows])


def _told(
    way: str, model: CausalModel, task: VerifiableTask, rows: Sequence[Row], prompts: Sequence[str]
) -> dict[str, float]:
    ids, valid = left_padded([model.encode(prompt) for prompt in prompts], model.pad)
    nothing = ids.new_zeros(len(ids)).double()  # no draw is looked at
    found = decode(model, ids, valid, task.max_completion, sampler=Sampler(0.0), uniforms=lambda position: nothing)
    lists = [model.decode(row[there].tolist()).split(" ") for row, there in zip(found.ids, found.mask, strict=True)]
    told = {}
    for split in SPLITS:
        some = [
            ([SLOT_WORDS.index(word) + 1 if word in SLOT_WORDS else 0 for word in words], row["target"])
            for words, row in zip(lists, rows, strict=True)
            if row["hard"] == (split == "hard")
        ]
        told[f"{way}/{split}/first"] = _mean([slots[0] == target for slots, target in some])
        told[f"{way}/{split}/any"] = _mean([target in slots for slots, target in some])
        told[f"{way}/{split}/proposed"] = _mean([len(slots) for slots, _ in some])
    return told


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else float("nan")
