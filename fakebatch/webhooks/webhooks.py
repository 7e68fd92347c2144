"""What a test holds of webhooks: the secret, and those that are due."""

from __future__ import annotations

from collections.abc import Callable

from fakebatch.durations import SECOND
from fakebatch.service.records import Event, Kind
from fakebatch.service.state import State
from fakebatch.webhooks.delivery import Delivery, secret_of, signed
from fakebatch.webhooks.outbox import Outbox

STALE = 600 * SECOND
"""How old a stale timestamp is; the SDK tolerates 300 s."""


class Webhooks:
    """The webhooks of a provider. Each event is handed out once.

    Args:
        state: whose batches end.
        clock: the time, in microseconds since the epoch.
    """

    def __init__(self, state: State, clock: Callable[[], int]) -> None:
        self._state = state
        self._clock = clock
        self.secret = secret_of(state.mint)
        """What they are signed with, `whsec_…`; clients find it in OPENAI_WEBHOOK_SECRET."""
        self._outbox = Outbox(state)

    def due(self) -> list[Delivery]:
        """The webhooks that are due by now and have not been handed out yet, in order."""
        now = self._clock()
        return [self._signed(event, Kind.GENUINE, now) for event in self._outbox.due(now)]

    def _signed(self, event: Event, kind: Kind, now: int) -> Delivery:
        secret = secret_of(self._state.mint, "forged") if kind is Kind.FORGED else self.secret
        at = now - STALE if kind is Kind.STALE else now
        return signed(event, secret, at, self._state.dialect.webhook_headers)
