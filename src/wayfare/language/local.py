"""Any causal model of `transformers`: a language model for players, a causal model for trainers.

Rows of unequal length are padded on the left and positions count valid tokens only, so that a row reads what it would
read alone. States come from the model's decoder and logits from its head, for the tokens that are asked for alone. A
head that does more than one linear map (softcapping, a scale) is recognised by one small comparison with the model's
whole pass; then logits are made by that pass, with the given states in place of its decoder.

Adapters are those of `wayfare.language.add_adapters`, or a model that `peft` has wrapped.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from wayfare.errors import BadValue
from wayfare.language.answering import Answering
from wayfare.language.causal import still
from wayfare.language.interface import Prompt
from wayfare.language.models import load_causal_model
from wayfare.language.shared_prompts import Alike, shared_prompts

__all__ = ["TransformersModel", "encode", "silence"]


class TransformersModel(Answering):
    """model: a name or path, as `load_causal_model` takes it, or a model of `transformers` or `peft` with its tokenizer

    tokenizer: goes with a model that is already loaded
    rows:      most answers drawn side by side
    device:    where a model by name goes

    `causal` is the model of `transformers`, with adapters in it or not; `peft` what wraps it, or None. Where
    `reads_prompts_once` is true, `states` reads a prompt that rows share once for all of them: as many passes are made
    as the rows ask for.

    Raises: BadValue for a loaded model without tokenizer, rows below 1, or a wrapper whose adapters are no weights
    beside the model's own (prompts and prefixes that are learned).
    """

    def __init__(self, model: Any, tokenizer: Any = None, *, rows: int = 64, device: str = "cpu") -> None:
        if rows < 1:
            raise BadValue("rows", rows, "at least 1")
        if isinstance(model, str):
            model, own = load_causal_model(model, device)
            tokenizer = own if tokenizer is None else tokenizer
        elif tokenizer is None:
            raise BadValue("tokenizer", None, "the tokenizer of the model that was passed")
        self.peft = model if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else None
        if self.peft is not None and self.peft.active_peft_config.is_prompt_learning:
            raise BadValue("model", type(model).__name__, "one whose adapters are weights, say LoRA")
        self.causal = model if self.peft is None else self.peft.get_base_model()
        self.tokenizer, self.rows = tokenizer, rows
        self.reads_prompts_once = True

    @property
    def module(self) -> nn.Module:
        """What is trained."""
        return cast(nn.Module, self.causal if self.peft is None else self.peft)

    @property
    def vocabulary(self) -> int:
        """V."""
        return int(self._config.vocab_size)

    @property
    def context(self) -> int | None:
        """Most tokens of prompt and answer together; None where the model sets no limit."""
        for name in ("max_position_embeddings", "n_positions"):
            if isinstance(getattr(self._config, name, None), int):
                return int(getattr(self._config, name))
        return None

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        told = getattr(getattr(self.causal, "generation_config", None), "eos_token_id", None)
        told = told if isinstance(told, (list, tuple)) else [told]
        return frozenset(each for each in (*told, getattr(self.tokenizer, "eos_token_id", None)) if each is not None)

    @property
    def pad(self) -> int:
        """The tokenizer's; where it has none, an end token or 0: it is never seen."""
        own = getattr(self.tokenizer, "pad_token_id", None)
        return int(own) if own is not None else min(self.ends, default=0)

    def encode(self, prompt: Prompt) -> list[int]:
        """The prompt as tokens, a conversation by the tokenizer's chat template, up to where the model answers.

        Raises: BadValue for a conversation where the tokenizer has no template.
        """
        return encode(self.tokenizer, prompt)

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens as a text, special ones left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def states(self, ids: Tensor, valid: Tensor, keep: int) -> Tensor:
        """[B, keep, D]: the last layer's normalised states that predict the last `keep` tokens; differentiable.

        Raises: BadValue for padding between tokens, where the model attends to windows, which it would move.
        """
        # the last token predicts nothing that is asked for
        ids, valid = ids[:, :-1], valid[:, :-1].bool()
        # with nothing but tokens before each token, all of what is before is seen, and positions are places
        starts = (valid[:, 1:] > valid[:, :-1]).sum(dim=1)
        holes = bool(starts.any())
        if holes and self._windowed and bool((starts + valid[:, 0] > 1).any()):
            raise BadValue("valid", "padding between tokens", "at the sides alone: this model attends to windows")
        plain = not holes and (self.context is None or ids.shape[1] <= self.context)
        seen = {"attention_mask": torch.ones_like(valid) if plain else valid}
        if not plain:
            seen["position_ids"] = _places(valid)
        alike = self._shared(ids, valid, ids.shape[1] - keep + 1)
        with self._mode():
            if alike is not None:
                return self._continued(ids, seen, keep, alike)
            out = self._decoder(input_ids=ids, use_cache=False, **self._taken(seen))
        return cast(Tensor, out.last_hidden_state[:, -keep:])

    def _shared(self, ids: Tensor, valid: Tensor, prompt: int) -> Alike | None:
        """Which of the first `prompt` tokens are read once; None where that cannot be, or saves little."""
        if not self.reads_prompts_once or self._windowed or not self._grows:
            return None
        if torch.is_grad_enabled() and _checkpointed(self.causal):
            return None  # layers that are recomputed keep no cache
        alike = shared_prompts(ids[:, :prompt], valid[:, :prompt])
        saved = 0 if alike is None else (len(ids) - len(alike.first)) * prompt
        # copies of keys and values cost as much as they save where that is less than an eighth of what is read
        return alike if 8 * saved >= ids.numel() else None

    def _continued(self, ids: Tensor, seen: dict[str, Tensor], keep: int, alike: Alike) -> Tensor:
        """`states`, prompts read once: their keys and values stand before each answer, and have its gradient."""
        from wayfare.language.reading import growing

        prompt, cache = ids.shape[1] - keep + 1, growing(self.causal.config)
        there = {name: each[alike.first, :prompt] for name, each in seen.items()}
        out = self._decoder(
            input_ids=ids[alike.first, :prompt], past_key_values=cache, use_cache=True, **self._taken(there)
        )
        last = alike.spread(out.last_hidden_state[:, -1:])
        if keep == 1:
            return last
        for layer in cache.layers:
            layer.keys, layer.values = alike.spread(layer.keys), alike.spread(layer.values)
        places = seen.get("position_ids", torch.arange(ids.shape[1], device=ids.device).unsqueeze(0))
        more = {"attention_mask": seen["attention_mask"], "position_ids": places[:, prompt:]}
        out = self._decoder(input_ids=ids[:, prompt:], past_key_values=cache, use_cache=True, **self._taken(more))
        return torch.cat([last, out.last_hidden_state], dim=1)

    def logits(self, states: Tensor) -> Tensor:
        """[..., D] -> [..., V], as the model's own head gives them."""
        if self._linear_head:
            return cast(Tensor, self._head(states))
        return self._through(states)

    def begin(self, ids: Tensor, valid: Tensor, new: int) -> tuple[Tensor, Any]:
        """Logits [B, V] behind each prompt, and what was read of it; up to `new` tokens may follow."""
        from wayfare.language.reading import HeldReading

        valid = valid.bool()
        reading = HeldReading(
            self.causal.config, valid, new, self.context, simple=self._one_mask, windowed=self._windowed
        )
        seen: dict[str, Any] = {}
        if reading.padded:
            seen = {"attention_mask": valid, "position_ids": _places(valid)}
        return self._read(ids, seen, reading), reading

    def follow(self, tokens: Tensor, running: Tensor | None, cache: Any) -> tuple[Tensor, Any]:
        """Logits [B, V] behind one more token a row, which is padding where it is not running."""
        mask, places = cache.advance(running)
        seen = {"position_ids": places}
        if mask is not None:
            seen["attention_mask"] = mask
        return self._read(tokens.unsqueeze(1), seen, cache), cache

    def frozen_start(self) -> AbstractContextManager[None]:
        """The model with its adapters off. Raises: BadValue where there are none, or more than adapters is trained."""
        from wayfare.language.adapters import without_adapters

        own = ("lora_", ".modules_to_save.", getattr(getattr(self.peft, "base_model", None), "prefix", "lora_"))
        for name, each in self.module.named_parameters():
            if each.requires_grad and not any(part in name for part in own):
                raise BadValue("model", f"{name} is trained", "adapters alone: the start of other weights is gone")
        return without_adapters(self)

    def save_pretrained(self, folder: Path, *, merged: bool = False) -> None:
        """Weights and tokenizer: the adapters alone where there are some, or merged into a copy of the model."""
        from wayfare.language.adapters import has_adapters, merged_copy

        whole = merged_copy(self) if merged and has_adapters(self) else self.module
        cast(Any, whole).save_pretrained(str(folder))
        self.tokenizer.save_pretrained(str(folder))

    def copied(self) -> TransformersModel:
        """The same once more, with weights of its own."""
        return TransformersModel(copy.deepcopy(self.module), self.tokenizer, rows=self.rows)

    @property
    def _config(self) -> Any:
        return self.causal.config.get_text_config(decoder=True)

    @cached_property
    def _decoder(self) -> Any:
        return self.causal.get_decoder()

    @cached_property
    def _head(self) -> Any:
        return self.causal.get_output_embeddings()

    @cached_property
    def _names(self) -> frozenset[str]:
        """What the decoder's forward takes; `*` where it takes anything."""
        known = inspect.signature(self._decoder.forward).parameters.values()
        return frozenset("*" if each.kind is each.VAR_KEYWORD else each.name for each in known)

    def _taken(self, told: dict[str, Any]) -> dict[str, Any]:
        return told if "*" in self._names else {name: each for name, each in told.items() if name in self._names}

    @cached_property
    def _windowed(self) -> bool:
        kinds = getattr(self._config, "layer_types", None)
        if kinds is None:
            return getattr(self._config, "sliding_window", None) is not None
        return not set(kinds) <= {"full_attention"}

    @cached_property
    def _grows(self) -> bool:
        from wayfare.language.reading import growing

        return growing(self.causal.config) is not None

    @cached_property
    def _one_mask(self) -> bool:
        """Whether all layers attend to all that was read, by the attention that takes a mask as it is."""
        return not self._windowed and getattr(self._config, "_attn_implementation", None) == "sdpa"

    def _read(self, ids: Tensor, seen: dict[str, Any], reading: Any) -> Tensor:
        with torch.no_grad(), self._mode():
            out = self._decoder(input_ids=ids, past_key_values=reading.cache, use_cache=True, **self._taken(seen))
            return self.logits(out.last_hidden_state[:, -1])

    @contextmanager
    def _mode(self) -> Iterator[None]:
        """Without dropout. Layers are recomputed in training mode alone: where they are, its dropout is 0 for good."""
        if torch.is_grad_enabled() and _checkpointed(self.causal):
            silence(self.module)
            self.module.train()
            yield
        elif self.causal.training:
            with still(self.module):
                yield
        else:
            yield

    @cached_property
    def _linear_head(self) -> bool:
        """Whether the head is one map of the states and nothing more.

        Raises: BadValue for a model whose logits are not made of its decoder's last states.
        """
        ids = torch.arange(4, device=self.causal.device).unsqueeze(0) % self.vocabulary
        with torch.no_grad(), still(self.module):
            told = self._decoder(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
            states, self._told = told.last_hidden_state, type(told)
            whole = self.causal(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
            head = self._head
            again = self._through(states)
            if not torch.allclose(again.float(), whole.float(), rtol=1e-4, atol=1e-4):
                raise BadValue("model", type(self.causal).__name__, "one whose logits are made of its decoder's states")
            # states that are small would not show a soft cap
            large = states * (100.0 / head(states).abs().max().clamp(min=1e-6))
            return torch.allclose(head(large).float(), self._through(large).float(), rtol=1e-4, atol=1e-4)

    def _through(self, states: Tensor) -> Tensor:
        """Logits by the whole pass, the decoder of which gives these states; one thread at a time."""
        decoder, flat = self._decoder, states.reshape(1, -1, states.shape[-1])
        ids = torch.zeros(flat.shape[:2], dtype=torch.int64, device=flat.device)
        decoder.forward = lambda *_, **__: self._told(last_hidden_state=flat)
        try:
            logits = self.causal(input_ids=ids, use_cache=False).logits
        finally:
            del decoder.forward
        return cast(Tensor, logits.reshape(*states.shape[:-1], -1))

    def _answer_ids(self, text: str) -> list[int]:
        return [int(each) for each in self.tokenizer(text, add_special_tokens=False)["input_ids"]]


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """What `TransformersModel.encode` gives, of a tokenizer alone."""
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    if not getattr(tokenizer, "chat_template", None):
        raise BadValue("prompts", "a conversation", "texts: the tokenizer of this model has no chat template")
    text = tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def silence(module: nn.Module) -> None:
    """No dropout from now on, in training mode either."""
    for each in module.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0
        for name in ("attention_dropout", "attn_dropout", "dropout"):
            if isinstance(getattr(each, name, None), float):
                setattr(each, name, 0.0)


def _checkpointed(model: Any) -> bool:
    name = "is_activation_checkpointing"  # of 5.23 and later
    return bool(getattr(model, name if hasattr(type(model), name) else "is_gradient_checkpointing", False))


def _places(valid: Tensor) -> Tensor:
    return (valid.cumsum(dim=1) - 1).clamp(min=0)
