"""How a batch is shown otherwise than it is: lying counts, other statuses, fields, moments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.batch.plan import Counts, Plan

_MOMENTS: dict[str, Callable[[int], Any]] = {
    "milliseconds": lambda at: at * 1_000,
    "float": lambda at: at + 0.25,
    "iso": lambda at: datetime.fromtimestamp(at, UTC).isoformat(),
    "null": lambda _: None,
}


def shown(wire: dict[str, Any], plan: Plan, now: int) -> dict[str, Any]:
    """The object of a batch as its life wants it shown."""
    life = plan.input.life
    if plan.input.is_usual:
        return wire
    wire["request_counts"] = _counts(wire["request_counts"], plan, now)
    wire["status"] = _status(wire["status"], plan, now)
    if life.fails == "null":
        wire["errors"] = None
    if life.moments is not None:
        form = _MOMENTS[life.moments]
        wire |= {name: form(at) for name, at in wire.items() if _is_moment(name, at)}
    wire |= {name: value for name, value in life.nulls.items() if wire.get(name) is None}
    wire |= dict(life.shows) | dict.fromkeys(life.blanks)
    return {name: value for name, value in wire.items() if name not in life.hides}


def counts_of(plan: Plan, now: int) -> Counts:
    """The counts at `now`, or those of a while ago where they lag."""
    return plan.counts(now - (plan.input.life.counts_lag or 0))


def _is_moment(name: str, value: object) -> bool:
    return name.endswith("_at") and isinstance(value, int)


def _counts(true: dict[str, Any], plan: Plan, now: int) -> dict[str, Any] | None:
    total, failed = true["total"], true["failed"]
    match plan.input.life.counts:
        case "zero":
            return dict.fromkeys(true, 0)
        case "null":
            return None
        case "all_completed" if plan.status(now) in TERMINAL:
            return {"total": total, "completed": total, "failed": 0}
        case "failed_as_completed" | "all_completed":
            return {"total": total, "completed": true["completed"] + failed, "failed": 0}
        case "decreasing":
            left = total - true["completed"] - failed
            return {"total": total, "completed": left, "failed": failed}
        case _:
            return true


def _status(status: str, plan: Plan, now: int) -> str:
    told = plan.input.life.statuses.get(status, status)
    if isinstance(told, str):
        return told
    began = plan.timeline.at(now)
    later = [mark.at for mark in plan.timeline.marks if mark.at > began.at]
    if not later:
        return told[-1]
    return told[(now - began.at) * len(told) // (later[0] - began.at)]
