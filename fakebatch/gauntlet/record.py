"""The record of a case: what the client did, and what became of each line, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal, NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import TERMINAL, Status
from fakebatch.batch.matching import LineOutcome
from fakebatch.batch.output_file import CONFLICTS, UNFINISHED_CODES, result_files
from fakebatch.batch.responding import CHANGED_IDS, LineResponse, respond
from fakebatch.emulator import Emulator
from fakebatch.gauntlet.answers import Requests, is_response, parsed
from fakebatch.inspection.checks import Finding
from fakebatch.replies.request import members
from fakebatch.request_lines import RequestLine
from fakebatch.rules.lines import ChangeCustomId, Corrupt, Corruption, Drop, Duplicate, Fail
from fakebatch.rules.scenario import AnyRule
from fakebatch.service import Service
from fakebatch.service.records import result_records
from fakebatch.service.view import errors
from fakebatch.wire.app import Handled
from fakebatch.wire.messages import Broken

MAX_CALLS = 20_000
"""A client that has made so many calls in one case is stopped."""
POLITE = "5s"
"""The least time between two polls of a batch, where the sleeps of the client are virtual."""


class Killed(BaseException):
    """Ends a client in the middle of its work. It is no Exception: clients catch those."""


Fate = Literal["answered", "failed", "pending"]


class LineRecord(NamedTuple):
    """What becomes of one request line of a batch."""

    custom_id: str | None
    """Of the request that it is; None: it is none of the case."""
    fate: Fate
    """Whether its batch ends with an answer to it, with a failure of it, or with neither."""
    how: str
    """The same in words: `failed with 400`."""
    answers: tuple[Any, ...] = ()
    """The response bodies that answer it."""
    file_id: str | None = None
    """The result file that has it."""
    is_readable: bool = True
    """Whether its result line is there, can be parsed and has its custom_id."""
    ran: bool = True
    """Whether it costs something: not if its batch failed, or ended before its turn."""


class BatchRecord(NamedTuple):
    """A batch, and how it ends, even if that is after the client has left."""

    id: str
    created: int
    ends: int | None
    """When it ends; None: never."""
    status: str
    """The one with which it ends."""
    lines: tuple[LineRecord, ...]

    @property
    def billed(self) -> int:
        """How many of its lines cost something."""
        return sum(line.ran for line in self.lines)


class DirectCall(NamedTuple):
    """A request that was made without a batch, and answered."""

    custom_id: str | None
    """Of the request that it is; None: it is none of the case."""
    body: Any
    at: int


@dataclass(frozen=True, slots=True)
class Record:
    """What a client did in a case. Moments are in microseconds since 1970."""

    began: int
    ended: int
    batches: tuple[BatchRecord, ...]
    kinds: Mapping[str, str]
    """Of each result file: `error file of batch_…`."""
    written: Mapping[str, int]
    """When each result file was written that has any lines."""
    shown: Mapping[str, int]
    """Those of which the client has seen the ids, and since when."""
    downloads: Mapping[str, int]
    """The files that it downloaded whole, and when first."""
    tried: frozenset[str]
    """The result files that it tried to download once they were written, in vain or not."""
    direct: tuple[DirectCall, ...]
    """In their order."""
    calls: Mapping[str, int]
    """How often it called each operation."""
    last_call: str
    rules: tuple[tuple[AnyRule, int], ...] = ()
    """The rules of the incident, and how often each was used."""
    kills_left: tuple[str, ...] = ()
    """The operations after which it was to be killed, and was not."""
    expiries: Mapping[str, int] = field(default_factory=dict[str, int])
    """When result files expire, of those that do."""
    refused: frozenset[str] = frozenset()
    """The requests that the service refused for what they are when they were made directly."""
    endless: tuple[str, str, str] | None = None
    """Why its wait was ended, if it had no end."""
    impolite: tuple[Finding, ...] = ()
    leftovers: tuple[Finding, ...] = ()

    def calls_of(self, operation: str) -> int:
        """How many calls of an operation it made; `*` is any."""
        return sum(count for name, count in self.calls.items() if fnmatchcase(name, operation))

    @property
    def polls(self) -> int:
        """How often it looked for the status of a batch."""
        return self.calls_of("batches.retrieve") + self.calls_of("batches.list")


@dataclass(eq=False)
class Watch:
    """Watches the calls of one client, and kills it where its case says so.

    Args:
        emulator: what the client talks to.
        requests: the requests of the case.
        kills: the operations after which it is killed: at the first call that follows one. At a
            download it is killed before that arrives.
        has_clock: whether sleeps of the client move the clock, so that intervals mean something.
    """

    emulator: Emulator
    requests: Requests
    kills: Sequence[str] = ()
    has_clock: bool = True
    end: Callable[[str], BaseException] = Killed
    """Ends the client, for a reason; returns what to raise in its call."""
    is_dead: bool = False
    """Whether the client has been ended, and not been started again."""
    endless: tuple[str, str, str] | None = None
    """Why it had to be ended, if it would have gone on without end."""
    _calls: Counter[str] = field(default_factory=Counter[str])
    last_call: str = "The client made no call."
    """In words."""
    _is_due: bool = False
    _looks: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])
    _downloads: dict[str, int] = field(default_factory=dict[str, int])
    _tried: dict[str, int] = field(default_factory=dict[str, int])
    _direct: list[tuple[bytes, bytes, int]] = field(default_factory=list[tuple[bytes, bytes, int]])
    _refused: list[bytes] = field(default_factory=list[bytes])

    def __post_init__(self) -> None:
        self.began = self.emulator.now()
        self._left = [*self.kills]
        self.emulator.before_calls(self._before)
        self.emulator.observe(self._note)

    def revive(self) -> None:
        """Let calls through again: the client is started anew."""
        self.is_dead = False

    def _before(self, _: int) -> None:
        if self._is_due:
            self._is_due, self.is_dead = False, True
        if self.is_dead:  # it may have caught the first
            raise self.end("The gauntlet kills the client here, and starts it again.")

    def _note(self, handled: Handled) -> None:
        request, operation, id_, reply, hit, _, at, status = handled
        name = operation.name if operation else f"{request.method} {request.path}"
        self._calls[name] += 1
        injected = f", injected: {hit.rule}" if hit else ""
        answer = f"{status or 'no response'}{injected}"
        self.last_call = f"The client's last call was {name}{id_ and f' of {id_}'}: {answer}."
        if self._calls.total() >= MAX_CALLS:
            self.is_dead = True
            made = f"The client has made {MAX_CALLS:,} calls."
            self.endless = (
                made,
                self.last_call,
                "End each loop at a deadline, and sleep between polls.",
            )
            raise self.end(made)
        if operation is not None and operation.is_direct:
            if status == 200:
                self._direct.append((request.body, reply.body, at))
            elif status == 400 and not hit:  # of a rule for calls: a batch may take the request
                self._refused.append(request.body)
        if name.startswith("batches.") and status == 200:
            self._looks[f"{name} {id_}"] = at, reply.body
        if name == "files.content":
            self._tried[id_] = at
        if self._left and name == self._left[0] and (status == 200 or hit):
            del self._left[0]
            if name == "files.content":
                self.is_dead = True
                raise self.end("The gauntlet kills the client in the middle of a download.")
            self._is_due = True
        steps = reply.script.body if reply.script else None
        if name == "files.content" and status == 200 and not _is_cut(steps):
            self._downloads.setdefault(id_, at)

    def record(self) -> Record:
        """What it did, once it has ended."""
        emulator = self.emulator
        ended = emulator.now()
        batches, kinds, written = list[BatchRecord](), dict[str, str](), dict[str, int]()
        expiries = dict[str, int]()
        for service in emulator.services:
            for batch in service.state.batches.all():
                batches.append(_batch(batch, service, self.requests))
                for file in result_records(batch) if batch.end.status in TERMINAL else ():
                    is_output = file.id == batch.output_file_id
                    kinds[file.id] = f"{'output' if is_output else 'error'} file of {batch.id}"
                    if len(file.content):
                        written[file.id] = batch.end.at
                    if file.expires is not None:
                        expiries[file.id] = file.expires
        polite = self.has_clock and self.endless is None
        return Record(
            self.began,
            ended,
            tuple(batches),
            kinds,
            written,
            {file_id: at for file_id, at in self._shown() if file_id in written},
            self._downloads,
            frozenset(id_ for id_, at in written.items() if self._tried.get(id_, -1) >= at),
            tuple(
                DirectCall(self._requested(request), parsed(reply), at)
                for request, reply, at in self._direct
            ),
            self._calls,
            self.last_call,
            tuple((rule, hits) for _, rule, hits in emulator.uses()),
            tuple(self._left),
            expiries,
            frozenset(filter(None, map(self._requested, self._refused))),
            self.endless,
            tuple(emulator.findings("min_poll_interval", min_interval=POLITE)) if polite else (),
            tuple(emulator.findings("no_leftover_files")),
        )

    def _shown(self) -> Iterator[tuple[str, int]]:
        """The ids of result files in the last replies that the client got about its batches."""
        for at, body in self._looks.values():
            shown = members(parsed(body))
            for batch in [shown, *(shown.get("data") or ())]:
                for name in ("output_file_id", "error_file_id"):
                    if isinstance(id_ := members(batch).get(name), str):
                        yield id_, at

    def _requested(self, body: bytes) -> str | None:
        """The custom_id of the request that the body of a direct call is."""
        return self.requests.find(None, members(parsed(body)))


def _is_cut(steps: Sequence[Any] | None) -> bool:
    return any(isinstance(step, Broken) for step in steps or ())


# --- what becomes of the lines


def _batch(batch: Batch, service: Service, requests: Requests) -> BatchRecord:
    ends = batch.end.at if batch.end.status in TERMINAL else None
    status = batch.end.status.value
    lines = tuple(_lines(batch, service, requests))
    return BatchRecord(batch.id, batch.created, ends, status, lines)


def _lines(batch: Batch, service: Service, requests: Requests) -> Iterator[LineRecord]:
    if batch.fails or batch.end.status not in TERMINAL:
        how = f"is in a batch that stays {batch.end.status.value!r}"
        if batch.fails:
            codes = dict.fromkeys(str(entry.get("code")) for entry in errors(batch, Status.FAILED))
            how = f"was in a batch that failed{': ' if codes else ' without errors'}"
            how += ", ".join(codes)
        for index in range(len(batch.lines)):
            sent = members(parsed(batch.lines.raw(index)))  # Python reads NaN, the service does not
            id_ = requests.find(sent.get("custom_id"), members(sent.get("body")))
            yield LineRecord(id_, "pending", how, ran=not batch.fails)
        return
    has_gone = not batch.exists(batch.end.at)
    _, completed, failed = batch.counts(batch.end.at)
    finished = {*batch.outcomes.order[: completed + failed]}
    files = {file.kind for file in result_files(batch)}
    for index, outcome in enumerate(batch.outcomes.by_line):
        line = batch.lines.request(index)
        if has_gone:
            how, id_ = "was in a batch that disappeared", requests.find(line.custom_id, line.body)
            yield LineRecord(id_, "pending", how, ran=index in finished)
            continue
        how, answers = _UNFINISHED.get(batch.end.status, "never ran"), list[Any]()
        in_output = False
        if index in finished:
            how, answers, in_output = _outcome(batch, service, line, outcome)
        in_output = in_output or "errors" not in files
        damage, is_readable = _damage(line, outcome.corruptions)
        if batch.overrides.result_files.empty:
            damage, is_readable = "is missing: the file is empty", False
        yield LineRecord(
            requests.find(line.custom_id, line.body),
            "answered" if answers else "failed",
            how if damage is None else f"{how} (its result line {damage})",
            tuple(answers),
            batch.output_file_id if in_output else batch.error_file_id,
            is_readable,
            index in finished,
        )


def _outcome(
    batch: Batch, service: Service, line: RequestLine, outcome: LineOutcome
) -> tuple[str, list[Any], bool]:
    """How a line that ran ended, its answers, and whether it is in the output file."""
    result, how = (
        outcome.result,
        partial(
            respond, dialect=service.state.dialect, id_factory=batch.id_factory, now=batch.written
        ),
    )
    reply = how(line, result)
    if not reply.succeeded:
        in_output = isinstance(result, Fail) and result.file == "output"
        return f"failed with {_why(reply)}", [], in_output
    if not is_response(reply.body):
        return "got a body without an answer", [], True
    has_second = any(
        isinstance(each, Duplicate) and each.conflict == "success" for each in outcome.corruptions
    )
    second = [how(line, CONFLICTS["success"]).body] if has_second else []
    return "was answered", [reply.body, *second], True


_UNFINISHED = {status: f"never ran: {code}" for status, code in UNFINISHED_CODES.items()}


def _damage(line: RequestLine, corruptions: Sequence[Corruption]) -> tuple[str | None, bool]:
    """What a result line suffers, in words, and whether a client can read it as its request's."""
    for each in corruptions:
        match each:
            case Drop():
                return "was left out", False
            case Corrupt():
                return "is broken", False
            case ChangeCustomId(how) if line.custom_id is not None:
                changed = CHANGED_IDS[how](line.custom_id, line.index or 0)
                if changed != line.custom_id:  # 7 is easily read as "7"
                    return "has another custom_id", str(changed) == line.custom_id
            case _:
                pass
    return None, True


def _why(reply: LineResponse) -> str:
    if reply.status is not None:
        return str(reply.status)
    error = reply.error if reply.error is not None else reply.body
    return str(members(error).get("code") or error)
