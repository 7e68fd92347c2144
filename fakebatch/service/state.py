"""State: all that changes at one provider, as one value. A snapshot is a copy of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum, auto
from itertools import takewhile
from threading import RLock
from typing import Any, NamedTuple, Protocol, Self

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER, TERMINAL
from fakebatch.batch.output_file import result_files
from fakebatch.dialects import Dialect
from fakebatch.durations import SECOND, microseconds
from fakebatch.errors import UsageError
from fakebatch.ids import Mint
from fakebatch.rules.files import FileOverrides
from fakebatch.rules.scenario import FAMILIES, Place, Scenario
from fakebatch.service.store import FileRecord, Store, UploadRecord


class Rate:
    """The calls of the last `per` microseconds."""

    def __init__(self, per: int) -> None:
        self._per = per
        self._calls: deque[int] = deque()

    def allows(self, limit: int | None, now: int) -> bool:
        """Count a call, unless there were `limit` already."""
        while self._calls and self._calls[0] <= now - self._per:
            self._calls.popleft()
        if limit is not None and len(self._calls) >= limit:
            return False
        self._calls.append(now)
        return True

    def frees(self, limit: int | None) -> int:
        """When none of these calls counts any more; 0 while there is room for another."""
        return 0 if limit is None or len(self._calls) < limit else self._calls[-1] + self._per

    def copy(self) -> Rate:
        """The same calls, counted by another."""
        other = Rate(self._per)
        other._calls.extend(self._calls)
        return other


class Share(NamedTuple):
    """What one batch takes of the quota of its model."""

    batch: str
    model: str
    tokens: int


class Event(NamedTuple):
    """What a webhook says: a batch has ended."""

    webhook_id: str
    """The same in every copy and every attempt: what a receiver tells duplicates by."""
    type: str
    """`batch.completed`, `batch.failed`, `batch.expired` or `batch.cancelled`."""
    batch_id: str
    body: bytes


class Kind(Enum):
    """Whether a webhook is what it claims to be."""

    GENUINE = auto()
    FORGED = auto()
    STALE = auto()


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One attempt to deliver one copy of an event."""

    at: int
    number: int
    event: Event = field(compare=False)
    kind: Kind = field(compare=False)
    first: int = field(compare=False)
    """When the first attempt was."""
    retries: int = field(default=0, compare=False)


class Copyable(Protocol):
    """What a part of the state has to be able to do."""

    def copy(self) -> Self:
        """The same, of which a change leaves the other alone."""
        ...


