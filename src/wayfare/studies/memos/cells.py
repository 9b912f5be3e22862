"""The parts of the study that take time; each function is one cell: plain arguments in, arrays out.

Names of arrays are "part|measure", [1, ...] each, one row for its seed; "weights|..." is the trained model, which the
cells of the other parts are given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from wayfare.agents.memos_activation import cache_payload, end_to_end, read_payload
from wayfare.agents.memos_lora import Asked, Distillation, distil, load_adapter, unload_adapter, write_back
from wayfare.agents.memos_reader import MemoryReader, Prefix
from wayfare.memory.payloads import Payload
from wayfare.studies.contract import Arrays
from wayfare.studies.memos.model import reader_of, right, taught, weights_of
from wayfare.studies.memos.people import Fact, draw_facts, memory

__all__ = ["Report", "activation", "costs", "distillation", "known", "medians", "parameter", "train"]

Weights = Mapping[str, NDArray[Any]]
AT_ONCE = 16
"""Facts of a list that is read beside an adapter."""
HALF_WAY = 100
"""Updates between reports."""


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: float, total: float, **metrics: float) -> None: ...


def train(
    report: Report, *, first: int, later: int, learning_rate: float, lengths: Sequence[int], seed: int
) -> Arrays:  # fmt: skip
    """The model: its weights, its last loss, and how many questions it answers at each length."""
    torch.set_num_threads(1)

    def told(done: int, metrics: dict[str, float]) -> None:
        if done % HALF_WAY == 0:
            report(done, first + later, loss=metrics["loss"])

    net = taught(first, later, learning_rate, seed, told)
    return {**weights_of(net), "model|right": np.array([[right(net, length // 2, seed) for length in lengths]])}


def activation(
    report: Report, *, weights: Weights, lengths: Sequence[int], questions: int, repeats: int, seed: int
) -> Arrays:
    """A: text against a cache that was stored and loaded, [1, lengths] each.

    difference: largest of any logit        tokens: share of questions with the same tokens        right: share answered
    place: largest difference of the question's keys in the first layer, which knows word and place alone
    apart, turned: largest difference of any logit where two caches were laid end to end, as they are and repositioned
    text ms, cache ms, load ms: medians of the first token's time, the forms in turns, and of loading the cache
    """
    torch.set_num_threads(1)
    reader = reader_of(weights)
    found: dict[str, list[float]] = {}
    for number, length in enumerate(lengths):
        facts = draw_facts(seed, f"memory {length}", length // 2)
        asked = [facts[i] for i in np.linspace(0, len(facts) - 1, questions).astype(int)]
        for name, value in _read(reader, facts, asked, repeats).items():
            found.setdefault(f"activation|{name}", []).append(value)
        report(number + 1, len(lengths))
    return {name: np.array([values]) for name, values in found.items()}


def _read(reader: MemoryReader, facts: Sequence[Fact], asked: Sequence[Fact], repeats: int) -> dict[str, float]:
    ids = reader.memory_ids(memory(facts))
    payload = cache_payload(reader, reader.read(ids))
    prefix, half = read_payload(reader, payload), len(facts) // 2
    parts = [reader.read(reader.memory_ids(memory(each))) for each in (facts[:half], facts[half:])]
    joined = {"apart": end_to_end(reader, parts, reposition=False), "turned": end_to_end(reader, parts)}
    rows: dict[str, list[float]] = {}
    for fact in asked:
        question = reader.question_ids(fact.question)
        whole, told = reader.logits(None, [*ids, *question]), reader.logits(prefix, question)
        said = [reader.follow(None, [*ids, *question], 3), reader.follow(prefix, question, 3)]
        row = {
            "difference": float((whole - told).abs().max()),
            "tokens": float(said[0] == said[1]),
            "right": float(reader.model.decode(said[0][:1]).strip() == fact.place),
            "place": _place(reader, ids, prefix, question),
        }
        for name, other in joined.items():
            logits = reader.logits(other, question)
            row[name] = float((whole - logits).abs().max())
            row[f"{name} right"] = float(reader.model.decode([int(logits[-1].argmax())]).strip() == fact.place)
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    worst = {"difference": max, "place": max, "apart": max, "turned": max, "tokens": min}
    measured: dict[str, float] = {
        name: worst[name](each) if name in worst else float(np.mean(each)) for name, each in rows.items()
    }
    question = reader.question_ids(asked[0].question)
    times = medians(
        {
            "text ms": lambda: reader.logits(None, [*ids, *question]),
            "cache ms": lambda: reader.logits(prefix, question),
            "load ms": lambda: read_payload(reader, payload),
            "make ms": lambda: cache_payload(reader, reader.read(ids)),
        },
        repeats,
    )
    return {**measured, **times, "bytes": float(len(payload.data))}


def _place(reader: MemoryReader, ids: list[int], prefix: Prefix, question: list[int]) -> float:
    """Of the keys of a question: those behind the whole text, and those behind the cache."""
    whole = reader.read([*ids, *question]).cache.layers[0].keys[..., len(ids) :, :]
    _, cache = reader.step(prefix, question, 1)
    return float((whole - cache.layers[0].keys[..., len(ids) :, :]).abs().max())


def medians(jobs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Milliseconds of each, in turns, the first round thrown away."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            if turn:
                taken[name].append(1e3 * (time.perf_counter() - began))
    return {name: float(np.median(each)) for name, each in taken.items()}


def distillation(updates: int, facts: int, seed: int) -> Distillation:
    """As often as `updates` sees each of 50 facts, where there are more."""
    longer = max(1.0, facts / 50)
    return Distillation(updates=max(1, round(updates * longer)), batch=32, tokens=1, seed=seed)


def parameter(report: Report, *, weights: Weights, facts: int, others: int, updates: int, seed: int) -> Arrays:
    """B: facts in an adapter, [1] each.

    closed before, closed, recovered: shares of the facts answered closed-book without and with the adapter, and written
    back as they were        unload: largest difference of any logit from the model of before
    read before, read: shares of the other facts found in lists, without and with the adapter
    overruled before, overruled: shares of the told facts that a list which says otherwise is believed on
    """
    torch.set_num_threads(1)
    reader = reader_of(weights)
    drawn = draw_facts(seed, "told", facts + others)
    told, rest = drawn[:facts], drawn[facts:]
    moved = [Fact(a.person, b.place) for a, b in zip(told, [*told[1:], told[0]], strict=True) if a.place != b.place]
    probes = [reader.question_ids(fact.question) for fact in drawn[:AT_ONCE]]

    def probed() -> torch.Tensor:
        return torch.stack([reader.logits(None, ids)[-1] for ids in probes])

    before = probed()
    found = {
        "closed before": _closed(reader, told), "read before": _listed(reader, rest),
        "overruled before": _listed(reader, moved),
    }  # fmt: skip
    how = distillation(updates, facts, seed)

    def trained(done: int, metrics: dict[str, float]) -> None:
        if done % HALF_WAY == 0:
            report(done, how.updates, loss=metrics["loss"])

    began = time.perf_counter()
    payload = distil(reader, memory(told), [Asked(fact.question, fact.place) for fact in told], how, trained)
    found["seconds"] = time.perf_counter() - began
    load_adapter(reader, payload)
    found["loaded"] = float((probed() - before).abs().max())
    found["closed"] = _closed(reader, told)
    found["read"], found["overruled"] = _listed(reader, rest), _listed(reader, moved)
    written = write_back(reader, [Asked(fact.question) for fact in told], _sentence, tokens=1)
    found["recovered"] = len({fact.text for fact in told} & {each.text for each in written}) / len(told)
    unload_adapter(reader)
    found["unload"] = float((probed() - before).abs().max())
    found["bytes"] = float(len(payload.data))
    return {f"parameter|{name}": np.array([value]) for name, value in found.items()}


def _sentence(asked: Asked, answer: str) -> str:
    return Fact(asked.question.split()[-1], answer).text


def _closed(reader: MemoryReader, facts: Sequence[Fact]) -> float:
    return float(np.mean([reader.answer("", fact.question, 1) == fact.place for fact in facts]))


def _listed(reader: MemoryReader, facts: Sequence[Fact]) -> float:
    """Share of the facts that are found in lists of `AT_ONCE`."""
    found: list[bool] = []
    for first in range(0, len(facts), AT_ONCE):
        part = facts[first : first + AT_ONCE]
        prefix = reader.read(reader.memory_ids(memory(part)))
        for fact in part:
            said = reader.follow(prefix, reader.question_ids(fact.question), 1)
            found.append(reader.model.decode(said).strip() == fact.place)
    return float(np.mean(found)) if found else 1.0


def costs(report: Report, *, weights: Weights, lengths: Sequence[int], repeats: int, seed: int) -> Arrays:
    """C's table of times, [lengths] each: milliseconds to serve each form and to make it, and of an adapter's update.

    All lengths and forms in turns: what else the machine does meanwhile falls on all of them alike.
    """
    torch.set_num_threads(1)
    reader, jobs, sizes = reader_of(weights), dict[str, Callable[[], Any]](), list[float]()
    one = draw_facts(seed, "costs", 2)
    adapter = distil(reader, memory(one), [Asked(fact.question, fact.place) for fact in one], distillation(1, 2, seed))
    bare = reader_of(weights)  # an adapter that is loaded would be in the way of the other forms
    question = bare.question_ids(one[0].question)
    for length in lengths:
        ids = bare.memory_ids(memory(draw_facts(seed, f"costs {length}", length // 2)))
        prefix = bare.read(ids)
        payload = cache_payload(bare, prefix)
        sizes.append(float(len(payload.data)))
        jobs |= {
            f"serve token|{length}": partial(bare.logits, None, [*ids, *question]),
            f"serve activation|{length}": partial(_loaded, bare, payload, question),
            f"make activation|{length}": partial(_made, bare, ids),
        }

    def serve() -> None:
        load_adapter(reader, adapter)
        reader.logits(None, question)

    told = medians({**jobs, "serve parameter": serve}, repeats)
    report(1, 2)
    unload_adapter(reader)
    facts = draw_facts(seed, "costs", 32)
    asked = [Asked(fact.question, fact.place) for fact in facts]
    began = time.perf_counter()
    distil(reader, memory(facts), asked, replace(distillation(1, 32, seed), updates=4 * repeats))
    update = 1e3 * (time.perf_counter() - began) / (4 * repeats)
    rows = {
        **{
            name: np.array([told[f"{name}|{length}"] for length in lengths])
            for name in ("serve token", "serve activation", "make activation")
        },
        "serve parameter": np.full(len(lengths), told["serve parameter"]),
        "update": np.full(len(lengths), update),
        "tokens": np.array(lengths, dtype=np.float64),
        "bytes activation": np.array(sizes),
        "bytes parameter": np.full(len(lengths), float(len(adapter.data))),
    }
    return {f"costs|{name}": values for name, values in rows.items()}


def _loaded(reader: MemoryReader, payload: Payload, question: list[int]) -> torch.Tensor:
    return reader.logits(read_payload(reader, payload), question)


def _made(reader: MemoryReader, ids: list[int]) -> Payload:
    return cache_payload(reader, reader.read(ids))


def known(report: Report, *, weights: Weights, length: int, updates: int, questions: int, seed: int) -> Arrays:
    """The other half of C's table, at one length: shares answered rightly, [1] each, and updates of the adapter."""
    torch.set_num_threads(1)
    reader = reader_of(weights)
    facts = draw_facts(seed, f"costs {length}", length // 2)
    asked = [facts[i] for i in np.linspace(0, len(facts) - 1, questions).astype(int)]
    prefix = reader.read(reader.memory_ids(memory(facts)))
    read = [reader.follow(prefix, reader.question_ids(fact.question), 1) for fact in asked]
    right_ = float(np.mean([reader.model.decode(a).strip() == b.place for a, b in zip(read, asked, strict=True)]))
    how = distillation(updates, len(facts), seed)

    def trained(done: int, metrics: dict[str, float]) -> None:
        if done % HALF_WAY == 0:
            report(done, how.updates, loss=metrics["loss"])

    payload = distil(reader, memory(facts), [Asked(fact.question, fact.place) for fact in facts], how, trained)
    load_adapter(reader, payload)
    row = {
        "right token": right_, "right activation": right_, "right parameter": _closed(reader, asked),
        "updates": float(how.updates),
    }  # fmt: skip
    return {f"known|{name}": np.array([value]) for name, value in row.items()}
