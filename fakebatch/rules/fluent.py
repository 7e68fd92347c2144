"""The methods by which a test writes rules: the selectors of FakeBatch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fakebatch.dialects.dialect import OperationName
from fakebatch.durations import Duration
from fakebatch.request_lines import RequestLine
from fakebatch.rules import catalogue
from fakebatch.rules.batches import OnBatch, Schedule
from fakebatch.rules.calls import OnCall, OperationPattern
from fakebatch.rules.catalogue import Incident
from fakebatch.rules.files import OnFile, Upload
from fakebatch.rules.lines import LineRule, On
from fakebatch.rules.rule import Handle, Selection, merged, validated
from fakebatch.rules.scenario import AnyRule, Place, Scenario
from fakebatch.rules.webhooks import OnWebhook

if TYPE_CHECKING:
    from fakebatch.batch.batch import BatchCreateParams
    from fakebatch.wire.messages import Request


class Rules:
    """The rules of a test. A batch or upload keeps the rules that existed when it was created."""

    def __init__(self) -> None:
        self._selections: list[Selection[Any]] = []

    @property
    @abstractmethod
    def scenario(self) -> Scenario:
        """All rules, as one frozen value; assigning replaces them."""

    @scenario.setter
    @abstractmethod
    def scenario(self, scenario: Scenario) -> None: ...

    @abstractmethod
    def _hits(self, place: Place) -> int:
        """How often the rule at a place of the scenario was used."""

    def incident(self, which: Incident, **parameters: Any) -> None:
        """Add the rules of an incident: its name, a Scenario, a file, or a tuple of these.

        `fakebatch incidents` lists the names, `fakebatch incidents NAME` the parameters of one.

        Raises:
            UsageError: there is no such incident, or it has no such parameter.
        """
        self.scenario = self.scenario | catalogue.scenario(which, **parameters)

    def schedule(
        self,
        *,
        validating: Duration | None = None,
        in_progress: Duration | None = None,
        finalizing: Duration | None = None,
        cancelling: Duration | None = None,
    ) -> None:
        """Set how long batches created from now on stay in each status."""
        spans = {"validating": validating, "in_progress": in_progress}
        spans |= {"finalizing": finalizing, "cancelling": cancelling}
        schedule = validated(Schedule, spans, "schedule")
        self.scenario = replace(self.scenario, schedule=merged(self.scenario.schedule, schedule))

    def on(
        self,
        where: Callable[[RequestLine], bool] | None = None,
        *,
        custom_id: str | Sequence[str] | None = None,
        times: int | None = None,
        index: int | None = None,
        model: str | None = None,
        endpoint: str | None = None,
        contains: str | None = None,
        fraction: float | None = None,
    ) -> On:
        """Select request lines: all conditions must hold.

        Of several rules that match a line the later wins. Existing batches keep their rules.

        Args:
            where: a predicate, called once for each line.
            custom_id: the custom_id of the line, or several of which it is one.
            times: only in the first `times` batches that contain the line's custom_id.
            index: the index of the line among the requests of the file, from 0.
            model: the model in its body.
            endpoint: its url.
            contains: a substring of any string in its body.
            fraction: this fraction of each batch, at least one line, drawn by the seed.

        Raises:
            UsageError: an invalid value.
        """
        return On(
            self,
            where=where,
            custom_id=custom_id,
            times=times,
            index=index,
            model=model,
            endpoint=endpoint,
            contains=contains,
            fraction=fraction,
        )

    def on_batch(
        self,
        nth: int | None = None,
        *,
        times: float | None = None,
        endpoint: str | None = None,
        metadata: Mapping[str, str] | None = None,
        model: str | None = None,
        contains: str | None = None,
        where: Callable[[BatchCreateParams], bool] | None = None,
    ) -> OnBatch:
        """Select batches: all conditions must hold.

        `nth` and `times` count the batches for which the other conditions hold, in the order in
        which they are created.

        Args:
            nth: the nth alone, counted from 1; with `times` that many, beginning with the nth.
            times: how many; without `nth` the first ones. `math.inf` has no end.
            endpoint: only those for this endpoint.
            metadata: only those whose metadata has these pairs, maybe among others.
            model: only those whose first request is for this model.
            contains: a substring of any string in the body of any request.
            where: a predicate, called with the parameters of the create call: `endpoint`,
                `input_file_id`, `completion_window` and `metadata`.

        Raises:
            UsageError: an invalid value.
        """
        return OnBatch(
            self,
            nth=nth,
            times=times,
            endpoint=endpoint,
            metadata=metadata,
            model=model,
            contains=contains,
            where=where,
        )

    def on_file(
        self,
        nth: int | None = None,
        *,
        times: float | None = None,
        purpose: str | None = None,
        filename: str | None = None,
        where: Callable[[Upload], bool] | None = None,
    ) -> OnFile:
        """Select uploads: all conditions must hold.

        `nth` and `times` count the uploads for which the other conditions hold.

        Args:
            nth: the nth alone, counted from 1; with `times` that many, beginning with the nth.
            times: how many; without `nth` the first ones. `math.inf` has no end.
            purpose: only those with this purpose.
            filename: only those with this name, or a name of this pattern: `*.jsonl`.
            where: a predicate, called with the file: `filename`, `purpose`, `content` (bytes).

        Raises:
            UsageError: an invalid value.
        """
        return OnFile(self, nth=nth, times=times, purpose=purpose, filename=filename, where=where)

    def on_call(
        self,
        operation: OperationName | OperationPattern = "*",
        *,
        nth: int | None = None,
        times: float | None = None,
        between: tuple[Duration, Duration | None] | None = None,
        chance: float | None = None,
        key: str | None = None,
        through_retries: bool = False,
        id: str | None = None,  # noqa: A002  # as in the journal
        longer_than: int | None = None,
        where: Callable[[Request], bool] | None = None,
    ) -> OnCall:
        """Select HTTP requests. Of several rules that hit a request the later wins.

        `nth` and `times` count the requests for which the other conditions hold.

        Args:
            operation: the SDK's name of the operation, or a pattern: `batches.*`.
            nth: the nth alone, counted from 1; with `times` that many, beginning with the nth.
            times: how many; without `nth` the first ones. `math.inf` has no end.
            between: two times since the start; None as the second has no end.
            chance: the probability for each request, from 0 to 1; the seed decides.
            key: only requests with this API key.
            through_retries: hit all attempts of a call of the SDK, which counts as one.
            id: only requests with this id in their path: of a file, a batch or an upload.
            longer_than: only requests whose body has more bytes.
            where: a predicate, called with the request: `method`, `path`, `query`, `headers`,
                `body` (bytes).

        Raises:
            UsageError: an unknown operation, or an invalid value.
        """
        return OnCall(
            self,
            operation=operation,
            nth=nth,
            times=times,
            between=between,
            chance=chance,
            key=key,
            through_retries=through_retries or None,
            id=id,
            longer_than=longer_than,
            where=where,
        )

    def on_webhook(
        self,
        nth: int | None = None,
        *,
        times: float | None = None,
        event: Literal["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]
        | None = None,
    ) -> OnWebhook:
        """Select webhooks, or those of one event, by the order in which they are due.

        Args:
            nth: the nth alone, counted from 1; with `times` that many, beginning with the nth.
            times: how many; without `nth` the first ones. `math.inf` has no end.
            event: only those of this type: `batch.completed`.

        Raises:
            UsageError: an unknown event, or an invalid value.
        """
        return OnWebhook(self, nth=nth, times=times, event=event)

    def reply(
        self, answer: str | Mapping[str, Any] | Callable[[RequestLine], str | Mapping[str, Any]]
    ) -> None:
        """Set the reply to lines that no rule answers: a string, a response body or a callable.

        Raises:
            UsageError: it is none of these.
        """
        self._otherwise(reply={"answer": answer})

    def reply_from(self, *paths: str | Path, missing: Literal["echo"] | None = None) -> None:
        """Answer lines that no rule answers from downloaded result files, by custom_id.

        The files may be of any provider. A custom_id that they lack fails the test, unless
        `missing` is "echo".

        Raises:
            UsageError: there is no such file, one of its lines is not a result line, or two lines
                with the same custom_id differ.
        """
        names = (*map(str, paths),)
        path = names[0] if len(names) == 1 else names
        self._otherwise(replay={"path": path, "missing": missing})

    def _add_rule(self, rule: AnyRule) -> Handle[Any]:
        """Add a rule to the scenario: what the verbs of the selectors do."""
        self.scenario = self.scenario.with_rule(rule)
        index = len(getattr(self.scenario, rule.family)) - 1

        def hits() -> int:
            rules = getattr(self.scenario, rule.family)
            is_there = rules[index : index + 1] == (rule,)
            return self._hits((rule.family, index)) if is_there else 0

        return Handle(rule, hits)

    def _add_selection(self, selection: Selection[Any]) -> None:
        """Record a selection, so that one without a verb is reported at the end."""
        self._selections.append(selection)

    def _otherwise(self, **outcome: Any) -> None:
        rule = validated(LineRule, outcome, "fakebatch")
        self.scenario = replace(self.scenario, otherwise=rule)
