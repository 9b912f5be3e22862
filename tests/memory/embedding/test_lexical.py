"""The lexical embedder: what it promises without a model."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.memory.embedding import Embedder, embedder_from
from wayfare.memory.embedding.lexical import Lexical

DIGEST = "from wayfare.memory.embedding.lexical import Lexical; import hashlib; print(hashlib.sha256(" \
    "Lexical().embed_query('Password resets need the cache flushed').tobytes()).hexdigest())"  # fmt: skip


def test_a_text_has_the_same_vector_in_every_process_and_batch() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout.strip()
        for seed in ("1", "2")
    }
    own = Lexical()
    text = "Password resets need the cache flushed"
    assert told == {hashlib.sha256(own.embed_query(text).tobytes()).hexdigest()}
    batch = own.embed(["another text", text, ""])
    assert batch.dtype == np.float32 and batch.shape == (3, 384)
    assert (batch[1] == own.embed_query(text)).all()
    assert (pickle.loads(pickle.dumps(own)).embed_query(text) == own.embed_query(text)).all()


@given(st.text())
def test_every_text_has_a_vector_of_length_one(text: str) -> None:
    vector = Lexical(64).embed_query(text)
    assert vector.shape == (64,) and np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_misspelt_compound_and_inflected_words_still_meet() -> None:
    own = Lexical()

    def cosine(a: str, b: str) -> float:
        return float(own.embed_query(a) @ own.embed_query(b))

    far = cosine("authentication", "refrigerator")
    assert cosine("authentication", "authentification") > 0.3 > far + 0.1
    assert cosine("database migration", "migrating the databases") > 0.4
    assert cosine("password", "passwordless") > far + 0.1
    assert cosine("reset the token", "the token is reset") > cosine("reset the token", "the invoice is lost") + 0.3


def test_its_name_says_all_that_is_needed_to_make_it_again() -> None:
    assert Lexical().model == "lexical" and Lexical(64).model == "lexical:64"
    for own in (Lexical(), Lexical(64)):
        again = embedder_from(own.model)
        assert isinstance(again, Embedder) and again.dimension == own.dimension
    assert embedder_from("none") is None


@pytest.mark.parametrize("dimension", [0, 15, 8193, True, 64.0, "64"])
def test_a_dimension_out_of_range_is_refused(dimension: object) -> None:
    with pytest.raises(BadValue, match="dimension"):
        Lexical(dimension)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    ["", "lexical:", "lexical:x", "lexical:7", "word2vec", "openai:model", "openai:@http://x", "sentence", None, 3],
)
def test_what_specifies_no_embedder_is_refused(given: object) -> None:
    with pytest.raises(BadValue):
        embedder_from(given)  # type: ignore[arg-type]


def test_one_text_is_no_list_of_texts() -> None:
    with pytest.raises(BadValue, match="texts"):
        Lexical().embed("a text")
