"""From a Request to a Reply: finds the app of an address; keys, rules of calls and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import local
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from fakebatch.dialects import APIError, ErrorKind, ErrorTemplate, render
from fakebatch.errors import UsageError
from fakebatch.ids import format_id, signature
from fakebatch.service import Service
from fakebatch.wire.faults import Faults, Hit, altered
from fakebatch.wire.messages import NO_REPLY, Reply, Request, json_reply
from fakebatch.wire.operations import Operation, refuse_route, route


class Handled(NamedTuple):
    """A request and its reply, as observers get it."""

    request: Request
    operation: Operation | None
    id: str
    """Of the object that the call is about; for a `create` of the new one."""
    reply: Reply
    hit: Hit | None
    """The rule of `on_call` that hit it."""
    changes: bool
    """Whether the call may have changed an object, also if the client got an error."""
    at: int
    """Microseconds since the epoch."""
    status: int | None
    """Of the HTTP response; None: no response arrives."""


class Call(NamedTuple):
    """A request while it is handled."""

    request: Request
    operation: Operation | None
    id: str
    """In the path."""
    now: int
    request_id: str


class App:
    """The HTTP API of one emulated provider.

    Args:
        service: the provider.
        clock: returns the time in microseconds since the epoch; called once for each request.
        api_keys: the keys that are accepted; None: every key.
        faults: the rules of `on_call`; several apps may share them.
        before: they are called with the time of every request before it is handled.
        observers: they are called with every request; their errors are raised in the client.
        left: is called with a download if the client leaves before it has the whole reply.
    """

    def __init__(
        self,
        service: Service,
        *,
        clock: Callable[[], int],
        api_keys: frozenset[str] | None,
        faults: Faults | None = None,
        before: Sequence[Callable[[int], object]] = (),
        observers: Sequence[Callable[[Handled], object]] = (),
        left: Callable[[Handled], object] | None = None,
    ) -> None:
        began = clock()
        self.service = service
        self.faults = faults or Faults(service.state, lambda now: now - began)
        self._clock = clock
        self._api_keys = api_keys
        self._before, self._observers, self._left = before, observers, left

    def handle(self, request: Request, operation: Operation | None, id_: str) -> Reply:
        """The reply to a request, whose path is the part below the base URL.

        `operation` and `id_` are what `operations.route` says of its method and path.

        Raises:
            RefusedRequest: the real service has this route, fakebatch does not emulate it.
            UsageError: a reply given by the test cannot be sent.
            FakeBatchError: an observer raised it.
        """
        state, now = self.service.state, self._clock()
        for prepare in self._before:
            prepare(now)
        number, has_faults = state.begin_call(), bool(state.scenario.on_call)
        digest = state.id_factory.digest("call", number, size=64)
        request_id = format_id(state.dialect.ids.call, digest, now)
        call = Call(request, operation, id_, now, request_id)
        if operation is None or not has_faults:
            (reply, about, done), hit = self._answer(call), None
        else:
            if request.pieces is not None and any(rule.where for rule in state.scenario.on_call):
                request = request._replace(body=b"".join(request.pieces), pieces=None)
                call = call._replace(request=request)
            attempt = self.faults.begin(operation.name, id_, request, now)
            reply, about, done = NO_REPLY, id_, False
            if attempt.is_carried_out:
                reply, about, done = self._answer(call._replace(request=attempt.seen(request)))
            hit, reply = attempt.hit, altered(attempt, reply, now, partial(self._usual_error, call))
            self.faults.end(attempt, reply)
        status = reply.status if reply.script is None or reply.script.sends_head else None
        changes = done and request.method != "GET"
        handled = Handled(request, operation, about, reply, hit, changes, now, status)
        for observe in self._observers:
            observe(handled)
        values = {"request_id": request_id, "milliseconds": 20 + digest[-1]}
        headers = {name: value.format_map(values) for name, value in state.dialect.headers.items()}
        reply = reply._replace(headers={**headers, **reply.headers, **_framing_header(reply)})
        if self._left is None or operation is None or operation.name != "files.content":
            return reply
        return reply._replace(left=partial(self._left, handled))

    def _answer(self, call: Call) -> tuple[Reply, str, bool]:
        """The reply without faults, the id that it is about, and whether the call succeeded."""
        request, operation, id_, now, _ = call
        dialect = self.service.state.dialect
        try:
            self._check_key(request, id_)
            if operation is None:
                refuse_route(request, dialect)
            return *operation.reply(self.service, request, id_, now), True
        except APIError as error:
            return self._error(call, dialect.errors[error.kind], error.values), id_, False

    def _check_key(self, request: Request, id_: str) -> None:
        dialect, key = self.service.state.dialect, ""
        if self.is_signed(request, request.path, id_):
            return
        for name, scheme in dialect.auth.items():
            value = request.headers.get(name.lower(), "")
            if scheme:
                sent, _, value = value.partition(" ")
                value = value if sent.lower() == scheme.lower() else ""
            key = key or value.strip()
        if dialect.auth and not key:
            raise APIError(ErrorKind.NO_KEY)
        if self._api_keys is not None and key not in self._api_keys:
            raise APIError(ErrorKind.WRONG_KEY, key=masked(key))

    def is_signed(self, request: Request, path: str, id_: str) -> bool:
        """Whether a request for a path below the base URL is the download of a signed URL.

        It needs no key: the signature is that of the file.
        """
        is_download = path == f"/files/{id_}/content" and bool(
            self.service.state.dialect.results_url
        )
        return is_download and request.query.get("signature") == signature(id_)

    def _usual_error(self, call: Call, status: int) -> Reply:
        """The error that the provider usually sends with a status."""
        dialect, resource = self.service.state.dialect, call.request.path.split("/")[1]
        kind = {401: ErrorKind.WRONG_KEY, 404: _NOT_FOUND.get(resource)}.get(status)
        if kind is None:
            errors = dialect.line_errors
            template = errors.get(status) or errors[400 if status < 500 else 500]
        else:
            template = dialect.errors[kind]
        values = {"id": call.id, "key": masked(call.request.key)}
        return self._error(call, replace(template, status=status), values)

    def _error(self, call: Call, template: ErrorTemplate, values: Mapping[str, object]) -> Reply:
        """An error response in the provider's words and shape."""
        status, shapes = template.status, self.service.state.dialect.shapes
        error = {
            "message": template.message.format_map(values),
            "type": template.type,
            "param": template.param and template.param.format_map(values),
            "code": template.code,
            "code_or_status": template.code or str(status),
            "status": status,
            "status_text": str(status),
            "request_id": call.request_id,
        }
        shape = shapes.error
        # the provider checks the key before it looks at the route
        if call.request.path.startswith("/files") and status != 401:
            shape = shapes.error_of_files or shape
        reply = json_reply(status, render(shape, error), end="\n")
        return reply._replace(headers={**reply.headers, **template.headers})


