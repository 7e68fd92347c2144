"""What shall happen, as frozen data that composes: lines, life, and all that goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fakebatch.request_line import RequestLine
from fakebatch.scenario.calls import (
    Answers,
    Breaks,
    CallFault,
    CallOutcome,
    Cuts,
    Limits,
    Relabels,
    Slows,
    WhichCalls,
)
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
    "Answers",
    "Breaks",
    "CallFault",
    "CallOutcome",
    "Cuts",
    "Echoes",
    "Fails",
    "Limits",
    "LineRule",
    "Outcome",
    "Recorded",
    "Relabels",
    "Says",
    "Scenario",
    "Schedule",
    "Slows",
    "Which",
    "WhichCalls",
]


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that was said about the future of batches, at one moment."""

    schedule: Schedule = Schedule()
    rules: tuple[LineRule, ...] = ()
    otherwise: Outcome = Echoes()
    calls: tuple[CallFault, ...] = ()

    def with_rule(self, rule: LineRule) -> Scenario:
        """The same and one rule more; among rules that match, the later wins."""
        return replace(self, rules=(*self.rules, rule))

    def with_call(self, fault: CallFault) -> Scenario:
        """The same and one fault more; among faults that hit a call, the later wins."""
        return replace(self, calls=(*self.calls, fault))

    def outcome(self, line: RequestLine) -> Outcome:
        """What comes of a line."""
        matching = (rule.outcome for rule in reversed(self.rules) if rule.which(line))
        return next(matching, self.otherwise)
