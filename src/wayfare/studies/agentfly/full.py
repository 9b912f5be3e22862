"""The full scale: real models work through a question file several times, with a memory of cases behind each way.

    {"question": "Which year ...?", "answer": "1969"}          a line of the file; "aliases": [...] are answers as well;
                                                               "held_out": true for questions that are met once, at the
                                                               end, by a memory that no longer learns

no cases; the most similar cases (non-parametric); cases by learned Q (parametric): before every pass but the first the
net, with an encoder of transformers from a local folder, is fitted to the log so far as the released code does it
(offline, supervised, `learn.case_learner.fit`), rows of held-out questions and of a question's own cases left out. An
answer is measured by F1 over words (the best over answer and aliases) and by partial match, PM: whether an answer's
words stand in what was said. PM is the reward. The paper judges PM by a model; here it is the words that decide.

What a run can cost is told before anything is asked: `ready` refuses a config whose `most_calls` is below it. Answers
stand in a ledger, so that a run that was stopped pays for none twice; calls and tokens are told pass by pass.
"""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.mcp_tools import McpTools
from wayfare.agents.memento import Attempt, Memento
from wayfare.agents.memento_log import logged_rows
from wayfare.agents.text_solver import words_of
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language import EndpointModel
from wayfare.learn.case_learner import fit
from wayfare.learn.case_rows import guarded, split_by_question
from wayfare.learn.case_scorer import CaseScorer
from wayfare.learn.case_values import CaseValueNet, TextEncoder
from wayfare.memory import Memory
from wayfare.memory.policy import BASELINE, Policy
from wayfare.report.statistics import Interval
from wayfare.studies.agentfly import Config
from wayfare.studies.collected import joined
from wayfare.studies.contract import Cell, Check, Findings, Kind, Progress, Report, Table
from wayfare.studies.hosted import Task, mean_length, read_tasks, refuse_too_few_calls
from wayfare.studies.stated import StatedCheck, seeds_interval

__all__ = ["WAYS", "most_calls", "ready", "run_full", "scores", "work"]

WAYS = ("no cases", "non-parametric", "parametric")
TOLD = ("calls", "failed calls", "tokens read", "tokens written")
HELD_OUT = 0.2
"""Share of the logged questions by which the best epoch is chosen."""
SPLITS = 20
"""Tried, until both sides hold questions of both outcomes."""
Floats = NDArray[np.float64]


def scores(said: str, answers: Sequence[str]) -> tuple[float, float]:
    """(F1 over words, PM), the best over the answers."""
    spoken = words_of(said)
    best = 0.0
    for answer in answers:
        wanted = words_of(answer)
        common = (Counter(spoken) & Counter(wanted)).total()
        if common:
            precision, recall = common / len(spoken), common / len(wanted)
            best = max(best, 2 * precision * recall / (precision + recall))
    match = any(f" {' '.join(words_of(answer))} " in f" {' '.join(spoken)} " for answer in answers)
    return best, float(match)


