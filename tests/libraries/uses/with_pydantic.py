"""Models with dates: of a module, of a function, and of a library that derives from `date`."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pydantic.v1
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass


class Job(BaseModel):
    """A model of version 2."""

    at: datetime
    day: date | None = None
    made: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class LateJob(Job):
    """A model whose schema is built at its first use."""

    model_config = ConfigDict(defer_build=True)


class OldJob(pydantic.v1.BaseModel):
    """A model of version 1."""

    at: datetime
    day: date | None = None


@dataclass
class Run:
    """A dataclass of pydantic's."""

    at: datetime


def use() -> None:
    class Local(BaseModel):
        at: datetime
        runs: list[datetime] = []

    class OldLocal(pydantic.v1.BaseModel):
        at: datetime
        day: pydantic.v1.PastDate | None = None

    now = datetime.now(UTC)
    models: list[Any] = [Job, LateJob, OldJob, Run, Local, OldLocal]
    for model in models:
        assert model(at=now.isoformat()).at == model(at=now).at == now
    assert timedelta(0) <= Job(at=now).made - now < timedelta(minutes=1)
    assert json.loads(Local(at=now, runs=[now]).model_dump_json())["runs"]
    assert TypeAdapter(dict[date, datetime]).validate_python({"2026-01-01": now})
    for schema in (Local.model_json_schema(), OldLocal.schema(), Job.model_json_schema()):
        assert schema["properties"]["at"] == {
            "format": "date-time",
            "title": "At",
            "type": "string",
        }
