"""What stands in the place of time.sleep."""

from __future__ import annotations

import sys
import time
from threading import get_ident

from fakebatch.vtime import rebinding, running

real_sleep = time.sleep
"""Set anew by each clock: a test may have replaced it when this module was imported."""


def sleep(seconds: float, /) -> None:
    """Suspend execution for a number of virtual seconds."""
    __tracebackhide__ = True  # pytest: what is told is about the line that sleeps
    scheduler = running.scheduler
    caller = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - who asks
    if scheduler is None or rebinding.is_harness(caller) or not scheduler.scope.has(get_ident()):
        real_sleep(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    else:
        scheduler.sleep(scheduler.deadline(seconds))
