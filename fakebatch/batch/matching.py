"""Which rules hold for a request line, and so what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil

from fakebatch.batch.input_file import Lines
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
    """What comes of a line, what becomes of its result line, and the rules that decide it."""

    result: Result
    corruptions: tuple[Corruption, ...] = ()
    rules: tuple[int, ...] = ()
    """Their indices among the rules of `on`."""


@dataclass(frozen=True)
class RuleMatcher:
    """Matches the lines of one batch, or one direct call, with the rules of a scenario.

    Args:
        scenario: the rules, of which the later wins.
        total: how many lines there are; fractions are of them.
        mint: decides which lines a fraction takes.
        earlier: how many batches before this one had a custom_id, for rules with `times`.
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

    def outcome(self, line: RequestLine) -> LineOutcome:
        """What comes of a line: of lines that no rule holds for, `usual` itself.

        Raises:
            UsageError: a predicate of the test failed, or a recording lacks the custom_id.
        """
        earlier = self.earlier.get(line.custom_id or "", 0)
        verb: Outcome = self.scenario.otherwise.outcome
        corruptions: list[Corruption] = []
        indices: list[int] = []
        for index, (rule, rule_verb, lots) in enumerate(self._rules):
            if lots is not None and line.index not in lots:
                continue
            if rule.times is not None and earlier >= rule.times:
                continue
            try:
                matches = rule.matches(line)
            except Exception as error:
                raise failed("A predicate given to fakebatch.on", line, error) from error
            if matches:
                indices.append(index)
                if isinstance(rule_verb, Corruption):
                    corruptions.append(rule_verb)
                else:
                    verb = rule_verb
        if not indices and self.usual is not None:
            return self.usual
        result = _replayed(verb, line) if isinstance(verb, Replay) else verb
        return LineOutcome(result, tuple(corruptions), tuple(indices))

    @cached_property
    def _rules(self) -> list[tuple[LineRule, Outcome | Corruption, frozenset[int] | None]]:
        """Each rule, its verb, and the lines that its fraction takes.

        Each fraction goes on in a shuffle of the lines where the one before it ended.
        """
        order, start = list[int](), 0
        rules: list[tuple[LineRule, Outcome | Corruption, frozenset[int] | None]] = []
        for rule in self.scenario.on:
            lots = None
            if rule.fraction is not None:
                order = order or 2 * self.mint.order(self.total, "lots")
                end = start + ceil(rule.fraction * self.total)
                lots = frozenset(order[start:end])
                start = end % max(self.total, 1)
            rules.append((rule, rule.outcome, lots))
        return rules


class Outcomes:
    """What comes of each line of a batch, and in which order they finish.

    Args:
        matcher: matches the lines with the rules, each once and in line order.
        lines: the request lines; none of a batch that fails.

    Raises:
        UsageError: a predicate of the test failed, or a recording lacks a custom_id.
    """

    def __init__(self, matcher: RuleMatcher, lines: Lines) -> None:
        self.usual = matcher.usual
        self.unusual: dict[int, LineOutcome] = {}
        """What comes of the lines that do not come to the usual, by index."""
        if not matcher.is_uniform:
            for index in range(len(lines)):
                outcome = matcher.outcome(lines.request(index))
                if outcome is not matcher.usual:
                    self.unusual[index] = outcome
        every = (self.usual, *self.unusual.values())
        kinds = {type(outcome.result) for outcome in every if outcome is not None}
        self.order = matcher.mint.order(len(lines), "lines")
        """The lines in the order in which they finish; last those that never do."""
        self.running = len(lines)
        """How many lines finish if nothing comes between."""
        if Hang in kinds:
            hanging = {index for index in self.order if isinstance(self[index].result, Hang)}
            self.order.sort(key=hanging.__contains__)
            self.running -= len(hanging)
        failing: list[tuple[int, Fail]] = []
        if Fail in kinds:
            for place, index in enumerate(self.order):
                result = self[index].result
                if isinstance(result, Fail):
                    failing.append((place, result))
        self.failing = [place for place, _ in failing]
        """Places in `order` of the lines that fail, ascending."""
        self.misfiled = [place for place, fail in failing if fail.file == "output"]
        """Places in `order` of those that are in the output file all the same."""

    def __getitem__(self, index: int) -> LineOutcome:
        if self.usual is None:
            return self.unusual[index]
        return self.unusual.get(index, self.usual)


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
