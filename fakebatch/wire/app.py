"""From a Request to a Reply: the key, the faults, the operation, the words of a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fakebatch.dialects import APIError, Dialect, ErrorKind
from fakebatch.errors import RefusedRequest
from fakebatch.ids import maker, signature
from fakebatch.service import Service
from fakebatch.wire.exchange import Reply, Request
from fakebatch.wire.faults import Call, Faults, Fired
from fakebatch.wire.operations import OPERATIONS, Operation, created, is_known, route
from fakebatch.wire.spoiling import spoilt
from fakebatch.wire.wording import failure, masked, refused


class Handled(NamedTuple):
    """One request, and what came of it."""

    request: Request
    operation: Operation | None
    id: str
    """Of the object it is about; of a `create` the new one."""
    reply: Reply
    hit: Fired | None
    """The fault that hit it."""
    done: bool
    """Whether the operation was carried out, whatever the client was told."""
    at: int
    """When, in microseconds since the epoch."""


class Answer(NamedTuple):
    """What came of an operation."""

    reply: Reply
    about: str
    """The id it is about."""
    done: bool
    """Whether it was carried out."""


class App:
    """One emulated service behind HTTP.

    Args:
        service: what is asked.
        clock: the time, in microseconds since the epoch: read once for each request.
        api_keys: the keys that are accepted; None: every key is.
        faults: what goes wrong with calls.
        noted: told of every request; what it raises is raised in the client.
    """

    def __init__(
        self,
        service: Service,
        *,
        clock: Callable[[], int],
        api_keys: frozenset[str] | None,
        faults: Faults | None = None,
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
        state = service.state
        self.faults = faults or Faults(
            lambda: state.scenario.calls, self._mint, clock=clock, elapsed=lambda: 0
        )

    def handle(self, request: Request) -> Reply:
        """The service's answer to a request, or what a fault makes of it.

        Raises:
            RefusedRequest: the real service has this route, fakebatch does not.
            Misuse: the test gave an answer that is none.
            FakeBatchError: `noted` raised it.
        """
        operation, id_ = route(request.method, request.path)
        digest = self._mint.digest("call", self.service.state.next_call(), size=64)
        hit: Fired | None = None
        now = self._clock()
        request_id = self._call_id(digest.hex(), now)
        self.service.state.settle(now)
        if operation is None or not self.faults.any:
            reply, about, done = self._answer(operation, id_, request, request_id, now)
        else:
            (reply, about, done), hit = self._troubled(operation, id_, request, request_id, now)
        self._noted(Handled(request, operation, about, reply, hit, done, now))
        return self._signed(reply, request_id, took=20 + digest[-1])

    def _troubled(
        self, operation: Operation, id_: str, request: Request, request_id: str, now: int
    ) -> tuple[Answer, Fired | None]:
        """What a fault makes of the true answer, if one hits the call."""
        dialect, call = self._dialect, Call(operation.name, id_, request)
        truth = [Answer(Reply(0, {}, b""), id_, False)]

        def true() -> Reply:
            truth.append(self._answer(operation, id_, request, request_id, now))
            return truth[-1].reply

        reply, hit = self.faults.around(
            call,
            lambda outcome: spoilt(
                outcome,
                true=true,
                usual=lambda status: failure(dialect, call, status, request_id),
                clock=lambda: now,
            ),
        )
        return truth[-1]._replace(reply=reply), hit

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
            said = refused(self._dialect, refusal, request_id, of_files=of_files)
            return Answer(said, id_, False)
        about = id_ or created(operation, reply)
        if reply.status == 200 and operation.name in self._dialect.answers:
            reply = reply._replace(status=self._dialect.answers[operation.name])
        return Answer(reply, about, True)

    def _check_key(self, request: Request) -> None:
        key, auth = "", self._dialect.auth
        for name, scheme in auth.items():
            key = key or _key(request.headers.get(name, ""), scheme)
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
        status, headers, body, pieces, trouble = reply
        signed = self._constant.copy()
        for name, value in self._signing:
            signed[name] = value.format(request_id=request_id, milliseconds=took)
        signed.update(headers)
        return Reply(status, signed, body, pieces, trouble)

    def _is_signed(self, request: Request, id_: str) -> bool:
        """Whether this is the address of a result file, which is open to whoever has it."""
        if not (self._dialect.results_url and request.path == f"/files/{id_}/content"):
            return False
        return request.query.get("signature") == signature(id_)

    @property
    def _dialect(self) -> Dialect:
        return self.service.state.dialect


def _key(header: str, scheme: str) -> str:
    if not scheme:
        return header.strip()
    given, _, key = header.partition(" ")
    return key.strip() if given.lower() == scheme.lower() else ""
