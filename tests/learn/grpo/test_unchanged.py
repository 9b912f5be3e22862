"""What a part is shown stays as it is: one that writes into it, by torch or through NumPy, is named with the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.learn.grpo.small import trainer
from wayfare.errors import BadValue
from wayfare.learn.grpo.bonuses import CopyBonus
from wayfare.learn.rollouts import RolloutBatch


class Writes:
    """Every call of it writes into `place` of what it is shown, and gives what it may."""

    def __init__(self, place: str, through_numpy: bool = False) -> None:
        self.place, self.through_numpy = place, through_numpy

    def write(self, shown: RolloutBatch) -> None:
        wanted = getattr(shown, self.place)
        if self.through_numpy:
            wanted.numpy()[0] = 7
        else:
            wanted[0] = 7

    def allocate(self, keys: Tensor, total: int) -> Tensor:
        keys[0] = 7
        return torch.full_like(keys, total // len(keys))

    def features(self, policy: Any, batch: RolloutBatch) -> Tensor:
        self.write(batch)
        return torch.ones(len(batch), 2)

    def score(self, batch: RolloutBatch) -> Tensor:
        self.write(batch)
        return torch.zeros(len(batch))

    def combine(self, extrinsic: Tensor, bonus: Tensor, group_id: Tensor, step: int) -> Tensor:
        extrinsic += bonus + 1.0
        return extrinsic

    def keep(self, batch: RolloutBatch) -> Tensor:
        self.write(batch)
        return torch.ones(len(batch), dtype=torch.bool)


class Pulls(Writes):
    """A regulariser that writes where it prepares."""

    requires = frozenset[str]()

    def prepare(self, batch: RolloutBatch, forward: Any) -> dict[str, Tensor]:
        self.write(batch)
        return {}

    def apply(self, loss: Tensor, context: Any) -> Tensor:
        return loss


class Learns:
    """A bonus that writes into what it is to remember."""

    def score(self, batch: RolloutBatch) -> Tensor:
        return torch.zeros(len(batch))

    def update(self, batch: RolloutBatch) -> None:
        assert batch.advantages is not None
        batch.advantages.zero_()


@pytest.mark.parametrize(("parts", "said"), [
    ({"bonus": Writes("extrinsic")}, r"bonus must be .* a clone of it, got 'Writes, which wrote into batch.extrinsic'"),
    ({"bonus": Writes("extrinsic", through_numpy=True)}, r"bonus .*batch.extrinsic'"),
    ({"bonus": Writes("completion_ids")}, r"bonus .*batch.completion_ids'"),
    ({"bonus": Writes("features"), "features": Writes("turn")}, r"features .*batch.turn'"),
    ({"shaper": Writes(""), "bonus": CopyBonus()}, r"shaper .*batch.extrinsic'"),
    ({"row_filter": Writes("reward")}, r"row_filter .*batch.reward'"),
    ({"budget": Writes("")}, r"budget .*wrote into keys'"),
    ({"regularisers": [Pulls("old_logps")]}, r"regularisers .*'Pulls, which wrote into batch.old_logps'"),
    ({"bonus": Learns()}, r"bonus must be .*got 'Learns, which wrote into batch.advantages'"),
])  # fmt: skip
def test_a_part_that_writes_into_what_it_is_shown_is_named(parts: dict[str, Any], said: str) -> None:
    def some(completions: Sequence[str], **_: Any) -> list[float | None]:
        return [None, *[float(n % 3) for n in range(1, len(completions))]]

    with pytest.raises(BadValue, match=said):
        trainer(reward_funcs=some, **parts).advance()
