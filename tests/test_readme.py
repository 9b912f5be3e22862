"""What README, CONTRIBUTING and the manual tell a reader to type works.

Python blocks run as they stand, in order, as one program a page. Commands run through the command line that they name,
at smoke scale; those that take an hour, or write into results/, are taken as far as their arguments.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from wayfare.cli import main

ROOT = Path(__file__).parents[1]
ALONE = {"memory-dropins.md", "memory-mcp.md", "memory-page.md", "memory-postgres.md", "memory-server.md"}
"""Pages that need a server beside them: each has a test of its own, which runs what the page says."""
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in ALONE),
]  # fmt: skip
SMALL = {"exploit": ["--scale", "smoke", "--world", "B", "--probe-seeds", "0", "--sweep-seeds", "0", "--workers", "1"]}
FEW = ["--scale", "smoke", "--seeds", "1", "--tokens", "100"]
LONG = {"record", "verify", "report"}  # an hour of computing, or something written into results/: their arguments only


@pytest.fixture(scope="module", autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands and programs keep for the next time lies where the tests do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAYFARE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def _blocks(page: Path, language: str) -> list[str]:
    fenced = re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in fenced]


def _commands(page: Path) -> list[list[str]]:
    """Each command line of a page's shell blocks, without its comment."""
    lines = [line for block in _blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def _run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"})


def test_the_python_of_the_readme_runs_as_it_stands_and_its_agent_has_learned_to_explore(tmp_path: Path) -> None:
    """Ten tries at six handles: trying each once and staying pays 7.5 on average, chance pays 1.7."""
    measure = "print(agent.evaluate(RepeatTask(Vault, episodes=10, steps=1, num_envs=200)).reward.sum() / 200)"
    program = "\n".join([*_blocks(ROOT / "README.md", "python"), measure])
    done = _run([sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", program], tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) > 5


def test_the_python_of_the_other_pages_runs_as_it_stands(tmp_path: Path) -> None:
    for page in PAGES[1:]:
        folder = tmp_path / page.stem
        folder.mkdir()
        done = _run([sys.executable, "-c", "\n".join(_blocks(page, "python"))], folder)
        assert done.returncode == 0, f"{page.name}: {done.stderr}"


def _shortened(command: list[str]) -> tuple[str, ...]:
    """What a test can do of a command: the same at smoke scale, or as far as its arguments."""
    program, *arguments = command
    if Path(program).name != "wayfare":
        return tuple(command)
    verb = arguments[0]
    if verb in LONG or "--resume" in arguments:  # tests/studies holds what resuming promises
        return ("wayfare", verb, "--help")
    if verb in ("run", "compare"):
        for flag in ("--scale", "--seeds") if verb == "compare" else ("--scale",):
            if flag in arguments:
                at = arguments.index(flag)
                del arguments[at : at + 2]
        if verb == "compare":  # one is run to its end, the others through their trial
            arguments += ["--check"] if "--controls" in arguments else ["--controls", "copies"]
        arguments += FEW if verb == "compare" else SMALL[arguments[1]]
    return ("wayfare", *arguments)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, id=shlex.join(command))
        for command in dict.fromkeys(_shortened(command) for page in PAGES for command in _commands(page))
    ],
)
def test_every_command_that_a_page_gives_works(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, *arguments = command
    if program == "wayfare":
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "120")
        _lay_out_files(arguments)
        assert _status(arguments) == 0
    elif program == "make":
        # Inside `make test` the variables of the outer make would leak into this one.
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, env=clean)
        assert done.returncode == 0, done.stderr
    elif program == "pip" and arguments[0] == "install":
        _assert_installable(arguments[1:])
    elif program.startswith(".venv/bin/"):
        assert _run([sys.executable, "-m", "pip", "show", Path(program).name], ROOT).returncode == 0
    else:
        assert program in {"git", "cd", "export"}, f"no test knows {program}"


def _lay_out_files(arguments: list[str]) -> None:
    """FILE.py:CLASS or FILE:CLASS in a command is the block of a page that shows the class."""
    for file, name in re.findall(r"(?<![\w./])(\w+)(?:\.py)?:([A-Z]\w+)", " ".join(arguments)):
        (block,) = [block for page in PAGES for block in _blocks(page, "python") if f"\nclass {name}:" in f"\n{block}"]
        Path(f"{file}.py").write_text(block)


def _status(arguments: list[str]) -> int | str | None:
    """What the program `wayfare` would end with: in this process, which loads its libraries once."""
    try:
        return main(arguments)
    except SystemExit as left:
        return left.code or 0


def _assert_installable(requirements: list[str]) -> None:
    """Whatever a page tells pip to install is this package with extras that it declares."""
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    for requirement in requirements:
        name, _, extras = requirement.rstrip("]").partition("[")
        assert name in {"wayfare", "."}
        assert set(filter(None, extras.split(","))) <= declared


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_exists(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [name for name in targets if "://" not in name and not (page.parent / name).exists()]
    assert not missing


def test_the_figure_on_the_first_screen_is_of_the_recorded_run_and_its_command_stands_beside_it() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"!\[[^\]]*\]\(results/(\w+)/figures/([^)]+)\.png\)", readme)
    assert shown
    findings = json.loads((ROOT / "results" / shown.group(1) / "findings.json").read_text())
    assert findings["scale"] in {"laptop", "full"}
    assert shown.group(2) in json.dumps(findings["figures"])
    assert f"`{findings['command']}`" in readme.partition("\n## ")[0]
