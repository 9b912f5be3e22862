"""`wayfare memory` as a user types it: the verbs of Python, on a file, in text or JSON."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from wayfare.cli import main
from wayfare.cli.memory import VERBS
from wayfare.memory import Memory


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory, and no memory named by the environment."""
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


def test_the_loop_of_an_agent_that_only_has_a_shell(capsys, here) -> None:
    (done,) = told(capsys, "remember", "Password resets need the cache flushed first", "--kind", "strategy")
    assert done["op"] == "ADD" and (here / "agent.db").is_file()
    again = said(capsys, "remember", "Password resets need the cache flushed first", "--kind", "strategy")
    assert again.startswith("NOOP") and done["id"] in again
    found = told(capsys, "recall", "password reset fails", "--task", "ticket-1", "--k", "3")
    assert [item["id"] for item in found["items"]] == [done["id"]] and found["logged"]
    assert "cache flushed" in said(capsys, "recall", "password reset fails")
    assert "counted" in said(capsys, "credit", "ticket-1", "1.0", "--used", done["id"])
    assert "said before" in said(capsys, "credit", "ticket-1", "1.0", "--used", done["id"])
    assert "say --correct" in said(capsys, "credit", "ticket-1", "0", status=2)
    assert "counted" in said(capsys, "credit", "ticket-1", "0", "--correct")
    assert told(capsys, "show", done["id"])["mean_reward"] == 0.0
    with Memory(here / "agent.db") as memory:
        assert memory.get(done["id"]).utility.mean == 0.0
    assert told(capsys, "void", "--source", "harness")["outcomes"] == 2
    assert told(capsys, "show", done["id"])["mean_reward"] is None


def test_a_memory_is_revised_followed_and_forgotten(capsys, here) -> None:
    id = told(capsys, "remember", "The token lives an hour")[0]["id"]
    assert (
        told(capsys, "revise", id, "The token lives a day", "--expect", "1", "--reason", "new setting")["version"] == 2
    )
    assert "version" in said(capsys, "revise", id, "A week", "--expect", "1", status=2)
    steps = said(capsys, "history", id).splitlines()
    assert len(steps) == 2 and "lives an hour" in steps[0] and "new setting" in steps[1]
    assert "lives a day" in said(capsys, "show") and "version 2" in said(capsys, "show", id)
    said(capsys, "forget", id)
    assert told(capsys, "recall", "how long does the token live")["items"] == []
    said(capsys, "forget", id, "--purge")
    assert all(b"token lives" not in path.read_bytes() for path in here.iterdir())


