"""Memory as activations: a text that is read once, and continued from its keys and values as if it had just been read.

    memory = ActivationMemory(reader)
    memory.write(["Ada lives in Rome.", "Bo paints."])
    memory.answer("Where does Ada live?")              # only the question is computed
    payload = memory.payload()                         # safetensors, with the hashes of who made it

A cache that was loaded goes on at position n, the number of its tokens: its logits are those of the text path, to
rounding. `read_payload` refuses a cache of another model, tokenizer, dtype or template.

Caches that were made apart, each at positions 0..n, are not one context when they are laid end to end: their keys stand
at the wrong places, and no token of the second has seen the first. `end_to_end` turns the keys of rotary models to
their new places,

    k'_i = R(m) k_i,    R(m) the rotation by m places, since R(m) R(i) = R(m + i)                            (1)

which cures the first and not the second: the result is *not* that of reading both texts. Where that matters, read them
again; `ActivationMemory` always does.

Sources: MemOS (Li et al. 2025, arXiv 2507.03724), activation memory; (1) Su et al. 2021 (arXiv 2104.09864), eq. 14.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wayfare.agents.memos_reader import MemoryReader, Prefix, clone
from wayfare.errors import BadValue, MissingExtra
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
from wayfare.memory.records import PayloadInfo

__all__ = [
    "ACTIVATION_TYPE",
    "ActivationMemory",
    "cache_payload",
    "end_to_end",
    "read_file",
    "read_payload",
    "safetensors_function",
    "write_file",
]

ACTIVATION_TYPE = "application/vnd.safetensors; of=key-value-cache"
IDS = "ids"
FORMAT = 1


class ActivationMemory:
    """Texts read once, in order, as one prefix; a change reads all of them again.

    reader: who reads        tokens: most of an answer        between: what stands between two texts
    """

    card = MemoryCard(
        form=frozenset({Form.LATENT_REUSE}),
        topology=frozenset({Topology.FLAT}),
        function=frozenset({Function.FACTUAL_ENVIRONMENT, Function.WORKING_MULTI}),
        formation=frozenset({Formation.LATENT}),
        consolidation=frozenset({Consolidation.NONE}),
        updating=frozenset({Updating.EXTERNAL}),
        forgetting=frozenset({Forgetting.NONE}),
        retrieval=frozenset({Retrieval.NONE}),
        scope=frozenset({Scope.AGENT_MEMORY, Scope.CONTEXT_ENGINEERING}),
        deletable="item",
    )

    def __init__(self, reader: MemoryReader, *, tokens: int = 16, between: str = "\n") -> None:
        self.reader, self.tokens, self.between = reader, tokens, between
        self.texts: tuple[str, ...] = ()
        self.prefix: Prefix | None = None

    def write(self, texts: Sequence[str]) -> None:
        """Add texts behind those that are there. Raises: BadValue for an empty one, or more than the context holds;
        nothing has changed then."""
        self._hold((*self.texts, *texts))

    def remove(self, text: str) -> None:
        """Without it, as if it had never been read. Raises: BadValue for a text that is not there."""
        if text not in self.texts:
            raise BadValue("text", text, "one that was written")
        place = self.texts.index(text)
        self._hold((*self.texts[:place], *self.texts[place + 1 :]))

    def answer_logits(self, question: str) -> Tensor:
        """[V] float32, behind the question."""
        return self.reader.logits(self.prefix, self._asked(question))[-1]

    def answer(self, question: str) -> str:
        """Greedily."""
        ids = self.reader.follow(self.prefix, self._asked(question), self.tokens)
        return self.reader.model.decode(ids).strip()

    def payload(self) -> Payload:
        """What is held, to be kept. Raises: BadValue for an empty memory."""
        if self.prefix is None:
            raise BadValue("memory", "no text", "at least one text")
        return cache_payload(self.reader, self.prefix)

    def _asked(self, question: str) -> list[int]:
        return self.reader.question_ids(question, alone=self.prefix is None)

    def _hold(self, texts: tuple[str, ...]) -> None:
        if not all(texts):
            raise BadValue("texts", "", "texts of at least one token")
        prefix = self.reader.read(self.reader.memory_ids(self.between.join(texts))) if texts else None
        self.texts, self.prefix = texts, prefix


def cache_payload(reader: MemoryReader, prefix: Prefix) -> Payload:
    """Tokens, keys and values as safetensors; the header says who made it, and how many tokens it holds.

    Raises: BadValue for a cache that is larger than a payload may be: `write_file` takes any.
    """
    save, header = safetensors_function("save"), _header(reader, prefix)
    data: bytes = save(_tensors(prefix), {"header": json.dumps(header)})
    return Payload(data, ACTIVATION_TYPE, header)


def read_payload(reader: MemoryReader, payload: Payload, whose: str = "a payload") -> Prefix:
    """The prefix that it was made of. whose: what to call it in an error

    Raises: BadValue naming the field of the header that does not fit the reader, or for what is no such payload.
    """
    if payload.media_type != ACTIVATION_TYPE:
        raise BadValue(f"media type of {whose}", payload.media_type, ACTIVATION_TYPE)
    checked_loadable(payload.info, reader.loader, whose)
    try:
        tensors = safetensors_function("load")(payload.data)
    except Exception as error:  # safetensors raises its own
        raise BadValue(whose, str(error), "a safetensors file") from error
    return _prefix(reader, tensors, payload.header, whose)


def write_file(reader: MemoryReader, prefix: Prefix, path: str | PathLike[str]) -> None:
    """The same to a file, of any size; written aside and renamed."""
    aside = Path(f"{path}.part")
    safetensors_function("save_file")(_tensors(prefix), aside, {"header": json.dumps(_header(reader, prefix))})
    aside.replace(path)


def read_file(reader: MemoryReader, path: str | PathLike[str]) -> Prefix:
    """What `write_file` wrote. Raises: BadValue as `read_payload` does, naming the file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt", device=str(reader.model.causal.device)) as file:
            header: dict[str, Any] = json.loads((file.metadata() or {}).get("header", "{}"))
            checked_loadable(PayloadInfo("", 0, ACTIVATION_TYPE, header), reader.loader, str(path))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        if isinstance(error, BadValue):
            raise
        raise BadValue(str(path), str(error), "a safetensors file") from error
    return _prefix(reader, tensors, header, str(path))


