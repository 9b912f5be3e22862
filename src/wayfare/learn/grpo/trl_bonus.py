"""A bonus as a reward function inside TRL's own trainer, its memory written when an optimiser's step is over.

    novel = bonus_reward(bonus, weight=0.1)
    trainer = GRPOTrainer(model, reward_funcs=[correct, novel], ...)
    novel.attach(trainer)

A reward function of TRL is told texts and tokens, and neither whether it is training nor when a step ends: `attach`
tells it. What a bonus can read is what is there then: prompts, answers, their tokens, groups (rows of equal prompt) and
features; log-probabilities are NaN and the other rewards are not there. Bonuses that need those, and shapers and
advantages, are served by `wayfare.learn.grpo.trl_trainer`.

All that was scored since the last step is written at its end, as one batch, by every process the rows of all of them.
In evaluation answers are scored and never written. Memories are part of TRL's checkpoints, as `wayfare.pt`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.interface import Prompt
from wayfare.language.local import TransformersModel
from wayfare.learn.grpo.rewards import callable_name
from wayfare.learn.grpo.seams import Bonus, Features
from wayfare.learn.rollouts import RolloutBatch, joined

__all__ = [
    "BonusReward",
    "StepMemory",
    "answer_text",
    "bonus_reward",
    "bonus_scores",
    "gathered",
    "told_batch",
    "with_features",
]

FILE = "wayfare.pt"


def bonus_reward(
    bonus: Bonus, features: Features | None = None, weight: float = 1.0, name: str = "bonus"
) -> BonusReward:
    """bonus as one of `reward_funcs` of TRL's trainer; see `BonusReward`."""
    return BonusReward(bonus, features, weight, name)


class BonusReward:
    """weight times the bonus of each answer.

    features: what makes `batch.features`, of the trainer's own model; None: a bonus that needs none
    name:     as TRL logs it

    Raises: BadValue when called without having been attached, or for a bonus that is no finite number a row.
    """

    def __init__(self, bonus: Bonus, features: Features | None, weight: float, name: str) -> None:
        if not callable(getattr(bonus, "score", None)):
            raise BadValue("bonus", type(bonus).__name__, "one with `score(batch)`")
        self.bonus, self.features, self.weight, self.__name__ = bonus, features, float(weight), name
        self._memory = StepMemory({"bonus": bonus, "features": features})
        self._trainer: Any = None

    def attach(self, trainer: Any) -> BonusReward:
        """Bind to a trainer that has it among its reward functions; a second trainer takes the place of the first.

        Raises: BadValue for a trainer that has not; MissingExtra without `transformers`.
        """
        if not any(each is self for each in getattr(trainer, "reward_funcs", ())):
            raise BadValue("trainer", type(trainer).__name__, "one that has this bonus among its reward_funcs")
        if trainer is not self._trainer:
            self._memory.follow(trainer)
            self._trainer = trainer
            self._model = TransformersModel(trainer.accelerator.unwrap_model(trainer.model), trainer.processing_class)
        return self

    def __call__(
        self,
        *,
        prompts: Sequence[Prompt],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        **told: Any,
    ) -> list[float]:
        """As TRL calls a reward function."""
        if self._trainer is None:
            raise BadValue(f"reward function {self.__name__!r}", "unattached", "attached: call `attach(trainer)` first")
        accelerator = self._trainer.accelerator
        own = list(zip(prompts, completions, completion_ids, strict=True))
        everyone = gathered(own, accelerator)
        batch = told_batch(
            self._model,
            prompts=[prompt for prompt, _, _ in everyone],
            completions=[completion for _, completion, _ in everyone],
            completion_ids=[ids for _, _, ids in everyone],
            step=int(self._trainer.state.global_step),
        )
        batch = with_features(batch, self.features, self._model)
        batch = replace(batch, bonus=bonus_scores(self.bonus, batch))
        if self._trainer.model.training:
            self._memory.add(batch)
        first = accelerator.process_index * len(own)
        rewards = self.weight * batch.bonus[first : first + len(own)]  # type: ignore[index]
        return list(rewards.tolist())

    def state_dict(self) -> dict[str, Any]:
        """What the parts hold; TRL's checkpoints have it without being asked."""
        return self._memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        self._memory.load_state_dict(state)


