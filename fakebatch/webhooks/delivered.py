"""Webhooks that are delivered: to a URL or a callable of the test, at their moments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

import httpx

from fakebatch.durations import Duration
from fakebatch.errors import UsageError
from fakebatch.rules.rule import validated
from fakebatch.rules.webhooks import Deliver
from fakebatch.service.state import State
from fakebatch.webhooks.sender import Sender
from fakebatch.webhooks.webhooks import Delivery, Webhooks

if TYPE_CHECKING:
    from fakebatch.wire.app import Handled

Handler = Callable[[bytes, Mapping[str, str]], object]


class DeliveredWebhooks(Webhooks):
    """The webhooks of a fake. Each event is handed out once: by `due`, or to a target."""

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
        """Deliver webhooks to a URL, or to a callable(body, headers), at their moments from now on.

        What is due already is delivered before this returns, the rest while the code under test
        sleeps or the clock is moved, on a thread of its own. What is not answered with a status of
        200 to 299 comes again, after 5 s and then after twice as long each time, for 72 h. A
        callable may return a status, or anything that has a `status_code`; all else counts as
        accepted. A second call replaces the target. What is left out is as the rules of
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
        if self.sender.called not in self._observers:
            self._observers.append(self.sender.called)
        self.sender.deliver_to(partial(_is_accepted, target), parameters)
        error = self.sender.error()
        if error is not None:
            raise error


def _is_accepted(target: str | Handler, delivery: Delivery) -> bool:
    """Hand a delivery to its target; whether that answers with a status of 200 to 299."""
    if callable(target):
        response = target(delivery.body, delivery.headers)
        if iscoroutine(response):
            response = asyncio.run(response)
    else:
        # Nobody checks a certificate: what is not mocked, and not this machine, is refused.
        with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501
            try:
                response = client.post(target, content=delivery.body, headers=delivery.headers)
            except httpx.HTTPError:
                return False
    status = getattr(response, "status_code", response)
    return type(status) is not int or 200 <= status < 300
