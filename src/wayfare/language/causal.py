"""What trainers and samplers ask of a causal model whose weights are here, on tokens alone.

    CausalModel     encode, decode; states and logits of given tokens; a prompt read once and continued token by token
    Reading         what was read of each row: the cache between `begin` and `follow`
    Decoded         what was drawn, and how likely it was
    still           a module without its dropout, which would make the sampler's chances others than the trainer's

Rows are padded where `valid` is false, prompts on the left; positions count valid tokens only: a row reads what it
would read alone. `wayfare.language.TransformersModel` and `wayfare.language.NanoModel` are such models;
`wayfare.language.decoding` draws from them and `wayfare.language.scoring` gives the chances of given tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from wayfare.language.interface import Prompt

__all__ = ["CausalModel", "Decoded", "Reading", "still"]


class Reading(Protocol):
    """What a model has read of B rows."""

    def select(self, rows: Tensor) -> None:
        """Keep these rows alone, in this order. rows: [b] int64"""
        ...


class CausalModel(Protocol):
    """See the module. All tensors are on the device of the weights; dropout is off wherever tokens are read."""

    @property
    def module(self) -> nn.Module:
        """What is trained: its parameters that require gradients."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Text <-> tokens, of the model's own kind."""
        ...

    @property
    def vocabulary(self) -> int:
        """V."""
        ...

    @property
    def context(self) -> int | None:
        """Most tokens of prompt and answer together; None: no limit."""
        ...

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer: one, several, or none."""
        ...

    @property
    def pad(self) -> int:
        """The token that stands where there is none."""
        ...

    def encode(self, prompt: Prompt) -> list[int]:
        """A prompt as tokens, a conversation by the chat template. Raises: BadValue where there is no template."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens as a text, special ones left out."""
        ...

    def states(self, ids: Tensor, valid: Tensor, keep: int) -> Tensor:
        """[B, keep, D]: the last layer's normalised hidden states that predict the last `keep` tokens of each row.

        ids: [B, L] int64        valid: [B, L] bool        keep: below L; differentiable
        """
        ...

    def logits(self, states: Tensor) -> Tensor:
        """[..., D] -> [..., V], as the model's own head gives them, in its own dtype."""
        ...

    def begin(self, ids: Tensor, valid: Tensor, new: int) -> tuple[Tensor, Reading]:
        """Read prompts [B, P]; `new` tokens will follow at most. Returns: logits [B, V] behind each, and a cache."""
        ...

    def follow(self, tokens: Tensor, running: Tensor | None, cache: Any) -> tuple[Tensor, Reading]:
        """Read one more token a row, [B]; where `running` [B] bool is false it is padding, and stays unseen.

        running: None where all rows go on, or those that do not are never asked again; a row may go on after a pause,
        save where the model attends to windows: that raises BadValue
        """
        ...

    def frozen_start(self) -> AbstractContextManager[None]:
        """The weights before training, where they still are: adapters off. Raises: BadValue where they are not."""
        ...

    def save_pretrained(self, folder: Path, *, merged: bool = False) -> None:
        """Weights and tokenizer as `from_pretrained` reads them: the adapter alone, or merged into a whole model."""
        ...


@dataclass(frozen=True, eq=False)
class Decoded:
    """ids: [B, T] int64, `pad` behind the end        mask: [B, T] bool, true up to and including the end token
    behaviour_logps: [B, T] float32, under the distribution drawn from
    old_logps: [B, T] float32, at temperature 1
    truncated: [B] bool, ended without an end token

    Log-probabilities are 0 where the mask is false. An answer may be the end token alone.
    """

    ids: Tensor
    mask: Tensor
    behaviour_logps: Tensor
    old_logps: Tensor
    truncated: Tensor


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """Without dropout, and as it was before afterwards."""
    training = module.training
    if training:
        module.eval()
    try:
        yield
    finally:
        if training:
            module.train()
