"""A reply of the test's own that JSON cannot hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import openai
import pytest

from fakebatch import FakeBatch, UsageError
from support.client import chat, created


def directly(client: openai.OpenAI) -> None:
    message = {"role": "user", "content": "hi"}
    client.chat.completions.create(model="gpt-4o-mini", messages=[message])  # type: ignore[list-item]


def in_a_batch(client: openai.OpenAI) -> None:
    id_ = created(client, chat("a"))
    time.sleep(7200)
    client.files.content(client.batches.retrieve(id_).output_file_id or "")


@pytest.mark.parametrize(
    ("ask", "whose"),
    [
        pytest.param(directly, "a direct call", id="directly"),
        pytest.param(in_a_batch, "custom_id 'a'", id="in a batch"),
    ],
)
@pytest.mark.parametrize("value", [math.nan, {1}], ids=["not a number", "a set"])
def test_a_reply_that_is_no_json_is_an_error(
    fakebatch: FakeBatch, ask: Callable[[openai.OpenAI], None], whose: str, value: object
) -> None:
    """In three lines, whichever call writes it."""
    fakebatch.reply(lambda _: {"choices": value})
    with pytest.raises(UsageError) as caught:
        ask(fakebatch.openai())

    came, known, to_do = str(caught.value).split("\n")
    assert came.startswith(f"fakebatch: The reply to {whose} cannot be written as JSON: ")
    assert known == ("A reply may hold only str, int, finite float, bool, None, list and dict.")
    assert to_do == "Correct the body that was given to reply or fail."
