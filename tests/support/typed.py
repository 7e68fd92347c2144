"""Every JSON answer of files, batches and models is what the SDK's own types say, strictly."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai.pagination import SyncCursorPage, SyncPage
from openai.types import Batch, FileDeleted, FileObject, Model, Upload
from openai.types.uploads import UploadPart

from fakebatch.wire.app import App, Call
from fakebatch.wire.messages import Reply

TYPES: dict[str, Any] = {
    "files.create": FileObject,
    "files.list": SyncCursorPage[FileObject],
    "files.retrieve": FileObject,
    "files.delete": FileDeleted,
    "batches.create": Batch,
    "batches.list": SyncCursorPage[Batch],
    "batches.retrieve": Batch,
    "batches.cancel": Batch,
    "uploads.create": Upload,
    "uploads.parts.create": UploadPart,
    "uploads.complete": Upload,
    "uploads.cancel": Upload,
    "models.list": SyncPage[Model],
    "models.retrieve": Model,
}
NOT_IN_THE_TYPES = {"object", "first_id", "last_id"}
"""Keys of a page that the SDK does not read."""


def strictly(answer: Any) -> Any:
    """An answer whose every field has the type that the SDK declares; the SDK does not look.

    The types of openai 1.x are left out: they know less than the service says by now.
    """
    new = not openai.__version__.startswith("1.")
    if new and not _untyped and isinstance(answer, openai.BaseModel):
        said = answer.model_dump_json(by_alias=True, warnings=False)
        type(answer).model_validate_json(said, strict=True)
    return answer


@functools.lru_cache(maxsize=4_096)  # by every door and client the same bytes come
def check(operation: str, body: bytes) -> None:
    """Fail where an answer has a field of another type, or one that the SDK does not know."""
    answer = TYPES[operation].model_validate_json(body, strict=True)
    _no_extras(operation, answer)


def _no_extras(where: str, answer: openai.BaseModel) -> None:
    unknown = set(answer.model_extra or {}) - NOT_IN_THE_TYPES
    assert not unknown, f"{where}: the SDK's {type(answer).__name__} has no {unknown}"
    for name in type(answer).model_fields:
        value = getattr(answer, name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, openai.BaseModel):
                _no_extras(f"{where}.{name}", one)


_untyped: list[str] = []
"""The tests that are allowed to get other answers, while they run."""


@contextmanager
def unchecked(test: str) -> Generator[None]:
    """Let a test get answers that the SDK declares otherwise."""
    _untyped.append(test)
    yield
    _untyped.remove(test)


@contextmanager
def every_reply_checked() -> Generator[None]:
    """Look at all replies of all emulators until the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(App, "_answer", _checking(App._answer))  # what a test lets go wrong is not
        yield


Answers = Callable[[App, Call], tuple[Reply, str, bool]]


def _checking(plain: Answers) -> Answers:
    @functools.wraps(plain)
    def answer(app: App, call: Call) -> tuple[Reply, str, bool]:
        answered = plain(app, call)
        reply = answered[0]
        name = call.operation.name if call.operation else ""
        is_declared = name in TYPES and reply.status == 200 and _speaks_as_openai(app)
        if is_declared and not _untyped:
            check(name, reply.body)
        return answered

    return answer


def _speaks_as_openai(app: App) -> bool:
    return app.service.state.dialect.name == "openai"
