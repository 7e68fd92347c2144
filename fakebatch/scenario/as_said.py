"""A fault in the words of the test that asked for it, for messages and reports."""

from __future__ import annotations

from typing import Any

from fakebatch.durations import SECOND
from fakebatch.scenario.calls import (
    Answers,
    Breaks,
    CallFault,
    CallOutcome,
    Cuts,
    Limits,
    Relabels,
    Slows,
    WhichCalls,
)

_BREAKS = {"read_timeout": "timeout", "reset": "reset", "disconnected": "disconnect"}


def as_said(fault: CallFault) -> str:
    """For example `on_call('batches.retrieve', nth=3).fail(503)`; bodies and keys are left out."""
    return f"on_call({_which(fault.which)}).{_outcome(fault.outcome)}"


def _which(which: WhichCalls) -> str:
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
        case Limits(most, per):
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
