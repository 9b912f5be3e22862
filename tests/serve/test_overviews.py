"""What the page asks: the library's overviews, over HTTP, for whoever may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serve.serving import Served
from tests.serve.test_http import asked
from wayfare.memory import Memory
from wayfare.serve import page
from wayfare.serve.overviews import OVERVIEWS

FOLDER = Path(page.__file__).parent


def test_overviews_tell_what_the_library_tells(running: Served) -> None:
    client = running.client("ann", namespace="overviews")
    with Memory(running.address, namespace="overviews", synchronous="NORMAL") as memory:
        ids = [memory.remember(f"Flush cache number {i}", tags=["cache"]).id for i in range(4)]
        for turn in range(6):
            with memory.task(f"a/b {turn}") as task:
                found = memory.recall("flush cache", k=2)
                task.credit(turn / 5, used=found.ids[:1])
        before = asked(client.get("/v1/stats"))
        searched = asked(client.get("/v1/search", params={"q": "flush cache", "tags": "cache", "limit": 3}))["found"]
        assert [each["memory"]["id"] for each in searched] == [
            each.record.id for each in memory.search("flush cache", tags=["cache"], limit=3)
        ]
        tasks = asked(client.get("/v1/tasks", params={"limit": 4}))["tasks"]
        assert [each["id"] for each in tasks] == [f"a/b {turn}" for turn in (5, 4, 3, 2)]
        rest = asked(client.get("/v1/tasks", params={"before": tasks[-1]["last"]}))["tasks"]
        assert [each["id"] for each in rest] == ["a/b 1", "a/b 0"]
        receipt = memory.receipts(limit=1)[0]
        told = asked(client.get(f"/v1/receipts/{receipt.id}/candidates"))
        assert [(each["id"], each["chance"]) for each in told["candidates"]] == [
            (each.id, each.chance) for each in memory.considered(memory.receipt(receipt.id))
        ]
        for id in ids:
            course = asked(client.get(f"/v1/memories/{id}/utility"))["points"]
            assert [point["mean"] for point in course] == [point.mean for point in memory.course(id)]
            recalls = asked(client.get(f"/v1/memories/{id}/recalls", params={"limit": 2}))
            assert [each["id"] for each in recalls["receipts"]] == [
                each.id for each in memory.recalls(id, limit=2).receipts
            ]
        history = asked(client.get("/v1/floor/history"))
        assert sum(step["tasks"] for step in history["steps"]) == 6
        newest = asked(client.get("/v1/memories", params={"newest": True, "limit": 2}))["memories"]
        assert [each["id"] for each in newest] == ids[:1:-1]
        assert asked(client.get("/v1/stats")) == before


def test_a_task_is_told_with_its_receipts_and_outcomes(running: Served) -> None:
    client = running.client("ann", namespace="told")
    id = asked(client.post("/v1/remember", json={"text": "Flush the cache"}))["id"]
    recall = asked(client.post("/v1/recall", json={"query": "cache", "task": "t"}))
    asked(client.post("/v1/tasks/t/outcome", json={"reward": 0.5, "used": [id]}))
    told = asked(client.get("/v1/tasks/t"))
    assert told["task"]["reward"] == 0.5 and [each["id"] for each in told["receipts"]] == [recall["id"]]
    (outcome,) = told["outcomes"]
    assert (outcome["actor"], outcome["used"], outcome["counted"]) == ("ann", [id], True)
    assert outcome["credits"] == [{"id": id, "base": 1.0, "granted": 1.0}]
    asked(client.get("/v1/tasks/nobody's"), 404)
    asked(client.get("/v1/memories/nothing/utility"), 404)


def test_a_token_says_what_it_allows_whatever_that_is(running: Served) -> None:
    text, grant = running.token("bob", namespace="org/bob", scopes=["forget"], also_read=["org/shared"])
    told = asked(running.bare(Authorization=f"Bearer {text}").get("/v1/token"))
    assert told == {
        "id": grant.id, "name": "bob", "namespace": "org/bob", "also_read": ["org/shared"], "scopes": ["forget"],
        "expires_at": None,
    }  # fmt: skip
    asked(running.bare().get("/v1/token"), 401)


def test_overviews_need_the_scope_read(running: Served) -> None:
    writer = running.client(namespace="org/w", scopes=["write", "credit", "forget", "admin"])
    for path in ("search?q=a", "tasks", "tasks/t", "receipts/r/candidates", "memories/m/recalls", "memories/m/utility",
                 "floor/history"):  # fmt: skip
        assert asked(writer.get(f"/v1/{path}"), 403)["scope"] == "read"
    assert all(verb.scope == "read" and not verb.writes for verb in OVERVIEWS)


@pytest.mark.parametrize("name", page.FILES)
def test_a_file_of_the_page_is_served_to_anybody_under_a_policy_that_runs_nothing_else(
    running: Served, name: str
) -> None:
    client = running.bare()
    path = "/" if name == "index.html" else f"/page/{name}"
    found = client.get(path)
    assert found.status_code == 200 and found.content == (FOLDER / name).read_bytes()
    policy = dict(part.strip().split(" ", 1) for part in found.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'" and "unsafe" not in str(policy)
    assert found.headers["x-content-type-options"] == "nosniff" and found.headers["x-frame-options"] == "DENY"
    again = client.get(path, headers={"If-None-Match": found.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_the_page_is_whole_and_fetches_nothing_from_elsewhere() -> None:
    texts = {name: (FOLDER / name).read_text() for name in page.FILES}
    assert {path.name for path in FOLDER.iterdir() if path.suffix in (".html", ".js", ".css", ".svg")} == set(texts)
    for name, text in texts.items():
        plain = text.replace("http://www.w3.org/2000/svg", "")
        assert "://" not in plain and "innerHTML" not in plain and "eval(" not in plain, name
        for other in texts:
            text = text.replace(f"/page/{other}", "").replace(f"./{other}", "")
        assert "/page/" not in text and 'from "./' not in text, name
