"""A memory as a support team has it after six weeks, by the public interface: notes, recalls, outcomes, a trial."""

from __future__ import annotations

import random
from collections.abc import Callable

from wayfare.memory import Memory

__all__ = ["NAMESPACE", "fill"]

NAMESPACE = "org/support"
DAY = 86_400.0
MATTERS = {
    "user cannot log in after password reset": "Flush the session cache before the reset link is sent",
    "invoice shows the wrong currency": "Set the billing country first, then issue the invoice once more",
    "webhook is delivered twice": "Compare the id of the webhook with the last hundred before acting on it",
    "export stops at ten thousand rows": "Page the export by the cursor of its last row, not by an offset",
    "mobile app shows yesterday's data": "Invalidate the edge cache of the mobile app by the customer's own tag",
    "two users see each other's drafts": "Bind the drafts to the session of the users, not to an address",
    "search finds nothing for umlauts": "Normalise the text to NFKC before the search indexes it, umlauts and all",
    "report is a day behind": "Run the report after the warehouse has loaded, at half past five",
}  # fmt: skip
"""What comes up, and what helps."""
TRIED = ("restart the worker and wait", "ask the customer to try again", "open a ticket with the vendor")
"""What only sounds as if it helped: each is filed for every matter, in the very words of the query."""


def fill(address: str, now: float, tasks: int = 320, seed: int = 7) -> dict[str, str]:
    """Fill a new store; ids of some memories by name. now: when it ends, s since the epoch"""
    draws = random.Random(seed)
    clock = [now - 42 * DAY]
    named: dict[str, str] = {}
    helps: dict[str, str] = {}
    with Memory(address, namespace=NAMESPACE, synchronous="NORMAL", clock=lambda: clock[0]) as memory:
        _write(memory, named, helps)
        matters = list(MATTERS)
        for turn in range(tasks):
            clock[0] += 40 * DAY / tasks
            matter = draws.choice(matters)
            with memory.task(f"ticket-{4000 + turn}") as task:
                found = memory.recall(matter, k=2)
                good = helps[matter] in found.ids
                if draws.random() < 0.95:
                    used = [helps[matter]] if good else list(found.ids[:1])
                    task.credit(float(draws.random() < (0.9 if good else 0.25)), used=used)
            if turn == tasks // 2:
                memory.refit()
            if turn == tasks * 3 // 4:
                memory.freeze(reason="a release is being rolled out")
                memory.thaw(reason="the release is out")
        last = memory.tasks(limit=1)[0].id
        memory.credit(last, 1.0, used=[], source="human", rank="human", actor="ann")
        memory.recall("invoice currency", k=2, task="ticket-open")
        memory.recall("webhook twice", k=2, task="ticket-open")
        clock[0] = now - 3600
        _past(memory, named)
    return named


def _write(memory: Memory, named: dict[str, str], helps: dict[str, str]) -> None:
    for matter, good in MATTERS.items():
        tag = matter.split()[0]
        for tried in TRIED:
            worse = memory.remember(f"When {matter}: {tried}", kind="strategy", tags=[tag, "first-line"]).id
        helps[matter] = memory.remember(f"{good} ({matter})", kind="strategy", tags=[tag]).id
        memory.link(helps[matter], worse, "related")
    named["good"], named["bad"] = helps[matter], worse
    for number in range(60):
        memory.remember(f"Ticket {3000 + number} was closed by the night shift", kind="event", tags=["log"])
    return None


def _past(memory: Memory, named: dict[str, str]) -> None:
    """Versions, sources, and texts that a page must bear."""
    many: Callable[..., str] = lambda text, **given: memory.remember(text, **given).id  # noqa: E731
    named["revised"] = many(
        "The token lives an hour", kind="fact", tags=["auth"], source="https://example.org/auth#ttl"
    )
    memory.revise(named["revised"], "The token lives a day, and is renewed on use", reason="new setting since May")
    memory.revise(named["revised"], "The token lives a day, and is renewed on each use", reason="as the code says")
    named["derived"] = many("Tokens need no renewal within a day", kind="insight")
    memory.link(named["derived"], named["revised"], "derived_from", weight=0.8, evidence=["ticket-4007"])
    named["markup"] = many(
        "<script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'><b>bold</b> &amp; \"quoted\"",
        kind="<i>fact</i>", tags=["<u>tag</u>", "a&b"], source="javascript:window.stolen=3",
        meta={"<b>": "</pre><script>"},
    )  # fmt: skip
    named["rtl"] = many("يجب تفريغ ذاكرة الجلسة قبل إرسال رابط إعادة التعيين", kind="fact", tags=["عربي"])
    named["emoji"] = many("🦉 Owls 👩🏽‍🚀 watch the night shift 🇪🇺 " + "e\u0301" * 40, kind="fact", tags=["🦉"])
    named["long"] = many("A line of a very long log. " * 12_000, kind="event", tags=["log"])
    named["wide"] = many("W" * 5_000, kind="event", tags=["log"])
