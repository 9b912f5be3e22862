"""Curves in the terminal and as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from wayfare.cli.plot import Curve, drawn, svg
from wayfare.errors import BadValue

CURVES = [Curve("flat <b>", [(0, 0.25), (10, 0.25)]), Curve("up", [(0, 0.0), (10, 1.0)])]


def test_a_curve_is_drawn_where_its_values_are() -> None:
    lines = drawn(CURVES, 0.0, 1.0, x="tasks", y="reward", width=11, height=5).splitlines()
    rows = [line.split("┤")[1].ljust(11) for line in lines[1:6]]
    assert [row.rstrip()[-1:] for row in rows] == ["○", "○", "○", "●", "○"] and rows[0][10] == "○" and rows[4][0] == "○"
    assert rows[3].count("●") == 11 - rows[3].count("○") and "10 tasks" in lines[7]


def test_the_svg_is_well_formed_and_names_stand_apart() -> None:
    text = svg([*CURVES, Curve("up too", [(0, 0.5), (10, 1.0)])], 0.0, 1.0, title="a & b", x="tasks", y="reward")
    root = ElementTree.fromstring(text)
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{name}polyline")) == 3
    places = {each.text: float(each.get("y", "0")) for each in root.findall(f"{name}text")}
    assert abs(places["up"] - places["up too"]) >= 15 and "flat <b>" in places


def test_what_cannot_be_drawn_is_refused() -> None:
    for points in ([], [(0.0, float("nan"))]):
        with pytest.raises(BadValue, match="points"):
            Curve("x", points)
