"""Which request lines, what comes of them, and what becomes of their result lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fakebatch.errors import UsageError as Misuse
from fakebatch.request_line import RequestLine, json_type
from fakebatch.scenario.checking import counts, is_part, one_of

Answer = str | Mapping[str, Any] | Callable[[RequestLine], str | Mapping[str, Any]]
"""What a model says: a text, a whole response body, or a callable that makes either."""

Unusable = Literal[
    "length",
    "refusal",
    "content_filter",
    "tool_calls",
    "null",
    "empty",
    "truncated_json",
    "wrong_types",
]
"""How a success can be an answer that nobody can use."""

ErrorShape = Literal["body", "top", "both", "string"]
"""Where a failed line has its error: in the response body, in `error`, in both, as a bare text."""

Corruption = Literal[
    "cut", "array", "garbage", "null", "blank", "no_custom_id", "no_response", "no_body"
]
"""What a result line can be instead of a result line."""

Renaming = Literal["int", "trim", "upper", "lower", "null"]
"""How a custom_id can come back otherwise than it went."""


@dataclass(frozen=True, slots=True)
class Says:
    """The line succeeds with this answer."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Fails:
    """The line fails: with an HTTP status and error body, or (status None) with a code alone.

    Status 0 with an empty body is what some lines got that nobody ever answered (ellmer #830).

    Raises:
        Misuse: an unknown shape or file.
    """

    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The response body; without a status, the `error` object of the line: code and message."""
    times: int | None = None
    """In how many batches; then the same custom_id succeeds. None: in each."""
    file: Literal["error", "output"] = "error"
    """Which result file the line is in."""
    shape: ErrorShape = "body"

    def __post_init__(self) -> None:
        one_of("file", self.file, ("error", "output"))
        one_of("shape", self.shape, get_args(ErrorShape))


@dataclass(frozen=True, slots=True)
class Echoes:
    """The line succeeds and says what it was asked, and then a text of the test's own."""

    then: str = ""


@dataclass(frozen=True, slots=True)
class Spoils:
    """The line succeeds with an answer of the right endpoint that nobody can use.

    Raises:
        Misuse: an unknown way.
    """

    how: Unusable

    def __post_init__(self) -> None:
        one_of("spoil", self.how, get_args(Unusable))


@dataclass(frozen=True, slots=True)
class Hangs:
    """The line never finishes, so that its batch expires."""

    until: Literal["expiry"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The line gets what a recorded output file has for its custom_id."""

    lines: Mapping[str, Says | Fails]
    source: str
    missing: Echoes | None = None
    """What answers a custom_id the file does not have; None: the test is told."""


Outcome = Echoes | Says | Fails | Spoils | Hangs | Recorded


@dataclass(frozen=True, slots=True)
class Damage:
    """What becomes of a result line after it was made.

    Raises:
        Misuse: an unknown corruption or renaming, or fewer copies than none.
    """

    copies: int = 1
    """How often it is written; 0: never."""
    conflict: Literal["success", "error"] | None = None
    """One more line for the same custom_id that says otherwise."""
    corrupt: Corruption | None = None
    custom_id: Renaming | None = None

    def __post_init__(self) -> None:
        if not counts(self.copies, 0):
            raise Misuse(
                f"A line cannot be written {self.copies!r} times.",
                "It is written once; never (0) if it is dropped, and twice if it is duplicated.",
                "Write for example fakebatch.on(index=3).duplicate(2).",
            )
        for name, known in _DAMAGES.items():
            value = getattr(self, name)
            if value is not None:
                one_of(name, value, known)


_DAMAGES: dict[str, tuple[str, ...]] = {
    "conflict": ("success", "error"),
    "corrupt": get_args(Corruption),
    "custom_id": get_args(Renaming),
}


@dataclass(frozen=True, slots=True)
class Which:
    """Selects request lines: all that is given must hold.

    Raises:
        Misuse: a fraction that is none.
    """

    custom_id: str | None = None
    index: int | None = None
    model: str | None = None
    endpoint: str | None = None
    contains: str | None = None
    """A text that occurs in a string of the request body."""
    fraction: float | None = None
    """So much of a batch, from 0 to 1 and one line at least; the seed decides which lines. Rules
    that each take a fraction take other lines, as long as there are any."""
    where: Callable[[RequestLine], bool] | None = None

    def __post_init__(self) -> None:
        fraction = self.fraction
        if fraction is not None and not (is_part(fraction) and fraction):
            raise Misuse(
                f"fraction={fraction!r} selects no lines.",
                "A fraction is more than 0, and 1 at most.",
                "Write for example fakebatch.on(fraction=0.1).fail(429).",
            )

    def __call__(self, line: RequestLine) -> bool:
        """Whether this line is selected; the fraction is for whoever knows the whole batch."""
        return (
            self.custom_id in (None, line.custom_id)
            and self.index in (None, line.index)
            and self.model in (None, line.model)
            and self.endpoint in (None, line.url)
            and (self.contains is None or _holds(line.body, self.contains))
            and (self.where is None or bool(self.where(line)))
        )


@dataclass(frozen=True, slots=True)
class LineRule:
    """Lines that `which` selects come to `outcome`, or their result lines to `damage`.

    Raises:
        Misuse: it says nothing.
    """

    which: Which
    outcome: Outcome | None = None
    damage: Damage | None = None

    def __post_init__(self) -> None:
        if self.damage is None and self.outcome is None:
            raise Misuse(
                "A rule selects lines and says nothing of them.",
                "It has an outcome, or a damage to their results.",
                "Write for example outcome = { status = 429 }, or damage = { copies = 0 }.",
            )
        check_outcome(self.outcome)


def check_outcome(outcome: Outcome | None) -> None:
    """Check what a Fails cannot check itself: pydantic tries one on all that may be an Echoes.

    Raises:
        Misuse: a failure of nothing.
    """
    if isinstance(outcome, Fails) and outcome.status is None and not outcome.body:
        raise Misuse(
            "A failure without a status and without a body says nothing.",
            "A line fails with an HTTP status of 400 to 599 or 0, or with a code.",
            "Write for example { status = 429 }, or { body = { code = 'request_timeout' } }.",
        )


def _holds(value: Any, text: str) -> bool:
    match json_type(value):
        case "a string":
            return text in value
        case "an object":
            return any(_holds(part, text) for part in value.values())
        case "an array":
            return any(_holds(part, text) for part in value)
        case _:
            return False
