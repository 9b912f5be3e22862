"""Vectors from a model of sentence-transformers: the real loading code, on a tiny random model saved here."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.memory.stores import Store
from wayfare.errors import BadValue, MissingExtra
from wayfare.memory import Memory
from wayfare.memory.embedding import embedder_from
from wayfare.memory.embedding.sentence_transformers import SentenceTransformers

pytestmark = pytest.mark.xdist_group("sentence-transformers")  # one worker, so that the library is loaded once

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS += ["the", "a", "password", "reset", "token", "cache", "login", "flush", "invoice", "query", ":", "text"]
TEXTS = ["the password reset", "a login token", "flush the cache", "the password reset flush the cache the invoice"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with sixteen numbers a word, mean pooling and a prompt for questions."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("model")
    bert, whole = place / "bert", place / "whole"
    bert.mkdir()
    (bert / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(bert / "vocab.txt")).save_pretrained(bert)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(bert)
    words = Transformer(str(bert), max_seq_length=32)
    model = SentenceTransformer(modules=[words, Pooling(16)], prompts={"query": "query : "}, device="cpu")
    model.save(str(whole))
    return whole


def test_a_saved_model_gives_what_the_package_gives_with_length_one(saved: Path) -> None:
    from sentence_transformers import SentenceTransformer

    own = SentenceTransformers(str(saved), device="cpu", batch=2)
    found = own.embed(TEXTS)
    plain = np.asarray(SentenceTransformer(str(saved), device="cpu").encode(TEXTS), np.float64)
    assert found.dtype == np.float32 and found.shape == (4, 16) == (4, own.dimension)
    assert found == pytest.approx(plain / np.linalg.norm(plain, axis=1, keepdims=True), abs=1e-5)
    assert own.embed([]).shape == (0, 16)


def test_a_question_gets_the_prompt_that_the_model_keeps_for_it(saved: Path) -> None:
    own = SentenceTransformers(str(saved), device="cpu")
    asked, told = own.embed_query("a login token"), own.embed(["a login token", "query : a login token"])
    assert asked == pytest.approx(told[1], abs=1e-5) and float(asked @ told[0]) < 0.9999


def test_its_settings_travel_and_its_name_opens_it_again(saved: Path) -> None:
    own = SentenceTransformers(str(saved), device="cpu", batch=3)
    before = own.embed(TEXTS)
    again = pickle.loads(pickle.dumps(own))
    assert (again.batch, again.device) == (3, "cpu") and again.embed(TEXTS) == pytest.approx(before, abs=1e-6)
    named = embedder_from(own.model)
    assert named is not None and named.model == f"sentence-transformers:{saved}" and named.dimension == 16


def test_a_memory_is_written_and_recalled_by_it(saved: Path, address: str) -> None:
    with Memory(address, embedder=f"sentence-transformers:{saved}") as memory:
        memory.remember_many(TEXTS)
        assert memory.stats()["embedder"] == f"sentence-transformers:{saved}"
    with Memory(address) as memory:
        found = memory.recall("flush the cache", k=1, policy="similarity").items[0]
        assert found.record.content == "flush the cache" and found.by["vectors"] > 0


def test_a_model_that_is_not_there_is_refused_when_it_is_first_used(tmp_path: Path) -> None:
    own = SentenceTransformers(str(tmp_path / "nothing"))
    with pytest.raises(BadValue, match="nothing"):
        own.embed(["x"])


def test_without_the_package_the_error_names_the_command_and_no_file_is_made(
    store: Store, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"wayfare\[sentence-transformers\]"):
        Memory(address, embedder="sentence-transformers:any")
    assert store.untouched(address)


def test_the_package_is_loaded_no_sooner_than_it_is_used(saved: Path, address: str) -> None:
    """Opening, listing and crediting load no model."""
    with Memory(address, embedder=f"sentence-transformers:{saved}") as memory:
        memory.remember("a text")
    program = (
        "import sys, json\nfrom wayfare.memory import Memory\n"
        f"memory = Memory({address!r})\nmemory.list(); memory.stats()\n"
        "print(json.dumps([name in sys.modules for name in ('torch', 'sentence_transformers')]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [False, False]


@pytest.mark.parametrize("given", [("",), (" ",), (None,), (3,)])
def test_no_name_is_refused(given: tuple[object]) -> None:
    with pytest.raises(BadValue, match="embedder"):
        SentenceTransformers(*given)  # type: ignore[arg-type]
