"""The clock that a test holds."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from fakebatch import durations
from fakebatch.durations import SECOND, Duration
from fakebatch.errors import Misuse
from fakebatch.vtime import wall
from fakebatch.vtime.owners import Owner, owner_of_the_wall_clock
from fakebatch.vtime.sleeping import moved_by_sleeping

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
MODES = ("virtual", "manual", "real")

Moment = datetime | str | float
"""A point in time: a datetime, ISO text, or unix seconds. Without a zone it is UTC."""


class Clock:
    """The time of a test: it stands still, and moves when the code under test sleeps.

    Args:
        mode: "virtual": sleeping moves time; "manual": only `advance` and `move_to` do, and a
            sleep is an error; "real": nothing is patched, the clock shows the wall clock.
        start: where the wall clock is frozen; by default 2026-01-01T00:00:00Z. Where the test has
            frozen it already, that one is followed.

    Raises:
        Misuse: an argument means nothing.
    """

    def __init__(self, mode: str = "virtual", *, start: Moment | None = None) -> None:
        if mode not in MODES:
            raise Misuse(
                f"There is no clock {mode!r}.",
                f"Known are {', '.join(map(repr, MODES))}.",
                "Write for example clock='manual'.",
            )
        self.mode = mode
        self._start = START if start is None else moment(start)
        self._moved = 0
        self._owner: Owner | None = None
        self._active = ExitStack()

    @property
    def now(self) -> datetime:
        """What time it is for everybody, in UTC."""
        return EPOCH + timedelta(microseconds=wall.microseconds())

    @property
    def elapsed(self) -> float:
        """Seconds that sleeps and `advance` have moved the clock since it was started."""
        return self._moved / SECOND

    def advance(self, duration: Duration) -> None:
        """Move the clock forward.

        Raises:
            Misuse: `duration` is none, or nobody can move this clock.
        """
        self._move(durations.microseconds(duration))

    def move_to(self, target: Moment) -> None:
        """Move the clock forward to a moment.

        Raises:
            Misuse: the moment has passed, or is none.
        """
        there = moment(target)
        ahead = (there - self.now) // timedelta(microseconds=1)
        if ahead < 0:
            raise Misuse(
                f"The clock cannot go back to {there.isoformat()}.",
                f"It is {self.now.isoformat()}.",
                "Move it forward, or start a FakeBatch(start=…) of its own.",
            )
        self._move(ahead)

    def start(self) -> None:
        """Freeze the wall clock; unless manual, let sleeping move it."""
        if self.mode == "real":
            return
        with ExitStack() as stack:
            self._owner = stack.enter_context(owner_of_the_wall_clock(self._start))
            stack.enter_context(moved_by_sleeping(self._slept, lambda: self._moved))
            self._active = stack.pop_all()

    def stop(self) -> None:
        """Put everything back. Stopping twice does no harm."""
        self._active.close()
        self._owner = None

    def _slept(self, microseconds: int) -> None:
        if self.mode == "manual":
            raise Misuse(
                f"Something slept {microseconds / SECOND:g} s, and would sleep for ever.",
                "The clock is manual: only fakebatch.clock.advance moves it.",
                "Advance it before the code sleeps, or use clock='virtual'.",
            )
        self._move(microseconds)

    def _move(self, microseconds: int) -> None:
        if self._owner is None:
            raise Misuse(
                f"The clock cannot be moved by {microseconds / SECOND:g} s.",
                "It is real, or its FakeBatch is not active.",
                "Use clock='virtual' or 'manual', inside the `with` block or test.",
            )
        self._owner.move(microseconds)
        self._moved += microseconds


def moment(value: object) -> datetime:
    """A point in time, in UTC.

    Raises:
        Misuse: the value is none.
    """
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return EPOCH + timedelta(seconds=value)
    except (ValueError, OverflowError):
        pass
    raise Misuse(
        f"{value!r} is not a moment.",
        "A moment is a datetime, ISO text, or a number of unix seconds.",
        "Write for example '2026-01-02T03:04:05' or 1767225600.",
    )
