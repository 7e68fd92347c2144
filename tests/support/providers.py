"""The steps of a batch at any provider, and what is expected of it: all from the dialect's data."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from fakebatch import FakeBatch
from fakebatch.dialects import DIALECTS, Dialect, canonical
from fakebatch.dialects.template import parse
from support.client import Driver, chat, jsonl

EVERY = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.fakebatch(dialect=name)) for name in DIALECTS]
)

PATTERNS = {
    "stamp": r"[0-9a-f]{32}",
    "base58": r"[1-9A-HJ-NP-Za-km-z]{22}",
    "hex": r"[0-9a-f]{32}",
    "hex24": r"[0-9a-f]{24}",
    "hex16": r"[0-9a-f]{16}",
    "digits": r"[0-9]{19}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "ulid": r"0[0-9a-z]{25}",
    "request_ulid": r"0[0-9a-z]{25}",
    "base62": r"[0-9A-Za-z]{24}",
}


def line(dialect: Dialect, custom_id: str, **body: Any) -> dict[str, Any]:
    """A line this provider takes."""
    asked = {"model": model_of(dialect), **body}
    url = dialect.endpoints[0]
    if canonical(url) == "/v1/responses":
        return {
            "custom_id": custom_id,
            "method": "POST",
            "url": url,
            "body": {"input": "a", **asked},
        }
    return {**chat(custom_id, **asked), "url": url}


def model_of(dialect: Dialect) -> str:
    """A model this provider has."""
    return (*dialect.batch_models, "gpt-4o-mini")[0]


def upload(do: Driver, fake: FakeBatch, *lines: dict[str, Any]) -> str:
    """The id of an input file that is good for a batch by now."""
    do.upload(jsonl(lines))
    fake.clock.advance([*fake.dialects[0].files.statuses.values()][-1])
    return str(fake.files.last().id)


def create(do: Driver, fake: FakeBatch, *lines: dict[str, Any], **asked: Any) -> Any:
    """A batch of these lines."""
    given = {"input_file_id": upload(do, fake, *lines), **do.usual, **asked}
    return do(do.client.batches.create, **given)


def run(do: Driver, fake: FakeBatch, *lines: dict[str, Any], **asked: Any) -> Any:
    """A batch after its end."""
    return do.poll(create(do, fake, *lines, **asked), every=600)[-1]


def results(do: Driver, dialect: Dialect, ref: str) -> list[dict[str, Any]]:
    """The lines of a result file, from its address where the batch names one."""
    if dialect.results_url:
        content = httpx.get(ref).content
    else:
        content = do(do.client.files.content, ref).content
    return [json.loads(one) for one in content.split(b"\n") if one]


def keys(shape: str) -> list[str]:
    """The keys of an object of this shape, on top."""
    return list(parse(shape))


def pattern(form: str) -> str:
    """What ids of a form look like."""
    if form.startswith("base64:"):
        return r"[A-Za-z0-9+/]{60,}={0,2}"
    return re.sub(r"\\\{(\w+)\\\}", lambda found: PATTERNS[found[1]], re.escape(form))
