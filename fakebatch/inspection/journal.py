"""The journal: all calls and sleeps, with their virtual time, in bounded memory."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import NamedTuple, TypeVar, overload

from fakebatch.dialects.dialect import OperationName
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.vtime.moments import as_datetime
from fakebatch.wire.app import Handled

KEPT = 4_096
"""How many runs the recorder keeps. Older ones are only counted."""


class Called(NamedTuple):
    """What a call was, without its time."""

    operation: str
    id: str
    status: int | None
    injected: str | None = None


class Slept(NamedTuple):
    """What a sleep was, without its time; its duration is in microseconds."""

    duration: int


WhatT = TypeVar("WhatT", Called, Slept)


class Run(NamedTuple):
    """The same call or sleep, once or at even intervals; times in microseconds since 1970."""

    number: int
    what: Called | Slept
    first: int
    every: int = 0
    times: int = 1

    @property
    def moments(self) -> Sequence[int]:
        """When each of them was."""
        if not self.every:
            return [self.first] * self.times
        return range(self.first, self.first + self.every * self.times, self.every)

    def extended(self, at: int) -> Run | None:
        """The run with one more at `at`; None if the intervals would not be even."""
        number, what, first, every, times = self
        if times == 1:
            every = at - first
        return Run(number, what, first, every, times + 1) if at == first + every * times else None


class Recording(NamedTuple):
    """A snapshot of a Recorder."""

    runs: tuple[Run, ...]
    counts: Counter[Called]
    left: Counter[tuple[str, int]]


class Recorder:
    """Records calls and sleeps; the journal and the report read them. Thread-safe.

    A poller makes the same call at even intervals, for hours of virtual time. An entry for each
    call would fill the memory or push out the beginning of the test. Repeated calls are therefore
    merged into runs as they come.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # reentrant: a finalizer may make a call while its thread holds it
        self._runs: OrderedDict[int, Run] = OrderedDict()
        self._open: dict[Called | Slept, Run] = {}
        """The runs that may still be extended."""
        self._counts: Counter[Called] = Counter()
        self._left: Counter[tuple[str, int]] = Counter()
        """The downloads that a client has left before their end, by the file and the moment."""
        self._number = 0
        self._latest = (0, 0)
        self._sorted: dict[str | None, list[Run]] = {}
        """The runs by the id that they are about; with None all. Empty after a change."""

    def note(self, handled: Handled) -> None:
        """Record a request that an app has handled."""
        request, operation, id_, _, hit, changes, at, status = handled
        name = operation.name if operation else f"{request.method} {request.path}"
        called = Called(name, id_, status, None if hit is None else str(hit.rule))
        self.call(at, called, changes=changes)

    def note_left(self, handled: Handled) -> None:
        """Record that the client has left a download, noted before, before its end."""
        if handled.status == 200 and handled.hit is None:  # else it is not complete in any case
            with self._lock:
                self._left[handled.id, handled.at] += 1

    def downloads(self, file_id: str) -> list[int]:
        """When a file was downloaded completely: without a fault, and to the end."""
        with self._lock:
            left = self._left.copy()
        called = Called("files.content", file_id, 200)
        moments = (
            at for run in self.runs_about(file_id) if run.what == called for at in run.moments
        )
        complete = Counter(moments) - Counter(
            {at: n for (id_, at), n in left.items() if id_ == file_id}
        )
        return sorted(complete.elements())

    def downloaded(self) -> set[str]:
        """The ids of files that were downloaded completely at least once."""
        with self._lock:
            left = Counter[str]()
            for (id_, _), times in self._left.items():
                left[id_] += times
            return {
                called.id
                for called, times in self._counts.items()
                if called == Called("files.content", called.id, 200) and times > left[called.id]
            }

    def call(self, at: int, called: Called, *, changes: bool) -> None:
        """Record a call. If it `changes` something, no earlier run is extended any more."""
        with self._lock:
            if changes:
                self._open.clear()
            run = self._open.get(called)
            # Sorted by (moment, number), the calls have to keep the order in which they were made.
            if run is not None and (at, run.number) < self._latest:
                del self._open[called]
            self._latest = (at, self._add(at, called))
            self._counts[called] += 1

    def sleep(self, start: int, end: int) -> None:
        """Record a sleep that has ended."""
        with self._lock:
            self._add(start, Slept(end - start))

    def counts(self) -> Counter[Called]:
        """How often each call was made, including those that are no longer kept."""
        with self._lock:
            return self._counts.copy()

    def total(self) -> int:
        """How many calls were made."""
        with self._lock:
            return self._counts.total()

    def runs(self) -> list[Run]:
        """The runs that are kept, in the order of their first moments: a list for each state."""
        return self._in_order()[None]

    def runs_about(self, id_: str) -> list[Run]:
        """Those that are about this id."""
        return self._in_order().get(id_, [])

    def _in_order(self) -> dict[str | None, list[Run]]:
        with self._lock:
            if not self._sorted:
                runs = sorted(self._runs.values(), key=lambda run: (run.first, run.number))
                self._sorted = {None: runs}
                for run in runs:
                    if isinstance(run.what, Called):
                        self._sorted.setdefault(run.what.id, []).append(run)
            return self._sorted

    def snapshot(self) -> Recording:
        """Everything recorded so far, for `restore`."""
        with self._lock:
            return Recording(tuple(self._runs.values()), self._counts.copy(), self._left.copy())

    def restore(self, saved: Recording) -> None:
        """Forget what was recorded after the snapshot."""
        with self._lock:
            self._runs = OrderedDict((run.number, run) for run in saved.runs)
            self._counts, self._left = saved.counts.copy(), saved.left.copy()
            self._open.clear()
            self._sorted = {}

    def _add(self, at: int, what: Called | Slept) -> int:
        self._sorted = {}
        run = self._open.get(what)
        longer = None if run is None else run.extended(at)
        if longer is None:
            self._number += 1
            longer = Run(self._number, what, at)
        self._open[what] = self._runs[longer.number] = longer
        if len(self._runs) > KEPT:
            _, oldest = self._runs.popitem(last=False)
            if self._open.get(oldest.what) is oldest:
                del self._open[oldest.what]
        return longer.number


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request and how it was answered."""

    at: datetime
    operation: str
    """Named as in the SDK, `batches.retrieve`; method and path if there is no such route."""
    id: str
    """The id of the batch, file or model; for a `create` that of the new one, for a `list` ''."""
    status: int | None
    """The HTTP status, or None if no response arrived."""
    injected: str | None = None
    """The rule of the test that hit this call."""

    def __repr__(self) -> str:
        words = [moment_text(self.at), self.operation, self.id, str(self.status or "no response")]
        injected = f" ({self.injected})" if self.injected else ""
        return f"<{' '.join(filter(None, words))}{injected}>"


@dataclass(frozen=True, slots=True)
class Sleep:
    """One sleep of the code under test, in virtual time."""

    at: datetime
    seconds: float

    def __repr__(self) -> str:
        return f"<{moment_text(self.at)} slept {self.seconds:g} s>"


class Calls(tuple[Call, ...]):
    """Calls in the order in which they were made."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = [*map(repr, self)]
        if len(shown) > 20:
            shown[10:-10] = [f"… {len(shown) - 20} more …"]
        return "\n  ".join([f"<{len(self)} calls>", *shown])


