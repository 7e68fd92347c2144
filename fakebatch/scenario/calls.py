"""Which HTTP calls go wrong, and how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from fakebatch.durations import SECOND, Microseconds
from fakebatch.errors import UsageError as Misuse
from fakebatch.scenario.checking import counts, is_part, one_of

Unreachable = Literal["refused", "dns", "tls", "connect_timeout"]
"""How a connection can fail to come about, so that nothing can have been applied."""

Breakage = Literal["read_timeout", "reset", "disconnected", Unreachable]
"""How a call can end without an answer."""

Framing = Literal["content_length", "chunked", "silent"]
"""What a client knows of the length of a body: its size, that an end mark follows, or nothing."""


OPERATIONS = (
    *("files.create", "files.list", "files.retrieve", "files.delete", "files.content"),
    *("uploads.create", "uploads.parts.create", "uploads.complete", "uploads.cancel"),
    *("batches.create", "batches.list", "batches.retrieve", "batches.cancel"),
    *("chat.completions.create", "responses.create", "embeddings.create", "completions.create"),
    *("moderations.create", "models.list", "models.retrieve"),
)
"""What a client can do, named as the SDK names it."""


@dataclass(frozen=True, slots=True)
class WhichCalls:
    """Selects HTTP requests: of those for which the rest holds, the nth and those that follow.

    Raises:
        Misuse: no operation has such a name, or the numbers select nothing.
    """

    operation: str = "*"
    """As the SDK names it, or a pattern: `batches.retrieve`, `batches.*`, `*`."""
    nth: int = 1
    times: int | None = None
    """How many of them; None: all that follow."""
    since: Microseconds = 0
    """Not before this moment, in microseconds from the start."""
    until: Microseconds | None = None
    """Before this one; None: for ever."""
    chance: float | None = None
    """How likely each of them is hit, from 0 to 1; decided by the seed."""
    key: str | None = field(default=None, repr=False)
    """Only requests that carry this API key."""
    through_retries: bool = False
    """Count a call of the SDK as one, and hit its retries too until it gives up."""

    def __post_init__(self) -> None:
        if not any(fnmatchcase(name, str(self.operation)) for name in OPERATIONS):
            raise Misuse(
                f"There is no operation {self.operation!r}.",
                f"Known are {', '.join(OPERATIONS)}, and patterns such as 'batches.*'.",
                "Write for example fakebatch.on_call('batches.retrieve', nth=3).",
            )
        if not counts(self.nth) or not (self.times is None or counts(self.times)):
            raise _meaningless(f"nth={self.nth!r}, times={self.times!r}")
        if self.until is not None and self.until <= self.since:
            raise _meaningless(f"between={(self.since / SECOND, self.until / SECOND)}")
        if self.chance is not None and not (is_part(self.chance) and self.chance):
            raise _meaningless(f"chance={self.chance!r}")

    def __call__(self, operation: str, key: str, elapsed: int) -> bool:
        """Whether a request is among those that are counted."""
        return (
            fnmatchcase(operation, self.operation)
            and self.key in (None, key)
            and self.since <= elapsed
            and (self.until is None or elapsed < self.until)
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """An answer in place of the true one.

    Raises:
        Misuse: not an HTTP status, or a body that is no JSON.
    """

    status: int
    body: Mapping[str, Any] | str | None = None
    """JSON, a text (HTML by its first character), or None: the provider's usual words."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    retry_after: Microseconds | None = None
    """In microseconds; told in seconds."""
    dated: bool = False
    """Tell it as a date."""
    applied: bool = False
    """The operation happened all the same; only its answer was lost."""

    def __post_init__(self) -> None:
        if not counts(self.status) or not 200 <= self.status <= 599:
            raise Misuse(
                f"{self.status!r} is not a status an answer can have.",
                "An answer has a status of 200 to 599.",
                "Write for example .fail(503), or .reply('<html>…') for a page with status 200.",
            )
        _check_headers(self.headers)
        try:
            json.dumps(self.body, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise Misuse(
                f"body={self.body!r} is no JSON.",
                "A body is a dict of JSON, or a text; without one, the provider's usual words.",
                "Write for example body={'error': {'message': 'No.'}} or body='<html>…'.",
            ) from error


@dataclass(frozen=True, slots=True)
class Breaks:
    """No answer: the exception a client raises then, of its own HTTP stack.

    Raises:
        Misuse: unknown, or applied by a server that was never reached.
    """

    how: Breakage
    applied: bool = False
    """The operation happened all the same; only its answer was lost."""

    def __post_init__(self) -> None:
        one_of("way to break", self.how, get_args(Breakage))
        if self.applied and self.how in get_args(Unreachable):
            raise Misuse(
                f"{self.how!r} cannot be applied.",
                "The request was never sent: the service knows nothing of it.",
                "For a request that was served and its answer lost: .reset(applied=True).",
            )


@dataclass(frozen=True, slots=True)
class Cuts:
    """The true answer, and only the first part of its body.

    Raises:
        Misuse: nothing would be cut, or the framing is unknown.
    """

    fraction: float
    """How much of the body arrives, from 0 to less than 1."""
    framing: Framing = "content_length"

    def __post_init__(self) -> None:
        if not is_part(self.fraction) or self.fraction == 1:
            raise Misuse(
                f"truncate({self.fraction!r}) cuts nothing.",
                "The fraction is how much of the body arrives: from 0 to less than 1.",
                "Write for example .truncate(0.3).",
            )
        one_of("framing", self.framing, get_args(Framing))


@dataclass(frozen=True, slots=True)
class Slows:
    """The true answer, slowly. A client whose read timeout is shorter than a gap raises it.

    Raises:
        Misuse: nothing would be slow.
    """

    first_byte: Microseconds = 0
    """Until the answer begins, in microseconds."""
    gap: Microseconds = 0
    """Between two pieces of its body, in microseconds."""
    pieces: int = 10

    def __post_init__(self) -> None:
        if not counts(self.pieces) or not (self.first_byte or (self.gap and self.pieces > 1)):
            raise Misuse(
                "slow() needs a first_byte, or a gap between two pieces or more.",
                f"It was told first_byte={self.first_byte / SECOND:g}, gap={self.gap / SECOND:g} "
                f"and pieces={self.pieces!r}.",
                "Write for example .slow(first_byte='30s') or .slow(gap='2m', pieces=5).",
            )


@dataclass(frozen=True, slots=True)
class Relabels:
    """The true answer under other headers: a wrong charset, an encoding it does not have.

    Raises:
        Misuse: no headers.
    """

    headers: Mapping[str, str]

    def __post_init__(self) -> None:
        _check_headers(self.headers)


@dataclass(frozen=True, slots=True)
class Throttles:
    """No more than so many requests in any stretch of time; those beyond are 429, undone.

    Raises:
        Misuse: a limit that lets nothing through, or everything.
    """

    most: int
    per: Microseconds
    """In microseconds."""
    retry_after: Microseconds | None = None
    """In microseconds; None: until there is room again."""
    dated: bool = False

    def __post_init__(self) -> None:
        if not counts(self.most) or self.per <= 0:
            raise Misuse(
                f"limit({self.most!r}, per={self.per / SECOND:g}) is no limit.",
                "It lets at least one request through in a time longer than none.",
                "Write for example .limit(3, per='1m').",
            )


CallOutcome = Answers | Breaks | Cuts | Slows | Relabels | Throttles


@dataclass(frozen=True, slots=True)
class CallFault:
    """Calls that `which` selects come to `outcome`. Among faults that hit a call the later wins.

    Raises:
        Misuse: a limit for some calls of those it counts.
    """

    which: WhichCalls
    outcome: CallOutcome

    def __post_init__(self) -> None:
        which = self.which
        counted = replace(WhichCalls(which.operation), since=which.since, until=which.until)
        if isinstance(self.outcome, Throttles) and replace(which, key=None) != counted:
            raise Misuse(
                "A limit cannot be told nth, times, chance or through_retries.",
                "It counts every request of an operation, and lets through as many as it says.",
                "Write for example on_call('batches.*').limit(3, per='1m').",
            )


def _check_headers(headers: Mapping[str, str]) -> None:
    said: list[Any] = [text for pair in headers.items() for text in pair]
    if not all(isinstance(text, str) and text.isprintable() for text in said):
        raise Misuse(
            f"headers={dict(headers)!r} cannot be sent.",
            "Headers are texts by name.",
            "Write for example headers={'x-should-retry': 'false'}.",
        )


def _meaningless(what: str) -> Misuse:
    return Misuse(
        f"on_call({what}) selects no call.",
        "nth and times count from 1; between is two times, the later last; chance is 0 to 1.",
        "Write for example on_call('batches.retrieve', nth=3, times=2).",
    )
