"""Generation with a transformers model: against a loop of full passes, and the same alone and in company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from wayfare.errors import BadValue
from wayfare.language.interface import LanguageModel, Sampling
from wayfare.language.local import TransformersModel
from wayfare.language.models import load_causal_model
from wayfare.language.sampler import Sampler
from wayfare.language.scoring import score

PROMPTS = ["begin 0 act", "a", "begin 12 act B 13 act A reward 1 end begin 3 act", "\u00fcber"]
TALK = [{"role": "system", "content": "arms"}, {"role": "user", "content": "which?"}]


@pytest.fixture(scope="module")
def model() -> TransformersModel:
    return TransformersModel("tiny-random")


def gpt2(places: int) -> TransformersModel:
    """Absolute positions: what is past the last one has no embedding."""
    from transformers import GPT2Config, GPT2LMHeadModel

    _, tokenizer = load_causal_model("tiny-random")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=places,
        n_embd=16,
        n_layer=1,
        n_head=2,
        initializer_range=0.5,
        bos_token_id=None,
        eos_token_id=None,
    )
    return TransformersModel(GPT2LMHeadModel(config).eval(), tokenizer)


def slow(model: TransformersModel, ids: list[int], new: int) -> tuple[list[int], list[float]]:
    """The textbook: read everything again for each token, alone, and take the likeliest."""
    read, told = list(ids), []
    for _ in range(new):
        with torch.no_grad():
            logps = model.causal(torch.tensor([read])).logits[0, -1].double().log_softmax(-1)
        read.append(int(logps.argmax()))
        told.append(float(logps.max()))
    return read[len(ids) :], told


def test_it_is_a_language_model(model: TransformersModel) -> None:
    assert isinstance(model, LanguageModel)


def test_a_batch_at_temperature_0_equals_full_passes_alone(model: TransformersModel) -> None:
    told = model.generate(PROMPTS, Sampling(0.0, max_tokens=10))
    for row, prompt in enumerate(PROMPTS):
        ids, logps = slow(model, model.encode(prompt), 10)
        assert told.token_ids[row].tolist() == ids
        np.testing.assert_allclose(told.logprobs_at_one[row], logps, atol=1e-4)
    assert (told.logprobs == 0).all() and told.finish == ("length",) * 4
    assert told.prompt_tokens.tolist() == [len(model.encode(each)) for each in PROMPTS]


@pytest.mark.parametrize("sampling", [Sampling(n=3, seed=5), Sampling(1.4, top_p=0.8, min_p=0.05, n=2)])
def test_batched_equals_single(model: TransformersModel, sampling: Sampling) -> None:
    sampling = Sampling(**{**vars(sampling), "max_tokens": 12})
    together = model.generate(PROMPTS, sampling)
    for number, prompt in enumerate(PROMPTS):
        alone, mine = model.generate([prompt], sampling), together.prompt == number
        np.testing.assert_array_equal(together.token_ids[mine], alone.token_ids)
        np.testing.assert_allclose(together.logprobs[mine], alone.logprobs, atol=1e-5)
        assert len({tuple(row) for row in alone.token_ids.tolist()}) == sampling.n
    in_twos = TransformersModel(model.causal, model.tokenizer, rows=2).generate(PROMPTS, sampling)
    np.testing.assert_array_equal(in_twos.token_ids, together.token_ids)


def test_another_seed_draws_other_tokens_and_the_same_seed_the_same(model: TransformersModel) -> None:
    one, again, other = (model.generate(PROMPTS, Sampling(seed=s, max_tokens=8)).token_ids for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any(axis=1).all()


def test_log_probabilities_of_sequences_equal_those_of_the_sampler_at_temperature_1(model: TransformersModel) -> None:
    told = model.generate(PROMPTS, Sampling(max_tokens=9, n=2))
    scores = model.logprobs(told.sequences(PROMPTS))
    np.testing.assert_array_equal(scores.token_ids, told.token_ids)
    np.testing.assert_allclose(scores.logprobs, told.logprobs, atol=1e-5)
    np.testing.assert_array_equal(told.logprobs, told.logprobs_at_one)
    warm = model.generate(PROMPTS, Sampling(2.0, top_p=0.9, max_tokens=9))
    np.testing.assert_allclose(model.logprobs(warm.sequences(PROMPTS)).logprobs, warm.logprobs_at_one, atol=1e-5)
    assert (np.abs(warm.logprobs - warm.logprobs_at_one) > 1e-3).any()


def test_two_tokens_by_hand(model: TransformersModel) -> None:
    first, second = 10, 20
    ids = model.encode("ab")
    with torch.no_grad():
        logps = model.causal(torch.tensor([[*ids, first, second]])).logits[0].log_softmax(-1)
    wanted = [logps[len(ids) - 1, first].item(), logps[len(ids), second].item()]
    scores = model.logprobs([("a longer prompt", [5, 6, 7]), ("ab", [first, second]), ("c", [])])
    assert scores.logprobs[1].tolist() == pytest.approx([*wanted, 0], abs=1e-5)
    assert scores.mask.sum(1).tolist() == [3, 2, 0]


def test_completion_log_probabilities_have_a_gradient_and_begin_where_nothing_was_read() -> None:
    model = gpt2(16)
    ids = torch.tensor([[1, 2, 3]])
    told = score(model, ids, torch.ones_like(ids), 3).logps
    assert told.shape == (1, 3) and told[0, 0] == 0
    told.sum().backward()
    assert model.causal.lm_head.weight.grad.abs().sum() > 0


def test_an_answer_ends_at_a_stop_string_which_the_text_leaves_out(model: TransformersModel) -> None:
    free = model.generate(PROMPTS, Sampling(0.0, max_tokens=12))
    stop = (free.texts[0][2:4],)
    told = model.generate(PROMPTS, Sampling(0.0, max_tokens=12, stop=stop))
    assert told.texts[0] == free.texts[0][: free.texts[0].index(stop[0])] and told.finish[0] == "stop"
    length = int(told.completion_tokens[0])
    assert 0 < length < 12 and told.mask[0].sum() == length
    np.testing.assert_array_equal(told.token_ids[0, :length], free.token_ids[0, :length])
    assert (told.logprobs[0, length:] == 0).all() and (told.token_ids[0, length:] == 0).all()


def test_an_answer_ends_at_the_end_token_which_is_one_of_its_tokens() -> None:
    model = TransformersModel("tiny-random")
    free = model.generate(["a"], Sampling(0.0, max_tokens=6))
    model.causal.generation_config.eos_token_id = [int(free.token_ids[0, 2])]
    told = model.generate(["a", "begin 0 act"], Sampling(0.0, max_tokens=6))
    length = free.token_ids[0].tolist().index(int(free.token_ids[0, 2])) + 1
    assert told.finish[0] == "stop" and told.completion_tokens[0] == length


def test_an_answer_that_fills_the_context_ends_there_and_its_company_goes_on() -> None:
    model = gpt2(8)
    told = model.generate(["abcdef", "a"], Sampling(max_tokens=7))
    assert told.completion_tokens.tolist() == [2, 7] and told.finish == ("length", "length")
    alone = model.generate(["a"], Sampling(max_tokens=7))
    np.testing.assert_array_equal(told.token_ids[1], alone.token_ids[0])
    np.testing.assert_allclose(told.logprobs[1], alone.logprobs[0], atol=1e-5)


def test_prompts_longer_than_the_context_are_refused() -> None:
    model = gpt2(8)
    with pytest.raises(BadValue, match=r"prompts\[1\] must be at most 7 tokens"):
        model.generate(["a", "abcdefgh"], Sampling(max_tokens=1))
    with pytest.raises(BadValue, match=r"sequences\[0\]"):
        model.logprobs([("abcdef", [1, 2, 3])])
    assert model.logprobs([("abcdef", [1, 2])]).logprobs.shape == (1, 2)


def test_a_conversation_goes_through_the_template_and_needs_one(model: TransformersModel) -> None:
    assert model.decode(model.encode(TALK)) == "system: arms\nuser: which?\nassistant: "  # type: ignore[arg-type]
    bare = TransformersModel(model.causal, load_causal_model("tiny-random")[1])
    bare.tokenizer.chat_template = None
    with pytest.raises(BadValue, match="no chat template"):
        bare.generate([TALK], Sampling(max_tokens=1))  # type: ignore[list-item]


def test_nothing_asked_is_nothing_answered(model: TransformersModel) -> None:
    told = model.generate([], Sampling())
    assert len(told) == 0 and told.token_ids.shape == (0, 0)
    assert model.logprobs([]).logprobs.shape == (0, 0)
    with pytest.raises(BadValue):
        model.generate([""], Sampling())


def test_dropout_is_off_while_it_samples_and_back_on_afterwards() -> None:
    model = gpt2(16)
    quiet = model.generate(["ab"], Sampling(max_tokens=6)).logprobs
    model.causal.train()
    np.testing.assert_array_equal(model.generate(["ab"], Sampling(max_tokens=6)).logprobs, quiet)
    assert model.causal.training


def test_a_sampler_of_ones_own_is_asked_at_each_position(model: TransformersModel) -> None:
    asked = []

    def temperature(positions: Any, step: int) -> Any:
        asked.append((int(positions[0]), step))
        return torch.where(positions == 0, 1.0, 0.0)

    told = model.generate(["a"], Sampling(max_tokens=4), sampler=Sampler(temperature), step=3)
    assert asked == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert told.logprobs[0, 0] < 0 and (told.logprobs[0, 1:] == 0).all()


def test_features_are_the_mean_hidden_state_of_the_completion(model: TransformersModel) -> None:
    told = model.features([("ab", [10, 20]), ("abcdef", [3])])
    ids = torch.tensor([[*model.encode("ab"), 10, 20]])
    with torch.no_grad():
        hidden = model.causal.get_decoder()(ids).last_hidden_state[0]
    np.testing.assert_allclose(told[0], hidden[-2:].mean(0).numpy(), atol=1e-5)
    with pytest.raises(BadValue, match="completion"):
        model.features([("ab", [])])


def test_a_loaded_model_needs_its_tokenizer(model: TransformersModel) -> None:
    with pytest.raises(BadValue, match="tokenizer"):
        TransformersModel(model.causal)
    with pytest.raises(BadValue, match="rows"):
        TransformersModel("tiny-random", rows=0)
