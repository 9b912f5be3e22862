"""The full scale: a real model answers P6 and P9 from what memories show it.

    update       a fact is told, later another value for the same; the model is asked what holds
    paraphrase   a fact is asked for in other words than it was told in
    hop          what is asked for stands two facts away

For each question a memory recalls, and the model reads that and answers in a word; without a memory it can only guess,
since values are words of no language. What a run costs is told before anything is asked: `ready` refuses a config
whose `most_calls` is below it. Answers stand in a ledger, so that a run that was stopped pays for none twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.text_solver import solved
from wayfare.errors import BadValue
from wayfare.language import EndpointModel, Sampling
from wayfare.memory import Memory
from wayfare.memory.embedding import Embedder
from wayfare.memory.modules import made
from wayfare.memory.modules.protocol import Finished
from wayfare.memory.probes.items import Words
from wayfare.report.statistics import Interval
from wayfare.studies.collected import joined
from wayfare.studies.contract import Cell, Check, Findings, Kind, Progress, Report, Table
from wayfare.studies.hosted import embedder_at, refuse_too_few_calls
from wayfare.studies.memory_survey import Config
from wayfare.studies.stated import StatedCheck, seeds_interval

__all__ = ["KINDS", "WAYS", "asked", "calls", "ready", "run_full"]

ANSWER = Sampling(temperature=0.0, max_tokens=200)
WAYS = ("no memory", "Memory", "facts", "ExpRAG")
MODULES = {"facts": "facts", "ExpRAG": "exprag"}
KINDS = ("update", "paraphrase", "hop")
SAYINGS = (
    ("the physician of {x}", "who is the doctor that treats {x}"),
    ("the automobile of {x}", "which car does {x} own"),
    ("the residence of {x}", "where does {x} live"),
    ("the attorney of {x}", "who is the lawyer of {x}"),
    ("the spouse of {x}", "to whom is {x} married"),
    ("the occupation of {x}", "what job does {x} have"),
)
PROMPT = """{context}Question: {question}

Answer from the notes alone. Where they contradict each other, the latest holds. Write the answer, one word, alone on
the last line."""


def asked(seed: int, n: int) -> list[tuple[str, list[tuple[str, str]], str, str]]:
    """Questions: (kind, what is told in its order as (key, value), question, answer)."""
    words, found = Words(seed), []
    for i in range(n):
        kind, (said, other) = KINDS[i % len(KINDS)], SAYINGS[(i // len(KINDS)) % len(SAYINGS)]
        x, y, z = words.words(3)
        key = said.format(x=x)
        if kind == "update":
            told, question, answer = [(key, y), (key, z)], f"who or what is {key} now?", z
        elif kind == "paraphrase":
            told, question, answer = [(key, y)], f"{other.format(x=x)}?", y
        else:
            told = [(key, y), (f"the colour of {y}", z)]
            question, answer = f"what is the colour of what is {key}?", z
        found.append((kind, told, question, answer))
    return found


def calls(config: Config) -> int:
    """What a run asks."""
    return config.seeds * config.questions * len(WAYS)


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without a server, or where `most_calls` is too few."""
    if not config.endpoint:
        raise BadValue("endpoint", config.endpoint, "the address of a server at full scale")
    wanted = calls(config)
    refuse_too_few_calls(config.most_calls, wanted, wanted * (config.context + 100.0))


def answer(
    report: Report, *, way: str, n: int, k: int, seed: int, model: str, endpoint: str, embedding_model: str,
    embedding_endpoint: str, ledger: str,
) -> Mapping[str, NDArray[Any]]:  # fmt: skip
    """One way to remember: right [1, questions], unanswered [1]."""
    embedder = embedder_at(embedding_model, embedding_endpoint or endpoint)
    questions = asked(seed, n)
    right, silent = np.zeros((1, n)), 0
    with TemporaryDirectory() as folder, EndpointModel(endpoint, model, ledger=ledger) as speaker:
        contexts = _contexts(way, questions, folder, k, seed, embedder)
        for i, ((_, _, question, wanted), context) in enumerate(zip(questions, contexts, strict=True)):
            notes = f"Notes, the oldest first:\n{context}\n\n" if context else ""
            prompt = PROMPT.format(context=notes, question=question)
            said = speaker.generate([[{"role": "user", "content": prompt}]], ANSWER).texts[0]
            silent += not said
            right[0, i] = float(solved(said, wanted))
            report(i + 1, n)
    return {f"{way}|right": right, f"{way}|unanswered": np.array([float(silent)])}


