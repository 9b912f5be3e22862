"""What tests of the trainer share: a decoder of ten digits, sums to be asked, and batches that are written by hand.

model        the decoder, untrained        rows, right    a data set whose first digit is the answer
trainer      over both, small              Gradients      one process that notes every gradient before it is clipped
batch_of     prompts and answers as tokens, with advantages, as the rest of the trainer sees them
Replay       an auxiliary source with a state: the last answers that were right, once more
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel
from wayfare.language.scoring import score
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.dataset import PromptSet
from wayfare.learn.grpo.experience import Experience, Parts
from wayfare.learn.grpo.processes import Alone
from wayfare.learn.grpo.rewards import RewardFunctions
from wayfare.learn.grpo.rollout import SingleTurn
from wayfare.learn.grpo.trainer import GRPO
from wayfare.learn.grpo.update import Updater
from wayfare.learn.rollouts import RolloutBatch

READER = WordReader([str(digit) for digit in range(10)])
PAD, END = READER.pad, READER.end


def model(seed: int = 0, spread: float = 1.0) -> NanoModel:
    """spread: what weights are multiplied by, for answers that are less alike"""
    net = Nano(len(READER), "xs", seed=seed)
    with torch.no_grad():
        net.embedding.weight.mul_(spread)
    return NanoModel(net, READER, context=64)


def rows(many: int = 20) -> list[dict[str, Any]]:
    return [{"prompt": f"{i % 10} {i // 10 % 10}" + " 7" * (i % 3), "target": str(i % 10)} for i in range(many)]


def right(completions: Sequence[str], target: Sequence[str], **_: Any) -> list[float]:
    return [float(text.split()[:1] == [wanted]) for text, wanted in zip(completions, target, strict=True)]


def even(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """Earned by half of all answers."""
    return [float(sum(ids) % 2 == 0) for ids in completion_ids]


SMALL: dict[str, Any] = {
    "generation_batch_size": 12, "num_generations": 4, "max_completion_length": 4, "learning_rate": 1e-3,
    "max_steps": 3, "lr_scheduler_type": "constant", "num_generations_eval": 4, "eval_ks": (1, 4),
}  # fmt: skip
OF_THE_CONFIG = frozenset(GRPOConfig.__dataclass_fields__)


def trainer(folder: Path | None = None, **told: Any) -> GRPO:
    """Settings and parts by their names."""
    settings = {name: told.pop(name) for name in list(told) if name in OF_THE_CONFIG}
    config = GRPOConfig(output_dir=None if folder is None else str(folder), **{**SMALL, **settings})
    told = {"model": model(), "reward_funcs": even, "train_dataset": rows(), **told}
    return GRPO(args=config, **told)


def experience(
    rewards: Any = even, data: Any = None, policy: Any = None, rollout: Any = None, **told: Any
) -> Experience:
    """The part of a trainer that makes a step's rows."""
    settings = {name: told.pop(name) for name in list(told) if name in OF_THE_CONFIG}
    made = GRPOConfig(**{**SMALL, **settings})
    parts = Parts(SingleTurn() if rollout is None else rollout, **told)
    prompts = PromptSet(rows() if data is None else data, transform=parts.transform)
    return Experience(model() if policy is None else policy, prompts, RewardFunctions(rewards), made, parts, Alone())


class Gradients(Alone):
    """seen: one flat gradient an optimiser step"""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def clip(self, parameters: Sequence[Tensor], largest: float) -> float:
        self.seen.append(torch.cat([each.grad.flatten().clone() for each in parameters if each.grad is not None]))
        return super().clip(parameters, largest)


def gradient(batch: RolloutBatch, policy: Any = None, *, step: int = 0, **told: Any) -> Tensor:
    """Of one optimiser step over these rows."""
    seen, names = Gradients(), ("reference", "regularisers")
    parts = {name: told.pop(name) for name in names if name in told}
    config = GRPOConfig(**{**SMALL, "generation_batch_size": 64, **told})
    updater = Updater(model() if policy is None else policy, config, seen, total=10, **parts)
    updater.update(updater.prepared(batch), step)
    return seen.seen[0]


def batch_of(
    policy: Any, told: Sequence[tuple[Sequence[int], Sequence[int]]], advantages: Sequence[float], **others: Any
) -> RolloutBatch:
    """told: (prompt, answer) as tokens"""
    width, length = max(len(prompt) for prompt, _ in told), max(len(answer) for _, answer in told)
    mask = torch.tensor([[t < len(answer) for t in range(length)] for _, answer in told])
    numbers = torch.arange(len(told))
    fields: dict[str, Any] = {
        "prompt_ids": torch.tensor([[PAD] * (width - len(prompt)) + list(prompt) for prompt, _ in told]),
        "prompt_mask": torch.tensor([[t >= width - len(prompt) for t in range(width)] for prompt, _ in told]),
        "completion_ids": torch.tensor([list(answer) + [PAD] * (length - len(answer)) for _, answer in told]),
        "completion_mask": mask, "loss_mask": mask.float(), "group_id": numbers // 2, "trajectory": numbers,
        "turn": torch.zeros_like(numbers), "behaviour_logps": torch.zeros(len(told), length),
        "old_logps": torch.zeros(len(told), length), "truncated": torch.zeros(len(told), dtype=torch.bool),
        "advantages": torch.tensor(advantages),
    }  # fmt: skip
    batch = RolloutBatch(**{**fields, **others})
    ids, valid = batch.sequences()
    with torch.no_grad():
        logps = torch.where(mask, score(policy, ids, valid, length).logps, 0.0)
    return RolloutBatch(**{**fields, "old_logps": logps, "behaviour_logps": logps, **others})


def drawn_rows(policy: Any, many: int = 6, seed: int = 0, **others: Any) -> RolloutBatch:
    """Prompts and answers of unequal lengths, advantages of either sign."""
    draws = torch.Generator().manual_seed(seed)

    def some(low: int, high: int) -> list[int]:
        length = int(torch.randint(low, high + 1, (), generator=draws))
        return torch.randint(3, len(READER), (length,), generator=draws).tolist()

    told = [(some(1, 4), [*some(0, 4), END]) for _ in range(many)]
    signs = torch.tensor([(-1.0) ** row for row in range(many)])
    gains = (0.2 + torch.rand(many, generator=draws)) * signs
    return batch_of(policy, told, gains.tolist(), **others)


class Replay:
    """Keeps the rows of the last steps that earned something, and gives them back every second step."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def update(self, batch: RolloutBatch) -> None:
        assert batch.reward is not None and batch.advantages is not None
        good = (batch.advantages > 0).nonzero().flatten()[:3]
        if len(good):
            found = batch.rows(good)
            told = {name: getattr(found, name) for name in batch.__dataclass_fields__}
            self.kept = {name: value for name, value in told.items() if isinstance(value, Tensor)}

    def sample(self, step: int) -> tuple[RolloutBatch, float] | None:
        return (RolloutBatch(**self.kept), 0.5) if self.kept and step % 2 else None

    def state_dict(self) -> dict[str, Any]:
        return {"kept": dict(self.kept)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.kept = dict(state["kept"])


def weights(policy: Any) -> Tensor:
    return torch.cat([each.detach().flatten() for each in policy.module.parameters()]).clone()
