"""Tenants over HTTP: whatever one of them does, another sees nothing of it, and nobody writes to what he only reads."""

from __future__ import annotations

from itertools import count
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.memory.stores import Store
from tests.serve.serving import Served

NUMBERS = count()
WORDS = ("cache", "token", "reset", "keys")
Step = tuple[int, str, str, int]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["remember", "recall", "revise", "forget", "credit", "get", "history", "link", "receipt"]),
        st.sampled_from(WORDS), st.integers(0, 5),
    ),
    min_size=4, max_size=14,
)  # fmt: skip


def _do(client: httpx.Client, step: Step, ids: list[str], receipts: list[str]) -> httpx.Response:
    """One step of a tenant that knows every id there is, of all tenants."""
    who, what, word, which = step
    id = ids[which % len(ids)] if ids else "none"
    other = ids[(which + 1) % len(ids)] if ids else "none"
    receipt = receipts[which % len(receipts)] if receipts else "none"
    requests: dict[str, tuple[str, str, Any]] = {
        "remember": ("POST", "/v1/remember", {"text": f"{word} of tenant {who}, note {which}"}),
        "recall": ("POST", "/v1/recall", {"query": word, "k": 3}),
        "revise": ("POST", "/v1/revise", {"id": id, "text": f"{word} revised by tenant {who}"}),
        "forget": ("POST", "/v1/forget", {"id": id}),
        "credit": ("POST", "/v1/credit", {"task": receipt, "reward": 1.0}),
        "get": ("GET", f"/v1/memories/{id}", None),
        "history": ("GET", f"/v1/memories/{id}/history", None),
        "link": ("POST", "/v1/link", {"source": id, "target": other, "type": "near"}),
        "receipt": ("GET", f"/v1/receipts/{receipt}", None),
    }
    method, path, body = requests[what]
    return client.request(method, path, json=body)


@settings(max_examples=12)
@given(steps=STEPS)
def test_no_answer_of_one_tenant_holds_anything_of_another(store: Store, running: Served, steps: list[Step]) -> None:
    """Tenant 2 also reads tenant 0, and may not change what it reads."""
    run = next(NUMBERS)
    names = [f"run{run}/tenant{i}" for i in range(3)]
    clients = [
        running.client(f"tenant{i}", namespace=names[i], also_read=[names[0]] if i == 2 else []) for i in range(3)
    ]
    may_see = [{0}, {1}, {0, 2}]
    ids, receipts = [], []
    owners: dict[str, int] = {}
    for step in steps:
        who = step[0]
        before = _sequences(store, running.address, names)
        answer = _do(clients[who], step, ids, receipts)
        assert answer.status_code < 500
        for other in range(3):
            if other not in may_see[who]:
                assert f"tenant {other}" not in answer.text and f"tenant{other}" not in answer.text
        after = _sequences(store, running.address, names)
        assert {name for name in names if after.get(name) != before.get(name)} <= {names[who]}
        if answer.status_code == 200 and step[1] == "remember":
            ids.append(answer.json()["id"])
            owners[ids[-1]] = who
        if answer.status_code == 200 and step[1] == "recall":
            receipts.append(answer.json()["id"])
            assert {owners[item["memory"]["id"]] for item in answer.json()["items"]} <= may_see[who]


def _sequences(store: Store, address: str, names: list[str]) -> dict[str, int]:
    """How many changes each tenant has seen."""
    marks = ", ".join("?" * len(names))
    return dict(store.rows(address, f"SELECT path, sequence FROM namespaces WHERE path IN ({marks})", names))  # type: ignore[arg-type]
