"""Assertions about what a client did, that explain themselves when they fail.

They raise AssertionError, as a plain `assert` would: `pytest.raises` and plugins that collect
several failures know it, and no code under test runs that could swallow it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import TERMINAL, Status
from fakebatch.durations import Duration, microseconds
from fakebatch.journal import Call, Journal, moment_text, span_text
from fakebatch.service import Service, known_batches, known_files
from fakebatch.testing.collecting import results_by
from fakebatch.vtime.moments import microseconds as moment

FRUITLESS = {Status.FAILED, Status.EXPIRED, Status.CANCELLED}
"""After one of these the same input may be sent again."""

SHOWN = 5


class Asserting:
    """What a FakeBatch can assert of its client."""

    _services: Sequence[Service]
    journal: Journal

    @abstractmethod
    def now(self) -> int:
        """What time it is, in microseconds since the epoch."""

    def assert_all_downloaded(self) -> None:
        """Every output and error file there has been was downloaded, whole.

        Raises:
            AssertionError: it names the files that were not.
        """
        missing = [*self._uncollected()]
        if missing:
            raise _failed(
                f"{_number(len(missing), 'result file')} never downloaded.",
                _listed(missing),
                "Download output_file_id and error_file_id of every batch that has ended.",
            )

    def assert_single_batch(self) -> None:
        """No two batches were created for the same input, unless the first one came to nothing.

        Raises:
            AssertionError: it names the calls that made them.
        """
        most = max(self._same_input(), key=len, default=())
        if len(most) > 1:
            raise _failed(
                f"{len(most)} batches were created for the same input.",
                _listed([self._made(batch) for batch in most]),
                "Before creating again look whether the batch is there: a create that was "
                "answered with an error may have made one.",
            )

    def assert_no_leftover_files(self) -> None:
        """Every file has been deleted, or has expired: inputs and results.

        Raises:
            AssertionError: it names the files that are still there.
        """
        left = [
            f"{record.id} ({record.purpose}, {record.filename!r})"
            for record in known_files(self._services, self.now())
        ]
        if left:
            raise _failed(
                f"{_number(len(left), 'file')} left behind.",
                _listed(left),
                "Delete input, output and error files once they are done with.",
            )

    def assert_min_poll_interval(self, min_interval: Duration) -> None:
        """No batch was retrieved twice within less than `min_interval` while it went on.

        A repetition after an error is none: the SDK asks again after half a second.

        Raises:
            AssertionError: it names the two calls that are closest.
        """
        least = microseconds(min_interval)
        for batch in known_batches(self._services, self.now()):
            polls = [*self._polls(batch)]
            gap, before, after = min(
                ((_gap(*pair), *pair) for pair in pairwise(polls)),
                key=lambda found: found[0],
                default=(least, None, None),
            )
            if gap < least and before and after:
                raise _failed(
                    f"{batch.id} was polled twice within {span_text(gap)}.",
                    f"batches.retrieve came at {moment_text(before.at)} and at "
                    f"{moment_text(after.at)}; at least {span_text(least)} were to lie between.",
                    "Sleep longer between two polls, or allow a smaller min_interval.",
                )

    def _uncollected(self) -> Iterator[str]:
        now = self.now()
        for batch in known_batches(self._services, now):
            for result in results_by(batch, self.journal, now):
                if not result.collected:
                    yield f"{result.id} ({result.kind} of {batch.id}{self._spoilt(result.id)})"

    def _spoilt(self, file: str) -> str:
        faults = {call.injected for call in self.journal.calls("files.content", id=file)}
        return "".join(f"; a download met {fault}" for fault in sorted(filter(None, faults)))

    def _same_input(self) -> Iterator[tuple[Batch, ...]]:
        """Batches of one endpoint and one content, as they were when the last of them was made."""
        by_input: dict[tuple[str, bytes | str], tuple[Batch, ...]] = {}
        for batch in known_batches(self._services, self.now()):
            params = batch.params
            content = params.input_file_id if batch.content is None else batch.content
            before = by_input.get((params.endpoint, content), ())
            alive = (one for one in before if one.status(batch.created) not in FRUITLESS)
            same = by_input[params.endpoint, content] = (*alive, batch)
            yield same

    def _made(self, batch: Batch) -> str:
        calls = self.journal.calls("batches.create", id=batch.id)
        if not calls:
            return f"{batch.id} (put in place by the test)"
        [call, *_] = calls
        how = f"answered {call.status or 'nothing'}" + (
            f", injected: {call.injected}" if call.injected else ""
        )
        return f"{batch.id} (batches.create at {moment_text(call.at)}, {how})"

    def _polls(self, batch: Batch) -> Iterator[Call]:
        """The polls that were answered, up to the one that saw the end."""
        for call in self.journal.calls("batches.retrieve", id=batch.id, status=200):
            yield call
            if batch.status(moment(call.at)) in TERMINAL:
                return


def _gap(before: Call, after: Call) -> int:
    return moment(after.at) - moment(before.at)


def _failed(what_came: str, what_was_known: str, what_to_do: str) -> AssertionError:
    return AssertionError(f"fakebatch: {what_came}\n{what_was_known}\n{what_to_do}")


def _number(number: int, of: str) -> str:
    return f"1 {of} was" if number == 1 else f"{number} {of}s were"


def _listed(things: list[str]) -> str:
    more = f" and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return ", ".join(things[:SHOWN]) + more + "."
