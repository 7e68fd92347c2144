"""From a Request to a Reply: the key, the faults, the operation, the error of a call that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from fakebatch.dialects import APIError, Dialect, ErrorKind, ErrorTemplate, shaped
from fakebatch.errors import RefusedRequest
from fakebatch.ids import formed, signature
from fakebatch.service import Service
from fakebatch.wire.faults import Faults, Hit, altered
from fakebatch.wire.messages import NO_REPLY, Reply, Request, json_reply
from fakebatch.wire.operations import OPERATIONS, Operation, is_known


class Handled(NamedTuple):
    """One request, and what came of it."""

    request: Request
    operation: Operation | None
    id: str
    """Of the object it is about; of a `create` the new one."""
    reply: Reply
    hit: Hit | None
    """By a fault."""
    changes: bool
    """Whether it may have changed something, whatever the client gets to see."""
    at: int
    """When, in microseconds since the epoch."""
    status: int | None
    """Of the HTTP response; None: it never arrives."""


class Answer(NamedTuple):
    """What came of an operation."""

    reply: Reply
    about: str
    """The id it is about."""
    done: bool
    """Whether it was carried out."""


class App:
    """One emulated service behind HTTP, below its base URL.

    Args:
        service: which carries the operations out.
        clock: the time, in microseconds since the epoch: read once for each request.
        api_keys: the keys that are accepted; None: every key is.
        faults: what goes wrong with calls; several apps may share it.
        elapsed: the time since the start at a moment, both in microseconds; by default the start
            is when the app is made.
        observers: each is called with every request; what one raises is raised in the client.
    """

    def __init__(
        self,
        service: Service,
        *,
        clock: Callable[[], int],
        api_keys: frozenset[str] | None,
        faults: Faults | None = None,
        elapsed: Callable[[int], int] | None = None,
        observers: Sequence[Callable[[Handled], object]] = (),
    ) -> None:
        began = clock()
        self.service = service
        self.faults = faults or Faults(service.state)
        self._clock = clock
        self._api_keys = api_keys
        self._elapsed = elapsed or (lambda now: now - began)
        self._observers = observers

    @property
    def dialect(self) -> Dialect:
        """What the provider says and allows, with the limits of the scenario."""
        return self.service.state.dialect

    def handle(self, request: Request, operation: Operation | None, id_: str) -> Reply:
        """The service's reply to a request, or what a fault makes of it.

        Args:
            request: with the path below the base URL.
            operation: that of its method and path (`operations.route`).
            id_: the one in the path.

        Raises:
            RefusedRequest: the real service has this route, fakebatch does not.
            UsageError: a reply of the test cannot be sent.
            FakeBatchError: an observer raised it.
        """
        state, now = self.service.state, self._clock()
        dialect = state.dialect
        digest = state.mint.digest("call", state.begin_call(now), size=64)
        request_id = formed(dialect.ids.call, digest, now)
        if operation is None or not state.scenario.on_call:
            reply, about, done = self._answer(operation, id_, request, request_id, now)
            hit = None
        else:
            attempt = self.faults.begin(operation.name, id_, request, now, self._elapsed(now))
            answer = Answer(NO_REPLY, id_, done=False)
            if attempt.is_carried_out:
                answer = self._answer(operation, id_, request, request_id, now)
            fail = partial(_failure, dialect, operation.name, id_, request, request_id)
            reply = altered(attempt, answer.reply, now, fail)
            self.faults.end(attempt, reply)
            (_, about, done), hit = answer, attempt.hit
        status = reply.status if reply.script is None or reply.arrives else None
        changes = done and request.method != "GET"
        handled = Handled(request, operation, about, reply, hit, changes, now, status)
        for observe in self._observers:
            observe(handled)
        own = {"request_id": request_id, "milliseconds": 20 + digest[-1]}
        headers = {name: value.format_map(own) for name, value in dialect.headers.items()}
        return reply._replace(headers={**headers, **reply.headers})

    def _answer(
        self, operation: Operation | None, id_: str, request: Request, request_id: str, now: int
    ) -> Answer:
        try:
            self._check_key(request, id_)
            if operation is None:
                raise _no_route(request, self.dialect)
            return Answer(*operation.reply(self.service, request, id_, now), done=True)
        except APIError as error:
            template, of_files = self.dialect.errors[error.kind], request.path.startswith("/files")
            reply = error_reply(self.dialect, template, error.facts, request_id, of_files=of_files)
            return Answer(reply, id_, done=False)

    def _check_key(self, request: Request, id_: str) -> None:
        dialect, key = self.dialect, ""
        if dialect.results_url and request.query.get("signature") == signature(id_):
            if request.path == f"/files/{id_}/content":
                return  # the address of a result file is open to whoever has it
        for name, scheme in dialect.auth.items():
            value = request.headers.get(name, "")
            if scheme:
                sent, _, value = value.partition(" ")
                value = value if sent.lower() == scheme.lower() else ""
            key = key or value.strip()
        if dialect.auth and not key:
            raise APIError(ErrorKind.NO_KEY)
        if self._api_keys is not None and key not in self._api_keys:
            raise APIError(ErrorKind.WRONG_KEY, key=masked(key))


class Target(NamedTuple):
    """Where a request goes to: an app, the path there, and what that means to it."""

    app: App
    path: str
    """Below the base URL."""
    operation: Operation | None
    """None: nobody has this method and path."""
    id: str
    """In the path."""

    def handle(self, request: Request) -> Reply:
        """The app's reply to the request that this is the target of."""
        return self.app.handle(request._replace(path=self.path), self.operation, self.id)


