"""The manual on evaluating a log: its program is as short as it says, prints what the page shows, and is right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "evaluate-your-log.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block prints, run in order as one program."""
    program = "\nprint('====')\n".join(_blocks("python"))
    folder = tmp_path_factory.mktemp("page")
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [each.strip() for each in done.stdout.split("====") if each.strip()]


def test_the_page_shows_what_its_program_prints(printed: list[str]) -> None:
    assert printed == [block.strip() for block in _blocks("text")]


def test_from_a_csv_to_an_interval_takes_under_15_lines() -> None:
    program = next(block for block in _blocks("python") if "print(evaluate(" in block)
    assert "from_csv" in program and sum(bool(line.strip()) for line in program.splitlines()) < 15


def test_every_interval_of_the_fixed_policy_holds_what_it_truly_earns(printed: list[str]) -> None:
    """The page's own law: 0.1 + 0.02 visits, and what mail and call add at each age."""
    each = [0.9 * (0.3 - age / 400 if age < 50 else age / 400 - 0.05) for age in range(18, 81)]
    truth = 0.1 + 0.02 * 4.5 + sum(each) / len(each)
    for told in printed[:3]:
        low, high = map(float, re.search(r"interval ([\d.]+) to ([\d.]+)", told).groups())
        assert low <= truth <= high


def test_the_page_is_in_the_manual() -> None:
    assert f": {PAGE.name}\n" in (ROOT / "mkdocs.yml").read_text()
