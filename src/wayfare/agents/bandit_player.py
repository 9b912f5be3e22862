"""A language model that plays bandits told in words, and what it can be given of an algorithm that plays them well.

    telling = Telling("buttons", "AG")                         # scenario, history layer, guide
    player = BanditPlayer(model, telling, Sampling(temperature=1.0, max_tokens=8))
    played = player.play(pull, arms=5, copies=20, horizon=300, seed=0)
    played.actions, played.unmatched                           # an answer that names no arm is a random pull, counted

Two ways to hand over an algorithm: its numbers in the prompt (layer AG), or its decisions, as examples in the prompt or
as data to train on (`wayfare.agents.bandit_lessons`).

A prompt is a pure function of what happened before the decision: guide values are those *before* its pull is learned,
and what the model was shown can be told again from actions and rewards. A run that was killed is started again with the
same seed over the same ledger: the same prompts are asked in the same order, and none is paid for twice.

Source: Nie et al. 2024 (arXiv 2410.06238), sections on history and algorithm-guided support.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ArmTable, Array, LinearTable
from wayfare.explore.rules.linear import LinUCB
from wayfare.explore.rules.ucb import UCB1
from wayfare.language.interface import LanguageModel, Prompt, Samples, Sampling
from wayfare.worlds.bandit_text import (
    HISTORY_LENGTH,
    SCENARIOS,
    Answer,
    Scenario,
    guided,
    guided_in_context,
    raw,
    raw_in_context,
    read_answer,
    summary,
)
from wayfare.worlds.bandit_worked import read_last_name

__all__ = [
    "TEACHER",
    "BanditPlayer",
    "Demonstration",
    "Guide",
    "Layer",
    "Played",
    "Telling",
]

Layer = Literal["RH", "SH", "AG"]
Pull = Callable[[NDArray[np.int64], int], Array]
"""(actions [N], t) -> rewards [N], as `wayfare.explore.rules.play` takes it."""
TEACHER = UCB1(alpha=0.5)
"""mean + sqrt(0.5 ln t / n): UCB1 multiplies sqrt(2 ln t / n), and 0.5 sqrt(2) is sqrt(0.5)."""
SEEDS = 2**31 - 1


class Guide(Protocol):
    """A rule whose score is a value and a bonus, which it tells apart: `UCB1`."""

    def value(self, table: Any) -> Array:
        """[..., A]"""
        ...

    def bonus(self, table: Any) -> Array:
        """[..., A]"""
        ...


class Demonstration(NamedTuple):
    """One decision of a teacher. history: as the layer tells it        answer: the name of what was done"""

    history: str
    query: str
    answer: str


@dataclass(frozen=True)
class Telling:
    """How a bandit is told.

    scenario: of `SCENARIOS`, or one of your own        layer: RH every pull, SH a summary, AG the summary with a guide
    guide: whose numbers AG shows        detailed: the longer task text
    examples: decisions of a teacher, whose layer may be another        most: pulls that RH shows
    aloud: whether the model may think first; then the last arm that it names counts
    chat: whether the prompt is a conversation of one message, for models that were taught to answer such

    Raises: BadValue for an unknown scenario or layer, or `most` below 1.
    """

    scenario: str | Scenario = "buttons"
    layer: Layer = "SH"
    guide: Guide = TEACHER
    detailed: bool = False
    examples: tuple[Demonstration, ...] = ()
    most: int = HISTORY_LENGTH
    aloud: bool = False
    chat: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.scenario, str):
            if self.scenario not in SCENARIOS:
                raise BadValue("scenario", self.scenario, f"one of {', '.join(SCENARIOS)}, or a Scenario")
            object.__setattr__(self, "scenario", SCENARIOS[self.scenario])
        if self.layer not in get_args(Layer):
            raise BadValue("layer", self.layer, f"one of {', '.join(get_args(Layer))}")
        if self.most < 1:
            raise BadValue("most", self.most, "at least 1")

    @property
    def dress(self) -> Scenario:
        """The scenario itself."""
        assert isinstance(self.scenario, Scenario)
        return self.scenario

    def names(self, arms: int, copies: NDArray[np.int64], seed: int) -> list[tuple[str, ...]]:
        """Names of each copy's arms, in an order of its own: a position must not tell what an arm pays."""
        known = self.dress.named(arms)
        lots = Stream(seed, "names").uniform(copies[:, None], 0, np.arange(arms))
        return [tuple(known[i] for i in order) for order in np.argsort(lots, axis=1)]

    def history(self, names: Sequence[str], actions: Sequence[int], rewards: Sequence[float]) -> str:
        """What is told before the decision that comes next."""
        unit = self.dress.unit
        if self.layer == "RH":
            return raw(names, np.asarray(actions, dtype=np.int64), rewards, unit, self.most)
        counts = np.bincount(np.asarray(actions, dtype=np.int64), minlength=len(names)).astype(np.float64)
        sums = np.bincount(np.asarray(actions, dtype=np.int64), np.asarray(rewards, np.float64), len(names))
        if self.layer == "SH":
            return summary(names, counts, sums, unit)
        table = ArmTable(counts, sums, np.zeros_like(sums))
        return guided(names, counts, sums, self.guide.value(table), self.guide.bonus(table), unit)

    def prompt(self, names: Sequence[str], horizon: int, history: str) -> Prompt:
        """What the model is asked: `text`, or a conversation of that one message."""
        text = self.text(names, horizon, history)
        return [{"role": "user", "content": text}] if self.chat else text

    def text(self, names: Sequence[str], horizon: int, history: str) -> str:
        """Task, examples, history and query."""
        task = self.dress.instruction(names, horizon, detailed=self.detailed, aloud=self.aloud)
        return self.dress.prompt(task, history, list(self.examples))

    def read(self, answer: str, names: Sequence[str], uniform: float) -> Answer:
        """The arm that the answer means; where it names none, the one at `uniform`."""
        return (read_last_name if self.aloud else read_answer)(answer, names, uniform)


