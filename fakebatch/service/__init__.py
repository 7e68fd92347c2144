"""The operations of one provider, named as the SDK names them. Each is told what time it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.dialects import Dialect
from fakebatch.durations import SECOND
from fakebatch.service.batches import Batches
from fakebatch.service.files import Files
from fakebatch.service.models import Models
from fakebatch.service.state import State
from fakebatch.service.store import FileRecord
from fakebatch.service.uploads import Uploads

__all__ = ["Future", "Service", "State", "known_batches", "known_files"]


class Future(NamedTuple):
    """What time alone will still change. Moments in microseconds since the epoch."""

    settles: int
    """From when on nothing changes any more, but for files that expire."""
    expires: int
    """When the last file expires."""
    longest_window: int
    """The longest completion window among the batches that have not ended, in microseconds."""


def known_files(services: Sequence[Service], now: int) -> Iterator[FileRecord]:
    """Every file there is now at any of these providers, oldest first at each."""
    return chain.from_iterable(service.files.known(now) for service in services)


def known_batches(services: Sequence[Service], now: int) -> Iterator[Batch]:
    """Every batch, likewise."""
    return chain.from_iterable(service.batches.known(now) for service in services)


class Service:
    """One provider. Thread-safe.

    Args:
        dialect: what the provider says and allows.
        seed: decides every id and shuffle.
        models: the models that exist; None: every plausible name does.
    """

    def __init__(
        self, dialect: Dialect, *, seed: bytes, models: frozenset[str] | None = None
    ) -> None:
        self.state = State(dialect, seed, models)
        self.files = Files(self.state)
        self.uploads = Uploads(self.state, self.files)
        self.batches = Batches(self.state)
        self.models = Models(self.state)

    @property
    def dialect(self) -> Dialect:
        """What the provider says and allows, with the limits of the scenario."""
        return self.state.dialect

    def future(self, now: int) -> Future:
        """What time alone will still change: objects, and how much a client may ask for."""
        state, limits = self.state, self.dialect.limits
        state.settle(now)
        batches = [*state.batches.ever()]
        files = [file for file in state.files.ever() if file.deleted is None]
        released = 0 if limits.enqueued_tokens is None else limits.enqueued_release * SECOND
        settled = (batch.settles(now) + batch.counts_lag for batch in batches)
        there = (file_is_there(file, self.dialect) for file in files)
        windows = (
            batch.expires - batch.created for batch in batches if batch.status(now) not in TERMINAL
        )
        webhooks = max((attempt.at for attempt in [*state.undelivered]), default=0)
        return Future(
            settles=max(
                max(webhooks, *settled, *there, 0) + released,
                state.file_creations.frees(limits.uploads_per_minute),
                state.batch_creations.frees(limits.creates_per_hour),
            ),
            expires=max((file.expires or 0 for file in files), default=0),
            longest_window=max(windows, default=0),
        )

    def changes(self, start: int, end: int) -> bool:
        """Whether a client could see a difference between two moments, both past."""
        self.state.settle(end)
        return any(
            (batch.status(start), batch.counts(start)) != (batch.status(end), batch.counts(end))
            for batch in self.state.batches.ever()
        ) or any(
            start < at <= end
            for file in self.state.files.ever()
            for at in (file_is_there(file, self.dialect), file.expires or 0)
        )

    def snapshot(self) -> State:
        """All that is remembered, to be restored."""
        return self.state.copy()

    def restore(self, saved: State) -> None:
        """Remember what was saved, and nothing of what came since. No clock is touched."""
        self.state.restore(saved)


def file_is_there(file: FileRecord, dialect: Dialect) -> int:
    """When a file can be found and has the last of its statuses."""
    statuses = dialect.files.statuses.values()
    ready = 0 if file.purpose == dialect.results_purpose else max(statuses) * SECOND
    return file.created + max(file.overrides.found_after, file.overrides.ready_after, ready)
