"""One provider: its state, and the calls that change it. The caller passes the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.input_file import REQUIRED_PARAMS, model_exists
from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.batch.matching import RuleMatcher
from fakebatch.batch.responding import LineResponse, respond
from fakebatch.bodies import judge_of
from fakebatch.dialects import APIError, Dialect, ErrorKind
from fakebatch.durations import SECOND
from fakebatch.ids import IdFactory
from fakebatch.request_lines import RequestLine
from fakebatch.service.batches import Batches
from fakebatch.service.files import Files, Uploads, settles_after
from fakebatch.service.records import FileRecord
from fakebatch.service.state import State

__all__ = ["Future", "Service", "State", "existing_batches", "existing_files"]


class Future(NamedTuple):
    """The changes to come if no client makes another call. Moments in microseconds."""

    settles: int
    """The last change, except for files that expire."""
    expires: int
    """When the last file expires."""
    longest_window: int
    """The longest completion window of the batches that have not ended, in microseconds."""


def existing_files(services: Sequence[Service], now: int) -> Iterator[FileRecord]:
    """The files that exist now, provider by provider, oldest first."""
    for service in services:
        service.state.settle(now)
        yield from service.state.files.existing(now)


def existing_batches(services: Sequence[Service], now: int) -> Iterator[Batch]:
    """The batches that exist now, provider by provider, oldest first."""
    for service in services:
        yield from service.state.batches.existing(now)


class Service:
    """One provider. Thread-safe.

    Args:
        dialect: the provider.
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

    def respond(self, endpoint: str, body: Mapping[str, Any], now: int) -> LineResponse:
        """The response to a direct call, which is that to a line of a batch.

        Raises:
            APIError: the model or the input is missing, or there is no such model.
        """
        state = self.state
        line = RequestLine(None, None, endpoint, body)
        if not line.model:
            raise APIError(ErrorKind.NO_MODEL)
        asks = REQUIRED_PARAMS[endpoint]
        if all(body.get(name) is None for name in asks):
            raise APIError(ErrorKind.MISSING, name=asks[0])
        self.check_model(line.model)
        id_factory = IdFactory(state.id_factory.digest("direct", state.next_number(), size=32))
        judge = judge_of(endpoint, state.dialect.body_checks)
        bad_body = None if judge is None else judge.error(body)
        outcome = RuleMatcher(state.scenario, 1, id_factory, {}).outcome(line, bad_body)
        state.hit("on", outcome.rules)
        return respond(line, outcome.result, state.dialect, id_factory, now)

    def check_model(self, model: str) -> None:
        """Check that a model exists.

        Raises:
            APIError: there is no such model.
        """
        if not model_exists(model, self.state.models):
            raise APIError(ErrorKind.NO_SUCH_MODEL, id=model)

    def models(self) -> list[str]:
        """The names of the models, sorted."""
        dialect = self.state.dialect
        offered = {*dialect.batch_models, *dialect.snapshots, *dialect.snapshots.values()}
        return sorted(self.state.models or offered)

    def future(self, now: int) -> Future:
        """The changes to come if no client makes another call: of objects and of rate limits."""
        state, dialect = self.state, self.state.dialect
        state.settle(now)
        batches, limits = [*state.batches.all()], dialect.limits
        files = [file for file in state.files.all() if file.deleted is None]
        released = 0 if limits.enqueued_tokens is None else limits.enqueued_release * SECOND
        settled = (batch.settles(now) + batch.counts_lag for batch in batches)
        windows = (
            batch.expires - batch.created for batch in batches if batch.status(now) not in TERMINAL
        )
        webhooks = (attempt.at for attempt in [*state.undelivered])
        return Future(
            settles=max(
                max([0, *webhooks, *settled, *map(self._settles, files)]) + released,
                state.file_creations.frees(limits.uploads_per_minute),
                state.batch_creations.frees(limits.creates_per_hour),
            ),
            expires=max((file.expires or 0 for file in files), default=0),
            longest_window=max(windows, default=0),
        )

    def changes(self, start: int, end: int) -> bool:
        """Whether a client could see a difference between two moments in the past."""
        self.state.settle(end)
        return any(
            (batch.status(start), batch.counts(start)) != (batch.status(end), batch.counts(end))
            for batch in self.state.batches.all()
        ) or any(
            start < at <= end
            for file in self.state.files.all()
            for at in (self._settles(file), file.expires or 0)
        )

    def _settles(self, file: FileRecord) -> int:
        """When a file can be found and has its last status."""
        if file.purpose == self.state.dialect.results_purpose:
            return file.created + file.overrides.found_after
        return file.created + settles_after(file.overrides, self.state.dialect)
