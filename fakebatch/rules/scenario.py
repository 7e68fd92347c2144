"""A scenario: every rule there is, and what no rule is about, as one frozen value that composes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import product
from typing import Any, ClassVar

from fakebatch.dialects import Limits
from fakebatch.errors import UsageError
from fakebatch.rules.batches import (
    NO_OVERRIDES,
    BatchOverrides,
    BatchRule,
    Schedule,
    overrides,
)
from fakebatch.rules.calls import CallRule
from fakebatch.rules.files import FileRule
from fakebatch.rules.lines import ChangeCustomId, Corrupt, Drop, Duplicate, Echo, LineRule
from fakebatch.rules.rule import CONFIG, overlaid
from fakebatch.rules.webhooks import WebhookRule

AnyRule = LineRule | BatchRule | FileRule | CallRule | WebhookRule

Place = tuple[str, int]
"""The family of a rule, and its index among the rules of that family."""

ECHO = LineRule(echo=Echo())


@dataclass(frozen=True, slots=True)
class Scenario:
    """All rules at one moment. Among rules that match, the later wins.

    Raises:
        UsageError: rules for the same batches contradict each other, or a limit is unknown.
    """

    __pydantic_config__ = CONFIG
    example: ClassVar[str] = "[[on]] custom_id = 'row-1' fail = { status = 429 }"

    _: KW_ONLY
    schedule: Schedule = field(default_factory=Schedule)
    """How long batches stay in each status, unless a rule of `on_batch` changes it."""
    otherwise: LineRule = ECHO
    """What answers a line where no rule does: a rule without conditions."""
    limits: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    """What the service accepts, where that differs from the provider's limits."""
    on: tuple[LineRule, ...] = ()
    on_batch: tuple[BatchRule, ...] = ()
    on_file: tuple[FileRule, ...] = ()
    on_call: tuple[CallRule, ...] = ()
    on_webhook: tuple[WebhookRule, ...] = ()

    def __post_init__(self) -> None:
        for name in self.limits:
            if name not in Limits.__dataclass_fields__:
                raise UsageError(
                    f"There is no limit {name!r}.",
                    f"Known are {', '.join(Limits.__dataclass_fields__)}.",
                    "Write for example FakeBatch(limits={'batch_lines': 10}).",
                )
        if isinstance(self.otherwise.outcome, Drop | Duplicate | Corrupt | ChangeCustomId):
            raise UsageError(
                f"otherwise cannot be {self.otherwise}.",
                "It answers lines: with reply, fail, echo, malformed, hang or replay.",
                "Write for example otherwise.reply = { answer = 'hi' }.",
            )
        # where selections of batches overlap they do so where one of them begins
        numbers = {rule.nth or 1 for rule in self.on_batch}
        for number, endpoint in product(numbers, {rule.endpoint or "" for rule in self.on_batch}):
            self.batch_overrides(number, endpoint)

    def __or__(self, other: Scenario) -> Scenario:
        """Both; where they differ about the same thing, the second."""
        rules: dict[str, Any] = {
            family: getattr(self, family) + getattr(other, family) for family in FAMILIES
        }
        return Scenario(
            schedule=overlaid(self.schedule, other.schedule),
            otherwise=self.otherwise if other.otherwise == ECHO else other.otherwise,
            limits={**self.limits, **other.limits},
            **rules,
        )

    def with_rule(self, rule: AnyRule) -> Scenario:
        """The same and one rule more."""
        changed: dict[str, Any] = {rule.family: (*getattr(self, rule.family), rule)}
        return replace(self, **changed)

    @property
    def rules(self) -> Iterator[tuple[Place, AnyRule]]:
        """Every rule with its place."""
        for family in FAMILIES:
            for index, rule in enumerate(getattr(self, family)):
                yield (family, index), rule

    def batch_overrides(self, number: int, endpoint: str) -> BatchOverrides:
        """What differs about the `number`th batch that is created."""
        if not self.on_batch:
            return NO_OVERRIDES
        return overrides(rule for rule in self.on_batch if rule.matches(number, endpoint))


FAMILIES = tuple(kind.family for kind in (LineRule, BatchRule, FileRule, CallRule, WebhookRule))
