"""A library that is imported before the clock, inside the test, or lazily by the code under test.

run.py runs each of the tests in a process of its own. The module of the folder `uses` that does
something with the library is named by the variable LIBRARY.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import sys
import time
from types import ModuleType
from typing import Any

import freezegun.api
import openai

from fakebatch import FakeBatch

FAKES = {id(vars(freezegun.api)[name]) for name in vars(freezegun.api) if "fake_" in name.lower()}
FAKES |= {id(freezegun.api.FakeDate), id(freezegun.api.FakeDatetime)}
LINE = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/embeddings",
    "body": {"model": "text-embedding-3-small", "input": "hi"},
}


def load() -> Any:
    return importlib.import_module(f"uses.{os.environ['LIBRARY']}")


def test_before() -> None:
    """Imported before the clock starts."""
    library = load()
    with FakeBatch():
        works_in_virtual_time(library)
    works_in_real_time(library)


def test_inside() -> None:
    """Imported by a test."""
    with FakeBatch():
        library = load()
        works_in_virtual_time(library)
    works_in_real_time(library)


def test_lazily() -> None:
    """Imported by a poller, between two polls."""
    with FakeBatch() as fake:
        client = openai.OpenAI()
        file = client.files.create(file=("in.jsonl", json.dumps(LINE).encode()), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
        )
        while batch.status != "completed":
            time.sleep(600)
            works_in_virtual_time(load())
            batch = client.batches.retrieve(batch.id)
        assert fake.clock.elapsed >= 3600
    works_in_real_time(load())


def works_in_virtual_time(library: Any) -> None:
    library.use()
    for clock in (library.datetime, dt.datetime):
        assert clock.now(dt.UTC).isoformat().startswith("2026-01-01T")


def works_in_real_time(library: Any) -> None:
    assert library.datetime is dt.datetime is freezegun.api.real_datetime
    assert abs(dt.datetime.now(dt.UTC).timestamp() - time.time()) < 60
    assert not dt.datetime.now(dt.UTC).isoformat().startswith("2026-01-01T")
    assert list(names_of_fakes()) == []
    assert type.__subclasses__(freezegun.api.FakeDatetime) == []
    library.use()


def names_of_fakes() -> Any:
    for key, module in sys.modules.copy().items():
        if issubclass(type(module), ModuleType) and not key.startswith(("freezegun", "fakebatch")):
            namespace = object.__getattribute__(module, "__dict__")
            yield from (f"{key}.{name}" for name, it in namespace.items() if id(it) in FAKES)
