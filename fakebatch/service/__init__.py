"""The operations of one provider, named as the SDK names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from fakebatch.dialects import Dialect
from fakebatch.durations import SECOND
from fakebatch.service.batches import Batches
from fakebatch.service.files import Files
from fakebatch.service.models import Models
from fakebatch.service.quota import Quota, Rate
from fakebatch.service.shelf import BatchRecord, FileRecord
from fakebatch.service.uploads import Uploads
from fakebatch.service.world import Future, SavedWorld, World

__all__ = ["Saved", "Service", "World", "known_batches", "known_files"]


class Saved(NamedTuple):
    """All that a provider remembered at one moment."""

    world: SavedWorld
    uploads: Rate
    creations: Rate
    quota: Quota


def known_files(services: Sequence[Service]) -> Iterator[FileRecord]:
    """Every file there is now at any of these providers, oldest first at each."""
    return chain.from_iterable(one.files.known() for one in services)


def known_batches(services: Sequence[Service]) -> Iterator[BatchRecord]:
    """Every batch, likewise."""
    return chain.from_iterable(one.batches.known() for one in services)


class Service:
    """One provider. Thread-safe: operations happen one after the other.

    Args:
        dialect: what the provider says and allows.
        clock: the time, in microseconds since the epoch.
        seed: decides every id and shuffle.
        models: the models that exist; None: every plausible name does.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        clock: Callable[[], int],
        seed: bytes,
        models: frozenset[str] | None = None,
    ) -> None:
        self.world = World(dialect, clock=clock, seed=seed, models=models)
        self.files = Files(self.world)
        self.uploads = Uploads(self.world, self.files)
        self.batches = Batches(self.world)
        self.models = Models(self.world)

    def future(self, now: int) -> Future:
        """What time alone will still change: objects, and how much a client may ask for."""
        limits, future = self.world.dialect.limits, self.world.future(now)
        released = 0 if limits.enqueued_tokens is None else limits.enqueued_release * SECOND
        return future._replace(
            settles=max(
                future.settles + released,
                self.files.uploads.frees(limits.uploads_per_minute),
                self.batches.creations.frees(limits.creates_per_hour),
            )
        )

    def save(self) -> Saved:
        """All that is remembered, to be restored."""
        with self.world.lock:
            uploads, creations = self.files.uploads.copy(), self.batches.creations.copy()
            return Saved(self.world.save(), uploads, creations, self.batches.quota.copy())

    def restore(self, saved: Saved) -> None:
        """Remember what was saved, and nothing of what came since. The clock is not touched."""
        with self.world.lock:
            self.world.restore(saved.world)
            self.files.uploads = saved.uploads.copy()
            self.batches.creations = saved.creations.copy()
            self.batches.quota = saved.quota.copy()
