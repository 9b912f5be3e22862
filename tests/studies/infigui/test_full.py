"""Real screens as text, asked about over a scripted server: what is said is scored as in training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.studies.memrl.scripted_server import Handler, Server
from wayfare.errors import BadValue
from wayfare.studies.contract import UNTESTED
from wayfare.studies.engine import InProcess
from wayfare.studies.infigui import STUDY, Config
from wayfare.studies.infigui.experiment import run
from wayfare.worlds.verifiable.efficiency import aer_reward

FULL: Any = STUDY.scales["full"]
SCREENS: list[dict[str, Any]] = [
    {"prompt": "Where is save?", "bbox": [0, 0, 10, 10]},
    {"prompt": "Where is print?", "bbox": [90, 0, 99, 9], "hard": True},
]


class Points(Handler):
    """Points to the upper left, and where a list is asked for to the right as well."""

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = body["messages"][-1]["content"]
        points = [{"point_2d": [5, 5]}, {"point_2d": [95, 5]}][: 2 if "or several" in asked else 1]
        said = f"<think>hm</think>{json.dumps(points)}"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        return {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


@pytest.fixture
def server() -> Iterator[Server]:
    from threading import Thread

    found = Server()
    found.RequestHandlerClass = Points
    thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def config_of(folder: Path, rows: list[dict[str, Any]], **told: Any) -> Config:
    (folder / "screens.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    usual = {"dataset": str(folder / "screens.jsonl"), "endpoint": "http://localhost:1/v1", "most_calls": 4}
    found: Config = replace(FULL, ledger_folder=str(folder), **{**usual, **told})
    return found


def test_screens_are_asked_about_both_ways_and_nothing_is_claimed(server: Server, tmp_path: Path) -> None:
    found = run(config_of(tmp_path, SCREENS, endpoint=server.url), InProcess())
    told = {(row[0], row[1]): row[3:] for row in found.tables["screens"].rows}
    assert told["one point", "easy"] == (1.0, 1.0, 1.0, 1.0, 2.0)
    assert told["one point", "hard"] == (0.0, 0.0, 1.0, 1.0, 0.0)
    assert told["a list", "hard"] == (0.0, 1.0, 2.0, 1.0, 1.5)  # 1 + 1 / sqrt(2 x 2)
    assert found.verdict == UNTESTED


def test_what_cannot_be_asked_is_refused_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="TRL"):
        STUDY.refuse(FULL)
    bad: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
        (SCREENS, {"endpoint": ""}, "endpoint"), (SCREENS, {"most_calls": 3}, "at least 4"), ([], {}, "a screen in it"),
        ([{"prompt": "x"}], {}, "line 1"), ([{**SCREENS[0], "bbox": [9, 0, 1, 1]}], {}, "line 1"),
        ([{**SCREENS[0], "images": ["a.png"]}], {}, "TRL"),
    ]  # fmt: skip
    for rows, told, said in bad:
        with pytest.raises(BadValue, match=said):
            STUDY.refuse(config_of(tmp_path, rows, **told))


def test_the_reward_is_called_as_trl_calls_rewards() -> None:
    right = '<think></think>[{"point_2d": [5, 5]}]'
    said = [right, [{"role": "assistant", "content": right}], "no", "x" * 30_000]
    assert aer_reward(prompts=[""] * 4, completions=said, bbox=[[0, 0, 9, 9]] * 4) == [2.0, 2.0, -1.0, -1.0]
    with pytest.raises(BadValue, match="bbox"):
        aer_reward(prompts=[""], completions=[right])
