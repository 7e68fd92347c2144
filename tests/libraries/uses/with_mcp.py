"""A server with a tool that takes a time."""

import asyncio
from datetime import UTC, datetime

from mcp.server.mcpserver import MCPServer


def use() -> None:
    server = MCPServer("clerk")

    @server.tool()
    def book(at: datetime) -> str:
        """Book a meeting."""
        return at.isoformat()

    now = datetime.now(UTC).isoformat()
    assert now in str(asyncio.run(server.call_tool("book", {"at": now})))
