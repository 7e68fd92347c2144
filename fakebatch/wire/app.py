"""From a Request to a Reply: the route table, the key, the parameters, the words of a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from fakebatch.batch.answering import no_json
from fakebatch.dialects import Dialect, Reason, Refusal
from fakebatch.errors import Misuse, RefusedRequest
from fakebatch.ids import Mint, signature
from fakebatch.service import Service, view
from fakebatch.wire import fields
from fakebatch.wire.circling import Circle
from fakebatch.wire.exchange import Reply, Request, json_reply
from fakebatch.wire.faults import Call, Faults, Fired
from fakebatch.wire.multipart import parts
from fakebatch.wire.spoiling import spoilt
from fakebatch.wire.wording import failure, masked, refused

Handler = Callable[[Service, Request, str], Reply]


def _json(
    body: Mapping[str, Any], *, status: int = 200, end: str = "", indent: int | None = 2
) -> Reply:
    try:
        return json_reply(status, body, end=end, indent=indent)
    except (TypeError, ValueError) as error:
        raise no_json("a direct call", error) from error


def _create_file(service: Service, request: Request, _: str) -> Reply:
    form = parts(request.body, request.headers.get("content-type", ""))
    if "file" not in form:
        raise Refusal(Reason.MISSING, name="file")
    said = {
        name: part.content.decode("utf-8", "replace")
        for name, part in form.items()
        if name != "file"
    }
    file = service.files.create(
        purpose=fields.text(said, "purpose"),
        filename=form["file"].filename or "upload",
        content=form["file"].content,
        expires_after=fields.form_expiry(said, "expires_after", service.world.dialect.limits),
    )
    return _json(view.uploaded_file(file, service.world.dialect), end="\n")


def _list_files(service: Service, request: Request, _: str) -> Reply:
    query = request.query
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise Refusal(Reason.BAD_ORDER)
    limit, after = fields.page(query, service.world.dialect.files_list)
    found = service.files.list(purpose=query.get("purpose"), limit=limit, order=order, after=after)
    return _json(found, end="\n")


def _retrieve_file(service: Service, _: Request, id_: str) -> Reply:
    return _json(service.files.retrieve(id_), end="\n")


def _delete_file(service: Service, _: Request, id_: str) -> Reply:
    return _json(service.files.delete(id_), end="\n")


def _file_content(service: Service, _: Request, id_: str) -> Reply:
    filename, content = service.files.content(id_)
    headers = {
        "content-type": "application/octet-stream",
        "content-disposition": _attachment(filename),
    }
    return Reply(200, headers, content)


def _attachment(filename: str) -> str:
    # a header is ASCII: other names go by RFC 6266, with a fallback for those who do not read it
    plain = re.sub(r'[^ -~]|["\\]', "_", filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def _create_upload(service: Service, request: Request, _: str) -> Reply:
    file = fields.announced(fields.json_object(request.body), service.world.dialect.limits)
    return _json(service.uploads.create(file), end="\n")


def _create_part(service: Service, request: Request, id_: str) -> Reply:
    form = parts(request.body, request.headers.get("content-type", ""))
    if "data" not in form:
        raise Refusal(Reason.MISSING, name="data")
    return _json(service.uploads.add_part(id_, form["data"].content), end="\n")


def _complete_upload(service: Service, request: Request, id_: str) -> Reply:
    said = fields.json_object(request.body)
    md5 = None if said.get("md5") is None else fields.text(said, "md5")
    return _json(service.uploads.complete(id_, fields.texts(said, "part_ids"), md5), end="\n")


def _cancel_upload(service: Service, _: Request, id_: str) -> Reply:
    return _json(service.uploads.cancel(id_), end="\n")


def _create_batch(service: Service, request: Request, _: str) -> Reply:
    asked = fields.batch_request(fields.json_object(request.body), service.world.dialect)
    return _json(service.batches.create(asked))


def _list_batches(service: Service, request: Request, _: str) -> Reply:
    limit, after = fields.page(request.query, service.world.dialect.batches_list)
    return _json(service.batches.list(limit=limit, after=after))


def _retrieve_batch(service: Service, _: Request, id_: str) -> Reply:
    return _json(service.batches.retrieve(id_))


def _cancel_batch(service: Service, _: Request, id_: str) -> Reply:
    # alone among them on one line (observed in 2025)
    return _json(service.batches.cancel(id_), indent=None)


def _ask(service: Service, request: Request, _: str) -> Reply:
    body = fields.json_object(request.body)
    if body.get("stream"):
        raise Misuse(
            f"{request.method} {request.path} asks for a stream.",
            "fakebatch answers direct calls whole; a batch cannot stream either.",
            "Call it without stream=True.",
        )
    answered = service.models.ask(f"/v1{request.path}", body)
    if answered.status is None:
        return _json({"error": answered.body}, status=500)
    return _json(answered.body, status=answered.status)


def _list_models(service: Service, _: Request, __: str) -> Reply:
    return _json(service.models.list())


def _retrieve_model(service: Service, _: Request, id_: str) -> Reply:
    return _json(service.models.retrieve(id_))


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a client can do, named as the SDK names it."""

    name: str
    method: str
    path: str
    handle: Handler


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
    Operation("chat.completions.create", "POST", "/chat/completions", _ask),
    Operation("responses.create", "POST", "/responses", _ask),
    Operation("embeddings.create", "POST", "/embeddings", _ask),
    Operation("completions.create", "POST", "/completions", _ask),
    Operation("moderations.create", "POST", "/moderations", _ask),
    Operation("models.list", "GET", "/models", _list_models),
    Operation("models.retrieve", "GET", "/models/{id}", _retrieve_model),
)

