"""An agent with a tool that takes a time, and answers with one."""

import asyncio
import json
from datetime import UTC, datetime

from agents import Agent, function_tool
from agents.tool_context import ToolContext
from pydantic import BaseModel


class Event(BaseModel):
    """What a model is asked to answer."""

    at: datetime


def use() -> None:
    class Meeting(BaseModel):
        at: datetime

    @function_tool
    def book(at: datetime) -> str:
        """Book a meeting."""
        return at.isoformat()

    for output in (Event, Meeting):
        agent = Agent(name="clerk", instructions="Book.", tools=[book], output_type=output)
        assert agent.tools == [book]
    now = datetime.now(UTC).isoformat()
    arguments = json.dumps({"at": now})
    context = ToolContext(None, tool_name="book", tool_call_id="a", tool_arguments=arguments)
    assert asyncio.run(book.on_invoke_tool(context, arguments)) == now
