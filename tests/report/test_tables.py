"""Tables lose nothing as CSV and escape everything as HTML."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from wayfare.errors import BadValue
from wayfare.report.tables import to_csv, to_html, to_rich

TABLE = SimpleNamespace(
    name="rewards", columns=("player", "reward", "blocks"), rows=[("full", 0.7091234, 4000), ("a <b>", 0.73, None)]
)


@given(
    st.lists(st.tuples(st.floats(allow_nan=False), st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))))
)
@settings(max_examples=60, deadline=None)
def test_csv_gives_back_every_bit(rows: list[tuple[float, str]]) -> None:
    text = to_csv(SimpleNamespace(name="t", columns=("x", "name, odd"), rows=[(np.float64(x), s) for x, s in rows]))
    header, *read = csv.reader(io.StringIO(text, newline=""))
    assert header == ["x", "name, odd"]
    assert [(float(x), s) for x, s in read] == rows


def test_csv_leaves_missing_cells_empty() -> None:
    assert to_csv(TABLE) == "player,reward,blocks\nfull,0.7091234,4000\na <b>,0.73,\n"


def test_html_escapes_and_heads_rows_and_columns() -> None:
    html = to_html(TABLE, caption="a & b")
    assert "a &lt;b&gt;" in html and "<b>" not in html and "a &amp; b" in html
    assert html.count('scope="col"') == 3 and html.count('scope="row"') == 2


def test_fractions_of_a_column_have_equal_decimals() -> None:
    assert "0.709</td>" in to_html(TABLE) and "0.730</td>" in to_html(TABLE)


def test_the_terminal_shows_cells_as_they_are() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(to_rich(SimpleNamespace(name="t", columns=("[red]x",), rows=[("[bold]y[/bold]",)])))
    assert "[red]x" in console.export_text(clear=False) and "[bold]y[/bold]" in console.export_text()


def test_a_ragged_row_is_refused_by_its_number() -> None:
    ragged = SimpleNamespace(name="t", columns=("a", "b"), rows=[(1, 2), (1,)])
    for write in (to_csv, to_html, to_rich):
        with pytest.raises(BadValue, match="row 1 of table 't' must be 2 cells long, got 1"):
            write(ragged)
