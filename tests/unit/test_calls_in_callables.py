"""What a callable of the test may do with a client: it works, or an error says why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch, UsageError
from support.client import chat, created

Act = Callable[[openai.OpenAI], object]


def answer(client: openai.OpenAI) -> str:
    """The text of a direct call."""
    completion = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hello"}]
    )
    return completion.choices[0].message.content or ""


def by_reply(fake: FakeBatch, act: Act) -> None:
    """A reply callable acts."""
    client = fake.openai()
    fake.on(model="gpt-4o-mini").reply(lambda _: str(bool(act(client))))


def by_predicate(fake: FakeBatch, act: Act) -> None:
    """A predicate acts."""
    client = fake.openai()
    fake.on(lambda line: line.model == "gpt-4o-mini" and bool(act(client))).reply("True")


WAYS = {"a reply": by_reply, "a predicate": by_predicate}
WORKS: dict[str, Act] = {
    "a direct call that another rule answers": lambda client: answer(client) == "hello",
    "a new file": lambda client: client.files.create(file=b"{}\n", purpose="user_data"),
    "a look at the input file": lambda client: client.files.content(
        next(iter(client.files.list(purpose="batch"))).id
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("act", WORKS.values(), ids=WORKS)
def test_a_callable_may_call(
    act: Act, way: Callable[[FakeBatch, Act], None], fakebatch: FakeBatch
) -> None:
    """In a batch, and in a direct call."""
    way(fakebatch, act)
    client = openai.OpenAI()
    id_ = created(client, chat("a", model="gpt-4o-mini"))
    fakebatch.clock.advance("2h")
    batch = client.batches.retrieve(id_)
    assert batch.output_file_id is not None
    assert b'"content": "True"' in client.files.content(batch.output_file_id).content


@pytest.mark.fakebatch(unused_rules="ignore")  # the predicate never selects a line
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("name", ["reply", "predicate"])
def test_a_direct_call_that_leads_to_itself_is_ended(
    name: str, retries: int, fakebatch: FakeBatch
) -> None:
    """Before Python's own limit, which the SDK would take for a broken connection."""
    client = openai.OpenAI(max_retries=retries)
    if name == "reply":
        fakebatch.on().reply(lambda _: answer(client))
    else:
        fakebatch.on(lambda _: answer(client) == "hello").reply("hello")
    with pytest.raises(UsageError) as caught:
        answer(client)
    assert str(caught.value).split("\n") == [
        "fakebatch: POST /v1/chat/completions leads to itself: 16 such calls are open.",
        "A predicate or reply callable calls the client, whose reply needs the callable.",
        "Let another rule answer what the callable calls, or let it call nothing.",
    ]


@pytest.mark.parametrize("lists", ["files", "batches"])
def test_a_list_with_what_is_being_computed_is_an_error(lists: str, fakebatch: FakeBatch) -> None:
    """The size of a result file depends on the reply."""
    client = openai.OpenAI()
    fakebatch.on().reply(lambda _: str(getattr(client, lists).list().data))
    created(client, chat("a"))
    fakebatch.clock.advance("2h")
    with pytest.raises(UsageError) as caught:
        client.files.list()
    assert str(caught.value).split("\n") == [
        "fakebatch: The results of a batch depend on themselves.",
        "A predicate or reply callable read its own batch, or a list with it or its result files.",
        "Read only other batches and files in it.",
    ]


def test_a_webhook_handler_may_call(fakebatch: FakeBatch) -> None:
    """Sync or async: its batch has ended."""
    client, listed = openai.OpenAI(), list[int]()

    def handle(_: bytes, __: Mapping[str, str]) -> int:
        listed.append(len(client.files.list().data))
        return 200

    async def handle_on_loop(_: bytes, __: Mapping[str, str]) -> int:
        async with openai.AsyncOpenAI() as on_loop:
            listed.append(len((await on_loop.files.list()).data))
        return 200

    handlers: list[Any] = [handle, handle_on_loop]
    for handler in handlers:
        fakebatch.webhooks.deliver_to(handler)
        created(client, chat("a"))
        fakebatch.clock.advance("2h")
    assert listed == [2, 4]
