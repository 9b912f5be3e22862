"""A real browser, Debian's Chromium without a window, and what tests do with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

__all__ = ["Driver", "browser"]

Driver = webdriver.Chrome
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--lang=en-GB",
)  # fmt: skip
MISSING = "the tests of the page need Debian's chromium and chromium-driver: apt-get install chromium chromium-driver"


@contextmanager
def browser(folder: Path, width: int = 1280, height: int = 900) -> Iterator[Driver]:
    """A browser with a profile of its own in this folder. Raises: RuntimeError where there is none."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        raise RuntimeError(MISSING)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    logging: Any = {"browser": "ALL"}
    options.set_capability("goog:loggingPrefs", logging)
    made = webdriver.Chrome(options=options, service=Service(driver))
    made.set_page_load_timeout(30)
    made.set_script_timeout(30)
    try:
        yield made
    finally:
        made.quit()
