"""What a test asked for that never came: rules that nothing met, faults that never fired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from fakebatch.batch.batch import Batch
from fakebatch.errors import Misuse
from fakebatch.request_line import RequestLine
from fakebatch.scenario import (
    BatchRule,
    CallFault,
    Echoes,
    FileRule,
    LineRule,
    Recorded,
    Rule,
    Says,
)
from fakebatch.scenario.as_said import as_said
from fakebatch.service import Service
from fakebatch.service.state import FAMILIES
from fakebatch.wire.faults import Faults

WAYS = ("error", "note", "ignore")
"""What can be done about rules that nothing met."""


def checked(way: str) -> str:
    """One of the ways.

    Raises:
        Misuse: it is none.
    """
    if way in WAYS:
        return way
    raise Misuse(
        f"unused={way!r} is nothing that can be done about rules that nothing met.",
        f"Known are {', '.join(map(repr, WAYS))}.",
        "Leave it out to be told of them as an error.",
    )


def unused(services: Sequence[Service], faults: Faults) -> list[Rule]:
    """The rules of the scenario that nothing has met, in the order in which they were said."""
    batches = [one for service in services for one in service.state.batches.ever()]
    used = {
        id(getattr(service.state.scenario, FAMILIES[family])[place])
        for service in services
        for family, place in service.state.hits
    }
    never_fired = {id(fault) for fault in faults.unused()}
    said = services[0].state.scenario.said
    return [rule for rule in said if not _was_used(rule, used, batches, never_fired)]


def injected(services: Sequence[Service], faults: Faults) -> list[Rule]:
    """The rules that something has met and that are about trouble, faults that fired among them."""
    idle = {id(rule) for rule in unused(services, faults)}
    met = (rule for rule in services[0].state.scenario.said if id(rule) not in idle)
    return [rule for rule in met if not (isinstance(rule, LineRule) and _is_fine(rule))]


def _is_fine(rule: LineRule) -> bool:
    return rule.damage is None and isinstance(rule.outcome, Says | Echoes | Recorded)


def _was_used(rule: Rule, used: set[int], batches: list[Batch], never_fired: set[int]) -> bool:
    if id(rule) in used:
        return True
    match rule:
        case CallFault():
            return id(rule) not in never_fired
        case FileRule():
            return False
        case BatchRule():
            return any(_has(batch, rule) and _met(batch, rule) for batch in batches)
        case LineRule():
            return any(_has(batch, rule) and _selects(batch, rule) for batch in batches)


def _has(batch: Batch, rule: BatchRule | LineRule) -> bool:
    scenario = batch.scenario
    return any(rule is one for one in (*scenario.rules, *scenario.batches))


def _met(batch: Batch, rule: BatchRule) -> bool:
    return rule.which(batch.nth, batch.params.endpoint)


def _selects(batch: Batch, rule: LineRule) -> bool:
    if rule.which.where is None and rule.which.fraction is None:
        return any(map(rule.which, _lines(batch)))
    if batch.fails:
        return False
    return any(rule in batch.outcome(index).rules for index in range(len(batch.lines)))


def _lines(batch: Batch) -> Iterator[RequestLine]:
    """The lines that can be read, also of a file that failed."""
    lines = batch.lines
    for index in range(len(lines)):
        with suppress(ValueError, LookupError, TypeError):
            yield lines.request(index)


def complaint(rules: list[Rule], services: Sequence[Service]) -> Misuse:
    """What to say of rules that the test itself asked for."""
    batches = [one for service in services for one in service.state.batches.ever()]
    uploads = sum(one.state.uploaded for one in services)
    lines = (repr(line.custom_id) for batch in batches for line in _lines(batch))
    several = [*islice(lines, 6)]
    known = ", ".join([*several[:5], *("…" for _ in several[5:])]) or "none"
    return Misuse(
        f"The test asked for what never happened: {'; '.join(map(as_said, rules))}.",
        f"Uploads: {uploads}; batches: {len(batches)}; custom_ids: {known}.",
        "Mend the rule or the test, or say FakeBatch(unused='note') or 'ignore'.",
    )
