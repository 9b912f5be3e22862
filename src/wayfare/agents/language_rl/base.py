"""The base of an experiment: a small model pre-trained on a task's corpus, so that it is broad and mediocre.

    base = Base("countdown3", {"hint_rate": 0.3})
    model = base_model(base)                             # from the cache, where it was made before

Every trace of the corpus is legal, and some knob of the task says how many are right: the first sets pass@64, the
second pass@1. Reinforcement learning then has something to sharpen, and something to lose.

`COUNTDOWN` is the base that studies start from: Countdown-3, size xs (96 thousand weights). Its band, pass@1 from .10
to .15 and pass@64 of .95 at least, was met by turning hint rate, steps and learning rate. Base seed 0, 128 selection
prompts with 64 answers each (* on test prompts, which were looked at once before the split was settled):

    hint rate, steps, rate      pass@1 / 16 / 64        entropy    malformed
    .3, 1000, 1e-3  *           .080 / .646 / .945      .292       .145           too poor
    .3, 1500, 3e-3              .096 / .724 / .984      .248       .021           just below the band
    .4, 1500, 3e-3              .114 / .755 / .984      .245       .024           `COUNTDOWN`

What plain training then does was tried from the second of them only: one seed (100), 16 prompts with 16 answers, 200
steps, the same selection prompts. One run each: it says where to look, not how large an effect is.

    learning rate    pass@1 / 16 / 64      entropy    malformed    equal rewards, first and last 20 steps
    1e-4             .159 / .744 / .945    .214       .036         .21    .22
    3e-4             .197 / .707 / .867    .179       .066         .22    .32       pass@64 is lost
    1e-3             .044 / .146 / .219    .215       .707         .39    .88       the form of answers is lost

A step takes 0.12 s of one core, an evaluation 2.0 s, a step of pre-training 0.06 s; at size m 0.32 s, and 0.58 s for a
step of training before it answers briefly. No base of size s or m has been measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from wayfare.agents.language_rl.addresses import found, made
from wayfare.agents.language_rl.cache import kept, key_of
from wayfare.errors import BadValue
from wayfare.language.nano import SIZES, Nano, WordReader
from wayfare.language.nano_model import NanoModel
from wayfare.learn.checkpoint import Checkpoints
from wayfare.learn.supervised import Supervised, SupervisedLoss
from wayfare.worlds.verifiable import VerifiableTask, task

__all__ = ["COUNTDOWN", "Base", "Report", "base_model", "loss_of", "task_of"]

Size = Literal["xs", "s", "m"]
CHUNK = 50
"""Steps whose traces are made at once."""


class Report(Protocol):
    """How far the work is, and where it may keep what it needs to go on; a cell's report is one."""

    @property
    def scratch(self) -> Path:
        """A folder that outlives an interruption."""
        ...

    def __call__(self, done: float, total: float, **metrics: float) -> None:
        """`done` of `total` steps."""
        ...


