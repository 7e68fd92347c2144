"""The operations: the only reader of the clock and the only writer of the store."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from threading import RLock
from typing import Any

from fakebatch import view
from fakebatch.answering import Answered, answer
from fakebatch.dialects import Dialect, Reason, Refusal
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.input_file import RequestLine, is_plausible_model, looks_like_jsonl
from fakebatch.lifecycle import TERMINAL, Status
from fakebatch.plan import Asked, Input, Plan
from fakebatch.result_files import has_errors, has_output
from fakebatch.scenario import Scenario
from fakebatch.store import BatchRecord, FileRecord, Shelf
from fakebatch.view import Wire

HOUR = 3_600 * SECOND
RESULTS_PURPOSE = "batch_output"


class Service:
    """One provider's files and batches. Thread-safe: operations happen one after the other."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        clock: Callable[[], int],
        seed: bytes,
        models: frozenset[str] | None = None,
    ) -> None:
        self.dialect = dialect
        self.clock = clock
        self.scenario = Scenario()
        self.models = models
        self.files: Shelf[FileRecord] = Shelf()
        self.batches: Shelf[BatchRecord] = Shelf()
        self.lock = RLock()
        self._mint = Mint(seed)
        self._minted = 0
        self._using: dict[str, list[str]] = defaultdict(list)
        self._unsettled: list[tuple[int, str]] = []
        self._creations: deque[int] = deque()

    # files

    def create_file(
        self, *, purpose: str, filename: str, content: bytes, expires_after: int | None = None
    ) -> Wire:
        """Keep an upload. Of batch input only the length and the first line are looked at."""
        self._check_upload(purpose, content)
        with self.lock:
            now = self.clock()
            record = FileRecord(
                id=self._mint.file(self._next()),
                purpose=purpose,
                filename=filename,
                created=now,
                expires=self._expiry(now, purpose, expires_after),
                load=lambda: content,
            )
            self.files.put(record)
            return view.file_object(record)

    def list_files(self, *, purpose: str | None, limit: int, order: str, after: str | None) -> Wire:
        """A page of files, newest first unless `order` is "asc"."""
        with self.lock:
            now = self._settle()
            try:
                found, has_more = self.files.page(
                    now,
                    after=after,
                    limit=limit,
                    newest_first=order == "desc",
                    where=lambda record: purpose in (None, record.purpose),
                )
            except KeyError:
                raise Refusal(Reason.NO_SUCH_FILE, id=after) from None
            return view.page([view.file_object(record) for record in found], has_more=has_more)

    def retrieve_file(self, id_: str) -> Wire:
        """A file's object."""
        with self.lock:
            return view.file_object(self._file(id_, self._settle()))

    def delete_file(self, id_: str) -> Wire:
        """Delete a file. A batch that still validates it will fail."""
        with self.lock:
            now = self._settle()
            self.files.put(replace(self._file(id_, now), deleted=now))
            for batch_id in self._using[id_]:
                self._lose_input(batch_id, now)
            return view.deleted_file(id_)

    def file_content(self, id_: str) -> tuple[str, bytes]:
        """A file's name and its bytes: the same at every download."""
        with self.lock:
            record = self._file(id_, self._settle())
            return record.filename, record.load()

    # batches

    def create_batch(self, asked: Asked) -> Wire:
        """Define the whole future of a batch. An unknown input file makes it fail later."""
        with self.lock:
            now = self.clock()
            self._count_creation(now)
            number = self._next()
            id_ = self._mint.stamped("batch_", now, number)
            mint = Mint(self._mint.digest("batch", number, size=32))
            given = self.files.get(asked.input_file_id, now)
            content = None if given is None else given.load()
            future = Input(content, asked, self.scenario, self.dialect, self.models, mint)
            record = BatchRecord(
                id_, Plan(id_, now, future), mint.file("output"), mint.file("error")
            )
            self.batches.put(record)
            self._using[asked.input_file_id].append(id_)
            heappush(self._unsettled, (record.plan.validated, id_))
            return view.batch_object(record, now)

    def list_batches(self, *, limit: int, after: str | None) -> Wire:
        """A page of batches, newest first."""
        with self.lock:
            now = self.clock()
            try:
                found, has_more = self.batches.page(now, after=after, limit=limit)
            except KeyError:
                raise Refusal(Reason.NO_SUCH_BATCH, id=after) from None
            return view.page([view.batch_object(one, now) for one in found], has_more=has_more)

    def retrieve_batch(self, id_: str) -> Wire:
        """A batch as it is now."""
        with self.lock:
            now = self.clock()
            return view.batch_object(self._batch(id_, now), now)

    def cancel_batch(self, id_: str) -> Wire:
        """Begin to cancel. Of a batch that is cancelled already, its object (observed)."""
        with self.lock:
            now = self.clock()
            record = self._batch(id_, now)
            status = record.plan.status(now)
            if status not in (Status.CANCELLING, Status.CANCELLED):
                if status in TERMINAL:
                    raise Refusal(Reason.CANNOT_CANCEL, status=status)
                record = self._replan(record, replace(record.plan, cancelled=now))
            return view.batch_object(record, now)

    # for whoever looks on

    def known_files(self) -> Iterator[FileRecord]:
        """Every file there is now, oldest first."""
        with self.lock:
            return iter(list(self.files.all(self._settle())))

    def known_batches(self) -> Iterator[BatchRecord]:
        """Every batch there is now, oldest first."""
        with self.lock:
            return iter(list(self.batches.all(self.clock())))

    # beside them

    def ask(self, endpoint: str, body: Mapping[str, Any]) -> Answered:
        """A direct call to a model: what a line of a batch with this body would get."""
        with self.lock:
            line = RequestLine(None, None, endpoint, body)
            if not line.model:
                raise Refusal(Reason.NO_MODEL)
            if not self._knows(line.model):
                raise Refusal(Reason.NO_SUCH_MODEL, id=line.model)
            mint = Mint(self._mint.digest("direct", self._next(), size=32))
            return answer(line, self.scenario, self.dialect, mint, self.clock())

    def list_models(self) -> Wire:
        """The models known by name."""
        known = self.models or {*self.dialect.snapshots, *self.dialect.snapshots.values()}
        return {"object": "list", "data": [view.model_object(name) for name in sorted(known)]}

    def retrieve_model(self, id_: str) -> Wire:
        """A model's object."""
        if not self._knows(id_):
            raise Refusal(Reason.NO_SUCH_MODEL, id=id_)
        return view.model_object(id_)

    def _knows(self, model: str) -> bool:
        return is_plausible_model(model) if self.models is None else model in self.models

    def _check_upload(self, purpose: str, content: bytes) -> None:
        if purpose not in self.dialect.purposes:
            raise Refusal(Reason.BAD_PURPOSE, value=purpose, known=list(self.dialect.purposes))
        if len(content) > self.dialect.limits.file_bytes:
            raise Refusal(Reason.FILE_TOO_LARGE)
        if purpose == "batch" and not looks_like_jsonl(content):
            raise Refusal(Reason.NOT_JSONL)

    def _next(self) -> int:
        self._minted += 1
        return self._minted

    def _expiry(self, now: int, purpose: str, after: int | None) -> int | None:
        if after is not None:
            return now + after * SECOND
        return now + self.dialect.pace.keeps_batch_files if purpose == "batch" else None

    def _file(self, id_: str, now: int) -> FileRecord:
        record = self.files.get(id_, now)
        if record is None:
            raise Refusal(Reason.NO_SUCH_FILE, id=id_)
        return record

    def _batch(self, id_: str, now: int) -> BatchRecord:
        record = self.batches.get(id_, now)
        if record is None:
            raise Refusal(Reason.NO_SUCH_BATCH, id=id_)
        return record

    def _count_creation(self, now: int) -> None:
        limit = self.dialect.limits.creates_per_hour
        while self._creations and self._creations[0] <= now - HOUR:
            self._creations.popleft()
        if len(self._creations) >= limit:
            raise Refusal(Reason.TOO_MANY_BATCHES, limit=limit)
        self._creations.append(now)

    def _lose_input(self, batch_id: str, now: int) -> None:
        record = self._batch(batch_id, now)
        if record.plan.status(now) is Status.VALIDATING:
            self._replan(record, record.plan.without_input())

    def _replan(self, record: BatchRecord, plan: Plan) -> BatchRecord:
        """The same past, another future: only a caller's act does this."""
        successor = replace(record, plan=plan)
        self.batches.put(successor)
        heappush(self._unsettled, (plan.timeline.end.at, record.id))
        return successor

    def _settle(self) -> int:
        """Put the files of batches that have ended by now on their shelf; what time it is.

        Nothing that could be seen changes: a file appears at its moment, whenever this runs.
        """
        now = self.clock()
        while self._unsettled and self._unsettled[0][0] <= now:
            _, id_ = heappop(self._unsettled)
            record = self._batch(id_, now)
            end = record.plan.timeline.end.at
            if end > now:
                heappush(self._unsettled, (end, id_))
            else:
                self._keep_results(record, end)
        return now

    def _keep_results(self, record: BatchRecord, end: int) -> None:
        if has_output(record.plan):
            self._keep(record, end, record.output_file_id, "output", lambda: record.results.output)
        if has_errors(record.plan):
            self._keep(record, end, record.error_file_id, "error", lambda: record.results.errors)

    def _keep(
        self, record: BatchRecord, end: int, id_: str, kind: str, load: Callable[[], bytes]
    ) -> None:
        seconds = record.plan.input.asked.output_expires_after
        lives = self.dialect.pace.keeps_batch_files if seconds is None else seconds * SECOND
        name = f"{record.id}_{kind}.jsonl"
        if id_ not in self.files:
            self.files.put(FileRecord(id_, RESULTS_PURPOSE, name, end, end + lives, load))
