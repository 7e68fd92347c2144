"""A client, and an object of the API whose times are parsed."""

from datetime import UTC, datetime

import anthropic
from anthropic.types.messages import MessageBatch


def use() -> None:
    now = datetime.now(UTC)
    client = anthropic.Anthropic(api_key="key")
    batch = MessageBatch.construct(id="a", created_at=now.isoformat(), expires_at=now.isoformat())
    assert isinstance(batch.created_at, datetime)
    assert batch.created_at == now
    assert client.messages.batches
    client.close()
