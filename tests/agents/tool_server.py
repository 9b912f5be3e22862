"""A real MCP server over standard streams, with two small tools and one that fails."""

from __future__ import annotations

from mcp.server import MCPServer

server = MCPServer("tools")


@server.tool()
def add(a: int, b: int) -> str:
    """The sum of two numbers."""
    return str(a + b)


@server.tool()
def fail() -> str:
    """Always fails."""
    raise ValueError("no such luck")


if __name__ == "__main__":
    server.run("stdio")
