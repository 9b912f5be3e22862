"""`wayfare stream` plays a user's class beside the shipped ones, or says in one line why it does not."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from wayfare.cli import main
from wayfare.cli.stream import named
from wayfare.errors import BadValue

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_memory.py"


def test_a_class_is_played_beside_the_shipped_ones_and_what_came_out_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--memory", f"{EXAMPLE}:MyMemory", "--beside", "none,exprag", "--scale", "smoke", "--out", str(tmp_path)]
    assert main(["stream", *words]) == 0
    said = capsys.readouterr().out
    assert "MyMemory" in said and "minus exprag [95 %]" in said
    [folder] = (tmp_path / "stream").iterdir()
    with (folder / "tables" / "memories.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["memory"] for row in rows] == ["MyMemory", "none", "exprag"]
    assert float(rows[0]["low"]) <= float(rows[0]["minus exprag"]) <= float(rows[0]["high"])
    assert float(rows[1]["context tokens"]) == 0 < float(rows[0]["context tokens"])
    with (folder / "tables" / "streams.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3 * 2
    assert json.loads((folder / "asked.json").read_text())["memories"]["MyMemory"].endswith("my_memory.py:MyMemory")
    assert json.loads((folder / "found.json").read_text())["failures"] == {"MyMemory": [], "none": [], "exprag": []}
    assert {path.name for path in (folder / "figures").iterdir()} == {"curves.png", "curves.svg", "curves.dark.svg"}


def test_a_class_that_fails_on_the_way_is_played_to_the_end_and_its_failures_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = EXAMPLE.read_text().replace(
        "self.kept.append", "assert len(self.kept) < 2, 'full'\n            self.kept.append"
    )
    (tmp_path / "frail.py").write_text(source)
    words = [
        "--memory",
        f"{tmp_path}/frail.py:MyMemory",
        "--beside",
        "none",
        "--scale",
        "smoke",
        "--out",
        str(tmp_path),
    ]
    assert main(["stream", *words]) == 0
    assert "MyMemory failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--memory", "none_here.py:Mine"], "none_here.py"),
        (["--memory", "json:loads"], "loads in json is a function"),
        (["--beside", "exprg"], "beside must be some of none"),
        (["--beside", ""], "memory must be"),
        (["--orders", "worst"], "orders must be some of random"),
        (["--stream", "chess"], "stream must be household, puzzles"),
        (["--stream", "tasks.jsonl"], "tasks must be a readable file"),
        (["--seeds", "0"], "seeds must be at least 1"),
        (["--noise", "2"], "wayfare: noise must be between 0 and 1"),
        (["--scale", "huge"], "scale"),
    ],
)
def test_what_cannot_be_played_is_refused_in_a_line_and_nothing_is_written(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["stream", "--scale", "smoke", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_stream_without_outcomes_is_refused_by_the_name_of_the_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"task": "2 + 2", "answer": "4"}\n{"task": "3 + 3"}\n')
    assert main(["stream", "--stream", str(file)]) == 2
    said = capsys.readouterr().err
    assert "line 2" in said and '"answer"' in said
    file.write_text('{"task": "2 + 2", "answer": "4"}\n')
    assert main(["stream", "--stream", str(file)]) == 2
    assert "endpoint must be given" in capsys.readouterr().err


def test_without_the_lab_the_command_that_installs_it_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wayfare.cli.stream.find_spec", lambda name: None)
    assert main(["stream"]) == 2
    assert "pip install 'wayfare[lab]'" in capsys.readouterr().err


def test_help_lists_the_options_and_imports_no_torch(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["stream", "--help"])
    assert "--beside" in capsys.readouterr().out


def test_classes_of_one_name_are_told_apart() -> None:
    found: Any = named(["a.py:Mine", "b.py:Mine", "c.py:exprag"], "exprag")
    assert list(found) == ["Mine", "b.py:Mine", "c.py:exprag", "exprag"]
    with pytest.raises(BadValue, match="beside"):
        named([], "mine")
