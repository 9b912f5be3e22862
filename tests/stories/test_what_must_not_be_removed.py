"""Without its utilities, its log, its floor or the walls between tenants a memory would still store, search and answer.
So each is taken out here, in a process of its own, and the test that speaks for it has to fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEARNING = "tests/memory/test_learning.py"
BINDING = "tests/memory/store/postgres/test_binding.py"

CONSTANT_UTILITY = """
from wayfare.memory import policy
real = policy.gaussian_posterior
policy.gaussian_posterior = lambda n, total, squares, *how: real(0 * n, 0 * total, 0 * squares, *how)
"""
NO_LOG = """
from wayfare.memory import recalling
recalling.write_receipt = lambda *receipt: None
"""
NO_FLOOR = """
from wayfare.explore.rules.floor import Floor
Floor.shares = lambda floor: {"baseline": 0.0, "incumbent": 1.0}
"""
SET_INSTEAD_OF_SET_LOCAL = """
from wayfare.memory.store.postgres.database import PostgresDatabase
real = PostgresDatabase._opening
PostgresDatabase._opening = lambda *given: real(*given).replace(", true)", ", false)")
"""
NAMED = {
    "utility is a constant": (CONSTANT_UTILITY, f"{LEARNING}::test_it_learns_which_memory_helps[file]"),
    "the log is a no-op": (NO_LOG, f"{LEARNING}::test_another_policy_is_judged_from_the_log[file]"),
    "the floor is rho = 0": (NO_FLOOR, f"{LEARNING}::test_the_baseline_keeps_what_the_floor_promises[file]"),
    "SET LOCAL is SET": (
        SET_INSTEAD_OF_SET_LOCAL, f"{BINDING}::test_a_pooled_connection_carries_no_namespace_over",
    ),
}  # fmt: skip


def outcome(broken: str, names: list[str]) -> tuple[int, str]:
    """Exit status and output of these tests after some code has run: 0 all passed, 1 some failed."""
    run = f"import sys, pytest\n{broken}\nsys.exit(pytest.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", run, "-q", "-p", "xdist", "-n", "0", "-p", "no:cacheprovider", *names],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("what", NAMED)
def test_its_loss_is_noticed_when(what: str) -> None:
    broken, name = NAMED[what]
    status, said = outcome(broken, [name])
    assert status == 1 and "1 failed" in said and f"FAILED {name}" in said, said


def test_the_same_tests_pass_on_the_code_as_it_is() -> None:
    status, said = outcome("", [name for _, name in NAMED.values()])
    assert status == 0 and "4 passed" in said, said
