"""One step's rows give the gradient that the equations say, however they are ordered, cut into parts or laid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.learn.grpo.small import (
    END,
    READER,
    SMALL,
    Gradients,
    batch_of,
    drawn_rows,
    experience,
    gradient,
    model,
    weights,
)
from wayfare.errors import BadValue
from wayfare.language.adapters import add_adapters
from wayfare.language.local import TransformersModel
from wayfare.language.policies import copy_frozen, load_policy
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.rewards import TrainerState
from wayfare.learn.grpo.seams import TokenContext
from wayfare.learn.grpo.update import Updater
from wayfare.learn.policy_gradient import token_weights
from wayfare.learn.rollouts import RolloutBatch

LOSSES = ("grpo", "dapo", "dr_grpo", "cispo", "token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm", "bnpo")


def close(one: Tensor, two: Tensor, rtol: float = 1e-5) -> None:
    """Relative to the whole gradient: its single numbers may cancel."""
    assert float((one - two).norm()) <= rtol * float(two.norm()) and float(two.norm()) > 1e-4


def updater(policy: Any, processes: Gradients, total: int = 10, **told: Any) -> Updater:
    parts = {name: told.pop(name) for name in ("reference", "regularisers") if name in told}
    config = GRPOConfig(**{**SMALL, "generation_batch_size": 64, **told})
    return Updater(policy, config, processes, total=total, **parts)


@pytest.mark.parametrize("loss_type", LOSSES[:3])
def test_on_policy_the_gradient_is_minus_advantage_times_that_of_the_log_probability(loss_type: str) -> None:
    """By the net's own pass over each row alone: no padding, no cache, no masks."""
    policy = model()
    batch = drawn_rows(policy)
    shares = token_weights(batch.loss_mask, loss_type, SMALL["max_completion_length"])  # type: ignore[arg-type]
    total = torch.zeros(())
    assert batch.advantages is not None
    for row in range(len(batch)):
        prompt = batch.prompt_ids[row][batch.prompt_mask[row]]
        answer = batch.completion_ids[row][batch.completion_mask[row]]
        logits = policy.net(torch.cat([prompt, answer]).unsqueeze(0))[0].float()
        said = logits.log_softmax(dim=1)[len(prompt) - 1 : -1].gather(1, answer.unsqueeze(1)).squeeze(1)
        total = total - batch.advantages[row] * (said * shares[row, : len(answer)]).sum()
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(total, list(policy.net.parameters()))])
    close(gradient(batch, loss_type=loss_type), wanted)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_neither_the_order_of_rows_nor_how_many_go_at_once_changes_the_gradient(loss_type: str) -> None:
    bounds = {"epsilon_high": 2.0} if loss_type == "cispo" else {}
    told: dict[str, Any] = {"loss_type": loss_type, "beta": 0.1, "entropy_coef": 0.01, **bounds}
    policy = model()
    batch = drawn_rows(policy)
    batch = replace(batch, loss_mask=batch.loss_mask * torch.tensor([1.0, 1, 1, 0, 1, 1]).unsqueeze(1))
    told["reference"] = model(seed=1)
    whole = gradient(batch, **told)
    for rows in (1, 4):
        some = gradient(batch, per_device_train_batch_size=rows, **told)
        if loss_type == "bnpo":
            with pytest.raises(AssertionError):
                close(some, whole)
        else:
            close(some, whole)
    close(gradient(batch.rows(torch.tensor([4, 2, 5, 0, 1, 3])), **told), whole)


def test_a_gradient_that_is_only_looked_at_is_that_of_the_step_and_takes_none() -> None:
    policy = model()
    batch, before = drawn_rows(policy), weights(policy)
    taken = updater(policy, Gradients(), per_device_train_batch_size=2)
    close(taken.gradient(batch), gradient(batch))
    assert torch.equal(weights(policy), before) and taken.done == 0
    assert all(each.grad is None for each in policy.net.parameters())


def test_a_token_that_is_masked_has_no_gradient() -> None:
    policy = model()
    batch = drawn_rows(policy)
    loss_mask = batch.loss_mask.clone()
    loss_mask[torch.arange(6), batch.completion_mask.sum(dim=1) - 1] = 0.0  # the last of each row
    batch = replace(batch, loss_mask=loss_mask)
    others = torch.where(batch.completion_mask & (loss_mask == 0), READER.encode("5")[0], batch.completion_ids)
    told = {"entropy_coef": 0.01, "beta": 0.2, "loss_type": "dapo"}
    before = gradient(batch, reference=model(1), **told)
    close(gradient(replace(batch, completion_ids=others), reference=model(1), **told), before)
    everything = replace(batch, loss_mask=batch.completion_mask.float())
    assert float((gradient(everything, reference=model(1), **told) - before).norm()) > 0.1 * float(before.norm())


