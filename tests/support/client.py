"""One client for every test of the contract: the same calls, sync or async."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import openai

from fakebatch.dialects import OPENAI, Dialect
from support.typed import strictly

ENDED = ("completed", "failed", "expired", "cancelled")


class Driver:
    """Calls the real SDK; what an async client returns is awaited on a loop of its own."""

    def __init__(
        self, client: openai.OpenAI | openai.AsyncOpenAI, dialect: Dialect = OPENAI
    ) -> None:
        self.client = client
        self.runner = asyncio.Runner()
        self.checked = strictly if dialect.name == OPENAI.name else _as_it_is
        self.usual = {
            "endpoint": dialect.endpoints[0],
            "completion_window": dialect.window.usual,
        }

    def __call__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make one call: `do(client.files.list, limit=2)` is the first page."""
        answer = call(*args, **kwargs)
        return self.checked(self.runner.run(_awaited(answer)) if self.is_async else answer)

    @property
    def is_async(self) -> bool:
        return isinstance(self.client, openai.AsyncOpenAI)

    def all(self, call: Callable[..., Any], **kwargs: Any) -> list[Any]:
        """Every item of a listing, page after page."""
        pages = call(**kwargs)
        items = self.runner.run(_collected(pages)) if self.is_async else [*pages]
        return [self.checked(item) for item in items]

    def wire(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The JSON of an answer as it was sent: `do.wire(client.files.with_raw_response.list)`."""
        sent: dict[str, Any] = json.loads(self(call, *args, **kwargs).content)
        return sent

    def sleep(self, seconds: float) -> None:
        if self.is_async:
            self.runner.run(asyncio.sleep(seconds))
        else:
            time.sleep(seconds)

    def upload(self, lines: Iterable[dict[str, Any]] | bytes, **kwargs: Any) -> Any:
        content = lines if isinstance(lines, bytes) else jsonl(lines)
        return self(self.client.files.create, file=("in.jsonl", content), purpose="batch", **kwargs)

    def create(self, lines: Iterable[dict[str, Any]] | bytes, **kwargs: Any) -> Any:
        given: dict[str, Any] = {**self.usual, **kwargs}
        return self(self.client.batches.create, input_file_id=self.upload(lines).id, **given)

    def poll(self, batch: Any, every: float = 60) -> list[Any]:
        """The batch as it is at each poll until it has ended."""
        seen = [batch]
        while seen[-1].status not in ENDED:
            self.sleep(every)
            seen.append(self(self.client.batches.retrieve, batch.id))
        return seen

    def run(self, lines: Iterable[dict[str, Any]] | bytes, **kwargs: Any) -> Any:
        """A batch after its end."""
        return self.poll(self.create(lines, **kwargs), every=3600)[-1]

    def results(self, file_id: str | None) -> list[dict[str, Any]]:
        content = self(self.client.files.content, file_id).content
        return [json.loads(line) for line in content.split(b"\n") if line]


def _as_it_is(answer: Any) -> Any:
    return answer


def created(client: openai.OpenAI, *lines: dict[str, Any]) -> str:
    """The id of a new batch."""
    driver = Driver(client)
    id_: str = driver.create([*lines]).id
    driver.runner.close()
    return id_


async def _awaited(answer: Any) -> Any:
    return await answer


async def _collected(pages: Any) -> list[Any]:
    return [item async for item in pages]


def jsonl(lines: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def chat(custom_id: str, text: str = "hi", **body: Any) -> dict[str, Any]:
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": asked}
