"""What one step learns from: prompts, answers, rewards, bonus, advantages, in the order that is fixed for all methods.

    keys -> budget -> rollout -> rewards -> features -> bonus.score -> shape -> discard or filter -> advantages

and only after the weights have moved are memories written (`remember`). Under dynamic sampling groups whose rewards are
all equal are thrown away and other prompts asked, until there are as many groups as a step has prompts; what was thrown
away has been drawn, and is counted.

Rewards and group statistics are of trajectories: a trajectory told in several rows has its last row's reward, and all
its rows its advantage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.language.causal import CausalModel
from wayfare.learn.credit import normalise_then_sum
from wayfare.learn.grpo.advantages import GroupRelative
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.dataset import PromptOrder, PromptSet
from wayfare.learn.grpo.processes import Processes, together
from wayfare.learn.grpo.rewards import RewardFunctions, TrainerState, reward_columns
from wayfare.learn.grpo.seams import Advantage, Asked, Bonus, Budget, Features, Rollout, RowFilter, Shaper, Transform
from wayfare.learn.grpo.unchanged import unchanged
from wayfare.learn.rollouts import RolloutBatch, joined

__all__ = ["Experience", "Made", "Parts"]


@dataclass(frozen=True)
class Parts:
    """What a method puts in place of the defaults; see `wayfare.learn.grpo.seams`."""

    rollout: Rollout
    budget: Budget | None = None
    transform: Transform | None = None
    features: Features | None = None
    bonus: Bonus | None = None
    shaper: Shaper | None = None
    row_filter: RowFilter | None = None
    advantage: Advantage | None = None


@dataclass(eq=False)
class Made:
    """batch: what is learned from, with advantages        drawn: all that was drawn in the step, with rewards
    metrics: by TRL's names        logged: what reward functions told of single answers, name -> B values
    """

    batch: RolloutBatch
    drawn: RolloutBatch
    metrics: dict[str, float]
    logged: dict[str, list[Any]] = field(default_factory=dict)


class Experience:
    """prompts: of the training set        seed: of order and answers

    position: prompts asked so far        tokens: drawn so far, by all processes
    """

    def __init__(
        self, model: CausalModel, prompts: PromptSet, rewards: RewardFunctions, config: GRPOConfig, parts: Parts,
        processes: Processes,
    ) -> None:  # fmt: skip
        self.model, self.prompts, self.rewards, self.config, self.parts = model, prompts, rewards, config, parts
        self.processes = processes
        self.order = PromptOrder(len(prompts), config.seed, config.shuffle_dataset)
        self.position, self.tokens = 0, 0
        self.unscored: RolloutBatch | None = None
        """What was drawn while its rewards are not known yet: what a reward function that raises leaves behind."""

    def make(self, step: int, state: TrainerState) -> Made:
        """The step's experience.

        Raises: BadValue for a part that gives what it must not, naming it; RewardFailed.
        """
        wanted, kept, drawn = self.config.prompts_per_step, list[Tensor](), list[RolloutBatch]()
        logged: dict[str, list[Any]] = {}
        groups = discarded = rows = 0
        self.unscored = None
        for attempt in range(self.config.max_generation_batches if self.config.dynamic_sampling else 1):
            batch, notes = self._scored(self._asked(wanted, step, attempt), state)
            for name in {*logged, *notes}:
                logged[name] = [*logged.get(name, [None] * rows), *notes.get(name, [None] * len(batch))]
            drawn.append(_apart(batch, drawn[-1] if drawn else None, attempt * wanted))
            if not self.config.dynamic_sampling:
                kept.append(torch.arange(len(batch)))
                break
            equal, asked = _equal_rewards(batch)
            chosen = (asked & ~equal).nonzero().flatten()[: wanted - groups]
            discarded += int((asked & equal).sum())
            kept.append(rows + torch.isin(batch.group_id, chosen).nonzero().flatten())
            groups, rows = groups + len(chosen), rows + len(batch)
            if groups == wanted:
                break
        everything = joined(drawn)
        told = self._told(everything)
        told["groups/discarded"] = float(discarded)
        # where nothing was worth learning from, the last rows are: their advantages are 0
        number = torch.cat(kept) if any(len(each) for each in kept) else rows + torch.arange(-len(drawn[-1]), 0)
        learned = self._masked(everything.rows(number))
        if self.config.dynamic_sampling:
            learned = replace(learned, group_id=torch.unique(learned.group_id, return_inverse=True)[1])
        learned = replace(learned, advantages=self._advantages(learned))
        told["groups/lone"] = float(_lone(learned))
        assert learned.advantages is not None
        gains = learned.advantages.new_zeros(len(everything), *learned.advantages.shape[1:])
        gains[number] = learned.advantages
        return Made(learned, replace(everything, advantages=gains), told, logged)

    def remember(self, made: Made) -> None:
        """Memories are written: after the weights have moved, each once."""
        told = list[Any]()
        for name in Parts.__dataclass_fields__:
            part = getattr(self.parts, name)
            update = getattr(part, "update", None)
            if update is None or any(part is each for each in told):
                continue
            with unchanged(name, part, made.drawn):
                update(made.drawn)
            told.append(part)

    def score(
        self, batch: RolloutBatch, asked: Asked, state: TrainerState
    ) -> tuple[Tensor, dict[str, list[float]], dict[str, list[Any]]]:
        """(rewards [B, F] of this process's rows; what the functions logged: numbers, and values of each row)."""
        last = last_rows(batch)
        keys = _known(None if batch.prompt_key is None else tuple(batch.prompt_key.tolist()))
        row_of = dict(zip(asked.keys.tolist(), asked.rows, strict=True))
        prompts, texts = _known(batch.prompts), _known(batch.texts)
        if self.parts.transform is not None:
            texts = tuple(self.parts.transform.parse(text) for text in texts)
        metrics: dict[str, list[float]] = {}
        extras: dict[str, list[Any]] = {}
        order = last.tolist()
        found = self.rewards.score(
            prompts=[prompts[row] for row in order], completions=[texts[row] for row in order],
            completion_ids=[batch.completion_ids[row][batch.completion_mask[row]].tolist() for row in order],
            columns=reward_columns([row_of[keys[row]] for row in order]), trainer_state=state,
            log_extra=lambda name, values: extras.__setitem__(name, list(values)),
            log_metric=lambda name, value: metrics.setdefault(name, []).append(float(value)),
        )  # fmt: skip
        at = _last_of(batch, last)
        told = {name: _by_row(values, at.tolist()) for name, values in extras.items()}
        return found[at], metrics, told

    def asked(self, keys: Tensor, counts: Tensor, step: int, *, attempt: int = 0, train: bool = True,
              prompts: PromptSet | None = None, first: int = 0) -> Asked:  # fmt: skip
        """What this process is asked: its share of the rows of all. first: number of the first of these"""
        source = self.prompts if prompts is None else prompts
        group = torch.repeat_interleave(torch.arange(len(keys)), counts)
        numbers = torch.arange(len(group)).tensor_split(self.processes.count)[self.processes.rank]
        own = keys[group[numbers]]
        known = {key: (source.prompt(key), source.row(key)) for key in set(own.tolist())}
        return Asked(
            prompts=[known[key][0] for key in own.tolist()], rows=[known[key][1] for key in own.tolist()], keys=own,
            group_id=group[numbers], numbers=numbers + first, step=step, attempt=attempt,
            seed=self.config.seed if train else self.config.eval_seed, new=self.config.max_completion_length,
            train=train,
        )  # fmt: skip

    def drawn(self, asked: Asked) -> RolloutBatch:
        """This process's rows. Raises: BadValue for a row of a rollout that is too old, or has no token at all."""
        with self.processes.reading(self.model.module):
            batch = self.parts.rollout.collect(self.model, asked)
        empty = ~batch.completion_mask.any(dim=1)
        if bool(empty.any()):
            raise BadValue(
                f"answer {int(empty.nonzero()[0])}", "no token", "at least one, the end token if nothing else"
            )
        born = batch.born_step
        if asked.train and born is not None and int((asked.step - born).max()) > self.config.max_staleness:
            raise BadValue(
                "born_step",
                int(born.min()),
                f"at most max_staleness, {self.config.max_staleness}, before step {asked.step}",
            )
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Counters, and the state of every part that has one."""
        parts = {name: each.state_dict() for name, each in self._stateful()}
        return {"position": self.position, "tokens": self.tokens, "parts": parts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken. Raises: BadValue where other parts have a state."""
        own = dict(self._stateful())
        if set(own) != set(state["parts"]):
            raise BadValue("state of parts", sorted(state["parts"]), f"of {sorted(own)}")
        self.position, self.tokens = int(state["position"]), int(state["tokens"])
        for name, each in own.items():
            each.load_state_dict(state["parts"][name])

    def _stateful(self) -> list[tuple[str, Any]]:
        named = [(name, getattr(self.parts, name)) for name in Parts.__dataclass_fields__]
        return [(name, each) for name, each in named if hasattr(each, "state_dict") and not _frozen(each)]

    def _asked(self, prompts: int, step: int, attempt: int) -> Asked:
        keys = self.order.keys(self.position, prompts)
        self.position += prompts
        total = self.config.generation_batch_size
        if self.parts.budget is None:
            counts = torch.full((prompts,), self.config.num_generations)
        else:
            with unchanged("budget", self.parts.budget, keys, "keys"):
                counts = torch.as_tensor(self.parts.budget.allocate(keys, total))
            if counts.shape != keys.shape or int(counts.sum()) != total or int(counts.min()) < 0:
                raise BadValue("budget's rows", counts.tolist(), f"{prompts} numbers of at least 0 that sum to {total}")
        return self.asked(keys, counts.to(torch.int64), step, attempt=attempt)

    def _scored(self, asked: Asked, state: TrainerState) -> tuple[RolloutBatch, dict[str, list[Any]]]:
        with together(self.processes):
            own = self.drawn(asked)
            self.unscored = own
            rewards, metrics, extras = self.score(own, asked, state)
            if self.parts.features is not None:
                with self.processes.reading(self.model.module), unchanged("features", self.parts.features, own):
                    own = replace(own, features=self.parts.features.features(self.model, own).cpu())
        batch = self.processes.whole(replace(own, rewards_per_func=rewards))
        self.unscored = None
        shares = self.processes.gathered((len(own), metrics, extras))
        self._notes: dict[str, float] = {}
        for name in dict.fromkeys(name for _, each, _ in shares for name in each):
            values = [value for _, each, _ in shares for value in each.get(name, [])]
            self._notes[name] = sum(values) / len(values)
        logged: dict[str, list[Any]] = {}
        for name in dict.fromkeys(name for _, _, each in shares for name in each):
            logged[name] = [value for many, _, each in shares for value in each.get(name, [None] * many)]
        assert batch.rewards_per_func is not None
        batch = replace(batch, extrinsic=self.rewards.total(batch.rewards_per_func))
        self.tokens += int(batch.completion_mask.sum())
        return self._shaped(batch, asked.step), logged

    def _shaped(self, batch: RolloutBatch, step: int) -> RolloutBatch:
        extrinsic = batch.extrinsic
        assert extrinsic is not None
        if self.parts.bonus is None:
            return replace(batch, bonus=torch.zeros_like(extrinsic), reward=extrinsic)
        with unchanged("bonus", self.parts.bonus, batch):
            scored = self.parts.bonus.score(batch)
        try:
            bonus = torch.as_tensor(scored, dtype=torch.float32).detach().cpu()
        except (TypeError, ValueError, RuntimeError):
            raise BadValue("bonus", scored, f"{len(batch)} numbers, one a row") from None
        if bonus.shape != extrinsic.shape:
            raise BadValue("bonus", list(bonus.shape), f"[{len(batch)}], one a row")
        if not bool(torch.isfinite(bonus).all()):
            row = int((~torch.isfinite(bonus)).nonzero()[0])
            raise BadValue(f"bonus of row {row}", float(bonus[row]), "finite")
        if self.parts.shaper is None:
            reward = extrinsic + bonus
        else:
            batch = replace(batch, bonus=bonus)
            with unchanged("shaper", self.parts.shaper, batch):
                reward = self.parts.shaper.combine(extrinsic, bonus, batch.group_id, step)
        return replace(batch, bonus=bonus, reward=reward)

    def _masked(self, batch: RolloutBatch) -> RolloutBatch:
        mask = batch.loss_mask
        if self.config.mask_truncated_completions:
            mask = mask * (~batch.truncated).unsqueeze(1)
        if self.parts.row_filter is not None:
            with unchanged("row_filter", self.parts.row_filter, batch):
                keep = self.parts.row_filter.keep(batch)
            if keep.shape != batch.group_id.shape or keep.dtype != torch.bool:
                raise BadValue("row filter's rows", f"{keep.dtype} {list(keep.shape)}", f"torch.bool [{len(batch)}]")
            mask = mask * keep.unsqueeze(1)
        return replace(batch, loss_mask=mask)

    def _advantages(self, batch: RolloutBatch) -> Tensor:
        """[B] or [B, T]; a trajectory's, in each of its rows."""
        assert batch.reward is not None and batch.rewards_per_func is not None
        last = last_rows(batch)
        group = batch.group_id[last]
        if self.parts.advantage is not None:
            found = self.parts.advantage.advantage(batch.reward[last], group, batch.groups)
        elif self.config.multi_objective_aggregation == "normalize_then_sum":
            found = normalise_then_sum(batch.rewards_per_func[last], self.rewards.weights, group)
        else:
            own = GroupRelative(self.config.scale_rewards, self.config.advantage_clip)
            found = own.advantage(batch.reward[last], group, batch.groups)
        if found.shape[:1] != last.shape or not bool(torch.isfinite(found).all()):
            raise BadValue("advantages", list(found.shape), f"finite, [{len(last)}] or [{len(last)}, T]")
        return found[_last_of(batch, last)].float()

    def _told(self, batch: RolloutBatch) -> dict[str, float]:
        lengths = batch.completion_mask.sum(dim=1).float()
        ended = lengths[~batch.truncated]
        assert batch.rewards_per_func is not None and batch.reward is not None and batch.bonus is not None
        last = last_rows(batch)
        reward = batch.reward[last]
        known = reward[~reward.isnan()]
        equal, there = _equal_rewards(batch)
        told = {
            "num_tokens": float(self.tokens),
            "completions/mean_length": float(lengths.mean()),
            "completions/min_length": float(lengths.min()),
            "completions/max_length": float(lengths.max()),
            "completions/clipped_ratio": float(batch.truncated.float().mean()),
            "completions/mean_terminated_length": float(ended.mean()) if len(ended) else 0.0,
            "completions/min_terminated_length": float(ended.min()) if len(ended) else 0.0,
            "completions/max_terminated_length": float(ended.max()) if len(ended) else 0.0,
            **self.rewards.metrics(batch.rewards_per_func[last]),
            "reward": float(known.mean()) if len(known) else 0.0,
            "reward_std": float(known.std()) if len(known) > 1 else 0.0,
            "frac_reward_zero_std": float(equal[there].float().mean()),
            "groups/taught": float((~equal)[batch.group_id[last]].float().mean()),
            "groups/largest": float(torch.bincount(batch.group_id[last]).max()),
            **self._notes,
        }
        if self.parts.bonus is not None:
            told["bonus/mean"] = float(batch.bonus.mean())
            told["bonus/std"] = float(batch.bonus.std()) if len(batch) > 1 else 0.0
        return told


def _frozen(part: Any) -> bool:
    """Whether it is a module that is never trained: a model that features are of is no state of a run."""
    weights = list(part.parameters()) if isinstance(part, torch.nn.Module) else []
    return bool(weights) and not any(each.requires_grad for each in weights)


def _known(values: tuple[Any, ...] | None) -> tuple[Any, ...]:
    if values is None:
        raise BadValue("rollout", "rows without texts, prompts or keys", "rows with all three, for reward functions")
    return values


def last_rows(batch: RolloutBatch) -> Tensor:
    """[N] numbers of the last row of each trajectory, in the order of these rows."""
    kinds, where = torch.unique(batch.trajectory, return_inverse=True)
    if len(kinds) == len(batch):
        return torch.arange(len(batch))
    latest = torch.full((len(kinds),), -1).scatter_reduce(0, where, batch.turn.long(), "amax")
    return (batch.turn == latest[where]).nonzero().flatten()


def _last_of(batch: RolloutBatch, last: Tensor) -> Tensor:
    """[B] where in `last` the row stands that speaks for each row's trajectory."""
    if len(last) == len(batch):
        return torch.arange(len(batch))
    _, where = torch.unique(batch.trajectory, return_inverse=True)
    at = torch.empty(int(where.max()) + 1, dtype=torch.int64)
    at[where[last]] = torch.arange(len(last))
    return at[where]


def _by_row(values: list[Any], at: list[int]) -> list[Any]:
    """What was logged of trajectories, for each row; a list that is too short leaves None."""
    return [values[number] if number < len(values) else None for number in at]


def _equal_rewards(batch: RolloutBatch) -> tuple[Tensor, Tensor]:
    """[M] bool each: groups in which all rewards that there are are exactly equal or there is none; groups with rows"""
    assert batch.reward is not None
    groups = batch.groups
    known = torch.where(batch.reward.isnan(), -torch.inf, batch.reward)
    high = torch.full((groups,), -torch.inf).scatter_reduce(0, batch.group_id, known, "amax")
    known = torch.where(batch.reward.isnan(), torch.inf, batch.reward)
    low = torch.full((groups,), torch.inf).scatter_reduce(0, batch.group_id, known, "amin")
    return high <= low, torch.bincount(batch.group_id, minlength=groups) > 0


def _lone(batch: RolloutBatch) -> int:
    """Groups of which one trajectory alone has a reward: there is nothing to compare it to."""
    assert batch.reward is not None
    last = last_rows(batch)
    return int((torch.bincount(batch.group_id[last[~batch.reward[last].isnan()]]) == 1).sum())


def _apart(batch: RolloutBatch, before: RolloutBatch | None, groups: int) -> RolloutBatch:
    """Groups and trajectories by numbers that none has which was drawn before in this step."""
    if before is None:
        return batch
    first = int(before.trajectory.max()) + 1
    return replace(batch, group_id=batch.group_id + groups, trajectory=batch.trajectory + first)
