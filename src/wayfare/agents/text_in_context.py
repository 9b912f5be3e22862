"""The in-context value agent whose memory is text: a pretrained causal model with LoRA values the actions of a history.

The published setting of study `exploit` (Rentschler & Roberts 2025, arXiv 2508.01287): the objective is greedy,
acting at test time is argmax with ties shared, nothing pays for exploring. In training half of the copies follow
the model with an epsilon drawn for each block; the others follow a script (`learn.behaviour`), which costs no pass
through the model.

One agent is one seed: at this size stacking seeds gains nothing. A training that stops goes on from its last
checkpoint, bit for bit.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue, ResumeRefused
from wayfare.language.histories import History, from_text, to_text
from wayfare.language.value_model import Reading, ValueModel
from wayfare.learn.behaviour import Script, epsilon
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.text_values import TextValueLearner
from wayfare.worlds.boundary import Boundary

__all__ = ["TextAgent", "TextConfig", "TextTrajectory"]


@dataclass(frozen=True)
class TextConfig:
    """What makes one text agent; every field is part of its checkpoint.

    Raises: BadValue for a number out of range.
    """

    model: str = "meta-llama/Llama-3.2-3B"
    """A causal model that `transformers` loads by name or path, or tiny-random."""
    lora_rank: int = 32
    """Rank of the adapters."""
    memory_tokens: int = 8192
    """Tokens that a decision sees: X; 0: what is seen now and nothing before."""
    episode_discount: float = 0.97
    """Discount of the value beyond an episode's end within a task: gamma_episode."""
    step_discount: float = 0.97
    """Discount of the value within an episode: gamma_step."""
    spans_tasks: bool = False
    """Whether memory goes on when a task ends."""
    updates: int = 2000
    """Gradient steps of the whole training."""
    batch: int = 10
    """Histories a gradient step."""
    learns_per_rollout: int = 4
    """Gradient steps after each rollout."""
    replay: int = 20
    """Rollouts that are remembered."""
    scripted: float = 0.5
    """Share of the copies that follow a script while training."""
    learning_rate: float = 2e-4
    """Peak of the one-cycle schedule."""
    tau: float = 0.1
    """Polyak step of the target adapter."""
    reward_scale: float = 1.0
    """Values are learned in this unit; a pretrained model's logits reach some 30."""
    tokens_per_pass: int = 16384
    """Bounds the device's memory: more tokens are read in several passes."""
    seed: int = 0
    """Of the adapters, the behaviour, the replay and the training blocks."""

    def __post_init__(self) -> None:
        for name in ("updates", "batch", "learns_per_rollout", "replay"):
            if getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), "at least 1")
        if not 0 <= self.scripted < 1:
            raise BadValue("scripted", self.scripted, "at least 0 and below 1")

    @property
    def discounts(self) -> DiscountTable:
        """The condition "long-horizon credit"; a task's end counts 0."""
        return DiscountTable(self.step_discount, self.episode_discount, self.episode_discount)


@dataclass(frozen=True)
class TextTrajectory:
    """T greedy steps of N copies.

    action: [T, N] int64
    reward: [T, N] float32
    expected_reward: [T, N] float32, the true mean of what was done where the world knows it, else the reward
    boundary: [T, N] int8
    """

    action: npt.NDArray[np.int64]
    reward: npt.NDArray[np.float32]
    expected_reward: npt.NDArray[np.float32]
    boundary: npt.NDArray[np.int8]

    @property
    def episode(self) -> npt.NDArray[np.int64]:
        """[T, N] index in its block of the episode that the step belonged to."""
        count = np.zeros_like(self.action)
        for t, code in enumerate(self.boundary[:-1]):
            count[t + 1] = np.where(code >= Boundary.TASK_TERMINATED, 0, count[t] + (code > 0))
        return count


