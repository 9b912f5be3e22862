"""Bodies read strictly: JSON as RFC 8259 has it, no deeper and no longer than the limits, no name said twice.

Python's reader takes more: NaN, numbers that become infinite, half characters that no store can keep.
"""

from __future__ import annotations

import json
import math
from typing import Any

from fastapi import Request

from wayfare.serve.problems import Refused
from wayfare.serve.settings import Limits

__all__ = ["StrictRequest", "strict_json", "strict_lines"]


def strict_json(body: bytes, limits: Limits) -> Any:
    """The value that a body holds. Raises: Refused, 400 for what is no such JSON, 422 for a text that is too long."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body must be UTF-8; byte {error.start} is not") from None
    try:
        value = json.loads(text, parse_constant=_constant, parse_float=_float, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise Refused(400, f"the body must be JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _deep(limits) from None
    except ValueError as error:
        raise Refused(400, f"the body must be JSON: {str(error)[:200]}") from None
    _look(value, limits)
    return value


def strict_lines(body: bytes, limits: Limits, most: int) -> list[Any]:
    """The values of a body with one JSON document a line (NDJSON); empty lines are passed over. Raises: Refused."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > most:
        raise Refused(413, f"at most {most} lines at once")
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values.append(strict_json(line, limits))
        except Refused as error:
            raise Refused(error.status_code, f"line {number}: {error.detail}", line=number) from None
    return values


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """The value of the body. Raises: Refused."""
        return strict_json(await self.body(), self.app.state.doors.settings.limits)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:30]} is too large a number")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is said twice in one object")
    return found


def _look(value: Any, limits: Limits) -> None:
    """Refuse what is too deep, texts that are too long, and half characters."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise _deep(limits)
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                _checked(each, limits)
            elif isinstance(each, list):
                below.extend(each)
            elif isinstance(each, dict):
                for name in each:
                    _checked(name, limits)
                below.extend(each.values())
        level = below


def _checked(text: str, limits: Limits) -> None:
    if len(text) > limits.text:
        said = f"of {limits.text} characters at most; cut it into parts"
        raise Refused(422, f"a text must be {said}", field="body", value=f"{len(text)} characters", allowed=said)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Refused(400, "the body must be JSON: half a surrogate pair is no character") from None


def _deep(limits: Limits) -> Refused:
    return Refused(400, f"the body may be {limits.depth} levels deep at most")
