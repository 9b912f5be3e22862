"""The net on a tiny encoder, its learner in both modes, its fit, and the scorer that a memory asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue, Diverged
from wayfare.learn.case_learner import Ahead, CaseBatch, CaseLearner, fit
from wayfare.learn.case_rows import CaseRows, area_under_curve, case_text
from wayfare.learn.case_scorer import CaseScorer
from wayfare.learn.case_values import CaseValueNet, FeatureEncoder, TextEncoder
from wayfare.learn.checkpoint import Checkpoints
from wayfare.learn.episodic_control import EpisodicControl
from wayfare.learn.soft_values import soft_value_iteration
from wayfare.memory import Memory
from wayfare.memory.policy import Policy
from wayfare.memory.records import Record

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[CASE]", "[PLAN]", *(f"w{i}" for i in range(20))]


def tiny(seed: int = 0) -> TextEncoder:
    """A BERT of one layer with random weights, which reads words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    reader = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    reader.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    reader.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer: Any = PreTrainedTokenizerFast
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    return TextEncoder(
        BertModel(config).eval(),
        tokenizer(tokenizer_object=reader, pad_token="[PAD]", cls_token="[CLS]", model_max_length=64), longest=64,
    )  # fmt: skip


def letters(text: str) -> list[float]:
    """Four features: which of w0..w3 stand in a text."""
    return [float(f"w{i}" in text.split()) for i in range(4)]


def features(**given: Any) -> CaseValueNet:
    return CaseValueNet(FeatureEncoder(letters, 4), **{"hidden": 16, "dropout": 0.0, **given})


def matching(count: int, seed: int = 0) -> CaseRows:
    """A case helps where it names the query's word."""
    a, b = (Stream(seed, name).integers(4, 0, np.arange(count)) for name in "ab")
    return CaseRows(
        tuple(f"w{i} q{n}" for n, i in enumerate(a)), tuple(case_text(f"c{n}", f"w{i}") for n, i in enumerate(b)),
        (a == b).astype(float), tuple(f"c{n}" for n in range(count)),
    )  # fmt: skip


def test_the_head_is_the_released_one() -> None:
    net = CaseValueNet(tiny(), seeds=[3])
    shapes = {name: list(each.shape) for name, each in net.named_parameters() if not name.startswith("encoder")}
    assert shapes == {
        "rise.weight": [1, 32, 512], "rise.bias": [1, 1, 512], "fall.weight": [1, 512, 2], "fall.bias": [1, 1, 2]
    }  # fmt: skip
    query, case = net.encode(["w1 w2"]), net.encode([case_text("w3", "w4")])
    torch_head = torch.nn.Sequential(torch.nn.Linear(32, 512), torch.nn.ReLU(), torch.nn.Linear(512, 2))
    with torch.no_grad():
        for layer, own in ((torch_head[0], net.rise), (torch_head[2], net.fall)):
            layer.weight.copy_(own.weight[0].T)
            layer.bias.copy_(own.bias[0, 0])
    wanted = torch_head(torch.cat([query, case], dim=1)).softmax(dim=1)[0, 1].detach()
    assert float(net.q(query[None], case[None]).detach()) == pytest.approx(float(wanted), abs=1e-6)


def test_an_encoder_reads_a_text_alike_alone_and_in_company_and_gives_the_first_token() -> None:
    encoder = tiny()
    together = encoder(["w1", "w2 w3 w4 w5", "w6 w7"])
    with torch.no_grad():
        for text, row in zip(["w1", "w2 w3 w4 w5", "w6 w7"], together, strict=True):
            assert torch.allclose(encoder([text])[0], row, atol=1e-5)
        first = encoder.model(**encoder.tokenizer("w1", return_tensors="pt")).last_hidden_state[0, 0]
    assert torch.allclose(first, together[0], atol=1e-5) and encoder([]).shape == (0, 16)


def test_a_fit_finds_which_cases_help_and_keeps_its_best_epoch() -> None:
    net = features()
    told = fit(net, matching(300), matching(100, 1), epochs=12, learning_rate=1e-2)
    assert max(told.areas) > 0.95 and told.areas[told.best - 1] == max(told.areas) and told.rows == 300
    ties = [loss for area, loss in zip(told.areas, told.losses, strict=True) if area == max(told.areas)]
    assert len(ties) > 1 and told.losses[told.best - 1] == min(ties)
    rewards = matching(300).rewards
    assert told.success_weight == pytest.approx((rewards == 0).sum() / rewards.sum())
    held = matching(100, 1)
    query, case = (net.encode(texts)[None] for texts in (held.queries, held.cases))
    assert area_under_curve(net.q(query, case)[0].detach(), held.rewards > 0) == pytest.approx(max(told.areas))


