"""The page for whoever reads it, by ear, by keyboard, in the dark or on a telephone; and texts that attack it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.serve.page.conftest import Site
from tests.serve.page.reading import Keys, Reader

pytestmark = pytest.mark.xdist_group("page")  # one browser

CONTRAST = """
const parse = (text) => {
  const found = text.match(/[\\d.]+/g).map(Number);
  if (text.startsWith('color(srgb')) return [...found.slice(0, 3).map((c) => 255 * c), found[3] ?? 1];
  return [...found.slice(0, 3), found[3] ?? 1];
};
const light = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour[3] > 0.99) return colour;
  }
  return parse(getComputedStyle(document.documentElement).backgroundColor);
};
const poor = [];
let looked = 0;
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !element.checkVisibility() || element.closest(':disabled, option, .hidden, .skip')) continue;
  const style = getComputedStyle(element);
  const svg = element instanceof SVGElement;
  const [a, b] = [light(parse(svg ? style.fill : style.color)), light(ground(element))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
  looked += 1;
  if (ratio < (large ? 3 : 4.5)) poor.push([walk.currentNode.data.trim().slice(0, 40), ratio]);
}
for (const element of document.querySelectorAll('input, select, textarea, button, .line, .dot, .span, .value')) {
  if (!element.checkVisibility() || element.disabled || element.type === 'range') continue;
  const style = getComputedStyle(element);
  const edge = element instanceof SVGElement ? (style.stroke === 'none' || element.matches('.dot, .value') ? style.fill : style.stroke) : style.borderColor;
  const [a, b] = [light(parse(edge)), light(ground(element.parentElement))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 3) poor.push([element.outerHTML.slice(0, 80), (a + 0.05) / (b + 0.05)]);
}
return [looked, poor];
"""  # noqa: E501
FOCUS = """
const e = document.activeElement;
const style = getComputedStyle(e);
const box = e.getBoundingClientRect();
return [e === document.body, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        box.width > 0 && box.top < innerHeight && box.bottom > 0, e.outerHTML.slice(0, 120)];
"""


def places(site: Site) -> Iterator[str]:
    """Every view, with all of its parts."""
    yield "#/memories"
    yield "#/memories?q=report&kind=strategy"
    yield f"#/memories/{site.named['good']}"
    yield f"#/memories/{site.named['revised']}"
    yield "#/tasks"
    yield "#/tasks/ticket-4150"
    yield "#/learning"
    yield "#/compare?policy=thompson&policy=nobody%27s"
    yield "#/nowhere"


def opened(reader: Reader) -> None:
    """Open whatever is folded."""
    reader.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(reader: Reader, site: Site, theme: str) -> None:
    reader.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    )
    assert reader.run("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)" if theme == "light" else "rgb(20, 23, 27)"
    )
    for place in places(site):
        reader.open(place)
        opened(reader)
        looked, poor = reader.run(CONTRAST)
        assert looked > 5 and not poor, (place, poor[:5])
    if theme == "light":
        reader.run("document.querySelector('.bar').style.color = '#999'")
        assert reader.run(CONTRAST)[1]  # the measure itself sees a poor one


def test_colours_may_be_chosen_against_the_systems_and_are_kept(reader: Reader) -> None:
    reader.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    )
    ground = "return getComputedStyle(document.body).backgroundColor"
    reader.tab_to("select", "Colours")
    reader.keys("Dark")
    reader.wait(lambda: reader.run(ground) == "rgb(20, 23, 27)")
    reader.again()
    assert reader.run(ground) == "rgb(20, 23, 27)"


def test_whatever_can_be_reached_has_a_name_and_a_role(reader: Reader, site: Site) -> None:
    """As the browser tells a screen reader."""
    for place in places(site):
        reader.open(place)
        opened(reader)
        nodes = reader.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        told = [_told(node) for node in nodes if not node.get("ignored")]
        nameless = [each for each in told if each["focusable"] and not each["name"] and each["role"] != "scrollbar"]
        nameless = [each for each in nameless if each["role"] not in ("main", "generic")]
        assert not nameless, (place, nameless)
        roles = [each["role"] for each in told]
        assert roles.count("main") == 1 and roles.count("banner") == 1 and "navigation" in roles
        levels = [each["level"] for each in told if each["role"] == "heading"]
        assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels)), (place, levels)
        assert all(each["name"] for each in told if each["role"] in ("table", "region", "form", "search", "navigation"))
        ids: list[str] = reader.run("return [...document.querySelectorAll('[id]')].map((each) => each.id)")
        assert len(ids) == len(set(ids))


def _told(node: dict[str, Any]) -> dict[str, Any]:
    more = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
    return {
        "role": node.get("role", {}).get("value"), "name": node.get("name", {}).get("value", "").strip(),
        "focusable": more.get("focusable", False), "level": more.get("level"),
    }  # fmt: skip


def test_the_focus_goes_through_all_in_the_order_of_reading_and_can_be_seen(reader: Reader, site: Site) -> None:
    for place in (f"#/memories/{site.named['good']}", "#/compare"):
        reader.open(place)
        reader.again()
        wanted = reader.run(
            "return [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]"
            ".filter((each) => each.checkVisibility() && !each.disabled).length"
        )
        seen, last = 0, -1
        while True:
            reader.keys(Keys.TAB)
            body, outlined, visible, what = reader.run(FOCUS)
            if body:
                break
            assert outlined and visible, what
            order = reader.run("return [...document.querySelectorAll('*')].indexOf(document.activeElement)")
            assert order > last, what
            seen, last = seen + 1, order
        assert seen >= wanted


def test_a_narrow_screen_shows_all_without_being_pushed_sideways(reader: Reader, site: Site) -> None:
    width = 360
    reader.resize(width, 740)
    for place in (*places(site), f"#/memories/{site.named['wide']}", f"#/memories/{site.named['markup']}"):
        reader.open(place)
        opened(reader)
        assert reader.run("return document.documentElement.scrollWidth") <= width, place
        cut = reader.run(
            "return [...document.querySelectorAll('main a, main button, main input, main select, main td, main th')]"
            ".filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.closest('thead, .hidden'))"
            ".filter((each) => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.scroll'))"
            ".map((each) => each.outerHTML.slice(0, 100))"
        )
        assert not cut, (place, cut)
        inner = "return [...document.querySelectorAll('.text')].every((each) => each.scrollWidth <= each.clientWidth)"
        assert reader.run(inner), place
    reader.open("#/tasks")
    nodes = reader.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {node["role"]["value"] for node in nodes if not node.get("ignored")}
    assert {"table", "row", "cell", "rowheader"} <= roles  # a card is still a row to who listens


def test_nothing_that_is_read_is_moved_while_the_view_becomes_whole(reader: Reader, site: Site) -> None:
    reader.run(
        "window.moved = []; new PerformanceObserver((list) => list.getEntries().forEach((each) => "
        "window.moved.push(each.value))).observe({type: 'layout-shift', buffered: true})"
    )
    for place in places(site):
        reader.open(place)
    reader.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert sum(reader.run("return window.moved")) < 0.02


def test_a_stored_text_never_becomes_part_of_the_page(reader: Reader, site: Site) -> None:
    hostile = site.named["markup"]
    with site.memory() as memory:
        text = memory.get(hostile).content
        query = "<img src=x onerror='window.stolen = 4'>"
        shown = memory.showed(query, [hostile], task="<b>task</b>/?#&").task
        memory.credit(shown, 1.0, source="<script>window.stolen = 5</script>", actor="</code><img src=x>")
        memory.revise(hostile, text + " <svg onload='window.stolen = 6'>", reason="<b>why</b>")
    for place in ("#/memories", "#/memories?q=stolen", f"#/memories/{hostile}", "#/tasks",
                  "#/tasks/%3Cb%3Etask%3C%2Fb%3E%2F%3F%23%26", "#/memories?tag=%3Cu%3Etag%3C%2Fu%3E",
                  "#/memories?q=%3Cimg%20src%3Dx%20onerror%3D%22window.stolen%3D7%22%3E",
                  "#/%3Cimg src=x onerror=window.stolen=8%3E", "#/compare?policy=%3Cb%3Ex"):  # fmt: skip
        reader.open(place)
        opened(reader)
        assert not reader.all("main b, main u, main i, main img, main script, main svg[onload]"), place
        assert not reader.all("a[href^='javascript']")
    reader.open(f"#/memories/{hostile}")
    assert text in reader.text(".text") and "<i>fact</i>" in reader.text(".facts")
    reader.tab_to("button", "Revise")
    reader.keys(Keys.ENTER)
    assert reader.run("return document.activeElement.value").startswith(text)
    reader.keys(Keys.ESCAPE)
    assert reader.run("return window.stolen === undefined")
    reader.quiet()
    refused = reader.run("try { document.body.innerHTML = '<b>x</b>'; return false } catch { return true }")
    assert refused  # by the browser, whatever a script would do
    assert "TrustedHTML" in str(reader.driver.get_log("browser"))


def test_texts_of_every_kind_are_shown_whole_and_in_their_own_direction(reader: Reader, site: Site) -> None:
    with site.memory() as memory:
        for name in ("rtl", "emoji", "long"):
            content = memory.get(site.named[name]).content
            reader.open(f"#/memories/{site.named[name]}")
            if name == "long":
                assert len(reader.run("return document.querySelector('.text').textContent")) == 20_000
                reader.tab_to("button", "Show all")
                reader.keys(Keys.ENTER)
            assert reader.run("return document.querySelector('.text').textContent") == content
            direction = reader.run("return getComputedStyle(document.querySelector('.text')).direction")
            assert direction == ("rtl" if name == "rtl" else "ltr")
