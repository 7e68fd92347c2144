"""How a test says what shall happen: the part of FakeBatch that builds the Scenario."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakebatch import incidents
from fakebatch.dialects import Dialect
from fakebatch.durations import Duration, microseconds
from fakebatch.incidents import Incident
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Answer, Outcome, Rule, Says, Scenario, WhichBatches, WhichFiles
from fakebatch.testing import on_call, on_line
from fakebatch.testing.on_batch import OnBatch
from fakebatch.testing.on_file import OnFile


class Scripting:
    """Each call adds to the scenario; batches that exist already keep theirs."""

    @property
    @abstractmethod
    def scenario(self) -> Scenario:
        """What shall happen from now on: all that was said, as one value."""

    @scenario.setter
    @abstractmethod
    def scenario(self, scenario: Scenario) -> None: ...

    @property
    @abstractmethod
    def dialect(self) -> Dialect:
        """The provider whose usual words are said."""

    def incident(self, which: Incident, **parameters: Any) -> None:
        """Let a known incident happen: its name, a Scenario, a file, or several as a tuple.

        `fakebatch incidents` lists the names, `fakebatch incidents NAME` the parameters of one.

        Raises:
            Misuse: there is no such incident, or it has no such parameter.
        """
        self.scenario = self.scenario | incidents.scenario(which, **parameters)

    def schedule(
        self,
        *,
        validating: Duration | None = None,
        in_progress: Duration | None = None,
        finalizing: Duration | None = None,
        cancelling: Duration | None = None,
    ) -> None:
        """How long batches created from now on stay in each status; what is left out stays."""
        given = {"validating": validating, "in_progress": in_progress}
        given |= {"finalizing": finalizing, "cancelling": cancelling}
        changed = {name: microseconds(d) for name, d in given.items() if d is not None}
        schedule = replace(self.scenario.schedule, **changed)
        self.scenario = replace(self.scenario, schedule=schedule)

    def on(self, where: Callable[[RequestLine], bool] | None = None, **which: Any) -> on_line.On:
        """Select lines by custom_id, index, model, endpoint, contains, fraction, or a predicate.

        Among rules that match a line the later wins. Batches that exist already keep theirs.
        """
        return on_line.On(on_line.which(where, which), self._add, self.dialect.line_errors)

    def on_batch(
        self, nth: int = 1, *, times: int | None = None, endpoint: str | None = None
    ) -> OnBatch:
        """Select batches: the nth to be created and those that follow, or so many of them."""
        return OnBatch(WhichBatches(nth, times, endpoint), self._add)

    def on_file(
        self, nth: int = 1, *, times: int | None = None, purpose: str | None = None
    ) -> OnFile:
        """Select uploads: the nth and those that follow, or so many of them."""
        return OnFile(WhichFiles(nth, times, purpose), self._add)

    def on_call(
        self,
        operation: str = "*",
        *,
        nth: int | None = None,
        times: float | None = None,
        between: tuple[Duration, Duration | None] | None = None,
        chance: float | None = None,
        key: str | None = None,
        through_retries: bool = False,
    ) -> on_call.OnCall:
        """Select HTTP requests, and say what goes wrong with them.

        Among faults that hit a request the later wins.

        Args:
            operation: named as the SDK names it, or a pattern: `batches.*`.
            nth: hit the nth of them, and no other unless `times` says so.
            times: how many are hit; without nth, all of them. `math.inf` is no end.
            between: only from one time since the start up to another; None is no end.
            chance: how likely each is hit, from 0 to 1; decided by the seed.
            key: only requests with this API key.
            through_retries: hit the SDK's retries of a call too, and count a call as one.

        Raises:
            Misuse: an unknown operation, or numbers that select nothing.
        """
        which = on_call.which_calls(
            operation,
            nth=nth,
            times=times,
            between=between,
            chance=chance,
            key=key,
            through_retries=through_retries,
        )
        return on_call.OnCall(which, self._add)

    def reply(self, answer: Answer) -> None:
        """What answers where no rule does: a text, a response body, or a callable(line)."""
        self._otherwise(Says(on_line.checked_answer(answer)))

    def reply_from(self, path: str | Path, *, missing: str | None = None) -> None:
        """Answer from a recorded output file, by custom_id, where no rule does.

        A custom_id the file lacks fails the test, unless `missing` is "echo".
        """
        self._otherwise(on_line.recording(path, missing))

    def _add(self, rule: Rule) -> None:
        self.scenario = self.scenario.with_rule(rule)

    def _otherwise(self, outcome: Outcome) -> None:
        self.scenario = replace(self.scenario, otherwise=outcome)
