"""The line that a message names: the innermost of the user's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fakebatch.vtime import callsite

SITE, STDLIB, OURS = callsite._LIBRARIES[0], callsite._STDLIB[0], callsite._OURS
EMULATOR = (f"{OURS}fake.py", "fakebatch.fake")
RESPX = (f"{SITE}respx/mocks.py", "respx.mocks")
HTTPX = (f"{SITE}httpx2/_client.py", "httpx2._client")
SDK = (f"{SITE}openai/_client.py", "openai._client")
LIBRARY = (f"{SITE}inspect_ai/poll.py", "inspect_ai.poll")
THREADING = (f"{STDLIB}threading.py", "threading")
CONTEXTLIB = (f"{STDLIB}contextlib.py", "contextlib")
APP = ("/home/me/app.py", "app")
TEST = ("/home/me/tests/test_app.py", "test_app")
TYPED = ("<stdin>", "__main__")
GENERATED = ("<string>", "attrs")
IMPORT = ("<frozen importlib._bootstrap>", "importlib._bootstrap")

STACKS: dict[str, tuple[list[tuple[str, str]], tuple[str, str]]] = {
    "a call of the user's, through the SDK": ([EMULATOR, RESPX, HTTPX, SDK, APP, TEST], APP),
    "a library that a test calls": ([EMULATOR, LIBRARY, TEST], TEST),
    "code that a library has generated for the user's": ([EMULATOR, GENERATED, APP], APP),
    "code from stdin": ([EMULATOR, RESPX, SDK, TYPED], TYPED),
    "code from stdin that is importing": ([EMULATOR, IMPORT, TYPED], TYPED),
    "a library that polls in a thread": (
        [EMULATOR, CONTEXTLIB, HTTPX, SDK, LIBRARY, THREADING],
        LIBRARY,
    ),
    "the SDK in a thread": ([EMULATOR, RESPX, CONTEXTLIB, HTTPX, SDK, THREADING], SDK),
    "a timer of Python's own": ([EMULATOR, THREADING], THREADING),
    "nothing but us": ([EMULATOR], EMULATOR),
}


@pytest.mark.parametrize(("stack", "site"), STACKS.values(), ids=STACKS)
def test_the_site_is_as_near_to_the_user_as_can_be(
    stack: list[tuple[str, str]], site: tuple[str, str]
) -> None:
    """A project's file, else what was typed, else a library that calls, and so on."""
    frames: list[Any] = [
        SimpleNamespace(
            f_code=SimpleNamespace(co_filename=file), f_globals={"__name__": module}, f_lineno=line
        )
        for line, (file, module) in enumerate(stack, start=1)
    ]
    assert callsite._innermost(frames) == f"{site[0]}:{stack.index(site) + 1}"