class CallLog(Sequence[Call]):
    """The calls that were made, oldest first."""

    @abstractmethod
    def _calls(self, operation: str | None, id_: str | None, status: int | None) -> Calls: ...

    @abstractmethod
    def _count(self, operation: str | None, id_: str | None, status: int | None) -> int: ...

    @overload
    def __getitem__(self, at: int) -> Call: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Call]: ...
    def __getitem__(self, at: int | slice) -> Call | Sequence[Call]:
        calls = self.calls()
        return Calls(calls[at]) if isinstance(at, slice) else calls[at]

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls())

    def __reversed__(self) -> Iterator[Call]:
        return reversed(self.calls())

    def __len__(self) -> int:
        return len(self.calls())

    def __repr__(self) -> str:
        dropped = self.count() - len(self)
        return f"{self.calls()!r}" + (f"\n  and {dropped} earlier ones" if dropped else "")

    def calls(
        self,
        operation: OperationName | None = None,
        *,
        id: str | None = None,  # noqa: A002  # the API's own word
        status: int | None = None,
    ) -> Calls:
        """The calls of an operation (`batches.retrieve`), about an id, with an HTTP status.

        Raises:
            UsageError: there is no such operation.
        """
        return self._calls(operation, id, status)

    def count(
        self,
        operation: OperationName | None = None,
        *,
        id: str | None = None,  # noqa: A002  # the API's own word
        status: int | None = None,
    ) -> int:
        """How many such calls were made, including those that are no longer kept.

        Raises:
            UsageError: there is no such operation.
        """
        return self._count(operation, id, status)


