"""Webhooks: what `on_webhook` selects, and how they arrive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from pydantic import Strict

from fakebatch.rules.rule import Occurrence, Rule, Selection, Span, method, overlaid, verb

Number = Annotated[int, Strict(), Ge(0)]


@verb("deliver(duplicates=1)")
class Deliver:
    """How the webhooks arrive: late, twice, out of order, forged, or not at all.

    The service promises "at least once" and no order; a handler has to cope.
    """

    _: KW_ONLY
    duplicates: Number = 0
    """How many more copies of each arrive, with the same `webhook-id`."""
    forged: Number = 0
    """How many copies arrive before it that are signed with another secret."""
    stale: Number = 0
    """How many copies arrive after it with a timestamp ten minutes old."""
    lost: Number = 0
    """How many webhooks, the first ones, never arrive."""
    early: Span = 0
    """How long before the end of its batch each arrives, when there are no result files yet."""
    scatter: Span = 0
    """How late a copy may arrive, as the seed decides: some overtake others."""


@dataclass(frozen=True, slots=True)
class WebhookSelector(Occurrence):
    """Selects webhooks by the order in which their batches end, and by their event."""

    example: ClassVar[str] = "on_webhook().deliver(duplicates=1)"

    _: KW_ONLY
    event: Literal["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"] | None = (
        None
    )

    def matches(self, number: int, event: str) -> bool:
        """Whether the `number`th webhook is selected, counted from 1."""
        return self.includes(number) and self.event in (None, event)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRule(WebhookSelector, Rule):
    """Webhooks that do not arrive exactly once and on time."""

    family = "on_webhook"

    deliver: Deliver | None = None


class OnWebhook(Selection[WebhookRule]):
    """The webhooks a test has selected."""

    rule = WebhookRule
    deliver = method(Deliver)


def delivery(rules: Iterable[WebhookRule]) -> Deliver:
    """What some rules make of a webhook; where they differ the later wins."""
    result = Deliver()
    for rule in rules:
        result = overlaid(result, rule.outcome)
    return result
