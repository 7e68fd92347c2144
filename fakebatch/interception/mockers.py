"""Hooks into respx's mockers. Only this file uses private parts of respx.

Tested with respx 0.22 and 0.23, with and without pytest-httpx2 1.0.
"""

from __future__ import annotations

import sys
from abc import ABC
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import respx
import respx.mocks
from respx.mocks import HTTPCoreMocker, Mocker
from respx.models import AllMockedAssertionError, PassThrough

from fakebatch.errors import UsageError
from fakebatch.interception.calls import BoundedCalls, as_request, native_response
from fakebatch.interception.dns import is_loopback
from fakebatch.interception.driver import STACKS, Interceptor, Step, Steps
from fakebatch.interception.lost_errors import LostErrors

if TYPE_CHECKING:
    from fakebatch.interception.router import EmulatedRouter

with suppress(ModuleNotFoundError):
    # If it is installed, use its mocker: names are unique, and a later import of it would fail.
    import pytest_httpx2  # noqa: F401  # pyright: ignore[reportUnusedImport]

if "httpcore2" not in Mocker.registry:

    class HTTPCore2Mocker(HTTPCoreMocker):
        """The same for httpcore2. respx registers subclasses by `name`."""

        name = "httpcore2"
        targets = [name.replace("httpcore", "httpcore2") for name in HTTPCoreMocker.targets]  # noqa: RUF012


PATCHED = tuple(stack for stack in ("httpcore", "httpcore2") if find_spec(stack))
"""The stacks whose mockers we start. Others (`httpx`) get a hook, in case the test starts them."""


_USED = {"AllMockedAssertionError", "PassThrough", "httpx", "parse_url"}
"""What we use of the module `mocks`."""


def _mockers() -> Iterator[tuple[ModuleType, type[Mocker]]]:
    """The mockers of respx and of its copies, each with the module that defines the base class.

    openai-python has a copy for httpx2 in its tests (`tests/respx2`, 3.57). Of two copies that
    patch the same methods only the first is called: it leaves the patches of the other in place.
    """
    for base in ABC.__subclasses__():
        module = sys.modules.get(base.__module__, sys)
        if vars(module).get("Mocker") is base and vars(module).keys() >= _USED:
            for mocker in vars(base)["registry"].values():
                yield module, mocker


def _stack(mocker: type[Mocker]) -> str:
    """The package that a mocker patches."""
    return mocker.targets[0].partition(".")[0]


RESPX: ModuleType = respx.mocks
"""What a copy of respx has in its own module `mocks`: a library, mockers and errors."""


def routers_of_the_test(stack: str, *, everywhere: bool = True) -> Iterator[tuple[ModuleType, Any]]:
    """The routers that the test has started and those of fakes, with their copies of respx.

    Args:
        stack: the name of the stack whose routers come first.
        everywhere: whether the routers for other stacks follow.
    """
    mockers = [(module, mocker, _stack(mocker)) for module, mocker in _mockers()]
    mockers.sort(key=lambda each: stack not in STACKS.get(each[2], (each[2],)))
    for module, mocker, patched in mockers:
        routers: list[Any] = [*mocker.routers]
        for router in routers if everywhere or patched == stack else ():
            if not isinstance(router, MockerHook):
                yield module, router
            elif not router.router.is_copy():
                yield RESPX, router.router


def first_response(
    routers: Iterable[tuple[ModuleType, Any]],
    request: Any,
    library: ModuleType,
    stack: str,
    *,
    only_for_it: bool = False,
) -> Steps:
    """The response of the first router that has a route for a request; None: none has.

    Args:
        routers: with the module `mocks` of each.
        request: the request of the client, which has been read.
        library: httpx or httpx2, for the response.
        stack: the name of the stack whose exceptions the response raises.
        only_for_it: whether routes and routers that answer every path of a host do not count.

    Raises:
        PassThrough: the route passes the request through.
    """
    for module, router in routers:
        own = as_request(request, module.httpx)
        if only_for_it and not _has_route_for(own, router, module.httpx):
            continue
        try:
            response = yield Step(partial(router.handler, own), partial(router.async_handler, own))
        except module.AllMockedAssertionError:
            continue
        except module.PassThrough as error:
            raise _pass_through(PassThrough, error, request) from None
        return native_response(response, library, stack)
    return None


def refuse_unstarted(request: Any, before: Container[Any]) -> None:
    """Raise an error for a request that a route would answer if its router were started.

    Args:
        request: the request of the client, which has been read.
        before: the routes that `respx.mock` had before the fake was entered.

    Raises:
        UsageError: there is such a route.
    """
    added = [route for route in respx.mock.routes if route not in before]
    if not added or any(respx.mock in mocker.routers for mocker in Mocker.registry.values()):
        return
    own = as_request(request, RESPX.httpx)
    if any(route.pattern.match(own) for route in added):
        url = request.url.copy_with(query=None, userinfo=b"")
        raise UsageError(
            f"A route of respx for {request.method} {url} has no effect.",
            "respx.get(...) and the like add it to respx.mock, which has not been started.",
            "Add it to the fixture respx_mock, or within `with respx.mock:` or @respx.mock.",
        )


