"""Figures come out the same twice, in both themes, with labels that do not touch."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.report import plots
from wayfare.report.palette import DARK, LIGHT
from wayfare.report.plots import curve_with_band, draw, forest, heat_map, house_style, label_ends, panels, spread, theme
from wayfare.report.statistics import mean_interval


def test_drawing_twice_gives_the_same_bytes(findings: Any) -> None:
    one, two = draw(findings.figures[0]), draw(findings.figures[0])
    assert one == two
    assert set(one) == {"png", "svg", "svg_dark"} and one["png"].startswith(b"\x89PNG")


def test_svg_is_dateless_well_formed_and_names_no_bundled_font_first(findings: Any) -> None:
    for kind, surface in (("svg", LIGHT.surface), ("svg_dark", DARK.surface)):
        svg = draw(findings.figures[0])[kind]
        ElementTree.fromstring(svg)
        assert b"<dc:date>" not in svg and surface.encode() in svg
        assert b"font-family: Inter" in svg and b"font-family: 'DejaVu" not in svg


def test_figures_made_with_pyplot_are_closed() -> None:
    import matplotlib.pyplot as plt

    draw(SimpleNamespace(draw=lambda: plt.subplots()[0]))
    assert plt.get_fignums() == []


def test_the_theme_lasts_as_long_as_the_style() -> None:
    assert theme() is LIGHT
    with house_style("dark"):
        assert theme() is DARK
    assert theme() is LIGHT
    with pytest.raises(BadValue, match="theme must be light or dark"), house_style("sepia"):
        pass


def test_the_band_is_the_student_interval_over_seeds() -> None:
    values = np.random.default_rng(0).normal(size=(5, 3))
    values[0, 1] = np.nan
    with house_style():
        _, (ax,) = panels()
        curve_with_band(ax, [1, 2, 3], values, "full")
        corners = ax.collections[0].get_paths()[0].vertices
    for column, at in enumerate((1, 2, 3)):
        known = values[:, column][np.isfinite(values[:, column])]
        interval = mean_interval(known)
        y = corners[corners[:, 0] == at][:, 1]
        assert (y.min(), y.max()) == pytest.approx((interval.low, interval.high))
        assert ax.lines[0].get_ydata()[column] == pytest.approx(interval.estimate)  # type: ignore[index]


def test_one_seed_and_baselines_have_no_band() -> None:
    with house_style():
        _, (ax,) = panels()
        curve_with_band(ax, [1, 2], [[0.1, 0.2]], "full")
        curve_with_band(ax, [1, 2], [[0.1, 0.2], [0.2, 0.4]], "Thompson")
        assert len(ax.lines) == 2 and not ax.collections


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.floats(0.5, 20))
@settings(max_examples=80, deadline=None)
def test_labels_keep_their_order_and_distance(wanted: list[float], step: float) -> None:
    placed = spread(np.array(wanted), step)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(placed[order]) >= step - 1e-9).all()
    assert placed.mean() == pytest.approx(np.mean(wanted), abs=1e-6)  # the least squares move none on average
    apart = np.diff(np.sort(wanted))
    if (apart >= step).all():
        assert placed == pytest.approx(wanted)


def test_labels_on_the_page_do_not_overlap() -> None:
    with house_style():
        figure, (ax,) = panels()
        for name in ("full", "n=1", "X=0", "no credit", "index"):
            curve_with_band(ax, [1, 2], [[0.5, 0.5]], name)
        ax.set_ylim(0, 1)
        label_ends(ax)
        figure.draw_without_rendering()
        boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert len(boxes) == 5
    assert all(lower.y1 <= upper.y0 + 1 for lower, upper in pairwise(boxes))


def test_heat_map_cells_carry_their_numbers_with_the_first_row_on_top() -> None:
    with house_style():
        _, (ax,) = panels()
        heat_map(ax, [[1.0, np.nan], [3.0, 4.0]], ["a", "b"], ["top", "bottom"])
        written = {text.get_text(): text.get_position() for text in ax.texts}
        assert set(written) == {"1.00", "3.00", "4.00"}
        assert written["1.00"][1] < written["3.00"][1] and ax.yaxis_inverted()
        with pytest.raises(BadValue, match="matrix must be"):
            heat_map(ax, [[1.0]], ["a", "b"], ["top"])


def test_the_forest_has_a_row_for_every_check(checks: list[Any]) -> None:
    with house_style():
        _, (ax,) = panels(width=8)
        forest(ax, checks)
        assert [label.get_text() for label in ax.get_yticklabels()] == [check.name for check in checks]
        assert any("not tested" in text.get_text() for text in ax.texts)
        assert len(ax.texts) == len(checks)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with house_style():
        _, (ax,) = panels()
        with pytest.raises(BadValue, match="per_seed must be"):
            curve_with_band(ax, [1, 2, 3], np.zeros((5, 2)), "full")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'wayfare\[lab\]'"):
        plots.panels()
