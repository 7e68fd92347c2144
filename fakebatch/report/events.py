"""What happened, as data: calls and sleeps against the statuses of the batches."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import Status
from fakebatch.inspection.checks import downloaded, hits
from fakebatch.inspection.journal import Called, Recorder, Run, Slept
from fakebatch.rules.lines import Echo, Replay, Reply
from fakebatch.service import Service, known_batches
from fakebatch.wire.faults import Faults


class Began(NamedTuple):
    """The beginning of a status of a batch, whenever it was."""

    status: str
    id: str


@dataclass(frozen=True, slots=True)
class Event:
    """The same thing once or several times: a call, a sleep, or the beginning of a status."""

    what: Called | Slept | Began
    """The first of them, if they are about several objects or of several lengths."""
    moments: Sequence[int]
    """When each began, ascending, in microseconds since 1970."""
    until: int
    """When the last of them was over."""
    ids: frozenset[str] = frozenset()
    """The objects they are about."""
    durations: frozenset[int] = frozenset()
    """How long the sleeps were, in microseconds."""


@dataclass(frozen=True, slots=True)
class History:
    """All that a report shows. Moments in microseconds since 1970."""

    began: int
    now: int
    events: Sequence[Event] = ()
    batches: tuple[Batch, ...] = ()
    downloaded: Collection[str] = ()
    """The ids of files that were downloaded."""
    injected: tuple[str, ...] = ()
    """The rules that made something go wrong, as the test wrote them."""
    absorbed: tuple[str, ...] = ()
    """Those of calls that only cost the client a retry."""
    unused: tuple[str, ...] = ()
    """Those that have met nothing."""


SHOWN_BY = {Status.VALIDATING: "batches.create", Status.CANCELLING: "batches.cancel"}
"""The calls that show the beginning of a status, so that it needs no event of its own."""


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
    batches = tuple(known_batches(services, now))
    injected = [
        str(rule)
        for place, rule in services[0].state.scenario.rules
        if hits(services, place) and not isinstance(rule.outcome, Reply | Echo | Replay)
    ]
    absorbed = [str(hit.rule) for hit in faults.fired if hit.absorbed]
    return History(
        began,
        now,
        grouped(_events(batches, recorder.runs(), now), lambda event: event.what),
        batches,
        downloaded(recorder),
        tuple(dict.fromkeys(injected)),
        tuple(dict.fromkeys(absorbed)),
        tuple(unused),
    )


def _events(batches: Iterable[Batch], runs: list[Run], now: int) -> list[Event]:
    """The beginnings of statuses and the runs, in order of time."""
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
        # cut where a status of its batch begins, which then stands between the pieces
        cuts = [bisect_left(moments, at) for at, _ in marks.get(what.id, ())]
        for begin, end in pairwise([0, *cuts, len(moments)]):
            if begin < end:
                piece = moments[begin:end]
                events.append(Event(what, piece, piece[-1], frozenset([what.id])))
    return sorted(events, key=lambda event: event.moments[0])


def grouped(events: Iterable[Event], kind: Callable[[Event], object]) -> list[Event]:
    """Calls of one kind with nothing but sleeps between them as one event, and so these sleeps."""
    groups: dict[tuple[int, bool], list[Event]] = {}
    stretch, last = 0, None
    for event in events:
        is_sleep = isinstance(event.what, Slept)
        if not is_sleep and kind(event) != last:
            stretch, last = stretch + 1, kind(event)
        groups.setdefault((stretch, is_sleep), []).append(event)
    return [_merged(group) for group in groups.values()]


def condensed(events: Iterable[Event]) -> list[Event]:
    """Events that differ in the object alone as one, if they began together or in a row."""
    together: dict[object, list[Event]] = {}
    for event in events:
        together.setdefault((event.moments[0], _kind(event)), []).append(event)
    return grouped(map(_merged, together.values()), _kind)


def _kind(event: Event) -> object:
    """What an event is, whatever object it is about."""
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
