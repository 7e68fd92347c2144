"""A rule in the words of the test that asked for it, for messages and reports."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fakebatch.durations import SECOND
from fakebatch.scenario import (
    USUAL,
    Answers,
    BatchRule,
    Breaks,
    CallFault,
    CallOutcome,
    Cuts,
    Damage,
    ErrorEntry,
    Fails,
    FileRule,
    Hangs,
    Keeping,
    Life,
    LineRule,
    Relabels,
    Rule,
    Slows,
    Spoils,
    Stall,
    Throttles,
    Which,
    WhichCalls,
)
from fakebatch.scenario.turns import Turns

_BREAKS = {"read_timeout": "timeout", "reset": "reset", "disconnected": "disconnect"}


def as_said(rule: Rule) -> str:
    """For example `on_call('batches.retrieve', nth=3).fail(503)`; bodies and keys are left out."""
    match rule:
        case CallFault(which, outcome):
            return f"on_call({_calls(which)}).{_outcome(outcome)}"
        case LineRule(which):
            return f"on({_lines(which)}).{_line(rule)}"
        case BatchRule(which, life):
            return f"on_batch({_turns(which, endpoint=which.endpoint)}).{_life(life)}"
        case FileRule(which, keeping):
            return f"on_file({_turns(which, purpose=which.purpose)}).{_keeping(keeping)}"


def _lines(which: Which) -> str:
    said = {f.name: getattr(which, f.name) for f in fields(which) if f.name != "where"}
    return _arguments(*([...] if which.where else []), **said)


def _line(rule: LineRule) -> str:
    if rule.damage is not None:
        return _damage(rule.damage)
    match rule.outcome:
        case Fails(status, _, times):
            return f"fail({_arguments(*([] if status is None else [status]), times=times)})"
        case Spoils(how):
            return f"spoil({how!r})"
        case Hangs():
            return "hang()"
        case _:
            return "reply(…)"


def _damage(damage: Damage) -> str:
    if damage.copies == 0:
        return "drop()"
    if damage.corrupt is not None:
        return f"corrupt({damage.corrupt!r})"
    if damage.custom_id is not None:
        return f"rename({damage.custom_id!r})"
    return f"duplicate({_arguments(conflict=damage.conflict)})"


def _turns(turns: Turns, **of: str | None) -> str:
    nth = None if turns.nth == 1 else turns.nth
    return _arguments(nth=nth, times=turns.times, **of)


_VERBS = {
    "fails": "fail",
    "stall": "stall",
    "finished": "expire",
    "overruns": "overrun",
    "cancels_to": "cancel_to",
    "counts": "count",
    "counts_lag": "count",
    "vanishes": "vanish",
    **dict.fromkeys(("validating", "in_progress", "finalizing", "cancelling"), "schedule"),
    "curve": "schedule",
    **dict.fromkeys(("statuses", "shows", "nulls", "hides", "moments", "early_files"), "show"),
}
"""How a part of a life is said; what is not here is about result files."""

_NAMES = {"counts_lag": "late", "files_late": "late", "shows": "fields", "hides": "without"}
"""How a part is named there, if not as in the data."""

_UNNAMED = ("fails", "stall", "finished", "overruns", "cancels_to", "counts", "vanishes")


def _life(life: Life) -> str:
    said = {f.name: getattr(life, f.name) for f in fields(life)}
    changed = {name: value for name, value in said.items() if value != getattr(USUAL, name)}
    verb = _VERBS.get(next(iter(changed), "curve"), "write")
    given = [_value(name, changed[name]) for name in changed if name in _UNNAMED]
    named = {_NAMES.get(n, n): _value(n, changed[n]) for n in changed if n not in _UNNAMED}
    if life.fails == "null":
        return "fail(errors='null')"
    return f"{verb}({_arguments(*(one for one in given if one is not True), **named)})"


def _value(name: str, value: Any) -> Any:
    match value:
        case (ErrorEntry(code), *_):
            return code
        case Stall(at):
            return at
        case bool() | float() | str():
            return value
        case int():
            return value if name == "trailing" else _seconds(value)
        case ():
            return True
        case _:
            return ...


def _keeping(keeping: Keeping) -> str:
    if keeping.hidden is not None:
        return f"hide({_seconds(keeping.hidden)})"
    if keeping.lives is not None:
        return f"expire({_seconds(keeping.lives)})"
    return f"pend({_seconds(keeping.pending or 0)})"


def _calls(which: WhichCalls) -> str:
    once = which.nth > 1 and which.times == 1
    between = (_seconds(which.since), None if which.until is None else _seconds(which.until))
    named = {
        "nth": None if which.nth == 1 else which.nth,
        "times": None if once else which.times,
        "between": None if between == (0, None) else between,
        "chance": which.chance,
        "key": None if which.key is None else ...,
        "through_retries": which.through_retries or None,
    }
    return _arguments(which.operation, **named)


def _outcome(outcome: CallOutcome) -> str:
    verb, given, named = _verb(outcome)
    return f"{verb}({_arguments(*given, **named)})"


def _verb(outcome: CallOutcome) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    said: tuple[str, tuple[Any, ...], dict[str, Any]]
    match outcome:
        case Answers(status, body) if status >= 400:
            said = "fail", (status,), {"body": None if body is None else ...}
        case Answers(status):
            said = "reply", (...,), {"status": status}
        case Breaks(how):
            said = (_BREAKS[how], (), {}) if how in _BREAKS else ("connect_error", (how,), {})
        case Cuts(fraction, framing):
            said = "truncate", (fraction,), {"framing": framing}
        case Slows(first_byte, gap):
            waits = {"first_byte": _seconds(first_byte), "gap": _seconds(gap)}
            said = "slow", (), waits
        case Relabels(headers):
            said = "relabel", (dict(headers),), {}
        case Throttles(most, per):
            said = "limit", (most,), {"per": _seconds(per)}
    verb, given, named = said
    return verb, given, {**named, "applied": getattr(outcome, "applied", False) or None}


def _arguments(*given: Any, **named: Any) -> str:
    said = [_shown(value) for value in given]
    said += [f"{name}={_shown(value)}" for name, value in named.items() if value is not None]
    return ", ".join(said)


def _shown(value: Any) -> str:
    return "…" if value is ... else repr(value)


def _seconds(duration: int) -> float:
    return duration // SECOND if duration % SECOND == 0 else duration / SECOND
