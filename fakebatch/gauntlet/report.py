"""What a client says that it got, which may be anything."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Any, NamedTuple


class Failure(NamedTuple):
    """What a client reports of a request that it has no answer to."""

    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a client says that it got."""

    results: tuple[tuple[str, Any], ...] = ()
    """Each custom_id with its answer, which is a text or a response body, or with a Failure."""
    raised: str | None = None
    """The exception with which it gave up, in words; None: it did not."""


def is_missing(answer: object) -> bool:
    """Whether a client reports nothing: None, or NaN, as a table has it where a cell is empty."""
    return answer is None or (isinstance(answer, float) and isnan(answer))


def id_of(custom_id: object) -> str:
    """A custom_id that a client reports: one that is no string belongs to no request."""
    if custom_id and isinstance(custom_id, str):
        return custom_id
    return f"{custom_id!r} ({type(custom_id).__name__})"
