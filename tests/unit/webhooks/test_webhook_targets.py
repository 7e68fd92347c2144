"""Where webhooks go, and what is told when it cannot be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
import respx

from fakebatch import FakeBatch, FakeBatchError, UsageError
from support.inbox import HOUR, NEW_YEAR, Inbox, create


def test_a_url_is_answered_by_a_route_of_the_test(
    fakebatch: FakeBatch, respx_mock: respx.MockRouter
) -> None:
    """A POST of the signed bytes; a redirect is not followed, another answer brings it again."""
    hook = respx_mock.post("https://app.example/hook")
    hook.side_effect = [
        httpx.Response(301, headers={"location": "https://app.example/new"}),
        httpx.ConnectError,
        httpx.ReadTimeout,
        httpx.Response(200),
    ]
    fakebatch.webhooks.deliver_to("https://app.example/hook")
    create()
    time.sleep(2 * HOUR)

    sent = [call.request for call in hook.calls]
    stamps = [int(request.headers["webhook-timestamp"]) - NEW_YEAR for request in sent]
    assert stamps == [HOUR, HOUR + 5, HOUR + 15, HOUR + 35]
    assert {request.headers["content-type"] for request in sent} == {"application/json"}
    assert len({request.content for request in sent}) == 1


class Server(HTTPServer):
    """An application on this machine: it notes when it is asked, and refuses at first."""

    def __init__(self, fake: FakeBatch) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.clock = fake.clock
        self.received: list[float] = []

    def serve(self, times: int) -> None:
        for _ in range(times):
            self.handle_request()


class Page(BaseHTTPRequestHandler):
    """What the application answers."""

    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(self.server.clock.elapsed)
        self.send_response(503 if len(self.server.received) == 1 else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_on_this_machine_is_reached(fakebatch: FakeBatch) -> None:
    """Loopback is let through, and time waits for the answer."""
    with Server(fakebatch) as server:
        serving = threading.Thread(target=server.serve, args=(2,))
        serving.start()
        fakebatch.webhooks.deliver_to(f"http://127.0.0.1:{server.server_port}/hook")
        create()
        time.sleep(2 * HOUR)
        serving.join()
        assert server.received == [HOUR, HOUR + 5]


def test_where_nobody_listens_the_attempt_has_failed(fakebatch: FakeBatch) -> None:
    """It is made again; a later target gets the webhook."""
    fakebatch.webhooks.deliver_to("http://127.0.0.1:9/hook")
    create()
    time.sleep(HOUR)
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    time.sleep(HOUR)
    assert inbox.moments == [HOUR + 5]


UNHEARD = """
    import openai, time

    def create():
        client = openai.OpenAI()
        uploaded = client.files.create(file=b"{}", purpose="batch")
        client.batches.create(
            input_file_id=uploaded.id, endpoint="/v1/embeddings", completion_window="24h"
        )

    def test_a_url(fakebatch):
        fakebatch.webhooks.deliver_to("https://nobody.example/hook")
        create()
        fakebatch.clock.advance("1h")

    def test_a_handler(fakebatch):
        def handler(body, headers):
            assert headers is None
        fakebatch.webhooks.deliver_to(handler)
        create()
        fakebatch.clock.advance("1h")
"""


def test_what_goes_wrong_at_the_target_fails_the_test(pytester: pytest.Pytester) -> None:
    """A URL nobody answers is refused as any other; a handler that raises is told with its error.

    Both in three lines, at the end at the latest.
    """
    pytester.makepyfile(UNHEARD)
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio")
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*POST https://nobody.example/hook was refused: nothing leaves this machine.",
            "*your webhook handler raised AssertionError(*",
            "It got batch.failed of batch_*; an exception counts as a bug.",
            "Fix it, or let it return a status such as 500 to get the webhook again.",
        ]
    )


def _fail(*_: object) -> None:
    pytest.fail("as a test does")


def _divide(*_: object) -> float:
    return 1 / 0


@pytest.mark.parametrize("handler", [_fail, _divide])
def test_a_handler_that_raises_is_told_to_who_sleeps_next(
    fakebatch: FakeBatch, handler: Callable[..., object]
) -> None:
    """With the handler's own error as the cause; the webhook does not come again."""
    fakebatch.webhooks.deliver_to(handler)
    create()
    time.sleep(HOUR)
    with pytest.raises(FakeBatchError, match="handler raised") as caught:
        time.sleep(HOUR)
    assert caught.value.__cause__ is not None
    time.sleep(HOUR)


def test_a_handler_that_raises_at_once_is_told_at_once(fakebatch: FakeBatch) -> None:
    """Where the webhook was due already."""
    create()
    fakebatch.clock.advance("1h")
    with pytest.raises(FakeBatchError, match="ZeroDivisionError"):
        fakebatch.webhooks.deliver_to(_divide)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda w: w.deliver_to("app.example"), "to 'app.example'", id="no URL"),
        pytest.param(lambda w: w.deliver_to(None), "to None", id="nothing"),
        pytest.param(
            lambda w: w.deliver_to(print, lost=-1),
            r"deliver_to\.lost: .* it was -1",
            id="a number below 0",
        ),
        pytest.param(
            lambda w: w.deliver_to(print, early="soon"), "'soon' is not a duration", id="a text"
        ),
    ],
)
def test_nonsense_is_told(
    fakebatch: FakeBatch, call: Callable[[Any], object], message: str
) -> None:
    """In three lines."""
    with pytest.raises(UsageError, match=message) as caught:
        call(fakebatch.webhooks)
    assert str(caught.value).count("\n") == 2


def test_a_fake_can_be_entered_again(fakebatch: FakeBatch) -> None:
    """Its webhooks come again once they are given a target."""
    fake = FakeBatch()
    for _ in range(2):
        with fake:
            inbox = Inbox()
            fake.webhooks.deliver_to(inbox)
            create()
            fake.clock.advance("1h")
            assert len(inbox.received) == 1
    assert [thread.name for thread in threading.enumerate()].count("fakebatch webhooks") == 0
