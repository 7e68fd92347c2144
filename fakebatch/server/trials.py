"""Cases of the gauntlet on a server: a world for each, and the watch on the client that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from fakebatch.gauntlet.answers import Requests
from fakebatch.gauntlet.case import Case
from fakebatch.gauntlet.record import Watch
from fakebatch.gauntlet.report import Failure, Report, id_of
from fakebatch.gauntlet.verdicts import Verdict, judge
from fakebatch.server.worlds import NEVER_ENDS, World, Worlds


@dataclass(frozen=True, slots=True)
class Trial:
    """A case, its world, and the watch on its client."""

    case: Case
    world: World
    watch: Watch

    def verdict(self, report: Report, *, leftovers: bool = False) -> Verdict:
        """The verdict on a client that has ended."""
        ends = (each.message for each in self.world.refusals if each.message[0] == NEVER_ENDS)
        self.watch.endless = self.watch.endless or next(ends, None)
        return judge(self.case, self.watch.record(), report, leftovers=leftovers)


MAX_IDLE = "300h"
"""Where nothing is scheduled, each poll takes an hour: so a client that has counted its polls, or
the time that it meant to sleep, comes to its deadline."""

trials: WeakKeyDictionary[World, Trial] = WeakKeyDictionary()
"""The trials by their worlds."""


def open_trial(
    worlds: Worlds, case: Case, name: str, kill: Callable[[], object] = lambda: None
) -> Trial:
    """Make the world of a case.

    Args:
        worlds: those of the server.
        case: the incident and the requests.
        name: the name of the world.
        kill: kills the client; it is called where its case says so.

    Raises:
        UsageError: there is a world of that name.
    """

    def end(reason: str) -> BaseException:
        kill()
        return ConnectionAbortedError(reason)  # ends the connection too

    world = worlds.add(name, clock="polls", max_idle=MAX_IDLE, **case.options(real_time=True))
    # time moves with the polls, whatever a client sleeps between them
    watch = Watch(world.emulator, Requests(case.requests), case.kills, has_clock=False, end=end)
    trials[world] = trial = Trial(case, world, watch)
    return trial


def reported(results: Iterable[Mapping[str, Any]], raised: str | None) -> Report:
    """What a client says that it got, from objects with a custom_id and an answer or an error."""
    return Report(
        tuple(
            (
                id_of(each["custom_id"]),
                each.get("answer") if each.get("error") is None else Failure(str(each["error"])),
            )
            for each in results
        ),
        raised,
    )
