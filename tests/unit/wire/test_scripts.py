"""The seam: what each fault lets a client see, as a script that any transport can play."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakebatch.dialects import OPENAI
from fakebatch.rules.calls import (
    CallOutcome,
    CallRule,
    ConnectError,
    Disconnect,
    Fail,
    Headers,
    Reset,
    Slow,
    Timeout,
    Truncate,
)
from fakebatch.rules.rule import verb_name
from fakebatch.rules.scenario import Scenario
from fakebatch.service import Service
from fakebatch.wire import Broken, Pause, Reply, Request, Script
from fakebatch.wire.app import App
from fakebatch.wire.operations import Operation
from support.batches import T0
from support.calling import call

SECOND = 1_000_000


def app_under(outcome: CallOutcome | None) -> App:
    """An app without batches, under a fault."""
    service, verbs = Service(OPENAI, seed=b"0"), dict[str, Any]()
    if outcome is not None:
        verbs[verb_name(type(outcome))] = outcome
        service.state.scenario = Scenario(on_call=(CallRule(**verbs),))
    return App(service, clock=lambda: T0, api_keys=None)


def reply_under(outcome: CallOutcome | None) -> Reply:
    """The reply to a listing of no batches, under a fault."""
    return call(app_under(outcome), "GET", "/batches")


WHOLE = reply_under(None).body
HALF, LARGER_HALF = len(WHOLE) // 2, -(-len(WHOLE) // 2)
THIRD = -(-len(WHOLE) // 3)
INCOMPLETE = (WHOLE[:HALF], Broken("incomplete"))

SCRIPTS: dict[str, tuple[CallOutcome | None, Script | None]] = {
    "no fault": (None, None),
    "another answer": (Fail(503), None),
    "other headers": (Headers({"x-a": "b"}), None),
    "silence": (Timeout(), Script((Broken("read_timeout"),))),
    "no connection in time": (
        ConnectError("connect_timeout"),
        Script((Broken("connect_timeout"),)),
    ),
    "refused": (ConnectError(), Script((Broken("refused"),))),
    "no such name": (ConnectError("dns"), Script((Broken("dns"),))),
    "no handshake": (ConnectError("tls"), Script((Broken("tls"),))),
    "a reset": (Reset(), Script((Broken("reset"),))),
    "no answer": (Disconnect(applied=True), Script((Broken("disconnected"),))),
    "cut, its length known": (Truncate(0.5), Script(body=INCOMPLETE)),
    "cut, an end mark missing": (
        Truncate(0.5, framing="chunked"),
        Script(body=INCOMPLETE, framing="chunked"),
    ),
    "cut silently": (Truncate(0.5, framing="silent"), Script(body=INCOMPLETE, framing="close")),
    "cut to nothing": (Truncate(0), Script(body=(b"", Broken("incomplete")))),
    "a late head": (Slow(first_byte="5s"), Script((Pause(5 * SECOND),))),
    "a slow body": (
        Slow(gap=1, pieces=3),
        Script(
            body=(
                WHOLE[:THIRD],
                Pause(SECOND),
                WHOLE[THIRD : 2 * THIRD],
                Pause(SECOND),
                WHOLE[2 * THIRD :],
            )
        ),
    ),
    "both late": (
        Slow(first_byte=1, gap=1, pieces=2),
        Script((Pause(SECOND),), (WHOLE[:LARGER_HALF], Pause(SECOND), WHOLE[LARGER_HALF:])),
    ),
}
"""Each fault, and its steps."""


@pytest.mark.parametrize(("outcome", "script"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_fault_is_a_script_of_steps(outcome: CallOutcome | None, script: Script | None) -> None:
    """Whoever carries the reply plays it, and knows nothing of rules."""
    assert script == reply_under(outcome).script


@pytest.mark.parametrize(
    ("outcome", "arrives"),
    [(None, True), (Truncate(0), True), (Slow(first_byte=1), True), (Reset(), False)],
)
def test_a_reply_says_whether_it_arrives(outcome: CallOutcome | None, arrives: bool) -> None:
    """One whose connection breaks before its head does not."""
    script = reply_under(outcome).script
    assert arrives is (script is None or script.sends_head)


FRAMINGS: dict[str, tuple[CallOutcome | None, dict[str, str]]] = {
    "whole": (None, {"content-length": str(len(WHOLE))}),
    "its length known": (Truncate(0.5), {"content-length": str(len(WHOLE))}),
    "an end mark to come": (Truncate(0.5, framing="chunked"), {"transfer-encoding": "chunked"}),
    "until it closes": (Truncate(0.5, framing="silent"), {"connection": "close"}),
    "slow": (Slow(first_byte=1), {"content-length": str(len(WHOLE))}),
}


FRAMING_HEADERS = {"content-length", "transfer-encoding", "connection"}


@pytest.mark.parametrize(("outcome", "header"), FRAMINGS.values(), ids=FRAMINGS)
def test_a_reply_says_how_its_end_is_known(
    outcome: CallOutcome | None, header: dict[str, str]
) -> None:
    """By exactly one of the headers that a server would send."""
    headers = reply_under(outcome).headers
    assert header == {name: headers[name] for name in FRAMING_HEADERS & headers.keys()}


def test_a_body_in_pieces_is_chunked() -> None:
    """Its length is not known before it is made; under a script it is joined, and its length is."""
    download = Operation("files.content", "GET", "/files/{id}/content", lambda *_: in_pieces)
    in_pieces = Reply(200, {}, b"", (b"a", b"b"))
    request = Request("GET", "/files/file-1/content", {}, {"authorization": "Bearer sk-any"})
    whole = app_under(None).handle(request, download, "file-1")
    slow = app_under(Slow(first_byte=1)).handle(request, download, "file-1")
    assert whole.headers["transfer-encoding"] == "chunked"
    assert (slow.body, slow.headers["content-length"]) == (b"ab", "2")


def test_a_cut_reply_is_the_true_one() -> None:
    """Its body is whole: the length that is told is that of the whole."""
    reply = reply_under(Truncate(0.5))
    listing: Any = json.loads(reply.body)
    assert (reply.status, listing["data"]) == (200, [])
