"""HTTP calls: what `on_call` selects, and how its verbs let them go wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, Lt
from pydantic import AfterValidator, BeforeValidator, Strict, WithJsonSchema

from fakebatch.durations import microseconds
from fakebatch.errors import UsageError
from fakebatch.rules.rule import Count, Rule, Selection, Share, Span, Times, method, verb

OPERATIONS = (
    *("files.create", "files.list", "files.retrieve", "files.delete", "files.content"),
    *("uploads.create", "uploads.parts.create", "uploads.complete", "uploads.cancel"),
    *("batches.create", "batches.list", "batches.retrieve", "batches.cancel"),
    *("chat.completions.create", "responses.create", "embeddings.create", "completions.create"),
    *("moderations.create", "models.list", "models.retrieve"),
)
"""What a client can do, in the names of the SDK."""


def _writable(body: Any) -> Any:
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"body={body!r} is not JSON.",
            "A body is a dict that JSON can hold, or a string; left out, it is the provider's own.",
            "Write for example body={'error': {'message': 'No.'}} or body='<html>…'.",
        ) from error
    return body


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    if not all(text.isprintable() for pair in headers.items() for text in pair):
        raise ValueError("the names and values of headers must be printable text")
    return {name.lower(): value for name, value in headers.items()}


Body = Annotated[Mapping[str, Any] | str, AfterValidator(_writable)]
"""A dict is JSON; a string that begins with `<` is HTML, any other plain text."""

HeaderMap = Annotated[Mapping[str, str], AfterValidator(_sendable)]
"""Values by name; names in lower case."""


@verb("fail(503)")
class Fail:
    """The calls are answered with an error, in the provider's words if no body is given."""

    status: Annotated[int, Strict(), Ge(400), Le(599)]
    _: KW_ONLY
    body: Body | None = field(default=None, repr=False)
    """A dict is JSON; a string that begins with `<` is HTML, any other plain text."""
    headers: HeaderMap = field(default_factory=dict[str, str])
    """Further headers, such as `{"x-should-retry": "false"}`."""
    retry_after: Span | None = None
    """Sent as `Retry-After`."""
    http_date: bool = False
    """Send it as a date, not as seconds."""
    applied: bool = False
    """The service did what the request asked for; only its answer is lost."""


@verb("reply('<html>…')")
class Reply:
    """The calls are answered with something else: a proxy's page, an object of another shape."""

    body: Body = field(repr=False)
    _: KW_ONLY
    status: Annotated[int, Strict(), Ge(200), Le(599)] = 200
    headers: HeaderMap = field(default_factory=dict[str, str])
    applied: bool = False
    """The service did what the request asked for; only its answer is lost."""


@verb("timeout()")
class Timeout:
    """No answer comes; the client waits as long as its read timeout says, in virtual time."""

    _: KW_ONLY
    applied: bool = False
    """The service did what the request asked for."""


@verb("reset()")
class Reset:
    """The connection is reset while the client waits for the answer."""

    _: KW_ONLY
    applied: bool = False
    """The service did what the request asked for."""


@verb("disconnect()")
class Disconnect:
    """The server closes the connection without an answer."""

    _: KW_ONLY
    applied: bool = False
    """The service did what the request asked for."""


@verb("connect_error('dns')")
class ConnectError:
    """The service cannot be reached. `reset` and `disconnect` break an open connection."""

    why: Literal["refused", "dns", "tls", "connect_timeout"] = "refused"


@verb("truncate(0.3)")
class Truncate:
    """Only this fraction of the true answer's body arrives, from 0 to less than 1."""

    fraction: Annotated[float, Strict(), Ge(0), Lt(1)]
    _: KW_ONLY
    framing: Literal["content_length", "chunked", "silent"] = "content_length"
    """With "content_length" and "chunked" the client can tell, and its HTTP stack raises; a
    "silent" body just ends."""


@verb("slow(first_byte='30s')")
class Slow:
    """The true answer comes slowly, in virtual time; a shorter read timeout raises."""

    _: KW_ONLY
    first_byte: Span = 0
    """Until the answer begins."""
    gap: Span = 0
    """Between two pieces of its body."""
    pieces: Count = 10
    """How many pieces there are."""

    def __post_init__(self) -> None:
        if not (microseconds(self.first_byte) or (microseconds(self.gap) and self.pieces > 1)):
            raise UsageError(
                "slow() needs first_byte, or a gap and at least two pieces.",
                f"It has first_byte={self.first_byte!r}, gap={self.gap!r} and "
                f"pieces={self.pieces!r}.",
                "Write for example .slow(first_byte='30s') or .slow(gap='2m', pieces=5).",
            )


@verb("headers({'content-encoding': 'gzip'})")
class Headers:
    """The true answer comes with other headers, such as a false `content-encoding`."""

    headers: HeaderMap


