"""A cache that was stored and loaded answers as the text does, in every family of models, and only for who made it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from wayfare.agents.memos import ActivationToText, TextToActivation, rebuilt
from wayfare.agents.memos_activation import (
    ActivationMemory,
    cache_payload,
    end_to_end,
    read_file,
    read_payload,
    write_file,
)
from wayfare.agents.memos_reader import MemoryReader, Template
from wayfare.errors import BadValue
from wayfare.language.local import TransformersModel
from wayfare.language.models import load_causal_model
from wayfare.memory.payloads import Payload
from wayfare.memory.records import Record

FAMILIES = ("Llama", "GPT2", "Qwen3", "Gemma", "Gemma2")
TEXT = "begin 0 act 1 reward 0.5 begin 1 act 2 end"


def made(family: str, seed: int = 0, context: int = 256) -> TransformersModel:
    """Random weights, large enough that a key in a wrong place shows."""
    import transformers

    _, tokenizer = load_causal_model("tiny-random")
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer), "bos_token_id": None, "eos_token_id": None}
    if family == "GPT2":
        sizes |= {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": context}
    else:
        sizes |= {
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": context, "pad_token_id": None,
        }  # fmt: skip
    if family == "Gemma2":
        sizes["sliding_window"] = 8  # shorter than the text: its first layer has forgotten the beginning
    config = getattr(transformers, f"{family}Config")(initializer_range=0.3, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, f"{family}{'LMHeadModel' if family == 'GPT2' else 'ForCausalLM'}")(config)
    return TransformersModel(model.eval(), tokenizer)


@pytest.fixture(scope="module")
def reader() -> MemoryReader:
    return MemoryReader(made("Llama"))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_stored_and_loaded_goes_on_as_the_text_does(family: str) -> None:
    reader = MemoryReader(made(family))
    memory, question = reader.memory_ids(TEXT), reader.question_ids(" act 2 reward")
    prefix = read_payload(reader, cache_payload(reader, reader.read(memory)))
    assert prefix.ids == tuple(memory)
    assert {layer.get_seq_length() for layer in prefix.cache.layers} == {len(memory)}
    whole = reader.logits(None, [*memory, *question], keep=len(question))
    for _ in range(2):  # asking changes nothing
        told = reader.logits(prefix, question, keep=len(question))
        torch.testing.assert_close(told, whole, atol=1e-4, rtol=0)
    assert reader.follow(prefix, question, 12) == reader.follow(None, [*memory, *question], 12)
    behind = reader.logits(None, question, keep=len(question))
    assert float((behind - whole).abs().max()) > 1e-2  # the memory matters


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "Gemma"])
def test_keys_turned_to_their_places_are_those_read_there_but_what_is_laid_end_to_end_is_not_one_text(
    family: str,
) -> None:
    reader = MemoryReader(made(family))
    one, two = reader.read(reader.memory_ids(TEXT[:20])), reader.read(reader.memory_ids(TEXT[20:]))
    whole, joined = rebuilt(reader, [one, two]), end_to_end(reader, [one, two])
    plain = end_to_end(reader, [one, two], reposition=False)
    assert joined.ids == plain.ids == whole.ids
    # the first layer sees words and places alone: there the turned keys are those of one context
    at_first = whole.cache.layers[0].keys
    torch.testing.assert_close(joined.cache.layers[0].keys, at_first, atol=1e-4, rtol=1e-4)
    assert float((plain.cache.layers[0].keys - at_first).abs().max()) > 1e-2
    ask = reader.question_ids(" act")
    right = reader.logits(whole, ask)
    for wrong in (joined, plain):
        assert float((reader.logits(wrong, ask) - right).abs().max()) > 1e-2
    torch.testing.assert_close(right, reader.logits(None, [*whole.ids, *ask]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["GPT2", "Gemma2"])
def test_models_without_plain_rotary_places_or_that_have_forgotten_are_not_laid_end_to_end(family: str) -> None:
    reader = MemoryReader(made(family))
    part = reader.read(reader.memory_ids(TEXT))
    with pytest.raises(BadValue, match="plain rotary" if family == "GPT2" else "every token"):
        end_to_end(reader, [part, part])


@pytest.mark.parametrize("field", ["model", "tokenizer", "dtype", "template"])
def test_a_payload_of_another_reader_is_refused_naming_the_field_and_whose_it_is(
    reader: MemoryReader, field: str, tmp_path: Path
) -> None:
    payload = cache_payload(reader, reader.read(reader.memory_ids(TEXT)))
    header = {**payload.header, field: "sha256:other"}
    with pytest.raises(BadValue, match=rf"header\.{field} of memory 7"):
        read_payload(reader, Payload(payload.data, payload.media_type, header), "memory 7")
    other = {
        "model": lambda: MemoryReader(made("Llama", seed=1)),
        "tokenizer": lambda: _other_words(),
        "dtype": lambda: MemoryReader(_halved(made("Llama"))),
        "template": lambda: MemoryReader(made("Llama"), Template(memory="Known: {text}")),
    }[field]()
    file = tmp_path / "cache.safetensors"
    write_file(reader, reader.read(reader.memory_ids(TEXT)), file)
    with pytest.raises(BadValue) as refused:
        read_file(other, file)
    assert str(file) in str(refused.value)
    assert field in str(refused.value) or field == "dtype"  # other numbers are other weights, too
    assert torch.equal(
        read_file(reader, file).cache.layers[1].values, read_payload(reader, payload).cache.layers[1].values
    )


def _other_words() -> MemoryReader:
    model = made("Llama")
    _, tokenizer = load_causal_model("tiny-random")
    tokenizer.add_tokens(["another"])
    return MemoryReader(TransformersModel(model.causal, tokenizer))


def _halved(model: TransformersModel) -> TransformersModel:
    model.causal.to(torch.bfloat16)
    return model


def test_what_cannot_be_read_is_refused_and_nothing_is_lost_silently(reader: MemoryReader, tmp_path: Path) -> None:
    payload = cache_payload(reader, reader.read(reader.memory_ids(TEXT)))
    for wrong in (
        Payload(b"gAN", payload.media_type, payload.header),
        Payload(payload.data[:-40], payload.media_type, payload.header),
        Payload(payload.data, "application/octet-stream", payload.header),
        Payload(payload.data, payload.media_type, {**payload.header, "tokens": 3}),
        Payload(payload.data, payload.media_type, {**payload.header, "layers": 3}),
    ):
        with pytest.raises(BadValue):
            read_payload(reader, wrong)
    (tmp_path / "none").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(BadValue, match="safetensors"):
        read_file(reader, tmp_path / "none")
    with pytest.raises(BadValue, match="safetensors"):
        read_file(reader, tmp_path / "missing")
    with pytest.raises(BadValue, match="at least one token"):
        reader.memory_ids("")
    with pytest.raises(BadValue, match="at least one token"):
        reader.question_ids("")
    with pytest.raises(BadValue, match="a context of 256"):
        reader.read([1] * 257)
    with pytest.raises(BadValue, match="at most 1 tokens"):
        reader.logits(reader.read([1] * 255), [1, 2])
    with pytest.raises(BadValue, match=r"template\.memory"):
        Template(memory="no place")


def test_a_memory_is_written_asked_and_loses_what_is_removed(reader: MemoryReader) -> None:
    memory = ActivationMemory(reader, tokens=5)
    empty = memory.answer_logits("act")
    with pytest.raises(BadValue, match="at least one text"):
        memory.payload()
    memory.write(["begin 0", "act 1"])
    first = memory.answer_logits("act")
    memory.write(["reward 1"])
    assert memory.answer("act") == reader.answer("begin 0\nact 1\nreward 1", "act", 5)
    assert not torch.equal(memory.answer_logits("act"), first)
    with pytest.raises(BadValue):
        memory.write(["a" * 300])
    memory.remove("reward 1")
    assert torch.equal(memory.answer_logits("act"), first)
    memory.remove("begin 0")
    memory.remove("act 1")
    assert torch.equal(memory.answer_logits("act"), empty) and memory.prefix is None
    with pytest.raises(BadValue, match="one that was written"):
        memory.remove("act 1")


def test_converters_go_to_a_cache_and_back_and_a_cache_that_is_not_its_tokens_is_found(reader: MemoryReader) -> None:
    text, payload = TextToActivation(reader).convert([(Record("a", TEXT), None), (Record("b", "end"), None)])
    assert text == f"{TEXT}\nend" and payload.header["tokens"] == len(reader.memory_ids(text))
    back = ActivationToText(reader, verify=True)
    assert back.convert([(Record("c", text, form="activation"), payload)]) == (text, None)
    prefix = read_payload(reader, payload)
    prefix.cache.layers[1].values[0, 0, 3] += 0.5
    changed = cache_payload(reader, prefix)
    with pytest.raises(BadValue, match="values of layer 1 of memory c"):
        back.convert([(Record("c", text), changed)])
    assert replace(Record("c", text), form="token") and ActivationToText(reader).convert(
        [(Record("c", text), changed)]
    ) == (text, None)
    with pytest.raises(BadValue, match="payload"):
        back.convert([(Record("d", text), None)])
