"""The OpenAPI document is true: whatever is sent, the server answers as it says, never fails, and changes nothing that
it has refused. Two hundred cases over both stores; WAYFARE_FUZZ says how many of each route and kind."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from requests import RequestException
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tests.memory.stores import Store
from tests.serve.serving import SCOPES, Served, served
from wayfare.serve.settings import Limits

CASES = int(os.environ.get("WAYFARE_FUZZ", "1"))
"""Of each route, that fit its form, and as many that do not."""
NAMESPACE = "org/fuzz"
SEQUENCE = f"SELECT sequence FROM namespaces WHERE path = '{NAMESPACE}'"
load_all_checks()
FEW = settings(
    max_examples=CASES, derandomize=False, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
)
LEFT_OUT = [CHECKS.get_one("positive_data_acceptance")]
"""That what fits a form is always taken: a memory refuses an unknown task, whatever its form."""

NEITHER = [*LEFT_OUT, CHECKS.get_one("negative_data_rejection")]
"""That what does not fit is refused: the tool does not know 413, and in an address a number is a text."""


def test_the_document_names_every_verb_and_every_refusal(running: Served) -> None:
    document = running.bare().get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods.values():
            assert method["description"]
            for status, answer in method["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], path
            if path.startswith("/v1/"):
                assert method["security"] == [{"token": []}] and {"401", "403", "422", "429"} <= set(
                    method["responses"]
                )
    text = running.bare().get("/openapi.json").text
    for used in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert used in document["components"]["schemas"]


@pytest.mark.filterwarnings("ignore")
def test_whatever_is_sent_is_answered_as_the_document_says_and_what_is_refused_changes_nothing(
    store: Store, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYFARE_SNAPSHOTS", str(tmp_path))
    with served(address, limits=Limits(rate=1e6, burst=10**6)) as running:
        client = running.client(namespace=NAMESPACE)
        ids = [client.post("/v1/remember", json={"text": text}).json()["id"] for text in ("one", "two")]
        client.post("/v1/recall", json={"query": "one", "task": "t"}).raise_for_status()
        text, _ = running.token(namespace=NAMESPACE, scopes=SCOPES)
        headers = {"Authorization": f"Bearer {text}"}
        schema = schemathesis.openapi.from_url(f"{running.base_url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        sent = set()

        def check(case: Any, known: str) -> None:
            fits = case.meta.generation.mode is GenerationMode.POSITIVE
            if fits and isinstance(case.body, dict) and isinstance(case.body.get("id"), str):
                case.body["id"] = known  # one that is there is what a change needs
            before = store.rows(address, SEQUENCE)
            try:
                answer = case.call(headers=headers)
            except RequestException:  # an address of more than 64 KiB: refused, and the connection closed
                assert store.rows(address, SEQUENCE) == before and client.get("/healthz").status_code == 200
                return
            taken = answer.status_code == 413 or case.method == "GET"
            case.validate_response(answer, excluded_checks=NEITHER if taken else LEFT_OUT)
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400 or case.method == "GET":
                assert store.rows(address, SEQUENCE) == before
            sent.add((case.path, answer.status_code < 400))

        for operation in operations:
            for mode in GenerationMode:
                cases = operation.as_strategy(generation_mode=mode)
                with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
                    seed(6)(FEW(given(case=cases, known=st.sampled_from(ids))(check)))()
        assert len({path for path, _ in sent}) == len(operations) and {True, False} == {taken for _, taken in sent}
        assert client.get("/v1/memories", params={"status": "all"}).status_code == 200