def end_to_end(reader: MemoryReader, parts: Sequence[Prefix], *, reposition: bool = True) -> Prefix:
    """Caches that were made apart as one, each behind the one before: see (1) for what this is, and what it is not.

    reposition: False leaves the keys at the places where they were made, as a plain concatenation does

    Raises: BadValue for no parts, more than the context holds, layers that have forgotten what lies behind their
    window, or where the model's positions are not plain rotary ones.
    """
    if not parts:
        raise BadValue("parts", 0, "at least one prefix")
    reader.fitting("parts", sum(len(part.ids) for part in parts), 0)
    rates = _rates(reader) if reposition else None
    first, joined = parts[0], clone(parts[0].cache)
    for number, layer in enumerate(joined.layers):
        each = [part.cache.layers[number] for part in parts]
        if any(one.keys.shape[-2] != len(part.ids) for one, part in zip(each, parts, strict=True)):
            raise BadValue("parts", f"layer {number}", "layers that hold every token that was read")
        keys, place = [], 0
        for one, part in zip(each, parts, strict=True):
            keys.append(one.keys if rates is None or not place else _turned(one.keys, rates * place))
            place += len(part.ids)
        layer.keys, layer.values = torch.cat(keys, dim=-2), torch.cat([one.values for one in each], dim=-2)
        if hasattr(layer, "cumulative_length"):
            layer.cumulative_length = place
    ids = first.ids + tuple(token for part in parts[1:] for token in part.ids)
    return Prefix(ids, joined)


def _rates(reader: MemoryReader) -> Tensor:
    """[D / 2] angle of each pair of a key's numbers, a place."""
    causal = reader.model.causal
    rotary = getattr(causal.get_decoder(), "rotary_emb", None)
    rates = getattr(rotary, "inv_freq", None)
    config = causal.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    fixed = getattr(rotary, "rope_type", "default") in ("default", "linear", "llama3")
    if not isinstance(rates, Tensor) or 2 * len(rates) != width or not fixed:
        raise BadValue("model", type(causal).__name__, "one with plain rotary positions over whole heads")
    return rates.float()


def _turned(keys: Tensor, angles: Tensor) -> Tensor:
    """keys: [B, H, T, D], of which number i and i + D / 2 are a pair        angles: [D / 2]"""
    cos, sin = angles.cos(), angles.sin()
    left, right = keys.float().chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1).to(keys.dtype)


def _header(reader: MemoryReader, prefix: Prefix) -> dict[str, Any]:
    return {**reader.loader.header, "format": FORMAT, "tokens": len(prefix.ids), "layers": len(prefix.cache.layers)}


def _tensors(prefix: Prefix) -> dict[str, Tensor]:
    found = {IDS: torch.tensor(prefix.ids, dtype=torch.int64)}
    for number, layer in enumerate(prefix.cache.layers):
        if not hasattr(layer, "keys"):
            raise BadValue("model", type(layer).__name__, "a model whose layers keep keys and values, and nothing else")
        if layer.is_initialized:  # some models let layers share the keys of an earlier one
            found[f"{number}.keys"] = layer.keys.detach().contiguous()
            found[f"{number}.values"] = layer.values.detach().contiguous()
    return found


def _prefix(reader: MemoryReader, tensors: Mapping[str, Tensor], header: Mapping[str, Any], whose: str) -> Prefix:
    from transformers import DynamicCache

    ids = tuple(tensors[IDS].tolist()) if IDS in tensors else ()
    if not ids or header.get("tokens") != len(ids) or header.get("format") != FORMAT:
        raise BadValue(f"payload.header of {whose}", dict(header), f"of format {FORMAT}, and as many tokens as ids")
    device = reader.model.causal.device
    cache: Any = DynamicCache(config=reader.model.causal.config)
    if header.get("layers") != len(cache.layers):
        raise BadValue(f"payload.header.layers of {whose}", header.get("layers"), f"{len(cache.layers)}")
    for number, layer in enumerate(cache.layers):
        if f"{number}.keys" not in tensors:
            continue
        layer.update(tensors[f"{number}.keys"].to(device), tensors[f"{number}.values"].to(device))
        if hasattr(layer, "cumulative_length"):  # a sliding layer has fewer keys than it has read
            layer.cumulative_length = len(ids)
    return Prefix(ids, cache)


def safetensors_function(name: str) -> Any:
    """A function of `safetensors.torch`. Raises: MissingExtra without it."""
    try:
        import safetensors.torch
    except ImportError:
        raise MissingExtra("activation and parameter memory", "lm") from None
    return getattr(safetensors.torch, name)
