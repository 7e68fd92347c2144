"""How webhooks arrive: in order and once, or as a network and an attacker would have it."""

from __future__ import annotations

from dataclasses import dataclass

from fakebatch.durations import Microseconds


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What becomes of each webhook. Durations in microseconds.

    The service promises no more than "at least once" and no order; the handler has to cope.
    """

    duplicates: int = 0
    """How often it comes once more, with the same `webhook-id`."""
    forged: int = 0
    """How many copies come before it that another secret has signed."""
    stale: int = 0
    """How many copies come after it with a timestamp ten minutes old."""
    lost: int = 0
    """How many webhooks, the first ones, never come."""
    early: Microseconds = 0
    """How long before its moment it comes, while the batch has no result files yet."""
    scatter: Microseconds = 0
    """How late each copy may come, as the seed decides: later webhooks overtake earlier ones."""
