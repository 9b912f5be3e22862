"""The tables of the manual's page on language RL name what there is: our fields and parts, and TRL's fields."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import pytest

from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.from_file import ONE, SEVERAL

PAGE = (Path(__file__).parents[1] / "docs" / "language-rl.md").read_text()
OURS = {each.name for each in fields(GRPOConfig)}


def _rows(head: str) -> list[list[str]]:
    """Cells of the table that begins with this line."""
    lines = PAGE[PAGE.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def _declared(package: str, file: str) -> set[str]:
    """Fields of all dataclasses of a file, without importing it: that takes seconds."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / file).read_text())
    return {
        each.target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }


def test_every_field_that_the_table_names_is_one_of_ours_or_of_trls() -> None:
    theirs = {
        *_declared("trl", "trainer/grpo_config.py"),
        *_declared("trl", "trainer/base_config.py"),
        *_declared("transformers", "training_args.py"),
    }
    rows = _rows("| ours | TRL | verl | note |")
    assert len(rows) > 25
    assert {name for row in rows for name in _names(row[0])} <= OURS
    assert {name for row in rows for name in _names(row[1])} <= theirs


def test_every_field_of_trls_that_we_have_stands_in_the_table() -> None:
    told = {name for row in _rows("| ours | TRL | verl | note |") for name in _names(row[0])}
    own = _declared("trl", "trainer/grpo_config.py")
    assert (OURS & own) - told <= {"shuffle_dataset"}


@pytest.mark.parametrize("row", _rows("| argument | method | gives | shipped |"), ids=lambda row: row[0])
def test_every_part_that_the_table_names_is_there(row: list[str]) -> None:
    [argument] = _names(row[0])
    assert argument in (*ONE, *SEVERAL, "reward_funcs")
    for place in re.findall(r"`([\w.]+)`", row[3]):
        module = place if place.startswith("wayfare.") else f"wayfare.learn.grpo.{place}"
        if not hasattr(importlib.import_module("wayfare.learn.grpo"), place):
            where, _, name = module.rpartition(".")
            assert find_spec(module) if name.islower() else hasattr(importlib.import_module(where), name), place
