"""The environment while a fake is active: a dummy key, and no pointer to another service."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager

DUMMY_KEY = "sk-fakebatch-this-is-not-a-real-key"
KEY = "OPENAI_API_KEY"
WEBHOOKS = "OPENAI_WEBHOOK_SECRET"
UNSET = (
    "OPENAI_ADMIN_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_CUSTOM_HEADERS",  # may hold an Authorization
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
)

_saved: list[dict[str, str | None]] = []
"""What the variables were when each fake that is active was entered."""


@contextmanager
def dummy_environment(variables: Mapping[str, str]) -> Generator[None]:
    """A client made inside finds these variables and the dummy key, and no other address."""
    made = {KEY: DUMMY_KEY, **variables}
    previous = {name: os.environ.pop(name, None) for name in (*made, *UNSET)}
    os.environ.update(made)
    _saved.append(previous)
    try:
        yield
    finally:
        place = next(place for place, saved in enumerate(_saved) if saved is previous)
        del _saved[place]
        if place == len(_saved):
            _restore(previous)
        else:  # one that was entered later is still active: it will restore what was found here
            _saved[place].update(previous)


def _restore(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
