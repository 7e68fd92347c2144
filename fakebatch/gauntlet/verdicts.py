"""The verdict on a case: a pure function of the case, its record, and what the client reported."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal, NamedTuple

from fakebatch.gauntlet.answers import Requests, cut_off, is_body, is_text_of, is_usable, texts
from fakebatch.gauntlet.case import Case
from fakebatch.gauntlet.record import BatchRecord, LineRecord, Record
from fakebatch.gauntlet.unmet import unmet
from fakebatch.inspection.checks import Finding
from fakebatch.inspection.journal import moment_text

Outcome = Literal["pass", "unclean", "info", "fail", "not run"]

SHOWN = 3
"""How many ids a sentence names at most."""


class Failure(NamedTuple):
    """What a client reports of a request that it has no answer to."""

    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a client says that it got."""

    results: tuple[tuple[str, Any], ...] = ()
    """Each custom_id with its answer, which is a text or a response body, or with a Failure."""
    raised: str | None = None
    """The exception with which it gave up, in words; None: it did not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gauntlet found in one case."""

    id: str
    """Of the incident."""
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    """What it objects to; the first is where the client went wrong first."""
    reason: str = ""
    """Why it was not run, or how the client gave up."""
    unmet: str = ""
    """Why the incident did not happen to the client; empty: it did."""
    elapsed: float = 0
    """In virtual seconds."""
    batches: int = 0
    lines: int = 0
    polls: int = 0
    calls: int = 0


def is_missing(answer: object) -> bool:
    """Whether a client reports nothing: None, or NaN, as a table has it where a cell is empty."""
    return answer is None or answer != answer  # noqa: PLR0124


def id_of(custom_id: object) -> str:
    """A custom_id that a client reports: one that is no string belongs to no request."""
    if custom_id and isinstance(custom_id, str):
        return custom_id
    return f"{custom_id!r} ({type(custom_id).__name__})"


def judge(case: Case, record: Record, report: Report, *, leftovers: bool = False) -> Verdict:
    """The verdict on a client.

    Args:
        case: the incident and the requests.
        record: what the client did.
        report: what it says that it got.
        leftovers: whether files that it left behind are unclean.
    """
    trial = _Trial(case, record, report)
    wrong = sorted(
        [*trial.lies(), *trial.losses(), *trial.double_spends(), *trial.endless()],
        key=lambda finding: finding.since,
    )
    unclean = [*trial.uncleanness(leftovers=leftovers)]
    gave_up = trial.reason_of_giving_up
    outcome: Outcome = "unclean" if unclean else "pass"
    findings, reason = wrong or unclean, ""
    if wrong:
        outcome = "fail"
    elif gave_up:
        outcome, findings, reason = "info", [], gave_up
    return Verdict(
        case.id,
        outcome,
        tuple(findings),
        reason,
        "" if wrong else unmet(case, record),
        (record.ended - record.began) / 1_000_000,
        len(record.batches),
        trial.billed,
        record.polls,
        sum(record.calls.values()),
    )


