"""The page of the manual: its program recalls, its commands are commands, its files start what they name."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from mcp import Client, StdioServerParameters

from tests.serve.mcp.conftest import over_http
from tests.serve.mcp.test_agents import answer
from tests.serve.mcp.test_tools import command_running
from wayfare.cli import main

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "memory-mcp.md").read_text()
PLACE = "http://127.0.0.1:8484"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def _commands() -> list[list[str]]:
    return [shlex.split(line, comments=True) for line in "".join(_blocks("sh")).splitlines()]


def test_the_page_is_in_the_manual() -> None:
    assert ": memory-mcp.md\n" in (ROOT / "mkdocs.yml").read_text()


def test_a_new_user_comes_from_the_server_to_a_credited_recall_and_to_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the page has it, but for the port: 8484 may be taken here."""
    monkeypatch.chdir(tmp_path)
    serve, outcome, create, listed, revoke = (words for words in _commands() if words[0] != "pip")
    assert serve == ["wayfare", "memory", "serve", "agent.db"]
    with command_running(*serve[3:]) as place:
        program = _blocks("python")[0].replace(PLACE, place)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        task = done.stdout.splitlines()[-1]
        assert "flush the session cache" in done.stdout and f"task {task}" in done.stdout

        url, _, body = outcome[1:]
        said = httpx.post(url.replace(PLACE, place).replace("TASK", task), json=json.loads(body))
        assert said.status_code == 200 and said.json()["counted"]

        assert main(create[1:]) == 0
        token, described = capsys.readouterr().out.splitlines()[:2]

        async def recall(text: str | None) -> None:
            async with over_http(f"{place}/mcp", text) as client:
                assert answer(await client.call_tool("recall", {"query": "session cache"}))["items"] == []

        asyncio.run(recall(token))  # of team/ann, who has none yet
        assert main(listed[1:]) == 0 and "my-editor" in capsys.readouterr().out
        id = described.split()[1].rstrip(":")
        assert main([id if word == "TOKEN_ID" else word for word in revoke[1:]]) == 0
        for text in (token, None):
            assert httpx.post(f"{place}/mcp", headers={"Authorization": f"Bearer {text}"}).status_code == 401


def test_the_files_for_clients_start_what_they_name(tmp_path: Path) -> None:
    files = [json.loads(block) for block in _blocks("json")]
    started = [next(iter((each.get("mcpServers") or each["servers"]).values())) for each in files]
    assert started[0]["args"] == started[1]["args"] and started[2]["url"] == f"{PLACE}/mcp"
    assert set(re.findall(r"\$\{input:(.*?)\}", json.dumps(started[2]))) == {each["id"] for each in files[2]["inputs"]}
    program = str(Path(sys.executable).with_name("wayfare"))
    assert started[0]["command"].endswith("/bin/wayfare") and os.access(program, os.X_OK)
    words = [str(tmp_path / "agent.db") if word == "/path/to/agent.db" else word for word in started[0]["args"]]

    async def first() -> None:
        async with Client(StdioServerParameters(command=program, args=words)) as client:
            assert answer(await client.call_tool("remember", {"text": "Flush the session cache"}))["op"] == "ADD"

    asyncio.run(first())


def test_the_table_of_tools_names_the_scopes_that_they_need() -> None:
    from wayfare.serve.mcp.tools import TOOLS

    rows = re.findall(r"^\| `(\w+)` \|.*?\| (\w+) \|[^|]*\|$", PAGE, flags=re.MULTILINE)
    assert dict(rows) == {name: tool.verb.scope for name, tool in TOOLS.items()}
