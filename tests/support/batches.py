"""Batches to look at: ten chat requests by default, a line every ten seconds."""

from __future__ import annotations

import json
from typing import Any

from fakebatch.batch.batch import Batch, BatchCreateParams
from fakebatch.dialects import OPENAI, Dialect
from fakebatch.durations import SECOND
from fakebatch.ids import IdFactory
from fakebatch.request_lines import RequestLine
from fakebatch.rules.batches import Schedule
from fakebatch.rules.lines import Fail, LineRule
from fakebatch.rules.scenario import Scenario
from fakebatch.service.view import batch_object

CHAT = "/v1/chat/completions"
T0 = 1_787_150_474 * SECOND
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

SCHEDULE = Schedule(validating=10, in_progress=100, finalizing=5)
"""Runs from second 10, a line every ten seconds; finalizing at 110, completed at 115."""

OVERDUE = Schedule(validating=10, in_progress=2 * (86_400 - 10), finalizing=0)
"""Half of the lines are done when the window ends."""


def request(custom_id: str, /, **changes: Any) -> dict[str, Any]:
    """One line of an input file, as an object."""
    body = {"model": "gpt-5-nano", "messages": [{"role": "user", "content": custom_id}]}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body, **changes}


def jsonl(*lines: object) -> bytes:
    """An input file: bytes are taken as they are, everything else as JSON."""
    return b"".join(_raw(line) + b"\n" for line in lines)


def _raw(line: object) -> bytes:
    return line if isinstance(line, bytes) else json.dumps(line).encode()


def requests(count: int) -> bytes:
    """An input file of `count` good lines, from r-0 on."""
    return jsonl(*(request(f"r-{number}") for number in range(count)))


def failing(*custom_ids: str, schedule: Schedule = SCHEDULE) -> Scenario:
    """A scenario in which these lines fail with a 429."""
    rules = (LineRule(custom_id=custom_id, fail=Fail(429)) for custom_id in custom_ids)
    return Scenario(schedule=schedule, on=tuple(rules))


def batch(
    content: bytes | None = None,
    *,
    scenario: Scenario | None = None,
    missing: bool = False,
    cancelled: int | None = None,
    seed: bytes = b"0",
    dialect: Dialect = OPENAI,
    model: str = "",
) -> Batch:
    """A batch created at T0, the first of all; `cancelled` counts seconds from there."""
    return as_first(
        Batch(
            id="batch_1",
            created=T0,
            params=BatchCreateParams(CHAT, "24h", "file-1", model=model),
            content=None if missing else requests(10) if content is None else content,
            scenario=scenario or Scenario(schedule=SCHEDULE),
            dialect=dialect,
            models=None,
            id_factory=IdFactory(seed),
            output_file_id="file-output",
            error_file_id="file-error",
            cancelled=None if cancelled is None else after(cancelled),
        )
    )


def as_first(batch: Batch) -> Batch:
    """The batch with the rules that select it if it is the first."""
    rules = enumerate(batch.scenario.on_batch)
    matching = {index: rule for index, rule in rules if batch.matches(rule)}
    selecting = (index for index, rule in matching.items() if rule.includes(1))
    return batch.selected_by((*matching,), (*selecting,))


def seen(of: Batch, seconds: float) -> dict[str, Any]:
    """What a client sees of it so many seconds after T0."""
    return batch_object(of, after(seconds))


def after(seconds: float) -> int:
    """So many seconds after T0."""
    return T0 + round(seconds * SECOND)


def line(custom_id: str | None = "r-1", url: str = CHAT, **body: Any) -> RequestLine:
    """A request as a rule or a callable sees it."""
    return RequestLine(None if custom_id is None else 0, custom_id, url, body)
