"""The manual on the memory: its programs run, its commands work after them, and its tables of verbs are true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wayfare.cli import main
from wayfare.errors import BadValue, OutcomeConflict
from wayfare.memory import Memory, Policy
from wayfare.memory.embedding import Vectors

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    "memory.md",
    "memory-async.md",
    "memory-copies.md",
    "memory-rewards.md",
    "memory-evaluate.md",
    "memory-upkeep.md",
    "memory-dropins.md",
]


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def _run(page: str, folder: Path) -> str:
    program = "\n".join(_blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_from_top_to_bottom_and_its_commands_after_it(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WAYFARE_MEMORY", raising=False)
    for line in "".join(_blocks(page, "console")).splitlines():
        program, *words = shlex.split(line.removeprefix("$ "), comments=True)
        if program == "python":
            assert (ROOT / words[0]).is_file()
        else:
            assert program == "wayfare" and main(words) == 0, capsys.readouterr().err


def test_the_answer_that_the_page_shows_is_what_is_printed_and_holds_the_truth(tmp_path: Path) -> None:
    """Similarity shows the two notes that sound best: they help in 0.3 of the cases."""
    shown = _blocks("memory-evaluate.md", "text")[0].splitlines()
    printed = _run("memory-evaluate.md", tmp_path).splitlines()[:2]
    for page, real in zip(shown, printed, strict=True):
        assert _shape(page) == _shape(real)
    low, high = map(float, re.search(r"interval ([\d.]+) to ([\d.]+)", printed[0]).groups())  # type: ignore[union-attr]
    assert low <= 0.3 <= high


def _shape(line: str) -> str:
    """Without numbers, the policy's id and the verdict: they move with every default."""
    return re.sub(r"-[0-9a-f]{10}|[-+]?[\d.]+|(?<=\]: ).*", "#", line)


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_in_the_manual(page: str) -> None:
    assert f": {page}\n" in (ROOT / "mkdocs.yml").read_text()


def test_what_the_first_page_says_can_be_done_can_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    now = [1_000.0]
    with Memory("agent.db", clock=lambda: now[0]) as memory:
        id = memory.remember("The token lives an hour", kind="strategy", tags=["billing"]).id
        now[0] = 2_000.0
        memory.revise(id, "The token lives a day", expect=1, reason="new setting")
        assert [step.reason for step in memory.history(id)] == ["", "new setting"]
        assert memory.recall("token", as_of=1_500.0).items[0].record.content == "The token lives an hour"
        assert memory.recall("token", kinds=["strategy"], tags=["billing"], since=500.0, until=3_000.0).ids == (id,)
        assert not memory.recall("token", kinds=["fact"])
        memory.freeze()
        with memory.task("cold") as task:
            memory.recall("token")
            task.credit(1.0)
        assert memory.get(id).utility.n == 0
        memory.thaw()
        assert memory.get(id).utility.n == 1
        first = memory.stats()["floor"]["policies"]["incumbent"]
        assert memory.refit().id == memory.stats()["floor"]["policies"]["challenger"]
        assert memory.rollback(first).id == first and len(memory.policies()) == 3
        with Memory("agent.db", namespace="team/ann", also_read=["default"]) as ann:
            assert ann.recall("token").ids == (id,)
        for policy in ("thompson", "similarity", "memrl", first):
            with Memory("agent.db", policy=policy) as pinned:
                assert pinned.recall("token").side == "fixed"
        with memory.task("restated") as task:
            recall = memory.recall("token")
            assert memory.remember("The token lives a day", kind="fact", source=recall).op == "NOOP"
        memory.forget(id)
        assert not memory.recall("token")
        memory.forget(id, purge=True)
        assert all(b"token lives" not in path.read_bytes() for path in tmp_path.iterdir())


def test_what_the_first_page_says_of_credit_is_so(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        id = memory.remember("Flush the session cache").id
        memory.recall("session cache", task="t")
        memory.credit("t", 1.0)
        assert memory.credit("t", 1.0).repeated
        with pytest.raises(OutcomeConflict):
            memory.credit("t", 0.0)
        memory.credit("t", 0.0, correct=True)
        assert memory.void(source="harness").outcomes == 2 and memory.get(id).utility.n == 0
        shares = memory.stats()["floor"]["shares"]
        assert shares["baseline"] == pytest.approx(0.8)  # four tasks in five


def test_what_the_page_on_rewards_says_is_refused_is_refused(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db", reward_range=(-1, 1)) as memory:
        memory.remember("Flush the session cache")
        memory.recall("session cache", task="t")
        for wrong in (float("nan"), float("inf"), 1.5, "1"):
            with pytest.raises(BadValue, match="reward"):
                memory.credit("t", wrong)  # type: ignore[arg-type]
        memory.credit("t", -0.5, used=[])
        assert memory.list().records[0].utility.n == 0
    with pytest.raises(BadValue, match="reward_range"):
        Memory(tmp_path / "a.db", reward_range=(0, 1))


def test_the_refusals_of_the_page_on_evaluation_are_those_that_one_gets(tmp_path: Path) -> None:
    page = (DOCS / "memory-evaluate.md").read_text()
    with Memory(tmp_path / "a.db", policy="similarity") as memory:
        memory.remember_many(["session cache one", "session cache two", "session cache three"])
        memory.recall("session cache", k=1, task="t")
        for said in ("outcomes must be 2 at least", "the log must be of a policy that explores"):
            refused = said if said.startswith("outcomes") else "the log must be .*of a policy that explores"
            with pytest.raises(BadValue, match=refused):
                memory.evaluate("memrl" if said.startswith("outcomes") else Policy("boltzmann", explore=0.5))
            assert said in page
            for i in range(5):
                memory.recall("session cache", k=1, task=f"t{i}")
                memory.credit(f"t{i}", 1.0)


def test_an_embedder_of_ones_own_needs_what_the_page_says(tmp_path: Path) -> None:
    class Mine:
        model, dimension = "mine", 8

        def embed(self, texts: list[str]) -> Vectors:
            return np.stack([self.embed_query(text) for text in texts])

        def embed_query(self, text: str) -> Vectors:
            vector = np.bincount([ord(letter) % 8 for letter in text] or [0], minlength=8).astype(np.float32)
            return np.asarray(vector / np.linalg.norm(vector), np.float32)

    with Memory(tmp_path / "a.db", embedder=Mine()) as memory:
        memory.remember("abc")
        assert memory.recall("cba").items[0].by["vectors"] > 0.99
    assert os.listdir(tmp_path)
