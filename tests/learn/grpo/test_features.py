"""Features: means of the frozen start's states over the answer alone, and texts as counts of their letters."""

from __future__ import annotations

import pytest
import torch

from tests.learn.grpo.small import END, batch_of, drawn_rows, model
from wayfare.errors import BadValue
from wayfare.language.policies import copy_frozen
from wayfare.learn.grpo.features import CharacterGrams, MeanStates, TextFeatures


def test_states_are_means_over_the_answers_own_tokens_of_the_frozen_model() -> None:
    policy, other = model(), model(seed=1)
    frozen = copy_frozen(policy)
    batch = drawn_rows(policy, 5)
    found = MeanStates(frozen).features(other, batch)  # whatever the policy has become
    assert found.shape == (5, policy.net.width) and found.dtype == torch.float32 and not found.requires_grad
    for row in range(5):
        prompt = batch.prompt_ids[row][batch.prompt_mask[row]]
        answer = batch.completion_ids[row][batch.completion_mask[row]]
        ids = torch.cat([prompt, answer, torch.tensor([END])]).unsqueeze(0)  # one more, which nobody sees
        states = policy.states(ids, torch.ones_like(ids), ids.shape[1] - 1)[0]
        assert torch.allclose(found[row], states[len(prompt) :].mean(dim=0), atol=1e-5)


def test_neither_the_rows_at_once_nor_their_order_matters() -> None:
    policy = model()
    frozen = copy_frozen(policy)
    batch = drawn_rows(policy, 6)
    whole = MeanStates(frozen).features(policy, batch)
    order = torch.tensor([5, 2, 0, 1, 4, 3])
    assert torch.allclose(MeanStates(frozen, at_once=2).features(policy, batch.rows(order)), whole[order], atol=1e-5)


def test_without_a_copy_the_policys_own_start_is_asked_for() -> None:
    with pytest.raises(BadValue, match="adapters"):
        MeanStates().features(model(), drawn_rows(model()))
    with pytest.raises(BadValue):
        MeanStates(at_once=0)


def test_letters_are_counted_and_scaled_to_length_one() -> None:
    grams = CharacterGrams(2, 64)
    found = grams(["1 2 3", "1 2 3", "3 2 1", "", "9"])
    assert torch.allclose(found.norm(dim=1), torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0]))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    twice = CharacterGrams(1, 64)(["aab"])[0]
    assert sorted(twice[twice > 0].tolist()) == pytest.approx([5**-0.5, 2 * 5**-0.5])
    with pytest.raises(BadValue):
        CharacterGrams(0)


def test_texts_are_told_to_an_encoder_as_they_are() -> None:
    policy = model()
    told = [([3], [4, END]), ([3], [4, 5, END])]
    batch = batch_of(policy, told, [0.0, 0.0], texts=("4", "4 5"))
    found = TextFeatures(lambda texts: [[len(text), 1] for text in texts]).features(policy, batch)
    assert found.tolist() == [[1.0, 1.0], [3.0, 1.0]] and found.dtype == torch.float32
