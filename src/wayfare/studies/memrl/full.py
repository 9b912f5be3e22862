"""The full scale: a real model works through a task list, with a memory in a file behind each way to recall.

    {"task": "Which year ...?", "answer": "1969"}                    a line of the file; "held_out": true for tasks that
                                                                     are met once, at the end, by a frozen memory

One call answers, with what was recalled in its prompt; one summarises the attempt into the experience that is kept
under the task's text. A success is an answer whose words are those of `answer`. What a run will cost is told before
anything is asked: `ready` refuses a config whose `most_calls` is below it. Answers stand in a ledger, so that a run
that was stopped pays for none twice; calls and tokens are told pass by pass.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.text_solver import solved
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language import EndpointModel, Sampling
from wayfare.memory import Memory, Policy
from wayfare.memory.policy import BASELINE
from wayfare.report.statistics import Interval
from wayfare.studies.collected import joined
from wayfare.studies.contract import Cell, Check, Findings, Kind, Progress, Report, Table
from wayfare.studies.hosted import Task, embedder_at, mean_length, read_tasks, refuse_too_few_calls
from wayfare.studies.memrl import Config
from wayfare.studies.memrl.arms import MEMRL
from wayfare.studies.stated import StatedCheck, seeds_interval

__all__ = ["WAYS", "Task", "calls", "read_tasks", "ready", "run_full", "work"]

ANSWER = Sampling(temperature=0.0, max_tokens=400)
SUMMARY = Sampling(temperature=0.0, max_tokens=160)
TOLD = ("calls", "failed calls", "tokens read", "tokens written")


@dataclass(frozen=True)
class Way:
    """policy: of recall, None for no memory        success: only what succeeded when it was written"""

    policy: Policy | None
    success: bool = False


WAYS = {
    "no memory": Way(None),
    "similarity": Way(BASELINE),
    "success filter": Way(BASELINE, success=True),
    "MemRL": Way(MEMRL.with_(epsilon=0.01)),
}


def calls(tasks: Sequence[Task], passes: int) -> int:
    """What a run asks: an answer a task, and a summary wherever there is a memory."""
    again = sum(not each.held_out for each in tasks)
    held = len(tasks) - again
    return sum(passes * again * (1 if way.policy is None else 2) + held for way in WAYS.values())


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without a task list or a server, or where `most_calls` is too few."""
    if config.scale != "full":
        return
    if not config.tasks:
        raise BadValue("tasks", config.tasks, "a file of tasks at full scale")
    if not config.endpoint:
        raise BadValue("endpoint", config.endpoint, "the address of a server at full scale")
    tasks = read_tasks(config.tasks)
    wanted = config.seeds * calls(tasks, config.passes)
    refuse_too_few_calls(config.most_calls, wanted, wanted * (mean_length(tasks) + 1500) / 3.5)


def work(
    report: Report, *, way: str, tasks: Sequence[Task], passes: int, seed: int, k2: int, model: str, endpoint: str,
    embedding_model: str, embedding_endpoint: str, ledger: str,
) -> Mapping[str, NDArray[Any]]:  # fmt: skip
    """The passes of one way: success [1, passes, tasks], held [1, held], calls and tokens [1, passes + 1]."""
    how = WAYS[way]
    again, held = ([each for each in tasks if each.held_out is wanted] for wanted in (False, True))
    success, spent = np.zeros((1, passes, len(again))), np.zeros((len(TOLD), 1, passes + 1))
    folder = Path(mkdtemp())
    embedder = embedder_at(embedding_model, embedding_endpoint or endpoint)
    try:
        with (
            EndpointModel(endpoint, model, ledger=ledger) as speaker,
            Memory(
                folder / "agent.db", embedder=embedder, policy=how.policy or BASELINE, credit_rule="uniform", seed=seed
            ) as memory,
        ):
            for turn in range(passes):
                order = np.argsort(Stream(seed, "order").uniform(np.arange(len(again)), turn), kind="stable")
                for done, i in enumerate(order.tolist()):
                    name = f"task {i} pass {turn}"
                    success[0, turn, i] = _attempt(speaker, memory, how, again[i], name, k2, learn=True)
                    report(turn * len(again) + done + 1, passes * len(again))
                spent[:, 0, turn] = _spent(speaker)
            memory.freeze()
            kept = [_attempt(speaker, memory, how, each, f"held {i}", k2, learn=False) for i, each in enumerate(held)]
            spent[:, 0, passes] = _spent(speaker)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    spent = np.diff(spent, axis=-1, prepend=0.0)
    return {
        f"{way}|success": success,
        f"{way}|held": np.array([kept], np.float64),
        **{f"{way}|{name}": spent[i] for i, name in enumerate(TOLD)},
    }


def _spent(speaker: EndpointModel) -> tuple[float, ...]:
    told = speaker.spent
    return tuple(map(float, (told.calls + told.replayed, told.failed, told.prompt_tokens, told.completion_tokens)))


