"""Shows our docstrings as they read in the source: each `name: text` line becomes an item of a list."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_ITEM = re.compile(r"^(?P<name>[\w*.]+(?:(?:, | or )[\w*.]+)*): (?=\S)")


class Lines(Extension):
    """Rewrites docstrings as they are loaded."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        """Turn items into Markdown list items; drawings are indented already and stay code."""
        if obj.docstring is None:
            return
        lines: list[str] = []
        for line in obj.docstring.value.splitlines():
            if _ITEM.match(line):
                if lines and lines[-1] and not lines[-1].startswith("- "):
                    lines.append("")
                line = _ITEM.sub(lambda found: f"- `{found['name']}`: ", line)
            lines.append(line)
        obj.docstring.value = "\n".join(lines)
