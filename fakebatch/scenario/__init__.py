"""What shall happen, as frozen data that composes: lines, lives, files, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from fakebatch.dialects import Limits
from fakebatch.errors import UsageError as Misuse
from fakebatch.scenario.arrivals import Arrivals
from fakebatch.scenario.batches import (
    USUAL,
    BatchRule,
    Counting,
    ErrorEntry,
    Life,
    Moments,
    Order,
    Schedule,
    Stall,
    Stallable,
    WhichBatches,
)
from fakebatch.scenario.calls import (
    Answers,
    Breaks,
    CallFault,
    CallOutcome,
    Cuts,
    Relabels,
    Slows,
    Throttles,
    WhichCalls,
)
from fakebatch.scenario.files import FileRule, Keeping, WhichFiles
from fakebatch.scenario.lines import (
    Answer,
    Corruption,
    Damage,
    Echoes,
    ErrorShape,
    Fails,
    Hangs,
    LineRule,
    Outcome,
    Recorded,
    Renaming,
    Says,
    Spoils,
    Unusable,
    Which,
    check_outcome,
)
from fakebatch.scenario.merging import merged, overlaid

__all__ = [
    "USUAL",
    "Answer",
    "Answers",
    "Arrivals",
    "BatchRule",
    "Breaks",
    "CallFault",
    "CallOutcome",
    "Corruption",
    "Counting",
    "Cuts",
    "Damage",
    "Echoes",
    "ErrorEntry",
    "ErrorShape",
    "Fails",
    "FileRule",
    "Hangs",
    "Keeping",
    "Life",
    "LineRule",
    "Moments",
    "Order",
    "Outcome",
    "Recorded",
    "Relabels",
    "Renaming",
    "Rule",
    "Says",
    "Scenario",
    "Schedule",
    "Slows",
    "Spoils",
    "Stall",
    "Stallable",
    "Throttles",
    "Unusable",
    "Which",
    "WhichBatches",
    "WhichCalls",
    "WhichFiles",
]


Rule = LineRule | BatchRule | FileRule | CallFault
"""One thing that was said."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that was said about the future, at one moment. Among rules that match the later wins.

    Raises:
        Misuse: what is said of the same batches makes no sense together.
    """

    schedule: Schedule = Schedule()
    rules: tuple[LineRule, ...] = ()
    otherwise: Outcome = Echoes()
    batches: tuple[BatchRule, ...] = ()
    files: tuple[FileRule, ...] = ()
    limits: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    """What the service accepts, where it is not what the provider says."""
    calls: tuple[CallFault, ...] = ()
    arrivals: Arrivals = Arrivals()

    def __post_init__(self) -> None:
        for name in self.limits:
            if name not in Limits.__dataclass_fields__:
                raise Misuse(
                    f"There is no limit {name!r}.",
                    f"Known are {', '.join(Limits.__dataclass_fields__)}.",
                    "Write for example FakeBatch(limits={'batch_lines': 10}).",
                )
        check_outcome(self.otherwise)
        # where selections of batches overlap they do so where one of them begins
        whiches = {rule.which for rule in self.batches}
        for nth, endpoint in product({w.nth for w in whiches}, {w.endpoint for w in whiches}):
            self.life(nth, endpoint or "")

    def __or__(self, other: Scenario) -> Scenario:
        """Both; where they say different things of the same, the other."""
        return Scenario(
            overlaid(self.schedule, other.schedule),
            self.rules + other.rules,
            self.otherwise if other.otherwise == Echoes() else other.otherwise,
            self.batches + other.batches,
            self.files + other.files,
            {**self.limits, **other.limits},
            self.calls + other.calls,
            overlaid(self.arrivals, other.arrivals),
        )

    @property
    def said(self) -> tuple[Rule, ...]:
        """Every rule: of lines, batches, files and calls."""
        return (*self.rules, *self.batches, *self.files, *self.calls)

    def with_rule(self, rule: Rule) -> Scenario:
        """The same and one rule more."""
        match rule:
            case LineRule():
                return replace(self, rules=(*self.rules, rule))
            case BatchRule():
                return replace(self, batches=(*self.batches, rule))
            case FileRule():
                return replace(self, files=(*self.files, rule))
            case CallFault():
                return replace(self, calls=(*self.calls, rule))

    def life(self, number: int, endpoint: str) -> Life:
        """What differs about the `number`th batch that is created."""
        return merged(USUAL, (rule.life for rule in self.batches if rule.which(number, endpoint)))
