"""The one virtual clock that runs in this process, if any."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakebatch.vtime.scheduling.scheduler import Scheduler

scheduler: Scheduler | None = None


def for_this_thread() -> Scheduler | None:
    """The clock the calling thread lives by; None if it lives in real time."""
    if scheduler is not None and scheduler.scope.has(get_ident()):
        return scheduler
    return None
