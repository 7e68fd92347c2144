"""A client, the schema of a model with a time, and a batch processor."""

from datetime import UTC, datetime

import instructor
import openai
from instructor.batch import BatchProcessor
from pydantic import BaseModel


class Event(BaseModel):
    """What a model is asked to answer."""

    at: datetime


def use() -> None:
    class Meeting(BaseModel):
        at: datetime

    client = instructor.from_openai(openai.OpenAI(api_key="key"))
    assert client.mode
    now = datetime.now(UTC)
    for model in (Event, Meeting):
        processor = BatchProcessor("openai/gpt-4o-mini", model)
        assert processor.response_model is model
        assert model.model_validate_json(f'{{"at": "{now.isoformat()}"}}').at == now
