"""A small decoder-only transformer with words for tokens: a language model that is trained from nothing in minutes.

RMSNorm, rotary positions, SwiGLU, tied embeddings, no biases: the layout of Llama, so that `to_transformers` gives a
`LlamaForCausalLM` of equal logits, and `from_transformers` takes one back.

    Nano        ids [B, T] -> logits [B, T, V]; `wayfare.language.NanoModel` draws from it and scores by it
    Cache       keys and values of what was read; append-only prompts feed only what is new
    WordReader  words <-> ids

Rows of unequal length are padded on the left: `valid` says where there is a token, positions count valid ones only, and
what is padding is never attended to.

Sources: Touvron et al. 2023 (arXiv 2302.13971) for the layout; Su et al. 2021 (arXiv 2104.09864), rotary positions;
Shazeer 2020 (arXiv 2002.05202), SwiGLU; Zhang & Sennrich 2019 (arXiv 1910.07467), RMSNorm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.sampler import Sampler

__all__ = ["SIZES", "Cache", "Nano", "WordReader", "sample"]

Size = Literal["xs", "s", "m", "l"]
SIZES: Mapping[str, tuple[int, int]] = {"xs": (64, 2), "s": (96, 3), "m": (128, 4), "l": (192, 6)}
"""(width, layers) of each size; heads are 32 wide."""
HEAD = 32
EPSILON = 1e-6
THETA = 10_000.0


class Cache:
    """Keys and values of up to `places` tokens of each of `rows` rows."""

    def __init__(self, net: Nano, rows: int, places: int) -> None:
        like = net.embedding.weight
        self.stored = [
            (_zeros(like, rows, net.heads, places), _zeros(like, rows, net.heads, places)) for _ in net.blocks
        ]
        self.valid = torch.zeros(rows, places, dtype=torch.bool, device=like.device)
        self.length = 0
        self.padded = False

    @property
    def places(self) -> int:
        """How many tokens fit."""
        return int(self.valid.shape[1])

    def crop(self, length: int) -> None:
        """Forget what lies behind the first `length` places. Raises: BadValue for more than there are."""
        if not 0 <= length <= self.length:
            raise BadValue("length", length, f"between 0 and {self.length}")
        self.length = length

    def select(self, rows: Tensor) -> None:
        """Keep these rows alone, in this order. rows: [b] int64"""
        self.stored, self.valid = [(keys[rows], values[rows]) for keys, values in self.stored], self.valid[rows]


class _Layer(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.before_attention = nn.Parameter(torch.ones(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.before_mixing = nn.Parameter(torch.ones(width))
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(
        self,
        x: Tensor,
        turn: tuple[Tensor, Tensor],
        mask: Tensor | None,
        stored: tuple[Tensor, Tensor] | None,
        at: slice | Tensor,
        upto: int,
        tail: int | None = None,
    ) -> Tensor:
        """x: [B, T, D] -> [B, T, D], or of the last `tail` places alone, for which the mask then is"""
        rows, length, width = x.shape
        q, k, v = self._read(_normed(x, self.before_attention), turn)
        if stored is not None:
            keys, values = stored
            keys[:, :, at], values[:, :, at] = k, v
            k, v = keys[:, :, :upto], values[:, :, :upto]
        if tail is not None:
            q, x = q[:, :, length - tail :], x[:, length - tail :]
        if stored is None and torch.compiler.is_compiling():
            # another order of dimensions is kept for the gradient as if it always had these sizes
            q, k = q.contiguous(), k.contiguous()
        if tail == 1:
            chances = (q * HEAD**-0.5) @ k.transpose(2, 3)  # the fused kernel is slow where one token asks
            found = (chances if mask is None else chances + mask).softmax(dim=-1) @ v
        elif mask is None and q.shape[2] > 1:
            found = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(found.transpose(1, 2).reshape(rows, q.shape[2], width))
        gate, up = self.gate_up(_normed(x, self.before_mixing)).chunk(2, dim=-1)
        return x + cast(Tensor, self.down(functional.silu(gate) * up))

    def _read(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, H, T, 32] of x [B, T, D], the first two turned."""
        rows, length, width = x.shape
        weight, shape = self.qkv.weight, (rows, length, -1, width // HEAD, HEAD)
        if length > 1 or not torch.compiler.is_compiling():
            mixed = self.qkv(x).view(shape).permute(2, 0, 3, 1, 4)  # [3, B, H, T, 32]
            (q, k), v = _turned(mixed[:2], turn), mixed[2]
            return q, k, v
        # a compiler would turn the one query anew for each key, number by number: the weights are rolled instead
        rolled = weight[: 2 * width].view(-1, 2, HEAD // 2, width).flip(1).reshape(2 * width, width)
        mixed = functional.linear(x, torch.cat([weight, rolled])).view(shape).permute(2, 0, 3, 1, 4)
        q, k, v, other_q, other_k = mixed.unbind()
        return q * turn[0] + other_q * turn[1], k * turn[0] + other_k * turn[1], v


class Nano(nn.Module):
    """words: V        size: of `SIZES`        seed: of the first weights, which depend on nothing else

    Raises: BadValue for fewer than two words, or an unknown size.
    """

    def __init__(self, words: int, size: Size = "xs", seed: int = 0) -> None:
        if size not in SIZES:
            raise BadValue("size", size, f"one of {', '.join(SIZES)}")
        if words < 2:
            raise BadValue("words", words, "at least 2")
        super().__init__()
        self.words, self.size = words, size
        self.width, self.layers = SIZES[size]
        self.heads, self.inner = self.width // HEAD, 8 * self.width // 3 // 16 * 16
        self.embedding = nn.Embedding(words, self.width)
        self.blocks = nn.ModuleList(_Layer(self.width, self.inner) for _ in range(self.layers))
        self.last = nn.Parameter(torch.ones(self.width))
        self._turns: tuple[Tensor, Tensor] | None = None
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, each in self.named_parameters():
                if each.ndim == 2:
                    small = name.endswith(("out.weight", "down.weight"))
                    scale = 1.0 if "embedding" in name else 1.0 / math.sqrt(2.0 * self.layers) if small else 1.0
                    each.copy_(torch.randn(each.shape, generator=draw) * scale / math.sqrt(each.shape[1]))

    def forward(
        self, ids: Tensor, valid: Tensor | None = None, cache: Cache | None = None, *, last_only: bool = False
    ) -> Tensor:
        """Logits of the token behind each.

        ids: [B, T] int64        valid: [B, T] bool, false where there is padding on the left; None: no padding
        cache: what was read before; ids are what follows, and are added to it
        last_only: only those behind the last token, T being 1 then

        Returns: [B, T, V]. Raises: BadValue for padding on the right, or more tokens than the cache has places for.
        """
        length = ids.shape[1]
        first = cache.length if cache is not None else 0
        if cache is not None and first + length > cache.places:
            raise BadValue("ids", first + length, f"at most {cache.places} tokens, the places of the cache")
        if valid is not None and bool((valid[:, :-1] & ~valid[:, 1:]).any()):
            raise BadValue("valid", "padding behind a token", "padding on the left only")
        known = torch.ones_like(ids, dtype=torch.bool) if valid is None else valid
        padded = valid is not None and not bool(valid.all())
        if cache is not None:
            cache.valid[:, first : first + length] = known
            known = cache.valid[:, : first + length]
            cache.padded = padded = padded or cache.padded
        places: Tensor | int = first
        if padded:
            places = (known.long().cumsum(dim=1) - 1).clamp(min=0)[:, first:]  # [B, T]
        mask = None
        if padded or (first and length > 1):
            reach = torch.arange(first + length, device=ids.device)
            mask = reach <= reach[first:].unsqueeze(1)  # [T, N]
            mask = mask & known[:, None, None, :]
            mask = mask | (reach == reach[first:].unsqueeze(1))  # padding sees itself: a softmax over nothing is NaN
        x = self.states(ids, places, mask, cache)
        return functional.linear(x[:, -1:] if last_only else x, self.embedding.weight)

    def states(
        self, ids: Tensor, places: Tensor | int, mask: Tensor | None, cache: Cache | None, tail: int | None = None
    ) -> Tensor:
        """The last layer's normalised states, without a look at whether all fits together.

        places: [B, T] positions, or the first one where all rows have the same
        mask:   what attention adds, or, without `tail`, lets through; None: all that was read before
        tail:   of how many last tokens; the mask of the last layer is cut to them

        Returns: [B, T or tail, D]
        """
        first = 0 if cache is None else cache.length
        upto = first + ids.shape[1]
        stored = None if cache is None else cache.stored
        x = self.through(ids, self.turn(places, upto), mask, stored, slice(first, upto), upto, tail)
        if cache is not None:
            cache.length = upto
        return x

    def through(
        self,
        ids: Tensor,
        turn: tuple[Tensor, Tensor],
        mask: Tensor | None,
        stored: Sequence[tuple[Tensor, Tensor]] | None,
        at: slice | Tensor,
        upto: int,
        tail: int | None,
    ) -> Tensor:
        """`states`, from tensors alone.

        turn:   of the places of ids
        stored: keys and values [B, H, N, 32] of each layer, of what was read before; those of ids are added
        at:     where        upto: how many there are then
        """
        length, x = ids.shape[1], self.embedding(ids)
        for number, block in enumerate(self.blocks):
            known = None if stored is None else stored[number]
            if tail is not None and (number == self.layers - 1 or length == tail):
                x = block(x, turn, _cut(mask, upto - length, length, tail, ids), known, at, upto, tail)
            else:
                x = block(x, turn, mask, known, at, upto)
        return _normed(x, self.last)

    def turn(self, places: Tensor | int, upto: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines [B or 1, 1, T, 32] of the rotary angles, the sines of the first half negative.

        upto: no place reaches it
        """
        like, table = self.embedding.weight, self._turns
        if table is None or len(table[0]) < upto or table[0].device != like.device or table[0].dtype != like.dtype:
            with torch.inference_mode(False):
                reach = torch.arange(max(256, 2 * upto), device=like.device)
                rates = THETA ** (-torch.arange(0, HEAD, 2, device=like.device, dtype=torch.float32) / HEAD)
                angle = reach.unsqueeze(1) * rates
                sines = torch.cat([-angle.sin(), angle.sin()], dim=1)
                self._turns = table = (torch.cat([angle, angle], dim=1).cos().to(like.dtype), sines.to(like.dtype))
        if isinstance(places, int):
            return table[0][places:upto], table[1][places:upto]
        return table[0][places].unsqueeze(1), table[1][places].unsqueeze(1)

    def to_transformers(self) -> Any:
        """A `LlamaForCausalLM` of equal logits. Raises: MissingExtra without `transformers`."""
        try:
            from transformers import LlamaConfig, LlamaForCausalLM
        except ImportError:
            raise MissingExtra("Nano.to_transformers", "lm") from None
        config = LlamaConfig(
            vocab_size=self.words,
            hidden_size=self.width,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            max_position_embeddings=8192,
            rms_norm_eps=EPSILON,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=None,
        )
        with torch.random.fork_rng(devices=[]):
            model: Any = LlamaForCausalLM(config)
        model = model.to(self.embedding.weight.device, self.embedding.weight.dtype).eval()
        with torch.no_grad():
            for theirs, mine in _pairs(model, self):
                theirs.copy_(mine)
        return model

    @classmethod
    def from_transformers(cls, model: Any) -> Nano:
        """Of a model that `to_transformers` made, trained since perhaps. Raises: BadValue for one of another layout."""
        config = model.config
        size = {shape: name for name, shape in SIZES.items()}.get((config.hidden_size, config.num_hidden_layers))
        net = cls(config.vocab_size, cast(Size, size)) if size else None
        plain = (config.num_attention_heads, config.num_key_value_heads, config.intermediate_size)
        fits = net is not None and plain == (net.heads, net.heads, net.inner)
        if net is None or not fits or not config.tie_word_embeddings or config.rms_norm_eps != EPSILON:
            raise BadValue("model", type(model).__name__, "one that Nano.to_transformers made")
        net = net.to(model.device, model.dtype)
        with torch.no_grad():
            for theirs, mine in _pairs(model, net):
                mine.copy_(theirs)
        return net


def sample(logits: Tensor, uniform: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """One token a row and its log-probability under softmax(logits / temperature); temperature 0: the likeliest.

    logits: [B, V]        uniform: [B], between 0 and 1: the token at which the cumulative probability passes it
    Raises: BadValue for a temperature below 0.
    """
    drawn = Sampler(temperature).sample(logits, 0, 0, uniform)
    return drawn.token, drawn.logp


class WordReader:
    """Words apart by spaces <-> ids. The first three words are `<pad>`, `<end>` and `<other>`.

    words: the others, each once; a word that is not known reads as `<other>` where `strict` is false
    Raises: BadValue for a word that occurs twice, is empty or has a space in it.
    """

    pad, end, other = 0, 1, 2

    def __init__(self, words: Sequence[str], *, strict: bool = True) -> None:
        self.words = ("<pad>", "<end>", "<other>", *words)
        self.strict = strict
        for word in self.words:
            if not word or word.split() != [word]:
                raise BadValue("words", word, "words without spaces")
        self.ids = {word: number for number, word in enumerate(self.words)}
        if len(self.ids) != len(self.words):
            twice = next(word for word in self.words if self.words.count(word) > 1)
            raise BadValue("words", twice, "each word once")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Raises: BadValue for a word that is not known, where `strict`."""
        found = [self.ids.get(word, self.other) for word in text.split()]
        if self.strict and self.other in found:
            raise BadValue("text", text.split()[found.index(self.other)], "made of the reader's words")
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """Up to the end; padding is left out."""
        kept = []
        for number in ids:
            if number == self.end:
                break
            if number != self.pad:
                kept.append(self.words[number])
        return " ".join(kept)

    def batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(ids, valid) [B, T], padded on the left."""
        rows = [self.encode(text) for text in texts]
        longest = max((len(row) for row in rows), default=0)
        ids = torch.tensor([[self.pad] * (longest - len(row)) + row for row in rows], dtype=torch.int64)
        valid = torch.tensor([[False] * (longest - len(row)) + [True] * len(row) for row in rows], dtype=torch.bool)
        return ids, valid

    def to_transformers(self) -> Any:
        """The same as a tokenizer of `transformers`. Raises: MissingExtra without it."""
        try:
            from tokenizers import Tokenizer, models, pre_tokenizers
            from transformers import PreTrainedTokenizerFast
        except ImportError:
            raise MissingExtra("WordReader.to_transformers", "lm") from None
        inner = Tokenizer(models.WordLevel(dict(self.ids), unk_token="<other>"))
        inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        fast: Any = PreTrainedTokenizerFast
        return fast(
            tokenizer_object=inner, pad_token="<pad>", eos_token="<end>", unk_token="<other>", padding_side="left"
        )


def _zeros(like: Tensor, rows: int, heads: int, places: int) -> Tensor:
    return torch.zeros(rows, heads, places, HEAD, dtype=like.dtype, device=like.device)


def _normed(x: Tensor, weight: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight, EPSILON)


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    return x * turn[0] + x.roll(HEAD // 2, dims=-1) * turn[1]


def _cut(mask: Tensor | None, first: int, length: int, tail: int, ids: Tensor) -> Tensor | None:
    """The mask of the last `tail` of `length` tokens that follow `first` others."""
    if mask is not None:
        return mask[..., mask.shape[-2] - tail :, :]
    if tail == 1:
        return None
    reach = torch.arange(first + length, device=ids.device)
    return reach <= reach[first + length - tail :].unsqueeze(1)  # [tail, N]


def _pairs(model: Any, net: Nano) -> list[tuple[Tensor, Tensor]]:
    """(theirs, mine) of each weight; both are views into the models."""
    found: list[tuple[Tensor, Tensor]] = [
        (model.model.embed_tokens.weight, net.embedding.weight),
        (model.model.norm.weight, net.last),
    ]
    for theirs, mine in zip(model.model.layers, net.blocks, strict=True):
        block = cast(_Layer, mine)
        attention, mlp = theirs.self_attn, theirs.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        found += [
            (theirs.input_layernorm.weight, block.before_attention),
            *((each.weight, part) for each, part in zip(projections, block.qkv.weight.chunk(3), strict=True)),
            (attention.o_proj.weight, block.out.weight),
            (theirs.post_attention_layernorm.weight, block.before_mixing),
            *zip((mlp.gate_proj.weight, mlp.up_proj.weight), block.gate_up.weight.chunk(2), strict=True),
            (mlp.down_proj.weight, block.down.weight),
        ]
    return found
