"""The pictures of docs/memory-page.md, taken of the page itself: `make screenshots`. Needs Debian's Chromium.

A memory is filled as the page's tests fill theirs, and served; what a browser without a window shows is kept in
docs/img/, each picture below 150 kB.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from tests.serve.page.browsing import Driver, browser  # noqa: E402
from tests.serve.page.filling import NAMESPACE, fill  # noqa: E402
from tests.serve.serving import served  # noqa: E402

PICTURES = ROOT / "docs" / "img"
LARGEST = 150_000
NOW = 1_780_000_000.0
SHOTS = (
    ("page-memories-light", "light", "#/memories?q=password+reset", 1100, 560),
    ("page-memory-dark", "dark", "#/memories/{good}", 1100, 760),
    ("page-recall-light", "light", "#/tasks/ticket-4300", 1100, 700),
    ("page-learning-dark", "dark", "#/learning", 1100, 760),
    ("page-compare-light", "light", "#/compare?policy=similarity&policy=thompson&policy=boltzmann", 1100, 720),
    ("page-narrow-dark", "dark", "#/memories?kind=strategy", 360, 720),
)  # fmt: skip
"""Name, colours, address, width, height."""


def shoot(driver: Driver, url: str, name: str, theme: str, width: int, height: int) -> None:
    """One picture, once the view is whole."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    driver.get("about:blank")
    driver.get(url)
    driver.execute_script(
        "const t = document.getElementById('theme'); t.value = arguments[0]; t.dispatchEvent(new Event('change'))",
        theme,
    )
    WebDriverWait(driver, 60).until(
        lambda d: d.execute_script("return document.querySelector('main').ariaBusy === 'false' && "
                                   "!document.querySelector('.results[aria-busy]')")
    )  # fmt: skip
    time.sleep(0.3)
    path = PICTURES / f"{name}.png"
    driver.save_screenshot(str(path))
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}  {size / 1000:.0f} kB")
    assert size < LARGEST, f"{path} is too large"


def main() -> None:
    """Take all of them; those that are named where some are."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "agent.db")
        named = fill(address, NOW)
        with served(address, namespace=NAMESPACE) as site, browser(Path(folder) / "profile") as driver:
            for name, theme, place, width, height in SHOTS:
                if not sys.argv[1:] or name in sys.argv[1:]:
                    shoot(driver, f"{site.base_url}/{place.format(**named)}", name, theme, width, height)


if __name__ == "__main__":
    main()
