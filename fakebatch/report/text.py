"""The timeline of a test as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from fakebatch import durations
from fakebatch.batch.batch import Batch
from fakebatch.batch.output_file import result_files
from fakebatch.durations import SECOND
from fakebatch.inspection.journal import Called, Slept, moment_text
from fakebatch.report.events import Event, History, condensed
from fakebatch.service.view import errors

LONGEST = 40
"""The most lines of a timeline."""
BATCHES = 2
"""The most batches below the events."""
RULES = 4
"""The most rules of each kind below the batches."""


def timeline(history: History) -> str:
    """A line for each event, with the time since the start; then batches and rules."""
    foot = [f"{_clock(history.now - history.began)}  now"]
    for batch in history.batches[:BATCHES]:
        foot += _batch(batch, history)
    if len(history.batches) > BATCHES:
        foot.append(f"  … {len(history.batches)} batches in all")
    rules = {"injected": history.injected, "absorbed by a retry": history.absorbed}
    for heading, texts in (rules | {"never used": history.unused}).items():
        foot += [f"  {heading}: {text}" for text in texts[:RULES]]
        if len(texts) > RULES:
            foot.append(f"  {heading}: … {len(texts) - RULES} more")
    head = [f"{_clock(0)}  is {moment_text(history.began)}"]
    if history.dropped:
        head.append(f"{'…':>9}  {history.dropped} earlier calls left out")
    room, events = LONGEST - len(head) - len(foot), history.events
    if len(events) > room:
        events = condensed(events)
    lines = [_event(event, history.began) for event in events] or ["           no calls"]
    if len(lines) > room:  # keep the beginning, and twice as many lines of the end
        first = room // 3
        last = room - first - 1
        lines[first:-last] = [f"{'…':>9}  {len(lines) - first - last} lines left out"]
    return "\n".join([*head, *lines, *foot])


def short(id_: str) -> str:
    """A short form of an id. Ids of batches begin with the time, so they keep their end."""
    if id_.startswith("batch_") and len(id_) > 13:
        return f"batch_…{id_[-6:]}"
    return f"{id_[:11]}…" if id_.startswith("file-") and len(id_) > 12 else id_


def _event(event: Event, began: int) -> str:
    what, times = event.what, len(event.moments)
    match what:
        case Slept():
            label = f"slept {_range(event.durations)}"
        case Called(operation, _, status, injected):
            label = f"{operation:<16} {status or 'no response'}  {_about(event)}"
            label += f"  injected: {injected}" if injected else ""
        case _:
            label = f"  {_about(event)}: {what.status}"
    line = f"{_clock(event.moments[0] - began)}  {label}".rstrip()
    if times > max(1, len(event.ids)):
        line += f"  {times} times"
    if times > 1 and event.until > event.moments[0]:
        if len(event.ids) == 1:
            gaps = (after - before for before, after in pairwise(event.moments))
            line += f", every {_range(gaps)}"
        line += f", until {_clock(event.until - began)}"
    return line


def _about(event: Event) -> str:
    """The id of the object, in full if the call creates it; or the number of objects."""
    if len(event.ids) == 1:
        [id_] = event.ids
        creates = isinstance(event.what, Called) and event.what.operation.endswith(".create")
        return id_ if creates else short(id_)
    kinds = {"batch_": "batches", "file-": "files"}
    prefix = next((prefix for prefix in kinds if min(event.ids).startswith(prefix)), "")
    return f"{len(event.ids)} {kinds.get(prefix, 'objects')}"


def _batch(batch: Batch, history: History) -> Iterator[str]:
    status, counts = batch.status(history.now), batch.counts(history.now)
    codes = dict.fromkeys(str(error.get("code")) for error in errors(batch, status))
    detail = f": {', '.join(codes)}" if codes else ""
    if counts.total:
        detail = f": {counts.completed} of {counts.total} lines succeeded, {counts.failed} failed"
    yield f"  {short(batch.id)} {status}{detail}"
    for file in result_files(batch) if batch.end.at <= history.now else ():
        id_ = batch.output_file_id if file.kind == "output" else batch.error_file_id
        how = "downloaded" if id_ in history.downloaded else "never downloaded"
        yield f"    {file.kind} {short(id_)} {how}"


def _range(spans: Iterable[int]) -> str:
    """`1m`, or `1s to 32s`. Rounded to milliseconds, since floats are not exact."""
    lengths = sorted(round(span, -3) or span for span in spans)
    return " to ".join(map(durations.text, sorted({lengths[0], lengths[-1]})))


def _clock(microseconds: int) -> str:
    """`+01:02:03`; the hours may exceed 99."""
    seconds, rest = divmod(abs(microseconds), SECOND)
    fraction = f"{rest / SECOND:.6f}"[1:].rstrip("0").rstrip(".")
    sign = "-" if microseconds < 0 else "+"
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
