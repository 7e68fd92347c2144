"""Which rules hold for a request line, and so what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil

from fakebatch.errors import UsageError
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.rules.lines import (
    Corruption,
    Echo,
    Fail,
    Hang,
    LineRule,
    Malformed,
    Outcome,
    Replay,
    Reply,
)
from fakebatch.rules.scenario import Scenario

Result = Echo | Reply | Fail | Malformed | Hang
"""What can come of a line once it is known which line it is."""


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What comes of a line, what becomes of its result line, and the rules that say so."""

    result: Result
    corruptions: tuple[Corruption, ...] = ()
    rules: tuple[int, ...] = ()
    """Their places among the rules of `on`."""


@dataclass(frozen=True)
class RuleMatcher:
    """Matches the lines of one batch, or one direct call, with the rules of a scenario.

    Args:
        scenario: the rules, of which the later wins.
        total: how many lines there are; fractions are of them.
        mint: decides which lines a fraction takes.
        earlier: in how many batches before a custom_id was, for rules with `times`.
    """

    scenario: Scenario
    total: int
    mint: Mint
    earlier: Mapping[str, int] = field(default_factory=dict[str, int])

    @cached_property
    def usual(self) -> LineOutcome | None:
        """What comes of every line that no rule holds for; None where that depends on the line."""
        otherwise: Outcome = self.scenario.otherwise.outcome
        return None if isinstance(otherwise, Replay) else LineOutcome(otherwise)

    @cached_property
    def is_uniform(self) -> bool:
        """Whether all lines come to the same, so that none has to be looked at."""
        return not self.scenario.on and self.usual is not None

    @cached_property
    def can_hang(self) -> bool:
        """Whether there could be lines that never finish."""
        return any(rule.hang is not None for rule in (self.scenario.otherwise, *self.scenario.on))

    def outcome(self, line: RequestLine) -> LineOutcome:
        """What comes of a line: of lines that no rule holds for, `usual` itself.

        Raises:
            UsageError: a predicate of the test failed, or a recording lacks the custom_id.
        """
        places = tuple(self._matching(line))
        if not places and self.usual is not None:
            return self.usual
        verbs = [self.scenario.on[place].outcome for place in places]
        corruptions = tuple(each for each in verbs if isinstance(each, Corruption))
        results = [each for each in verbs if not isinstance(each, Corruption)]
        result = results[-1] if results else self.scenario.otherwise.outcome
        return LineOutcome(_replayed(result, line), corruptions, places)

    def corruptions(self, line: RequestLine) -> tuple[Corruption, ...]:
        """What becomes of the result line of a request that never ran."""
        if not self._corrupting:
            return ()
        return tuple(
            self.scenario.on[place].outcome
            for place in self._matching(line)
            if place in self._corrupting
        )

    @cached_property
    def _corrupting(self) -> set[int]:
        rules = enumerate(self.scenario.on)
        return {place for place, rule in rules if isinstance(rule.outcome, Corruption)}

    def _matching(self, line: RequestLine) -> Iterator[int]:
        for place, rule in enumerate(self.scenario.on):
            drawn = self._drawn.get(place)
            if (drawn is None or line.index in drawn) and self._matches(rule, line):
                yield place

    def _matches(self, rule: LineRule, line: RequestLine) -> bool:
        try:
            matches = rule.matches(line)
        except Exception as error:
            raise failed("A predicate given to fakebatch.on", line, error) from error
        earlier = self.earlier.get(line.custom_id or "", 0)
        return matches and (rule.times is None or earlier < rule.times)

    @cached_property
    def _drawn(self) -> dict[int, frozenset[int]]:
        """The lines of each rule that takes a fraction; each goes on where the last one ended."""
        order, start = self.mint.order(self.total, "lots"), 0
        drawn: dict[int, frozenset[int]] = {}
        for place, rule in enumerate(self.scenario.on):
            if rule.fraction is not None:
                end = start + ceil(rule.fraction * self.total)
                drawn[place] = frozenset((order + order)[start:end])
                start = end % max(self.total, 1)
        return drawn


def _replayed(outcome: Outcome, line: RequestLine) -> Result:
    """What was recorded for a line, where recordings answer; any other outcome as it is."""
    if not isinstance(outcome, Replay):
        return outcome
    recorded = outcome.lines.get(line.custom_id or "")
    if recorded is not None:
        return recorded
    if line.custom_id is None or outcome.missing is not None:
        return Echo()
    known = ", ".join(map(repr, list(outcome.lines)[:5]))
    more = f" and {len(outcome.lines) - 5} more" if len(outcome.lines) > 5 else ""
    raise UsageError(
        f"No recorded answer for custom_id {line.custom_id!r}.",
        f"{outcome.path} has {known or 'no line'}{more}.",
        'Record it, or call fakebatch.reply_from(..., missing="echo").',
    )


def failed(what: str, line: RequestLine, error: Exception) -> UsageError:
    """What to say of a callable of the test that raised."""
    return UsageError(
        f"{what} raised {type(error).__name__}: {error}",
        f"It was called for {name(line)} ({line.url}).",
        "The original traceback stands above; mend the callable.",
    )


def name(line: RequestLine) -> str:
    """What to call a line in a message."""
    return "a direct call" if line.custom_id is None else f"custom_id {line.custom_id!r}"
