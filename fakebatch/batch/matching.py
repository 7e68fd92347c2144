"""Which rules hold for a request line, and so what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from fakebatch.batch.input_file import Lines
from fakebatch.errors import UsageError
from fakebatch.ids import IdFactory
from fakebatch.request_line import RequestLine
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
"""What can come of a line once it is known which line it is."""


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What comes of a line, what becomes of its result line, and the rules that decide it."""

    result: Result
    corruptions: tuple[Corruption, ...] = ()
    rules: tuple[int, ...] = ()
    """Their indices among the rules of `on`."""


class RuleMatcher:
    """Matches the lines of one batch, or one direct call, with the rules of a scenario.

    Args:
        scenario: the rules, of which the later wins.
        total: how many lines there are; fractions are of them.
        id_factory: decides which lines a fraction takes.
        earlier: how many batches before this one had a custom_id, for rules with `times`.
    """

    def __init__(
        self,
        scenario: Scenario,
        total: int,
        id_factory: IdFactory,
        earlier: Mapping[str, int] | None = None,
    ) -> None:
        self._earlier = earlier or {}
        self._otherwise: Outcome = scenario.otherwise.outcome
        self._rules: list[tuple[LineRule, Outcome | Corruption, frozenset[int] | None]] = []
        shuffled, start = list[int](), 0
        for rule in scenario.on:
            lots = None
            if rule.fraction is not None:  # takes up the shuffle where the rule before it stopped
                shuffled = shuffled or 2 * id_factory.order(total, "lots")
                end = start + ceil(rule.fraction * total)
                lots = frozenset(shuffled[start:end])
                start = end % max(total, 1)
            self._rules.append((rule, rule.outcome, lots))
        otherwise = self._otherwise
        self.usual = None if isinstance(otherwise, Replay) else LineOutcome(otherwise)
        """What comes of every line that no rule holds for; None where that depends on the line."""

    def outcome(self, line: RequestLine) -> LineOutcome:
        """What comes of a line: of lines that no rule holds for, `usual` itself.

        Raises:
            UsageError: a predicate of the test failed, or a recording lacks the custom_id.
        """
        earlier = self._earlier.get(line.custom_id or "", 0)
        outcome, corruptions, indices = self._otherwise, list[Corruption](), list[int]()
        for index, (rule, verb, lots) in enumerate(self._rules):
            if lots is not None and line.index not in lots:
                continue
            if rule.times is not None and earlier >= rule.times:
                continue
            try:
                if not rule.matches(line):
                    continue
            except Exception as error:
                raise failed("A predicate given to fakebatch.on", line, error) from error
            indices.append(index)
            if isinstance(verb, Corruption):
                corruptions.append(verb)
            else:
                outcome = verb
        if not indices and self.usual is not None:
            return self.usual
        result = _replayed(outcome, line) if isinstance(outcome, Replay) else outcome
        return LineOutcome(result, tuple(corruptions), tuple(indices))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What comes of the lines of a batch, and in which order they finish."""

    by_line: Sequence[LineOutcome]
    """What comes of each, in the order of the input file."""
    order: Sequence[int]
    """The lines in the order in which they finish; last those that never do."""
    running: int
    """How many finish if nothing comes between."""
    failing: Sequence[int]
    """Places in `order` of the lines that fail, ascending."""
    misfiled: Sequence[int]
    """Places in `order` of those that are in the output file all the same."""
    has_conflict: bool
    """Whether there is a line that leaves another result line, with an error."""


def outcomes_of(
    lines: Lines, scenario: Scenario, id_factory: IdFactory, earlier: Mapping[str, int]
) -> Outcomes:
    """Match each line once, in line order, and decide in which order they finish.

    Raises:
        UsageError: a predicate of the test failed, or a recording lacks a custom_id.
    """
    total = len(lines)
    matcher = RuleMatcher(scenario, total, id_factory, earlier)
    if scenario.on or matcher.usual is None:
        different = by_line = [matcher.outcome(lines.request(index)) for index in range(total)]
    else:  # no line has to be read
        different = [matcher.usual]
        by_line = different * total
    order, running = id_factory.order(total, "lines"), total
    kinds = {type(outcome.result) for outcome in different}
    if Hang in kinds:
        hangs = [isinstance(outcome.result, Hang) for outcome in by_line]
        order.sort(key=hangs.__getitem__)
        running -= sum(hangs)
    failing, misfiled = list[int](), list[int]()
    for place, index in enumerate(order) if Fail in kinds else ():
        result = by_line[index].result
        if isinstance(result, Fail):
            failing.append(place)
            if result.file == "output":
                misfiled.append(place)
    has_conflict = any(
        isinstance(each, Duplicate) and each.conflict == "error"
        for outcome in different
        for each in outcome.corruptions
    )
    return Outcomes(by_line, order, running, failing, misfiled, has_conflict)


def _replayed(replay: Replay, line: RequestLine) -> Result:
    """What was recorded for a line."""
    recorded = replay.lines.get(line.custom_id or "")
    if recorded is not None:
        return recorded
    if line.custom_id is None or replay.missing is not None:
        return Echo()
    known = ", ".join(map(repr, list(replay.lines)[:5]))
    more = f" and {len(replay.lines) - 5} more" if len(replay.lines) > 5 else ""
    raise UsageError(
        f"No recorded answer for custom_id {line.custom_id!r}.",
        f"{replay.path} has {known or 'no line'}{more}.",
        'Record it, or call fakebatch.reply_from(..., missing="echo").',
    )


def failed(what: str, line: RequestLine, error: Exception) -> UsageError:
    """The error for a callable of the test that raised."""
    return UsageError(
        f"{what} raised {type(error).__name__}: {error}",
        f"It was called for {name(line)} ({line.url}).",
        "The original traceback stands above; mend the callable.",
    )


def name(line: RequestLine) -> str:
    """How a message names a line."""
    return "a direct call" if line.custom_id is None else f"custom_id {line.custom_id!r}"