class State:
    """What one provider knows, and what its clients and time have changed.

    Records and batches are values that never change; all else that changes has `copy`, so that a
    copy of a state is cheap, and pickles. Whoever changes it holds `lock`, for the change alone:
    what a change takes of lines or answers is made before, because a callable of the test may make
    it, which may call in its turn.

    Args:
        dialect: what the provider says and allows, before the limits of a scenario.
        seed: decides every id and shuffle.
        models: the models that exist; None: every plausible name does.
    """

    def __init__(self, dialect: Dialect, seed: bytes, models: frozenset[str] | None = None) -> None:
        self.lock = RLock()
        self.revision = 0
        """How often a caller has changed something: what time alone changes does not count."""
        self.native = dialect
        self.mint = Mint(seed)
        self.models = models
        self.dialect = dialect
        """What the provider says and allows now."""
        self._scenario = Scenario()
        self.hits: dict[Place, int] = {}
        """How often the rule at a place of the scenario has met an upload, a batch that was
        created, a webhook or a direct call."""
        self.incidental: frozenset[Place] = frozenset()
        """The rules that came with an incident."""
        self.files = Store[FileRecord]()
        self.batches = Store[Batch]()
        self.uploads = Store[UploadRecord]()
        self.batches_by_input: dict[str, tuple[str, ...]] = {}
        self.unsettled: dict[str, int] = {}
        """Batches whose files may come, and when to look at each."""
        self.unsettled_from = NEVER
        """Before this moment none of them has to be looked at."""
        self.file_creations = Rate(60 * SECOND)
        self.batch_creations = Rate(3_600 * SECOND)
        self.quota: tuple[Share, ...] = ()
        """The shares of batches that have not ended long enough ago."""
        self.numbers = 0
        """How many ids were made."""
        self.calls_made = 0
        self.uploaded = 0
        """How many files were uploaded."""
        self.unsent_events: dict[str, int] = {}
        """Batches whose webhook was not handed out, and when to look at each: its end is not known
        before it is validated."""
        self.sent_events: set[str] = set()
        self.undelivered: list[Attempt] = []
        """Attempts to deliver a webhook that are still to come."""
        self.deliveries = 0
        """How many copies of webhooks were numbered."""
        self.events = 0
        """How many webhooks were due."""
        self.lost_events = 0
        self.calls: Copyable | None = None
        """What the faults of calls have counted."""

    # --- as a value

    def copy(self) -> State:
        """A snapshot."""
        other = State(self.native, b"")
        with self.lock:
            other._become(self)
        return other

    def restore(self, saved: State) -> None:
        """Be as when `saved` was copied, as if nothing had been done since."""
        with self.lock:
            self._become(saved)
            self.revision += 1
            self.unsent_events = dict.fromkeys(self.unsent_events, 0)  # the target may be another

    def _become(self, other: State) -> None:
        for name, value in vars(other).items():
            if name not in ("lock", "revision"):
                copy = getattr(value, "copy", None)
                setattr(self, name, value if copy is None else copy())

    def __getstate__(self) -> dict[str, Any]:
        scenarios = (self.scenario, *(batch.scenario for batch in self.batches.ever()))
        callables = dict.fromkeys(name for one in scenarios for name in _callables(one))
        if callables:
            raise UsageError(
                f"A state cannot be pickled while its scenario holds {', '.join(callables)}.",
                "A callable of the test is not data.",
                "Select lines by custom_id, index, model, endpoint, contains or fraction, and "
                "reply with a text or a body.",
            )
        with self.lock:
            return {name: value for name, value in vars(self).items() if name != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, lock=RLock())

    # --- the scenario

    @property
    def scenario(self) -> Scenario:
        """What shall happen from now on."""
        return self._scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        limits: dict[str, Any] = dict(scenario.limits)
        with self.lock:
            kept = {
                (family, index)
                for family in FAMILIES
                for index in range(
                    _common(getattr(self._scenario, family), getattr(scenario, family))
                )
            }
            self.hits = {place: hits for place, hits in self.hits.items() if place in kept}
            self.incidental &= kept
            self._scenario = scenario
            self.dialect = replace(self.native, limits=replace(self.native.limits, **limits))
            self.revision += 1

    def hit(self, family: str, indices: Iterable[int]) -> None:
        """Count that the rules of a family at these indices have met something."""
        with self.lock:
            for index in indices:
                place = family, index
                self.hits[place] = self.hits.get(place, 0) + 1

    @property
    def batch_models(self) -> frozenset[str] | None:
        """The models that a batch may ask; None: every plausible name."""
        if self.models is not None:
            return self.models
        return frozenset(self.dialect.batch_models) or None

    # --- changes

    def next_number(self) -> int:
        """A number that no other id was made of."""
        with self.lock:
            self.numbers += 1
            return self.numbers

    def next_call(self) -> int:
        """The number of a call, from 1."""
        with self.lock:
            self.calls_made += 1
            return self.calls_made

    def put_batch(self, batch: Batch, *, instead_of: Batch | None = None) -> bool:
        """Keep a new batch, or the successor of one; False if another one has succeeded it."""
        with self.lock:
            if self.batches.current(batch.id) is not instead_of:
                return False
            self.batches.put(batch)
            self.revision += 1
            if instead_of is None:
                file = batch.params.input_file_id
                self.batches_by_input[file] = (*self.batches_by_input.get(file, ()), batch.id)
            look = batch.validated if batch.cancelled is None else 0
            self.unsettled[batch.id] = look
            self.unsettled_from = min(self.unsettled_from, look)
            if batch.id not in self.sent_events:
                self.unsent_events[batch.id] = 0
            return True

    def settle(self, now: int) -> None:
        """Keep the files of batches that have ended by now.

        Nothing that could be seen changes: a file appears at its moment, whenever this runs.
        """
        if now < self.unsettled_from:
            return
        with self.lock:
            due = [id_ for id_, at in self.unsettled.items() if at <= now]
        for id_ in due:
            batch = self.batches.current(id_)
            if batch is not None and not batch.is_busy:
                self._settle(batch, now)
        with self.lock:
            self.unsettled_from = min(self.unsettled.values(), default=NEVER)

    def _settle(self, batch: Batch, now: int) -> None:
        end = batch.end if batch.exists(now) else None
        ended = end is not None and end.at <= now and end.status in TERMINAL
        files = [*self._files_of(batch)] if ended else []
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
                end_at = batch.end.at
                file_ = self.files.get(batch.params.input_file_id, end_at)
                if file_ is not None:
                    self.files.put(replace(file_, deleted=end_at))

    def _files_of(self, batch: Batch) -> Iterator[FileRecord]:
        seconds = batch.params.output_expires_after
        lives = batch.dialect.pace.keeps_batch_files if seconds is None else seconds * SECOND
        end, late = batch.end.at, microseconds(batch.overrides.result_files.late or 0)
        for content in result_files(batch):
            output = content.kind == "output"
            yield FileRecord(
                id=batch.output_file_id if output else batch.error_file_id,
                purpose=batch.dialect.results_purpose,
                filename=f"{batch.id}_{'output' if output else 'error'}.jsonl",
                created=end,
                expires=None if lives is None else end + lives,
                content=content,
                number=batch.number,
                overrides=FileOverrides(found_after=late),
            )


def _common(first: Iterable[object], second: Iterable[object]) -> int:
    """How many things two sequences have in common before they differ."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _callables(value: object, name: str = "") -> Iterator[str]:
    """The callables of the test in a scenario, as they are named there."""
    if is_dataclass(value):
        for each in fields(value):
            yield from _callables(getattr(value, each.name), each.name)
    elif isinstance(value, tuple):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _callables(item, name)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, Mapping):
        yield from _callables(tuple(value.values()), name)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    elif callable(value):
        yield f"{name}={getattr(value, '__qualname__', repr(value))}"
