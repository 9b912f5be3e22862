"""The full scale: a hosted model works through a task list, with each memory, in each order.

    {"task": "Which year ...?", "answer": "1969"}          a line of the file: any public benchmark with short answers

The model answers with what the memory shows it (`agents.text_solver`); memories that a language model serves ask the
same one: insights, workflows, notes and facts write with it, ReMem chooses its operations (`agents.remem`). What a run
may cost is told before anything is asked: `ready` refuses a config whose `most_calls` is below it, and a memory that
would ask more than its share is refused the call, which counts as its failure. Answers stand in a ledger a cell, so
that a run that was stopped pays for none twice. Difficulty, by which two of the orders sort, is the length of a task.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.remem import TRIES, ReMemAgent
from wayfare.agents.stream_measures import measured, ordered
from wayfare.agents.streaming import Stream, StreamRunner, StreamTask
from wayfare.agents.text_solver import TextSolver
from wayfare.errors import BadValue
from wayfare.language import EndpointModel, LanguageModel, Sampling
from wayfare.language.interface import Prompt, Samples, Scores
from wayfare.memory.modules import MODULES, made
from wayfare.report.statistics import Interval
from wayfare.studies.collected import joined
from wayfare.studies.contract import Arrays, Cell, Check, Findings, Kind, Progress, Report, Table
from wayfare.studies.evo_memory import Config
from wayfare.studies.evo_memory.players import label_of
from wayfare.studies.hosted import Task, mean_length, read_tasks, refuse_too_few_calls
from wayfare.studies.stated import StatedCheck, seeds_interval

__all__ = ["ASKS", "Numbered", "calls", "ready", "run_full", "work"]

Floats = NDArray[np.float64]
ASKS = {"insights": 1, "workflows": 1, "notes": 1, "facts": 5, "remem": 6}
"""Calls that a memory may make a task; the others make none."""
ID = re.compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b")
SHORT = re.compile(r"\brec\d+\b")
WRITING = Sampling(temperature=0.0, max_tokens=400)
TOLD = ("calls", "failed calls", "tokens read", "tokens written")


def calls(tasks: int, config: Config) -> int:
    """What a run asks at most: each task and each asked again, by the solver and by the memory."""
    turns = tasks + min(config.reask, tasks)
    return config.seeds * len(config.orders) * turns * sum(1 + ASKS.get(name, 0) for name in MODULES)


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without a task list or a server, or where `most_calls` is too few."""
    if config.scale != "full":
        return
    if not config.tasks:
        raise BadValue("tasks", config.tasks, "a file of tasks at full scale")
    if not config.endpoint:
        raise BadValue("endpoint", config.endpoint, "the address of a server at full scale")
    tasks = read_tasks(config.tasks)
    wanted = calls(len(tasks), config)
    refuse_too_few_calls(config.most_calls, wanted, wanted * (mean_length(tasks) / 4 + config.full_words))


class Numbered:
    """A language model that reads ids of records as rec1, rec2 .., in the order of a prompt, and answers so.

    Ids differ from run to run: with them in it no prompt would be in the ledger. One prompt a call, a text.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = WRITING) -> Samples:
        """Raises: BadValue for more than one prompt, or one that is no text."""
        if len(prompts) != 1 or not isinstance(prompts[0], str):
            raise BadValue("prompts", len(prompts), "one text")
        ids = list(dict.fromkeys(ID.findall(prompts[0])))
        short = {id: f"rec{number}" for number, id in enumerate(ids, 1)}
        told = self.model.generate([ID.sub(lambda id: short[id[0]], prompts[0])], sampling)
        back = {name: id for id, name in short.items()}
        return replace(
            told, texts=tuple(SHORT.sub(lambda name: back.get(name[0], name[0]), text) for text in told.texts)
        )

    def logprobs(self, sequences: Sequence[tuple[Prompt, Sequence[int] | str]]) -> Scores:
        """As the model has them."""
        return self.model.logprobs(sequences)


class _Allowed:
    """A language model as memories ask it: prompt -> answer, up to `most` calls. Raises: BadValue for one more."""

    def __init__(self, model: LanguageModel, most: int) -> None:
        self.model, self.most, self.made = model, most, 0

    def __call__(self, prompt: str) -> str:
        self.made += 1
        if self.made > self.most:
            raise BadValue("calls of the memory", self.made, f"at most {self.most} in this stream")
        return self.model.generate([prompt], WRITING).texts[0]


def work(
    report: Report, *, name: str, order: str, tasks: Sequence[Task], seed: int, config: Config, ledger: str
) -> Arrays:
    """One memory in one order: success of each task in the file's order [1, T], measures and costs [1] each."""
    asked = ordered(
        [StreamTask(str(i), each.task, float(len(each.task))) for i, each in enumerate(tasks)],
        order,  # type: ignore[arg-type]
        seed,
    )
    folder = Path(mkdtemp(prefix="wayfare-"))
    try:
        with EndpointModel(config.endpoint, config.model, ledger=ledger, mode="chat") as speaker:
            solver = TextSolver(speaker, {str(i): each.answer for i, each in enumerate(tasks)})
            turns = len(tasks) + min(config.reask, len(tasks))
            module = _module(name, folder, seed, config.k, speaker, ASKS.get(name, 0) * turns)
            runner = StreamRunner(solver, budget_tokens=config.full_words, reask=config.reask, seed=seed)
            result = runner.run([Stream(name, module, asked, seed)], report)[0]
            module.close()
            told = speaker.spent
            spent = told.calls + told.replayed, told.failed, told.prompt_tokens, told.completion_tokens
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    by_task = np.zeros((1, len(tasks)))
    by_task[0, [int(each.id) for each in asked]] = result.success
    key = f"{name} {order}"
    return {
        f"{key}|success": by_task,
        f"{key}|curve": result.success[None],
        **{f"{key}|{measure}": np.array([value]) for measure, value in measured(result).items()},
        **{f"{key}|{what}": np.array([float(value)]) for what, value in zip(TOLD, spent, strict=True)},
    }