def _no_route(request: Request, dialect: Dialect) -> BaseException:
    facts = {"method": request.method, "path": request.path}
    if is_known(request.path):
        return APIError(ErrorKind.WRONG_METHOD, **facts)
    if request.path[1:].partition("/")[0] not in dialect.unimplemented_paths:
        return APIError(ErrorKind.NO_SUCH_ROUTE, **facts)
    return RefusedRequest(
        f"{request.method} {request.path} is not emulated.",
        "Known are: " + ", ".join(operation.name for operation in OPERATIONS) + ".",
        "Answer it with a respx route of your own, or do not call it in this test.",
    )


# --- errors

_NOT_FOUND = {
    "batches": ErrorKind.NO_SUCH_BATCH,
    "files": ErrorKind.NO_SUCH_FILE,
    "models": ErrorKind.NO_SUCH_MODEL,
}
"""What a 404 is, by the first part of the operation's name."""


def _failure(
    dialect: Dialect, operation: str, id_: str, request: Request, request_id: str, status: int
) -> Reply:
    """The error that is usual with a status, for an operation that a fault lets fail."""
    group = operation.partition(".")[0]
    kind = {401: ErrorKind.WRONG_KEY, 404: _NOT_FOUND.get(group)}.get(status)
    if kind is None:
        usual = dialect.line_errors
        template = usual.get(status) or usual[400 if status < 500 else 500]
    else:
        template = dialect.errors[kind]
    template = replace(template, status=status)
    facts = {"id": id_, "key": masked(request.key)}
    return error_reply(dialect, template, facts, request_id, of_files=group == "files")


def error_reply(
    dialect: Dialect,
    template: ErrorTemplate,
    facts: Mapping[str, object],
    request_id: str,
    *,
    of_files: bool,
) -> Reply:
    """An error response in the words and the shape of the provider."""
    values = {
        "message": template.message_for(facts),
        "type": template.type,
        "param": template.param_for(facts),
        "code": template.code,
        "code_or_status": template.code or str(template.status),
        "status": template.status,
        "status_text": str(template.status),
        "request_id": request_id,
    }
    shape = dialect.shapes.error
    if of_files and template.status != 401:  # a wrong key gets no further than any other route
        shape = dialect.shapes.error_of_files or shape
    reply = json_reply(template.status, shaped(shape, values), end="\n")
    return reply._replace(headers={**reply.headers, **template.headers})


def masked(key: str) -> str:
    """A key as the service quotes it: the middle of a long one in stars, all of a short one."""
    if len(key) <= 12:
        return "*" * len(key)
    return key[:8] + "*" * (len(key) - 12) + key[-4:]
