"""Language models: histories as text, and a causal model that values actions by the logits of their tokens.

    histories     a history of decisions <-> text, without loss
    tokens        that text as the tokens of one model, and where in it a decision is made
    models        a causal model and its tokenizer by name or path; `tiny-random` needs no download
    nano          a Llama of 0.1 to 2.7 million weights with words for tokens, trained from nothing in minutes
    interface     what every model answers to: prompts and `Sampling` in, `Samples` out
    sampler       drawing the next token: temperature, min-p, top-p
    causal        what trainers ask of weights that are here: states, logits, a prompt continued token by token
    local         a model of transformers behind both interfaces; `nano_model` the small one, `nano_compiled` its passes
    decoding      answers drawn from such a model; `answering` does it for prompts that are texts, `shared_prompts`
                  tells which are alike and read once
    scoring       how likely given tokens are, with gradients
    policies      a model to be trained, from whatever there is
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
    from wayfare.language.causal import CausalModel, Decoded
    from wayfare.language.decoding import decode
    from wayfare.language.endpoint import EndpointModel, Price, estimate
    from wayfare.language.histories import History, from_text, to_text
    from wayfare.language.interface import LanguageModel, Message, Prompt, Samples, Sampling, Scores
    from wayfare.language.local import TransformersModel
    from wayfare.language.models import load_causal_model
    from wayfare.language.nano import Nano, WordReader
    from wayfare.language.nano_model import NanoModel
    from wayfare.language.policies import copy_frozen, load_policy
    from wayfare.language.sampler import Sampler
    from wayfare.language.scoring import Scorer, full_logprobs, mean_states, score
    from wayfare.language.tokens import HistoryTokens, Tokens
    from wayfare.language.value_model import ValueModel

__all__ = [
    "CausalModel",
    "Decoded",
    "EndpointModel",
    "History",
    "HistoryTokens",
    "LanguageModel",
    "Message",
    "Nano",
    "NanoModel",
    "Price",
    "Prompt",
    "Sampler",
    "Samples",
    "Sampling",
    "Scorer",
    "Scores",
    "Tokens",
    "TransformersModel",
    "ValueModel",
    "WordReader",
    "add_adapters",
    "copy_frozen",
    "decode",
    "estimate",
    "from_text",
    "full_logprobs",
    "load_causal_model",
    "load_policy",
    "mean_states",
    "score",
    "to_text",
    "without_adapters",
]

_HOMES = {
    "CausalModel": "causal",
    "Decoded": "causal",
    "EndpointModel": "endpoint",
    "History": "histories",
    "HistoryTokens": "tokens",
    "LanguageModel": "interface",
    "Message": "interface",
    "Nano": "nano",
    "NanoModel": "nano_model",
    "Price": "endpoint",
    "Prompt": "interface",
    "Sampler": "sampler",
    "Samples": "interface",
    "Sampling": "interface",
    "Scorer": "scoring",
    "Scores": "interface",
    "Tokens": "tokens",
    "TransformersModel": "local",
    "ValueModel": "value_model",
    "WordReader": "nano",
    "add_adapters": "adapters",
    "copy_frozen": "policies",
    "decode": "decoding",
    "estimate": "endpoint",
    "from_text": "histories",
    "full_logprobs": "scoring",
    "load_causal_model": "models",
    "load_policy": "policies",
    "mean_states": "scoring",
    "score": "scoring",
    "to_text": "histories",
    "without_adapters": "adapters",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
