"""The wheel as an engineer gets it: alone in an empty environment, no extras; and what pyproject.toml promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("packaging")  # one worker, so that the environment is made once

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
IN_THE_WHEEL = ["src", "results", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"]

# Everything that has to work without an extra.
BASE_MODULES = [
    "wayfare",
    "wayfare.agents",
    "wayfare.cli",
    "wayfare.cli.memory",
    "wayfare.cli.memory_demo",
    "wayfare.cli.memory_serve",
    "wayfare.draws",
    "wayfare.dropins",
    "wayfare.dropins.mem0",
    "wayfare.errors",
    "wayfare.explore",
    "wayfare.explore.evaluation",
    "wayfare.explore.rules",
    "wayfare.language",
    "wayfare.learn",
    "wayfare.memory",
    "wayfare.memory.evaluate",
    "wayfare.memory.importing",
    "wayfare.memory.store.postgres.database",
    "wayfare.memory.store.postgres.indexing",
    "wayfare.networks",
    "wayfare.report",
    "wayfare.report.statistics",
    "wayfare.serve",
    "wayfare.serve.tokens",
    "wayfare.stopping",
    "wayfare.studies",
    "wayfare.studies.catalogue",
    "wayfare.studies.contract",
    "wayfare.studies.exploit",
    "wayfare.worlds.boundary",
]
HEAVY = {
    "torch", "gymnasium", "scipy", "sklearn", "matplotlib", "pandas", "transformers", "ray", "psycopg", "fastapi",
    "mcp", "langgraph",
}  # fmt: skip


def _run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed; the checkout is out of its reach."""
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that no stale build folder of the checkout enters it."""
    place = tmp_path_factory.mktemp("wheel")
    for name in IN_THE_WHEEL:
        here, there = ROOT / name, place / "tree" / name
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
        elif here.exists():
            there.parent.mkdir(exist_ok=True)
            shutil.copy(here, there)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", place, place / "tree", cwd=place)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and what it requires, nothing else."""
    place = tmp_path_factory.mktemp("base")
    _run(sys.executable, "-m", "venv", "--without-pip", place / "env", cwd=place)
    python = place / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python]
    _run(*pip, "install", "--constraint", ROOT / "requirements.lock", wheel, cwd=place)
    return python


def test_every_base_module_imports_without_an_extra_and_loads_nothing_heavy(base: Path) -> None:
    program = f"""
import importlib, importlib.util, json, sys
present = [m for m in {sorted(HEAVY)!r} if importlib.util.find_spec(m)]
for name in {BASE_MODULES!r}:
    importlib.import_module(name)
print(json.dumps([present, sorted({{m.partition(".")[0] for m in sys.modules}})]))
"""
    present, loaded = json.loads(_run(base, "-I", "-c", program, cwd=base.parent))
    assert present == [], "the base install brings a heavy dependency"
    assert not HEAVY & set(loaded)


def test_no_package_face_loads_torch_where_it_is_installed() -> None:
    """The faces are lazy by design, not because torch happens to be missing."""
    program = f"""
import importlib, json, sys
for name in {BASE_MODULES!r}:
    importlib.import_module(name)
print(json.dumps(sorted({{m.partition(".")[0] for m in sys.modules}})))
"""
    loaded = json.loads(_run(sys.executable, "-c", program, cwd=ROOT))
    assert not (HEAVY - {"gymnasium"}) & set(loaded)


def test_import_wayfare_loads_at_most_numpy(base: Path) -> None:
    program = """
import json, sys
before = set(sys.modules)
import wayfare
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    loaded = {name.partition(".")[0] for name in json.loads(_run(base, "-I", "-c", program, cwd=base.parent))}
    assert loaded - set(sys.stdlib_module_names) <= {"wayfare", "numpy"}


def test_the_base_install_lists_the_studies_with_their_recorded_verdicts(base: Path) -> None:
    studies = json.loads(_run(base.parent / "wayfare", "studies", "--json", cwd=base.parent))
    fields = {"slug", "title", "paper", "claim", "scale", "command", "seconds", "verdict", "checks"}
    assert "exploit" in {study["slug"] for study in studies}
    for study in studies:
        assert fields <= set(study)
        recorded = ROOT / "results" / study["slug"] / "findings.json"
        assert (study["verdict"] != "not yet run") == recorded.exists()
        assert bool(study["checks"]) == recorded.exists()


def test_the_base_install_remembers_learns_and_judges_another_policy(base: Path) -> None:
    """The demo writes its plot, and `evaluate` reads its log: no extra, and no plotting library."""
    wayfare, place = base.parent / "wayfare", base.parent
    _run(wayfare, "memory", "demo", "--tasks", "60", "--db", "desk.db", "--svg", "desk.svg", cwd=place)
    judged = json.loads(_run(wayfare, "memory", "evaluate", "thompson", "--db", "desk.db", "--json", cwd=place))
    assert judged["tasks"] > 0 and (place / "desk.svg").read_text().startswith("<svg")


def test_a_missing_extra_is_one_line_that_names_the_command_which_installs_it(base: Path) -> None:
    done = subprocess.run(
        [str(base.parent / "wayfare"), "run", "exploit", "--scale", "smoke"],
        cwd=base.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "pip install 'wayfare[lab]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (base.parent / "runs").exists(), "a refused run wrote something"


def test_the_wheel_carries_types_licence_and_the_findings_but_no_figures(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "wayfare/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    expected = {f"wayfare/_results/{found.parent.name}/findings.json" for found in ROOT.glob("results/*/findings.json")}
    assert {name for name in names if "_results/" in name} == expected
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"wayfare"}


def test_every_extra_that_an_error_names_is_declared() -> None:
    declared = set(PYPROJECT["project"]["optional-dependencies"])
    for source in (ROOT / "src").rglob("*.py"):
        text = source.read_text()
        named = set(re.findall(r"""MissingExtra\([^()]*,\s*(?:extra=)?["']([^"']+)["']\)""", text))
        assert named <= declared, f"{source}: {named - declared}"


def test_the_lock_pins_every_version_and_keeps_cuda_out() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[^+]+", line) for line in lines)
    assert "torch==2.13.0" in lines
    assert not [line for line in lines if line.startswith(("nvidia", "triton"))]


def test_the_lock_covers_what_make_installs() -> None:
    locked = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "requirements.lock").read_text().splitlines()
    }
    project = PYPROJECT["project"]
    asked = list(project["dependencies"])
    for extra in ("lab", "lm", "ray", "tensorboard"):
        asked += project["optional-dependencies"][extra]
    for group in ("dev", "docs", "bench"):
        asked += PYPROJECT["dependency-groups"][group]
    names = {re.match(r"[A-Za-z0-9_.-]+", requirement).group().lower().replace("_", "-") for requirement in asked}  # type: ignore[union-attr]
    assert names <= locked