class Journal(CallLog):
    """The calls, oldest first, and the sleeps between them.

    Any number of polls at even intervals is kept. Of other calls, the oldest are dropped when there
    are thousands; `count` includes them.

    Args:
        recorder: records the calls and sleeps.
        operations: the names of all operations.
    """

    def __init__(self, recorder: Recorder, operations: Sequence[str]) -> None:
        self._recorder = recorder
        self._operations = operations
        self._all: tuple[list[Run], Calls] = ([], Calls())

    def __len__(self) -> int:
        return sum(run.times for run in self._recorder.runs() if isinstance(run.what, Called))

    def _calls(self, operation: str | None, id_: str | None, status: int | None) -> Calls:
        matches = self._matcher(operation, id_, status)
        runs = self._recorder.runs() if id_ is None else self._recorder.runs_about(id_)
        is_all = operation is None and id_ is None and status is None
        if is_all and runs is self._all[0]:
            return self._all[1]  # once for a loop over all indices
        each = _each(Called, runs)
        calls = Calls(Call(as_datetime(at), *called) for at, called in each if matches(called))
        if is_all:
            self._all = (runs, calls)
        return calls

    def _count(self, operation: str | None, id_: str | None, status: int | None) -> int:
        if operation is None and id_ is None and status is None:
            return self._recorder.total()  # the plugin asks before and after each test
        matches = self._matcher(operation, id_, status)
        return sum(n for called, n in self._recorder.counts().items() if matches(called))

    @property
    def sleeps(self) -> tuple[Sleep, ...]:
        """The sleeps, in the order in which they began."""
        return tuple(
            Sleep(as_datetime(at), slept.duration / SECOND)
            for at, slept in _each(Slept, self._recorder.runs())
        )

    def _matcher(
        self, operation: str | None, id_: str | None, status: int | None
    ) -> Callable[[Called], bool]:
        """Whether a call has this operation, id and HTTP status; None matches all."""
        if operation is not None and operation not in self._operations:
            raise UsageError(
                f"There is no operation {operation!r}.",
                f"The operations are {', '.join(self._operations)}.",
                "Write for example fakebatch.journal.calls('batches.retrieve').",
            )
        return lambda called: (
            operation in (None, called.operation)
            and id_ in (None, called.id)
            and status in (None, called.status)
        )


def _each(kind: type[WhatT], runs: Sequence[Run]) -> Iterator[tuple[int, WhatT]]:
    """Each call, or each sleep, of these runs, with its moment, in order."""
    each = [
        (at, run.number, run.what)
        for run in runs
        if isinstance(run.what, kind)
        for at in run.moments
    ]
    return ((at, what) for at, _, what in sorted(each))


def moment_text(moment: datetime | int) -> str:
    """`2026-01-01T00:01:05Z`, of a datetime in UTC or microseconds since 1970."""
    at = as_datetime(moment) if isinstance(moment, int) else moment
    return at.isoformat().replace("+00:00", "Z")