_NOT_FOUND = {
    "batches": ErrorKind.NO_SUCH_BATCH,
    "files": ErrorKind.NO_SUCH_FILE,
    "models": ErrorKind.NO_SUCH_MODEL,
}
"""The error of a 404 by the first part of the path."""


def _framing_header(reply: Reply) -> dict[str, str]:
    """The header that says where the body ends."""
    framing = "content-length" if reply.script is None else reply.script.framing
    size = len(reply.body) if reply.pieces is None else reply.size
    if framing == "chunked" or size is None:
        return {"transfer-encoding": "chunked"}
    if framing == "close":
        return {"connection": "close"}
    return {"content-length": str(size)}


def masked(key: str) -> str:
    """A key as the service quotes it, with stars for the middle, or for all of a short key."""
    if len(key) <= 12:
        return "*" * len(key)
    return key[:8] + "*" * (len(key) - 12) + key[-4:]


# --- which app answers which address

DEEPEST = 16
"""How many calls a thread may make inside of each other: callables of the test may make some."""

_calls = local()
"""How many of the calls of a thread are open: `depth`."""


class Target(NamedTuple):
    """The app and the operation to which a request goes."""

    app: App
    path: str
    """The part below the base URL."""
    operation: Operation | None
    """None: no operation has this method and path."""
    id: str
    """The id in the path."""
    base_url: str = ""
    """Where the client has reached the app, if that is not an address of its provider."""

    def handle(self, request: Request) -> Reply:
        """The app's reply to the request.

        Raises:
            UsageError: a callable of the test makes this call, which leads to it again and again.
        """
        depth: int = getattr(_calls, "depth", 0)
        if depth >= DEEPEST:
            raise UsageError(
                f"{request.method} {request.path} leads to itself: {DEEPEST} such calls are open.",
                "A predicate or reply callable calls the client, whose reply needs the callable.",
                "Let another rule answer what the callable calls, or let it call nothing.",
            )
        _calls.depth = depth + 1
        try:
            request = request._replace(path=self.path, base_url=self.base_url)
            return self.app.handle(request, self.operation, self.id)
        finally:
            _calls.depth = depth


