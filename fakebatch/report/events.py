"""The timeline of a test as data: calls, sleeps, and the statuses of the batches."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import Status
from fakebatch.inspection.checks import hits
from fakebatch.inspection.journal import Called, Recorder, Run, Slept
from fakebatch.rules.lines import Echo, Replay, Reply
from fakebatch.service import Service, existing_batches
from fakebatch.wire.faults import Faults


class Began(NamedTuple):
    """The beginning of a status of a batch, without its time."""

    status: str
    id: str


@dataclass(frozen=True, slots=True)
class Event:
    """A call, a sleep, or the beginning of a status, once or several times."""

    what: Called | Slept | Began
    """The first one, if they differ in the object or the duration."""
    moments: Sequence[int]
    """When each began, ascending, in microseconds since 1970."""
    until: int
    """When the last one was over."""
    ids: frozenset[str] = frozenset()
    """The ids of the objects."""
    durations: frozenset[int] = frozenset()
    """The durations of the sleeps, in microseconds."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything that a timeline shows; times in microseconds since 1970."""

    began: int
    now: int
    events: Sequence[Event] = ()
    batches: tuple[Batch, ...] = ()
    downloaded: Collection[str] = ()
    """The ids of files that were downloaded."""
    injected: tuple[str, ...] = ()
    """The rules that were applied, except those that set replies, as the test wrote them."""
    absorbed: tuple[str, ...] = ()
    """The rules of calls that only cost the client a retry."""
    unused: tuple[str, ...] = ()
    """The rules that were never used."""
    dropped: int = 0
    """How many of the earliest calls the journal has not kept."""


SHOWN_BY = {Status.VALIDATING: "batches.create", Status.CANCELLING: "batches.cancel"}
"""Calls at which a status begins. If the call is shown, the status is not."""


def history(
    services: Sequence[Service],
    recorder: Recorder,
    faults: Faults,
    *,
    unused: Iterable[str],
    began: int,
    now: int,
) -> History:
    """What happened since the emulator `began`.

    Raises:
        UsageError: a rule of the test cannot be applied.
    """
    batches = tuple(existing_batches(services, now))
    injected = [
        str(rule)
        for place, rule in services[0].state.scenario.rules
        if hits(services, place) and not isinstance(rule.outcome, Reply | Echo | Replay)
    ]
    absorbed = [str(hit.rule) for hit in faults.fired if hit.absorbed]
    runs = recorder.runs()
    kept = sum(run.times for run in runs if isinstance(run.what, Called))
    return History(
        began,
        now,
        grouped(_events(batches, runs, now), lambda event: event.what),
        batches,
        recorder.downloaded(),
        tuple(dict.fromkeys(injected)),
        tuple(dict.fromkeys(absorbed)),
        tuple(unused),
        recorder.total() - kept,
    )


def _events(batches: Iterable[Batch], runs: list[Run], now: int) -> list[Event]:
    """Beginnings of statuses and runs as events, in order of time."""
    calls = {run.what[:2] for run in runs if isinstance(run.what, Called)}
    marks = {batch.id: batch.timeline.marks for batch in batches}
    events = [
        Event(Began(status, id_), [at], at, frozenset([id_]))
        for id_ in marks
        for at, status in marks[id_]
        if at <= now and (SHOWN_BY.get(status), id_) not in calls
    ]
    for run in runs:
        what, moments = run.what, run.moments
        if isinstance(what, Slept):
            until = moments[-1] + what.duration
            events.append(Event(what, moments, until, durations=frozenset([what.duration])))
            continue
        # split where a status of its batch begins, so that the status comes between the pieces
        cuts = [bisect_left(moments, at) for at, _ in marks.get(what.id, ())]
        for begin, end in pairwise([0, *cuts, len(moments)]):
            if begin < end:
                piece = moments[begin:end]
                events.append(Event(what, piece, piece[-1], frozenset([what.id])))
    return sorted(events, key=lambda event: event.moments[0])


def grouped(events: Iterable[Event], kind: Callable[[Event], object]) -> list[Event]:
    """Merge calls of one kind with only sleeps between them, and those sleeps."""
    groups: dict[tuple[int, bool], list[Event]] = {}
    stretch, last = 0, None
    for event in events:
        is_sleep = isinstance(event.what, Slept)
        if not is_sleep and kind(event) != last:
            stretch, last = stretch + 1, kind(event)
        groups.setdefault((stretch, is_sleep), []).append(event)
    return [_merged(group) for group in groups.values()]


def condensed(events: Iterable[Event]) -> list[Event]:
    """Merge events that differ only in the object, if they began together or in a row."""
    together: dict[object, list[Event]] = {}
    for event in events:
        together.setdefault((event.moments[0], _kind(event)), []).append(event)
    return grouped(map(_merged, together.values()), _kind)


def _kind(event: Event) -> object:
    """What an event is, without its object."""
    return None if isinstance(event.what, Slept) else event.what._replace(id="")


def _merged(events: Sequence[Event]) -> Event:
    if len(events) == 1:
        return events[0]
    return Event(
        events[0].what,
        sorted(chain.from_iterable(event.moments for event in events)),
        max(event.until for event in events),
        frozenset[str]().union(*(event.ids for event in events)),
        frozenset[int]().union(*(event.durations for event in events)),
    )
