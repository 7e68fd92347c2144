"""How a test says what shall become of uploads."""

from __future__ import annotations

from collections.abc import Callable

from fakebatch.durations import Duration, microseconds
from fakebatch.scenario import FileRule, Keeping, WhichFiles


class OnFile:
    """The uploads a test has selected, of those that come from now on."""

    def __init__(self, which: WhichFiles, add: Callable[[FileRule], None]) -> None:
        self._which = which
        self._add_rule = add

    def _add(self, keeping: Keeping) -> None:
        self._add_rule(FileRule(self._which, keeping))

    def pend(self, duration: Duration, *, broken: bool = False) -> None:
        """They are not processed for so long; no batch can be created with one meanwhile.

        `broken` ones end in status `error`.
        """
        self._add(Keeping(pending=microseconds(duration), broken=broken))

    def hide(self, duration: Duration) -> None:
        """They cannot be found for so long after their upload."""
        self._add(Keeping(hidden=microseconds(duration)))

    def expire(self, after: Duration) -> None:
        """They are gone after so long, whatever their upload said."""
        self._add(Keeping(lives=microseconds(after)))
