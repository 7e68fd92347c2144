"""Which dialect is meant: a name or a value; several; at an address of one's own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from fakebatch import FakeBatch, RefusedRequest, UsageError
from fakebatch.dialects import DIALECTS
from fakebatch.dialects.loading import unsupported
from support.client import chat, jsonl

LINE = chat("a", model="kimi-k2.6")
MOONSHOT = DIALECTS["moonshot"]


def told(call: Callable[[], object]) -> list[str]:
    """The three lines of a misuse."""
    with pytest.raises(UsageError) as caught:
        call()
    lines = str(caught.value).split("\n")
    assert len(lines) == 3
    return lines


def batch_of(client: openai.OpenAI) -> Any:
    """A new batch of one line, whoever the client speaks to."""
    file = client.files.create(file=("in.jsonl", jsonl([LINE])), purpose="batch")
    endpoint: Any = "/v1/chat/completions"
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")


@pytest.fixture
def both() -> Any:
    with FakeBatch(dialects=["openai", "moonshot"]) as fake:
        yield fake


def test_several_are_told_apart_by_their_addresses(both: FakeBatch) -> None:
    """Each has its own files and batches, and speaks in its own way."""
    one, other = openai.OpenAI(), openai.OpenAI(base_url=MOONSHOT.base_urls[0])
    here, there = batch_of(one), batch_of(other)

    assert ("errors" in here.to_dict(), "errors" in there.to_dict()) == (True, False)
    assert [batch.id for batch in one.batches.list()] == [here.id]
    assert [batch.id for batch in other.batches.list()] == [there.id]
    with pytest.raises(openai.NotFoundError, match="No batch found"):
        one.batches.retrieve(there.id)
    assert [*both.batches] == [here.id, there.id]
    assert both.batches[there.id].status == "validating"
    assert len(both.files) == 2


def test_rules_and_schedules_hold_for_all_of_them(both: FakeBatch) -> None:
    """The world has one clock, and one idea of what shall happen."""
    both.on(custom_id="a").reply("sunny")
    both.schedule(validating=0, in_progress="1m", finalizing=0)
    clients = [openai.OpenAI(), openai.OpenAI(base_url=MOONSHOT.base_urls[1])]
    batches = [batch_of(client) for client in clients]
    both.clock.advance("1m")

    for client, batch in zip(clients, batches, strict=True):
        done = client.batches.retrieve(batch.id)
        assert done.status == "completed"
        assert "sunny" in client.files.content(str(done.output_file_id)).text


def test_no_two_make_the_same_ids() -> None:
    """Even where their ids are of one form."""
    with FakeBatch(dialects=["openai", "parasail"]) as fake:
        for base_url in (None, DIALECTS["parasail"].base_urls[0]):
            batch_of(openai.OpenAI(base_url=base_url))
        assert len(fake.batches) == len(fake.files) == len({*fake.batches, *fake.files}) / 2


def test_a_wait_for_one_of_several_is_told(both: FakeBatch) -> None:
    """That nothing is left to happen is known of all of them together."""
    client = openai.OpenAI(base_url=MOONSHOT.base_urls[0])
    done = client.batches.cancel(batch_of(client).id)
    both.clock.advance("1h")
    assert both.batches[done.id].status == "cancelled"


@pytest.mark.parametrize(
    "host", ["http://gateway.internal/v1", "https://gateway.internal:8443/some/where/v1"]
)
def test_a_provider_may_be_elsewhere(host: str) -> None:
    """Its own addresses are not emulated then."""
    with FakeBatch(dialect="moonshot", base_url=host) as fake:
        assert fake.base_url == host
        assert "errors" not in batch_of(openai.OpenAI(base_url=host)).to_dict()
        with pytest.raises(RefusedRequest, match="fakebatch emulates http"):
            httpx.get("https://api.moonshot.cn/v1/batches")


def test_a_value_is_a_dialect() -> None:
    """The strict reading of Moonshot's reference: an endpoint has to be there."""
    strict = MOONSHOT.set(required=("input_file_id", "endpoint", "completion_window"))
    asked = {"input_file_id": "file_x", "completion_window": "24h"}
    for dialect, status in ((strict, 400), (MOONSHOT, 200)):
        with FakeBatch(dialect=dialect) as fake:
            url = f"{fake.base_url}/batches"
            answer = httpx.post(url, json=asked, headers={"authorization": "Bearer x"})
        assert answer.status_code == status


