"""Webhooks that are delivered to a URL or a callable of the test when they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

import httpx

from fakebatch.durations import Duration
from fakebatch.errors import UsageError
from fakebatch.rules.validation import validated
from fakebatch.rules.webhooks import Deliver
from fakebatch.service.state import State
from fakebatch.webhooks.sender import Sender
from fakebatch.webhooks.webhooks import Delivery, Webhooks

if TYPE_CHECKING:
    from fakebatch.wire.app import Handled

Handler = Callable[[bytes, Mapping[str, str]], object]


class DeliveredWebhooks(Webhooks):
    """The webhooks of a FakeBatch. Each event is returned by `due`, or delivered to a target."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], int],
        observers: list[Callable[[Handled], object]],
    ) -> None:
        super().__init__(state, clock)
        self._observers = observers
        self.sender = Sender(self._outbox, clock)

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
        """Deliver webhooks to a URL or to a callable(body, headers) from now on.

        Webhooks that are due already are delivered before this returns, others while the code under
        test sleeps or the clock is moved, on a thread of its own. One that is not accepted with a
        status of 200 to 299 is sent again after 5 s, then after twice as long each time, for 72 h.
        A callable returns a status or an object with a `status_code`; any other value means that it
        accepts. A second call replaces the target. Parameters that are left out are those of the
        rules of `on_webhook`; by default each webhook is delivered once, when it is due.

        Args:
            target: a callable, or a URL that a respx route of the test or this machine answers.
            duplicates: how many more copies of each are sent, with the same `webhook-id`.
            forged: how many copies are sent before it that are signed with another secret.
            stale: how many copies are sent after it with a timestamp ten minutes old.
            lost: how many webhooks, the first ones, are never sent.
            early: how long before the end of its batch it is sent, without result files.
            scatter: how late each copy may be, as the seed decides; some overtake others.

        Raises:
            UsageError: the target is neither, or a number is negative.
            FakeBatchError: the callable raised an error.
        """
        parameters: dict[str, Any] = {"duplicates": duplicates, "forged": forged, "stale": stale}
        parameters |= {"lost": lost, "early": early, "scatter": scatter}
        parameters = {name: value for name, value in parameters.items() if value is not None}
        validated(Deliver, parameters, "deliver_to")
        if not callable(target) and not str(target).startswith(("http://", "https://")):
            raise UsageError(
                f"Webhooks cannot be delivered to {target!r}.",
                "They go to a URL, or to a callable that takes the body and the headers.",
                "Write for example deliver_to('http://localhost:8000/hook') or deliver_to(handle).",
            )
        if self.sender.observe not in self._observers:
            self._observers.append(self.sender.observe)
        self.sender.deliver_to(partial(_is_accepted, target), parameters)
        if self.sender.errors:
            raise self.sender.errors.pop()


def _is_accepted(target: str | Handler, delivery: Delivery) -> bool:
    """Deliver to the target. Returns whether it accepts, with a status of 200 to 299."""
    if callable(target):
        response = target(delivery.body, delivery.headers)
        if iscoroutine(response):
            response = asyncio.run(response)
    else:
        # No certificate to check: a request that leaves this machine is refused.
        with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501
            try:
                response = client.post(target, content=delivery.body, headers=delivery.headers)
            except httpx.HTTPError:
                return False
    status = getattr(response, "status_code", response)
    return type(status) is not int or 200 <= status < 300
