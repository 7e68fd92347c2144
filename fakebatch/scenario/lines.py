"""Which request lines, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fakebatch.request_line import RequestLine, json_type

Answer = str | Mapping[str, Any] | Callable[[RequestLine], str | Mapping[str, Any]]
"""What a model says: a text, a whole response body, or a callable that makes either."""


@dataclass(frozen=True, slots=True)
class Says:
    """The line succeeds with this answer."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Fails:
    """The line fails: with an HTTP status and error body, or (status None) with a code alone."""

    status: int | None
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The response body; without a status, the `error` object of the line: code and message."""


@dataclass(frozen=True, slots=True)
class Echoes:
    """The line succeeds and says what it was asked."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The line gets what a recorded output file has for its custom_id."""

    lines: Mapping[str, Says | Fails]
    source: str
    missing: Echoes | None = None
    """What answers a custom_id the file does not have; None: the test is told."""


Outcome = Says | Fails | Echoes | Recorded


@dataclass(frozen=True, slots=True)
class Which:
    """Selects request lines: all that is given must hold."""

    custom_id: str | None = None
    index: int | None = None
    model: str | None = None
    endpoint: str | None = None
    contains: str | None = None
    """A text that occurs in a string of the request body."""
    where: Callable[[RequestLine], bool] | None = None

    def __call__(self, line: RequestLine) -> bool:
        """Whether this line is selected."""
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
    """Lines that `which` selects come to `outcome`."""

    which: Which
    outcome: Outcome


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