def test_the_encoder_learns_too_and_a_stopped_fit_goes_on_bit_for_bit(tmp_path) -> None:
    """Its own dropout included."""
    train, held = matching(64), matching(32, 1)
    whole, stopped = CaseValueNet(tiny(), hidden=8), CaseValueNet(tiny(), hidden=8)
    before = whole.encode(["w1"]).detach()
    fit(whole, train, held, epochs=2, learning_rate=1e-3, batch=16)
    assert not torch.allclose(before, whole.encode(["w1"]))

    class Stopped(Exception):
        pass

    def stop(epoch: int, *_: float) -> None:
        if epoch == 1:
            raise Stopped

    file = Checkpoints(tmp_path / "fit", every=1)
    with pytest.raises(Stopped):
        fit(stopped, train, held, epochs=2, learning_rate=1e-3, batch=16, checkpoints=file, report=stop)
    again = CaseValueNet(tiny(5), hidden=8)
    fit(again, train, held, epochs=2, learning_rate=1e-3, batch=16, checkpoints=file)
    for name, each in whole.state_dict().items():
        assert torch.equal(each, again.state_dict()[name]), name


def test_weights_of_classes_and_propensities_are_those_of_the_loss() -> None:
    net = CaseValueNet(width=2, hidden=4, dropout=0.0)
    query, case = torch.randn(1, 5, 2), torch.randn(1, 5, 2)
    reward, weight = torch.tensor([[1.0, 0, 0, 1, float("nan")]]), torch.tensor([[1.0, 2, 1, 3, 0]])
    learner = CaseLearner(net, success_weight=3.0)
    q = net.q(query, case)[0].detach()
    each = -torch.stack([q[0].log() * 3, (1 - q[1]).log() * 2, (1 - q[2]).log(), q[3].log() * 9])
    found = learner.update(CaseBatch(query, case, reward, weight))
    assert float(found["loss"]) == pytest.approx(float(each.sum() / (3 + 2 + 1 + 9)), rel=1e-5)


def test_stacked_heads_learn_as_each_alone_and_one_that_diverges_stops_alone() -> None:
    def run(seeds: list[int], spoiled: int | None = None, steps: int = 20) -> CaseValueNet:
        net = CaseValueNet(width=3, hidden=8, dropout=0.3, seeds=seeds)
        learner = CaseLearner(net, learning_rate=1e-2)
        for step in range(steps):
            x = torch.stack([torch.tensor(Stream(s, "x").normal(step, np.arange(48))).float() for s in seeds])
            query, case = x.view(len(seeds), 2, 8, 3).unbind(dim=1)
            reward = (query[..., 0] * case[..., 0] > 0).float()
            if spoiled is not None and step >= 5:
                query = query.clone()
                query[seeds.index(spoiled)] = float("nan")
            learner.update(CaseBatch(query, case, reward))
        return net

    together = run([1, 2, 3], spoiled=2)
    for row, seed in ((0, 1), (2, 3)):
        for mine, alone in zip(together.parameters(), run([seed]).parameters(), strict=True):
            assert torch.allclose(mine[row], alone[0], atol=1e-5)
    for mine, before in zip(together.parameters(), run([2], steps=5).parameters(), strict=True):
        assert torch.allclose(mine[1], before[0], atol=1e-5)
    with pytest.raises(Diverged):
        run([1], spoiled=1)


def test_temporal_differences_with_a_delayed_target_reach_exact_soft_values() -> None:
    """Two states of three cases each; which case is chosen first decides which may be chosen then."""
    reward = torch.tensor([[0.0, 0.2, 0.0], [1.0, 0.3, 0.0]], dtype=torch.float64)
    allowed = torch.tensor([[True, True, True], [True, True, False]])
    transition = torch.zeros(2, 3, 2, dtype=torch.float64)
    transition[0, 0, 1] = 1.0  # the others end at once
    exact = soft_value_iteration(reward, transition, discount=0.9, temperature=0.3, allowed=allowed)
    net = CaseValueNet(width=3, hidden=32, dropout=0.0, values="return")
    learner = CaseLearner(net, mode="td", learning_rate=1e-2, discount=0.9, temperature=0.3, tau=0.1)
    pairs = [(s, c) for s in range(2) for c in range(3) if allowed[s, c]]
    hot = torch.eye(3)
    query = torch.stack([hot[s] for s, _ in pairs])[None]
    case = torch.stack([hot[c] for _, c in pairs])[None]
    following = hot[[1] * len(pairs)][None]
    ahead = Ahead(
        following, hot.expand(1, len(pairs), 3, 3), allowed[[1] * len(pairs)][None],
        torch.tensor([[(s, c) != (0, 0) for s, c in pairs]]),
    )  # fmt: skip
    gains = torch.tensor([[reward[s, c] for s, c in pairs]], dtype=torch.float32)
    for _ in range(600):
        learner.update(CaseBatch(query, case, gains, ahead=ahead))
    found = net.q(query, case)[0].detach().double()
    wanted = torch.stack([exact[s, c] for s, c in pairs])
    assert float((found - wanted).abs().max()) < 0.03
    undiscounted = reward[0, 0]
    assert float(wanted[0] - undiscounted) > 0.5  # what comes next is most of it


