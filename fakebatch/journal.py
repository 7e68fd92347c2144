"""What happened, in virtual time: every call and every sleep, however many, in little memory.

A poller does the same thing at even intervals for hours. Such a run takes the room of one call.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import NamedTuple, overload

from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.vtime.moments import as_datetime

KEPT = 4_096
"""How many runs are kept; of what is older, the counts."""


class Called(NamedTuple):
    """What was called, whatever the moment."""

    operation: str
    id: str
    status: int | None
    injected: str | None = None


class Slept(NamedTuple):
    """A sleep of so many microseconds."""

    duration: int


class Run(NamedTuple):
    """The same thing, once or at even intervals. Moments in microseconds since the epoch."""

    number: int
    what: Called | Slept
    first: int
    every: int = 0
    times: int = 1

    @property
    def last(self) -> int:
        """The moment of the last time."""
        return self.first + self.every * (self.times - 1)

    @property
    def moments(self) -> Iterator[int]:
        """The moment of each time."""
        return (self.first + self.every * n for n in range(self.times))

    def goes_on_at(self, at: int) -> Run | None:
        """The same and one time more, if that keeps the intervals even."""
        number, what, first, every, times = self
        if times == 1:
            every = at - first
        return Run(number, what, first, every, times + 1) if at == first + every * times else None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request and how it was answered."""

    at: datetime
    operation: str
    """As the SDK names it, `batches.retrieve`; method and path where nobody has such a route."""
    id: str
    """The batch, file or model it is about: of a `create` the new one, of a `list` none."""
    status: int | None
    """The HTTP status; None: no answer arrived."""
    injected: str | None = None
    """What the test made go wrong with this call."""

    def __repr__(self) -> str:
        said = [moment_text(self.at), self.operation, self.id, str(self.status or "no answer")]
        noted = f" ({self.injected})" if self.injected else ""
        return f"<{' '.join(word for word in said if word)}{noted}>"


@dataclass(frozen=True, slots=True)
class Sleep:
    """One sleep of the code under test, in virtual time."""

    at: datetime
    seconds: float

    def __repr__(self) -> str:
        return f"<{moment_text(self.at)} slept {self.seconds:g} s>"


