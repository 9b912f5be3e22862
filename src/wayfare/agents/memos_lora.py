"""Memory as parameters: texts distilled into low-rank adapters of a frozen model, and written back as texts.

    payload = distil(reader, "Ada lives in Rome.", [Asked("Where does Ada live?", "Rome")])
    load_adapter(reader, payload)                     # the model now answers without the text
    write_back(reader, [Asked("Where does Ada live?")], lambda asked, said: f"Ada lives in {said}.")
    unload_adapter(reader)                            # bit for bit the model of before

What is learned is what the model itself answers with the text before it (context distillation), where a question comes
with no answer; and the text, token by token, where there are no questions. An adapter is one block of numbers for all
that it was told: one fact cannot be taken out of it in place, and adding the numbers of two adapters is not adding what
they know. `ParameterMemory` keeps its texts, and learns all of them again.

Sources: MemOS (Li et al. 2025, arXiv 2507.03724), parameter memory; Hu et al. 2021 (arXiv 2106.09685), the adapters;
Snell, Klein & Zhong 2022 (arXiv 2209.15189), context distillation, here to the greedy answer, not to the distribution.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from wayfare.agents.memos_activation import safetensors_function
from wayfare.agents.memos_reader import MemoryReader
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language.adapters import adapter_weights, add_adapters, has_adapters, remove_adapters
from wayfare.learn.supervised import Supervised
from wayfare.memory.cards import (
    Consolidation,
    Forgetting,
    Form,
    Formation,
    Function,
    MemoryCard,
    Retrieval,
    Scope,
    Topology,
    Updating,
)
from wayfare.memory.cubes.loading import checked_loadable
from wayfare.memory.payloads import Payload

__all__ = [
    "ADAPTER_TYPE",
    "Asked",
    "Distillation",
    "ParameterMemory",
    "Written",
    "distil",
    "load_adapter",
    "unload_adapter",
    "write_back",
]

ADAPTER_TYPE = "application/vnd.safetensors; of=low-rank-adapter"
FORMAT = 1


@dataclass(frozen=True)
class Asked:
    """A question, and its answer where that is known."""

    question: str
    answer: str = ""


@dataclass(frozen=True)
class Distillation:
    """How an adapter is trained. rank, alpha: as in `add_adapters`        learning_rate: peak of AdamW's

    updates, batch: steps, and rows of each        tokens: most of an answer        seed: of A and of the order
    """

    rank: int = 8
    alpha: int = 16
    learning_rate: float = 5e-3
    updates: int = 300
    batch: int = 16
    tokens: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises: BadValue."""
        for name in ("rank", "alpha", "updates", "batch", "tokens"):
            if getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), "at least 1")


@dataclass(frozen=True)
class Written:
    """A text that was written back. probability: of the answer's tokens together, as the adapted model says"""

    text: str
    question: str
    answer: str
    probability: float


