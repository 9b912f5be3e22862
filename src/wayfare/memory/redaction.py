"""What must not be remembered is taken out before anything is embedded, stored or logged.

    memory = Memory("agent.db", redact=secrets)                         # all that is known here
    memory = Memory("agent.db", redact=all_of(email_addresses, mine))   # some of it, and a function of one's own

A *redactor* is a function from a text to the text that may be kept; it may raise, and nothing is changed then. The
memory asks it about contents, keys, contexts, meta (names and texts), sources, evidence, reasons and queries. It does
not ask about names: kinds, tags, subjects, link types, actors, tasks and idempotency keys are stored as they are given,
and so are payloads with their headers, which are no texts.

What is known here is found by its form, and numbers by their check digits: a name in a sentence is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from wayfare.errors import BadValue
from wayfare.memory.operations import Add, AddLink, Merge, Operation, Supersede, Update
from wayfare.memory.records import Key, Link

__all__ = [
    "Redact", "all_of", "api_keys", "card_numbers", "email_addresses", "ibans", "redacted", "redacted_text", "secrets"
]  # fmt: skip

Redact = Callable[[str], str]
O = TypeVar("O", bound=Operation)  # noqa: E741

_EMAIL = re.compile(r"(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,63}")
_DIGITS = re.compile(r"(?<!\d)\d(?:[ \-\u00a0\u2010\u2011]?\d){12,}")
_GROUP = re.compile(r"\d+")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ \-\u00a0]?[A-Za-z0-9])")
_NEXT = re.compile(r"[ \-\u00a0]?([A-Za-z0-9])")
_LENGTHS = {
    found[:2]: int(found[2:])
    for found in re.findall(
        r"\S+",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
        "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 "
        "LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 "
        "QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30",
    )
}
"""Characters of an IBAN, by country (the SWIFT registry)."""
_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}"  # Stripe
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}"  # Amazon, Google
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # a JSON web token
    r")"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def email_addresses(text: str) -> str:
    """`[e-mail]` for each."""
    return _EMAIL.sub("[e-mail]", text) if "@" in text else text


def card_numbers(text: str) -> str:
    """`[card number]` for each run of 13 to 19 digits, in groups or not, whose last digit checks (Luhn 1960)."""
    return _DIGITS.sub(_without_cards, text)


def _without_cards(found: re.Match[str]) -> str:
    """Other numbers may stand before and behind it: of all windows of whole groups, those that check go."""
    text = found[0]
    groups = [(group.start(), group.end()) for group in _GROUP.finditer(text)]
    spans: list[tuple[int, int]] = []
    for first, (begin, _) in enumerate(groups):
        digits: list[int] = []
        for start, end in groups[first : first + 19]:
            digits += map(int, text[start:end])
            if len(digits) > 19:
                break
            if len(digits) >= 13 and _luhn(digits):
                if spans and begin < spans[-1][1]:
                    spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
                else:
                    spans.append((begin, end))
    kept, at = [], 0
    for begin, end in spans:
        kept += [text[at:begin], "[card number]"]
        at = end
    return "".join([*kept, text[at:]])


def _luhn(digits: Sequence[int]) -> bool:
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def ibans(text: str) -> str:
    """`[IBAN]` for each account number that has its country's length and checks (ISO 13616, modulo 97)."""
    kept, at = [], 0
    for found in _IBAN.finditer(text):
        end = _iban_end(text, found.start(), found.end()) if found.start() >= at else 0
        if end:
            kept += [text[at : found.start()], "[IBAN]"]
            at = end
    return "".join([*kept, text[at:]])


def _iban_end(text: str, start: int, end: int) -> int:
    """Where an account number that begins here ends; 0 where none does."""
    code = text[start:end].upper()
    wanted = _LENGTHS.get(code[:2], 0)
    while len(code) < wanted:
        found = _NEXT.match(text, end)
        if found is None:
            return 0
        code, end = code + found[1].upper(), found.end()
    number = "".join(str(int(letter, 36)) for letter in code[4:] + code[:4])
    return end if wanted and int(number) % 97 == 1 else 0


def api_keys(text: str) -> str:
    """`[API key]` for keys of known forms: model and code hosts, clouds, payments, chat, JSON web tokens, PEM keys."""
    return _KEYS.sub("[API key]", text)


def all_of(*redactors: Redact) -> Redact:
    """One redactor that asks these in turn."""
    for each in redactors:
        if not callable(each):
            raise BadValue("redactors", each, "functions from a text to a text")

    def redact(text: str) -> str:
        for each in redactors:
            text = redacted_text(each, "text", text)
        return text

    return redact


secrets = all_of(api_keys, email_addresses, ibans, card_numbers)
"""All that is known here."""


def redacted_text(redact: Redact | None, field: str, text: str) -> str:
    """The text that may be kept. Raises: what `redact` raises; BadValue where it returns anything but a text."""
    if redact is None or not isinstance(text, str) or not text:
        return text  # what is no text is refused where it is looked at
    kept = redact(text)
    if not isinstance(kept, str):
        raise BadValue("redact", type(kept).__name__, f"a function that returns a text, as for {field}")
    return kept


def redacted(redact: Redact | None, op: O) -> O:
    """The operation without what must not be kept. Raises: as `redacted_text`; BadValue where too little is left."""
    if redact is None:
        return op
    changes: dict[str, Any] = {}
    if isinstance(op, Add):
        changes = _fields(
            redact, {name: getattr(op, name) for name in ("content", "context", "meta", "keys", "provenance")}
        )
        changes["links"] = tuple(_link(redact, link) for link in op.links)
    elif isinstance(op, Update):
        changes["changes"] = _fields(redact, dict(op.changes))
    elif isinstance(op, AddLink):
        changes["link"] = _link(redact, op.link)
    elif isinstance(op, Merge | Supersede):
        name = "into" if isinstance(op, Merge) else "by"
        other = getattr(op, name)
        changes[name] = redacted(redact, other) if isinstance(other, Add) else other
    changes["reason"] = redacted_text(redact, "reason", op.reason)
    return replace(op, **changes)


def _fields(redact: Redact, given: dict[str, Any]) -> dict[str, Any]:
    found = dict(given)
    for name, value in given.items():
        if name in ("content", "context"):
            found[name] = redacted_text(redact, name, value)
        elif name == "meta":
            found[name] = _json(redact, value)
        elif name == "provenance":
            found[name] = tuple(replace(each, uri=redacted_text(redact, "source", each.uri)) for each in value)
        elif name == "keys":
            found[name] = tuple(Key(key.role, redacted_text(redact, "key", key.text)) for key in value)
    return found


def _json(redact: Redact, value: Any) -> Any:
    """Every text of it, names included. Raises: BadValue where two names become one."""
    if isinstance(value, str):
        return redacted_text(redact, "meta", value)
    if isinstance(value, Mapping):
        found = {redacted_text(redact, "meta", str(name)): _json(redact, each) for name, each in value.items()}
        if len(found) != len(value):
            raise BadValue("meta", sorted(found), "one whose names differ after redaction")
        return found
    if isinstance(value, list):
        return [_json(redact, each) for each in value]
    return value


def _link(redact: Redact, link: Link) -> Link:
    return replace(link, evidence=tuple(redacted_text(redact, "evidence", each) for each in link.evidence))
