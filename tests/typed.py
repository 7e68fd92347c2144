"""Every JSON answer of files, batches and models is what the SDK's own types say, strictly."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai.pagination import SyncCursorPage, SyncPage
from openai.types import Batch, FileDeleted, FileObject, Model

from fakebatch.wire.app import App, Operation
from fakebatch.wire.exchange import Reply, Request

TYPES: dict[str, Any] = {
    "files.create": FileObject,
    "files.list": SyncCursorPage[FileObject],
    "files.retrieve": FileObject,
    "files.delete": FileDeleted,
    "batches.create": Batch,
    "batches.list": SyncCursorPage[Batch],
    "batches.retrieve": Batch,
    "batches.cancel": Batch,
    "models.list": SyncPage[Model],
    "models.retrieve": Model,
}
NOT_IN_THE_TYPES = {"object", "first_id", "last_id"}
"""Keys of a page that the SDK does not read."""


def check(operation: str, body: bytes) -> None:
    """Fail where an answer has a field of another type, or one that the SDK does not know."""
    if operation in TYPES:
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


@contextmanager
def every_reply_checked() -> Generator[None]:
    """Look at all replies of all emulators until the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(App, "_answer", _checking(App._answer))  # what a test lets go wrong is not
        yield


Answer = Callable[[App, Operation | None, str, Request], Reply]


def _checking(plain: Answer) -> Answer:
    @functools.wraps(plain)
    def answer(app: App, operation: Operation | None, id_: str, request: Request) -> Reply:
        reply = plain(app, operation, id_, request)
        if operation is not None and reply.status == 200 and _speaks_as_openai(app):
            check(operation.name, reply.body)
        return reply

    return answer


def _speaks_as_openai(app: App) -> bool:
    return app.service.world.dialect.name == "openai"
