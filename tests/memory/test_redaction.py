"""What must not be remembered is in no byte of either store; what only looks like it stays."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory.stores import Store
from wayfare.errors import BadValue
from wayfare.memory import Key, Link, Memory, Provenance
from wayfare.memory.embedding import Vectors
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.operations import Add, AddLink, Archive, Merge, Noop, Supersede, Update
from wayfare.memory.planners import HashDedup
from wayfare.memory.redaction import all_of, api_keys, card_numbers, email_addresses, ibans, secrets

CARD, IBAN = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"
KEY = "sk-ant-" + "abcdefghij" * 3
EMAIL = "zephyrine.quill@grunspecht.example"
FOUND = f"{EMAIL}, card {CARD}, account {IBAN}, key {KEY}"
LEFT = (b"zephyrine", b"grunspecht", b"4111 1111", b"0044 0532", b"abcdefghij")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"write to {EMAIL}.", "write to [e-mail]."),
        ("a+b@mail.co.uk; x@y", "[e-mail]; x@y"),
        ("grüße@müller.example", "[e-mail]"),
        ("git@github.com:a/b.git and @ann", "[e-mail]:a/b.git and @ann"),
        (f"paid with {CARD} today", "paid with [card number] today"),
        ("order 12 4111-1111-1111-1111 now", "order 12 [card number] now"),
        ("4111111111111111, 378282246310005", "[card number], [card number]"),
        ("4111 1111 1111 1112 is none", "4111 1111 1111 1112 is none"),
        ("call 030 901820 or 1234567", "call 030 901820 or 1234567"),
        ("1700000000.123456 s", "1700000000.123456 s"),
        (f"to {IBAN} please", "to [IBAN] please"),
        ("GB29NWBK60161331926819 de89370400440532013000", "[IBAN] [IBAN]"),
        ("DE88 3704 0044 0532 0130 00 is none", "DE88 3704 0044 0532 0130 00 is none"),
        ("NO9386011117947 and more words here", "[IBAN] and more words here"),
        (f"export KEY={KEY}", "export KEY=[API key]"),
        ("ghp_" + "a1" * 18 + " AKIAIOSFODNN7EXAMPLE", "[API key] [API key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- after", "[API key] after"),
        ("a disk-abcdefghijklmnopqrstuvwxyz is no key", "a disk-abcdefghijklmnopqrstuvwxyz is no key"),
        ("nothing to see", "nothing to see"),
    ],
)
def test_what_is_known_by_its_form_and_its_check_digits_is_found(text: str, kept: str) -> None:
    assert secrets(text) == kept


@given(st.text(max_size=300), st.sampled_from([CARD, IBAN, KEY, EMAIL]))
def test_a_redacted_text_is_not_redacted_again(text: str, secret: str) -> None:
    once = secrets(f"{text} {secret} {text}")
    assert secrets(once) == once and secret not in once


@given(st.integers(10**11, 10**17))
def test_one_last_digit_of_ten_makes_a_card_number(head: int) -> None:
    assert sum(card_numbers(f"{head}{last}") == "[card number]" for last in range(10)) == 1


@pytest.mark.parametrize("text", ["1 " * 50_000, "a" * 200_000, "a." * 100_000 + "@", "DE89" * 50_000, "sk-" * 60_000])
def test_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    began = time.perf_counter()
    for redact in (email_addresses, card_numbers, ibans, api_keys):
        redact(text)
    assert time.perf_counter() - began < 20  # not minutes


class Telling(HashDedup):
    """A planner that says more than it was told."""

    def plan(self, draft, neighbours):  # type: ignore[no-untyped-def]
        return [draft, Noop(f"as {EMAIL} said")]


def test_no_byte_of_a_secret_reaches_the_store_by_any_way(store: Store, address: str) -> None:
    with Memory(address, redact=secrets, embedder="lexical:32", synchronous="NORMAL") as memory:
        id = memory.remember(
            FOUND, keys=[("intent", f"ask {FOUND}")], meta={"who": EMAIL, FOUND: [{"deep": [CARD, 1, None]}]},
            source=f"mailto:{EMAIL}", reason=FOUND, idempotency_key="once",
        ).id  # fmt: skip
        assert memory.get(id).content == "[e-mail], card [card number], account [IBAN], key [API key]"
        assert memory.get(id).meta["who"] == "[e-mail]"
        other, third = memory.remember("another", kind="strategy").id, memory.remember("a third").id
        memory.revise(id, f"otherwise {FOUND}", keys=[Key("intent", FOUND)], meta={"card": CARD}, reason=FOUND)
        memory.remember_many([f"one of many {FOUND}", {"text": f"a mapping {EMAIL}", "reason": CARD}])
        memory.remember_dialogue([{"speaker": "Ann", "text": FOUND}, {"speaker": "Bob", "text": "Thanks"}])
        link = Link(id, other, "about", evidence=(EMAIL, FOUND))
        memory.apply(
            [
                Add(f"added {FOUND}", context=FOUND, links=(Link("", id, "of", evidence=(CARD,)),), reason=FOUND,
                    provenance=(Provenance(uri=EMAIL),), keys=(Key("question", FOUND),)),
                AddLink(link, FOUND), Update(other, {"context": FOUND}, FOUND), Noop(FOUND, id),
                Supersede(other, Add(f"instead {FOUND}"), FOUND), Merge((third,), Add(f"merged {FOUND}"), FOUND),
                Archive(id, FOUND),
            ]
        )  # fmt: skip
        recall = memory.recall(f"what about {FOUND}", task="t")
        assert EMAIL not in recall.query
        memory.showed(f"shown for {FOUND}", [other], task="u") if memory.list(status="active").records else None
        memory.credit("t", 1.0)
        memory.void(source="harness", reason=FOUND)
        memory.freeze(reason=FOUND)
        memory.thaw(reason=FOUND)
        memory.reset_utility(reason=FOUND)
        memory.forget(id, reason=FOUND)
        memory.rollback(to=3, reason=FOUND)
        memory.set_quota(reason=FOUND, records=1_000)
        told = memory.remember(FOUND, idempotency_key="other")
        assert memory.remember(FOUND, idempotency_key="other") == told
    with Memory(address, redact=secrets, planner=Telling()) as memory:
        memory.remember(f"planned {FOUND}")
    data = store.contents(address)
    assert [secret for secret in LEFT if secret in data] == []
    assert b"[card number]" in data


def test_a_secret_does_not_reach_the_embedder_either(address: str) -> None:
    class Hearing(Lexical):
        def embed(self, texts: Sequence[str]) -> Vectors:
            heard.extend(texts)
            return super().embed(texts)

        def embed_query(self, text: str) -> Vectors:
            heard.append(text)
            return super().embed_query(text)

    heard: list[str] = []
    with Memory(address, redact=secrets, embedder=Hearing(32)) as memory:
        id = memory.remember(FOUND, keys=[("intent", FOUND)]).id
        memory.apply([Add(f"added {FOUND}", context=FOUND), Update(id, {"content": f"otherwise {FOUND}"})])
        memory.recall(FOUND)
    assert len(heard) > 5 and [text for text in heard for secret in LEFT if secret.decode() in text] == []


def test_a_redactor_may_refuse_and_nothing_is_changed(store: Store, address: str) -> None:
    def refuse(text: str) -> str:
        if "secret" in text:
            raise PermissionError("not here")
        return text.replace("gone", "")

    with Memory(address, redact=refuse, embedder="none") as memory:
        memory.remember("kept")
        before = store.rows(address, "SELECT count(*) FROM log")
        for act in (
            lambda: memory.remember("a secret"),
            lambda: memory.remember_many(["fine", "a secret"]),
            lambda: memory.recall("a secret"),
            lambda: memory.remember("fine", meta={"a": ["secret"]}),
            lambda: memory.freeze(reason="secret"),
        ):
            with pytest.raises(PermissionError):
                act()
        with pytest.raises(BadValue, match="content must be not blank"):
            memory.remember("gone")
        with pytest.raises(BadValue, match="whose names differ after redaction"):
            memory.remember("fine", meta={"gonea": 1, "agone": 2})
        assert store.rows(address, "SELECT count(*) FROM log") == before
    with Memory(address, redact=lambda text: 7) as memory, pytest.raises(BadValue, match="redact must be"):  # type: ignore[arg-type,return-value]
        memory.remember("anything")
    with pytest.raises(BadValue, match="redact must be"):
        Memory(address, redact="secrets")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="redactors must be"):
        all_of(secrets, "more")  # type: ignore[arg-type]
