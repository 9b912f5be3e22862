"""The tests of the memory are one suite for both stores: as many on PostgreSQL as on a file, and none left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SUITE = {
    "test_dates", "test_echo", "test_engine", "test_evaluate", "test_importing", "test_learning", "test_memory",
    "test_memrl_rule", "test_planners", "test_purge", "test_sessions", "test_signals", "index/test_cache",
    "index/test_entries", "index/test_filters", "index/test_fusion", "index/test_queries", "index/test_words",
    "embedding/test_endpoint", "embedding/test_reembedding", "embedding/test_sentence_transformers",
    "copies/test_bundles", "copies/test_points", "copies/test_subjects", "test_redaction",
}  # fmt: skip
"""Modules that ask for a store, and none of which may cease to. What is about files alone stands in `store`."""
COLLECT = """
import json, sys, pytest

class Seen:
    def pytest_collection_finish(self, session):
        self.found = [
            (str(item.path), item.nodeid, item.callspec.params["store"], [mark.name for mark in item.iter_markers()])
            for item in session.items if "store" in getattr(getattr(item, "callspec", None), "params", ())
        ]

seen = Seen()
plain = ["-p", "xdist", "-n", "0", "-p", "no:cacheprovider", "--assert=plain"]
code = pytest.main(["--collect-only", "-qq", *plain, sys.argv[1]], plugins=[seen])
with open(sys.argv[2], "w") as file:
    json.dump({"code": int(code), "found": seen.found}, file)
"""


def test_every_test_of_a_store_runs_on_both_and_none_is_skipped(tmp_path: Path) -> None:
    out = tmp_path / "collected.json"
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, str(HERE), str(out)], capture_output=True, text=True,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # none of the plugins adds or takes a test
    )  # fmt: skip
    assert out.exists(), done.stderr
    told = json.loads(out.read_text())
    assert told["code"] == 0, done.stdout
    names: dict[str, list[str]] = {"file": [], "postgresql": []}
    for _, name, store, _ in told["found"]:
        test, _, parameters = name.partition("[")
        rest = parameters.rstrip("]").split("-")
        rest.remove(store)
        names[store].append(f"{test}[{'-'.join(rest)}]")
    assert sorted(names["file"]) == sorted(names["postgresql"])
    assert len(names["file"]) > 280
    modules = {Path(path).relative_to(HERE).with_suffix("").as_posix() for path, *_ in told["found"]}
    assert modules >= SUITE
    left_out = {"skip", "skipif", "xfail"}
    assert [name for _, name, _, marks in told["found"] if left_out & set(marks)] == []
