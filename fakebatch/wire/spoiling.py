"""What a fault makes of a call: another answer, or the true one with trouble on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from fakebatch.durations import SECOND
from fakebatch.scenario import Answers, Breaks, CallOutcome, Cuts, Relabels, Slows, Throttles
from fakebatch.wire.exchange import Reply, json_reply

_NO_REPLY = Reply(0, {}, b"")


def spoilt(
    outcome: CallOutcome | None,
    *,
    true: Callable[[], Reply],
    usual: Callable[[int], Reply],
    clock: Callable[[], int],
) -> Reply:
    """The reply to a call with this outcome.

    Args:
        outcome: None: the true reply.
        true: carries the operation out.
        usual: what the provider says with a status.
        clock: the time, in microseconds since the epoch.
    """
    match outcome:
        case Answers():
            if outcome.applied:
                true()
            return _answer(outcome, usual, clock)
        case Breaks():
            return (true() if outcome.applied else _NO_REPLY)._replace(trouble=outcome)
        case Cuts() | Slows():
            return true()._replace(trouble=outcome)
        case Relabels():
            reply = true()
            return reply._replace(headers={**reply.headers, **outcome.headers})
        case Throttles() | None:
            return true()


def _answer(outcome: Answers, usual: Callable[[int], Reply], clock: Callable[[], int]) -> Reply:
    body = outcome.body
    reply = usual(outcome.status) if body is None else _said(outcome.status, body)
    headers = {name.lower(): value for name, value in outcome.headers.items()}
    if outcome.retry_after is not None:
        wait = outcome.retry_after
        told = _date(clock() + wait) if outcome.dated else _seconds(wait)
        headers = {"retry-after": told, **headers}
    return reply._replace(headers={**reply.headers, **headers})


def _said(status: int, body: Mapping[str, Any] | str) -> Reply:
    if not isinstance(body, str):
        return json_reply(status, body)
    if not body:
        return Reply(status, {}, b"")
    kind = "text/html" if body.startswith("<") else "text/plain"
    return Reply(status, {"content-type": f"{kind}; charset=utf-8"}, body.encode())


def _date(moment: int) -> str:
    # a whole second, never earlier: who waits until then has waited long enough
    return formatdate(math.ceil(moment / SECOND), usegmt=True)


def _seconds(duration: int) -> str:
    return f"{duration / SECOND:.6f}".rstrip("0").rstrip(".")
