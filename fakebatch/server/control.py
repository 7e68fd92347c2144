"""The control plane: what a test asks and changes of a world over HTTP, as JSON.

`ROUTES` is the table of what there is; the OpenAPI document is made of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field
from hmac import compare_digest
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from fakebatch.durations import Duration, microseconds
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.inspection.checks import CHECKS
from fakebatch.inspection.journal import moment_text
from fakebatch.rules import loading
from fakebatch.rules.rule import validated
from fakebatch.server.worlds import World, Worlds, no_world
from fakebatch.vtime import moments
from fakebatch.wire.messages import Reply, Request, json_reply

PREFIX = "/_fakebatch/"


# --- the bodies of requests


@dataclass(frozen=True, slots=True)
class NewWorld:
    """A world to make. What is left out is as the server was started."""

    name: str
    _: KW_ONLY
    clock: str | None = None
    seed: int | str | None = None
    dialect: str | None = None
    incident: str | list[str] | None = None
    max_idle: Duration | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A move of the clock: `advance` by a duration, or `move_to` a moment."""

    _: KW_ONLY
    advance: Duration | None = None
    move_to: str | float | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that exists: its content as text, or in base64."""

    _: KW_ONLY
    content: str = ""
    base64: str | None = None
    filename: str | None = None
    purpose: str = "batch"
    created: str | float = "-0s"
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch that has a status now: its request lines, or the id of its file."""

    requests: list[dict[str, Any]] | str
    _: KW_ONLY
    status: str = "completed"
    created: str | float = "-1h"
    endpoint: str | None = None
    completion_window: str = "24h"
    metadata: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A snapshot of the world, by its number."""

    snapshot: int
