"""Which fault hits this request: a count of requests per fault, and a record of those that hit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from threading import RLock
from typing import NamedTuple

from fakebatch.ids import Mint
from fakebatch.scenario import Answers, CallFault, CallOutcome, Throttles
from fakebatch.wire.exchange import Reply, Request

KEPT = 1_000
"""How many hits are remembered."""

_OPEN = 64  # calls of one operation on one object that may be between two attempts at once


@dataclass(eq=False, slots=True)
class Fired:
    """One request that a fault hit."""

    fault: CallFault
    operation: str
    id: str
    """Of the file or batch the request named; empty where it names none."""
    at: int
    """The wall clock, in microseconds."""
    attempt: int
    """0, or which retry of the SDK it was."""
    absorbed: bool = False
    """A later attempt of the same call succeeded: the fault cost a retry and no more."""


@dataclass(eq=False, slots=True)
class _Count:
    """What one fault has met so far."""

    fault: CallFault
    place: int
    met: int = 0
    spent: int = 0
    fired: int = 0
    let_through: deque[int] = field(default_factory=deque[int])

    def due(self, now: int, mint: Mint) -> bool:
        """Whether the request that is met now is one to hit."""
        if isinstance(self.fault.outcome, Throttles):
            return self._beyond(self.fault.outcome, now)
        which = self.fault.which
        self.met += 1
        due = (
            self.met >= which.nth
            and (which.times is None or self.spent < which.times)
            and (which.chance is None or mint.share("call", self.place, self.met) < which.chance)
        )
        self.spent += due
        return due

    def _beyond(self, limit: Throttles, now: int) -> bool:
        while self.let_through and self.let_through[0] <= now - limit.per:
            self.let_through.popleft()
        if len(self.let_through) < limit.most:
            self.let_through.append(now)
            return False
        return True

    def outcome(self, now: int) -> CallOutcome:
        """What comes of a request that is hit now."""
        limit = self.fault.outcome
        if not isinstance(limit, Throttles):
            return limit
        room_in = self.let_through[0] + limit.per - now
        retry_after = room_in if limit.retry_after is None else limit.retry_after
        return Answers(429, retry_after=retry_after, dated=limit.dated)


class Call(NamedTuple):
    """A request, and the operation it is for."""

    operation: str
    id: str
    request: Request

    @property
    def attempt(self) -> int:
        """0, or which retry of the SDK it is; other clients do not say."""
        told = self.request.headers.get("x-stainless-retry-count", "")
        return int(told) if told.isdecimal() and len(told) < 9 else 0


class Faults:
    """Decides which requests a fault hits, and remembers them. Thread-safe.

    Args:
        faults: those of the scenario as it is now; their counts begin when they are first seen.
        mint: decides chances.
        clock: the time, in microseconds since the epoch.
        elapsed: the time since the start, in microseconds.
    """

    def __init__(
        self,
        faults: Callable[[], Sequence[CallFault]],
        mint: Mint,
        *,
        clock: Callable[[], int],
        elapsed: Callable[[], int],
    ) -> None:
        self._faults = faults
        self._mint = mint
        self._clock = clock
        self._elapsed = elapsed
        self._counts: list[_Count] = []
        self._fired: deque[Fired] = deque(maxlen=KEPT)
        self._open: dict[tuple[str, str, int], deque[tuple[Fired, ...]]] = {}
        self._lock = RLock()  # reentrant: a finalizer may call while its thread is in here

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self._faults())

    @property
    def fired(self) -> tuple[Fired, ...]:
        """The requests that were hit, in order; the last thousand of them."""
        return tuple(self._fired)

    def unused(self) -> tuple[CallFault, ...]:
        """The faults that never hit a request, and had no chance to.

        A limit that was kept is not among them.
        """
        with self._lock:
            counts = self._known()
        return tuple(
            count.fault
            for count in counts
            if not count.fired
            and not isinstance(count.fault.outcome, Throttles)
            and not (count.met and count.fault.which.chance)
        )

    def settles(self, now: int) -> int:
        """When the last fault that is bound to a time begins or ends, past or future."""
        edges = (
            fault.which.since if fault.which.until is None else fault.which.until
            for fault in self._faults()
        )
        return now - self._elapsed() + max(edges, default=0)

    def around(
        self, call: Call, answer: Callable[[CallOutcome | None], Reply]
    ) -> tuple[Reply, Fired | None]:
        """What `answer` makes of a call, told what comes of it (None: the truth), and the hit."""
        with self._lock:
            before = self._hits_before(call)
            hit = self._hit(call, before)
        reply = answer(None if hit is None else hit[1])
        with self._lock:
            hits = before if hit is None else (*before, hit[0])
            self._settle(call, hits, went_well=hit is None and reply.status < 400)
        return reply, None if hit is None else hit[0]

    def _known(self) -> list[_Count]:
        faults = self._faults()
        pairs = zip(self._counts, faults, strict=False)
        kept = sum(1 for _ in takewhile(lambda pair: pair[0].fault is pair[1], pairs))
        fresh = [_Count(fault, place) for place, fault in enumerate(faults)][kept:]
        if fresh or kept < len(self._counts):
            self._counts = self._counts[:kept] + fresh
        return self._counts

    def _hits_before(self, call: Call) -> tuple[Fired, ...]:
        """What hit the earlier attempts of the same call."""
        waiting = self._open.get((call.operation, call.id, call.attempt))
        return waiting.pop() if waiting else ()

    def _hit(self, call: Call, before: tuple[Fired, ...]) -> tuple[Fired, CallOutcome] | None:
        now, elapsed = self._clock(), self._elapsed()
        winner: _Count | None = None
        for count in self._known():
            which = count.fault.which
            if which.through_retries and call.attempt:
                hit = any(one.fault is count.fault for one in before)
            else:
                hit = which(call.operation, call.request.key, elapsed) and count.due(
                    now, self._mint
                )
            winner = count if hit else winner
        if winner is None:
            return None
        winner.fired += 1
        fired = Fired(winner.fault, call.operation, call.id, now, call.attempt)
        self._fired.append(fired)
        return fired, winner.outcome(now)

    def _settle(self, call: Call, hits: tuple[Fired, ...], *, went_well: bool) -> None:
        if went_well:
            for one in hits:
                one.absorbed = True
        elif hits:
            following = (call.operation, call.id, call.attempt + 1)
            self._open.setdefault(following, deque(maxlen=_OPEN)).append(hits)
