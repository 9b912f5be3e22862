"""The short form of `make torture`: a file of memories under kill -9, crowds, full disks, damage and nonsense.

All parts run in one process beside this one, with one thread, since they fork. Two properties are tried by hypothesis
besides.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import crowd  # noqa: E402
import files  # noqa: E402
import inputs  # noqa: E402
import kills  # noqa: E402
import old_files  # noqa: E402
import tenants  # noqa: E402
import voids  # noqa: E402
from torture import OUT, PARTS  # noqa: E402

from wayfare.memory import Memory  # noqa: E402
from wayfare.memory.store.doctor import doctor  # noqa: E402
from wayfare.memory.store.schema import VERSION  # noqa: E402

pytestmark = pytest.mark.xdist_group("torture")  # one worker, so that the process is started once


@pytest.fixture(scope="module")
def survived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each part that is asked for, by its name."""
    folder = tmp_path_factory.mktemp("torture")
    asked = {getattr(item, "callspec", None) and item.callspec.params.get("part") for item in request.session.items}
    done = subprocess.run(
        [sys.executable, HERE / "torture.py", *[part for part in PARTS if part in asked], "--short", "--out",
         folder / "out.json"],
        capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    assert (folder / "out.json").is_file(), done.stdout + done.stderr
    report: dict[str, Any] = json.loads((folder / "out.json").read_text())
    assert (done.returncode == 0) == report["passed"]
    return report["parts"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("part", PARTS)
def test_a_file_of_memories_survives(part: str, survived: dict[str, Any]) -> None:
    found = survived[part]
    assert found["passed"] and found["failures"] == [], found["failures"]


CALLS = st.lists(
    st.tuples(st.booleans(), st.tuples(st.sampled_from(tenants.KINDS), st.integers(0, 999), st.integers(0, 999))),
    min_size=2, max_size=40,
)  # fmt: skip


@given(CALLS)
@settings(max_examples=12)  # a part above tries as many again
def test_nothing_that_one_namespace_does_shows_in_another(tmp_path_factory: pytest.TempPathFactory, calls) -> None:
    assert tenants.alone_and_beside(calls, tmp_path_factory.mktemp("tenants")) == ""


SAID = st.lists(
    st.tuples(st.booleans(), st.integers(0, voids.TASKS - 1), st.floats(0, 1), st.integers(0, 3), st.booleans()),
    min_size=1, max_size=25,
)  # fmt: skip


@given(SAID)
@settings(max_examples=12)  # a part above tries as many again
def test_what_was_taken_out_again_had_never_been_said(tmp_path_factory: pytest.TempPathFactory, said) -> None:
    assert voids.undone_and_never(said, tmp_path_factory.mktemp("voids")) == ""


def test_a_file_of_version_1_is_brought_forward_and_says_what_it_said(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old_files.version_1(path, 0, records=60)
    assert old_files.version(path) == "1" and doctor(path).worst == "note"
    told = old_files.said(path)
    with Memory(path) as memory:
        assert memory.stats()["floor"]["frozen"]
        assert memory.recall("w1 w2 w3", k=3).logged
    assert old_files.version(path) == str(VERSION) and doctor(path).worst == "clean"
    now = old_files.said(path)
    assert all(now[table][: len(rows)] == rows for table, rows in told.items() if table not in ("utilities",))


# The torture itself must notice what it looks for


def test_a_lost_write_and_a_half_done_one_are_noticed(tmp_path: Path) -> None:
    path, model = tmp_path / "agent.db", kills.Model()
    with Memory(path) as memory:
        for i in range(3):
            text = f"a text {i:020x}"
            kills._apply(model, {"op": "add", "texts": [text]}, [memory.remember(text).id])
        memory.remember("half " + "0" * 20)
    found = {"begun and there": 0, "begun and not there": 0}
    with pytest.raises(AssertionError, match="1 of 2 that belong together"):
        kills._check(path, model, {"op": "add", "texts": ["half " + "0" * 20, "the other half"]}, found)
    with pytest.raises(AssertionError, match="acknowledged None"):
        kills._check(path, model, None, found)
    model.records["lost"] = ("an acknowledged text", 1, "active")
    with pytest.raises(AssertionError, match="lost"):
        kills._check(path, model, {"op": "add", "texts": ["half " + "0" * 20]}, found)


def test_a_utility_that_differs_in_the_last_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    with Memory(path) as memory:
        memory.remember("advice for the printer")
        memory.recall("printer", task="t")
        memory.credit("t", 0.3)
    connection = sqlite3.connect(path)
    assert crowd.textbook(connection) == crowd.utilities(connection) != {}
    connection.execute("UPDATE utilities SET total = total + 1e-16")
    assert crowd.textbook(connection) != crowd.utilities(connection)
    connection.close()


def test_a_wrong_record_and_a_silent_one_are_noticed(tmp_path: Path) -> None:
    base = files.made(tmp_path / "base.db")
    truth, ids, versions = files._truth(base, tmp_path)
    assert not any(isinstance(answer, files._Strange) for answer in truth.values())
    lied = {key: record.with_(content="a lie") for key, record in versions.items()}
    found = files._counts({})
    first = next(name for name in truth if name.startswith("get"))
    files._judge("nothing", base, {**truth, first: ()}, ids, lied, found)
    said = " ".join(found["failures"])
    assert "a wrong record was returned" in said and "silently wrong" in said and "a wrong record was saved" in said


def test_an_input_that_is_taken_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "cases", lambda a, b: [("a good text", lambda m: m.remember("fine"))])
    found = inputs.inputs(tmp_path)
    assert found["failures"] == ["a good text: was taken", "a good text: the store has changed"]


def test_a_namespace_that_sees_another_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def everybody(self: tenants._Player, a: int, b: int) -> int:
        with self.memory._ground.database.read() as tx:
            return int(tx.execute("SELECT COUNT(*) FROM records").fetchone()[0])

    monkeypatch.setattr(tenants._Player, "_stats", everybody)
    calls = [(False, ("many", 29, 1)), (True, ("stats", 1, 1))]
    assert tenants.alone_and_beside(calls, tmp_path) == "('stats', 1, 1): alone 0, beside another 29"


def test_the_recorded_run_passed_whole_and_at_length() -> None:
    report = json.loads(OUT.read_text())
    assert report["passed"] and list(report["parts"]) == list(PARTS)
    parts = report["parts"]
    assert sum(parts[name]["kills"] for name in PARTS if name.startswith("kills")) >= 500
    assert parts["single-byte changes"]["changes"] >= 200 and parts["eight processes"]["processes"] == 8
