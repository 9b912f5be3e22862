"""Language models: histories as text, and a causal model that values actions by the logits of their tokens.

    histories     a history of decisions <-> text, without loss
    tokens        that text as the tokens of one model, and where in it a decision is made
    models        a causal model and its tokenizer by name or path; `tiny-random` needs no download
    nano          a Llama of 0.1 to 0.8 million weights with words for tokens, trained from nothing in minutes
    interface     what every model answers to: prompts and `Sampling` in, `Samples` out
    sampler       drawing the next token: temperature, min-p, top-p
    local         a model of transformers behind that interface
    adapters      low-rank weights beside a frozen model: what is trained of it, and can be switched off
    endpoint      an OpenAI-compatible server behind it; `ledger` keeps what was paid for
    value_model   Q(history, action), an online and a target adapter on one frozen model

Nothing here imports another part of wayfare, and nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.language.adapters import add_adapters, without_adapters
    from wayfare.language.endpoint import EndpointModel, Price, estimate
    from wayfare.language.histories import History, from_text, to_text
    from wayfare.language.interface import LanguageModel, Message, Prompt, Samples, Sampling, Scores
    from wayfare.language.local import TransformersModel
    from wayfare.language.models import load_causal_model
    from wayfare.language.nano import Nano, WordReader
    from wayfare.language.sampler import Sampler
    from wayfare.language.tokens import HistoryTokens, Tokens
    from wayfare.language.value_model import ValueModel

__all__ = [
    "EndpointModel",
    "History",
    "HistoryTokens",
    "LanguageModel",
    "Message",
    "Nano",
    "Price",
    "Prompt",
    "Sampler",
    "Samples",
    "Sampling",
    "Scores",
    "Tokens",
    "TransformersModel",
    "ValueModel",
    "WordReader",
    "add_adapters",
    "estimate",
    "from_text",
    "load_causal_model",
    "to_text",
    "without_adapters",
]

_HOMES = {
    "EndpointModel": "endpoint",
    "History": "histories",
    "HistoryTokens": "tokens",
    "LanguageModel": "interface",
    "Message": "interface",
    "Nano": "nano",
    "Price": "endpoint",
    "Prompt": "interface",
    "Sampler": "sampler",
    "Samples": "interface",
    "Sampling": "interface",
    "Scores": "interface",
    "Tokens": "tokens",
    "TransformersModel": "local",
    "ValueModel": "value_model",
    "WordReader": "nano",
    "add_adapters": "adapters",
    "estimate": "endpoint",
    "from_text": "histories",
    "load_causal_model": "models",
    "to_text": "histories",
    "without_adapters": "adapters",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
