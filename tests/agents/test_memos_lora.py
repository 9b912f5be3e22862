"""What is distilled is known without any text, written back, refused by other readers, and taken out bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from wayfare.agents.memos import ActivationToText, ParameterToText, TextToActivation, TextToParameter
from wayfare.agents.memos_activation import read_payload
from wayfare.agents.memos_lora import (
    ADAPTER_TYPE,
    Asked,
    Distillation,
    ParameterMemory,
    distil,
    load_adapter,
    unload_adapter,
    write_back,
)
from wayfare.agents.memos_reader import MemoryReader, Template
from wayfare.errors import BadValue
from wayfare.language.adapters import add_adapters, has_adapters
from wayfare.language.local import TransformersModel
from wayfare.memory import Memory
from wayfare.memory.cubes import Conversions, Cube
from wayfare.memory.payloads import Payload
from wayfare.memory.records import Record

HOW = Distillation(rank=4, learning_rate=2e-2, updates=60, batch=4, tokens=1)
FACTS = [Asked("act 1", " reward"), Asked("act 2", " end"), Asked("act 3", " begin")]
TEXT = "what is known"


@pytest.fixture(scope="module")
def reader() -> MemoryReader:
    return MemoryReader(TransformersModel("tiny-random"))


@pytest.fixture(scope="module")
def payload(reader: MemoryReader) -> Payload:
    return distil(reader, TEXT, FACTS, HOW)


@pytest.fixture(autouse=True)
def _unloaded(reader: MemoryReader) -> Iterator[None]:
    """One that fails fails alone."""
    yield
    unload_adapter(reader)


def probe(reader: MemoryReader) -> torch.Tensor:
    return reader.logits(None, reader.question_ids("act 1 act 2"), keep=4)


def test_an_adapter_answers_is_written_back_and_leaves_the_model_bit_for_bit(
    reader: MemoryReader, payload: Payload
) -> None:
    plain = probe(reader)
    said = [reader.answer("", each.question, 1) for each in FACTS]
    assert said != [each.answer.strip() for each in FACTS]
    load_adapter(reader, payload)
    assert not torch.equal(probe(reader), plain)
    assert [reader.answer("", each.question, 1) for each in FACTS] == [each.answer.strip() for each in FACTS]
    written = write_back(reader, FACTS, lambda asked, answer: f"{asked.question}: {answer}", tokens=1)
    assert [each.text for each in written] == ["act 1: reward", "act 2: end", "act 3: begin"]
    assert all(0.1 < each.probability <= 1 for each in written), written and not write_back(
        reader, [Asked("begin 9")], lambda *_: "x", tokens=1, least=1.0
    )
    unload_adapter(reader)
    assert torch.equal(probe(reader), plain) and not has_adapters(reader.model)


def test_the_same_distillation_gives_the_same_bytes_and_another_is_loaded_in_its_place(
    reader: MemoryReader, payload: Payload
) -> None:
    assert payload.media_type == ADAPTER_TYPE and payload.header["rank"] == 4
    short = Distillation(rank=4, updates=2, batch=2, tokens=1)
    one, two = distil(reader, TEXT, FACTS, short), distil(reader, TEXT, FACTS, short)
    assert one.data == two.data != payload.data
    load_adapter(reader, payload)
    first = probe(reader)
    load_adapter(reader, one)
    assert not torch.equal(probe(reader), first)
    load_adapter(reader, distil_wide := distil_after(reader, short))
    assert distil_wide.header["rank"] == 2
    load_adapter(reader, payload)
    assert torch.equal(probe(reader), first)
    unload_adapter(reader)


def distil_after(reader: MemoryReader, how: Distillation) -> Payload:
    """Of another rank, made by a reader of the same model without adapters."""
    with pytest.raises(BadValue, match="without"):
        distil(reader, TEXT, FACTS, how)
    fresh = MemoryReader(TransformersModel("tiny-random"))
    return distil(fresh, TEXT, FACTS, Distillation(rank=2, updates=1, tokens=1))


@pytest.mark.parametrize("field", ["model", "tokenizer", "dtype", "template"])
def test_an_adapter_of_another_reader_is_refused_and_nothing_changes(
    reader: MemoryReader, payload: Payload, field: str
) -> None:
    plain = probe(reader)
    wrong = Payload(payload.data, payload.media_type, {**payload.header, field: "other"})
    with pytest.raises(BadValue, match=rf"header\.{field} of file x"):
        load_adapter(reader, wrong, "file x")
    other = MemoryReader(reader.model, Template(question="Q {question}"))
    with pytest.raises(BadValue, match="template"):
        load_adapter(other, payload)
    for changed in (
        Payload(payload.data[:-9], payload.media_type, payload.header),
        Payload(b"cos\nsystem\n", payload.media_type, payload.header),
        Payload(payload.data, "text/plain", payload.header),
        Payload(payload.data, payload.media_type, {**payload.header, "rank": 3}),
        Payload(payload.data, payload.media_type, {**payload.header, "format": 99}),
    ):
        with pytest.raises(BadValue):
            load_adapter(reader, changed)
    assert torch.equal(probe(reader), plain)


def test_the_hash_of_a_model_is_that_without_its_adapter(reader: MemoryReader, payload: Payload) -> None:
    load_adapter(reader, payload)
    assert MemoryReader(reader.model).loader == reader.loader
    unload_adapter(reader)
    changed = TransformersModel("tiny-random")
    with torch.no_grad():
        next(iter(changed.causal.parameters()))[0, 0] += 1
    assert MemoryReader(changed).loader.model != reader.loader.model


def test_without_answers_it_learns_what_the_model_says_with_the_text_before_it(reader: MemoryReader) -> None:
    said = reader.answer("begin 0 act", "act 1", 1)
    told = distil(reader, "begin 0 act", [Asked("act 1")], HOW)
    load_adapter(reader, told)
    assert reader.answer("", "act 1", 1) == said
    unload_adapter(reader)
    texts = distil(reader, "begin 0 act 1", [], Distillation(updates=80, learning_rate=2e-2))
    load_adapter(reader, texts)
    assert reader.answer("", "begin 0", 3) == "act 1"
    unload_adapter(reader)


def test_a_parameter_memory_cannot_forget_in_place_and_learns_the_rest_again() -> None:
    memory = ParameterMemory(MemoryReader(TransformersModel("tiny-random")), HOW)
    plain = memory.answer_logits("act 1")
    memory.write(["reward", "end"], FACTS[:2])
    assert memory.answer("act 1") == "reward" and memory.answer("act 2") == "end"
    with pytest.raises(BadValue, match="not deletable"):
        memory.remove("end")
    with pytest.raises(BadValue, match="one that was written"):
        memory.remove("begin", retrain=True)
    with pytest.raises(BadValue, match="at least one token"):
        memory.write([""])
    memory.remove("end", retrain=True)
    assert memory.answer("act 1") == "reward" and memory.texts == ("reward",) and len(memory.asked) == 1
    memory.unload()
    assert torch.equal(memory.answer_logits("act 1"), plain)


def test_impossible_values_are_refused(reader: MemoryReader) -> None:
    with pytest.raises(BadValue, match="updates"):
        Distillation(updates=0)
    with pytest.raises(BadValue, match="at least one token"):
        distil(reader, "", FACTS)
    with pytest.raises(BadValue, match="context"):
        distil(reader, "a" * 9000, [])
    assert not has_adapters(reader.model)
    model = add_adapters(TransformersModel("tiny-random"), rank=1)
    with pytest.raises(BadValue, match="without"):
        distil(MemoryReader(model), TEXT, FACTS, HOW)


def test_a_cube_converts_there_and_back_and_an_edit_makes_what_was_derived_void(
    reader: MemoryReader, tmp_path: Path
) -> None:
    def questions(text: str) -> list[Asked]:
        return FACTS

    def sentence(asked: Asked, answer: str) -> str:
        return f"{asked.question}: {answer}"

    with Memory(tmp_path / "a.db", embedder="none") as memory:
        cube = Cube(memory)
        conversions = Conversions(
            cube,
            {
                "prefill": TextToActivation(reader), "decode": ActivationToText(reader, verify=True),
                "distil": TextToParameter(reader, HOW, questions=questions),
                "write back": ParameterToText(reader, questions, sentence, tokens=1),
            },
        )  # fmt: skip
        text = cube.add("begin 0 act 1").id
        made = {}
        for name, source in (("prefill", text), ("distil", text)):
            conversions.ask(name, [source])
            made[name] = conversions.run()[0].id
        assert memory.get(made["prefill"]).form == "activation" and memory.get(made["distil"]).form == "parameter"
        prefix = read_payload(reader, cube.payload_for(made["prefill"], reader.loader))
        ask = reader.question_ids(" act")
        torch.testing.assert_close(
            reader.logits(prefix, ask),
            reader.logits(None, [*reader.memory_ids("begin 0 act 1"), *ask]),
            atol=1e-4,
            rtol=0,
        )
        conversions.ask("write back", [made["distil"]])
        back = memory.get(conversions.run()[0].id)
        assert back.content == "act 1: reward\nact 2: end\nact 3: begin" and back.form == "token"
        other = MemoryReader(reader.model, Template(memory="{text}!"))
        with pytest.raises(BadValue, match="template"):
            cube.payload_for(made["prefill"], other.loader)
        cube.update(text, "begin 1 act 2")
        assert {memory.get(each).status for each in made.values()} == {"archived"}
        assert conversions.result("prefill", [text]) is None
    assert ParameterToText(reader, questions, sentence, least=1.0).target == "token"
    with pytest.raises(BadValue, match="payload"):
        ParameterToText(reader, questions, sentence).convert([(Record("x", "y"), None)])