@dataclass(frozen=True)
class Base:
    """task, knobs: of `wayfare.worlds.verifiable.task`        size: of `wayfare.language.nano.SIZES`
    steps, rows: of pre-training, and traces in each; no trace is seen twice        rate: highest learning rate
    prompts: whether words of the prompt are learned too, not the completion and its end alone
    loss, loss_knobs: 'cross_entropy', or the address of a `SupervisedLoss` and its arguments
    seed: of weights and corpus

    Raises: BadValue.
    """

    task: str = "countdown3"
    knobs: Mapping[str, Any] = field(default_factory=dict)
    size: Size = "xs"
    steps: int = 1500
    rows: int = 192
    rate: float = 3e-3
    prompts: bool = False
    loss: str = "cross_entropy"
    loss_knobs: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise BadValue("size", self.size, f"one of {', '.join(SIZES)}")
        for name in ("steps", "rows"):
            if getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), "at least 1")
        if not 0 < self.rate < float("inf"):
            raise BadValue("rate", self.rate, "finite and above 0")
        for name in ("knobs", "loss_knobs"):
            object.__setattr__(self, name, dict(getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Base:
        """What `to_json` gave."""
        return cls(**stored)


COUNTDOWN = Base("countdown3", {"hint_rate": 0.4})
"""Where studies of collapse start; see the module."""


def task_of(base: Base) -> VerifiableTask:
    """The base's task. Raises: BadValue for an unknown name or knob."""
    return task(base.task, **{name: _tuple(value) for name, value in base.knobs.items()})


def base_model(base: Base, report: Report | None = None) -> NanoModel:
    """A fresh copy of the pre-trained model; trained when it is asked for first, in `report.scratch`, then cached.

    Raises: BadValue as `task_of`.
    """
    model = _fresh(base)
    weights, _ = kept({"kind": "base", **base.to_json()}, lambda: _pretrained(base, report))
    state = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    model.net.load_state_dict(state)
    model.net.eval()
    return model


def _fresh(base: Base) -> NanoModel:
    reader = WordReader(task_of(base).words)
    return NanoModel(Nano(len(reader), base.size, seed=base.seed), reader)


def _pretrained(base: Base, report: Report | None) -> dict[str, Any]:
    model, corpus = _fresh(base), _Corpus(base)
    model.net.requires_grad_(True)
    learner = Supervised(model.net, base.rate, updates=base.steps, loss=loss_of(base.loss, base.loss_knobs, base.seed))
    where = f"base-{key_of(base.to_json())[:16]}"  # what is left of another base is not gone on with
    checkpoints = None if report is None else Checkpoints(report.scratch / where, every=100)
    if checkpoints is not None:
        checkpoints.restore(learner)

    def passed(done: int, told: Mapping[str, float]) -> None:
        if checkpoints is not None:
            checkpoints.passed(learner)
        if report is not None:
            report(done, base.steps, loss=told["loss"])

    learner.fit(corpus.batch, base.steps, passed)
    return {name: value.detach().numpy().copy() for name, value in model.net.state_dict().items()}


class _Corpus:
    """Traces of a number of steps at a time, as ids and labels."""

    def __init__(self, base: Base) -> None:
        self.base, self.task = base, task_of(base)
        self.reader = WordReader(self.task.words)
        self._chunk, self._texts = -1, list[tuple[str, str]]()

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """(ids, labelled), [rows, T] each, padded on the right, where a causal model sees it never."""
        chunk, within = divmod(number, CHUNK)
        if chunk != self._chunk:
            seed = 1_000_003 * (self.base.seed + 1) + chunk
            self._chunk, self._texts = chunk, self.task.corpus(CHUNK * self.base.rows, seed)
        some = self._texts[within * self.base.rows : (within + 1) * self.base.rows]
        asked = [self.reader.encode(prompt) for prompt, _ in some]
        told = [[*self.reader.encode(answer), self.reader.end] for _, answer in some]
        width = max(len(a) + len(b) for a, b in zip(asked, told, strict=True))
        ids = torch.full((len(some), width), self.reader.pad)
        labelled = torch.zeros(len(some), width, dtype=torch.bool)
        for row, (a, b) in enumerate(zip(asked, told, strict=True)):
            ids[row, : len(a) + len(b)] = torch.tensor([*a, *b])
            labelled[row, 0 if self.base.prompts else len(a) : len(a) + len(b)] = True
        return ids, labelled


def loss_of(loss: str, knobs: Mapping[str, Any], seed: int) -> SupervisedLoss:
    """A loss by its name or address, see `Base`."""
    named = found(loss if ":" in loss else f"wayfare.learn.supervised:{loss}")
    if isinstance(named, type):
        made_loss: SupervisedLoss = made(loss, knobs, {"seed": seed})
        return made_loss
    return partial(named, **knobs) if knobs else named


def _tuple(value: Any) -> Any:
    """JSON has lists where tasks have tuples."""
    return tuple(_tuple(each) for each in value) if isinstance(value, (list, tuple)) else value
