"""A tidy table as CSV, in the terminal, and as HTML.

A table is anything with `name`, `columns` (headers) and `rows` (sequences of cells, each as long as `columns`).
CSV keeps every digit; the other two show what people read.
"""

from __future__ import annotations

import csv
import html
import io
from numbers import Number
from typing import TYPE_CHECKING, Any

from wayfare.errors import BadValue
from wayfare.report.verdict import MINUS, format_number

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = ["to_csv", "to_html", "to_rich"]


def to_csv(table: Any) -> str:
    """RFC 4180 text with a header row and `\\n` line ends; floats in full (`float(cell)` gives the same bits back).

    Raises: BadValue for a row that is not as long as the header.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_exact(cell) for cell in row] for row in _rows(table))
    return out.getvalue()


def to_rich(table: Any) -> RichTable:
    """The table for a terminal: numbers right-aligned, three significant digits."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    rows = _rows(table)
    shown = RichTable(title=Text(str(table.name)), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, column in enumerate(table.columns):
        shown.add_column(Text(str(column)), justify="right" if _numeric(rows, index) else "left")
    for row in _shown(rows):
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def to_html(table: Any, caption: str | None = None) -> str:
    """A `<table>` with column headers; the first column heads its row when it is text. Everything is escaped."""
    rows = _rows(table)
    numeric = [_numeric(rows, i) for i in range(len(table.columns))]

    def kind(index: int) -> str:
        return ' class="number"' if numeric[index] else ""

    head = "".join(f'<th scope="col"{kind(i)}>{html.escape(str(c))}</th>' for i, c in enumerate(table.columns))
    body = []
    for row in _shown(rows):
        cells = []
        for i, cell in enumerate(row):
            tag, scope = ("th", ' scope="row"') if i == 0 and not numeric[0] else ("td", "")
            cells.append(f"<{tag}{scope}{kind(i)}>{html.escape(cell)}</{tag}>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _rows(table: Any) -> list[tuple[Any, ...]]:
    rows = [tuple(row) for row in table.rows]
    for number, row in enumerate(rows):
        if len(row) != len(table.columns):
            raise BadValue(f"row {number} of table '{table.name}'", len(row), f"{len(table.columns)} cells long")
    return rows


def _shown(rows: list[tuple[Any, ...]]) -> list[list[str]]:
    """Cells as text; the fractions of one column get the same number of decimals."""
    columns = []
    for cells in zip(*rows, strict=True):
        texts = [format_number(cell) for cell in cells]
        fractions = [
            len(t.partition(".")[2]) for t, c in zip(texts, cells, strict=True) if _fraction(c) and "e" not in t
        ]
        decimals = min(max(fractions, default=0), 4)
        columns.append([_aligned(c, t, decimals) for c, t in zip(cells, texts, strict=True)])
    return [list(row) for row in zip(*columns, strict=True)]


def _fraction(cell: Any) -> bool:
    return isinstance(cell, Number) and hasattr(cell, "is_integer") and not isinstance(cell, int)


def _aligned(cell: Any, text: str, decimals: int) -> str:
    if not decimals or not _fraction(cell) or not 1e-4 <= abs(float(cell)) < 1e6:
        return text
    return f"{float(cell):.{decimals}f}".replace("-", MINUS)


def _numeric(rows: list[tuple[Any, ...]], index: int) -> bool:
    cells = [row[index] for row in rows if row[index] is not None]
    return bool(cells) and all(isinstance(cell, Number) and not isinstance(cell, bool) for cell in cells)


def _exact(cell: Any) -> Any:
    if cell is None or isinstance(cell, (bool, int, str)):
        return cell
    if isinstance(cell, Number):  # NumPy scalars print their type; their Python values do not
        value = cell.item() if hasattr(cell, "item") else cell
        return repr(value) if isinstance(value, float) else value
    return str(cell)
