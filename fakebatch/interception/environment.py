"""The environment while a fake is active: a dummy key, and no pointer to another service."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

DUMMY_KEY = "sk-fakebatch-this-is-not-a-real-key"
UNSET = ("OPENAI_ADMIN_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


_saved: list[dict[str, str | None]] = []
"""What the variables were, one entry for each fake that is active; the first is the truth."""


@contextmanager
def dummy_environment() -> Generator[None]:
    """A client made inside finds the dummy key; the last to leave sets everything again."""
    _saved.append({name: os.environ.pop(name, None) for name in ("OPENAI_API_KEY", *UNSET)})
    os.environ["OPENAI_API_KEY"] = DUMMY_KEY
    try:
        yield
    finally:
        if len(_saved) == 1:
            _restore(_saved[0])
        _saved.pop()


def _restore(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
