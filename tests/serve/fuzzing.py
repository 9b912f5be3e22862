"""Cases that schemathesis makes from the OpenAPI document, and what must hold of every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serve.serving import SCOPES, Served

__all__ = ["fuzz", "operations"]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def operations(running: Served) -> list[Any]:
    """Every operation of the document that a token may call."""
    document = schemathesis.openapi.from_url(f"{running.base_url}/openapi.json")
    return [each.ok() for each in document.get_all_operations() if each.ok().path.startswith("/v1/")]


def fuzz(
    running: Served, namespace: str, cases: int, number: int, state: Callable[[], object]
) -> Iterator[tuple[str, int]]:
    """Send about so many cases, half of them against the document; (operation, cases of it) as it goes.

    number: of the seed        state: of the store, which a refused request must leave as it was
    Raises: AssertionError, with the case, for an answer that the document does not promise.
    """
    text, _ = running.token("fuzz", namespace=namespace, scopes=SCOPES)
    every = operations(running)
    each = max(1, -(-cases // (2 * len(every))))
    for operation in every:
        sent = 0
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @seed(number)
            @settings(
                max_examples=each, database=None, deadline=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy(generation_mode=mode))
            def sends(case: Any) -> None:
                nonlocal sent
                sent += 1
                before = state()
                answer = case.call(headers={"Authorization": f"Bearer {text}"}, timeout=60)
                case.validate_response(answer, checks=CHECKS)
                if answer.status_code >= 400:
                    assert state() == before, f"refused, and yet changed: {case.as_curl_command()}"

            sends()
        yield f"{operation.method.upper()} {operation.path}", sent