class Calls(tuple[Call, ...]):
    """Calls in the order they came."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = [*map(repr, self)]
        if len(shown) > 20:
            shown[10:-10] = [f"… {len(shown) - 20} more …"]
        return "\n  ".join([f"<{len(self)} calls>", *shown])


class Noted(NamedTuple):
    """All that a journal knew at one moment."""

    runs: tuple[Run, ...]
    forgotten: tuple[tuple[Called, int], ...]


class Journal(Sequence[Call]):
    """The calls that were made, oldest first, and the sleeps between them.

    Runs of polls are kept whole. When there are too many runs the oldest are forgotten; `count`
    goes on counting all of them.

    Args:
        operations: the names of operations there are.
    """

    def __init__(self, operations: Sequence[str]) -> None:
        self._operations = operations
        self._lock = RLock()  # reentrant: a finalizer may call while its thread is in here
        self._runs: OrderedDict[int, Run] = OrderedDict()
        self._open: dict[Called | Slept, Run] = {}
        self._forgotten: Counter[Called] = Counter()
        self._number = 0
        self._latest = (0, 0)

    def called(self, at: int, what: Called, *, changes: bool) -> None:
        """Note a call; `changes` says that it may have changed something."""
        with self._lock:
            if changes:
                self._open.clear()
            run = self._open.get(what)
            # goes on only where (moment, number) stays the order in which calls came
            if run is not None and (at, run.number) < self._latest:
                run = None
            self._latest = (at, self._note(at, what, run))

    def slept(self, start: int, end: int) -> None:
        """Note a sleep that is over."""
        with self._lock:
            what = Slept(end - start)
            self._note(start, what, self._open.get(what))

    @overload
    def __getitem__(self, at: int) -> Call: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Call]: ...
    def __getitem__(self, at: int | slice) -> Call | Sequence[Call]:
        calls = self.calls()
        return Calls(calls[at]) if isinstance(at, slice) else calls[at]

    def __len__(self) -> int:
        return sum(run.times for run in self.runs() if isinstance(run.what, Called))

    def __repr__(self) -> str:
        forgotten = self.count() - len(self)
        return f"{self.calls()!r}" + (f"\n  and {forgotten} before" if forgotten else "")

    def calls(
        self,
        operation: str | None = None,
        *,
        id: str | None = None,  # noqa: A002  # the API's own word
        status: int | None = None,
    ) -> Calls:
        """The calls of an operation (`batches.retrieve`), about an id, answered with a status.

        Raises:
            UsageError: there is no such operation.
        """
        self._check(operation)
        found = [
            (at, run.number, run.what)
            for run in self.runs()
            if isinstance(run.what, Called) and _matches(run.what, operation, id, status)
            for at in run.moments
        ]
        found.sort(key=lambda entry: entry[:2])
        return Calls(
            Call(as_datetime(at), what.operation, what.id, what.status, what.injected)
            for at, _, what in found
        )

    def count(
        self,
        operation: str | None = None,
        *,
        id: str | None = None,  # noqa: A002  # the API's own word
        status: int | None = None,
    ) -> int:
        """How many such calls there were, the forgotten ones too.

        Raises:
            UsageError: there is no such operation.
        """
        self._check(operation)
        return sum(n for what, n in self.counts().items() if _matches(what, operation, id, status))

    def counts(self) -> Counter[Called]:
        """How often each thing was called."""
        with self._lock:
            counts = self._forgotten.copy()
            for run in self._runs.values():
                if isinstance(run.what, Called):
                    counts[run.what] += run.times
        return counts

    @property
    def sleeps(self) -> tuple[Sleep, ...]:
        """The sleeps, in the order they began."""
        found = [
            (at, run.number, run.what.duration)
            for run in self.runs()
            if isinstance(run.what, Slept)
            for at in run.moments
        ]
        return tuple(Sleep(as_datetime(at), us / SECOND) for at, _, us in sorted(found))

    def runs(self) -> list[Run]:
        """What is kept, by first moment."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda run: (run.first, run.number))

    def snapshot(self) -> Noted:
        """All of it, to be restored."""
        with self._lock:
            return Noted(tuple(self._runs.values()), tuple(self._forgotten.items()))

    def restore(self, saved: Noted) -> None:
        """As if the calls since had not been made."""
        with self._lock:
            self._runs = OrderedDict((run.number, run) for run in saved.runs)
            self._forgotten = Counter(dict(saved.forgotten))
            self._open.clear()

    def _note(self, at: int, what: Called | Slept, run: Run | None) -> int:
        longer = None if run is None else run.goes_on_at(at)
        if longer is None:
            self._number += 1
            longer = Run(self._number, what, at)
        self._open[what] = self._runs[longer.number] = longer
        if len(self._runs) > KEPT:
            self._forget()
        return longer.number

    def _forget(self) -> None:
        _, run = self._runs.popitem(last=False)
        if self._open.get(run.what) is run:
            del self._open[run.what]
        if isinstance(run.what, Called):
            self._forgotten[run.what] += run.times

    def _check(self, operation: str | None) -> None:
        if operation is not None and operation not in self._operations:
            raise UsageError(
                f"There is no operation {operation!r}.",
                f"Known are {', '.join(self._operations)}.",
                "Write for example fakebatch.journal.calls('batches.retrieve').",
            )


def _matches(what: Called, operation: str | None, id_: str | None, status: int | None) -> bool:
    return (
        operation in (None, what.operation)
        and id_ in (None, what.id)
        and status in (None, what.status)
    )


def moment_text(moment: datetime) -> str:
    """`2026-01-01T00:01:05Z`."""
    return moment.isoformat().replace("+00:00", "Z")


def span_text(microseconds: int) -> str:
    """A span as it reads best: `0.5 s`, `60 s`, `1h30m`, `1d10m7s`."""
    if microseconds <= 120 * SECOND:
        return f"{microseconds / SECOND:g} s"
    rest, parts = microseconds // SECOND, ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        number, rest = divmod(rest, size)
        parts += f"{number}{unit}" if number else ""
    return parts
