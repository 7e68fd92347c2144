"""HTTP requests: the selector `on_call`, and its verbs: how requests fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, Lt
from pydantic import AfterValidator, BeforeValidator, Strict, WithJsonSchema

from fakebatch.dialects.dialect import OPERATIONS
from fakebatch.durations import microseconds
from fakebatch.errors import UsageError
from fakebatch.rules.rule import (
    Count,
    Names,
    PositiveRatio,
    Predicate,
    Rule,
    Selection,
    Span,
    Times,
    holds,
    method,
    verb,
)

if TYPE_CHECKING:
    from fakebatch.wire.messages import Request


def _writable(body: Any) -> Any:
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"body={body!r} is not JSON.",
            "A body is a string, or a dict that can be written as JSON; by default the provider's.",
            "Write for example body={'error': {'message': 'No.'}} or body='<html>…'.",
        ) from error
    return body


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    if not all(text.isprintable() for pair in headers.items() for text in pair):
        raise ValueError("the names and values of headers must be printable strings")
    return {name.lower(): value for name, value in headers.items()}


Body = Annotated[Mapping[str, Any] | str, AfterValidator(_writable)]
"""A dict is JSON; a string that begins with `<` is HTML, any other plain text."""

HeaderMap = Annotated[Mapping[str, str], AfterValidator(_sendable)]
"""Values by name; names in lower case."""


@verb("fail(503)")
class Fail:
    """The requests are answered with an error, by default with the provider's own body."""

    status: Annotated[int, Strict(), Ge(400), Le(599)]
    _: KW_ONLY
    body: Body | None = field(default=None, repr=False)
    """A dict is JSON; a string that begins with `<` is HTML, any other plain text."""
    headers: HeaderMap = field(default_factory=dict[str, str])
    """Further headers, such as `{"x-should-retry": "false"}`."""
    retry_after: Span | None = None
    """Sent as `Retry-After`."""
    http_date: bool = False
    """Send `Retry-After` as a date instead of seconds."""
    applied: bool = False
    """Process the request all the same; only its response is lost."""


@verb("reply('<html>…')")
class Reply:
    """The requests get this response instead, such as the page of a proxy."""

    body: Body = field(repr=False)
    _: KW_ONLY
    status: Annotated[int, Strict(), Ge(200), Le(599)] = 200
    headers: HeaderMap = field(default_factory=dict[str, str])
    applied: bool = False
    """Process the request all the same; only its response is lost."""


@verb("timeout()")
class Timeout:
    """No response comes; the client waits for its read timeout, in virtual time."""

    _: KW_ONLY
    applied: bool = False
    """Process the request all the same."""


@verb("reset()")
class Reset:
    """The connection is reset while the client waits for the response."""

    _: KW_ONLY
    applied: bool = False
    """Process the request all the same."""


@verb("disconnect()")
class Disconnect:
    """The server closes the connection without a response."""

    _: KW_ONLY
    applied: bool = False
    """Process the request all the same."""


@verb("connect_error('dns')")
class ConnectError:
    """No connection can be made; `reset` and `disconnect` break an open one."""

    why: Literal["refused", "dns", "tls", "connect_timeout"] = "refused"


@verb("truncate(0.3)")
class Truncate:
    """Only this fraction of the response body arrives, from 0 to less than 1."""

    fraction: Annotated[float, Strict(), Ge(0), Lt(1)]
    _: KW_ONLY
    framing: Literal["content_length", "chunked", "silent"] = "content_length"
    """With "content_length" and "chunked" the client's HTTP stack notices and raises; a "silent"
    body just ends."""


@verb("slow(first_byte='30s')")
class Slow:
    """The response comes slowly, in virtual time; a client with a shorter read timeout raises."""

    _: KW_ONLY
    first_byte: Span = 0
    """The time until the response begins."""
    gap: Span = 0
    """The time between two pieces of the body."""
    pieces: Count = 10
    """The number of pieces."""

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
    """The response has other headers, such as a wrong `content-encoding`."""

    headers: HeaderMap


