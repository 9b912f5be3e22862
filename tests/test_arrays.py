"""The remembered answer is the given one, and tables keep their place in memory."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat
import numpy as np
import pytest
import torch

from wayfare.arrays import actions_first, actions_last, array_namespace


@pytest.mark.parametrize("array", [np.zeros(2), np.float64(1), torch.zeros(2), torch.nn.Parameter(torch.zeros(2))])
def test_asking_twice_gives_what_asking_once_gives(array: object) -> None:
    is_numpy = isinstance(array, (np.ndarray, np.generic))
    expected = np if is_numpy else array_api_compat.array_namespace(array)
    assert array_namespace(array) is expected and array_namespace(array) is expected


def test_what_has_no_library_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(TypeError):
            array_namespace([1.0])
    with pytest.raises(TypeError):
        array_namespace(np.zeros(1), torch.zeros(1))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3)])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_actions_go_first_and_back_and_stay_there_through_arithmetic(shape: tuple[int, ...], kind: Any) -> None:
    x = kind(np.arange(math.prod(shape), dtype=np.float64).reshape(shape))
    first = actions_first(x)
    assert first.shape == (3, math.prod(shape[:-1])) and bool((first[1] == x.reshape(-1, 3)[:, 1]).all())
    back = actions_last(first, shape[:-1])
    assert back.shape == x.shape and bool((back == x).all())
    again = actions_first(back + 0.0)
    assert bool((again == first).all())
    assert (
        actions_first(back).data_ptr() == first.data_ptr()
        if torch.is_tensor(x)
        else np.shares_memory(actions_first(back), first)
    )
