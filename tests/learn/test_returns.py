import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.returns import advantages
from wayfare.worlds.boundary import Boundary

TABLE = DiscountTable(0.9, 0.7, 0.6, 0.0, 0.8)


def column(values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype).view(1, -1, 1)


def slow(reward, boundary, value, following, row_table, trace):
    """Each advantage as its own sum of errors, forwards, until a block ends."""
    result = []
    for t in range(len(reward)):
        total, weight = 0.0, 1.0
        for k in range(t, len(reward)):
            g = row_table[boundary[k]]
            total += weight * (reward[k] + g * following[k] - value[k])
            weight *= trace * g
            if boundary[k] >= Boundary.TASK_TERMINATED:
                break
        result.append(total)
    return result


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0, 1))
def test_equal_to_a_slow_sum_of_errors(seed, steps, trace):
    generator = torch.Generator().manual_seed(seed)
    table = DiscountTable((0.9, 0.5), 0.7, (0.6, 1.0), 0.0, 0.8)
    reward, value, following = torch.randn(3, 2, steps, 3, generator=generator)
    boundary = torch.randint(0, 5, (2, steps, 3), generator=generator).to(torch.int8)
    got = advantages(reward, boundary, value, following, table, trace)
    for s in range(2):
        for b in range(3):
            each = [x[s, :, b].tolist() for x in (reward, boundary, value, following)]
            want = slow(*each, table.rows[s].tolist(), trace)
            assert got[s, :, b].tolist() == pytest.approx(want, abs=1e-4)


@pytest.mark.parametrize(
    ("code", "discount", "goes_on"),
    [
        (Boundary.RUNNING, 0.9, True),
        (Boundary.EPISODE_TERMINATED, 0.7, True),
        (Boundary.EPISODE_TRUNCATED, 0.6, True),
        (Boundary.TASK_TERMINATED, 0.0, False),
        (Boundary.TASK_TRUNCATED, 0.8, False),
    ],
)
def test_each_code_discounts_by_its_field_and_only_a_task_end_stops_the_trace(code, discount, goes_on):
    got = advantages(
        column([1.0, 2.0]),
        column([code, Boundary.TASK_TERMINATED], torch.int8),
        column([0.5, 0.25]),
        column([4.0, 100.0]),
        TABLE,
        0.5,
    )
    last = 2.0 - 0.25
    first = 1.0 + discount * 4.0 - 0.5 + (0.5 * discount * last if goes_on else 0.0)
    assert got.flatten().tolist() == pytest.approx([first, last])


def test_a_task_that_memory_spans_is_joined_where_told():
    table = DiscountTable(0.9, 0.9, 0.9, 0.9, 0.9)
    codes = column([Boundary.TASK_TERMINATED, Boundary.RUNNING], torch.int8)
    arguments = (column([1.0, 1.0]), codes, column([0.0, 0.0]), column([0.0, 0.0]), table, 1.0)
    assert advantages(*arguments).flatten().tolist() == pytest.approx([1.0, 1.0])
    assert advantages(*arguments, torch.ones(1, 2, 1, dtype=torch.bool)).flatten().tolist() == pytest.approx([1.9, 1.0])


def test_the_value_after_an_end_is_not_read_even_where_it_is_no_number():
    got = advantages(
        column([1.0]), column([Boundary.TASK_TERMINATED], torch.int8), column([0.0]), column([float("nan")]), TABLE
    )
    assert got.item() == 1.0


def test_a_trace_out_of_range_and_a_shape_that_differs_are_refused():
    one = column([1.0])
    codes = column([0], torch.int8)
    with pytest.raises(BadValue, match="trace"):
        advantages(one, codes, one, one, TABLE, 1.5)
    with pytest.raises(BadValue, match="next_value"):
        advantages(one, codes, one, column([1.0, 2.0]), TABLE)
