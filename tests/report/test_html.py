"""The report is one file that fetches nothing, escapes everything and leaves no check out."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from wayfare.report.html import headline, render, verdict_state
from wayfare.report.page import with_links
from wayfare.report.plots import draw

VOID = {"meta", "img", "br", "link", "input", "circle", "rect", "line"}


class Page(HTMLParser):
    """Collects elements and fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


_drawn: dict[str, Any] = {}
"""The figures of `findings`, which are the same for every test."""


@pytest.fixture
def html(study: Any, findings: Any, run_info: dict[str, Any]) -> str:
    for figure in findings.figures:
        if figure.name not in _drawn:
            _drawn[figure.name] = draw(figure)
    return render(study, findings, run_info, _drawn)


def test_the_page_nests_and_has_one_of_each_landmark(html: str) -> None:
    page = Page(html)
    assert [len(page.all(tag)) for tag in ("h1", "main", "title")] == [1, 1, 1]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.all("html")[0]["lang"] == "en"


def test_nothing_is_fetched(html: str) -> None:
    page = Page(html)
    for tag, attributes in page.elements:
        for name in ("src", "srcset", "data", "xlink:href", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
        if tag != "a":
            assert "href" not in attributes
    assert not page.all("link") and not page.all("iframe")
    style = "".join(re.findall(r"<style>(.*?)</style>", html, re.S))
    assert "url(" not in style and "@import" not in style and "http" not in style
    assert "default-src 'none'" in html
    outside = [a["href"] for a in page.all("a") if (a["href"] or "").startswith("http")]
    assert outside == ["https://arxiv.org/abs/2508.01287"]


def test_everything_is_escaped(html: str) -> None:
    for raw in ("<explores>", "<b>more</b>", "<i>x</i>", '"explores" & earns'):
        assert raw not in html
    assert "Greedy training that <explores>" in Page(html).text


def test_every_check_is_there_with_its_numbers(html: str, checks: list[Any]) -> None:
    text = Page(html).text
    for check in checks:
        assert check.name in text and check.statement in text
    for piece in ("0.709 [0.701, 0.717]", "> 0.65", "0.48 to 0.52", "needs laptop scale", "5 seeds · Student t"):
        assert piece in text
    states = re.findall(r'<tr class="(\w+)">', html)
    assert sorted(states) == ["fails", "holds", "holds", "holds", "undecided", "untested"]


def test_the_verdict_is_a_sentence(html: str) -> None:
    text = Page(html).text
    assert "Undecided at 5 seeds." in text
    assert (
        "Of 4 checks of the paper's claim, 2 hold, 1 fails and 1 is undecided; 2 more are outside of the verdict."
        in text
    )
    assert headline("holds") == "The claim holds."
    assert headline("not tested at this scale") == "Not tested at this scale."
    assert [verdict_state(v) for v in ("holds", "fails", "undecided at 5 seeds", "not yet run")] == [
        "holds", "fails", "undecided", "untested",
    ]  # fmt: skip


def test_a_baseline_without_the_failure_is_told(study: Any, findings: Any) -> None:
    findings.checks[0].high = findings.checks[0].low = findings.checks[0].estimate = 2.0
    findings.verdict = "not tested at this scale"
    text = Page(render(study, findings, {}, {})).text
    assert "The baseline does not show the failure that the method cures: 'trap' does not hold." in text


def test_light_and_dark_are_both_there_and_follow_the_reader(html: str) -> None:
    page = Page(html)
    shown = {image["class"]: image for image in page.all("img")}
    assert set(shown) == {"on-light", "on-dark"}
    assert all(image["alt"] == 'It "explores" & earns' for image in shown.values())
    light, dark = (base64.b64decode((shown[k]["src"] or "").partition(",")[2]) for k in ("on-light", "on-dark"))
    assert light != dark and light.startswith(b"<?xml") and dark.startswith(b"<?xml")
    assert "prefers-color-scheme:dark" in html and ":root[data-theme=dark]" in html and "@media print" in html
    assert page.all("button")[0]["id"] == "theme" and "hidden" in page.all("button")[0]


def test_tables_have_headers_and_can_be_saved(html: str) -> None:
    page = Page(html)
    assert all(th.get("scope") in {"col", "row", "rowgroup"} for th in page.all("th"))
    saved = next(a for a in page.all("a") if a.get("download"))
    assert saved["download"] == "rewards.csv" and "0.7091234" in (saved["href"] or "")


def test_what_made_it_is_told(html: str) -> None:
    text = Page(html).text
    for piece in ("wayfare run exploit --scale quick", "updates", "800", "numpy", "2.4.6", "3 min 22 s", "abc1234"):
        assert piece in text


def test_the_total_is_no_part(study: Any, findings: Any) -> None:
    html = render(study, findings, {"seconds": {"train": 30.0, "total": 90.0}}, {})
    assert html.count('class="bar"') == 1 and "1 min 30 s" in html


def test_a_run_without_figures_tables_checks_or_notes_still_renders(study: Any, findings: Any) -> None:
    for field, value in {"checks": [], "tables": {}, "figures": [], "notes": [], "verdict": "not yet run"}.items():
        setattr(findings, field, value)
    page = Page(render(study, findings, {}, {}))
    assert "Not yet run." in page.text and not page.all("table")


def test_the_same_findings_give_the_same_page(study: Any, findings: Any, run_info: dict[str, Any], html: str) -> None:
    assert render(study, findings, run_info, {f.name: draw(f) for f in findings.figures}) == html


def test_citations_become_links() -> None:
    assert with_links("see arXiv:2508.01287, doi:10.1000/a&b.") == (
        'see <a href="https://arxiv.org/abs/2508.01287">arXiv:2508.01287</a>, '
        '<a href="https://doi.org/10.1000/a&amp;b">doi:10.1000/a&amp;b</a>.'
    )
    assert with_links("<x> https://a.org/b.") == '&lt;x&gt; <a href="https://a.org/b">https://a.org/b</a>.'
    assert "href" not in with_links("javascript:alert(1)")
