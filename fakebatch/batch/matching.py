"""Matches request lines with the rules of `on`, which gives the outcome of each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from fakebatch.batch.input_file import Lines
from fakebatch.bodies import BodyError
from fakebatch.ids import IdFactory
from fakebatch.request_lines import RequestLine
from fakebatch.rules.lines import (
    Corruption,
    Duplicate,
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
"""The outcome of a line; a `Replay` has become what was recorded for the line."""


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """The outcome of a line, the corruptions of its result line, and the rules that matched."""

    result: Result
    corruptions: tuple[Corruption, ...] = ()
    rules: tuple[int, ...] = ()
    """Indices of rules of `on`."""


class RuleMatcher:
    """Matches the lines of one batch, or one direct call, with the rules of a scenario.

    Args:
        scenario: the rules; the later wins.
        total: the number of lines, which fractions refer to.
        id_factory: draws the lines of a fraction.
        earlier: how many earlier batches contain a custom_id, for rules with `times`.
    """

    def __init__(
        self,
        scenario: Scenario,
        total: int,
        id_factory: IdFactory,
        earlier: Mapping[str, int],
    ) -> None:
        self._earlier = earlier
        self._otherwise: Outcome = scenario.otherwise.outcome
        self._rules: list[tuple[LineRule, Outcome | Corruption, frozenset[int] | None]] = []
        shuffled, start = list[int](), 0
        for rule in scenario.on:
            drawn = None
            if rule.fraction is not None:  # goes on in the shuffle where the last rule stopped
                shuffled = shuffled or 2 * id_factory.order(total, "lots")
                end = start + ceil(rule.fraction * total)
                drawn = frozenset(shuffled[start:end])
                start = end % max(total, 1)
            self._rules.append((rule, rule.outcome, drawn))
        otherwise = self._otherwise
        self.default = None if isinstance(otherwise, Replay) else LineOutcome(otherwise)
        """The outcome of lines that no rule selects; None if it depends on the line (a replay)."""
        self._outcomes: dict[tuple[int, ...], LineOutcome] = {}
        """The outcomes so far, by the rules that select a line, unless they depend on it."""

    def outcome(self, line: RequestLine, bad_body: BodyError | None = None) -> LineOutcome:
        """The outcome of a line; if no rule selects it and its body is good, `default` itself.

        A bad body fails the line, unless a rule or a recording says how it ends.

        Raises:
            UsageError: a predicate of the test raised, or a recording lacks the custom_id.
        """
        earlier = self._earlier.get(line.custom_id or "", 0)
        outcome, corruptions, indices = self._otherwise, list[Corruption](), list[int]()
        is_recorded = isinstance(outcome, Replay) and line.custom_id in outcome.lines
        if bad_body is not None and not is_recorded:
            outcome = body_failure(bad_body)
        for index, (rule, verb, drawn) in enumerate(self._rules):
            if drawn is not None and line.index not in drawn:
                continue
            if rule.times is not None and earlier >= rule.times:
                continue
            if not rule.matches(line):
                continue
            indices.append(index)
            if isinstance(verb, Corruption):
                corruptions.append(verb)
            else:
                outcome = verb
        if not indices and outcome is self._otherwise and self.default is not None:
            return self.default
        result = outcome.recorded(line) if isinstance(outcome, Replay) else outcome
        made = LineOutcome(result, tuple(corruptions), tuple(indices))
        if result is not outcome or bad_body is not None:
            return made
        return self._outcomes.setdefault(made.rules, made)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of the lines of a batch, and the order in which the lines finish."""

    by_line: Sequence[LineOutcome]
    """In the order of the input file."""
    order: Sequence[int]
    """Indices of the lines in the order in which they finish; those that hang come last."""
    running: int
    """How many lines do not hang."""
    failing: Sequence[int]
    """Positions in `order` of the lines that fail, ascending."""
    misfiled: Sequence[int]
    """Positions in `order` of failing lines that the output file has, ascending."""
    has_conflict: bool
    """Whether some line gets a second result line, which is an error."""


def body_failure(error: BodyError) -> Fail:
    """The outcome of a line whose body the service refuses."""
    return Fail(error.status, body=error.body)


def outcomes_of(
    lines: Lines,
    scenario: Scenario,
    id_factory: IdFactory,
    earlier: Mapping[str, int],
    bad_bodies: Mapping[int, BodyError],
) -> Outcomes:
    """Match each line once, in line order, and decide in which order they finish.

    Raises:
        UsageError: a predicate of the test raised, or a recording lacks a custom_id.
    """
    total = len(lines)
    matcher = RuleMatcher(scenario, total, id_factory, earlier)
    if scenario.on or matcher.default is None:
        distinct = by_line = [
            matcher.outcome(lines.request(index), bad_bodies.get(index)) for index in range(total)
        ]
    else:  # no line has to be read
        distinct = [matcher.default]
        by_line = distinct * total
        for index, error in bad_bodies.items():
            by_line[index] = LineOutcome(body_failure(error))
            distinct.append(by_line[index])
    order, running = id_factory.order(total, "lines"), total
    kinds = {type(outcome.result) for outcome in distinct}
    if Hang in kinds:
        hangs = [isinstance(outcome.result, Hang) for outcome in by_line]
        order.sort(key=hangs.__getitem__)
        running -= sum(hangs)
    failing, misfiled = list[int](), list[int]()
    for position, index in enumerate(order) if Fail in kinds else ():
        result = by_line[index].result
        if isinstance(result, Fail):
            failing.append(position)
            if result.file == "output":
                misfiled.append(position)
    has_conflict = any(
        isinstance(each, Duplicate) and each.conflict == "error"
        for outcome in distinct
        for each in outcome.corruptions
    )
    return Outcomes(by_line, order, running, failing, misfiled, has_conflict)
