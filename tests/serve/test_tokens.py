"""Tokens: what they allow, and that nothing but their own text, and only while they hold, allows it."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory.stores import Store
from wayfare.errors import BadValue, Damaged
from wayfare.memory import Memory
from wayfare.memory.store.doctor import doctor, salvage
from wayfare.serve.tokens import SCOPES, Tokens


def test_a_token_is_what_was_issued_and_another_text_is_nothing(address: str) -> None:
    with Tokens(address) as tokens:
        text, grant = tokens.issue("ann", namespace="org/ann", also_read=["org/shared"], scopes=["credit", "read"])
        assert tokens.verify(text) == grant and grant.also_read == ("org/shared",)
        assert grant.allows("credit") and not grant.allows("write")
        other, _ = tokens.issue("bob", namespace="org/bob")
        id, secret = text.split("_")[1], other.split("_", 2)[2]
        for wrong in (f"wayfare_{id}_{secret}", text[:-1], text + "A", text.upper(), "", "wayfare__", f" {text}"):
            assert tokens.verify(wrong) is None


def test_the_secret_is_nowhere_in_the_store(store: Store, address: str) -> None:
    with Tokens(address) as tokens:
        text, _ = tokens.issue("ann", namespace="org/ann")
    assert text.split("_", 2)[2].encode() not in store.contents(address)


def test_what_is_revoked_is_refused_by_every_handle_that_is_open(address: str) -> None:
    with Tokens(address) as one, Tokens(address) as other:
        text, grant = one.issue("ann", namespace="org/ann")
        assert other.verify(text) == grant
        first = other.revoke(grant.id)
        assert one.verify(text) is None and one.revoke(grant.id) == first
        assert [each.state for each in one.list()] == ["revoked"] and one.any()
        with pytest.raises(BadValue, match="id"):
            one.revoke("0" * 16)


def test_a_token_ends_when_it_was_said_to(address: str) -> None:
    now = [1_000.0]
    with Tokens(address, clock=lambda: now[0]) as tokens:
        text, grant = tokens.issue("ann", namespace="org/ann", expires_in=60)
        now[0] = 1_059.9
        assert tokens.verify(text) == grant
        now[0] = 1_060.0
        assert tokens.verify(text) is None
        assert [each.state for each in tokens.list("org/ann")] == ["expired"] and not tokens.list("org/bob")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 201}, {"namespace": "org//ann"}, {"namespace": ""}, {"also_read": "org/shared"},
        {"also_read": ["org/ann"]}, {"scopes": []}, {"scopes": ["root"]}, {"expires_in": 0}, {"expires_in": math.nan},
        {"expires_in": math.inf}, {"expires_in": True}, {"expires_in": "1"},
    ],
)  # fmt: skip
def test_what_no_token_can_be_is_refused_and_nothing_is_written(issued: Tokens, wrong: dict[str, Any]) -> None:
    before = issued.list()
    with pytest.raises(BadValue):
        issued.issue(**{"name": "ann", "namespace": "org/ann", **wrong})
    assert issued.list() == before


@pytest.mark.parametrize("change", ["namespace = 'org/bob'", "scopes = '[\"admin\"]'", "revoked_at = NULL"])
def test_a_row_that_was_changed_behind_the_librarys_back_lets_nobody_in(
    store: Store, address: str, change: str
) -> None:
    with Tokens(address) as tokens:
        text, grant = tokens.issue("ann", namespace="org/ann")
        if "revoked" in change:
            tokens.revoke(grant.id)
        store.execute(address, f"UPDATE tokens SET {change}")
        with pytest.raises(Damaged):
            tokens.verify(text)


def test_the_doctor_finds_a_token_that_was_changed_and_salvage_takes_the_others_along(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory, Tokens(tmp_path / "a.db") as tokens:
        memory.remember("one")
        kept, _ = tokens.issue("ann", namespace="org/ann")
        revoked, gone = tokens.issue("cay", namespace="org/cay")
        tokens.revoke(gone.id)
        text, grant = tokens.issue("bob", namespace="org/bob")
    assert doctor(tmp_path / "a.db").worst != "damage"
    with sqlite3.connect(tmp_path / "a.db") as file:
        file.execute("UPDATE tokens SET namespace = 'org/ann' WHERE id = ?", (grant.id,))
    assert [each.table for each in doctor(tmp_path / "a.db").findings if each.severity == "damage"] == ["tokens"]
    salvage(tmp_path / "a.db", tmp_path / "b.db")
    with Tokens(tmp_path / "b.db") as tokens:
        assert tokens.verify(kept) is not None and tokens.verify(revoked) is None and tokens.verify(text) is None
        assert [each.state for each in tokens.list()] == ["active", "revoked"]


@pytest.fixture(scope="module")
def issued(shared_address: str) -> Iterator[Tokens]:
    """Tokens, one of which there is."""
    with Tokens(shared_address) as tokens:
        tokens.issue("ann", namespace="org/ann", scopes=SCOPES)
        yield tokens


@given(text=st.one_of(st.text(), st.from_regex(r"wayfare_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", fullmatch=True)))
def test_no_text_that_was_not_issued_is_a_token(issued: Tokens, text: str) -> None:
    assert issued.verify(text) is None
