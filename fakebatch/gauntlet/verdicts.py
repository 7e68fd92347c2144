"""The verdict on a case: a pure function of the case, its record, and what the client reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from fakebatch.gauntlet.answers import cut_off, is_body, is_response, is_text_of, is_usable
from fakebatch.gauntlet.case import Case
from fakebatch.gauntlet.facts import Facts
from fakebatch.gauntlet.record import Record
from fakebatch.gauntlet.report import Failure, Report, is_missing
from fakebatch.gauntlet.spending import Spending
from fakebatch.gauntlet.unmet import unmet
from fakebatch.gauntlet.words import alike, answered, quoted, short
from fakebatch.inspection.checks import Finding

Outcome = Literal["pass", "unclean", "info", "fail", "not run"]


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


def judge(case: Case, record: Record, report: Report, *, leftovers: bool = False) -> Verdict:
    """The verdict on a client.

    Args:
        case: the incident and the requests.
        record: what the client did.
        report: what it says that it got.
        leftovers: whether files that it left behind are unclean.
    """
    facts = Facts(case, record, report)
    spending = Spending(facts)
    wrong = sorted(
        [*_lies(facts), *_losses(facts), *spending.findings(), *_endless(facts)],
        key=lambda finding: finding.since,
    )
    unclean = [*_uncleanness(facts, case.incident.max_polls * spending.parts, leftovers=leftovers)]
    gave_up = _reason_of_giving_up(facts)
    outcome: Outcome = "unclean" if unclean else "pass"
    findings, reason = wrong or unclean, ""
    if wrong:
        outcome = "fail"
    elif gave_up:
        outcome, findings, reason = "info", [], " ".join(gave_up.split())
    return Verdict(
        case.id,
        outcome,
        tuple(findings),
        reason,
        "" if wrong else unmet(case, record),
        (record.ended - record.began) / 1_000_000,
        len(record.batches),
        spending.billed,
        record.polls,
        sum(record.calls.values()),
    )


# --- no lie

_Kinds = defaultdict[str, dict[str, str]]
"""By the kind of an objection its words, a predicate for each custom_id."""


def _lies(facts: Facts) -> Iterator[Finding]:
    """Answers that the service never gave to these requests."""
    by_kind = _Kinds(dict)
    for id_ in filter(lambda id_: id_ not in facts.requested.ids, facts.reported):
        by_kind["stranger"][id_] = "was reported, but no request has this custom_id"
    for id_ in facts.requested.ids:
        for answer in facts.reported.get(id_, ()):
            if not isinstance(answer, Failure) and not is_missing(answer):
                kind, wrong = _wrong(facts, id_, answer)
                if kind:
                    by_kind[kind][id_] = wrong
    advice = "Take an answer only from a line with status 2xx and the custom_id of its request."
    for words in by_kind.values():
        yield facts.finding("no lie", [*words], alike(words), advice)


def _wrong(facts: Facts, id_: str, answer: object) -> tuple[str, str]:
    """What is wrong with an answer: the kind, and a predicate; empty: nothing."""
    bodies = [*facts.bodies(id_)]
    if any(is_body(answer, body) for body in bodies):
        return "", ""
    cut = next((cut_off(body) for body in bodies if is_text_of(answer, body)), None)
    if cut is not None:
        return cut, cut and f"was cut off ({cut}), and its text was reported as the answer"
    for other in facts.requested.ids:
        for body in facts.bodies(other) if other != id_ else ():
            if is_body(answer, body) or is_text_of(answer, body):
                return "foreign", f"was given the answer to {other}"
    what = f"but {quoted(answer)} was reported as its answer"
    if not (isinstance(answer, str) or is_response(answer)):
        what += ", which is neither a text nor a response body"
    seen = next(facts.bodies(id_, readable=True), None)
    if seen is None:
        return facts.how(id_), f"{facts.fate(id_)}, {what}"
    return "invented", f"{answered(seen)}, {what}"


# --- no loss


def _losses(facts: Facts) -> Iterator[Finding]:
    """Requests that were neither answered nor reported as failed, though they could be."""
    by_kind = _Kinds(dict)
    for id_ in facts.requested.ids:
        for kind, lost in _lost(facts, id_):
            by_kind[kind][id_] = lost
    does = facts.case.incident.client
    advice = f"A robust client {does[0].lower()}{does[1:]}"
    for words in by_kind.values():
        yield facts.finding("no loss", [*words], alike(words), advice)


def _lost(facts: Facts, id_: str) -> Iterator[tuple[str, str]]:
    """In which ways a request is not accounted for: kinds and predicates."""
    answers, least = facts.reported.get(id_, ()), facts.requested.distinct[id_]
    raised, recoverable = facts.report.raised, facts.case.incident.recoverable
    failures = [answer for answer in answers if isinstance(answer, Failure)]
    if len(answers) > facts.requested.ids[id_]:
        yield "too often", f"was reported {len(answers)} times"
    elif 0 < len(answers) < least and not failures:  # a failure is that of all of them
        yield "too rarely", f"was reported once, for {least} requests that have this id"
    elif not answers and raised is None:
        yield facts.how(id_), f"is missing from the results: it {facts.fate(id_)}"
    elif not answers and not facts.record.endless:
        gave_up = f"was given up with {(raised or '').rstrip('.')}"
        if recoverable:
            yield "given up", gave_up
        else:
            yield from _thrown_away(facts, id_, gave_up)
    if any(map(is_missing, answers)):
        yield "missing", "was reported with neither an answer nor an error"
    for answer in failures:
        why = f" ({short(answer.message)})" if answer.message else ""
        yield from _thrown_away(facts, id_, f"was reported as failed{why}")


def _thrown_away(facts: Facts, id_: str, reported: str) -> Iterator[tuple[str, str]]:
    """Why a failure that was `reported` is a loss, if it is: the kind, and a predicate."""
    recoverable = facts.case.incident.recoverable
    for _, line in facts.lines.get(id_, ()):
        could = recoverable or facts.could_get(line.file_id)
        if line.is_readable and could and any(map(is_usable, line.answers)):
            yield "thrown away", f"{reported}, but it {facts.fate_of(line)}"
            return
    if recoverable and facts.never_ran(id_):
        yield facts.how(id_), f"{reported}, but could be answered: it {facts.fate(id_)}"


def _reason_of_giving_up(facts: Facts) -> str:
    """An exception in place of results, or a failure of a request that never ran.

    Empty: the client did not give up.
    """
    if facts.report.raised and facts.requested.ids.keys() - facts.reported.keys():
        return facts.report.raised
    for id_, answers in facts.reported.items():
        for answer in answers:
            if isinstance(answer, Failure) and facts.never_ran(id_):
                return answer.message
    return ""


# --- terminates, clean


def _endless(facts: Facts) -> Iterator[Finding]:
    """A wait without end."""
    if facts.record.endless is not None:
        what, known, advice = facts.record.endless
        yield Finding("terminates", (), facts.record.ended, (what, known, advice))


def _uncleanness(facts: Facts, max_polls: int, *, leftovers: bool) -> Iterator[Finding]:
    """Polls too often, and result files that the client saw and did not download."""
    record = facts.record
    yield from (replace(finding, check="clean") for finding in record.impolite)
    if record.polls > max_polls:
        what = f"{record.polls} polls were made; {max_polls} would do."
        yield facts.finding("clean", [], what, "Poll less often the longer a batch takes.")
    left = [id_ for id_ in record.shown if id_ not in record.tried]
    if left:
        files = (f"{id_} ({record.kinds[id_]})" for id_ in left)
        what = f"The client never downloaded {', '.join(files)}."
        advice = "Download output_file_id and error_file_id of every batch that has ended."
        yield facts.finding("clean", left, what, advice, record.ended)
    if leftovers:
        yield from (replace(finding, check="clean") for finding in record.leftovers)
