"""The example of a chat loop, as its reader would run it, against a real server of chat completions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dropins.chat_server import Server, serving_chat
from wayfare.memory import Memory

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "chat_loop.py"
NOTE = "Login fails after a password reset: flush the session cache"


@pytest.fixture
def chat() -> Iterator[Server]:
    with serving_chat() as made:
        yield made


def _run(url: str, folder: Path, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none"}
    return subprocess.run(
        [sys.executable, str(EXAMPLE), "parrot", *words],
        input=said, cwd=folder, env=env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_thumb_credits_what_stood_in_the_prompt_of_the_answer(chat: Server, address: str, tmp_path: Path) -> None:
    chat.broken = 1
    said = ["hello", "+", "login fails", f"/remember {NOTE}", "login fails after a reset", "-", "+", "/why",
            f"/remember {NOTE}!", "/quit", "unseen"]  # fmt: skip
    done = _run(chat.url, tmp_path, "--db", address, said="\n".join(said))
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[:2] == ["there is no answer to judge", "I do not know"] and lines[2].startswith("ADD ")
    assert lines[3:6] == [NOTE, "noted", "noted"] and "relevance" in lines[7] and lines[-1].startswith("NOOP ")
    assert "no answer: " in done.stderr and "broken" in done.stderr
    assert len(chat.asked) == 3 and all(body["stream"] for body in chat.asked)
    assert [message["role"] for message in chat.asked[-1]["messages"]] == ["system", "user", "assistant", "user"]
    assert NOTE in chat.asked[-1]["messages"][0]["content"]
    with Memory(address) as memory:
        (record,) = memory.list().records
        assert record.kind == "note" and record.utility.mean == 1.0 and record.utility.n == 1.0


def test_a_harness_credits_every_answer(chat: Server, address: str, tmp_path: Path) -> None:
    with Memory(address, namespace="org/ann") as memory:
        good = memory.remember(NOTE).id
        memory.remember_many([f"Login fails after a password reset: call number {i} of the desk" for i in range(6)])
    cases = tmp_path / "cases.jsonl"
    case = {"question": "login fails after a password reset", "expect": "Session Cache"}
    cases.write_text("".join(json.dumps(case) + "\n" for _ in range(8)))
    done = _run(chat.url, tmp_path, "--db", address, "--namespace", "org/ann", "--cases", str(cases), "--whole")
    prompts = [body["messages"][0]["content"] for body in chat.asked]
    helped = sum(NOTE in prompt for prompt in prompts)
    assert done.stdout == f"{helped} of 8 answers held what was expected\n", done.stderr
    assert not any(body.get("stream") for body in chat.asked)
    with Memory(address, namespace="org/ann") as memory:
        credited = {record.id: record.utility for record in memory.list().records if record.utility.n}
        assert sum(utility.n for utility in credited.values()) == pytest.approx(8.0)
        assert sum(utility.total for utility in credited.values()) == pytest.approx(float(helped))
        if helped:
            assert credited[good].mean == 1.0


def test_the_example_is_short_enough_to_be_read() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 120
