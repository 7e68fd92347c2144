"""`handle.hits`: how often a rule met something, in every family."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from fakebatch import FakeBatch, RequestLine, Scenario
from fakebatch.rules.rule import Handle
from support.client import chat, jsonl

BAD = [chat("a"), chat("b"), chat("b")]
"""The same custom_id twice: a batch that fails validation."""


class Client:
    """Calls by the SDK without retries, errors and all."""

    def __init__(self, fake: FakeBatch) -> None:
        self.fake = fake
        self.sdk = fake.openai(max_retries=0)

    def upload(self, *lines: dict[str, Any]) -> str:
        content = jsonl(lines or (chat(name) for name in "abcd"))
        return self.sdk.files.create(file=("in.jsonl", content), purpose="batch").id

    def create(self, *lines: dict[str, Any]) -> str:
        return self.sdk.batches.create(
            input_file_id=self.upload(*lines),
            endpoint="/v1/chat/completions",
            completion_window="24h",
        ).id

    def retrieves(self, times: int) -> None:
        """So many requests, however they are answered."""
        import openai  # noqa: PLC0415  # half a second

        for _ in range(times):
            try:
                self.sdk.batches.retrieve("batch_none")
            except openai.OpenAIError:
                continue

    def chat(self, content: str = "hi") -> None:
        self.sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])


@pytest.fixture
def client(fakebatch: FakeBatch) -> Client:
    fakebatch.unused_rules = "ignore"
    return Client(fakebatch)


Add = Callable[[FakeBatch], Handle[Any]]
Act = Callable[[Client], object]


def thrice(act: Act) -> Act:
    return lambda client: [act(client) for _ in range(3)]


HITS: dict[str, tuple[Add, Act, int]] = {
    # requests
    "requests": (lambda f: f.on_call().fail(503), lambda c: c.retrieves(3), 3),
    "the second request": (lambda f: f.on_call(nth=2).fail(503), lambda c: c.retrieves(3), 1),
    "requests of another operation": (
        lambda f: f.on_call("batches.list").fail(503),
        lambda c: c.retrieves(3),
        0,
    ),
    "requests beyond a limit": (
        lambda f: f.on_call("batches.retrieve").rate_limit(1, per="1m"),
        lambda c: c.retrieves(3),
        2,
    ),
    "requests that arrive late": (
        lambda f: f.on_call("batches.retrieve").slow(first_byte="1s"),
        lambda c: c.retrieves(3),
        3,
    ),
    # batches
    "batches": (lambda f: f.on_batch().stall("validating"), thrice(Client.create), 3),
    "the second and third batch": (
        lambda f: f.on_batch(2, times=2).fail("x"),
        thrice(Client.create),
        2,
    ),
    "batches of another endpoint": (
        lambda f: f.on_batch(endpoint="/v1/embeddings").fail("x"),
        thrice(Client.create),
        0,
    ),
    # uploads
    "uploads": (lambda f: f.on_file().not_found_for("1s"), thrice(Client.upload), 3),
    "the first upload": (lambda f: f.on_file(1).expire("1h"), thrice(Client.upload), 1),
    # lines
    "all lines of three batches": (lambda f: f.on().fail(429), thrice(Client.create), 12),
    "a line of each": (lambda f: f.on(custom_id="b").drop(), thrice(Client.create), 3),
    "a line of the first two": (
        lambda f: f.on(custom_id="b", times=2).fail(429),
        thrice(Client.create),
        2,
    ),
    "lines by their place": (lambda f: f.on(index=3).hang(), thrice(Client.create), 3),
    "a part of the lines": (lambda f: f.on(fraction=0.5).fail(429), thrice(Client.create), 6),
    "what a predicate selects": (
        lambda f: f.on(lambda line: line.custom_id in ("a", "b")).echo(),
        thrice(Client.create),
        6,
    ),
    "no line": (lambda f: f.on(custom_id="z").drop(), thrice(Client.create), 0),
    "direct calls": (lambda f: f.on(contains="hi").reply("ho"), thrice(Client.chat), 3),
}


@pytest.mark.parametrize(("add", "act", "expected"), HITS.values(), ids=HITS)
def test_what_a_rule_meets_is_counted(add: Add, act: Act, expected: int, client: Client) -> None:
    """Requests it hits, batches and uploads as they come, lines of batches, direct calls."""
    handle = add(client.fake)
    assert handle.hits == 0
    act(client)
    assert handle.hits == expected


@pytest.mark.parametrize(("add", "act", "expected"), HITS.values(), ids=HITS)
def test_counts_go_back_with_a_snapshot(add: Add, act: Act, expected: int, client: Client) -> None:
    """And what is done again counts again, as it did."""
    handle = add(client.fake)
    before = client.fake.snapshot()
    act(client)
    after = client.fake.snapshot()
    client.fake.restore(before)
    assert handle.hits == 0
    act(client)
    assert handle.hits == expected
    act(client)
    client.fake.restore(after)
    assert handle.hits == expected


def test_webhooks_are_counted(client: Client) -> None:
    """Those of the events that a rule selects, once each, however many copies come."""
    fake, came = client.fake, list[bytes]()
    fake.webhooks.deliver_to(lambda body, _: came.append(body))
    every = fake.on_webhook().deliver(duplicates=2)
    second = fake.on_webhook(2).deliver(lost=1)
    failed = fake.on_webhook(event="batch.failed").deliver(stale=1)
    before = fake.snapshot()
    for lines in ((), (), BAD):
        client.create(*lines)
        time.sleep(1)

    assert [each.hits for each in (every, second, failed)] == [0, 0, 0]
    time.sleep(7_200)
    assert [each.hits for each in (every, second, failed)] == [3, 1, 1]
    fake.restore(before)
    assert [each.hits for each in (every, second, failed)] == [0, 0, 0]


ENDS: dict[str, tuple[list[dict[str, Any]], Callable[[FakeBatch], object]]] = {
    "it completes": ([], lambda _: None),
    "its lines are bad": (BAD, lambda _: None),
    "a rule fails it": ([], lambda f: f.on_batch().fail("x")),
    "it expires": ([], lambda f: f.on_batch().expire(0)),
    "it vanishes": ([], lambda f: f.on_batch().not_found_from("in_progress")),
}


@pytest.mark.parametrize(("lines", "add"), ENDS.values(), ids=ENDS)
def test_lines_count_whenever_one_looks(
    lines: list[dict[str, Any]], add: Callable[[FakeBatch], object], client: Client
) -> None:
    """Before the batch is validated, while it runs and after its end, whether a line ran or not."""
    add(client.fake)
    lost, first = client.fake.on(custom_id="a").drop(), client.fake.on(index=0).fail(429)
    client.create(*lines)
    for wait in (0, 60, 60, 3_600, 90_000):
        time.sleep(wait)
        assert (lost.hits, first.hits) == (1, 1)


def test_predicates_and_fractions_meet_no_line_of_a_batch_that_fails(client: Client) -> None:
    """No predicate is called for lines that may not be requests, and no lots are drawn."""
    called: list[RequestLine] = []

    def where(line: RequestLine) -> bool:
        called.append(line)
        return True

    predicate = client.fake.on(where).drop()
    fraction, every = client.fake.on(fraction=0.5).fail(429), client.fake.on().echo()
    client.create(*BAD)
    time.sleep(7_200)
    assert (predicate.hits, fraction.hits, every.hits, called) == (0, 0, 3, [])


def test_a_line_of_a_cancelled_batch_counts(client: Client) -> None:
    """Though it never ran."""
    handle = client.fake.on(custom_id="a").fail(429)
    client.sdk.batches.cancel(client.create())
    time.sleep(7_200)
    assert handle.hits == 1


def test_of_rules_that_meet_the_same_each_counts_its_lines_and_batches(client: Client) -> None:
    """Whichever wins; of requests alone the rule that wins has hit one."""
    fake = client.fake
    handles: list[Handle[Any]] = [
        *(fake.on(custom_id="a").fail(429), fake.on(index=0).reply("hi")),
        *(fake.on_batch().expire(0.1), fake.on_batch(nth=1).expire(0.2)),
        *(fake.on_call("batches.retrieve").fail(status) for status in (500, 503)),
    ]
    client.create()
    client.retrieves(2)

    assert [each.hits for each in handles] == [1, 1, 1, 1, 0, 2]


def test_times_spares_the_lines_of_later_batches_that_fail(client: Client) -> None:
    """A rule of the first batch with a custom_id has not met that of the second."""
    handle = client.fake.on(custom_id="a", times=1).fail(429)
    client.create()
    client.create(*BAD)
    assert handle.hits == 1


def test_a_rule_counts_from_when_it_is_there(client: Client) -> None:
    """Batches, uploads and requests before it are none of its own."""
    fake = client.fake
    client.create()
    client.retrieves(1)
    handles: list[Handle[Any]] = [
        fake.on().fail(429),
        fake.on_batch().expire(),
        fake.on_file().processing(0),
        fake.on_call("batches.retrieve").fail(503),
    ]
    assert [each.hits for each in handles] == [0, 0, 0, 0]
    client.create()
    client.retrieves(1)
    assert [each.hits for each in handles] == [4, 1, 1, 1]


def test_a_rule_that_is_gone_has_met_nothing(client: Client) -> None:
    """Whatever rule stands in its place."""
    fake = client.fake
    first = fake.on_call("batches.retrieve").fail(503)
    client.retrieves(1)
    fake.scenario = Scenario()
    second = fake.on_call("batches.retrieve").fail(500)
    client.retrieves(2)
    assert (first.hits, second.hits) == (0, 2)
