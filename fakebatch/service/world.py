"""What the operations share: the clock, the shelves, the scenario, the lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush
from threading import RLock
from typing import Any, NamedTuple

from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.batch.result_files import Content, has_errors, has_output
from fakebatch.batch.work import NEVER
from fakebatch.dialects import Dialect
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.scenario import Keeping, Scenario
from fakebatch.service.shelf import BatchRecord, FileRecord, Shelf


class SavedWorld(NamedTuple):
    """Files, batches, and what shall happen to new ones, as they were at one moment."""

    files: Shelf[FileRecord]
    batches: Shelf[BatchRecord]
    scenario: Scenario
    minted: int
    uploaded: int
    unsettled: tuple[tuple[int, str], ...]


class Future(NamedTuple):
    """What time alone will still change. Moments in microseconds since the epoch."""

    settles: int
    """From when on nothing changes any more, but for files that expire."""
    expires: int
    """When the last file expires."""
    longest_window: int
    """The longest completion window among the batches that have not ended, in microseconds."""


class World:
    """The state of one provider. Whoever reads or writes it holds `lock`, or is `with` it."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        clock: Callable[[], int],
        seed: bytes,
        models: frozenset[str] | None,
    ) -> None:
        self._native = dialect
        self._clock = clock
        self.revision = 0
        """How often a caller has changed something: what time alone changes does not count."""
        self.models = models
        self.uploaded = 0
        """How many files were uploaded so far."""
        self.used: set[int] = set()
        """The rules, by identity, that a batch, an upload or a direct call has met so far."""
        self.scenario = Scenario()
        self.lock = RLock()
        self.mint = Mint(seed)
        self.files: Shelf[FileRecord] = Shelf()
        self.batches: Shelf[BatchRecord] = Shelf()
        self.readers: defaultdict[str, list[str]] = defaultdict(list)
        """The batches of each input file, by their ids."""
        self.untold: list[str] = []
        """Batches whose end became known or changed since the webhooks last looked."""
        self.in_transit = 0
        """Webhooks of batches that have ended which will still come."""
        self._moment: int | None = None
        self._before: list[int | None] = []
        self._minted = 0
        self._unsettled: list[tuple[int, str]] = []

    def __enter__(self) -> int:
        """Begin a call: what it does happens at one moment, and no other call comes between."""
        self.lock.acquire()
        self._before.append(self._moment)  # a callable of the test may call in its turn
        self._moment = now = self._clock()
        return now

    def __exit__(self, *_: object) -> None:
        self._moment = self._before.pop()
        self.lock.release()

    def clock(self) -> int:
        """What time it is, in microseconds since the epoch."""
        moment = self._moment  # others may look without the lock
        return self._clock() if moment is None else moment

    @property
    def scenario(self) -> Scenario:
        """What shall happen from now on."""
        return self._scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.revision += 1
        limits: dict[str, Any] = dict(scenario.limits)
        self.dialect = replace(self._native, limits=replace(self._native.limits, **limits))

    @property
    def batch_models(self) -> frozenset[str] | None:
        """The models that a batch may ask; None: every plausible name."""
        if self.models is not None:
            return self.models
        return frozenset(self.dialect.batch_models) or None

    def next(self) -> int:
        """A number that no other id was made of."""
        self._minted += 1
        return self._minted

    def save(self) -> SavedWorld:
        """All that is remembered. Records never change, so that copies of the shelves will do."""
        with self.lock:
            return SavedWorld(
                self.files.copy(),
                self.batches.copy(),
                self.scenario,
                self._minted,
                self.uploaded,
                tuple(self._unsettled),
            )

    def restore(self, saved: SavedWorld) -> None:
        """Remember what was saved, and nothing of what came since. The clock is not touched."""
        with self.lock:
            self.files, self.batches = saved.files.copy(), saved.batches.copy()
            self.scenario, self._minted = saved.scenario, saved.minted
            self.uploaded = saved.uploaded
            self.revision += 1
            self._unsettled = [*saved.unsettled]

    def await_end(self, record: BatchRecord, at: int) -> None:
        """Look at a batch again at `at`: its files may be there then."""
        heappush(self._unsettled, (at, record.id))
        self.untold.append(record.id)

    def future(self, now: int) -> Future:
        """What time alone will still change, as far as is known at `now`."""
        with self.lock:
            self._settled(now)
            batches = [*self.batches.ever()]
            files = [file for file in self.files.ever() if file.deleted is None]
            settled = (
                batch.plan.settles(now) + (batch.plan.input.life.counts_lag or 0)
                for batch in batches
            )
            windows = (
                batch.plan.expires - batch.plan.created
                for batch in batches
                if batch.plan.status(now) not in TERMINAL
            )
            return Future(
                settles=max(
                    now + 1 if self.in_transit else 0,
                    max(settled, default=0),
                    max(map(self._is_there, files), default=0),
                ),
                expires=max((file.expires or 0 for file in files), default=0),
                longest_window=max(windows, default=0),
            )

    def changes(self, start: int, end: int) -> bool:
        """Whether a client could see a difference between two moments, both past."""
        with self.lock:
            self._settled(end)
            return any(
                batch.plan.phase(start) != batch.plan.phase(end) for batch in self.batches.ever()
            ) or any(
                start < at <= end
                for file in self.files.ever()
                for at in (self._is_there(file), file.expires or 0)
            )

    def _is_there(self, file: FileRecord) -> int:
        """When a file can be found and has the last of its statuses."""
        statuses = self.dialect.files.statuses.values()
        ready = 0 if file.purpose == self.dialect.results_purpose else max(statuses) * SECOND
        return file.created + max(file.keeping.hidden or 0, file.keeping.pending or 0, ready)

    def settled(self) -> int:
        """What time it is, once the files of batches that have ended by now are on their shelf.

        Nothing that could be seen changes: a file appears at its moment, whenever this runs.
        """
        return self._settled(self.clock())

    def _settled(self, now: int) -> int:
        while self._unsettled and self._unsettled[0][0] <= now:
            _, id_ = heappop(self._unsettled)
            record = self.batches.get(id_, now)
            if record is not None:
                self._settle(record, now)
        return now

    def _settle(self, record: BatchRecord, now: int) -> None:
        end = record.plan.timeline.end
        if end.at > now:
            heappush(self._unsettled, (end.at, record.id))
        elif end.status in TERMINAL:
            self._write(record)
        else:
            heappush(self._unsettled, (NEVER, record.id))

    def _write(self, record: BatchRecord) -> None:
        asked, end = record.plan.input.asked, record.plan.timeline.end.at
        given = self.files.get(asked.input_file_id, end) if asked.deletes_input else None
        if given is not None:
            self.files.put(replace(given, deleted=end))
        if has_output(record.plan):
            self._keep(record, record.output_file_id, "output", lambda: record.results.succeeded)
        if has_errors(record.plan):
            self._keep(record, record.error_file_id, "error", lambda: record.results.errors)

    def _keep(self, record: BatchRecord, id_: str, kind: str, load: Callable[[], Content]) -> None:
        if id_ in self.files:
            return
        seconds = record.plan.input.asked.output_expires_after
        lives = self.dialect.pace.keeps_batch_files if seconds is None else seconds * SECOND
        end = record.plan.timeline.end.at
        expires = None if lives is None else end + lives
        name = f"{record.id}_{kind}.jsonl"
        keeping = Keeping(hidden=record.plan.input.life.files_late)
        self.files.put(
            FileRecord(
                id_,
                self.dialect.results_purpose,
                name,
                end,
                expires,
                load,
                number=record.number,
                keeping=keeping,
            )
        )
