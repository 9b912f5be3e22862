"""`wayfare memory check` as a user types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from wayfare.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "memory-cards.md").read_text()
    [code] = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "class Notes" in block]
    wrong = "\n\nclass Wrong(Notes):\n    card = replace(Notes.card, deletable='no')\n"
    Path("notes_of_mine.py").write_text("from dataclasses import replace\n" + code + wrong)
    return "notes_of_mine.py"


def test_the_exit_status_says_whether_the_card_does(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "check", f"{file}:Notes"]) == 0
    said = capsys.readouterr().out
    assert "Notes: the card agrees" in said
    assert "opened by another process 20" in said
    assert main(["memory", "check", f"{file}:Wrong", "--probes", "P2", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(row["probe"], row["agrees"]) for row in told["rows"]] == [("P2", False)]
    assert list(Path().iterdir()) == [Path(file)] or {path.name for path in Path().iterdir()} <= {file, "__pycache__"}


def test_a_shipped_memory_by_its_name_and_what_is_none(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "check", "Transitions"]) == 0
    assert "Transitions" in capsys.readouterr().out
    for words, says in (
        (["nothing"], "one of Memory"), ([f"{file}:Absent"], "Notes"), (["absent.py:A"], "is none"),
        (["none"], "card of Nothing"), (["ParameterMemory"], "waits"), ([f"{file}:Notes", "--probes", "P0"], "P10"),
    ):  # fmt: skip
        assert main(["memory", "check", *words]) == 2
        assert says in capsys.readouterr().err
