"""How often each rule met something, and what to say of rules that met nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from fakebatch.batch.batch import Batch
from fakebatch.errors import UsageError
from fakebatch.request_line import RequestLine
from fakebatch.rules.calls import CallRule
from fakebatch.rules.lines import Echo, LineRule, Replay, Reply
from fakebatch.rules.rule import Selection
from fakebatch.rules.scenario import AnyRule, Place
from fakebatch.service import Service
from fakebatch.wire.faults import Faults

CHOICES = ("error", "warn", "ignore")
"""What can be done about rules that nothing met."""


def checked(choice: str) -> str:
    """One of the choices.

    Raises:
        UsageError: it is none.
    """
    if choice in CHOICES:
        return choice
    raise UsageError(
        f"unused_rules={choice!r} is unknown.",
        f"Known are {', '.join(map(repr, CHOICES))}.",
        "Leave it out, and rules that nothing met are an error.",
    )


def hits(services: Sequence[Service], faults: Faults, place: Place) -> int:
    """How often the rule at a place of the scenario has met something."""
    family, index = place
    if family == CallRule.family:
        return faults.hits_of(index, services[0].state.scenario.on_call)
    met = sum(service.state.hits.get(place, 0) for service in services)
    if family != LineRule.family:
        return met
    rules = services[0].state.scenario.on
    if index >= len(rules):
        return 0
    batches = (batch for service in services for batch in service.state.batches.ever())
    return met + sum(_matches(batch, index, rules[index]) for batch in batches)


def unused(services: Sequence[Service], faults: Faults) -> list[tuple[Place, AnyRule]]:
    """The rules that nothing has met, apart from chances that did not come and limits kept."""
    excused = faults.excused(services[0].state.scenario.on_call)
    return [
        (place, rule)
        for place, rule in services[0].state.scenario.rules
        if not hits(services, faults, place)
        and not (isinstance(rule, CallRule) and place[1] in excused)
    ]


def injected(services: Sequence[Service], faults: Faults) -> list[AnyRule]:
    """The rules that let something go wrong."""
    return [
        rule
        for place, rule in services[0].state.scenario.rules
        if hits(services, faults, place)
        and not (isinstance(rule, LineRule) and isinstance(rule.outcome, Reply | Echo | Replay))
    ]


def words(rules: Iterable[AnyRule], selections: Iterable[Selection[AnyRule]]) -> tuple[str, ...]:
    """Rules that nothing met, and those of the selections that got no verb, as a test has them."""
    verbless = (
        f"{selection!r}, which has no verb" for selection in selections if not selection.has_verb
    )
    return tuple(dict.fromkeys([*map(str, rules), *verbless]))


def complaint(unmet: Sequence[str], services: Sequence[Service]) -> UsageError:
    """The error for rules that nothing met, and for selections that got no verb."""
    batches = [batch for service in services for batch in service.state.batches.ever()]
    uploads = sum(service.state.uploaded for service in services)
    lines = (repr(line.custom_id) for batch in batches for line in _lines(batch))
    several = [*islice(lines, 6)]
    known = ", ".join([*several[:5], *("…" for _ in several[5:])]) or "none"
    return UsageError(
        f"No line, batch, upload or call ever met {'; '.join(unmet)}.",
        f"Uploads: {uploads}; batches: {len(batches)}; custom_ids: {known}.",
        "Mend the rule or the test, or use FakeBatch(unused_rules='warn') or 'ignore'.",
    )


def _matches(batch: Batch, index: int, rule: LineRule) -> int:
    """How many lines of a batch match a rule, whether they have run or not."""
    if batch.scenario.on[index : index + 1] != (rule,):
        return 0  # the batch is older than the rule
    if not batch.fails:
        return sum(index in outcome.rules for outcome in batch.outcomes.by_line)
    if rule.where is not None or rule.fraction is not None:
        return 0
    return sum(
        rule.matches(line)
        and (rule.times is None or batch.earlier.get(line.custom_id or "", 0) < rule.times)
        for line in _lines(batch)
    )


def _lines(batch: Batch) -> Iterator[RequestLine]:
    """The lines that can be read, also of a file that failed."""
    lines = batch.lines
    for index in range(len(lines)):
        with suppress(ValueError, LookupError, TypeError):
            yield lines.request(index)
