"""Which rules hold for a request line, and so what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil

from fakebatch.errors import UsageError as Misuse
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.scenario import (
    Damage,
    Echoes,
    Fails,
    Hangs,
    LineRule,
    Outcome,
    Recorded,
    Says,
    Scenario,
    Spoils,
)

Result = Echoes | Says | Fails | Spoils | Hangs
"""What can come of a line once it is known which line it is."""


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What comes of a line, what becomes of its result line, and the rules that say so."""

    result: Result
    damages: tuple[Damage, ...] = ()
    rules: tuple[LineRule, ...] = ()


@dataclass(frozen=True)
class RuleMatcher:
    """Matches the lines of one batch, or one direct call, with the rules of a scenario.

    Args:
        scenario: the rules, of which the later wins.
        total: how many lines there are; fractions are of them.
        mint: decides which lines a fraction takes.
        earlier: in how many batches before a custom_id was, for lines that fail a few times.
    """

    scenario: Scenario
    total: int
    mint: Mint
    earlier: Mapping[str, int] = field(default_factory=dict[str, int])

    @cached_property
    def usual(self) -> LineOutcome | None:
        """What comes of every line that no rule holds for; None where that depends on the line."""
        otherwise = self.scenario.otherwise
        return None if isinstance(otherwise, Recorded) else LineOutcome(otherwise)

    @cached_property
    def is_uniform(self) -> bool:
        """Whether all lines come to the same, so that none has to be looked at."""
        return not self.scenario.rules and self.usual is not None

    @cached_property
    def can_hang(self) -> bool:
        """Whether there could be lines that never finish."""
        outcomes = [self.scenario.otherwise, *(rule.outcome for rule in self.scenario.rules)]
        return any(isinstance(outcome, Hangs) for outcome in outcomes)

    def outcome(self, line: RequestLine) -> LineOutcome:
        """What comes of a line: of lines that no rule holds for, `usual` itself.

        Raises:
            Misuse: a predicate of the test failed, or a recording lacks the custom_id.
        """
        rules = tuple(self._matching(line))
        if not rules and self.usual is not None:
            return self.usual
        results = (rule.outcome for rule in reversed(rules) if rule.outcome is not None)
        result = next((one for one in results if not self._is_over(one, line)), None)
        damages = tuple(rule.damage for rule in rules if rule.damage is not None)
        return LineOutcome(_replayed(result or self.scenario.otherwise, line), damages, rules)

    def damages(self, line: RequestLine) -> tuple[Damage, ...]:
        """What becomes of the result line of a request that never ran."""
        if not any(rule.damage for rule in self.scenario.rules):
            return ()
        return tuple(rule.damage for rule in self._matching(line) if rule.damage is not None)

    def _matching(self, line: RequestLine) -> Iterator[LineRule]:
        for place, rule in enumerate(self.scenario.rules):
            drawn = self._drawn.get(place)
            if (drawn is None or line.index in drawn) and _holds(rule, line):
                yield rule

    @cached_property
    def _drawn(self) -> dict[int, frozenset[int]]:
        """The lines of each rule that takes a fraction; each goes on where the last one ended."""
        order, start = self.mint.order(self.total, "lots"), 0
        drawn: dict[int, frozenset[int]] = {}
        for place, rule in enumerate(self.scenario.rules):
            if rule.which.fraction is not None:
                end = start + ceil(rule.which.fraction * self.total)
                drawn[place] = frozenset((order + order)[start:end])
                start = end % max(self.total, 1)
        return drawn

    def _is_over(self, outcome: Outcome, line: RequestLine) -> bool:
        """Whether a line has failed in as many batches as it should."""
        if not isinstance(outcome, Fails) or outcome.times is None:
            return False
        return self.earlier.get(line.custom_id or "", 0) >= outcome.times


def _holds(rule: LineRule, line: RequestLine) -> bool:
    try:
        return rule.which(line)
    except Exception as error:
        raise failed("A predicate given to fakebatch.on", line, error) from error


def _replayed(outcome: Outcome, line: RequestLine) -> Result:
    """What was recorded for a line, where recordings answer; any other outcome as it is."""
    if not isinstance(outcome, Recorded):
        return outcome
    recorded = outcome.lines.get(line.custom_id or "")
    if recorded is not None:
        return recorded
    if line.custom_id is None or outcome.missing is not None:
        return outcome.missing or Echoes()
    known = ", ".join(map(repr, list(outcome.lines)[:5]))
    more = f" and {len(outcome.lines) - 5} more" if len(outcome.lines) > 5 else ""
    raise Misuse(
        f"No recorded answer for custom_id {line.custom_id!r}.",
        f"{outcome.source} has {known or 'no line'}{more}.",
        'Record it, or call fakebatch.reply_from(..., missing="echo").',
    )


def failed(what: str, line: RequestLine, error: Exception) -> Misuse:
    """What to say of a callable of the test that raised."""
    return Misuse(
        f"{what} raised {type(error).__name__}: {error}",
        f"It was called for {name(line)} ({line.url}).",
        "The original traceback stands above; mend the callable.",
    )


def name(line: RequestLine) -> str:
    """What to call a line in a message."""
    return "a direct call" if line.custom_id is None else f"custom_id {line.custom_id!r}"