class StepMemory:
    """What was scored since the optimiser's last step, and the parts that are told of it when the step is over.

    parts: by name; those with `update`, `state_dict` are asked for it, None and others are passed over
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = dict(parts)
        self.pending: list[RolloutBatch] = []
        self._loaded = False

    def add(self, batch: RolloutBatch) -> None:
        """To be written at the end of the step."""
        self.pending.append(batch)

    def write(self) -> None:
        """Tell every part with `update` of all that is pending, as one batch; nothing where nothing is."""
        if not self.pending:
            return
        shifted, groups, rows = [], 0, 0
        for batch in self.pending:
            group, trajectory = batch.group_id + groups, batch.trajectory + rows
            shifted.append(replace(batch, group_id=group, trajectory=trajectory))
            groups, rows = groups + batch.groups, rows + len(batch)
        self.pending = []
        whole = joined(shifted)
        for part in self.parts.values():
            if callable(getattr(part, "update", None)):
                part.update(whole)

    def state_dict(self) -> dict[str, Any]:
        """By name, of the parts that have a state."""
        return {name: part.state_dict() for name, part in self.parts.items() if hasattr(part, "state_dict")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises: BadValue for a state of other parts."""
        mine = [name for name, part in self.parts.items() if hasattr(part, "load_state_dict")]
        if set(mine) != set(state):
            raise BadValue("state", sorted(state), f"of the parts {', '.join(sorted(mine)) or 'without any'}")
        for name in mine:
            self.parts[name].load_state_dict(state[name])
        self._loaded = True

    def follow(self, trainer: Any) -> None:
        """Write, save and load with the steps and checkpoints of a `transformers` trainer. Raises: MissingExtra."""
        try:
            from transformers import TrainerCallback
        except ImportError:
            raise MissingExtra("bonuses inside TRL's trainer", "lm") from None
        memory = self

        class Steps(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **told: Any) -> None:
                memory.pending = []
                if state.global_step and not memory._loaded and memory.state_dict():
                    memory.load(_checkpoint(args, state))
                memory._loaded = False

            def on_step_end(self, args: Any, state: Any, control: Any, **told: Any) -> None:
                memory.write()

            def on_save(self, args: Any, state: Any, control: Any, **told: Any) -> None:
                if state.is_world_process_zero and memory.state_dict():
                    memory.save(_checkpoint(args, state))

        trainer.add_callback(Steps())

    def save(self, folder: Path) -> None:
        """Into a folder, written aside and renamed."""
        aside = folder / f"{FILE}.part"
        torch.save(self.state_dict(), aside)
        aside.replace(folder / FILE)

    def load(self, folder: Path) -> None:
        """From a folder. Raises: BadValue where there is none: a memory that starts anew is not the run's."""
        if not (folder / FILE).exists():
            raise BadValue(
                "resume_from_checkpoint", str(folder / FILE), "a checkpoint with its memories, or load_state_dict first"
            )
        self.load_state_dict(torch.load(folder / FILE, map_location="cpu", weights_only=True))


def told_batch(
    model: TransformersModel,
    *,
    prompts: Sequence[Prompt],
    completions: Sequence[Any],
    completion_ids: Sequence[Sequence[int]],
    step: int,
    prompt_ids: Sequence[Sequence[int]] | None = None,
    group_id: Tensor | None = None,
) -> RolloutBatch:
    """What TRL tells of answers as a batch, on the CPU; log-probabilities are NaN, since it does not tell them.

    prompt_ids: of each prompt; None: as the model's tokenizer reads it        group_id: [B]; None: by equal prompts
    `prompt_key` is a number made from the prompt's text, the same in every step and run.
    """
    names = [json.dumps(prompt, sort_keys=True, default=str) for prompt in prompts]
    if group_id is None:
        numbers: dict[str, int] = {}
        group_id = torch.tensor([numbers.setdefault(name, len(numbers)) for name in names])
    if prompt_ids is None:
        read = {name: model.encode(prompt) for name, prompt in zip(names, prompts, strict=True)}
        prompt_ids = [read[name] for name in names]
    before, before_mask = _rows(prompt_ids, model.pad, left=True)
    after, mask = _rows(completion_ids, model.pad, left=False)
    unknown = torch.zeros(mask.shape).masked_fill(mask, torch.nan)
    rows = torch.arange(len(names))
    return RolloutBatch(
        prompt_ids=before, prompt_mask=before_mask, completion_ids=after, completion_mask=mask, loss_mask=mask.float(),
        group_id=group_id, trajectory=rows, turn=torch.zeros_like(rows), behaviour_logps=unknown, old_logps=unknown,
        truncated=torch.tensor([not ids or ids[-1] not in model.ends for ids in map(list, completion_ids)]),
        prompt_key=torch.tensor([_key(name) for name in names]), born_step=torch.full_like(rows, step),
        prompts=tuple(prompts), texts=tuple(answer_text(each) for each in completions),
    )  # fmt: skip


def bonus_scores(bonus: Bonus, batch: RolloutBatch) -> Tensor:
    """[B] float32. Raises: BadValue for another number of scores, or one that is not finite."""
    found = torch.as_tensor(bonus.score(batch), dtype=torch.float32).detach().cpu()
    if found.shape != (len(batch),) or not bool(found.isfinite().all()):
        what = list(found.shape) if found.shape != (len(batch),) else float(found[~found.isfinite()][0])
        raise BadValue(f"bonus of {callable_name(bonus)}", what, f"{len(batch)} finite numbers, one a row")
    return found


def answer_text(completion: Any) -> str:
    """A completion as TRL tells it, as a text: of messages, what the assistant said."""
    if isinstance(completion, str):
        return completion
    said = [message.get("content") for message in completion if message.get("role", "assistant") == "assistant"]
    return "\n".join(content for content in said if isinstance(content, str))


def with_features(batch: RolloutBatch, features: Features | None, model: TransformersModel) -> RolloutBatch:
    """The batch with its features, made where the model lies."""
    if features is None:
        return batch
    device = next(model.module.parameters()).device
    return replace(batch, features=features.features(model, batch.to(device)).detach().float().cpu())


def gathered(own: list[Any], accelerator: Any) -> list[Any]:
    """Of all processes, in the order of their ranks."""
    if accelerator.num_processes == 1:
        return own
    from accelerate.utils import gather_object

    gather: Callable[[list[Any]], list[Any]] = gather_object
    return gather(own)


def _rows(rows: Sequence[Sequence[int]], pad: int, *, left: bool) -> tuple[Tensor, Tensor]:
    """[B, L] int64, and bool where there is a token; at least one column."""
    width = max(1, *(len(row) for row in rows))
    ids = torch.full((len(rows), width), pad, dtype=torch.int64)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for number, row in enumerate(rows):
        where = slice(width - len(row), width) if left else slice(len(row))
        ids[number, where] = torch.as_tensor(row, dtype=torch.int64)
        mask[number, where] = True
    return ids, mask


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"