@dataclass(frozen=True)
class Played:
    """actions: [T, N] int64        rewards: [T, N]        matched: [T, N] bool, whether the answer named an arm
    failed: [T, N] bool, where no answer came        names: of each copy's arms
    tokens: read and written in all        shortened: whether a raw history left old pulls out
    """

    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    matched: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    names: list[tuple[str, ...]]
    tokens: tuple[int, int] = (0, 0)
    shortened: bool = False

    @property
    def unmatched(self) -> float:
        """Share of pulls that were random because the answer named no arm; 0 where nothing was pulled."""
        return float(1.0 - self.matched.mean()) if self.matched.size else 0.0


@dataclass
class BanditPlayer:
    """model: any language model        sampling: of each answer; its seed is set anew at each pull
    watch: is shown the prompts and answers of each pull, which is what a trainer learns from
    """

    model: LanguageModel
    telling: Telling = field(default_factory=Telling)
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=16))
    watch: Callable[[Sequence[Prompt], Samples], None] | None = None

    def __post_init__(self) -> None:
        """Raises: BadValue for what is no language model, such as the name of one."""
        if not hasattr(self.model, "generate"):
            raise BadValue(
                "model", self.model, "a language model: TransformersModel(name), or EndpointModel(url, name)"
            )

    def play(
        self, pull: Pull, arms: int, copies: int, horizon: int, seed: int, task: NDArray[np.int64] | None = None
    ) -> Played:
        """All copies at once, one call of the model a pull.

        task: [N] number of each copy's task: copies of one task have one order of names; None: each has its own

        Raises: BadValue for arms without names, fewer than one copy, a horizon below 0, tasks of another number, or
        several answers to a prompt.
        """
        if task is not None and np.shape(task) != (copies,):
            raise BadValue("task", list(np.shape(task)), f"[{copies}], one a copy")
        names = self._begin(arms, copies, horizon, seed, task)
        past: list[tuple[list[int], list[float]]] = [([], []) for _ in range(copies)]
        rounds = _Rounds(self, names, seed)
        for t in range(horizon):
            told = [self.telling.history(own, *before) for own, before in zip(names, past, strict=True)]
            action = rounds.ask([self.telling.prompt(own, horizon, h) for own, h in zip(names, told, strict=True)], t)
            reward = np.asarray(pull(action, t), dtype=np.float64)
            rounds.rewards.append(reward)
            for (done, paid), a, r in zip(past, action.tolist(), reward.tolist(), strict=True):
                done.append(a)
                paid.append(r)
        return rounds.ended(horizon > self.telling.most and self.telling.layer == "RH")

    def play_contextual(self, world: Any, horizon: int, seed: int, describe: Callable[[NDArray[Any]], str]) -> Played:
        """A contextual world whose arms each have weights of their own, from its reset on.

        world: a `ContextualBandit` of features "context", such as `ratings_bandit` gives
        describe: the context's numbers [D] in words
        The layer is RH or AG; AG's guide is LinUCB, with alpha 0.5 unless the telling has another.

        Raises: BadValue for SH, whose summary knows no context; else as `play` does.
        """
        if self.telling.layer == "SH":
            raise BadValue("layer", "SH", "RH or AG: a summary of arms knows no context")
        guide = self.telling.guide if isinstance(self.telling.guide, LinUCB) else LinUCB(alpha=0.5)
        arms, copies = int(world.num_actions), int(world.num_envs)
        names = self._begin(arms, copies, horizon, seed)
        rounds = _Rounds(self, names, seed)
        seen, _ = world.reset(seed=seed)
        width = int(world.contexts.shape[1])
        contexts: list[list[str]] = [[] for _ in range(copies)]
        shown: list[list[tuple[Any, Any]]] = [[] for _ in range(copies)]
        past: list[tuple[list[int], list[float]]] = [([], []) for _ in range(copies)]
        table: LinearTable | None = None
        for t in range(horizon):
            x = np.asarray(seen[:, :width], dtype=np.float64)
            table = LinearTable.empty(x[:, None], arms) if table is None else replace(table, features=x[:, None])
            value, bonus = np.asarray(guide.value(table)), np.asarray(guide.bonus(table))
            prompts = []
            for i, own in enumerate(names):
                who, unit, most = describe(x[i]), self.telling.dress.unit, self.telling.most
                if self.telling.layer == "AG":
                    told = guided_in_context(own, contexts[i], _ints(past[i][0]), past[i][1], shown[i], who, value[i], bonus[i], unit, most)  # fmt: skip # noqa: E501
                else:
                    told = f"{raw_in_context(own, contexts[i], _ints(past[i][0]), past[i][1], unit, most)}\nNow: {who}"
                prompts.append(self.telling.prompt(own, horizon, told))
                contexts[i].append(who)
                shown[i].append((value[i], bonus[i]))
            action = rounds.ask(prompts, t)
            seen, paid, *_ = world.step(torch.from_numpy(action))
            reward = paid.double().numpy()
            rounds.rewards.append(reward)
            table = table.updated(action, reward)
            for (done, got), a, r in zip(past, action.tolist(), reward.tolist(), strict=True):
                done.append(a)
                got.append(r)
        return rounds.ended(horizon > self.telling.most)

    def _begin(
        self, arms: int, copies: int, horizon: int, seed: int, task: NDArray[np.int64] | None = None
    ) -> list[tuple[str, ...]]:
        for name, number, least in (("copies", copies, 1), ("horizon", horizon, 0)):
            if number < least:
                raise BadValue(name, number, f"at least {least}")
        if self.sampling.n != 1:
            raise BadValue("sampling.n", self.sampling.n, "1: a decision is one answer")
        return self.telling.names(arms, np.arange(copies) if task is None else task, seed)


