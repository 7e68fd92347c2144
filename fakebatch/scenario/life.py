"""How long a batch stays in each status."""

from __future__ import annotations

from dataclasses import dataclass

from fakebatch.durations import SECOND


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a batch stays in each status, in microseconds.

    The default is an hour in which a poller that asks each minute sees every status.
    """

    validating: int = 65 * SECOND
    in_progress: int = 3_470 * SECOND
    finalizing: int = 65 * SECOND
