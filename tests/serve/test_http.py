"""The verbs over HTTP: the library's answers, with versions, keys and scopes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.serve.serving import SCOPES, Served
from wayfare.memory import Memory
from wayfare.serve.verbs import VERBS


def asked(answer: httpx.Response, status: int = 200) -> Any:
    """What was answered, with the status that was expected."""
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
    return answer.json()


def test_a_revoked_token_is_refused_at_once(running: Served) -> None:
    text, grant = running.token()
    client = running.bare(Authorization=f"Bearer {text}")
    for _ in range(3):
        asked(client.get("/v1/memories"))
    running.tokens.revoke(grant.id)
    refused = client.get("/v1/memories")
    asked(refused, 401)
    assert refused.headers["www-authenticate"] == "Bearer"


def test_the_loop_of_an_agent_over_http_is_the_loop_in_python(running: Served, new_address: Any) -> None:
    client = running.client("ann", namespace="loop")
    with Memory(new_address(), namespace="loop", actor="ann") as memory:
        texts = ["Flush the session cache before a reset", "Rotate the keys monthly", "The cache lives an hour"]
        ids = {}
        for text in texts:
            ids[memory.remember(text, kind="strategy", tags=["ops"]).id] = asked(
                client.post("/v1/remember", json={"text": text, "kind": "strategy", "tags": ["ops"]})
            )["id"]
        for turn in range(5):
            mine = memory.recall("session cache", k=2, task=f"t{turn}")
            theirs = asked(client.post("/v1/recall", json={"query": "session cache", "k": 2, "task": f"t{turn}"}))
            assert theirs["side"] == mine.side and theirs["policy"] == mine.policy
            assert [ids[id] for id in mine.ids] == [item["memory"]["id"] for item in theirs["items"]]
            assert theirs["probability"] == pytest.approx(mine.probability)
            used = list(mine.ids[:1])
            memory.credit(f"t{turn}", turn / 4, used=used)
            asked(
                client.post(f"/v1/tasks/t{turn}/outcome", json={"reward": turn / 4, "used": [ids[id] for id in used]})
            )
        for own, other in ids.items():
            utility = asked(client.get(f"/v1/memories/{other}"))["utility"]
            told = memory.get(own).utility
            assert (utility["n"], utility["q"], utility["recalled"]) == (told.n, told.q, told.recalled)
        floor = asked(client.get("/v1/floor"))
        assert floor["shares"] == memory.floor()["shares"]
        assert floor["rho"] == pytest.approx(1 - floor["shares"]["baseline"])


def test_a_token_may_do_what_its_scopes_say_and_nothing_else(running: Served) -> None:
    owner = running.client(namespace="scopes")
    id = asked(owner.post("/v1/remember", json={"text": "The token lives an hour"}))["id"]
    other = asked(owner.post("/v1/remember", json={"text": "The key lives a day"}))["id"]
    asked(owner.post("/v1/recall", json={"query": "token", "task": "t"}))
    receipt = asked(owner.get("/v1/receipts"))["receipts"][0]["id"]
    tried = {
        "read": [("GET", "/v1/memories", None), ("GET", f"/v1/memories/{id}", None),
                 ("GET", f"/v1/memories/{id}/history", None), ("GET", f"/v1/memories/{id}/links", None),
                 ("GET", f"/v1/memories/{id}/credits", None), ("GET", "/v1/stats", None), ("GET", "/v1/floor", None),
                 ("GET", "/v1/policies", None), ("GET", f"/v1/receipts/{receipt}", None),
                 ("POST", "/v1/recall", {"query": "token"})],
        "write": [("POST", "/v1/remember", {"text": "one"}),
                  ("POST", "/v1/remember/batch", {"memories": [{"text": "b"}]}),
                  ("POST", "/v1/remember/dialogue", {"turns": [{"speaker": "Ann", "text": "hello"}]}),
                  ("POST", "/v1/revise", {"id": id, "kind": "note"}),
                  ("POST", "/v1/showed", {"query": "q", "ids": [id]}),
                  ("POST", "/v1/link", {"source": id, "target": other, "type": "near"}),
                  ("POST", "/v1/unlink", {"source": id, "target": other, "type": "near"}),
                  ("POST", "/v1/archive", {"id": other})],
        "credit": [("POST", "/v1/credit", {"task": "t", "reward": 1}), ("POST", "/v1/tasks/t/outcome", {"reward": 1})],
        "forget": [("POST", "/v1/forget", {"id": other})],
        "admin": [("POST", "/v1/freeze", {}), ("POST", "/v1/thaw", {}), ("POST", "/v1/reset_utility", {"id": None}),
                  ("POST", "/v1/void", {"source": "nobody"})],
    }  # fmt: skip
    clients = {scope: running.client(namespace="scopes", scopes=[scope]) for scope in SCOPES}
    for needed, requests in tried.items():
        for method, path, body in requests:
            for scope in (*(each for each in SCOPES if each != needed), needed):
                answer = clients[scope].request(method, path, json=body)
                if scope == needed:
                    asked(answer)
                else:
                    assert asked(answer, 403)["scope"] == needed
                    assert "insufficient_scope" in answer.headers["www-authenticate"]


def test_every_verb_that_writes_answers_a_key_as_the_first_time_and_refuses_it_for_another_request(
    running: Served,
) -> None:
    client = running.client(namespace="keys")
    id, other = (asked(client.post("/v1/remember", json={"text": text}))["id"] for text in ("one", "two"))
    asked(client.post("/v1/recall", json={"query": "one", "task": "t"}))
    asked(client.post("/v1/credit", json={"task": "t", "reward": 0.5, "source": "human"}))
    policy = asked(client.get("/v1/policies"))["policies"][-1]["id"]
    requests: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]] = {
        "remember": ({"text": "three"}, {"text": "four"}),
        "remember/batch": ({"memories": [{"text": "five"}]}, {"memories": [{"text": "six"}]}),
        "remember/dialogue": ({"turns": [{"speaker": "A", "text": "x"}]}, {"turns": [{"speaker": "B", "text": "x"}]}),
        "revise": ({"id": id, "text": "one more"}, {"id": id, "text": "one less"}),
        "link": ({"source": id, "target": other, "type": "near"}, {"source": id, "target": other, "type": "far"}),
        "unlink": ({"source": id, "target": other, "type": "near"}, {"source": id, "target": other, "type": "far"}),
        "credit": ({"task": "t", "reward": 1.0}, {"task": "t", "reward": 0.0}),
        "tasks/t/outcome": ({"reward": 1.0, "source": "agent"}, {"reward": 0.0, "source": "agent"}),
        "void": ({"source": "agent"}, {"source": "human"}),
        "showed": ({"query": "x", "ids": [id]}, {"query": "y", "ids": [id]}),
        "freeze": ({"reason": "a"}, {"reason": "b"}),
        "thaw": ({"reason": "a"}, {"reason": "b"}),
        "rollback": ({"policy": policy}, {"policy": "similarity"}),
        "refit": (None, None),
        "reset_utility": ({"id": id}, {"id": other}),
        "archive": ({"id": other}, {"id": id}),
        "forget": ({"id": other}, {"id": id}),
    }
    writing = {name for name, verb in VERBS.items() if verb.writes} - {"undo_merge"}  # which needs a merge first
    assert len(requests) == len(writing) + 1  # an outcome is posted under two addresses
    for path, (body, another) in requests.items():
        key = {"Idempotency-Key": f"key-{path}"}
        first = asked(client.post(f"/v1/{path}", json=body, headers=key))
        before = asked(client.get("/v1/stats")), asked(client.get(f"/v1/memories/{id}"))
        again = asked(client.post(f"/v1/{path}", json=body, headers=key))
        assert again["id"] == first["id"] if path == "showed" else again == first, path  # with memories as they stand
        assert (asked(client.get("/v1/stats")), asked(client.get(f"/v1/memories/{id}"))) == before, path
        if another is not None:
            asked(client.post(f"/v1/{path}", json=another, headers=key), 409)
    asked(client.post("/v1/remember", json={"text": "seven"}, headers={"Idempotency-Key": "key-credit"}), 409)
    asked(client.post("/v1/remember", json={"text": "seven"}, headers={"Idempotency-Key": "x" * 201}), 422)


def test_a_version_travels_as_etag_and_only_that_version_is_changed(running: Served) -> None:
    client = running.client(namespace="etags")
    made = client.post("/v1/remember", json={"text": "The token lives an hour"})
    id, tag = asked(made)["id"], made.headers["etag"]
    assert tag == '"1"' and client.get(f"/v1/memories/{id}").headers["etag"] == tag
    same = client.get(f"/v1/memories/{id}", headers={"If-None-Match": f'"7", {tag}'})
    assert same.status_code == 304 and same.content == b"" and same.headers["etag"] == tag
    new = client.post("/v1/revise", json={"id": id, "text": "A day"}, headers={"If-Match": tag})
    asked(new)
    assert new.headers["etag"] == '"2"'
    asked(client.get(f"/v1/memories/{id}", headers={"If-None-Match": tag}))
    for path, body in (("revise", {"id": id, "text": "A week"}), ("archive", {"id": id}), ("forget", {"id": id})):
        refused = asked(client.post(f"/v1/{path}", json=body, headers={"If-Match": tag}), 412)
        assert (refused["expected"], refused["found"]) == (1, 2)
        asked(client.post(f"/v1/{path}", json=body, headers={"If-Match": "nonsense"}), 412)
        asked(client.post(f"/v1/{path}", json={**body, "expect": 1}), 409)
        asked(client.post(f"/v1/{path}", json={**body, "expect": 1}, headers={"If-Match": '"2"'}), 422)
    asked(client.post("/v1/forget", json={"id": id}, headers={"If-Match": "*"}))
    asked(client.get(f"/v1/memories/{id}"), 404)
    steps = asked(client.get(f"/v1/memories/{id}/history"))["versions"]
    assert [step["op"] for step in steps] == ["ADD", "UPDATE", "DELETE"]
    assert {step["actor"] for step in steps} == {"ann"}
    then = asked(client.get(f"/v1/memories/{id}", params={"as_of": steps[0]["time"]}))
    assert then["content"] == "The token lives an hour"


def test_many_are_kept_at_once_or_none(running: Served) -> None:
    client = running.client(namespace="batch")
    lines = b'{"text": "one"}\n\n{"text": "two", "tags": ["x"]}\r\n'
    kind = {"Content-Type": "application/x-ndjson"}
    done = asked(client.post("/v1/remember/batch", content=lines, headers=kind))["results"]
    assert [each["op"] for each in done] == ["ADD", "ADD"]
    for wrong, status in (
        (b'{"text": "three"}\n{"text": " "}', 422), (b'{"text": "three"}\n{"text": 4}', 422),
        (b'{"text": "three"}\n{"text": "four"', 400), (b'{"text": "three", "namespace": "org/bob"}', 422), (b"", 422),
        (b'{"text": "three"}\n' * 1_001, 413),
    ):  # fmt: skip
        asked(client.post("/v1/remember/batch", content=wrong, headers=kind), status)
    assert len(asked(client.get("/v1/memories"))["memories"]) == 2


def test_what_only_restates_what_was_recalled_is_noted_and_not_stored(running: Served) -> None:
    client = running.client(namespace="echo")
    id = asked(client.post("/v1/remember", json={"text": "Flush the session cache before a password reset"}))["id"]
    recall = asked(client.post("/v1/recall", json={"query": "session cache", "task": "t"}))
    said = {"text": "flush the session cache before a password reset!", "kind": "strategy"}
    for more in ({"task": "t"}, {"recall": recall["id"]}):
        done = asked(client.post("/v1/remember", json={**said, **more}))
        assert (done["op"], done["id"]) == ("NOOP", id)
    kept = asked(client.post("/v1/remember", json={"text": "Ask for the tenant first", "recall": recall["id"]}))
    made = asked(client.get(f"/v1/memories/{kept['id']}"))
    assert made["provenance"][0]["parents"] == [id]
    asked(client.post("/v1/remember", json={**said, "recall": "nothing"}), 404)
    asked(client.post("/v1/remember", json={**said, "recall": recall["id"], "source": "a uri"}), 422)


def test_a_receipt_says_what_was_shown_and_a_memory_which_outcomes_it_owes_its_utility_to(running: Served) -> None:
    client = running.client(namespace="why")
    ids = [asked(client.post("/v1/remember", json={"text": text}))["id"] for text in ("cache one", "cache two")]
    recall = asked(client.post("/v1/recall", json={"query": "cache", "k": 1, "task": "t"}))
    shown = recall["items"][0]["memory"]["id"]
    asked(client.post("/v1/credit", json={"task": recall["id"], "reward": 0.25, "used": [shown]}))
    receipt = asked(client.get(f"/v1/receipts/{recall['id']}"))
    assert receipt["query"] == "cache" and receipt["considered"] == 2 and receipt["side"] == recall["side"]
    assert [each["id"] for each in receipt["shown"]] == [shown] and receipt["probability"] == recall["probability"]
    assert receipt["shown"][0]["memory"]["utility"]["n"] == 1
    (credit,) = asked(client.get(f"/v1/memories/{shown}/credits"))["credits"]
    assert (credit["task"], credit["reward"], credit["actor"], credit["voided"]) == ("t", 0.25, "ann", False)
    asked(client.post("/v1/void", json={"actor": "ann"}))
    assert asked(client.get(f"/v1/memories/{shown}/credits"))["credits"][0]["voided"]
    for i in range(3):
        asked(client.post("/v1/recall", json={"query": "cache", "task": f"more {i}"}))
    page = asked(client.get("/v1/receipts", params={"limit": 2}))["receipts"]
    rest = asked(client.get("/v1/receipts", params={"before": page[-1]["seq"]}))["receipts"]
    assert [each["task"] for each in page + rest] == ["more 2", "more 1", "more 0", "t"]
    assert [each["task"] for each in asked(client.get("/v1/receipts", params={"task": "t"}))["receipts"]] == ["t"]
    asked(client.post("/v1/forget", json={"id": shown, "purge": True}))
    after = asked(client.get(f"/v1/receipts/{recall['id']}"))
    assert after["shown"][0]["memory"] is None and shown in ids
    asked(client.get("/v1/receipts/nothing"), 404)


def test_what_is_asked_wrongly_names_the_field_its_value_and_what_is_allowed(running: Served) -> None:
    client = running.client(namespace="wrong")
    asked(client.post("/v1/recall", json={"query": "x", "task": "t"}))
    for path, body, field in (
        ("remember", {"text": "x" * 300, "kind": "k" * 201}, "body.kind"), ("remember", {}, "body.text"),
        ("remember", {"text": "x", "namespace": "org/bob"}, "body.namespace"), ("remember", {"text": "  "}, "text"),
        ("remember", {"text": "a\0b"}, "text"), ("remember", {"text": "x", "valid": [2, 1]}, "valid_to"),
        ("recall", {"query": "x", "k": 0}, "body.k"), ("recall", {"query": "x", "k": "5"}, "body.k"),
        ("recall", {"query": "x", "policy": "no such"}, "policy"), ("credit", {"task": "t", "reward": 2}, "reward"),
        ("credit", {"task": "t", "reward": True}, "body.reward"), ("credit", {"task": "u", "reward": 1}, "task"),
        ("credit", {"task": "t", "reward": 1, "actor": "bob"}, "body.actor"), ("void", {}, "void"),
        ("credit", {"task": "t", "reward": 1, "used": ["no such"]}, "used"), ("revise", {"id": "x"}, "revise"),
        ("remember", [], "body"), ("remember", "text", "body"),
    ):  # fmt: skip
        refused = asked(client.post(f"/v1/{path}", json=body), 422)
        assert refused["field"] == field and refused["allowed"] and len(str(refused["value"])) < 200, refused
    for path in ("memories?limit=0", "memories?limit=x", "memories?kid=x", "receipts?before=0", "memories?since=nan"):
        asked(client.get(f"/v1/{path}"), 422)
    assert asked(client.get("/v1/memories"))["memories"] == []
