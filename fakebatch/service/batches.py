"""`batches.*`: create, list, retrieve, cancel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fakebatch import replies
from fakebatch.batch.batch import Batch, BatchCreateParams
from fakebatch.batch.input_file import BatchError
from fakebatch.batch.lifecycle import Status
from fakebatch.dialects import APIError, ErrorCode, ErrorKind
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.rules.scenario import Scenario
from fakebatch.service import view
from fakebatch.service.files import INPUT_PURPOSE
from fakebatch.service.state import Share, State
from fakebatch.service.store import FileRecord
from fakebatch.service.view import Wire


class Batches:
    """The batches of a provider."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, params: BatchCreateParams, now: int) -> Wire:
        """Define the whole future of a batch. An unknown input file makes it fail later.

        Raises:
            APIError: its input file is none of a batch, or too many were created within the hour.
        """
        state = self._state
        limit = state.dialect.limits.creates_per_hour
        with state.lock:
            if not state.batch_creations.allows(limit, now):
                raise APIError(ErrorKind.TOO_MANY_BATCHES, limit=limit)
        batch = self.draft(params, created=now, scenario=state.scenario)
        return view.batch_object(self.keep(self._within_quota(batch)), now)

    def draft(
        self,
        params: BatchCreateParams,
        *,
        created: int,
        scenario: Scenario,
        cancelled: int | None = None,
    ) -> Batch:
        """A batch as if it had been created, and cancelled, at such moments; `keep` makes it so."""
        state = self._state
        number, ids, window = state.next_number(), state.dialect.ids, state.dialect.window
        mint = Mint(state.mint.digest("batch", number, size=32))
        refused = None
        if not window.allows(params.completion_window):
            facts = {"value": params.completion_window, "known": window.known}
            refused = BatchError(ErrorCode.BAD_WINDOW, facts)
        file = self._input_file(params.input_file_id, created)
        batch = Batch(
            id=state.mint.made(ids.batch, created, number),
            created=created,
            params=params,
            content=None if file is None else bytes(file.read()),
            scenario=scenario,
            dialect=state.dialect,
            models=state.batch_models,
            mint=mint,
            output_file_id=mint.made(ids.output or ids.file, created, "output"),
            error_file_id=mint.made(ids.errors or ids.file, created, "errors"),
            number=number,
            nth=len(state.batches) + 1,
            earlier=self._earlier(),
            refused=refused,
            cancelled=cancelled,
        )
        if file is not None and file.expires is not None and file.expires <= batch.validated:
            return batch.without_input()
        return batch

    def keep(self, batch: Batch) -> Batch:
        """Put a batch in place; its result files come at their moment."""
        state = self._state
        with state.lock:
            batch = batch.as_nth(len(state.batches) + 1)  # another thread may have created one
            if state.files.get(batch.params.input_file_id, batch.created) is None:
                batch = batch.without_input()
            state.put_batch(batch)
            rules, endpoint = enumerate(batch.scenario.on_batch), batch.params.endpoint
            state.hit("on_batch", [n for n, rule in rules if rule.matches(batch.nth, endpoint)])
            return batch

    def list(self, now: int, *, limit: int, after: str | None) -> Wire:
        """A page of batches, newest first."""
        try:
            batches, has_more = self._state.batches.page(now, after=after, limit=limit)
        except KeyError:
            raise APIError(ErrorKind.NO_SUCH_BATCH, id=after) from None
        data = [view.batch_object(batch, now) for batch in batches]
        return view.page(data, self._state.dialect.batches_list, has_more=has_more)

    def retrieve(self, id_: str, now: int) -> Wire:
        """A batch as it is now."""
        return view.batch_object(self.get(id_, now), now)

    def cancel(self, id_: str, now: int) -> Wire:
        """Begin to cancel; where that is done already, and the dialect minds not, nothing changes.

        Raises:
            APIError: its status does not allow it.
        """
        while True:
            batch = self.get(id_, now)
            status = batch.status(now)
            if status not in self._state.dialect.cancels:
                raise APIError(ErrorKind.CANNOT_CANCEL, status=status)
            if status in (Status.CANCELLING, Status.CANCELLED):
                return view.batch_object(batch, now)
            cancelled = batch.cancel(now)
            if self._state.put_batch(cancelled, instead_of=batch):
                return view.batch_object(cancelled, now)

    def get(self, id_: str, now: int) -> Batch:
        """A batch there is now.

        Raises:
            APIError: there is none of this id.
        """
        batch = self._state.batches.get(id_, now)
        if batch is None:
            raise APIError(ErrorKind.NO_SUCH_BATCH, id=id_)
        return batch

    def has(self, id_: str, now: int) -> bool:
        """Whether there is such a batch now."""
        return self._state.batches.get(id_, now) is not None

    def known(self, now: int) -> Sequence[Batch]:
        """Every batch there is now, oldest first."""
        return [*self._state.batches.all(now)]

    def _input_file(self, file_id: str, now: int) -> FileRecord | None:
        """The input file of a new batch; None where there is none, and the batch fails for it."""
        dialect = self._state.dialect
        file = self._state.files.get(file_id, now)
        if file is None:
            if dialect.refuses_missing_input:
                raise APIError(ErrorKind.NO_SUCH_INPUT, id=file_id)
            return None
        if file.purpose != INPUT_PURPOSE:
            raise APIError(ErrorKind.WRONG_PURPOSE, id=file_id, purpose=file.purpose)
        status = view.file_status(file, dialect, now)
        if status != [*dialect.files.statuses][-1]:
            raise APIError(ErrorKind.FILE_NOT_READY, id=file_id, status=status)
        return file

    def _earlier(self) -> Mapping[str, int]:
        """In how many batches each custom_id was, if there are rules with `times`."""
        if not any(rule.times for rule in self._state.scenario.on):
            return {}
        return Counter(
            batch.lines.request(index).custom_id or ""
            for batch in self._state.batches.ever()
            if not batch.fails
            for index in range(len(batch.lines))
        )

    def _within_quota(self, batch: Batch) -> Batch:
        """The batch, or one that fails because too many tokens of its model wait already."""
        state = self._state
        limit = state.dialect.limits.enqueued_tokens
        if limit is None or batch.validation.fails:
            return batch
        lines = batch.lines
        # answers do not count, nor does `max_tokens` (OpenAI's FAQ)
        tokens = sum(replies.asked(lines.request(index).body) for index in range(len(lines)))
        share = Share(batch.id, batch.validation.model or "", tokens)
        released = {one for one in state.quota if self._is_released(one.batch, batch.created)}
        with state.lock:
            state.quota = tuple(one for one in state.quota if one not in released)
            waiting = sum(one.tokens for one in state.quota if one.model == share.model)
            if waiting + share.tokens <= limit:
                state.quota = (*state.quota, share)
                return batch
        refused = BatchError(ErrorCode.OVER_QUOTA, {"model": share.model, "limit": limit})
        return replace(batch, refused=refused)

    def _is_released(self, id_: str, now: int) -> bool:
        """Whether a batch has ended long enough ago, or was never kept."""
        batch = self._state.batches.get(id_, now)
        released = self._state.dialect.limits.enqueued_release * SECOND
        return batch is None or batch.end.at + released <= now
