"""How a test says which HTTP calls go wrong: fluent calls that build the Scenario's faults."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

from fakebatch.durations import Duration, microseconds
from fakebatch.errors import UsageError as Misuse
from fakebatch.scenario import (
    Answers,
    Breaks,
    CallFault,
    CallOutcome,
    Cuts,
    Relabels,
    Slows,
    Throttles,
    WhichCalls,
)
from fakebatch.scenario.calls import Framing, Unreachable


class OnCall:
    """The HTTP calls a test has selected; say what goes wrong with them.

    With `applied=True` the service does what it was asked, and only its answer is lost.
    """

    def __init__(self, which: WhichCalls, add: Callable[[CallFault], None]) -> None:
        self._which = which
        self._add = add

    def fail(
        self,
        status: int,
        *,
        body: Mapping[str, Any] | str | None = None,
        headers: Mapping[str, str] | None = None,
        retry_after: Duration | None = None,
        dated: bool = False,
        applied: bool = False,
    ) -> None:
        """They are answered with an error.

        Args:
            status: 400 to 599.
            body: JSON, or a text (HTML if it begins with `<`); the provider's words by default.
            headers: further headers, such as `{"x-should-retry": "false"}`.
            retry_after: sent as `Retry-After`.
            dated: send it as a date, not as seconds.
            applied: the service did what it was asked all the same.
        """
        if status not in range(400, 600):
            raise Misuse(
                f"fail({status!r}) is no failure.",
                "A call fails with an HTTP status of 400 to 599.",
                "Write for example .fail(503); for another status, .reply('<html>…', status=200).",
            )
        wait = None if retry_after is None else microseconds(retry_after)
        self._so(Answers(status, body, headers or {}, wait, dated=dated, applied=applied))

    def reply(
        self,
        body: Mapping[str, Any] | str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        applied: bool = False,
    ) -> None:
        """They are answered with something else: a page of a proxy, an object of another shape."""
        self._so(Answers(status, body, headers or {}, applied=applied))

    def timeout(self, *, applied: bool = False) -> None:
        """No answer comes; the client waits as long as its read timeout says, in virtual time."""
        self._so(Breaks("read_timeout", applied=applied))

    def reset(self, *, applied: bool = False) -> None:
        """The connection is reset while the client waits for the answer."""
        self._so(Breaks("reset", applied=applied))

    def disconnect(self, *, applied: bool = False) -> None:
        """The server closes the connection without an answer."""
        self._so(Breaks("disconnected", applied=applied))

    def connect_error(self, why: Unreachable = "refused") -> None:
        """The service cannot be reached: "refused", "dns", "tls" or "connect_timeout"."""
        if why not in get_args(Unreachable):
            raise Misuse(
                f"connect_error({why!r}) is unknown.",
                f"Known are {', '.join(map(repr, get_args(Unreachable)))}.",
                "For a connection that was there and broke: .reset() or .disconnect().",
            )
        self._so(Breaks(why))

    def truncate(self, fraction: float, *, framing: Framing = "content_length") -> None:
        """Only this fraction of the true answer's body arrives.

        Args:
            fraction: from 0 to less than 1.
            framing: "content_length" or "chunked": the client can tell, and its HTTP stack
                raises; "silent": the body just ends.
        """
        self._so(Cuts(fraction, framing))

    def slow(self, *, first_byte: Duration = 0, gap: Duration = 0, pieces: int = 10) -> None:
        """The true answer comes slowly, in virtual time.

        A client whose read timeout is shorter than one of the waits raises it.

        Args:
            first_byte: how long until the answer begins.
            gap: how long between two pieces of its body.
            pieces: how many there are.
        """
        self._so(Slows(microseconds(first_byte), microseconds(gap), pieces))

    def relabel(self, headers: Mapping[str, str]) -> None:
        """The true answer comes under other headers: `{"content-encoding": "gzip"}` is a lie."""
        self._so(Relabels({name.lower(): value for name, value in headers.items()}))

    def limit(
        self,
        most: int,
        *,
        per: Duration,
        retry_after: Duration | None = None,
        dated: bool = False,
    ) -> None:
        """Requests beyond `most` in any stretch of `per` are answered 429 and do nothing.

        Args:
            most: how many are let through.
            per: the length of the stretch.
            retry_after: sent as `Retry-After`; by default the time until there is room again.
            dated: send it as a date, not as seconds.
        """
        wait = None if retry_after is None else microseconds(retry_after)
        self._so(Throttles(most, microseconds(per), wait, dated=dated))

    def _so(self, outcome: CallOutcome) -> None:
        self._add(CallFault(self._which, outcome))


def which_calls(
    operation: str,
    *,
    nth: int | None,
    times: float | None,
    between: tuple[Duration, Duration | None] | None,
    chance: float | None,
    key: str | None,
    through_retries: bool,
) -> WhichCalls:
    """A selection of HTTP requests.

    Raises:
        Misuse: no operation has such a name, or the selection means nothing.
    """
    if times is None and nth is not None:
        times = 1
    since, until = _span(between)
    return WhichCalls(
        operation,
        nth=1 if nth is None else nth,
        times=None if times == math.inf else times,  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]  # WhichCalls says what a number of times is
        since=since,
        until=until,
        chance=chance,
        key=key,
        through_retries=through_retries,
    )


def _span(between: tuple[Duration, Duration | None] | None) -> tuple[int, int | None]:
    if between is None:
        return 0, None
    try:
        since, until = between
    except (TypeError, ValueError):
        raise Misuse(
            f"between={between!r} is no pair of times.",
            "It takes two times since the start, and None for no end: ('1h', '2h'), ('2h', None).",
            "Write for example fakebatch.on_call('batches.*', between=('1h', '2h')).",
        ) from None
    return microseconds(since), None if until is None else microseconds(until)
