"""Rows that can be asked: what comes in, what is refused and where it says so, and their order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pytest
import torch

from wayfare.errors import BadValue
from wayfare.language.interface import Prompt
from wayfare.learn.grpo.dataset import PromptOrder, PromptSet, check_lengths

ROWS = [{"prompt": "2+2=", "answer": "4"}, {"prompt": "3+4=", "answer": "7"}]
CHAT = [[{"role": "user", "content": "2+2?"}], [{"role": "user", "content": "3+4?"}]]


class Stated:
    """A transform that asks in words."""

    def encode(self, row: Mapping[str, Any]) -> Prompt:
        return f"Say {row['answer']}."

    def parse(self, text: str) -> str:
        return text


def test_a_list_a_table_and_every_kind_of_file_hold_the_same_rows(tmp_path: Path) -> None:
    table = datasets.Dataset.from_list(ROWS)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    table.to_parquet(tmp_path / "rows.parquet")
    table.save_to_disk(tmp_path / "folder")
    files = [tmp_path / name for name in ("rows.jsonl", "rows.json", "rows.parquet", "folder")]
    for data in (ROWS, tuple(ROWS), table, *files, str(files[0])):
        told = PromptSet(data)
        assert len(told) == 2 and told.columns == ("answer",) and not told.conversational
        assert [told.row(key) for key in range(2)] == ROWS and told.prompt(1) == "3+4="


def test_conversations_come_without_the_empty_fields_that_tables_add() -> None:
    mixed = [{"prompt": [{"role": "system", "content": "s", "name": None}, *CHAT[0]]}, {"prompt": CHAT[1]}]
    told = PromptSet(datasets.Dataset.from_list(mixed))
    assert told.conversational and told.prompt(1) == CHAT[1]
    assert told.prompt(0) == [{"role": "system", "content": "s"}, *CHAT[0]]


def test_a_transform_makes_the_prompt_and_needs_no_column_of_that_name() -> None:
    told = PromptSet([{"answer": "4"}], transform=Stated())
    assert told.prompt(0) == "Say 4." and told.row(0) == {"answer": "4"}


def test_a_row_without_a_column_has_none_there_and_rows_handed_out_are_copies() -> None:
    told = PromptSet([{"prompt": "a"}, {"prompt": "b", "hint": "h"}])
    assert told.columns == ("hint",) and told.row(0) == {"prompt": "a", "hint": None}
    told.row(1)["hint"] = "changed"
    assert told.row(1)["hint"] == "h"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "at least one row"),
        (datasets.Dataset.from_list([]), "at least one row"),
        ([{"question": "a"}], "data row 0, column 'prompt'"),
        (datasets.Dataset.from_list([{"question": "a"}]), "data row 0, column 'prompt'"),
        ([*ROWS, {"answer": "4"}], "data row 2, column 'prompt'"),
        ([*ROWS, {"prompt": ""}], "data row 2, column 'prompt'.*at least one character"),
        ([*ROWS, {"prompt": 5}], "data row 2, column 'prompt'"),
        ([*ROWS, {"prompt": CHAT[0]}], "data row 2.*the kind of row 0"),
        ([{"prompt": [{"role": "user", "content": [{"type": "image"}]}]}], "content, a text"),
        ([{"prompt": "a", "images": []}], "train image models in TRL"),
        ([{"prompt": "a", "image": None}], "train image models in TRL"),
        ([{"prompt": "a", "completions": "b"}], "another name"),
        (["a"], "data row 0 must be a mapping"),
        ({"train": ROWS}, "one split"),
        (datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)}), "one split"),
        ("no/such.jsonl", "exists"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_row_and_column(data: Any, said: str) -> None:
    with pytest.raises(BadValue, match=said):
        PromptSet(data)


def test_a_broken_line_of_a_file_and_a_key_out_of_range_are_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a"}\n{"prompt": \n')
    with pytest.raises(BadValue, match=r"rows\.jsonl line 2 must be JSON"):
        PromptSet(tmp_path / "rows.jsonl")
    for key in (-1, 2):
        with pytest.raises(BadValue, match="between 0 and 1"):
            PromptSet(ROWS).row(key)


def test_every_epoch_asks_each_row_once_in_an_order_of_its_own() -> None:
    order = PromptOrder(7, seed=3)
    epochs = order.keys(0, 21).view(3, 7)
    assert epochs.sort(dim=1).values.tolist() == [list(range(7))] * 3
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 3
    assert not torch.equal(PromptOrder(7, seed=4).keys(0, 7), epochs[0])
    assert PromptOrder(3, seed=0, shuffle=False).keys(1, 4).tolist() == [1, 2, 0, 1]


def test_the_order_depends_on_positions_alone_so_that_a_run_resumes_by_its_step() -> None:
    whole = PromptOrder(5, seed=0).keys(0, 24)
    order = PromptOrder(5, seed=0)
    assert torch.equal(torch.cat([order.keys(first, 3) for first in range(0, 24, 3)]), whole)
    assert torch.equal(PromptOrder(5, seed=0).keys(9, 12), whole[9:21])
    assert order.keys(4, 0).shape == (0,)
    for count, first in ((0, 0), (5, -1)):
        with pytest.raises(BadValue):
            PromptOrder(count, seed=0).keys(first, 1)


def test_a_prompt_that_leaves_no_room_for_an_answer_is_named_before_training() -> None:
    model: Any = SimpleNamespace(encode=lambda prompt: list(map(ord, prompt)), context=8)
    data = PromptSet([{"prompt": "abc"}, {"prompt": "abcde"}])
    assert check_lengths(model, data, new=3).tolist() == [3, 5]
    with pytest.raises(BadValue, match="data row 1 must be at most 8 together"):
        check_lengths(model, data, new=4)
    model.context = None
    assert check_lengths(model, data, new=4000).tolist() == [3, 5]
    model.encode = lambda prompt: []
    with pytest.raises(BadValue, match="data row 0"):
        check_lengths(model, data, new=1)