def test_a_scorer_reads_a_bank_once_and_says_what_it_would_say_without_its_cache() -> None:
    net = CaseValueNet(tiny(), hidden=8)
    scorer = CaseScorer(net, lambda record: case_text(record.content, record.meta["plan"]))
    bank = [Record(str(i), f"w{i}", meta={"plan": f"w{i + 1}"}) for i in range(6)]
    first = scorer.q("w9 w8", bank)
    assert scorer.read == 7 and scorer.q("w9 w8", bank).tolist() == first.tolist() and scorer.read == 7
    fresh = CaseScorer(net, scorer.text)
    assert fresh.q("w9 w8", bank[:3]) == pytest.approx(first[:3], abs=1e-6) and fresh.id == scorer.id
    scorer.q("w7", bank)
    assert scorer.read == 8  # of a new query only itself is read
    before = scorer.id
    CaseLearner(net, learning_rate=1e-2).update(CaseBatch(["w9"], ["w1"], torch.ones(1, 1)))
    scorer.changed()
    after = scorer.q("w9 w8", bank)
    assert scorer.id != before and scorer.read == 15 and abs(after - first).max() > 1e-4
    few = CaseScorer(net, scorer.text, most=2)
    assert few.q("w9 w8", bank) == pytest.approx(after, abs=1e-6) and len(few._kept) == 2


def test_a_frozen_encoder_keeps_its_vectors_when_the_head_has_learned() -> None:
    net = features()
    scorer = CaseScorer(net)
    scorer.q("w1", [Record("1", "w2")])
    CaseLearner(net).update(CaseBatch(["w1"], ["w2"], torch.ones(1, 1)))
    scorer.changed()
    scorer.q("w1", [Record("1", "w2")])
    assert scorer.read == 2


def test_a_memory_recalls_by_what_was_learned(tmp_path) -> None:
    net = features()
    fit(net, matching(300), matching(100, 1), epochs=12, learning_rate=1e-2)
    scorer = CaseScorer(net)
    with Memory(tmp_path / "m.db", policy=Policy("top q", scorer=scorer), relevance_floor=0.0) as memory:
        memory.remember_many([case_text("how", f"w{i}") for i in range(4)])
        for i in range(4):
            assert memory.recall(f"how w{i}", k=1).items[0].record.content == case_text("how", f"w{i}")


def test_episodic_control_by_hand_and_theta_learns_which_direction_counts() -> None:
    kernel = EpisodicControl(2, 3, bandwidth=2.0, prior=0.4, capacity=2)
    state, zero = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[0]])
    assert float(kernel(state, zero)) == pytest.approx(0.4)
    kernel.write(torch.tensor([[0.0, 0.0]]), torch.tensor([0]), torch.tensor([1.0]))
    kernel.write(torch.tensor([[3.0, 0.0]]), torch.tensor([0]), torch.tensor([0.0]))
    near, far = np.exp(-0.25), np.exp(-1.0)
    assert float(kernel(state, zero)) == pytest.approx((near + 4e-4) / (near + far + 1e-3))
    assert float(kernel(state, zero, torch.tensor([[1]]))) == pytest.approx((near + 4e-4) / (near + 1e-3))
    assert float(kernel(state, torch.tensor([[1]]))) == pytest.approx(0.4)
    kernel.write(torch.tensor([[9.0, 0.0]]), torch.tensor([0]), torch.tensor([0.5]))  # over the oldest
    assert kernel.returns[0, 0].tolist() == [0.5, 0.0]

    learned = EpisodicControl(2, 1, features=2, bandwidth=1.0, capacity=60)
    states = torch.tensor(np.asarray(Stream(0, "s").normal(np.arange(60)[:, None], np.arange(2)))).float()
    values = (states[:, 1] > 0).float()  # the first direction says nothing
    for row, value in zip(states, values, strict=True):
        learned.write(row[None], torch.tensor([0]), value[None])
    optimiser = torch.optim.Adam(learned.parameters(), lr=0.05)
    everyone, none = torch.zeros(1, 60, dtype=torch.int64), torch.arange(60)[None]

    def loss() -> torch.Tensor:
        return (learned(states[None], everyone, none) - values[None]).square().mean()

    start = float(loss().detach())
    for _ in range(60):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert float(loss().detach()) < 0.5 * start
    assert learned.theta[0, 1].norm() > 2 * learned.theta[0, 0].norm()


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: CaseValueNet(), "width"),
        (lambda: CaseValueNet(width=2, hidden=0), "hidden"),
        (lambda: CaseValueNet(width=2, values="q"), "values"),  # type: ignore[arg-type]
        (lambda: CaseValueNet(tiny(), seeds=[1, 2]), "seeds"),
        (lambda: CaseLearner(CaseValueNet(width=2), mode="td"), "net"),
        (lambda: CaseLearner(CaseValueNet(width=2), learning_rate=0.0), "learning_rate"),
        (lambda: CaseScorer(CaseValueNet(width=2)), "net"),
        (lambda: fit(features(), matching(40), replace(matching(9), rewards=np.ones(9))), "held_out"),
        (lambda: FeatureEncoder(letters, 3)(["a"]), "features"),
        (lambda: EpisodicControl(2, 0), "cases"),
        (lambda: TextEncoder.load("/nowhere"), "encoder"),
    ],
)
def test_what_makes_no_sense_is_refused(make, field: str) -> None:
    with pytest.raises(BadValue, match=field):
        make()
