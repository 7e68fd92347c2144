"""A handler that notes what comes, and the batches that are told of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import openai

from support.client import chat, jsonl

NEW_YEAR = 1_767_225_600
HOUR = 3_600


def create(*custom_ids: str) -> str:
    """A batch that takes an hour; with the same custom_id twice it fails after 65 s."""
    client = openai.OpenAI()
    lines = jsonl(chat(id_) for id_ in custom_ids or ("a",))
    uploaded = client.files.create(file=lines, purpose="batch")
    return client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
    ).id


class Inbox:
    """A handler that notes what comes: when, what kind of event, of which batch."""

    def __init__(self, *answers: object) -> None:
        self.client = openai.OpenAI()
        self.received: list[tuple[int, str]] = []
        self.batches: list[str] = []
        self.ids: list[str] = []
        self._answers = iter(answers)

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> object:
        event: Any = self.client.webhooks.unwrap(body, headers)
        self.received.append((round(time.time() - NEW_YEAR), event.type.removeprefix("batch.")))
        self.batches.append(event.data.id)
        self.ids.append(headers["webhook-id"])
        return next(self._answers, None)

    @property
    def moments(self) -> list[int]:
        return [moment for moment, _ in self.received]
