"""The operations of the API: each reads its parameters, calls the service and makes the reply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache
from typing import NamedTuple, NoReturn
from urllib.parse import quote

from pydantic_core import to_json

from fakebatch.batch.input_file import has_overflow
from fakebatch.batch.responding import not_json
from fakebatch.dialects import APIError, Dialect, ErrorKind
from fakebatch.errors import RefusedRequest, UsageError
from fakebatch.service import Service, view
from fakebatch.service.view import Wire
from fakebatch.wire import forms, params
from fakebatch.wire.messages import Reply, Request, json_reply, text_reply


class Created(NamedTuple):
    """The object that a `create` returns, and its id for the journal."""

    wire: Wire
    id: str


Handler = Callable[[Service, Request, str, int], Wire | Created | Reply]
"""Carries an operation out: takes the service, the request, the id in its path and the time."""


class Operation(NamedTuple):
    """A route of the API; its name is that of the SDK: `batches.retrieve`."""

    name: str
    method: str
    path: str
    handle: Handler
    is_direct: bool = False
    """Whether it is a direct call of a model."""

    def reply(self, service: Service, request: Request, id_: str, now: int) -> tuple[Reply, str]:
        """Carry it out. Returns the reply and the id of its object.

        Raises:
            APIError: the service refuses the call.
        """
        answer = self.handle(service, request, id_, now)
        if isinstance(answer, Created):
            answer, id_ = answer
        status = service.state.dialect.answers.get(self.name, 200)
        if isinstance(answer, Reply):
            return answer._replace(status=status) if answer.status == 200 else answer, id_
        # observed in Aug 2026: an indent of two spaces (but none from batches.cancel, 2025), and a
        # newline at the end of the bodies of files routes. These do not escape a name beyond ASCII
        # (openai-dotnet: the recorded object of such a file has 233 bytes, escaped it had 239)
        is_file = self.path.startswith(("/files", "/uploads"))
        indent = None if self.name == "batches.cancel" else 2
        text = b""
        if indent is not None:
            # to_json needs a tenth of the time. For ASCII without floats both write the same, and
            # the service's own objects have no floats
            with suppress(ValueError):
                text = to_json(answer, indent=indent)
        if not text or not (is_file or text.isascii()):
            text = json.dumps(answer, indent=indent).encode()
        if is_file:
            text += b"\n"
        return Reply(status, {"content-type": "application/json"}, text), id_


OPERATIONS: list[Operation] = []


def operation(
    name: str, method: str, path: str, *, is_direct: bool = False
) -> Callable[[Handler], Handler]:
    """A decorator that adds a handler to OPERATIONS."""

    def add(handle: Handler) -> Handler:
        OPERATIONS.append(Operation(name, method, path, handle, is_direct))
        return handle

    return add


@cache
def _pattern(path: str) -> re.Pattern[str]:
    # An id is one segment. The name of a model may have slashes: openai 1.109 sends them as they
    # are, 2.30 escapes them.
    return re.compile(re.escape(path).replace(r"\{id\}", "([^/]*)").replace(r"\{model\}", "(.*)"))


@lru_cache(maxsize=256)  # pollers repeat the same request
def route(
    method: str, path: str, direct_paths: tuple[str, ...] = ()
) -> tuple[Operation | None, str]:
    """The operation of a method and a path, None if there is none, and the id in the path.

    The path is the part below the base URL (see Request.path).
    """
    for each in OPERATIONS:
        if each.method == method and (match := _pattern(each.path).fullmatch(path)):
            return each, _id(match)
    for direct_path in direct_paths:
        if match := _pattern(direct_path).fullmatch(path):
            operation, _ = route(method, direct_path.partition("}")[2])
            return operation, _id(match)
    return None, ""


def _id(match: re.Match[str]) -> str:
    return "".join(match.groups()).replace("%2F", "/").replace("%25", "%")


def refuse_route(request: Request, dialect: Dialect) -> NoReturn:
    """Refuse a request without an operation.

    Raises:
        APIError: the provider does not have the route either.
        RefusedRequest: the provider has it, fakebatch does not emulate it.
    """
    method, path, direct_paths = request.method, request.path, dialect.direct_paths
    if any(route(other, path, direct_paths)[0] for other in ("GET", "POST", "DELETE")):
        raise APIError(ErrorKind.WRONG_METHOD, method=method, path=path)
    head, *rest = path[1:].split("/")
    heads = {head}
    if any(each.startswith(f"/{head}/") for each in direct_paths):
        heads = {*rest[1:]}  # below `/deployments/{model}`
    if dialect.unimplemented_paths.isdisjoint(heads):
        raise APIError(ErrorKind.NO_SUCH_ROUTE, method=method, path=path)
    raise RefusedRequest(
        f"{method} {path} is not emulated.",
        f"The operations are {', '.join(each.name for each in OPERATIONS)}.",
        "Answer it with a respx route of your own, or do not call it in this test.",
    )


# --- files


@operation("files.create", "POST", "/files")
def create_file(service: Service, request: Request, _: str, now: int) -> Created:
    """A form: `file`, `purpose`, and `expires_after[anchor]` with `expires_after[seconds]`."""
    form = forms.form(request)
    if "file" not in form:
        raise APIError(ErrorKind.MISSING, name="file")
    texts = {
        name: part.content.decode("utf-8", "replace")
        for name, part in form.items()
        if name != "file"
    }
    file = service.files.create(
        now,
        purpose=params.text(texts, "purpose"),
        filename=form["file"].filename or "upload",
        content=form["file"].content,
        expires_after=params.form_expiry(texts, "expires_after", service.state.dialect.limits),
    )
    return Created(view.uploaded_file(file, service.state.dialect, now), file.id)


@operation("files.list", "GET", "/files")
def list_files(service: Service, request: Request, _: str, now: int) -> Wire:
    """A query: `purpose`, `order`, `limit` and `after`."""
    query, listing = request.query, service.state.dialect.files_list
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise APIError(ErrorKind.BAD_ORDER)
    limit, after = params.page(query, listing)
    purpose = query.get("purpose")
    service.state.settle(now)
    files, has_more = service.state.files.page(
        now,
        after=after,
        limit=limit,
        newest_first=order == "desc",
        where=lambda file: file.overrides.listed and purpose in (None, file.purpose),
    )
    data = [view.file_object(file, service.state.dialect, now) for file in files]
    return view.page(data, listing, has_more=has_more)


@operation("files.retrieve", "GET", "/files/{id}")
def retrieve_file(service: Service, _: Request, id_: str, now: int) -> Wire:
    """The File object; its bytes are at `/content`."""
    return view.file_object(service.state.file(id_, now), service.state.dialect, now)


@operation("files.delete", "DELETE", "/files/{id}")
def delete_file(service: Service, _: Request, id_: str, now: int) -> Wire:
    """Takes effect at once; a batch that is still validating the file fails."""
    service.files.delete(id_, now)
    return view.deleted_file(id_, service.state.dialect)


@operation("files.content", "GET", "/files/{id}/content")
def file_content(service: Service, request: Request, id_: str, now: int) -> Reply:
    """The bytes, the same at every download, or those of a `Range`."""
    file = service.state.file(id_, now)
    if file.purpose in service.state.dialect.private_purposes:
        raise APIError(ErrorKind.NOT_DOWNLOADABLE, purpose=file.purpose)
    # headers are ASCII: RFC 6266 encodes other names, and has a fallback for older clients
    plain = re.sub(r'[^ -~]|["\\]', "_", file.filename)
    disposition = f'attachment; filename="{plain}"'
    if plain != file.filename:
        disposition += f"; filename*=UTF-8''{quote(file.filename, safe='')}"
    headers = {
        "content-type": service.state.dialect.files.content_type,
        "content-disposition": disposition,
    }
    content = file.content if isinstance(file.content, bytes) else file.content.read()
    status = 200
    value = request.headers.get("range")
    if value is not None and (span := params.byte_range(value, len(content))) is not None:
        size = len(content)
        if not span:
            return Reply(416, {"content-range": f"bytes */{size}"}, b"")
        content, status = content[span.start : span.stop], 206
        headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    if isinstance(content, bytes):
        return Reply(status, headers, content)
    return Reply(status, headers, b"", pieces=content, size=len(content))


@operation("uploads.create", "POST", "/uploads")
def create_upload(service: Service, request: Request, _: str, now: int) -> Wire:
    """JSON: `purpose`, `filename`, `bytes`, `mime_type`, `expires_after`."""
    body = params.json_object(request)
    upload = service.uploads.create(params.upload_params(body, service.state.dialect.limits), now)
    return view.upload_object(upload, now)


@operation("uploads.parts.create", "POST", "/uploads/{id}/parts")
def create_part(service: Service, request: Request, id_: str, now: int) -> Wire:
    """A form: `data`."""
    form = forms.form(request)
    if "data" not in form:
        raise APIError(ErrorKind.MISSING, name="data")
    part_id = service.uploads.add_part(id_, form["data"].content, now)
    return view.part_object(part_id, now, id_)


@operation("uploads.complete", "POST", "/uploads/{id}/complete")
def complete_upload(service: Service, request: Request, id_: str, now: int) -> Wire:
    """JSON: `part_ids` in the order of the file, and its `md5`."""
    body = params.json_object(request)
    md5 = None if body.get("md5") is None else params.text(body, "md5")
    part_ids = params.texts(body, "part_ids")
    upload, file = service.uploads.complete(id_, part_ids, now, digest=md5)
    file_object = view.file_object(file, service.state.dialect, now)
    return {**view.upload_object(upload, now), "file": file_object}


@operation("uploads.cancel", "POST", "/uploads/{id}/cancel")
def cancel_upload(service: Service, _: Request, id_: str, now: int) -> Wire:
    """Drops the parts."""
    return view.upload_object(service.uploads.cancel(id_, now), now)


# --- batches


@operation("batches.create", "POST", "/batches")
def create_batch(service: Service, request: Request, _: str, now: int) -> Created:
    """JSON: see `params.batch_params`."""
    body, dialect = params.json_object(request), service.state.dialect
    batch_params, name = params.batch_params(body, dialect), dialect.idempotency_key
    if name:
        key = body.get(name) or request.headers.get(name.lower())
        batch_params = replace(batch_params, idempotency_key=key)
    batch = service.batches.create(batch_params, now)
    return Created(view.batch_object(batch, now, request.base_url), batch.id)


@operation("batches.list", "GET", "/batches")
def list_batches(service: Service, request: Request, _: str, now: int) -> Wire:
    """A query: `limit` and `after`; newest first."""
    listing = service.state.dialect.batches_list
    limit, after = params.page(request.query, listing)
    batches, has_more = service.state.batches.page(now, after=after, limit=limit)
    data = [view.batch_object(batch, now, request.base_url) for batch in batches]
    return view.page(data, listing, has_more=has_more)


@operation("batches.retrieve", "GET", "/batches/{id}")
def retrieve_batch(service: Service, request: Request, id_: str, now: int) -> Wire:
    """The Batch object as it is now."""
    batch = view.batch_object(service.state.batches.retrieve(id_, now), now, request.base_url)
    service.state.settle(now, [id_])  # what was judged for it takes no time, and may free memory
    return batch


@operation("batches.cancel", "POST", "/batches/{id}/cancel")
def cancel_batch(service: Service, request: Request, id_: str, now: int) -> Wire:
    """The Batch object, which is `cancelling` for a while."""
    return view.batch_object(service.batches.cancel(id_, now), now, request.base_url)


# --- models


def ask(service: Service, request: Request, id_: str, now: int) -> Reply:
    """A direct call: the response is that to a line of a batch with this body."""
    body = params.json_object(request)
    if id_:  # the model in the path
        body = {**body, "model": id_}
    if body.get("stream"):
        raise UsageError(
            f"{request.method} {request.path} asks for a stream.",
            "fakebatch does not stream responses; a batch cannot stream either.",
            "Call it without stream=True.",
        )
    if has_overflow(body):  # the reply may repeat it
        raise APIError(ErrorKind.NOT_JSON)
    response = service.respond(f"/v1{request.path}", body, now)
    status = 500 if response.status is None else response.status
    payload = response.body
    if response.status is None or payload is None:
        payload = {"error": response.error if payload is None else payload}
    if isinstance(payload, str):
        return text_reply(status, payload)
    try:
        return json_reply(status, payload)  # any JSON: the test may have written it
    except (TypeError, ValueError) as error:
        raise not_json("a direct call", error) from error


for _name, _path in (
    ("chat.completions.create", "/chat/completions"),
    ("responses.create", "/responses"),
    ("embeddings.create", "/embeddings"),
    ("completions.create", "/completions"),
    ("moderations.create", "/moderations"),
):
    operation(_name, "POST", _path, is_direct=True)(ask)


@operation("models.list", "GET", "/models")
def list_models(service: Service, *_: object) -> Wire:
    """The models with a name of their own; others may exist."""
    return {"object": "list", "data": [view.model_object(name) for name in service.models()]}


@operation("models.retrieve", "GET", "/models/{model}")
def retrieve_model(service: Service, _: Request, id_: str, __: int) -> Wire:
    """Any model that exists."""
    service.check_model(id_)
    return view.model_object(id_)
