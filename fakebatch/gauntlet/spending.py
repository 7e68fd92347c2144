"""The check `no double spend`: what is submitted again though it need not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from fakebatch.gauntlet.facts import Facts
from fakebatch.gauntlet.record import BatchRecord
from fakebatch.gauntlet.words import named, number
from fakebatch.inspection.checks import Finding
from fakebatch.inspection.journal import moment_text


@dataclass(frozen=True)
class Spending:
    """What the lines and the direct calls of a client cost, and what would have done."""

    facts: Facts

    @property
    def billed(self) -> int:
        """How many lines cost something: those that run, and direct calls.

        A direct request that is none of the case is a probe of what the model can do.
        """
        record = self.facts.record
        lines = sum(batch.billed for batch in record.batches)
        return lines + sum(call.custom_id is not None for call in record.direct)

    @cached_property
    def parts(self) -> int:
        """How many batches have no request again: into so many the client divided them."""
        seen, parts = Counter[str | None](), 0
        for batch in self.facts.record.batches:
            seen.update(line.custom_id for line in batch.lines)
            parts += bool(batch.lines) and all(
                seen[line.custom_id] <= self.facts.requested.ids.get(line.custom_id or "", 0)
                for line in batch.lines
            )
        return max(parts, 1)

    @cached_property
    def unreadable(self) -> frozenset[str]:
        """The requests whose first line has no result line that can be read as theirs."""
        return frozenset(
            id_ for id_, ((_, line), *_) in self.facts.lines.items() if not line.is_readable
        )

    @property
    def necessary_lines(self) -> int:
        """How many lines would do.

        The catalogue counts them for a client that submits all requests at once, with the ids that
        they have. If it divides them, what happens to at least one line of a batch can happen to
        one of each part; but no request is needed more often than there.
        """
        case = self.facts.case
        requests = len(case.requests)
        most = max(case.incident.max_lines, requests + len(self.unreadable))
        repeated, rounds = max(most - requests, 0), -(-most // requests)
        return max(min(most + repeated * (self.parts - 1), requests * rounds), requests)

    def most_batches(self, id_: str | None) -> int:
        """In how many batches a custom_id may be."""
        most = max(self.facts.case.incident.max_batches, 1 + (id_ in self.unreadable))
        return most * self.facts.requested.ids.get(id_ or "", 1)

    def findings(self) -> Iterator[Finding]:
        """Requests submitted again though they had an answer, or more often than necessary.

        Requests may be split into any number of batches, and asked for once by direct calls.
        """
        again = min(self.paid_again(), key=lambda finding: finding.since, default=None)
        if again:
            yield again
            return
        batches, most_lines = self.facts.record.batches, self.necessary_lines
        runs, times = accumulate(batch.billed for batch in batches), Counter[str | None]()
        too_many = list[BatchRecord]()
        for batch, lines in zip(batches, runs, strict=True):
            is_cancelled = batch.status == "cancelled"
            submitted = {line.custom_id for line in batch.lines if line.ran or not is_cancelled}
            submitted = submitted if batch.lines else {None}
            times.update(submitted)
            if lines > most_lines or any(times[id_] > self.most_batches(id_) for id_ in submitted):
                too_many.append(batch)
        if not too_many and self.billed <= most_lines:
            return
        ran = [batch.billed for batch in batches if batch.billed]
        made = f"{number(sum(ran), 'line')} ran in {number(len(ran), 'batch')}"
        direct = self.billed - sum(ran)
        made += f", and {number(direct, 'direct call')} had an answer" if direct else ""
        what = f"{made}; {most_lines} would do."
        if self.billed <= most_lines:
            what = self.too_often(times)
        if not too_many:
            advice = "Do not make a direct call for a request that has been answered."
            yield self.facts.finding("no double spend", [], what, advice, self.facts.record.ended)
            return
        yield self.without_need(too_many, what)

    def too_often(self, times: Counter[str | None]) -> str:
        """What was in how many batches, as a sentence."""
        ids = self.facts.requested.ids
        most = max(count // ids.get(id_ or "", 1) for id_, count in times.items())
        often = [id_ for id_, count in times.items() if count // ids.get(id_ or "", 1) == most]
        enough = self.most_batches(often[0]) // ids.get(often[0] or "", 1)
        what = named([id_ or "a line of no request" for id_ in often])
        return f"{what} was in {number(most, 'batch')}; {enough} would do."

    def without_need(self, too_many: list[BatchRecord], what: str) -> Finding:
        """The finding about batches that were not necessary."""
        extra = min(too_many, key=lambda batch: batch.created)
        since, extra_ids = extra.created, {line.custom_id for line in extra.lines}
        was_running = any(
            batch.created < since and (batch.ends is None or since < batch.ends)
            for batch in self.facts.record.batches
            if extra_ids & {line.custom_id for line in batch.lines}
        )
        known = f"The first batch without need is {extra.id}, created at {moment_text(since)}."
        advice = (
            "Before you repeat a create, look for the first batch in the list of batches."
            if was_running
            else "Submit a request again only if its failure may be temporary, and only once."
        )
        ids = tuple(batch.id for batch in too_many)
        return Finding("no double spend", ids, since, (what, known, advice))

    def paid_again(self) -> Iterator[Finding]:
        """The first batch and the first direct call for requests whose answer could be seen."""
        ids, direct = self.facts.requested.ids, self.facts.record.direct
        for batch in self.facts.record.batches:
            before = [call for call in direct if call.at <= batch.created]
            submitted = dict.fromkeys(line.custom_id for line in batch.lines)
            seen = {
                id_: answer
                for id_ in submitted
                if id_ is not None and ids[id_] == 1
                if (answer := self.facts.earlier_answer(id_, batch.created, before))
            }
            if seen and batch.billed:
                how = f"submitted again in {batch.id}, but {next(iter(seen.values()))}"
                known = f"{batch.id} was created at {moment_text(batch.created)}."
                message = (f"{named([*seen])} was {how}.", known, _ONCE)
                yield Finding("no double spend", (batch.id,), batch.created, message)
                break
        for index, (id_, _, at) in enumerate(direct):
            if id_ is None or ids[id_] > 1:
                continue
            if answer := self.facts.earlier_answer(id_, at, direct[:index]):
                what = f"{id_} was asked for again by a direct call, but {answer}."
                known = f"The direct call was made at {moment_text(at)}."
                yield Finding("no double spend", (id_,), at, (what, known, _ONCE))
                return


_ONCE = "Submit only requests that have no answer yet."
