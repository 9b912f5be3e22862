"""A model as the reader of memories: in which words it is told a text and a question, and who it is, as hashes.

    reader = MemoryReader(TransformersModel("path/of/a/model"), Template(memory="Facts: {text}\n"))
    reader.answer(text, "Where does Ada live?")         # the text path: everything is read, each time
    reader.loader                                       # hashes of weights, tokenizer, dtype and template

A memory and a question are made into tokens apart and then laid end to end, in every form of memory alike: whoever
tokenises them together may get other tokens where they meet, and so another prompt. The template says what stands
between them.

A key-value cache or an adapter means nothing to another reader. The four hashes go into each payload's header, and
`wayfare.memory.cubes.loading` refuses what was made by another.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.language.local import TransformersModel
from wayfare.memory.cubes.loading import LoaderId

__all__ = ["MemoryReader", "Prefix", "Template", "clone", "weights_hash"]

ADAPTED = ("lora_", ".base_layer")
"""Marks of peft: weights of an adapter, and the name under which it puts what it adapts."""


@dataclass(frozen=True)
class Template:
    """How a memory and a question are put to a model. Raises: BadValue for a field without its place.

    memory: with `{text}`        question: with `{question}`, up to where the model answers
    """

    memory: str = "{text}"
    question: str = "{question}"

    def __post_init__(self) -> None:
        for field, place in (("memory", "{text}"), ("question", "{question}")):
            if getattr(self, field).count(place) != 1:
                raise BadValue(f"template.{field}", getattr(self, field), f"a text with {place} once")

    @property
    def hash(self) -> str:
        """Of both texts."""
        return _told(json.dumps(asdict(self), sort_keys=True).encode())


class Prefix(NamedTuple):
    """What was read: its tokens, and the model's cache of their keys and values. Never changed in place."""

    ids: tuple[int, ...]
    cache: Any


class MemoryReader:
    """model: it is put into evaluation mode        template: see `Template`

    loader: `LoaderId`, made once: weights that are trained later belong to another reader
    """

    def __init__(self, model: TransformersModel, template: Template | None = None) -> None:
        self.model, self.template = model, template or Template()
        model.causal.eval()
        self.loader = LoaderId(
            model=weights_hash(model.causal),
            tokenizer=_tokenizer_hash(model.tokenizer),
            dtype=str(model.causal.dtype).removeprefix("torch."),
            template=self.template.hash,
        )

    def memory_ids(self, text: str) -> list[int]:
        """Tokens of a memory, the tokenizer's own at the start included. Raises: BadValue for a text without any."""
        ids = list(self.model.tokenizer(self.template.memory.replace("{text}", text))["input_ids"]) if text else []
        if not ids:
            raise BadValue("text", text, "at least one token: an empty memory has no form but text")
        return ids

    def question_ids(self, question: str, *, alone: bool = False) -> list[int]:
        """Tokens of a question, as they follow a memory. Raises: BadValue for one without any.

        alone: closed-book, with the tokenizer's own tokens at the start
        """
        text = self.template.question.replace("{question}", question)
        ids = list(self.model.tokenizer(text, add_special_tokens=alone)["input_ids"]) if question else []
        if not ids:
            raise BadValue("question", question, "at least one token")
        return ids

    @torch.no_grad()
    def read(self, ids: Sequence[int]) -> Prefix:
        """Read tokens once. Raises: BadValue for none, more than the context, or a model whose cache is no list of
        keys and values."""
        self.fitting("text", len(ids), 0)
        _, cache = self.step(None, ids, 1)
        return Prefix(tuple(ids), cache)

    @torch.no_grad()
    def logits(self, prefix: Prefix | None, ids: Sequence[int], keep: int = 1) -> Tensor:
        """[keep, V] float32: behind each of the last `keep` of `ids`, which follow the prefix.

        Raises: BadValue for no ids, or more than fit into the context.
        """
        self.fitting("question", len(ids), 0 if prefix is None else len(prefix.ids))
        return self.step(prefix, ids, keep)[0]

    @torch.no_grad()
    def follow(self, prefix: Prefix | None, ids: Sequence[int], tokens: int) -> list[int]:
        """Up to `tokens` likeliest tokens behind `ids`, which follow the prefix; without the one that ends them.

        Raises: BadValue as `logits` does, also where the answer would not fit.
        """
        self.fitting("question", len(ids) + tokens - 1, 0 if prefix is None else len(prefix.ids))
        said: list[int] = []
        feed, ends = list(ids), self.model.ends
        while len(said) < tokens:
            logits, cache = self.step(prefix, feed, 1)
            token = int(logits[-1].argmax())
            if token in ends:
                break
            said.append(token)
            prefix, feed = Prefix((*(prefix.ids if prefix else ()), *feed), cache), [token]
        return said

    def answer(self, text: str, question: str, tokens: int = 16) -> str:
        """The text path: memory and question are read, and answered greedily. text: "" for the question alone"""
        ids = [*(self.memory_ids(text) if text else ()), *self.question_ids(question, alone=not text)]
        return self.model.decode(self.follow(None, ids, tokens)).strip()

    def fitting(self, field: str, more: int, read: int) -> None:
        """Raises: BadValue for no tokens, or more than fit behind what was read."""
        if more < 1:
            raise BadValue(field, f"{more} tokens", "at least one token")
        context = self.model.context
        if context is not None and read + more > context:
            raise BadValue(field, f"{more} tokens", f"at most {context - read} tokens, of a context of {context}")

    @torch.no_grad()
    def step(self, prefix: Prefix | None, ids: Sequence[int], keep: int) -> tuple[Tensor, Any]:
        """Logits [keep, V] float32, and the cache of all that was read. Raises: BadValue for a model that has none."""
        causal = self.model.causal
        first = 0 if prefix is None else len(prefix.ids)
        out = causal(
            input_ids=torch.tensor([list(ids)], device=causal.device),
            position_ids=torch.arange(first, first + len(ids), device=causal.device).unsqueeze(0),
            past_key_values=None if prefix is None else clone(prefix.cache),
            use_cache=True,
        )
        if not hasattr(out.past_key_values, "layers"):
            raise BadValue("model", type(causal).__name__, "a causal model with a cache of keys and values")
        return out.logits[0, -keep:].float(), out.past_key_values


def clone(cache: Any) -> Any:
    """A cache that can grow while the given one stays: growing makes new tensors, so nothing is copied here."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin


def weights_hash(causal: Any) -> str:
    """SHA-256 of a model's class, weights and buffers as they are without adapters; some seconds for a large one."""
    digest = hashlib.sha256(type(causal).__name__.encode())
    for name, tensor in _weights(causal):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def _weights(causal: Any) -> Iterator[tuple[str, Tensor]]:
    """In the order of their names; buffers too: they hold what a rotary layer turns by."""
    named = {
        name.replace(ADAPTED[1], ""): tensor
        for name, tensor in (*causal.named_parameters(), *causal.named_buffers())
        if ADAPTED[0] not in name and tensor.numel()
    }
    yield from sorted(named.items())


def _tokenizer_hash(tokenizer: Any) -> str:
    """Of its vocabulary and rules; of class and vocabulary alone where it tells no more."""
    inner = getattr(tokenizer, "backend_tokenizer", None)
    if inner is not None:
        return _told(inner.to_str().encode())
    told = [type(tokenizer).__name__, sorted(tokenizer.get_vocab().items()), list(tokenizer.all_special_ids)]
    return _told(json.dumps(told).encode())


def _told(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
