"""State: everything that changes at one provider, as one value. A snapshot is a copy of it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any, Generic, TypeVar

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER, TERMINAL
from fakebatch.batch.output_file import ResultFile, without_files
from fakebatch.dialects import APIError, Dialect, ErrorKind
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.ids import IdFactory
from fakebatch.rules.rule import NOT_DATA, callables
from fakebatch.rules.scenario import Place, Scenario
from fakebatch.service.records import (
    Attempt,
    FileRecord,
    TokenShare,
    UploadRecord,
    result_records,
)

Position = tuple[int, int, int, str]
"""The sort key of a listing: `created`, `number`, how many records were stored before, id."""

RecordT = TypeVar("RecordT", FileRecord, Batch, UploadRecord)


class Store(Generic[RecordT]):
    """Records by id, ordered by creation. A deleted one keeps its place, so that `after` finds it.

    Writers hold the lock of the state. Readers do not: to know whether a batch exists, all of its
    lines may have to be validated.

    Args:
        missing: the error for an id that does not exist.
    """

    def __init__(self, missing: ErrorKind) -> None:
        self._missing = missing
        self._records: dict[str, RecordT] = {}
        self._positions: dict[str, Position] = {}
        self._order: list[Position] = []

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._records

    def copy(self) -> Store[RecordT]:
        """A store with the same records."""
        other = Store[RecordT](self._missing)
        other._records, other._positions = self._records.copy(), self._positions.copy()
        other._order = self._order.copy()
        return other

    def put(self, record: RecordT) -> None:
        """Store a record; it replaces one with the same id."""
        is_new = record.id not in self._records
        self._records[record.id] = record
        if is_new:
            position = (record.created, record.number, len(self._records), record.id)
            self._positions[record.id] = position
            insort(self._order, position)

    def current(self, id_: str) -> RecordT | None:
        """The record with this id, whether a client can see it or not."""
        return self._records.get(id_)

    def get(self, id_: str, now: int) -> RecordT | None:
        """The record with this id if a client can see it at `now`, else None."""
        record = self._records.get(id_)
        return record if record is not None and record.exists(now) else None

    def retrieve(self, id_: str, now: int) -> RecordT:
        """The record with this id.

        Raises:
            APIError: there is none that a client can see at `now`.
        """
        record = self.get(id_, now)
        if record is None:
            raise APIError(self._missing, id=id_)
        return record

    def all(self, *, newest_first: bool = False) -> Iterator[RecordT]:
        """Every record, oldest first or newest, whether a client can see it or not."""
        order = self._order.copy()
        return (self._records[id_] for *_, id_ in (reversed(order) if newest_first else order))

    def existing(self, now: int, *, newest_first: bool = False) -> Iterator[RecordT]:
        """Every record that a client can see at `now`, oldest first or newest."""
        return (record for record in self.all(newest_first=newest_first) if record.exists(now))

    def page(
        self,
        now: int,
        *,
        after: str | None,
        limit: int,
        newest_first: bool = True,
        where: Callable[[RecordT], bool] = lambda _: True,
    ) -> tuple[list[RecordT], bool]:
        """One page of a listing: at most `limit` records after the id `after`, and `has_more`.

        Raises:
            APIError: no record has had the id `after`.
        """
        if after is not None and after not in self._positions:
            raise APIError(self._missing, id=after)
        order = self._order.copy()
        place = None if after is None else bisect_left(order, self._positions[after])
        if newest_first:
            order = order[:place]
            order.reverse()
        elif place is not None:
            order = order[place + 1 :]
        page: list[RecordT] = []
        for *_, id_ in order:
            record = self._records[id_]
            if record.exists(now) and where(record):
                if len(page) == limit:
                    return page, limit > 0  # a page of none is the last (observed)
                page.append(record)
        return page, False


@dataclass(slots=True)
class Rate:
    """A rate limit: at most so many calls within any `per` microseconds."""

    per: int
    calls: deque[int] = field(default_factory=deque[int])
    """The moments of the calls that were allowed within the last `per` microseconds."""

    def allows(self, limit: int | None, now: int) -> bool:
        """Whether a call is within the limit; if so it is counted."""
        while self.calls and self.calls[0] <= now - self.per:
            self.calls.popleft()
        if limit is not None and len(self.calls) >= limit:
            return False
        self.calls.append(now)
        return True

    def frees(self, limit: int | None) -> int:
        """When the calls so far no longer count; 0 if another call is allowed now."""
        return 0 if limit is None or len(self.calls) < limit else self.calls[-1] + self.per

    def copy(self) -> Rate:
        """A copy that counts separately."""
        return Rate(self.per, self.calls.copy())


class State:
    """Files, batches, uploads, counters and rules of one provider.

    Records are immutable values. Everything else here has a method `copy`, so that a copy of the
    state is cheap and can be pickled.

    Hold `lock` only for a change. Compute before what the change needs to know of lines or replies:
    callables of the test may be involved, and they may call the API.

    Args:
        dialect: the provider, without the limits of a scenario.
        seed: decides every id and shuffle.
        models: the models that exist; None: every plausible name does.
    """

    def __init__(self, dialect: Dialect, seed: bytes, models: frozenset[str] | None = None) -> None:
        self.lock = RLock()
        self.revision = 0
        """How many changes were made by calls; changes that come with time do not count."""
        self.native = dialect
        self.id_factory = IdFactory(seed)
        self.models = models
        self.dialect = dialect
        """The provider, with the limits of the scenario."""
        self._scenario = Scenario()
        self.hits = Counter[Place]()
        """How often a rule was used, by its place; rules for lines are counted by their batches."""
        self.incidental: frozenset[Place] = frozenset()
        """The rules of incidents."""
        self.files = Store[FileRecord](ErrorKind.NO_SUCH_FILE)
        self.batches = Store[Batch](ErrorKind.NO_SUCH_BATCH)
        self.uploads = Store[UploadRecord](ErrorKind.NO_SUCH_UPLOAD)
        self.batches_by_input: dict[str, tuple[str, ...]] = {}
        self.writers: dict[str, str] = {}
        """The batch that may write a file, by the id of the file."""
        self.unsettled: dict[str, int] = {}
        """The batches whose result files are not stored yet, or that can be made lighter once their
        results are written; and when to check each again."""
        self.unsettled_from = NEVER
        """The earliest of these moments."""
        self.file_creations = Rate(60 * SECOND)
        self.batch_creations = Rate(3_600 * SECOND)
        self.quota: tuple[TokenShare, ...] = ()
        """The tokens of batches that have not ended, or not long enough ago."""
        self.numbers = 0
        """The last number that `next_number` returned."""
        self.calls_made = 0
        self.uploaded = 0
        """How many files were uploaded."""
        self.unsent_events: dict[str, int] = {}
        """The batches whose webhook is still to come, and when to check each again: the end of a
        batch is not known before it is validated."""
        self.sent_events: set[str] = set()
        """The batches whose webhook was returned by `due`, or sent."""
        self.undelivered: list[Attempt] = []
        """The attempts to deliver a webhook that are still to be made."""
        self.deliveries = 0
        """How many copies of webhooks there were."""
        self.events = Counter[str]()
        """How many webhooks of each event were due."""
        self.lost_events = 0
        """How many of them a rule has lost."""
        self.calls: Any = None
        """The counts of the rules of `on_call`: a value that has `copy` and can be pickled."""

    # --- as a value

    def copy(self) -> State:
        """A copy, as a snapshot."""
        other = State(self.native, b"")
        with self.lock:
            other._copy_from(self)
        return other

    def restore(self, saved: State) -> None:
        """Go back to a copy."""
        with self.lock:
            self._copy_from(saved)
            self.revision += 1
            self.check_events()

    def _copy_from(self, other: State) -> None:
        for name, value in vars(other).items():
            if name not in ("lock", "revision"):
                copy = getattr(value, "copy", None)
                setattr(self, name, value if copy is None else copy())

    def __getstate__(self) -> dict[str, Any]:
        scenarios = (self.scenario, *(batch.scenario for batch in self.batches.all()))
        names = dict.fromkeys(name for each in scenarios for name in callables(each))
        if names:
            raise UsageError(
                f"A state cannot be pickled while its scenario holds {', '.join(names)}.",
                *NOT_DATA,
            )
        with self.lock:
            return {name: value for name, value in vars(self).items() if name != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, lock=RLock())

    # --- the scenario

    @property
    def scenario(self) -> Scenario:
        """The rules for calls, files and batches from now on."""
        return self._scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        limits: dict[str, Any] = dict(scenario.limits)
        with self.lock:
            before = dict(self._scenario.rules)
            kept = {place for place, rule in scenario.rules if before.get(place) == rule}
            self.hits = Counter({place: self.hits[place] for place in kept & self.hits.keys()})
            self.incidental &= kept
            self._scenario = scenario
            self.check_events()
            self.dialect = replace(self.native, limits=replace(self.native.limits, **limits))
            self.revision += 1

    def hit(self, family: str, indices: Iterable[int]) -> None:
        """Count one use of each of these rules of a family."""
        with self.lock:
            self.hits.update((family, index) for index in indices)

    # --- changes

    def next_number(self) -> int:
        """A number from which the id of a new object is made."""
        with self.lock:
            self.numbers += 1
            return self.numbers

    def begin_call(self) -> int:
        """Count a call. Returns its number, from 1."""
        with self.lock:
            self.calls_made += 1
            return self.calls_made

    def put_batch(self, batch: Batch, *, instead_of: Batch | None = None) -> bool:
        """Store a new batch, or replace one. False: another thread has replaced it already."""
        look = batch.validates_until  # raises before anything is stored if rules contradict
        with self.lock:
            if self.batches.current(batch.id) is not instead_of:
                return False
            self.batches.put(batch)
            self.revision += 1
            if instead_of is None:
                file = batch.params.input_file_id
                self.batches_by_input[file] = (*self.batches_by_input.get(file, ()), batch.id)
                results = batch.output_file_id, batch.error_file_id
                self.writers.update(dict.fromkeys(results, batch.id))
            self.unsettled[batch.id] = look
            self.unsettled_from = min(self.unsettled_from, look)
            if batch.id not in self.sent_events:
                self.unsent_events[batch.id] = 0
            if self.scenario.on_webhook:  # which select by the order in which batches end
                self.check_events()
            return True

    def check_events(self) -> None:
        """Compute anew when each webhook is due: `early` may differ now."""
        with self.lock:
            self.unsent_events = dict.fromkeys(self.unsent_events, 0)

    def has_file(self, id_: str) -> bool:
        """Whether a file has this id, or a batch may write one."""
        return id_ in self.files or id_ in self.writers

    def file(self, id_: str, now: int) -> FileRecord:
        """The file with this id, which may be a result file that is due by now.

        Raises:
            APIError: there is none that a client can see at `now`.
        """
        self.settle_file(id_, now)
        return self.files.retrieve(id_, now)

    def settle_file(self, id_: str, now: int) -> None:
        """Settle the batches that read this file, and the one that writes it."""
        self.settle(now, [*self.batches_by_input.get(id_, ()), self.writers.get(id_, "")])

    def settle(self, now: int, ids: Iterable[str] | None = None) -> None:
        """Store the result files of these batches, or of all, that have ended by now.

        When does not matter: a file has the `created` of the end of its batch. But it may take
        long, as their lines are judged.
        """
        if now < self.unsettled_from:
            return
        with self.lock:
            wanted = [*self.unsettled] if ids is None else ids
            due = [id_ for id_ in wanted if self.unsettled.get(id_, NEVER) <= now]
        for id_ in due:
            batch = self.batches.current(id_)
            if batch is not None and not batch.is_busy:
                self._settle(batch, now)
        if ids is None:
            with self.lock:
                self.unsettled_from = min(self.unsettled.values(), default=NEVER)

    def _settle(self, batch: Batch, now: int) -> None:
        end = batch.end if batch.exists(now) else None
        ended = end is not None and end.at <= now and end.status in TERMINAL
        files = result_records(batch) if ended else []
        with self.lock:
            if self.batches.current(batch.id) is not batch:
                return
            if end is not None and end.at > now:
                self.unsettled[batch.id] = end.at
            else:
                self.unsettled.pop(batch.id, None)
            for file in files:
                if file.id not in self.files:
                    self.files.put(file)
            if ended and batch.params.deletes_input:
                input_file = self.files.get(batch.params.input_file_id, batch.end.at)
                if input_file is not None:
                    self.files.put(replace(input_file, deleted=batch.end.at))
        if ended:
            self._lighten(batch)

    def _lighten(self, batch: Batch) -> None:
        """Replace a batch that has ended by one without the content of files that are freed."""
        ids = {"input": batch.params.input_file_id, "output": batch.output_file_id}
        ids["errors"] = batch.error_file_id
        files = {kind: self.files.current(id_) for kind, id_ in ids.items()}
        gone = {kind for kind, file in files.items() if file is not None and file.is_freed}
        light = without_files(batch, gone)
        with self.lock:
            if light is None:
                self.unsettled[batch.id] = 0
            elif light is not batch and self.batches.current(batch.id) is batch:
                self.batches.put(light)
                for file in (files["output"], files["errors"]):
                    if file is not None and isinstance(file.content, ResultFile):
                        self.files.put(replace(file, content=replace(file.content, batch=light)))
