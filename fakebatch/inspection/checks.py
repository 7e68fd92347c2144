"""Checks of what a client did. They yield findings, from which the assertions raise errors."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER, TERMINAL, Status
from fakebatch.batch.output_file import ResultFile
from fakebatch.durations import Duration, microseconds, text
from fakebatch.errors import SHOWN, first_of
from fakebatch.inspection.journal import Called, Recorder, moment_text
from fakebatch.rules.calls import CallRule
from fakebatch.rules.lines import LineRule
from fakebatch.rules.rule import Selection
from fakebatch.rules.scenario import Place
from fakebatch.rules.webhooks import WebhookRule
from fakebatch.service import Service, existing_batches, existing_files
from fakebatch.wire.faults import Faults

__tracebackhide__ = True  # the traceback of a failed assertion ends in the test

UNSUCCESSFUL = {Status.FAILED, Status.EXPIRED, Status.CANCELLED}
"""After one of these a client may create a second batch for the same input."""

CheckName = Literal["all_downloaded", "single_batch", "no_leftover_files", "min_poll_interval"]
"""The checks that are assertions of a FakeBatch too."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a check objects to."""

    check: str
    """Which check: `single_batch`."""
    objects: tuple[str, ...]
    """The ids of the files or batches concerned, or the rules as the test wrote them."""
    since: Annotated[int, PlainSerializer(moment_text, return_type=str)]
    """When the problem began, in microseconds since 1970; in JSON as ISO 8601."""
    message: tuple[str, str, str]
    """The lines of an error: what happened, what was known, what to do."""


class Checks:
    """The assertions of a FakeBatch.

    They raise AssertionError like a plain `assert`, so that `pytest.raises` and plugins that
    collect several failures work with them.
    """

    services: Sequence[Service]
    _recorder: Recorder

    @abstractmethod
    def now(self) -> int:
        """The time in microseconds since 1970, once the result files due by then exist."""

    def assert_all_downloaded(self) -> None:
        """Every output and error file that has ever existed was downloaded completely.

        Raises:
            AssertionError: it names the files that were not.
        """
        _raise_first(self.findings("all_downloaded"))

    def assert_single_batch(self) -> None:
        """No two batches were created for the same input, unless the earlier was unsuccessful.

        Raises:
            AssertionError: it names the calls that created them.
        """
        _raise_first(self.findings("single_batch"))

    def assert_no_leftover_files(self) -> None:
        """Every input and result file has been deleted or has expired.

        Raises:
            AssertionError: it names the files that are still there.
        """
        _raise_first(self.findings("no_leftover_files"))

    def assert_min_poll_interval(self, min_interval: Duration) -> None:
        """No batch was retrieved twice within less than `min_interval` before it ended.

        A retry after an error does not count: the SDK makes it after half a second.

        Raises:
            AssertionError: it names the two calls that are closest to each other.
        """
        _raise_first(self.findings("min_poll_interval", min_interval=min_interval))

    def findings(self, check: CheckName, *, min_interval: Duration = 0) -> Iterator[Finding]:
        """What a check objects to, as data; the first of them is what its assertion raises.

        Args:
            check: its name, which is that of the assertion.
            min_interval: of `min_poll_interval`.
        """
        services, recorder = self.services, self._recorder
        now = self.now()  # creates the result files that are due
        match check:
            case "all_downloaded":
                return all_downloaded(services, recorder)
            case "single_batch":
                return single_batch(services, recorder, now)
            case "no_leftover_files":
                return no_leftover_files(services, now)
            case "min_poll_interval":
                return min_poll_interval(services, recorder, now, microseconds(min_interval))


def _raise_first(findings: Iterable[Finding]) -> None:
    for finding in findings:
        raise AssertionError("fakebatch: " + "\n".join(finding.message))


def all_downloaded(services: Sequence[Service], recorder: Recorder) -> Iterator[Finding]:
    """Result files that were never downloaded."""
    complete = recorder.downloaded()
    missing = [
        (file, file.content)
        for service in services
        for file in service.state.files.all()
        if isinstance(file.content, ResultFile) and file.id not in complete
    ]
    if missing:
        faults = defaultdict[str, set[str]](set)
        for called in recorder.counts():
            if called.operation == "files.content" and called.injected:
                faults[called.id].add(f"; a download was hit by {called.injected}")
            elif called == Called("files.content", called.id, 200):
                faults[called.id].add("; the client left before the end of a download")
        files = (
            f"{file.id} ({content.kind} of {content.batch.id}{''.join(sorted(faults[file.id]))})"
            for file, content in missing
        )
        yield Finding(
            "all_downloaded",
            tuple(file.id for file, _ in missing),
            min(file.created for file, _ in missing),
            (
                f"{_number(missing, 'result file')} never downloaded.",
                f"{first_of(files)}.",
                "Download output_file_id and error_file_id of every batch that has ended.",
            ),
        )