def _has_route_for(request: Any, router: Any, library: ModuleType) -> bool:
    """Whether a router has a route for the path of a request, not only for all of its host."""
    root = request.url.path.split("/", 2)[1]
    url = request.url.copy_with(path=f"/{root}/any-other-operation")
    other = library.Request(request.method, url, headers=request.headers)
    patterns = [route.pattern for route in router.routes]
    return any(each.match(request) and not each.match(other) for each in patterns)


def _pass_through(kind: type[PassThrough], reason: object, request: Any) -> PassThrough:
    # `origin` is only for display; making a route takes longer than the request.
    return kind(str(reason), request=request, origin=None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


class MockerHook(Interceptor):
    """The first router of a mocker, which calls the others itself.

    respx calls routers in the order of their registration. With the hook the order of fixtures does
    not matter: routes of the test come first, then emulated operations, then loopback hosts.

    Args:
        module: respx.mocks, or that of the copy to which the mocker belongs.
        mocker: the mocker.
        router: answers what is emulated.
        lost_errors: records our errors, in case the code under test swallows them.
    """

    def __init__(
        self,
        module: ModuleType,
        mocker: type[Mocker],
        router: EmulatedRouter,
        lost_errors: LostErrors,
    ) -> None:
        super().__init__(_stack(mocker), lost_errors)
        self.mocker = mocker
        self.routers: list[Any] = mocker.routers  # a hook only has the methods of a respx.Router
        self.is_started_here = self.stack in PATCHED and module is RESPX
        self._module = module
        self.router = router

    def exchange(self, request: Any) -> Steps:
        """The exchange for a request, which respx has read: the first response of a router."""
        library: ModuleType = self._module.httpx
        try:
            with suppress(AllMockedAssertionError):
                return (yield from self.router.exchange(request, library, self.stack))
            for outer in self.routers[self.routers.index(self) + 1 :]:
                if isinstance(outer, MockerHook):
                    return (yield from outer.exchange(request))
            routers = routers_of_the_test(self.stack, everywhere=False)
            response = yield from first_response(routers, request, library, self.stack)
        except PassThrough as error:
            raise _pass_through(self._module.PassThrough, error, request) from None
        if response is not None:
            return response
        if is_loopback(request.url.host) or self.stack not in PATCHED:
            # The mocker of httpx passes what it does not know: an in-process transport may answer,
            # and a request to the network reaches the hook of httpcore.
            raise _pass_through(self._module.PassThrough, "stays on this machine", request)
        raise self.router.refusal(request)


@contextmanager
def installed(router: EmulatedRouter, lost_errors: LostErrors) -> Generator[None]:
    """Hook into every mocker and start ours; undo both at the end."""
    hooks = [MockerHook(module, mocker, router, lost_errors) for module, mocker in _mockers()]
    started_before = {hook.mocker for hook in hooks if _is_started(hook.mocker)}
    patches = ExitStack()
    try:
        for module in {module for module, _ in _mockers()}:
            parse = partial(_parse_address, module.parse_url)
            patches.enter_context(patch.object(module, "parse_url", parse))
        router.beside = [hook.routers for hook in hooks]
        router.routes_before = [*respx.mock.routes]
        for hook in hooks:
            hook.routers.insert(0, hook)
            if hook.is_started_here:
                hook.mocker.start()
        yield
    finally:
        router.beside = []
        for hook in hooks:
            hook.routers.remove(hook)
        # Copies of respx patch the same methods: the last to start must be the first to stop.
        others = [hook.mocker for hook in hooks if not hook.is_started_here]
        above = [each for each in others if _is_started(each) and each not in started_before]
        for mocker in above:
            mocker.stop(force=True)
        hooks.sort(key=lambda hook: hook.mocker in started_before)
        for hook in hooks:
            hook.mocker.stop()  # which has an effect if no router is left
        for mocker in above:
            if mocker.routers:
                mocker.start()
        patches.close()


def _is_started(mocker: type[Mocker]) -> bool:
    return bool(mocker._patches)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportUnknownArgumentType]


def _parse_address(parse_url: Callable[[Any], Any], url: Any) -> Any:
    """As respx does, also for what is sent to a proxy: its target is no path, but a URL."""
    *address, target = url
    return parse_url(url if target.startswith(b"/") else (*address, b"/"))


class OperationRoutes(dict[str, respx.Route]):
    """The route of each operation, made when it is first needed: that takes 0.15 ms."""

    def __missing__(self, name: str) -> respx.Route:
        return self.setdefault(name, OperationRoute(name))


class OperationRoute(respx.Route):
    """The route of an operation. If the test mocks it, the mock answers instead of the emulator."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.calls = BoundedCalls(name=self)

    def _next_side_effect(self) -> Any:
        # respx instantiates classes of httpx with a message; those of httpx2 need one as well
        effect = super()._next_side_effect()  # pyright: ignore[reportUnknownMemberType]
        if isinstance(effect, type) and effect.__module__.startswith("httpx2"):
            return effect("Mock Error")
        return effect
