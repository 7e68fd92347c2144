"""`batches.*`: create, list, show, cancel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from fakebatch.batch.asked import Asked, Input
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plan import Plan
from fakebatch.batch.validation import Entry
from fakebatch.dialects import ErrorCode, ErrorKind, APIError
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.scenario import Fails, Scenario
from fakebatch.service import view
from fakebatch.service.quota import Quota, Rate, Share, prompt_tokens
from fakebatch.service.shelf import BatchRecord
from fakebatch.service.view import Wire
from fakebatch.service.world import World

INPUT_PURPOSE = "batch"

T = TypeVar("T")


class Batches:
    """The batches of a provider."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.creations = Rate(3_600 * SECOND)
        self.quota = Quota(self._released)

    def create(self, asked: Asked) -> Wire:
        """Define the whole future of a batch. An unknown input file makes it fail later.

        Raises:
            APIError: its input file is none of a batch, or too many were created within the hour.
        """
        with self._world.lock:
            now = self._world.settled()
            limit = self._world.dialect.limits.creates_per_hour
            if not self.creations.allows(limit, now):
                raise APIError(ErrorKind.TOO_MANY_BATCHES, limit=limit)
            record = self._record(asked, now, self._world.scenario)
            self.keep(record)
            return view.batch_object(record, now)

    def draft(
        self, asked: Asked, *, created: int, scenario: Scenario, cancelled: int | None
    ) -> BatchRecord:
        """A batch as if it had been created, and cancelled, at such moments; `keep` makes it so."""
        with self._world.lock:
            record = self._record(asked, created, scenario)
            return replace(record, plan=replace(record.plan, cancelled=cancelled))

    def keep(self, record: BatchRecord) -> None:
        """Put a batch in place; its result files come at their moment."""
        with self._world.lock:
            self._world.batches.put(record)
            self._world.revision += 1
            self._world.readers[record.plan.input.asked.input_file_id].append(record.id)
            self._world.await_end(record, record.plan.validated)

    def list(self, *, limit: int, after: str | None) -> Wire:
        """A page of batches, newest first."""
        with self._world.lock:
            now = self._world.clock()
            try:
                found, has_more = self._world.batches.page(now, after=after, limit=limit)
            except KeyError:
                raise APIError(ErrorKind.NO_SUCH_BATCH, id=after) from None
            data = [view.batch_object(one, now) for one in found]
            return view.page(data, self._world.dialect.batches_list, has_more=has_more)

    def retrieve(self, id_: str) -> Wire:
        """A batch as it is now."""
        with self._world.lock:
            now = self._world.clock()
            return view.batch_object(self._find(id_, now), now)

    def written(self, id_: str, write: Callable[[Wire], T]) -> T:
        """A batch as it is now, written; what was written last, while nothing about it changes."""
        with self._world.lock:
            now = self._world.clock()
            return view.made_of_batch(self._find(id_, now), now, write)

    def cancel(self, id_: str) -> Wire:
        """Begin to cancel; where that is done already, and the dialect minds not, nothing changes.

        Raises:
            APIError: its status does not allow it.
        """
        with self._world.lock:
            now = self._world.clock()
            record = self._find(id_, now)
            status = record.plan.status(now)
            if status not in self._world.dialect.cancels:
                raise APIError(ErrorKind.CANNOT_CANCEL, status=status)
            if status not in (Status.CANCELLING, Status.CANCELLED):
                record = replace(record, plan=replace(record.plan, cancelled=now))
                self._world.batches.put(record)
                self._world.revision += 1
                self._world.await_end(record, record.plan.timeline.end.at)
            return view.batch_object(record, now)

    def has(self, id_: str) -> bool:
        """Whether there is such a batch now."""
        with self._world.lock:
            return self._world.batches.get(id_, self._world.clock()) is not None

    def record(self, id_: str) -> BatchRecord:
        """A batch with its plan."""
        with self._world.lock:
            return self._find(id_, self._world.clock())

    def known(self) -> Iterator[BatchRecord]:
        """Every batch there is now, oldest first."""
        with self._world.lock:
            return iter([*self._world.batches.all(self._world.clock())])

    def _record(self, asked: Asked, now: int, scenario: Scenario) -> BatchRecord:
        world = self._world
        number = world.next()
        ids = world.dialect.ids
        id_ = world.mint.made(ids.batch, now, number)
        mint = Mint(world.mint.digest("batch", number, size=32))
        content = self._content(asked.input_file_id, now, scenario)
        future = Input(
            content,
            asked,
            scenario,
            world.dialect,
            world.batch_models,
            mint,
            _flaw(asked, world),
            number=len(world.batches) + 1,
            earlier=self._earlier(),
        )
        output_id, error_id = (
            mint.made(form or ids.file, now, kind)
            for form, kind in ((ids.output, "output"), (ids.errors, "errors"))
        )
        plan = self._within_quota(Plan(id_, now, future))
        return BatchRecord(id_, plan, output_id, error_id, number)

    def _content(self, file_id: str, now: int, scenario: Scenario) -> bytes | None:
        """The input, if it is there until it is validated."""
        world = self._world
        given = world.files.get(file_id, now)
        if given is None and world.dialect.refuses_missing_input:
            raise APIError(ErrorKind.NO_SUCH_INPUT, id=file_id)
        if given is None:
            return None
        if given.purpose != INPUT_PURPOSE:
            raise APIError(ErrorKind.WRONG_PURPOSE, id=file_id, purpose=given.purpose)
        if not view.is_ready(given, world.dialect, now):
            status = view.file_status(given, world.dialect, now)
            raise APIError(ErrorKind.FILE_NOT_READY, id=file_id, status=status)
        needed = now + scenario.schedule.validating
        return bytes(given.load()) if given.expires is None or needed < given.expires else None

    def _earlier(self) -> Mapping[str, int]:
        """In how many batches each custom_id was, if there are lines that heal."""
        rules = self._world.scenario.rules
        if not any(isinstance(rule.outcome, Fails) and rule.outcome.times for rule in rules):
            return {}
        good = (one.plan.input for one in self._world.batches.ever() if not one.plan.input.fails)
        return Counter(
            lines.request(index).custom_id or ""
            for lines in (one.lines for one in good)
            for index in range(len(lines))
        )

    def _within_quota(self, plan: Plan) -> Plan:
        """The plan, or one that fails because too many tokens of its model wait already."""
        limit = self._world.dialect.limits.enqueued_tokens
        if limit is None or plan.input.judged.fails:
            return plan
        judged = plan.input.judged
        share = Share(plan.id, judged.model or "", prompt_tokens(judged))
        if self.quota.enqueue(share, limit, plan.created):
            return plan
        refused = Entry(ErrorCode.OVER_QUOTA, {"model": share.model, "limit": limit})
        return replace(plan, input=replace(plan.input, refused=refused))

    def _released(self, id_: str) -> int:
        world = self._world
        record = world.batches.get(id_, world.clock())
        if record is None:  # a draft that was not kept
            return 0
        return record.plan.timeline.end.at + world.dialect.limits.enqueued_release * SECOND

    def _find(self, id_: str, now: int) -> BatchRecord:
        record = self._world.batches.get(id_, now)
        if record is None:
            raise APIError(ErrorKind.NO_SUCH_BATCH, id=id_)
        return record


def _flaw(asked: Asked, world: World) -> Entry | None:
    window = world.dialect.window
    if window.allows(asked.window):
        return None
    return Entry(ErrorCode.BAD_WINDOW, {"value": asked.window, "known": window.known})
