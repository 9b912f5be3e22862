"""What is done to token losses: gradients against autograd and by hand, which tokens, and what survives training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.learn.grpo.small import SMALL, Gradients, drawn_rows, gradient, model
from wayfare.errors import BadValue
from wayfare.explore.divergences import forward_kl, reward_phi, tempered
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.regularisers import (
    ClipCovariance,
    CovarianceDivergence,
    ForwardDivergence,
    LowProbability,
    UncertainTokens,
)
from wayfare.learn.grpo.seams import TokenContext
from wayfare.learn.grpo.update import Updater
from wayfare.learn.rollouts import RolloutBatch


class Bandit:
    """Rows of one token each, drawn from one softmax over `logits` [V], under a reference [V]."""

    def __init__(self, logits: Tensor, tokens: list[int], advantages: list[float], **others: Any) -> None:
        self.logits = logits.clone().requires_grad_(True)
        self.reference = others.pop("reference", torch.zeros_like(logits)).log_softmax(dim=0)
        rows = torch.arange(len(tokens))
        ids, one = torch.tensor(tokens).unsqueeze(1), torch.ones(len(tokens), 1)
        old = logits.log_softmax(dim=0)[ids]
        self.batch = RolloutBatch(
            prompt_ids=ids, prompt_mask=one.bool(), completion_ids=ids, completion_mask=one.bool(), loss_mask=one,
            group_id=rows, trajectory=rows, turn=torch.zeros_like(rows), behaviour_logps=old, old_logps=old,
            truncated=torch.zeros(len(tokens), dtype=torch.bool), advantages=torch.tensor(advantages), **others,
        )  # fmt: skip

    def full(self, batch: RolloutBatch, reference: bool) -> Tensor:
        told = self.reference if reference else self.logits.detach().log_softmax(dim=0)
        return told.expand(len(batch), 1, -1)

    def prepared(self, part: Any) -> None:
        self.batch = replace(self.batch, extras=part.prepare(self.batch, self.full))

    def loss(self, part: Any | None) -> Tensor:
        """Token losses [B, 1] without a clip, and what the part makes of them."""
        logps = self.logits.log_softmax(dim=0).expand(len(self.batch), 1, -1)
        logp = logps.gather(2, self.batch.completion_ids.unsqueeze(2)).squeeze(2)
        assert self.batch.advantages is not None
        gain = self.batch.advantages.unsqueeze(1)
        each = -gain * (logp - self.batch.old_logps).exp()
        if part is None:
            return each
        told = TokenContext(
            self.batch, logp, self.batch.old_logps, gain, self.batch.loss_mask, None, 0, lambda: logps,
            lambda: self.full(self.batch, True),
        )  # fmt: skip
        found: Tensor = part.apply(each, told)
        return found

    def slope(self, loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, self.logits)[0]


LOGITS = torch.tensor([2.0, 0.5, -1.0, 0.0, -3.0])


# (1) ------------------------------------------------------------------------------------------------------------


def test_forward_divergence_is_exact_on_a_softmax_bandit() -> None:
    """Its slope by the logits is pi - q, and value and slope are those of the divergence written out."""
    reference = torch.tensor([0.0, 1.0, 1.0, -2.0, 0.5])
    bandit = Bandit(LOGITS, [1, 2], [0.0, 0.0], reference=reference, extrinsic=torch.tensor([0.0, 1.0]))
    part = ForwardDivergence(0.3, floor=0.4)
    bandit.prepared(part)
    assert bandit.batch.extras["phi"].tolist() == pytest.approx([0.4, 1.0])
    loss = bandit.loss(part)
    policy = LOGITS.softmax(dim=0)
    for row, phi in enumerate((0.4, 1.0)):
        q = (phi * reference).softmax(dim=0)
        assert float(loss[row].detach()) == pytest.approx(0.3 * float((q * (q / policy).log()).sum()), abs=1e-6)
        assert torch.allclose(bandit.slope(bandit.loss(part)[row].sum()), 0.3 * (policy - q), atol=1e-6)


@pytest.mark.parametrize(("mode", "slope"), [("sampled-loss", lambda u: -u * u.log()), ("score", lambda u: -u)])
def test_of_a_sampled_token_value_and_slope_are_those_of_the_estimate(
    mode: Any, slope: Callable[[Tensor], Tensor]
) -> None:
    part = ForwardDivergence(1.0, floor=1.0, mode=mode)
    bandit = Bandit(LOGITS, [1], [0.0], reference=torch.tensor([0.0, 1.0, 1.0, -2.0, 0.5]), extrinsic=torch.ones(1))
    bandit.prepared(part)
    u = (bandit.reference - LOGITS.log_softmax(dim=0)).exp()[1]
    assert float(bandit.loss(part).detach()) == pytest.approx(float(u * u.log() - u + 1.0), abs=1e-6)
    by_logp = torch.nn.functional.one_hot(torch.tensor(1), 5) - LOGITS.softmax(dim=0)
    assert torch.allclose(bandit.slope(bandit.loss(part).sum()), slope(u) * by_logp, atol=1e-6)


def test_a_groups_mean_reward_may_temper_the_reference_and_rewards_beyond_the_bounds_are_refused() -> None:
    batch = replace(drawn_rows(model(), 4), extrinsic=torch.tensor([0.0, 1.0, 1.0, 1.0]))
    none: Any = None
    told = ForwardDivergence(of="group").prepare(batch, none)["phi"]
    assert told.tolist() == pytest.approx([0.75, 0.75, 1.0, 1.0])
    assert ForwardDivergence(high=2.0).prepare(batch, none)["phi"].tolist() == pytest.approx([0.5, 0.75, 0.75, 0.75])
    with pytest.raises(BadValue, match="reward"):
        ForwardDivergence(high=0.9).prepare(batch, none)


def test_in_the_decoder_it_is_the_whole_vocabulary_of_every_learned_token() -> None:
    policy, reference = model(), model(seed=1)
    batch = replace(drawn_rows(policy, 4), extrinsic=torch.tensor([0.0, 1.0, 0.5, 1.0]), advantages=torch.zeros(4))
    mine = gradient(batch, reference=reference, regularisers=[ForwardDivergence(1.0)], max_grad_norm=1e9)
    ids, valid = batch.sequences()
    keep = batch.completion_ids.shape[1]
    logps, target = (each.logits(each.states(ids, valid, keep)).log_softmax(dim=2) for each in (policy, reference))
    phi = reward_phi(batch.extrinsic, 0.0, 1.0)  # type: ignore[arg-type]
    apart = forward_kl(logps, tempered(target.detach(), phi.unsqueeze(1).expand(-1, keep)))
    loss = (apart * batch.loss_mask).sum() / batch.loss_mask.sum()
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(policy.module.parameters()))])
    assert float((mine - wanted).norm()) < 1e-4 * float(wanted.norm())


# (2) ------------------------------------------------------------------------------------------------------------

# a likely token, a rare one that is kept (0.1 of the likeliest) and a rarer one that is filtered (0.005 of it)
RARE = torch.tensor([1.0, 0.1, 0.005, 0.4]).log()


@pytest.mark.parametrize("mode", ["none", "replace", "add", "full"])
def test_a_rare_token_that_the_filter_keeps_survives_its_failures_and_noise_does_not(mode: Any) -> None:
    bandit = Bandit(RARE, [1, 2], [-1.0, -1.0])
    part = None if mode == "none" else LowProbability(1.0, 0.02, mode=mode)
    if part is not None:
        bandit.prepared(part)
        assert bandit.batch.extras["low_chosen"].tolist() == [[True], [False]]
    optimiser = torch.optim.Adam([bandit.logits], lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        bandit.loss(part).sum().backward()
        optimiser.step()
    left = (bandit.logits.softmax(dim=0) / RARE.softmax(dim=0)).detach()
    assert float(left[2]) < 0.05
    if mode == "none":
        assert float(left[1]) < 0.05
    else:  # the whole divergence pulls by q itself, not by q / pi: a push of 1 leaves about q = 0.066
        assert float(left[1]) >= (0.05 if mode == "full" else 0.3)


def test_the_filter_at_both_its_ends() -> None:
    tokens = [0, 1, 2, 3]
    all_kept, likeliest = (Bandit(RARE, tokens, [-1.0] * 4) for _ in range(2))
    all_kept.prepared(LowProbability(1.0, 0.0))
    assert torch.allclose(all_kept.batch.extras["low_logq"], all_kept.batch.old_logps)
    # q = p: on the first update nothing is pulled, and the loss is as it was
    part = LowProbability(1.0, 0.0)
    assert torch.allclose(all_kept.loss(part), all_kept.loss(None))
    assert torch.allclose(
        all_kept.slope(all_kept.loss(part).sum()), all_kept.slope(all_kept.loss(None).sum()), atol=1e-6
    )
    likeliest.prepared(LowProbability(1.0, 1.0))
    assert likeliest.batch.extras["low_chosen"].flatten().tolist() == [True, False, False, False]
    assert likeliest.batch.extras["low_logq"].flatten().tolist() == pytest.approx([0.0, -1e4, -1e4, -1e4])
    assert bool(likeliest.loss(LowProbability(1.0, 1.0)).isfinite().all())


def test_candidates_are_the_rarest_tokens_of_failed_answers_over_the_whole_batch() -> None:
    policy = model()
    batch = drawn_rows(policy, 6)  # odd rows have failed
    part = LowProbability(0.25, 0.0)
    updater = Updater(policy, GRPOConfig(**SMALL), Gradients(), total=3, regularisers=[part])
    chosen = updater.prepared(batch).extras["low_chosen"]
    failed = (batch.loss_mask > 0) & (torch.arange(6) % 2 == 1).unsqueeze(1)
    worst = batch.old_logps[failed].sort().values[: int(0.25 * int(failed.sum()))]
    assert sorted(batch.old_logps[chosen].tolist()) == pytest.approx(worst.tolist())
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.equal(updater.prepared(batch.rows(order)).extras["low_chosen"], chosen[order])
    nothing = replace(batch, advantages=torch.zeros(6))
    assert not bool(updater.prepared(nothing).extras["low_chosen"].any())


def test_alone_a_chosen_token_is_pulled_and_no_longer_pushed() -> None:
    bandit = Bandit(RARE, [1], [-1.0])
    part = LowProbability(1.0, 0.5, mode="alone")
    bandit.prepared(LowProbability(1.0, 0.01))
    x = float(bandit.batch.extras["low_logq"] - bandit.batch.old_logps)
    assert float(bandit.loss(part).detach()) == pytest.approx(2.718281828**x - x - 1.0, abs=1e-7)


# (3, 4, 5) ------------------------------------------------------------------------------------------------------


def test_covariance_by_hand_chooses_what_loses_its_loss() -> None:
    bandit = Bandit(torch.tensor([0.0, -1.0, -4.0]), [0, 1, 2, 0], [1.0, -1.0, 2.0, 1.0])
    logp, gain = bandit.batch.old_logps.flatten(), torch.tensor([1.0, -1.0, 2.0, 1.0])
    cov = (gain - gain.mean()) * (logp - logp.mean())
    inside = (cov > 0.1) & (cov < 1.0)
    assert 0 < int(inside.sum()) < 4
    part = ClipCovariance(0.1, 1.0, 1.0)
    bandit.prepared(part)
    assert torch.equal(bandit.batch.extras["clipped"].flatten(), inside)
    assert torch.equal(bandit.loss(part).flatten() == 0, inside)
    greatest = CovarianceDivergence(0.25, 2.0)
    bandit.prepared(greatest)
    assert bandit.batch.extras["greatest"].flatten().nonzero().flatten().tolist() == [int(cov.argmax())]
    # at the weights that drew, the divergence has no slope yet; later it is twice the distance
    assert torch.allclose(bandit.loss(greatest), bandit.loss(None))
    with torch.no_grad():
        bandit.logits[0] -= 0.5
    row = int(cov.argmax())
    logp_now = bandit.logits.detach().log_softmax(dim=0)[bandit.batch.completion_ids[row, 0]]
    extra = 2.0 * float((logp_now - bandit.batch.old_logps[row, 0]).abs())
    assert float(bandit.loss(greatest)[row].detach()) == pytest.approx(
        float(bandit.loss(None)[row].detach()) + extra, abs=1e-6
    )


def test_what_is_clipped_follows_the_row_and_changes_from_step_to_step() -> None:
    batch, part = drawn_rows(model(), 6), ClipCovariance(-100.0, 100.0, 0.3)
    first = part.chosen(batch)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.equal(part.chosen(batch.rows(order)), first[order]) and torch.equal(part.chosen(batch), first)
    part.update(batch)
    second = part.chosen(batch)
    assert not torch.equal(first, second) and int(first.sum()) == int(second.sum())
    again = ClipCovariance(-100.0, 100.0, 0.3)
    again.load_state_dict(part.state_dict())
    assert torch.equal(again.chosen(batch), second)


def test_only_the_least_certain_tokens_are_learned_from() -> None:
    policy, part = model(), UncertainTokens(0.3)
    batch = drawn_rows(policy, 6)
    updater = Updater(policy, GRPOConfig(**SMALL), Gradients(), total=3, regularisers=[part])
    chosen = updater.prepared(batch).extras["uncertain"]
    logps = updater._full(batch, False)
    entropy, mask = -(logps.exp() * logps).sum(dim=2), batch.loss_mask > 0
    assert int(chosen.sum()) == int(0.3 * int(mask.sum())) and not bool((chosen & ~mask).any())
    assert float(entropy[chosen].min()) >= float(entropy[mask & ~chosen].max())
    share = replace(batch, loss_mask=chosen.float())
    mine = gradient(batch, regularisers=[part], loss_type="dr_grpo", max_grad_norm=1e9)
    wanted = gradient(share, loss_type="dr_grpo", max_grad_norm=1e9)
    assert torch.allclose(mine, wanted, atol=1e-6)


@pytest.mark.parametrize(
    "part", [LowProbability(0.2, mode="full"), ClipCovariance(-9, 9, 0.2), CovarianceDivergence(0.1), UncertainTokens()]
)
def test_how_many_rows_go_at_once_changes_nothing(part: Any) -> None:
    batch = drawn_rows(model(), 6)
    batch = replace(batch, old_logps=batch.old_logps + 0.1 * batch.completion_mask)
    told: dict[str, Any] = {"regularisers": [part], "num_iterations": 1, "max_grad_norm": 1e9}
    whole, some = gradient(batch, **told), gradient(batch, per_device_train_batch_size=2, **told)
    assert float((whole - some).norm()) <= 1e-5 * float(whole.norm())


def test_bad_settings_are_refused() -> None:
    wrong: list[Callable[[], Any]] = [
        lambda: ForwardDivergence(-1.0), lambda: ForwardDivergence(mode="guess"),  # type: ignore[arg-type]
        lambda: ForwardDivergence(of="row"), lambda: LowProbability(1.5),  # type: ignore[arg-type]
        lambda: LowProbability(kappa=2.0), lambda: LowProbability(beta=-1.0),
        lambda: LowProbability(mode="some"), lambda: UncertainTokens(0.0),  # type: ignore[arg-type]
    ]  # fmt: skip
    for make in wrong:
        with pytest.raises(BadValue):
            make()
