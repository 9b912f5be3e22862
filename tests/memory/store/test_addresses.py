"""What an address has to be before anything is made at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayfare.errors import BadValue
from wayfare.memory import Memory


def test_an_address_of_neither_kind_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    for address in (
        tmp_path, tmp_path / "no" / "a.db", ":memory:", "mysql://localhost/x", "file:///tmp/a.db", "", None, 3, "a\0b",
    ):  # fmt: skip
        with pytest.raises(BadValue, match="address"):
            Memory(address)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
