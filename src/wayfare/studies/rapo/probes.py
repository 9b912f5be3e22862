"""How likely a policy is to write `*` behind the first number of a problem, as long as it is asked for no other word.

"star/within"   mean over problems that can be solved without it        "star/beyond"   over those that cannot
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from wayfare.language.causal import CausalModel
from wayfare.learn.grpo.rollout import left_padded
from wayfare.worlds.verifiable.contract import Row, VerifiableTask

__all__ = ["star"]


def star(model: CausalModel, task: VerifiableTask, rows: Sequence[Row]) -> dict[str, float]:
    """See the module; NaN where no problem is of the kind."""
    begun = [model.encode(f"{row['prompt']} {row['numbers'][0]}") for row in rows]
    ids, valid = left_padded(begun, model.pad)
    with torch.no_grad():
        logits, _ = model.begin(ids, valid, 1)
    chance = logits.float().softmax(dim=-1)[:, model.encode("*")[-1]]
    needs = torch.tensor([bool(row["needs_times"]) for row in rows])
    return {"star/within": float(chance[~needs].mean()), "star/beyond": float(chance[needs].mean())}
