"""What a test asked for that never came: rules that nothing met, faults that never fired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from fakebatch.batch.plan import Plan
from fakebatch.errors import UsageError as Misuse
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
    plans = [one.plan for service in services for one in service.world.batches.ever()]
    used = set[int]().union(*(service.world.used for service in services))
    never_fired = {id(fault) for fault in faults.unused(services[0].world.scenario.calls)}
    said = services[0].world.scenario.said
    return [rule for rule in said if not _was_used(rule, used, plans, never_fired)]


def injected(services: Sequence[Service], faults: Faults) -> list[Rule]:
    """The rules that something has met and that are about trouble, faults that fired among them."""
    idle = {id(rule) for rule in unused(services, faults)}
    met = (rule for rule in services[0].world.scenario.said if id(rule) not in idle)
    return [rule for rule in met if not (isinstance(rule, LineRule) and _is_fine(rule))]


def _is_fine(rule: LineRule) -> bool:
    return rule.damage is None and isinstance(rule.outcome, Says | Echoes | Recorded)


def _was_used(rule: Rule, used: set[int], plans: list[Plan], never_fired: set[int]) -> bool:
    if id(rule) in used:
        return True
    match rule:
        case CallFault():
            return id(rule) not in never_fired
        case FileRule():
            return False
        case BatchRule():
            return any(_has(plan, rule) and _met(plan, rule) for plan in plans)
        case LineRule():
            return any(_has(plan, rule) and _selects(plan, rule) for plan in plans)


def _has(plan: Plan, rule: BatchRule | LineRule) -> bool:
    scenario = plan.input.scenario
    return any(rule is one for one in (*scenario.rules, *scenario.batches))


def _met(plan: Plan, rule: BatchRule) -> bool:
    return rule.which(plan.input.number, plan.input.asked.endpoint)


def _selects(plan: Plan, rule: LineRule) -> bool:
    if rule.which.where is None and rule.which.fraction is None:
        return any(map(rule.which, _lines(plan)))
    given = plan.input
    if given.fails:
        return False
    return any(rule in given.decision(index).rules for index in range(len(given.lines)))


def _lines(plan: Plan) -> Iterator[RequestLine]:
    """The lines that can be read, also of a file that failed."""
    lines = plan.input.lines
    for index in range(len(lines)):
        with suppress(ValueError, LookupError, TypeError):
            yield lines.request(index)


def complaint(rules: list[Rule], services: Sequence[Service]) -> Misuse:
    """What to say of rules that the test itself asked for."""
    plans = [one.plan for service in services for one in service.world.batches.ever()]
    uploads = sum(one.world.uploaded for one in services)
    lines = (repr(line.custom_id) for plan in plans for line in _lines(plan))
    several = [*islice(lines, 6)]
    known = ", ".join([*several[:5], *("…" for _ in several[5:])]) or "none"
    return Misuse(
        f"The test asked for what never happened: {'; '.join(map(as_said, rules))}.",
        f"Uploads: {uploads}; batches: {len(plans)}; custom_ids: {known}.",
        "Mend the rule or the test, or say FakeBatch(unused='note') or 'ignore'.",
    )
