"""Local weights as trainers use them: padding, caches, drawing and scoring agree in every family, adapters or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers")

from tests.language.families import FAMILIES, MODELS, READER, bare, draws, fresh, prompts, shared, with_lora
from wayfare.errors import BadValue
from wayfare.language import decoding
from wayfare.language.decoding import decode
from wayfare.language.local import TransformersModel
from wayfare.language.nano_model import NanoModel
from wayfare.language.policies import copy_frozen, load_policy
from wayfare.language.sampler import Sampler
from wayfare.language.scoring import Scorer, full_logprobs, mean_states, score

every = pytest.mark.parametrize("name", MODELS)


def answered(model: Any, sampler: Sampler | None = None, new: int = 6, **options: Any) -> tuple[Tensor, Tensor, Any]:
    """Prompts with their answers behind them [4, 7 + T], what is valid of it, and what was drawn."""
    ids, valid = prompts(model)
    told = decode(model, ids, valid, new, sampler=sampler or Sampler(), uniforms=draws, **options)
    return torch.cat([ids, told.ids], dim=1), torch.cat([valid, told.mask], dim=1), told


@every
def test_padding_on_either_side_changes_no_log_probability(name: str) -> None:
    model = shared(name)
    ids, valid, told = answered(model)
    keep = told.ids.shape[1]
    together = score(model, ids, valid, keep).logps
    for row in range(4):
        alone = ids[row : row + 1, valid[row]]
        length = int(told.mask[row].sum())
        expected = score(model, alone, torch.ones_like(alone, dtype=torch.bool), length).logps[0]
        torch.testing.assert_close(together[row, :length], expected, atol=2e-5, rtol=0)


@every
def test_what_was_drawn_from_the_cache_is_as_likely_in_a_full_pass(name: str) -> None:
    model = shared(name)
    ids, valid, told = answered(model, new=12)
    logps = score(model, ids, valid, told.ids.shape[1]).logps
    torch.testing.assert_close(told.old_logps, logps.masked_fill(~told.mask, 0.0), atol=1e-4, rtol=0)
    assert torch.equal(told.old_logps, told.behaviour_logps)


@every
def test_an_answer_is_the_same_alone_and_in_company(name: str) -> None:
    model = shared(name)
    ids, valid = prompts(model)
    _, _, told = answered(model, new=12)
    for row in range(4):
        mine = ids[row : row + 1, valid[row]]
        alone = decode(
            model, mine, torch.ones_like(mine, dtype=torch.bool), 12, sampler=Sampler(),
            uniforms=lambda position, row=row: draws(position)[row : row + 1],
        )  # fmt: skip
        length = alone.ids.shape[1]
        assert torch.equal(alone.ids[0], told.ids[row, :length]) and int(told.mask[row].sum()) == length


@every
def test_a_token_that_is_not_running_is_never_seen(name: str) -> None:
    model = shared(name)
    ids, valid = prompts(model)
    tokens, running = torch.tensor([3, 4, 5, 6]), torch.tensor([True, False, True, False])
    _, cache = model.begin(ids, valid, 2)
    _, cache = model.follow(tokens, running, cache)
    if "gemma" in name:
        with pytest.raises(BadValue, match="window"):
            model.follow(tokens, ~running, cache)
        return
    found, _ = model.follow(tokens, None, cache)
    for row in range(4):
        more = tokens[row].repeat(2 if running[row] else 1)
        read = torch.cat([ids[row, valid[row]], more]).unsqueeze(0)
        expected, _ = model.begin(read, torch.ones_like(read, dtype=torch.bool), 1)
        torch.testing.assert_close(found[row], expected[0], atol=1e-4, rtol=0)


@every
def test_rows_that_have_ended_may_be_dropped_or_kept(name: str) -> None:
    model = shared(name)
    ids, valid = (each.repeat(4, 1) for each in prompts(model))
    kept, dropped = (
        decode(model, ids, valid, 30, sampler=Sampler(3.0), uniforms=lambda position: draws(position, 16), drop=drop)
        for drop in (False, True)
    )
    lengths = kept.mask.sum(1).sort().values
    assert lengths[8] < lengths[-2]  # two rows at least go on without most of the others
    assert torch.equal(kept.ids, dropped.ids) and torch.equal(kept.truncated, dropped.truncated)
    torch.testing.assert_close(kept.old_logps, dropped.old_logps, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["gpt2", "nano"])
def test_looking_seldom_which_rows_have_ended_changes_no_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = shared(name)
    told = answered(model, Sampler(3.0), new=30)[2]
    monkeypatch.setitem(decoding.CHECKS, "cpu", 7)
    seldom = answered(model, Sampler(3.0), new=30)[2]
    assert torch.equal(told.ids, seldom.ids) and torch.equal(told.mask, seldom.mask)
    torch.testing.assert_close(told.old_logps, seldom.old_logps, atol=1e-4, rtol=0)


@every
def test_a_model_comes_back_from_its_folder_with_equal_logits(name: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = shared(name)
    ids, valid = (each[:3] for each in prompts(model))
    model.save_pretrained(tmp_path, merged=True)
    again = TransformersModel(AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(
            full_logprobs(again, ids, valid, 1), full_logprobs(model, ids, valid, 1), atol=2e-5, rtol=0
        )
    assert (again.ends, again.pad, again.vocabulary) == (model.ends, model.pad, model.vocabulary)
    assert again.encode("w5 w7") == model.encode("w5 w7")


@pytest.mark.parametrize("way", ["peft", "ours"])
def test_adapters_alone_come_back_beside_the_model_they_belong_to(way: str, tmp_path: Path) -> None:
    from peft import PeftModel

    from wayfare.language.adapters import add_adapters

    if way == "peft":
        model: Any = shared("llama+lora")
    else:
        model = add_adapters(TransformersModel(bare("llama"), READER.to_transformers()), rank=2)
        with torch.no_grad():
            for name, each in model.causal.named_parameters():
                if "lora_B" in name:
                    each.normal_(std=0.2)
    model.save_pretrained(tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    again = TransformersModel(PeftModel.from_pretrained(bare("llama"), tmp_path), READER.to_transformers())
    ids, valid = prompts(model)
    with torch.no_grad():
        expected, plain = full_logprobs(model, ids, valid, 2), full_logprobs(shared("llama"), ids, valid, 2)
        torch.testing.assert_close(full_logprobs(again, ids, valid, 2), expected, atol=1e-5, rtol=0)
        assert (expected - plain).abs().max() > 1e-2
        with model.frozen_start():
            torch.testing.assert_close(full_logprobs(model, ids, valid, 2), plain, atol=1e-5, rtol=0)


def test_two_tokens_by_hand() -> None:
    model = shared("gpt2")
    ids = torch.tensor([[4, 5, 6, 7]])
    logps = model.causal(ids).logits[0].log_softmax(-1)
    expected = torch.stack([logps[1, 6], logps[2, 7]])
    told = score(model, ids, torch.ones_like(ids, dtype=torch.bool), 2, entropy=True)
    torch.testing.assert_close(told.logps[0], expected)
    assert told.entropy is not None
    torch.testing.assert_close(told.entropy[0], -(logps[1:3].exp() * logps[1:3]).sum(-1))
    cooler = score(model, ids, torch.ones_like(ids, dtype=torch.bool), 2, temperature=0.7).logps
    torch.testing.assert_close(cooler[0, 0], (logps[1] / 0.7).log_softmax(-1)[6])
    whole = score(model, ids, torch.ones_like(ids, dtype=torch.bool), 4).logps[0]
    assert whole[0] == 0 and torch.allclose(whole[2:], expected)


@pytest.mark.parametrize("name", ["llama", "gemma3", "nano"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logits_made_in_portions_give_the_same_numbers_and_gradients(name: str, temperature: float) -> None:
    model = fresh(name)
    ids, valid, told = answered(model)
    found = []
    for chunk in (None, 5):
        model.module.zero_grad()
        scored = score(model, ids, valid, told.ids.shape[1], temperature=temperature, entropy=True, chunk=chunk)
        ((scored.logps + 0.1 * scored.entropy) * told.mask).sum().backward()
        found.append([scored.logps, scored.entropy, *(each.grad for each in model.module.parameters())])
    for whole, portions in zip(*found, strict=True):
        torch.testing.assert_close(whole, portions, atol=1e-4, rtol=1e-5)
        assert torch.isfinite(whole).all()


def test_a_scorer_passes_gradients_to_the_model_it_holds() -> None:
    model = fresh("nano")
    ids, valid, told = answered(model)
    scorer = Scorer(model)
    assert set(map(id, scorer.parameters())) == set(map(id, model.module.parameters()))
    told = scorer(ids, valid, told.ids.shape[1], entropy=True)
    told.logps.sum().backward()
    assert all(each.grad is not None for each in model.module.parameters())


@pytest.mark.parametrize("name", ["llama", "nano"])
def test_mean_states_are_those_at_the_completion_and_of_the_prompt_where_there_is_none(name: str) -> None:
    model = shared(name)
    ids, valid, told = answered(model, new=5)
    keep = told.ids.shape[1]
    mask = told.mask.clone()
    mask[2] = False
    with torch.no_grad():
        found = mean_states(model, ids, valid.long(), mask, keep)
        for row in range(4):
            read = torch.cat([ids[row, valid[row]], torch.tensor([0])]).unsqueeze(0)
            states = model.states(read, torch.ones_like(read, dtype=torch.bool), read.shape[1] - 1)[0]
            first = int(valid[row, :7].sum())
            expected = states[first - 1] if row == 2 else states[first:].mean(0)
            torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    "sampler", [Sampler(0.6), Sampler(top_p=0.5), Sampler(min_p=0.2), Sampler(lambda at, _: 1 + at.float())]
)
def test_behaviour_is_what_was_drawn_from_and_old_what_the_model_says(sampler: Sampler) -> None:
    model = shared("llama")
    ids, valid, told = answered(model, sampler)
    with torch.no_grad():
        logps = full_logprobs(model, ids, valid, told.ids.shape[1])
    for at in range(told.ids.shape[1]):
        temperature, here = sampler.at(at, 0), told.mask[:, at]
        restricted = sampler.restricted(logps[:, at] / temperature)
        own, drawn = (each.gather(1, told.ids[:, at : at + 1])[here, 0] for each in (logps[:, at], restricted))
        torch.testing.assert_close(told.old_logps[here, at], own, atol=1e-4, rtol=0)
        torch.testing.assert_close(told.behaviour_logps[here, at], drawn, atol=1e-4, rtol=0)
    assert (told.old_logps != told.behaviour_logps).any()


def test_an_answer_may_be_its_end_alone_and_any_of_several_ends_ends_it() -> None:
    model: Any = TransformersModel(bare("llama"), READER.to_transformers())
    ids, valid = prompts(model)
    first, second = decode(model, ids, valid, 2, sampler=Sampler(0.0), uniforms=draws).ids[:2].tolist()
    model.causal.generation_config.eos_token_id = [first[0], second[1]]
    told = decode(model, ids[:2], valid[:2], 6, sampler=Sampler(0.0), uniforms=draws)
    assert model.ends == {1, first[0], second[1]}
    assert told.mask[0].sum() == 1 and not told.truncated[0] and told.ids[0, 0] == first[0]
    assert told.mask[1].sum() <= 2 and not told.truncated[1]
    assert (told.ids[0, 1:] == model.pad).all() and (told.old_logps[0, 1:] == 0).all()


@pytest.mark.parametrize("drop", [True, False])
def test_a_stop_string_ends_an_answer_and_is_counted(drop: bool) -> None:
    model: Any = NanoModel(shared("nano").net, READER)
    ids, valid = prompts(model)
    free = decode(model, ids, valid, 8, sampler=Sampler(0.0), uniforms=draws)
    words = model.decode(free.ids[0].tolist()).split()
    told = decode(model, ids, valid, 8, sampler=Sampler(0.0), uniforms=draws, stop=(f"{words[1]}",), drop=drop)
    last = words.index(words[1])
    assert told.mask[0].sum() == last + 1 and not told.truncated[0]
    for row in range(4):
        text = model.decode(told.ids[row, told.mask[row]].tolist())
        assert words[1] in text or told.mask[row].sum() == 8 or told.ids[row, told.mask[row]][-1] in model.ends


def test_an_answer_ends_where_the_context_does_and_a_prompt_without_room_is_refused() -> None:
    model = NanoModel(shared("nano").net, READER, context=9)
    ids, valid = prompts(model)
    quiet: Any = type("Endless", (NanoModel,), {"ends": frozenset()})(model.net, READER, 9)
    told = decode(quiet, ids, valid.long(), 7, sampler=Sampler(), uniforms=draws)
    assert told.mask.sum(1).tolist() == [2, 6, 4, 7] and told.truncated.all()
    for context, rows in ((7, slice(0, 1)), (9, slice(0, 0))):
        tight = NanoModel(model.net, READER, context)
        some = ids[rows], valid[rows]
        if len(some[0]):
            with pytest.raises(BadValue, match="context"):
                decode(tight, *some, 3, sampler=Sampler(), uniforms=draws)
        else:
            assert decode(tight, *some, 3, sampler=Sampler(), uniforms=draws).ids.shape[0] == 0
    with pytest.raises(BadValue, match="empty"):
        decode(model, ids[:1], valid[:1] & False, 3, sampler=Sampler(), uniforms=draws)
    with pytest.raises(BadValue, match="new"):
        decode(model, ids, valid, 0, sampler=Sampler(), uniforms=draws)


def test_the_small_decoder_and_its_llama_draw_the_same_answers_and_come_back() -> None:
    model = shared("nano")
    llama = model.to_transformers()
    told, theirs = answered(model, new=20)[2], answered(llama, new=20)[2]
    assert torch.equal(told.ids, theirs.ids) and torch.equal(told.truncated, theirs.truncated)
    torch.testing.assert_close(told.old_logps, theirs.old_logps, atol=1e-4, rtol=0)
    talk = [{"role": "user", "content": "w4 w5"}, {"role": "assistant", "content": "w6"}]
    assert model.encode(talk) == llama.encode(talk) == model.encode("w4 w5 w6")
    assert (model.ends, model.pad, model.context) == (llama.ends, llama.pad, llama.context)
    again = NanoModel.from_transformers(llama)
    assert all(map(torch.equal, again.net.parameters(), model.net.parameters())) and again.reader.words == READER.words
    with pytest.raises(BadValue, match="tokenizer"):
        NanoModel.from_transformers(TransformersModel("tiny-random"))


@pytest.mark.parametrize(("family", "options"), [("gemma3", {"final_logit_softcapping": 2.0}), ("granite", {})])
def test_a_head_that_does_more_than_one_map_is_recognised(family: str, options: dict[str, Any]) -> None:
    model = TransformersModel(bare(family, **options), READER.to_transformers())
    ids = torch.randint(3, model.vocabulary, (2, 6))
    valid = torch.ones_like(ids, dtype=torch.bool)
    whole = model.causal(ids).logits
    found = model.logits(model.states(ids, valid, 3))
    torch.testing.assert_close(found, whole[:, 2:-1])
    assert not model._linear_head and TransformersModel(bare("llama"), ())._linear_head
    gradients = []
    for logits in (found, whole[:, 2:-1]):
        model.causal.zero_grad()
        logits.logsumexp(-1).sum().backward(retain_graph=True)
        gradients.append([each.grad for each in model.causal.parameters()])
    torch.testing.assert_close(*gradients)


def test_dropout_is_off_while_tokens_are_read_also_where_layers_are_recomputed() -> None:
    causal = bare("gpt2", resid_pdrop=0.5, embd_pdrop=0.5, attn_pdrop=0.5)
    model = TransformersModel(causal, READER.to_transformers())
    ids, valid = prompts(model)
    quiet = score(model, ids, valid, 3).logps
    causal.train()
    told = score(model, ids, valid, 3).logps
    assert torch.equal(told, quiet) and causal.training
    told.sum().backward()
    expected = [each.grad.clone() for each in causal.parameters()]
    causal.zero_grad()
    causal.gradient_checkpointing_enable()
    score(model, ids, valid, 3).logps.sum().backward()
    torch.testing.assert_close([each.grad for each in causal.parameters()], expected, atol=1e-5, rtol=1e-4)


def test_a_policy_is_made_of_what_there_is_and_can_be_trained() -> None:
    from peft import LoraConfig

    named = load_policy("tiny-random")
    assert all(each.requires_grad for each in named.module.parameters()) and not named.module.training
    lora = load_policy("tiny-random", peft_config=LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert {"lora_" in name for name, each in lora.module.named_parameters() if each.requires_grad} == {True}
    wrapped = with_lora(bare("llama"))
    assert load_policy(wrapped, READER.to_transformers()).module is wrapped
    nano = load_policy(shared("nano").net, READER)
    assert isinstance(nano, NanoModel) and load_policy(nano) is nano
    for told, field in (
        ((3,), "model"),
        ((shared("nano").net,), "tokenizer"),
        ((bare("llama"),), "tokenizer"),
        ((shared("nano").net, READER, LoraConfig()), "peft_config"),
        ((wrapped, READER.to_transformers(), LoraConfig()), "peft_config"),
    ):
        with pytest.raises(BadValue) as refused:
            load_policy(*told)
        assert refused.value.field == field


@pytest.mark.parametrize("name", ["llama", "llama+lora", "nano"])
def test_a_frozen_copy_stays_as_the_model_goes_on(name: str) -> None:
    model = load_policy(fresh(name))
    ids, valid, told = answered(model)
    keep = told.ids.shape[1]
    before = score(model, ids, valid, keep).logps
    before.sum().backward()
    start = copy_frozen(model)
    with torch.no_grad():
        for each in model.module.parameters():
            each.add_(0.05 * torch.randn(each.shape))
    assert torch.equal(score(start, ids, valid, keep).logps, before)
    assert not any(each.requires_grad or each.grad is not None for each in start.module.parameters())


def test_the_start_of_weights_that_are_trained_is_refused() -> None:
    for model in (shared("llama"), shared("nano")):
        with pytest.raises(BadValue, match="adapters"), model.frozen_start():
            pass


@pytest.mark.parametrize("name", [*FAMILIES, "nano"])
def test_what_models_say_of_themselves(name: str) -> None:
    model = shared(name)
    assert (model.vocabulary, model.context, model.pad, model.ends) == (len(READER), 48, 0, frozenset([1]))
    assert model.decode(model.encode("w4 w9")) == "w4 w9"