def _module(name: str, folder: Path, seed: int, k: int, speaker: EndpointModel, most: int) -> Any:
    """ReMem's cap bounds its own calls."""
    writer = Numbered(speaker)
    address = folder / f"{name}.db"
    if name == "remem":
        return ReMemAgent(address, writer, k=k, seed=seed, cap=ASKS["remem"] // TRIES)
    return made(name, address, k=k, seed=seed, complete=_Allowed(writer, most) if name in ASKS else None)


def run_full(config: Config, progress: Progress) -> Findings:
    """Every memory in every order. Checks are over tasks: each is one value, its mean over orders and seeds.

    Raises: BadValue as `ready` does.
    """
    ready(config)
    tasks = read_tasks(config.tasks)
    cells = [
        Cell(
            f"{name}-{order}-{seed}", work, seconds=float(len(tasks) * (1 + ASKS.get(name, 0))),
            kwargs={
                "name": name, "order": order, "tasks": tasks, "seed": seed, "config": config,
                "ledger": str(Path(config.ledger_folder) / f"evo-memory-{name}-{order}-{seed}.jsonl"),
            },
        )
        for name in MODULES for order in config.orders for seed in range(config.seed, config.seed + config.seeds)
    ]  # fmt: skip
    measures = joined(progress.cells(cells))
    return Findings(
        tables={"memories": _table(config, measures)},
        figures=(),
        checks=_checks(config, measures),
        notes=[
            f"Model: {config.model} at {config.endpoint}; {len(tasks)} tasks; "
            f"{sum(float(measures[f'{n} {o}|calls'].sum()) for n in MODULES for o in config.orders):,.0f} calls.",
            "A success is an answer whose last line holds the words of the expected one. Intervals are over tasks.",
            "Tokens are those paid for: the same prompt again, at temperature 0, is answered by the ledger.",
        ],
    )


def _by_task(config: Config, measures: Mapping[str, NDArray[Any]], name: str) -> Floats:
    """[T] in the mean over orders and seeds."""
    found = [measures[f"{name} {order}|success"] for order in config.orders]
    return np.asarray(np.mean(found, axis=(0, 1)), np.float64)


def _checks(config: Config, measures: Mapping[str, NDArray[Any]]) -> list[Check]:
    def check(name: str, statement: str, kind: Kind, threshold: float, values: Floats) -> Check:
        stated = StatedCheck(name, statement, kind, "above", threshold, "success")
        if len(values) < 2:
            return stated.on(Interval(np.nan, np.nan, np.nan, "none", len(values)), len(values), "too few tasks")
        return stated.on(seeds_interval(values), len(values))

    none, exprag, remem = (_by_task(config, measures, name) for name in ("none", "exprag", "remem"))
    return [
        check("no memory leaves room", "The model fails at some tasks", "instrument", 0.0, 1.0 - none),
        check("ExpRAG above no memory", "By 0.10 at least, over all orders", "claim", 0.10, exprag - none),
        check("ReMem not below ExpRAG", "By less than 0.02, over all orders", "claim", -0.02, remem - exprag),
    ]


def _table(config: Config, measures: Mapping[str, NDArray[Any]]) -> Table:
    shown = ("area", "first third", "last third", "forgetting", "context tokens", "items", "failures", "memory calls")
    rows = [
        (
            label_of(name), order, *(float(np.nanmean(measures[f"{name} {order}|{measure}"])) for measure in shown),
            *(float(measures[f"{name} {order}|{what}"].sum()) for what in TOLD),
        )
        for name in MODULES for order in config.orders
    ]  # fmt: skip
    return Table("memories of a hosted model", ("memory", "order", "success", *shown[1:], *TOLD), tuple(rows))