@verb("rate_limit(3, per='1m')")
class RateLimit:
    """Requests beyond `most` in any stretch of `per` are answered 429 and do nothing."""

    most: Count
    _: KW_ONLY
    per: Span
    retry_after: Span | None = None
    """Sent as `Retry-After`; by default the time until there is room again."""
    http_date: bool = False
    """Send it as a date, not as seconds."""

    def __post_init__(self) -> None:
        if not microseconds(self.per):
            raise UsageError(
                f"rate_limit({self.most!r}, per={self.per!r}) would limit nothing.",
                "per must be longer than 0.",
                "Write for example .rate_limit(3, per='1m').",
            )


def _with_end(between: Any) -> Any:
    match between:
        case [since]:
            return since, None
        case _:
            return between


_TIME = {"type": ["number", "string", "null"]}
Between = Annotated[
    tuple[Span, Span | None],
    BeforeValidator(_with_end),
    WithJsonSchema({"type": "array", "items": _TIME, "minItems": 1, "maxItems": 2}),
]
"""From one time since the start up to another; None is no end. TOML has no null: `["2h"]`."""

BrokenConnection = Timeout | Reset | Disconnect | ConnectError
"""No answer arrives."""

CallOutcome = Fail | Reply | BrokenConnection | Truncate | Slow | Headers | RateLimit
"""What can become of a call."""


@dataclass(frozen=True, slots=True)
class CallSelector:
    """Selects HTTP requests by operation, and among them by number, time, chance or key.

    Raises:
        UsageError: there is no such operation, or no time between two times.
    """

    example: ClassVar[str] = "on_call('batches.retrieve', nth=3).fail(503)"

    operation: str = "*"
    """As the SDK names it, or a pattern: `batches.retrieve`, `batches.*`, `*`."""
    _: KW_ONLY
    nth: Count | None = None
    """Of the requests that meet the other conditions the nth alone; with `times` that many from it
    on."""
    times: Times | None = None
    """How many are hit; without `nth` the first ones."""
    between: Between | None = None
    """From one time since the start up to another; None is no end."""
    chance: Share | None = None
    """How likely each is hit; the seed decides."""
    key: str | None = field(default=None, repr=False)
    """Only requests with this API key."""
    through_retries: bool = False
    """Hit the SDK's retries of a call too, and count a call as one."""

    def __post_init__(self) -> None:
        if not any(fnmatchcase(name, self.operation) for name in OPERATIONS):
            raise UsageError(
                f"There is no operation {self.operation!r}.",
                f"Known are {', '.join(OPERATIONS)}, and patterns such as 'batches.*'.",
                "Write for example fakebatch.on_call('batches.retrieve', nth=3).",
            )
        since, until = self.span
        if until is not None and until <= since:
            raise UsageError(
                f"on_call(between={self.between!r}) selects no call.",
                "between holds two times since the start, the later one last; None is no end.",
                "Write for example on_call('batches.*', between=('1h', '2h')).",
            )

    @property
    def span(self) -> tuple[int, int | None]:
        """`between` in microseconds since the start."""
        since, until = self.between or (0, None)
        return microseconds(since), None if until is None else microseconds(until)

    def matches(self, operation: str, key: str, elapsed: int) -> bool:
        """Whether a request is among those that are counted.

        Args:
            operation: what it is for.
            key: the API key it carries.
            elapsed: microseconds since the start.
        """
        since, until = self.span
        return (
            fnmatchcase(operation, self.operation)
            and self.key in (None, key)
            and since <= elapsed
            and (until is None or elapsed < until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRule(CallSelector, Rule):
    """HTTP requests that go wrong. Among rules that hit a request the later wins."""

    family = "on_call"

    fail: Fail | None = None
    reply: Reply | None = None
    timeout: Timeout | None = None
    reset: Reset | None = None
    disconnect: Disconnect | None = None
    connect_error: ConnectError | None = None
    truncate: Truncate | None = None
    slow: Slow | None = None
    headers: Headers | None = None
    rate_limit: RateLimit | None = None

    def __post_init__(self) -> None:
        CallSelector.__post_init__(self)
        Rule.__post_init__(self)
        if self.rate_limit and (self.nth or self.times or self.chance or self.through_retries):
            raise UsageError(
                "A rate_limit cannot have nth, times, chance or through_retries.",
                "It counts every request of an operation and lets `most` of them through.",
                "Write for example on_call('batches.*').rate_limit(3, per='1m').",
            )


class OnCall(Selection[CallRule]):
    """The HTTP calls a test has selected."""

    rule = CallRule
    fail = method(Fail)
    reply = method(Reply)
    timeout = method(Timeout)
    reset = method(Reset)
    disconnect = method(Disconnect)
    connect_error = method(ConnectError)
    truncate = method(Truncate)
    slow = method(Slow)
    headers = method(Headers)
    rate_limit = method(RateLimit)
