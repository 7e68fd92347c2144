"""The journal: every call and every sleep, in virtual time and in bounded memory."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import NamedTuple, TypeVar, overload

from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.vtime.moments import as_datetime
from fakebatch.wire.app import Handled

KEPT = 4_096
"""How many runs the recorder keeps. Of older ones only the counts remain."""


class Called(NamedTuple):
    """A call, whenever it was made."""

    operation: str
    id: str
    status: int | None
    injected: str | None = None


class Slept(NamedTuple):
    """A sleep, whenever it began. In microseconds."""

    duration: int


WhatT = TypeVar("WhatT", Called, Slept)


class Run(NamedTuple):
    """The same call or sleep, once or at even intervals. Moments in microseconds since 1970."""

    number: int
    what: Called | Slept
    first: int
    every: int = 0
    times: int = 1

    @property
    def moments(self) -> Sequence[int]:
        """The moment of each."""
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
    """All that a recorder knew at one moment."""

    runs: tuple[Run, ...]
    counts: Counter[Called]


class Recorder:
    """Records calls and sleeps; the journal and the report read them. Thread-safe.

    A poller does the same thing at even intervals, for hours of virtual time. With an entry a call
    that would either fill the memory or push out the beginning of the test. So repeats are merged
    as they come: a run takes the room of one call.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # reentrant: a finalizer may call while its thread is in here
        self._runs: OrderedDict[int, Run] = OrderedDict()
        self._open: dict[Called | Slept, Run] = {}
        """The runs that may still be extended."""
        self._counts: Counter[Called] = Counter()
        self._number = 0
        self._latest = (0, 0)

    def note(self, handled: Handled) -> None:
        """Record a request that an app has handled."""
        request, operation, id_, _, hit, changes, at, status = handled
        name = operation.name if operation else f"{request.method} {request.path}"
        called = Called(name, id_, status, None if hit is None else str(hit.rule))
        self.call(at, called, changes=changes)

    def call(self, at: int, called: Called, *, changes: bool) -> None:
        """Record a call. One that `changes` something ends all runs."""
        with self._lock:
            if changes:
                self._open.clear()
            run = self._open.get(called)
            # Sorted by (moment, number) the calls must stay in the order in which they were made.
            if run is not None and (at, run.number) < self._latest:
                del self._open[called]
            self._latest = (at, self._add(at, called))
            self._counts[called] += 1

    def sleep(self, start: int, end: int) -> None:
        """Record a sleep that is over."""
        with self._lock:
            self._add(start, Slept(end - start))

    def counts(self) -> Counter[Called]:
        """How often each call was made, including those that are no longer kept."""
        with self._lock:
            return self._counts.copy()

    def runs(self) -> list[Run]:
        """The runs that are kept, by first moment."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda run: (run.first, run.number))

    def snapshot(self) -> Recording:
        """Everything recorded so far, for `restore`."""
        with self._lock:
            return Recording(tuple(self._runs.values()), self._counts.copy())

    def restore(self, saved: Recording) -> None:
        """Forget what was recorded after the snapshot."""
        with self._lock:
            self._runs = OrderedDict((run.number, run) for run in saved.runs)
            self._counts = saved.counts.copy()
            self._open.clear()

    def _add(self, at: int, what: Called | Slept) -> int:
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
    """As the SDK names it, `batches.retrieve`; method and path where there is no such route."""
    id: str
    """The batch, file or model it is about: for a `create` the new one, for a `list` none."""
    status: int | None
    """The HTTP status; None: no response arrived."""
    injected: str | None = None
    """The rule of the test that made this call go wrong."""

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


class Journal(Sequence[Call]):
    """The calls that were made, oldest first, and the sleeps between them.

    Polls at even intervals are all there, however many. Of other calls the oldest are dropped once
    there are thousands; `count` includes them.

    Args:
        recorder: what it reads.
        operations: the names of all operations.
    """

    def __init__(self, recorder: Recorder, operations: Sequence[str]) -> None:
        self._recorder = recorder
        self._operations = operations

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
        return sum(run.times for run in self._recorder.runs() if isinstance(run.what, Called))

    def __repr__(self) -> str:
        dropped = self.count() - len(self)
        return f"{self.calls()!r}" + (f"\n  and {dropped} before" if dropped else "")

    def calls(
        self,
        operation: str | None = None,
        *,
        id: str | None = None,  # noqa: A002  # the API's own word
        status: int | None = None,
    ) -> Calls:
        """The calls of an operation (`batches.retrieve`), about an id, with an HTTP status.

        Raises:
            UsageError: there is no such operation.
        """
        self._check(operation)
        return Calls(
            Call(as_datetime(at), *called)
            for at, called in self._each(Called)
            if _matches(called, operation, id, status)
        )

    def count(
        self,
        operation: str | None = None,
        *,
        id: str | None = None,  # noqa: A002  # the API's own word
        status: int | None = None,
    ) -> int:
        """How many such calls were made, including those that are no longer kept.

        Raises:
            UsageError: there is no such operation.
        """
        self._check(operation)
        counts = self._recorder.counts().items()
        return sum(n for called, n in counts if _matches(called, operation, id, status))

    @property
    def sleeps(self) -> tuple[Sleep, ...]:
        """The sleeps, in the order in which they began."""
        return tuple(
            Sleep(as_datetime(at), slept.duration / SECOND) for at, slept in self._each(Slept)
        )

    def _each(self, kind: type[WhatT]) -> Iterator[tuple[int, WhatT]]:
        """Each call, or each sleep, with its moment, in order."""
        each = [
            (at, run.number, run.what)
            for run in self._recorder.runs()
            if isinstance(run.what, kind)
            for at in run.moments
        ]
        return ((at, what) for at, _, what in sorted(each))

    def _check(self, operation: str | None) -> None:
        if operation is not None and operation not in self._operations:
            raise UsageError(
                f"There is no operation {operation!r}.",
                f"The operations are {', '.join(self._operations)}.",
                "Write for example fakebatch.journal.calls('batches.retrieve').",
            )


def _matches(called: Called, operation: str | None, id_: str | None, status: int | None) -> bool:
    return (
        operation in (None, called.operation)
        and id_ in (None, called.id)
        and status in (None, called.status)
    )


def moment_text(moment: datetime | int) -> str:
    """`2026-01-01T00:01:05Z`, of a datetime in UTC or microseconds since 1970."""
    at = as_datetime(moment) if isinstance(moment, int) else moment
    return at.isoformat().replace("+00:00", "Z")
