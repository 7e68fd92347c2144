"""The courier: another party that lives in the time of the test, on a thread of its own.

Under a virtual clock it sleeps until the next webhook is due; whoever else sleeps lets it wake at
its moment. So a handler runs while the code under test waits, never between two of its statements.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from heapq import heappop, heappush

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.scenario import Arrivals
from fakebatch.service.world import World
from fakebatch.vtime.scheduler import for_this_thread
from fakebatch.webhooks.delivery import Delivery, Event
from fakebatch.webhooks.outbox import Outbox
from fakebatch.webhooks.target import Target


class Kind(Enum):
    """Whether a post is what it claims to be."""

    GENUINE = auto()
    FORGED = auto()
    STALE = auto()


@dataclass(frozen=True, slots=True, order=True)
class Post:
    """One attempt to bring one copy of an event."""

    at: int
    number: int
    event: Event = field(compare=False)
    kind: Kind = field(compare=False)
    first: int = field(compare=False)
    """When the first attempt was."""
    attempt: int = field(default=0, compare=False)


Sign = Callable[[Event, Kind, int], Delivery]


class Courier:
    """Brings every event to one target, again and again until it is accepted.

    Args:
        world: whose events, and whose time.
        outbox: the events.
        sign: makes what is posted at a moment.
    """

    def __init__(self, world: World, outbox: Outbox, sign: Sign) -> None:
        self._world = world
        self._outbox = outbox
        self._sign = sign
        self._target: Target = lambda _: True
        self._arrivals = Arrivals()
        self._posts: list[Post] = []
        self._numbered = self._lost = 0
        self._thread: threading.Thread | None = None
        # Never held while the lock of the world is asked for: a callable of the test may create
        # something, and so come to `look`, while its thread holds that.
        self._changed = threading.Condition()
        self._news = 0
        self._resting = self._closed = False
        self.unreported: FakeBatchError | None = None
        """What went wrong and has not been told yet."""

    def bring(self, target: Target, arrivals: Arrivals) -> None:
        """Bring everything to this target from now on; what is due is brought before it returns."""
        self._outbox.come_early(arrivals.early)
        with self._changed:
            self._target, self._arrivals = target, arrivals
        self._start()  # which waits, and so must not hold the lock the courier begins with
        with self._changed:
            self._announce()
            self._changed.wait_for(lambda: self._resting or self._closed)

    def look(self) -> None:
        """Something was created or cancelled: other events may be due, or sooner."""
        if self._thread is not None:
            with self._changed:
                self._announce()

    def _announce(self) -> None:
        self._news, self._resting = self._news + 1, False
        self._changed.notify_all()

    def close(self) -> None:
        """Bring nothing any more."""
        if self._thread is not None:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._thread.join()
            self._thread, self._closed, self._world.in_transit = None, False, 0

    def error(self) -> FakeBatchError | None:
        """What went wrong, such as a handler that raised, and has not been told yet; told once."""
        error, self.unreported = self.unreported, None
        return error

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="fakebatch webhooks", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        try:
            with _precedence():
                while (post := self._next()) is not None:
                    self._deliver(post)
        except FakeBatchError as error:  # nobody is left to move the clock
            self._note(error)
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _next(self) -> Post | None:
        while not self._closed:
            news = self._news
            events, look = self._outbox.due(), self._outbox.next_look()
            with self._changed:
                for event in events:
                    self._enqueue(event)
                self._world.in_transit = len(self._posts)
                if self._posts and self._posts[0].at <= self._world.clock():
                    return heappop(self._posts)
                if news == self._news and not self._closed:
                    self._resting = True
                    self._changed.notify_all()
                    self._changed.wait(self._seconds_until(look))
        return None

    def _seconds_until(self, look: int | None) -> float | None:
        looks = [look, *(post.at for post in self._posts[:1])]
        soonest = min((at for at in looks if at is not None), default=None)
        return None if soonest is None else (soonest - self._world.clock()) / SECOND

    def _enqueue(self, event: Event) -> None:
        if self._lost < self._arrivals.lost:
            self._lost += 1
            return
        kinds = (
            *(Kind.FORGED for _ in range(self._arrivals.forged)),
            *(Kind.GENUINE for _ in range(1 + self._arrivals.duplicates)),
            *(Kind.STALE for _ in range(self._arrivals.stale)),
        )
        for kind in kinds:
            self._numbered += 1
            at = self._world.clock() + self._lateness(self._numbered)
            heappush(self._posts, Post(at, self._numbered, event, kind, first=at))

    def _lateness(self, number: int) -> int:
        drawn = int.from_bytes(self._world.mint.digest("webhook lateness", number))
        return drawn % (self._arrivals.scatter + 1)

    def _deliver(self, post: Post) -> None:
        delivery = self._sign(post.event, post.kind, self._world.clock())
        if not self._accepted(post, delivery) and post.kind is Kind.GENUINE:
            pace = self._world.dialect.pace
            at = self._world.clock() + (pace.webhook_retry << post.attempt)
            if at <= post.first + pace.webhook_lives:
                heappush(self._posts, replace(post, at=at, attempt=post.attempt + 1))

    def _accepted(self, post: Post, delivery: Delivery) -> bool:
        try:
            return self._target(delivery)
        except SystemExit:  # the clock has stopped
            raise
        except FakeBatchError as error:
            self._note(error)
        except BaseException as error:  # noqa: BLE001  # pytest.fail raises one
            if post.kind is not Kind.GENUINE:
                return False  # how a handler refuses what it cannot verify
            self._note(_raised(delivery, error))
        return True

    def _note(self, error: FakeBatchError) -> None:
        self.unreported = self.unreported or error


def _raised(delivery: Delivery, error: BaseException) -> FakeBatchError:
    told = FakeBatchError(
        f"a webhook's handler raised {error!r}.",
        f"It was brought {delivery.type} of {delivery.batch_id}; raising is taken for a mistake of "
        "the test.",
        "Mend it, or let it return a status such as 500 if it shall be asked again.",
    )
    told.__cause__ = error
    return told


def _precedence() -> AbstractContextManager[None]:
    scheduler = for_this_thread()
    return nullcontext() if scheduler is None else scheduler.precedence()
