"""An exchange as one generator of steps, and the two that drive it: a thread and an event loop.

The order of things is written once for clients of either kind; a step is what they do differently.
Whatever breaks leaves in the exceptions of the client's own HTTP stack, which are found by name.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import anyio

from fakebatch.errors import FakeBatchError
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.vtime import scheduler


class Step(NamedTuple):
    """One thing to do, for a thread and for an event loop."""

    on_thread: Callable[[], Any]
    on_loop: Callable[[], Awaitable[Any]]


Steps = Generator[Step, Any, Any]
"""Yields what is to be done, is sent the result, and returns the result of the exchange."""


def run(steps: Steps) -> Any:
    """Drive an exchange on the thread of a synchronous client."""
    try:
        step = next(steps)
        while True:
            try:
                result = step.on_thread()
            except BaseException as error:  # noqa: BLE001  # the exchange decides
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value


async def run_on_loop(steps: Steps) -> Any:
    """Drive an exchange on the event loop of an asynchronous client."""
    try:
        step = next(steps)
        while True:
            try:
                result = await step.on_loop()
            except BaseException as error:  # noqa: BLE001  # the exchange decides
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value


def wait(seconds: float) -> Step:
    """Let virtual time pass; in real time nobody wants to wait."""
    if scheduler.for_this_thread() is None:
        seconds = 0
    return Step(partial(time.sleep, seconds), partial(anyio.sleep, seconds))


class Interceptor:
    """What a request comes to in place of the network.

    Args:
        stack: the name of the package whose exceptions the client expects.
        lost_errors: remembers our errors, in case the code under test swallows them.
    """

    def __init__(self, stack: str, lost_errors: LostErrors) -> None:
        self.stack = stack
        self._lost_errors = lost_errors

    def exchange(self, request: Any) -> Steps:
        """From a request to its response."""
        raise NotImplementedError

    def handler(self, request: Any) -> Any:
        """The response for a synchronous client."""
        return run(self._observed(request))

    async def async_handler(self, request: Any) -> Any:
        """The response for an asynchronous client."""
        return await run_on_loop(self._observed(request))

    def _observed(self, request: Any) -> Steps:
        try:
            return (yield from self.exchange(request))
        except FakeBatchError as error:
            self._lost_errors.note(error)
            raise
        except Exception as error:  # noqa: BLE001
            raise native_error(error, self.stack)  # noqa: B904


STACKS = {"httpcore": ("httpcore", "httpx"), "httpcore2": ("httpcore2", "httpx2")}
"""The packages whose exceptions a stack raises or lets pass; the first has those to raise."""

_FAMILIES = frozenset(package for packages in STACKS.values() for package in packages)


def native_error(error: Exception, stack: str) -> Exception:
    """An exception of another HTTP stack as that of `stack` with its name; any other as it is.

    Raised where the other is handled, it does not show it.
    """
    package = type(error).__module__.partition(".")[0]
    packages = STACKS.get(stack, (stack,))
    if package not in _FAMILIES or package in packages:
        return error
    natives = vars(import_module(packages[0]))
    kind = next((natives[k.__name__] for k in type(error).__mro__ if k.__name__ in natives), None)
    if kind is None:
        return error
    native: Exception = kind(str(error))
    native.__suppress_context__ = True
    return native