class ParameterMemory:
    """Texts in an adapter of the reader's model, which is loaded while there are any; a change learns all again.

    reader: its model is changed by `write`, and given back by `unload`        how: see `Distillation`
    """

    card = MemoryCard(
        form=frozenset({Form.PARAMETRIC_EXTERNAL}),
        topology=frozenset({Topology.FLAT}),
        function=frozenset({Function.FACTUAL_ENVIRONMENT}),
        formation=frozenset({Formation.INTERNALISATION, Formation.DISTILLATION}),
        consolidation=frozenset({Consolidation.GLOBAL}),
        updating=frozenset({Updating.MODEL}),
        forgetting=frozenset({Forgetting.NONE}),
        retrieval=frozenset({Retrieval.GENERATIVE}),
        scope=frozenset({Scope.AGENT_MEMORY, Scope.MODEL_MEMORY}),
        deletable="no",
    )

    def __init__(self, reader: MemoryReader, how: Distillation | None = None) -> None:
        self.reader, self.how = reader, how or Distillation()
        self.texts: tuple[str, ...] = ()
        self.asked: tuple[Asked, ...] = ()

    def write(self, texts: Sequence[str], asked: Sequence[Asked] = ()) -> None:
        """Learn texts beside those that were learned. asked: questions on any of them

        Raises: BadValue for an empty text or question; nothing has changed then.
        """
        self._learn((*self.texts, *texts), (*self.asked, *asked))

    def remove(self, text: str, *, retrain: bool = False) -> None:
        """A text cannot be taken out of an adapter in place; `retrain` learns the others again, without the questions
        whose answer stands in it.

        Raises: BadValue for a text that is not there, or without `retrain`.
        """
        if text not in self.texts:
            raise BadValue("text", text, "one that was written")
        if not retrain:
            raise BadValue("retrain", retrain, "True: a text is not deletable from an adapter in place")
        place = self.texts.index(text)
        left = (*self.texts[:place], *self.texts[place + 1 :])
        self._learn(left, tuple(each for each in self.asked if not each.answer or each.answer.strip() not in text))

    def answer_logits(self, question: str) -> Tensor:
        """[V] float32, behind the question, closed-book."""
        return self.reader.logits(None, self.reader.question_ids(question, alone=True))[-1]

    def answer(self, question: str) -> str:
        """Greedily, closed-book."""
        ids = self.reader.question_ids(question, alone=True)
        return self.reader.model.decode(self.reader.follow(None, ids, self.how.tokens)).strip()

    def unload(self) -> None:
        """The model as it was, bit for bit; and nothing is remembered."""
        unload_adapter(self.reader)
        self.texts, self.asked = (), ()

    def _learn(self, texts: tuple[str, ...], asked: tuple[Asked, ...]) -> None:
        if not all(texts):
            raise BadValue("texts", "", "texts of at least one token")
        rows = _rows(self.reader, texts, asked, self.how) if texts else []
        unload_adapter(self.reader)
        if rows:
            _train(self.reader, rows, self.how)
        self.texts, self.asked = texts, asked


def distil(
    reader: MemoryReader,
    text: str,
    asked: Sequence[Asked],
    how: Distillation | None = None,
    report: Callable[[int, dict[str, float]], Any] | None = None,
) -> Payload:
    """An adapter that was told `text`; the reader's model is afterwards as it was, bit for bit.

    asked: what it shall answer; none: it learns to continue the text        report: as in `Supervised.fit`

    Raises: BadValue for an empty text or question, what does not fit into the context, or a model with adapters.
    """
    how = how or Distillation()
    if has_adapters(reader.model):
        raise BadValue("model", "one with adapters", "one without: what is learned would rest on them")
    rows = _rows(reader, [text], asked, how)
    try:
        _train(reader, rows, how, report)
        return _payload(reader, how, len(rows))
    finally:
        unload_adapter(reader)


def load_adapter(reader: MemoryReader, payload: Payload, whose: str = "a payload") -> None:
    """Put an adapter in the place of the one that is loaded, if any. whose: what to call it in an error

    Raises: BadValue naming the field of the header that does not fit the reader, or for what is no such payload;
    nothing has changed then.
    """
    if payload.media_type != ADAPTER_TYPE:
        raise BadValue(f"media type of {whose}", payload.media_type, ADAPTER_TYPE)
    checked_loadable(payload.info, reader.loader, whose)
    header = payload.header
    if header.get("format") != FORMAT:
        raise BadValue(f"payload.header.format of {whose}", header.get("format"), str(FORMAT))
    try:
        stored = safetensors_function("load")(payload.data)
    except Exception as error:  # safetensors raises its own
        raise BadValue(whose, str(error), "a safetensors file") from error
    shapes = (int(header.get("rank", 0)), int(header.get("alpha", 0)))
    if not has_adapters(reader.model) or _shapes(reader) != shapes:
        unload_adapter(reader)
        add_adapters(reader.model, *shapes)
        reader.model.causal.requires_grad_(False)
    own = adapter_weights(reader.model)
    if {name: each.shape for name, each in own.items()} != {name: each.shape for name, each in stored.items()}:
        unload_adapter(reader)
        raise BadValue(whose, f"{len(stored)} tensors", f"the {len(own)} of this model's adapters, each in its shape")
    with torch.no_grad():
        for name, each in own.items():
            each.copy_(stored[name])


