"""What a client can do: the table of operations, and how each reads its request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic_core import to_json

from fakebatch.batch.responding import not_json
from fakebatch.dialects import APIError, ErrorKind
from fakebatch.errors import UsageError
from fakebatch.service import Service, view
from fakebatch.wire import fields
from fakebatch.wire.messages import Reply, Request, json_reply
from fakebatch.wire.multipart import parts


class Created(NamedTuple):
    """The reply to a `create` that calls are told apart by, and the id of what it has made."""

    reply: Reply
    id: str


Handler = Callable[[Service, Request, str, int], Reply | Created]
"""Carries an operation out: at a service, for a request, about an id, at a moment."""


def _json(
    body: Mapping[str, Any], *, status: int = 200, end: str = "", indent: int | None = 2
) -> Reply:
    # two spaces of indent, as observed in Aug 2026; bodies of files routes end with a newline
    return Reply(
        status, {"content-type": "application/json"}, _written(body, indent) + end.encode()
    )


def _written(body: Mapping[str, Any], indent: int | None) -> bytes:
    # json.dumps takes ten times as long once it indents; of ASCII without floats both write the
    # same, and the service's own objects hold no floats
    if indent is not None:
        with suppress(ValueError):
            text = to_json(body, indent=indent)
            if text.isascii():
                return text
    return json.dumps(body, indent=indent).encode()


def _create_file(service: Service, request: Request, _: str, now: int) -> Created:
    body = request.body if request.pieces is None else request.pieces
    form = parts(body, request.headers.get("content-type", ""))
    if "file" not in form:
        raise APIError(ErrorKind.MISSING, name="file")
    params = {
        name: part.content.decode("utf-8", "replace")
        for name, part in form.items()
        if name != "file"
    }
    file = service.files.create(
        now,
        purpose=fields.text(params, "purpose"),
        filename=form["file"].filename or "upload",
        content=form["file"].content,
        expires_after=fields.form_expiry(params, "expires_after", service.state.dialect.limits),
    )
    return Created(_json(view.uploaded_file(file, service.state.dialect), end="\n"), file["id"])


def _list_files(service: Service, request: Request, _: str, now: int) -> Reply:
    query = request.query
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise APIError(ErrorKind.BAD_ORDER)
    limit, after = fields.page(query, service.state.dialect.files_list)
    purpose = query.get("purpose")
    page = service.files.list(now, purpose=purpose, limit=limit, order=order, after=after)
    return _json(page, end="\n")


def _retrieve_file(service: Service, _: Request, id_: str, now: int) -> Reply:
    return _json(service.files.retrieve(id_, now), end="\n")


def _delete_file(service: Service, _: Request, id_: str, now: int) -> Reply:
    return _json(service.files.delete(id_, now), end="\n")


def _file_content(service: Service, _: Request, id_: str, now: int) -> Reply:
    filename, content = service.files.content(id_, now)
    headers = {
        "content-type": "application/octet-stream",
        "content-disposition": _attachment(filename),
    }
    if isinstance(content, bytes):
        return Reply(200, headers, content)
    return Reply(200, headers, b"", pieces=content)


def _attachment(filename: str) -> str:
    # a header is ASCII: other names go by RFC 6266, with a fallback for those who do not read it
    plain = re.sub(r'[^ -~]|["\\]', "_", filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def _create_upload(service: Service, request: Request, _: str, now: int) -> Reply:
    params = fields.upload_params(fields.json_object(request.body), service.state.dialect.limits)
    return _json(service.uploads.create(params, now), end="\n")


def _create_part(service: Service, request: Request, id_: str, now: int) -> Reply:
    form = parts(request.body, request.headers.get("content-type", ""))
    if "data" not in form:
        raise APIError(ErrorKind.MISSING, name="data")
    return _json(service.uploads.add_part(id_, form["data"].content, now), end="\n")


def _complete_upload(service: Service, request: Request, id_: str, now: int) -> Reply:
    params = fields.json_object(request.body)
    md5 = None if params.get("md5") is None else fields.text(params, "md5")
    part_ids = fields.texts(params, "part_ids")
    return _json(service.uploads.complete(id_, part_ids, now, digest=md5), end="\n")


def _cancel_upload(service: Service, _: Request, id_: str, now: int) -> Reply:
    return _json(service.uploads.cancel(id_, now), end="\n")


def _create_batch(service: Service, request: Request, _: str, now: int) -> Created:
    params = fields.batch_params(fields.json_object(request.body), service.state.dialect)
    batch = service.batches.create(params, now)
    id_ = batch["id"] if "id" in batch else batch["data"]["id"]  # or in an envelope
    return Created(_json(batch), str(id_))


def _list_batches(service: Service, request: Request, _: str, now: int) -> Reply:
    limit, after = fields.page(request.query, service.state.dialect.batches_list)
    return _json(service.batches.list(now, limit=limit, after=after))


def _retrieve_batch(service: Service, _: Request, id_: str, now: int) -> Reply:
    return _json(service.batches.retrieve(id_, now))


def _cancel_batch(service: Service, _: Request, id_: str, now: int) -> Reply:
    # alone among them on one line (observed in 2025)
    return _json(service.batches.cancel(id_, now), indent=None)


def _ask(service: Service, request: Request, _: str, now: int) -> Reply:
    body = fields.json_object(request.body)
    if body.get("stream"):
        raise UsageError(
            f"{request.method} {request.path} asks for a stream.",
            "fakebatch answers direct calls whole; a batch cannot stream either.",
            "Call it without stream=True.",
        )
    response = service.models.ask(f"/v1{request.path}", body, now)
    status = 500 if response.status is None else response.status
    own = {"error": response.body} if response.status is None else response.body
    try:
        return json_reply(status, own)  # any JSON there is: the test may have written it
    except (TypeError, ValueError) as error:
        raise not_json("a direct call", error) from error


def _list_models(service: Service, *_: object) -> Reply:
    return _json(service.models.list())


def _retrieve_model(service: Service, _: Request, id_: str, __: int) -> Reply:
    return _json(service.models.retrieve(id_))


class Operation(NamedTuple):
    """One thing a client can do, named as the SDK names it."""

    name: str
    method: str
    path: str
    handle: Handler
    is_direct: bool = False
    """Whether it asks a model, and no object of the service."""


OPERATIONS = (
    Operation("files.create", "POST", "/files", _create_file),
    Operation("files.list", "GET", "/files", _list_files),
    Operation("files.retrieve", "GET", "/files/{id}", _retrieve_file),
    Operation("files.delete", "DELETE", "/files/{id}", _delete_file),
    Operation("files.content", "GET", "/files/{id}/content", _file_content),
    Operation("uploads.create", "POST", "/uploads", _create_upload),
    Operation("uploads.parts.create", "POST", "/uploads/{id}/parts", _create_part),
    Operation("uploads.complete", "POST", "/uploads/{id}/complete", _complete_upload),
    Operation("uploads.cancel", "POST", "/uploads/{id}/cancel", _cancel_upload),
    Operation("batches.create", "POST", "/batches", _create_batch),
    Operation("batches.list", "GET", "/batches", _list_batches),
    Operation("batches.retrieve", "GET", "/batches/{id}", _retrieve_batch),
    Operation("batches.cancel", "POST", "/batches/{id}/cancel", _cancel_batch),
    Operation("chat.completions.create", "POST", "/chat/completions", _ask, is_direct=True),
    Operation("responses.create", "POST", "/responses", _ask, is_direct=True),
    Operation("embeddings.create", "POST", "/embeddings", _ask, is_direct=True),
    Operation("completions.create", "POST", "/completions", _ask, is_direct=True),
    Operation("moderations.create", "POST", "/moderations", _ask, is_direct=True),
    Operation("models.list", "GET", "/models", _list_models),
    Operation("models.retrieve", "GET", "/models/{id}", _retrieve_model),
)

_BY_ROUTE = {(operation.method, operation.path): operation for operation in OPERATIONS}
_PATHS = {operation.path for operation in OPERATIONS}


@lru_cache(maxsize=256)  # a poller asks for the same again and again
def route(method: str, path: str) -> tuple[Operation | None, str]:
    """The operation a request is for, if there is one, and the id in its path."""
    operation = _BY_ROUTE.get((method, path))
    if operation is not None:
        return operation, ""
    pattern, id_ = _pattern(path)
    return _BY_ROUTE.get((method, pattern)), id_


def _pattern(path: str) -> tuple[str, str]:
    head, _, rest = path[1:].partition("/")
    id_, slash, tail = rest.partition("/")
    return f"/{head}/{{id}}{slash}{tail}", id_


def is_known(path: str) -> bool:
    """Whether any operation has this path, by whatever method."""
    return path in _PATHS or _pattern(path)[0] in _PATHS