_BY_ROUTE = {(operation.method, operation.path): operation for operation in OPERATIONS}
_PATHS = {operation.path for operation in OPERATIONS}


Noted = Callable[[Request, Operation | None, str, Reply, Fired | None], None]
"""Told of every answer: its operation, the id it is about (also a new one), what fault hit it."""


def _created(operation: Operation, reply: Reply) -> str:
    if operation.name not in ("files.create", "batches.create"):
        return ""
    said: Mapping[str, Any] = json.loads(reply.body)
    return str(said["id"] if "id" in said else said["data"]["id"])  # or in an envelope


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


class App:
    """One emulated service behind HTTP."""

    def __init__(
        self,
        service: Service,
        *,
        api_keys: frozenset[str] | None,
        seed: bytes,
        told: Callable[[Operation, str], None] | None = None,
        noted: Noted | None = None,
        elapsed: Callable[[], int] = lambda: 0,
        faults: Faults | None = None,
    ) -> None:
        self.service = service
        self._told = told
        self._noted = noted
        self._api_keys = api_keys
        self._mint = Mint(seed)
        self._answered = 0
        self._circle = Circle()
        world = service.world
        self.faults = faults or Faults(
            lambda: world.scenario.calls, self._mint, clock=world.clock, elapsed=elapsed
        )

    def handle(self, request: Request) -> Reply:
        """The service's answer to a request, or what a fault makes of it.

        Raises:
            RefusedRequest: the real service has this route, fakebatch does not.
            Misuse: the test gave an answer that is none.
            FakeBatchError: the same page is asked for without end.
        """
        operation, id_ = route(request.method, request.path)
        self._answered += 1
        self._circle.asked(request, self.service.world.clock())
        about, hit = [id_], None

        def true() -> Reply:
            reply, about[0] = self._answer(operation, id_, request)
            return reply

        if operation is None:
            reply = true()
        else:
            reply, hit = self._around(Call(operation.name, id_, request), true)
        if self._noted is not None:
            self._noted(request, operation, about[0], reply, hit)
        return self._signed(reply)

    def _around(self, call: Call, true: Callable[[], Reply]) -> tuple[Reply, Fired | None]:
        dialect, clock = self.service.world.dialect, self.service.world.clock
        return self.faults.around(
            call,
            lambda outcome: spoilt(
                outcome,
                true=true,
                usual=lambda status: failure(dialect, call, status, self._request_id),
                clock=clock,
            ),
        )

    def _answer(self, operation: Operation | None, id_: str, request: Request) -> tuple[Reply, str]:
        """The true answer, and the id it is about."""
        try:
            if operation is None or not self._is_signed(operation, request, id_):
                self._check_key(request)
            if operation is None:
                raise self._no_route(request)
            reply = operation.handle(self.service, request, id_)
            status = self._dialect.answers.get(operation.name)
            if status is not None and reply.status == 200:
                reply = replace(reply, status=status)
            id_ = id_ or _created(operation, reply)
            if self._told is not None:
                self._told(operation, id_)
        except Refusal as refusal:
            of_files = request.path.startswith("/files")
            words = refused(self._dialect, refusal, self._request_id, of_files=of_files)
            return words, id_
        return reply, id_

    def _check_key(self, request: Request) -> None:
        auth = self._dialect.auth
        given = [_key(request.headers.get(name, ""), scheme) for name, scheme in auth.items()]
        key = next(filter(None, given), "")
        if auth and not key:
            raise Refusal(Reason.NO_KEY)
        if self._api_keys is not None and key not in self._api_keys:
            raise Refusal(Reason.WRONG_KEY, key=masked(key))

    def _no_route(self, request: Request) -> BaseException:
        facts = {"method": request.method, "path": request.path}
        if request.path in _PATHS or _pattern(request.path)[0] in _PATHS:
            return Refusal(Reason.WRONG_METHOD, **facts)
        if request.path[1:].partition("/")[0] not in self._dialect.elsewhere:
            return Refusal(Reason.NO_SUCH_ROUTE, **facts)
        return RefusedRequest(
            f"{request.method} {request.path} is not emulated.",
            "Known are: " + ", ".join(operation.name for operation in OPERATIONS) + ".",
            "Answer it with a respx route of your own, or do not call it in this test.",
        )

    def _signed(self, reply: Reply) -> Reply:
        took = 20 + self._mint.digest("took", self._answered, size=1)[0]
        filled = {
            name: value.format(request_id=self._request_id, milliseconds=took)
            for name, value in self._dialect.headers.items()
        }
        return replace(reply, headers={**filled, **reply.headers})

    @property
    def _request_id(self) -> str:
        """Of the request that is being answered."""
        dialect, now = self._dialect, self.service.world.clock()
        return self._mint.made(dialect.ids.call, now, "call", self._answered)

    def _is_signed(self, operation: Operation, request: Request, id_: str) -> bool:
        """Whether this is the address of a result file, which is open to whoever has it."""
        signed = request.query.get("signature") == signature(id_)
        return bool(self._dialect.results_url) and operation.name == "files.content" and signed

    @property
    def _dialect(self) -> Dialect:
        return self.service.world.dialect


def _key(header: str, scheme: str) -> str:
    if not scheme:
        return header.strip()
    given, _, key = header.partition(" ")
    return key.strip() if given.lower() == scheme.lower() else ""
