"""Tools of an MCP server for an agent that works step by step: the official client, behind plain calls.

    with McpTools(["python", "server.py"]) as tools:
        tools.listing                                   # name -> what it does and takes, as the server tells
        tools.call("add", {"a": 1, "b": 2})             # "3"

The client runs in a thread with an event loop of its own. A tool that refuses or fails is an answer that says so, never
an exception: the model that called it is to read why. A server that has gone, or does not answer, is told the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol

from wayfare.errors import BadValue, MissingExtra, Unavailable

__all__ = ["McpTools", "Tools"]


class Tools(Protocol):
    """listing: name -> description and parameters, in words"""

    @property
    def listing(self) -> Mapping[str, str]:
        """See above."""

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """What the tool says; "error: ..." where it fails."""
        ...


class McpTools:
    """command: that starts the server, which speaks over its standard streams; or its URL        timeout: of a call, s

    Raises: MissingExtra; BadValue for no command; Unavailable, on entering, for a server that does not answer.
    """

    def __init__(self, command: Sequence[str] | str, *, timeout: float = 60.0) -> None:
        if not command or not timeout > 0:
            raise BadValue("command, timeout", (command, timeout), "a command or URL, and seconds above 0")
        self.command, self.timeout = command, timeout
        self._stack = ExitStack()
        self._portal: Any = None
        self._client: Any = None
        self._listing: dict[str, str] = {}

    @property
    def listing(self) -> Mapping[str, str]:
        """Of the server, as it was entered."""
        return self._listing

    def __enter__(self) -> McpTools:
        try:
            from anyio.from_thread import start_blocking_portal
            from mcp import Client, StdioServerParameters
        except ImportError:
            raise MissingExtra("tools over MCP", "serve") from None
        server: Any = self.command
        if not isinstance(server, str):
            server = StdioServerParameters(command=self.command[0], args=list(self.command[1:]))
        try:
            self._portal = self._stack.enter_context(start_blocking_portal())
            self._client = self._stack.enter_context(
                self._portal.wrap_async_context_manager(Client(server, read_timeout_seconds=self.timeout))
            )
            told = self._portal.call(self._client.list_tools)
        except Exception as error:
            self._stack.close()
            raise Unavailable(f"the tools of {server!r} cannot be had: {error or type(error).__name__}") from error
        for tool in told.tools:
            parameters = json.dumps(tool.input_schema.get("properties", {}))
            self._listing[tool.name] = f"{(tool.description or '').strip()} Parameters: {parameters}".strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """The text of its answer. Raises: BadValue before the server is entered."""
        if self._client is None:
            raise BadValue("tools", name, "of a server that was entered (with McpTools(...) as tools)")
        if name not in self._listing:
            return f"error: no tool {name!r}; there are {', '.join(self._listing) or 'none'}"
        try:
            told = self._portal.call(self._client.call_tool, name, dict(arguments))
        except Exception as error:  # whatever the server or the wire does, the agent goes on
            return f"error: {error or type(error).__name__}"
        text = "\n".join(each.text for each in told.content if each.type == "text")
        return f"error: {text}" if told.is_error else text