def test_limits_and_models_are_those_the_test_says() -> None:
    """In place of the dialect's own."""
    with FakeBatch(dialect="moonshot", models=["mine"], limits={"batch_lines": 1}) as fake:
        assert fake.dialects[0].limits.batch_lines == 1
        assert fake.dialects[0].limits.batch_files == 1_000
        client = openai.OpenAI(base_url=fake.base_url)
        assert [one.id for one in client.models.list()] == ["mine"]


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "a name nobody has": (
        {"dialect": "moonshine"},
        "There is no dialect 'moonshine'.",
        "Known are 'azure', 'compatible', 'dashscope'",
    ),
    "no name at all": ({"dialect": 3}, "There is no dialect 3.", "Known are 'azure'"),
    "two addresses for several": (
        {"dialects": ["openai", "groq"], "base_url": "http://x/v1"},
        "came with dialect=None and base_url='http://x/v1'",
        "told apart by their own addresses",
    ),
    "one and several": ({"dialect": "groq", "dialects": ["openai"]}, "came with", "told apart"),
    "none of several": ({"dialects": []}, "dialects=[]", "the list needs at least one"),
    "the same twice": (
        {"dialects": ["groq", "groq"]},
        "Two dialects have the address https://api.groq.com/openai/v1",
        "by their address",
    ),
    "a text for several": ({"dialects": "groq"}, "dialects='groq' is one string", "takes a list"),
    "a key for several": ({"api_keys": "sk-real"}, "api_keys='…' is one string", "takes a list"),
    "an address without a scheme": (
        {"dialect": "groq", "base_url": "gateway/v1"},
        "base_url='gateway/v1': 'gateway/v1' is not a base URL.",
        "https://host:8000/v1",
    ),
    "an address without a host": (
        {"base_url": "http://a gateway/v1"},
        "'http://a gateway/v1' is not a base URL.",
        "https://host:8000/v1",
    ),
    "a limit nobody has": ({"limits": {"lines": 1}}, "limits: 'lines' is unknown", "batch_lines"),
    "a limit that is no number": (
        {"limits": {"batch_lines": "ten"}},
        "limits.batch_lines: 'ten' is not a whole number",
        "It must be a whole number",
    ),
}


@pytest.mark.parametrize(("given", "came", "known"), WRONG.values(), ids=WRONG)
def test_what_has_no_meaning_is_told(given: dict[str, Any], came: str, known: str) -> None:
    """What came, what was known, what to do."""
    lines = told(lambda: FakeBatch(**given))

    assert came in lines[0]
    assert known in lines[1]


@pytest.mark.parametrize("name", unsupported())
def test_a_provider_with_another_api_is_told_why(name: Any) -> None:
    """No wrong imitation: the reason is named."""
    lines = told(lambda: FakeBatch(dialect=name))

    assert lines[0] == f"fakebatch: {name!r} cannot be a dialect."
    assert unsupported()[name] in lines[1]


def test_keys_are_dummies_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every provider that is emulated, inner ones too; others are left alone."""
    names = ("OPENAI_API_KEY", "GROQ_API_KEY", "MOONSHOT_API_KEY", "NEBIUS_API_KEY")
    for name in names:
        monkeypatch.setenv(name, f"real {name}")
    with FakeBatch(dialects=["openai", "groq"]), FakeBatch(dialect="moonshot"):
        inside = {name for name in names if os.environ[name] == f"real {name}"}

    assert inside == {"NEBIUS_API_KEY"}
    assert [os.environ[name] for name in names] == [f"real {name}" for name in names]


def test_no_host_of_a_provider_resolves(both: FakeBatch) -> None:
    """Not one whose first label is the user's own either; a client beside httpx is told."""
    with FakeBatch(dialect="azure"):
        for host in ("contoso.openai.azure.com", "api.moonshot.ai"):
            with pytest.raises(RefusedRequest, match=host):
                socket.getaddrinfo(host, 443)


def test_a_direct_call_may_ask_models_that_no_batch_may() -> None:
    """The list of the sheet is for batches."""
    with FakeBatch(dialect="moonshot") as fake:
        client = openai.OpenAI(base_url=fake.base_url)
        said = client.chat.completions.create(model="kimi-k3", messages=LINE["body"]["messages"])

    assert said.choices[0].message.content == "hi"
