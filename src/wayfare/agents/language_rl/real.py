"""A published model and a published data set as what arms start from, in the place of `Base`.

    real = RealModel("Qwen/Qwen2.5-0.5B-Instruct", Questions("openai/gsm8k", part="main", held_split="test", chat=True))
    train_arm(report, base=real, arm=arm, seed=0, token_budget=10_000_000, eval_prompts=128, eval_answers=16)

Everything else is the arms' own: the same parts, the same trainer, the same evaluations. Adapters leave the model as it
is, so that their start is the reference and no second copy is held; where all weights are trained a copy is. Nothing is
kept in the cache: what lies under a path may change.

Where `prior_steps` are given the model first reads the training questions with their worked answers, under a loss by
its address: another start, of which all weights are moved (with adapters too, which come afterwards).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from wayfare.agents.language_rl.addresses import found
from wayfare.agents.language_rl.base import Report, loss_of
from wayfare.agents.language_rl.questions import Questions
from wayfare.draws import Stream
from wayfare.errors import BadValue, MissingExtra
from wayfare.language.causal import CausalModel
from wayfare.language.models import load_causal_model
from wayfare.language.policies import copy_frozen, load_policy
from wayfare.language.sampler import Sampler
from wayfare.learn.checkpoint import Checkpoints
from wayfare.learn.grpo import GRPOConfig, SingleTurn
from wayfare.learn.grpo.adapters import as_trl
from wayfare.learn.grpo.rollout import left_padded
from wayfare.learn.grpo.server import ServerRollout
from wayfare.learn.supervised import Supervised
from wayfare.worlds.verifiable.contract import Row, Split
from wayfare.worlds.verifiable.numeric import final_answer, formed

__all__ = ["EXACT", "RealModel", "RealTask"]

EXACT = "wayfare.worlds.verifiable.numeric:exact"
PRIOR_ROWS = 8
"""Worked answers of an update of the prior."""


@dataclass(frozen=True)
class RealModel:
    """model: folder or name        questions: what is asked        device: where the model is
    answer_tokens: of an answer at most        reward: address of what says whether one is right, 1 or more being right
    form: weight of a second reward, 1 for an answer that has a mark        lora_rank: of adapters; 0: all weights
    rows_at_once: answers drawn side by side        stop: texts at which an answer ends
    server: address of one that draws answers, up to /v1 (`wayfare.learn.grpo.server`)        server_folder: of adapters
    prior_steps, prior_rate, loss, loss_knobs: of reading worked answers first, see the module

    Raises: BadValue for a number below its least, or a server without adapters.
    """

    model: str
    questions: Questions
    device: str = "cpu"
    answer_tokens: int = 512
    reward: str = EXACT
    form: float = 0.0
    lora_rank: int = 32
    rows_at_once: int = 64
    stop: tuple[str, ...] = ()
    server: str = ""
    server_folder: str = "adapters"
    prior_steps: int = 0
    prior_rate: float = 1e-5
    loss: str = "cross_entropy"
    loss_knobs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.model:
            raise BadValue("model", self.model, "a folder, or a name on the hub")
        least = {"answer_tokens": 1, "lora_rank": 0, "rows_at_once": 1, "prior_steps": 0, "form": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise BadValue(name, getattr(self, name), f"at least {value}")
        if self.server and not self.lora_rank:
            raise BadValue("lora_rank", 0, "above 0 where a server draws answers: adapters are what it loads")

    @cached_property
    def task(self) -> RealTask:
        """Its questions, with their rewards. Raises: as `Questions.read`."""
        train, held = self.questions.read()
        return RealTask(train, held, self.answer_tokens, as_trl(found(self.reward), "right"), self.form)

    def start(self, seed: int, report: Report | None = None) -> CausalModel:
        """A fresh policy. seed: of the adapters. Raises: BadValue for a model that does not load; MissingExtra."""
        loaded, tokenizer = load_causal_model(self.model, self.device)
        if self.prior_steps:
            loaded = self._read_first(loaded.float(), tokenizer, report)
        if not self.lora_rank:
            return load_policy(loaded.float().requires_grad_(True), tokenizer)
        try:
            from peft import LoraConfig
        except ImportError:
            raise MissingExtra("adapters", "lm") from None
        rank = self.lora_rank
        lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
        with torch.random.fork_rng(devices=[]):  # adapters begin where the processor's numbers say
            torch.manual_seed(seed)
            return load_policy(loaded, tokenizer, lora)

    def reference(self, model: CausalModel) -> CausalModel | None:
        """A frozen copy, or None where adapters leave the start as it is."""
        return None if self.lora_rank else copy_frozen(model)

    def drawing(self, own: Mapping[str, Any], config: GRPOConfig) -> dict[str, Any]:
        """An arm's parts, with how its answers are drawn. Raises: BadValue for a way that a server has not."""
        parts = dict(own)
        if self.server and ("rollout" in parts or "sampler" in parts):
            raise BadValue("server", self.server, "none for an arm with conversations or a sampler of its own")
        if "rollout" in parts:
            return parts
        if self.server:
            rollout: Any = ServerRollout(
                self.server, self.server_folder, temperature=config.temperature, top_p=config.top_p, stop=self.stop
            )
        else:
            sampler = parts.pop("sampler", None) or Sampler(config.temperature, config.top_p, config.min_p)
            rollout = SingleTurn(
                sampler, stop=self.stop, rows=self.rows_at_once, evaluation=Sampler(config.eval_temperature)
            )
        return {**parts, "rollout": rollout}

    def _read_first(self, module: nn.Module, tokenizer: Any, report: Report | None) -> nn.Module:
        policy = load_policy(module.requires_grad_(True), tokenizer)
        loss = loss_of(self.loss, self.loss_knobs, seed=0)
        learner = Supervised(policy.module, self.prior_rate, updates=self.prior_steps, loss=loss)
        checkpoints = None if report is None else Checkpoints(report.scratch / "prior", every=self.prior_steps)
        if checkpoints is not None:
            checkpoints.restore(learner)
        learner.fit(
            lambda number: self._worked(policy, number), self.prior_steps,
            None if checkpoints is None else lambda done, told: checkpoints.passed(learner), rows=1,
        )  # fmt: skip
        return module.requires_grad_(False)

    def _worked(self, policy: CausalModel, number: int) -> tuple[Tensor, Tensor]:
        """Questions and their worked answers, of which the latter are learned."""
        rows = self.task.rows("train")
        picked = Stream(0, "worked answers").integers(len(rows), torch.arange(PRIOR_ROWS), number).tolist()
        some = [rows[place] for place in picked]
        asked = [policy.encode(row["prompt"]) for row in some]
        told = [_continued(policy, str(row["answer"])) for row in some]
        ids, valid = left_padded([[*a, *b] for a, b in zip(asked, told, strict=True)], policy.pad)
        length, device = ids.shape[1], next(policy.module.parameters()).device
        rolled, labelled = torch.full_like(ids, policy.pad), torch.zeros_like(valid, dtype=torch.bool)
        for row, (a, b) in enumerate(zip(asked, told, strict=True)):  # padded on the right, which nothing looks back at
            rolled[row, : len(a) + len(b)] = ids[row, length - len(a) - len(b) :]
            labelled[row, len(a) : len(a) + len(b)] = True
        return rolled.to(device), labelled.to(device)


class RealTask:
    """What arms are told as `task`: questions, rewards, and how long an answer may be.

    reward_functions, reward_weights: what is paid        reward: the first, which says what is right
    """

    words: tuple[str, ...] = ()
    name = "real"

    def __init__(
        self, train: Sequence[Row], held: Sequence[Row], longest: int, reward: Callable[..., Any], form: float
    ) -> None:
        self._rows = {"train": list(train), "test": list(held), "selection": list(held)}
        self.max_completion, self.reward = longest, reward
        self.reward_functions: tuple[Any, ...] = (reward, formed) if form else (reward,)
        self.reward_weights = (1.0, form) if form else (1.0,)

    def rows(self, split: Split) -> list[Row]:
        """There is no split to select by: 'selection' is 'test'."""
        return self._rows[split]

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether it has a final answer by one of the marks."""
        return final_answer(text) is not None


def _continued(policy: CausalModel, text: str) -> list[int]:
    """A text behind a prompt, and the end."""
    try:
        ids = list(policy.tokenizer(text, add_special_tokens=False)["input_ids"])
    except TypeError:
        ids = policy.encode(text)
    return [*ids, *sorted(policy.ends)[:1]]
