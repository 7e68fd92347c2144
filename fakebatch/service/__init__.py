"""One provider: its state, and the calls that change it. Each is handed the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.input_file import REQUIRED_PARAMS, is_plausible_model
from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.batch.matching import RuleMatcher
from fakebatch.batch.responding import LineResponse, respond
from fakebatch.dialects import APIError, Dialect, ErrorKind
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.service.batches import Batches
from fakebatch.service.files import Files, Uploads
from fakebatch.service.records import FileRecord
from fakebatch.service.state import State

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
    for service in services:
        service.state.settle(now)
        yield from service.state.files.all(now)


def known_batches(services: Sequence[Service], now: int) -> Iterator[Batch]:
    """Every batch, likewise."""
    for service in services:
        yield from service.state.batches.all(now)


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

    @property
    def dialect(self) -> Dialect:
        """What the provider says and allows, with the limits of the scenario."""
        return self.state.dialect

    def respond(self, endpoint: str, body: Mapping[str, Any], now: int) -> LineResponse:
        """What a model answers to a direct call: the same as to a line of a batch.

        Raises:
            APIError: the call names no model or one that does not exist, or asks nothing.
        """
        state = self.state
        line = RequestLine(None, None, endpoint, body)
        if not line.model:
            raise APIError(ErrorKind.NO_MODEL)
        asks = REQUIRED_PARAMS[endpoint]
        if all(body.get(name) is None for name in asks):
            raise APIError(ErrorKind.MISSING, name=asks[0])
        self.check_model(line.model)
        mint = Mint(state.mint.digest("direct", state.next_number(), size=32))
        outcome = RuleMatcher(state.scenario, 1, mint).outcome(line)
        state.hit("on", outcome.rules)
        return respond(line, outcome.result, state.dialect, mint, now)

    def check_model(self, model: str) -> None:
        """Refuse a model that does not exist.

        Raises:
            APIError: there is no such model.
        """
        models = self.state.models
        if not (is_plausible_model(model) if models is None else model in models):
            raise APIError(ErrorKind.NO_SUCH_MODEL, id=model)

    def models(self) -> list[str]:
        """The models known by name, sorted."""
        dialect = self.dialect
        offered = {*dialect.batch_models, *dialect.snapshots, *dialect.snapshots.values()}
        return sorted(self.state.models or offered)

    def future(self, now: int) -> Future:
        """What time alone will still change: objects, and how much a client may ask for."""
        state, dialect = self.state, self.dialect
        state.settle(now)
        batches, limits = [*state.batches.ever()], dialect.limits
        files = [file for file in state.files.ever() if file.deleted is None]
        released = 0 if limits.enqueued_tokens is None else limits.enqueued_release * SECOND
        settled = (batch.settles(now) + batch.counts_lag for batch in batches)
        windows = (
            batch.expires - batch.created for batch in batches if batch.status(now) not in TERMINAL
        )
        webhooks = max((attempt.at for attempt in [*state.undelivered]), default=0)
        return Future(
            settles=max(
                max(webhooks, *settled, *(file.settles(dialect) for file in files), 0) + released,
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
            for at in (file.settles(self.dialect), file.expires or 0)
        )
