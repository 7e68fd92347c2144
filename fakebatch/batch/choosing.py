"""Which rules hold for which line, and so what comes of it: decided once a line."""

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

Decided = Echoes | Says | Fails | Spoils | Hangs
"""What can come of a line once it is known which line it is."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What comes of a line, what becomes of its result, and the rules that say so."""

    outcome: Decided
    damages: tuple[Damage, ...] = ()
    rules: tuple[LineRule, ...] = ()


@dataclass(frozen=True)
class Choices:
    """The decisions for the lines of one batch, or for one direct call.

    Args:
        total: how many lines there are; fractions are of them.
        earlier: in how many batches before a custom_id was, for lines that heal.
    """

    scenario: Scenario
    total: int
    mint: Mint
    earlier: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def trivial(self) -> bool:
        """Whether every line comes to the same, so that none has to be looked at."""
        return not self.scenario.rules and isinstance(self.scenario.otherwise, Echoes | Says)

    @property
    def may_hang(self) -> bool:
        """Whether there could be lines that never finish."""
        outcomes = [self.scenario.otherwise, *(rule.outcome for rule in self.scenario.rules)]
        return any(isinstance(outcome, Hangs) for outcome in outcomes)

    def decide(self, line: RequestLine) -> Decision:
        """What comes of a line.

        Raises:
            Misuse: a predicate of the test failed, or a recording lacks the custom_id.
        """
        if self.trivial:
            return Decision(_recorded(self.scenario.otherwise, line))
        if line.index not in self._decided:
            self._decided[line.index] = self._decide(line)
        return self._decided[line.index]

    def decided(self, index: int) -> Decision | None:
        """What comes of a line, if that was decided before."""
        return self._decided.get(index)

    def damages(self, line: RequestLine) -> tuple[Damage, ...]:
        """What becomes of the result of a line, also of one that never ran."""
        if not self._may_damage:
            return ()
        return tuple(rule.damage for rule in self._matching(line) if rule.damage is not None)

    @cached_property
    def _may_damage(self) -> bool:
        return any(rule.damage is not None for rule in self.scenario.rules)

    @cached_property
    def _decided(self) -> dict[int | None, Decision]:
        return {}

    def _decide(self, line: RequestLine) -> Decision:
        matching = tuple(self._matching(line))
        outcomes = [rule.outcome for rule in reversed(matching) if rule.outcome is not None]
        found = next(filter(lambda one: not self._healed(one, line), outcomes), None)
        damages = tuple(rule.damage for rule in matching if rule.damage is not None)
        return Decision(_recorded(found or self.scenario.otherwise, line), damages, matching)

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

    def _healed(self, outcome: Outcome, line: RequestLine) -> bool:
        if not isinstance(outcome, Fails) or outcome.times is None:
            return False
        return self.earlier.get(line.custom_id or "", 0) >= outcome.times


def _holds(rule: LineRule, line: RequestLine) -> bool:
    try:
        return rule.which(line)
    except Exception as error:
        raise failed("A predicate given to fakebatch.on", line, error) from error


def _recorded(outcome: Outcome, line: RequestLine) -> Decided:
    if not isinstance(outcome, Recorded):
        return outcome
    found = outcome.lines.get(line.custom_id or "")
    if found is not None:
        return found
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
