"""Standstill: every thread waits, and nothing in the scope can ever wake one."""

from __future__ import annotations

from collections.abc import Mapping

from fakebatch.errors import FakeBatchError, Misuse
from fakebatch.vtime import callsite
from fakebatch.vtime.quarantine import of_threading as private
from fakebatch.vtime.scheduling.scope import Scope
from fakebatch.vtime.scheduling.waiters import Waiter

_PATIENCE, _PATIENCE_WITH_STRANGERS = 1.0, 10.0
"""Real seconds; threads from outside the scope may wake one inside."""


def certain(scope: Scope, parked: Mapping[int, Waiter], waited: float) -> bool:
    """Whether nobody will come, all having stopped for `waited` real seconds."""
    patience = _PATIENCE_WITH_STRANGERS if scope.has_strangers() else _PATIENCE
    return waited > patience and scope.all_hopeless(parked)


def error(parked: Mapping[int, Waiter]) -> FakeBatchError:
    """What to tell the test when all its threads wait for each other, or for a manual clock."""
    frames = private.frames()
    sites = {ident: callsite.of_frame(frames[ident]) for ident in parked if ident in frames}
    for ident, waiter in parked.items():
        if waiter.deadline is not None:
            return nobody_moves_time(sites.get(ident, "an unknown place"))
    return FakeBatchError(
        f"every thread waits for another: {', '.join(sorted(sites.values()))}.",
        "No timeout runs, so not even time can end this.",
        "Look for an event nobody sets, a queue nobody fills or a task nobody finishes.",
    )


def nobody_moves_time(site: str) -> Misuse:
    """What to tell a sleeper under a manual clock that nobody will move."""
    return Misuse(
        f"the sleep at {site} would last for ever.",
        "The clock is manual: only clock.advance() and clock.move_to() move it, and nobody is "
        "left to call them.",
        "Move it before this sleep or from another thread, or let sleeping move it: "
        "clock='virtual'.",
    )
