"""Looking after a memory over HTTP: snapshots, the audit, upkeep, quotas, a person's data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serve.serving import SCOPES, Served
from tests.serve.test_http import asked


def test_a_memory_is_kept_audited_and_tidied_and_no_path_of_the_server_is_told(
    running: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYFARE_SNAPSHOTS", str(tmp_path / "snapshots"))
    client = running.client(namespace="kept")
    text = "Flush the session cache before every password reset of a locked account"
    one, two = (
        asked(client.post("/v1/remember", json={"text": each}))["id"] for each in (text, text.replace("every", "each"))
    )
    copy = asked(client.post("/v1/snapshot", json={"label": "before"}))
    assert copy["label"] == "before" and copy["gone_at"] is None and str(tmp_path) not in str(copy)
    assert asked(client.get("/v1/snapshots"))["copies"] == [copy]
    audit = asked(client.get("/v1/audit", params={"threshold": 0.5}))
    assert audit["statuses"] == {"active": 2} and sorted(audit["never"]) == sorted([one, two])
    planned = asked(client.post("/v1/upkeep", json={"job": "duplicates"}))
    assert planned["dry_run"] and len(asked(client.get("/v1/memories"))["memories"]) == 2
    done = asked(client.post("/v1/upkeep", json={"job": "duplicates", "dry_run": False}))
    assert [step["ids"] for step in done["steps"]] == [step["ids"] for step in planned["steps"]]
    for step in done["steps"]:
        body, key = {"id": step["into"]}, {"Idempotency-Key": f"undo {step['into']}".replace(" ", "-")}
        undone = asked(client.post("/v1/undo_merge", json=body, headers=key))
        assert undone["results"] and asked(client.post("/v1/undo_merge", json=body, headers=key)) == undone
    assert len(asked(client.get("/v1/memories"))["memories"]) == 2
    assert asked(client.post("/v1/delete_snapshot", json={"name": "before"}))["gone_at"] is not None
    assert asked(client.get("/v1/snapshots"))["copies"] == [] and not list((tmp_path / "snapshots").iterdir())
    asked(client.post("/v1/delete_snapshot", json={"name": "nothing"}), 422)


def test_a_quota_is_set_told_and_held(running: Served) -> None:
    client = running.client(namespace="bounded")
    asked(client.post("/v1/remember", json={"text": "one"}))
    assert asked(client.post("/v1/set_quota", json={"records": 2}))["records"] == [1, 2]
    asked(client.post("/v1/remember", json={"text": "two"}))
    refused = asked(client.post("/v1/remember", json={"text": "three"}), 409)
    assert "records" in refused["detail"]
    assert asked(client.get("/v1/quota"))["records"] == [2, 2]
    assert asked(client.post("/v1/set_quota", json={"records": None}))["records"] == [2, None]
    asked(client.post("/v1/remember", json={"text": "three"}))
    asked(client.post("/v1/set_quota", json={"records": -1}), 422)


def test_everything_of_one_person_is_erased_once_it_was_said_what_that_is(running: Served) -> None:
    client = running.client(namespace="persons")
    theirs = asked(client.post("/v1/remember", json={"text": "Lives in Leeds", "subject": "person-7"}))["id"]
    other = asked(client.post("/v1/remember", json={"text": "The cache lives an hour"}))["id"]
    said = asked(client.post("/v1/erase", json={"subject": "person-7"}))
    assert said["dry"] and said["records"] == [theirs]
    asked(client.get(f"/v1/memories/{theirs}"))
    done = asked(client.post("/v1/erase", json={"subject": "person-7", "dry_run": False}))
    assert not done["dry"] and done["records"] == [theirs]
    asked(client.get(f"/v1/memories/{theirs}"), 404)
    asked(client.get(f"/v1/memories/{other}"))


@pytest.mark.parametrize(
    ("path", "body", "scope"),
    [
        ("snapshot", {}, "admin"), ("delete_snapshot", {"name": "x"}, "admin"), ("set_quota", {}, "admin"),
        ("upkeep", {"job": "stale"}, "admin"), ("undo_merge", {"id": "x"}, "write"),
        ("erase", {"subject": "x"}, "forget"),
    ],
)  # fmt: skip
def test_who_looks_after_a_memory_needs_the_scope(running: Served, path: str, body: dict[str, str], scope: str) -> None:
    without = running.client(namespace="scoped", scopes=[each for each in SCOPES if each != scope])
    assert asked(without.post(f"/v1/{path}", json=body), 403)["scope"] == scope
