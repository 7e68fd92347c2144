"""`--live`: the contract table against the real API, with a key that no other program uses."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest

KEY = "FAKEBATCH_LIVE_KEY"
"""Not OPENAI_API_KEY: an ordinary key must never start a live run."""

FOLDER = Path("tests/contract/live")


class Record:
    """Where the real service and the table differ; None is not written anywhere."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: dict[str, Any] = {}

    def note(self, name: str, expected: Any, got: Any) -> None:
        """Keep what one case said, if it is not what the table says."""
        if got != expected:
            self._seen[name] = {"table": expected, "service": got}

    def write(self) -> None:
        """Write the differences, also if there are none: then the table was right that day."""
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._seen, indent=2) + "\n")


def wanted(config: pytest.Config) -> bool:
    """Whether this run goes to the real service.

    Raises:
        pytest.UsageError: it was asked for without the key.
    """
    live = bool(config.getoption("--live"))
    if live and not os.environ.get(KEY):
        raise pytest.UsageError(
            f"--live needs an API key in {KEY}. OPENAI_API_KEY is never used for it: "
            "the run creates and cancels batches in the account of the key."
        )
    return live


def client(kind: type[openai.OpenAI | openai.AsyncOpenAI]) -> openai.OpenAI | openai.AsyncOpenAI:
    """A client of the real service."""
    return kind(api_key=os.environ[KEY], base_url="https://api.openai.com/v1")


def today() -> Path:
    """The file of today's record."""
    return FOLDER / f"{datetime.now(UTC):%Y-%m-%d}-openai-{openai.__version__}.json"
