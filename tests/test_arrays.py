"""The remembered answer is the given one."""

from __future__ import annotations

import array_api_compat
import numpy as np
import pytest
import torch

from wayfare.arrays import array_namespace


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
