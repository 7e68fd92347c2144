"""`batches.*`: create, list, show, cancel."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from fakebatch.batch.lifecycle import TERMINAL, Status
from fakebatch.batch.plan import Asked, Input, Plan
from fakebatch.dialects import Reason, Refusal
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.service import view
from fakebatch.service.shelf import BatchRecord
from fakebatch.service.view import Wire
from fakebatch.service.world import World

HOUR = 3_600 * SECOND


class Batches:
    """The batches of a provider."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._creations: deque[int] = deque()

    def create(self, asked: Asked) -> Wire:
        """Define the whole future of a batch. An unknown input file makes it fail later.

        Raises:
            Refusal: too many were created within the hour.
        """
        with self._world.lock:
            now = self._world.clock()
            self._count_creation(now)
            record = self._record(asked, now)
            self._world.batches.put(record)
            self._world.await_end(record, record.plan.validated)
            return view.batch_object(record, now)

    def list(self, *, limit: int, after: str | None) -> Wire:
        """A page of batches, newest first."""
        with self._world.lock:
            now = self._world.clock()
            try:
                found, has_more = self._world.batches.page(now, after=after, limit=limit)
            except KeyError:
                raise Refusal(Reason.NO_SUCH_BATCH, id=after) from None
            return view.page([view.batch_object(one, now) for one in found], has_more=has_more)

    def retrieve(self, id_: str) -> Wire:
        """A batch as it is now."""
        with self._world.lock:
            now = self._world.clock()
            return view.batch_object(self._find(id_, now), now)

    def cancel(self, id_: str) -> Wire:
        """Begin to cancel. Of a batch that is cancelled already, its object (observed).

        Raises:
            Refusal: it has completed, failed or expired.
        """
        with self._world.lock:
            now = self._world.clock()
            record = self._find(id_, now)
            status = record.plan.status(now)
            if status not in (Status.CANCELLING, Status.CANCELLED):
                if status in TERMINAL:
                    raise Refusal(Reason.CANNOT_CANCEL, status=status)
                record = replace(record, plan=replace(record.plan, cancelled=now))
                self._world.batches.put(record)
                self._world.await_end(record, record.plan.timeline.end.at)
            return view.batch_object(record, now)

    def known(self) -> Iterator[BatchRecord]:
        """Every batch there is now, oldest first."""
        with self._world.lock:
            return iter([*self._world.batches.all(self._world.clock())])

    def _record(self, asked: Asked, now: int) -> BatchRecord:
        world = self._world
        number = world.next()
        id_ = world.mint.stamped("batch_", now, number)
        mint = Mint(world.mint.digest("batch", number, size=32))
        given = world.files.get(asked.input_file_id, now)
        content = None if given is None else given.load()
        future = Input(content, asked, world.scenario, world.dialect, world.models, mint)
        output_id, error_id = mint.file("output"), mint.file("error")
        return BatchRecord(id_, Plan(id_, now, future), output_id, error_id, number)

    def _count_creation(self, now: int) -> None:
        limit = self._world.dialect.limits.creates_per_hour
        while self._creations and self._creations[0] <= now - HOUR:
            self._creations.popleft()
        if len(self._creations) >= limit:
            raise Refusal(Reason.TOO_MANY_BATCHES, limit=limit)
        self._creations.append(now)

    def _find(self, id_: str, now: int) -> BatchRecord:
        record = self._world.batches.get(id_, now)
        if record is None:
            raise Refusal(Reason.NO_SUCH_BATCH, id=id_)
        return record