@dataclass(frozen=True)
class _Trial:
    """A case, with what is needed to judge it."""

    case: Case
    record: Record
    report: Report

    @cached_property
    def requested(self) -> Requests:
        return Requests(self.case.requests)

    @cached_property
    def lines(self) -> Mapping[str, Sequence[tuple[BatchRecord, LineRecord]]]:
        """The lines of each request, in the order in which they were submitted."""
        by_id = defaultdict[str, list[tuple[BatchRecord, LineRecord]]](list)
        for batch in self.record.batches:
            for line in batch.lines:
                if line.custom_id is not None:
                    by_id[line.custom_id].append((batch, line))
        return by_id

    @cached_property
    def reported(self) -> Mapping[str, Sequence[Any]]:
        by_id = defaultdict[str, list[Any]](list)
        for id_, answer in self.report.results:
            by_id[id_].append(answer)
        return by_id

    @property
    def billed(self) -> int:
        """How many lines cost something: those that run, and direct calls.

        A direct request that is none of the case is a probe of what the model can do.
        """
        lines = sum(batch.billed for batch in self.record.batches)
        return lines + sum(owner is not None for owner, _ in self.record.direct)

    def bodies(self, id_: str) -> Iterator[Any]:
        """The response bodies that answer a request."""
        for _, line in self.lines.get(id_, ()):
            yield from line.answers
        yield from (body for owner, body in self.record.direct if owner == id_)

    # --- no lie

    def lies(self) -> Iterator[Finding]:
        """Answers that the service never gave to these requests."""
        by_kind = defaultdict[str, list[str]](list)
        for id_, answers in self.reported.items():
            if id_ not in self.requested.ids:
                by_kind["was reported, but no request has this custom_id"].append(id_)
                continue
            for answer in answers:
                if not isinstance(answer, Failure) and not is_missing(answer):
                    wrong = self.wrong(id_, answer)
                    if wrong:
                        by_kind[wrong].append(id_)
        for wrong, ids in by_kind.items():
            advice = (
                "Take an answer only from a line with status 2xx and the custom_id of its request."
            )
            yield self.finding("no lie", ids, f"{_named(ids)} {wrong}.", advice)

    def wrong(self, id_: str, answer: object) -> str:
        """What is wrong with an answer; empty: nothing."""
        bodies = [*self.bodies(id_)]
        if any(is_body(answer, body) for body in bodies):
            return ""
        cut = next((cut_off(body) for body in bodies if is_text_of(answer, body)), None)
        if cut is not None:
            return cut and f"was cut off ({cut}), and its text was reported as the answer"
        for other in self.lines:
            for body in self.bodies(other) if other != id_ else ():
                if is_body(answer, body) or is_text_of(answer, body):
                    return f"was given the answer to {other}"
        if not bodies:
            return f"{self.fate(id_)}, but {_quoted(answer)} was reported as its answer"
        return f"{_answered(bodies[0])}, but {_quoted(answer)} was reported as its answer"

    # --- no loss

    def losses(self) -> Iterator[Finding]:
        """Requests that were neither answered nor reported as failed, though they could be."""
        by_kind = defaultdict[str, list[str]](list)
        for id_ in self.requested.ids:
            for what in filter(None, self.lost(id_)):
                by_kind[what].append(id_)
        does = self.case.incident.client
        advice = f"A robust client {does[0].lower()}{does[1:]}"
        for what, ids in by_kind.items():
            known_facts = f"{_named(ids)} {what}."
            yield self.finding("no loss", ids, known_facts, advice)

    def lost(self, id_: str) -> Iterator[str]:
        """In which ways a request is not accounted for."""
        answers, least = self.reported.get(id_, ()), self.requested.distinct[id_]
        if len(answers) > self.requested.ids[id_]:
            yield f"was reported {len(answers)} times"
        elif 0 < len(answers) < least:
            yield f"was reported once, for {least} requests that have this id"
        elif not answers and self.report.raised is None:
            yield f"is missing from the results: it {self.fate(id_)}"
        elif not answers and not self.record.endless:
            raised = f"was given up with {(self.report.raised or '').rstrip('.')}"
            yield raised if self.case.incident.recoverable else self.thrown_away(id_, raised)
        for answer in answers:
            if is_missing(answer):
                yield "was reported with neither an answer nor an error"
            elif isinstance(answer, Failure):
                why = f" ({_short(answer.message)})" if answer.message else ""
                failed = f"was reported as failed{why}"
                yield self.thrown_away(id_, failed)

    def thrown_away(self, id_: str, reported: str) -> str:
        """Why a failure that was `reported` is a loss; empty: it is true."""
        recoverable = self.case.incident.recoverable
        for _, line in self.lines.get(id_, ()):
            could = recoverable or line.file_id in self.record.downloads
            if line.is_readable and could and any(map(is_usable, line.answers)):
                return f"{reported}, but it {self.fate(id_)}"
        if recoverable and self.never_ran(id_):
            return f"{reported}, but could be answered: it {self.fate(id_)}"
        return ""

    def never_ran(self, id_: str) -> bool:
        """Whether no line of a request has run, or ever will."""
        return all(line.fate == "pending" for _, line in self.lines.get(id_, ()))

    @property
    def reason_of_giving_up(self) -> str:
        """An exception in place of results, or a failure of a request that never ran.

        Empty: the client did not give up.
        """
        if self.report.raised and self.requested.ids.keys() - self.reported.keys():
            return self.report.raised
        for id_, answers in self.reported.items():
            for answer in answers:
                if isinstance(answer, Failure) and self.never_ran(id_):
                    return answer.message
        return ""

    def fate(self, id_: str) -> str:
        """What became of a request, and where the client could have seen it: a predicate."""
        lines = self.lines.get(id_, ())
        if not lines:
            return "was never submitted in a batch"
        best = next((pair for pair in lines if pair[1].fate == "answered"), lines[-1])
        line = best[1]
        if line.file_id is None or line.file_id not in self.record.kinds:
            return line.how
        where = f"in the {self.record.kinds[line.file_id]}"
        at = self.record.downloads.get(line.file_id)
        if at is None:
            return f"{line.how} {where}, which the client never downloaded"
        return f"{line.how} {where}, which the client downloaded at {moment_text(at)}"

    # --- no double spend, terminates, clean

    @cached_property
    def parts(self) -> int:
        """How many batches have no request again: into so many the client divided them."""
        seen, parts = Counter[str | None](), 0
        for batch in self.record.batches:
            seen.update(line.custom_id for line in batch.lines)
            parts += bool(batch.lines) and all(
                seen[line.custom_id] <= self.requested.ids.get(line.custom_id or "", 0)
                for line in batch.lines
            )
        return max(parts, 1)

    @property
    def necessary_lines(self) -> int:
        """How many lines would do.

        The catalogue counts them for a client that submits all requests at once. If it divides
        them, what happens to at least one line of a batch can happen to one of each part; but no
        request is needed more often than there.
        """
        most, requests = self.case.incident.max_lines, len(self.case.requests)
        repeated, rounds = max(most - requests, 0), -(-most // requests)
        return max(min(most + repeated * (self.parts - 1), requests * rounds), requests)

    def double_spends(self) -> Iterator[Finding]:
        """Requests submitted again though they had an answer, or more often than necessary.

        Requests may be split into any number of batches, and asked for once by direct calls.
        """
        incident, batches = self.case.incident, self.record.batches
        if again := next(self.paid_again(), None):
            yield again
            return
        most_batches = incident.max_batches
        most_lines = self.necessary_lines
        runs, times = accumulate(batch.billed for batch in batches), Counter[str | None]()
        too_many = list[BatchRecord]()
        for batch, lines in zip(batches, runs, strict=True):
            is_cancelled = batch.status == "cancelled"
            submitted = {line.custom_id for line in batch.lines if line.ran or not is_cancelled}
            submitted = submitted if batch.lines else {None}
            times.update(submitted)
            most = max((times[id_] for id_ in submitted), default=0)
            if most > most_batches or lines > most_lines:
                too_many.append(batch)
        if not too_many and self.billed <= most_lines:
            return
        ran = [batch.billed for batch in batches if batch.billed]
        made = f"{_number(sum(ran), 'line')} ran in {_number(len(ran), 'batch')}"
        direct = self.billed - sum(ran)
        made += f", and {_number(direct, 'direct call')} had an answer" if direct else ""
        what = f"{made}; {most_lines} would do."
        if self.billed <= most_lines:
            most = max(times.values())
            often = [id_ or "a line of no request" for id_, n in times.items() if n == most]
            what = f"{_named(often)} was in {_number(most, 'batch')}; {most_batches} would do."
        if not too_many:
            advice = "Do not make a direct call for a request that has been answered."
            yield self.finding("no double spend", [], what, advice, self.record.ended)
            return
        extra = min(too_many, key=lambda batch: batch.created)
        since, extra_ids = extra.created, {line.custom_id for line in extra.lines}
        was_running = any(
            batch.created < since and (batch.ends is None or since < batch.ends)
            for batch in batches
            if extra_ids & {line.custom_id for line in batch.lines}
        )
        known = f"The first batch without need is {extra.id}, created at {moment_text(since)}."
        advice = (
            "Before you repeat a create, look for the first batch in the list of batches."
            if was_running
            else "Submit a request again only if its failure may be temporary, and only once."
        )
        ids = tuple(batch.id for batch in too_many)
        yield Finding("no double spend", ids, since, (what, known, advice))

    def paid_again(self) -> Iterator[Finding]:
        """The first batch with lines to whose requests the client could see a usable answer."""
        for batch in self.record.batches:
            ids = [
                id_
                for id_ in dict.fromkeys(line.custom_id for line in batch.lines)
                if id_ is not None and self.requested.ids[id_] == 1
                if any(self.is_seen(line, batch.created) for _, line in self.lines[id_])
            ]
            if ids and batch.billed:
                what = (
                    f"{_named(ids)} was submitted again in {batch.id}, but it {self.fate(ids[0])}."
                )
                known = f"{batch.id} was created at {moment_text(batch.created)}."
                advice = "Submit only requests that have no answer yet."
                message = (what, known, advice)
                yield Finding("no double spend", (batch.id,), batch.created, message)
                return

    def is_seen(self, line: LineRecord, at: int) -> bool:
        """Whether a line has a usable answer, in a file that the client could get by then."""
        file_id = line.file_id
        if file_id is None or not line.is_readable or not any(map(is_usable, line.answers)):
            return False
        downloaded = self.record.downloads.get(file_id)
        is_shown = file_id in self.record.shown and self.record.written[file_id] <= at
        return is_shown or (downloaded is not None and downloaded <= at)

    def endless(self) -> Iterator[Finding]:
        """A wait without end."""
        if self.record.endless is not None:
            what, known, advice = self.record.endless
            yield Finding("terminates", (), self.record.ended, (what, known, advice))

    def uncleanness(self, *, leftovers: bool) -> Iterator[Finding]:
        """Polls too often, and result files that the client saw and did not download."""
        yield from (replace(finding, check="clean") for finding in self.record.impolite)
        most = self.case.incident.max_polls * self.parts
        if self.record.polls > most:
            what = f"{self.record.polls} polls were made; {most} would do."
            yield self.finding("clean", [], what, "Poll less often the longer a batch takes.")
        left = [id_ for id_ in self.record.shown if id_ not in self.record.tried]
        if left:
            files = (f"{id_} ({self.record.kinds[id_]})" for id_ in left)
            what = f"The client never downloaded {', '.join(files)}."
            advice = "Download output_file_id and error_file_id of every batch that has ended."
            yield self.finding("clean", left, what, advice, self.record.ended)
        if leftovers:
            yield from (replace(finding, check="clean") for finding in self.record.leftovers)

    def finding(
        self, verdict: str, objects: Sequence[str], what: str, advice: str, since: int | None = None
    ) -> Finding:
        """A finding; by default it begins where the client could have known better."""
        if since is None:
            files = [line.file_id for id_ in objects for _, line in self.lines.get(id_, ())]
            moments = [
                self.record.downloads.get(id_, self.record.written[id_])
                for id_ in files
                if id_ is not None and id_ in self.record.written
            ]
            since = min([*moments, self.record.ended])
        known = f"Since {moment_text(since)}. {self.record.last_call}"
        return Finding(verdict, tuple(objects), since, (what, known, advice))


# --- words


def _named(ids: Sequence[str]) -> str:
    names = [*dict.fromkeys(ids)]
    if len(names) == 1:
        return names[0]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"each of {', '.join(names[:SHOWN])}{more}"


def _number(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return f"{text[:57]}..." if len(text) > 60 else text


def _quoted(answer: object) -> str:
    return repr(_short(answer)) if isinstance(answer, str) else _short(answer)


def _answered(body: Any) -> str:
    """What a response body says: a predicate."""
    text, cut = next(iter(texts(body)), ""), cut_off(body)
    how = f"was answered with {_quoted(text)}" if text else "was answered without a text"
    return f"{how} ({cut})" if cut else how
