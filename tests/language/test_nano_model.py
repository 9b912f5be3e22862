"""The small decoder as a language model that players ask, the same as its Llama."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("transformers")

from tests.language.families import READER, WORDS, shared
from wayfare.errors import BadValue
from wayfare.language.interface import LanguageModel, Sampling
from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel

PROMPTS = ["w4 w5 w6", "w9", "w3 w3 w8 w10 w11"]


def test_it_is_a_language_model_whose_answers_are_those_of_its_llama() -> None:
    model = shared("nano")
    assert isinstance(model, LanguageModel)
    sampling = Sampling(1.3, top_p=0.95, max_tokens=12, n=2, seed=4)
    told, theirs = model.generate(PROMPTS, sampling), model.to_transformers().generate(PROMPTS, sampling)
    np.testing.assert_array_equal(told.token_ids, theirs.token_ids)
    np.testing.assert_allclose(told.logprobs, theirs.logprobs, atol=1e-4)
    assert told.finish == theirs.finish
    pairs = told.sequences(PROMPTS)
    np.testing.assert_allclose(model.logprobs(pairs).logprobs, told.logprobs_at_one, atol=1e-4)
    np.testing.assert_allclose(model.features(pairs), model.to_transformers().features(pairs), atol=1e-4)
    alone = NanoModel(model.net, READER, rows=1).generate(PROMPTS, sampling)
    np.testing.assert_array_equal(told.token_ids, alone.token_ids)


def test_what_cannot_be_is_refused() -> None:
    net = shared("nano").net
    for make, field in (
        (lambda: NanoModel(net, WordReader(["a"])), "reader"),
        (lambda: NanoModel(net, READER, 0), "context"),
        (lambda: NanoModel(net, READER, rows=0), "rows"),
        (lambda: NanoModel(Nano(WORDS), READER, 4).generate(["w4 w5 w6 w7"]), "prompts[0]"),
        (lambda: NanoModel(net, READER).generate(["blue"]), "text"),
    ):
        with pytest.raises(BadValue) as refused:
            make()
        assert refused.value.field == field