def unload_adapter(reader: MemoryReader) -> None:
    """The model without any adapter: its answers are bit for bit those of before."""
    if has_adapters(reader.model):
        remove_adapters(reader.model)


def write_back(
    reader: MemoryReader,
    asked: Sequence[Asked],
    sentence: Callable[[Asked, str], str],
    *,
    tokens: int = 16,
    least: float = 0.0,
) -> list[Written]:
    """What the model as it is now answers without any text, as texts: of an adapter that is loaded, what it holds.

    sentence: (question, answer) -> the text to be kept        least: probability below which an answer is left out
    """
    found = []
    for each in asked:
        ids = reader.question_ids(each.question, alone=True)
        said = reader.follow(None, ids, tokens)
        if not said:
            continue
        logits = reader.logits(None, [*ids, *said], keep=len(said) + 1)[:-1]
        chance = math.exp(float(logits.log_softmax(dim=-1)[torch.arange(len(said)), torch.tensor(said)].sum()))
        answer = reader.model.decode(said).strip()
        if answer and chance >= least:
            found.append(Written(sentence(each, answer), each.question, answer, chance))
    return found


def _rows(
    reader: MemoryReader, texts: Sequence[str], asked: Sequence[Asked], how: Distillation
) -> list[tuple[list[int], int]]:
    """(tokens, from which they are learned) of everything that an adapter is to learn."""
    end = [min(reader.model.ends)] if reader.model.ends else []
    if not asked:
        rows = [([*reader.memory_ids(text), *end], 1) for text in texts]
    else:
        text = "\n".join(texts)
        reader.memory_ids(text)
        rows = []
        for each in asked:
            known = each if each.answer else replace(each, answer=reader.answer(text, each.question, how.tokens))
            ids = reader.question_ids(known.question, alone=True)
            said = list(reader.model.tokenizer(known.answer, add_special_tokens=False)["input_ids"])
            if said:
                rows.append(([*ids, *said, *end], len(ids)))
        if not rows:
            raise BadValue("asked", "no answer", "questions that the model answers with the text before it")
    for ids, _ in rows:
        reader.fitting("text", len(ids), 0)
    return rows


def _train(
    reader: MemoryReader,
    rows: list[tuple[list[int], int]],
    how: Distillation,
    report: Callable[[int, dict[str, float]], Any] | None = None,
) -> None:
    """Add an adapter and train it on rows drawn without replacement, pass after pass."""
    add_adapters(reader.model, how.rank, how.alpha, how.seed)
    causal = reader.model.causal
    trainer = Supervised(causal, how.learning_rate, updates=how.updates, weight_decay=0.0)
    size = min(how.batch, len(rows))
    batches = math.ceil(len(rows) / size)
    stream = Stream(how.seed, "order of a distillation")

    def batch(number: int) -> tuple[Tensor, Tensor]:
        turn, place = divmod(number, batches)
        order = sorted(range(len(rows)), key=lambda row: float(stream.uniform(row, turn)))
        chosen = [rows[row] for row in order[place * size : (place + 1) * size]]
        width = max(len(ids) for ids, _ in chosen)
        ids = torch.zeros((len(chosen), width), dtype=torch.int64)
        labelled = torch.zeros_like(ids, dtype=torch.bool)
        for i, (row, first) in enumerate(chosen):  # padded behind: nothing that is learned has it before itself
            ids[i, : len(row)], labelled[i, first : len(row)] = torch.tensor(row), True
        return ids.to(causal.device), labelled.to(causal.device)

    trainer.fit(batch, how.updates, report)
    causal.requires_grad_(False)


def _payload(reader: MemoryReader, how: Distillation, rows: int) -> Payload:
    header = {**reader.loader.header, "format": FORMAT, "rank": how.rank, "alpha": how.alpha, "rows": rows}
    tensors = {name: each.detach().contiguous() for name, each in adapter_weights(reader.model).items()}
    data: bytes = safetensors_function("save")(tensors, {"header": json.dumps(header)})
    return Payload(data, ADAPTER_TYPE, header)


def _shapes(reader: MemoryReader) -> tuple[int, int]:
    config = next(iter(reader.model.causal.peft_config.values()))
    return int(config.r), int(config.lora_alpha)
