"""The small decoder behind both interfaces of language models: what trainers draw from and score by, what players ask.

    model = NanoModel(Nano(len(reader), "xs"), reader)
    model.generate(["3 4 > 7 :"], Sampling(max_tokens=16))
    model.save_pretrained(folder)                        # AutoModelForCausalLM and AutoTokenizer read it
    model.compile()                                      # faster from now on, equal up to rounding

Tokens are words. A conversation is its messages' contents, joined by a space.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from wayfare.errors import BadValue
from wayfare.language.answering import Answering
from wayfare.language.interface import Prompt
from wayfare.language.local import TransformersModel
from wayfare.language.nano import Cache, Nano, WordReader
from wayfare.language.nano_compiled import Backend, CompiledPasses

__all__ = ["NanoModel"]

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% if not loop.last %} {% endif %}{% endfor %}"


class NanoModel(Answering):
    """net: the weights        reader: of as many words as the net has        context: most tokens of prompt and answer

    rows: most answers drawn side by side by `generate`

    Raises: BadValue for a reader of other words, or a context or rows below 1.
    """

    def __init__(self, net: Nano, reader: WordReader, context: int = 8192, *, rows: int = 256) -> None:
        if len(reader) != net.words:
            raise BadValue("reader", f"{len(reader)} words", f"the {net.words} words of the net")
        for name, value in (("context", context), ("rows", rows)):
            if value < 1:
                raise BadValue(name, value, "at least 1")
        self.net, self.reader, self.rows = net, reader, rows
        self._context = context
        self._passes: CompiledPasses | None = None

    def compile(self, backend: Backend = "inductor") -> None:
        """Passes of training, and of each token drawn, are compiled from now on, when they are first asked for.

        backend: of `torch.compile`; its own one needs a C++ compiler on a CPU

        A copy of the model is not compiled.
        """
        self._passes = CompiledPasses(self.net, backend)

    @property
    def module(self) -> Nano:
        """What is trained."""
        return self.net

    @property
    def tokenizer(self) -> WordReader:
        """Words <-> ids."""
        return self.reader

    @property
    def vocabulary(self) -> int:
        """V."""
        return self.net.words

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._context

    @property
    def ends(self) -> frozenset[int]:
        """`<end>`"""
        return frozenset([self.reader.end])

    @property
    def pad(self) -> int:
        """`<pad>`"""
        return self.reader.pad

    def encode(self, prompt: Prompt) -> list[int]:
        """Raises: BadValue for a word that is not known, where the reader is strict."""
        return self.reader.encode(prompt if isinstance(prompt, str) else " ".join(each["content"] for each in prompt))

    def decode(self, ids: Sequence[int]) -> str:
        """Up to the end; padding is left out."""
        return self.reader.decode(ids)

    def states(self, ids: Tensor, valid: Tensor, keep: int) -> Tensor:
        """[B, keep, D]: the last layer's normalised states that predict the last `keep` tokens; differentiable."""
        length = ids.shape[1]
        places, mask = self._seen(valid.bool())
        # the last token predicts nothing that is asked for
        ids, tail = ids[:, : length - 1], min(keep, length - 1)
        if isinstance(places, Tensor):
            places = places[:, : length - 1]
        mask = None if mask is None else mask[..., : length - 1, : length - 1]
        through = self.net.states if self._passes is None else self._passes.states
        return through(ids, places, mask, None, None if tail == length - 1 else tail)

    def logits(self, states: Tensor) -> Tensor:
        """[..., D] -> [..., V]"""
        return functional.linear(states, self.net.embedding.weight)

    @torch.no_grad()
    def begin(self, ids: Tensor, valid: Tensor, new: int) -> tuple[Tensor, Any]:
        """Logits [B, V] behind each prompt, and what was read of it; up to `new` tokens may follow."""
        valid = valid.bool()
        places, mask = self._seen(valid)
        reading = _Reading(Cache(self.net, len(ids), ids.shape[1] + new), valid, padded=mask is not None)
        return self.logits(self.net.states(ids, places, mask, reading.cache, 1)[:, 0]), reading

    @torch.no_grad()
    def follow(self, tokens: Tensor, running: Tensor | None, cache: Any) -> tuple[Tensor, Any]:
        """Logits [B, V] behind one more token a row, which is padding where it is not running."""
        places, mask = cache.advance(running)
        through = self.net.states if self._passes is None else self._passes.states
        return self.logits(through(tokens.unsqueeze(1), places, mask, cache.cache, 1)[:, 0]), cache

    def frozen_start(self) -> AbstractContextManager[None]:
        """Raises: BadValue, since all weights are trained; `copy_frozen` before training keeps them."""
        raise BadValue("model", "Nano", "adapters: all its weights are trained, so that its start is gone")

    def to_transformers(self) -> TransformersModel:
        """The same as a Llama with a tokenizer, of equal logits and weights of its own."""
        tokenizer, model = self.reader.to_transformers(), self.net.to_transformers()
        tokenizer.chat_template = TEMPLATE
        for config in (model.config, model.generation_config):
            config.pad_token_id, config.eos_token_id = self.reader.pad, self.reader.end
            config.bos_token_id = None
        model.config.max_position_embeddings = self._context
        return TransformersModel(model, tokenizer, rows=self.rows)

    @classmethod
    def from_transformers(cls, model: TransformersModel) -> NanoModel:
        """Of what `to_transformers` made, trained since perhaps. Raises: BadValue for another layout or tokenizer."""
        known = sorted(model.tokenizer.get_vocab().items(), key=lambda each: each[1])
        words = [word for word, _ in known]
        if words[:3] != ["<pad>", "<end>", "<other>"] or [number for _, number in known] != list(range(len(words))):
            raise BadValue("tokenizer", type(model.tokenizer).__name__, "one that WordReader.to_transformers made")
        return cls(Nano.from_transformers(model.causal), WordReader(words[3:]), model.context or 8192, rows=model.rows)

    def save_pretrained(self, folder: Path, *, merged: bool = False) -> None:
        """As a Llama and its tokenizer. merged: without meaning here, there are no adapters"""
        self.to_transformers().save_pretrained(folder)

    def copied(self) -> NanoModel:
        """The same once more, with weights of its own."""
        return NanoModel(copy.deepcopy(self.net), self.reader, self._context, rows=self.rows)

    def _seen(self, valid: Tensor) -> tuple[Tensor | int, Tensor | None]:
        """Positions, and what attention adds [B, 1, L, L]; 0 and None where nothing is padded before a token."""
        if not bool((valid[:, 1:] > valid[:, :-1]).any()):
            return 0, None
        reach = torch.arange(valid.shape[1], device=valid.device)
        seen = (reach <= reach.unsqueeze(1)) & valid[:, None, None, :]
        seen = seen | (reach == reach.unsqueeze(1))  # padding sees itself: a softmax over nothing is NaN
        mask = _added(seen, self.net.embedding.weight.dtype)
        return (valid.long().cumsum(dim=1) - 1).clamp(min=0), mask


