"""Webhooks: the selector `on_webhook`, and its verb `deliver`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from pydantic import Strict

from fakebatch.rules.rule import Occurrence, Rule, Selection, Span, merged, method, verb

Number = Annotated[int, Strict(), Ge(0)]


@verb("deliver(duplicates=1)")
class Deliver:
    """The webhooks arrive late, twice, out of order, forged, or not at all.

    The service promises delivery "at least once" and no order.
    """

    _: KW_ONLY
    duplicates: Number = 0
    """The number of further copies of each webhook, with the same `webhook-id`."""
    forged: Number = 0
    """The number of copies that arrive before it, signed with another secret."""
    stale: Number = 0
    """The number of copies that arrive after it, with a timestamp ten minutes old."""
    lost: Number = 0
    """The first `lost` webhooks never arrive."""
    early: Span = 0
    """How long before the end of its batch, and before there are result files, each arrives."""
    scatter: Span = 0
    """The longest delay of a copy; the seed draws each, so that some overtake others."""


@dataclass(frozen=True, slots=True)
class WebhookSelector(Occurrence):
    """Selects webhooks by event, and by the order in which the batches of that event end."""

    example: ClassVar[str] = "on_webhook().deliver(duplicates=1)"

    _: KW_ONLY
    event: Literal["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"] | None = (
        None
    )

    def matches(self, event: str, events: Counter[str]) -> bool:
        """Whether a webhook is selected; `events` counts those of each event, with this one."""
        number = events.total() if self.event is None else events[event]
        return self.event in (None, event) and self.includes(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRule(WebhookSelector, Rule):
    """A rule about webhooks."""

    family = "on_webhook"

    deliver: Deliver | None = None


class OnWebhook(Selection[WebhookRule]):
    """The webhooks that a test selected."""

    rule = WebhookRule
    deliver = method(Deliver)


def delivery(rules: Iterable[WebhookRule]) -> Deliver:
    """The delivery that several rules give a webhook; of different values the later wins."""
    result = Deliver()
    for rule in rules:
        result = merged(result, rule.outcome)
    return result
