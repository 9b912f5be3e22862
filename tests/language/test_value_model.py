"""A language model as an action-value function: what a value depends on, and what an adapter's move changes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("peft")
pytest.importorskip("transformers")

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.histories import History, to_text
from wayfare.language.models import load_causal_model
from wayfare.language.tokens import HistoryTokens, Tokens
from wayfare.language.value_model import Reading, ValueModel

GAUSS = np.random.default_rng(0)


def bandit(pulls: int, arms: int = 3) -> History:
    reward = GAUSS.normal(size=pulls).astype(np.float32)
    action = GAUSS.integers(arms, size=pulls)
    return History(np.zeros((pulls + 1, 1), np.float32), action, reward, np.full(pulls, 1, np.int8))


def value_model(memory: int = 4096, **kwargs: object) -> ValueModel:
    model = ValueModel("tiny-random", 3, memory_tokens=memory, lora_rank=2, **kwargs)  # type: ignore[arg-type]
    with torch.no_grad():
        for n, weight in enumerate(model.online_parameters()):
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(n)) * 0.3)
    return model


def saved_gpt2(folder: Path) -> str:
    """A GPT-2 (absolute positions, tied embeddings) with random weights, saved as a user would have it on disk."""
    from transformers import GPT2Config, GPT2LMHeadModel

    _, tokenizer = load_causal_model("tiny-random")
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=2, n_head=2, bos_token_id=None, eos_token_id=None
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_tokens_say_what_the_text_says_and_decisions_stand_at_act() -> None:
    _, tokenizer = load_causal_model("tiny-random")
    history = bandit(5)
    writer = HistoryTokens(tokenizer, 3)
    tokens = writer.history(history)
    assert writer.decode(tokens.ids) == " " + to_text(history)
    assert [writer.decode([tokens.ids[at]]) for at in tokens.decisions] == [" act"] * 6
    assert [tokens.ids[at + 1] for at in tokens.decisions[:-1]] == [writer.action_ids[a] for a in history.action]


def test_a_hidden_end_of_a_task_reads_like_the_end_of_an_episode() -> None:
    _, tokenizer = load_causal_model("tiny-random")
    ends = [History(np.zeros((2, 1)), [0], [1], [code]) for code in (1, 3)]  # type: ignore[arg-type]
    assert len({HistoryTokens(tokenizer, 1, show_task_ends=False).history(end).ids for end in ends}) == 1
    assert len({HistoryTokens(tokenizer, 1, show_task_ends=True).history(end).ids for end in ends}) == 2


@pytest.mark.parametrize("disk", [False, True], ids=["tiny-random", "GPT-2 from disk"])
def test_a_value_is_the_logit_of_the_action_where_it_comes_next(disk: bool, tmp_path: Path) -> None:
    model = ValueModel(saved_gpt2(tmp_path) if disk else "tiny-random", 3, memory_tokens=256, lora_rank=2)
    tokens = model.tokens.history(bandit(4))
    logits = model.causal(input_ids=torch.tensor([tokens.ids])).logits[0]
    expected = logits[list(tokens.decisions)][:, list(model.tokens.action_ids)]
    torch.testing.assert_close(model.values([tokens]), expected, rtol=1e-4, atol=1e-5)


def test_a_model_from_disk_reads_step_by_step_as_at_once(tmp_path: Path) -> None:
    model = ValueModel(saved_gpt2(tmp_path), 3, memory_tokens=64, lora_rank=2)
    assert_reading_equals_values(model)


@pytest.mark.parametrize("memory", [1, 7, 40, 4096])
def test_reading_step_by_step_equals_reading_at_once(memory: int) -> None:
    assert_reading_equals_values(value_model(memory))


def assert_reading_equals_values(model: ValueModel) -> None:
    histories = [model.tokens.history(bandit(6)) for _ in range(3)]
    reading = Reading(model, 3)
    for t in range(7):
        new = [h.ids[0 if t == 0 else h.decisions[t - 1] + 1 : h.decisions[t] + 1] for h in histories]
        q = reading.read(new)
        expected = torch.stack([model.values([h])[t] for h in histories])
        torch.testing.assert_close(q, expected, rtol=1e-4, atol=1e-5)


def test_a_copy_that_restarts_alone_forgets_alone() -> None:
    model = value_model()
    first, second = (model.tokens.history(bandit(3)) for _ in range(2))
    reading = Reading(model, 2)
    reading.read([first.ids, first.ids])
    reading.restart([1])
    q = reading.read([second.ids, second.ids])
    both = Tokens(first.ids + second.ids, (len(first.ids) + len(second.ids) - 1,), (0,))
    torch.testing.assert_close(q[0], model.values([both])[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(q[1], model.values([second])[-1], rtol=1e-4, atol=1e-5)


def test_a_batch_in_any_number_of_passes_equals_each_history_alone() -> None:
    histories = [bandit(pulls) for pulls in (1, 8, 3, 5)]
    for per_pass in (1, 150, 10**6):
        model = value_model(30, tokens_per_pass=per_pass)
        tokens = [model.tokens.history(history) for history in histories]
        alone = torch.cat([model.values([each]) for each in tokens])
        torch.testing.assert_close(model.values(tokens), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("memory", [5, 20])
def test_memory_is_counted_in_tokens_and_nothing_older_is_seen(memory: int) -> None:
    model = value_model(memory)
    tokens = model.tokens.history(bandit(6))
    before = model.values([tokens])
    for n, at in enumerate(tokens.decisions):
        for place, seen in ((at - memory, False), (at - memory + 1, True)):
            if place < 0:
                continue
            ids = list(tokens.ids)
            ids[place] = 5 if ids[place] != 5 else 6
            after = model.values([replace(tokens, ids=tuple(ids))])
            assert bool((after[n] != before[n]).any()) == seen


def test_no_memory_is_the_prompt_of_the_decision_alone() -> None:
    model, whole = value_model(0), value_model()
    history = bandit(4)
    begins = whole.tokens.history(History(history.observation[:1], [], [], []))  # type: ignore[arg-type]
    torch.testing.assert_close(model.values([model.tokens.history(history)]), whole.values([begins]).expand(5, -1))


def test_the_target_adapter_moves_by_exactly_tau_and_the_base_not_at_all() -> None:
    model = value_model()
    base = {n: p.clone() for n, p in model.adapted.named_parameters() if "lora" not in n}
    before = model.state_dict()
    model.move_target(0.25)
    after = model.state_dict()
    for name in before:
        online = before[name.replace("target/", "online/").replace(".target.", ".online.")]
        expected = before[name].lerp(online, 0.25) if name.startswith("target/") else before[name]
        assert torch.equal(after[name], expected)
    assert all(torch.equal(p, base[n]) for n, p in model.adapted.named_parameters() if "lora" not in n)


def test_both_adapters_start_equal_and_answer_apart() -> None:
    history = bandit(3)
    model = ValueModel("tiny-random", 3, lora_rank=2, memory_tokens=512)
    tokens = [model.tokens.history(history)]
    assert torch.equal(model.values(tokens, "online"), model.values(tokens, "target"))
    model = value_model()
    assert not torch.allclose(model.values(tokens, "online"), model.values(tokens, "target"))


def test_the_state_of_the_adapters_is_restored_and_a_foreign_one_refused() -> None:
    changed, fresh = value_model(), ValueModel("tiny-random", 3, lora_rank=2, memory_tokens=512, seed=1)
    fresh.load_state_dict(changed.state_dict())
    tokens = [fresh.tokens.history(bandit(2))]
    assert torch.equal(fresh.values(tokens), changed.values(tokens))
    with pytest.raises(BadValue, match="state"):
        ValueModel("tiny-random", 3, lora_rank=3, memory_tokens=512).load_state_dict(changed.state_dict())


@pytest.mark.parametrize(
    "field, kwargs",
    [
        ("actions", {"actions": 27}),
        ("memory_tokens", {"memory_tokens": -1}),
        ("memory_tokens", {"memory_tokens": 10**6}),
        ("lora_rank", {"lora_rank": 0}),
        ("model", {"name": "/no/such/model"}),
    ],
)
def test_an_impossible_value_model_is_refused_by_its_field(field: str, kwargs: dict[str, object]) -> None:
    with pytest.raises(BadValue, match=field):
        ValueModel(**{"name": "tiny-random", "actions": 3, **kwargs})  # type: ignore[arg-type]


@pytest.mark.parametrize("package", ["transformers", "peft"])
def test_a_missing_package_is_answered_by_the_command_that_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"pip install 'wayfare\[lm\]'"):
        ValueModel("tiny-random", 3)