def most_calls(config: Config, questions: Sequence[Task]) -> int:
    """What a run asks at most: every attempt with all its rounds, steps and uses of tools."""
    again = sum(not each.held_out for each in questions)
    uses = config.uses if config.tools else 0
    attempt = 2 * (config.rounds + 1) + config.rounds * config.steps * (1 + uses)
    return config.seeds * len(WAYS) * (config.passes * again + len(questions) - again) * attempt


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without questions, a server or an encoder, or where `most_calls` is too few."""
    if config.scale != "full":
        return
    if not config.questions:
        raise BadValue("questions", config.questions, "a file of questions at full scale")
    if not config.endpoint:
        raise BadValue("endpoint", config.endpoint, "the address of a server at full scale")
    if not config.encoder:
        raise BadValue("encoder", config.encoder, "the folder of an encoder's checkpoint at full scale")
    questions = read_tasks(config.questions, "question")
    wanted = most_calls(config, questions)
    refuse_too_few_calls(config.most_calls, wanted, wanted * (mean_length(questions) + 3000) / 3.5)


def work(
    report: Report, *, way: str, questions: Sequence[Task], passes: int, seed: int, k: int, alpha: float,
    planner: str, executor: str, endpoint: str, executor_endpoint: str, encoder: str, tools: str, rounds: int,
    steps: int, uses: int, ledger: str,
) -> Mapping[str, NDArray[Any]]:  # fmt: skip
    """The passes of one way: f1, pm [1, passes, questions], held f1, held pm [1, held], calls and tokens
    [1, passes + 1], malformed and silent attempts [1, passes + 1], area under the curve of each fit [1, passes].
    """
    again, held = ([each for each in questions if each.held_out is wanted] for wanted in (False, True))
    measured, spent = np.zeros((2, 1, passes, len(again))), np.zeros((len(TOLD), 1, passes + 1))
    ends, areas = np.zeros((2, 1, passes + 1)), np.full((1, passes), np.nan)
    folder = Path(mkdtemp())
    try:
        with ExitStack() as stack:
            speaker = stack.enter_context(EndpointModel(endpoint, planner, ledger=f"{ledger}-planner.jsonl"))
            doer = stack.enter_context(
                EndpointModel(executor_endpoint or endpoint, executor, ledger=f"{ledger}-executor.jsonl")
            )
            hands = stack.enter_context(McpTools(shlex.split(tools))) if tools else None
            scorer, policy = None, BASELINE
            if way == "parametric":
                scorer = CaseScorer(CaseValueNet(TextEncoder.load(encoder), seeds=[seed]))
                policy = Policy("soft q", temperature=alpha, scorer=scorer)
            memory = stack.enter_context(
                Memory(folder / "cases.db", policy=BASELINE, relevance_floor=0.0, credit_rule="uniform", seed=seed)
            )
            agent = Memento(
                speaker, memory, executor=doer, tools=hands, k=0 if way == "no cases" else k, rounds=rounds,
                steps=steps, uses=uses,
            )  # fmt: skip
            for turn in range(passes):
                if scorer is not None and turn:
                    areas[0, turn] = _learned(scorer, memory, [each.task for each in held])
                    if np.isfinite(areas[0, turn]):
                        agent.policy = policy
                order = np.argsort(Stream(seed, "order").uniform(np.arange(len(again)), turn), kind="stable")
                for done, i in enumerate(order.tolist()):
                    attempt = agent.attempt(again[i].task, task=f"question {i} pass {turn}")
                    measured[:, 0, turn, i] = scores(attempt.answer, again[i].answers)
                    ends[:, 0, turn] += _ends(attempt)
                    if attempt.status != "silent":
                        agent.retain(attempt, float(measured[1, 0, turn, i]))
                    report(turn * len(again) + done + 1, passes * len(again))
                spent[:, 0, turn] = _spent(speaker, doer)
            kept = np.zeros((2, 1, len(held)))
            for i, each in enumerate(held):
                attempt = agent.attempt(each.task, task=f"held {i}")
                kept[:, 0, i] = scores(attempt.answer, each.answers)
                ends[:, 0, passes] += _ends(attempt)
            spent[:, 0, passes] = _spent(speaker, doer)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    spent = np.diff(spent, axis=-1, prepend=0.0)
    return {
        f"{way}|f1": measured[0], f"{way}|pm": measured[1], f"{way}|held f1": kept[0], f"{way}|held pm": kept[1],
        f"{way}|area": areas, f"{way}|malformed": ends[0], f"{way}|silent": ends[1],
        **{f"{way}|{name}": spent[i] for i, name in enumerate(TOLD)},
    }  # fmt: skip


def _ends(attempt: Attempt) -> tuple[float, float]:
    return float(attempt.status == "malformed"), float(attempt.status == "silent")


def _learned(scorer: CaseScorer, memory: Memory, never: Sequence[str]) -> float:
    """Fit the net to the log; the area under the curve of its best epoch, NaN where the log is too small to tell."""
    rows, _ = guarded(logged_rows(memory), never=never)
    for seed in range(SPLITS):
        train, held = split_by_question(rows, HELD_OUT, seed)
        if all(len({reward >= 0.5 for reward in side.rewards}) == 2 for side in (train, held)):
            told = fit(scorer.net, train, held)
            scorer.changed()
            return max(told.areas)
    return np.nan


def _spent(*models: EndpointModel) -> Floats:
    told = [model.spent for model in models]
    return np.array(
        [
            sum(each.calls + each.replayed for each in told), sum(each.failed for each in told),
            sum(each.prompt_tokens for each in told), sum(each.completion_tokens for each in told),
        ],
        np.float64,
    )  # fmt: skip


def run_full(config: Config, progress: Progress) -> Findings:
    """Every way on the question file. Checks are over questions, each one value: its mean over seeds.

    Raises: BadValue as `ready` does.
    """
    ready(config)
    questions = read_tasks(config.questions, "question")
    cells = [
        Cell(
            f"{way.replace(' ', '-')}-{seed}", work, seconds=float(config.passes * len(questions)),
            kwargs={
                "way": way, "questions": questions, "passes": config.passes, "seed": seed, "k": config.k,
                "alpha": config.alpha,
                **{
                    name: getattr(config, name)
                    for name in ("planner", "executor", "endpoint", "executor_endpoint", "encoder", "tools", "rounds",
                                 "steps", "uses")
                },
                "ledger": str(Path(config.ledger_folder) / f"agentfly-{way.replace(' ', '-')}-{seed}"),
            },
        )
        for way in WAYS for seed in range(config.seed, config.seed + config.seeds)
    ]  # fmt: skip
    found = joined(progress.cells(cells))

    def last(way: str, measure: str = "pm") -> Floats:
        """[questions] of the last pass."""
        values: Floats = found[f"{way}|{measure}"][:, -1].mean(axis=0)
        return values

    def held(way: str) -> Floats:
        values: Floats = found[f"{way}|held pm"].mean(axis=0)
        return values

    def check(name: str, statement: str, kind: Kind, values: Floats) -> Check:
        stated = StatedCheck(name, statement, kind, "above", 0.0, "partial match")
        if len(values) < 2:
            nothing = Interval(np.nan, np.nan, np.nan, "none", len(values))
            return stated.on(nothing, len(values), "too few questions")
        return stated.on(seeds_interval(values), len(values))

    checks = [
        check("cases leave room", "Without cases some questions fail to the end", "instrument", 1 - last("no cases")),
        check("cases help", "In the last pass", "claim", last("parametric") - last("no cases")),
        check("learned values help", "In the last pass", "claim", last("parametric") - last("non-parametric")),
        check("held-out: cases help", "On questions met once", "claim", held("parametric") - held("no cases")),
    ]
    rows = [
        (
            way, turn + 1,
            *(
                float(found[f"{way}|{name}"][:, turn].mean()) if turn < config.passes
                else _mean(found[f"{way}|held {name}"])
                for name in ("f1", "pm")
            ),
            _mean(found[f"{way}|area"][:, turn]) if turn < config.passes else None,
            *(float(found[f"{way}|{name}"][:, turn].sum()) for name in ("malformed", "silent", *TOLD)),
        )
        for way in WAYS for turn in range(config.passes + 1)
    ]  # fmt: skip
    columns = ("way", "pass", "F1", "PM", "area under the curve of Q", "malformed", "silent", *TOLD)
    total = sum(float(found[f"{way}|calls"].sum()) for way in WAYS)
    return Findings(
        tables={"passes": Table("passes of real models", columns, tuple(rows))},
        figures=(),
        checks=checks,
        notes=[
            f"Planner {config.planner}, executor {config.executor}; encoder {config.encoder}; {len(questions)} "
            f"questions; {total:,.0f} calls. The row after the last pass is that of the held-out questions.",
            "Q is learned offline between passes, supervised, as the released code does it; cases are drawn by "
            "exp(Q / alpha) once it has been.",
            "One attempt a question and pass: not to be compared with figures of several attempts (Pass@3).",
            "Tokens are those paid for: the same prompt again, at temperature 0, is answered by the ledger.",
        ],
    )


def _mean(values: NDArray[Any]) -> float | None:
    told = values[np.isfinite(values)]
    return float(told.mean()) if len(told) else None
