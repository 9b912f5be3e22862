"""`wayfare train`: the group-relative trainer on a model, a data set and reward functions of yours, from one file.

    wayfare train run.toml
    accelerate launch -m wayfare train run.toml        on several processes

Started again it goes on from the last checkpoint of its output_dir.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tyro

from wayfare.errors import MissingExtra
from wayfare.flags import parse

__all__ = ["train"]

SHOWN = ("reward", "bonus/mean", "entropy", "completions/mean_length", "frac_reward_zero_std")


@dataclass(frozen=True)
class TrainOptions:
    """Train a language model by a file of settings."""

    file: tyro.conf.Positional[Path]
    """JSON or TOML; `wayfare.learn.grpo.from_file` shows one."""
    fresh: bool = False
    """Begin anew, and overwrite what output_dir holds."""
    check: bool = False
    """Load everything, say what would be done, and end."""


def train(words: list[str]) -> int:
    """The exit status of `wayfare train WORDS`."""
    options = parse(TrainOptions, words, "wayfare train")
    for package, extra in (("torch", "lab"), ("transformers", "lm")):
        if find_spec(package) is None:
            raise MissingExtra(f"wayfare train needs {package}, which", extra)
    # By name: the command line stays loadable without torch.
    trainer = import_module("wayfare.learn.grpo.from_file").trainer_from(options.file, _processes())
    config = trainer.config
    told = _Told(trainer.processes.rank == 0)
    told.say(
        f"{len(trainer.prompts)} prompts; {trainer.total} optimiser steps of {config.generation_batch_size} answers, "
        f"{config.num_generations} a prompt, at most {config.max_completion_length} tokens each; into "
        f"{config.output_dir or 'nowhere: output_dir is not set'}"
    )
    if options.check:
        return 0
    trainer.callbacks.append(told)
    trainer.train(resume=not options.fresh)
    if config.output_dir is not None:
        trainer.save_pretrained(Path(config.output_dir) / "model")
        told.say(f"model: {Path(config.output_dir) / 'model'}")
    return 0


def _processes() -> Any:
    return import_module("wayfare.learn.grpo.accelerated").processes_here() if _launched() else None


def _launched() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


class _Told:
    """Prints a line a step. first: whether this is the process that speaks for all"""

    def __init__(self, first: bool) -> None:
        self.first = first

    def say(self, line: str) -> None:
        if self.first:
            print(line, flush=True)

    def on_train_begin(self, trainer: Any) -> None:
        if trainer.step:
            self.say(f"goes on from step {trainer.step}")

    def on_step_end(self, trainer: Any, step: int, metrics: Mapping[str, float]) -> None:
        if step % trainer.config.logging_steps == 0:
            self.say(_line(step, {name: value for name, value in metrics.items() if name in SHOWN}))

    def on_evaluate(self, trainer: Any, step: int, found: Any) -> None:
        shown = {
            name: value
            for name, value in found.metrics.items()
            if name.startswith("eval_pass") or name == "eval_reward"
        }
        self.say(_line(step, shown))

    def on_save(self, trainer: Any, step: int, path: Path) -> None:
        """Nothing is said of it."""

    def on_train_end(self, trainer: Any) -> None:
        """Nothing is said of it."""


def _line(step: int, told: Mapping[str, float]) -> str:
    return f"step {step}: " + ", ".join(f"{name} {value:.3g}" for name, value in told.items())
