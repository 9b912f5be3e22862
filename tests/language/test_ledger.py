"""What was paid for stays known, whatever the kill cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.language.ledger import Ledger, key_of


def test_an_answer_is_on_the_disk_when_put_returns(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "calls.jsonl")
    ledger.put("k", {"text": "\u00fc\n"})
    assert (tmp_path / "calls.jsonl").read_text() == '{"key": "k", "answer": {"text": "\\u00fc\\n"}}\n'
    ledger.close()
    again = Ledger(tmp_path / "calls.jsonl")
    assert again.get("k") == {"text": "\u00fc\n"} and again.get("other") is None and len(again) == 1
    again.close()


@given(cut=st.integers(1, 200))
def test_wherever_the_file_is_cut_whole_lines_stay_and_writing_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "calls.jsonl"
    ledger = Ledger(path)
    for number in range(5):
        ledger.put(f"k{number}", {"number": number})
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    left = whole[:cut].count(b"\n")
    ledger = Ledger(path)
    assert len(ledger) == left
    ledger.put("new", {"number": 9})
    ledger.close()
    ledger = Ledger(path)
    assert len(ledger) == left + 1 and ledger.get("new") == {"number": 9}
    ledger.close()


@pytest.mark.parametrize("line", [b"no json\n", b'{"key": "k"}\n', b"[]\n"])
def test_a_file_that_is_no_ledger_is_refused_and_left_as_it_is(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(line + b"tail")
    with pytest.raises(BadValue, match="line 1"):
        Ledger(path)
    assert path.read_bytes() == line + b"tail"


def test_a_key_depends_on_everything_but_the_order_it_is_said_in() -> None:
    assert key_of(a=1, b={"x": 1, "y": 2}) == key_of(b={"y": 2, "x": 1}, a=1)
    assert len({key_of(a=1), key_of(a=2), key_of(b=1), key_of(a="1")}) == 4
