"""Double DQN over text histories: the target by hand, what an update changes, and resuming."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("peft")
pytest.importorskip("transformers")

from wayfare.errors import BadValue, Diverged
from wayfare.language.histories import History
from wayfare.language.value_model import ValueModel
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.text_values import TextValueLearner

TABLE = DiscountTable(0.9, 0.8, 0.7, 0.0, 0.5)


def history(seed: int, steps: int = 6) -> History:
    draws = np.random.default_rng(seed)
    reward = draws.normal(size=steps).astype(np.float32)
    seen = np.eye(4, dtype=np.float32)[draws.integers(4, size=steps + 1)]
    return History(seen, draws.integers(3, size=steps), reward, draws.integers(3, size=steps).astype(np.int8))


BATCH = [history(seed, steps=3 + seed) for seed in range(3)]


def learner(memory: int = 512, rank: int = 4, **kwargs: Any) -> TextValueLearner:
    model = ValueModel(
        "tiny-random", 3, memory_tokens=memory, lora_rank=rank, tokens_per_pass=kwargs.pop("tokens_per_pass", 4096)
    )
    return TextValueLearner(model, kwargs.pop("discounts", TABLE), **{"updates": 50, "learning_rate": 1e-2, **kwargs})


@pytest.mark.parametrize("memory", [512, 9])
def test_the_loss_is_the_double_dqn_loss_of_a_loop_by_hand(memory: int) -> None:
    it = learner(memory, tau=0.5, reward_scale=3.0)
    with torch.no_grad():  # so that the two adapters prefer different actions
        for n, weight in enumerate(it.values.online_parameters()):
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(n)))
    every = [History(np.zeros((6, 1)), [0, 1, 2, 0, 1], [1, 2, 0, 0, 3], [0, 1, 2, 3, 4]), *BATCH]  # type: ignore[arg-type]
    errors, differs = [], False
    with torch.no_grad():
        for one in every:
            tokens = [it.values.tokens.history(one)]
            online, target = it.values.values(tokens, "online"), it.values.values(tokens, "target")
            differs |= not torch.equal(online.argmax(1), target.argmax(1))
            for t, ahead in pairwise(range(len(one) + 1)):
                g = (0.9, 0.8, 0.7, 0.0, 0.5)[one.boundary[t]]
                y = 3.0 * float(one.reward[t]) + g * float(target[ahead, int(online[ahead].argmax())])
                errors.append((float(online[t, one.action[t]]) - y) ** 2)
    assert differs and it.update(every)["loss"] == pytest.approx(np.mean(errors), rel=1e-4)


def test_two_updates_change_the_online_adapter_and_its_values_and_leave_the_base_alone() -> None:
    it = learner(tau=0.125)
    base = {n: p.clone() for n, p in it.values.adapted.named_parameters() if "lora" not in n}
    tokens = [it.values.tokens.history(BATCH[0])]
    values, before = it.values.values(tokens).detach(), it.values.state_dict()
    it.update(BATCH)
    between = it.values.state_dict()
    it.update(BATCH)
    after = it.values.state_dict()
    assert all(torch.equal(p, base[n]) for n, p in it.values.adapted.named_parameters() if "lora" not in n)
    assert all(not torch.equal(after[n], before[n]) for n in after if n.startswith("online/"))
    assert not torch.allclose(it.values.values(tokens), values)
    for name in (n for n in after if n.startswith("target/")):
        online = name.replace("target/", "online/").replace(".target.", ".online.")
        assert torch.equal(between[name], before[name].lerp(between[online], 0.125))
        assert torch.equal(after[name], between[name].lerp(after[online], 0.125))


def test_the_loss_on_a_repeated_batch_falls() -> None:
    it = learner(rank=8)
    losses = [it.update(BATCH)["loss"] for _ in range(50)]
    assert losses[-1] < 0.5 * losses[0]


def test_an_update_in_many_passes_equals_one_in_a_single_pass() -> None:
    whole, split = learner(memory=30), learner(memory=30, tokens_per_pass=1)
    for _ in range(2):
        metrics, others = whole.update(BATCH), split.update(BATCH)
    assert others == pytest.approx(metrics, rel=1e-3)


def test_a_learner_restored_from_its_state_goes_on_bit_for_bit() -> None:
    straight, stopped, resumed = learner(), learner(), learner()
    for one in BATCH:
        straight.update([one])
        stopped.update([one])
    resumed.load_state_dict(stopped.state_dict())
    for one in BATCH:
        assert straight.update([one]) == resumed.update([one])
    ours, theirs = straight.values.state_dict(), resumed.values.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_values_beyond_what_rewards_allow_stop_the_learner_before_its_weights_change() -> None:
    it = learner(reward_bound=0.01, reward_scale=100.0, discounts=DiscountTable(0.0, 0.0, 0.0))
    before = {}
    with pytest.raises(Diverged, match="rewards allow"):  # rewards of 100 N(0, 1) against a promised 1
        for _ in range(50):
            before = it.values.state_dict()
            it.update(BATCH)
    after = it.values.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("field, kwargs", [("tau", {"tau": 1.5}), ("updates", {"updates": 0}), ("clip", {"clip": 0.0})])
def test_an_impossible_learner_is_refused_by_its_field(field: str, kwargs: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=field):
        learner(**kwargs)


def test_a_batch_without_a_step_is_refused() -> None:
    with pytest.raises(BadValue, match="batch"):
        learner().update([History(np.zeros((1, 1)), [], [], [])])  # type: ignore[arg-type]
