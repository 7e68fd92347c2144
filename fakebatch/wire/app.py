"""From a Request to a Reply: the key, the faults, the operation, the words of an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fakebatch.dialects import APIError, Dialect, ErrorKind
from fakebatch.errors import RefusedRequest
from fakebatch.ids import maker, signature
from fakebatch.service import Service
from fakebatch.wire.errors import masked, refused
from fakebatch.wire.faults import Faults, Hit, altered, call_of
from fakebatch.wire.messages import NO_REPLY, Reply, Request
from fakebatch.wire.operations import OPERATIONS, Created, Operation, is_known


class Handled(NamedTuple):
    """One request, and what came of it."""

    request: Request
    operation: Operation | None
    id: str
    """Of the object it is about; of a `create` the new one."""
    reply: Reply
    hit: Hit | None
    """By a fault."""
    done: bool
    """Whether the operation was carried out, whatever the client was told."""
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
        noted: called with every request; what it raises is raised in the client.
    """

    def __init__(
        self,
        service: Service,
        *,
        clock: Callable[[], int],
        api_keys: frozenset[str] | None,
        faults: Faults | None = None,
        elapsed: Callable[[int], int] | None = None,
        noted: Callable[[Handled], None] = lambda _: None,
    ) -> None:
        self.service = service
        self._clock = clock
        self._noted = noted
        self._api_keys = api_keys
        self._mint = service.state.mint
        self._call_id = maker(self._dialect.ids.call)
        headers = self._dialect.headers.items()
        self._constant = {name: value for name, value in headers if "{" not in value}
        self._signing = [(name, value) for name, value in headers if "{" in value]
        self.faults = faults or Faults(service.state)
        self._began = clock() if elapsed is None else 0
        self._elapsed = elapsed or self._since_it_was_made

    def handle(self, request: Request, operation: Operation | None, id_: str) -> Reply:
        """The service's reply to a request, or what a fault makes of it.

        Args:
            request: with the path below the base URL.
            operation: that of its method and path (`operations.route`).
            id_: the one in the path.

        Raises:
            RefusedRequest: the real service has this route, fakebatch does not.
            UsageError: the test gave an answer that is none.
            FakeBatchError: `noted` raised it.
        """
        digest = self._mint.digest("call", self.service.state.next_call(), size=64)
        hit: Hit | None = None
        now = self._clock()
        request_id = self._call_id(digest.hex(), now)
        self.service.state.settle(now)
        if operation is None or not self.service.state.scenario.on_call:
            reply, about, done = self._answer(operation, id_, request, request_id, now)
        else:
            (reply, about, done), hit = self._faulty(operation, id_, request, request_id, now)
        status = None if hit is not None and not reply.arrives else reply.status
        self._noted(Handled(request, operation, about, reply, hit, done, now, status))
        return self._signed(reply, request_id, took=20 + digest[-1])

    def _faulty(
        self, operation: Operation, id_: str, request: Request, request_id: str, now: int
    ) -> tuple[Answer, Hit | None]:
        """What a fault makes of the true answer, if one hits the call."""
        call, rules = call_of(operation.name, id_, request), self.service.state.scenario.on_call
        attempt = self.faults.begin(call, rules, now, self._elapsed(now))
        answer = Answer(NO_REPLY, id_, done=False)
        if attempt.is_carried_out:
            answer = self._answer(operation, id_, request, request_id, now)
        reply = altered(attempt, answer.reply, now, self._dialect, request_id)
        self.faults.end(attempt, reply)
        return answer._replace(reply=reply), attempt.hit

    def _answer(
        self, operation: Operation | None, id_: str, request: Request, request_id: str, now: int
    ) -> Answer:
        try:
            if not (request.query and self._is_signed(request, id_)):
                self._check_key(request)
            if operation is None:
                raise self._no_route(request)
            reply = operation.handle(self.service, request, id_, now)
        except APIError as refusal:
            of_files = request.path.startswith("/files")
            error = refused(self._dialect, refusal, request_id, of_files=of_files)
            return Answer(error, id_, done=False)
        if isinstance(reply, Created):
            reply, id_ = reply
        if reply.status == 200 and operation.name in self._dialect.answers:
            reply = reply._replace(status=self._dialect.answers[operation.name])
        return Answer(reply, id_, done=True)

    def _check_key(self, request: Request) -> None:
        key, auth = "", self._dialect.auth
        for name, scheme in auth.items():
            key = key or _key(request.headers.get(name.lower(), ""), scheme)
        if auth and not key:
            raise APIError(ErrorKind.NO_KEY)
        if self._api_keys is not None and key not in self._api_keys:
            raise APIError(ErrorKind.WRONG_KEY, key=masked(key))

    def _no_route(self, request: Request) -> BaseException:
        facts = {"method": request.method, "path": request.path}
        if is_known(request.path):
            return APIError(ErrorKind.WRONG_METHOD, **facts)
        if request.path[1:].partition("/")[0] not in self._dialect.unimplemented_paths:
            return APIError(ErrorKind.NO_SUCH_ROUTE, **facts)
        return RefusedRequest(
            f"{request.method} {request.path} is not emulated.",
            "Known are: " + ", ".join(operation.name for operation in OPERATIONS) + ".",
            "Answer it with a respx route of your own, or do not call it in this test.",
        )

    def _signed(self, reply: Reply, request_id: str, took: int) -> Reply:
        status, headers, body, pieces, script = reply
        signed = self._constant.copy()
        for name, value in self._signing:
            signed[name] = value.format(request_id=request_id, milliseconds=took)
        signed.update(headers)
        return Reply(status, signed, body, pieces, script)

    def _is_signed(self, request: Request, id_: str) -> bool:
        """Whether this is the address of a result file, which is open to whoever has it."""
        if not (self._dialect.results_url and request.path == f"/files/{id_}/content"):
            return False
        return request.query.get("signature") == signature(id_)

    def _since_it_was_made(self, now: int) -> int:
        return now - self._began

    @property
    def _dialect(self) -> Dialect:
        return self.service.state.dialect


def _key(header: str, scheme: str) -> str:
    if not scheme:
        return header.strip()
    sent, _, key = header.partition(" ")
    return key.strip() if sent.lower() == scheme.lower() else ""
