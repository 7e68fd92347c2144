"""From a Request to a Reply: the key, the faults, the operation, the words of a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from fakebatch.dialects import Dialect, Reason, Refusal
from fakebatch.errors import RefusedRequest
from fakebatch.ids import formed, signature
from fakebatch.service import Service
from fakebatch.wire.circling import Circle
from fakebatch.wire.exchange import Reply, Request
from fakebatch.wire.faults import Call, Faults, Fired
from fakebatch.wire.operations import OPERATIONS, Operation, created, is_known, route
from fakebatch.wire.spoiling import spoilt
from fakebatch.wire.wording import failure, masked, refused


@dataclass(frozen=True, slots=True)
class Handled:
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


class App:
    """One emulated service behind HTTP.

    Args:
        service: what is asked.
        api_keys: the keys that are accepted; None: every key is.
        faults: what goes wrong with calls.
        noted: told of every request.
    """

    def __init__(
        self,
        service: Service,
        *,
        api_keys: frozenset[str] | None,
        faults: Faults | None = None,
        noted: Callable[[Handled], None] = lambda _: None,
    ) -> None:
        self.service = service
        self._noted = noted
        self._api_keys = api_keys
        self._mint = service.world.mint
        self._numbers = count(1)  # which threads may share
        self._circle = Circle()
        headers = self._dialect.headers.items()
        self._constant = {name: value for name, value in headers if "{" not in value}
        self._signing = [(name, value) for name, value in headers if "{" in value]
        world = service.world
        self.faults = faults or Faults(
            lambda: world.scenario.calls, self._mint, clock=world.clock, elapsed=lambda: 0
        )

    def handle(self, request: Request) -> Reply:
        """The service's answer to a request, or what a fault makes of it.

        Raises:
            RefusedRequest: the real service has this route, fakebatch does not.
            Misuse: the test gave an answer that is none.
            FakeBatchError: the same page is asked for without end.
        """
        operation, id_ = route(request.method, request.path)
        now = self.service.world.clock()
        if request.query:
            self._circle.asked(request, now)
        digest = self._mint.digest("call", next(self._numbers), size=64)
        request_id = formed(self._dialect.ids.call, digest, now)
        truth: list[tuple[str, bool]] = []

        def true() -> Reply:
            reply, about, done = self._answer(operation, id_, request, request_id)
            truth.append((about, done))
            return reply

        if operation is None:
            reply, hit = true(), None
        else:
            reply, hit = self._around(Call(operation.name, id_, request), true, request_id)
        about, done = truth[-1] if truth else (id_, False)
        self._noted(Handled(request, operation, about, reply, hit, done, now))
        return self._signed(reply, request_id, took=20 + digest[-1])

    def _around(
        self, call: Call, true: Callable[[], Reply], request_id: str
    ) -> tuple[Reply, Fired | None]:
        dialect, clock = self._dialect, self.service.world.clock
        return self.faults.around(
            call,
            lambda outcome: spoilt(
                outcome,
                true=true,
                usual=lambda status: failure(dialect, call, status, request_id),
                clock=clock,
            ),
        )

    def _answer(
        self, operation: Operation | None, id_: str, request: Request, request_id: str
    ) -> tuple[Reply, str, bool]:
        """The true answer, the id it is about, and whether anything was done."""
        try:
            if operation is None or not self._is_signed(operation, request, id_):
                self._check_key(request)
            if operation is None:
                raise self._no_route(request)
            reply = operation.handle(self.service, request, id_)
        except Refusal as refusal:
            of_files = request.path.startswith("/files")
            return refused(self._dialect, refusal, request_id, of_files=of_files), id_, False
        about = id_ or created(operation, reply)
        if reply.status == 200 and operation.name in self._dialect.answers:
            reply = replace(reply, status=self._dialect.answers[operation.name])
        return reply, about, True

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
        if is_known(request.path):
            return Refusal(Reason.WRONG_METHOD, **facts)
        if request.path[1:].partition("/")[0] not in self._dialect.elsewhere:
            return Refusal(Reason.NO_SUCH_ROUTE, **facts)
        return RefusedRequest(
            f"{request.method} {request.path} is not emulated.",
            "Known are: " + ", ".join(operation.name for operation in OPERATIONS) + ".",
            "Answer it with a respx route of your own, or do not call it in this test.",
        )

    def _signed(self, reply: Reply, request_id: str, took: int) -> Reply:
        signing = {
            name: value.format(request_id=request_id, milliseconds=took)
            for name, value in self._signing
        }
        return replace(reply, headers={**self._constant, **signing, **reply.headers})

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