@pytest.mark.parametrize("loss_type", ("dapo", "seq-mean-token-sum-norm"))
def test_a_trajectory_in_two_rows_has_the_gradient_of_the_same_tokens_in_one(loss_type: str) -> None:
    policy = model()
    first, between, second = [3, 4], [9], [5, END]
    one = batch_of(policy, [([7, 8], [*first, *between, *second])], [0.7])
    one = replace(one, loss_mask=torch.tensor([[1.0, 1, 0, 1, 1]]))
    two = batch_of(policy, [([7, 8], first), ([7, 8, *first, *between], second)], [0.7, 0.7])
    close(gradient(two, loss_type=loss_type), gradient(one, loss_type=loss_type))


@pytest.mark.parametrize("paid", (0.0, 0.1, 0.7))
def test_rewards_that_are_all_equal_give_no_gradient_at_all(paid: float) -> None:
    def same(completions: list[str], **_: Any) -> list[float]:
        return [paid] * len(completions)

    for scale in ("group", "batch", "none"):
        made = experience([same, same, same], scale_rewards=scale).make(0, TrainerState())
        assert made.metrics["frac_reward_zero_std"] == 1.0
        assert not gradient(made.batch).any()


def test_every_pass_takes_each_row_once_and_one_optimiser_step_a_mini_batch() -> None:
    policy, seen = model(), Gradients()
    batch = drawn_rows(policy, many=8)
    taken = updater(policy, seen, num_iterations=2, mini_batches=4)
    parts = [list(taken._parts(8, 0, turn)) for turn in range(2)]
    for one in parts:
        assert sorted(torch.cat(one).tolist()) == list(range(8)) and [len(each) for each in one] == [2] * 4
    assert [each.tolist() for each in parts[0]] != [each.tolist() for each in parts[1]]
    taken.update(batch, 0)
    assert len(seen.seen) == taken.done == 8
    taken.update(batch, 1)
    assert taken.done == 10, "the run's last optimiser step is its last"


def test_later_passes_are_bounded_by_what_drew_the_answers() -> None:
    policy, seen = model(), Gradients()
    batch = drawn_rows(policy)
    taken = updater(policy, seen, num_iterations=3, learning_rate=0.02, max_grad_norm=100.0)
    told = taken.update(batch, 0)
    assert told["clip_ratio/region_mean"] > 0.1
    policy, seen = model(), Gradients()
    fresh = updater(policy, seen, total=1, learning_rate=0.02).update(replace(batch, old_logps=batch.old_logps - 9), 0)
    assert fresh["clip_ratio/region_mean"] == 0.0, "the first step is on policy, whatever was noted"
    stale = updater(model(), Gradients(), total=1).update(replace(batch, old_logps=batch.old_logps - 9), 0, stale=True)
    assert stale["clip_ratio/region_mean"] > 0.1
    gained = replace(batch, old_logps=batch.old_logps - 9, advantages=torch.ones(6))
    clipped = [
        updater(model(), Gradients(), mini_batches=2).update(gained, 0, stale=stale)["clip_ratio/region_mean"]
        for stale in (False, True)
    ]
    assert 0.1 < clipped[0] < 0.9 and clipped[1] == 1.0, "of the first pass, the first part alone is on policy"


def test_old_log_probabilities_can_be_of_a_pass_of_the_trainer() -> None:
    policy = model()
    batch = drawn_rows(policy)
    taken = updater(policy, Gradients(), recompute_old_logps=True)
    again = taken.prepared(replace(batch, old_logps=torch.zeros_like(batch.old_logps)))
    torch.testing.assert_close(again.old_logps, batch.old_logps, rtol=0, atol=1e-5)


def test_the_truncated_weight_multiplies_each_token() -> None:
    policy = model()
    batch = drawn_rows(policy)
    likelier = replace(batch, behaviour_logps=batch.old_logps + 0.5 * batch.loss_mask)
    close(gradient(likelier, importance_sampling_cap=2.0), 2.718281828**-0.5 * gradient(batch))
    rarer = replace(batch, behaviour_logps=batch.old_logps - 3.0 * batch.loss_mask)
    close(gradient(rarer, importance_sampling_cap=2.0), 2.0 * gradient(batch))


