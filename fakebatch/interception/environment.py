"""The environment while a fake is active: a dummy key, and no pointer to another service."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

DUMMY_KEY = "sk-fakebatch-this-is-not-a-real-key"
SET = ("OPENAI_API_KEY", "OPENAI_WEBHOOK_SECRET")
UNSET = ("OPENAI_ADMIN_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


_saved: list[dict[str, str | None]] = []
"""What the variables were when each fake that is active was entered."""


@contextmanager
def dummy_environment(webhook_secret: str) -> Generator[None]:
    """A client made inside finds the dummy key and the fake's own webhook secret."""
    found = {name: os.environ.pop(name, None) for name in (*SET, *UNSET)}
    os.environ.update(zip(SET, (DUMMY_KEY, webhook_secret), strict=True))
    _saved.append(found)
    try:
        yield
    finally:
        place = next(place for place, saved in enumerate(_saved) if saved is found)
        del _saved[place]
        if place == len(_saved):
            _restore(found)
        else:  # one that was entered later is still active: it will restore what was found here
            _saved[place].update(found)


def _restore(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
