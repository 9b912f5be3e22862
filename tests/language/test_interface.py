"""What a model is asked for: what is refused before anything runs, and which draws belong to which answer."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.language.interface import LanguageModel, Sampling, check_prompts, padded, rows_of

BAD = [
    ("temperature", -0.1),
    ("temperature", math.nan),
    ("temperature", math.inf),
    ("temperature", "warm"),
    ("temperature", True),
    ("top_p", 0),
    ("top_p", 1.1),
    ("min_p", -0.1),
    ("min_p", 2),
    ("max_tokens", 0),
    ("max_tokens", 1.5),
    ("seed", -1),
    ("seed", 2**31),
    ("n", 0),
    ("stop", "end"),
    ("stop", ("",)),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_sampling_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadValue) as told:
        Sampling(**{field: value})  # type: ignore[arg-type]
    assert told.value.field == field


@pytest.mark.parametrize(
    "prompt", ["", [], [{"role": "user"}], [{"role": "nobody", "content": "x"}], [{"role": "user", "content": 3}], 7]
)
def test_a_prompt_that_says_nothing_is_refused_and_numbered(prompt: object) -> None:
    with pytest.raises(BadValue) as told:
        check_prompts(["good", prompt])  # type: ignore[list-item]
    assert told.value.field == "prompts[1]"


def test_one_text_is_not_a_list_of_prompts() -> None:
    with pytest.raises(BadValue, match="a list of prompts"):
        check_prompts("one text")


def test_the_first_answer_has_the_seed_itself_and_a_prompt_said_twice_goes_on_counting() -> None:
    rows = rows_of(["a", "b", "a"], Sampling(seed=7, n=2))
    assert [row.prompt for row in rows] == [0, 0, 1, 1, 2, 2]
    assert [row.occurrence for row in rows] == [0, 1, 0, 1, 2, 3]
    assert rows[0].seed == rows[2].seed == 7
    assert len({row.seed for row in (*rows[:2], *rows[4:])}) == 4
    assert rows[:2] == rows_of(["a"], Sampling(seed=7, n=2))
    assert rows_of(["a"], Sampling(seed=8, n=2))[1].seed != rows[1].seed


def test_rows_are_padded_on_the_right() -> None:
    np.testing.assert_array_equal(padded([[1, 2], [3]], np.int64), [[1, 2], [3, 0]])
    assert padded([], np.int64).shape == (0, 0)


def test_the_interface_and_the_endpoint_load_neither_torch_nor_a_client() -> None:
    code = (
        "import sys, wayfare.language.interface, wayfare.language.endpoint, wayfare.language.ledger;"
        "assert not {'torch', 'openai', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_class_with_both_methods_is_a_language_model() -> None:
    class Mute:
        def generate(self, prompts: object, sampling: object = None) -> None: ...

        def logprobs(self, sequences: object) -> None: ...

    assert isinstance(Mute(), LanguageModel)
    assert not isinstance(object(), LanguageModel)