def single_batch(services: Sequence[Service], recorder: Recorder, now: int) -> Iterator[Finding]:
    """The most batches of one endpoint and input that were created while all could succeed."""
    same_input = defaultdict[tuple[str, bytes | str], list[tuple[int, Batch]]](list)
    most: list[tuple[int, Batch]] = []
    for batch in existing_batches(services, now):
        content = batch.digest or batch.params.input_file_id
        earlier = same_input[batch.params.endpoint, content]
        alive = [each for each in earlier if each[0] > batch.created]
        fails = batch.end.at if batch.end.status in UNSUCCESSFUL else NEVER
        same_input[batch.params.endpoint, content] = [*alive, (fails, batch)]
        most = max(most, same_input[batch.params.endpoint, content], key=len)
    if len(most) > 1:
        batches = [batch for _, batch in most]
        # `counts` has calls that the journal has dropped, without their moments
        calls = {call.id: call for call in recorder.counts() if call.operation == "batches.create"}
        created = (f"{each.id} ({_creation(each, calls.get(each.id))})" for each in batches)
        yield Finding(
            "single_batch",
            tuple(batch.id for batch in batches),
            batches[1].created,
            (
                f"{len(batches)} batches were created for the same input.",
                f"{first_of(created)}.",
                "List the batches before you retry a create: the failed call may have succeeded.",
            ),
        )


def _creation(batch: Batch, call: Called | None) -> str:
    if call is None:
        return "added by the test"
    made = f"batches.create at {moment_text(batch.created)}: {call.status or 'no response'}"
    return made if call.injected is None else f"{made}, injected: {call.injected}"


def no_leftover_files(services: Sequence[Service], now: int) -> Iterator[Finding]:
    """Files that still exist."""
    files = [*existing_files(services, now)]
    if files:
        left = (f"{file.id} ({file.purpose}, {file.filename!r})" for file in files)
        yield Finding(
            "no_leftover_files",
            tuple(file.id for file in files),
            min(file.created for file in files),
            (
                f"{_number(files, 'file')} left behind.",
                f"{first_of(left)}.",
                "Delete input, output and error files when you no longer need them.",
            ),
        )


def min_poll_interval(
    services: Sequence[Service], recorder: Recorder, now: int, least: int
) -> Iterator[Finding]:
    """Batches that were polled twice within `least` microseconds: a finding for each."""
    polls = defaultdict[str, list[int]](list)
    for run in recorder.runs():
        if isinstance(run.what, Called) and run.what[::2] == ("batches.retrieve", 200):
            polls[run.what.id] += run.moments
    for batch in existing_batches(services, now):
        moments = sorted(polls[batch.id])
        if batch.end.status in TERMINAL:  # polls after the one that saw the end do not count
            moments = moments[: bisect_left(moments, batch.end.at) + 1]
        gap, first, second = min(
            ((after - before, before, after) for before, after in pairwise(moments)),
            default=(least, 0, 0),
        )
        if gap < least:
            polls_at = f"{moment_text(first)} and {moment_text(second)}"
            yield Finding(
                "min_poll_interval",
                (batch.id,),
                second,
                (
                    f"{batch.id} was polled twice within {text(gap)}.",
                    f"The polls were at {polls_at}; min_interval is {text(least)}.",
                    "Sleep longer between two polls, or allow a smaller min_interval.",
                ),
            )


def used_rules(
    services: Sequence[Service],
    faults: Faults,
    selections: Sequence[Selection[Any]],
    began: int,
    planned: Sequence[str] = (),
) -> Iterator[Finding]:
    """Rules of the test, except those of incidents, that were never used since it `began`.

    So are calls that were planned and never made.
    """
    rules = unused(services, faults, selections, of_incidents=False)
    rules |= dict.fromkeys(planned, "at")
    if rules:
        states = [service.state for service in services]
        batches = [batch for state in states for batch in state.batches.all()]
        lines = (line for batch in batches for line in batch.readable_lines)
        custom_ids = [repr(line.custom_id) for line in islice(lines, SHOWN + 1)]
        if len(custom_ids) > SHOWN or not all(batch.has_lines for batch in batches):
            custom_ids[SHOWN:] = ["…"]
        known = f"Uploads: {sum(state.uploaded for state in states)}; batches: {len(batches)}; "
        known += f"custom_ids: {', '.join(custom_ids) or 'none'}"
        if WebhookRule.family in rules.values():
            known += f"; webhooks: {sum(state.events.total() for state in states)}"
        yield Finding(
            "used_rules",
            tuple(rules),
            began,
            (
                f"{_number(rules, 'rule')} never used: {'; '.join(rules)}.",
                f"{known}.",
                "Fix the rule or the test, or use FakeBatch(unused_rules='warn') or 'ignore'.",
            ),
        )


def unused(
    services: Sequence[Service],
    faults: Faults,
    selections: Sequence[Selection[Any]],
    *,
    of_incidents: bool = True,
) -> dict[str, str]:
    """Rules without hits and selections without a verb, as the test wrote them, with the family.

    Rules with a rate limit that was never exceeded, or a chance that never came up, are left out.
    """
    state = services[0].state
    excused = faults.excused()
    rules = {
        str(rule): rule.family
        for place, rule in state.scenario.rules
        if not hits(services, place)
        and not (rule.family == CallRule.family and place[1] in excused)
        and (of_incidents or place not in state.incidental)
    }
    unfinished = (selection for selection in selections if not selection.has_verb)
    return rules | {f"{each!r}, which has no verb": each.rule.family for each in unfinished}


def hits(services: Sequence[Service], place: Place) -> int:
    """How often the rule at a place of the scenario was applied."""
    family, index = place
    count = sum(service.state.hits.get(place, 0) for service in services)
    if family == LineRule.family:
        rule = services[0].state.scenario.on[index : index + 1]
        batches = (batch for service in services for batch in service.state.batches.all())
        same = (batch for batch in batches if batch.scenario.on[index : index + 1] == rule)
        count += sum(batch.rule_hits[index] for batch in same)
    return count


def _number(things: Sized, noun: str) -> str:
    return f"1 {noun} was" if len(things) == 1 else f"{len(things)} {noun}s were"
