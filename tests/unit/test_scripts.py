"""The seam: what each fault lets a client see, as a script that any transport can play."""

from __future__ import annotations

import json
from typing import Any

import pytest
from calling import call
from plans import T0

from fakebatch.dialects import OPENAI
from fakebatch.scenario import (
    Answers,
    Breaks,
    CallFault,
    CallOutcome,
    Cuts,
    Relabels,
    Scenario,
    Slows,
    WhichCalls,
)
from fakebatch.service import Service
from fakebatch.wire import Broken, Pause, Reply, Script
from fakebatch.wire.app import App

SECOND = 1_000_000


def reply_under(outcome: CallOutcome | None) -> Reply:
    """The reply to a listing of no batches, under a fault."""
    service = Service(OPENAI, clock=lambda: T0, seed=b"0")
    faults = () if outcome is None else (CallFault(WhichCalls(), outcome),)
    service.world.scenario = Scenario(calls=faults)
    return call(App(service, api_keys=None), "GET", "/batches")


WHOLE = reply_under(None).body
HALF, LARGER_HALF = len(WHOLE) // 2, -(-len(WHOLE) // 2)
THIRD = -(-len(WHOLE) // 3)
INCOMPLETE = (WHOLE[:HALF], Broken("incomplete"))

SCRIPTS: dict[str, tuple[CallOutcome | None, Script | None]] = {
    "no fault": (None, None),
    "another answer": (Answers(503), None),
    "other headers": (Relabels({"x-a": "b"}), None),
    "silence": (Breaks("read_timeout"), Script((Broken("read_timeout"),))),
    "no connection in time": (Breaks("connect_timeout"), Script((Broken("connect_timeout"),))),
    "refused": (Breaks("refused"), Script((Broken("refused"),))),
    "no such name": (Breaks("dns"), Script((Broken("dns"),))),
    "no handshake": (Breaks("tls"), Script((Broken("tls"),))),
    "a reset": (Breaks("reset"), Script((Broken("reset"),))),
    "no answer": (Breaks("disconnected", applied=True), Script((Broken("disconnected"),))),
    "cut, its length known": (Cuts(0.5), Script(body=INCOMPLETE)),
    "cut, an end mark missing": (
        Cuts(0.5, "chunked"),
        Script(body=INCOMPLETE, framing="chunked"),
    ),
    "cut silently": (Cuts(0.5, "silent"), Script(body=INCOMPLETE, framing="close")),
    "cut to nothing": (Cuts(0), Script(body=(b"", Broken("incomplete")))),
    "a late head": (Slows(first_byte=5 * SECOND), Script((Pause(5 * SECOND),))),
    "a slow body": (
        Slows(gap=SECOND, pieces=3),
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
        Slows(first_byte=SECOND, gap=SECOND, pieces=2),
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
    [(None, True), (Cuts(0), True), (Slows(first_byte=1), True), (Breaks("reset"), False)],
)
def test_a_reply_says_whether_it_arrives(outcome: CallOutcome | None, arrives: bool) -> None:
    """One whose connection breaks before its head does not."""
    assert arrives is reply_under(outcome).arrives


FRAMINGS: dict[str, tuple[CallOutcome | None, str, dict[str, str]]] = {
    "whole": (None, "content-length", {"content-length": str(len(WHOLE))}),
    "its length known": (Cuts(0.5), "content-length", {"content-length": str(len(WHOLE))}),
    "an end mark to come": (Cuts(0.5, "chunked"), "chunked", {"transfer-encoding": "chunked"}),
    "until it closes": (Cuts(0.5, "silent"), "close", {"connection": "close"}),
    "slow": (Slows(first_byte=1), "content-length", {"content-length": str(len(WHOLE))}),
}


@pytest.mark.parametrize(("outcome", "framing", "header"), FRAMINGS.values(), ids=FRAMINGS)
def test_a_reply_says_how_its_end_is_known(
    outcome: CallOutcome | None, framing: str, header: dict[str, str]
) -> None:
    """By its framing; exactly one of the headers that a socket would send tells it."""
    reply = reply_under(outcome)
    telling = {"content-length", "transfer-encoding", "connection"}
    assert framing == reply.framing
    assert header == {k: v for k, v in reply.framed_headers.items() if k in telling}


def test_a_body_in_pieces_is_chunked() -> None:
    """Nobody knows its length before it is written; under a script it is joined, and known."""
    pieces = Reply(200, {}, b"", iter((b"a", b"b")))
    assert (pieces.framing, pieces.framed_headers) == ("chunked", {"transfer-encoding": "chunked"})
    joined = pieces.scripted(Script((Pause(1),)))
    assert (joined.body, joined.framed_headers) == (b"ab", {"content-length": "2"})


def test_a_cut_reply_is_the_true_one() -> None:
    """Its body is whole: the length that is told is that of the whole."""
    reply = reply_under(Cuts(0.5))
    said: Any = json.loads(reply.body)
    assert (reply.status, said["data"]) == (200, [])
