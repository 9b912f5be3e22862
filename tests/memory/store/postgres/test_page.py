"""The page of the manual on PostgreSQL: what it tells an administrator and an agent to do, done."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.memory.stores import Server
from wayfare.cli import main

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "memory-postgres.md").read_text()
ADMIN = "postgresql://postgres@db.example/app"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_an_administrator_installs_and_an_agent_recalls(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.say("DROP DATABASE IF EXISTS of_the_page WITH (FORCE)")
    server.say("CREATE DATABASE of_the_page")
    admin = server.address("of_the_page")
    monkeypatch.setenv("WAYFARE_ROLE_PASSWORD", "of-the-page")
    monkeypatch.setenv("WAYFARE_MEMORY", admin.replace("postgres@", "wayfare:of-the-page@"))
    monkeypatch.chdir(tmp_path)
    installing, *using = _blocks("console")
    lines = [line.removeprefix("$ ") for line in installing.splitlines()]
    lines += [line for line in "".join(_blocks("sh")).splitlines() if line.startswith("wayfare")]
    for line in lines:
        assert main(shlex.split(line.replace(ADMIN, admin))[1:]) == 0
    done = subprocess.run([sys.executable, "-c", "\n".join(_blocks("python"))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line in "".join(using).splitlines():
        assert main(shlex.split(line.removeprefix("$ "))[1:]) == 0
    assert not list(tmp_path.iterdir())
    server.say("DROP DATABASE of_the_page WITH (FORCE)")


def test_the_page_is_in_the_manual() -> None:
    assert "memory-postgres.md" in (ROOT / "mkdocs.yml").read_text()
