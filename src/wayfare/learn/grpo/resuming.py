"""The whole state of a run, as checkpoints hold it, and whether a stored one is this run's to go on from.

    state_of     everything that goes on: weights, optimiser, counters, memories, generators
    put_state    all of it into a trainer of the same settings, data and parts; refused for others
    newest       of the checkpoints in a folder the newest that is whole

Where nothing is whole the run is refused: to begin anew would overwrite what it has found, and is for its owner to say.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wayfare.errors import ResumeRefused
from wayfare.learn.grpo.generators import generators, set_generators
from wayfare.learn.grpo.identity import differences

if TYPE_CHECKING:
    from wayfare.learn.grpo.trainer import GRPO

__all__ = ["FREE", "newest", "put_state", "state_of"]

FREE = frozenset({"output_dir", "report_to", "save_steps", "save_total_limit", "torch_compile"})
"""Settings that may change between a run and its resumption."""
ANEW = "Begin anew with train(resume=False) or `wayfare train --fresh`, or write elsewhere"


def state_of(run: GRPO) -> dict[str, Any]:
    """All that `put_state` needs to go on bit for bit; of several processes the first one has it whole."""
    return {
        "config": run.config.to_json(),
        "experiment": run.experiment,
        "step": run.step,
        "experience": run.experience.state_dict(),
        "updater": run.updater.state_dict(),
        "regularisers": _states(run.updater.regularisers),
        "auxiliary": _states(run.auxiliary),
        "best": list(run.best) if run.best else [],
        "pending": run.pending,
        "lengths": run.records.lengths(),
        "generators": run.processes.gathered(generators()),
    }


def put_state(run: GRPO, state: Mapping[str, Any]) -> None:
    """Take up where `state_of` was taken. Raises: ResumeRefused for the state of other settings, data or parts."""
    was = state["config"]
    for name, value in run.config.to_json().items():
        if name not in FREE and was.get(name) != value:
            raise ResumeRefused(f"{name} was {was.get(name)!r} in the run to be resumed, now {value!r}. {ANEW}")
    try:
        _say(run, differences(state["experiment"], run.experiment), 8)
    except ResumeRefused as error:
        raise ResumeRefused(f"{error}. {ANEW}") from None
    run.experience.load_state_dict(state["experience"])
    run.updater.load_state_dict(state["updater"])
    parts: list[Any] = [*run.updater.regularisers, *run.auxiliary]
    for part, told in zip(parts, [*state["regularisers"], *state["auxiliary"]], strict=True):
        if told:
            part.load_state_dict(told)
    if int(state["step"]) != run.step:
        run.metrics = []
    run.step, run.pending = int(state["step"]), {name: list(each) for name, each in state["pending"].items()}
    run.best = (float(state["best"][0]), int(state["best"][1])) if state["best"] else None
    set_generators(state["generators"][run.processes.rank % len(state["generators"])])


def newest(run: GRPO) -> dict[str, Any] | None:
    """The state that is newest; None where there is no checkpoint yet.

    Raises: ResumeRefused where none of them is whole, or processes do not find the same.
    """
    found = None if run.checkpoints is None else run.checkpoints.newest()
    whole = None if found is None else found[0]
    numbers = run.processes.gathered(whole)
    if len(set(numbers)) > 1:
        raise ResumeRefused(f"output_dir is another folder in some processes: its checkpoints are {numbers}")
    if run.checkpoints is not None:
        there = run.checkpoints.numbers()
        damaged = ", ".join(str(number) for number in there if whole is None or number > whole)
        which = f"torn or damaged in {run.checkpoints.folder}: the checkpoints of steps {damaged}"
        if damaged and whole is None:
            raise ResumeRefused(f"{which}, and there is no other to go on from. {ANEW}")
        if damaged:
            _say(run, [f"{which}; the run goes on from step {whole}"], 7)
    return None if found is None else found[1]


def _say(run: GRPO, told: Sequence[str], level: int) -> None:
    """level: from here to who called `train`"""
    for each in told if run.processes.rank == 0 else ():
        warnings.warn(each, stacklevel=level)


def _states(parts: Sequence[Any]) -> list[dict[str, Any]]:
    return [each.state_dict() if hasattr(each, "state_dict") else {} for each in parts]