class _Rounds:
    """Asks and keeps the record."""

    def __init__(self, player: BanditPlayer, names: list[tuple[str, ...]], seed: int) -> None:
        self.player, self.names = player, names
        self.lots, self.seeds = Stream(seed, "unmatched"), Stream(seed, "sampling")
        self.actions: list[NDArray[np.int64]] = []
        self.rewards: list[NDArray[np.float64]] = []
        self.matched: list[list[bool]] = []
        self.failed: list[list[bool]] = []
        self.read = self.written = 0

    def ask(self, prompts: list[Prompt], t: int) -> NDArray[np.int64]:
        sampling = replace(self.player.sampling, seed=int(self.seeds.integers(SEEDS - 1, 0, t)))
        told = self.player.model.generate(prompts, sampling)
        if self.player.watch is not None:
            self.player.watch(prompts, told)
        lots, read = self.lots.uniform(np.arange(len(prompts)), t), self.player.telling.read
        answers = [read(text, own, float(u)) for text, own, u in zip(told.texts, self.names, lots, strict=True)]
        action = np.array([answer.arm for answer in answers], dtype=np.int64)
        self.actions.append(action)
        self.matched.append([answer.matched for answer in answers])
        self.failed.append([finish == "error" for finish in told.finish])
        self.read += int(told.prompt_tokens.sum())
        self.written += int(told.completion_tokens.sum())
        return action

    def ended(self, shortened: bool) -> Played:
        shape = (len(self.actions), len(self.names))
        return Played(
            np.array(self.actions, dtype=np.int64).reshape(shape),
            np.array(self.rewards, dtype=np.float64).reshape(shape),
            np.array(self.matched, dtype=bool).reshape(shape),
            np.array(self.failed, dtype=bool).reshape(shape),
            self.names,
            (self.read, self.written),
            shortened,
        )


def _ints(actions: list[int]) -> NDArray[np.int64]:
    return np.asarray(actions, dtype=np.int64)
