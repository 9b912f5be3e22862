"""What a server is told when it starts. Checked before anything listens."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from pathlib import Path

from wayfare.errors import BadValue
from wayfare.memory.opening import checked_path
from wayfare.memory.records import LARGEST_TEXT

__all__ = ["Limits", "Settings", "is_local"]

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")


@dataclass(frozen=True)
class Limits:
    """What one request, and one token, may take.

    body: bytes of a request        text: characters of any text in it        depth: of JSON within JSON
    seconds: in which a body must have come
    rate, burst: requests of a token in a second, and saved up, in each worker
    at_once: requests that a worker has in hand; more are told to come again
    """

    body: int = 4 * 2**20
    text: int = LARGEST_TEXT
    depth: int = 32
    seconds: float = 30.0
    rate: float = 100.0
    burst: int = 200
    at_once: int = 256

    def __post_init__(self) -> None:
        for name in ("body", "text", "depth", "burst", "at_once"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise BadValue(name, value, "a whole number from 1")
        for name in ("seconds", "rate"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not math.isfinite(value) or not value > 0:
                raise BadValue(name, value, "a number above 0")


@dataclass(frozen=True)
class Settings:
    """How a store is served.

    address: of the store        host, port: that it listens on
    namespace: of the one user, while the store has no token        embedder, policy: as `Memory` takes them
    hosts: names by which it may be called besides those of this machine        origins: web pages that may call it
    behind_proxy: that ends TLS and says for whom it asks        certificate, key: files, for TLS of its own
    metrics_token: with which /metrics may be read from elsewhere
    threads: of a worker, in which memories work        memories: namespaces that a worker keeps open
    grace: seconds that requests in hand have to end when it is stopped
    """

    address: str
    host: str = "127.0.0.1"
    port: int = 8484
    workers: int = 1
    namespace: str = "default"
    embedder: str | None = None
    policy: str = "safe"
    synchronous: str = "FULL"
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    behind_proxy: bool = False
    certificate: Path | None = None
    key: Path | None = None
    metrics_token: str | None = None
    threads: int = 8
    memories: int = 64
    grace: float = 20.0
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        checked_path("namespace", self.namespace)
        for name, most in (("port", 65_535), ("workers", 64), ("threads", 64), ("memories", 10_000)):
            value = getattr(self, name)
            least = 0 if name == "port" else 1
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise BadValue(name, value, f"a whole number from {least} to {most}")
        for host in self.hosts:
            if not _NAME.fullmatch(host.lower()):
                raise BadValue("allow_host", host, "a name such as memory.example.org, without a port")
        for origin in self.origins:
            if not re.fullmatch(r"https?://[^/\s]+", origin):
                raise BadValue("allow_origin", origin, "such as https://app.example.org, without a path")
        for name in ("certificate", "key"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise BadValue(name, str(path), "a file that is there")
        if (self.certificate is None) != (self.key is None):
            raise BadValue("key", None if self.key is None else str(self.key), "given together with the certificate")
        if self.metrics_token is not None and len(self.metrics_token) < 16:
            raise BadValue("metrics_token", "a short one", "16 characters at least")
        if not math.isfinite(self.grace) or self.grace < 0:
            raise BadValue("grace", self.grace, "seconds, not negative")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self.host) and not self.behind_proxy

    def called(self, host: str) -> bool:
        """Whether a `Host` header names this server; another name comes from a page that has rebound its own."""
        name = re.sub(r":\d{1,5}$", "", host.strip().lower())
        own = f"[{self.host}]" if ":" in self.host else self.host
        return name in LOCAL_NAMES or name == own.lower() or name in {each.lower() for each in self.hosts}

    def admits(self, origin: str, host: str) -> bool:
        """Whether a web page of this origin may call: one of those that were named, or one that it served itself."""
        said = origin.strip().lower()
        if said in {each.lower() for each in self.origins}:
            return True
        scheme, _, place = said.partition("://")
        return scheme in ("http", "https") and place == host.strip().lower() and self.called(place)


def is_local(host: str) -> bool:
    """Whether an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
