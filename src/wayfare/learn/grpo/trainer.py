"""Group-relative training of a language model: ask, draw, pay, compare within groups, learn; with memories on the way.

    trainer = GRPO("path/to/model", reward_funcs=[right], train_dataset="train.jsonl", args=GRPOConfig(max_steps=100))
    trainer.train()
    trainer.save_pretrained("out")

One step, in the order that holds for every method (`wayfare.learn.grpo.seams` says what each part is given):

    keys -> budget -> rollout -> rewards -> features -> bonus.score -> shape -> discard or filter -> advantages
         -> mini-batches of (forward, token loss, truncated weight, regularisers, sum, optimiser step)
         -> auxiliary steps -> update of every memory -> metrics

A run in a folder can be stopped at any moment: started again it goes on from its last whole checkpoint, and metrics and
weights are those of a run that was never stopped (same machine, same number of threads).

Source: Shao et al. 2024 (arXiv 2402.03300) for the method; the losses and what else is published stands where it is
implemented. Names of settings, rewards' calling convention and metrics are TRL's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue
from wayfare.language.causal import CausalModel
from wayfare.language.policies import load_policy
from wayfare.language.sampler import Sampler
from wayfare.learn.checkpoint import Checkpoints
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.dataset import PromptSet, check_lengths
from wayfare.learn.grpo.diverging import check_numbers, in_numbers
from wayfare.learn.grpo.evaluating import Evaluated, evaluate
from wayfare.learn.grpo.experience import Experience, Parts
from wayfare.learn.grpo.identity import identity, made_of
from wayfare.learn.grpo.needs import check_parts
from wayfare.learn.grpo.processes import Alone, Processes, together
from wayfare.learn.grpo.records import Records, completion_rows
from wayfare.learn.grpo.resuming import newest, put_state, state_of
from wayfare.learn.grpo.rewards import RewardFunctions, TrainerState
from wayfare.learn.grpo.rollout import SingleTurn
from wayfare.learn.grpo.seams import (
    Advantage,
    AuxiliarySource,
    Bonus,
    Budget,
    Features,
    Regulariser,
    Rollout,
    RowFilter,
    Shaper,
    Transform,
)
from wayfare.learn.grpo.unchanged import unchanged
from wayfare.learn.grpo.update import Updater

__all__ = ["GRPO", "Callback"]


class Callback:
    """What a run tells on its way; override what is of use. A true answer of `on_step_end` ends the run."""

    def on_train_begin(self, trainer: GRPO) -> None:
        """Before the first step, or the first after a resumption."""

    def on_step_end(self, trainer: GRPO, step: int, metrics: Mapping[str, float]) -> bool | None:
        """step: done so far."""

    def on_evaluate(self, trainer: GRPO, step: int, found: Evaluated) -> None:
        """After an evaluation."""

    def on_save(self, trainer: GRPO, step: int, path: Path) -> None:
        """After a checkpoint was written."""

    def on_train_end(self, trainer: GRPO) -> None:
        """After the last step."""


class GRPO:
    """model: a name or path, a model of `transformers`, of `peft` or of Wayfare; see `wayfare.language.load_policy`
    reward_funcs:   one or several, as TRL calls them; see `wayfare.learn.grpo.rewards`
    train_dataset:  rows with a `prompt`: a datasets.Dataset, a list, or a path
    ref_model:      of the divergence; with adapters the model's own start serves, which costs no second copy
    sampler:        how answers are drawn, in place of args' temperature, top_p and min_p
    the others:     parts of `wayfare.learn.grpo.seams`
    processes:      of `wayfare.learn.grpo.accelerated`, where several train together

    step: steps done        metrics: of each of them, as logged

    Raises: BadValue for settings, data or parts that do not go together, before anything is drawn or written.
    """

    def __init__(
        self,
        model: Any,
        reward_funcs: Any,
        train_dataset: Any,
        args: GRPOConfig | None = None,
        eval_dataset: Any = None,
        *,
        tokenizer: Any = None,
        peft_config: Any = None,
        ref_model: Any = None,
        sampler: Sampler | None = None,
        rollout: Rollout | None = None,
        budget: Budget | None = None,
        transform: Transform | None = None,
        features: Features | None = None,
        bonus: Bonus | None = None,
        shaper: Shaper | None = None,
        row_filter: RowFilter | None = None,
        advantage: Advantage | None = None,
        regularisers: Sequence[Regulariser] = (),
        auxiliary: Sequence[AuxiliarySource] = (),
        callbacks: Sequence[Callback] = (),
        processes: Processes | None = None,
    ) -> None:
        self.config = GRPOConfig() if args is None else args
        self.processes: Processes = Alone() if processes is None else processes
        single: dict[str, Any] = {
            "rollout": rollout, "budget": budget, "transform": transform, "features": features, "bonus": bonus,
            "shaper": shaper, "row_filter": row_filter, "advantage": advantage,
        }  # fmt: skip
        several = {"regularisers": regularisers, "auxiliary": auxiliary, "callbacks": callbacks}
        here = {"on_evaluate": eval_dataset, "on_save": self.config.output_dir}
        check_parts({"sampler": sampler, **single, **several}, [name for name in here if here[name] is not None])
        self.rewards = RewardFunctions(reward_funcs, self.config.reward_weights)
        self.prompts = PromptSet(train_dataset, transform=transform)
        self.eval_prompts = None if eval_dataset is None else PromptSet(eval_dataset, transform=transform)
        for prompts in (self.prompts, self.eval_prompts):
            if prompts is not None:
                self.rewards.check(prompts.columns)
        self.model: CausalModel = load_policy(model, tokenizer, peft_config)
        for prompts in (self.prompts, self.eval_prompts):
            if prompts is not None:
                check_lengths(self.model, prompts, self.config.max_completion_length)
        if self.config.metric_for_best_model is not None and (eval_dataset is None or self.config.output_dir is None):
            raise BadValue(
                "metric_for_best_model", self.config.metric_for_best_model, "None without eval_dataset and output_dir"
            )
        reference = None if ref_model is None else _reference(ref_model, self.model)
        if sampler is not None and rollout is not None:
            raise BadValue("sampler", sampler, "None where a rollout is given, which has its own")
        if sampler is None:
            sampler = Sampler(self.config.temperature, self.config.top_p, self.config.min_p)
        if rollout is None:
            rollout = SingleTurn(sampler, evaluation=Sampler(self.config.eval_temperature))
        parts = Parts(**{**single, "rollout": rollout})
        self.experience = Experience(self.model, self.prompts, self.rewards, self.config, parts, self.processes)
        self.total = self.config.updates(len(self.prompts))
        self.updater = Updater(
            self.model, self.config, self.processes, total=self.total, reference=reference, regularisers=regularisers,
            elsewhere=getattr(rollout, "elsewhere", False),
        )  # fmt: skip
        self.auxiliary, self.callbacks = list(auxiliary), list(callbacks)
        folder = self.config.folder
        self.records = Records(
            folder, tensorboard="tensorboard" in self.config.report_to, main=self.processes.rank == 0
        )
        self.checkpoints = None if folder is None else Checkpoints(folder / "checkpoints", self.config.save_total_limit)
        self.step, self.metrics = 0, list[dict[str, float]]()
        self.best: tuple[float, int] | None = None
        self.pending: dict[str, list[float]] = {}
        self._made = made_of(dict(zip(self.rewards.names, self.rewards.functions, strict=True)), self._parts)

    def train(self, resume: bool = True) -> list[dict[str, float]]:
        """Until all optimiser steps are done or the token budget is spent. Returns: the metrics of these steps.

        resume: whether to go on from the folder's newest whole checkpoint, where there is one

        Raises: ResumeRefused where that belongs to other settings, no checkpoint of the folder is whole, or another
        run is writing there; Diverged where losses or answers are no numbers any more; RewardFailed and BadValue as
        the parts do: what was drawn then is in completions.jsonl, and no weight has moved since the last step.
        """
        with self._alone():
            return self._trained(resume)

    def _trained(self, resume: bool) -> list[dict[str, float]]:
        if resume:
            self.restore()
        elif self.step == 0:
            self.records.cut({})
            if self.checkpoints is not None and self.processes.rank == 0:
                self.checkpoints.clear()
        self._call("on_train_begin")
        while not self.done:
            told = self.advance()
            ended = [each.on_step_end(self, self.step, told) for each in self.callbacks]
            every = self.config.eval_steps
            if self.eval_prompts is not None and ((every and self.step % every == 0) or self.done):
                self._evaluated()
            if self.checkpoints is not None and (self.step % self.config.save_steps == 0 or self.done):
                self.save()
            if self.processes.any(any(ended)):
                self._write_metrics()
                break
        if self.config.metric_for_best_model is not None and self.best is not None:
            self._take_best()
        self.records.close()
        self._call("on_train_end")
        return self.metrics

    @property
    def done(self) -> bool:
        """Whether all optimiser steps are taken, or the token budget is spent."""
        budget = self.config.token_budget
        return self.updater.done >= self.total or (budget is not None and self.experience.tokens >= budget)

    @property
    def state(self) -> TrainerState:
        """How far the run is, as reward functions are told."""
        return TrainerState(
            global_step=self.updater.done, max_steps=self.total, epoch=self.experience.position / len(self.prompts),
            num_input_tokens_seen=self.experience.tokens, is_world_process_zero=self.processes.rank == 0,
        )  # fmt: skip

    def advance(self) -> dict[str, float]:
        """One step. Returns: its metrics. Raises: as `train`."""
        with in_numbers(self):
            return self._advanced()

    def _advanced(self) -> dict[str, float]:
        began = time.perf_counter()
        before = self.experience.position, self.experience.tokens
        try:
            made = self.experience.make(self.step, self.state)
        except Exception:
            self.experience.position, self.experience.tokens = before
            left = self.experience.unscored
            if left is not None:
                self.records.completions(completion_rows(left, self.step, self.rewards.names))
            raise
        drawn = time.perf_counter()
        batch = self.updater.prepared(made.batch)
        stale = batch.born_step is not None and bool((batch.born_step < self.step).any())
        told = {**made.metrics, **self.updater.update(batch, self.step, stale)}
        for source in self.auxiliary:
            found = source.sample(self.step)
            if found is not None:
                how: Any = getattr(source, "loss", "policy")
                more = self.updater.auxiliary(found[0], found[1], self.step, how)
                told.update({f"auxiliary/{name}": value for name, value in more.items()})
        self.experience.remember(made)
        shown = replace(batch, extras={})
        for seam, parts in (("auxiliary", self.auxiliary), ("regularisers", self.updater.regularisers)):
            for part in parts:
                update = getattr(part, "update", None)
                if update is not None:
                    with unchanged(seam, part, shown):
                        update(shown)
        if self.config.log_completions:
            self.records.completions(completion_rows(made.drawn, self.step, self.rewards.names, made.logged))
        self.step += 1
        told = {"epoch": self.state.epoch, **told}
        self._log(told)
        self.records.seconds(self.step, {"draw": drawn - began, "step_time": time.perf_counter() - began})
        return told

    def evaluate(self, dataset: Any = None) -> Evaluated:
        """On a data set, or the one given at the start. Raises: BadValue where there is neither."""
        prompts = (
            self.eval_prompts if dataset is None else PromptSet(dataset, transform=self.experience.parts.transform)
        )
        if prompts is None:
            raise BadValue("dataset", None, "given, as no eval_dataset was")
        if prompts is not self.eval_prompts:
            check_lengths(self.model, prompts, self.config.max_completion_length)
        with in_numbers(self):
            return evaluate(
                self.experience, self.updater, prompts, self.state, answers=self.config.num_generations_eval,
                ks=self.config.eval_ks, threshold=self.config.pass_threshold,
            )  # fmt: skip

    def save_pretrained(self, folder: str | Path, merged: bool = False) -> None:
        """What `from_pretrained` reads: the model, or its adapter alone; merged puts the adapter into the model."""
        with together(self.processes):
            if self.processes.rank == 0:
                self.model.save_pretrained(Path(folder), merged=merged)

    def save(self) -> None:
        """A checkpoint of everything. Raises: BadValue where the run has no folder; Diverged as `train`."""
        if self.checkpoints is None:
            raise BadValue("output_dir", None, "given, for checkpoints")
        check_numbers(self)  # it would take a good one's place
        state = self.state_dict()
        with self._alone(), together(self.processes):  # nobody looks for the file before it is there
            if self.processes.rank == 0:
                path = self.checkpoints.write(self.step, state, protect=self.best[1] if self.best else None)
                for each in self.callbacks:
                    each.on_save(self, self.step, path)

    def restore(self) -> bool:
        """Go to the newest whole checkpoint of the folder; whether there was one. Raises: ResumeRefused as `train`."""
        with self._alone():
            return self._restored()

    def _restored(self) -> bool:
        found = newest(self)
        if found is not None:
            self.load_state_dict(found)
        if found is not None or self.step == 0:
            self.records.cut({} if found is None else found["lengths"])
        return found is not None

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit; of several processes the first one has it whole."""
        return state_of(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken. Raises: ResumeRefused for another run's, see `resuming`."""
        put_state(self, state)

    @cached_property
    def experiment(self) -> dict[str, Any]:
        """What the run is of, beside its settings; see `wayfare.learn.grpo.identity`."""
        return {**identity(self.prompts, self.rewards.names, self._parts, self.model.module), **self._made}

    @property
    def _parts(self) -> dict[str, Any]:
        parts = {name: getattr(self.experience.parts, name) for name in Parts.__dataclass_fields__}
        return {**parts, "regularisers": self.updater.regularisers, "auxiliary": self.auxiliary}

    def _log(self, told: dict[str, float]) -> None:
        self.metrics.append(told)
        for name, value in told.items():
            self.pending.setdefault(name, []).append(value)
        if self.step % self.config.logging_steps == 0 or self.done:
            self._write_metrics()

    def _write_metrics(self) -> None:
        """Means over the steps since the last line; of what only grows, the last."""
        if not self.pending:
            return
        means = {name: sum(values) / len(values) for name, values in self.pending.items()}
        for name in ("epoch", "num_tokens"):
            means[name] = self.pending[name][-1]
        if "jsonl" in self.config.report_to or "tensorboard" in self.config.report_to:
            self.records.metrics(self.updater.done, means)
        self.pending = {}

    def _evaluated(self) -> None:
        found = self.evaluate()
        self.records.metrics(self.updater.done, found.metrics)
        for each in self.callbacks:
            each.on_evaluate(self, self.step, found)
        name = self.config.metric_for_best_model
        if name is None:
            return
        known = {**found.metrics, **{key.removeprefix("eval_"): value for key, value in found.metrics.items()}}
        if name not in known:
            raise BadValue("metric_for_best_model", name, f"one of {', '.join(found.metrics)}")
        if self.best is None or known[name] > self.best[0]:
            self.best = (known[name], self.step)
            if self.checkpoints is not None:
                self.save()

    def _take_best(self) -> None:
        assert self.best is not None
        state = None if self.checkpoints is None else self.checkpoints.read(self.best[1])
        if state is not None and self.best[1] != self.step:
            self.processes.put(self.model.module, state["updater"]["weights"])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """With the folder held; refused in one process, refused in all."""
        with ExitStack() as held:
            with together(self.processes):
                held.enter_context(self.records.held())
            yield

    def _call(self, name: str) -> None:
        for each in self.callbacks:
            getattr(each, name)(self)


def _reference(given: Any, model: CausalModel) -> CausalModel:
    reference: CausalModel = given if hasattr(given, "states") else load_policy(given, model.tokenizer)
    if reference.vocabulary != model.vocabulary:
        raise BadValue(
            "ref_model", f"{reference.vocabulary} words", f"of the policy's vocabulary, {model.vocabulary} words"
        )
    reference.module.requires_grad_(False).eval()
    return reference
