"""A model whose answers have a schema with a time."""

from datetime import UTC, datetime

from langchain_core.output_parsers import PydanticOutputParser
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Event(BaseModel):
    """What a model is asked to answer."""

    at: datetime


def use() -> None:
    class Meeting(BaseModel):
        at: datetime

    @tool
    def book(at: datetime) -> str:
        """Book a meeting."""
        return at.isoformat()

    chat = ChatOpenAI(model="gpt-4o-mini", api_key="key")
    assert chat.with_structured_output(Event)
    assert chat.with_structured_output(Meeting)
    assert chat.bind_tools([book])
    now = datetime.now(UTC).isoformat()
    assert book.invoke({"at": now}) == now
    assert PydanticOutputParser(pydantic_object=Meeting).parse(f'{{"at": "{now}"}}').at