def test_an_entropy_bonus_descends_minus_the_mean_entropy() -> None:
    policy = model()
    batch = replace(drawn_rows(policy), advantages=torch.zeros(6))
    batch = replace(batch, loss_mask=batch.loss_mask * torch.tensor([1.0, 1, 0, 1, 1, 1]).unsqueeze(1))
    ids, valid = batch.sequences()
    length = batch.completion_ids.shape[1]
    logps = policy.logits(policy.states(ids, valid, length)).log_softmax(dim=2)
    mean = -(logps.exp() * logps).sum(dim=2)[batch.loss_mask > 0].mean()
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(-0.3 * mean, list(policy.net.parameters()))])
    close(gradient(batch, entropy_coef=0.3, per_device_train_batch_size=2), wanted)


@pytest.mark.parametrize("kl", ("k1", "k2", "k3"))
def test_a_divergence_from_the_start_is_nothing_at_the_start(kl: str) -> None:
    policy, seen = model(), Gradients()
    batch = replace(drawn_rows(policy), advantages=torch.zeros(6))
    taken = updater(policy, seen, beta=0.5, kl=kl, reference=copy_frozen(policy))
    told = taken.update(taken.prepared(batch), 0)
    assert abs(told["kl"]) < 1e-6
    assert kl == "k1" or float(seen.seen[0].abs().max()) < 1e-5
    far = updater(policy, Gradients(), beta=0.5, kl=kl, reference=model(5))
    assert abs(far.update(far.prepared(batch), 1)["kl"]) > 1e-4


def test_without_its_start_a_model_has_no_divergence() -> None:
    with pytest.raises(BadValue, match="adapters"):
        updater(model(), Gradients(), beta=0.1)


class Noting:
    """Adds to every token's loss the log-probability of digit 0, and what was prepared."""

    def __init__(self, requires: frozenset[str]) -> None:
        self.requires, self.seen = requires, list[TokenContext]()

    def prepare(self, batch: RolloutBatch, forward: Callable[[RolloutBatch, bool], Tensor]) -> Mapping[str, Tensor]:
        full = forward(batch, False)
        assert not full.requires_grad
        return {"before": full[..., 3]}

    def apply(self, loss: Tensor, context: TokenContext) -> Tensor:
        self.seen.append(context)
        return loss + context.logprobs()[..., 3] + context.batch.extras["before"]


def test_a_regulariser_reads_whole_distributions_and_its_own_numbers() -> None:
    policy = model()
    batch = replace(drawn_rows(policy), advantages=torch.zeros(6))
    noting = Noting(frozenset({"logprobs", "reference", "reference logprobs"}))
    found = gradient(batch, reference=model(3), regularisers=[noting], per_device_train_batch_size=4)
    ids, valid = batch.sequences()
    length = batch.completion_ids.shape[1]
    logps = policy.logits(policy.states(ids, valid, length)).log_softmax(dim=2)[..., 3]
    total = (logps * token_weights(batch.loss_mask, "dapo")).sum()
    close(found, torch.cat([g.flatten() for g in torch.autograd.grad(total, list(policy.net.parameters()))]))
    first = noting.seen[0]
    torch.testing.assert_close(first.batch.extras["before"], first.logprobs()[..., 3].detach())
    picked = first.reference().gather(2, first.batch.completion_ids.unsqueeze(2)).squeeze(2)
    assert first.batch.ref_logps is not None
    torch.testing.assert_close(torch.where(first.mask > 0, picked, 0.0), first.batch.ref_logps)
    with pytest.raises(BadValue, match="'logprobs'"):
        gradient(batch, regularisers=[Noting(frozenset())])


def test_rows_from_elsewhere_are_learned_from_with_their_own_ratio_divergence_and_regularisers() -> None:
    policy, seen, noting = model(), Gradients(), Noting(frozenset({"logprobs"}))
    batch = drawn_rows(policy)
    taken = updater(policy, seen, beta=0.1, reference=model(1), regularisers=[noting])
    told = taken.auxiliary(replace(batch, old_logps=batch.old_logps - 9.0), 0.5, 0)
    assert told["kl"] > 0 and told["clip_ratio/region_mean"] > 0.1 and taken.done == 0
    plain = Gradients()
    updater(model(), plain).auxiliary(batch, 0.5, 0)
    close(plain.seen[0], 0.5 * gradient(batch))