class TextAgent:
    """An agent for worlds like the one given; the world is not kept.

    world: a `wayfare.worlds.World` with discrete actions, at most 26
    device: of the model

    Raises: BadValue; MissingExtra without `transformers` or `peft`.
    """

    def __init__(self, world: Any, config: TextConfig, device: str | torch.device = "cpu") -> None:
        self.config = config
        self._codes = 5 if world.boundary_shown else 0  # columns of the observation that the end words say as well
        self._actions = int(world.single_action_space.n)
        self._columns = int(world.single_observation_space.shape[0]) - self._codes
        values = ValueModel(
            config.model,
            self._actions,
            memory_tokens=config.memory_tokens,
            lora_rank=config.lora_rank,
            seed=config.seed,
            device=device,
            show_task_ends=world.boundary_shown,
            tokens_per_pass=config.tokens_per_pass,
        )
        self.learner = TextValueLearner(
            values,
            config.discounts,
            updates=config.updates,
            learning_rate=config.learning_rate,
            tau=config.tau,
            reward_scale=config.reward_scale,
            reward_bound=float(world.reward_bound),
        )
        self.losses: list[float] = []
        self._replay: deque[list[History]] = deque(maxlen=config.replay)

    def train(
        self,
        world: Any,
        steps: int,
        *,
        progress: Callable[..., None] | None = None,
        checkpoint: Path | None = None,
        every: int = 50,
    ) -> TextAgent:
        """Learn until `config.updates` gradient steps are done.

        steps: decisions of each copy in a rollout
        progress: called as progress(done, total, loss=...) after each update
        checkpoint: where to write the agent each `every` updates and at the end; one that is there is gone on from

        Raises: Diverged; ResumeRefused when the checkpoint is another agent's.
        """
        total = self.config.updates
        if checkpoint is not None and checkpoint.exists():
            self.load(checkpoint)
        replay = Stream(self.config.seed, "replay")
        while self.learner.done < total:
            update = self.learner.done
            if update % self.config.learns_per_rollout == 0:
                self._replay.append(self.rollout(world, steps, update // self.config.learns_per_rollout))
            held = [history for rollout in self._replay for history in rollout]
            draws = replay.uniform(torch.arange(self.config.batch), update)
            picks = (draws.double() * len(held)).long().clamp_max(len(held) - 1).tolist()
            metrics = self.learner.update([held[pick] for pick in picks])
            self.losses.append(metrics["loss"])
            if checkpoint is not None and (self.learner.done % every == 0 or self.learner.done == total):
                self.save(checkpoint)
            if progress is not None:
                progress(self.learner.done, total, **metrics)
        return self

    @torch.no_grad()
    def rollout(self, world: Any, steps: int, index: int) -> list[History]:
        """Play new blocks as in training. index: number of the rollout, on which all its randomness depends."""
        copies = world.num_envs
        scripted = int(copies * self.config.scripted)
        followers = copies - scripted
        policy, everyone = Stream(self.config.seed, "policy"), torch.arange(copies, device=world.device)
        behind = everyone[followers:]
        begin = index * (steps + 1)
        progress = self.learner.done / self.config.updates
        share = epsilon(policy.uniform(everyone[:followers], begin, lane=0), progress)
        script = Script(policy.uniform(behind, begin, lane=1), policy.uniform(behind, begin, lane=2), self._actions)
        last = torch.zeros(scripted, dtype=torch.int64, device=world.device)

        def choose(t: int, greedy: Tensor) -> Tensor:
            nonlocal last
            step = begin + 1 + t
            uniform = [policy.uniform(everyone, step, lane=lane) for lane in (0, 1)]
            random = (uniform[1][:followers] * self._actions).long().clamp_max(self._actions - 1)
            followed = torch.where(uniform[0][:followers] < share, random, greedy)
            noise = [policy.normal(behind, step, lane=2 + lane) for lane in range(self._actions)]
            last = script.act(last, torch.stack([each[followers:] for each in uniform], -1), torch.stack(noise, -1))
            return torch.cat([followed, last])

        def observe(action: Tensor, reward: Tensor, restarts: Tensor) -> None:
            script.observe(action[followers:], reward[followers:], restarts[followers:])

        record = self._play(world, steps, _block_seed(self.config.seed, index), followers, choose, observe)
        return self._histories(record)

    def evaluate(self, world: Any, steps: int, seed: int) -> TextTrajectory:
        """Act greedily, epsilon 0, from an empty memory in the blocks that `world.reset(seed=seed)` begins."""
        record = self._play(world, steps, seed, world.num_envs, lambda _, greedy: greedy, lambda *_: None)
        expected = record["expected_reward"] if "expected_reward" in record else record["reward"]
        return TextTrajectory(record["action"], record["reward"], expected, record["boundary"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that training depends on; aside, then renamed, so that a file is whole or not there."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{os.getpid()}.part")
        torch.save(
            {
                "config": asdict(self.config),
                "columns": self._columns,
                "actions": self._actions,
                "learner": self.learner.state_dict(),
                "losses": self.losses,
                "replay": [[to_text(history) for history in rollout] for rollout in self._replay],
            },
            aside,
        )
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)

    def load(self, path: str | os.PathLike[str]) -> TextAgent:
        """Go on as the agent that was saved.

        Raises: ResumeRefused, with the field's name, when it was made with another config.
        """
        saved = torch.load(path, map_location="cpu", weights_only=True)
        mine = {**asdict(self.config), "columns": self._columns, "actions": self._actions}
        for name, value in mine.items():
            theirs = saved["config"].get(name, saved.get(name))
            if theirs != value:
                raise ResumeRefused(f"{path} was made with {name} {theirs!r}, this agent has {value!r}")
        self.learner.load_state_dict(saved["learner"])
        self.losses = list(saved["losses"])
        rollouts = [[from_text(text, self._columns) for text in rollout] for rollout in saved["replay"]]
        self._replay = deque(rollouts, maxlen=self.config.replay)
        return self

    @torch.no_grad()
    def _play(
        self,
        world: Any,
        steps: int,
        seed: int,
        followers: int,
        choose: Callable[[int, Tensor], Tensor],
        observe: Callable[[Tensor, Tensor, Tensor], None],
    ) -> dict[str, npt.NDArray[Any]]:
        """T steps in which the model reads for the first `followers` copies.

        Returns time-major arrays: `observation` and `final` [T+1, N, O], the others [T, N].
        """
        writer = self.learner.values.tokens
        reading = Reading(self.learner.values, followers)
        ties = Stream(self.config.seed, "ties")
        obs, _ = world.reset(seed=seed)
        seen = self._seen(obs)
        new = [writer.prompt(seen[i], True) for i in range(followers)]
        record: dict[str, list[npt.NDArray[Any]]] = {"observation": [seen], "final": [seen]}
        for t in range(steps):
            action = choose(t, _argmax(reading.read(new).to(world.device), ties, t))
            obs, reward, _, _, info = world.step(action)
            boundary = info["boundary"]
            restarts = (boundary >= Boundary.TASK_TERMINATED) & (not self.config.spans_tasks)
            observe(action, reward, restarts)
            seen = self._seen(obs)
            step = {"action": action, "reward": reward, "boundary": boundary}
            if "expected_reward" in info:
                step["expected_reward"] = info["expected_reward"]
            for name, value in step.items():
                record.setdefault(name, []).append(value.cpu().numpy())
            record["observation"].append(seen)
            record["final"].append(self._seen(info["final_obs"]) if "final_obs" in info else seen)
            gone = restarts.cpu().numpy() | (self.config.memory_tokens == 0)
            reading.restart([i for i in range(followers) if gone[i]])
            did, got, code = (record[name][-1] for name in ("action", "reward", "boundary"))
            new = [
                writer.prompt(seen[i], bool(code[i]))
                if gone[i]
                else writer.outcome(int(did[i]), float(got[i]), int(code[i])) + writer.prompt(seen[i], bool(code[i]))
                for i in range(followers)
            ]
        return {name: np.stack(values) for name, values in record.items()}

    def _histories(self, record: dict[str, npt.NDArray[Any]]) -> list[History]:
        """One history for each stretch of memory; one ended by its task ends with the final observation."""
        steps, copies = record["action"].shape
        histories = []
        for copy in range(copies):
            ended = record["boundary"][:, copy] >= Boundary.TASK_TERMINATED
            cuts = [] if self.config.spans_tasks else (np.flatnonzero(ended) + 1).tolist()
            for begin, end in zip([0, *cuts], [*cuts, steps], strict=True):
                if begin == end:
                    continue
                after = record["final" if ended[end - 1] and end in cuts else "observation"][end : end + 1, copy]
                observation = np.concatenate([record["observation"][begin:end, copy], after])
                rest = (record[name][begin:end, copy] for name in ("action", "reward", "boundary"))
                histories.append(History(observation, *rest))
        return histories

    def _seen(self, obs: Tensor) -> npt.NDArray[np.float32]:
        return obs[:, : self._columns].float().cpu().numpy()


def _argmax(q: Tensor, ties: Stream, step: int) -> Tensor:
    """q: [N, A] -> [N], the best action; exact ties are shared."""
    copy = torch.arange(len(q), device=q.device)
    draws = torch.stack([ties.uniform(copy, step, lane=lane) for lane in range(q.shape[1])], -1)
    return torch.where(q == q.amax(1, keepdim=True), draws, -1.0).argmax(1)


def _block_seed(seed: int, rollout: int) -> int:
    """The world's seed for one rollout of training: apart from every small seed that a test uses."""
    return (seed + 1 << 32) + rollout