def test_lines_of_standard_input_are_memories_and_the_list_has_pages(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("one thing\n\nanother thing\na third\n"))
    assert len(told(capsys, "remember", "-", "--tags", "a", "b")) == 3
    first = told(capsys, "show", "--limit", "2")
    rest = told(capsys, "show", "--limit", "2", "--after", first["next"])
    assert [len(page["records"]) for page in (first, rest)] == [2, 1] and rest["next"] is None
    assert first["records"][0]["tags"] == ["a", "b"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert "text" in said(capsys, "remember", "-", status=2)


def test_namespaces_are_apart_and_the_environment_names_the_file(capsys, monkeypatch, here) -> None:
    monkeypatch.setenv("WAYFARE_MEMORY", "desk.db")
    said(capsys, "remember", "only ann knows", "--namespace", "team/ann")
    assert (here / "desk.db").is_file()
    assert told(capsys, "show", "--namespace", "team/ann")["records"] != []
    assert told(capsys, "show")["records"] == []


def test_the_past_is_imported_and_another_policy_judged(capsys, here) -> None:
    (here / "past.csv").write_text("query,text,reward\nlogin fails,Flush the cache,1\nlogin fails,Call a friend,0\n")
    said(capsys, "import", "past.csv")
    stats = told(capsys, "stats")
    assert stats["memories"]["active"] == 2
    assert "line 2" in said(capsys, "import", _written(here, "query,text,reward\na,b,7\n"), status=2)
    assert told(capsys, "stats")["memories"]["active"] == 2


def _written(here: Path, text: str) -> str:
    (here / "bad.csv").write_text(text)
    return "bad.csv"


def test_the_demo_learns_and_similarity_shows_the_loss(capsys, here) -> None:
    learned = said(capsys, "demo", "--tasks", "300", "--db", "a.db", "--svg", "a.svg")
    lost = said(capsys, "demo", "--tasks", "300", "--policy", "similarity")
    assert _earned(learned) > 0.5 and _earned(lost) < 0.3
    assert (here / "a.svg").read_text().startswith("<svg") and "●" in learned
    judged = told(capsys, "evaluate", "similarity", "--db", "a.db")
    assert judged["low"] <= 0.15 <= judged["high"]
    assert "would have earned" in said(capsys, "evaluate", "memrl", "--explore", "0.5", "--db", "a.db")
    assert "certified" in said(capsys, "stats", "--db", "a.db")
    assert "a.db" in said(capsys, "demo", "--db", "a.db", status=2)


def _earned(output: str) -> float:
    return float(output.split("In the last fifth of the tasks ")[1].split()[0])


def test_doctor_finds_what_is_wrong_and_saves_the_rest(capsys, here) -> None:
    said(capsys, "remember", "a memory that stays", "--tags", "x")
    assert said(capsys, "doctor") and said(capsys, "migrate").strip().endswith("version 5")
    kept = told(capsys, "doctor")
    assert kept["worst"] == "clean" and kept["rows"]["records"] == 1
    said(capsys, "remember", "a memory that a disk has changed")
    connection = sqlite3.connect("agent.db")
    connection.execute("UPDATE records SET content = 'a lie' WHERE record = 2")
    connection.commit()
    connection.close()
    assert "record" in said(capsys, "doctor", status=1) and "doctor" in said(capsys, "show", status=2)
    assert "1 memories" in said(capsys, "doctor", "--salvage", "saved.db")
    assert [each["content"] for each in told(capsys, "show", "--db", "saved.db")["records"]] == ["a memory that stays"]
    assert "new file" in said(capsys, "doctor", "--salvage", "saved.db", status=2)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["dance"], "verb"),
        (["recall", "x"], "db"),
        (["credit", "t", "1"], "db"),
        (["doctor"], "db"),
        (["demo", "--tasks", "3"], "tasks"),
        (["demo", "--policy", "best"], "policy"),
        (["demo", "--tasks", "20", "--svg", "nowhere/a.svg"], "svg"),
        (["demo", "--tasks", "20", "--db", "nowhere/a.db"], "db"),
        (["remember", "x" * 1_000_001], "text"),
        (["remember", "x", "--kind", "k" * 5_000], "kind"),
        (["remember", "x", "--embedder", "e" * 5_000], "embedder"),
        (["remember", ""], "text"),
        (["remember", "x", "--kind", ""], "kind"),
        (["import", "nowhere.csv"], "nowhere.csv"),
        (["recall", "x", "--k", "many"], "k"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_one_line_and_leaves_no_file(capsys, here, words, named) -> None:
    line = said(capsys, *words, status=2)
    assert named in line and line.count("\n") == 1 and len(line) < 2_100
    assert list(here.iterdir()) == []


def test_wrong_arguments_on_a_memory_change_nothing(capsys, here) -> None:
    said(capsys, "remember", "one thing")
    for words, named in (
        (["recall", ""], "query"), (["recall", "x", "--k", "0"], "k"), (["recall", "x", "--policy", "best"], "policy"),
        (["credit", "t", "1"], "task"), (["credit", "", "1"], "task"), (["show", "nobody"], "nobody"),
        (["revise", "nobody", "x"], "nobody"), (["forget", "nobody"], "nobody"), (["void"], "void"),
        (["evaluate", "best"], "policy"), (["evaluate"], ""), (["show", "--limit", "0"], "limit"),
        (["credit", "t", "nan"], "reward"), (["recall", "x", "--budget-tokens", "0"], "budget_tokens"),
        (["void", "--since", "nan"], "since"), (["evaluate", "memrl", "--explore", "nan"], "explore"),
    ):  # fmt: skip
        line = said(capsys, *words, status=2)
        assert named in line and line.count("\n") == 1, words
    stats = told(capsys, "stats")
    assert stats["memories"] == {"active": 1} and stats["recalls"] == 0


def test_every_verb_explains_itself(capsys) -> None:
    listed = said(capsys)
    for verb in VERBS:
        assert f"  {verb} " in listed
        with pytest.raises(SystemExit) as stopped:
            main(["memory", verb, "--help"])
        assert stopped.value.code == 0
        assert ("--json" in capsys.readouterr().out) == (verb not in ("demo", "serve"))


def test_a_memory_moves_to_another_embedder(capsys, here) -> None:
    said(capsys, "remember", "Password resets need the cache flushed first")
    told(capsys, "recall", "password reset")
    done = told(capsys, "migrate", "--embedder", "lexical:64")
    assert done["model"] == "lexical:64" and done["embedded"] == 1 and done["policy"].startswith("thompson-")
    assert told(capsys, "stats")["embedder"] == "lexical:64"
    assert told(capsys, "recall", "password reset")["items"]
    assert "0 texts embedded; lexical:64 serves default" in said(capsys, "migrate", "--embedder", "lexical:64")
    for words, named in ((["--embedder", "word2vec"], "embedder"), (["--embedder", "none", "--batch", "0"], "batch")):
        assert named in said(capsys, "migrate", *words, status=2)
    assert "words alone serves default" in said(capsys, "migrate", "--embedder", "none")
