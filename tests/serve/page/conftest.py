"""One browser, and one memory of some months, for all tests of the page.

site      a server of that memory; a token is needed        reader    the page, signed in with every scope
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.serve.page.browsing import Driver, browser
from tests.serve.page.filling import NAMESPACE, fill
from tests.serve.page.reading import Reader
from tests.serve.serving import SCOPES, Served, served
from wayfare.memory import Memory
from wayfare.serve.settings import Limits


@dataclass(frozen=True)
class Site:
    """named: ids of memories by what they are        url: of the page        served: the server"""

    served: Served
    named: dict[str, str]

    @property
    def url(self) -> str:
        return self.served.base_url

    def token(self, *scopes: str) -> str:
        """The text of a new token of the memory that was filled."""
        text, _ = self.served.token("ann", namespace=NAMESPACE, scopes=scopes or SCOPES)
        return text

    def memory(self) -> Memory:
        """The same memory through the library."""
        return Memory(self.served.address, namespace=NAMESPACE, synchronous="NORMAL")


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    address = str(tmp_path_factory.mktemp("page") / "agent.db")
    named = fill(address, time.time(), tasks=200)
    with served(address, limits=Limits(rate=1e6, burst=10**6)) as made:
        made.token("somebody")  # from the first on, one is needed
        yield Site(made, named)


@pytest.fixture(scope="session")
def token(site: Site) -> str:
    return site.token()


@pytest.fixture
def reader(driver: Driver, site: Site, token: str) -> Iterator[Reader]:
    made = Reader(driver, site.url)
    made.resize(1280, 900)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    made.enter(token)
    yield made
    made.quiet()
