"""A scenario: all rules and the defaults beside them, as one frozen value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, ClassVar

from fakebatch.dialects import Limits
from fakebatch.errors import UsageError
from fakebatch.rules.batches import BatchOverrides, BatchRule, Schedule, overrides
from fakebatch.rules.calls import CallRule
from fakebatch.rules.files import FileRule
from fakebatch.rules.lines import Corruption, Echo, LineRule
from fakebatch.rules.rule import CONFIG, merged
from fakebatch.rules.webhooks import WebhookRule

AnyRule = LineRule | BatchRule | FileRule | CallRule | WebhookRule

Place = tuple[str, int]
"""Identifies a rule in a scenario: its family, and its index in that family."""

ECHO = LineRule(echo=Echo())


@dataclass(frozen=True, slots=True)
class Scenario:
    """All rules of a test. Of several rules that match the later wins; `a | b` unites scenarios.

    Raises:
        UsageError: rules for the same batches contradict each other, or a limit is unknown.
    """

    __pydantic_config__ = CONFIG
    example: ClassVar[str] = "[[on]] custom_id = 'row-1' fail = { status = 429 }"

    _: KW_ONLY
    schedule: Schedule = field(default_factory=Schedule)
    """How long batches stay in each status, unless a rule of `on_batch` changes it."""
    otherwise: LineRule = ECHO
    """The rule for lines that no rule of `on` answers; it has no conditions."""
    limits: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    """Limits that replace the provider's, by name."""
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
                    f"The limits are {', '.join(Limits.__dataclass_fields__)}.",
                    "Write for example FakeBatch(limits={'batch_lines': 10}).",
                )
        if isinstance(self.otherwise.outcome, Corruption):
            raise UsageError(
                f"otherwise cannot be {self.otherwise}.",
                "It decides how lines end, by reply, fail, echo, malformed, hang or replay.",
                "Write for example otherwise.reply = { answer = 'hi' }.",
            )
        # rules that certainly meet do so where one of them begins; others may meet in a batch
        for rule in self.on_batch:
            overrides(other for other in self.on_batch if other.covers(rule))

    def __or__(self, other: Scenario) -> Scenario:
        """Both scenarios as one; where both set the same thing, the second wins."""
        rules: dict[str, Any] = {
            family: getattr(self, family) + getattr(other, family) for family in FAMILIES
        }
        return Scenario(
            schedule=merged(self.schedule, other.schedule),
            otherwise=self.otherwise if other.otherwise == ECHO else other.otherwise,
            limits={**self.limits, **other.limits},
            **rules,
        )

    def with_rule(self, rule: AnyRule) -> Scenario:
        """The same scenario with one more rule."""
        changed: dict[str, Any] = {rule.family: (*getattr(self, rule.family), rule)}
        return replace(self, **changed)

    @property
    def rules(self) -> Iterator[tuple[Place, AnyRule]]:
        """All rules, each with its place."""
        for family in FAMILIES:
            for index, rule in enumerate(getattr(self, family)):
                yield (family, index), rule

    def batch_overrides(self, indices: Iterable[int]) -> BatchOverrides:
        """What the rules of `on_batch` with these indices change about a batch."""
        return overrides(self.on_batch[index] for index in indices)


FAMILIES = tuple(kind.family for kind in (LineRule, BatchRule, FileRule, CallRule, WebhookRule))
