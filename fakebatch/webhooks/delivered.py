"""Webhooks that are delivered: to a URL or a callable of the test, at their moments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fakebatch.durations import Duration
from fakebatch.rules.rule import adapter, usage_errors
from fakebatch.rules.webhooks import Deliver
from fakebatch.service.state import State
from fakebatch.webhooks.sender import Sender
from fakebatch.webhooks.target import Handler, target_of
from fakebatch.webhooks.webhooks import Webhooks

if TYPE_CHECKING:
    from fakebatch.wire.app import Handled


class DeliveredWebhooks(Webhooks):
    """The webhooks of a fake. Each event is handed out once: by `due`, or to a target."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], int],
        observers: list[Callable[[Handled], object]],
    ) -> None:
        super().__init__(state, clock)
        self.sender = Sender(state, clock, self._outbox, self._signed)
        self._observers = observers  # the sender joins them once it has a target

    def deliver_to(
        self,
        target: str | Handler,
        *,
        duplicates: int | None = None,
        forged: int | None = None,
        stale: int | None = None,
        lost: int | None = None,
        early: Duration | None = None,
        scatter: Duration | None = None,
    ) -> None:
        """Bring webhooks to a URL, or to a callable(body, headers), at their moments from now on.

        What is due already is brought before this returns, the rest while the code under test
        sleeps or the clock is moved, on a thread of its own. What is not answered with a status of
        200 to 299 comes again, after 5 s and then ever twice as long, for 72 h. A callable may
        return a status, or anything that has a `status_code`; all else counts as accepted. A
        second call gives another target in place of the first. What is left out is as the rules of
        `on_webhook` have it: by default each webhook comes once, at its moment.

        Args:
            target: a URL that the test's own respx route or this machine answers, or a callable.
            duplicates: how often each comes once more, with the same `webhook-id`.
            forged: how many copies come before it that another secret has signed.
            stale: how many copies come after it with a timestamp ten minutes old.
            lost: how many webhooks, the first ones, never come.
            early: how long before the end of its batch it comes, when there are no results yet.
            scatter: how late each copy may come, as the seed decides; some overtake others.

        Raises:
            UsageError: the target is neither, or a number is negative.
            FakeBatchError: the callable raised something.
        """
        parameters: dict[str, Any] = {
            "duplicates": duplicates,
            "forged": forged,
            "stale": stale,
            "lost": lost,
        }
        parameters |= {"early": early, "scatter": scatter}
        given = {name: value for name, value in parameters.items() if value is not None}
        with usage_errors("deliver_to", Deliver):
            adapter(Deliver).validate_python(given)
        if self.sender.called not in self._observers:
            self._observers.append(self.sender.called)
        self.sender.deliver_to(target_of(target), given)
        error = self.sender.error()
        if error is not None:
            raise error
