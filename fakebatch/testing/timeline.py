"""What happened, for a person to read: calls and sleeps against the statuses of the batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import Mark, Status
from fakebatch.durations import SECOND
from fakebatch.journal import Called, Journal, Run, Slept, moment_text, span_text
from fakebatch.service import Service, known_batches
from fakebatch.service.view import errors
from fakebatch.testing.collecting import results_by
from fakebatch.vtime.moments import as_datetime

LONGEST = 40
"""Lines of a timeline."""
STATES = 2
"""Batches told of below the events."""
NOTES = 4
"""Sentences of one kind below them."""


class Notes(NamedTuple):
    """What the test had go wrong, a sentence each: what was injected, and what became of it."""

    injected: tuple[str, ...] = ()
    absorbed: tuple[str, ...] = ()
    """What only cost the client a retry."""
    unused: tuple[str, ...] = ()


class Event(NamedTuple):
    """One line of the timeline: calls or sleeps at even intervals, or a status that begins."""

    at: int
    rank: int
    """Of one moment, statuses come before the calls that see them."""
    text: str
    """With a place for what it is about."""
    id: str = ""
    until: int = 0
    spans: tuple[int, ...] = ()
    """Of calls the least and the longest interval, of sleeps the shortest and the longest."""
    times: int = 1
    ids: int = 1
    """How many objects it is about."""

    @property
    def sleeps(self) -> bool:
        """Whether it is a sleep."""
        return not self.text


def timeline(
    services: Sequence[Service], journal: Journal, notes: Notes, began: int, now: int
) -> str:
    """The timeline up to `now`; its clock shows zero when the fake `began`."""
    batches = [*known_batches(services, now)]
    made = sorted(_events(batches, journal, now), key=lambda event: (event.at, event.rank))
    events = [*_uneven(made)]
    foot = [f"{_clock(now - began)}  now", *_foot(batches, journal, notes, now)]
    room = LONGEST - 1 - len(foot)
    if len(events) > room:
        events = [*_in_a_row(_at_once(events))]
    lines = _shortened([_line(event, began) for event in events], room)
    head = f"{_clock(0)}  is {moment_text(as_datetime(began))}; time is virtual"
    return "\n".join([head, *(lines or ["           nothing was called"]), *foot])


def _events(batches: list[Batch], journal: Journal, now: int) -> Iterator[Event]:
    # a creation that was applied shows its batch, whatever its answer was
    done = {
        (what.operation, what.id)
        for what in journal.counts()
        if what.status == 200 or what.operation == "batches.create"
    }
    for batch in batches:
        for mark in batch.timeline.marks:
            if mark.at <= now and (_call_that_shows(mark), batch.id) not in done:
                yield Event(mark.at, 0, f"  {{}}: {mark.status}", batch.id, mark.at)
    begins = {batch.id: _beginnings(batch) for batch in batches}
    for run in journal.runs():
        if isinstance(run.what, Slept):
            yield _slept(run, run.what.duration)
        else:
            yield from _calls(run, run.what, begins.get(run.what.id, []))


def _slept(run: Run, duration: int) -> Event:
    until = run.last + duration
    return Event(run.first, run.number, "", until=until, spans=(duration,), times=run.times)


def _call_that_shows(mark: Mark) -> str:
    shown = {Status.VALIDATING: "batches.create", Status.CANCELLING: "batches.cancel"}
    return shown.get(mark.status, "")


def _beginnings(batch: Batch) -> list[int]:
    return [mark.at for mark in batch.timeline.marks]


def _calls(run: Run, what: Called, begins: list[int]) -> Iterator[Event]:
    injected = f"  injected: {what.injected}" if what.injected else ""
    said = f"{what.operation:<16} {what.status or 'no answer'}  {{}}{injected}"
    for part in _cut(run, begins):
        yield _event(part, said, what.id)


def _cut(run: Run, at: list[int]) -> Iterator[Run]:
    """A run in pieces, so that a status that begins meanwhile stands between them."""
    edges = [0, *(_times_before(run, moment) for moment in at), run.times]
    for begin, end in pairwise(edges):
        if begin < end:
            yield run._replace(first=run.first + begin * run.every, times=end - begin)


def _times_before(run: Run, moment: int) -> int:
    if moment <= run.first:
        return 0
    if moment > run.last:
        return run.times
    return -(-(moment - run.first) // run.every)


def _event(run: Run, text: str, id_: str) -> Event:
    spans = (run.every,) if run.times > 1 else ()
    return Event(run.first, run.number, text, id_, run.last, spans, run.times)


def _uneven(events: list[Event]) -> Iterator[Event]:
    """Calls of one kind that nothing but sleeps comes between, as one; and so the sleeps."""
    stretch: list[Event] = []
    for event in events:
        last = next((one for one in stretch if not one.sleeps), None)
        if not event.sleeps and last and (last.text, last.id) != (event.text, event.id):
            yield from _in_one(stretch)
            stretch = []
        stretch.append(event)
    yield from _in_one(stretch)


def _in_one(stretch: list[Event]) -> list[Event]:
    calls = [event for event in stretch if not event.sleeps]
    sleeps = [event for event in stretch if event.sleeps]
    gaps = [after.at - before.until for before, after in pairwise(calls)]
    told = [
        _as_one(events, gaps if events is calls else []) for events in (calls, sleeps) if events
    ]
    return sorted(told, key=lambda event: (event.at, event.rank))


def _at_once(events: list[Event]) -> Iterator[Event]:
    """Events of one moment that differ in the object alone, as one."""
    groups: dict[tuple[int, str], list[Event]] = {}
    for event in events:
        groups.setdefault((event.at, event.text), []).append(event)
    return map(_as_one, groups.values())


def _in_a_row(events: Iterable[Event]) -> Iterator[Event]:
    """Neighbours that differ in the object alone, as one."""
    return (_as_one([*same]) for _, same in groupby(events, key=lambda event: event.text))


def _as_one(events: list[Event], gaps: Sequence[int] = ()) -> Event:
    if len(events) == 1:
        return events[0]
    ids = len({event.id for event in events})
    spans = [*gaps, *(span for event in events for span in event.spans)]
    return events[0]._replace(
        until=max(event.until for event in events),
        spans=(min(spans), max(spans)) if spans and ids == 1 else (),
        times=sum(event.times for event in events),
        ids=ids,
    )


def _shortened(lines: list[str], room: int) -> list[str]:
    """The beginning and, twice as much of it, the end."""
    if len(lines) <= room:
        return lines
    head = room // 3
    tail = room - head - 1
    return [*lines[:head], f"{'…':>9}  {len(lines) - head - tail} lines left out", *lines[-tail:]]


def _line(event: Event, start: int) -> str:
    what = f"slept {_range(event)}" if event.sleeps else event.text.format(_about(event))
    said = f"{_clock(event.at - start)}  {what}".rstrip()
    if event.times in (1, event.ids):
        return said
    every = f", every {_range(event)}" if event.spans and not event.sleeps else ""
    until = f", until {_clock(event.until - start)}" if event.until > event.at else ""
    return f"{said}  {event.times} times{every if until else ''}{until}"


def _range(event: Event) -> str:
    return " to ".join(map(span_text, sorted({*event.spans})))


def _about(event: Event) -> str:
    if event.ids == 1:
        return event.id if "create" in event.text else short(event.id)
    kinds = {"batch_": "batches", "file-": "files"}
    kind = next((name for prefix, name in kinds.items() if event.id.startswith(prefix)), "objects")
    return f"{event.ids} {kind}"


def short(id_: str) -> str:
    """An id as it is told apart: ids of batches begin with the time, so their ends are shown."""
    if id_.startswith("batch_"):
        return f"batch_…{id_[-6:]}"
    return f"{id_[:11]}…" if id_.startswith("file-") and len(id_) > 12 else id_


def _clock(microseconds: int) -> str:
    """`+01:02:03`, hours without end."""
    seconds, rest = divmod(abs(microseconds), SECOND)
    fraction = f"{rest / SECOND:.6f}"[1:].rstrip("0").rstrip(".")
    sign = "-" if microseconds < 0 else "+"
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def _foot(batches: list[Batch], journal: Journal, notes: Notes, now: int) -> Iterator[str]:
    for batch in batches[:STATES]:
        yield from _state(batch, journal, now)
    if len(batches) > STATES:
        yield f"  … {len(batches) - STATES} more batches"
    yield from _few("injected", notes.injected)
    yield from _few("absorbed", notes.absorbed)
    yield from _few("never used", notes.unused)


def _state(batch: Batch, journal: Journal, now: int) -> Iterator[str]:
    counts = batch.counts(now)
    told = f": {counts.completed} of {counts.total} lines succeeded, {counts.failed} failed"
    why = ", ".join(dict.fromkeys(str(one.get("code")) for one in errors(batch, batch.status(now))))
    told = told if counts.total else f": {why}" if why else ""
    yield f"  {short(batch.id)} {batch.status(now)}{told}"
    for result in results_by(batch, journal, now):
        done = "downloaded" if result.collected else "never downloaded"
        yield f"    {result.kind} {short(result.id)} {done}"


def _few(head: str, lines: tuple[str, ...]) -> Iterator[str]:
    yield from (f"  {head}: {line}" for line in lines[:NOTES])
    if len(lines) > NOTES:
        yield f"  {head}: … {len(lines) - NOTES} more"
