"""What a language model has answered, as JSON: whatever greeting or fence stands around it."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["in_json"]


def in_json(answer: object) -> dict[str, Any]:
    """The object between the first and the last brace; {} where there is none that can be read."""
    if not isinstance(answer, str):
        return {}
    try:
        found = json.loads(answer[answer.find("{") : answer.rfind("}") + 1])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
