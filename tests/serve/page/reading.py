"""What a reader does with the page, by keyboard, and what he is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.serve.page.browsing import Driver

__all__ = ["Keys", "Reader"]

PATIENCE = 60
"""Seconds until a wait is given up: far longer than a page takes, since machines stall."""
SETTLED = (
    "return document.querySelector('main').getAttribute('aria-busy') === 'false'"
    " && !document.querySelector('.results[aria-busy]')"
)
FOCUSED = """
const e = document.activeElement;
const label = e.labels && e.labels[0] ? e.labels[0].innerText : '';
const name = (e.getAttribute('aria-label') || label || e.innerText || '').trim();
return [e.tagName.toLowerCase(), name, e.getAttribute('href') ? e.hash || '' : ''];
"""


class Reader:
    """A page in a browser."""

    def __init__(self, driver: Driver, url: str) -> None:
        self.driver, self.url = driver, url

    def run(self, script: str, *given: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *given)

    def wait(self, until: Callable[[], Any]) -> Any:
        """What is true at last. Raises: AssertionError, with what the page shows instead, if it never is."""
        try:
            return WebDriverWait(self.driver, PATIENCE, 0.02).until(lambda _: until())
        except TimeoutException:
            shown = self.run("return [location.href, document.title, document.body.innerText.slice(0, 1000)]")
            raise AssertionError(f"waited {PATIENCE} s; there is {shown}, {self.driver.get_log('browser')}") from None

    def settled(self) -> None:
        """Until the view is whole."""
        self.wait(lambda: self.run(SETTLED))

    def arrive(self) -> None:
        """Open the page anew, as in a tab of its own."""
        self._store("")
        self.driver.get(self.url + "/")
        self.settled()

    def sign_in(self, token: str) -> None:
        """By typing the token."""
        self.arrive()
        self.keys(token, Keys.ENTER)
        self.wait(lambda: self.run("return !document.getElementById('views').hidden"))
        self.settled()

    def enter(self, token: str) -> None:
        """As somebody who has signed in, with the focus at the beginning of the page."""
        self._store("sessionStorage.setItem('wayfare-token', arguments[0])", token)
        self.driver.get(self.url + "/")
        self.settled()
        assert not self.run("return document.getElementById('views').hidden"), self.text()

    def _store(self, script: str, *given: Any) -> None:
        """Leave nothing but this in the tab's storage, from a place of the same origin where no view is at work: the
        page that comes next is of the same process, which knows what was stored."""
        self.driver.get(self.url + "/page/icon.svg")
        self.run(f"localStorage.clear(); sessionStorage.clear(); {script}", *given)

    def open(self, place: str) -> None:
        """Go to a view by its address."""
        self.run("const m = document.querySelector('main'); m.setAttribute('aria-busy', 'true');"
                 "if (location.hash === arguments[0]) dispatchEvent(new HashChangeEvent('hashchange'));"
                 "else location.hash = arguments[0]", place)  # fmt: skip
        self.settled()

    def keys(self, *pressed: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*pressed).perform()

    def select_all(self) -> None:
        """Of the field that has the focus."""
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()

    def focused(self) -> tuple[str, str, str]:
        """Kind, name and address of what has the focus."""
        kind, name, place = self.run(FOCUSED)
        return kind, " ".join(name.split()), place

    def tab_to(self, kind: str, name: str, most: int = 80) -> None:
        """Press Tab until that has the focus."""
        seen = []
        for _ in range(most):
            self.keys(Keys.TAB)
            found = self.focused()
            seen.append(found)
            if found[0] == kind and found[1].startswith(name):
                return
        raise AssertionError(f"no {kind} {name!r} among {seen}")

    def text(self, selector: str = "main") -> str:
        """What is shown there."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def again(self) -> None:
        """Load the page again, in the same tab: the focus is at its beginning."""
        self.driver.refresh()
        self.settled()

    def all(self, selector: str) -> list[WebElement]:
        """Elements."""
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def rows(self, caption: str) -> list[list[str]]:
        """The cells of a table, by what it is called."""
        found: list[list[str]] = self.run(
            "const all = [...document.querySelectorAll('table')];"
            "const t = all.find((each) => each.caption.textContent.startsWith(arguments[0]));"
            "return [...t.tBodies[0].rows].map((r) => [...r.cells].map((c) => c.textContent))", caption,
        )  # fmt: skip
        return found

    def resize(self, width: int, height: int = 900) -> None:
        """The width that there is."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def quiet(self) -> None:
        """Nothing was refused by the browser, and no script has failed: its log holds only what the server refused."""
        said = [line["message"] for line in self.driver.get_log("browser")]
        assert all("Failed to load resource" in line for line in said), said