class Base(NamedTuple):
    """The parts of a base URL."""

    scheme: str
    host: str
    """May begin with `*.`, which stands for one label; empty: any scheme, host and port."""
    port: int | None
    path: str
    query: tuple[str, ...]
    """The names of parameters that a request must have."""

    @classmethod
    def of(cls, url: str) -> Base:
        """The parts of `https://*.example.com/openai?api-version`."""
        scheme, _, path, query, _ = parts = urlsplit(url)
        return cls(
            scheme,
            (parts.hostname or "").rstrip("."),
            _explicit_port(scheme, parts.port),
            unquote(path).rstrip("/"),
            tuple(name for name, _ in parse_qsl(query, keep_blank_values=True)),
        )

    def path_below(self, request: Request) -> str | None:
        """The path of a request below this base URL; None: it is not below it."""
        if self.host:
            host = request.host.lower().rstrip(".")  # names are case-insensitive (RFC 4343)
            hosts = (host, f"*.{host.partition('.')[2]}")
            port = _explicit_port(request.scheme, request.port)
            if (request.scheme, port) != (self.scheme, self.port) or self.host not in hosts:
                return None
        path, names = request.path, {*self.query}
        is_below = path.startswith(self.path + "/") and request.query.keys() >= names
        return path[len(self.path) :] if is_below else None


def _explicit_port(scheme: str, port: int | None) -> int | None:
    """None for the default port of a scheme."""
    return None if port == {"http": 80, "https": 443}.get(scheme) else port


class Sites:
    """Finds the app that answers an address.

    Args:
        apps: one for each provider.
        prefix: a path such as `/w/name`. Below it the paths of the base URLs are answered too,
            whatever the host: `http://127.0.0.1:1234/w/name/v1/batches`.
        own: for API keys that have apps of their own: these, in the order of `apps`.

    Raises:
        UsageError: two of them have the same address.
    """

    def __init__(
        self,
        apps: Sequence[App],
        prefix: str = "",
        own: Mapping[str, Sequence[App]] = MappingProxyType({}),
    ) -> None:
        self._own = {key: dict(zip(apps, others, strict=True)) for key, others in own.items()}
        self.base_urls = tuple(url for app in apps for url in app.service.state.dialect.base_urls)
        self._apps: dict[Base, App] = {}
        for app in apps:
            for url in app.service.state.dialect.base_urls:
                if self._apps.setdefault(Base.of(url), app) is not app:
                    raise _shared(f"the address {url}")
        self.hosts = {base.host for base in self._apps}
        """The hosts of the base URLs; some may begin with `*.`."""
        for base, app in [*self._apps.items()] if prefix else []:
            below = Base("", "", None, prefix.rstrip("/") + base.path, base.query)
            if self._apps.setdefault(below, app) is not app:
                raise _shared(f"the path {base.path} below {prefix}")

    def find(self, request: Request) -> Target | None:
        """The target of a request; None: it goes to no emulated provider."""
        for base, app in self._apps.items():
            path = base.path_below(request)
            if path is not None:
                direct_paths = app.service.state.dialect.direct_paths
                operation, id_ = route(request.method, path, direct_paths)
                if self._own:
                    app = self._owner(app, request, path, id_)  # noqa: PLW2901
                if operation is not None and operation.is_direct:
                    path = operation.path  # without the model
                url = ""
                if not base.host:
                    port = "" if request.port is None else f":{request.port}"
                    url = f"{request.scheme}://{request.host}{port}{base.path}"
                return Target(app, path, operation, id_, url)
        return None

    def _owner(self, app: App, request: Request, path: str, id_: str) -> App:
        """The app of the organization that a request belongs to, in the place of that of nobody."""
        apps = {own[app]: None for own in self._own.values()}
        if app.is_signed(request, path, id_):  # whoever has the URL: the file says whose it is
            return next((each for each in apps if each.service.state.has_file(id_)), app)
        own = self._own.get(request.key)
        return app if own is None else own[app]


def _shared(address: str) -> UsageError:
    return UsageError(
        f"Two dialects have {address}.",
        "Requests are assigned to a dialect by their address.",
        "List each dialect once.",
    )
