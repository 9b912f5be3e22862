"""`wayfare memory upkeep | audit | quota | unmerge` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wayfare.cli import main
from wayfare.memory import Memory
from wayfare.memory.operations import Add
from wayfare.memory.records import Provenance


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("WAYFARE_MEMORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    capsys.readouterr()
    assert main(["memory", *words]) == status
    found = capsys.readouterr()
    return found.err if status == 2 else found.out


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capsys, *words, "--json"))


@pytest.fixture
def ids() -> list[str]:
    with Memory("agent.db") as memory:
        made = [result.id for result in memory.remember_many(["ask ann before you sign", "ask ann before you sign!"])]
        source = memory.remember("an episode", kind="episode").id
        lesson = memory.apply([Add("a lesson", kind="lesson", provenance=(Provenance(parents=(source,)),))])[0].id
        memory.revise(source, "another episode")
    return [*made, source, lesson]


def test_every_job_is_said_first_and_done_with_apply(capsys, ids: list[str]) -> None:
    for words, does in (
        (("duplicates", "--threshold", "0.9", "--keep", "newest"), "merge"),
        (("stale", "--revised", "delete"), "delete"),
        (("expire", "--ttl", "episode=0.001s", "--then", "delete"), "delete"),
        (("evict", "--limit", "0", "--half-lives", "fact=1d", "--pinned", "rule"), "archive"),
    ):
        first = said(capsys, "upkeep", *words)
        assert "1 to do; nothing is changed yet" in first and f"  {does} " in first and "--apply" in first
        planned = told(capsys, "upkeep", *words)
        assert planned["dry_run"] and not planned["steps"][0]["done"]
        done = told(capsys, "upkeep", *words, "--apply", "--actor", "night shift")
        assert [step["ids"] for step in done["steps"]] == [step["ids"] for step in planned["steps"]]
        assert done["steps"][0]["done"] and not done["dry_run"]
        assert "nothing to do" in said(capsys, "upkeep", *words, "--apply")
        assert "by night shift" in said(capsys, "history", done["steps"][0]["ids"][0])


def test_a_merge_is_taken_back(capsys, ids: list[str]) -> None:
    (step,) = told(capsys, "upkeep", "duplicates", "--apply")["steps"]
    assert len(told(capsys, "unmerge", step["into"], "--reason", "two people")) == 2
    assert len([r for r in told(capsys, "show")["records"] if r["kind"] == "fact"]) == 2
    assert "nothing to do" in said(capsys, "upkeep", "duplicates", "--apply")


def test_the_audit_is_a_table_or_all_ids(capsys, ids: list[str]) -> None:
    table = said(capsys, "audit")
    assert "4 memories" in table and "never recalled" in table and "100%" in table and ids[0] in table
    found = told(capsys, "audit")
    assert found["counts"] == {
        "active": 4, "duplicates": 0, "near": 1, "echoes": 0, "never": 4, "orphans": 0, "provenance": 0, "stale": 1
    }  # fmt: skip
    assert found["stale"][0][0] == ids[3] and sorted(found["near"][0]) == sorted(ids[:2])
    with Memory("agent.db") as memory:
        memory.remember_many([f"some thing or other, the {i}th" for i in range(5)])
    assert "6 more (--json)" in said(capsys, "audit")


def test_a_quota_is_set_shown_and_taken_away(capsys, ids: list[str]) -> None:
    assert "no limit" in said(capsys, "quota")
    assert told(capsys, "quota", "--records", "4", "--writes-a-day", "100")["records"] == {"used": 4, "allowed": 4}
    assert "records does not allow it: 4 of 4 are used" in said(capsys, "remember", "one more", status=2)
    assert "4 of 4" in said(capsys, "quota") and "of 100" in said(capsys, "quota")
    assert told(capsys, "quota", "--records", "none")["records"]["allowed"] is None
    said(capsys, "remember", "one more")


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("upkeep",), "job"), (("upkeep", "evikt"), "did you mean evict"), (("upkeep", "evict"), "limit"),
        (("upkeep", "expire"), "expire"), (("upkeep", "stale", "--limit", "3"), "limit must be left out"),
        (("upkeep", "expire", "--ttl", "30d"), "ttl"), (("upkeep", "expire", "--ttl", "a=soon"), "ttl"),
        (("upkeep", "stale", "--revised", "rederive"), "rederive"), (("upkeep", "duplicates", "--steps", "0"), "limit"),
        (("quota", "--records", "many"), "records"), (("audit", "--threshold", "7"), "threshold"),
        (("unmerge",), "id"), (("audit", "--db", "nowhere.db"), "db"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(capsys, ids: list[str], words: tuple[str, ...], field: str) -> None:
    line = said(capsys, *words, status=2)
    assert field in line and line.count("\n") == 1
