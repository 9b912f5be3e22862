import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.sequences import RUNNING, TASK_ENDED, TASK_TRUNCATED
from wayfare.worlds.boundary import Boundary

TABLE = DiscountTable(0.1, 0.2, 0.3, 0.4, 0.5)


@pytest.mark.parametrize(
    ("code", "discount"),
    [
        (Boundary.RUNNING, 0.1),
        (Boundary.EPISODE_TERMINATED, 0.2),
        (Boundary.EPISODE_TRUNCATED, 0.3),
        (Boundary.TASK_TERMINATED, 0.4),
        (Boundary.TASK_TRUNCATED, 0.5),
    ],
)
def test_each_code_has_its_own_discount(code, discount):
    assert TABLE.of(torch.full((1, 2, 3), code, dtype=torch.int8)).eq(torch.tensor(discount)).all()


def test_nothing_is_worth_anything_beyond_a_task_unless_told_otherwise():
    table = DiscountTable(1.0, 1.0, 1.0)
    codes = torch.tensor([[[Boundary.TASK_TERMINATED, Boundary.TASK_TRUNCATED]]], dtype=torch.int8)
    assert table.of(codes).eq(0).all()


def test_rows_may_differ():
    table = DiscountTable.by_rows(step=[0.9, 0.8], episode=[0.97, 0.0])
    codes = torch.tensor([Boundary.RUNNING, Boundary.EPISODE_TERMINATED, Boundary.EPISODE_TRUNCATED])
    expected = torch.tensor([[0.9, 0.97, 0.97], [0.8, 0.0, 0.0]])
    assert torch.equal(table.of(codes.repeat(2, 1)), expected)
    assert torch.equal(table.highest, torch.tensor([0.97, 0.8]))


def test_learners_and_worlds_agree_on_which_codes_end_a_task():
    assert Boundary.RUNNING == RUNNING
    assert Boundary.TASK_TERMINATED == TASK_ENDED == min(code for code in Boundary if code.name.startswith("TASK"))
    assert Boundary.TASK_TRUNCATED == TASK_TRUNCATED == max(Boundary)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), (0.5, 2.0), ()])
def test_a_discount_outside_zero_to_one_is_refused_by_name(value):
    with pytest.raises(BadValue, match="episode_truncated must be between 0 and 1"):
        DiscountTable(0.9, 0.9, value)


def test_a_table_of_other_rows_is_refused():
    with pytest.raises(BadValue, match="episode_truncated must be one discount or one for each of 2 rows"):
        DiscountTable(0.9, (0.1, 0.2), (0.1, 0.2, 0.3))
    with pytest.raises(BadValue, match="boundary must be codes of 2 rows"):
        DiscountTable(0.9, (0.1, 0.2), 0.1).of(torch.zeros(3, 1, dtype=torch.int8))
