"""The full scale: a model by path or name, memories of thousands of tokens, and LoCoMo's questions where its file is.

    wayfare run memos --scale full --model PATH --locomo locomo10.json

For each length up to `memory_tokens`: the text against a cache that went through a file, times and bytes; 16 facts of
the longest in an adapter, closed-book, and the model afterwards. Of each conversation, as much of its end as fits:
every question answered from the text and from the cache, by the score of `locomo`.

Reading a memory first and a question then is not the same sum as reading both at once, and in bfloat16 rounding shows.
So two things are asked: that storing and loading changes no bit of the answer, at any precision; and that the logits
are those of the text, to 1e-4 in float32, in bfloat16 reported alone. `--model tiny-random` runs all of it in seconds,
to show that it runs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wayfare.agents.memos_activation import read_file, write_file
from wayfare.agents.memos_lora import Asked, Distillation, distil, load_adapter, unload_adapter, write_back
from wayfare.agents.memos_reader import MemoryReader, Template
from wayfare.language.local import TransformersModel
from wayfare.studies.contract import Arrays, Cell, Check, Findings, Progress, Table
from wayfare.studies.memos import Config
from wayfare.studies.memos.cells import Report, medians
from wayfare.studies.memos.locomo import CATEGORIES, Conversation, read_locomo, word_f1
from wayfare.studies.memos.people import Fact, draw_facts
from wayfare.studies.stated import StatedCheck, seeds_interval

__all__ = ["adapted", "conversed", "forms", "ready", "run_full"]

TEMPLATE = Template("{text}\n", "Question: {question}\nAnswer:")
ANSWER = 24
"""Tokens of an answer, at most."""
FACTS = 16
FLOAT32 = torch.float32


def ready(config: Config) -> None:
    """Raises: BadValue at full scale for a file of conversations that cannot be read."""
    if config.scale == "full" and config.locomo:
        read_locomo(config.locomo, config.conversations)


def reader_of(model: str, device: str) -> MemoryReader:
    """A model by path or name. Raises: BadValue for one that cannot be loaded."""
    return MemoryReader(TransformersModel(model, device=device), TEMPLATE)


def sentence(fact: Fact) -> str:
    """A fact as a model that was trained on language is told it."""
    return f"{fact.person.capitalize()} lives in {fact.place.capitalize()}."


def question(fact: Fact) -> str:
    """... and asked it."""
    return f"Where does {fact.person.capitalize()} live?"


def memory_of(reader: MemoryReader, tokens: int, seed: int) -> tuple[list[Fact], str]:
    """Facts, one a line, again and again until they have so many tokens, at most."""
    facts = draw_facts(seed, "full", 200)
    lines: list[str] = []
    for number in range(tokens):
        again = [*lines, sentence(facts[number % len(facts)])]
        if number % 32 == 0 and len(reader.memory_ids("\n".join(again * 2))) > tokens:
            break
        lines = again
    while len(lines) > 1 and len(reader.memory_ids("\n".join(lines))) > tokens:
        lines = lines[: max(1, int(0.95 * len(lines)))]
    return facts[: min(len(facts), len(lines))], "\n".join(lines)


def forms(report: Report, *, model: str, device: str, tokens: int, repeats: int, seed: int) -> Arrays:
    """A memory as text and as a cache that went through a file, [1] each."""
    reader = reader_of(model, device)
    facts, text = memory_of(reader, tokens, seed)
    ids, asked = (
        reader.memory_ids(text),
        [reader.question_ids(question(fact)) for fact in facts[:: len(facts) // 8 + 1]],
    )
    live = reader.read(ids)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "cache.safetensors"
        write_file(reader, live, file)
        stored = read_file(reader, file)
        report(1, 2)
        rows = []
        for each in asked:
            whole, told = reader.logits(None, [*ids, *each]), reader.logits(stored, each)
            same = reader.follow(None, [*ids, *each], 8) == reader.follow(stored, each, 8)
            again = reader.logits(live, each)
            rows.append(((whole - told).abs().max().item(), float(same), (again - told).abs().max().item()))
        times = medians(
            {
                "text ms": lambda: _done(reader.logits(None, [*ids, *asked[0]])),
                "cache ms": lambda: _done(reader.logits(stored, asked[0])),
                "load ms": lambda: read_file(reader, file),
                "make ms": lambda: write_file(reader, reader.read(ids), file),
            },
            repeats,
        )
        size = float(file.stat().st_size)
    difference, same_, kept = np.array(rows).T
    found = {
        "tokens": float(len(ids)), "difference": float(difference.max()), "same tokens": float(same_.mean()),
        "stored": float(kept.max()), **times, "bytes": size,
        "float32": float(reader.model.causal.dtype == FLOAT32),
    }  # fmt: skip
    return {f"forms|{name}": np.array([value]) for name, value in found.items()}


def _done(logits: torch.Tensor) -> float:
    """Waits for the accelerator, which a timing must."""
    return float(logits[0, 0])


def adapted(report: Report, *, model: str, device: str, updates: int, seed: int) -> Arrays:
    """Facts in an adapter, [1] each: closed-book before and with it, written back, the model afterwards."""
    reader = reader_of(model, device)
    facts = draw_facts(seed, "full adapter", FACTS)
    asked = [Asked(question(fact), fact.place.capitalize()) for fact in facts]
    probe = reader.question_ids(asked[0].question, alone=True)
    before, told = reader.logits(None, probe), _closed(reader, asked)
    began = time.perf_counter()
    how = Distillation(updates=updates, learning_rate=1e-3, tokens=ANSWER, seed=seed)
    payload = distil(
        reader,
        "\n".join(map(sentence, facts)),
        asked,
        how,
        lambda done, found: report(done, updates, loss=found["loss"]),
    )
    seconds = time.perf_counter() - began
    load_adapter(reader, payload)
    closed = _closed(reader, asked)
    written = write_back(
        reader, [Asked(each.question) for each in asked], lambda a, said: f"{a.question} {said}", tokens=ANSWER
    )
    kept = {f"{each.question} {each.answer}" for each in asked} & {each.text for each in written}
    unload_adapter(reader)
    found = {
        "closed before": told, "closed": closed, "recovered": len(kept) / len(asked), "seconds": seconds,
        "unload": float((reader.logits(None, probe) - before).abs().max()), "bytes": float(len(payload.data)),
    }  # fmt: skip
    return {f"adapter|{name}": np.array([value]) for name, value in found.items()}


def _closed(reader: MemoryReader, asked: list[Asked]) -> float:
    return float(np.mean([reader.answer("", each.question, ANSWER).startswith(each.answer) for each in asked]))


def conversed(report: Report, *, model: str, device: str, conversation: Conversation, tokens: int) -> Arrays:
    """A conversation's questions: score by text and cache, whether both said the same, and milliseconds, [Q] each."""
    reader = reader_of(model, device)
    room = tokens if reader.model.context is None else min(tokens, reader.model.context - 4 * ANSWER - 64)
    lines = list(conversation.lines)
    while len(lines) > 1 and len(reader.memory_ids("\n".join(lines))) > room:
        lines = lines[max(1, len(lines) // 20) :]  # of what does not fit the beginning goes
    ids = reader.memory_ids("\n".join(lines))
    began = time.perf_counter()
    prefix = reader.read(ids)
    _done(reader.logits(prefix, [ids[-1]]))
    read = 1e3 * (time.perf_counter() - began)
    rows = []
    for number, each in enumerate(conversation.questions):
        asked = reader.question_ids(each.text)
        told, took = [], []
        for way in ("text", "cache"):
            began = time.perf_counter()
            said = (
                reader.follow(None, [*ids, *asked], ANSWER) if way == "text" else reader.follow(prefix, asked, ANSWER)
            )
            took.append(1e3 * (time.perf_counter() - began))
            told.append(reader.model.decode(said).strip().split("\n")[0])
        rows.append((*(word_f1(said, each.answer, each.category) for said in told), float(told[0] == told[1]), *took))
        report(number + 1, len(conversation.questions))
    text, cache, same, text_ms, cache_ms = np.array(rows).T
    return {
        "locomo|text": text, "locomo|cache": cache, "locomo|same": same, "locomo|text ms": text_ms,
        "locomo|cache ms": cache_ms, "locomo|category": np.array([each.category for each in conversation.questions]),
        "locomo|read ms": np.array([read]), "locomo|tokens": np.array([float(len(ids))]),
        "locomo|differs": np.array([float((text - cache).mean())]),
    }  # fmt: skip


def run_full(config: Config, progress: Progress) -> Findings:
    """All of it on one model, a cell each, so that a run that was stopped goes on.

    Raises: BadValue as `ready` does, and for a model that cannot be loaded.
    """
    ready(config)
    device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    told = {"model": config.model, "device": device}
    lengths = [config.memory_tokens // 16, config.memory_tokens // 4, config.memory_tokens]
    cells = [
        Cell(
            f"forms-{tokens}",
            forms,
            {**told, "tokens": tokens, "repeats": config.repeats, "seed": config.seed},
            tokens / 100,
        )
        for tokens in lengths
    ]
    if config.adapter_updates:
        cells.append(
            Cell(
                "adapter",
                adapted,
                {**told, "updates": config.adapter_updates, "seed": config.seed},
                config.adapter_updates,
            )
        )
    if config.locomo:
        cells += [
            Cell(
                f"locomo-{number}", conversed, seconds=3.0 * len(each.questions),
                kwargs={**told, "conversation": each, "tokens": config.memory_tokens},
            )
            for number, each in enumerate(read_locomo(config.locomo, config.conversations))
        ]  # fmt: skip
    found: dict[str, list[NDArray[Any]]] = {}
    for arrays in progress.cells(cells).values():
        for name, array in arrays.items():
            found.setdefault(name, []).append(array)
    measures = {name: np.concatenate(each) for name, each in found.items()}
    return Findings(
        tables=_tables(measures), figures=(), checks=_checks(measures),
        notes=[
            f"Model: {config.model} on {device}. Memories of {config.memory_tokens} tokens are facts in sentences, "
            "again and again.",
            "LoCoMo's questions are scored by the words of the answer, without a judge; what does not fit of a "
            "conversation is its beginning."
            if config.locomo else "LoCoMo was left out: no file was given.",
        ],
    )  # fmt: skip


def _checks(measures: Mapping[str, NDArray[Any]]) -> list[Check]:
    def check(name: str, statement: str, kind: Any, rule: Any, threshold: Any, unit: str, values: Any) -> Check:
        stated = StatedCheck(name, statement, kind, rule, threshold, unit)
        return stated.on(seeds_interval(values), len(values), "" if len(values) > 1 else "one value, no interval")

    speed = measures["forms|text ms"] / measures["forms|cache ms"]
    checks = [
        check("reading costs", "The text's first token takes longer than the cache's", "instrument", "above", 1.0,
              "ratio of times", speed),
        check("stored and loaded", "A cache that went through a file answers bit for bit as before", "claim", "within",
              (0.0, 0.0), "largest difference of a logit", measures["forms|stored"]),
        check("cache and text: tokens", "The cache says what the text says", "claim", "within", (1.0, 1.0),
              "share of questions", measures["forms|same tokens"]),
    ]  # fmt: skip
    if bool(measures["forms|float32"].all()):
        checks.append(
            check("cache and text: logits", "... with the same logits, to 1e-4", "claim", "below", 1e-4,
                  "largest difference of a logit", measures["forms|difference"])
        )  # fmt: skip
    if "locomo|differs" in measures:
        checks.append(
            check("LoCoMo: cache as text", "Answers from the cache score as those from the text, to 0.01", "claim",
                  "within", (-0.01, 0.01), "score", measures["locomo|differs"])
        )  # fmt: skip
    return checks


def _tables(measures: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
    names = [name for name in measures if name.startswith("forms|")]
    found = {
        "forms": Table(
            "a memory as text and as cache", tuple(name.partition("|")[2] for name in names),
            tuple(zip(*(measures[name].tolist() for name in names), strict=True)),
        )
    }  # fmt: skip
    adapter = [name for name in measures if name.startswith("adapter|")]
    if adapter:
        rows = tuple((name.partition("|")[2], float(measures[name][0])) for name in adapter)
        found["adapter"] = Table(f"{FACTS} facts in an adapter", ("measure", "value"), rows)
    if "locomo|category" in measures:
        category, table = measures["locomo|category"], list[tuple[Any, ...]]()
        for number, name in CATEGORIES.items():
            at = category == number
            if at.any():
                told = (
                    float(measures[f"locomo|{each}"][at].mean())
                    for each in ("text", "cache", "same", "text ms", "cache ms")
                )
                table.append((name, int(at.sum()), *told))
        columns = ("category", "questions", "score, text", "score, cache", "said the same", "text ms", "cache ms")
        found["locomo"] = Table("LoCoMo", columns, tuple(table))
    return found
