"""The page's own page in the manual."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "memory-page.md"


def test_the_manual_shows_the_page_in_a_few_small_pictures_and_all_of_them() -> None:
    shown = re.findall(r"!\[[^\]]{20,}\]\((img/page-[a-z-]+\.png)\)", PAGE.read_text())
    there = {path.relative_to(ROOT / "docs").as_posix(): path for path in (ROOT / "docs" / "img").glob("page-*.png")}
    assert set(shown) == set(there) and len(shown) <= 6
    assert all(path.stat().st_size < 150_000 for path in there.values())
    assert {"light", "dark"} == {name.rpartition("-")[2].removesuffix(".png") for name in shown}
    assert ": memory-page.md\n" in (ROOT / "mkdocs.yml").read_text()