def _contexts(
    way: str, questions: Sequence[Any], folder: str, k: int, seed: int, embedder: Embedder | str
) -> list[str]:  # fmt: skip
    """What each question's answerer is shown, after all has been told; the oldest first."""
    told = [each for _, facts, _, _ in questions for each in facts]
    address = str(Path(folder) / "memory.db")
    if way == "no memory":
        return ["" for _ in questions]
    if way == "Memory":
        with Memory(address, embedder=embedder, policy="similarity", synchronous="NORMAL", seed=seed) as memory:
            known: dict[str, str] = {}
            for key, value in told:
                if key in known:
                    memory.revise(known[key], f"{key} is {value}")
                else:
                    known[key] = str(memory.remember(f"{key} is {value}").id)
            found = [memory.recall(question, k) for _, _, question, _ in questions]
            return [
                "\n".join(r.content for r in sorted((item.record for item in each), key=lambda r: r.id))
                for each in found
            ]
    module = made(MODULES[way], address, k=k, seed=seed, embedder=embedder)
    try:
        for i, (key, value) in enumerate(told):
            module.update(Finished(f"note {i}", "", None, f"{key}: {value}"))
        shown = [sorted(module.search(question), key=lambda each: each.id) for _, _, question, _ in questions]
        return [module.synthesise(question, found) for (_, _, question, _), found in zip(questions, shown, strict=True)]
    finally:
        module.close()  # type: ignore[attr-defined]


def run_full(config: Config, progress: Progress) -> Findings:
    """Every way on the same questions; intervals are over questions. Raises: BadValue as `ready` does."""
    ready(config)
    cells = [
        Cell(
            f"{way.replace(' ', '-')}-{seed}", answer, seconds=float(config.questions),
            kwargs={
                "way": way, "n": config.questions, "k": config.k, "seed": seed, "model": config.model,
                "endpoint": config.endpoint, "embedding_model": config.embedding_model,
                "embedding_endpoint": config.embedding_endpoint,
                "ledger": str(Path(config.ledger_folder) / f"memory-survey-{way.replace(' ', '-')}-{seed}.jsonl"),
            },
        )
        for way in WAYS for seed in range(config.seed, config.seed + config.seeds)
    ]  # fmt: skip
    found = joined(progress.cells(cells))
    kinds = np.array([KINDS[i % len(KINDS)] for i in range(config.questions)])

    def right(way: str, kind: str = "") -> NDArray[np.float64]:
        """Each question's mean over seeds."""
        values: NDArray[np.float64] = found[f"{way}|right"].mean(axis=0)
        return values[kinds == kind] if kind else values

    def check(name: str, statement: str, kind: Kind, values: NDArray[np.float64]) -> Check:
        stated = StatedCheck(name, statement, kind, "above", 0.0, "share of questions")
        if len(values) < 2:
            return stated.on(Interval(np.nan, np.nan, np.nan, "none", len(values)), len(values), "too few questions")
        return stated.on(seeds_interval(values), len(values))

    checks = [
        check("nothing is guessed", "Without a memory some questions stay unanswered", "instrument",
              1 - right("no memory")),
        check("P6: the value that holds", "With Memory the model answers contradicted facts more often than without",
              "claim", right("Memory", "update") - right("no memory", "update")),
        check("P9: other words", "... and questions in other words", "claim",
              right("Memory", "paraphrase") - right("no memory", "paraphrase")),
        check("facts above cases where facts change", "Memories of facts do better than cases at contradicted facts",
              "ours", right("facts", "update") - right("ExpRAG", "update")),
    ]  # fmt: skip
    rows = [
        (way, *(float(right(way, kind).mean()) if (kinds == kind).any() else None for kind in KINDS),
         float(found[f"{way}|unanswered"].sum()))
        for way in WAYS
    ]  # fmt: skip
    columns = ("way", *KINDS, "calls without an answer")
    return Findings(
        tables={"answers": Table("share answered right by a real model", columns, tuple(rows))},
        figures=(),
        checks=checks,
        notes=[
            f"Model: {config.model} at {config.endpoint}; vectors: {config.embedding_model}; {calls(config)} calls.",
            "Values are words of no language; an answer is right whose last line holds the word.",
        ],
    )
