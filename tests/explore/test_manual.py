"""The manual on bandits: its programs print what the page shows, and its table of rules is true."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wayfare.explore import rules
from wayfare.explore.rules import is_anytime

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "bandits.md"
NOT_RULES = {"ActionRule", "BestScore", "Decision", "Mixture", "Play"}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


def _told() -> dict[str, list[str]]:
    """Rule -> its row of the table: decides by, made for, propensities, source."""
    rows = [re.split(r" \| ", line.strip("| \n")) for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {name.strip("` "): row[1:] for row in rows if len(row) == 5 for name in row[0].split(",")}


def _all_rules() -> dict[str, Any]:
    found = {name: getattr(rules, name) for name in rules.__all__}
    return {
        name: each
        for name, each in found.items()
        if inspect.isclass(each) and hasattr(each, "propensity_method") and name not in NOT_RULES
    }


def _made(name: str) -> Any:
    special: dict[str, Any] = {
        "EpsilonGreedy": lambda rule: rule(0.1), "FiniteHorizonIndex": lambda rule: rule(10),
        "Gittins": lambda rule: rule(0.9), "Softmax": lambda rule: rule(1.0), "SquareCB": lambda rule: rule(10.0),
        "FastCB": lambda rule: rule(10.0),
    }  # fmt: skip
    rule = getattr(rules, name)
    return special.get(name, lambda rule: rule())(rule)


def test_the_page_shows_what_its_programs_print(tmp_path: Path) -> None:
    program = "\nprint('====')\n".join(_blocks("python"))
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = [each.strip() for each in done.stdout.split("====") if each.strip()]
    assert printed == [block.strip() for block in _blocks("text")]


def test_every_rule_is_in_the_table() -> None:
    assert set(_told()) == set(_all_rules())


@pytest.mark.parametrize("name", sorted(_all_rules()))
def test_the_table_says_what_the_rule_says(name: str) -> None:
    rule, (_, made_for, propensities, _) = _made(name), _told()[name]
    assert is_anytime(rule) == ("any" in made_for)
    assert rule.propensity_method == propensities.split(",")[0]
    fields = {each.name for each in dataclasses.fields(rule)} if dataclasses.is_dataclass(rule) else set()
    assert ("`horizon`" in made_for) == ("horizon" in fields)


def test_the_page_is_in_the_manual() -> None:
    assert f": {PAGE.name}\n" in (ROOT / "mkdocs.yml").read_text()
