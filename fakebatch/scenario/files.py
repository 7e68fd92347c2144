"""Which uploads, and how they differ from the usual."""

from __future__ import annotations

from dataclasses import dataclass

from fakebatch.durations import Microseconds
from fakebatch.scenario.turns import Turns


@dataclass(frozen=True, slots=True)
class WhichFiles(Turns):
    """Selects uploads by the order in which they come, and by their purpose."""

    purpose: str | None = None

    def __call__(self, number: int, purpose: str) -> bool:
        """Whether the `number`th upload is selected."""
        return self.has(number) and self.purpose in (None, purpose)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What differs about an upload; what is not said goes as usual. Times in microseconds."""

    pending: Microseconds | None = None
    """How long it is not processed yet; a batch cannot be created with it meanwhile."""
    broken: bool = False
    """It ends in status `error` instead of `processed`."""
    hidden: Microseconds | None = None
    """How long it cannot be found after its upload."""
    lives: Microseconds | None = None
    """After how long it is gone, whatever its upload said."""


@dataclass(frozen=True, slots=True)
class FileRule:
    """Uploads that `which` selects are kept so."""

    which: WhichFiles
    keeping: Keeping
