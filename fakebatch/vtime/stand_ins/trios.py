"""What stands in the place of trio's default clock and of its idling."""

from __future__ import annotations

import math
from typing import Any

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.vtime import refusals, running
from fakebatch.vtime.quarantine import of_trio as private
from fakebatch.vtime.scheduling.scheduler import Scheduler
from fakebatch.vtime.scheduling.waiters import ClockStopped
from fakebatch.vtime.stand_ins.idling import idle

_Clock: Any = private.core().SystemClock
_real_time = _Clock.current_time
_real_sleep_time = _Clock.deadline_to_sleep_time
_real_setup = private.core().setup_runner


def replacements() -> list[tuple[Any, str, Any]]:
    """What to patch in trio."""
    return [
        (_Clock, "current_time", current_time),
        (_Clock, "deadline_to_sleep_time", deadline_to_sleep_time),
        (private.core(), "setup_runner", setup_runner),
        *private.same_order(),
    ]


def setup_runner(clock: Any, *options: Any) -> Any:
    """Prepare a run whose time can be moved."""
    if running.for_this_thread() is not None:
        refusals.check_run(clock)
    return _real_setup(clock, *options)


def current_time(clock: Any) -> float:
    """The clock of a run: it starts at real time and goes on in virtual time."""
    scheduler = running.for_this_thread()
    now: float = _real_time(clock) if scheduler is None else clock.offset + scheduler.monotonic
    return now


def deadline_to_sleep_time(clock: Any, deadline: float) -> float:
    """How many real seconds a run shall wait; trio asks whenever no task can run."""
    scheduler = running.for_this_thread()
    if scheduler is not None:
        _idle(private.IdleRun(private.runner()), scheduler, clock.offset, deadline)
        return 0
    seconds: float = _real_sleep_time(clock, deadline)
    return seconds


def _idle(run: private.IdleRun, scheduler: Scheduler, offset: float, deadline: float) -> None:
    scheduler.shifts[run.runner] = private.shift_deadlines
    try:
        idle(run, scheduler, None if deadline == math.inf else deadline - offset)
    except (FakeBatchError, ClockStopped) as error:
        run.raise_in_sleeper(error)
    # trio's own check knows no tolerance, and a sum of floats may lie a hair beyond what was meant.
    run.expire(offset + scheduler.monotonic + 1 / SECOND)
