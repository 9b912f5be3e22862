"""The small decoder on the weights of a saved Llama of its layout."""

from __future__ import annotations

from typing import Any

from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel


def nano(model: Any) -> Any:
    """model: a `TransformersModel` of a size that `Nano` has"""
    causal = model.causal
    causal.config.rms_norm_eps = 1e-6
    net = Nano.from_transformers(causal)
    reader = WordReader([f"w{i}" for i in range(3, causal.config.vocab_size)], strict=False)
    made = NanoModel(net, reader)
    type(made).ends = property(lambda self: frozenset())  # answers are of forced length
    return made
