"""TRL's own trainer with our advantages, bonuses and shapers, for who stays with it.

    trainer = SeamedGRPOTrainer(
        model, reward_funcs=[correct], args=GRPOConfig(...), train_dataset=data,
        advantage=LeaveOneOut(), bonus=bonus, features=features, shaper=shaper,
    )

TRL generates, calls the rewards and makes its loss; two of its methods are wrapped, through `super()`:

    _calculate_rewards               the gathered rewards are kept on their way
    _generate_and_score_completions  its `advantages` are replaced by those made of reward and bonus

so a step is: answers, rewards, features, bonus, shaper, advantage, TRL's loss and optimiser, memories. Without any part
the trainer is TRL's, number by number. Groups are TRL's, consecutive rows. Evaluation is TRL's, untouched. Every
process holds the same memories: each scores the rows of all. Ragged budgets and regularisers are not offered here.

Source: TRL 1.16 (`trl.GRPOTrainer`), for which this is pinned.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.local import TransformersModel
from wayfare.learn.grpo.advantages import GroupRelative
from wayfare.learn.grpo.seams import Advantage, Bonus, Features, Shaper
from wayfare.learn.grpo.trl_bonus import StepMemory, bonus_scores, gathered, told_batch, with_features
from wayfare.learn.rollouts import RolloutBatch

try:
    from trl.trainer.grpo_trainer import GRPOTrainer
except ImportError:
    raise MissingExtra("the subclass of TRL's trainer", "trl") from None

__all__ = ["WRAPPED", "SeamedGRPOTrainer", "check_signatures"]

WRAPPED = {
    "_calculate_rewards": ("self", "inputs", "prompts", "completions", "completion_ids_list"),
    "_generate_and_score_completions": ("self", "inputs"),
}
"""What is overridden, with its parameters."""


def check_signatures(trainer: type) -> None:
    """Raises: BadValue that names the first method of `WRAPPED` which a version of TRL has not, or has otherwise."""
    for name, expected in WRAPPED.items():
        method = getattr(trainer, name, None)
        found = tuple(inspect.signature(method).parameters) if callable(method) else ()
        if found != expected:
            raise BadValue(
                f"trl's {trainer.__name__}.{name}", f"({', '.join(found)})" if method else "absent",
                f"a method of ({', '.join(expected)}), as in TRL 1.16: pip install 'wayfare[trl]'",
            )  # fmt: skip


class SeamedGRPOTrainer(GRPOTrainer):
    """All arguments of TRL's trainer, and by keyword

    advantage: None: by the group, divided as `scale_rewards` says
    bonus:     None: no intrinsic reward
    features:  what makes `batch.features`, read by the trained model
    shaper:    None: reward + bonus

    Parts are given in whole batches of all processes; each with `update` is told of it once a step, each with a state
    is part of the checkpoints. Where there is a bonus the trainer logs `bonus/mean` and `bonus/std`.

    Raises: BadValue for another TRL, rewards that are normalised before they are summed, or a shaper or features
    without a bonus.
    """

    def __init__(
        self,
        *args: Any,
        advantage: Advantage | None = None,
        bonus: Bonus | None = None,
        features: Features | None = None,
        shaper: Shaper | None = None,
        **kwargs: Any,
    ) -> None:
        check_signatures(GRPOTrainer)
        for name, part in (("shaper", shaper), ("features", features)):
            if part is not None and bonus is None:
                raise BadValue(name, type(part).__name__, "left out where there is no bonus")
        super().__init__(*args, **kwargs)
        if self.multi_objective_aggregation != "sum_then_normalize" and (advantage is not None or bonus is not None):
            raise BadValue("multi_objective_aggregation", self.multi_objective_aggregation, "'sum_then_normalize'")
        self.bonus, self.features, self.shaper = bonus, features, shaper
        self.replaces = advantage is not None or bonus is not None
        self.advantage: Advantage = GroupRelative(cast(Any, self.scale_rewards)) if advantage is None else advantage
        self.memory = StepMemory({"advantage": advantage, "bonus": bonus, "features": features, "shaper": shaper})
        self._kept: tuple[Tensor, Sequence[Any], Sequence[Any], Sequence[Any]] | None = None
        if self.replaces:
            self.memory.follow(self)

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Tensor:
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._kept = (rewards, prompts, completions, completion_ids_list)
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        kept, self._kept = self._kept, None
        if not (self.replaces and cast(Any, self.model).training):
            return output
        if kept is None:
            raise BadValue("trl's GRPOTrainer", "no call of _calculate_rewards", "one that asks for rewards by it")
        batch = self._scored(output, *kept)
        self.memory.add(batch)
        advantages = batch.advantages
        assert advantages is not None
        if not bool(advantages.isfinite().all()):
            raise BadValue("advantages", float(advantages[~advantages.isfinite()][0]), "finite")
        self._logged(batch, advantages)
        own = len(output["advantages"])
        local = advantages[self.accelerator.process_index * own :][:own]
        if local.ndim == 2:  # answers of other processes may be longer, or TRL may have padded ours to a multiple
            width = output["completion_ids"].shape[1]
            local = torch.nn.functional.pad(local, (0, max(0, width - local.shape[1])))[:, :width]
        output["advantages"] = local.to(output["advantages"])
        return output

    def _scored(
        self,
        output: dict[str, Any],
        rewards: Tensor,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Any],
    ) -> RolloutBatch:
        """The rows of all processes, with rewards, bonuses and advantages."""
        told = zip(output["prompt_ids"].cpu(), output["prompt_mask"].bool().cpu(), strict=True)
        read = [ids[there].tolist() for ids, there in told]
        everyone = gathered(list(zip(prompts, completions, completion_ids, read, strict=True)), self.accelerator)
        model = TransformersModel(self.accelerator.unwrap_model(self.model), self.processing_class)
        step = int(self.state.global_step)
        batch = told_batch(
            model,
            prompts=[each[0] for each in everyone], completions=[each[1] for each in everyone],
            completion_ids=[each[2] for each in everyone], prompt_ids=[each[3] for each in everyone],
            group_id=torch.arange(len(everyone)) // cast(int, self.num_generations), step=step,
        )  # fmt: skip
        rewards = rewards.float().cpu()
        extrinsic = (rewards * self.reward_weights.cpu()).nansum(dim=1)
        extrinsic = extrinsic.masked_fill(rewards.isnan().all(dim=1), torch.nan)
        batch = replace(batch, rewards_per_func=rewards, extrinsic=extrinsic, reward=extrinsic)
        if self.bonus is not None:
            batch = with_features(batch, self.features, model)
            bonus = bonus_scores(self.bonus, batch)
            shaped = (
                extrinsic + bonus
                if self.shaper is None
                else self.shaper.combine(extrinsic, bonus, batch.group_id, step).float()
            )
            batch = replace(batch, bonus=bonus, reward=shaped)
        assert batch.reward is not None
        advantages = self.advantage.advantage(batch.reward, batch.group_id, batch.groups).float()
        return replace(batch, advantages=advantages)

    def _logged(self, batch: RolloutBatch, advantages: Tensor) -> None:
        """What was learned from takes the place of TRL's own advantages in its table."""
        told = advantages
        if told.ndim == 2:
            mask = batch.completion_mask
            told = (told * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        table: Any = self._logs["advantages"]  # it keeps as many as were drawn at once
        table.extend(told.tolist())
        if batch.bonus is not None:
            self._metrics["train"]["bonus/mean"].append(float(batch.bonus.mean()))
            self._metrics["train"]["bonus/std"].append(float(batch.bonus.std()))
