"""The calls that create and cancel batches."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from fakebatch import replies
from fakebatch.batch.batch import Batch, BatchCreateParams
from fakebatch.batch.input_file import BatchError
from fakebatch.batch.lifecycle import Status
from fakebatch.dialects import APIError, ErrorCode, ErrorKind
from fakebatch.durations import SECOND
from fakebatch.ids import IdFactory
from fakebatch.rules.scenario import Scenario
from fakebatch.service.records import INPUT_PURPOSE, FileRecord, TokenShare
from fakebatch.service.state import State
from fakebatch.service.view import file_status


class Batches:
    """Creates and cancels the batches of a provider."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, params: BatchCreateParams, now: int) -> Batch:
        """Create a batch, whose whole future is decided now. A missing input file fails it later.

        Raises:
            APIError: the file has another purpose or cannot be found yet, an idempotency key was
                used with other parameters, or too many batches were created within an hour.
        """
        state = self._state
        if (key := params.idempotency_key) is not None:
            for batch in state.batches.existing(now):
                if batch.params == params:
                    return batch
                if batch.params.idempotency_key == key:
                    raise APIError(ErrorKind.OTHER_PARAMS, key=key)
        limit = state.dialect.limits.creates_per_hour
        with state.lock:
            if not state.batch_creations.allows(limit, now):
                raise APIError(ErrorKind.TOO_MANY_BATCHES, limit=limit)
        batch = self.draft(params, created=now, scenario=state.scenario)
        return self.keep(self._within_quota(batch))

    def draft(
        self,
        params: BatchCreateParams,
        *,
        created: int,
        scenario: Scenario,
        cancelled: int | None = None,
        id_: str | None = None,
    ) -> Batch:
        """A batch that was created, and perhaps cancelled, at these moments; `keep` stores it."""
        state, dialect = self._state, self._state.dialect
        number, models = state.next_number(), state.models
        if models is None:
            models = frozenset(dialect.batch_models) or None
        creation_error = None
        if not (dialect.window.refused or dialect.window.allows(params.completion_window)):
            values = {"value": params.completion_window, "known": dialect.window.known}
            creation_error = BatchError(ErrorCode.BAD_WINDOW, values)
        file = self._input_file(params.input_file_id, created)
        content = None if file is None else bytes(file.content)
        earlier = self._earlier()
        id_factory, ids = IdFactory(state.id_factory.digest("batch", number, size=32)), dialect.ids
        batch = Batch(
            id=id_ or state.id_factory.new(ids.batch, created, number),
            created=created,
            params=params,
            content=content,
            scenario=scenario,
            dialect=dialect,
            models=models,
            id_factory=id_factory,
            output_file_id=id_factory.new(ids.output or ids.file, created, "output"),
            error_file_id=id_factory.new(ids.errors or ids.file, created, "errors"),
            number=number,
            earlier=earlier,
            creation_error=creation_error,
            cancelled=cancelled,
        )
        if scenario.on_batch:
            rules = enumerate(scenario.on_batch)
            batch = self._selected(batch, tuple(i for i, rule in rules if batch.matches(rule)))
        if file is not None and file.expires is not None and file.expires <= batch.validated:
            return batch.without_input()
        return batch

    def _input_file(self, file_id: str, now: int) -> FileRecord | None:
        """The input file of a new batch; None: there is no such file, and the batch will fail."""
        dialect = self._state.dialect
        self._state.settle_file(file_id, now)
        file = self._state.files.get(file_id, now)
        if file is None:
            if dialect.input_file_ids and not re.fullmatch(dialect.input_file_ids, file_id):
                raise APIError(ErrorKind.BAD_INPUT_ID, id=file_id)
            uploaded = self._state.files.current(file_id)
            is_hidden = uploaded is not None and uploaded.is_hidden(now)  # curator#116
            if dialect.refuses_missing_input or is_hidden:
                raise APIError(ErrorKind.NO_SUCH_INPUT, id=file_id)
            return None
        if file.purpose != INPUT_PURPOSE:
            raise APIError(ErrorKind.WRONG_PURPOSE, id=file_id, purpose=file.purpose)
        status = file_status(file, dialect, now)
        if status != [*dialect.files.statuses][-1]:
            raise APIError(ErrorKind.FILE_NOT_READY, id=file_id, status=status)
        return file

    def _selected(self, batch: Batch, matching: tuple[int, ...]) -> Batch:
        """A batch, as the next to be stored, with the rules of `on_batch` that select it.

        Raises:
            UsageError: a predicate of the test raised.
        """
        selecting: list[int] = []
        for index in matching:
            rule, number = batch.scenario.on_batch[index], 1
            if rule.is_ordered:
                number += sum(
                    index in other.matching
                    if other.scenario.on_batch[index : index + 1] == (rule,)
                    else other.matches(rule)  # the rule may be newer
                    for other in self._state.batches.all()
                )
            if rule.includes(number):
                selecting.append(index)
        return batch.selected_by(matching, (*selecting,))

    def _earlier(self) -> Mapping[str, int]:
        """The number of batches that contain each custom_id, if a rule with `times` needs it."""
        if not any(rule.times for rule in self._state.scenario.on):
            return {}
        return Counter(
            batch.lines.request(index).custom_id or ""
            for batch in self._state.batches.all()
            if not batch.fails
            for index in range(len(batch.lines))
        )

    def _within_quota(self, batch: Batch) -> Batch:
        """The batch, or one that fails because its tokens exceed what is left of the quota."""
        state, limits = self._state, self._state.dialect.limits
        if limits.enqueued_tokens is None or batch.validation.fails:
            return batch
        lines = batch.lines
        # only input tokens count, neither output nor `max_tokens` (OpenAI's FAQ)
        tokens = sum(replies.input_tokens(lines.request(index).body) for index in range(len(lines)))
        share = TokenShare(batch.id, batch.validation.model or "", tokens)
        released = set[TokenShare]()
        for other in state.quota:
            holder = state.batches.get(other.batch_id, batch.created)  # None: it was not stored
            lasts = limits.enqueued_release * SECOND
            if holder is None or holder.end.at + lasts <= batch.created:
                released.add(other)
        with state.lock:
            state.quota = tuple(other for other in state.quota if other not in released)
            waiting = sum(other.tokens for other in state.quota if other.model == share.model)
            if waiting + share.tokens <= limits.enqueued_tokens:
                state.quota = (*state.quota, share)
                return batch
        values = {"model": share.model, "limit": limits.enqueued_tokens}
        return replace(batch, creation_error=BatchError(ErrorCode.OVER_QUOTA, values))

    def keep(self, batch: Batch) -> Batch:
        """Store a batch; its result files follow when it has ended."""
        state = self._state
        with state.lock:
            batch = self._selected(batch, batch.matching)  # another thread may have created one
            if state.files.get(batch.params.input_file_id, batch.created) is None:
                batch = batch.without_input()
            state.put_batch(batch)
            state.hit("on_batch", batch.rules)
            return batch

    def cancel(self, id_: str, now: int) -> Batch:
        """Cancel a batch. One that is cancelling or cancelled stays as it is.

        Raises:
            APIError: there is no such batch, or the dialect refuses it for its status.
        """
        while True:
            batch = self._state.batches.retrieve(id_, now)
            status = batch.status(now)
            if status not in self._state.dialect.cancels:
                raise APIError(ErrorKind.CANNOT_CANCEL, status=status)
            if status in (Status.CANCELLING, Status.CANCELLED):
                return batch
            cancelled = batch.cancel(now)
            if self._state.put_batch(cancelled, instead_of=batch):
                return cancelled
