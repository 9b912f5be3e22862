"""What a server lets in: whose page, under which name, how much, how deep, how often, and from where."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.serving import Served, served
from wayfare.cli import main
from wayfare.errors import BadValue
from wayfare.serve.problems import Refused
from wayfare.serve.rates import Buckets
from wayfare.serve.running import check
from wayfare.serve.settings import Limits, Settings
from wayfare.serve.strict import strict_json
from wayfare.serve.tokens import Tokens

JSON = {"Content-Type": "application/json"}
SMALL = Limits(body=2_000, text=500, depth=6, rate=1e-6, burst=40, seconds=0.5)


@pytest.fixture(scope="module")
def tight(shared_address: str) -> Iterator[Served]:
    """A server that lets little in."""
    with served(shared_address, limits=SMALL, origins=("https://app.example.org",), hosts=("memory.test",)) as made:
        yield made


def _unchanged(running: Served, namespace: str, tries: Callable[[httpx.Client], None]) -> None:
    """None of the tries changes anything."""
    client = running.client(namespace=namespace)
    before = client.get("/v1/stats").json()
    tries(client)
    assert client.get("/v1/stats").json() == before


def test_a_page_that_rebound_its_name_or_another_page_is_refused_on_localhost_too(tight: Served) -> None:
    port = tight.base_url.rsplit(":", 1)[1]
    client = tight.bare()
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::2]",
    ):
        refused = client.get("/healthz", headers={"Host": host})
        assert refused.status_code == 400, host
    for host in ("localhost", f"127.0.0.1:{port}", "LOCALHOST:1", "[::1]", f"memory.test:{port}"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200, host
    for origin in ("http://evil.example", "null", "file://", f"http://127.0.0.1:{int(port) + 1}", "http://memory.test"):
        assert client.get("/healthz", headers={"Origin": origin}).status_code == 403, origin
    for origin in ("https://app.example.org", tight.base_url):
        answer = client.get("/healthz", headers={"Origin": origin})
        assert answer.status_code == 200 and not [name for name in answer.headers if name.startswith("access-control")]
    assert client.options("/v1/recall", headers={"Origin": tight.base_url}).status_code == 405


def test_every_answer_says_how_a_browser_must_take_it_and_which_request_it_is(tight: Served) -> None:
    for path in ("/healthz", "/nothing", "/v1/stats", "/openapi.json"):
        answer = tight.bare().get(path, headers={"X-Request-ID": "abc-123"})
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store" and "server" not in answer.headers
        assert answer.headers["x-request-id"] == "abc-123"
    assert len(tight.bare().get("/healthz", headers={"X-Request-ID": "a b"}).headers["x-request-id"]) == 26


def test_a_body_is_counted_while_it_comes_and_never_read_to_its_end(tight: Served) -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        while True:
            sent.append(1)
            yield b" " * 1_000

    def tries(client: httpx.Client) -> None:
        try:
            refused = client.post("/v1/remember", content=endless(), headers=JSON)
            assert refused.status_code == 413
        except httpx.WriteError:  # it had closed the connection before it was all said
            pass
        for length, status in ((2_000, 413), (501, 422)):
            said = b'{"text": "' + b"a" * length + b'"}'
            assert client.post("/v1/remember", content=said, headers=JSON).status_code == status

    _unchanged(tight, "large", tries)
    assert len(sent) < 10_000


def test_a_body_that_never_ends_is_not_waited_for(tight: Served) -> None:
    text, _ = tight.token(namespace="slow", scopes=["write"])
    host, port = tight.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /v1/remember HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {text}\r\n"
            'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"te'.encode()
        )
        assert connection.recv(4_096).startswith(b"HTTP/1.1 408 ")


def test_who_has_no_token_is_refused_before_the_body_is_read(tight: Served) -> None:
    tight.token()
    host, port = tight.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/remember HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        assert connection.recv(4_096).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "said",
    [
        b"", b"{", b'{"text": NaN}', b'{"text": Infinity}', b'{"text": 1e999}', b"\xff\xfe", b'{"text": "\xff"}',
        b'{"text": "a", "text": "b"}', b'{"text": "\\ud800"}', b'{"text": "a", "meta": {"\\udfff": 1}}', b"[" * 1_900,
        b'{"text": "a", "meta": ' + b'{"a":' * 6 + b"1" + b"}" * 6 + b"}", b"1" * 1_900, b"\xef\xbb\xbf{}", b"null",
        b'{"text": "a", "event": 1' + b"0" * 400 + b"}", b'{"text": 1}', b'{"text": ["a"]}', b"'a'", b"\0",
    ],
)  # fmt: skip
def test_what_is_not_strictly_json_is_refused_and_changes_nothing(tight: Served, said: bytes) -> None:
    def tries(client: httpx.Client) -> None:
        for path in ("remember", "remember/batch", "recall", "credit", "forget"):
            refused = client.post(f"/v1/{path}", content=said, headers=JSON)
            assert refused.status_code in (400, 422), refused.text
            assert refused.headers["content-type"] == "application/problem+json"

    _unchanged(tight, "strict", tries)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=20).filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text)),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
        max_leaves=20,
    )
)  # fmt: skip
def test_strict_reading_gives_what_python_reads_or_refuses_what_is_too_deep(value: Any) -> None:
    def depth(given: Any) -> int:
        inner = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
        return 1 + max(map(depth, inner), default=0)

    body = json.dumps(value).encode()
    limits = Limits(depth=4)
    if depth(value) > 4:
        with pytest.raises(Refused, match="400"):
            strict_json(body, limits)
    else:
        assert strict_json(body, limits) == value


def test_other_media_types_and_compressed_bodies_are_not_read(tight: Served) -> None:
    def tries(client: httpx.Client) -> None:
        body = b'{"text": "a"}'
        for headers in (
            {}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Type": "application/json; charset=utf-16"}, {**JSON, "Content-Encoding": "gzip"},
            {"Content-Type": "application/x-ndjson"}, {"Content-Type": "multipart/form-data; boundary=x"},
        ):  # fmt: skip
            assert client.post("/v1/remember", content=body, headers=headers).status_code == 415, headers

    _unchanged(tight, "media", tries)


def test_a_token_that_asks_too_often_is_told_when_to_come_again_and_no_other_token_is(tight: Served) -> None:
    eager, calm = tight.client(namespace="eager"), tight.client(namespace="calm")
    answers = [eager.get("/v1/memories") for _ in range(SMALL.burst + 3)]
    assert [each.status_code for each in answers] == [200] * SMALL.burst + [429] * 3
    assert int(answers[-1].headers["retry-after"]) > 0
    assert calm.get("/v1/memories").status_code == 200


@given(steps=st.lists(st.floats(0, 3), max_size=60))
def test_no_more_is_let_through_than_the_burst_and_what_time_has_given(steps: list[float]) -> None:
    now = [0.0]
    buckets = Buckets(2.0, 3, clock=lambda: now[0])
    passed = 0
    for step in steps:
        now[0] += step
        wait = buckets.wait("ann")
        if not wait:
            passed += 1
        assert passed <= 3 + 2.0 * now[0] + 1e-9
        assert wait == 0 or wait == pytest.approx(min(wait, 0.5))
    assert buckets.wait("bob") == 0


def test_without_a_token_in_the_store_its_owner_comes_in_and_from_the_first_token_on_nobody(address: str) -> None:
    with served(address, namespace="mine") as running:
        owner = running.bare()
        assert owner.post("/v1/remember", json={"text": "one"}).status_code == 200
        assert owner.get("/v1/stats").json()["namespace"] == "mine"
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):  # a proxy that brings others here
            assert owner.get("/v1/stats", headers={header: "for=1.2.3.4"}).status_code == 401
        assert owner.get("/v1/stats", headers={"Authorization": "Bearer nonsense"}).status_code == 401
        _, grant = running.token()
        assert owner.get("/v1/stats").status_code == 401
        running.tokens.revoke(grant.id)
        assert owner.get("/v1/stats").status_code == 401  # the last token that goes opens nothing


def test_a_server_that_others_can_reach_needs_tokens_and_encryption(address: str, tmp_path: Path) -> None:
    assert check(Settings(address)).startswith("NO TOKEN IS NEEDED")
    for options in ({"host": "0.0.0.0"}, {"host": "192.0.2.1"}, {"behind_proxy": True}, {"host": "::"}):
        with pytest.raises(BadValue, match="until there are tokens"):
            check(Settings(address, **options))  # type: ignore[arg-type]
    with Tokens(address) as tokens:
        tokens.issue("ann", namespace="org/ann")
    assert check(Settings(address)) == "this machine only; a token is needed"
    with pytest.raises(BadValue, match="--behind-proxy"):
        check(Settings(address, host="0.0.0.0", hosts=("memory.test",)))
    with pytest.raises(BadValue, match="allow_host"):
        check(Settings(address, host="0.0.0.0", behind_proxy=True))
    assert "memory.test" in check(Settings(address, host="0.0.0.0", behind_proxy=True, hosts=("memory.test",)))
    pem = tmp_path / "key.pem"
    pem.write_text("")
    assert "192.0.2.1" in check(Settings(address, host="192.0.2.1", certificate=pem, key=pem))


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70_000}, {"workers": 0}, {"namespace": "a//b"}, {"hosts": ("a/b",)}, {"origins": ("app.example",)},
        {"certificate": Path("nowhere.pem")}, {"metrics_token": "short"}, {"grace": -1.0}, {"threads": True},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadValue):
        Settings("a.db", **wrong)


def test_the_numbers_are_read_from_this_machine_or_with_their_token(shared_address: str, tight: Served) -> None:
    assert tight.bare().get("/metrics").status_code == 200
    assert tight.bare().get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 403
    with served(shared_address, metrics_token="a-long-enough-secret", behind_proxy=True) as running:
        assert running.bare().get("/metrics").status_code == 403
        assert running.client().get("/metrics").status_code == 403
        assert running.bare(Authorization="Bearer a-long-enough-secret").get("/metrics").status_code == 200


def test_the_command_line_makes_lists_and_revokes_tokens(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["memory", "token"]
    assert (
        main([*words, "create", address, "ann", "--namespace", "org/ann", "--scopes", "read", "credit", "--json"]) == 0
    )
    made = json.loads(capsys.readouterr().out)
    with Tokens(address) as tokens:
        grant = tokens.verify(made["token"])
        assert grant is not None and grant.scopes == {"read", "credit"} and grant.namespace == "org/ann"
    assert main([*words, "list", address]) == 0
    listed = capsys.readouterr().out
    assert made["id"] in listed and "active" in listed and made["token"].split("_", 2)[2] not in listed
    assert main([*words, "revoke", address, made["id"]]) == 0 and made["id"] in capsys.readouterr().out
    with Tokens(address) as tokens:
        assert tokens.verify(made["token"]) is None
    for wrong in (["create", address], ["create", address, "ann", "--scopes", "root"], ["revoke", address, "nobody"]):
        assert main([*words, *wrong]) == 2
    assert "must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--host", "0.0.0.0"], "until there are tokens"), (["--host", "192.0.2.77"], "until there are tokens"),
        (["--port", "99999"], "whole number"), (["--workers", "0"], "whole number"), (["--rate", "0"], "above 0"),
        (["--key", "nowhere.pem"], "a file that is there"), (["--allow-origin", "app.example"], "without a path"),
    ],
)  # fmt: skip
def test_a_server_that_may_not_start_says_why_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    assert main(["memory", "serve", str(tmp_path / "a.db"), *words]) == 2
    said = capsys.readouterr().err
    assert why in said and said.count("\n") == 1
