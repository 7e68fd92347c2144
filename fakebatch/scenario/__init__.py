"""What shall happen, as frozen data that composes: lines, life, and all that goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fakebatch.request_line import RequestLine
from fakebatch.scenario.arrivals import Arrivals
from fakebatch.scenario.life import Schedule
from fakebatch.scenario.lines import (
    Answer,
    Echoes,
    Fails,
    LineRule,
    Outcome,
    Recorded,
    Says,
    Which,
)

__all__ = [
    "Answer",
    "Arrivals",
    "Echoes",
    "Fails",
    "LineRule",
    "Outcome",
    "Recorded",
    "Says",
    "Scenario",
    "Schedule",
    "Which",
]


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that was said about the future of batches, at one moment."""

    schedule: Schedule = Schedule()
    rules: tuple[LineRule, ...] = ()
    otherwise: Outcome = Echoes()
    arrivals: Arrivals = Arrivals()

    def with_rule(self, rule: LineRule) -> Scenario:
        """The same and one rule more; among rules that match, the later wins."""
        return replace(self, rules=(*self.rules, rule))

    def outcome(self, line: RequestLine) -> Outcome:
        """What comes of a line."""
        matching = (rule.outcome for rule in reversed(self.rules) if rule.which(line))
        return next(matching, self.otherwise)