def test_a_loss_that_is_not_finite_moves_nothing() -> None:
    policy = model()
    batch, before = drawn_rows(policy), weights(policy)
    taken = updater(policy, Gradients())
    assert batch.advantages is not None
    with pytest.raises(BadValue, match="loss must be finite"):
        taken.update(replace(batch, advantages=batch.advantages * float("inf")), 0)
    with pytest.raises(BadValue, match="gradient must be finite"):
        taken.update(replace(batch, advantages=batch.advantages * 1e38), 0)
    assert torch.equal(weights(policy), before) and taken.done == 0 and not taken.optimiser.state


def tiny_llama(**told: Any) -> TransformersModel:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(READER), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, initializer_range=0.3, attention_dropout=0.5, **told,
    )  # fmt: skip
    made: Any = load_policy(LlamaForCausalLM(config), READER.to_transformers())
    return made  # type: ignore[no-any-return]


def test_adapters_alone_learn_and_their_reference_is_the_model_without_them() -> None:
    policy = add_adapters(tiny_llama(), rank=2)
    batch, state = drawn_rows(policy), policy.causal.state_dict()
    below = {name: each.clone() for name, each in state.items() if "lora" not in name}
    taken = updater(policy, Gradients(), beta=0.1, learning_rate=0.01)
    start = taken.prepared(batch)
    torch.testing.assert_close(start.ref_logps, batch.old_logps, rtol=0, atol=1e-5)
    assert abs(taken.update(start, 0)["kl"]) < 1e-9
    again = taken.prepared(start)
    torch.testing.assert_close(again.ref_logps, start.ref_logps, rtol=0, atol=1e-5)
    assert taken.update(again, 1)["kl"] > 1e-6
    assert below and all(torch.equal(policy.causal.state_dict()[name], each) for name, each in below.items())
    policy.causal.requires_grad_(False)
    with pytest.raises(BadValue, match="requires gradients"):
        updater(policy, Gradients())


def test_recomputed_activations_give_the_same_gradient() -> None:
    policy = tiny_llama()
    batch = drawn_rows(policy)
    plain = gradient(batch, policy)
    again = tiny_llama()
    drawn_rows(again)  # what a model is looked at once for is over
    passes: list[int] = []
    again.causal.model.layers[0].mlp.register_forward_pre_hook(lambda *_: passes.append(1))
    close(gradient(batch, again, gradient_checkpointing=True), plain, 1e-6)
    assert len(passes) == 2, "the layer is passed once more in the backward pass"
    with pytest.raises(BadValue, match="gradient_checkpointing"):
        gradient(drawn_rows(model()), gradient_checkpointing=True)


def test_bfloat16_passes_leave_weights_in_float32() -> None:
    policy = model()
    batch = drawn_rows(policy)
    found, plain = gradient(batch, policy, bf16=True), gradient(batch)
    assert 1e-4 < float((found - plain).norm() / plain.norm()) < 0.1
    assert all(each.dtype == torch.float32 for each in policy.net.parameters())
    taken = updater(policy, Gradients(), bf16=True, beta=0.1, reference=copy_frozen(policy))
    assert abs(taken.update(taken.prepared(batch), 0)["kl"]) < 1e-6, "both passes that are compared are of one kind"


def test_the_learning_rate_rises_and_comes_down_as_its_name_says() -> None:
    def rates(name: str, warm_up: int = 2) -> list[float]:
        config = GRPOConfig(learning_rate=1.0, warmup_steps=warm_up, lr_scheduler_type=name)  # type: ignore[arg-type]
        return [round(config.rate(done, 6), 6) for done in range(6)]

    assert rates("constant") == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]
    assert rates("linear") == [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    assert rates("cosine") == [0.0, 0.5, 1.0, 0.853553, 0.5, 0.146447]
    assert rates("linear", 0) == [1.0, 0.833333, 0.666667, 0.5, 0.333333, 0.166667]
    policy = model()
    batch, taken = drawn_rows(policy), updater(policy, Gradients(), total=4, lr_scheduler_type="linear", warmup_steps=1)
    moved, told = [], []
    for step in range(4):
        before = weights(policy)
        told.append(taken.update(batch, step)["learning_rate"])
        moved.append(float((weights(policy) - before).abs().max()))
    assert told == pytest.approx([0, 1e-3, 2e-3 / 3, 1e-3 / 3])
    assert moved[0] == 0.0 and moved[1:] == pytest.approx(told[1:], rel=0.2), "Adam's steps are as long as its rate"
