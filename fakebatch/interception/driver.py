"""Runs an exchange, which is a generator of steps, for synchronous and asynchronous clients.

The exchange is written once; a step is what the two kinds of clients do differently. Its errors
become exceptions of the client's own HTTP stack, which are found by name.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from importlib import import_module
from threading import get_ident
from typing import Any, NamedTuple

import anyio

from fakebatch.errors import FakeBatchError
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.vtime import scheduler


class Step(NamedTuple):
    """An action in two forms, for a thread and for an event loop."""

    on_thread: Callable[[], Any]
    on_loop: Callable[[], Awaitable[Any]]


Steps = Generator[Step, Any, Any]
"""Yields steps, is sent the result of each, and returns the result of the exchange."""


async def run(steps: Steps, act: Callable[[Step], Awaitable[Any]]) -> Any:
    """Run an exchange.

    Args:
        steps: the exchange.
        act: takes the action of a step.
    """
    result: Any = None
    error: BaseException | None = None
    try:
        step = next(steps)
        while True:
            try:
                result = await act(step)
            except BaseException as raised:  # noqa: BLE001  # the exchange decides
                error = raised
            # outside of the handler: what the exchange raises now has no context
            step = steps.send(result) if error is None else steps.throw(error)
            error = None
    except StopIteration as end:
        return end.value
    finally:
        del error  # it refers to this frame


async def _act_on_thread(step: Step) -> Any:
    return step.on_thread()


def wait(seconds: float) -> Step:
    """A pause in virtual time; in real time there is none."""
    if scheduler.for_this_thread() is None:
        seconds = 0
    return Step(partial(time.sleep, seconds), partial(anyio.sleep, seconds))


def _adopt_caller() -> None:
    """Let a thread that was there before the clock live in virtual time: it belongs to the test."""
    running = scheduler.current
    if running is not None and get_ident() not in running.scope.living:
        # Imported already, by the session: most tests need neither asyncio nor the patches.
        from fakebatch.vtime import threads  # noqa: PLC0415

        threads.adopt_caller(running)


class Interceptor:
    """Answers requests in place of the network.

    Args:
        stack: the name of the package whose exceptions the client expects.
        lost_errors: records our errors, in case the code under test swallows them.
    """

    def __init__(self, stack: str, lost_errors: LostErrors) -> None:
        self.stack = stack
        self._lost_errors = lost_errors

    def exchange(self, request: Any) -> Steps:
        """The exchange that leads from a request to its response."""
        raise NotImplementedError

    def handler(self, request: Any) -> Any:
        """The response for a synchronous client."""
        try:
            run(self._observed(request), _act_on_thread).send(None)  # which suspends nowhere
        except StopIteration as end:
            return end.value

    async def async_handler(self, request: Any) -> Any:
        """The response for an asynchronous client."""
        return await run(self._observed(request), lambda step: step.on_loop())

    def _observed(self, request: Any) -> Steps:
        try:
            _adopt_caller()
            return (yield from self.exchange(request))
        except FakeBatchError as error:
            self._lost_errors.note(error)
            raise
        except Exception as error:  # noqa: BLE001
            raise native_error(error, self.stack)  # noqa: B904


STACKS = {"httpcore": ("httpcore", "httpx"), "httpcore2": ("httpcore2", "httpx2")}
"""The packages whose exceptions a stack raises; we raise those of the first."""

_FAMILIES = frozenset(package for packages in STACKS.values() for package in packages)


def native_error(error: Exception, stack: str) -> Exception:
    """The exception of `stack` with the name of one of another HTTP stack; others stay as they are.

    Its traceback does not show the original.
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
