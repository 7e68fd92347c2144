"""What is private in freezegun."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import freezegun.api

from fakebatch.vtime.patches import Patches

_api: Any = freezegun.api
_names: dict[str, Any] = _api.__dict__
_FUNCTIONS = (
    "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns gmtime localtime strftime"
)

real_monotonic: Callable[[], float] = _api.real_monotonic
"""The true monotonic clock in seconds; freezegun keeps it even while time is frozen."""


def missing() -> list[str]:
    """The names that are no longer there."""
    pairs = [f"{kind}_{name}" for name in _FUNCTIONS.split() for kind in ("real", "fake")]
    used = ["freeze_factories", *pairs, "_should_use_real_time", "FakeDate", "FakeDatetime"]
    return [f"freezegun.api.{name}" for name in used if name not in _names]


def frozen() -> bool:
    """Whether time is frozen, by whomever."""
    return bool(_api.freeze_factories)


def fakes() -> dict[Any, Any]:
    """What is put in the place of each time function and class."""
    functions = {_names[f"real_{name}"]: _names[f"fake_{name}"] for name in _FUNCTIONS.split()}
    return functions | {_api.real_date: _api.FakeDate, _api.real_datetime: _api.FakeDatetime}


def show_to(patches: Patches, keeps_real_time: Callable[[], bool]) -> None:
    """Show frozen time to every caller but those who keep real time.

    By default freezegun shows real time within five frames of `threading`, in time.time() alone.
    """
    patches.set(_api, "_should_use_real_time", lambda: not frozen() or keeps_real_time())


def shift(microseconds: int) -> None:
    """Move every freeze there is, the user's own too."""
    delta = timedelta(microseconds=microseconds)
    for factory in _api.freeze_factories:
        factory.time_to_freeze += delta


class Freeze:
    """A freeze that leaves the names in other modules to us."""

    def __init__(self, start: datetime) -> None:
        # The empty prefix makes freezegun's own scan skip every module. That scan fetches every
        # attribute of every module: with openai 3 loaded it takes 0.9 s and imports 1,100 modules.
        self._freeze: Any = _api.freeze_time(start, ignore=[""])

    def start(self) -> None:
        """Freeze time."""
        self._freeze.start()

    def stop(self) -> None:
        """Let time go on."""
        self._freeze.stop()