@verb("override(fields={'has_more': True})")
class Override:
    """The response, a JSON object, has other fields; or parameters of the query have no effect.

    Errors, and responses that are no JSON object, stay as they are.
    """

    _: KW_ONLY
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Values by field, which may be a new field."""
    blanks: Names = ()
    """Fields that are null; for TOML, which has no null for `fields`."""
    without: Names = ()
    """Fields that are left out."""
    ignores: Names = ()
    """Parameters of the query that the service does not look at, such as `after`."""

    def __post_init__(self) -> None:
        if not (self.fields or self.blanks or self.without or self.ignores):
            raise UsageError(
                "override() changes nothing.",
                "It takes fields, blanks, without and ignores.",
                "Write for example .override(fields={'has_more': True}, ignores=['after']).",
            )


@verb("rate_limit(3, per='1m')")
class RateLimit:
    """Of the requests in any period of length `per`, those beyond `most` get a 429."""

    most: Count
    _: KW_ONLY
    per: Span
    retry_after: Span | None = None
    """Sent as `Retry-After`; by default the time until a request is allowed again."""
    http_date: bool = False
    """Send `Retry-After` as a date instead of seconds."""

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
"""Two times since the start; None as the second has no end, in TOML `["2h"]`."""

BrokenConnection = Timeout | Reset | Disconnect | ConnectError
"""The verbs after which no response arrives."""

CallOutcome = Fail | Reply | BrokenConnection | Truncate | Slow | Headers | Override | RateLimit
"""All verbs of requests."""


OperationPattern = Literal[
    "*",
    "files.*",
    "uploads.*",
    "uploads.parts.*",
    "batches.*",
    "models.*",
    "*.create",
    "*.list",
    "*.retrieve",
    "*.cancel",
    "chat.*",
    "chat.completions.*",
]
"""The usual patterns, for type checkers; others work too."""


@dataclass(frozen=True, slots=True)
class CallSelector:
    """Selects HTTP requests: all conditions must hold.

    Raises:
        UsageError: there is no such operation, or `between` is empty.
    """

    example: ClassVar[str] = "on_call('batches.retrieve', nth=3).fail(503)"

    operation: str = "*"
    """The SDK's name of the operation, or a pattern: `batches.retrieve`, `batches.*`, `*`."""
    _: KW_ONLY
    nth: Count | None = None
    """Of the requests for which the rest holds, the nth alone; with `times` that many, beginning
    with the nth."""
    times: Times | None = None
    """How many; without `nth` the first ones. `math.inf` has no end."""
    between: Between | None = None
    """Only between two times since the start; None as the second has no end."""
    chance: PositiveRatio | None = None
    """The probability for each request; the seed decides."""
    key: str | None = field(default=None, repr=False)
    """Only requests with this API key."""
    through_retries: bool = False
    """Hit all attempts of a call of the SDK, which counts as one."""
    id: str | None = None
    """Only requests with this id in their path: of a file, a batch or an upload."""
    longer_than: Count | None = None
    """Only requests whose body has more bytes."""
    where: Predicate | None = field(default=None, repr=False)
    """A predicate, called with the Request if all other conditions but order and chance hold."""

    def __post_init__(self) -> None:
        if not any(fnmatchcase(name, self.operation) for name in OPERATIONS):
            raise UsageError(
                f"There is no operation {self.operation!r}.",
                f"The operations are {', '.join(OPERATIONS)}, and patterns such as 'batches.*'.",
                "Write for example fakebatch.on_call('batches.retrieve', nth=3).",
            )
        since, until = self.span
        if until is not None and until <= since:
            raise UsageError(
                f"on_call(between={self.between!r}) selects no call.",
                "between is two times since the start, the earlier first; None means no end.",
                "Write for example on_call('batches.*', between=('1h', '2h')).",
            )

    @property
    def span(self) -> tuple[int, int | None]:
        """`between` in microseconds since the start."""
        since, until = self.between or (0, None)
        return microseconds(since), None if until is None else microseconds(until)

    def matches(self, operation: str, id_: str, request: Request, elapsed: int) -> bool:
        """Whether `nth`, `times` and `chance` apply to a request.

        Args:
            operation: its operation.
            id_: the id in its path.
            request: the request itself.
            elapsed: microseconds since the start.
        """
        since, until = self.span
        return (
            fnmatchcase(operation, self.operation)
            and self.id in (None, id_)
            and self.key in (None, request.key)
            and (self.longer_than is None or len(request.body) > self.longer_than)
            and since <= elapsed
            and (until is None or elapsed < until)
            and holds(self.where, request, "on_call", f"{request.method} {request.path}")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRule(CallSelector, Rule):
    """A rule about HTTP requests. Of several that hit a request the later wins."""

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
    override: Override | None = None
    rate_limit: RateLimit | None = None

    def __post_init__(self) -> None:
        CallSelector.__post_init__(self)
        Rule.__post_init__(self)
        if self.rate_limit and (self.nth or self.times or self.chance or self.through_retries):
            raise UsageError(
                "A rate_limit cannot have nth, times, chance or through_retries.",
                "It counts every request of the operation.",
                "Write for example on_call('batches.*').rate_limit(3, per='1m').",
            )


class OnCall(Selection[CallRule]):
    """The HTTP requests that a test selected."""

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
    override = method(Override)
    rate_limit = method(RateLimit)