def _attempt(speaker: EndpointModel, memory: Memory, how: Way, each: Task, name: str, k2: int, *, learn: bool) -> float:
    """Recall, answer, credit, summarise and remember; 1 for a success. A call that failed teaches nothing."""
    with memory.task(name) as job:
        block = ""
        if how.policy is not None:
            recall = memory.recall(each.task, k=k2, tags=["succeeded"] if how.success else None)
            # without ids and times, so that the ledger knows the prompt again
            block = "\n\n".join(f"<earlier>\n{item.record.content}\n</earlier>" for item in recall)
        said = _say(
            speaker, f"{block}\n\n{each.task}\n\nWork it out, and write the answer alone on the last line.", ANSWER
        )
        reward = float(solved(said, each.answer))
        learn = learn and how.policy is not None and bool(said)
        if learn:
            job.credit(reward)
    if learn:
        outcome = "succeeded" if reward else "failed"
        lesson = _say(
            speaker,
            f"Task:\n{each.task}\n\nAttempt, which {outcome}:\n{said}\n\nIn three sentences at most, say what to do "
            "and what to avoid the next time.",
            SUMMARY,
        )
        memory.remember(
            f"This attempt {outcome}. {lesson}".strip(), kind="experience", keys=[("intent", each.task)],
            tags=["succeeded"] if reward else (),
        )  # fmt: skip
    return reward


def _say(speaker: EndpointModel, prompt: str, sampling: Sampling) -> str:
    return speaker.generate([[{"role": "user", "content": prompt.strip()}]], sampling).texts[0]


def run_full(config: Config, progress: Progress) -> Findings:
    """Every way on the task list. Checks are over tasks where there is one seed: each is one value, its late mean.

    Raises: BadValue as `ready` does.
    """
    ready(config)
    tasks = read_tasks(config.tasks)
    cells = [
        Cell(
            f"{way.replace(' ', '-')}-{seed}", work, seconds=float(config.passes * len(tasks)),
            kwargs={
                "way": way, "tasks": tasks, "passes": config.passes, "seed": seed, "k2": config.wide_k2,
                "model": config.model, "endpoint": config.endpoint, "embedding_model": config.embedding_model,
                "embedding_endpoint": config.embedding_endpoint,
                "ledger": str(Path(config.ledger_folder) / f"memrl-{way.replace(' ', '-')}-{seed}.jsonl"),
            },
        )
        for way in WAYS for seed in range(config.seed, config.seed + config.seeds)
    ]  # fmt: skip
    found = joined(progress.cells(cells))

    def late(way: str) -> NDArray[np.float64]:
        """[tasks] in the mean over seeds and the last passes."""
        values: NDArray[np.float64] = found[f"{way}|success"][:, -config.late :].mean(axis=(0, 1))
        return values

    def held(way: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = found[f"{way}|held"].mean(axis=0)
        return values

    def check(name: str, statement: str, kind: Kind, values: NDArray[np.float64]) -> Check:
        if len(values) < 2:
            return StatedCheck(name, statement, kind, "above", 0.0, "success").on(
                Interval(np.nan, np.nan, np.nan, "none", len(values)), len(values), "too few tasks"
            )
        return StatedCheck(name, statement, kind, "above", 0.0, "success").on(seeds_interval(values), len(values))

    room = 1 - late("similarity")
    checks = [
        check("similarity leaves room", "Similarity fails at some tasks to the end", "instrument", room),
        check("MemRL above similarity", "In the last passes", "claim", late("MemRL") - late("similarity")),
        check("MemRL above what succeeded", "In the last passes", "claim", late("MemRL") - late("success filter")),
        check("held-out: MemRL above similarity", "On tasks met once", "claim", held("MemRL") - held("similarity")),
    ]
    rows = [
        (
            way, turn + 1, float(found[f"{way}|success"][:, turn].mean()) if turn < config.passes else None,
            float(held(way).mean()) if turn == config.passes and len(held(way)) else None,
            *(float(found[f"{way}|{name}"][:, turn].sum()) for name in TOLD),
        )
        for way in WAYS for turn in range(config.passes + 1)
    ]  # fmt: skip
    columns = ("way", "pass", "success", "success on held-out tasks", *TOLD)
    total = sum(float(found[f"{way}|calls"].sum()) for way in WAYS)
    return Findings(
        tables={"passes": Table("passes of a real model", columns, tuple(rows))},
        figures=(),
        checks=checks,
        notes=[
            f"Model: {config.model} at {config.endpoint}; vectors: {config.embedding_model}; {len(tasks)} tasks; "
            f"{total:,.0f} calls. The row after the last pass is that of the held-out tasks.",
            "A success is an answer whose last line holds the words of the expected one.",
            "Tokens are those paid for: the same prompt again, at temperature 0, is answered by the ledger.",
        ],
    )