class _Reading:
    """A cache, with the mask and the positions of rows that have padding in them."""

    def __init__(self, cache: Cache, valid: Tensor, *, padded: bool) -> None:
        self.cache, self.padded, like = cache, padded, cache.stored[0][0]
        self.added: Tensor | None = None
        self.last = valid.sum(dim=1) - 1
        if padded:
            self.added = like.new_zeros(len(valid), 1, 1, cache.places)
            self.added[:, 0, 0, : valid.shape[1]] = _added(valid, like.dtype)

    def advance(self, running: Tensor | None) -> tuple[Tensor | int, Tensor | None]:
        """One more token a row. Returns: its places and the mask, as `Nano.states` takes them."""
        place = self.cache.length
        if running is not None and self.added is None and not bool(running.all()):
            self.added = self.cache.stored[0][0].new_zeros(len(running), 1, 1, self.cache.places)
        if self.added is None:
            self.last = self.last + 1
            return place, None
        self.last = self.last + (1 if running is None else running)
        mask = self.added[..., : place + 1]
        if running is not None:
            self.added[:, 0, 0, place] = _added(running, self.added.dtype)
        return self.last.unsqueeze(1), mask

    def select(self, rows: Tensor) -> None:
        """Keep these rows alone."""
        self.cache.select(rows)
        self.last = self.last[rows]
        if self.added is not None:
            self.added = self.added[rows]


def _added(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where seen, -inf elsewhere."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))
