"""Libraries that look closely at the classes of dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pydantic.v1
import pytest
from pydantic import AwareDatetime, BaseModel, NaiveDatetime, TypeAdapter
from pydantic.dataclasses import dataclass
from pydantic.errors import PydanticSchemaGenerationError

from fakebatch.vtime import Clock, rebinding
from support.projects import (
    AT,
    BINDS,
    REAL,
    Project,
)

KINDS: dict[str, tuple[Callable[[], Any], object]] = {
    "datetime": (lambda: dt.datetime, "2025-01-01T00:00:00Z"),
    "date": (lambda: dt.date, "2025-01-01"),
    "datetime | None": (lambda: dt.datetime | None, "2025-01-01T00:00:00Z"),
    "date | datetime": (lambda: dt.date | dt.datetime, "2025-01-01T12:00:00Z"),
    "list[datetime]": (lambda: list[dt.datetime], ["2025-01-01T00:00:00Z"]),
    "dict[date, datetime]": (lambda: dict[dt.date, dt.datetime], {"2025-01-01": "2025-01-01"}),
    "AwareDatetime": (lambda: AwareDatetime, "2025-01-01T00:00:00Z"),
    "NaiveDatetime": (lambda: NaiveDatetime, "2025-01-01T00:00:00"),
}


class TestPydantic:
    """Models that are defined while the clock runs."""

    @pytest.mark.parametrize(("kind", "value"), KINDS.values(), ids=KINDS.keys())
    def test_a_type_is_what_it_is_outside(self, kind: Callable[[], Any], value: object) -> None:
        """The same schema, the same values of the real classes, the same JSON."""

        def describe() -> list[object]:
            adapter: TypeAdapter[Any] = TypeAdapter(kind())
            read = adapter.validate_python(value)
            return [adapter.json_schema(), read, repr(read), adapter.dump_json(read)]

        with Clock():
            inside = describe()

        assert inside == describe()

    def test_models_and_dataclasses(self) -> None:
        """They take what datetime.now() gives, and what they read is a datetime."""
        with Clock():

            class Job(BaseModel):
                at: dt.datetime
                day: dt.date | None = None

            @dataclass
            class Run:
                at: dt.datetime

            class Old(pydantic.v1.BaseModel):
                at: dt.datetime
                day: dt.date | None = None

            models: list[Any] = [Job, Run, Old]
            for model in models:
                for value in (dt.datetime.now(dt.UTC), AT, AT.isoformat(), AT.timestamp()):
                    assert model(at=value).at == AT
                    assert isinstance(model(at=value).at, dt.datetime)
            expected = {"title": "At", "type": "string", "format": "date-time"}
            assert Job.model_json_schema()["properties"]["at"] == expected
            assert Old.schema()["properties"]["at"] == expected

        assert Job(at=AT).model_dump_json() == '{"at":"2026-01-01T00:00:00Z","day":null}'

    def test_a_model_may_outlive_the_clock(self) -> None:
        """Others are derived from it later; its fields still name the fake."""
        with Clock():

            class Job(BaseModel):
                at: dt.datetime

        class Late(Job):
            n: int = 0

        assert Late.model_validate({"at": AT.isoformat()}).at == AT

    def test_a_class_of_the_users_is_none_of_pydantics(self) -> None:
        """As outside: it has to say by itself how it is validated."""
        with Clock():

            class Moment(dt.datetime):
                pass

            with pytest.raises(PydanticSchemaGenerationError, match="Moment"):
                TypeAdapter(Moment)


KEEPERS = {
    "cryptography.x509": "class InvalidityDate:\n"
    " def __init__(self, _): pass\n"
    " def public_bytes(self): kept.append(dt.datetime)\n",
    "polars": "def lit(_): kept.append(dt.datetime)\n",
}


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
class TestPreparedLibraries:
    """Libraries that would refuse a fake, or keep it; tests/libraries tries the true ones."""

    def test_sqlalchemys_types_are_found_by_a_fake(self, moment: str, project: Project) -> None:
        """It looks them up by the class of a value, or of an annotation."""
        source = "import datetime as dt\n_type_map = {dt.date: 'DATE', dt.datetime: 'DATETIME'}\n"
        name = "sqlalchemy.sql.sqltypes"
        before = project.load(name, source) if moment == "before" else None
        with Clock():
            types = before or project.load(name, source)

            assert types._type_map[type(dt.datetime.now(dt.UTC))] == "DATETIME"
            assert types._type_map[dt.date] == "DATE"

    @pytest.mark.parametrize("name", KEEPERS)
    def test_what_keeps_a_class_for_good_keeps_the_real_one(
        self, name: str, moment: str, project: Project
    ) -> None:
        """Extensions take the class at their first use; later tests would fail on real times."""
        source = f"import datetime as dt\nkept = []\n{KEEPERS[name]}"
        before = project.load(name, source) if moment == "before" else None
        with Clock():
            library = before or project.load(name, source)

            assert {*library.kept} == {REAL["datetime"]}

    @pytest.mark.parametrize("name", rebinding.PREPARATIONS)
    def test_one_of_another_version_is_left_alone(
        self, name: str, moment: str, project: Project
    ) -> None:
        """A private name that has gone costs what it was for, and nothing else."""
        before = project.load(name, BINDS) if moment == "before" else None
        with Clock():
            assert (before or project.load(name, BINDS)).now() == AT.timestamp()
